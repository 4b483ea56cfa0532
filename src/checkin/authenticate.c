/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include "pomona/identity/judge.h"

/* We gave this device the next identity, and may have had to once more. */
static bool is_own_renewal(const struct sender *sender)
{
	return sender->is_identity_known && sender->identity.is_ours &&
		sender->identity.renewal_of == sender->device.id;
}

/* Given in place of one that the device has no more, and not used then. */
static bool is_spare(const struct sender *sender)
{
	return sender->is_identity_known && sender->identity.renews_id != 0 &&
		sender->device.state == ENROLLMENT_ENROLLED && sender->device.identity_id != 0 &&
		sender->identity.id != sender->device.identity_id &&
		sender->identity.renews_id != sender->device.identity_id;
}

/*
 * An enrollment that was never finished and is tried anew looks the same as a competitor: an alarm is raised
 * for both, since only people can tell.
 */
static bool is_conflict(const struct sender *sender)
{
	int64_t identity_id = sender->is_identity_known ? sender->identity.id : 0;
	int64_t pending_id = sender->device.pending_identity_id;

	if (!sender->is_device_known || is_own_renewal(sender))
		return false;
	if (pending_id != 0 && pending_id != identity_id)
		return true;
	if (is_spare(sender))
		return true;
	return sender->standing == STANDING_RENEWED ||
		(sender->standing == STANDING_FORMER && sender->device.identity_id != 0);
}

static enum rc find_or_add_device(const struct visit *visit, int64_t *device_id_r)
{
	const struct claim *claim = &visit->message->claim;

	if (visit->sender->is_device_known) {
		*device_id_r = visit->sender->device.id;
		return RC_OK;
	}
	return enrollment_add_device(visit->txn, claim->kind, claim->device_id, device_id_r, visit->err);
}

/* From here on the certificate belongs to this device and can never serve for another. */
static enum rc own_identity(const struct visit *visit, int64_t device_id, int64_t *identity_id_r)
{
	const struct credential *credential = visit->credential;
	enum rc rc = identity_record(visit->txn, &credential->facts, credential->chained_under,
		identity_id_r, visit->err);

	if (rc != RC_OK)
		return rc;
	return identity_set_owner(visit->txn, *identity_id_r, device_id, visit->err);
}

/* The old state stays live until this identity's first TokenUpdate. */
enum rc checkin_decide_authenticate(const struct visit *visit)
{
	const struct checkin_message *message = visit->message;
	int64_t device_id = 0;
	int64_t identity_id = 0;
	enum rc rc = RC_OK;

	if (is_conflict(visit->sender))
		rc = judge_raise_conflict(visit->txn, &message->claim,
			"another certificate of this device authenticated before and has not finished, or "
			"was replaced: two devices may use one id",
			visit->err);
	if (rc == RC_OK)
		rc = find_or_add_device(visit, &device_id);
	if (rc == RC_OK)
		rc = own_identity(visit, device_id, &identity_id);
	if (rc == RC_OK)
		rc = enrollment_set_pending(visit->txn, device_id, identity_id, &message->device, message->raw,
			visit->err);
	if (rc != RC_OK)
		return rc;
	visit->outcome->channel_id = device_id;
	visit->outcome->event = "authenticated";
	return RC_OK;
}
