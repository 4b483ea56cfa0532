/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "forge.h"
#include "pomona/base/codec.h"
#include "pomona/pki/cert.h"

enum { BOUND = 1 << 20 };

static void digest_tbs(X509 *cert, uint8_t digest[static SHA256_BYTES])
{
	unsigned char *tbs = NULL;
	int len = i2d_re_X509_tbs(cert, &tbs);

	assert_true(len > 0);
	assert_int_equal(EVP_Digest(tbs, (size_t)len, digest, NULL, EVP_sha256(), NULL), 1);
	OPENSSL_free(tbs);
}

/* OpenSSL keeps the signed part as it came: BER in there is not undone by writing the certificate again. */
static void a_signed_part_of_indefinite_length_is_not_der(void **state)
{
	AUTO(forged_free) struct forged *ca = forge_ca("Device CA");
	struct slice der = forged_der(ca);
	const unsigned char *at = der.ptr;
	const unsigned char *tbs;
	uint8_t ber[2048] = {0x30, 0x82};
	size_t used = 4;
	struct cert_facts facts;
	struct err err;
	long len;
	int tag;
	int class;

	(void)state;
	assert_int_equal(ASN1_get_object(&at, &len, &tag, &class, (long)der.len), V_ASN1_CONSTRUCTED);
	assert_int_equal(ASN1_get_object(&at, &len, &tag, &class, len), V_ASN1_CONSTRUCTED);
	tbs = at;
	ber[used++] = 0x30;
	ber[used++] = 0x80;
	memcpy(ber + used, tbs, (size_t)len);
	used += (size_t)len + 2; /* two zero bytes end it */
	memcpy(ber + used, tbs + len, (size_t)(der.ptr + der.len - (tbs + len)));
	used += (size_t)(der.ptr + der.len - (tbs + len));
	ber[2] = (uint8_t)((used - 4) >> 8);
	ber[3] = (uint8_t)(used - 4);
	assert_int_equal(cert_read_facts(slice_of(ber, used), &facts, &err), RC_INVALID);
	assert_non_null(strstr(err.text, "not in DER"));
}

static void the_facts_of_a_certificate_are_read(void **state)
{
	AUTO(forged_free) struct forged *ca = forge_ca("Device CA");
	const struct forge_params params = {.common_name = "iPad, \xE4\xBA\x8C",
		.issuer = ca,
		.not_before = 1700000000,
		.not_after = 2600000000};
	AUTO(forged_free) struct forged *leaf = forge(&params);
	struct cert_facts facts;
	uint8_t digest[SHA256_BYTES];
	struct err err;

	(void)state;
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(leaf->cert), 0x00ABCDEF), 1);
	forged_sign(leaf, ca->key, "SHA256");
	assert_int_equal(cert_read_facts(forged_der(leaf), &facts, &err), RC_OK);
	assert_string_equal(facts.subject, "CN=iPad\\, \xE4\xBA\x8C");
	assert_string_equal(facts.issuer, "CN=Device CA");
	assert_string_equal(facts.common_name, "iPad, \xE4\xBA\x8C");
	assert_string_equal(facts.serial, "abcdef");
	assert_int_equal(facts.not_before, 1700000000);
	assert_int_equal(facts.not_after, 2600000000);
	assert_false(facts.is_ca);
	assert_true(X509_digest(leaf->cert, EVP_sha256(), digest, NULL));
	assert_memory_equal(facts.sha256, digest, SHA256_BYTES);
	digest_tbs(leaf->cert, digest);
	assert_memory_equal(facts.tbs_sha256, digest, SHA256_BYTES);
	assert_int_equal(cert_read_facts(forged_der(ca), &facts, &err), RC_OK);
	assert_true(facts.is_ca);
}

static void set_subject(struct forged *forged, const char *const *common_names, int type)
{
	X509_NAME *name = X509_NAME_new();

	for (; *common_names != NULL; common_names++)
		assert_int_equal(X509_NAME_add_entry_by_NID(name, NID_commonName, type,
																				(const unsigned char *)*common_names, -1, -1, 0),
			1);
	assert_int_equal(X509_set_subject_name(forged->cert, name), 1);
	forged_sign(forged, forged->key, "SHA256");
	X509_NAME_free(name);
}

static void names_carry_no_control_characters_and_are_utf_8(void **state)
{
	static const struct {
		const char *names[3];
		int type;
		const char *common_name;
		const char *subject;
	} cases[] = {
		{{"a\nb"}, V_ASN1_UTF8STRING, "a\\0Ab", "CN=a\\0Ab"},
		{{"\x1b[31mred\x7F"}, V_ASN1_UTF8STRING, "\\1B[31mred\\7F", "CN=\\1B[31mred\\7F"},
		/* U+009B, which some terminals take for the beginning of a sequence */
		{{"a\xC2\x9B"
				"b\xC2\xA0"},
			V_ASN1_UTF8STRING, "a\\C2\\9Bb\xC2\xA0", "CN=a\\C2\\9Bb\xC2\xA0"},
		{{"back\\slash"}, V_ASN1_UTF8STRING, "back\\\\slash", "CN=back\\\\slash"},
		{{"a=b, c"}, V_ASN1_UTF8STRING, "a=b, c", "CN=a=b\\, c"},
		{{"Z\xFC"
				"rich"},
			V_ASN1_T61STRING, "Z\xC3\xBCrich", "CN=Z\xC3\xBCrich"},
		{{"general", "special"}, V_ASN1_UTF8STRING, "special", "CN=special,CN=general"},
		{{NULL}, V_ASN1_UTF8STRING, "", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(forged_free) struct forged *cert = forge_ca("CA");
		struct cert_facts facts;
		struct err err;

		set_subject(cert, cases[i].names, cases[i].type);
		assert_int_equal(cert_read_facts(forged_der(cert), &facts, &err), RC_OK);
		assert_string_equal(facts.common_name, cases[i].common_name);
		assert_string_equal(facts.subject, cases[i].subject);
		assert_int_equal(ERR_peek_error(), 0);
	}
}

static void a_name_that_is_not_the_text_it_claims_to_be_is_refused(void **state)
{
	AUTO(forged_free) struct forged *cert = forge_ca("patch~me");
	struct cert_facts facts;
	struct err err;
	uint8_t *at;

	(void)state;
	while ((at = memchr(cert->der, '~', cert->der_len)) != NULL)
		*at = 0xFF;
	assert_int_equal(cert_read_facts(forged_der(cert), &facts, &err), RC_INVALID);
}

static void a_zero_in_a_name_hides_nothing_behind_it(void **state)
{
	AUTO(forged_free) struct forged *cert = forge_ca("x");
	X509_NAME *name = X509_NAME_new();
	struct cert_facts facts;
	struct err err;

	(void)state;
	assert_int_equal(X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_UTF8STRING,
																			(const unsigned char *)"good\0evil", 9, -1, 0),
		1);
	assert_int_equal(X509_set_subject_name(cert->cert, name), 1);
	forged_sign(cert, cert->key, "SHA256");
	X509_NAME_free(name);
	assert_int_equal(cert_read_facts(forged_der(cert), &facts, &err), RC_OK);
	assert_string_equal(facts.common_name, "good\\00evil");
}

static void long_names_are_cut_at_a_characters_border(void **state)
{
	AUTO(forged_free) struct forged *cert = forge_ca("CA");
	char text[401] = "";
	const char *const names[] = {text, NULL};
	struct cert_facts facts;
	struct err err;

	(void)state;
	for (size_t i = 0; i < 400; i += 2)
		memcpy(text + i, "\xC3\xA4", 2);
	set_subject(cert, names, V_ASN1_UTF8STRING);
	assert_int_equal(cert_read_facts(forged_der(cert), &facts, &err), RC_OK);
	assert_int_equal(strlen(facts.common_name), CERT_NAME_BYTES - 2);
	assert_int_equal(strlen(facts.subject), CERT_NAME_BYTES - 1); /* "CN=" makes it odd */
	assert_true(utf8_is_valid(slice_of_str(facts.common_name)));
	assert_true(utf8_is_valid(slice_of_str(facts.subject)));
}

static void odd_serial_numbers_are_shown(void **state)
{
	AUTO(forged_free) struct forged *cert = forge_ca("CA");
	struct cert_facts facts;
	uint8_t many[30];
	BIGNUM *number;
	struct err err;

	(void)state;
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert->cert), -0x1234), 1);
	forged_sign(cert, cert->key, "SHA256");
	assert_int_equal(cert_read_facts(forged_der(cert), &facts, &err), RC_OK);
	assert_string_equal(facts.serial, "-1234");
	memset(many, 0x5A, sizeof(many));
	number = BN_bin2bn(many, sizeof(many), NULL);
	assert_non_null(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert->cert)));
	BN_free(number);
	forged_sign(cert, cert->key, "SHA256");
	assert_int_equal(cert_read_facts(forged_der(cert), &facts, &err), RC_OK);
	assert_int_equal(strlen(facts.serial), 46);
	assert_int_equal(strspn(facts.serial, "5a"), 46);
}

static void bytes_that_are_not_one_certificate_are_refused(void **state)
{
	AUTO(forged_free) struct forged *ca = forge_ca("CA");
	AUTO(buf_fini) struct buf bytes;
	struct cert_facts facts;
	struct err err;

	(void)state;
	buf_init(&bytes, BOUND);
	for (size_t len = 0; len < ca->der_len; len++)
		assert_int_equal(cert_read_facts(slice_of(ca->der, len), &facts, &err), RC_INVALID);
	buf_append(&bytes, forged_der(ca));
	buf_append_byte(&bytes, 0);
	assert_int_equal(cert_read_facts(buf_slice(&bytes), &facts, &err), RC_INVALID);
	assert_string_equal(err.text, "certificate: bytes follow it");
	assert_int_equal(cert_read_facts(SLICE_LITERAL("junk"), &facts, &err), RC_INVALID);
	assert_int_equal(ERR_peek_error(), 0);
}

/* The same certificate with a longer form of its length: read by OpenSSL, but its digest would be another. */
static void another_encoding_of_a_certificate_is_refused(void **state)
{
	AUTO(forged_free) struct forged *ca = forge_ca("CA");
	AUTO(buf_fini) struct buf bytes;
	struct cert_facts facts;
	const unsigned char *at;
	X509 *read;
	struct err err;

	(void)state;
	assert_int_equal(ca->der[1], 0x82);
	buf_init(&bytes, BOUND);
	buf_append(&bytes, slice_of("\x30\x83\x00", 3));
	buf_append(&bytes, slice_of(ca->der + 2, ca->der_len - 2));
	at = bytes.ptr;
	read = d2i_X509(NULL, &at, (long)bytes.len);
	assert_non_null(read);
	X509_free(read);
	assert_int_equal(cert_read_facts(buf_slice(&bytes), &facts, &err), RC_INVALID);
	assert_string_equal(err.text, "certificate: not in DER");
}

static struct forged *forge_of_size(size_t size)
{
	AUTO(buf_fini) struct buf comment;
	size_t len = size - 1000;
	struct forged *cert = NULL;

	buf_init(&comment, BOUND);
	while (cert == NULL || cert->der_len != size) {
		struct forge_params params = {.common_name = "large", .is_ca = true};

		if (cert != NULL)
			len = len + size - cert->der_len;
		forged_free(&cert);
		buf_clear(&comment);
		for (size_t i = 0; i < len; i++)
			buf_append_byte(&comment, 'c');
		params.extensions[0].nid = NID_netscape_comment;
		params.extensions[0].value = buf_cstr(&comment);
		cert = forge(&params); /* the signature's length varies by a byte or two */
	}
	return cert;
}

static void a_certificate_may_be_as_large_as_its_limit_and_no_larger(void **state)
{
	AUTO(forged_free) struct forged *at = forge_of_size(CERT_DER_BYTES_MAX);
	AUTO(forged_free) struct forged *past = forge_of_size(CERT_DER_BYTES_MAX + 1);
	struct cert_facts facts;
	struct err err;

	(void)state;
	assert_int_equal(cert_read_facts(forged_der(at), &facts, &err), RC_OK);
	assert_int_equal(cert_read_facts(forged_der(past), &facts, &err), RC_LIMIT);
}

struct visits {
	size_t count;
	struct cert_facts facts[4];
	enum rc answer;
};

static enum rc note(void *ctx, struct slice der, struct err *err)
{
	struct visits *visits = ctx;
	enum rc rc = cert_read_facts(der, &visits->facts[visits->count++], err);

	return rc != RC_OK ? rc : visits->answer;
}

static void each_certificate_of_a_pem_file_is_visited_and_other_blocks_are_not(void **state)
{
	AUTO(forged_free) struct forged *one = forge_ca("one");
	AUTO(forged_free) struct forged *two = forge_ca("two");
	AUTO(forge_free) struct slice key_pem = forge_pem_of_key(one->key);
	AUTO(buf_fini) struct buf pem;
	struct visits visits = {.answer = RC_OK};
	struct err err;

	(void)state;
	buf_init(&pem, BOUND);
	buf_append_str(&pem, "subject=CN one\n");
	cert_write_pem(forged_der(one), &pem);
	buf_append(&pem, key_pem);
	cert_write_pem(forged_der(two), &pem);
	assert_int_equal(cert_pem_each(buf_slice(&pem), note, &visits, &err), RC_OK);
	assert_int_equal(visits.count, 2);
	assert_string_equal(visits.facts[0].common_name, "one");
	assert_string_equal(visits.facts[1].common_name, "two");
	visits = (struct visits){.answer = RC_EXISTS};
	assert_int_equal(cert_pem_each(buf_slice(&pem), note, &visits, &err), RC_EXISTS);
	assert_int_equal(visits.count, 1);
	assert_int_equal(ERR_peek_error(), 0);
}

static void a_pem_block_is_written_as_openssl_writes_it(void **state)
{
	AUTO(forged_free) struct forged *ca = forge_ca("CA");
	AUTO(forge_free) struct slice want = forge_pem_of_cert(ca);
	AUTO(buf_fini) struct buf pem;

	(void)state;
	buf_init(&pem, BOUND);
	cert_write_pem(forged_der(ca), &pem);
	assert_true(slice_is_equal(buf_slice(&pem), want));
}

static void pem_without_a_sound_certificate_is_refused(void **state)
{
	static const struct slice cases[] = {
		SLICE_LITERAL(""),
		SLICE_LITERAL("junk"),
		SLICE_LITERAL("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
		SLICE_LITERAL("-----BEGIN CERTIFICATE-----\nAAAA\n"),
		SLICE_LITERAL("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"),
		SLICE_LITERAL("-----BEGIN CERTIFICATE-----\nAAAA\n-----END X-----\n"),
		SLICE_LITERAL("-----BEGIN X-----\nAAAA\n-----END X-----\n"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct visits visits = {.answer = RC_OK};
		struct err err;

		assert_int_equal(cert_pem_each(cases[i], note, &visits, &err), RC_INVALID);
		assert_int_equal(visits.count, 0);
		assert_int_equal(ERR_peek_error(), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_facts_of_a_certificate_are_read),
		cmocka_unit_test(a_signed_part_of_indefinite_length_is_not_der),
		cmocka_unit_test(names_carry_no_control_characters_and_are_utf_8),
		cmocka_unit_test(a_name_that_is_not_the_text_it_claims_to_be_is_refused),
		cmocka_unit_test(a_zero_in_a_name_hides_nothing_behind_it),
		cmocka_unit_test(long_names_are_cut_at_a_characters_border),
		cmocka_unit_test(odd_serial_numbers_are_shown),
		cmocka_unit_test(bytes_that_are_not_one_certificate_are_refused),
		cmocka_unit_test(another_encoding_of_a_certificate_is_refused),
		cmocka_unit_test(a_certificate_may_be_as_large_as_its_limit_and_no_larger),
		cmocka_unit_test(each_certificate_of_a_pem_file_is_visited_and_other_blocks_are_not),
		cmocka_unit_test(a_pem_block_is_written_as_openssl_writes_it),
		cmocka_unit_test(pem_without_a_sound_certificate_is_refused),
	};

	return cmocka_run_group_tests_name("pki/cert", tests, NULL, NULL);
}
