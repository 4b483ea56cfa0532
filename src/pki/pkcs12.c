/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <openssl/err.h>

enum {
	PKCS12_ITERATIONS = 10000,
	PKCS12_NO_MAC = -1, /* PKCS12_create() leaves it to us, who name the digest */
};

static enum rc write_der(PKCS12 *pkcs12, struct buf *out, struct err *err)
{
	int len = i2d_PKCS12(pkcs12, NULL);
	unsigned char *to = len <= 0 ? NULL : buf_reserve(out, (size_t)len);

	if (len <= 0)
		return ossl_fault(err, RC_INTERNAL, "PKCS#12: cannot be written");
	if (to == NULL)
		return buf_status(out, "PKCS#12", err);
	if (i2d_PKCS12(pkcs12, &to) != len)
		return ossl_fault(err, RC_INTERNAL, "PKCS#12: cannot be written");
	out->len += (size_t)len;
	return RC_OK;
}

enum rc authority_write_pkcs12(const struct authority *authority, struct slice cert_der,
	struct slice key_pem, const struct pkcs12_params *params, struct buf *out, struct err *err)
{
	const int cipher = params->is_legacy ? NID_pbe_WithSHA1And3_Key_TripleDES_CBC : NID_aes_256_cbc;
	const EVP_MD *digest = params->is_legacy ? EVP_sha1() : EVP_sha256();
	AUTO(ossl_cert_free) X509 *cert = NULL;
	AUTO(ossl_key_free) EVP_PKEY *key = NULL;
	AUTO(ossl_certs_free) STACK_OF(X509) *cas = sk_X509_new_null();
	AUTO(ossl_pkcs12_free) PKCS12 *pkcs12 = NULL;

	if (params->password == NULL || params->password[0] == '\0')
		return err_set(err, RC_INVALID, "PKCS#12: a password is needed");
	if (pki_cert_parse(cert_der, &cert, err) != RC_OK ||
		pki_key_parse_pem(key_pem, &key, err) != RC_OK)
		return err_context(err, "PKCS#12");
	if (!pki_key_is_of(key, cert))
		return err_set(err, RC_INVALID, "PKCS#12: the key is not the certificate's");
	if (cas == NULL || X509_add_cert(cas, pki_authority_cert(authority), X509_ADD_FLAG_UP_REF) != 1)
		return ossl_fault(err, RC_NO_MEMORY, "PKCS#12");
	pkcs12 = PKCS12_create(params->password, params->friendly_name, key, cert, cas, cipher, cipher,
		PKCS12_ITERATIONS, PKCS12_NO_MAC, 0);
	if (pkcs12 == NULL ||
		PKCS12_set_mac(pkcs12, params->password, -1, NULL, 0, PKCS12_ITERATIONS, digest) != 1)
		return ossl_fault(err, RC_INTERNAL, "PKCS#12: cannot be made");
	return write_der(pkcs12, out, err);
}
