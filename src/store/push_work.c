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

/* Adds what the batch `cursor->seq` has after the cursor. */
static enum rc add_of_batch(struct txn *txn, const struct push_cursor *cursor,
	struct push_work *rows, size_t max, size_t *count, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	bool is_row = true;
	enum rc rc = QUERY(&query, txn, err, SQL_PUSH_WORK_OF_BATCH, V_INT(cursor->seq),
		V_INT(cursor->enrollment_id), V_INT(txn->now), V_INT((int64_t)(max - *count)));

	while (rc == RC_OK && *count < max && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row)
		rows[(*count)++] = (struct push_work){
			.enrollment_id = query_int(&query, 0),
			.seq = cursor->seq,
			.priority = (int)query_int(&query, 1),
		};
	return rc;
}

/* To the beginning of the next batch; *is_there_r false: there is none, the cursor stays. */
static enum rc next_batch(struct txn *txn, struct push_cursor *cursor, bool *is_there_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SQL_PUSH_NEXT_BATCH, V_INT(cursor->seq));

	*is_there_r = false;
	if (rc == RC_OK)
		rc = query_next(&query, is_there_r, err);
	if (rc == RC_OK && *is_there_r)
		*cursor = (struct push_cursor){.seq = query_int(&query, 0)};
	return rc;
}

enum rc push_work_since(struct txn *txn, struct push_cursor *cursor, struct push_work *rows,
	size_t max, size_t *count_r, struct err *err)
{
	struct push_cursor at = *cursor;
	bool is_there = at.enrollment_id != 0;
	enum rc rc = is_there ? RC_OK : next_batch(txn, &at, &is_there, err);

	*count_r = 0;
	while (rc == RC_OK && is_there && *count_r < max) {
		rc = add_of_batch(txn, &at, rows, max, count_r, err);
		if (rc == RC_OK && *count_r < max)
			rc = next_batch(txn, &at, &is_there, err);
	}
	if (rc != RC_OK || max == 0)
		return rc;
	if (*count_r == max)
		*cursor = (struct push_cursor){rows[max - 1].seq, rows[max - 1].enrollment_id};
	else
		*cursor = (struct push_cursor){.seq = at.seq};
	return RC_OK;
}
