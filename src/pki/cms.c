/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/pki/cms.h"

#include <openssl/err.h>
#include <stdlib.h>

#include "signed.h"

struct cms_signer {
	X509 *cert;             /* owned, as all here */
	STACK_OF(X509) * chain; /* without it */
	EVP_PKEY *key;
	struct buf cert_der;
};

static enum rc take_cert(void *ctx, struct slice der, struct err *err)
{
	struct cms_signer *signer = ctx;
	AUTO(ossl_cert_free) X509 *cert = NULL;
	enum rc rc = pki_cert_parse(der, &cert, err);

	if (rc != RC_OK)
		return rc;
	if (signer->cert == NULL) {
		signer->cert = cert;
		cert = NULL; /* moved to the signer */
		buf_append(&signer->cert_der, der);
		return buf_status(&signer->cert_der, "signer", err);
	}
	if (sk_X509_num(signer->chain) >= CERT_CHAIN_MAX - 1)
		return err_set(err, RC_LIMIT, "signer: its chain has more than %d certificates", CERT_CHAIN_MAX);
	if (sk_X509_push(signer->chain, cert) <= 0)
		return ossl_fault(err, RC_NO_MEMORY, "signer");
	cert = NULL; /* moved to the chain */
	return RC_OK;
}

enum rc cms_signer_new(struct slice chain_pem, struct slice key_pem, struct cms_signer **signer_r,
	struct err *err)
{
	AUTO(cms_signer_free) struct cms_signer *signer = calloc(1, sizeof(*signer));
	enum rc rc;

	*signer_r = NULL;
	if (signer == NULL)
		return err_set(err, RC_NO_MEMORY, "signer");
	buf_init(&signer->cert_der, CERT_DER_BYTES_MAX);
	signer->chain = sk_X509_new_null();
	if (signer->chain == NULL)
		return ossl_fault(err, RC_NO_MEMORY, "signer");
	rc = cert_pem_each(chain_pem, take_cert, signer, err);
	if (rc == RC_OK)
		rc = pki_key_parse_pem(key_pem, &signer->key, err);
	if (rc != RC_OK)
		return rc;
	if (!pki_key_is_of(signer->key, signer->cert))
		return err_set(err, RC_INVALID, "signer: the key is not the certificate's");
	*signer_r = signer;
	signer = NULL; /* moved to the caller */
	return RC_OK;
}

struct slice cms_signer_cert_der(const struct cms_signer *signer)
{
	return buf_slice(&signer->cert_der);
}

enum rc cms_sign_attached(const struct cms_signer *signer, struct slice content, int64_t now_unix_s,
	struct buf *out, struct err *err)
{
	const unsigned flags = CMS_BINARY | CMS_PARTIAL;
	AUTO(ossl_bio_free) BIO *bio = ossl_bio_of(content);
	AUTO(ossl_cms_free)
	CMS_ContentInfo *cms = bio == NULL ? NULL : CMS_sign(NULL, NULL, signer->chain, bio, flags);
	CMS_SignerInfo *info = NULL;
	unsigned char *der = NULL;
	int len;

	if (cms != NULL)
		info = CMS_add1_signer(cms, signer->cert, signer->key, EVP_sha256(), flags | CMS_NOSMIMECAP);
	if (info == NULL || !pki_signed_add_time(info, now_unix_s) ||
		CMS_final(cms, bio, NULL, flags) != 1)
		return ossl_fault(err, RC_INTERNAL, "signature: cannot be made");
	len = i2d_CMS_ContentInfo(cms, &der);
	if (len <= 0)
		return ossl_fault(err, RC_INTERNAL, "signature: cannot be written");
	ERR_clear_error(); /* not all that went wrong on the way was needed */
	buf_append(out, slice_of(der, (size_t)len));
	OPENSSL_clear_free(der, (size_t)len); /* a profile carries a challenge */
	return buf_status(out, "signature", err);
}

void cms_signer_free(struct cms_signer **signer)
{
	if (*signer == NULL)
		return;
	X509_free((*signer)->cert);
	ossl_certs_free(&(*signer)->chain);
	EVP_PKEY_free((*signer)->key);
	buf_fini(&(*signer)->cert_der);
	free(*signer);
	*signer = NULL;
}

static bool can_be_sealed_to(X509 *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert); /* borrowed */

	return key != NULL && (EVP_PKEY_is_a(key, "RSA") == 1 || EVP_PKEY_is_a(key, "EC") == 1);
}

enum rc cms_encrypt(struct slice cert_der, struct slice content, struct buf *out, struct err *err)
{
	AUTO(ossl_cert_free) X509 *cert = NULL;
	AUTO(ossl_certs_free) STACK_OF(X509) *recipients = sk_X509_new_null();
	AUTO(ossl_bio_free) BIO *in = ossl_bio_of(content);
	AUTO(ossl_cms_free) CMS_ContentInfo *cms = NULL;
	unsigned char *der = NULL;
	int len;
	enum rc rc = pki_cert_parse(cert_der, &cert, err);

	if (rc != RC_OK)
		return rc;
	if (!can_be_sealed_to(cert))
		return err_set(err, RC_UNSUPPORTED, "encryption: the certificate's key is neither RSA nor EC");
	if (recipients == NULL || in == NULL || X509_add_cert(recipients, cert, X509_ADD_FLAG_UP_REF) != 1)
		return ossl_fault(err, RC_NO_MEMORY, "encryption");
	cms = CMS_encrypt(recipients, in, EVP_aes_256_cbc(), CMS_BINARY);
	len = cms == NULL ? -1 : i2d_CMS_ContentInfo(cms, &der);
	if (len <= 0)
		return ossl_fault(err, RC_INTERNAL, "encryption: cannot be made");
	ERR_clear_error();
	buf_append(out, slice_of(der, (size_t)len));
	OPENSSL_free(der);
	return buf_status(out, "encryption", err);
}
