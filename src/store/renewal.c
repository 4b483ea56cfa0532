/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/renewal.h"

#include <string.h>

#include "renewal_sql.h"
#include "txn.h"

static const char *const states[RENEWAL_STATE_END] = {
	[RENEWAL_NONE] = "none",
	[RENEWAL_ORDERED] = "ordered",
	[RENEWAL_SENT] = "sent",
	[RENEWAL_FAILED] = "failed",
	[RENEWAL_DONE] = "done",
	[RENEWAL_IMPOSSIBLE] = "impossible",
	[RENEWAL_OVER] = "over",
};

const char *renewal_state_name(enum renewal_state state)
{
	return (unsigned)state < RENEWAL_STATE_END ? states[state] : "unknown";
}

/* FNV-1a with its bits mixed once more: ids of one series must not come out side by side. */
static uint32_t hash_of(struct slice text)
{
	uint64_t hash = 14695981039346656037U;

	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ text.ptr[i]) * 1099511628211U;
	hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdU;
	return (uint32_t)(hash ^ hash >> 33);
}

static void read_facts(const struct query *query, struct renewal_facts *facts)
{
	*facts = (struct renewal_facts){
		.enrollment_id = query_int(query, 0),
		.kind = (enum enrollment_kind)query_int(query, 1),
		.hash = hash_of(query_bytes(query, 2)),
		.enrolled_at = query_int(query, 3),
		.identity_id = query_int(query, 4),
		.not_before = query_int(query, 5),
		.not_after = query_int(query, 6),
		.is_by_scep = query_int(query, 7) != 0,
		.state = (enum renewal_state)query_int(query, 8),
		.renewed_id = query_int(query, 9),
		.command_id = query_int(query, 10),
		.tries = query_int(query, 11),
		.changed_at = query_int(query, 12),
		.next_at = query_int(query, 13),
		.command_state = (enum queue_state)query_int(query, 14),
		.command_finished_at = query_int(query, 15),
		.has_account = query_int(query, 16) != 0,
	};
}

static enum rc read_all(struct query *query, enum rc rc, struct renewal_facts *rows, size_t max,
	size_t *count, struct err *err)
{
	bool is_row = true;

	while (rc == RC_OK && *count < max && (rc = query_next(query, &is_row, err)) == RC_OK && is_row)
		read_facts(query, &rows[(*count)++]);
	return rc;
}

static enum rc check_max(size_t max, struct err *err)
{
	if (max < 1 || max > RENEWAL_ROWS_MAX)
		return err_set(err, RC_INVALID, "%zu rows, want 1..%d", max, RENEWAL_ROWS_MAX);
	return RC_OK;
}

enum rc renewal_walk(struct txn *txn, int64_t after_id, struct renewal_facts *rows, size_t max,
	size_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = check_max(max, err);

	*count_r = 0;
	if (rc == RC_OK)
		rc = QUERY(&query, txn, err, SQL_RENEWAL_WALK, V_INT(after_id), V_INT((int64_t)max));
	return read_all(&query, rc, rows, max, count_r, err);
}

enum rc renewal_ordered(struct txn *txn, int64_t after_id, struct renewal_facts *rows, size_t max,
	size_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = check_max(max, err);

	*count_r = 0;
	if (rc == RC_OK)
		rc = QUERY(&query, txn, err, SQL_RENEWAL_ORDERED, V_INT(after_id), V_INT((int64_t)max));
	return read_all(&query, rc, rows, max, count_r, err);
}

enum rc renewal_of(struct txn *txn, int64_t enrollment_id, struct renewal_facts *facts_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SQL_RENEWAL_ONE, V_INT(enrollment_id));

	if (rc == RC_OK)
		rc = query_row(&query, "enrolled device", err);
	if (rc == RC_OK)
		read_facts(&query, facts_r);
	return rc;
}

enum rc renewal_target(struct txn *txn, int64_t enrollment_id, struct arena *arena,
	struct renewal_target *target_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	bool is_short = false;
	enum rc rc = QUERY(&query, txn, err,
		"SELECT e.ext_id, e.topic, p.identifier, p.url, p.access_rights FROM enrollment e"
		" LEFT JOIN identity_profile p ON p.identity_id = e.identity_id WHERE e.id = ?1",
		V_INT(enrollment_id));

	if (rc == RC_OK)
		rc = query_row(&query, "enrollment", err);
	if (rc != RC_OK)
		return rc;
	target_r->ext_id = query_str(&query, 0, arena, &is_short);
	target_r->topic = query_str(&query, 1, arena, &is_short);
	target_r->identifier = query_str(&query, 2, arena, &is_short);
	target_r->url = query_str(&query, 3, arena, &is_short);
	target_r->access_rights = query_int(&query, 4);
	return is_short ? err_set(err, RC_NO_MEMORY, "renewal") : RC_OK;
}

/* --- keeping */

static enum rc count_up(struct txn *txn, enum renewal_state state, struct err *err)
{
	static const char *const totals[RENEWAL_STATE_END] = {
		[RENEWAL_SENT] = "renewal.sent",
		[RENEWAL_FAILED] = "renewal.failed",
		[RENEWAL_DONE] = "renewal.renewed",
	};

	if (totals[state] == NULL)
		return RC_OK;
	return DO(txn, err, "UPDATE counter SET value = value + 1 WHERE name = ?1", V_STR(totals[state]));
}

enum rc renewal_put(struct txn *txn, const struct renewal_row *row, struct err *err)
{
	struct slice why = slice_sub(slice_of_str(row->why), 0, RENEWAL_WHY_BYTES_MAX);
	enum rc rc;

	if (row->state <= RENEWAL_NONE || row->state >= RENEWAL_STATE_END)
		return err_set(err, RC_INTERNAL, "no such state of a renewal: %d", (int)row->state);
	rc = DO(txn, err,
		"INSERT OR REPLACE INTO renewal"
		" (enrollment_id, identity_id, state, command_id, tries, changed_at, next_at, why)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
		V_INT(row->enrollment_id), V_INT(row->identity_id), V_INT(row->state), V_INT(row->command_id),
		V_INT(row->tries), V_INT(txn->now), V_INT(row->next_at), V_TEXT(why));
	return rc == RC_OK ? count_up(txn, row->state, err) : rc;
}

enum rc renewal_why(struct txn *txn, int64_t enrollment_id,
	char out[static RENEWAL_WHY_BYTES_MAX + 1], struct err *err)
{
	AUTO(query_end) struct query query = {0};
	bool is_row = false;
	enum rc rc =
		QUERY(&query, txn, err, "SELECT why FROM renewal WHERE enrollment_id = ?1", V_INT(enrollment_id));

	out[0] = '\0';
	if (rc == RC_OK)
		rc = query_next(&query, &is_row, err);
	if (rc == RC_OK && is_row)
		query_copy(&query, 0, out, RENEWAL_WHY_BYTES_MAX + 1);
	return rc;
}

/* --- counting */

enum rc renewal_is_done(struct txn *txn, int64_t enrollment_id, int64_t command_id, bool *is_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT 1 FROM renewal r CROSS JOIN enrollment e ON e.id = r.enrollment_id"
		" WHERE r.enrollment_id = ?1 AND r.command_id = ?2 AND r.identity_id <> e.identity_id",
		V_INT(enrollment_id), V_INT(command_id));

	return rc == RC_OK ? query_next(&query, is_r, err) : rc;
}

_Static_assert(QUEUE_QUEUED == 1 && QUEUE_NOTNOW == 3, "numbers in SQL");

enum rc renewal_cancel_waiting(struct txn *txn, int64_t enrollment_id, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	bool is_waiting = false;
	bool was_open;
	enum rc rc = QUERY(&query, txn, err,
		"SELECT q.command_id FROM renewal r CROSS JOIN queue q ON q.enrollment_id = r.enrollment_id"
		" AND q.command_id = r.command_id WHERE r.enrollment_id = ?1 AND q.state IN (1, 3)",
		V_INT(enrollment_id));

	if (rc == RC_OK)
		rc = query_next(&query, &is_waiting, err);
	if (rc != RC_OK || !is_waiting)
		return rc;
	return queue_cancel(txn, enrollment_id, query_int(&query, 0), &was_open, err);
}

static enum rc count_states(struct txn *txn, struct renewal_counts *counts, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	bool is_row = true;
	enum rc rc = QUERY(&query, txn, err, SQL_RENEWAL_COUNTS);

	while (rc == RC_OK && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row) {
		int64_t state = query_int(&query, 0);

		if (state > RENEWAL_NONE && state < RENEWAL_STATE_END)
			counts->by_state[state] = query_int(&query, 1);
	}
	return rc;
}

enum rc renewal_count(struct txn *txn, struct renewal_counts *counts_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc;

	*counts_r = (struct renewal_counts){.sent = 0};
	rc = count_states(txn, counts_r, err);
	if (rc == RC_OK)
		rc = QUERY(&query, txn, err,
			"SELECT (SELECT value FROM counter WHERE name = 'renewal.sent'),"
			" (SELECT value FROM counter WHERE name = 'renewal.failed'),"
			" (SELECT value FROM counter WHERE name = 'renewal.renewed')");
	if (rc == RC_OK)
		rc = query_row(&query, "counter", err);
	if (rc != RC_OK)
		return rc;
	counts_r->sent = query_int(&query, 0);
	counts_r->failed = query_int(&query, 1);
	counts_r->renewed = query_int(&query, 2);
	return RC_OK;
}

/* --- profiles, removals */

enum rc identity_profile_copy(struct txn *txn, int64_t from, int64_t to, struct err *err)
{
	return DO(txn, err,
		"INSERT OR REPLACE INTO identity_profile (identity_id, identifier, url, access_rights)"
		" SELECT ?2, identifier, url, access_rights FROM identity_profile WHERE identity_id = ?1",
		V_INT(from), V_INT(to));
}

enum rc removal_find(struct txn *txn, int64_t enrollment_id, struct queue_item *item_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SQL_REMOVAL_FIND, V_INT(enrollment_id));

	if (rc == RC_OK)
		rc = query_row(&query, "removal under way", err);
	if (rc == RC_OK)
		*item_r = (struct queue_item){
			.enrollment_id = enrollment_id,
			.command_id = query_int(&query, 0),
			.state = (enum queue_state)query_int(&query, 1),
			.is_never_notnow = query_int(&query, 2) != 0,
		};
	return rc;
}

enum rc removal_put(struct txn *txn, int64_t enrollment_id, int64_t command_id, struct err *err)
{
	return DO(txn, err, "INSERT OR REPLACE INTO removal (enrollment_id, command_id) VALUES (?1, ?2)",
		V_INT(enrollment_id), V_INT(command_id));
}

enum rc removal_drop(struct txn *txn, int64_t enrollment_id, struct err *err)
{
	return DO(txn, err, "DELETE FROM removal WHERE enrollment_id = ?1", V_INT(enrollment_id));
}
