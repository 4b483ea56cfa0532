/* SPDX-License-Identifier: Apache-2.0 */
#include "envelope.h"

#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/provider.h>
#include <pthread.h>

/* What envelopes come in, and what a reply to each goes in. DES is opened, since clients default to it, but not made. */
static const struct cipher {
	int in;
	int out;
	bool is_legacy; /* lives in OpenSSL's legacy provider */
} ciphers[] = {
	{NID_aes_128_cbc, NID_aes_128_cbc, false},
	{NID_aes_192_cbc, NID_aes_192_cbc, false},
	{NID_aes_256_cbc, NID_aes_256_cbc, false},
	{NID_des_ede3_cbc, NID_des_ede3_cbc, false},
	{NID_des_cbc, NID_aes_128_cbc, true},
};

static pthread_once_t legacy_once = PTHREAD_ONCE_INIT;
/* Never freed; NULL where OpenSSL has no legacy provider. Kept apart, so that nothing else gets weak ciphers. */
static OSSL_LIB_CTX *legacy;

static void load_legacy(void)
{
	OSSL_LIB_CTX *ctx = OSSL_LIB_CTX_new();

	if (ctx != NULL && OSSL_PROVIDER_load(ctx, "legacy") != NULL &&
		OSSL_PROVIDER_load(ctx, "default") != NULL)
		legacy = ctx;
	else
		OSSL_LIB_CTX_free(ctx);
	ERR_clear_error();
}

static OSSL_LIB_CTX *legacy_ctx(void)
{
	(void)pthread_once(&legacy_once, load_legacy);
	return legacy;
}

/* NULL where it cannot be read. */
static PKCS7 *parse(struct slice envelope, OSSL_LIB_CTX *ctx)
{
	const unsigned char *at = envelope.ptr;
	PKCS7 *pkcs7 = PKCS7_new_ex(ctx, NULL);

	/* Frees `pkcs7` where it fails. */
	if (pkcs7 == NULL || d2i_PKCS7(&pkcs7, &at, (long)envelope.len) == NULL)
		return NULL;
	if (at == envelope.ptr + envelope.len && PKCS7_type_is_enveloped(pkcs7) &&
		pkcs7->d.enveloped != NULL)
		return pkcs7;
	PKCS7_free(pkcs7);
	return NULL;
}

static const struct cipher *cipher_of(const PKCS7 *pkcs7)
{
	const PKCS7_ENC_CONTENT *content = pkcs7->d.enveloped->enc_data;
	int nid = content == NULL || content->algorithm == NULL
		? NID_undef
		: OBJ_obj2nid(content->algorithm->algorithm);

	for (size_t i = 0; i < COUNT_OF(ciphers); i++)
		if (ciphers[i].in == nid)
			return &ciphers[i];
	return NULL;
}

/* OpenSSL goes on with a random key where the padding is wrong, so that nobody learns about it. */
static enum rc decrypt(const struct authority *authority, PKCS7 *pkcs7, struct buf *plain,
	struct err *err)
{
	AUTO(ossl_bio_free) BIO *out = BIO_new(BIO_s_mem());

	if (out == NULL)
		return ossl_fault(err, RC_NO_MEMORY, "envelope");
	if (PKCS7_decrypt(pkcs7, pki_authority_key(authority), pki_authority_cert(authority), out,
						PKCS7_BINARY) != 1) {
		ERR_clear_error(); /* its reason is for nobody */
		return err_set(err, RC_DENIED, "envelope: not encrypted to this CA, or damaged");
	}
	ERR_clear_error();
	ossl_bio_take(out, plain);
	return buf_status(plain, "envelope", err);
}

enum rc pki_envelope_open(const struct authority *authority, struct slice envelope,
	struct buf *plain, int *cipher_r, struct err *err)
{
	AUTO(ossl_pkcs7_free) PKCS7 *pkcs7 = parse(envelope, NULL);
	const struct cipher *cipher = pkcs7 == NULL ? NULL : cipher_of(pkcs7);

	if (pkcs7 == NULL)
		return ossl_fault(err, RC_INVALID, "envelope: cannot be read as an EnvelopedData");
	if (cipher == NULL || (cipher->is_legacy && legacy_ctx() == NULL))
		return err_set(err, RC_UNSUPPORTED, "envelope: its cipher is not taken; want AES or triple DES");
	*cipher_r = cipher->out;
	if (cipher->is_legacy) {
		ossl_pkcs7_free(&pkcs7);
		pkcs7 = parse(envelope, legacy_ctx());
	}
	if (pkcs7 == NULL)
		return ossl_fault(err, RC_NO_MEMORY, "envelope");
	return decrypt(authority, pkcs7, plain, err);
}

enum rc pki_envelope_write(X509 *to, int cipher, struct slice plain, struct buf *out,
	struct err *err)
{
	AUTO(ossl_pkcs7_free) PKCS7 *pkcs7 = NULL;
	AUTO(ossl_certs_free) STACK_OF(X509) *recipients = sk_X509_new_null();
	AUTO(ossl_bio_free) BIO *in = ossl_bio_of(plain);
	unsigned char *der = NULL;
	int len;

	if (recipients == NULL || in == NULL || X509_add_cert(recipients, to, X509_ADD_FLAG_UP_REF) != 1)
		return ossl_fault(err, RC_NO_MEMORY, "envelope");
	pkcs7 = PKCS7_encrypt(recipients, in, EVP_get_cipherbynid(cipher), PKCS7_BINARY);
	len = pkcs7 == NULL ? -1 : i2d_PKCS7(pkcs7, &der);
	if (len <= 0)
		return ossl_fault(err, RC_INTERNAL, "envelope: cannot be made");
	buf_append(out, slice_of(der, (size_t)len));
	OPENSSL_free(der);
	return buf_status(out, "envelope", err);
}
