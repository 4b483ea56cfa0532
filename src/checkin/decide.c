/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include "pomona/identity/judge.h"

typedef enum rc (*decide_fn)(const struct visit *visit);

/* NULL: recognised and not offered; checkin_read() has said so. */
static const decide_fn deciders[CHECKIN_TYPE_COUNT] = {
	[CHECKIN_AUTHENTICATE] = checkin_decide_authenticate,
	[CHECKIN_TOKEN_UPDATE] = checkin_decide_token_update,
	[CHECKIN_CHECK_OUT] = checkin_decide_check_out,
	[CHECKIN_USER_AUTHENTICATE] = checkin_decide_user_authenticate,
	[CHECKIN_SET_BOOTSTRAP_TOKEN] = checkin_decide_set_bootstrap_token,
	[CHECKIN_GET_BOOTSTRAP_TOKEN] = checkin_decide_get_bootstrap_token,
};

bool checkin_is_user(const struct visit *visit)
{
	return enrollment_kind_is_user(visit->message->claim.kind);
}

bool checkin_is_refused(const struct visit *visit)
{
	return visit->outcome->refusal != REFUSAL_NONE;
}

enum rc checkin_require_enrolled(const struct visit *visit)
{
	enum enrollment_state state = visit->sender->device.state;
	enum rc rc = judge_require_pinned(visit->txn, &visit->message->claim, visit->sender,
		visit->outcome, visit->err);

	if (rc != RC_OK || checkin_is_refused(visit) || state == ENROLLMENT_ENROLLED)
		return rc;
	outcome_refuse(visit->outcome,
		state == ENROLLMENT_CHECKED_OUT ? REFUSAL_CHECKED_OUT : REFUSAL_NOT_ENROLLED_YET, NULL);
	return RC_OK;
}

enum rc checkin_reply(const struct visit *visit, const char *key, struct plist_node *value,
	size_t size_hint)
{
	AUTO(plist_doc_free) struct plist_doc *doc = plist_doc_new_dict();

	if (doc == NULL) {
		plist_node_free(&value);
		return err_set(visit->err, RC_NO_MEMORY, "reply");
	}
	if (plist_dict_set(plist_root(doc), key, value) != RC_OK)
		return err_set(visit->err, RC_NO_MEMORY, "reply");
	/* Reserved, so that no copy of a secret stays behind where a buffer grew. */
	if (buf_reserve(&visit->outcome->body, size_hint) == NULL)
		return buf_status(&visit->outcome->body, "reply", visit->err);
	visit->outcome->content_type = OUTCOME_PLIST_TYPE;
	return plist_write_xml(doc, &visit->outcome->body, visit->err);
}

/*
 * What a pending identity says is no word of the channel that waits to be woken, nor is what was
 * noted for the device because the user has no channel.
 */
static void tell_contact(const struct visit *visit)
{
	const struct sender *sender = visit->sender;
	struct outcome *outcome = visit->outcome;

	if (checkin_is_refused(visit) || outcome->contact != OUTCOME_CONTACT_NONE)
		return;
	if (visit->message->type != CHECKIN_AUTHENTICATE && sender->standing == STANDING_PINNED &&
		sender->is_channel_known && outcome->channel_id == sender->channel.id)
		outcome->contact = OUTCOME_CONTACT_MESSAGE;
}

enum rc checkin_decide(struct txn *txn, const struct checkin_policy *policy,
	const struct credential *credential, const struct checkin_message *message,
	struct outcome *outcome, struct err *err)
{
	const struct judge_params judge = {
		.policy = &policy->unenroll,
		.credential = credential,
		.claim = &message->claim,
		.is_authenticate = message->type == CHECKIN_AUTHENTICATE,
	};
	struct sender sender;
	const struct visit visit = {
		.txn = txn,
		.policy = policy,
		.credential = credential,
		.message = message,
		.sender = &sender,
		.outcome = outcome,
		.err = err,
	};
	enum rc rc;

	if ((unsigned)message->type >= CHECKIN_TYPE_COUNT || deciders[message->type] == NULL)
		return err_set(err, RC_INTERNAL, "check-in: a message that was not read");
	rc = judge_sender(txn, &judge, &sender, outcome, err);
	if (rc != RC_OK || outcome->refusal != REFUSAL_NONE)
		return rc;
	if (message->type != CHECKIN_USER_AUTHENTICATE)
		rc = judge_require_token(txn, &message->claim, &sender, outcome, err);
	if (rc != RC_OK || outcome->refusal != REFUSAL_NONE)
		return rc;
	rc = deciders[message->type](&visit);
	if (rc == RC_OK)
		tell_contact(&visit);
	return rc;
}
