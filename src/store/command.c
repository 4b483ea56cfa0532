/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/queue.h"

#include "txn.h"

static enum rc check_row(const struct command_row *row, struct err *err)
{
	enum rc rc = bytes_check("CommandUUID", row->uuid, COMMAND_UUID_BYTES_MAX, err);

	if (rc == RC_OK)
		rc = bytes_check("RequestType", row->request_type, COMMAND_TYPE_BYTES_MAX, err);
	if (rc == RC_OK)
		rc = bytes_check("command", row->body, COMMAND_BODY_BYTES_MAX, err);
	if (rc == RC_OK && row->uuid.len == 0)
		return err_set(err, RC_INVALID, "CommandUUID: empty");
	return rc;
}

static enum rc insert_command(struct txn *txn, const struct command_row *row, int64_t *command_id_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"INSERT INTO command (uuid, request_type, priority, is_never_notnow, created_at, is_hidden)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
		V_TEXT(row->uuid), V_TEXT(row->request_type), V_INT(row->priority), V_INT(row->is_never_notnow),
		V_INT(txn->now), V_INT(row->is_hidden));

	if (rc == RC_OK)
		rc = query_row(&query, "command", err);
	if (rc == RC_OK)
		*command_id_r = query_int(&query, 0);
	return rc;
}

static enum rc insert_body(struct txn *txn, int64_t command_id, struct slice body, struct err *err)
{
	AUTO(buf_fini) struct buf sealed = {0};
	struct place place = place_of_command(command_id);
	enum rc rc = txn_seal(txn, &place, body, &sealed, err);

	if (rc == RC_OK)
		rc = DO(txn, err, "INSERT INTO command_body (command_id, sealed) VALUES (?1, ?2)",
			V_INT(command_id), V_BLOB(buf_slice(&sealed)));
	return rc;
}

/* Compared in the clear: a stored digest would let one guess short secrets, such as a PIN, in the body. */
static enum rc check_same(struct txn *txn, int64_t command_id, struct slice body, struct err *err)
{
	AUTO(buf_fini_secret) struct buf stored = {0};
	enum rc rc;

	buf_init(&stored, COMMAND_BODY_BYTES_MAX);
	rc = command_body(txn, command_id, &stored, err);
	if (rc == RC_OK && !slice_is_equal(buf_slice(&stored), body))
		return err_set(err, RC_EXISTS, "this CommandUUID was given to another command");
	return rc;
}

enum rc command_put(struct txn *txn, const struct command_row *row, int64_t *command_id_r,
	struct err *err)
{
	enum rc rc = check_row(row, err);

	if (rc != RC_OK)
		return rc;
	rc = command_find(txn, row->uuid, command_id_r, err);
	if (rc == RC_OK)
		return check_same(txn, *command_id_r, row->body, err);
	if (rc == RC_NOT_FOUND)
		rc = insert_command(txn, row, command_id_r, err);
	return rc == RC_OK ? insert_body(txn, *command_id_r, row->body, err) : rc;
}

enum rc command_find(struct txn *txn, struct slice uuid, int64_t *command_id_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, "SELECT id FROM command WHERE uuid = ?1", V_TEXT(uuid));

	if (rc == RC_OK)
		rc = query_row(&query, "command", err);
	if (rc == RC_OK)
		*command_id_r = query_int(&query, 0);
	return rc;
}

enum rc command_body(struct txn *txn, int64_t command_id, struct buf *out, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	struct place place = place_of_command(command_id);
	enum rc rc = QUERY(&query, txn, err, "SELECT sealed FROM command_body WHERE command_id = ?1",
		V_INT(command_id));

	if (rc == RC_OK)
		rc = query_row(&query, "command", err);
	if (rc == RC_CORRUPT) /* pages of the database: a backup may have the body */
		return err_set(err, RC_IO, "command %lld: the database is damaged: restore a backup",
			(long long)command_id);
	return rc == RC_OK ? txn_unseal(txn, &place, query_bytes(&query, 0), out, err) : rc;
}

/* batch.only_id: the one enrollment of the batch, or these. */
enum { BATCH_OF_NOBODY = -1, BATCH_OF_SEVERAL = 0 };

enum rc batch_begin(struct txn *txn, int64_t command_id, int64_t not_after, int64_t *batch_id_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	/* A cancellation under way has yet to see what this batch adds before its cursor. */
	enum rc rc = DO(txn, err,
		"UPDATE command SET cancel_cursor = 0 WHERE id = ?1 AND cancel_cursor <> 0", V_INT(command_id));

	if (rc == RC_OK)
		rc = QUERY(&query, txn, err,
			"INSERT INTO batch (command_id, not_after, created_at, only_id) VALUES (?1, ?2, ?3, ?4)"
			" RETURNING id",
			V_INT(command_id), V_INT(not_after), V_INT(txn->now), V_INT(BATCH_OF_NOBODY));
	if (rc == RC_OK)
		rc = query_row(&query, "batch", err);
	if (rc == RC_OK)
		*batch_id_r = query_int(&query, 0);
	return rc;
}

static enum rc find_staging(struct txn *txn, int64_t batch_id, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT c.id, c.priority, c.is_never_notnow, b.only_id"
		" FROM batch b JOIN command c ON c.id = b.command_id WHERE b.id = ?1 AND b.seq IS NULL",
		V_INT(batch_id));

	if (rc == RC_OK)
		rc = query_row(&query, "unpublished batch", err);
	if (rc != RC_OK)
		return rc;
	txn->staging = (struct staging){
		.batch_id = batch_id,
		.command_id = query_int(&query, 0),
		.priority = query_int(&query, 1),
		.is_never_notnow = query_int(&query, 2),
		.only_id = query_int(&query, 3),
	};
	return RC_OK;
}

/* At most twice a batch. */
static enum rc note_added(struct txn *txn, int64_t enrollment_id, struct err *err)
{
	struct staging *staging = &txn->staging;

	if (staging->only_id == BATCH_OF_SEVERAL)
		return RC_OK;
	staging->only_id = staging->only_id == BATCH_OF_NOBODY ? enrollment_id : BATCH_OF_SEVERAL;
	return DO(txn, err, "UPDATE batch SET only_id = ?2 WHERE id = ?1", V_INT(staging->batch_id),
		V_INT(staging->only_id));
}

enum rc batch_add(struct txn *txn, int64_t batch_id, int64_t enrollment_id, bool *was_queued_r,
	struct err *err)
{
	const struct staging *staging = &txn->staging;
	enum rc rc = RC_OK;

	if (staging->batch_id != batch_id)
		rc = find_staging(txn, batch_id, err);
	if (rc == RC_OK) /* VALUES, not SELECT: a statement of one row needs no savepoint of its own */
		rc = DO(txn, err,
			"INSERT INTO queue (command_id, enrollment_id, batch_id, state, priority, is_never_notnow)"
			" VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
			V_INT(staging->command_id), V_INT(enrollment_id), V_INT(batch_id), V_INT(QUEUE_QUEUED),
			V_INT(staging->priority), V_INT(staging->is_never_notnow));
	*was_queued_r = rc == RC_OK && txn_changes(txn) == 1;
	return *was_queued_r ? note_added(txn, enrollment_id, err) : rc;
}

enum rc batch_publish(struct txn *txn, int64_t batch_id, struct err *err)
{
	enum rc rc = DO(txn, err, "UPDATE counter SET value = value + 1 WHERE name = 'batch.seq'");

	txn->staging = (struct staging){0};
	if (rc == RC_OK)
		rc = DO(txn, err,
			"UPDATE batch SET seq = (SELECT value FROM counter WHERE name = 'batch.seq')"
			" WHERE id = ?1 AND seq IS NULL",
			V_INT(batch_id));
	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_NOT_FOUND, "no such unpublished batch");
	if (rc == RC_OK)
		rc = DO(txn, err,
			"UPDATE command SET is_published = 1"
			" WHERE id = (SELECT command_id FROM batch WHERE id = ?1) AND is_published = 0",
			V_INT(batch_id));
	return rc;
}

#define STAGED "(command_id, batch_id) IN (SELECT command_id, id FROM batch WHERE seq IS NULL)"

/* Rows that were cancelled while they were staged are in the totals. */
static enum rc uncount_staged(struct txn *txn, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	bool is_row = true;
	enum rc rc = QUERY(&query, txn, err,
		"SELECT state, count(*) FROM queue WHERE command_id IN (SELECT command_id FROM batch WHERE seq IS NULL)"
		" AND " STAGED " AND state >= ?1 GROUP BY state",
		V_INT(QUEUE_DONE));

	while (rc == RC_OK && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row)
		txn->finished[query_int(&query, 0)] -= query_int(&query, 1);
	return rc;
}

enum rc staged_delete(struct txn *txn, struct err *err)
{
	enum rc rc = uncount_staged(txn, err);

	if (rc == RC_OK)
		rc = DO(txn, err,
			"DELETE FROM queue WHERE command_id IN (SELECT command_id FROM batch WHERE seq IS NULL)"
			" AND " STAGED);
	if (rc == RC_OK)
		rc = DO(txn, err, "DELETE FROM batch WHERE seq IS NULL");
	return rc == RC_OK ? DO(txn, err, "DELETE FROM command WHERE is_published = 0") : rc;
}
