/* SPDX-License-Identifier: Apache-2.0 */
#include "account_decide.h"

#include <string.h>

#include "pomona/base/codec.h"

static const char *const names[ACCOUNT_REFUSAL_COUNT] = {
	[ACCOUNT_NOT_REFUSED] = "none",
	[ACCOUNT_REFUSED_UNKNOWN] = "unknown_token",
	[ACCOUNT_REFUSED_EXPIRED] = "expired_token",
	[ACCOUNT_REFUSED_USED] = "used_token",
	[ACCOUNT_REFUSED_MESSAGE] = "machine_information",
	[ACCOUNT_REFUSED_DISCOVERY] = "discovery",
	[ACCOUNT_REFUSED_LOGIN] = "login",
	[ACCOUNT_REFUSED_FORM] = "form",
};

const char *account_refusal_name(enum account_refusal refusal)
{
	return names[refusal];
}

bool account_id_is_sound(struct slice managed_id)
{
	size_t at = 0;

	if (managed_id.len > ACCOUNT_MANAGED_BYTES_MAX || !slice_find_byte(managed_id, '@', &at))
		return false;
	if (at == 0 || at + 1 == managed_id.len || !utf8_is_xml_text(managed_id))
		return false;
	for (size_t i = 0; i < managed_id.len; i++)
		if (managed_id.ptr[i] <= ' ' || managed_id.ptr[i] == 0x7f)
			return false;
	return true;
}

struct slice account_local_part(struct slice managed_id)
{
	size_t at = managed_id.len;

	(void)slice_find_byte(managed_id, '@', &at);
	return slice_sub(managed_id, 0, at);
}

static bool is_equal_nocase(struct slice a, struct slice b)
{
	char text[ACCOUNT_MANAGED_BYTES_MAX + 1];

	if (b.len > ACCOUNT_MANAGED_BYTES_MAX || b.len == 0)
		return false;
	memcpy(text, b.ptr, b.len);
	text[b.len] = '\0';
	return slice_is_str_nocase(a, text);
}

bool account_is_user_of(struct slice user, struct slice managed_id)
{
	return is_equal_nocase(user, managed_id) || is_equal_nocase(user, account_local_part(managed_id));
}

/* A profile of this account was handed out before. */
static enum rc decide_again(struct txn *txn, const struct account_profile_ask *ask,
	int64_t account_id, enum account_refusal *refusal_r, struct account *account_r, struct err *err)
{
	bool is_used = false;
	enum rc rc = account_find(txn, account_id, account_r, err);

	if (rc == RC_OK)
		rc = account_is_used(txn, account_id, &is_used, err);
	if (rc == RC_OK && (is_used || account_r->mode != ask->mode))
		*refusal_r = ACCOUNT_REFUSED_USED;
	return rc;
}

enum rc account_decide(struct txn *txn, const struct account_profile_ask *ask,
	enum account_refusal *refusal_r, struct account *account_r, struct err *err)
{
	struct access_token token;
	enum rc rc = access_token_find(txn, ask->token_sha256, &token, err);

	*refusal_r = ACCOUNT_NOT_REFUSED;
	*account_r = (struct account){.mode = ask->mode};
	if (rc == RC_NOT_FOUND)
		*refusal_r = ACCOUNT_REFUSED_UNKNOWN;
	if (rc != RC_OK)
		return rc == RC_NOT_FOUND ? RC_OK : rc;
	if (access_token_is_over(&token, txn_now(txn))) {
		*refusal_r = ACCOUNT_REFUSED_EXPIRED;
		return RC_OK;
	}
	if (token.account_id != 0)
		return decide_again(txn, ask, token.account_id, refusal_r, account_r, err);
	memcpy(account_r->user_name, token.user_name, sizeof(account_r->user_name));
	memcpy(account_r->managed_id, token.managed_id, sizeof(account_r->managed_id));
	return RC_OK;
}

enum rc account_begin(struct txn *txn, const struct account_profile_ask *ask,
	enum account_refusal *refusal_r, struct account *account_r, struct err *err)
{
	struct intent_new intent = {.way = INTENT_ACCOUNT,
		.challenge_sha256 = ask->challenge_sha256,
		.profile = ask->profile,
		.expires_at = txn_now(txn) + ACCOUNT_PROFILE_S};
	int64_t intent_id = 0;
	enum rc rc = account_decide(txn, ask, refusal_r, account_r, err);

	if (rc != RC_OK || *refusal_r != ACCOUNT_NOT_REFUSED)
		return rc;
	if (account_r->id != 0) {
		rc = account_drop_intents(txn, account_r->id, err);
	} else {
		rc = account_add(txn, account_r, &account_r->id, err);
		if (rc == RC_OK)
			rc = access_token_use(txn, ask->token_sha256, account_r->id, err);
	}
	intent.account_id = account_r->id;
	intent.device_id = ask->device_id;
	intent.user_name = slice_of_str(account_r->user_name);
	return rc == RC_OK ? intent_add(txn, &intent, &intent_id, err) : rc;
}
