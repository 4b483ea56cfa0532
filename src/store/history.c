/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/history.h"

#include "history_sql.h"
#include "txn.h"

enum { WRITE_TIME_EVERY_S = 3600 };

/* What goes by one statement: ?1 is the time up to which it is due, ?2 how many rows at most. */
static const struct {
	const char *name;    /* for people */
	const char *counter; /* of what was dropped */
	const char *sql;     /* NULL: it has its own function */
} classes[HISTORY_CLASS_COUNT] = {
	[HISTORY_DONE] = {"done", "history.done", NULL},
	[HISTORY_FAILED] = {"failed", "history.failed", NULL},
	[HISTORY_CANCELLED] = {"cancelled", "history.cancelled", NULL},
	[HISTORY_EXPIRED] = {"expired", "history.expired", NULL},
	[HISTORY_QUERIES] = {"queries", "history.queries", NULL},
	[HISTORY_MESSAGES] = {"messages", "history.messages",
		"DELETE FROM checkin_message WHERE rowid IN (SELECT rowid FROM checkin_message"
		" INDEXED BY checkin_message_by_age WHERE received_at <= ?1 ORDER BY received_at LIMIT ?2)"},
	[HISTORY_PENDING] = {"pending", "history.pending", NULL},
	[HISTORY_ESCROW] = {"escrow", "history.escrow",
		"DELETE FROM escrow WHERE id IN (SELECT id FROM escrow INDEXED BY escrow_archived"
		" WHERE archived_at > 0 AND archived_at <= ?1 ORDER BY archived_at LIMIT ?2)"},
	[HISTORY_TOKENS] = {"tokens", "history.tokens",
		"DELETE FROM api_token WHERE id IN (SELECT id FROM api_token WHERE revoked_at BETWEEN 1 AND ?1"
		" OR expires_at BETWEEN 1 AND ?1 LIMIT ?2)"},
	[HISTORY_UNENROLLMENTS] = {"unenrollments", "history.unenrollments",
		"DELETE FROM unenrollment WHERE id IN (SELECT id FROM unenrollment"
		" INDEXED BY unenrollment_by_age WHERE recorded_at <= ?1 ORDER BY recorded_at LIMIT ?2)"},
	[HISTORY_INTENTS] = {"intents", "history.intents",
		"DELETE FROM intent WHERE id IN (SELECT id FROM intent INDEXED BY intent_by_end"
		" WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)"},
	[HISTORY_INVITATIONS] = {"invitations", "history.invitations",
		"DELETE FROM invitation WHERE id IN (SELECT id FROM invitation INDEXED BY invitation_by_end"
		" WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)"},
	[HISTORY_TRANSACTIONS] = {"transactions", "history.transactions",
		"DELETE FROM scep_transaction WHERE (key_sha256, transaction_id) IN"
		" (SELECT key_sha256, transaction_id FROM scep_transaction INDEXED BY scep_transaction_by_end"
		" WHERE ends_at <= ?1 ORDER BY ends_at LIMIT ?2)"},
};

const char *history_class_name(enum history_class class)
{
	return (unsigned)class < HISTORY_CLASS_COUNT ? classes[class].name : "unknown";
}

/* --- an Authenticate that led to nothing */

static enum rc find_pending(struct txn *txn, int64_t due_at, int64_t *id_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT enrollment_id FROM pending_enrollment INDEXED BY pending_enrollment_by_age"
		" WHERE received_at <= ?1 ORDER BY received_at LIMIT 1",
		V_INT(due_at));

	if (rc == RC_OK)
		rc = query_row(&query, "pending enrollment", err);
	if (rc == RC_OK)
		*id_r = query_int(&query, 0);
	return rc;
}

/* A device that was never more than that goes with it. */
static enum rc drop_pending(struct txn *txn, int64_t id, struct err *err)
{
	struct enrollment enrollment;
	enum rc rc = enrollment_drop_pending(txn, id, err);

	if (rc == RC_OK)
		rc = enrollment_by_id(txn, id, &enrollment, err);
	if (rc == RC_OK && enrollment.state == ENROLLMENT_PENDING)
		rc = enrollment_forget(txn, id, err);
	return rc;
}

static enum rc sweep_pending(struct txn *txn, struct history_walk *walk, int64_t due_at,
	struct err *err)
{
	int64_t *count = &walk->dropped[HISTORY_PENDING];
	int64_t id = 0;
	enum rc rc = RC_OK;

	while (!walk->is_more && (rc = find_pending(txn, due_at, &id, err)) == RC_OK) {
		rc = drop_pending(txn, id, err);
		if (rc != RC_OK)
			return rc;
		walk->is_more = ++*count == HISTORY_SLICE_ROWS_MAX || txn_is_slice_over(txn);
	}
	return rc == RC_NOT_FOUND ? RC_OK : rc;
}

/* --- a slice */

static enum rc sweep(struct txn *txn, struct history_walk *walk, enum history_class class,
	int64_t due_at, struct err *err)
{
	int64_t changes = HISTORY_CHUNK;
	enum rc rc = RC_OK;

	while (rc == RC_OK && changes == HISTORY_CHUNK && !walk->is_more) {
		rc = query_do(txn, classes[class].name, classes[class].sql,
			(const struct value[]){V_INT(due_at), V_INT(HISTORY_CHUNK), {.kind = VALUE_END}}, err);
		changes = rc == RC_OK ? txn_changes(txn) : 0;
		walk->dropped[class] += changes;
		walk->is_more = walk->dropped[class] >= HISTORY_SLICE_ROWS_MAX || txn_is_slice_over(txn);
	}
	return rc;
}

static enum rc walk_class(struct txn *txn, struct history_walk *walk, enum history_class class,
	struct err *err)
{
	static const enum queue_state states[HISTORY_CLASS_COUNT] = {
		[HISTORY_DONE] = QUEUE_DONE,
		[HISTORY_FAILED] = QUEUE_FAILED,
		[HISTORY_CANCELLED] = QUEUE_CANCELLED,
		[HISTORY_EXPIRED] = QUEUE_EXPIRED,
	};
	const int64_t due_at = walk->time_s - walk->keep_s[class];

	if (walk->keep_s[class] == 0)
		return RC_OK;
	if (states[class] != 0)
		return history_drop_finished(txn, states[class], due_at, &walk->dropped[class], &walk->is_more,
			err);
	if (class == HISTORY_QUERIES)
		return history_drop_replaced(txn, walk, due_at, err);
	if (class == HISTORY_PENDING)
		return sweep_pending(txn, walk, due_at, err);
	return sweep(txn, walk, class, due_at, err);
}

static bool has_dropped(const struct history_walk *walk)
{
	int64_t sum = walk->bodies;

	for (size_t i = 0; i < HISTORY_CLASS_COUNT; i++)
		sum += walk->dropped[i];
	return sum > 0;
}

static enum rc add(struct txn *txn, const char *name, int64_t count, struct err *err)
{
	if (count == 0)
		return RC_OK;
	return DO(txn, err, "UPDATE counter SET value = value + ?2 WHERE name = ?1", V_STR(name),
		V_INT(count));
}

/* A look that finds nothing writes once an hour only. */
static enum rc write_account(struct txn *txn, struct history_walk *walk, struct err *err)
{
	enum rc rc = add(txn, "history.bodies", walk->bodies, err);
	int64_t moved_s = walk->time_s - walk->written_time_s;

	for (size_t i = 0; rc == RC_OK && i < HISTORY_CLASS_COUNT; i++)
		rc = add(txn, classes[i].counter, walk->dropped[i], err);
	if (rc != RC_OK || (!has_dropped(walk) && moved_s >= 0 && moved_s < WRITE_TIME_EVERY_S))
		return rc;
	rc = history_counter_set(txn, "history.time", walk->time_s, err);
	if (rc == RC_OK && !walk->is_more)
		rc = history_counter_set(txn, "history.walked_at", txn->now, err);
	if (rc == RC_OK)
		walk->written_time_s = walk->time_s;
	return rc;
}

static enum rc sweep_orphans(struct txn *txn, struct history_walk *walk, struct err *err)
{
	int64_t count = 0;
	enum rc rc = history_drop_orphans(txn, &count, &walk->is_more, err);

	walk->bodies += count;
	return rc;
}

/* Orphans first: those of the slices before; and last: where nothing else is due. */
enum rc history_walk(struct txn *txn, struct history_walk *walk, struct err *err)
{
	enum rc rc = history_follow_clock(txn, walk, err);

	walk->is_more = false;
	walk->bodies = 0;
	for (size_t i = 0; i < HISTORY_CLASS_COUNT; i++)
		walk->dropped[i] = 0;
	if (rc == RC_OK)
		rc = sweep_orphans(txn, walk, err);
	for (int i = 0; rc == RC_OK && i < HISTORY_CLASS_COUNT && !walk->is_more; i++)
		rc = walk_class(txn, walk, (enum history_class)i, err);
	if (rc == RC_OK && !walk->is_more)
		rc = sweep_orphans(txn, walk, err);
	return rc == RC_OK ? write_account(txn, walk, err) : rc;
}

/* --- for people */

static enum rc read_free(struct txn *txn, int64_t *bytes_r, struct err *err)
{
	int64_t pages = 0;
	int64_t page_bytes = 0;
	enum rc rc = db_read_int(&txn->db, "PRAGMA freelist_count", &pages, err);

	if (rc == RC_OK)
		rc = db_read_int(&txn->db, "PRAGMA page_size", &page_bytes, err);
	*bytes_r = pages * page_bytes;
	return rc;
}

enum rc history_view(struct txn *txn, struct history_view *view_r, struct err *err)
{
	enum rc rc = history_counter_get(txn, "history.time", &view_r->time_s, err);

	if (rc == RC_OK)
		rc = history_counter_get(txn, "history.walked_at", &view_r->walked_at, err);
	if (rc == RC_OK)
		rc = history_counter_get(txn, "history.bodies", &view_r->bodies, err);
	for (size_t i = 0; rc == RC_OK && i < HISTORY_CLASS_COUNT; i++)
		rc = history_counter_get(txn, classes[i].counter, &view_r->dropped[i], err);
	return rc == RC_OK ? read_free(txn, &view_r->free_bytes, err) : rc;
}
