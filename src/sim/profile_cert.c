/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <stdio.h>

#include "profile.h"

enum { PASSWORD_BYTES = 256 };

typedef enum rc visit_fn(void *ctx, struct slice der, bool is_identity);

struct visiting {
	visit_fn *visit;
	void *ctx;
};

static enum rc visit_der(const struct visiting *visiting, struct slice der, bool is_identity)
{
	struct cert_facts facts;

	if (cert_read_facts(der, &facts, NULL) != RC_OK)
		return RC_INVALID;
	return visiting->visit(visiting->ctx, der, is_identity);
}

static enum rc visit_pem(void *ctx, struct slice der, struct err *err)
{
	(void)err;
	return visit_der(ctx, der, false);
}

/* DER or PEM: devices take either under each of the payload types. */
static enum rc visit_plain(const struct plist_node *payload, struct visiting *visiting)
{
	struct slice bytes = plist_data(plist_dict_get(payload, "PayloadContent"));

	if (slice_has_prefix(slice_trim(bytes), "-----BEGIN"))
		return cert_pem_each(bytes, visit_pem, visiting, NULL);
	return visit_der(visiting, bytes, false);
}

static enum rc visit_x509(X509 *cert, const struct visiting *visiting)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);
	enum rc rc = RC_INVALID;

	if (len > 0)
		rc = visit_der(visiting, slice_of(der, (size_t)len), true);
	OPENSSL_free(der);
	return rc;
}

/* A key with its certificate, behind the password that the payload may carry. The caller frees both. */
static enum rc open_identity(const struct plist_node *payload, X509 **cert_r, EVP_PKEY **key_r)
{
	struct slice bytes = plist_data(plist_dict_get(payload, "PayloadContent"));
	char password[PASSWORD_BYTES];
	const unsigned char *at = bytes.ptr;
	PKCS12 *file = bytes.len > LONG_MAX ? NULL : d2i_PKCS12(NULL, &at, (long)bytes.len);
	enum rc rc = RC_INVALID;

	*cert_r = NULL;
	*key_r = NULL;
	(void)snprintf(password, sizeof(password), "%.*s",
		SLICE_FMT(plist_string(plist_dict_get(payload, "Password"))));
	if (file != NULL && PKCS12_parse(file, password, key_r, cert_r, NULL) == 1 && *cert_r != NULL &&
		*key_r != NULL)
		rc = RC_OK;
	OPENSSL_cleanse(password, sizeof(password));
	PKCS12_free(file);
	ERR_clear_error();
	return rc;
}

static void close_identity(X509 *cert, EVP_PKEY *key)
{
	X509_free(cert);
	EVP_PKEY_free(key);
	ERR_clear_error();
}

static enum rc visit_identity(const struct plist_node *payload, struct visiting *visiting)
{
	EVP_PKEY *key;
	X509 *cert;
	enum rc rc = open_identity(payload, &cert, &key);

	if (rc == RC_OK)
		rc = visit_x509(cert, visiting);
	close_identity(cert, key);
	return rc;
}

static void append_bio(BIO *bio, struct buf *out)
{
	char *bytes = NULL;
	long len = BIO_get_mem_data(bio, &bytes);

	buf_append(out, slice_of(bytes, len < 0 ? 0 : (size_t)len));
}

enum rc profile_read_identity(const struct plist_node *payload, struct buf *cert_pem,
	struct buf *key_pem)
{
	BIO *cert_bio = BIO_new(BIO_s_mem());
	BIO *key_bio = BIO_new(BIO_s_secmem());
	EVP_PKEY *key;
	X509 *cert;
	enum rc rc = open_identity(payload, &cert, &key);

	if (rc == RC_OK &&
		(cert_bio == NULL || key_bio == NULL || PEM_write_bio_X509(cert_bio, cert) != 1 ||
			PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) != 1))
		rc = RC_NO_MEMORY;
	if (rc == RC_OK) {
		append_bio(cert_bio, cert_pem);
		append_bio(key_bio, key_pem);
		rc = cert_pem->rc != RC_OK ? cert_pem->rc : key_pem->rc;
	}
	BIO_free(cert_bio);
	BIO_free(key_bio);
	close_identity(cert, key);
	return rc;
}

static const struct {
	const char *payload_type;
	enum rc (*visit)(const struct plist_node *payload, struct visiting *visiting);
} kinds[] = {
	{"com.apple.security.root", visit_plain},
	{"com.apple.security.pkcs1", visit_plain},
	{"com.apple.security.pem", visit_plain},
	{"com.apple.security.pkcs12", visit_identity},
};

static enum rc visit_payload(void *ctx, size_t index, struct plist_node *payload)
{
	struct slice type = plist_string(plist_dict_get(payload, "PayloadType"));

	(void)index;
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (slice_is_str(type, kinds[i].payload_type))
			return kinds[i].visit(payload, ctx);
	return RC_OK;
}

enum rc payloads_each_cert(const struct plist_node *payloads, visit_fn *visit, void *ctx)
{
	struct visiting visiting = {visit, ctx};

	return plist_array_each(payloads, visit_payload, &visiting);
}

enum rc profile_each_cert(const struct profile *profile, visit_fn *visit, void *ctx)
{
	return payloads_each_cert(plist_dict_get(profile->root, "PayloadContent"), visit, ctx);
}
