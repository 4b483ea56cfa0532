/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/pki/digest.h"

#include <stdio.h>

#include <openssl/hmac.h>

#include "ossl.h"

static const struct {
	const char *name;
	size_t bytes;
} kinds[DIGEST_KIND_COUNT] = {
	[DIGEST_MD5] = {"MD5", 16},
	[DIGEST_SHA256] = {"SHA256", 32},
};

size_t digest_hex_len(enum digest_kind kind)
{
	return 2 * kinds[kind].bytes;
}

static void md_ctx_free(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
	*ctx = NULL;
}

static void md_free(EVP_MD **md)
{
	EVP_MD_free(*md);
	*md = NULL;
}

static bool update(EVP_MD_CTX *ctx, const struct slice *parts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if ((i > 0 && EVP_DigestUpdate(ctx, ":", 1) != 1) ||
			(parts[i].len > 0 && EVP_DigestUpdate(ctx, parts[i].ptr, parts[i].len) != 1))
			return false;
	return true;
}

enum rc digest_hex(enum digest_kind kind, const struct slice *parts, size_t count,
	char out[static DIGEST_HEX_BYTES], struct err *err)
{
	AUTO(md_ctx_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	AUTO(md_free) EVP_MD *md = EVP_MD_fetch(NULL, kinds[kind].name, NULL);
	uint8_t digest[EVP_MAX_MD_SIZE];

	if (ctx == NULL || md == NULL || EVP_DigestInit_ex2(ctx, md, NULL) != 1 ||
		!update(ctx, parts, count) || EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
		return ossl_fault(err, RC_INTERNAL, "%s", kinds[kind].name);
	for (size_t i = 0; i < kinds[kind].bytes; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", digest[i]);
	return RC_OK;
}

enum rc mac_of(const uint8_t key[static MAC_BYTES], struct slice text,
	uint8_t mac[static MAC_BYTES], struct err *err)
{
	unsigned len = MAC_BYTES;

	if (HMAC(EVP_sha256(), key, MAC_BYTES, text.ptr, text.len, mac, &len) == NULL || len != MAC_BYTES)
		return ossl_fault(err, RC_INTERNAL, "HMAC");
	return RC_OK;
}
