/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_QUEUE_SQL_H
#define POMONA_STORE_QUEUE_SQL_H

/*
 * The statements that every poll runs, apart, so that a test can look at their plans: none may touch a finished
 * row. ?1 is the enrollment, ?2 the time. INDEXED BY makes them fail where they would scan.
 * Threading: not applicable.
 */

#include "pomona/store/queue.h"

/* The statements write states as numbers, since a partial index is found by its literal condition only. */
_Static_assert(QUEUE_QUEUED == 1 && QUEUE_SENT == 2 && QUEUE_NOTNOW == 3 && QUEUE_DONE == 4 &&
		QUEUE_CANCELLED == 6 && QUEUE_EXPIRED == 7 && COMMAND_PRIORITY_LAST == 2,
	"numbers in SQL");

/* CROSS: the order of the loops as written. */
#define SQL_QUEUE_OF_ENROLLMENT(index) \
	" FROM queue q INDEXED BY " index \
	" CROSS JOIN batch b ON b.id = q.batch_id" \
	" WHERE q.enrollment_id = ?1 AND b.seq IS NOT NULL AND (b.not_after = 0 OR b.not_after > ?2)"
#define SQL_QUEUE_OPEN_OF_ENROLLMENT SQL_QUEUE_OF_ENROLLMENT("queue_open") " AND q.state < 4"

#define SQL_QUEUE_IS_OPEN "SELECT 1" SQL_QUEUE_OPEN_OF_ENROLLMENT " LIMIT 1"
#define SQL_QUEUE_IS_HELD \
	"SELECT 1" SQL_QUEUE_OF_ENROLLMENT("queue_held") " AND q.state = 3 LIMIT 1"
#define SQL_QUEUE_FIRST \
	"SELECT q.command_id, q.state, q.is_never_notnow" SQL_QUEUE_OPEN_OF_ENROLLMENT \
	" AND q.state <> 3 AND q.is_never_notnow >= ?3 ORDER BY q.priority, q.batch_id LIMIT 1"

#define SQL_QUEUE_LAST \
	"SELECT q.command_id, q.state, q.is_never_notnow, b.created_at" SQL_QUEUE_OPEN_OF_ENROLLMENT \
	" AND q.priority = 2 LIMIT 1"

#define SQL_QUEUE_FIND \
	"SELECT c.id, q.state, q.is_never_notnow FROM command c CROSS JOIN queue q" \
	" ON q.command_id = c.id AND q.enrollment_id = ?1 CROSS JOIN batch b ON b.id = q.batch_id" \
	" WHERE c.uuid = ?2 AND b.seq IS NOT NULL"

#define SQL_QUEUE_REQUEUE \
	"UPDATE queue INDEXED BY queue_held SET state = 1 WHERE enrollment_id = ?1 AND state = 3"

#define SQL_QUEUE_EXPIRE_OF_ENROLLMENT \
	"UPDATE queue INDEXED BY queue_open SET state = 7, finished_at = ?2" \
	" WHERE enrollment_id = ?1 AND state < 4" \
	" AND (SELECT b.not_after FROM batch b WHERE b.id = batch_id AND b.seq IS NOT NULL) BETWEEN 1 AND ?2"

#endif
