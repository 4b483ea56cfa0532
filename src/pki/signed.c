/* SPDX-License-Identifier: Apache-2.0 */
#include "signed.h"

#include <openssl/err.h>

/* What a signature may be made with. SHA-1 still is, by SCEP clients and by the keys that Apple built into devices. */
static const int digests[] = {NID_sha1, NID_sha256, NID_sha384, NID_sha512};

static bool is_digest_taken(int digest)
{
	for (size_t i = 0; i < COUNT_OF(digests); i++)
		if (digests[i] == digest)
			return true;
	return false;
}

static enum rc find_signer(struct pki_signed *message, struct err *err)
{
	STACK_OF(CMS_SignerInfo) *infos = CMS_get0_SignerInfos(message->cms);
	X509_ALGOR *digest = NULL;

	if (infos == NULL || sk_CMS_SignerInfo_num(infos) != 1)
		return ossl_fault(err, RC_INVALID, "signature: want one signer, not %d",
			infos == NULL ? 0 : sk_CMS_SignerInfo_num(infos));
	message->info = sk_CMS_SignerInfo_value(infos, 0);
	if (CMS_set1_signers_certs(message->cms, NULL, 0) != 1)
		return ossl_fault(err, RC_INVALID, "signature: the signer's certificate is not in it");
	CMS_SignerInfo_get0_algs(message->info, NULL, &message->signer, &digest, NULL);
	message->digest = OBJ_obj2nid(digest->algorithm);
	return RC_OK;
}

enum rc pki_signed_parse(struct slice message, struct pki_signed *signed_r, struct err *err)
{
	const unsigned char *at = message.ptr;
	enum rc rc;

	*signed_r = (struct pki_signed){.cms = NULL};
	if (message.len == 0 || message.len > LONG_MAX)
		return err_set(err, RC_INVALID, "signature: empty");
	signed_r->cms = d2i_CMS_ContentInfo(NULL, &at, (long)message.len);
	if (signed_r->cms == NULL)
		return ossl_fault(err, RC_INVALID, "signature: cannot be read");
	if (at != message.ptr + message.len)
		rc = err_set(err, RC_INVALID, "signature: bytes follow it");
	else if (OBJ_obj2nid(CMS_get0_type(signed_r->cms)) != NID_pkcs7_signed)
		rc = err_set(err, RC_INVALID, "signature: not a SignedData");
	else
		rc = find_signer(signed_r, err);
	if (rc != RC_OK)
		pki_signed_fini(signed_r);
	return rc;
}

enum rc pki_signed_verify(const struct pki_signed *message, struct buf *content, struct err *err)
{
	AUTO(ossl_bio_free) BIO *out = NULL;
	EVP_PKEY *key = X509_get0_pubkey(message->signer);

	if (!is_digest_taken(message->digest))
		return err_set(err, RC_UNSUPPORTED, "signature: made with %s; want SHA-1 or SHA-2",
			OBJ_nid2sn(message->digest));
	if (key == NULL)
		return ossl_fault(err, RC_UNSUPPORTED, "signature: the signer's key cannot be read");
	if (pki_key_check(key, "signature", err) != RC_OK) /* it bounds what verifying costs */
		return err_set(err, RC_UNSUPPORTED,
			"signature: the signer's key is not taken: want RSA of "
			"%d to %d bits, P-256 or P-384",
			AUTHORITY_RSA_BITS_MIN, AUTHORITY_RSA_BITS_MAX);
	if (CMS_get0_content(message->cms) == NULL || *CMS_get0_content(message->cms) == NULL)
		return err_set(err, RC_INVALID, "signature: there is no content in it");
	out = BIO_new(BIO_s_mem());
	if (out == NULL)
		return ossl_fault(err, RC_NO_MEMORY, "signature");
	if (CMS_verify(message->cms, NULL, NULL, NULL, out, CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY) != 1)
		return ossl_fault(err, RC_DENIED, "signature: it does not hold");
	ERR_clear_error();
	ossl_bio_take(out, content);
	return buf_status(content, "signature", err);
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

void pki_signed_fini(struct pki_signed *message)
{
	CMS_ContentInfo_free(message->cms);
	*message = (struct pki_signed){.cms = NULL};
}

enum rc pki_key_digest(EVP_PKEY *key, uint8_t digest[static SHA256_BYTES], struct err *err)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);

	if (len <= 0)
		return ossl_fault(err, RC_INTERNAL, "public key: cannot be written");
	sha256(slice_of(der, (size_t)len), digest);
	OPENSSL_free(der);
	return RC_OK;
}
