/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <openssl/err.h>

static void revoked_free(X509_REVOKED **revoked)
{
	X509_REVOKED_free(*revoked);
	*revoked = NULL;
}

static void integer_free(ASN1_INTEGER **integer)
{
	ASN1_INTEGER_free(*integer);
	*integer = NULL;
}

static ASN1_INTEGER *integer_of_hex(const char *hex)
{
	ASN1_INTEGER *integer = NULL;
	BIGNUM *number = NULL;
	int digits = BN_hex2bn(&number, hex);

	if (digits > 0 && hex[digits] == '\0')
		integer = BN_to_ASN1_INTEGER(number, NULL);
	BN_free(number);
	return integer;
}

static enum rc add_entry(X509_CRL *crl, const struct crl_entry *entry, struct err *err)
{
	AUTO(revoked_free) X509_REVOKED *revoked = X509_REVOKED_new();
	AUTO(integer_free) ASN1_INTEGER *serial = integer_of_hex(entry->serial);
	AUTO(ossl_time_free) ASN1_TIME *time = ASN1_TIME_set(NULL, (time_t)entry->revoked_at);

	if (serial == NULL)
		return ossl_fault(err, RC_INVALID, "CRL: the serial number %.48s is not hexadecimal",
			entry->serial);
	if (revoked == NULL || time == NULL || X509_REVOKED_set_serialNumber(revoked, serial) != 1 ||
		X509_REVOKED_set_revocationDate(revoked, time) != 1 || X509_CRL_add0_revoked(crl, revoked) != 1)
		return ossl_fault(err, RC_NO_MEMORY, "CRL");
	revoked = NULL; /* moved into the CRL */
	return RC_OK;
}

static bool set_head(X509_CRL *crl, const struct authority *authority,
	const struct crl_params *params)
{
	AUTO(ossl_time_free) ASN1_TIME *now = ASN1_TIME_set(NULL, (time_t)params->now);
	AUTO(ossl_time_free)
	ASN1_TIME *next = ASN1_TIME_set(NULL, (time_t)(params->now + params->valid_s));
	AUTO(integer_free) ASN1_INTEGER *number = ASN1_INTEGER_new();

	return now != NULL && next != NULL && number != NULL &&
		ASN1_INTEGER_set_uint64(number, params->number) == 1 && X509_CRL_set_version(crl, 1) == 1 &&
		X509_CRL_set_issuer_name(crl, X509_get_subject_name(pki_authority_cert(authority))) == 1 &&
		X509_CRL_set1_lastUpdate(crl, now) == 1 && X509_CRL_set1_nextUpdate(crl, next) == 1 &&
		X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, X509V3_ADD_DEFAULT) == 1;
}

/* A foreign CA may have no key identifier to point to. */
static bool add_key_identifier(X509_CRL *crl, X509 *issuer)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;
	bool is_added;

	if (X509_get0_subject_key_id(issuer) == NULL)
		return true;
	X509V3_set_ctx(&ctx, issuer, NULL, NULL, crl, 0);
	extension = X509V3_EXT_nconf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
	is_added = extension != NULL && X509_CRL_add_ext(crl, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return is_added;
}

enum rc authority_write_crl(const struct authority *authority, const struct crl_params *params,
	struct buf *out, struct err *err)
{
	AUTO(ossl_crl_free) X509_CRL *crl = X509_CRL_new();
	unsigned char *der = NULL;
	int len;

	if (crl == NULL || !set_head(crl, authority, params) ||
		!add_key_identifier(crl, pki_authority_cert(authority)))
		return ossl_fault(err, RC_INTERNAL, "CRL: cannot be made");
	for (size_t i = 0; i < params->count; i++) {
		enum rc rc = add_entry(crl, &params->entries[i], err);

		if (rc != RC_OK)
			return rc;
	}
	if (X509_CRL_sort(crl) != 1 || X509_CRL_sign(crl, pki_authority_key(authority), EVP_sha256()) <= 0)
		return ossl_fault(err, RC_INTERNAL, "CRL: cannot be signed");
	len = i2d_X509_CRL(crl, &der);
	if (len <= 0)
		return ossl_fault(err, RC_INTERNAL, "CRL: cannot be written");
	buf_append(out, slice_of(der, (size_t)len));
	OPENSSL_free(der);
	ERR_clear_error();
	return buf_status(out, "CRL", err);
}
