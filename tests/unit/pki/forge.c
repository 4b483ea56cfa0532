/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "forge.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static void set_name(X509_NAME *name, const char *common_name)
{
	assert_int_equal(X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
																			(const unsigned char *)common_name, -1, -1, 0),
		1);
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static int64_t or_else(int64_t given, int64_t otherwise)
{
	return given != 0 ? given : otherwise;
}

static X509 *make_cert(const struct forge_params *params, EVP_PKEY *key)
{
	static long serial = 1;
	X509 *cert = X509_new();
	X509 *issuer = params->issuer != NULL ? params->issuer->cert : cert;

	assert_non_null(cert);
	assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++), 1);
	if (params->common_name != NULL)
		set_name(X509_get_subject_name(cert), params->common_name);
	assert_int_equal(X509_set_issuer_name(cert, X509_get_subject_name(issuer)), 1);
	assert_non_null(ASN1_TIME_set(X509_getm_notBefore(cert),
		(time_t)or_else(params->not_before, FORGE_NOW - FORGE_YEAR_S)));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(cert),
		(time_t)or_else(params->not_after, FORGE_NOW + FORGE_YEAR_S)));
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	if (params->is_ca) {
		add_extension(cert, issuer, NID_basic_constraints, "critical,CA:TRUE");
		add_extension(cert, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
	}
	for (size_t i = 0; i < FORGE_EXTENSIONS_MAX && params->extensions[i].nid != 0; i++)
		add_extension(cert, issuer, params->extensions[i].nid, params->extensions[i].value);
	return cert;
}

void forged_sign(struct forged *forged, EVP_PKEY *signer, const char *digest)
{
	int len;

	OPENSSL_free(forged->der);
	forged->der = NULL;
	assert_true(X509_sign(forged->cert, signer, EVP_get_digestbyname(digest)) > 0);
	len = i2d_X509(forged->cert, &forged->der);
	assert_true(len > 0);
	forged->der_len = (size_t)len;
}

struct forged *forge(const struct forge_params *params)
{
	struct forged *forged = calloc(1, sizeof(*forged));

	assert_non_null(forged);
	forged->key = params->key != NULL ? params->key : EVP_EC_gen("P-256");
	assert_non_null(forged->key);
	if (params->key != NULL)
		assert_int_equal(EVP_PKEY_up_ref(params->key), 1);
	forged->cert = make_cert(params, forged->key);
	forged_sign(forged, params->issuer != NULL ? params->issuer->key : forged->key,
		params->digest != NULL ? params->digest : "SHA256");
	return forged;
}

struct forged *forge_ca(const char *common_name)
{
	const struct forge_params params = {.common_name = common_name, .is_ca = true};

	return forge(&params);
}

struct slice forge_twin(const struct forged *forged)
{
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	X509 *twin = X509_dup(forged->cert);
	const ASN1_BIT_STRING *bits;
	ASN1_BIT_STRING *own_bits; /* the same: `twin` is ours */
	const unsigned char *at;
	unsigned char *der = NULL;
	ECDSA_SIG *signature;
	BIGNUM *s = BN_new();
	int len;

	assert_non_null(twin);
	X509_get0_signature(&bits, NULL, twin);
	at = ASN1_STRING_get0_data(bits);
	signature = d2i_ECDSA_SIG(NULL, &at, ASN1_STRING_length(bits));
	assert_non_null(signature);
	assert_int_equal(BN_sub(s, EC_GROUP_get0_order(group), ECDSA_SIG_get0_s(signature)), 1);
	assert_int_equal(ECDSA_SIG_set0(signature, BN_dup(ECDSA_SIG_get0_r(signature)), s), 1);
	len = i2d_ECDSA_SIG(signature, &der);
	memcpy(&own_bits, &bits, sizeof(own_bits));
	assert_int_equal(ASN1_STRING_set(own_bits, der, len), 1);
	OPENSSL_free(der);
	der = NULL;
	len = i2d_X509(twin, &der);
	assert_true(len > 0);
	ECDSA_SIG_free(signature);
	X509_free(twin);
	EC_GROUP_free(group);
	return slice_of(der, (size_t)len);
}

struct slice forged_der(const struct forged *forged)
{
	return slice_of(forged->der, forged->der_len);
}

void forged_free(struct forged **forged)
{
	if (*forged == NULL)
		return;
	X509_free((*forged)->cert);
	EVP_PKEY_free((*forged)->key);
	OPENSSL_free((*forged)->der);
	free(*forged);
	*forged = NULL;
}

static struct slice take(BIO *bio)
{
	char *bytes;
	size_t len = (size_t)BIO_get_mem_data(bio, &bytes);
	void *copy = OPENSSL_memdup(bytes, len);

	assert_non_null(copy);
	BIO_free(bio);
	return slice_of(copy, len);
}

struct slice forge_pem_of_cert(const struct forged *forged)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_X509(bio, forged->cert), 1);
	return take(bio);
}

struct slice forge_pem_of_key(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	return take(bio);
}

struct slice forge_csr(EVP_PKEY *key, const char *common_name)
{
	X509_REQ *request = X509_REQ_new();
	STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
	unsigned char *der = NULL;
	int len;

	assert_non_null(request);
	if (common_name != NULL)
		set_name(X509_REQ_get_subject_name(request), common_name);
	assert_int_equal(X509_REQ_set_pubkey(request, key), 1);
	assert_true(sk_X509_EXTENSION_push(extensions,
														X509V3_EXT_nconf_nid(NULL, NULL, NID_subject_alt_name, "DNS:asked.example")) > 0);
	assert_true(sk_X509_EXTENSION_push(extensions,
														X509V3_EXT_nconf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE")) > 0);
	assert_int_equal(X509_REQ_add_extensions(request, extensions), 1);
	sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
	assert_true(X509_REQ_sign(request, key,
														EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256()) > 0);
	len = i2d_X509_REQ(request, &der);
	assert_true(len > 0);
	X509_REQ_free(request);
	return slice_of(der, (size_t)len);
}

void forge_free(struct slice *bytes)
{
	OPENSSL_free((void *)(uintptr_t)bytes->ptr);
	*bytes = slice_of(NULL, 0);
}
