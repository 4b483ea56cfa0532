/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/identity/unenroll.h"

#include <stdio.h>

#include "pomona/identity/channels.h"
#include "pomona/store/admin.h"
#include "pomona/store/renewal.h"

static void give_401(struct outcome *outcome, enum refusal refusal)
{
	outcome_refuse(outcome, refusal, NULL);
	outcome->event = "unenrolled";
}

static enum rc record_and_give_401(struct txn *txn, const struct unenroll_params *params,
	enum refusal refusal, struct outcome *outcome, struct err *err)
{
	enum rc rc = unenrollment_record(txn, params->claim->device_id,
		refusal == REFUSAL_UNKNOWN_UNENROLLED, params->credential->facts.sha256, err);

	if (rc == RC_OK)
		give_401(outcome, refusal);
	return rc;
}

/*
 * The pending identity goes too, so that one which waits beside a REMOVED device has always authenticated
 * after the removal. Escrow stays: an unlock token may still be needed.
 */
static enum rc end_device(struct txn *txn, const struct enrollment *device, struct err *err)
{
	enum rc rc = enrollment_set_state(txn, device->id, ENROLLMENT_REMOVED, err);

	if (rc == RC_OK && device->pending_identity_id != 0)
		rc = enrollment_drop_pending(txn, device->id, err);
	if (rc == RC_OK)
		rc = channels_cancel(txn, device->id, "removed", err);
	if (rc == RC_OK)
		rc = enrollment_end_users(txn, device->id, err);
	return rc;
}

enum rc unenroll_find_command(struct txn *txn, const struct sender *sender,
	struct queue_item *item_r, struct err *err)
{
	enum rc rc;

	if (sender->device.state != ENROLLMENT_REMOVAL_ORDERED || sender->standing != STANDING_PINNED ||
		!sender->is_channel_known || sender->channel.id != sender->device.id)
		return RC_NOT_FOUND;
	rc = removal_find(txn, sender->device.id, item_r, err);
	return rc == RC_OK && item_r->state != QUEUE_QUEUED ? RC_NOT_FOUND : rc;
}

/*
 * A free or former certificate is somebody else's as long as it does not authenticate: the standing refuses it. Not so
 * one that was renewed, later than its last word: with it comes the device that was restored from a backup.
 * An Authenticate is the device with a newer profile: the order comes first, then it may enroll again.
 */
static enum rc decide_ordered(struct txn *txn, const struct unenroll_params *params,
	struct outcome *outcome, struct err *err)
{
	enum standing standing = params->sender->standing;
	const bool is_restored = standing == STANDING_RENEWED && !params->sender->is_settling;
	struct queue_item item;
	enum rc rc = RC_NOT_FOUND;

	if (standing != STANDING_PINNED && standing != STANDING_PENDING && !is_restored &&
		!params->is_authenticate)
		return RC_OK;
	if (params->is_command_route)
		rc = unenroll_find_command(txn, params->sender, &item, err);
	if (rc != RC_NOT_FOUND)
		return rc; /* a fault, or it is given the command first */
	rc = end_device(txn, &params->sender->device, err);
	if (rc != RC_OK)
		return rc;
	return record_and_give_401(txn, params, REFUSAL_REMOVAL_ORDERED, outcome, err);
}

/*
 * Told already, and there it is again: the reply was lost. Unless it is on its way to enroll anew. The removal is on
 * record since it was carried out; a device that comes again and again must not fill the database.
 */
static void decide_removed(const struct unenroll_params *params, struct outcome *outcome)
{
	const struct sender *sender = params->sender;
	bool is_pin =
		sender->standing == STANDING_PINNED && sender->device.pending_identity_id != sender->identity.id;
	bool is_never_pinned = sender->standing == STANDING_FORMER && sender->device.identity_id == 0;

	if (!params->is_authenticate &&
		(is_pin || is_never_pinned || sender->standing == STANDING_RENEWED))
		give_401(outcome, REFUSAL_REMOVAL_ORDERED);
}

static enum rc blow_fuse(struct txn *txn, const char *text, struct outcome *outcome,
	struct err *err)
{
	outcome_refuse(outcome, REFUSAL_FUSE_BLOWN, text);
	outcome->event = "unenroll_fuse_blown";
	return alarm_raise(txn, "unenroll_fuse", SLICE_LITERAL("unknown_device"), text, err);
}

static enum rc decide_unknown(struct txn *txn, const struct unenroll_params *params,
	struct outcome *outcome, struct err *err)
{
	char text[REFUSAL_TEXT_BYTES];
	bool is_any = false;
	int64_t count = 0;
	enum rc rc;

	if (params->policy->unknown_device != UNKNOWN_DEVICE_UNENROLL) {
		outcome_refuse(outcome, REFUSAL_UNKNOWN_DEVICE, NULL);
		return RC_OK;
	}
	rc = enrollment_is_any(txn, &is_any, err);
	if (rc != RC_OK)
		return rc;
	if (!is_any)
		return blow_fuse(txn, "the database has no live enrollment: nobody is unenrolled", outcome, err);
	rc = unenrollment_count_automatic(txn, txn_now(txn) - UNENROLL_FUSE_WINDOW_S, &count, err);
	if (rc != RC_OK)
		return rc;
	if (count < params->policy->fuse_per_hour)
		return record_and_give_401(txn, params, REFUSAL_UNKNOWN_UNENROLLED, outcome, err);
	snprintf(text, sizeof(text),
		"%lld unknown devices were unenrolled within an hour: more are only refused", (long long)count);
	return blow_fuse(txn, text, outcome, err);
}

static enum rc decide_management(struct txn *txn, const struct unenroll_params *params,
	struct outcome *outcome, struct err *err)
{
	const struct sender *sender = params->sender;

	if (!sender->is_device_known)
		return params->is_authenticate ? RC_OK : decide_unknown(txn, params, outcome, err);
	if (sender->device.state == ENROLLMENT_REMOVAL_ORDERED)
		return decide_ordered(txn, params, outcome, err);
	if (sender->device.state == ENROLLMENT_REMOVED)
		decide_removed(params, outcome);
	return RC_OK;
}

/*
 * A device that enrolled with an account keeps its management at a 401 with a Bearer challenge, and asks its user to log
 * in; one that enrolled otherwise erases it. So it is for an identity that we issued for an account, on its own device,
 * and for nobody else (docs/decisions/009-bearer-challenge.md).
 */
static void decide_login(const struct unenroll_params *params, struct outcome *outcome)
{
	enum standing standing = params->sender->standing;
	const char *text = account_standing_text(params->account);
	bool is_own = standing == STANDING_PINNED || standing == STANDING_PENDING;

	if (text == NULL || params->sender->identity.account_id == 0)
		return;
	if (params->sender->is_device_known && params->sender->device.state == ENROLLMENT_REMOVAL_ORDERED)
		return; /* it is to go, whoever is logged in */
	if (!is_own && !params->is_authenticate)
		return; /* the standing refuses it */
	outcome_refuse(outcome,
		params->policy->is_login_offered ? REFUSAL_LOGIN_REQUIRED : REFUSAL_ACCESS_TOKEN, text);
}

enum rc unenroll_decide(struct txn *txn, const struct unenroll_params *params,
	struct outcome *outcome, struct err *err)
{
	enum rc rc = decide_management(txn, params, outcome, err);

	if (rc == RC_OK && outcome->refusal == REFUSAL_NONE)
		decide_login(params, outcome);
	return rc;
}
