/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/push.h"
#include "push_sql.h"
#include "txn.h"

enum rc push_walk(struct txn *txn, int64_t after_id, struct push_walk_row *rows, size_t max,
	size_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	bool is_row = true;
	enum rc rc = QUERY(&query, txn, err, SQL_PUSH_WALK, V_INT(after_id), V_INT((int64_t)max));

	*count_r = 0;
	while (rc == RC_OK && *count_r < max && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row)
		rows[(*count_r)++] = (struct push_walk_row){
			.enrollment_id = query_int(&query, 0),
			.last_seen_at = query_int(&query, 1),
			.pushed_at = query_int(&query, 2),
			.is_inactive = query_int(&query, 3) != 0,
			.has_live_token = query_int(&query, 4) != 0,
		};
	return rc;
}

static enum rc read_one(struct query *query, enum rc rc, int64_t *value_r, struct err *err)
{
	if (rc == RC_OK)
		rc = query_row(query, "answer", err);
	if (rc == RC_OK)
		*value_r = query_int(query, 0);
	return rc;
}

enum rc push_walk_cursor_get(struct txn *txn, int64_t *after_id_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, "SELECT value FROM counter WHERE name = 'push.walk'");

	return read_one(&query, rc, after_id_r, err);
}

enum rc push_walk_cursor_set(struct txn *txn, int64_t after_id, struct err *err)
{
	return DO(txn, err, "UPDATE counter SET value = ?1 WHERE name = 'push.walk'", V_INT(after_id));
}

enum rc push_walk_size(struct txn *txn, int64_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SQL_PUSH_WALK_SIZE);

	return read_one(&query, rc, count_r, err);
}

enum rc enrollment_set_inactive(struct txn *txn, int64_t id, int64_t seen_before,
	bool *was_changed_r, struct err *err)
{
	enum rc rc = DO(txn, err,
		"UPDATE enrollment SET inactive_at = max(1, ?3) WHERE id = ?1 AND inactive_at = 0"
		" AND max(last_seen_at, enrolled_at) < ?2 AND state IN (2, 3)",
		V_INT(id), V_INT(seen_before), V_INT(txn->now));

	*was_changed_r = rc == RC_OK && txn_changes(txn) > 0;
	return rc;
}

enum rc push_counts(struct txn *txn, struct push_counts *counts_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SQL_PUSH_COUNTS);

	if (rc == RC_OK)
		rc = query_row(&query, "answer", err);
	if (rc == RC_OK)
		*counts_r = (struct push_counts){query_int(&query, 0), query_int(&query, 1)};
	return rc;
}
