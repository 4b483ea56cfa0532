/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "forge.h"
#include "internal.h"
#include "pomona/pki/trust.h"

enum { BOUND = 1 << 20, DAY_S = 86400 };

static struct authority *rsa_ca;
static struct authority *ec_ca;

static int make_cas(void **state)
{
	struct authority_params params = {.key = KEY_RSA_2048,
		.common_name = "Device CA",
		.organization = "Example",
		.now = FORGE_NOW,
		.valid_s = FORGE_YEAR_S};
	struct err err;

	(void)state;
	if (authority_new(&params, &rsa_ca, &err) != RC_OK)
		return -1;
	params.key = KEY_P256;
	params.organization = NULL;
	return authority_new(&params, &ec_ca, &err) == RC_OK ? 0 : -1;
}

static int free_cas(void **state)
{
	(void)state;
	authority_free(&rsa_ca);
	authority_free(&ec_ca);
	return 0;
}

static X509 *read_cert(struct slice der)
{
	const unsigned char *at = der.ptr;
	X509 *cert = d2i_X509(NULL, &at, (long)der.len);

	assert_non_null(cert);
	return cert;
}

static void a_ca_signs_itself_for_end_entities_only(void **state)
{
	const struct {
		const struct authority *ca;
		const char *subject;
		uint32_t key_usage;
	} cases[] = {
		{rsa_ca, "CN=Device CA,O=Example",
			KU_DIGITAL_SIGNATURE | KU_KEY_CERT_SIGN | KU_CRL_SIGN | KU_KEY_ENCIPHERMENT},
		{ec_ca, "CN=Device CA", KU_DIGITAL_SIGNATURE | KU_KEY_CERT_SIGN | KU_CRL_SIGN},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(ossl_cert_free) X509 *cert = read_cert(authority_cert_der(cases[i].ca));
		struct cert_facts facts;
		struct err err;

		assert_int_equal(cert_read_facts(authority_cert_der(cases[i].ca), &facts, &err), RC_OK);
		assert_string_equal(facts.subject, cases[i].subject);
		assert_string_equal(facts.issuer, cases[i].subject);
		assert_int_equal(facts.not_before, FORGE_NOW - AUTHORITY_BACKDATE_S);
		assert_int_equal(facts.not_after, FORGE_NOW + FORGE_YEAR_S);
		assert_true(facts.is_ca);
		assert_int_equal(X509_get_pathlen(cert), 0);
		assert_int_equal(X509_get_key_usage(cert), cases[i].key_usage);
		assert_int_equal(X509_verify(cert, X509_get0_pubkey(cert)), 1);
		assert_non_null(X509_get0_subject_key_id(cert));
		assert_int_equal(X509_get_version(cert), X509_VERSION_3);
	}
}

static void a_ca_is_stored_and_loaded(void **state)
{
	AUTO(buf_fini_secret) struct buf key;
	AUTO(authority_free) struct authority *loaded = NULL;
	struct err err;

	(void)state;
	buf_init(&key, BOUND);
	assert_int_equal(authority_write_key_der(rsa_ca, &key, &err), RC_OK);
	assert_int_equal(authority_load(authority_cert_der(rsa_ca), buf_slice(&key), &loaded, &err),
		RC_OK);
	assert_true(slice_is_equal(authority_cert_der(loaded), authority_cert_der(rsa_ca)));
}

static void a_ca_that_does_not_fit_together_is_not_loaded(void **state)
{
	AUTO(forged_free) struct forged *plain = forge(&(struct forge_params){.common_name = "plain"});
	AUTO(buf_fini_secret) struct buf rsa_key;
	AUTO(buf_fini_secret) struct buf ec_key;
	AUTO(buf_fini_secret) struct buf plain_key;
	struct err err;

	(void)state;
	buf_init(&rsa_key, BOUND);
	buf_init(&ec_key, BOUND);
	buf_init(&plain_key, BOUND);
	assert_int_equal(authority_write_key_der(rsa_ca, &rsa_key, &err), RC_OK);
	assert_int_equal(authority_write_key_der(ec_ca, &ec_key, &err), RC_OK);
	assert_int_equal(pki_key_write_der(plain->key, &plain_key, &err), RC_OK);
	const struct {
		struct slice cert, key;
		const char *want;
	} cases[] = {
		{authority_cert_der(rsa_ca), buf_slice(&ec_key), "authority: the key is not the certificate's"},
		{forged_der(plain), buf_slice(&plain_key), "authority: the certificate is not a CA's"},
		{SLICE_LITERAL("junk"), buf_slice(&ec_key), "authority: certificate: "},
		{authority_cert_der(rsa_ca), SLICE_LITERAL("junk"), "authority: private key: not PKCS#8"},
		{authority_cert_der(rsa_ca), SLICE_LITERAL(""), "authority: private key: not PKCS#8"},
		{authority_cert_der(rsa_ca), slice_of(rsa_key.ptr, rsa_key.len - 1),
			"authority: private key: not PKCS#8"},
	};
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct authority *loaded = NULL;

		assert_int_equal(authority_load(cases[i].cert, cases[i].key, &loaded, &err), RC_INVALID);
		assert_null(loaded);
		assert_int_equal(strncmp(err.text, cases[i].want, strlen(cases[i].want)), 0);
		/* The error queue is empty, so that no TLS library takes our fault for its own. */
		assert_int_equal(ERR_peek_error(), 0);
	}
}

static void the_key_in_a_certificate_is_written_as_openssl_writes_it(void **state)
{
	BIGNUM *exponent = BN_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *odd = NULL;

	(void)state;
	assert_int_equal(BN_set_word(exponent, 0x80000001),
		1); /* needs a zero in front, as each modulus does */
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2053), 1); /* but this one */
	assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, exponent), 1);
	assert_int_equal(EVP_PKEY_generate(ctx, &odd), 1);
	EVP_PKEY *keys[] = {EVP_RSA_gen(2048), EVP_RSA_gen(3072), odd, EVP_EC_gen("P-256")};

	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		AUTO(forge_free) struct slice csr = forge_csr(keys[i], "asked");
		const struct issue_params params = {.now = FORGE_NOW, .valid_s = DAY_S};
		AUTO(buf_fini) struct buf der;
		AUTO(ossl_cert_free) X509 *cert = NULL;
		unsigned char *wanted = NULL;
		unsigned char *got = NULL;
		struct err err;
		int len = i2d_PUBKEY(keys[i], &wanted);

		buf_init(&der, BOUND);
		assert_int_equal(authority_issue_csr(rsa_ca, csr, &params, &der, &err), RC_OK);
		cert = read_cert(buf_slice(&der));
		assert_int_equal(i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &got), len);
		assert_memory_equal(got, wanted, (size_t)len);
		OPENSSL_free(got);
		OPENSSL_free(wanted);
		EVP_PKEY_free(keys[i]);
	}
	EVP_PKEY_CTX_free(ctx);
	BN_free(exponent);
}

static void an_identity_is_what_we_decide_and_not_what_its_csr_asks_for(void **state)
{
	EVP_PKEY *keys[] = {EVP_RSA_gen(2048), EVP_EC_gen("P-256")};
	static const uint32_t usages[] = {KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT,
		KU_DIGITAL_SIGNATURE};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		AUTO(forge_free) struct slice csr = forge_csr(keys[i], "asked");
		const struct issue_params params = {.now = FORGE_NOW, .valid_s = DAY_S};
		AUTO(buf_fini) struct buf der;
		AUTO(ossl_cert_free) X509 *cert = NULL;
		AUTO(ossl_cert_free) X509 *ca = read_cert(authority_cert_der(rsa_ca));
		struct cert_facts facts;
		struct err err;

		buf_init(&der, BOUND);
		assert_int_equal(authority_issue_csr(rsa_ca, csr, &params, &der, &err), RC_OK);
		cert = read_cert(buf_slice(&der));
		assert_int_equal(cert_read_facts(buf_slice(&der), &facts, &err), RC_OK);
		assert_string_equal(facts.subject, "CN=asked");
		assert_string_equal(facts.issuer, "CN=Device CA,O=Example");
		assert_int_equal(facts.not_before, FORGE_NOW - AUTHORITY_BACKDATE_S);
		assert_int_equal(facts.not_after, FORGE_NOW + DAY_S);
		assert_false(facts.is_ca);
		assert_int_equal(X509_get_extension_flags(cert) & EXFLAG_BCONS, EXFLAG_BCONS);
		assert_int_equal(strlen(facts.serial), 2 * AUTHORITY_SERIAL_BYTES);
		assert_int_equal(X509_get_key_usage(cert), usages[i]);
		assert_int_equal(X509_get_extended_key_usage(cert), XKU_SSL_CLIENT);
		assert_int_equal(X509_get_ext_by_NID(cert, NID_subject_alt_name, -1), -1);
		assert_non_null(X509_get0_subject_key_id(cert));
		assert_int_equal(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(cert),
																				X509_get0_subject_key_id(ca)),
			0);
		assert_int_equal(X509_verify(cert, X509_get0_pubkey(ca)), 1);
		assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(cert), keys[i]), 1);
		EVP_PKEY_free(keys[i]);
	}
}

static void a_name_of_ours_replaces_that_of_the_csr(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	AUTO(forge_free) struct slice named = forge_csr(key, "asked");
	AUTO(forge_free) struct slice nameless = forge_csr(key, NULL);
	struct issue_params params = {.common_name = "given", .now = FORGE_NOW, .valid_s = DAY_S};
	AUTO(buf_fini) struct buf der;
	struct cert_facts facts;
	struct err err;

	(void)state;
	EVP_PKEY_free(key);
	buf_init(&der, BOUND);
	assert_int_equal(authority_issue_csr(ec_ca, named, &params, &der, &err), RC_OK);
	assert_int_equal(cert_read_facts(buf_slice(&der), &facts, &err), RC_OK);
	assert_string_equal(facts.subject, "CN=given");
	buf_clear(&der);
	assert_int_equal(authority_issue_csr(ec_ca, nameless, &params, &der, &err), RC_OK);
	params.common_name = NULL;
	assert_int_equal(authority_issue_csr(ec_ca, nameless, &params, &der, &err), RC_INVALID);
	assert_string_equal(err.text, "a subject is needed");
}

static void two_certificates_never_share_a_serial_number(void **state)
{
	const struct issue_params params = {.common_name = "x", .now = FORGE_NOW, .valid_s = DAY_S};
	struct cert_facts facts[2];
	struct err err;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		AUTO(buf_fini) struct buf der;
		AUTO(buf_fini_secret) struct buf key;

		buf_init(&der, BOUND);
		buf_init(&key, BOUND);
		assert_int_equal(authority_issue_key(ec_ca, KEY_P256, &params, &der, &key, &err), RC_OK);
		assert_int_equal(cert_read_facts(buf_slice(&der), &facts[i], &err), RC_OK);
	}
	assert_string_not_equal(facts[0].serial, facts[1].serial);
}

static void an_issued_identity_is_judged_good_until_it_ends(void **state)
{
	const struct issue_params params = {.common_name = "iPad",
		.now = FORGE_NOW,
		.valid_s = 10LL * FORGE_YEAR_S};
	struct slice anchors[] = {authority_cert_der(rsa_ca)};
	AUTO(trust_unref) struct trust *trust = NULL;
	AUTO(buf_fini) struct buf der;
	AUTO(buf_fini_secret) struct buf key;
	struct slice chain[1];
	struct cert_facts facts;
	struct err err;

	(void)state;
	buf_init(&der, BOUND);
	buf_init(&key, BOUND);
	assert_int_equal(authority_issue_key(rsa_ca, KEY_P256, &params, &der, &key, &err), RC_OK);
	assert_int_equal(trust_new(anchors, 1, &trust, &err), RC_OK);
	chain[0] = buf_slice(&der);
	assert_int_equal(trust_judge(trust, chain, 1, FORGE_NOW, &facts), CERT_GOOD);
	assert_int_equal(facts.not_after, FORGE_NOW + FORGE_YEAR_S); /* the CA's own end */
	assert_int_equal(trust_judge(trust, chain, 1, FORGE_NOW + FORGE_YEAR_S + 1, &facts), CERT_EXPIRED);
	assert_int_equal(trust_judge(trust, chain, 1, FORGE_NOW - AUTHORITY_BACKDATE_S - 1, &facts),
		CERT_NOT_YET);
}

static void a_server_certificate_names_its_host(void **state)
{
	static const struct {
		const char *name;
		bool is_good;
		bool is_address;
	} cases[] = {
		{"mdm.example.com", true, false},
		{"*.example.com", true, false},
		{"192.0.2.1", true, true},
		{"2001:db8::1", true, true},
		{"a.example,DNS:b.example", false, false},
		{"a b", false, false},
		{"", false, false},
		{"*.", false, false},
		{"a:b", false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct issue_params params = {.common_name = "server",
			.dns_name = cases[i].name,
			.is_server = true,
			.now = FORGE_NOW,
			.valid_s = DAY_S};
		AUTO(buf_fini) struct buf der;
		AUTO(buf_fini_secret) struct buf key;
		AUTO(ossl_cert_free) X509 *cert = NULL;
		struct err err;

		buf_init(&der, BOUND);
		buf_init(&key, BOUND);
		assert_int_equal(authority_issue_key(ec_ca, KEY_P256, &params, &der, &key, &err),
			cases[i].is_good ? RC_OK : RC_INVALID);
		if (!cases[i].is_good)
			continue;
		cert = read_cert(buf_slice(&der));
		assert_int_equal(X509_get_extended_key_usage(cert), XKU_SSL_SERVER);
		if (cases[i].is_address)
			assert_int_equal(X509_check_ip_asc(cert, cases[i].name, 0), 1);
		else if (cases[i].name[0] != '*')
			assert_int_equal(X509_check_host(cert, cases[i].name, 0, 0, NULL), 1);
	}
}

static void a_server_certificate_may_name_an_address_beside_its_host(void **state)
{
	struct issue_params params = {.common_name = "server",
		.dns_name = "localhost",
		.other_name = "127.0.0.1",
		.is_server = true,
		.now = FORGE_NOW,
		.valid_s = DAY_S};
	AUTO(buf_fini) struct buf der;
	AUTO(buf_fini_secret) struct buf key;
	AUTO(ossl_cert_free) X509 *cert = NULL;
	struct err err;

	(void)state;
	buf_init(&der, BOUND);
	buf_init(&key, BOUND);
	assert_int_equal(authority_issue_key(ec_ca, KEY_P256, &params, &der, &key, &err), RC_OK);
	cert = read_cert(buf_slice(&der));
	assert_int_equal(X509_check_host(cert, "localhost", 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
	params.other_name = "a b";
	assert_int_equal(authority_issue_key(ec_ca, KEY_P256, &params, &der, &key, &err), RC_INVALID);
}

static void the_user_id_of_a_subject_is_the_topic_of_a_push_certificate(void **state)
{
	const struct issue_params params = {.common_name = "APSP:x",
		.user_id = "com.apple.mgmt.External.x",
		.now = FORGE_NOW,
		.valid_s = DAY_S};
	EVP_PKEY *csr_key = EVP_EC_gen("P-256");
	AUTO(forge_free) struct slice csr = forge_csr(csr_key, "asked");
	AUTO(buf_fini) struct buf issued;
	AUTO(buf_fini) struct buf signed_der;
	AUTO(buf_fini_secret) struct buf key;
	const struct buf *const ders[] = {&issued, &signed_der};
	struct err err;

	(void)state;
	EVP_PKEY_free(csr_key);
	buf_init(&issued, BOUND);
	buf_init(&signed_der, BOUND);
	buf_init(&key, BOUND);
	assert_int_equal(authority_issue_key(ec_ca, KEY_P256, &params, &issued, &key, &err), RC_OK);
	assert_int_equal(authority_issue_csr(ec_ca, csr, &params, &signed_der, &err), RC_OK);
	for (size_t i = 0; i < COUNT_OF(ders); i++) {
		AUTO(ossl_cert_free) X509 *cert = read_cert(buf_slice(ders[i]));
		char text[64];

		assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(cert)), 2);
		assert_int_equal(X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_userId, text,
																				sizeof(text)),
			(int)strlen(params.user_id));
		assert_string_equal(text, params.user_id);
	}
}

static void a_certificate_may_have_expired_when_it_is_made(void **state)
{
	const struct issue_params params = {.common_name = "x",
		.now = FORGE_NOW - 2 * DAY_S,
		.valid_s = DAY_S};
	struct slice anchors[] = {authority_cert_der(ec_ca)};
	AUTO(trust_unref) struct trust *trust = NULL;
	AUTO(buf_fini) struct buf der;
	AUTO(buf_fini_secret) struct buf key;
	struct slice chain[1];
	struct cert_facts facts;
	struct err err;

	(void)state;
	buf_init(&der, BOUND);
	buf_init(&key, BOUND);
	assert_int_equal(authority_issue_key(ec_ca, KEY_P256, &params, &der, &key, &err), RC_OK);
	assert_int_equal(trust_new(anchors, 1, &trust, &err), RC_OK);
	chain[0] = buf_slice(&der);
	assert_int_equal(trust_judge(trust, chain, 1, FORGE_NOW, &facts), CERT_EXPIRED);
	assert_int_equal(facts.not_after, FORGE_NOW - DAY_S);
}

static void a_long_host_name_needs_no_subject(void **state)
{
	char name[DNS_NAME_BYTES_MAX + 2] = "";
	struct issue_params params = {.dns_name = name,
		.is_server = true,
		.now = FORGE_NOW,
		.valid_s = DAY_S};
	AUTO(buf_fini) struct buf der;
	AUTO(buf_fini_secret) struct buf key;
	AUTO(ossl_cert_free) X509 *cert = NULL;
	struct err err;

	(void)state;
	buf_init(&der, BOUND);
	buf_init(&key, BOUND);
	for (size_t i = 0; i < DNS_NAME_BYTES_MAX; i++)
		name[i] = i % 50 == 49 ? '.' : 'a';
	assert_int_equal(authority_issue_key(ec_ca, KEY_P256, &params, &der, &key, &err), RC_OK);
	cert = read_cert(buf_slice(&der));
	assert_int_equal(X509_check_host(cert, name, 0, 0, NULL), 1);
	assert_int_equal(X509_get_extension_flags(cert) & EXFLAG_SAN_CRITICAL, EXFLAG_SAN_CRITICAL);
	name[DNS_NAME_BYTES_MAX] = 'a';
	assert_int_equal(authority_issue_key(ec_ca, KEY_P256, &params, &der, &key, &err), RC_INVALID);
}

static void what_cannot_be_issued_is_refused_with_a_reason(void **state)
{
	char name_64[65];
	char name_65[66];
	char user_255[USER_ID_BYTES_MAX + 1];
	char user_256[USER_ID_BYTES_MAX + 2];
	const struct {
		struct issue_params params;
		const char *want; /* NULL: issued */
	} cases[] = {
		{{.common_name = name_64, .now = FORGE_NOW, .valid_s = DAY_S}, NULL},
		{{.common_name = name_65, .now = FORGE_NOW, .valid_s = DAY_S},
			"common name: want 1 to 64 characters of UTF-8"},
		{{.common_name = "", .now = FORGE_NOW, .valid_s = DAY_S},
			"common name: want 1 to 64 characters of UTF-8"},
		{{.common_name = "\xFF", .now = FORGE_NOW, .valid_s = DAY_S},
			"common name: want 1 to 64 characters of UTF-8"},
		{{.common_name = NULL, .now = FORGE_NOW, .valid_s = DAY_S}, "a subject is needed"},
		{{.user_id = user_255, .now = FORGE_NOW, .valid_s = DAY_S}, NULL},
		{{.user_id = user_256, .now = FORGE_NOW, .valid_s = DAY_S}, "user id: want 1 to 255 bytes"},
		{{.user_id = "", .now = FORGE_NOW, .valid_s = DAY_S}, "user id: want 1 to 255 bytes"},
		{{.common_name = "x", .now = FORGE_NOW, .valid_s = 0}, "certificate: it must begin"},
		{{.common_name = "x", .now = 0, .valid_s = DAY_S}, "certificate: it must begin"},
		{{.common_name = "x", .now = FORGE_NOW, .valid_s = INT64_MAX}, NULL},
		{{.common_name = "x", .now = FORGE_NOW + FORGE_YEAR_S, .valid_s = DAY_S},
			"the CA itself has expired"},
	};

	(void)state;
	memset(name_64, 'n', sizeof(name_64) - 1);
	name_64[64] = '\0';
	memset(name_65, 'n', sizeof(name_65) - 1);
	name_65[65] = '\0';
	memset(user_255, 'u', sizeof(user_255) - 1);
	user_255[sizeof(user_255) - 1] = '\0';
	memset(user_256, 'u', sizeof(user_256) - 1);
	user_256[sizeof(user_256) - 1] = '\0';
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(buf_fini) struct buf der;
		AUTO(buf_fini_secret) struct buf key;
		struct err err;

		buf_init(&der, BOUND);
		buf_init(&key, BOUND);
		assert_int_equal(authority_issue_key(ec_ca, KEY_P256, &cases[i].params, &der, &key, &err),
			cases[i].want == NULL ? RC_OK : RC_INVALID);
		if (cases[i].want == NULL)
			continue;
		assert_int_equal(strncmp(err.text, cases[i].want, strlen(cases[i].want)), 0);
		assert_int_equal(der.len + key.len, 0);
		assert_int_equal(ERR_peek_error(), 0);
	}
}

static void a_ca_ends_with_the_calendar_at_the_latest(void **state)
{
	const struct authority_params params = {.key = KEY_P256,
		.common_name = "Eternal",
		.now = FORGE_NOW,
		.valid_s = INT64_MAX};
	AUTO(authority_free) struct authority *ca = NULL;
	struct cert_facts facts;
	struct err err;

	(void)state;
	assert_int_equal(authority_new(&params, &ca, &err), RC_OK);
	assert_int_equal(cert_read_facts(authority_cert_der(ca), &facts, &err), RC_OK);
	assert_int_equal(facts.not_after, 253402300799); /* RFC 5280 4.1.2.5 */
}

/* Every algorithm that the file names for encryption, once each. */
static bool names(struct slice p12, const char *oid, size_t len)
{
	return memmem(p12.ptr, p12.len, oid, len) != NULL;
}
#define NAMES(p12, oid) names(buf_slice(p12), oid, sizeof(oid) - 1)
#define OID_PBES2 "\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d"
#define OID_AES_256_CBC "\x60\x86\x48\x01\x65\x03\x04\x01\x2a"
#define OID_SHA1_3DES "\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x03"
#define OID_SHA1_RC2_40 "\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01\x06"

/* The digest of its MAC; the rest is looked at. */
static int open_pkcs12(struct slice p12, const char *password)
{
	AUTO(ossl_pkcs12_free) PKCS12 *pkcs12 = NULL;
	AUTO(ossl_key_free) EVP_PKEY *key = NULL;
	AUTO(ossl_cert_free) X509 *cert = NULL;
	AUTO(ossl_certs_free) STACK_OF(X509) *cas = NULL;
	AUTO(ossl_cert_free) X509 *ca = read_cert(authority_cert_der(rsa_ca));
	const X509_ALGOR *mac;
	const ASN1_OBJECT *digest;
	const unsigned char *at = p12.ptr;

	pkcs12 = d2i_PKCS12(NULL, &at, (long)p12.len);
	assert_non_null(pkcs12);
	PKCS12_get0_mac(NULL, &mac, NULL, NULL, pkcs12);
	X509_ALGOR_get0(&digest, NULL, NULL, mac);
	assert_int_equal(PKCS12_verify_mac(pkcs12, "wrong", -1), 0);
	ERR_clear_error();
	assert_int_equal(PKCS12_parse(pkcs12, password, &key, &cert, &cas), 1);
	assert_int_equal(X509_check_private_key(cert, key), 1);
	assert_int_equal(sk_X509_num(cas), 1);
	assert_int_equal(X509_cmp(sk_X509_value(cas, 0), ca), 0);
	return OBJ_obj2nid(digest);
}

static void make_pkcs12(bool is_legacy, struct buf *p12)
{
	const struct issue_params params = {.common_name = "x", .now = FORGE_NOW, .valid_s = DAY_S};
	const struct pkcs12_params p12_params = {.password = "p\xC3\xA4ss",
		.friendly_name = "iPad",
		.is_legacy = is_legacy};
	AUTO(buf_fini) struct buf der;
	AUTO(buf_fini_secret) struct buf key_pem;
	struct err err;

	buf_init(&der, BOUND);
	buf_init(&key_pem, BOUND);
	buf_init(p12, BOUND);
	assert_int_equal(authority_issue_key(rsa_ca, KEY_P256, &params, &der, &key_pem, &err), RC_OK);
	assert_int_equal(authority_write_pkcs12(rsa_ca, buf_slice(&der), buf_slice(&key_pem), &p12_params,
																			p12, &err),
		RC_OK);
}

static void a_pkcs12_holds_key_certificate_and_ca_under_strong_algorithms(void **state)
{
	AUTO(buf_fini_secret) struct buf p12 = {0};

	(void)state;
	make_pkcs12(false, &p12);
	assert_int_equal(open_pkcs12(buf_slice(&p12), "p\xC3\xA4ss"), NID_sha256);
	assert_true(NAMES(&p12, OID_PBES2) && NAMES(&p12, OID_AES_256_CBC));
	assert_false(NAMES(&p12, OID_SHA1_3DES) || NAMES(&p12, OID_SHA1_RC2_40));
}

static void a_legacy_pkcs12_is_under_triple_des_and_sha_1_alone(void **state)
{
	AUTO(buf_fini_secret) struct buf p12 = {0};

	(void)state;
	make_pkcs12(true, &p12);
	assert_int_equal(open_pkcs12(buf_slice(&p12), "p\xC3\xA4ss"), NID_sha1);
	assert_true(NAMES(&p12, OID_SHA1_3DES));
	assert_false(
		NAMES(&p12, OID_PBES2) || NAMES(&p12, OID_AES_256_CBC) || NAMES(&p12, OID_SHA1_RC2_40));
}

static void a_pkcs12_needs_a_password_and_the_right_key(void **state)
{
	const struct issue_params params = {.common_name = "x", .now = FORGE_NOW, .valid_s = DAY_S};
	AUTO(forged_free) struct forged *other = forge_ca("other");
	AUTO(forge_free) struct slice other_pem = forge_pem_of_key(other->key);
	AUTO(buf_fini) struct buf der;
	AUTO(buf_fini_secret) struct buf key_pem;
	AUTO(buf_fini_secret) struct buf p12;
	struct pkcs12_params p12_params = {.password = ""};
	struct err err;

	(void)state;
	buf_init(&der, BOUND);
	buf_init(&key_pem, BOUND);
	buf_init(&p12, BOUND);
	assert_int_equal(authority_issue_key(ec_ca, KEY_P256, &params, &der, &key_pem, &err), RC_OK);
	assert_int_equal(authority_write_pkcs12(ec_ca, buf_slice(&der), buf_slice(&key_pem), &p12_params,
																			&p12, &err),
		RC_INVALID);
	assert_string_equal(err.text, "PKCS#12: a password is needed");
	p12_params.password = "x";
	assert_int_equal(authority_write_pkcs12(ec_ca, buf_slice(&der), other_pem, &p12_params, &p12,
																			&err),
		RC_INVALID);
	assert_string_equal(err.text, "PKCS#12: the key is not the certificate's");
	assert_int_equal(p12.len, 0);
	assert_int_equal(authority_write_pkcs12(ec_ca, buf_slice(&der), buf_slice(&key_pem), &p12_params,
																			&p12, &err),
		RC_OK);
}

/* --- renewing what a server shows */

static const struct issue_params server_params = {.common_name = "mdm.example.com",
	.dns_name = "mdm.example.com",
	.other_name = "192.0.2.1",
	.is_server = true,
	.now = FORGE_NOW,
	.valid_s = 30 * DAY_S};

static void issue_server(const struct issue_params *params, struct buf *der)
{
	AUTO(buf_fini_secret) struct buf key;
	struct err err;

	buf_init(der, BOUND);
	buf_init(&key, BOUND);
	assert_int_equal(authority_issue_key(ec_ca, KEY_P256, params, der, &key, &err), RC_OK);
}

static void a_renewed_server_certificate_has_the_same_names_and_key_and_a_later_end(void **state)
{
	AUTO(buf_fini) struct buf old_der;
	AUTO(buf_fini) struct buf new_der;
	struct cert_facts facts;
	struct err err;
	ASN1_OCTET_STRING *names[2];

	(void)state;
	issue_server(&server_params, &old_der);
	buf_init(&new_der, BOUND);
	assert_int_equal(authority_renew_tls(ec_ca, buf_slice(&old_der), FORGE_NOW + 20 * DAY_S,
																			60 * DAY_S, &new_der, &err),
		RC_OK);
	AUTO(ossl_cert_free) X509 *old = read_cert(buf_slice(&old_der));
	AUTO(ossl_cert_free) X509 *new = read_cert(buf_slice(&new_der));

	assert_int_equal(cert_read_facts(buf_slice(&new_der), &facts, &err), RC_OK);
	assert_int_equal(facts.not_before, FORGE_NOW + 20 * DAY_S - AUTHORITY_BACKDATE_S);
	assert_int_equal(facts.not_after, FORGE_NOW + 80 * DAY_S);
	assert_int_equal(X509_NAME_cmp(X509_get_subject_name(old), X509_get_subject_name(new)), 0);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(old), X509_get0_pubkey(new)), 1);
	assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(old), X509_get0_serialNumber(new)),
		0);
	names[0] =
		X509_EXTENSION_get_data(X509_get_ext(old, X509_get_ext_by_NID(old, NID_subject_alt_name, -1)));
	names[1] =
		X509_EXTENSION_get_data(X509_get_ext(new, X509_get_ext_by_NID(new, NID_subject_alt_name, -1)));
	assert_int_equal(ASN1_OCTET_STRING_cmp(names[0], names[1]), 0);
	assert_int_equal(X509_get_extended_key_usage(new), XKU_SSL_SERVER);
	assert_true(cert_is_issued_by(buf_slice(&new_der), authority_cert_der(ec_ca)));
}

static void what_a_ca_did_not_sign_or_cannot_make_last_longer_it_does_not_renew(void **state)
{
	const struct issue_params to_the_end = {.common_name = "mdm.example.com",
		.dns_name = "mdm.example.com",
		.is_server = true,
		.now = FORGE_NOW,
		.valid_s = 2 * (int64_t)FORGE_YEAR_S};
	AUTO(forged_free) struct forged *impostor = forge_ca("Device CA");
	AUTO(forged_free)
	struct forged *foreign =
		forge(&(struct forge_params){.common_name = "mdm.example.com", .issuer = impostor});
	AUTO(buf_fini) struct buf last;
	AUTO(buf_fini) struct buf out;
	struct err err;

	(void)state;
	buf_init(&out, BOUND);
	assert_false(cert_is_issued_by(forged_der(foreign), authority_cert_der(ec_ca)));
	assert_false(cert_is_issued_by(SLICE_LITERAL("none"), authority_cert_der(ec_ca)));
	assert_false(cert_is_issued_by(forged_der(foreign), SLICE_LITERAL("none")));
	assert_int_equal(authority_renew_tls(ec_ca, forged_der(foreign), FORGE_NOW, DAY_S, &out, &err),
		RC_INVALID);
	assert_non_null(strstr(err.text, "is not of this CA"));
	issue_server(&to_the_end, &last);
	assert_int_equal(authority_renew_tls(ec_ca, buf_slice(&last), FORGE_NOW + DAY_S,
																			2 * (int64_t)FORGE_YEAR_S, &out, &err),
		RC_INVALID);
	assert_non_null(strstr(err.text, "its root ends first"));
	assert_int_equal(authority_renew_tls(ec_ca, buf_slice(&last), FORGE_NOW + FORGE_YEAR_S, DAY_S,
																			&out, &err),
		RC_INVALID);
	assert_non_null(strstr(err.text, "the CA itself has expired"));
	assert_int_equal(out.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ca_signs_itself_for_end_entities_only),
		cmocka_unit_test(a_ca_is_stored_and_loaded),
		cmocka_unit_test(a_ca_that_does_not_fit_together_is_not_loaded),
		cmocka_unit_test(the_key_in_a_certificate_is_written_as_openssl_writes_it),
		cmocka_unit_test(an_identity_is_what_we_decide_and_not_what_its_csr_asks_for),
		cmocka_unit_test(a_name_of_ours_replaces_that_of_the_csr),
		cmocka_unit_test(two_certificates_never_share_a_serial_number),
		cmocka_unit_test(an_issued_identity_is_judged_good_until_it_ends),
		cmocka_unit_test(a_server_certificate_names_its_host),
		cmocka_unit_test(a_server_certificate_may_name_an_address_beside_its_host),
		cmocka_unit_test(the_user_id_of_a_subject_is_the_topic_of_a_push_certificate),
		cmocka_unit_test(a_certificate_may_have_expired_when_it_is_made),
		cmocka_unit_test(a_long_host_name_needs_no_subject),
		cmocka_unit_test(what_cannot_be_issued_is_refused_with_a_reason),
		cmocka_unit_test(a_ca_ends_with_the_calendar_at_the_latest),
		cmocka_unit_test(a_renewed_server_certificate_has_the_same_names_and_key_and_a_later_end),
		cmocka_unit_test(what_a_ca_did_not_sign_or_cannot_make_last_longer_it_does_not_renew),
		cmocka_unit_test(a_pkcs12_holds_key_certificate_and_ca_under_strong_algorithms),
		cmocka_unit_test(a_legacy_pkcs12_is_under_triple_des_and_sha_1_alone),
		cmocka_unit_test(a_pkcs12_needs_a_password_and_the_right_key),
	};

	return cmocka_run_group_tests_name("pki/authority", tests, make_cas, free_cas);
}
