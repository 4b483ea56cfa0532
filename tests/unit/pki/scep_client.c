/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "scep_client.h"

#include <openssl/pkcs7.h>
#include <openssl/provider.h>
#include <stdio.h>
#include <string.h>

#define OID_BASE "2.16.840.1.113733.1.9."

static int nid_of(const char *oid)
{
	int nid = OBJ_txt2nid(oid);

	return nid != NID_undef ? nid : OBJ_create(oid, oid, oid);
}

static ASN1_STRING *string_of(int type, const void *bytes, size_t len)
{
	ASN1_STRING *string = ASN1_STRING_type_new(type);

	assert_non_null(string);
	assert_int_equal(ASN1_STRING_set(string, bytes, (int)len), 1);
	return string;
}

static void add_text(PKCS7_SIGNER_INFO *info, const char *oid, const char *text)
{
	assert_int_equal(PKCS7_add_signed_attribute(info, nid_of(oid), V_ASN1_PRINTABLESTRING,
																			string_of(V_ASN1_PRINTABLESTRING, text, strlen(text))),
		1);
}

static const char *or_else(const char *given, const char *otherwise)
{
	return given != NULL ? given : otherwise;
}

static struct slice envelope(const struct scep_ask *ask)
{
	OSSL_LIB_CTX *ctx = NULL;
	OSSL_PROVIDER *legacy = NULL;
	OSSL_PROVIDER *plain = NULL;
	const EVP_CIPHER *cipher = EVP_get_cipherbyname(or_else(ask->cipher, "AES-128-CBC"));
	STACK_OF(X509) *to = sk_X509_new_null();
	BIO *in = BIO_new_mem_buf(ask->inside.ptr, (int)ask->inside.len);
	unsigned char *der = NULL;
	PKCS7 *p7;
	int len;

	if (ask->cipher != NULL && strcmp(ask->cipher, "DES-CBC") == 0) {
		ctx = OSSL_LIB_CTX_new();
		legacy = OSSL_PROVIDER_load(ctx, "legacy");
		plain = OSSL_PROVIDER_load(ctx, "default");
		assert_true(legacy != NULL && plain != NULL);
	}
	assert_non_null(cipher);
	assert_true(sk_X509_push(to, ask->ca) > 0);
	p7 = PKCS7_encrypt_ex(to, in, cipher, PKCS7_BINARY, ctx, NULL);
	assert_non_null(p7);
	len = i2d_PKCS7(p7, &der);
	assert_true(len > 0);
	PKCS7_free(p7);
	BIO_free(in);
	sk_X509_free(to);
	if (ctx != NULL) {
		OSSL_PROVIDER_unload(legacy);
		OSSL_PROVIDER_unload(plain);
		OSSL_LIB_CTX_free(ctx);
	}
	return slice_of(der, (size_t)len);
}

static void add_attributes(PKCS7_SIGNER_INFO *info, const struct scep_ask *ask)
{
	uint8_t nonce[SCEP_ASK_NONCE_BYTES];

	memset(nonce, SCEP_ASK_NONCE, sizeof(nonce));
	if (!ask->has_no_message_type)
		add_text(info, OID_BASE "2", or_else(ask->message_type, "19"));
	if (!ask->has_no_transaction_id)
		add_text(info, OID_BASE "7", or_else(ask->transaction_id, "4711"));
	if (!ask->has_no_nonce)
		assert_int_equal(PKCS7_add_signed_attribute(info, nid_of(OID_BASE "5"), V_ASN1_OCTET_STRING,
																				string_of(V_ASN1_OCTET_STRING, nonce, sizeof(nonce))),
			1);
	assert_int_equal(PKCS7_add_signed_attribute(info, NID_pkcs9_contentType, V_ASN1_OBJECT,
																			OBJ_nid2obj(NID_pkcs7_data)),
		1);
}

struct slice scep_ask(const struct scep_ask *ask)
{
	struct slice inner = envelope(ask);
	PKCS7 *p7 = PKCS7_new();
	PKCS7_SIGNER_INFO *info;
	unsigned char *der = NULL;
	BIO *bio;
	int len;

	assert_int_equal(PKCS7_set_type(p7, NID_pkcs7_signed), 1);
	assert_int_equal(PKCS7_content_new(p7, NID_pkcs7_data), 1);
	assert_int_equal(PKCS7_add_certificate(p7, ask->signer), 1);
	info = PKCS7_add_signature(p7, ask->signer, ask->signer_key,
		EVP_get_digestbyname(or_else(ask->digest, "SHA256")));
	assert_non_null(info);
	add_attributes(info, ask);
	bio = PKCS7_dataInit(p7, NULL);
	assert_non_null(bio);
	assert_int_equal(BIO_write(bio, inner.ptr, (int)inner.len), (int)inner.len);
	assert_int_equal(PKCS7_dataFinal(p7, bio), 1);
	if (ask->is_damaged)
		p7->d.sign->contents->d.data->data[inner.len - 1] ^= 1;
	len = i2d_PKCS7(p7, &der);
	assert_true(len > 0);
	BIO_free_all(bio);
	PKCS7_free(p7);
	forge_free(&inner);
	return slice_of(der, (size_t)len);
}

struct slice scep_csr(EVP_PKEY *key, const char *common_name, const char *challenge)
{
	X509_REQ *csr = X509_REQ_new();
	unsigned char *der = NULL;
	int len;

	assert_int_equal(X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(csr), NID_commonName,
																			MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0),
		1);
	assert_int_equal(X509_REQ_set_pubkey(csr, key), 1);
	if (challenge != NULL)
		assert_int_equal(X509_REQ_add1_attr_by_NID(csr, NID_pkcs9_challengePassword, MBSTRING_UTF8,
																				(const unsigned char *)challenge, -1),
			1);
	assert_true(X509_REQ_sign(csr, key, EVP_sha256()) > 0);
	len = i2d_X509_REQ(csr, &der);
	assert_true(len > 0);
	X509_REQ_free(csr);
	return slice_of(der, (size_t)len);
}

struct forged *scep_self(EVP_PKEY *key, const char *common_name)
{
	return forge(&(struct forge_params){.common_name = common_name, .key = key});
}

static void copy_attribute(PKCS7_SIGNER_INFO *info, const char *oid, char *out, size_t size)
{
	const ASN1_TYPE *value = PKCS7_get_signed_attribute(info, nid_of(oid));

	out[0] = '\0';
	if (value != NULL)
		(void)snprintf(out, size, "%.*s", ASN1_STRING_length(value->value.asn1_string),
			(const char *)ASN1_STRING_get0_data(value->value.asn1_string));
}

static void open_bag(PKCS7 *outer, X509 *self, EVP_PKEY *self_key, struct scep_answer *answer)
{
	const ASN1_OCTET_STRING *data = outer->d.sign->contents->d.data;
	const unsigned char *at = ASN1_STRING_get0_data(data);
	PKCS7 *inner = d2i_PKCS7(NULL, &at, ASN1_STRING_length(data));
	BIO *plain = BIO_new(BIO_s_mem());
	PKCS7 *bag;

	assert_non_null(inner);
	assert_true(PKCS7_type_is_enveloped(inner));
	answer->cipher = OBJ_obj2nid(inner->d.enveloped->enc_data->algorithm->algorithm);
	assert_int_equal(PKCS7_decrypt(inner, self_key, self, plain, PKCS7_BINARY), 1);
	bag = d2i_PKCS7_bio(plain, NULL);
	assert_non_null(bag);
	assert_int_equal(sk_PKCS7_SIGNER_INFO_num(bag->d.sign->signer_info), 0);
	if (sk_X509_num(bag->d.sign->cert) > 0)
		answer->cert = X509_dup(sk_X509_value(bag->d.sign->cert, 0));
	if (sk_X509_CRL_num(bag->d.sign->crl) > 0)
		answer->crl = X509_CRL_dup(sk_X509_CRL_value(bag->d.sign->crl, 0));
	PKCS7_free(bag);
	PKCS7_free(inner);
	BIO_free(plain);
}

static bool is_signed_by(PKCS7 *outer, PKCS7_SIGNER_INFO *info, X509 *ca)
{
	BIO *bio =
		PKCS7_dataInit(outer, outer->d.sign->contents->d.data == NULL ? BIO_new(BIO_s_mem()) : NULL);
	char bytes[4096];
	bool is_signed;

	assert_non_null(bio);
	while (BIO_read(bio, bytes, sizeof(bytes)) > 0)
		continue;
	is_signed = PKCS7_signatureVerify(bio, outer, info, ca) == 1;
	BIO_free_all(bio);
	return is_signed;
}

void scep_answer_read(struct slice reply, X509 *ca, X509 *self, EVP_PKEY *self_key,
	struct scep_answer *answer_r)
{
	const unsigned char *at = reply.ptr;
	PKCS7 *outer = d2i_PKCS7(NULL, &at, (long)reply.len);
	PKCS7_SIGNER_INFO *info;
	const ASN1_TYPE *nonce;

	*answer_r = (struct scep_answer){.cipher = 0};
	assert_non_null(outer);
	assert_true(PKCS7_type_is_signed(outer));
	assert_int_equal(sk_PKCS7_SIGNER_INFO_num(PKCS7_get_signer_info(outer)), 1);
	info = sk_PKCS7_SIGNER_INFO_value(PKCS7_get_signer_info(outer), 0);
	answer_r->digest = OBJ_obj2nid(info->digest_alg->algorithm);
	copy_attribute(info, OID_BASE "2", answer_r->message_type, sizeof(answer_r->message_type));
	copy_attribute(info, OID_BASE "3", answer_r->status, sizeof(answer_r->status));
	copy_attribute(info, OID_BASE "4", answer_r->fail, sizeof(answer_r->fail));
	copy_attribute(info, OID_BASE "7", answer_r->transaction_id, sizeof(answer_r->transaction_id));
	copy_attribute(info, "1.3.6.1.5.5.7.24.1", answer_r->fail_text, sizeof(answer_r->fail_text));
	nonce = PKCS7_get_signed_attribute(info, nid_of(OID_BASE "6"));
	if (nonce != NULL) {
		answer_r->recipient_nonce_bytes = (size_t)ASN1_STRING_length(nonce->value.octet_string);
		assert_true(answer_r->recipient_nonce_bytes <= sizeof(answer_r->recipient_nonce));
		memcpy(answer_r->recipient_nonce, ASN1_STRING_get0_data(nonce->value.octet_string),
			answer_r->recipient_nonce_bytes);
	}
	answer_r->is_signed_by_ca = is_signed_by(outer, info, ca);
	if (outer->d.sign->contents->d.data != NULL)
		open_bag(outer, self, self_key, answer_r);
	PKCS7_free(outer);
}

void scep_answer_fini(struct scep_answer *answer)
{
	X509_free(answer->cert);
	X509_CRL_free(answer->crl);
	*answer = (struct scep_answer){.cipher = 0};
}
