/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/admin.h"

#include "txn.h"

static const char *const role_names[API_ROLE_END] = {
	[API_ROLE_NONE] = "none",
	[API_ROLE_VIEWER] = "viewer",
	[API_ROLE_OPERATOR] = "operator",
	[API_ROLE_ADMIN] = "admin",
};

static enum api_role role_of_number(int64_t number)
{
	return number > API_ROLE_NONE && number < API_ROLE_END ? (enum api_role)number : API_ROLE_NONE;
}

const char *api_role_name(enum api_role role)
{
	return role_names[role_of_number((int64_t)role)];
}

enum api_role api_role_of_name(struct slice name)
{
	for (int i = API_ROLE_NONE + 1; i < API_ROLE_END; i++)
		if (slice_is_str(name, role_names[i]))
			return (enum api_role)i;
	return API_ROLE_NONE;
}

enum rc api_token_add(struct txn *txn, const struct api_token *token,
	const uint8_t hash[static SHA256_BYTES], struct err *err)
{
	enum rc rc = bytes_check("token name", slice_of_str(token->name), API_TOKEN_NAME_BYTES_MAX, err);

	if (rc == RC_OK)
		rc =
			bytes_check("token's maker", slice_of_str(token->created_by), API_TOKEN_MAKER_BYTES_MAX, err);
	if (rc == RC_OK && role_of_number((int64_t)token->role) == API_ROLE_NONE)
		rc = err_set(err, RC_INVALID, "a token wants a role");
	if (rc == RC_OK)
		rc = DO(txn, err,
			"INSERT INTO api_token (name, hash, created_at, role, expires_at, created_by)"
			" VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
			V_STR(token->name), V_SHA256(hash), V_INT(txn->now), V_INT(token->role),
			V_INT(token->expires_at), V_STR(token->created_by));
	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_EXISTS, "there is a token %s", token->name);
	return rc;
}

enum rc api_token_find(struct txn *txn, const uint8_t hash[static SHA256_BYTES],
	struct arena *arena, struct api_token_found *found_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	bool is_short = false;
	enum rc rc = QUERY(&query, txn, err,
		"SELECT id, name, role, expires_at, used_at FROM api_token WHERE hash = ?1 AND revoked_at = 0",
		V_SHA256(hash));

	if (rc == RC_OK)
		rc = query_row(&query, "token", err);
	if (rc == RC_OK)
		*found_r = (struct api_token_found){
			.id = query_int(&query, 0),
			.name = query_str(&query, 1, arena, &is_short),
			.role = role_of_number(query_int(&query, 2)),
			.expires_at = query_int(&query, 3),
			.used_at = query_int(&query, 4),
		};
	return is_short ? err_set(err, RC_NO_MEMORY, "token") : rc;
}

enum rc api_token_used(struct txn *txn, int64_t id, int64_t used_at, struct err *err)
{
	return DO(txn, err, "UPDATE api_token SET used_at = ?2 WHERE id = ?1", V_INT(id), V_INT(used_at));
}

enum rc api_token_revoke(struct txn *txn, const char *name, struct err *err)
{
	enum rc rc =
		DO(txn, err, "UPDATE api_token SET revoked_at = ?2 WHERE name = ?1 AND revoked_at = 0",
			V_STR(name), V_INT(txn->now));

	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_NOT_FOUND, "no such token");
	return rc;
}

enum rc api_token_list(struct txn *txn, struct arena *arena, struct api_token_view **views_r,
	size_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	void *list = NULL;
	bool is_short = false;
	bool is_row = true;
	enum rc rc = QUERY(&query, txn, err,
		"SELECT name, created_at, revoked_at, role, expires_at, used_at, created_by FROM api_token"
		" ORDER BY id");

	*count_r = 0;
	while (rc == RC_OK && !is_short && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row) {
		struct api_token_view *view = list_next(arena, &list, count_r, sizeof(*view));

		if (view == NULL)
			return err_set(err, RC_NO_MEMORY, "tokens");
		view->name = query_str(&query, 0, arena, &is_short);
		view->created_at = query_int(&query, 1);
		view->revoked_at = query_int(&query, 2);
		view->role = role_of_number(query_int(&query, 3));
		view->expires_at = query_int(&query, 4);
		view->used_at = query_int(&query, 5);
		view->created_by = query_str(&query, 6, arena, &is_short);
	}
	*views_r = list;
	return is_short ? err_set(err, RC_NO_MEMORY, "tokens") : rc;
}

enum rc alarm_raise(struct txn *txn, const char *kind, struct slice subject, const char *text,
	struct err *err)
{
	return DO(txn, err,
		"INSERT INTO alarm (kind, subject, text, first_at, last_at, count) VALUES (?1, ?2, ?3, ?4, ?4, 1)"
		" ON CONFLICT (kind, subject) DO UPDATE SET text = excluded.text, last_at = excluded.last_at,"
		" count = count + 1",
		V_STR(kind), V_TEXT(subject), V_STR(text), V_INT(txn->now));
}

enum rc alarm_list(struct txn *txn, int limit, struct arena *arena, struct alarm_view **views_r,
	size_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	void *list = NULL;
	bool is_short = false;
	bool is_row = true;
	enum rc rc = limit_check(limit, err);

	*count_r = 0;
	if (rc == RC_OK)
		rc = QUERY(&query, txn, err,
			"SELECT kind, subject, text, first_at, last_at, count FROM alarm"
			" ORDER BY last_at DESC, kind, subject LIMIT ?1",
			V_INT(limit));
	while (rc == RC_OK && !is_short && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row) {
		struct alarm_view *view = list_next(arena, &list, count_r, sizeof(*view));

		if (view == NULL)
			return err_set(err, RC_NO_MEMORY, "alarms");
		view->kind = query_str(&query, 0, arena, &is_short);
		view->subject = query_str(&query, 1, arena, &is_short);
		view->text = query_str(&query, 2, arena, &is_short);
		view->first_at = query_int(&query, 3);
		view->last_at = query_int(&query, 4);
		view->count = query_int(&query, 5);
	}
	*views_r = list;
	return is_short ? err_set(err, RC_NO_MEMORY, "alarms") : rc;
}

enum rc alarm_clear(struct txn *txn, const char *kind, struct slice subject, struct err *err)
{
	enum rc rc =
		DO(txn, err, "DELETE FROM alarm WHERE kind = ?1 AND subject = ?2", V_STR(kind), V_TEXT(subject));

	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_NOT_FOUND, "no such alarm");
	return rc;
}

enum rc alarm_clear_subject(struct txn *txn, struct slice subject, struct err *err)
{
	return DO(txn, err, "DELETE FROM alarm WHERE subject = ?1", V_TEXT(subject));
}

enum rc unenrollment_record(struct txn *txn, struct slice device_id, bool is_automatic,
	const uint8_t identity_sha256[static SHA256_BYTES], struct err *err)
{
	return DO(txn, err,
		"INSERT INTO unenrollment (device_id, is_automatic, identity_sha256, recorded_at)"
		" VALUES (?1, ?2, ?3, ?4)",
		V_TEXT(device_id), V_INT(is_automatic), V_SHA256(identity_sha256), V_INT(txn->now));
}

enum rc unenrollment_count_automatic(struct txn *txn, int64_t since, int64_t *count_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT count(*) FROM unenrollment WHERE is_automatic = 1 AND recorded_at >= ?1", V_INT(since));

	if (rc == RC_OK)
		rc = query_row(&query, "answer", err);
	if (rc == RC_OK)
		*count_r = query_int(&query, 0);
	return rc;
}
