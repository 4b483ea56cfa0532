/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_INTERNAL_H
#define POMONA_PKI_INTERNAL_H

/*
 * What the files of this room share: certificates, keys and requests as OpenSSL's objects, PEM blocks, and
 * the building of certificates.
 * Threading: any thread.
 */

#include "ossl.h"
#include "pomona/pki/authority.h"
#include "pomona/pki/cert.h"

/* Texts of ub-common-name and the like (RFC 5280, appendix A.1). */
enum { PKI_NAME_TEXT_MAX = 64, PKI_KEY_BYTES_MAX = 65536, PKI_DNS_NAMES_MAX = 2 };

/*
 * Exactly one certificate in DER: what follows it, or an encoding that is not the canonical one, is refused,
 * because the digest over the DER is the certificate's identity. RC_INVALID, RC_LIMIT.
 */
enum rc pki_cert_parse(struct slice der, X509 **cert_r, struct err *err) MUST_USE;
enum rc pki_cert_facts(X509 *cert, struct slice der, struct cert_facts *facts_r, struct err *err)
	MUST_USE;
/* As struct cert_facts has them. False where a name has bytes that are no text. */
bool pki_name_print(const X509_NAME *name, char out[static CERT_NAME_BYTES]) MUST_USE;
void pki_serial_print(const ASN1_INTEGER *serial, char out[static CERT_SERIAL_BYTES]);
/* Appends the DER; RC_LIMIT where it is larger than what pki_cert_parse() reads. */
enum rc pki_cert_write(X509 *cert, struct buf *out, struct err *err) MUST_USE;

struct pki_pem_block {
	char *name; /* "CERTIFICATE" */
	uint8_t *data;
	size_t len;
};
/* RC_NOT_FOUND (and `err` as it was) after the last block, RC_INVALID for a broken one. Asks for no password. */
enum rc pki_pem_next(BIO *bio, struct pki_pem_block *block_r, struct err *err) MUST_USE;
void pki_pem_block_fini(struct pki_pem_block *block);

enum rc pki_key_make(enum key_kind kind, EVP_PKEY **key_r, struct err *err) MUST_USE;
/* PKCS#8 DER, without a password. */
enum rc pki_key_parse_der(struct slice der, EVP_PKEY **key_r, struct err *err) MUST_USE;
/* PEM of any unencrypted form. */
enum rc pki_key_parse_pem(struct slice pem, EVP_PKEY **key_r, struct err *err) MUST_USE;
/*
 * The one private key among the blocks of a PEM text: PKCS#8, also encrypted, PKCS#1, SEC 1, also with PEM's own
 * encryption. `password` may be NULL. *is_password_r: the fault is that it is missing or wrong.
 */
enum rc pki_key_open(struct slice pem, const char *password, bool *is_password_r, EVP_PKEY **key_r,
	struct err *err) MUST_USE;
/* Append: reserved before they are written, so that no copy is left behind in freed memory. */
enum rc pki_key_write_der(EVP_PKEY *key, struct buf *out, struct err *err) MUST_USE;
enum rc pki_key_write_pem(EVP_PKEY *key, struct buf *out, struct err *err) MUST_USE;
/* RSA of AUTHORITY_RSA_BITS_MIN to _MAX, or EC on P-256 or P-384; `what` begins the text. */
enum rc pki_key_check(EVP_PKEY *key, const char *what, struct err *err) MUST_USE;
bool pki_key_is_rsa(EVP_PKEY *key);
bool pki_key_is_of(EVP_PKEY *key, X509 *cert);

enum { DER_SEQUENCE = 0x30 }; /* the first byte of a certificate and of a request for one */

/* A certificate request, PEM or DER, whose key and self-signature are sound. */
struct pki_csr {
	X509_NAME *subject;                    /* owned, as all here */
	STACK_OF(X509_ATTRIBUTE) * attributes; /* NULL: it has none */
	EVP_PKEY *key;
	uint8_t key_sha256[SHA256_BYTES]; /* of its SubjectPublicKeyInfo */
};
/* A public key that was read already, told by the digest as above: where it is the CSR's, it is not read again. */
struct pki_known_key {
	EVP_PKEY *key;
	const uint8_t *sha256;
};
/* `known` may be NULL. */
enum rc pki_csr_parse(struct slice csr, const struct pki_known_key *known, struct pki_csr *csr_r,
	struct err *err) MUST_USE;
void pki_csr_fini(struct pki_csr *csr);

struct pki_cert_plan {
	X509 *issuer;         /* NULL: it signs itself */
	EVP_PKEY *issuer_key; /* borrowed, as all here */
	EVP_PKEY *key;        /* whose public half goes in */
	const X509_NAME *subject;
	const char *dns_names[PKI_DNS_NAMES_MAX]; /* each may be NULL */
	X509 *names_of;                           /* has the alternative names instead; NULL: none */
	bool is_ca;
	bool is_server;
	int64_t not_before;
	int64_t not_after;
};
enum rc pki_cert_build(const struct pki_cert_plan *plan, X509 **cert_r, struct err *err) MUST_USE;
/* authority_issue_csr() for one that pki_csr_parse() has read, with the facts of what is issued. */
enum rc pki_authority_issue(const struct authority *authority, const struct pki_csr *csr,
	const struct issue_params *params, struct buf *cert_der, struct cert_facts *facts_r,
	struct err *err) MUST_USE;

struct pki_name {
	const char *user_id, *organization, *common_name; /* NULL: it has none */
};
enum rc pki_name_make(const struct pki_name *texts, X509_NAME **name_r, struct err *err) MUST_USE;

/* Borrowed. */
X509 *pki_authority_cert(const struct authority *authority);
EVP_PKEY *pki_authority_key(const struct authority *authority);

#endif
