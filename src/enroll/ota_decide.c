/* SPDX-License-Identifier: Apache-2.0 */
#include "ota_decide.h"

#include <string.h>

enum { STATUS_BAD_REQUEST = 400, STATUS_FORBIDDEN = 403 };

/* Indexed by enum ota_refusal. */
static const struct {
	const char *name;
	unsigned status;
	const char *text;
} refusals[OTA_REFUSAL_COUNT] = {
	[OTA_NOT_REFUSED] = {"none", 200, ""},
	[OTA_REFUSED_PLAIN] = {"plain", STATUS_FORBIDDEN, "come by TLS"},
	[OTA_REFUSED_GARBLED] = {"garbled", STATUS_BAD_REQUEST, "the message cannot be used"},
	[OTA_REFUSED_NOT_SIGNED] = {"not_signed", STATUS_BAD_REQUEST, "the signature does not hold"},
	[OTA_REFUSED_NO_APPLE_CA] = {"no_apple_ca", STATUS_FORBIDDEN,
		"this server knows no certificates of Apple's"},
	[OTA_REFUSED_NOT_APPLE] = {"not_apple", STATUS_FORBIDDEN,
		"neither a device of Apple's nor an identity of this server has signed it"},
	[OTA_REFUSED_WEAK] = {"weak", STATUS_FORBIDDEN, "the signer's key or digest is not taken"},
	[OTA_REFUSED_NO_CHALLENGE] = {"no_challenge", STATUS_FORBIDDEN, "a challenge is needed"},
	[OTA_REFUSED_WRONG_CHALLENGE] = {"wrong_challenge", STATUS_FORBIDDEN,
		"the challenge is not the one that was given"},
	[OTA_REFUSED_EXPIRED_CHALLENGE] = {"expired_challenge", STATUS_FORBIDDEN,
		"the challenge has expired: a new profile is needed"},
	[OTA_REFUSED_USED_CHALLENGE] = {"used_challenge", STATUS_FORBIDDEN,
		"the challenge was used already: a new profile is needed"},
	[OTA_REFUSED_WRONG_DEVICE] = {"wrong_device", STATUS_FORBIDDEN,
		"the profile was made for another device"},
	[OTA_REFUSED_NOT_OTA] = {"not_ota", STATUS_FORBIDDEN,
		"this identity was not issued for enrolling over the air"},
	[OTA_REFUSED_REVOKED] = {"revoked", STATUS_FORBIDDEN, "the identity is revoked"},
	[OTA_REFUSED_EXPIRED] = {"expired", STATUS_FORBIDDEN, "the identity has expired"},
	[OTA_REFUSED_REPLAYED] = {"replayed", STATUS_FORBIDDEN,
		"the enrollment profile was handed out already"},
};

const char *ota_refusal_name(enum ota_refusal refusal)
{
	return refusals[refusal].name;
}

const char *ota_refusal_text(enum ota_refusal refusal)
{
	return refusals[refusal].text;
}

unsigned ota_refusal_status(enum ota_refusal refusal)
{
	return refusals[refusal].status;
}

enum ota_refusal ota_refusal_of(enum apple_verdict verdict)
{
	static const enum ota_refusal of[APPLE_VERDICT_COUNT] = {
		[APPLE_NOTHING_IMPORTED] = OTA_REFUSED_NO_APPLE_CA,
		[APPLE_GARBLED] = OTA_REFUSED_GARBLED,
		[APPLE_NOT_CHAINED] = OTA_REFUSED_NOT_APPLE,
		[APPLE_WEAK] = OTA_REFUSED_WEAK,
		[APPLE_NOT_SIGNED] = OTA_REFUSED_NOT_SIGNED,
		[APPLE_UNJUDGED] = OTA_REFUSED_NOT_APPLE,
	};

	return of[verdict];
}

static enum rc refuse(struct ota_decision *decision, enum ota_refusal refusal)
{
	decision->refusal = refusal;
	return RC_OK;
}

static bool is_digest_of(const uint8_t sha256_wanted[static SHA256_BYTES], struct slice bytes)
{
	uint8_t digest[SHA256_BYTES];

	sha256(bytes, digest);
	return slice_is_equal_consttime(slice_of(digest, SHA256_BYTES),
		slice_of(sha256_wanted, SHA256_BYTES));
}

/* "" is anybody. */
static bool is_meant(const char *wanted, struct slice said)
{
	return wanted[0] == '\0' || slice_is_str(said, wanted);
}

/* The same device, as it called itself, may ask again for a while, until phase 3: the answer may have been lost. */
static bool may_begin(struct txn *txn, const struct ota *ota, const struct ota_ask *ask)
{
	if (ota->begun_at == 0)
		return true;
	return ota->finished_at == 0 &&
		memcmp(ota->signer_sha256, ask->signer->sha256, SHA256_BYTES) == 0 &&
		slice_is_str(ask->info->udid, ota->came_id) &&
		slice_is_str(ask->info->serial, ota->came_serial) && txn_now(txn) - ota->begun_at <= ask->grace_s;
}

/* Apple's certificate has signed it. */
static enum rc decide_phase_2(struct txn *txn, const struct ota_ask *ask,
	struct ota_decision *decision, struct err *err)
{
	const struct machine_info *info = ask->info;
	struct ota *ota = &decision->ota;
	uint8_t digest[SHA256_BYTES];
	enum rc rc;

	decision->phase = OTA_PHASE_2;
	if (info->challenge.len == 0)
		return refuse(decision, OTA_REFUSED_NO_CHALLENGE);
	sha256(info->challenge, digest);
	rc = ota_find_by_challenge(txn, digest, ota, err);
	if (rc == RC_NOT_FOUND)
		return refuse(decision, OTA_REFUSED_WRONG_CHALLENGE);
	if (rc != RC_OK)
		return rc;
	if (!may_begin(txn, ota, ask))
		return refuse(decision, OTA_REFUSED_USED_CHALLENGE);
	if (ota->begun_at == 0 && ota->expires_at <= txn_now(txn))
		return refuse(decision, OTA_REFUSED_EXPIRED_CHALLENGE);
	if (!is_meant(ota->device_id, info->udid) || !is_meant(ota->serial_number, info->serial))
		return refuse(decision, OTA_REFUSED_WRONG_DEVICE);
	return RC_OK;
}

/*
 * An identity of ours has signed it: the one that phase 2 let this device have? That ties it to the challenge, too, so a
 * device need not bring it again.
 */
static enum rc decide_phase_3(struct txn *txn, const struct ota_ask *ask,
	const struct identity *identity, struct ota_decision *decision, struct err *err)
{
	const struct machine_info *info = ask->info;
	struct ota *ota = &decision->ota;
	enum rc rc = ota_find_by_identity(txn, identity->id, ota, err);

	decision->phase = OTA_PHASE_3;
	if (rc == RC_NOT_FOUND)
		return refuse(decision, OTA_REFUSED_NOT_OTA);
	if (rc != RC_OK)
		return rc;
	if (ota->finished_at != 0)
		return refuse(decision, OTA_REFUSED_REPLAYED);
	if (identity->revoked_at != 0)
		return refuse(decision, OTA_REFUSED_REVOKED);
	if (identity->not_after <= txn_now(txn))
		return refuse(decision, OTA_REFUSED_EXPIRED);
	if (info->challenge.len > 0 && !is_digest_of(ota->challenge_sha256, info->challenge))
		return refuse(decision, OTA_REFUSED_WRONG_CHALLENGE);
	if (txn_now(txn) - ota->begun_at > OTA_FINISH_S)
		return refuse(decision, OTA_REFUSED_EXPIRED_CHALLENGE);
	if (!slice_is_str(info->udid, ota->came_id) || !slice_is_str(info->serial, ota->came_serial))
		return refuse(decision, OTA_REFUSED_WRONG_DEVICE);
	return RC_OK;
}

static enum rc find_ours(struct txn *txn, const struct cert_facts *signer,
	struct identity *identity_r, bool *is_ours_r, struct err *err)
{
	enum rc rc = identity_find(txn, signer->sha256, identity_r, err);

	*is_ours_r = rc == RC_OK && identity_r->is_ours;
	return rc == RC_NOT_FOUND ? RC_OK : rc;
}

enum rc ota_is_ours(struct txn *txn, const struct cert_facts *signer, bool *is_ours_r,
	struct err *err)
{
	struct identity identity;

	return find_ours(txn, signer, &identity, is_ours_r, err);
}

enum rc ota_decide(struct txn *txn, const struct ota_ask *ask, struct ota_decision *decision_r,
	struct err *err)
{
	struct identity identity;
	bool is_ours = false;
	enum rc rc = find_ours(txn, ask->signer, &identity, &is_ours, err);

	*decision_r = (struct ota_decision){.refusal = OTA_NOT_REFUSED};
	if (rc != RC_OK)
		return rc;
	if (is_ours)
		return decide_phase_3(txn, ask, &identity, decision_r, err);
	if (!ask->is_apples)
		return refuse(decision_r, OTA_REFUSED_NOT_APPLE);
	return decide_phase_2(txn, ask, decision_r, err);
}

enum rc ota_keep(struct txn *txn, const struct ota_ask *ask, struct ota_decision *decision,
	const struct ota_answer *answer, struct err *err)
{
	const struct intent_new intent = {
		.way = INTENT_OTA,
		.challenge_sha256 = answer->challenge_sha256,
		.device_id = ask->info->udid,
		.serial_number = ask->info->serial,
		.created_by = slice_of_str(decision->ota.created_by),
		.expires_at = txn_now(txn) + OTA_SCEP_VALID_S,
		.is_interim = decision->phase == OTA_PHASE_2,
		.profile = decision->phase == OTA_PHASE_3 ? answer->profile : NULL,
	};
	struct identity_revoked revoked;
	enum rc rc = intent_add(txn, &intent, &decision->intent_id, err);

	if (rc != RC_OK)
		return rc;
	if (decision->phase == OTA_PHASE_2)
		return ota_begin(txn, &decision->ota, ask->signer->sha256, decision->intent_id, err);
	rc = ota_finish(txn, decision->ota.intent_id, err);
	return rc == RC_OK ? identity_revoke(txn, ask->signer->sha256, &revoked, err) : rc;
}
