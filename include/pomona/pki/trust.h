/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_TRUST_H
#define POMONA_PKI_TRUST_H

/*
 * The device CAs that we trust, as a counted snapshot that can be exchanged while the server runs,
 * and the one function that judges a client certificate, wherever it came from (TLS, signature,
 * header).
 * Threading: any thread; a snapshot is immutable.
 */

#include <stdint.h>

#include "pomona/base/err.h"
#include "pomona/base/slice.h"
#include "pomona/pki/cert.h"

enum { TRUST_ANCHORS_MAX = 64 };

struct trust; /* a snapshot */

enum cert_verdict {
	CERT_GOOD,          /* chains to an anchor and is valid now */
	CERT_MISSING,       /* none was shown */
	CERT_GARBLED,       /* not a certificate */
	CERT_NOT_CHAINED,   /* no path to a configured device CA, or too weak a one: see trust_judge() */
	CERT_EXPIRED,       /* it, or a CA above it, is out of date */
	CERT_NOT_YET,       /* not valid yet: look at the clocks */
	CERT_WRONG_PURPOSE, /* its key usage forbids client authentication, or it is a CA's */
	CERT_UNJUDGED,      /* memory was short: no verdict, ask again */
	CERT_VERDICT_COUNT
};

/* A stable word for logs and the API: "good", "not_chained", ... */
const char *cert_verdict_name(enum cert_verdict verdict);

/*
 * `anchors`: DER certificates, which must be CAs, self-signed or not: a path ends at the first of them.
 * RC_INVALID names the one at fault. No anchors is fine: then nothing chains.
 */
enum rc trust_new(const struct slice *anchors, size_t count, struct trust **trust_r,
	struct err *err) MUST_USE;
struct trust *trust_ref(struct trust *trust);
void trust_unref(struct trust **trust);
/* A digest over the sorted anchors: a verdict is good for as long as this stays the same. */
void trust_fingerprint(const struct trust *trust, uint8_t out[static SHA256_BYTES]);

/*
 * Judges chain[0] (the leaf, DER) at `now_unix_s` with the rest of the chain, in any order, as untrusted helpers
 * (more than CERT_CHAIN_MAX in all are not looked at, broken ones are passed over). A leaf with an extended key
 * usage must name clientAuth in it; one without is fine. A key weaker than RSA-2048 or P-256 or a signature with
 * less than SHA-256 proves nothing: its path does not count. Revocation is not judged here. Facts are filled
 * wherever the leaf could be read at all, else they are zero. Costs about 0.2 ms of CPU, most of it OpenSSL's
 * reading of the leaf's key: never once a request, and not for a certificate that is known by its digest.
 */
enum cert_verdict trust_judge(const struct trust *trust, const struct slice *chain, size_t count,
	int64_t now_unix_s, struct cert_facts *facts_r);

#endif
