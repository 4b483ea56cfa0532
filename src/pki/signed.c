/* SPDX-License-Identifier: Apache-2.0 */
#include "signed.h"

#include <openssl/err.h>

#include "pomona/pki/device_cms.h"

static const int digests[] = {NID_sha1, NID_sha256, NID_sha384, NID_sha512};

bool pki_signed_is_digest_taken(const struct pki_signed *message)
{
	for (size_t i = 0; i < COUNT_OF(digests); i++)
		if (digests[i] == message->digest)
			return true;
	return false;
}

static enum rc read_cms(struct slice message, CMS_ContentInfo **cms_r, struct err *err)
{
	const unsigned char *at = message.ptr;

	if (message.len == 0 || message.len > LONG_MAX)
		return err_set(err, RC_INVALID, "no CMS message");
	*cms_r = d2i_CMS_ContentInfo(NULL, &at, (long)message.len);
	if (*cms_r == NULL)
		return ossl_fault(err, RC_INVALID, "no CMS message");
	if (at != message.ptr + message.len)
		return err_set(err, RC_INVALID, "bytes follow the CMS message");
	if (OBJ_obj2nid(CMS_get0_type(*cms_r)) != NID_pkcs7_signed)
		return err_set(err, RC_INVALID, "the CMS message is not signed data");
	return RC_OK;
}

static enum rc check_content(CMS_ContentInfo *cms, enum pki_content where, struct err *err)
{
	ASN1_OCTET_STRING **content = CMS_get0_content(cms);

	if (content == NULL || (where == PKI_CONTENT_APART) != (*content == NULL))
		return ossl_fault(err, RC_INVALID, "the CMS message has %s",
			where == PKI_CONTENT_APART ? "content of its own" : "no content");
	return RC_OK;
}

static enum rc find_signer(struct pki_signed *message, struct err *err)
{
	STACK_OF(CMS_SignerInfo) *infos = CMS_get0_SignerInfos(message->cms);
	X509_ALGOR *digest = NULL;

	if (sk_CMS_SignerInfo_num(infos) != 1)
		return ossl_fault(err, RC_INVALID, "%d signers, want one", sk_CMS_SignerInfo_num(infos));
	message->info = sk_CMS_SignerInfo_value(infos, 0);
	CMS_SignerInfo_get0_algs(message->info, NULL, NULL, &digest, NULL);
	message->digest = OBJ_obj2nid(digest->algorithm);
	message->certs = CMS_get1_certs(message->cms);
	if (sk_X509_num(message->certs) > CERT_CHAIN_MAX)
		return err_set(err, RC_LIMIT, "%d certificates, want at most %d", sk_X509_num(message->certs),
			CERT_CHAIN_MAX);
	for (int i = 0; i < sk_X509_num(message->certs); i++)
		if (CMS_SignerInfo_cert_cmp(message->info, sk_X509_value(message->certs, i)) == 0) {
			message->signer = sk_X509_value(message->certs, i);
			CMS_SignerInfo_set1_signer_cert(message->info, message->signer);
			ERR_clear_error(); /* a key that it cannot read is for pki_signed_verify() to say */
			return RC_OK;
		}
	return ossl_fault(err, RC_INVALID, "the signer's certificate is not in it");
}

enum rc pki_signed_parse(struct slice message, enum pki_content where, struct pki_signed *signed_r,
	struct err *err)
{
	enum rc rc;

	*signed_r = (struct pki_signed){.cms = NULL};
	ossl_forget();
	rc = read_cms(message, &signed_r->cms, err);
	if (rc == RC_OK)
		rc = check_content(signed_r->cms, where, err);
	if (rc == RC_OK)
		rc = find_signer(signed_r, err);
	if (rc != RC_OK)
		pki_signed_fini(signed_r);
	return rc;
}

struct slice pki_signed_content(const struct pki_signed *message)
{
	ASN1_OCTET_STRING **content = CMS_get0_content(message->cms);

	if (content == NULL || *content == NULL)
		return slice_of(NULL, 0);
	return slice_of(ASN1_STRING_get0_data(*content), (size_t)ASN1_STRING_length(*content));
}

bool pki_signed_is_key_taken(X509 *signer)
{
	const EVP_PKEY *key = X509_get0_pubkey(signer);
	const int bits = key == NULL ? 0 : EVP_PKEY_get_bits(key);

	if (key == NULL)
		return false;
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
		return bits >= SIGNER_RSA_BITS_MIN && bits <= SIGNER_RSA_BITS_MAX;
	return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && bits >= SIGNER_EC_BITS_MIN;
}

/* The attributes are signed, and one of them is the digest of the content. */
static bool is_of_attributes(const struct pki_signed *message, const EVP_MD *md,
	struct slice content)
{
	const ASN1_OCTET_STRING *wanted = CMS_signed_get0_data_by_OBJ(message->info,
		OBJ_nid2obj(NID_pkcs9_messageDigest), -3, V_ASN1_OCTET_STRING);
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	return wanted != NULL && CMS_SignerInfo_verify(message->info) == 1 &&
		EVP_Digest(content.ptr, content.len, digest, &len, md, NULL) == 1 &&
		slice_is_equal(slice_of(ASN1_STRING_get0_data(wanted), (size_t)ASN1_STRING_length(wanted)),
			slice_of(digest, len));
}

/* Without attributes the content itself is signed (RFC 5652 5.4). */
static bool is_signed_itself(const struct pki_signed *message, const EVP_MD *md, EVP_PKEY *key,
	struct slice content)
{
	const ASN1_OCTET_STRING *value = CMS_SignerInfo_get0_signature(message->info);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool is_signed = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) == 1 &&
		EVP_DigestVerify(ctx, ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value),
			content.ptr, content.len) == 1;

	EVP_MD_CTX_free(ctx);
	return is_signed;
}

/*
 * Not by CMS_verify(): that digests the content with each algorithm that the message lists, however many, and those
 * beside the signer's are of no use.
 */
enum rc pki_signed_verify(const struct pki_signed *message, struct slice content, struct err *err)
{
	const EVP_MD *md = EVP_get_digestbynid(message->digest);
	EVP_PKEY *key = X509_get0_pubkey(message->signer);
	bool is_good;

	if (!pki_signed_is_digest_taken(message))
		return err_set(err, RC_UNSUPPORTED, "its digest is %s; want SHA-1, SHA-256, SHA-384 or SHA-512",
			OBJ_nid2sn(message->digest));
	if (!pki_signed_is_key_taken(message->signer))
		return ossl_fault(err, RC_UNSUPPORTED, "its key is not taken: want RSA of %d to %d bits, or EC",
			SIGNER_RSA_BITS_MIN, SIGNER_RSA_BITS_MAX);
	ossl_forget();
	if (CMS_signed_get_attr_count(message->info) >= 0)
		is_good = is_of_attributes(message, md, content);
	else
		is_good = is_signed_itself(message, md, key, content);
	if (!is_good)
		return ossl_fault(err, RC_DENIED, "its signature does not hold");
	ERR_clear_error();
	return RC_OK;
}

enum rc pki_signed_attribute(const struct pki_signed *message, const ASN1_OBJECT *oid,
	unsigned long types, struct slice *value_r)
{
	int at = CMS_signed_get_attr_by_OBJ(message->info, oid, -1);
	X509_ATTRIBUTE *attribute;
	const ASN1_TYPE *value;

	*value_r = slice_of(NULL, 0);
	if (at < 0)
		return RC_NOT_FOUND;
	attribute = CMS_signed_get_attr(message->info, at);
	if (CMS_signed_get_attr_by_OBJ(message->info, oid, at) >= 0 ||
		X509_ATTRIBUTE_count(attribute) != 1)
		return RC_INVALID;
	value = X509_ATTRIBUTE_get0_type(attribute, 0);
	if ((ASN1_tag2bit(value->type) & types) == 0)
		return RC_INVALID;
	*value_r = slice_of(ASN1_STRING_get0_data(value->value.asn1_string),
		(size_t)ASN1_STRING_length(value->value.asn1_string));
	return RC_OK;
}

bool pki_signed_add_time(CMS_SignerInfo *info, int64_t now_unix_s)
{
	AUTO(ossl_time_free) ASN1_TIME *time = ASN1_TIME_set(NULL, (time_t)now_unix_s);

	return time != NULL &&
		CMS_signed_add1_attr_by_NID(info, NID_pkcs9_signingTime, ASN1_STRING_type(time), time, -1) == 1;
}

void pki_signed_fini(struct pki_signed *message)
{
	ossl_certs_free(&message->certs);
	CMS_ContentInfo_free(message->cms);
	*message = (struct pki_signed){.cms = NULL};
}

enum rc pki_key_digest(const X509_PUBKEY *key, uint8_t digest[static SHA256_BYTES], struct err *err)
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(key, &der);

	if (len <= 0)
		return ossl_fault(err, RC_INTERNAL, "public key: cannot be written");
	sha256(slice_of(der, (size_t)len), digest);
	OPENSSL_free(der);
	return RC_OK;
}
