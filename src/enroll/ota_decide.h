/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_OTA_DECIDE_H
#define POMONA_ENROLL_OTA_DECIDE_H

/*
 * What a device gets that enrolls over the air (Profile Service): a function of its message, who signed it, the
 * database and the time. It is asked twice: of a snapshot, before a profile is made, and of the writer, where what it
 * says is kept.
 * Threading: the thread that has the txn.
 */

#include "machine_info.h"
#include "pomona/pki/apple_chain.h"
#include "pomona/store/identity.h"
#include "pomona/store/ota.h"

enum {
	OTA_SCEP_VALID_S = 3600, /* a device goes on at once: SCEP after phase 2, */
	OTA_FINISH_S = 86400,    /* and phase 3 after that, so long after phase 2 at most */
};

enum ota_refusal {
	OTA_NOT_REFUSED,
	OTA_REFUSED_PLAIN,   /* without TLS, and not by one of the proxies: the answer holds a challenge */
	OTA_REFUSED_GARBLED, /* no CMS message, no property list, or a key of it; */
	OTA_REFUSED_NOT_SIGNED, /* the signature is of other bytes */
	OTA_REFUSED_NO_APPLE_CA,
	OTA_REFUSED_NOT_APPLE, /* nor an identity of ours */
	OTA_REFUSED_WEAK,
	OTA_REFUSED_NO_CHALLENGE,
	OTA_REFUSED_WRONG_CHALLENGE,
	OTA_REFUSED_EXPIRED_CHALLENGE,
	OTA_REFUSED_USED_CHALLENGE, /* by another device, too long ago, or to its end */
	OTA_REFUSED_WRONG_DEVICE,
	OTA_REFUSED_NOT_OTA, /* an identity of ours that came by another way */
	OTA_REFUSED_REVOKED, /* ours; */
	OTA_REFUSED_EXPIRED,
	OTA_REFUSED_REPLAYED, /* phase 3 was before */
	OTA_REFUSAL_COUNT
};
/* As logs call it, "used_challenge"; for people; and the status that it is answered with. */
const char *ota_refusal_name(enum ota_refusal refusal);
const char *ota_refusal_text(enum ota_refusal refusal);
unsigned ota_refusal_status(enum ota_refusal refusal);
/* Of what is not good. */
enum ota_refusal ota_refusal_of(enum apple_verdict verdict);

struct ota_ask {
	const struct machine_info *info; /* with a UDID */
	const struct cert_facts *signer;
	bool is_apples; /* apple_chain_judge() says so */
	int64_t grace_s;
};

enum ota_phase { OTA_PHASE_2 = 2, OTA_PHASE_3 = 3 };

struct ota_decision {
	enum ota_refusal refusal; /* OTA_NOT_REFUSED: what follows counts */
	enum ota_phase phase;
	struct ota ota;
	int64_t intent_id; /* once it is kept: what the new challenge is for */
};

/* Is the signer an identity of ours? Then its message is of phase 3. */
enum rc ota_is_ours(struct txn *txn, const struct cert_facts *signer, bool *is_ours_r,
	struct err *err) MUST_USE;
enum rc ota_decide(struct txn *txn, const struct ota_ask *ask, struct ota_decision *decision_r,
	struct err *err) MUST_USE;
struct ota_answer {                    /* borrowed */
	const uint8_t *challenge_sha256;      /* SHA256_BYTES: for SCEP, for that device alone */
	const struct intent_profile *profile; /* of phase 3: what the enrollment profile says */
};
/* Phase 3 ends the identity that signed it. Writes. */
enum rc ota_keep(struct txn *txn, const struct ota_ask *ask, struct ota_decision *decision,
	const struct ota_answer *answer, struct err *err) MUST_USE;

#endif
