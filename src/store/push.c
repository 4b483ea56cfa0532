/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/push.h"

#include <string.h>

#include "push_sql.h"
#include "txn.h"

static bool is_reached(int64_t state)
{
	return state == ENROLLMENT_ENROLLED || state == ENROLLMENT_REMOVAL_ORDERED;
}

/* Into the transaction's own memory, behind what was lent before. */
static struct slice lend(struct txn *txn, size_t *used, struct slice text)
{
	struct slice lent = slice_of(txn->lent + *used, text.len);

	if (text.len > sizeof(txn->lent) - *used)
		return slice_of(NULL, 0);
	if (text.len > 0)
		memcpy(txn->lent + *used, text.ptr, text.len);
	*used += text.len;
	return lent;
}

static void read_address(const struct query *query, struct push_target *target)
{
	struct slice token = slice_sub(query_bytes(query, 3), 0, sizeof(target->token));
	int64_t device_state = query_int(query, 1) == 0 ? query_int(query, 0) : query_int(query, 2);
	size_t used = 0;

	if (token.len > 0)
		memcpy(target->token, token.ptr, token.len);
	target->token_len = token.len;
	target->magic = lend(query->txn, &used, query_bytes(query, 4));
	target->topic = lend(query->txn, &used, query_bytes(query, 5));
	target->is_enrolled =
		query_int(query, 0) == ENROLLMENT_ENROLLED && device_state == ENROLLMENT_ENROLLED;
	target->is_reachable =
		token.len > 0 && is_reached(query_int(query, 0)) && is_reached(device_state);
}

static enum rc read_target(struct txn *txn, struct push_target *target, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SQL_PUSH_TARGET, V_INT(target->enrollment_id));

	if (rc == RC_OK)
		rc = query_row(&query, "enrollment", err);
	if (rc != RC_OK)
		return rc;
	read_address(&query, target);
	target->token_updated_at = query_int(&query, 6);
	target->token_dead_at = query_int(&query, 7);
	target->seen_seq = query_int(&query, 8);
	target->pushed_seq = query_int(&query, 9);
	target->pushed_at = query_int(&query, 10);
	target->tries = query_int(&query, 11);
	return RC_OK;
}

enum rc push_target_read(struct txn *txn, int64_t enrollment_id, struct push_target *target_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc;

	*target_r = (struct push_target){.enrollment_id = enrollment_id};
	rc = read_target(txn, target_r, err);
	if (rc == RC_OK)
		rc = QUERY(&query, txn, err, SQL_PUSH_OPEN, V_INT(enrollment_id), V_INT(txn->now));
	if (rc == RC_OK)
		rc = query_row(&query, "answer", err);
	if (rc != RC_OK)
		return rc;
	target_r->open_seq = query_int(&query, 0);
	target_r->open_priority =
		target_r->open_seq == 0 ? COMMAND_PRIORITY_NORMAL : (int)query_int(&query, 1);
	return RC_OK;
}

/* The first `max` bytes or a little less: no character is cut in two. */
static struct slice cut(const char *text, size_t max)
{
	struct slice all = slice_of_str(text);
	size_t len = all.len <= max ? all.len : max;

	while (len > 0 && len < all.len && (all.ptr[len] & 0xC0) == 0x80)
		len--;
	return slice_sub(all, 0, len);
}

/* A row of the channel is there from its first outcome on. *is_there_r false: nor is the channel. */
static enum rc add_row(struct txn *txn, int64_t enrollment_id, bool *is_there_r, struct err *err)
{
	enum rc rc = DO(txn, err,
		"INSERT INTO push (enrollment_id) SELECT id FROM enrollment WHERE id = ?1", V_INT(enrollment_id));

	*is_there_r = rc == RC_OK && txn_changes(txn) > 0;
	return rc;
}

static enum rc update_row(struct txn *txn, const struct push_outcome *outcome, bool *was_there_r,
	struct err *err)
{
	enum rc rc = DO(txn, err,
		"UPDATE push SET outcome_at = ?2, status = ?3, reason = ?4, apns_id = ?5, tries = ?6,"
		" pushed_at = CASE ?3 WHEN 200 THEN ?2 ELSE pushed_at END,"
		" pushed_seq = CASE WHEN ?7 > pushed_seq AND"
		" (?8 = x'' OR ?8 = (SELECT push_token FROM enrollment WHERE id = ?1)) THEN ?7 ELSE pushed_seq END"
		" WHERE enrollment_id = ?1",
		V_INT(outcome->enrollment_id), V_INT(outcome->at), V_INT(outcome->status),
		V_TEXT(cut(outcome->reason, PUSH_REASON_BYTES_MAX)),
		V_TEXT(cut(outcome->apns_id, PUSH_ID_BYTES_MAX)), V_INT(outcome->tries),
		V_INT(outcome->pushed_seq), V_BLOB(outcome->token));

	*was_there_r = rc == RC_OK && txn_changes(txn) > 0;
	return rc;
}

static enum rc mark_dead(struct txn *txn, const struct push_outcome *outcome, struct err *err)
{
	return DO(txn, err,
		"UPDATE enrollment SET token_dead_at = max(1, ?3)"
		" WHERE id = ?1 AND push_token = ?2 AND token_dead_at = 0 AND (?4 = 0 OR token_updated_at <= ?4)",
		V_INT(outcome->enrollment_id), V_BLOB(outcome->token), V_INT(outcome->at),
		V_INT(outcome->token_updated_at));
}

enum rc push_outcome_write(struct txn *txn, const struct push_outcome *outcome, struct err *err)
{
	bool is_there;
	enum rc rc = update_row(txn, outcome, &is_there, err);

	if (rc == RC_OK && !is_there) {
		rc = add_row(txn, outcome->enrollment_id, &is_there, err);
		if (rc == RC_OK && is_there)
			rc = update_row(txn, outcome, &is_there, err);
	}
	return rc == RC_OK && is_there && outcome->is_dead ? mark_dead(txn, outcome, err) : rc;
}

static enum rc raise_seen(struct txn *txn, int64_t enrollment_id, int64_t seen_seq,
	bool *was_there_r, struct err *err)
{
	enum rc rc = DO(txn, err, "UPDATE push SET seen_seq = max(seen_seq, ?2) WHERE enrollment_id = ?1",
		V_INT(enrollment_id), V_INT(seen_seq));

	*was_there_r = rc == RC_OK && txn_changes(txn) > 0;
	return rc;
}

enum rc push_seen_write(struct txn *txn, int64_t enrollment_id, int64_t seen_seq, struct err *err)
{
	bool is_there;
	enum rc rc = raise_seen(txn, enrollment_id, seen_seq, &is_there, err);

	if (rc == RC_OK && !is_there) {
		rc = add_row(txn, enrollment_id, &is_there, err);
		if (rc == RC_OK && is_there)
			rc = raise_seen(txn, enrollment_id, seen_seq, &is_there, err);
	}
	return rc;
}
