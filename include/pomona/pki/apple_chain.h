/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_APPLE_CHAIN_H
#define POMONA_PKI_APPLE_CHAIN_H

/*
 * Was this device made by Apple? Each has a certificate from its factory. Those that issued such certificates are
 * imported by an administrator; a counted snapshot of them can be exchanged while the server runs.
 *
 * A device's certificate is good where one of the imported certificates has issued it, itself: certificates that come
 * with a message are not looked at. So who imports Apple's whole chain, root included, does not trust all else that Apple
 * issues under that root, such as a developer's certificate.
 *
 * Time is not looked at, here and nowhere else: Apple's "iPhone Device CA" ended in 2014, and devices that were made since
 * have certificates of it. It has an RSA key of 1024 bits and SHA-1 signatures, which are taken here alone, too.
 * Threading: any thread; a snapshot is immutable.
 */

#include <stdbool.h>

#include "pomona/pki/cert.h"
#include "pomona/pki/device_cms.h"

enum {
	APPLE_CERTS_MAX = 16,
};

struct apple_chain;

enum apple_verdict {
	APPLE_GOOD,
	APPLE_NOTHING_IMPORTED,
	APPLE_GARBLED, /* not such a message: apple_chain_open() */
	APPLE_NOT_CHAINED, /* none of the imported has issued it; or it is a CA's, or has rules that are not known here */
	APPLE_WEAK,       /* a key or a digest that is not taken */
	APPLE_NOT_SIGNED, /* the certificate is good, the signature is not: apple_chain_open() */
	APPLE_UNJUDGED,   /* memory was short: no verdict, ask again */
	APPLE_VERDICT_COUNT
};
/* A stable word for logs: "good", "not_apple", ... */
const char *apple_verdict_name(enum apple_verdict verdict);

/* "Apple Root CA" where it is the fingerprint of one of Apple's that is known here; else NULL. */
const char *apple_cert_name(const uint8_t sha256[static SHA256_BYTES]);
/* Can it be imported? RC_INVALID, RC_LIMIT: it cannot be read, is not a CA's, or its key is not taken. */
enum rc apple_cert_check(struct slice der, struct cert_facts *facts_r, struct err *err) MUST_USE;

/* RC_LIMIT, or what apple_cert_check() says of the one at fault. None is fine: then no device is Apple's. */
enum rc apple_chain_new(const struct slice *ders, size_t count, struct apple_chain **chain_r,
	struct err *err) MUST_USE;
struct apple_chain *apple_chain_ref(struct apple_chain *chain);
void apple_chain_unref(struct apple_chain **chain);

/* Judges the signer's certificate alone, in DER. Costs one verification with an imported key. */
enum apple_verdict apple_chain_judge(const struct apple_chain *chain, struct slice der);
/*
 * Reads a message, judges its signer, then verifies its signature. *cms_r is the caller's wherever it could be read, and
 * NULL where not. `err` says more of every verdict but APPLE_GOOD.
 */
enum apple_verdict apple_chain_open(const struct apple_chain *chain, struct slice message,
	struct device_cms **cms_r, struct err *err) MUST_USE;

#endif
