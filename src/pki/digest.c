/* SPDX-License-Identifier: Apache-2.0 */
#define OPENSSL_SUPPRESS_DEPRECATED /* the only functions of OpenSSL that digest without asking for memory */
#include <openssl/sha.h>
#undef OPENSSL_SUPPRESS_DEPRECATED

#include <stdlib.h>

#include "ossl.h"
#include "pomona/pki/cert.h"

static bool digest_by_provider(struct slice bytes, uint8_t digest[static SHA256_BYTES])
{
	EVP_MD_CTX *ctx = ossl_sha256();

	return ctx != NULL && EVP_DigestInit_ex2(ctx, NULL, NULL) == 1 &&
		EVP_DigestUpdate(ctx, bytes.ptr, bytes.len) == 1 && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
}

static bool digest_on_stack(struct slice bytes, uint8_t digest[static SHA256_BYTES])
{
	SHA256_CTX ctx;
	bool is_done = SHA256_Init(&ctx) == 1 && SHA256_Update(&ctx, bytes.ptr, bytes.len) == 1 &&
		SHA256_Final(digest, &ctx) == 1;

	OPENSSL_cleanse(&ctx, sizeof(ctx));
	return is_done;
}

void sha256(struct slice bytes, uint8_t digest[static SHA256_BYTES])
{
	if (digest_by_provider(bytes, digest))
		return;
	ossl_forget(); /* memory is short for a thread's first digest */
	if (!digest_on_stack(bytes, digest))
		abort(); /* going on with a digest that is none would let one thing pass for another */
}

enum rc sha1_fingerprint(struct slice bytes, uint8_t digest[static SHA1_BYTES], struct err *err)
{
	if (EVP_Digest(bytes.ptr, bytes.len, digest, NULL, EVP_sha1(), NULL) != 1)
		return ossl_fault(err, RC_INTERNAL, "SHA-1");
	return RC_OK;
}
