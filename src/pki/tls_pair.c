/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <openssl/err.h>

/* What Apple's App Transport Security asks of a signature; SHA-1 has less. */
enum { SIGNATURE_SECURITY_BITS_MIN = 112 };

static enum rc gather(void *ctx, struct slice der, struct err *err)
{
	STACK_OF(X509) *chain = ctx;
	AUTO(ossl_cert_free) X509 *cert = NULL;
	enum rc rc;

	if (sk_X509_num(chain) >= CERT_CHAIN_MAX)
		return err_set(err, RC_LIMIT, "more than %d certificates", CERT_CHAIN_MAX);
	rc = pki_cert_parse(der, &cert, err);
	if (rc != RC_OK)
		return rc;
	if (sk_X509_push(chain, cert) <= 0)
		return ossl_fault(err, RC_NO_MEMORY, "certificate");
	cert = NULL; /* moved into the chain */
	return RC_OK;
}

/* A root's own signature is never checked by anybody. */
static bool is_weakly_signed(X509 *cert)
{
	int bits = 0;

	if (X509_self_signed(cert, 0) == 1)
		return false;
	return X509_get_signature_info(cert, NULL, NULL, &bits, NULL) != 1 ||
		bits < SIGNATURE_SECURITY_BITS_MIN;
}

static enum rc check_chain(STACK_OF(X509) * chain, struct err *err)
{
	int count = sk_X509_num(chain);

	for (int i = 0; i < count; i++) {
		X509 *cert = sk_X509_value(chain, i);
		enum rc rc = pki_key_check(X509_get0_pubkey(cert), "certificate", err);

		if (rc != RC_OK)
			return rc;
		if (is_weakly_signed(cert))
			return ossl_fault(err, RC_INVALID,
				"certificate %d is signed with a weak digest; want SHA-256 or better", i + 1);
		if (i + 1 < count && X509_check_issued(sk_X509_value(chain, i + 1), cert) != X509_V_OK)
			return ossl_fault(err, RC_INVALID,
				"certificate %d was not issued by the one that follows it; "
				"want the server's own first, then each one's issuer",
				i + 1);
	}
	return RC_OK;
}

static enum rc check_leaf(X509 *leaf, struct slice key_pem, struct err *err)
{
	AUTO(ossl_key_free) EVP_PKEY *key = NULL;
	enum rc rc = pki_key_parse_pem(key_pem, &key, err);

	if (rc != RC_OK)
		return rc;
	if (!pki_key_is_of(key, leaf))
		return err_set(err, RC_INVALID,
			"the private key is not that of the first certificate of the chain");
	if (X509_check_purpose(leaf, X509_PURPOSE_SSL_SERVER, 0) != 1)
		return ossl_fault(err, RC_INVALID, "its key usage forbids a TLS server");
	return RC_OK;
}

enum rc tls_pair_check(struct slice chain_pem, struct slice key_pem, struct cert_facts *leaf_r,
	struct err *err)
{
	AUTO(ossl_certs_free) STACK_OF(X509) *chain = sk_X509_new_null();
	AUTO(buf_fini) struct buf der;
	X509 *leaf;

	buf_init(&der, CERT_DER_BYTES_MAX);
	if (chain == NULL)
		return ossl_fault(err, RC_NO_MEMORY, "TLS certificate");
	if (cert_pem_each(chain_pem, gather, chain, err) != RC_OK ||
		check_leaf(sk_X509_value(chain, 0), key_pem, err) != RC_OK || check_chain(chain, err) != RC_OK)
		return err_context(err, "TLS certificate");
	ERR_clear_error();
	leaf = sk_X509_value(chain, 0);
	if (pki_cert_write(leaf, &der, err) != RC_OK)
		return err_context(err, "TLS certificate");
	return pki_cert_facts(leaf, buf_slice(&der), leaf_r, err);
}
