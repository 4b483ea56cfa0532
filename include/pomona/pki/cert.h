/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_CERT_H
#define POMONA_PKI_CERT_H

/*
 * X.509 certificates as the other rooms see them: DER bytes and plain facts.
 * Threading: any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/arena.h"
#include "pomona/base/buf.h"
#include "pomona/base/err.h"

enum {
	CERT_DER_BYTES_MAX = 16384,
	CERT_CHAIN_MAX = 8,
	CERT_NAME_BYTES = 256,  /* one-line names are cut to this */
	CERT_SERIAL_BYTES = 48, /* hex */
	SHA1_BYTES = 20,
	SHA256_BYTES = 32,
	SHA256_TEXT_BYTES = 2 * SHA256_BYTES + 1,
};

struct cert_facts {
	uint8_t sha256[SHA256_BYTES]; /* over the DER: the certificate's identity everywhere in Pomona */
	/*
	 * Over the part that is signed (tbsCertificate). Anybody can make of an ECDSA signature (r, s) another one
	 * that holds, (r, n - s): such a twin has another `sha256` but the same digest here.
	 */
	uint8_t tbs_sha256[SHA256_BYTES];
	char subject[CERT_NAME_BYTES]; /* RFC 2253, valid UTF-8, control characters escaped */
	char issuer[CERT_NAME_BYTES];
	char common_name[CERT_NAME_BYTES]; /* "" where there is none */
	char serial[CERT_SERIAL_BYTES];    /* lower-case hex */
	int64_t not_before;                /* UNIX seconds */
	int64_t not_after;
	bool is_ca;
};

void sha256(struct slice bytes, uint8_t digest[static SHA256_BYTES]);
/* For what names a certificate by it, never for what must not be forged. */
enum rc sha1_fingerprint(struct slice bytes, uint8_t digest[static SHA1_BYTES], struct err *err)
	MUST_USE;
/* Lower-case hex. */
void sha256_text(const uint8_t digest[static SHA256_BYTES], char out[static SHA256_TEXT_BYTES]);

/*
 * RC_INVALID for bytes that are not exactly one certificate in canonical DER: another encoding of the same one
 * would have another digest. RC_LIMIT over CERT_DER_BYTES_MAX.
 */
enum rc cert_read_facts(struct slice der, struct cert_facts *facts_r, struct err *err) MUST_USE;
/* Did `issuer` sign it, as DER both? Dates are not looked at; false for what is no certificate. */
bool cert_is_issued_by(struct slice der, struct slice issuer);
/*
 * Calls `visit` with the DER of each CERTIFICATE block (others are passed over) until it fails, and returns its
 * code. RC_INVALID where there is none or one is broken.
 */
enum rc cert_pem_each(struct slice pem,
	enum rc (*visit)(void *ctx, struct slice der, struct err *err), void *ctx, struct err *err)
	MUST_USE;
/* Appends a PEM block with 64-column lines. */
void cert_write_pem(struct slice der, struct buf *out);

#endif
