/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "forge.h"
#include "pomona/base/codec.h"
#include "pomona/pki/apple_chain.h"

enum { MESSAGE_BYTES_MAX = 1 << 20, STEP = 7, YEAR_2007 = 1167609600, YEAR_2014 = 1388534400 };

static const char text[] = "<plist><string>0123456789</string></plist>";
#define TEXT slice_of_str(text)

/* As Apple's: the device CA has ended, has RSA of 1024 bits, and signs with SHA-1. */
static struct forged *root, *middle, *device_ca, *device;
static struct forged *developer_ca, *developer; /* of the same root */
static struct buf message;

static struct forged *make_rsa(const char *name, const struct forged *issuer, unsigned bits,
	bool is_ca, const char *digest)
{
	EVP_PKEY *key = EVP_RSA_gen(bits);
	const struct forge_params params = {.common_name = name,
		.issuer = issuer,
		.key = key,
		.not_before = YEAR_2007,
		.not_after = is_ca ? YEAR_2014 : 0,
		.digest = digest,
		.is_ca = is_ca};
	struct forged *made;

	assert_non_null(key);
	made = forge(&params);
	EVP_PKEY_free(key);
	return made;
}

static int make_all(void **state)
{
	(void)state;
	root = make_rsa("Root", NULL, 2048, true, "SHA1");
	middle = make_rsa("Middle", root, 2048, true, "SHA1");
	device_ca = make_rsa("Device CA", middle, 1024, true, "SHA1");
	device = make_rsa("A device", device_ca, 1024, false, "SHA1");
	developer_ca = make_rsa("Developer CA", root, 2048, true, "SHA1");
	developer = make_rsa("A developer", developer_ca, 2048, false, "SHA256");
	buf_init(&message, MESSAGE_BYTES_MAX);
	return 0;
}

static int free_all(void **state)
{
	struct forged **all[] = {&root, &middle, &device_ca, &device, &developer_ca, &developer};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(all); i++)
		forged_free(all[i]);
	buf_fini(&message);
	return 0;
}

struct signing {
	const struct forged *signer;
	const struct forged *more[4]; /* certificates that come with it */
	const char *digest;           /* NULL: SHA1 */
	struct slice content;         /* empty: TEXT */
	unsigned flags;
	bool is_ber;
};

static void put_message(CMS_ContentInfo *cms, BIO *content, const struct signing *signing)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *bytes;
	long len;

	if (signing->is_ber)
		assert_int_equal(i2d_CMS_bio_stream(out, cms, content, CMS_BINARY | CMS_STREAM), 1);
	else
		assert_int_equal(i2d_CMS_bio(out, cms), 1);
	len = BIO_get_mem_data(out, &bytes);
	buf_clear(&message);
	buf_append(&message, slice_of(bytes, (size_t)len));
	BIO_free(out);
}

static void sign(const struct signing *signing)
{
	const struct slice text_given = signing->content.len > 0 ? signing->content : TEXT;
	const unsigned flags = CMS_BINARY | CMS_NOSMIMECAP | signing->flags;
	const unsigned stream = signing->is_ber ? CMS_STREAM : CMS_PARTIAL;
	BIO *content = BIO_new_mem_buf(text_given.ptr, (int)text_given.len);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, content, flags | CMS_PARTIAL | stream);

	assert_non_null(cms);
	assert_non_null(CMS_add1_signer(cms, signing->signer->cert, signing->signer->key,
		EVP_get_digestbyname(signing->digest == NULL ? "SHA1" : signing->digest), flags | CMS_PARTIAL));
	for (size_t i = 0; i < COUNT_OF(signing->more) && signing->more[i] != NULL; i++)
		assert_int_equal(CMS_add1_cert(cms, signing->more[i]->cert), 1);
	if (!signing->is_ber)
		assert_int_equal(CMS_final(cms, content, NULL, flags), 1);
	put_message(cms, content, signing);
	CMS_ContentInfo_free(cms);
	BIO_free(content);
}

/* The verdict with these imported. */
static enum apple_verdict open_with(const struct forged *const *imported, size_t count)
{
	AUTO(apple_chain_unref) struct apple_chain *chain = NULL;
	AUTO(device_cms_free) struct device_cms *cms = NULL;
	struct slice ders[APPLE_CERTS_MAX];
	enum apple_verdict verdict;
	struct err err = {.rc = RC_OK};

	for (size_t i = 0; i < count; i++)
		ders[i] = forged_der(imported[i]);
	assert_int_equal(apple_chain_new(ders, count, &chain, &err), RC_OK);
	verdict = apple_chain_open(chain, buf_slice(&message), &cms, &err);
	assert_int_equal(ERR_peek_error(), 0);
	assert_int_equal(verdict == APPLE_GOOD, err.rc == RC_OK);
	if (verdict == APPLE_GOOD)
		assert_non_null(cms);
	else
		assert_true(err.text[0] != '\0');
	return verdict;
}

static enum apple_verdict open_message(void)
{
	const struct forged *all[] = {device_ca, middle, root};

	return open_with(all, COUNT_OF(all));
}

static void a_device_is_apples_though_the_ca_has_ended_and_signs_with_sha1(void **state)
{
	AUTO(apple_chain_unref) struct apple_chain *chain = NULL;
	AUTO(device_cms_free) struct device_cms *cms = NULL;
	const struct slice imported[] = {forged_der(device_ca)};
	const struct signing signing = {.signer = device, .more = {device_ca, middle, root}};
	struct err err;

	(void)state;
	sign(&signing);
	assert_int_equal(apple_chain_new(imported, 1, &chain, &err), RC_OK);
	assert_int_equal(apple_chain_open(chain, buf_slice(&message), &cms, &err), APPLE_GOOD);
	assert_true(slice_is_equal(device_cms_content(cms), TEXT));
	assert_true(slice_is_equal(device_cms_signer_der(cms), forged_der(device)));
	assert_string_equal(device_cms_signer(cms)->common_name, "A device");
	assert_string_equal(device_cms_signer(cms)->issuer, "CN=Device CA");
}

static void devices_sign_in_several_ways(void **state)
{
	const struct forge_params params = {.common_name = "EC", .issuer = device_ca, .digest = "SHA256"};
	AUTO(forged_free) struct forged *ec = forge(&params);
	AUTO(forged_free) struct forged *rsa = make_rsa("RSA", device_ca, 2048, false, "SHA256");
	const struct signing cases[] = {
		{.signer = device, .digest = "SHA256"},
		{.signer = device, .flags = CMS_NOATTR},
		{.signer = device, .digest = "SHA512"},
		{.signer = device, .is_ber = true},
		{.signer = ec, .digest = "SHA256", .more = {device_ca}},
		{.signer = rsa, .digest = "SHA384"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		sign(&cases[i]);
		assert_int_equal(open_message(), APPLE_GOOD);
	}
}

/* Apple issues certificates to all sorts of people under the same root, and messages bring what they like. */
static void only_what_an_imported_certificate_issued_itself_is_apples(void **state)
{
	AUTO(forged_free) struct forged *other_root = make_rsa("Root", NULL, 2048, true, "SHA1");
	AUTO(forged_free) struct forged *other_ca = make_rsa("Device CA", other_root, 1024, true, "SHA1");
	AUTO(forged_free) struct forged *stranger = make_rsa("A device", other_ca, 1024, false, "SHA1");
	AUTO(forged_free) struct forged *self_made = make_rsa("Myself", NULL, 1024, false, "SHA1");
	const struct forged *only_root[] = {root};
	const struct signing of_device = {.signer = device, .more = {device_ca, middle, root}};
	const struct signing refused[] = {
		{.signer = developer, .more = {developer_ca, root}, .digest = "SHA256"},
		{.signer = stranger, .more = {other_ca, other_root}},
		{.signer = stranger, .more = {device_ca, middle, root}},
		{.signer = self_made},
		{.signer = device_ca, .more = {middle, root}}, /* the CAs themselves are no device */
		{.signer = root},
	};

	(void)state;
	sign(&of_device);
	assert_int_equal(open_message(), APPLE_GOOD);
	assert_int_equal(open_with(only_root, 1), APPLE_NOT_CHAINED);
	for (size_t i = 0; i < COUNT_OF(refused); i++) {
		sign(&refused[i]);
		assert_int_equal(open_message(), APPLE_NOT_CHAINED);
	}
}

static void without_an_import_nobody_is_apples(void **state)
{
	const struct signing signing = {.signer = device, .more = {device_ca, middle, root}};

	(void)state;
	sign(&signing);
	assert_int_equal(open_with(NULL, 0), APPLE_NOTHING_IMPORTED);
}

static void weak_keys_and_digests_are_refused(void **state)
{
	AUTO(forged_free) struct forged *short_rsa = make_rsa("Short", device_ca, 512, false, "SHA1");
	AUTO(forged_free) struct forged *below = make_rsa("Below", device_ca, 1016, false, "SHA1");
	AUTO(forged_free) struct forged *md5 = make_rsa("MD5", device_ca, 1024, false, "MD5");
	EVP_PKEY *p192 = EVP_EC_gen("P-192");
	const struct forge_params params = {.common_name = "P-192", .issuer = device_ca, .key = p192};
	AUTO(forged_free) struct forged *short_ec = forge(&params);
	const struct signing cases[] = {
		{.signer = short_rsa},
		{.signer = below},
		{.signer = md5},
		{.signer = short_ec},
		{.signer = device, .digest = "MD5"},
	};

	(void)state;
	EVP_PKEY_free(p192);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		sign(&cases[i]);
		assert_int_equal(open_message(), APPLE_WEAK);
	}
}

/* Where no chain is asked for, a stranger chooses the key that is computed with. */
static void keys_that_are_not_taken_verify_nothing(void **state)
{
	EVP_PKEY *p192 = EVP_EC_gen("P-192");
	const struct forge_params params = {.common_name = "P-192", .issuer = device_ca, .key = p192};
	AUTO(forged_free) struct forged *short_ec = forge(&params);
	AUTO(forged_free) struct forged *below = make_rsa("Below", device_ca, 1016, false, "SHA1");
	struct forged *const signers[] = {device, below, short_ec};

	(void)state;
	EVP_PKEY_free(p192);
	for (size_t i = 0; i < COUNT_OF(signers); i++) {
		const struct signing signing = {.signer = signers[i]};
		struct device_cms *cms = NULL;
		struct err err = {0};

		sign(&signing);
		assert_int_equal(device_cms_parse(buf_slice(&message), &cms, &err), RC_OK);
		assert_int_equal(device_cms_verify(cms, &err), i == 0 ? RC_OK : RC_UNSUPPORTED);
		device_cms_free(&cms);
	}
}

static void rules_that_are_not_known_are_not_passed_over(void **state)
{
	AUTO(forged_free) struct forged *odd = make_rsa("Odd", device_ca, 1024, false, "SHA1");
	ASN1_OBJECT *oid = OBJ_txt2obj("1.2.840.113635.100.99.99", 1);
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_EXTENSION *extension;
	const struct signing signing = {.signer = odd};

	(void)state;
	assert_int_equal(ASN1_OCTET_STRING_set(value, (const unsigned char *)"\5\0", 2), 1);
	extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, value);
	assert_int_equal(X509_add_ext(odd->cert, extension, -1), 1);
	forged_sign(odd, device_ca->key, "SHA1");
	sign(&signing);
	assert_int_equal(open_message(), APPLE_NOT_CHAINED);
	X509_EXTENSION_free(extension);
	ASN1_OCTET_STRING_free(value);
	ASN1_OBJECT_free(oid);
}

static void a_signature_over_other_bytes_is_refused(void **state)
{
	const struct signing cases[] = {{.signer = device}, {.signer = device, .flags = CMS_NOATTR}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		uint8_t *at;

		sign(&cases[i]);
		at = memmem(message.ptr, message.len, "0123456789", 10);
		assert_non_null(at);
		*at = '9';
		assert_int_equal(open_message(), APPLE_NOT_SIGNED);
	}
}

/* Whatever is changed on the way: it is refused, or says what was signed. */
static void no_change_makes_it_say_something_else(void **state)
{
	AUTO(apple_chain_unref) struct apple_chain *chain = NULL;
	const struct slice imported[] = {forged_der(device_ca)};
	const struct signing signing = {.signer = device, .more = {device_ca}};
	struct err err;

	(void)state;
	sign(&signing);
	assert_int_equal(apple_chain_new(imported, 1, &chain, &err), RC_OK);
	for (size_t i = 0; i < message.len; i += STEP) {
		AUTO(device_cms_free) struct device_cms *cms = NULL;
		AUTO(device_cms_free) struct device_cms *part = NULL;

		message.ptr[i] ^= 0x41;
		if (apple_chain_open(chain, buf_slice(&message), &cms, &err) == APPLE_GOOD)
			assert_true(slice_is_equal(device_cms_content(cms), TEXT));
		message.ptr[i] ^= 0x41;
		assert_int_equal(apple_chain_open(chain, slice_of(message.ptr, i), &part, &err), APPLE_GARBLED);
		assert_int_equal(ERR_peek_error(), 0);
	}
}

static void add_certs(CMS_ContentInfo *cms, int count)
{
	for (int i = 0; i < count; i++) {
		AUTO(forged_free) struct forged *one = forge_ca("One of many");

		assert_int_equal(CMS_add1_cert(cms, one->cert), 1);
	}
}

static enum apple_verdict open_with_certs(int count)
{
	BIO *content = BIO_new_mem_buf(text, (int)strlen(text));
	CMS_ContentInfo *cms = CMS_sign(device->cert, device->key, NULL, content, CMS_BINARY);
	const struct signing how = {.signer = device};

	assert_non_null(cms);
	add_certs(cms, count - 1);
	put_message(cms, content, &how);
	CMS_ContentInfo_free(cms);
	BIO_free(content);
	return open_message();
}

static void more_certificates_than_a_chain_has_are_refused(void **state)
{
	(void)state;
	assert_int_equal(open_with_certs(CERT_CHAIN_MAX), APPLE_GOOD);
	assert_int_equal(open_with_certs(CERT_CHAIN_MAX + 1), APPLE_GARBLED);
	assert_int_equal(open_with_certs(17), APPLE_GARBLED);
}

static void a_message_has_a_limit(void **state)
{
	static uint8_t bytes[DEVICE_CMS_BYTES_MAX];
	struct signing signing = {.signer = device, .content = slice_of(bytes, 40000)};
	size_t around;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	sign(&signing);
	around = message.len - 40000;
	signing.content.len = DEVICE_CMS_BYTES_MAX - around;
	sign(&signing);
	assert_int_equal(message.len, DEVICE_CMS_BYTES_MAX);
	assert_int_equal(open_message(), APPLE_GOOD);
	signing.content.len++;
	sign(&signing);
	assert_int_equal(message.len, DEVICE_CMS_BYTES_MAX + 1);
	assert_int_equal(open_message(), APPLE_GARBLED);
}

static void what_is_no_such_message_is_garbled(void **state)
{
	static const char *const junk[] = {"", "0", "<plist/>", "0\x80\x06\x09"};
	const struct signing apart = {.signer = device, .flags = CMS_DETACHED};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(junk); i++) {
		buf_clear(&message);
		buf_append(&message, slice_of_str(junk[i]));
		assert_int_equal(open_message(), APPLE_GARBLED);
	}
	sign(&apart);
	assert_int_equal(open_message(), APPLE_GARBLED);
}

static void only_certificates_of_cas_with_a_known_key_are_imported(void **state)
{
	AUTO(forged_free) struct forged *short_ca = make_rsa("Short CA", NULL, 512, true, "SHA1");
	AUTO(forged_free)
	struct forged *below = make_rsa("Below", NULL, SIGNER_RSA_BITS_MIN - 8, true, "SHA1");
	AUTO(forged_free) struct forged *ec = forge_ca("EC");
	const struct {
		struct slice der;
		enum rc want;
		const char *says;
	} cases[] = {
		{forged_der(device_ca), RC_OK, ""},
		{forged_der(ec), RC_OK, ""},
		{forged_der(device), RC_INVALID, "CN=A device is not the certificate of a CA"},
		{forged_der(short_ca), RC_INVALID, "want RSA of 1024 to 8192 bits"},
		{forged_der(below), RC_INVALID, "want RSA of 1024 to 8192 bits"},
		{SLICE_LITERAL("junk"), RC_INVALID, "cannot be read"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(apple_chain_unref) struct apple_chain *chain = NULL;
		struct cert_facts facts;
		struct err err = {.text = ""};

		assert_int_equal(apple_cert_check(cases[i].der, &facts, &err), cases[i].want);
		assert_non_null(strstr(err.text, cases[i].says));
		assert_int_equal(apple_chain_new(&cases[i].der, 1, &chain, &err), cases[i].want);
		assert_int_equal(chain != NULL, cases[i].want == RC_OK);
		assert_int_equal(ERR_peek_error(), 0);
	}
}

static void so_many_can_be_imported_and_no_more(void **state)
{
	struct slice ders[APPLE_CERTS_MAX + 1];
	struct apple_chain *chain;
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ders); i++)
		ders[i] = forged_der(i % 2 == 0 ? device_ca : middle);
	assert_int_equal(apple_chain_new(ders, APPLE_CERTS_MAX, &chain, &err), RC_OK);
	apple_chain_unref(&chain);
	assert_int_equal(apple_chain_new(ders, APPLE_CERTS_MAX + 1, &chain, &err), RC_LIMIT);
	assert_null(chain);
}

static void apples_own_are_known_by_their_fingerprints(void **state)
{
	static const char hex[] = "b0b1730ecbc7ff4505142c49f1295e6eda6bcaed7e2c68c5be91b5a11001f024";
	uint8_t sha256[SHA256_BYTES];

	(void)state;
	assert_int_equal(hex_parse(slice_of_str(hex), sha256, sizeof(sha256), NULL), RC_OK);
	assert_string_equal(apple_cert_name(sha256), "Apple Root CA");
	sha256[SHA256_BYTES - 1] ^= 1;
	assert_null(apple_cert_name(sha256));
}

static void each_verdict_has_a_word_of_its_own(void **state)
{
	(void)state;
	for (unsigned i = 0; i < APPLE_VERDICT_COUNT; i++)
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(apple_verdict_name((enum apple_verdict)i),
				apple_verdict_name((enum apple_verdict)j));
	assert_string_equal(apple_verdict_name(APPLE_VERDICT_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_is_apples_though_the_ca_has_ended_and_signs_with_sha1),
		cmocka_unit_test(devices_sign_in_several_ways),
		cmocka_unit_test(only_what_an_imported_certificate_issued_itself_is_apples),
		cmocka_unit_test(without_an_import_nobody_is_apples),
		cmocka_unit_test(weak_keys_and_digests_are_refused),
		cmocka_unit_test(keys_that_are_not_taken_verify_nothing),
		cmocka_unit_test(rules_that_are_not_known_are_not_passed_over),
		cmocka_unit_test(a_signature_over_other_bytes_is_refused),
		cmocka_unit_test(no_change_makes_it_say_something_else),
		cmocka_unit_test(more_certificates_than_a_chain_has_are_refused),
		cmocka_unit_test(a_message_has_a_limit),
		cmocka_unit_test(what_is_no_such_message_is_garbled),
		cmocka_unit_test(only_certificates_of_cas_with_a_known_key_are_imported),
		cmocka_unit_test(so_many_can_be_imported_and_no_more),
		cmocka_unit_test(apples_own_are_known_by_their_fingerprints),
		cmocka_unit_test(each_verdict_has_a_word_of_its_own),
	};

	return cmocka_run_group_tests(tests, make_all, free_all);
}
