/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <arpa/inet.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <string.h>

#include "pomona/base/rand.h"

enum rc pki_name_make(const struct pki_name *texts, X509_NAME **name_r, struct err *err)
{
	const struct {
		int nid;
		const char *what;
		const char *text;
		size_t bytes_max; /* where OpenSSL knows of none; it counts the characters of the others */
	} parts[] = {
		{NID_userId, "user id", texts->user_id, USER_ID_BYTES_MAX},
		{NID_organizationName, "organization", texts->organization, SIZE_MAX},
		{NID_commonName, "common name", texts->common_name, SIZE_MAX},
	};
	AUTO(ossl_name_free) X509_NAME *name = X509_NAME_new();

	*name_r = NULL;
	if (name == NULL)
		return ossl_fault(err, RC_NO_MEMORY, "name");
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		if (parts[i].text == NULL)
			continue;
		if (parts[i].bytes_max != SIZE_MAX &&
			(parts[i].text[0] == '\0' || strlen(parts[i].text) > parts[i].bytes_max))
			return err_set(err, RC_INVALID, "%s: want 1 to %zu bytes", parts[i].what, parts[i].bytes_max);
		if (X509_NAME_add_entry_by_NID(name, parts[i].nid, MBSTRING_UTF8,
							(const unsigned char *)parts[i].text, -1, -1, 0) != 1)
			return ossl_fault(err, RC_INVALID, "%s: want 1 to %d characters of UTF-8", parts[i].what,
				PKI_NAME_TEXT_MAX);
	}
	*name_r = name;
	name = NULL; /* moved to the caller */
	return RC_OK;
}

/* 126 random bits, always positive and always AUTHORITY_SERIAL_BYTES long. */
static bool set_serial(X509 *cert)
{
	uint8_t bytes[AUTHORITY_SERIAL_BYTES];
	BIGNUM *number;
	bool is_set;

	rand_bytes(bytes, sizeof(bytes));
	bytes[0] = (uint8_t)((bytes[0] & 0x3F) | 0x40);
	number = BN_bin2bn(bytes, sizeof(bytes), NULL);
	is_set = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
	BN_free(number);
	return is_set;
}

/* RSAPublicKey (RFC 8017 A.1.1), to be freed. NULL where memory is short. */
static unsigned char *rsa_write(EVP_PKEY *key, int *len_r)
{
	static const char *const parts[] = {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E};
	ASN1_INTEGER *numbers[COUNT_OF(parts)] = {NULL};
	unsigned char *der = NULL;
	int inside = 0;

	for (size_t i = 0; i < COUNT_OF(parts) && inside >= 0; i++) {
		BIGNUM *number = NULL;

		if (EVP_PKEY_get_bn_param(key, parts[i], &number) == 1)
			numbers[i] = BN_to_ASN1_INTEGER(number, NULL);
		BN_free(number);
		inside = numbers[i] == NULL ? -1 : inside + i2d_ASN1_INTEGER(numbers[i], NULL);
	}
	*len_r = inside < 0 ? 0 : ASN1_object_size(1, inside, V_ASN1_SEQUENCE);
	if (inside >= 0)
		der = OPENSSL_malloc((size_t)*len_r);
	if (der != NULL) {
		unsigned char *at = der;

		ASN1_put_object(&at, 1, inside, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
		for (size_t i = 0; i < COUNT_OF(parts); i++)
			(void)i2d_ASN1_INTEGER(numbers[i], &at);
	}
	for (size_t i = 0; i < COUNT_OF(parts); i++)
		ASN1_INTEGER_free(numbers[i]);
	return der;
}

/*
 * What X509_set_pubkey() does, but for an RSA key: that one writes the key and then reads it again, for which OpenSSL
 * looks for a decoder among all of its own, longer than a signature takes. A CA's certificate stays in use, and so
 * needs the key that is read.
 */
static bool set_key(X509 *cert, const struct pki_cert_plan *plan)
{
	unsigned char *der;
	int len;

	if (plan->is_ca || !pki_key_is_rsa(plan->key))
		return X509_set_pubkey(cert, plan->key) == 1;
	der = rsa_write(plan->key, &len);
	if (der != NULL &&
		X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(cert), OBJ_nid2obj(NID_rsaEncryption), V_ASN1_NULL,
			NULL, der, len) == 1)
		return true;
	OPENSSL_free(der);
	return false;
}

static bool set_body(X509 *cert, const struct pki_cert_plan *plan)
{
	const X509_NAME *issuer =
		plan->issuer != NULL ? X509_get_subject_name(plan->issuer) : plan->subject;

	return X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
		X509_set_subject_name(cert, plan->subject) == 1 && X509_set_issuer_name(cert, issuer) == 1 &&
		ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)plan->not_before) != NULL &&
		ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)plan->not_after) != NULL && set_key(cert, plan);
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;
	bool is_added;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
	is_added = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return is_added;
}

static const char *key_usage(const struct pki_cert_plan *plan)
{
	static const char *const usages[2][2] = {
		{"critical,digitalSignature", "critical,digitalSignature,keyEncipherment"},
		{"critical,digitalSignature,keyCertSign,cRLSign",
			"critical,digitalSignature,keyEncipherment,keyCertSign,cRLSign"},
	};

	return usages[plan->is_ca][pki_key_is_rsa(plan->key)];
}

static bool add_extensions(X509 *cert, const struct pki_cert_plan *plan)
{
	const char *constraints = plan->is_ca ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE";

	if (!add_extension(cert, plan->issuer, NID_basic_constraints, constraints) ||
		!add_extension(cert, plan->issuer, NID_key_usage, key_usage(plan)) ||
		!add_extension(cert, plan->issuer, NID_subject_key_identifier, "hash"))
		return false;
	if (!plan->is_ca &&
		!add_extension(cert, plan->issuer, NID_ext_key_usage,
			plan->is_server ? "serverAuth" : "clientAuth"))
		return false;
	/* A foreign CA may have no key identifier to point to. */
	if (plan->issuer == NULL || X509_get0_subject_key_id(plan->issuer) == NULL)
		return true;
	return add_extension(cert, plan->issuer, NID_authority_key_identifier, "keyid:always");
}

/* The bytes of an IPv4 or IPv6 address literal; 0 for a name. */
static int address_of(const char *name, uint8_t address[static sizeof(struct in6_addr)])
{
	if (inet_pton(AF_INET, name, address) == 1)
		return sizeof(struct in_addr);
	return inet_pton(AF_INET6, name, address) == 1 ? (int)sizeof(struct in6_addr) : 0;
}

/* As objects, not as OpenSSL's conf text: a comma in a name would begin a second one there. */
static GENERAL_NAME *general_name(const char *dns_name)
{
	uint8_t address[sizeof(struct in6_addr)];
	int address_len = address_of(dns_name, address);
	ASN1_STRING *value =
		ASN1_STRING_type_new(address_len > 0 ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
	GENERAL_NAME *name = GENERAL_NAME_new();
	const void *bytes = address_len > 0 ? (const void *)address : dns_name;

	if (name == NULL || value == NULL ||
		ASN1_STRING_set(value, bytes, address_len > 0 ? address_len : -1) != 1) {
		ASN1_STRING_free(value);
		GENERAL_NAME_free(name);
		return NULL;
	}
	GENERAL_NAME_set0_value(name, address_len > 0 ? GEN_IPADD : GEN_DNS, value);
	return name;
}

static bool add_alt_names(X509 *cert, const struct pki_cert_plan *plan)
{
	AUTO(ossl_general_names_free) GENERAL_NAMES *names = GENERAL_NAMES_new();
	/* RFC 5280 4.2.1.6: critical where the subject is empty */
	int is_critical = X509_NAME_entry_count(plan->subject) == 0;

	if (names == NULL)
		return false;
	if (plan->dns_names[0] == NULL && plan->dns_names[1] == NULL)
		return true;
	for (size_t i = 0; i < PKI_DNS_NAMES_MAX; i++) {
		GENERAL_NAME *name = plan->dns_names[i] != NULL ? general_name(plan->dns_names[i]) : NULL;

		if (plan->dns_names[i] != NULL && (name == NULL || sk_GENERAL_NAME_push(names, name) <= 0)) {
			GENERAL_NAME_free(name);
			return false;
		}
	}
	return X509_add1_ext_i2d(cert, NID_subject_alt_name, names, is_critical, X509V3_ADD_DEFAULT) == 1;
}

/* As they stand there, critical or not. */
static bool copy_alt_names(X509 *cert, X509 *from)
{
	int at = X509_get_ext_by_NID(from, NID_subject_alt_name, -1);

	return at < 0 || X509_add_ext(cert, X509_get_ext(from, at), -1) == 1;
}

enum rc pki_cert_build(const struct pki_cert_plan *plan, X509 **cert_r, struct err *err)
{
	AUTO(ossl_cert_free) X509 *cert = X509_new();

	*cert_r = NULL;
	if (cert == NULL || !set_body(cert, plan) || !add_extensions(cert, plan) ||
		!add_alt_names(cert, plan) || (plan->names_of != NULL && !copy_alt_names(cert, plan->names_of)))
		return ossl_fault(err, RC_INTERNAL, "certificate: cannot be made");
	if (X509_sign(cert, plan->issuer_key, EVP_sha256()) <= 0)
		return ossl_fault(err, RC_INTERNAL, "certificate: cannot be signed");
	*cert_r = cert;
	cert = NULL; /* moved to the caller */
	return RC_OK;
}
