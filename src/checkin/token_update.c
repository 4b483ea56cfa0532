/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include "pomona/identity/channels.h"
#include "pomona/identity/judge.h"
#include "pomona/store/escrow.h"
#include "pomona/store/renewal.h"

/* A certificate renews once, and an enrollment that lives: later, or after an end, it enrolls anew. */
static bool is_renewal(const struct sender *sender)
{
	return sender->identity.renewal_of == sender->device.id &&
		sender->device.identity_id != sender->identity.id && sender->device.state == ENROLLMENT_ENROLLED;
}

/* What the old enrollment had is not for the new one. */
static enum rc clear_old(const struct visit *visit)
{
	int64_t device_id = visit->sender->device.id;
	enum rc rc = channels_clear(visit->txn, device_id, "enrolled anew", visit->err);

	if (rc == RC_OK)
		rc = enrollment_drop_token(visit->txn, device_id, visit->err);
	if (rc == RC_OK)
		rc = enrollment_end_users(visit->txn, device_id, visit->err);
	return rc;
}

static enum rc promote(const struct visit *visit)
{
	const struct sender *sender = visit->sender;
	bool is_kept = is_renewal(sender);
	enum rc rc = is_kept ? RC_OK : clear_old(visit);

	if (rc == RC_OK)
		rc = enrollment_promote(visit->txn, sender->device.id, visit->err);
	if (rc == RC_OK && is_kept)
		rc = identity_took_over(visit->txn, sender->identity.id, visit->err);
	if (rc == RC_OK && is_kept)
		rc = renewal_cancel_waiting(visit->txn, sender->device.id, visit->err);
	if (rc == RC_OK) /* nobody may come by what was given beside it into what it has */
		rc = identity_end_renewals(visit->txn, sender->device.id, visit->err);
	if (is_kept)
		visit->outcome->event = "renewed";
	else
		visit->outcome->event = sender->device.identity_id == 0 ? "enrolled" : "re_enrolled";
	return rc;
}

/* A pinned device without an Authenticate: a new token, or a backup restored. */
static enum rc update(const struct visit *visit)
{
	const struct sender *sender = visit->sender;
	enum rc rc =
		judge_require_pinned(visit->txn, &visit->message->claim, sender, visit->outcome, visit->err);

	if (rc != RC_OK || checkin_is_refused(visit))
		return rc;
	visit->outcome->event = "token_updated";
	if (sender->device.state == ENROLLMENT_ENROLLED)
		return RC_OK;
	visit->outcome->event = "restored";
	return enrollment_set_state(visit->txn, sender->device.id, ENROLLMENT_ENROLLED, visit->err);
}

/* Behind all that waits for the channel stands what lets it out of Setup Assistant. */
static enum rc let_go(const struct visit *visit, int64_t id)
{
	if (!visit->policy->setup.is_automatic || !visit->message->token.is_awaiting_configuration)
		return RC_OK;
	return setup_queue(visit->txn, id, visit->message->claim.kind, visit->err);
}

/* An UnlockToken that is not sent does not delete the one we have. */
static enum rc keep_tokens(const struct visit *visit)
{
	int64_t device_id = visit->sender->device.id;
	const struct checkin_message *message = visit->message;
	enum rc rc =
		enrollment_set_token(visit->txn, device_id, &message->token, message->raw, visit->err);

	if (rc == RC_OK && message->unlock_token.len != 0)
		rc = escrow_put(visit->txn, device_id, ESCROW_UNLOCK_TOKEN, message->unlock_token, visit->err);
	if (rc == RC_OK)
		rc = let_go(visit, device_id);
	visit->outcome->channel_id = device_id;
	visit->outcome->contact = OUTCOME_CONTACT_TOKEN;
	return rc;
}

static bool is_pending(const struct sender *sender)
{
	return sender->is_identity_known && sender->is_device_known &&
		sender->device.pending_identity_id == sender->identity.id;
}

static enum rc decide_device(const struct visit *visit)
{
	enum rc rc = is_pending(visit->sender) ? promote(visit) : update(visit);

	if (rc != RC_OK || checkin_is_refused(visit))
		return rc;
	return keep_tokens(visit);
}

/* Refuses (RC_OK, outcome->refusal) one user too many. */
static enum rc require_room(const struct visit *visit)
{
	int64_t count = 0;
	enum rc rc;

	if (visit->sender->is_channel_known)
		return RC_OK;
	rc = enrollment_count_users(visit->txn, visit->sender->device.id, &count, visit->err);
	if (rc == RC_OK && count >= CHECKIN_USERS_MAX)
		outcome_refuse(visit->outcome, REFUSAL_TOO_MANY_USERS, NULL);
	return rc;
}

static enum rc decide_user(const struct visit *visit)
{
	const struct sender *sender = visit->sender;
	const struct claim *claim = &visit->message->claim;
	bool is_live = sender->is_channel_known && sender->channel.state == ENROLLMENT_ENROLLED;
	int64_t id = sender->channel.id;
	enum rc rc = checkin_require_enrolled(visit);

	if (rc == RC_OK && !checkin_is_refused(visit))
		rc = require_room(visit);
	if (rc != RC_OK || checkin_is_refused(visit))
		return rc;
	if (!is_live)
		rc =
			enrollment_add_user(visit->txn, claim->kind, claim->ext_id, sender->device.id, &id, visit->err);
	if (rc == RC_OK)
		rc =
			enrollment_set_token(visit->txn, id, &visit->message->token, visit->message->raw, visit->err);
	if (rc == RC_OK)
		rc = let_go(visit, id);
	visit->outcome->channel_id = id;
	visit->outcome->contact = OUTCOME_CONTACT_TOKEN;
	visit->outcome->event = is_live ? "user_token_updated" : "user_enrolled";
	return rc;
}

enum rc checkin_decide_token_update(const struct visit *visit)
{
	return checkin_is_user(visit) ? decide_user(visit) : decide_device(visit);
}
