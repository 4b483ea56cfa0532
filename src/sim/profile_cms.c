/* SPDX-License-Identifier: Apache-2.0 */
#include "profile_cms.h"

#include <limits.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>

enum { DER_SEQUENCE = 0x30 };

static enum rc append_cert(X509 *cert, struct buf *out)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);

	if (len <= 0)
		return RC_NO_MEMORY;
	buf_append(out, slice_of(der, (size_t)len));
	OPENSSL_free(der);
	return buf_status(out, "signer", NULL);
}

static enum rc append_signer(CMS_ContentInfo *cms, struct buf *out)
{
	STACK_OF(X509) *signers = CMS_get0_signers(cms);
	enum rc rc = sk_X509_num(signers) > 0 ? append_cert(sk_X509_value(signers, 0), out) : RC_DENIED;

	sk_X509_free(signers);
	return rc;
}

static enum rc unwrap(CMS_ContentInfo *cms, BIO *bio, struct buf *content, struct buf *signer_der)
{
	char *bytes = NULL;
	long len;

	if (OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed)
		return RC_INVALID;
	if (CMS_verify(cms, NULL, NULL, NULL, bio, CMS_NO_SIGNER_CERT_VERIFY | CMS_BINARY) != 1)
		return RC_DENIED;
	len = BIO_get_mem_data(bio, &bytes);
	buf_append(content, slice_of(bytes, len < 0 ? 0 : (size_t)len));
	if (buf_status(content, "profile", NULL) != RC_OK)
		return content->rc;
	return append_signer(cms, signer_der);
}

enum rc profile_unwrap(struct slice payload, struct buf *content, struct buf *signer_der)
{
	const unsigned char *at = payload.ptr;
	CMS_ContentInfo *cms;
	BIO *bio;
	enum rc rc = RC_INVALID;

	if (payload.len == 0 || payload.ptr[0] != DER_SEQUENCE || payload.len > LONG_MAX) {
		buf_append(content, payload);
		return buf_status(content, "profile", NULL);
	}
	cms = d2i_CMS_ContentInfo(NULL, &at, (long)payload.len);
	bio = BIO_new(BIO_s_mem());
	if (cms != NULL && bio != NULL)
		rc = unwrap(cms, bio, content, signer_der);
	BIO_free(bio);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return rc;
}

static BIO *bio_of(struct slice bytes)
{
	return bytes.len > INT_MAX ? NULL : BIO_new_mem_buf(bytes.ptr, (int)bytes.len);
}

static enum rc decrypt(CMS_ContentInfo *cms, X509 *cert, EVP_PKEY *key, struct buf *content)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *bytes = NULL;
	enum rc rc = RC_DENIED;
	long len;

	if (out != NULL && cms != NULL && cert != NULL && key != NULL &&
		OBJ_obj2nid(CMS_get0_type(cms)) == NID_pkcs7_enveloped &&
		CMS_decrypt(cms, key, cert, NULL, out, CMS_BINARY) == 1) {
		len = BIO_get_mem_data(out, &bytes);
		buf_append(content, slice_of(bytes, len < 0 ? 0 : (size_t)len));
		rc = buf_status(content, "profile", NULL);
	}
	BIO_free(out);
	return rc;
}

enum rc profile_decrypt(struct slice envelope, struct slice cert_pem, struct slice key_pem,
	struct buf *content)
{
	const unsigned char *at = envelope.ptr;
	BIO *cert_bio = bio_of(cert_pem), *key_bio = bio_of(key_pem);
	X509 *cert = cert_bio == NULL ? NULL : PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
	EVP_PKEY *key = key_bio == NULL ? NULL : PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
	CMS_ContentInfo *cms =
		envelope.len > LONG_MAX ? NULL : d2i_CMS_ContentInfo(NULL, &at, (long)envelope.len);
	enum rc rc = decrypt(cms, cert, key, content);

	CMS_ContentInfo_free(cms);
	EVP_PKEY_free(key);
	X509_free(cert);
	BIO_free(cert_bio);
	BIO_free(key_bio);
	ERR_clear_error();
	return rc;
}
