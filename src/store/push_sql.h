/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_PUSH_SQL_H
#define POMONA_STORE_PUSH_SQL_H

/*
 * The statements that waking runs often or over the whole fleet, apart, so that a test can look at their plans:
 * none may touch a finished row, and none may sort.
 * Threading: not applicable.
 */

#include "pomona/store/enrollment.h"
#include "queue_sql.h"

_Static_assert(ENROLLMENT_ENROLLED == 2 && ENROLLMENT_REMOVAL_ORDERED == 3, "numbers in SQL");

/* ?1 is the enrollment. */
#define SQL_PUSH_TARGET \
	"SELECT e.state, e.device_id, d.state, e.push_token, e.push_magic, e.topic, e.token_updated_at," \
	" e.token_dead_at, u.seen_seq, u.pushed_seq, u.pushed_at, u.tries FROM enrollment e" \
	" LEFT JOIN enrollment d ON d.id = e.device_id LEFT JOIN push u ON u.enrollment_id = e.id" \
	" WHERE e.id = ?1"
#define SQL_PUSH_OPEN "SELECT max(b.seq), min(q.priority)" SQL_QUEUE_OPEN_OF_ENROLLMENT
#define SQL_PUSH_IS_INACTIVE \
	"SELECT 1 FROM enrollment INDEXED BY enrollment_inactive WHERE id = ?1 AND inactive_at > 0"

/* ?1 is the enrollment before the first, ?2 the time, ?3 the limit. */
#define SQL_PUSH_WORK_OPEN \
	"SELECT q.enrollment_id, max(b.seq), min(q.priority) FROM queue q INDEXED BY queue_open" \
	" CROSS JOIN batch b ON b.id = q.batch_id WHERE q.enrollment_id > ?1 AND q.state < 4" \
	" AND b.seq IS NOT NULL AND (b.not_after = 0 OR b.not_after > ?2)" \
	" GROUP BY q.enrollment_id ORDER BY q.enrollment_id LIMIT ?3"

/* ?1 is the seq before. */
#define SQL_PUSH_NEXT_BATCH "SELECT seq FROM batch WHERE seq > ?1 ORDER BY seq LIMIT 1"
/*
 * ?1 is the batch's seq, ?2 the enrollment before the first, ?3 the time, ?4 the limit. queue_by_command has the
 * batch's rows in order, and those of the command's other batches: they are passed over, unless the batch has one
 * row only.
 */
#define SQL_PUSH_WORK_OF_BATCH \
	"SELECT q.enrollment_id, q.priority FROM batch b CROSS JOIN queue q INDEXED BY queue_by_command" \
	" ON q.command_id = b.command_id AND q.enrollment_id >= max(b.only_id, ?2 + 1)" \
	" AND q.enrollment_id <= CASE b.only_id WHEN 0 THEN 9223372036854775807 ELSE b.only_id END" \
	" WHERE b.seq = ?1 AND q.batch_id = b.id AND q.state < 4" \
	" AND (b.not_after = 0 OR b.not_after > ?3) ORDER BY q.enrollment_id LIMIT ?4"

/* ?1 is the enrollment before the first, ?2 the limit. */
#define SQL_PUSH_WALK \
	"SELECT e.id, max(e.last_seen_at, e.enrolled_at), u.pushed_at, e.inactive_at > 0," \
	" length(e.push_token) > 0 AND e.token_dead_at = 0" \
	" FROM enrollment e LEFT JOIN push u ON u.enrollment_id = e.id" \
	" WHERE e.id > ?1 AND e.state IN (2, 3) ORDER BY e.id LIMIT ?2"
#define SQL_PUSH_WALK_SIZE \
	"SELECT count(*) FROM enrollment INDEXED BY enrollment_by_state" \
	" WHERE kind IN (1, 2, 3, 4, 5) AND state IN (2, 3)"
#define SQL_PUSH_COUNTS \
	"SELECT (SELECT count(*) FROM enrollment INDEXED BY enrollment_inactive" \
	" WHERE inactive_at > 0 AND state = 2)," \
	" (SELECT count(*) FROM enrollment INDEXED BY enrollment_dead" \
	" WHERE token_dead_at > 0 AND state = 2)"

#define SQL_PUSH_CERTS \
	"SELECT c.topic, c.subject, c.sha256, c.not_before, c.not_after, c.stored_at, c.cert_pem," \
	" (SELECT count(*) FROM enrollment e INDEXED BY enrollment_by_topic" \
	" WHERE e.state = 2 AND e.topic = c.topic) FROM push_cert c ORDER BY c.topic"
/* ?1 is the limit. Sorts the topics, not the enrollments. */
#define SQL_PUSH_TOPICS \
	"SELECT t.topic, t.enrollments, EXISTS (SELECT 1 FROM push_cert c WHERE c.topic = t.topic)" \
	" FROM (SELECT topic, count(*) AS enrollments FROM enrollment INDEXED BY enrollment_by_topic" \
	" WHERE state = 2 AND topic > '' GROUP BY topic) t ORDER BY t.enrollments DESC, t.topic LIMIT ?1"

#endif
