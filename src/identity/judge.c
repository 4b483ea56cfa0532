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

enum rc judge_sender(struct txn *txn, const struct judge_params *params, struct sender *sender_r,
	struct outcome *outcome, struct err *err)
{
	const struct unenroll_params unenroll = {
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
	return unenroll_decide(txn, &unenroll, outcome, err);
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
	if (refusal != REFUSAL_SUPERSEDED)
		return RC_OK;
	return judge_raise_conflict(txn, claim,
		"a message came with a certificate that is not the device's any more", err);
}
