/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_HISTORY_SQL_H
#define POMONA_STORE_HISTORY_SQL_H

/*
 * What the files of history share, and its statements over the queue, so that a test can look at their plans.
 * Threading: the writer's.
 */

#include "pomona/store/history.h"
#include "queue_sql.h"

enum { HISTORY_CHUNK = 64 };

/* ?1 is the state, ?2 the time up to which it is due, ?3 the limit. */
#define SQL_HISTORY_DUE \
	"SELECT enrollment_id, command_id, batch_id, result_id FROM queue INDEXED BY queue_finished" \
	" WHERE state >= 4 AND state = ?1 AND finished_at BETWEEN 1 AND ?2 ORDER BY finished_at LIMIT ?3"
/* ?1 is the time up to which it is due, ?2 to ?4 the row before, ?5 the limit. */
#define SQL_HISTORY_ANSWERED \
	"SELECT q.finished_at, q.enrollment_id, q.command_id, c.request_type" \
	" FROM queue q INDEXED BY queue_finished CROSS JOIN command c ON c.id = q.command_id" \
	" WHERE q.state >= 4 AND q.state = 4 AND q.finished_at <= ?1" \
	" AND (q.finished_at, q.enrollment_id, q.command_id) > (?2, ?3, ?4)" \
	" ORDER BY q.finished_at, q.enrollment_id, q.command_id LIMIT ?5"
/* ?1 is the enrollment, ?2 the command, ?3 its kind, ?4 the limit. */
#define SQL_HISTORY_NEWER \
	"SELECT 1 FROM (SELECT command_id, state FROM queue WHERE enrollment_id = ?1 AND command_id > ?2" \
	" ORDER BY command_id LIMIT ?4) n CROSS JOIN command c ON c.id = n.command_id" \
	" WHERE n.state = 4 AND c.request_type = ?3 LIMIT 1"

/* Rows of the queue that are due. Each sets *is_more_r where it did not come to the end. */
enum rc history_drop_finished(struct txn *txn, enum queue_state state, int64_t due_at,
	int64_t *count_r, bool *is_more_r, struct err *err) MUST_USE;
enum rc history_drop_replaced(struct txn *txn, struct history_walk *walk, int64_t due_at,
	struct err *err) MUST_USE;
/* Commands that no row names any more, with their bodies. */
enum rc history_drop_orphans(struct txn *txn, int64_t *count_r, bool *is_more_r, struct err *err)
	MUST_USE;

/* Moves walk->time_s on, as the clock allows. */
enum rc history_follow_clock(struct txn *txn, struct history_walk *walk, struct err *err) MUST_USE;

enum rc history_counter_get(struct txn *txn, const char *name, int64_t *value_r, struct err *err)
	MUST_USE;
enum rc history_counter_set(struct txn *txn, const char *name, int64_t value, struct err *err)
	MUST_USE;

#endif
