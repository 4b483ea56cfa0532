/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_RENEWAL_SQL_H
#define POMONA_STORE_RENEWAL_SQL_H

/*
 * The statements that renewals run over the whole fleet, apart, so that a test can look at their plans: each goes
 * along a table or an index in its order.
 * Threading: not applicable.
 */

#include "pomona/store/renewal.h"

_Static_assert(ENROLLMENT_ENROLLED == 2 && RENEWAL_ORDERED == 1 && RENEWAL_DONE == 4,
	"numbers in SQL");

#define SQL_RENEWAL_COLUMNS \
	"SELECT e.id, e.kind, e.ext_id, e.enrolled_at, i.id, i.not_before, i.not_after," \
	" i.is_ours AND EXISTS (SELECT 1 FROM scep_transaction s WHERE s.identity_id = i.id)," \
	" r.state, r.identity_id, r.command_id, r.tries, r.changed_at, r.next_at, q.state, q.finished_at," \
	" i.account_id IS NOT NULL"
#define SQL_RENEWAL_QUEUE \
	" LEFT JOIN queue q ON q.enrollment_id = e.id AND q.command_id = r.command_id"
#define SQL_RENEWAL_OF_ENROLLMENT \
	SQL_RENEWAL_COLUMNS \
	" FROM enrollment e NOT INDEXED CROSS JOIN identity i ON i.id = e.identity_id" \
	" LEFT JOIN renewal r ON r.enrollment_id = e.id" SQL_RENEWAL_QUEUE

/* ?1 is the enrollment before the first, ?2 the limit. */
#define SQL_RENEWAL_WALK \
	SQL_RENEWAL_OF_ENROLLMENT " WHERE e.id > ?1 AND e.state = 2 ORDER BY e.id LIMIT ?2"
#define SQL_RENEWAL_ORDERED \
	SQL_RENEWAL_COLUMNS \
	" FROM renewal r INDEXED BY renewal_by_state CROSS JOIN enrollment e ON e.id = r.enrollment_id" \
	" CROSS JOIN identity i ON i.id = e.identity_id" SQL_RENEWAL_QUEUE \
	" WHERE r.state = 1 AND r.state <> 4 AND r.enrollment_id > ?1 AND e.state = 2" \
	" ORDER BY r.enrollment_id LIMIT ?2"
/* ?1 is the enrollment. */
#define SQL_RENEWAL_ONE SQL_RENEWAL_OF_ENROLLMENT " WHERE e.id = ?1 AND e.state = 2"
#define SQL_RENEWAL_COUNTS \
	"SELECT r.state, count(*) FROM renewal r INDEXED BY renewal_by_state" \
	" CROSS JOIN enrollment e ON e.id = r.enrollment_id" \
	" WHERE r.state <> 4 AND e.state = 2 GROUP BY r.state"
/* ?1 is the state, not that of DONE; in the order of r.enrollment_id. */
#define SQL_RENEWAL_IN_STATE \
	" FROM renewal r INDEXED BY renewal_by_state CROSS JOIN enrollment e ON e.id = r.enrollment_id"
#define SQL_RENEWAL_IS_IN_STATE "r.state = ?1 AND r.state <> 4 AND e.state = 2"
#define SQL_REMOVAL_FIND \
	"SELECT q.command_id, q.state, q.is_never_notnow FROM removal m CROSS JOIN queue q" \
	" ON q.enrollment_id = m.enrollment_id AND q.command_id = m.command_id WHERE m.enrollment_id = ?1"

#endif
