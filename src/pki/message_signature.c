/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/pki/message_signature.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <time.h>

#include "ossl.h"
#include "pomona/base/codec.h"

struct message_signature {
	CMS_ContentInfo *cms;
	CMS_SignerInfo *signer; /* borrowed from `cms` */
	X509 *cert;             /* the signer's */
	struct buf ders[CERT_CHAIN_MAX];
	size_t count;
};

static const int digests[] = {NID_sha1, NID_sha256, NID_sha384, NID_sha512};

static enum rc read_cms(struct slice base64, CMS_ContentInfo **cms_r, struct err *err)
{
	AUTO(buf_fini) struct buf bytes;
	const unsigned char *at;
	enum rc rc;

	buf_init(&bytes, MESSAGE_SIGNATURE_BYTES_MAX);
	rc = base64_parse(base64, &bytes, err);
	if (rc != RC_OK)
		return rc;
	at = bytes.ptr;
	*cms_r = d2i_CMS_ContentInfo(NULL, &at, (long)bytes.len);
	if (*cms_r == NULL)
		return ossl_fault(err, RC_INVALID, "no CMS message");
	if (at != bytes.ptr + bytes.len)
		return err_set(err, RC_INVALID, "bytes follow the CMS message");
	return RC_OK;
}

static int digest_nid(CMS_SignerInfo *signer)
{
	X509_ALGOR *digest = NULL;
	const ASN1_OBJECT *name = NULL;

	CMS_SignerInfo_get0_algs(signer, NULL, NULL, &digest, NULL);
	X509_ALGOR_get0(&name, NULL, NULL, digest);
	return OBJ_obj2nid(name);
}

static bool is_digest_known(CMS_SignerInfo *signer)
{
	for (size_t i = 0; i < COUNT_OF(digests); i++)
		if (digest_nid(signer) == digests[i])
			return true;
	return false;
}

static enum rc check_shape(struct message_signature *signature, struct err *err)
{
	CMS_ContentInfo *cms = signature->cms;
	ASN1_OCTET_STRING **content;
	STACK_OF(CMS_SignerInfo) * signers;

	if (OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed)
		return err_set(err, RC_INVALID, "the CMS message is not signed data");
	content = CMS_get0_content(cms);
	if (content == NULL || *content != NULL)
		return err_set(err, RC_INVALID, "the CMS message has content of its own");
	signers = CMS_get0_SignerInfos(cms);
	if (sk_CMS_SignerInfo_num(signers) != 1)
		return err_set(err, RC_INVALID, "%d signers, want one", sk_CMS_SignerInfo_num(signers));
	signature->signer = sk_CMS_SignerInfo_value(signers, 0);
	if (!is_digest_known(signature->signer))
		return err_set(err, RC_INVALID, "its digest is not SHA-1, SHA-256, SHA-384 or SHA-512");
	return RC_OK;
}

static enum rc keep_cert(struct message_signature *signature, X509 *cert, struct err *err)
{
	struct buf *der = &signature->ders[signature->count];
	unsigned char *bytes = NULL;
	int len = i2d_X509(cert, &bytes);

	if (len <= 0)
		return ossl_fault(err, RC_INVALID, "a certificate in it cannot be written");
	signature->count++;
	buf_init(der, (size_t)len);
	buf_append(der, slice_of(bytes, (size_t)len));
	OPENSSL_free(bytes);
	return buf_status(der, "certificate", err);
}

static int find_signer(CMS_SignerInfo *signer, STACK_OF(X509) * certs)
{
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (CMS_SignerInfo_cert_cmp(signer, sk_X509_value(certs, i)) == 0)
			return i;
	return -1;
}

static enum rc keep_certs(struct message_signature *signature, STACK_OF(X509) * certs,
	struct err *err)
{
	int first = find_signer(signature->signer, certs);
	enum rc rc;

	if (sk_X509_num(certs) > CERT_CHAIN_MAX)
		return err_set(err, RC_LIMIT, "%d certificates, want at most %d", sk_X509_num(certs),
			CERT_CHAIN_MAX);
	if (first < 0)
		return err_set(err, RC_INVALID, "the signer's certificate is not in it");
	signature->cert = sk_X509_value(certs, first);
	(void)X509_up_ref(signature->cert);
	rc = keep_cert(signature, signature->cert, err);
	for (int i = 0; rc == RC_OK && i < sk_X509_num(certs); i++)
		if (i != first)
			rc = keep_cert(signature, sk_X509_value(certs, i), err);
	return rc;
}

static enum rc read_certs(struct message_signature *signature, struct err *err)
{
	AUTO(ossl_certs_free) STACK_OF(X509) *certs = CMS_get1_certs(signature->cms);

	return keep_certs(signature, certs, err);
}

static enum rc fill(struct message_signature *signature, struct slice base64, struct err *err)
{
	enum rc rc;

	ossl_forget();
	rc = read_cms(base64, &signature->cms, err);
	if (rc == RC_OK)
		rc = check_shape(signature, err);
	if (rc == RC_OK)
		rc = read_certs(signature, err);
	ERR_clear_error();
	return rc;
}

enum rc message_signature_parse(struct slice base64, struct message_signature **signature_r,
	struct err *err)
{
	struct message_signature *signature = calloc(1, sizeof(*signature));
	enum rc rc;

	*signature_r = NULL;
	if (signature == NULL)
		return err_set(err, RC_NO_MEMORY, "signature");
	rc = fill(signature, base64, err);
	if (rc == RC_OK)
		*signature_r = signature;
	else
		message_signature_free(&signature);
	return rc;
}

size_t message_signature_chain(const struct message_signature *signature,
	struct slice chain[static CERT_CHAIN_MAX])
{
	for (size_t i = 0; i < signature->count; i++)
		chain[i] = buf_slice(&signature->ders[i]);
	return signature->count;
}

int64_t message_signature_time(const struct message_signature *signature)
{
	static const int types[] = {V_ASN1_UTCTIME, V_ASN1_GENERALIZEDTIME};
	struct tm tm;

	for (size_t i = 0; i < COUNT_OF(types); i++) {
		/* -3: it stands there once, with one value */
		const ASN1_TIME *time =
			CMS_signed_get0_data_by_OBJ(signature->signer, OBJ_nid2obj(NID_pkcs9_signingTime), -3, types[i]);

		ERR_clear_error();
		if (time != NULL && ASN1_TIME_to_tm(time, &tm) == 1)
			return (int64_t)timegm(&tm);
	}
	ERR_clear_error();
	return MESSAGE_SIGNATURE_NO_TIME;
}

static const EVP_MD *digest_of(CMS_SignerInfo *signer)
{
	return EVP_get_digestbynid(digest_nid(signer));
}

/* The attributes are signed, and one of them is the digest of the body. */
static bool is_body_of_attributes(CMS_SignerInfo *signer, struct slice body)
{
	const ASN1_OCTET_STRING *wanted = CMS_signed_get0_data_by_OBJ(signer,
		OBJ_nid2obj(NID_pkcs9_messageDigest), -3, V_ASN1_OCTET_STRING);
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	return wanted != NULL && CMS_SignerInfo_verify(signer) == 1 &&
		EVP_Digest(body.ptr, body.len, digest, &len, digest_of(signer), NULL) == 1 &&
		slice_is_equal(slice_of(ASN1_STRING_get0_data(wanted), (size_t)ASN1_STRING_length(wanted)),
			slice_of(digest, len));
}

/* Without attributes the body itself is signed (RFC 5652 5.4). */
static bool is_body_signed(CMS_SignerInfo *signer, EVP_PKEY *key, struct slice body)
{
	const ASN1_OCTET_STRING *value = CMS_SignerInfo_get0_signature(signer);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool is_signed = ctx != NULL &&
		EVP_DigestVerifyInit(ctx, NULL, digest_of(signer), NULL, key) == 1 &&
		EVP_DigestVerify(ctx, ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value), body.ptr,
			body.len) == 1;

	EVP_MD_CTX_free(ctx);
	return is_signed;
}

/*
 * Not by CMS_verify(): that digests the body with each algorithm that the message lists, however many, and those
 * beside the signer's are of no use.
 */
enum rc message_signature_verify(const struct message_signature *signature, struct slice body,
	struct err *err)
{
	CMS_SignerInfo *signer = signature->signer;
	EVP_PKEY *key = X509_get0_pubkey(signature->cert);
	bool is_good;

	ossl_forget();
	CMS_SignerInfo_set1_signer_cert(signer, signature->cert);
	if (key == NULL)
		return ossl_fault(err, RC_DENIED, "its certificate has no key that is known here");
	if (CMS_signed_get_attr_count(signer) >= 0)
		is_good = is_body_of_attributes(signer, body);
	else
		is_good = is_body_signed(signer, key, body);
	if (!is_good)
		return ossl_fault(err, RC_DENIED, "it is not the signature of this body");
	ERR_clear_error();
	return RC_OK;
}

void message_signature_free(struct message_signature **signature)
{
	if (*signature == NULL)
		return;
	for (size_t i = 0; i < (*signature)->count; i++)
		buf_fini(&(*signature)->ders[i]);
	X509_free((*signature)->cert);
	CMS_ContentInfo_free((*signature)->cms);
	free(*signature);
	*signature = NULL;
}
