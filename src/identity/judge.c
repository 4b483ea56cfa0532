/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/identity/judge.h"

#include "pomona/store/admin.h"

void judge_refuse(struct outcome *outcome, enum refusal refusal)
{
	const char *text = NULL;

	if (refusal == REFUSAL_BAD_MESSAGE)
		text = "UDID, EnrollmentID, UserID: the id is known, but as one of another kind of channel";
	outcome_refuse(outcome, refusal, text);
}

static int64_t account_of(const struct sender *sender)
{
	return sender->is_identity_known ? sender->identity.account_id : 0;
}

static enum rc judge_enrolling(struct txn *txn, const struct claim *claim,
	const struct sender *sender, struct outcome *outcome, struct err *err)
{
	const char *text = NULL;
	enum rc rc = account_judge_enrolling(txn, claim, sender, &text, err);

	if (rc == RC_OK && text != NULL)
		outcome_refuse(outcome, REFUSAL_ISSUED_FOR_ANOTHER, text);
	return rc;
}

/* The user has logged in anew. A certificate that the standing will refuse uses up nothing. */
static enum rc take_token(struct txn *txn, const struct judge_params *params,
	const struct sender *sender, struct err *err)
{
	if (sender->standing != STANDING_PINNED && sender->standing != STANDING_PENDING &&
		!params->is_authenticate)
		return RC_OK;
	return account_take(txn, account_of(sender), params->claim->access_token, err);
}

enum rc judge_sender(struct txn *txn, const struct judge_params *params, struct sender *sender_r,
	struct outcome *outcome, struct err *err)
{
	struct unenroll_params unenroll = {
		.policy = params->policy,
		.credential = params->credential,
		.claim = params->claim,
		.sender = sender_r,
		.is_command_route = params->is_command_route,
		.is_authenticate = params->is_authenticate,
	};
	enum rc rc = sender_establish(txn, params->credential, params->claim, sender_r, err);

	if (rc != RC_OK)
		return rc;
	if (sender_r->refusal != REFUSAL_NONE) {
		judge_refuse(outcome, sender_r->refusal);
		return RC_OK;
	}
	if (params->is_authenticate)
		rc = judge_enrolling(txn, params->claim, sender_r, outcome, err);
	if (rc != RC_OK || outcome->refusal != REFUSAL_NONE)
		return rc;
	rc = account_judge(txn, account_of(sender_r), params->claim->access_token, &unenroll.account, err);
	if (rc == RC_OK)
		rc = unenroll_decide(txn, &unenroll, outcome, err);
	if (rc != RC_OK || outcome->refusal != REFUSAL_NONE || unenroll.account != ACCOUNT_FRESH)
		return rc;
	return take_token(txn, params, sender_r, err);
}

enum rc judge_is_token_good(struct txn *txn, const struct claim *claim, const struct sender *sender,
	bool *is_good_r, struct err *err)
{
	enum account_standing standing = ACCOUNT_MISSING;
	enum rc rc = account_judge(txn, account_of(sender), claim->access_token, &standing, err);

	*is_good_r = rc == RC_OK && (standing == ACCOUNT_NONE || standing == ACCOUNT_GOOD);
	return rc;
}

enum rc judge_raise_conflict(struct txn *txn, const struct claim *claim, const char *text,
	struct err *err)
{
	return alarm_raise(txn, "identity_conflict", claim->device_id, text, err);
}

static const enum refusal refusal_of_standing[] = {
	[STANDING_PINNED] = REFUSAL_NONE,
	[STANDING_PENDING] = REFUSAL_NOT_ENROLLED_YET,
	[STANDING_FREE] = REFUSAL_NOT_PINNED,
	[STANDING_FORMER] = REFUSAL_SUPERSEDED,
	[STANDING_RENEWED] = REFUSAL_SUPERSEDED,
};

enum rc judge_require_pinned(struct txn *txn, const struct claim *claim,
	const struct sender *sender, struct outcome *outcome, struct err *err)
{
	enum refusal refusal = refusal_of_standing[sender->standing];

	if (refusal == REFUSAL_NONE && sender->device.state == ENROLLMENT_REMOVED)
		refusal = REFUSAL_NOT_ENROLLED_YET;
	if (refusal == REFUSAL_NONE)
		return RC_OK;
	outcome_refuse(outcome, refusal, NULL);
	if (refusal != REFUSAL_SUPERSEDED || sender->is_settling)
		return RC_OK;
	return judge_raise_conflict(txn, claim,
		"a message came with a certificate that is not the device's any more", err);
}
