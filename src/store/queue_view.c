/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/queue.h"

#include <string.h>

#include "txn.h"

static enum rc read_command(struct txn *txn, struct slice uuid, struct arena *arena,
	struct command_view *view, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	bool is_short = false;
	enum rc rc = QUERY(&query, txn, err,
		"SELECT c.id, c.uuid, c.request_type, c.created_at,"
		" (SELECT b.not_after FROM batch b WHERE b.command_id = c.id ORDER BY b.id DESC LIMIT 1)"
		", c.is_hidden FROM command c WHERE c.uuid = ?1",
		V_TEXT(uuid));

	if (rc == RC_OK)
		rc = query_row(&query, "command", err);
	if (rc != RC_OK)
		return rc;
	view->command_id = query_int(&query, 0);
	view->uuid = query_str(&query, 1, arena, &is_short);
	view->request_type = query_str(&query, 2, arena, &is_short);
	view->created_at = query_int(&query, 3);
	view->not_after = query_int(&query, 4);
	view->is_hidden = query_int(&query, 5) != 0;
	return is_short ? err_set(err, RC_NO_MEMORY, "command") : RC_OK;
}

/* Rows of (state, count). */
static enum rc read_counts(struct query *query, enum rc rc,
	int64_t by_state[static QUEUE_STATE_END], struct err *err)
{
	bool is_row = true;

	while (rc == RC_OK && (rc = query_next(query, &is_row, err)) == RC_OK && is_row)
		by_state[query_int(query, 0)] += query_int(query, 1);
	return rc;
}

enum rc command_view(struct txn *txn, struct slice uuid, struct arena *arena,
	struct command_view *view_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc;

	*view_r = (struct command_view){0};
	rc = read_command(txn, uuid, arena, view_r, err);
	if (rc == RC_OK)
		rc = QUERY(&query, txn, err,
			"SELECT q.state, count(*) FROM queue q WHERE q.command_id = ?1 AND q.batch_id NOT IN"
			" (SELECT id FROM batch WHERE command_id = ?1 AND seq IS NULL) GROUP BY q.state",
			V_INT(view_r->command_id));
	return read_counts(&query, rc, view_r->by_state, err);
}

#define SELECT_QUEUE \
	"SELECT q.enrollment_id, q.command_id, e.ext_id, c.uuid, c.request_type, q.state, b.created_at," \
	" q.sent_at, q.notnow_at, q.finished_at, b.not_after, q.notnow_count, q.status, q.why, q.is_late," \
	" q.result_id IS NOT NULL FROM queue q CROSS JOIN enrollment e ON e.id = q.enrollment_id" \
	" CROSS JOIN command c ON c.id = q.command_id CROSS JOIN batch b ON b.id = q.batch_id" \
	" WHERE b.seq IS NOT NULL AND (?3 = 0 OR q.state < 4)"

static enum rc start_list(struct query *query, struct txn *txn, const struct queue_filter *filter,
	struct err *err)
{
	if (filter->enrollment_id != 0 && filter->command_id != 0)
		return QUERY(query, txn, err,
			SELECT_QUEUE " AND q.enrollment_id = ?1 AND q.command_id = ?2 AND ?4 > 0",
			V_INT(filter->enrollment_id), V_INT(filter->command_id), V_INT(filter->is_open_only),
			V_INT(filter->limit));
	if (filter->enrollment_id != 0)
		return QUERY(query, txn, err,
			SELECT_QUEUE " AND q.enrollment_id = ?1 AND q.command_id > ?2 ORDER BY q.command_id LIMIT ?4",
			V_INT(filter->enrollment_id), V_INT(filter->after_id), V_INT(filter->is_open_only),
			V_INT(filter->limit));
	if (filter->command_id != 0)
		return QUERY(query, txn, err,
			SELECT_QUEUE " AND q.command_id = ?1 AND q.enrollment_id > ?2 ORDER BY q.enrollment_id LIMIT ?4",
			V_INT(filter->command_id), V_INT(filter->after_id), V_INT(filter->is_open_only),
			V_INT(filter->limit));
	return err_set(err, RC_INVALID, "queue: neither enrollment nor command is given");
}

static enum rc read_view(const struct query *query, struct arena *arena, struct queue_view *view,
	struct err *err)
{
	bool is_short = false;

	*view = (struct queue_view){
		.enrollment_id = query_int(query, 0),
		.command_id = query_int(query, 1),
		.ext_id = query_str(query, 2, arena, &is_short),
		.uuid = query_str(query, 3, arena, &is_short),
		.request_type = query_str(query, 4, arena, &is_short),
		.state = (enum queue_state)query_int(query, 5),
		.queued_at = query_int(query, 6),
		.sent_at = query_int(query, 7),
		.notnow_at = query_int(query, 8),
		.finished_at = query_int(query, 9),
		.not_after = query_int(query, 10),
		.notnow_count = query_int(query, 11),
		.status = query_str(query, 12, arena, &is_short),
		.why = query_str(query, 13, arena, &is_short),
		.is_late = query_int(query, 14) != 0,
		.has_result = query_int(query, 15) != 0,
	};
	return is_short ? err_set(err, RC_NO_MEMORY, "queue") : RC_OK;
}

enum rc queue_list(struct txn *txn, const struct queue_filter *filter, struct arena *arena,
	struct queue_view **views_r, size_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	void *list = NULL;
	bool is_row = true;
	enum rc rc = limit_check(filter->limit, err);

	*count_r = 0;
	if (rc == RC_OK)
		rc = start_list(&query, txn, filter, err);
	while (rc == RC_OK && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row) {
		struct queue_view *view = list_next(arena, &list, count_r, sizeof(*view));

		rc = view == NULL ? err_set(err, RC_NO_MEMORY, "queue") : read_view(&query, arena, view, err);
	}
	*views_r = list;
	return rc;
}

static const struct {
	enum queue_state state;
	const char *name;
} totals[] = {
	{QUEUE_DONE, "queue.done"},
	{QUEUE_FAILED, "queue.failed"},
	{QUEUE_CANCELLED, "queue.cancelled"},
	{QUEUE_EXPIRED, "queue.expired"},
};

enum rc totals_write(struct txn *txn, const int64_t finished[static QUEUE_STATE_END],
	struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < COUNT_OF(totals); i++)
		if (finished[totals[i].state] != 0)
			rc = DO(txn, err, "UPDATE counter SET value = value + ?2 WHERE name = ?1", V_STR(totals[i].name),
				V_INT(finished[totals[i].state]));
	return rc;
}

static enum rc read_total(struct txn *txn, const char *name, int64_t *value_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, "SELECT value FROM counter WHERE name = ?1", V_STR(name));

	if (rc == RC_OK)
		rc = query_row(&query, "counter", err);
	if (rc == RC_OK)
		*value_r = query_int(&query, 0);
	return rc;
}

static enum rc count_open(struct txn *txn, int64_t by_state[static QUEUE_STATE_END],
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT state, count(*) FROM queue INDEXED BY queue_open WHERE state < 4"
		" AND batch_id NOT IN (SELECT id FROM batch WHERE seq IS NULL) GROUP BY state");

	return read_counts(&query, rc, by_state, err);
}

static enum rc oldest_open(struct txn *txn, int64_t *queued_at_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT created_at FROM batch WHERE id = (SELECT min(batch_id) FROM queue INDEXED BY queue_open"
		" WHERE state < 4 AND batch_id NOT IN (SELECT id FROM batch WHERE seq IS NULL))");
	bool is_row = false;

	if (rc == RC_OK)
		rc = query_next(&query, &is_row, err);
	*queued_at_r = rc == RC_OK && is_row ? query_int(&query, 0) : 0;
	return rc;
}

enum rc queue_census(struct txn *txn, int64_t by_state[static QUEUE_STATE_END],
	int64_t *oldest_queued_at_r, struct err *err)
{
	enum rc rc = RC_OK;

	memset(by_state, 0, QUEUE_STATE_END * sizeof(*by_state));
	for (size_t i = 0; rc == RC_OK && i < COUNT_OF(totals); i++)
		rc = read_total(txn, totals[i].name, &by_state[totals[i].state], err);
	if (rc == RC_OK)
		rc = count_open(txn, by_state, err);
	return rc == RC_OK ? oldest_open(txn, oldest_queued_at_r, err) : rc;
}
