/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/invitation.h"

#include "txn.h"

static const char *const state_names[INVITATION_STATE_COUNT] = {
	[INVITATION_OPEN] = "open",
	[INVITATION_USED] = "used",
	[INVITATION_DRAINED] = "drained",
	[INVITATION_EXPIRED] = "expired",
	[INVITATION_REVOKED] = "revoked",
};

const char *invitation_state_name(enum invitation_state state)
{
	return (unsigned)state < COUNT_OF(state_names) ? state_names[state] : "unknown";
}

enum invitation_state invitation_state(const struct invitation *invitation, int64_t now)
{
	if (invitation->revoked_at != 0)
		return INVITATION_REVOKED;
	if (invitation->expires_at <= now)
		return INVITATION_EXPIRED;
	if (invitation->uses >= invitation->uses_max)
		return INVITATION_USED;
	if (invitation->downloads >= invitation->uses_max * INVITATION_DOWNLOADS_PER_USE)
		return INVITATION_DRAINED;
	return INVITATION_OPEN;
}

static enum rc check(const struct invitation_new *invitation, struct err *err)
{
	enum rc rc = bytes_check("note", invitation->note, INVITATION_NOTE_BYTES_MAX, err);

	if (rc == RC_OK)
		rc = bytes_check("user name", invitation->user_name, INTENT_NAME_BYTES_MAX, err);
	if (rc == RC_OK)
		rc = bytes_check("maker", invitation->created_by, INTENT_NAME_BYTES_MAX, err);
	if (rc == RC_OK && (invitation->uses_max < 1 || invitation->uses_max > INVITATION_USES_MAX))
		return err_set(err, RC_INVALID, "uses: want 1 to %d", INVITATION_USES_MAX);
	return rc;
}

enum rc invitation_add(struct txn *txn, const struct invitation_new *invitation, int64_t *id_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = check(invitation, err);

	if (rc == RC_OK)
		rc = QUERY(&query, txn, err,
			"INSERT INTO invitation (token_sha256, note, needs_login, user_name, uses_max, created_by,"
			" created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
			" ON CONFLICT DO NOTHING RETURNING id",
			V_SHA256(invitation->token_sha256), V_TEXT(invitation->note), V_INT(invitation->needs_login),
			V_TEXT(invitation->user_name), V_INT(invitation->uses_max), V_TEXT(invitation->created_by),
			V_INT(txn->now), V_INT(invitation->expires_at));
	if (rc == RC_OK)
		rc = query_row(&query, "invitation", err);
	if (rc == RC_NOT_FOUND)
		return err_set(err, RC_EXISTS, "this token is another's");
	if (rc == RC_OK)
		*id_r = query_int(&query, 0);
	return rc;
}

#define COLUMNS "id, needs_login, user_name, uses_max, uses, downloads, expires_at, revoked_at"

static void read_row(struct query *query, struct invitation *invitation_r)
{
	*invitation_r = (struct invitation){
		.id = query_int(query, 0),
		.needs_login = query_int(query, 1) != 0,
		.uses_max = query_int(query, 3),
		.uses = query_int(query, 4),
		.downloads = query_int(query, 5),
		.expires_at = query_int(query, 6),
		.revoked_at = query_int(query, 7),
	};
	query_copy(query, 2, invitation_r->user_name, sizeof(invitation_r->user_name));
}

enum rc invitation_find(struct txn *txn, const uint8_t token_sha256[static SHA256_BYTES],
	struct invitation *invitation_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, "SELECT " COLUMNS " FROM invitation WHERE token_sha256 = ?1",
		V_SHA256(token_sha256));

	if (rc == RC_OK)
		rc = query_row(&query, "invitation", err);
	if (rc == RC_OK)
		read_row(&query, invitation_r);
	return rc;
}

enum rc invitation_by_id(struct txn *txn, int64_t id, struct invitation *invitation_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc =
		QUERY(&query, txn, err, "SELECT " COLUMNS " FROM invitation WHERE id = ?1", V_INT(id));

	if (rc == RC_OK)
		rc = query_row(&query, "invitation", err);
	if (rc == RC_OK)
		read_row(&query, invitation_r);
	return rc;
}

enum rc invitation_count_download(struct txn *txn, int64_t id, struct err *err)
{
	enum rc rc = DO(txn, err,
		"UPDATE invitation SET downloads = downloads + 1 WHERE id = ?1 AND downloads < uses_max * ?2",
		V_INT(id), V_INT(INVITATION_DOWNLOADS_PER_USE));

	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_EXISTS, "the invitation was downloaded too often");
	return rc;
}

enum rc invitation_count_use(struct txn *txn, int64_t id, struct err *err)
{
	enum rc rc = DO(txn, err,
		"UPDATE invitation SET uses = uses + 1 WHERE id = ?1 AND uses < uses_max", V_INT(id));

	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_EXISTS, "the invitation was used up");
	return rc;
}

enum rc invitation_revoke(struct txn *txn, int64_t id, struct err *err)
{
	enum rc rc = DO(txn, err, "UPDATE invitation SET revoked_at = ?2 WHERE id = ?1 AND revoked_at = 0",
		V_INT(id), V_INT(txn->now));

	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_NOT_FOUND, "no such invitation");
	return rc;
}

/* NOLINTNEXTLINE(readability-function-size): its door has seven parameters */
enum rc invitation_list(struct txn *txn, int64_t after_id, int limit, struct arena *arena,
	struct invitation_view **views_r, size_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	void *list = NULL;
	bool is_row = true;
	bool is_short = false;
	enum rc rc = limit_check(limit, err);

	*count_r = 0;
	if (rc == RC_OK)
		rc = QUERY(&query, txn, err,
			"SELECT " COLUMNS
			", note, created_by, created_at FROM invitation WHERE id > ?1"
			" ORDER BY id LIMIT ?2",
			V_INT(after_id), V_INT(limit));
	while (rc == RC_OK && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row) {
		struct invitation_view *view = list_next(arena, &list, count_r, sizeof(*view));

		if (view == NULL)
			return err_set(err, RC_NO_MEMORY, "invitations");
		read_row(&query, &view->invitation);
		view->note = query_str(&query, 8, arena, &is_short);
		view->created_by = query_str(&query, 9, arena, &is_short);
		view->created_at = query_int(&query, 10);
		if (is_short)
			return err_set(err, RC_NO_MEMORY, "invitations");
	}
	*views_r = list;
	return rc;
}
