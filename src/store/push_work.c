/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/push.h"
#include "push_sql.h"
#include "txn.h"

enum rc queue_last_seq(struct txn *txn, int64_t *seq_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, "SELECT value FROM counter WHERE name = 'batch.seq'");

	if (rc == RC_OK)
		rc = query_row(&query, "counter", err);
	if (rc == RC_OK)
		*seq_r = query_int(&query, 0);
	return rc;
}

enum rc push_work_open(struct txn *txn, int64_t after_id, struct push_work *rows, size_t max,
	size_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	bool is_row = true;
	enum rc rc = QUERY(&query, txn, err, SQL_PUSH_WORK_OPEN, V_INT(after_id), V_INT(txn->now),
		V_INT((int64_t)max));

	*count_r = 0;
	while (rc == RC_OK && *count_r < max && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row)
		rows[(*count_r)++] = (struct push_work){
			.enrollment_id = query_int(&query, 0),
			.seq = query_int(&query, 1),
			.priority = (int)query_int(&query, 2),
		};
	return rc;
}

/* Adds rows of (seq, enrollment, priority). */
static enum rc add_rows(struct query *query, enum rc rc, struct push_work *rows, size_t max,
	size_t *count, struct err *err)
{
	bool is_row = true;

	while (rc == RC_OK && *count < max && (rc = query_next(query, &is_row, err)) == RC_OK && is_row)
		rows[(*count)++] = (struct push_work){
			.enrollment_id = query_int(query, 1),
			.seq = query_int(query, 0),
			.priority = (int)query_int(query, 2),
		};
	return rc;
}

static enum rc add_rest(struct txn *txn, const struct push_cursor *cursor, struct push_work *rows,
	size_t max, size_t *count, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SQL_PUSH_WORK_REST, V_INT(cursor->seq),
		V_INT(cursor->enrollment_id), V_INT(txn->now), V_INT((int64_t)max));

	return add_rows(&query, rc, rows, max, count, err);
}

static enum rc add_next(struct txn *txn, const struct push_cursor *cursor, struct push_work *rows,
	size_t max, size_t *count, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SQL_PUSH_WORK_NEXT, V_INT(cursor->seq), V_INT(0),
		V_INT(txn->now), V_INT((int64_t)(max - *count)));

	return add_rows(&query, rc, rows, max, count, err);
}

enum rc push_work_since(struct txn *txn, struct push_cursor *cursor, struct push_work *rows,
	size_t max, size_t *count_r, struct err *err)
{
	struct push_cursor moved = {0};
	enum rc rc = queue_last_seq(txn, &moved.seq, err);

	*count_r = 0;
	if (rc == RC_OK && cursor->enrollment_id != 0)
		rc = add_rest(txn, cursor, rows, max, count_r, err);
	if (rc == RC_OK && *count_r < max && cursor->seq < moved.seq)
		rc = add_next(txn, cursor, rows, max, count_r, err);
	if (rc != RC_OK)
		return rc;
	if (*count_r == max && max > 0)
		moved = (struct push_cursor){rows[max - 1].seq, rows[max - 1].enrollment_id};
	if (max > 0)
		*cursor = moved;
	return RC_OK;
}
