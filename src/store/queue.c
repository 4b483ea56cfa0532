/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/queue.h"

#include "queue_sql.h"
#include "txn.h"

static const char *const states[QUEUE_STATE_END] = {
	[QUEUE_QUEUED] = "queued",
	[QUEUE_SENT] = "sent",
	[QUEUE_NOTNOW] = "notnow",
	[QUEUE_DONE] = "done",
	[QUEUE_FAILED] = "failed",
	[QUEUE_CANCELLED] = "cancelled",
	[QUEUE_EXPIRED] = "expired",
};

const char *queue_state_name(enum queue_state state)
{
	const char *name = (unsigned)state < QUEUE_STATE_END ? states[state] : NULL;

	return name == NULL ? "unknown" : name;
}

static enum rc ask(struct query *query, enum rc rc, bool *answer_r, struct err *err)
{
	if (rc == RC_OK)
		rc = query_next(query, answer_r, err);
	return rc;
}

enum rc queue_is_open(struct txn *txn, int64_t enrollment_id, bool *is_open_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SQL_QUEUE_IS_OPEN, V_INT(enrollment_id), V_INT(txn->now));

	return ask(&query, rc, is_open_r, err);
}

enum rc queue_is_held(struct txn *txn, int64_t enrollment_id, bool *is_held_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SQL_QUEUE_IS_HELD, V_INT(enrollment_id), V_INT(txn->now));

	return ask(&query, rc, is_held_r, err);
}

enum rc queue_new_poll(struct txn *txn, int64_t enrollment_id, struct err *err)
{
	enum rc rc = DO(txn, err, SQL_QUEUE_EXPIRE_OF_ENROLLMENT, V_INT(enrollment_id), V_INT(txn->now));

	if (rc != RC_OK)
		return rc;
	txn->finished[QUEUE_EXPIRED] += txn_changes(txn);
	return DO(txn, err, SQL_QUEUE_REQUEUE, V_INT(enrollment_id));
}

enum rc queue_first(struct txn *txn, int64_t enrollment_id, bool only_never_notnow,
	struct queue_item *item_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SQL_QUEUE_FIRST, V_INT(enrollment_id), V_INT(txn->now),
		V_INT(only_never_notnow));

	if (rc == RC_OK)
		rc = query_row(&query, "open command", err);
	if (rc != RC_OK)
		return rc;
	*item_r = (struct queue_item){
		.enrollment_id = enrollment_id,
		.command_id = query_int(&query, 0),
		.state = (enum queue_state)query_int(&query, 1),
		.is_never_notnow = query_int(&query, 2) != 0,
	};
	return RC_OK;
}

enum rc queue_last(struct txn *txn, int64_t enrollment_id, struct queue_item *item_r,
	int64_t *queued_at_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SQL_QUEUE_LAST, V_INT(enrollment_id), V_INT(txn->now));

	if (rc == RC_OK)
		rc = query_row(&query, "open command of the last place", err);
	if (rc != RC_OK)
		return rc;
	*item_r = (struct queue_item){
		.enrollment_id = enrollment_id,
		.command_id = query_int(&query, 0),
		.state = (enum queue_state)query_int(&query, 1),
		.is_never_notnow = query_int(&query, 2) != 0,
	};
	*queued_at_r = query_int(&query, 3);
	return RC_OK;
}

enum rc queue_hand_out(struct txn *txn, const struct queue_item *item, struct buf *out,
	struct err *err)
{
	enum rc rc = DO(txn, err,
		"UPDATE queue SET state = 2, sent_at = ?3"
		" WHERE command_id = ?1 AND enrollment_id = ?2 AND state < 4",
		V_INT(item->command_id), V_INT(item->enrollment_id), V_INT(txn->now));

	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_NOT_FOUND, "no such open command");
	return rc == RC_OK ? command_body(txn, item->command_id, out, err) : rc;
}

enum rc queue_find(struct txn *txn, int64_t enrollment_id, struct slice uuid,
	struct queue_item *item_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SQL_QUEUE_FIND, V_INT(enrollment_id), V_TEXT(uuid));

	if (rc == RC_OK)
		rc = query_row(&query, "command in this queue", err);
	if (rc != RC_OK)
		return rc;
	*item_r = (struct queue_item){
		.enrollment_id = enrollment_id,
		.command_id = query_int(&query, 0),
		.state = (enum queue_state)query_int(&query, 1),
		.is_never_notnow = query_int(&query, 2) != 0,
	};
	return RC_OK;
}

enum rc queue_notnow(struct txn *txn, const struct queue_item *item, struct err *err)
{
	return DO(txn, err,
		"UPDATE queue SET state = 3, notnow_at = ?3, notnow_count = notnow_count + 1"
		" WHERE command_id = ?1 AND enrollment_id = ?2 AND state < 4",
		V_INT(item->command_id), V_INT(item->enrollment_id), V_INT(txn->now));
}

static enum rc insert_result(struct txn *txn, const struct queue_item *item, struct slice raw,
	int64_t *result_id_r, struct err *err)
{
	AUTO(buf_fini) struct buf sealed = {0};
	struct place place = place_of_result(item->enrollment_id, item->command_id);
	enum rc rc = txn_seal(txn, &place, raw, &sealed, err);

	if (rc == RC_OK)
		rc = DO(txn, err, "INSERT INTO result (received_at, sealed) VALUES (?1, ?2)", V_INT(txn->now),
			V_BLOB(buf_slice(&sealed)));
	*result_id_r = rc == RC_OK ? sqlite3_last_insert_rowid(txn->db.raw) : 0;
	return rc;
}

enum rc queue_finish(struct txn *txn, const struct queue_item *item,
	const struct queue_answer *answer, struct err *err)
{
	bool was_open = item->state < QUEUE_DONE;
	int64_t result_id = 0;
	enum rc rc = bytes_check("Status", answer->status, QUEUE_STATUS_BYTES_MAX, err);

	if (rc == RC_OK)
		rc = insert_result(txn, item, answer->raw, &result_id, err);
	if (rc == RC_OK) /* from the state that the caller saw, and from no answer */
		rc = DO(txn, err,
			"UPDATE queue SET state = ?3, status = ?4, result_id = ?5, is_late = ?6, finished_at = ?7"
			" WHERE command_id = ?1 AND enrollment_id = ?2 AND result_id IS NULL"
			" AND state BETWEEN ?8 AND ?9",
			V_INT(item->command_id), V_INT(item->enrollment_id), V_INT(answer->state),
			V_TEXT(answer->status), V_INT(result_id), V_INT(answer->is_late), V_INT(txn->now),
			V_INT(was_open ? QUEUE_QUEUED : item->state), V_INT(was_open ? QUEUE_NOTNOW : item->state));
	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_EXISTS, "the command has its final answer");
	if (rc != RC_OK)
		return rc;
	txn->finished[answer->state]++;
	if (!was_open)
		txn->finished[item->state]--;
	return RC_OK;
}

enum rc queue_result(struct txn *txn, int64_t enrollment_id, int64_t command_id, struct buf *raw,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	struct place place = place_of_result(enrollment_id, command_id);
	enum rc rc = QUERY(&query, txn, err,
		"SELECT r.sealed FROM queue q JOIN result r ON r.id = q.result_id"
		" WHERE q.command_id = ?1 AND q.enrollment_id = ?2",
		V_INT(command_id), V_INT(enrollment_id));

	if (rc == RC_OK)
		rc = query_row(&query, "result", err);
	return rc == RC_OK ? txn_unseal(txn, &place, query_bytes(&query, 0), raw, err) : rc;
}
