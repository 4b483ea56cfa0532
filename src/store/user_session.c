/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/user_session.h"

#include "txn.h"

enum rc user_session_find(struct txn *txn, struct slice ext_id, struct user_session *session_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT nonce_sha256, nonce_expires_at, token_sha256, user_name, authenticated_at"
		" FROM user_session WHERE ext_id = ?1",
		V_TEXT(ext_id));

	if (rc == RC_OK)
		rc = query_row(&query, "login of this user", err);
	if (rc != RC_OK)
		return rc;
	*session_r = (struct user_session){
		.has_nonce = query_bytes(&query, 0).len == SHA256_BYTES,
		.nonce_expires_at = query_int(&query, 1),
		.has_token = query_bytes(&query, 2).len == SHA256_BYTES,
		.authenticated_at = query_int(&query, 4),
	};
	query_sha256(&query, 0, session_r->nonce_sha256);
	query_sha256(&query, 2, session_r->token_sha256);
	query_copy(&query, 3, session_r->user_name, sizeof(session_r->user_name));
	return RC_OK;
}

enum rc user_session_count(struct txn *txn, int64_t device_id, int64_t *count_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, "SELECT count(*) FROM user_session WHERE device_id = ?1",
		V_INT(device_id));

	if (rc == RC_OK)
		rc = query_row(&query, "answer", err);
	if (rc == RC_OK)
		*count_r = query_int(&query, 0);
	return rc;
}

enum rc user_session_challenge(struct txn *txn, struct slice ext_id, int64_t device_id,
	const uint8_t nonce_sha256[static SHA256_BYTES], int64_t expires_at, struct err *err)
{
	return DO(txn, err,
		"INSERT INTO user_session (ext_id, device_id, nonce_sha256, nonce_expires_at)"
		" VALUES (?1, ?2, ?3, ?4) ON CONFLICT (ext_id) DO UPDATE SET device_id = excluded.device_id,"
		" nonce_sha256 = excluded.nonce_sha256, nonce_expires_at = excluded.nonce_expires_at,"
		" token_sha256 = NULL",
		V_TEXT(ext_id), V_INT(device_id), V_SHA256(nonce_sha256), V_INT(expires_at));
}

enum rc user_session_spend(struct txn *txn, struct slice ext_id, struct err *err)
{
	return DO(txn, err,
		"UPDATE user_session SET nonce_sha256 = NULL, nonce_expires_at = 0 WHERE ext_id = ?1",
		V_TEXT(ext_id));
}

enum rc user_session_begin(struct txn *txn, struct slice ext_id, struct slice user_name,
	const uint8_t token_sha256[static SHA256_BYTES], struct err *err)
{
	enum rc rc = bytes_check("user name", user_name, USER_SESSION_NAME_BYTES_MAX, err);

	if (rc == RC_OK)
		rc = DO(txn, err,
			"UPDATE user_session SET token_sha256 = ?2, user_name = ?3, authenticated_at = ?4"
			" WHERE ext_id = ?1",
			V_TEXT(ext_id), V_SHA256(token_sha256), V_TEXT(user_name), V_INT(txn->now));
	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_NOT_FOUND, "no such login");
	return rc;
}

enum rc user_session_drop(struct txn *txn, struct slice ext_id, struct err *err)
{
	return DO(txn, err, "DELETE FROM user_session WHERE ext_id = ?1", V_TEXT(ext_id));
}
