/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <openssl/err.h>
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

/* A key with its certificate, behind the password that the payload may carry. */
static enum rc visit_identity(const struct plist_node *payload, struct visiting *visiting)
{
	struct slice bytes = plist_data(plist_dict_get(payload, "PayloadContent"));
	char password[PASSWORD_BYTES];
	const unsigned char *at = bytes.ptr;
	PKCS12 *file = bytes.len > LONG_MAX ? NULL : d2i_PKCS12(NULL, &at, (long)bytes.len);
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	enum rc rc = RC_INVALID;

	(void)snprintf(password, sizeof(password), "%.*s",
		SLICE_FMT(plist_string(plist_dict_get(payload, "Password"))));
	if (file != NULL && PKCS12_parse(file, password, &key, &cert, NULL) == 1 && cert != NULL)
		rc = visit_x509(cert, visiting);
	OPENSSL_cleanse(password, sizeof(password));
	PKCS12_free(file);
	EVP_PKEY_free(key);
	X509_free(cert);
	ERR_clear_error();
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

enum rc profile_each_cert(const struct profile *profile, visit_fn *visit, void *ctx)
{
	struct visiting visiting = {visit, ctx};

	return plist_array_each(plist_dict_get(profile->root, "PayloadContent"), visit_payload, &visiting);
}
