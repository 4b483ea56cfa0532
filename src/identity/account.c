/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/identity/account.h"

#include <string.h>

static const char *const texts[ACCOUNT_STANDING_COUNT] = {
	[ACCOUNT_MISSING] = "no access token came with it",
	[ACCOUNT_UNKNOWN] = "its access token is not known any more",
	[ACCOUNT_EXPIRED] = "its access token has expired",
	[ACCOUNT_FOREIGN] = "its access token is another account's",
};

const char *account_standing_text(enum account_standing standing)
{
	return (unsigned)standing < ACCOUNT_STANDING_COUNT ? texts[standing] : texts[ACCOUNT_UNKNOWN];
}

/* The same person, however the user directory spells him: by the account of Apple's that he logs in for. */
static bool is_same_person(const char *managed_id, const char *other)
{
	return slice_is_str_nocase(slice_of_str(managed_id), other);
}

/* A token that nothing came of yet is this account's when the same person logged in for it. */
static enum rc judge_unused(struct txn *txn, int64_t account_id, const struct access_token *token,
	enum account_standing *standing_r, struct err *err)
{
	struct account account;
	enum rc rc = account_find(txn, account_id, &account, err);

	if (rc != RC_OK)
		return rc;
	if (is_same_person(account.managed_id, token->managed_id))
		*standing_r = ACCOUNT_FRESH;
	else
		*standing_r = ACCOUNT_FOREIGN;
	return RC_OK;
}

enum rc account_judge(struct txn *txn, int64_t account_id, struct slice token,
	enum account_standing *standing_r, struct err *err)
{
	uint8_t digest[SHA256_BYTES];
	struct access_token found;
	enum rc rc;

	*standing_r = account_id == 0 ? ACCOUNT_NONE : ACCOUNT_MISSING;
	if (account_id == 0 || token.len == 0)
		return RC_OK;
	*standing_r = ACCOUNT_UNKNOWN;
	sha256(token, digest);
	rc = access_token_find(txn, digest, &found, err);
	if (rc != RC_OK)
		return rc == RC_NOT_FOUND ? RC_OK : rc;
	if (found.account_id != 0 && found.account_id != account_id)
		*standing_r = ACCOUNT_FOREIGN;
	else if (access_token_is_over(&found, txn_now(txn)))
		*standing_r = ACCOUNT_EXPIRED;
	else if (found.account_id == account_id)
		*standing_r = ACCOUNT_GOOD;
	else
		return judge_unused(txn, account_id, &found, standing_r, err);
	return RC_OK;
}

/* A device that lives is taken over by its own user alone. */
static enum rc judge_owner(struct txn *txn, const struct account *account,
	const struct enrollment *device, const char **text_r, struct err *err)
{
	struct account owner = {.id = 0};
	enum rc rc;

	if (device->state != ENROLLMENT_ENROLLED)
		return RC_OK;
	rc = account_of_device(txn, device->id, &owner, err);
	if (rc != RC_OK && rc != RC_NOT_FOUND)
		return rc;
	if (rc == RC_NOT_FOUND || !is_same_person(owner.managed_id, account->managed_id))
		*text_r = "it was issued for an account, and the device is enrolled as somebody else's";
	return RC_OK;
}

enum rc account_judge_enrolling(struct txn *txn, const struct claim *claim,
	const struct sender *sender, const char **text_r, struct err *err)
{
	struct account account;
	enum rc rc;

	*text_r = NULL;
	if (!sender->is_identity_known || sender->identity.account_id == 0)
		return RC_OK;
	rc = account_find(txn, sender->identity.account_id, &account, err);
	if (rc != RC_OK)
		return rc;
	if ((account.mode == ACCOUNT_BYOD) != (claim->kind == ENROLLMENT_BYOD_DEVICE))
		*text_r =
			"it was issued for an account: user enrollment has an EnrollmentID, and nothing else has";
	if (*text_r != NULL || !sender->is_device_known || sender->identity.issued_for[0] != '\0')
		return RC_OK;
	return judge_owner(txn, &account, &sender->device, text_r, err);
}

enum rc account_take(struct txn *txn, int64_t account_id, struct slice token, struct err *err)
{
	uint8_t digest[SHA256_BYTES];

	sha256(token, digest);
	return access_token_use(txn, digest, account_id, err);
}
