/* SPDX-License-Identifier: Apache-2.0 */
#include "signature.h"

#include <limits.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "pomona/base/codec.h"

struct signing {
	X509 *cert;
	EVP_PKEY *key;
	CMS_ContentInfo *cms;
	BIO *bio;
};

static void signing_fini(struct signing *signing)
{
	CMS_ContentInfo_free(signing->cms);
	EVP_PKEY_free(signing->key);
	X509_free(signing->cert);
	BIO_free(signing->bio);
	ERR_clear_error();
}

static BIO *open_bytes(struct signing *signing, struct slice bytes)
{
	BIO_free(signing->bio);
	signing->bio = bytes.len > INT_MAX ? NULL : BIO_new_mem_buf(bytes.ptr, (int)bytes.len);
	return signing->bio;
}

static bool sign(struct signing *signing, const struct device *device, struct slice message)
{
	if (open_bytes(signing, buf_slice(&device->cert_pem)) == NULL)
		return false;
	signing->cert = PEM_read_bio_X509(signing->bio, NULL, NULL, NULL);
	if (open_bytes(signing, buf_slice(&device->key_pem)) == NULL)
		return false;
	signing->key = PEM_read_bio_PrivateKey(signing->bio, NULL, NULL, NULL);
	if (open_bytes(signing, message) == NULL || signing->cert == NULL || signing->key == NULL)
		return false;
	signing->cms = CMS_sign(signing->cert, signing->key, NULL, signing->bio,
		CMS_DETACHED | CMS_BINARY | CMS_NOSMIMECAP);
	return signing->cms != NULL;
}

enum rc signature_write(const struct device *device, struct slice message, struct buf *line,
	struct err *err)
{
	AUTO(signing_fini) struct signing signing = {.cert = NULL};
	unsigned char *der = NULL;
	int len;

	if (!sign(&signing, device, message))
		return err_set(err, RC_INTERNAL, "the message cannot be signed");
	len = i2d_CMS_ContentInfo(signing.cms, &der);
	if (len <= 0)
		return err_set(err, RC_NO_MEMORY, "signature");
	buf_append_str(line, "Mdm-Signature: ");
	base64_encode(slice_of(der, (size_t)len), line);
	OPENSSL_free(der);
	return buf_status(line, "signature", err);
}
