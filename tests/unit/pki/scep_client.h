/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_PKI_SCEP_CLIENT_H
#define POMONA_TESTS_PKI_SCEP_CLIENT_H

/*
 * A SCEP client for tests, made of OpenSSL's PKCS7 functions, which the server's side does not sign with. It can
 * make what is wrong, too. A failure to make one fails the test.
 * Threading: one thread.
 */

#include <openssl/x509.h>

#include "forge.h"

struct scep_ask {
	X509 *ca;     /* whom it is encrypted to */
	X509 *signer; /* and its key */
	EVP_PKEY *signer_key;
	struct slice inside;        /* a CSR, or what else is encrypted */
	const char *message_type;   /* NULL: "19", and so on */
	const char *transaction_id; /* NULL: "4711" */
	const char *digest;         /* NULL: SHA256 */
	const char *cipher;         /* NULL: AES-128-CBC */
	bool has_no_transaction_id, has_no_nonce, has_no_message_type;
	bool is_damaged; /* a byte of what is signed is changed after signing */
};

/* DER, freed by forge_free(). */
struct slice scep_ask(const struct scep_ask *ask);
/* A CSR for `key` with a challengePassword (NULL: none). Freed by forge_free(). */
struct slice scep_csr(EVP_PKEY *key, const char *common_name, const char *challenge);
/* A certificate for `key` that signs itself, as clients make it. */
struct forged *scep_self(EVP_PKEY *key, const char *common_name);

struct scep_answer {
	char status[8], fail[8], message_type[8], transaction_id[300];
	uint8_t recipient_nonce[64];
	size_t recipient_nonce_bytes;
	char fail_text[300];
	int digest; /* of the signature */
	int cipher; /* NID of the envelope's; 0: there is none */
	X509 *cert; /* NULL: none; freed by scep_answer_fini() */
	X509_CRL *crl;
	bool is_signed_by_ca;
};
/* What the nonce of scep_ask() is made of. */
enum { SCEP_ASK_NONCE = 0x5a, SCEP_ASK_NONCE_BYTES = 16 };
void scep_answer_read(struct slice reply, X509 *ca, X509 *self, EVP_PKEY *self_key,
	struct scep_answer *answer_r);
void scep_answer_fini(struct scep_answer *answer);

#endif
