/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/intent.h"

#include "intent_sql.h"
#include "txn.h"

static enum rc check(const struct intent_new *intent, struct err *err)
{
	const struct {
		const char *what;
		struct slice text;
		size_t max;
	} texts[] = {
		{"device id", intent->device_id, ENROLLMENT_DEVICE_ID_BYTES_MAX},
		{"serial number", intent->serial_number, INTENT_NAME_BYTES_MAX},
		{"user name", intent->user_name, INTENT_NAME_BYTES_MAX},
		{"maker", intent->created_by, INTENT_NAME_BYTES_MAX},
	};
	enum rc rc = RC_OK;

	if (intent->way < INTENT_CHALLENGE || intent->way >= INTENT_WAY_END)
		return err_set(err, RC_INTERNAL, "no such way to enroll: %d", (int)intent->way);
	for (size_t i = 0; rc == RC_OK && i < COUNT_OF(texts); i++)
		rc = bytes_check(texts[i].what, texts[i].text, texts[i].max, err);
	return rc;
}

static enum rc check_profile(const struct intent_profile *profile, struct err *err)
{
	enum rc rc = bytes_check("profile identifier", profile->identifier, INTENT_NAME_BYTES_MAX, err);

	return rc == RC_OK ? bytes_check("profile URL", profile->url, INTENT_URL_BYTES_MAX, err) : rc;
}

enum rc intent_add(struct txn *txn, const struct intent_new *intent, int64_t *id_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	static const struct intent_profile unknown = {.access_rights = 0};
	const struct intent_profile *profile = intent->profile == NULL ? &unknown : intent->profile;
	struct slice challenge = {.ptr = NULL};
	enum rc rc = check(intent, err);

	if (rc == RC_OK)
		rc = check_profile(profile, err);

	if (intent->challenge_sha256 != NULL)
		challenge = slice_of(intent->challenge_sha256, SHA256_BYTES);
	if (rc == RC_OK)
		rc = QUERY(&query, txn, err,
			"INSERT INTO intent (way, challenge_sha256, device_id, serial_number, user_name, created_by,"
			" created_at, expires_at, profile_identifier, profile_url, profile_rights, renewal_of,"
			" account_id, invitation_id, is_interim)"
			" VALUES (?1, nullif(?2, x''), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
			" ON CONFLICT DO NOTHING RETURNING id",
			V_INT(intent->way), V_BLOB(challenge), V_TEXT(intent->device_id), V_TEXT(intent->serial_number),
			V_TEXT(intent->user_name), V_TEXT(intent->created_by), V_INT(txn->now),
			V_INT(intent->expires_at), V_TEXT(profile->identifier), V_TEXT(profile->url),
			V_INT(profile->access_rights), V_ID(intent->renewal_of), V_ID(intent->account_id),
			V_ID(intent->invitation_id), V_INT(intent->is_interim));
	if (rc == RC_OK)
		rc = query_row(&query, "intent", err);
	if (rc == RC_NOT_FOUND)
		return err_set(err, RC_EXISTS, "this challenge is another's");
	if (rc == RC_OK)
		*id_r = query_int(&query, 0);
	return rc;
}

enum rc intent_find_by_challenge(struct txn *txn,
	const uint8_t challenge_sha256[static SHA256_BYTES], struct intent *intent_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT id, way, device_id, created_at, expires_at, used_at, key_sha256, identity_id, renewal_of,"
		" account_id, invitation_id, is_interim FROM intent WHERE challenge_sha256 = ?1",
		V_SHA256(challenge_sha256));

	if (rc == RC_OK)
		rc = query_row(&query, "challenge", err);
	if (rc != RC_OK)
		return rc;
	*intent_r = (struct intent){
		.id = query_int(&query, 0),
		.way = (enum intent_way)query_int(&query, 1),
		.created_at = query_int(&query, 3),
		.expires_at = query_int(&query, 4),
		.used_at = query_int(&query, 5),
		.identity_id = query_int(&query, 7),
		.renewal_of = query_int(&query, 8),
		.account_id = query_int(&query, 9),
		.invitation_id = query_int(&query, 10),
		.is_interim = query_int(&query, 11) != 0,
	};
	query_copy(&query, 2, intent_r->device_id, sizeof(intent_r->device_id));
	query_sha256(&query, 6, intent_r->key_sha256);
	return RC_OK;
}

enum rc intent_read_names(struct txn *txn, int64_t id, struct intent_names *names_r,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT way, serial_number, user_name FROM intent WHERE id = ?1", V_INT(id));

	if (rc == RC_OK)
		rc = query_row(&query, "intent", err);
	if (rc != RC_OK)
		return rc;
	names_r->way = (enum intent_way)query_int(&query, 0);
	query_copy(&query, 1, names_r->serial_number, sizeof(names_r->serial_number));
	query_copy(&query, 2, names_r->user_name, sizeof(names_r->user_name));
	return RC_OK;
}

const char *intent_way_name(enum intent_way way)
{
	static const char *const names[INTENT_WAY_END] = {
		[INTENT_CHALLENGE] = "challenge",
		[INTENT_PROFILE] = "profile",
		[INTENT_OTA] = "ota",
		[INTENT_ADE] = "ade",
		[INTENT_ACCOUNT] = "account",
	};

	return (unsigned)way < INTENT_WAY_END ? names[way] : NULL;
}

enum rc intent_use(struct txn *txn, int64_t id, const uint8_t key_sha256[static SHA256_BYTES],
	int64_t identity_id, struct err *err)
{
	enum rc rc = DO(txn, err,
		"UPDATE intent SET used_at = ?2, key_sha256 = ?3, identity_id = ?4 WHERE id = ?1 AND used_at = 0",
		V_INT(id), V_INT(txn->now), V_SHA256(key_sha256), V_INT(identity_id));

	if (rc == RC_OK && txn_changes(txn) == 0)
		return err_set(err, RC_EXISTS, "the challenge was used before");
	if (rc != RC_OK)
		return rc;
	return DO(txn, err,
		"INSERT OR REPLACE INTO identity_profile (identity_id, identifier, url, access_rights)"
		" SELECT ?2, profile_identifier, profile_url, profile_rights FROM intent"
		" WHERE id = ?1 AND profile_identifier <> ''",
		V_INT(id), V_INT(identity_id));
}

enum rc intent_is_listed(struct txn *txn, struct slice device_id, struct slice serial_number,
	bool *is_listed_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, SQL_INTENT_IS_LISTED, V_TEXT(device_id),
		V_TEXT(serial_number), V_INT(INTENT_CHALLENGE), V_INT(INTENT_PROFILE), V_INT(txn->now));

	*is_listed_r = false;
	if (rc == RC_OK)
		rc = query_row(&query, "intent", err);
	if (rc == RC_NOT_FOUND)
		return RC_OK;
	*is_listed_r = rc == RC_OK;
	return rc;
}

enum rc intent_trim(struct txn *txn, enum intent_way way, struct slice device_id, int64_t keep,
	struct err *err)
{
	return DO(txn, err, SQL_INTENT_TRIM, V_TEXT(device_id), V_INT(way), V_INT(keep));
}

enum rc scep_transaction_find(struct txn *txn, const uint8_t key_sha256[static SHA256_BYTES],
	struct slice transaction_id, int64_t *identity_id_r, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err,
		"SELECT identity_id FROM scep_transaction WHERE key_sha256 = ?1 AND transaction_id = ?2",
		V_SHA256(key_sha256), V_TEXT(transaction_id));

	if (rc == RC_OK)
		rc = query_row(&query, "transaction", err);
	if (rc == RC_OK)
		*identity_id_r = query_int(&query, 0);
	return rc;
}

enum rc scep_transaction_keep(struct txn *txn, const uint8_t key_sha256[static SHA256_BYTES],
	struct slice transaction_id, int64_t identity_id, struct err *err)
{
	enum rc rc = bytes_check("transaction id", transaction_id, INTENT_TRANSACTION_ID_BYTES_MAX, err);

	if (rc != RC_OK)
		return rc;
	return DO(txn, err,
		"INSERT OR REPLACE INTO scep_transaction (key_sha256, transaction_id, identity_id, ends_at)"
		" SELECT ?1, ?2, id, not_after FROM identity WHERE id = ?3",
		V_SHA256(key_sha256), V_TEXT(transaction_id), V_INT(identity_id));
}
