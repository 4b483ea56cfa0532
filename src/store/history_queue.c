/* SPDX-License-Identifier: Apache-2.0 */
#include "history_sql.h"
#include "txn.h"

/* A statement is read to its end before what it found is dropped. */
struct row {
	int64_t enrollment_id, command_id, batch_id, result_id;
};

/* --- one row */

/* The result, the batch where it was the row's alone, and then the command is looked at. */
static enum rc drop_what_hangs_on(struct txn *txn, const struct row *row, struct err *err)
{
	enum rc rc = RC_OK;

	if (row->result_id != 0)
		rc = DO(txn, err, "DELETE FROM result WHERE id = ?1", V_INT(row->result_id));
	if (rc == RC_OK)
		rc = DO(txn, err, "DELETE FROM batch WHERE id = ?1 AND only_id = ?2 AND seq IS NOT NULL",
			V_INT(row->batch_id), V_INT(row->enrollment_id));
	if (rc != RC_OK)
		return rc;
	return DO(txn, err,
		"UPDATE command SET is_orphan = 1 WHERE id = ?1 AND is_orphan = 0"
		" AND NOT EXISTS (SELECT 1 FROM queue INDEXED BY queue_by_command WHERE command_id = ?1)",
		V_INT(row->command_id));
}

/* Finished once is finished for ever, but the statement says it again: no mistake here may cost open work. */
static enum rc drop_row(struct txn *txn, const struct row *row, enum queue_state state,
	struct err *err)
{
	enum rc rc = DO(txn, err,
		"DELETE FROM queue WHERE enrollment_id = ?1 AND command_id = ?2 AND state >= 4 AND state = ?3",
		V_INT(row->enrollment_id), V_INT(row->command_id), V_INT(state));

	if (rc != RC_OK || txn_changes(txn) == 0)
		return rc;
	txn->finished[state]--;
	return drop_what_hangs_on(txn, row, err);
}

/* --- all that is due in a state */

static enum rc find_due(struct txn *txn, enum queue_state state, int64_t due_at,
	struct row rows[static HISTORY_CHUNK], size_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	bool is_row = true;
	enum rc rc =
		QUERY(&query, txn, err, SQL_HISTORY_DUE, V_INT(state), V_INT(due_at), V_INT(HISTORY_CHUNK));

	*count_r = 0;
	while (rc == RC_OK && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row)
		rows[(*count_r)++] = (struct row){
			.enrollment_id = query_int(&query, 0),
			.command_id = query_int(&query, 1),
			.batch_id = query_int(&query, 2),
			.result_id = query_int(&query, 3),
		};
	return rc;
}

enum rc history_drop_finished(struct txn *txn, enum queue_state state, int64_t due_at,
	int64_t *count_r, bool *is_more_r, struct err *err)
{
	struct row rows[HISTORY_CHUNK];
	size_t count = HISTORY_CHUNK;
	enum rc rc = RC_OK;

	*count_r = 0;
	*is_more_r = false;
	while (rc == RC_OK && count == HISTORY_CHUNK && !*is_more_r) {
		rc = find_due(txn, state, due_at, rows, &count, err);
		for (size_t i = 0; rc == RC_OK && i < count && !*is_more_r; i++) {
			rc = drop_row(txn, &rows[i], state, err);
			++*count_r;
			*is_more_r = *count_r == HISTORY_SLICE_ROWS_MAX || txn_is_slice_over(txn);
		}
	}
	return rc;
}

/* --- answers to queries, as far as a newer one stands for them */

struct answered {
	int64_t finished_at, enrollment_id, command_id;
	char request_type[COMMAND_TYPE_BYTES_MAX + 1];
};

struct lap {
	int64_t begun_at;
	int64_t finished_at, enrollment_id, command_id; /* the last row that was looked at */
};

static const struct {
	const char *name;
	size_t offset;
} lap_fields[] = {
	{"history.lap_at", offsetof(struct lap, begun_at)},
	{"history.lap_finished_at", offsetof(struct lap, finished_at)},
	{"history.lap_enrollment", offsetof(struct lap, enrollment_id)},
	{"history.lap_command", offsetof(struct lap, command_id)},
};

static int64_t *lap_field(struct lap *lap, size_t i)
{
	return (int64_t *)((char *)lap + lap_fields[i].offset);
}

static enum rc read_lap(struct txn *txn, struct lap *lap_r, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < COUNT_OF(lap_fields); i++)
		rc = history_counter_get(txn, lap_fields[i].name, lap_field(lap_r, i), err);
	return rc;
}

static enum rc write_lap(struct txn *txn, struct lap *lap, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < COUNT_OF(lap_fields); i++)
		rc = history_counter_set(txn, lap_fields[i].name, *lap_field(lap, i), err);
	return rc;
}

/* The next rows that are due. */
static enum rc find_answered(struct txn *txn, const struct lap *lap, int64_t due_at,
	struct answered rows[static HISTORY_CHUNK], size_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	bool is_row = true;
	enum rc rc = QUERY(&query, txn, err, SQL_HISTORY_ANSWERED, V_INT(due_at), V_INT(lap->finished_at),
		V_INT(lap->enrollment_id), V_INT(lap->command_id), V_INT(HISTORY_CHUNK));

	*count_r = 0;
	while (rc == RC_OK && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row) {
		struct answered *row = &rows[(*count_r)++];

		row->finished_at = query_int(&query, 0);
		row->enrollment_id = query_int(&query, 1);
		row->command_id = query_int(&query, 2);
		query_copy(&query, 3, row->request_type, sizeof(row->request_type));
	}
	return rc;
}

static enum rc has_newer(struct txn *txn, const struct answered *row, bool *has_newer_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SQL_HISTORY_NEWER, V_INT(row->enrollment_id),
		V_INT(row->command_id), V_STR(row->request_type), V_INT(HISTORY_NEWER_ROWS_MAX));

	return rc == RC_OK ? query_next(&query, has_newer_r, err) : rc;
}

static enum rc drop_answered(struct txn *txn, const struct answered *answered, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	struct row row = {.enrollment_id = answered->enrollment_id, .command_id = answered->command_id};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT batch_id, result_id FROM queue WHERE enrollment_id = ?1 AND command_id = ?2",
		V_INT(row.enrollment_id), V_INT(row.command_id));

	if (rc == RC_OK)
		rc = query_row(&query, "command in this queue", err);
	if (rc != RC_OK)
		return rc;
	row.batch_id = query_int(&query, 0);
	row.result_id = query_int(&query, 1);
	query_end(&query);
	return drop_row(txn, &row, QUEUE_DONE, err);
}

static enum rc look_at(struct txn *txn, struct history_walk *walk, struct lap *lap,
	const struct answered *row, struct err *err)
{
	bool is_replaced = false;
	enum rc rc = RC_OK;

	lap->finished_at = row->finished_at;
	lap->enrollment_id = row->enrollment_id;
	lap->command_id = row->command_id;
	if (walk->is_query(slice_of_str(row->request_type)))
		rc = has_newer(txn, row, &is_replaced, err);
	if (rc != RC_OK || !is_replaced)
		return rc;
	walk->dropped[HISTORY_QUERIES]++;
	return drop_answered(txn, row, err);
}

/* *looked becomes -1 where nothing that is due comes after the chunk. */
static enum rc walk_chunk(struct txn *txn, struct history_walk *walk, struct lap *lap,
	int64_t due_at, int *looked, struct err *err)
{
	struct answered rows[HISTORY_CHUNK];
	size_t count = 0;
	enum rc rc = find_answered(txn, lap, due_at, rows, &count, err);

	for (size_t i = 0; rc == RC_OK && i < count; i++) {
		rc = look_at(txn, walk, lap, &rows[i], err);
		if (++*looked == HISTORY_SLICE_ROWS_MAX || txn_is_slice_over(txn)) {
			walk->is_more = true;
			return rc;
		}
	}
	if (count < HISTORY_CHUNK)
		*looked = -1;
	return rc;
}

/*
 * Rows that stay are passed once. What nothing had replaced by then, and what was written while the clock was ahead
 * and is due now, is found by the next lap.
 */
enum rc history_drop_replaced(struct txn *txn, struct history_walk *walk, int64_t due_at,
	struct err *err)
{
	struct lap lap = {0};
	bool was_more = walk->is_more;
	int looked = 0;
	enum rc rc = read_lap(txn, &lap, err);

	if (rc == RC_OK && (walk->time_s - lap.begun_at >= HISTORY_LAP_S || lap.begun_at > walk->time_s))
		lap = (struct lap){.begun_at = walk->time_s};
	walk->is_more = false;
	while (rc == RC_OK && looked >= 0 && !walk->is_more)
		rc = walk_chunk(txn, walk, &lap, due_at, &looked, err);
	walk->is_more = walk->is_more || was_more;
	return rc == RC_OK ? write_lap(txn, &lap, err) : rc;
}

/* --- commands that nothing names */

static enum rc next_orphan(struct txn *txn, int64_t after_id, int64_t *id_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	bool is_row = false;
	enum rc rc = QUERY(&query, txn, err,
		"SELECT id FROM command INDEXED BY command_orphan WHERE is_orphan = 1 AND id > ?1"
		" ORDER BY id LIMIT 1",
		V_INT(after_id));

	if (rc == RC_OK)
		rc = query_next(&query, &is_row, err);
	*id_r = rc == RC_OK && is_row ? query_int(&query, 0) : 0;
	return rc;
}

static enum rc is_there(struct query *query, enum rc rc, bool *is_there_r, struct err *err)
{
	return rc == RC_OK ? query_next(query, is_there_r, err) : rc;
}

/* It may have been sent again since. */
static enum rc is_named(struct txn *txn, int64_t id, bool *is_named_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT 1 FROM queue INDEXED BY queue_by_command WHERE command_id = ?1 LIMIT 1", V_INT(id));

	return is_there(&query, rc, is_named_r, err);
}

/* A sending that has not been published goes on. */
static enum rc is_staged(struct txn *txn, int64_t id, bool *is_staged_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT 1 FROM batch INDEXED BY batch_unpublished WHERE command_id = ?1 AND seq IS NULL LIMIT 1",
		V_INT(id));

	return is_there(&query, rc, is_staged_r, err);
}

static enum rc drop_batches(struct txn *txn, int64_t id, int64_t *count_r, struct err *err)
{
	enum rc rc = DO(txn, err,
		"DELETE FROM batch WHERE id IN (SELECT id FROM batch INDEXED BY batch_by_command"
		" WHERE command_id = ?1 LIMIT ?2)",
		V_INT(id), V_INT(HISTORY_CHUNK));

	*count_r = rc == RC_OK ? txn_changes(txn) : 0;
	return rc;
}

/* *is_over_r: time ran out before it was gone. */
static enum rc drop_orphan(struct txn *txn, int64_t id, int64_t *count, bool *is_over_r,
	struct err *err)
{
	bool is_busy = false;
	int64_t batches = HISTORY_CHUNK;
	enum rc rc = is_named(txn, id, &is_busy, err);

	if (rc == RC_OK && is_busy)
		return DO(txn, err, "UPDATE command SET is_orphan = 0 WHERE id = ?1", V_INT(id));
	if (rc == RC_OK)
		rc = is_staged(txn, id, &is_busy, err);
	if (rc != RC_OK || is_busy)
		return rc;
	while (rc == RC_OK && batches == HISTORY_CHUNK && !*is_over_r) {
		rc = drop_batches(txn, id, &batches, err);
		*is_over_r = txn_is_slice_over(txn);
	}
	if (rc != RC_OK || batches == HISTORY_CHUNK)
		return rc;
	++*count;
	return DO(txn, err, "DELETE FROM command WHERE id = ?1", V_INT(id));
}

enum rc history_drop_orphans(struct txn *txn, int64_t *count_r, bool *is_more_r, struct err *err)
{
	int64_t id = 0;
	enum rc rc = next_orphan(txn, 0, &id, err);

	*count_r = 0;
	*is_more_r = false;
	while (rc == RC_OK && id != 0 && !*is_more_r) {
		rc = drop_orphan(txn, id, count_r, is_more_r, err);
		*is_more_r = *is_more_r || *count_r == HISTORY_SLICE_ROWS_MAX || txn_is_slice_over(txn);
		if (rc == RC_OK)
			rc = next_orphan(txn, id, &id, err);
	}
	return rc;
}
