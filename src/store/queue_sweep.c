/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/queue.h"

#include "txn.h"

/*
 * Cancelling and expiring: one enrollment's rows at once, a command's in chunks. A sweep over a command's rows
 * keeps its place in the database (a cursor), so that a slice begins where the last one ended and does not look
 * again at what is finished.
 */

enum { CHUNK_ROWS = 256 };

enum rc queue_cancel_all(struct txn *txn, int64_t enrollment_id, const char *why, int64_t *count_r,
	struct err *err)
{
	enum rc rc = DO(txn, err,
		"UPDATE queue INDEXED BY queue_open SET state = 6, finished_at = ?2, why = ?3"
		" WHERE enrollment_id = ?1 AND state < 4",
		V_INT(enrollment_id), V_INT(txn->now), V_STR(why));

	*count_r = rc == RC_OK ? txn_changes(txn) : 0;
	txn->finished[QUEUE_CANCELLED] += *count_r;
	return rc;
}

static enum rc check_there(struct txn *txn, int64_t enrollment_id, int64_t command_id,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc =
		QUERY(&query, txn, err, "SELECT 1 FROM queue WHERE command_id = ?1 AND enrollment_id = ?2",
			V_INT(command_id), V_INT(enrollment_id));

	return rc == RC_OK ? query_row(&query, "command in this queue", err) : rc;
}

enum rc queue_cancel(struct txn *txn, int64_t enrollment_id, int64_t command_id, bool *was_open_r,
	struct err *err)
{
	enum rc rc = DO(txn, err,
		"UPDATE queue SET state = 6, finished_at = ?3, why = 'cancelled'"
		" WHERE command_id = ?1 AND enrollment_id = ?2 AND state < 4",
		V_INT(command_id), V_INT(enrollment_id), V_INT(txn->now));

	*was_open_r = rc == RC_OK && txn_changes(txn) == 1;
	txn->finished[QUEUE_CANCELLED] += *was_open_r;
	if (rc != RC_OK || *was_open_r)
		return rc;
	return check_there(txn, enrollment_id, command_id, err);
}

/* The enrollment that ends the next chunk; 0: there is none. */
static enum rc find_chunk(struct txn *txn, int64_t command_id, int64_t cursor, int64_t *end_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT max(enrollment_id) FROM (SELECT enrollment_id FROM queue INDEXED BY queue_by_command"
		" WHERE command_id = ?1 AND enrollment_id > ?2 ORDER BY enrollment_id LIMIT ?3)",
		V_INT(command_id), V_INT(cursor), V_INT(CHUNK_ROWS));

	if (rc == RC_OK)
		rc = query_row(&query, "answer", err);
	*end_r = rc == RC_OK ? query_int(&query, 0) : 0;
	return rc;
}

static enum rc read_int(struct query *query, enum rc rc, int64_t *value_r, struct err *err)
{
	if (rc == RC_OK)
		rc = query_row(query, "command", err);
	if (rc == RC_OK)
		*value_r = query_int(query, 0);
	return rc;
}

static enum rc cancel_cursor(struct txn *txn, int64_t command_id, int64_t *cursor_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc =
		QUERY(&query, txn, err, "SELECT cancel_cursor FROM command WHERE id = ?1", V_INT(command_id));

	return read_int(&query, rc, cursor_r, err);
}

enum rc queue_cancel_command(struct txn *txn, int64_t command_id, int64_t *count_r, bool *is_more_r,
	struct err *err)
{
	int64_t cursor = 0;
	int64_t end = 0;
	enum rc rc = cancel_cursor(txn, command_id, &cursor, err);

	*count_r = 0;
	while (rc == RC_OK && (rc = find_chunk(txn, command_id, cursor, &end, err)) == RC_OK && end != 0) {
		rc = DO(txn, err,
			"UPDATE queue INDEXED BY queue_by_command SET state = 6, finished_at = ?4, why = 'cancelled'"
			" WHERE command_id = ?1 AND enrollment_id > ?2 AND enrollment_id <= ?3 AND state < 4",
			V_INT(command_id), V_INT(cursor), V_INT(end), V_INT(txn->now));
		*count_r += rc == RC_OK ? txn_changes(txn) : 0;
		cursor = end;
		if (txn_is_slice_over(txn))
			break;
	}
	*is_more_r = end != 0;
	txn->finished[QUEUE_CANCELLED] += *count_r;
	if (rc != RC_OK)
		return rc;
	return DO(txn, err, "UPDATE command SET cancel_cursor = ?2 WHERE id = ?1", V_INT(command_id),
		V_INT(end == 0 ? 0 : cursor));
}

struct expiring {
	int64_t batch_id, command_id, cursor;
};

static enum rc find_expiring(struct txn *txn, struct expiring *batch_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT id, command_id, expire_cursor FROM batch INDEXED BY batch_expiring"
		" WHERE not_after > 0 AND is_expired = 0 AND not_after <= ?1 AND seq IS NOT NULL"
		" ORDER BY not_after LIMIT 1",
		V_INT(txn->now));

	if (rc == RC_OK)
		rc = query_row(&query, "batch", err);
	if (rc != RC_OK)
		return rc;
	*batch_r = (struct expiring){
		.batch_id = query_int(&query, 0),
		.command_id = query_int(&query, 1),
		.cursor = query_int(&query, 2),
	};
	return RC_OK;
}

/* One chunk of one batch, and where the next one begins. */
static enum rc expire_chunk(struct txn *txn, const struct expiring *batch, int64_t *count_r,
	struct err *err)
{
	int64_t end = 0;
	enum rc rc = find_chunk(txn, batch->command_id, batch->cursor, &end, err);

	if (rc == RC_OK && end != 0)
		rc = DO(txn, err,
			"UPDATE queue INDEXED BY queue_by_command SET state = 7, finished_at = ?4 WHERE command_id = ?1"
			" AND enrollment_id > ?2 AND enrollment_id <= ?3 AND batch_id = ?5 AND state < 4",
			V_INT(batch->command_id), V_INT(batch->cursor), V_INT(end), V_INT(txn->now),
			V_INT(batch->batch_id));
	if (rc == RC_OK && end != 0)
		*count_r += txn_changes(txn);
	if (rc == RC_OK)
		rc = DO(txn, err,
			"UPDATE batch SET expire_cursor = max(expire_cursor, ?2), is_expired = ?3 WHERE id = ?1",
			V_INT(batch->batch_id), V_INT(end), V_INT(end == 0));
	return rc;
}

enum rc queue_expire(struct txn *txn, int64_t *count_r, bool *is_more_r, struct err *err)
{
	struct expiring batch;
	enum rc rc;

	*count_r = 0;
	*is_more_r = true;
	while ((rc = find_expiring(txn, &batch, err)) == RC_OK) {
		rc = expire_chunk(txn, &batch, count_r, err);
		if (rc != RC_OK || txn_is_slice_over(txn))
			break;
	}
	txn->finished[QUEUE_EXPIRED] += *count_r;
	if (rc != RC_NOT_FOUND)
		return rc;
	*is_more_r = false;
	return RC_OK;
}
