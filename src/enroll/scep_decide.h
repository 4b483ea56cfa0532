/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_SCEP_DECIDE_H
#define POMONA_ENROLL_SCEP_DECIDE_H

/*
 * What a SCEP request gets: a function of the request, the database and the time. It is asked twice: of a snapshot,
 * before a key is used, and of the writer, where what it says is kept.
 * Threading: the thread that has the txn.
 */

#include "pomona/pki/scep.h"
#include "pomona/store/intent.h"
#include "pomona/store/renewal.h"

struct scep_policy {
	struct slice static_challenge; /* empty: none */
	int64_t challenge_grace_s;
	const char *ca_subject; /* whose certificates are ours, as struct cert_facts has it */
};

enum {
	SCEP_UNUSED_MAX = 16
}; /* renewals of one device that it has not come with, while they are good */

enum scep_refusal {
	SCEP_NOT_REFUSED,
	SCEP_REFUSED_GARBLED, /* the message itself; see enum scep_fail */
	SCEP_REFUSED_NO_CHALLENGE,
	SCEP_REFUSED_WRONG_CHALLENGE,
	SCEP_REFUSED_EXPIRED_CHALLENGE,
	SCEP_REFUSED_USED_CHALLENGE,
	SCEP_REFUSED_CLOSED_LINK, /* the challenge's invitation was revoked or used up */
	SCEP_REFUSED_STRANGER,    /* a renewal that no certificate of ours signed */
	SCEP_REFUSED_REVOKED,     /* ours, but revoked; */
	SCEP_REFUSED_EXPIRED,     /* too late; */
	SCEP_REFUSED_FORMER,      /* not its device's any more */
	SCEP_REFUSED_NOT_ENROLLED,
	SCEP_REFUSED_MANY,
	SCEP_REFUSED_NOT_FOUND, /* GetCert, CertPoll */
	SCEP_REFUSED_POLICY,    /* the policy service says so */
	SCEP_REFUSAL_COUNT
};
/* As logs call it, "used_challenge"; for the client, in a sentence; and in its own code. */
const char *scep_refusal_name(enum scep_refusal refusal);
const char *scep_refusal_text(enum scep_refusal refusal);
enum scep_fail scep_refusal_fail(enum scep_refusal refusal);

struct scep_decision {
	enum scep_refusal refusal;     /* SCEP_NOT_REFUSED: what follows counts */
	int64_t identity_id;           /* the certificate is given once more; 0: a new one is issued */
	struct identity_issued issued; /* of a new one: all but facts and DER */
	int64_t intent_id;             /* whose challenge it takes; 0: none */
	int64_t profile_of;            /* the identity that it came with the same profile as; 0: none */
	bool is_renewal;               /* signed by an identity of ours */
	int64_t invitation_id;         /* whose use it is; 0: nobody's */
	char issued_for[ENROLLMENT_DEVICE_ID_BYTES_MAX + 1];
};

/* For every kind but SCEP_GET_CRL. */
enum rc scep_decide(struct txn *txn, const struct scep_policy *policy,
	const struct scep_facts *facts, struct scep_decision *decision_r, struct err *err) MUST_USE;
/* Keeps a new certificate (decision->issued with facts and DER) and what it took. Writes. */
enum rc scep_keep(struct txn *txn, const struct scep_facts *facts,
	const struct scep_decision *decision, struct err *err) MUST_USE;

#endif
