/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include "pomona/identity/channels.h"
#include "pomona/identity/judge.h"
#include "pomona/store/queue.h"

#define WHY "checked out"

static enum rc end_user(const struct visit *visit)
{
	const struct sender *sender = visit->sender;
	int64_t id = sender->channel.id;
	int64_t count;
	enum rc rc;

	visit->outcome->channel_id = sender->is_channel_known ? id : sender->device.id;
	if (!sender->is_channel_known || sender->channel.state == ENROLLMENT_ENDED)
		return RC_OK;
	visit->outcome->event = "user_checked_out";
	rc = queue_cancel_all(visit->txn, id, WHY, &count, visit->err);
	if (rc == RC_OK)
		rc = enrollment_drop_token(visit->txn, id, visit->err);
	if (rc == RC_OK)
		rc = enrollment_set_state(visit->txn, id, ENROLLMENT_ENDED, visit->err);
	return rc;
}

/* It never got as far as a pin. What the pinned identity has, if there is one, is not its to end. */
static enum rc end_pending(const struct visit *visit)
{
	const struct enrollment *device = &visit->sender->device;
	enum rc rc = enrollment_drop_pending(visit->txn, device->id, visit->err);

	if (rc == RC_OK && device->state == ENROLLMENT_PENDING)
		rc = enrollment_set_state(visit->txn, device->id, ENROLLMENT_CHECKED_OUT, visit->err);
	return rc;
}

static enum rc end_pinned(const struct visit *visit)
{
	const struct enrollment *device = &visit->sender->device;
	enum rc rc = channels_cancel(visit->txn, device->id, WHY, visit->err);

	if (rc == RC_OK)
		rc = enrollment_end_users(visit->txn, device->id, visit->err);
	if (rc == RC_OK)
		rc = enrollment_drop_token(visit->txn, device->id, visit->err);
	if (rc == RC_OK && device->pending_identity_id == visit->sender->identity.id)
		rc = enrollment_drop_pending(visit->txn, device->id, visit->err);
	if (rc == RC_OK)
		rc = enrollment_set_state(visit->txn, device->id, ENROLLMENT_CHECKED_OUT, visit->err);
	return rc;
}

/* Again: nothing is left to end but what was queued meanwhile. */
static enum rc end_device(const struct visit *visit)
{
	const struct sender *sender = visit->sender;

	visit->outcome->channel_id = sender->device.id;
	if (sender->device.state != ENROLLMENT_CHECKED_OUT)
		visit->outcome->event = "checked_out";
	if (sender->standing == STANDING_PINNED)
		return end_pinned(visit);
	return sender->standing == STANDING_PENDING ? end_pending(visit) : RC_OK;
}

/* A pending one may leave; so may, once more, one whose pending enrollment ended with its first CheckOut. */
static bool may_leave(const struct visit *visit)
{
	const struct sender *sender = visit->sender;

	if (checkin_is_user(visit))
		return false;
	return sender->standing == STANDING_PENDING ||
		(sender->standing == STANDING_FORMER && sender->device.identity_id == 0 &&
			sender->device.state == ENROLLMENT_CHECKED_OUT && sender->device.pending_identity_id == 0);
}

enum rc checkin_decide_check_out(const struct visit *visit)
{
	enum rc rc = RC_OK;

	if (!may_leave(visit))
		rc = judge_require_pinned(visit->txn, &visit->message->claim, visit->sender, visit->outcome,
			visit->err);
	if (rc != RC_OK || checkin_is_refused(visit))
		return rc;
	return checkin_is_user(visit) ? end_user(visit) : end_device(visit);
}
