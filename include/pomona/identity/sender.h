/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_IDENTITY_SENDER_H
#define POMONA_IDENTITY_SENDER_H

/*
 * Is the sender of a device message who it claims to be? The one place that compares certificate,
 * pin and claim (docs/architecture.md). What follows from it for each message is decided in checkin/
 * and command/.
 * Threading: the thread that has the txn; pure over its arguments and the database.
 */

#include "pomona/identity/claim.h"
#include "pomona/identity/refusal.h"
#include "pomona/pki/trust.h"
#include "pomona/store/identity.h"
#include "pomona/store/store.h"

/* What a connection proved, judged once: the verdict on its certificate and the facts of it. */
struct credential {
	enum cert_verdict verdict;
	struct cert_facts facts;
	uint8_t chained_under[SHA256_BYTES]; /* trust_fingerprint() of the anchors it was judged under */
};

/* How this certificate stands to the claimed device. */
enum standing {
	STANDING_PINNED,  /* it is the device's pin */
	STANDING_PENDING, /* it authenticated anew and is not the pin (yet) */
	STANDING_FREE,    /* nobody's: the device is unknown to us or has another pin */
	STANDING_FORMER,  /* it was this device's pin before */
	STANDING_RENEWED, /* the same, and the pin was given in its place: it is the device's own, which may use it once more */
};

/* So long after a renewal by a profile that we sent, the former identity is no sign of two devices. */
enum { SENDER_SETTLE_S = 3600 };

struct sender {
	enum refusal
		refusal; /* not REFUSAL_NONE: the certificate or the id does not do; the rest is unset */
	enum standing standing;
	bool is_settling; /* STANDING_RENEWED, by a profile of ours less than SENDER_SETTLE_S ago */
	bool is_identity_known;
	struct identity identity; /* when is_identity_known */
	bool is_device_known;
	struct enrollment device; /* when is_device_known */
	bool is_channel_known;    /* the claimed channel: the device itself, or its user */
	struct enrollment channel;
};

/* The verdict is as old as the connection: the dates are looked at again. REFUSAL_NONE: it is good. */
enum refusal sender_judge_certificate(const struct credential *credential, int64_t now);

/* RC_OK with sender_r->refusal says no; any other rc is the store's fault. Checks expiry against
 * `now` again. */
enum rc sender_establish(struct txn *txn, const struct credential *credential,
	const struct claim *claim, struct sender *sender_r, struct err *err) MUST_USE;

#endif
