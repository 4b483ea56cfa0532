/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/identity/sender.h"

#include <string.h>

static const enum refusal refusal_of_verdict[CERT_VERDICT_COUNT] = {
	[CERT_MISSING] = REFUSAL_NO_CERTIFICATE,
	[CERT_GARBLED] = REFUSAL_CERTIFICATE_GARBLED,
	[CERT_NOT_CHAINED] = REFUSAL_NOT_CHAINED,
	[CERT_EXPIRED] = REFUSAL_EXPIRED,
	[CERT_NOT_YET] = REFUSAL_NOT_YET_VALID,
	[CERT_WRONG_PURPOSE] = REFUSAL_WRONG_PURPOSE,
};

/* A verdict that the table does not know proves nothing: it is no leave to enter. */
static enum refusal refuse_verdict(enum cert_verdict verdict)
{
	enum refusal refusal =
		(unsigned)verdict < CERT_VERDICT_COUNT ? refusal_of_verdict[verdict] : REFUSAL_NONE;

	return refusal != REFUSAL_NONE ? refusal : REFUSAL_NOT_CHAINED;
}

enum refusal sender_judge_certificate(const struct credential *credential, int64_t now)
{
	if (credential->verdict != CERT_GOOD)
		return refuse_verdict(credential->verdict);
	if (now > credential->facts.not_after)
		return REFUSAL_EXPIRED;
	if (now < credential->facts.not_before)
		return REFUSAL_NOT_YET_VALID;
	return REFUSAL_NONE;
}

static enum refusal judge_identity(const struct sender *sender, const struct claim *claim)
{
	const struct identity *identity = &sender->identity;
	int64_t device_id = sender->is_device_known ? sender->device.id : 0;

	if (!sender->is_identity_known)
		return REFUSAL_NONE;
	if (identity->revoked_at != 0)
		return REFUSAL_REVOKED;
	if (identity->is_interim)
		return REFUSAL_INTERIM;
	if (identity->issued_for[0] != '\0' && !slice_is_str(claim->device_id, identity->issued_for))
		return REFUSAL_ISSUED_FOR_ANOTHER;
	if (identity->owner_id != 0 && identity->owner_id != device_id)
		return REFUSAL_PINNED_TO_ANOTHER;
	return REFUSAL_NONE;
}

/* One id is one kind of channel for ever: an EnrollmentID cannot pass for somebody's UDID. */
static bool is_kind_other(const struct sender *sender, const struct claim *claim)
{
	static const enum enrollment_kind device_kinds[] = {
		[ENROLLMENT_DEVICE] = ENROLLMENT_DEVICE,
		[ENROLLMENT_USER] = ENROLLMENT_DEVICE,
		[ENROLLMENT_SHARED_USER] = ENROLLMENT_DEVICE,
		[ENROLLMENT_BYOD_DEVICE] = ENROLLMENT_BYOD_DEVICE,
		[ENROLLMENT_BYOD_USER] = ENROLLMENT_BYOD_DEVICE,
	};

	if (sender->is_device_known && sender->device.kind != device_kinds[claim->kind])
		return true;
	return sender->is_channel_known && sender->channel.kind != claim->kind;
}

static enum standing standing_of(const struct sender *sender)
{
	const struct identity *identity = &sender->identity;

	if (!sender->is_identity_known || !sender->is_device_known)
		return STANDING_FREE;
	if (sender->device.identity_id == identity->id)
		return STANDING_PINNED;
	if (sender->device.pending_identity_id == identity->id)
		return STANDING_PENDING;
	return identity->owner_id == sender->device.id ? STANDING_FORMER : STANDING_FREE;
}

static enum rc find_enrollment(struct txn *txn, struct slice ext_id, struct enrollment *enrollment,
	bool *is_known, struct err *err)
{
	enum rc rc = enrollment_find(txn, ext_id, enrollment, err);

	*is_known = rc == RC_OK;
	return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum rc find_channel(struct txn *txn, const struct claim *claim, struct sender *sender,
	struct err *err)
{
	enum rc rc;

	if (!enrollment_kind_is_user(claim->kind)) {
		sender->is_channel_known = sender->is_device_known;
		sender->channel = sender->device;
		return RC_OK;
	}
	rc = find_enrollment(txn, claim->ext_id, &sender->channel, &sender->is_channel_known, err);
	if (rc == RC_OK && sender->is_channel_known &&
		(!sender->is_device_known || sender->channel.device_id != sender->device.id))
		return err_set(err, RC_CORRUPT, "enrollment %s is not under its device", sender->channel.ext_id);
	return rc;
}

/*
 * An unknown certificate may be a known one in disguise, which was revoked or is another device's. Only unknown
 * ones pay for the question; their facts are complete, since nothing but the chain could vouch for them.
 */
static enum rc find_twin(struct txn *txn, const struct credential *credential,
	struct sender *sender, struct err *err)
{
	bool has_twin = false;
	enum rc rc = identity_has_twin(txn, &credential->facts, &has_twin, err);

	if (rc == RC_OK && has_twin)
		sender->refusal = REFUSAL_CERTIFICATE_TWIN;
	return rc;
}

static enum rc find_identity(struct txn *txn, const struct credential *credential,
	struct sender *sender, struct err *err)
{
	enum rc rc = identity_find(txn, credential->facts.sha256, &sender->identity, err);

	sender->is_identity_known = rc == RC_OK;
	return rc == RC_NOT_FOUND ? find_twin(txn, credential, sender, err) : rc;
}

/* Only who is refused else pays for the question. */
static enum rc look_at_renewal(struct txn *txn, struct sender *sender, struct err *err)
{
	int64_t renewed_at;
	enum rc rc;

	if (sender->standing != STANDING_FORMER || sender->device.identity_id == 0)
		return RC_OK;
	rc = identity_renewed_at(txn, sender->identity.id, sender->device.id, &renewed_at, err);
	if (rc == RC_NOT_FOUND)
		return RC_OK;
	if (rc != RC_OK)
		return rc;
	sender->standing = STANDING_RENEWED;
	sender->is_settling = renewed_at != 0 && txn_now(txn) < renewed_at + SENDER_SETTLE_S;
	return RC_OK;
}

enum rc sender_establish(struct txn *txn, const struct credential *credential,
	const struct claim *claim, struct sender *sender_r, struct err *err)
{
	enum rc rc;

	memset(sender_r, 0, sizeof(*sender_r));
	sender_r->refusal = sender_judge_certificate(credential, txn_now(txn));
	if (sender_r->refusal != REFUSAL_NONE)
		return RC_OK;
	rc = find_identity(txn, credential, sender_r, err);
	if (rc != RC_OK || sender_r->refusal != REFUSAL_NONE)
		return rc;
	rc = find_enrollment(txn, claim->device_id, &sender_r->device, &sender_r->is_device_known, err);
	if (rc == RC_OK)
		rc = find_channel(txn, claim, sender_r, err);
	if (rc != RC_OK)
		return rc;
	sender_r->refusal = judge_identity(sender_r, claim);
	if (sender_r->refusal == REFUSAL_NONE && is_kind_other(sender_r, claim))
		sender_r->refusal = REFUSAL_BAD_MESSAGE;
	sender_r->standing = standing_of(sender_r);
	return look_at_renewal(txn, sender_r, err);
}
