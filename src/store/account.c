/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/account.h"

#include "txn.h"

enum {
	ENDED_AT_ONCE_MAX = 256,
	ENDED_KEPT_S = 30 * 86400
}; /* tokens past their end that go with one that is added */

const char *account_mode_name(enum account_mode mode)
{
	return mode == ACCOUNT_BYOD ? "mdm-byod" : "mdm-adde";
}

enum rc account_add(struct txn *txn, const struct account *account, int64_t *id_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"INSERT INTO account (mode, user_name, managed_id, created_at) VALUES (?1, ?2, ?3, ?4)"
		" RETURNING id",
		V_INT(account->mode), V_STR(account->user_name), V_STR(account->managed_id), V_INT(txn->now));

	if (rc == RC_OK)
		rc = query_row(&query, "account", err);
	if (rc == RC_OK)
		*id_r = query_int(&query, 0);
	return rc;
}

/* Reads what both queries below select. */
static enum rc read_account(struct query *query, struct account *account_r, struct err *err)
{
	enum rc rc = query_row(query, "account", err);

	if (rc != RC_OK)
		return rc;
	*account_r = (struct account){
		.id = query_int(query, 0),
		.mode = (enum account_mode)query_int(query, 1),
	};
	query_copy(query, 2, account_r->user_name, sizeof(account_r->user_name));
	query_copy(query, 3, account_r->managed_id, sizeof(account_r->managed_id));
	return RC_OK;
}

enum rc account_find(struct txn *txn, int64_t id, struct account *account_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT id, mode, user_name, managed_id FROM account WHERE id = ?1", V_INT(id));

	return rc == RC_OK ? read_account(&query, account_r, err) : rc;
}

enum rc account_of_device(struct txn *txn, int64_t enrollment_id, struct account *account_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT a.id, a.mode, a.user_name, a.managed_id FROM enrollment e"
		" JOIN identity i ON i.id = e.identity_id JOIN account a ON a.id = i.account_id"
		" WHERE e.id = ?1",
		V_INT(enrollment_id));

	return rc == RC_OK ? read_account(&query, account_r, err) : rc;
}

enum rc account_is_used(struct txn *txn, int64_t id, bool *is_used_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc =
		QUERY(&query, txn, err, "SELECT 1 FROM identity WHERE account_id = ?1 LIMIT 1", V_INT(id));

	return rc == RC_OK ? query_next(&query, is_used_r, err) : rc;
}

enum rc account_drop_intents(struct txn *txn, int64_t id, struct err *err)
{
	return DO(txn, err, "DELETE FROM intent WHERE account_id = ?1 AND used_at = 0", V_INT(id));
}

/* --- tokens */

bool access_token_is_over(const struct access_token *token, int64_t now)
{
	return token->expires_at != 0 && token->expires_at <= now;
}

enum rc access_token_find(struct txn *txn, const uint8_t sha256[static SHA256_BYTES],
	struct access_token *token_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT account_id, user_name, managed_id, expires_at FROM access_token WHERE sha256 = ?1",
		V_SHA256(sha256));

	if (rc == RC_OK)
		rc = query_row(&query, "access token", err);
	if (rc != RC_OK)
		return rc;
	*token_r = (struct access_token){
		.account_id = query_int(&query, 0),
		.expires_at = query_int(&query, 3),
	};
	query_copy(&query, 1, token_r->user_name, sizeof(token_r->user_name));
	query_copy(&query, 2, token_r->managed_id, sizeof(token_r->managed_id));
	return RC_OK;
}

/* What has ended, of a device some time ago, so that it can be told why; and accounts of this user that nothing came of. */
static enum rc tidy(struct txn *txn, struct slice user_name, struct err *err)
{
	enum rc rc = DO(txn, err,
		"DELETE FROM access_token WHERE sha256 IN (SELECT sha256 FROM access_token"
		" INDEXED BY access_token_by_end WHERE expires_at > 0 AND expires_at <= ?1"
		" AND (account_id IS NULL OR expires_at <= ?1 - ?3)"
		" ORDER BY expires_at LIMIT ?2)",
		V_INT(txn->now), V_INT(ENDED_AT_ONCE_MAX), V_INT(ENDED_KEPT_S));

	if (rc == RC_OK)
		rc = DO(txn, err,
			"DELETE FROM access_token WHERE sha256 IN (SELECT sha256 FROM access_token"
			" WHERE user_name = ?1 AND account_id IS NULL ORDER BY created_at DESC LIMIT -1 OFFSET ?2)",
			V_TEXT(user_name), V_INT(ACCESS_TOKENS_UNUSED_MAX - 1));
	if (rc == RC_OK)
		rc = DO(txn, err,
			"DELETE FROM account WHERE user_name = ?1"
			" AND NOT EXISTS (SELECT 1 FROM identity i WHERE i.account_id = account.id)"
			" AND NOT EXISTS (SELECT 1 FROM access_token t WHERE t.account_id = account.id)",
			V_TEXT(user_name));
	return rc;
}

enum rc access_token_add(struct txn *txn, const struct access_token_new *token, struct err *err)
{
	enum rc rc = bytes_check("user name", token->user_name, ACCOUNT_USER_BYTES_MAX, err);

	if (rc == RC_OK)
		rc = bytes_check("Managed Apple Account", token->managed_id, ACCOUNT_MANAGED_BYTES_MAX, err);
	if (rc == RC_OK)
		rc = tidy(txn, token->user_name, err);
	if (rc == RC_OK)
		rc = DO(txn, err,
			"INSERT INTO access_token (sha256, user_name, managed_id, created_at, expires_at, valid_s)"
			" VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
			V_SHA256(token->sha256), V_TEXT(token->user_name), V_TEXT(token->managed_id), V_INT(txn->now),
			V_INT(txn->now + token->unused_s), V_INT(token->valid_s));
	return rc;
}

enum rc access_token_use(struct txn *txn, const uint8_t sha256[static SHA256_BYTES],
	int64_t account_id, struct err *err)
{
	enum rc rc = DO(txn, err,
		"UPDATE access_token SET account_id = ?2,"
		" expires_at = CASE valid_s WHEN 0 THEN 0 ELSE ?3 + valid_s END"
		" WHERE sha256 = ?1 AND account_id IS NULL",
		V_SHA256(sha256), V_INT(account_id), V_INT(txn->now));

	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_NOT_FOUND, "no such unused access token");
	if (rc == RC_OK)
		rc = DO(txn, err, "DELETE FROM access_token WHERE account_id = ?1 AND sha256 <> ?2",
			V_INT(account_id), V_SHA256(sha256));
	return rc;
}

enum rc access_token_end_user(struct txn *txn, struct slice user_name, int64_t *count_r,
	struct err *err)
{
	enum rc rc = DO(txn, err, "DELETE FROM access_token WHERE user_name = ?1", V_TEXT(user_name));

	*count_r = rc == RC_OK ? txn_changes(txn) : 0;
	return rc;
}

/* The account of a device's pin, or of the identity that it authenticated with and has not finished. */
static enum rc find_of_device(struct txn *txn, struct slice ext_id, int64_t *account_id_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	struct enrollment device;
	enum rc rc = enrollment_find(txn, ext_id, &device, err);

	if (rc == RC_OK)
		rc = QUERY(&query, txn, err,
			"SELECT account_id FROM identity WHERE id = ?1 AND account_id IS NOT NULL",
			V_INT(device.identity_id != 0 ? device.identity_id : device.pending_identity_id));
	if (rc == RC_OK)
		rc = query_row(&query, "account", err);
	if (rc == RC_OK)
		*account_id_r = query_int(&query, 0);
	return rc;
}

enum rc access_token_end_device(struct txn *txn, struct slice ext_id, int64_t *count_r,
	struct err *err)
{
	int64_t account_id = 0;
	enum rc rc = find_of_device(txn, ext_id, &account_id, err);

	if (rc == RC_OK)
		rc = DO(txn, err, "DELETE FROM access_token WHERE account_id = ?1", V_INT(account_id));
	*count_r = rc == RC_OK ? txn_changes(txn) : 0;
	return rc;
}

/* --- for people */

static enum rc read_view(const struct query *query, struct arena *arena, struct account_view *view,
	struct err *err)
{
	bool is_short = false;

	view->id = query_int(query, 0);
	view->mode = (enum account_mode)query_int(query, 1);
	view->user_name = query_str(query, 2, arena, &is_short);
	view->managed_id = query_str(query, 3, arena, &is_short);
	view->created_at = query_int(query, 4);
	view->device_ext_id = query_str(query, 5, arena, &is_short);
	view->has_token = query_int(query, 6) != 0;
	view->token_expires_at = query_int(query, 7);
	return is_short ? err_set(err, RC_NO_MEMORY, "accounts") : RC_OK;
}

enum rc account_list(struct txn *txn, const struct account_filter *filter, struct arena *arena,
	struct account_view **views_r, size_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	void *list = NULL;
	bool is_row = true;
	enum rc rc = limit_check(filter->limit, err);

	*count_r = 0;
	if (rc == RC_OK)
		rc = QUERY(&query, txn, err,
			"SELECT a.id, a.mode, a.user_name, a.managed_id, a.created_at,"
			" (SELECT e.ext_id FROM identity i JOIN enrollment e ON e.id = i.owner_id"
			"  WHERE i.account_id = a.id ORDER BY i.id DESC LIMIT 1),"
			" t.sha256 IS NOT NULL AND (t.expires_at = 0 OR t.expires_at > ?4), t.expires_at"
			" FROM account a LEFT JOIN access_token t ON t.account_id = a.id"
			" WHERE a.id > ?1 AND (?2 = '' OR a.user_name = ?2) ORDER BY a.id LIMIT ?3",
			V_INT(filter->after_id), V_TEXT(filter->user_name), V_INT(filter->limit), V_INT(txn->now));
	while (rc == RC_OK && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row) {
		struct account_view *view = list_next(arena, &list, count_r, sizeof(*view));

		rc = view == NULL ? err_set(err, RC_NO_MEMORY, "accounts") : read_view(&query, arena, view, err);
	}
	*views_r = list;
	return rc;
}
