/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_SIGNED_H
#define POMONA_PKI_SIGNED_H

/*
 * A CMS SignedData of one signer (RFC 5652), whose certificate is in it. What is proven is that the signer has the
 * certificate's key; whose certificate that is, the caller judges.
 * Threading: any thread.
 */

#include <openssl/cms.h>

#include "internal.h"

struct pki_signed {
	CMS_ContentInfo *cms;
	CMS_SignerInfo *info; /* borrowed from `cms`, as the rest */
	X509 *signer;
	int digest; /* NID_sha256, ... */
};

/* RC_INVALID: not DER or BER of a SignedData with one signer and its certificate, or bytes follow it. */
enum rc pki_signed_parse(struct slice message, struct pki_signed *signed_r, struct err *err)
	MUST_USE;
/*
 * Appends the content to `content`. RC_UNSUPPORTED: a digest or key that is not taken (see signed.c);
 * RC_DENIED: the signature does not hold; RC_INVALID: there is no content.
 */
enum rc pki_signed_verify(const struct pki_signed *message, struct buf *content, struct err *err)
	MUST_USE;
/*
 * The one value of a signed attribute, of one of the ASN.1 types in `types` (B_ASN1_PRINTABLESTRING | ...), borrowed.
 * RC_NOT_FOUND: it is not there; RC_INVALID: more than one, or of another type.
 */
enum rc pki_signed_attribute(const struct pki_signed *message, const ASN1_OBJECT *oid,
	unsigned long types, struct slice *value_r) MUST_USE;
void pki_signed_fini(struct pki_signed *message);

/* SHA-256 over the DER of its SubjectPublicKeyInfo. */
enum rc pki_key_digest(EVP_PKEY *key, uint8_t digest[static SHA256_BYTES], struct err *err)
	MUST_USE;

#endif
