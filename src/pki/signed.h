/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_SIGNED_H
#define POMONA_PKI_SIGNED_H

/*
 * A CMS SignedData of one signer (RFC 5652 5), whose certificate is in it: SCEP's messages, which carry what they
 * sign, and Mdm-Signature, which does not. What is proven is that somebody has the certificate's key; whose
 * certificate that is, the caller judges.
 * Threading: one thread's.
 */

#include <openssl/cms.h>

#include "internal.h"

enum pki_content { PKI_CONTENT_INSIDE, PKI_CONTENT_APART };

struct pki_signed {
	CMS_ContentInfo *cms;
	CMS_SignerInfo *info;   /* borrowed from `cms` */
	STACK_OF(X509) * certs; /* CERT_CHAIN_MAX at most; */
	X509 *signer;           /* borrowed from them */
	int digest;             /* NID_sha256, ... */
};

/* DER or BER. RC_INVALID, and RC_LIMIT for too many certificates, say what is wrong. */
enum rc pki_signed_parse(struct slice message, enum pki_content where, struct pki_signed *signed_r,
	struct err *err) MUST_USE;
/* Empty where it is apart. Borrowed. */
struct slice pki_signed_content(const struct pki_signed *message);
/* RSA or EC of the sizes in device_cms.h. Its kind and size are the sender's choice, and what it costs to use it. */
bool pki_signed_is_key_taken(X509 *signer);
/* SHA-1 or SHA-2: SHA-1 still is what many clients send, and what they sign is their own. */
bool pki_signed_is_digest_taken(const struct pki_signed *message);
/*
 * Has the signer signed `content`? RC_UNSUPPORTED: by a digest or a key that is not taken; RC_DENIED: no.
 */
enum rc pki_signed_verify(const struct pki_signed *message, struct slice content, struct err *err)
	MUST_USE;
/*
 * The one value of a signed attribute, of one of the ASN.1 types in `types` (B_ASN1_PRINTABLESTRING | ...), borrowed.
 * RC_NOT_FOUND: it is not there; RC_INVALID: more than one, or of another type.
 */
enum rc pki_signed_attribute(const struct pki_signed *message, const ASN1_OBJECT *oid,
	unsigned long types, struct slice *value_r) MUST_USE;
/* When it is signed, by our clock: OpenSSL would add its own. */
bool pki_signed_add_time(CMS_SignerInfo *info, int64_t now_unix_s) MUST_USE;
void pki_signed_fini(struct pki_signed *message);

/* SHA-256 over the DER of its SubjectPublicKeyInfo. */
enum rc pki_key_digest(const X509_PUBKEY *key, uint8_t digest[static SHA256_BYTES], struct err *err)
	MUST_USE;

#endif
