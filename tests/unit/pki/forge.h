/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_PKI_FORGE_H
#define POMONA_TESTS_PKI_FORGE_H

/*
 * Certificates and requests of every kind, good and bad, for the tests of pki. Made by OpenSSL directly and not
 * through the code under test. A failure to make one fails the test.
 * Threading: one thread.
 */

#include <openssl/x509.h>

#include "pomona/base/slice.h"

enum { FORGE_NOW = 1800000000, FORGE_YEAR_S = 31536000, FORGE_EXTENSIONS_MAX = 4 };

struct forged {
	X509 *cert;
	EVP_PKEY *key;
	uint8_t *der;
	size_t der_len;
};

struct forge_params {
	const char *common_name;
	const struct forged *issuer; /* NULL: signs itself */
	EVP_PKEY *key;               /* borrowed; NULL: a new one on P-256 */
	int64_t not_before;          /* 0: a year before FORGE_NOW */
	int64_t not_after;           /* 0: a year after FORGE_NOW */
	const char *digest;          /* NULL: SHA256 */
	bool is_ca;                  /* basicConstraints CA:TRUE and keyUsage keyCertSign */
	/* Besides these: OpenSSL's conf text, such as {NID_ext_key_usage, "clientAuth"}. */
	struct {
		int nid;
		const char *value;
	} extensions[FORGE_EXTENSIONS_MAX];
};

struct forged *forge(const struct forge_params *params);
/* A CA of that name that signs itself. */
struct forged *forge_ca(const char *common_name);
/* After a change to forged->cert: signs it again and takes its new DER. */
void forged_sign(struct forged *forged, EVP_PKEY *signer, const char *digest);
/*
 * Of an ECDSA signature (r, s) by a P-256 key, (r, n - s) holds as well: the same certificate with other bytes,
 * which needs no key to make. Freed by forge_free().
 */
struct slice forge_twin(const struct forged *forged);
struct slice forged_der(const struct forged *forged);
void forged_free(struct forged **forged);

/* Serialised by OpenSSL; the caller frees by OPENSSL_free(). */
struct slice forge_pem_of_cert(const struct forged *forged);
struct slice forge_pem_of_key(EVP_PKEY *key);
/* A request in DER for `key`, with a subjectAltName and CA:TRUE asked for. `common_name` NULL: no subject. */
struct slice forge_csr(EVP_PKEY *key, const char *common_name);
void forge_free(struct slice *bytes);

#endif
