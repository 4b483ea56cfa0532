/* SPDX-License-Identifier: Apache-2.0 */
#include "scep_decide.h"

#include <string.h>

#include "pomona/store/invitation.h"

/* Indexed by enum scep_refusal. */
static const struct {
	const char *name;
	enum scep_fail fail;
	const char *text;
} refusals[SCEP_REFUSAL_COUNT] = {
	[SCEP_NOT_REFUSED] = {"none", SCEP_FAIL_NONE, ""},
	[SCEP_REFUSED_GARBLED] = {"garbled", SCEP_BAD_REQUEST, "the message cannot be used"},
	[SCEP_REFUSED_NO_CHALLENGE] = {"no_challenge", SCEP_BAD_REQUEST, "a challenge is needed"},
	[SCEP_REFUSED_WRONG_CHALLENGE] = {"wrong_challenge", SCEP_BAD_REQUEST,
		"the challenge is not one of ours"},
	[SCEP_REFUSED_EXPIRED_CHALLENGE] = {"expired_challenge", SCEP_BAD_REQUEST,
		"the challenge has expired: a new one is needed"},
	[SCEP_REFUSED_USED_CHALLENGE] = {"used_challenge", SCEP_BAD_REQUEST,
		"the challenge was used already: a new one is needed"},
	[SCEP_REFUSED_CLOSED_LINK] = {"closed_link", SCEP_BAD_REQUEST,
		"the link that the challenge came by was used up or withdrawn: a new one is needed"},
	[SCEP_REFUSED_STRANGER] = {"stranger", SCEP_BAD_REQUEST,
		"a renewal must be signed by a certificate of this CA"},
	[SCEP_REFUSED_REVOKED] = {"revoked", SCEP_BAD_REQUEST, "the certificate is revoked"},
	[SCEP_REFUSED_EXPIRED] = {"expired", SCEP_BAD_TIME, "the certificate has expired"},
	[SCEP_REFUSED_FORMER] = {"former", SCEP_BAD_REQUEST,
		"the certificate is not its device's any more"},
	[SCEP_REFUSED_NOT_ENROLLED] = {"not_enrolled", SCEP_BAD_REQUEST,
		"a certificate that is no device's in particular is renewed when a device has enrolled with it"},
	[SCEP_REFUSED_MANY] = {"many", SCEP_BAD_REQUEST,
		"its device has many certificates already that it does not use"},
	[SCEP_REFUSED_NOT_FOUND] = {"not_found", SCEP_BAD_CERT_ID, "there is no such certificate"},
	[SCEP_REFUSED_POLICY] = {"policy", SCEP_BAD_REQUEST, "the policy service refuses it"},
};

const char *scep_refusal_name(enum scep_refusal refusal)
{
	return refusals[refusal].name;
}

const char *scep_refusal_text(enum scep_refusal refusal)
{
	return refusals[refusal].text;
}

enum scep_fail scep_refusal_fail(enum scep_refusal refusal)
{
	return refusals[refusal].fail;
}

static enum rc refuse(struct scep_decision *decision, enum scep_refusal refusal)
{
	decision->refusal = refusal;
	return RC_OK;
}

/* One of ours that may still be handed out. False with RC_OK: it may not. */
static enum rc try_repeat(struct txn *txn, int64_t identity_id, struct scep_decision *decision,
	bool *is_good_r, struct err *err)
{
	AUTO(buf_fini) struct buf der;
	struct identity identity;
	enum rc rc;

	*is_good_r = false;
	buf_init(&der, CERT_DER_BYTES_MAX);
	rc = identity_read_issued(txn, identity_id, &identity, &der, err);
	if (rc == RC_NOT_FOUND)
		return RC_OK;
	if (rc == RC_OK && identity.revoked_at == 0 && identity.not_after > txn_now(txn)) {
		decision->identity_id = identity_id;
		*is_good_r = true;
	}
	return rc;
}

/*
 * The same transaction of the same key. Many clients make the transaction's name of the key alone, so one that renews
 * a certificate and keeps the key names it anew: what it signs with is then what it was given.
 */
static enum rc try_transaction(struct txn *txn, const struct scep_facts *facts,
	struct scep_decision *decision, bool *is_decided_r, struct err *err)
{
	struct identity signer = {.id = 0};
	int64_t identity_id;
	enum rc rc = scep_transaction_find(txn, facts->key_sha256, slice_of_str(facts->transaction_id),
		&identity_id, err);

	*is_decided_r = false;
	if (rc == RC_NOT_FOUND)
		return RC_OK;
	if (rc == RC_OK && facts->kind != SCEP_CERT_POLL)
		rc = identity_find(txn, facts->signer.sha256, &signer, err);
	if (rc == RC_NOT_FOUND)
		rc = RC_OK;
	if (rc == RC_OK && signer.id != identity_id)
		rc = try_repeat(txn, identity_id, decision, is_decided_r, err);
	return rc;
}

static void copy_id(char out[static ENROLLMENT_DEVICE_ID_BYTES_MAX + 1], const char *id)
{
	struct slice bytes = slice_sub(slice_of_str(id), 0, ENROLLMENT_DEVICE_ID_BYTES_MAX);

	if (bytes.len > 0)
		memcpy(out, bytes.ptr, bytes.len);
	out[bytes.len] = '\0';
}

static void issue_for(struct scep_decision *decision, const char *device_id)
{
	copy_id(decision->issued_for, device_id);
	decision->issued.issued_for = slice_of_str(decision->issued_for);
}

/* Of the device's pin its own alone count: what a former one was given, by a thief perhaps, must not bar it. */
static enum rc require_room(struct txn *txn, struct scep_decision *decision, struct err *err)
{
	int64_t unused = 0;
	enum rc rc;

	if (decision->issued.renewal_of != 0)
		rc = identity_count_unused_after(txn, decision->issued.renews_id, &unused, err);
	else
		rc = identity_count_unused(txn, decision->issued_for, &unused, err);
	return rc == RC_OK && unused >= SCEP_UNUSED_MAX ? refuse(decision, SCEP_REFUSED_MANY) : rc;
}

/*
 * The certificate that a device has now lets it have the next one; so does one that it has not come with yet, where it
 * was issued for it. Another would make of one challenge as many devices as its holder likes.
 */
static enum rc decide_renewal(struct txn *txn, const struct identity *identity,
	struct scep_decision *decision, struct err *err)
{
	struct enrollment device = {.id = 0};
	enum rc rc = RC_OK;

	if (identity->revoked_at != 0)
		return refuse(decision, SCEP_REFUSED_REVOKED);
	if (identity->not_after <= txn_now(txn))
		return refuse(decision, SCEP_REFUSED_EXPIRED);
	if (identity->is_interim)
		return refuse(decision, SCEP_REFUSED_STRANGER);
	issue_for(decision, identity->issued_for);
	decision->profile_of = identity->id;
	decision->issued.account_id = identity->account_id;
	decision->is_renewal = true;
	decision->issued.renews_id = identity->id;
	if (identity->owner_id != 0)
		rc = enrollment_by_id(txn, identity->owner_id, &device, err);
	if (rc != RC_OK)
		return rc;
	if (device.id != 0 && device.identity_id != identity->id &&
		device.pending_identity_id != identity->id)
		return refuse(decision, SCEP_REFUSED_FORMER);
	if (device.id != 0 && device.identity_id == identity->id) {
		issue_for(decision, device.ext_id);
		decision->issued.renewal_of = device.id;
	}
	if (decision->issued_for[0] == '\0') /* it is what it says it is, until its first TokenUpdate */
		return refuse(decision, SCEP_REFUSED_NOT_ENROLLED);
	return require_room(txn, decision, err);
}

/* As long as the device is enrolled: who was removed, or is revoked, does not come back by what it was sent before. */
static enum rc renew_by_intent(struct txn *txn, const struct intent *intent,
	struct scep_decision *decision, struct err *err)
{
	struct enrollment device;
	struct identity pin;
	enum rc rc;

	if (intent->renewal_of == 0)
		return RC_OK;
	rc = enrollment_by_id(txn, intent->renewal_of, &device, err);
	if (rc != RC_OK && rc != RC_NOT_FOUND)
		return rc;
	if (rc == RC_NOT_FOUND || device.state != ENROLLMENT_ENROLLED)
		return refuse(decision, SCEP_REFUSED_EXPIRED_CHALLENGE);
	rc = identity_by_id(txn, device.identity_id, &pin, err);
	if (rc == RC_OK && pin.revoked_at != 0)
		return refuse(decision, SCEP_REFUSED_REVOKED);
	decision->issued.renewal_of = device.id; /* in place of its pin */
	return rc == RC_NOT_FOUND ? RC_OK : rc;
}

/* A link gets so many devices in, however many profiles were downloaded by it. */
static enum rc look_at_invitation(struct txn *txn, int64_t id, bool *is_closed_r, struct err *err)
{
	struct invitation invitation;
	enum rc rc = invitation_by_id(txn, id, &invitation, err);
	enum invitation_state state;

	if (rc != RC_OK)
		return rc;
	state = invitation_state(&invitation, txn_now(txn));
	*is_closed_r = state == INVITATION_REVOKED || state == INVITATION_USED;
	return RC_OK;
}

static enum rc decide_unused(struct txn *txn, const struct intent *intent,
	struct scep_decision *decision, struct err *err)
{
	bool is_closed = false;
	enum rc rc = RC_OK;

	if (intent->expires_at <= txn_now(txn))
		return refuse(decision, SCEP_REFUSED_EXPIRED_CHALLENGE);
	if (intent->invitation_id != 0)
		rc = look_at_invitation(txn, intent->invitation_id, &is_closed, err);
	if (rc != RC_OK)
		return rc;
	if (is_closed)
		return refuse(decision, SCEP_REFUSED_CLOSED_LINK);
	decision->intent_id = intent->id;
	decision->invitation_id = intent->invitation_id;
	decision->issued.account_id = intent->account_id;
	decision->issued.is_interim = intent->is_interim;
	issue_for(decision, intent->device_id);
	return renew_by_intent(txn, intent, decision, err);
}

static enum rc decide_intent(struct txn *txn, const struct scep_policy *policy,
	const struct scep_facts *facts, const struct intent *intent, struct scep_decision *decision,
	struct err *err)
{
	bool is_same_key =
		intent->used_at != 0 && memcmp(intent->key_sha256, facts->key_sha256, SHA256_BYTES) == 0;
	bool is_given = false;

	if (intent->used_at == 0)
		return decide_unused(txn, intent, decision, err);
	/* A device that lost our answer asks again, with another transaction: it must not be stuck. */
	if (is_same_key && txn_now(txn) - intent->used_at <= policy->challenge_grace_s) {
		enum rc rc = try_repeat(txn, intent->identity_id, decision, &is_given, err);

		if (rc != RC_OK)
			return rc;
	}
	return is_given ? RC_OK : refuse(decision, SCEP_REFUSED_USED_CHALLENGE);
}

static enum rc decide_challenge(struct txn *txn, const struct scep_policy *policy,
	const struct scep_facts *facts, struct scep_decision *decision, struct err *err)
{
	uint8_t digest[SHA256_BYTES];
	uint8_t wanted[SHA256_BYTES];
	struct intent intent;
	enum rc rc;

	if (facts->challenge.len == 0)
		return refuse(decision, SCEP_REFUSED_NO_CHALLENGE);
	sha256(facts->challenge, digest);
	sha256(policy->static_challenge, wanted);
	if (policy->static_challenge.len > 0 &&
		slice_is_equal_consttime(slice_of(digest, SHA256_BYTES), slice_of(wanted, SHA256_BYTES)))
		return RC_OK;
	rc = intent_find_by_challenge(txn, digest, &intent, err);
	if (rc == RC_NOT_FOUND)
		return refuse(decision, SCEP_REFUSED_WRONG_CHALLENGE);
	return rc == RC_OK ? decide_intent(txn, policy, facts, &intent, decision, err) : rc;
}

/* A renewal is told by who signed it, and not by what it calls itself: clients send both as PKCSReq. */
static enum rc decide_request(struct txn *txn, const struct scep_policy *policy,
	const struct scep_facts *facts, struct scep_decision *decision, struct err *err)
{
	struct identity identity;
	enum rc rc = identity_find(txn, facts->signer.sha256, &identity, err);

	if (rc == RC_OK && identity.is_ours)
		return decide_renewal(txn, &identity, decision, err);
	if (rc != RC_OK && rc != RC_NOT_FOUND)
		return rc;
	if (facts->kind != SCEP_PKCS_REQ || !facts->is_signed_by_own_key)
		return refuse(decision, SCEP_REFUSED_STRANGER);
	return decide_challenge(txn, policy, facts, decision, err);
}

static enum rc decide_get_cert(struct txn *txn, const struct scep_policy *policy,
	const struct scep_facts *facts, struct scep_decision *decision, struct err *err)
{
	int64_t identity_id = 0;
	bool is_good = false;
	enum rc rc = strcmp(facts->issuer, policy->ca_subject) == 0
		? identity_find_issued(txn, facts->serial, &identity_id, err)
		: RC_NOT_FOUND;

	if (rc == RC_OK)
		rc = try_repeat(txn, identity_id, decision, &is_good, err);
	if (rc != RC_OK && rc != RC_NOT_FOUND)
		return rc;
	return is_good ? RC_OK : refuse(decision, SCEP_REFUSED_NOT_FOUND);
}

enum rc scep_decide(struct txn *txn, const struct scep_policy *policy,
	const struct scep_facts *facts, struct scep_decision *decision_r, struct err *err)
{
	bool is_decided = false;
	enum rc rc;

	*decision_r = (struct scep_decision){.refusal = SCEP_NOT_REFUSED};
	if (facts->kind == SCEP_GET_CERT)
		return decide_get_cert(txn, policy, facts, decision_r, err);
	rc = try_transaction(txn, facts, decision_r, &is_decided, err);
	if (rc != RC_OK || is_decided)
		return rc;
	if (facts->kind == SCEP_CERT_POLL)
		return refuse(decision_r, SCEP_REFUSED_NOT_FOUND);
	return decide_request(txn, policy, facts, decision_r, err);
}

enum rc scep_keep(struct txn *txn, const struct scep_facts *facts,
	const struct scep_decision *decision, struct err *err)
{
	struct identity identity;
	enum rc rc = identity_issued(txn, &decision->issued, err);

	if (rc == RC_OK)
		rc = identity_find(txn, decision->issued.facts->sha256, &identity, err);
	if (rc == RC_OK)
		rc = scep_transaction_keep(txn, facts->key_sha256, slice_of_str(facts->transaction_id),
			identity.id, err);
	if (rc == RC_OK && decision->intent_id != 0)
		rc = intent_use(txn, decision->intent_id, facts->key_sha256, identity.id, err);
	if (rc == RC_OK && decision->profile_of != 0)
		rc = identity_profile_copy(txn, decision->profile_of, identity.id, err);
	if (rc == RC_OK && decision->invitation_id != 0)
		rc = invitation_count_use(txn, decision->invitation_id, err);
	return rc;
}
