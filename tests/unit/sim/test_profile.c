/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "pomona/pki/authority.h"
#include "profile.h"

enum { TEXT_BYTES_MAX = 2 * PROFILE_BYTES_MAX, NOW = 1700000000 };

#define KEY(key, value) "<key>" key "</key>" value
#define STR(key, text) KEY(key, "<string>" text "</string>")
#define HEAD(id) \
	STR("PayloadIdentifier", id) STR("PayloadUUID", "u") KEY("PayloadVersion", "<integer>1</integer>")
#define TOP(id, more) STR("PayloadType", "Configuration") HEAD(id) more
#define EMPTY KEY("PayloadContent", "<array/>")

static struct refusals install(struct profile_set *set, const char *keys)
{
	struct refusals why;
	struct buf xml;

	buf_init(&xml, TEXT_BYTES_MAX);
	buf_printf(&xml, "<plist version=\"1.0\"><dict>%s</dict></plist>", keys);
	assert_int_equal(buf_status(&xml, "profile", NULL), RC_OK);
	why = profile_install(set, buf_slice(&xml));
	buf_fini(&xml);
	return why;
}

static void a_profile_replaces_the_one_of_its_identifier_and_is_removed_by_it(void **state)
{
	struct profile_set set = {NULL, 0};

	(void)state;
	assert_null(install(&set, TOP("a", EMPTY)).top);
	assert_null(install(&set, TOP("b", EMPTY)).top);
	assert_null(install(&set, TOP("a", EMPTY STR("PayloadDisplayName", "new"))).top);
	assert_int_equal(set.count, 2);
	assert_int_equal(profile_remove(&set, SLICE_LITERAL("c")).top->code, 12013);
	assert_null(profile_remove(&set, SLICE_LITERAL("a")).top);
	assert_int_equal(set.count, 1);
	assert_int_equal(profile_remove(&set, SLICE_LITERAL("a")).top->code, 12013);
	assert_null(profile_remove(&set, SLICE_LITERAL("b")).top);
	assert_int_equal(set.count, 0);
	profile_set_clear(&set);
}

static void what_is_no_profile_is_refused_with_its_reason_and_changes_nothing(void **state)
{
	static const struct {
		const char *keys, *domain; /* of the last link */
		int code;
	} cases[] = {
		{"", "MCProfileErrorDomain", 1002},
		{STR("PayloadType", "Other") HEAD("a") EMPTY, "MCProfileErrorDomain", 1000},
		{TOP("a", ""), "MCProfileErrorDomain", 1002},
		{TOP("", EMPTY), "MCProfileErrorDomain", 1002},
		{TOP("a", KEY("PayloadContent", "<dict/>")), "MCProfileErrorDomain", 1003},
		{TOP("a", KEY("EncryptedPayloadContent", "<true/>")), "MCProfileErrorDomain", 1003},
		{STR("PayloadType", "Configuration") STR("PayloadIdentifier", "a") STR("PayloadUUID", "u")
				KEY("PayloadVersion", "<integer>2</integer>") EMPTY,
			"MCProfileErrorDomain", 1001},
		{STR("PayloadType", "Configuration") STR("PayloadIdentifier", "a")
				KEY("PayloadUUID", "<integer>1</integer>") KEY("PayloadVersion", "<integer>1</integer>") EMPTY,
			"MCProfileErrorDomain", 1003},
		{TOP("a", KEY("PayloadContent", "<array><string>x</string></array>")), "MCPayloadErrorDomain",
			2003},
		{TOP("a", KEY("PayloadContent", "<array><dict>" HEAD("x") "</dict></array>")),
			"MCPayloadErrorDomain", 2002},
		{TOP("a",
				KEY("PayloadContent",
					"<array><dict>" HEAD("x") STR("PayloadType", "com.apple.security.root")
						KEY("PayloadContent", "<data>AAAA</data>") "</dict></array>")),
			"MCCertificateErrorDomain", 9005},
		{TOP("a",
				KEY("PayloadContent",
					"<array><dict>" HEAD("x") STR("PayloadType", "com.apple.security.pkcs12")
						KEY("PayloadContent", "<data>AAAA</data>") "</dict></array>")),
			"MCCertificateErrorDomain", 9005},
	};
	struct profile_set set = {NULL, 0};

	(void)state;
	assert_null(install(&set, TOP("kept", EMPTY)).top);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct refusals why = install(&set, cases[i].keys);
		const struct refusal *last = why.cause == NULL ? why.top : why.cause;

		if (last == NULL || last->code != cases[i].code || strcmp(last->domain, cases[i].domain) != 0)
			fail_msg("%zu: %d", i, last == NULL ? 0 : last->code);
		assert_true(why.cause == NULL || why.top->code == 4001);
		assert_int_equal(set.count, 1);
	}
	profile_set_clear(&set);
}

static void bytes_that_are_no_property_list_are_a_malformed_profile(void **state)
{
	static const char *const payloads[] = {"", "x", "<plist", "0\x82\x01", "<plist><array/></plist>"};
	struct profile_set set = {NULL, 0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(payloads); i++) {
		struct refusals why = profile_install(&set, slice_of_str(payloads[i]));

		assert_non_null(why.top);
		assert_int_equal(why.top->code, 1000);
		assert_null(why.cause);
	}
	assert_int_equal(set.count, 0);
}

static void an_encrypted_profile_is_kept_without_being_read(void **state)
{
	struct profile_set set = {NULL, 0};
	struct profile profile;

	(void)state;
	assert_null(install(&set, TOP("a", KEY("EncryptedPayloadContent", "<data>AAAA</data>"))).top);
	assert_null(profile_read(buf_slice(&set.payloads[0]), &profile).top);
	assert_true(profile.is_encrypted);
	assert_int_equal(profile.signer_der.len, 0);
	profile_fini(&profile);
	profile_set_clear(&set);
}

static enum rc count_cert(void *ctx, struct slice der, bool is_identity)
{
	struct cert_facts facts;
	int *count = ctx;

	assert_int_equal(cert_read_facts(der, &facts, NULL), RC_OK);
	assert_string_equal(facts.common_name, "root of the orchard");
	assert_false(is_identity);
	(*count)++;
	return RC_OK;
}

static void a_certificate_comes_as_der_or_as_pem(void **state)
{
	const struct authority_params params = {.key = KEY_P256,
		.common_name = "root of the orchard",
		.now = NOW,
		.valid_s = 3600};
	AUTO(authority_free) struct authority *authority = NULL;
	struct plist_node *content, *payload;
	struct slice der;
	struct buf pem;

	(void)state;
	assert_int_equal(authority_new(&params, &authority, NULL), RC_OK);
	der = authority_cert_der(authority);
	buf_init(&pem, CERT_DER_BYTES_MAX * 2);
	cert_write_pem(der, &pem);
	for (int is_pem = 0; is_pem < 2; is_pem++) {
		AUTO(plist_doc_free) struct plist_doc *doc = plist_doc_new_dict();
		const struct profile profile = {.root = plist_root(doc)};
		int count = 0;

		content = plist_new_array();
		payload = plist_new_dict();
		assert_int_equal(plist_dict_set(payload, "PayloadType",
																				plist_new_string(SLICE_LITERAL("com.apple.security.root"))),
			RC_OK);
		assert_int_equal(plist_dict_set(payload, "PayloadContent",
																				plist_new_data(is_pem ? buf_slice(&pem) : der)),
			RC_OK);
		assert_int_equal(plist_array_append(content, payload), RC_OK);
		assert_int_equal(plist_dict_set(plist_root(doc), "PayloadContent", content), RC_OK);
		assert_int_equal(profile_each_cert(&profile, count_cert, &count), RC_OK);
		assert_int_equal(count, 1);
	}
	buf_fini(&pem);
}

static void a_channel_holds_as_many_profiles_as_its_limit_and_none_more(void **state)
{
	struct profile_set set = {NULL, 0};
	struct refusals why;
	char keys[512];

	(void)state;
	for (int i = 0; i <= PROFILES_MAX; i++) {
		(void)snprintf(keys, sizeof(keys), STR("PayloadType", "Configuration") HEAD("p%d") EMPTY, i);
		why = install(&set, keys);
		if (i < PROFILES_MAX)
			assert_null(why.top);
	}
	assert_int_equal(why.top->code, 4001);
	assert_int_equal(set.count, PROFILES_MAX);
	assert_null(install(&set, TOP("p0", EMPTY)).top); /* one that is there is replaced all the same */
	profile_set_clear(&set);
}

/* A whole profile of exactly `bytes`. */
static struct refusals install_sized(struct profile_set *set, const char *id, size_t bytes)
{
	static const char tail[] = "</string></dict></plist>";
	struct refusals why;
	struct buf xml;

	buf_init(&xml, TEXT_BYTES_MAX);
	buf_printf(&xml,
		"<plist version=\"1.0\"><dict>" STR("PayloadType", "Configuration") HEAD("%s") EMPTY
		"<key>PayloadDescription</key><string>",
		id);
	while (xml.len + sizeof(tail) - 1 < bytes)
		buf_append_byte(&xml, 'x');
	buf_append_str(&xml, tail);
	assert_int_equal(xml.len, bytes);
	why = profile_install(set, buf_slice(&xml));
	buf_fini(&xml);
	return why;
}

static void a_profile_and_all_of_a_channel_have_a_largest_size(void **state)
{
	enum { FULL = PROFILES_BYTES_MAX / PROFILE_BYTES_MAX };
	struct profile_set set = {NULL, 0};
	char id[16];

	(void)state;
	assert_int_equal(install_sized(&set, "large", PROFILE_BYTES_MAX + 1).top->code, 4001);
	for (int i = 0; i < FULL; i++) {
		(void)snprintf(id, sizeof(id), "p%d", i);
		assert_null(install_sized(&set, id, PROFILE_BYTES_MAX).top);
	}
	assert_int_equal(install(&set, TOP("more", EMPTY)).top->code, 4001);
	assert_int_equal(set.count, FULL);
	assert_null(install_sized(&set, "p0", PROFILE_BYTES_MAX).top);
	profile_set_clear(&set);
}

static void an_identifier_has_a_largest_size(void **state)
{
	struct profile_set set = {NULL, 0};
	char id[PROFILE_ID_BYTES + 1], keys[1024];

	(void)state;
	memset(id, 'i', sizeof(id));
	for (size_t len = PROFILE_ID_BYTES - 1; len <= PROFILE_ID_BYTES; len++) {
		struct refusals why;

		id[len] = 0;
		(void)snprintf(keys, sizeof(keys), STR("PayloadType", "Configuration") HEAD("%s") EMPTY, id);
		id[len] = 'i';
		why = install(&set, keys);
		assert_int_equal(why.top == NULL, len < PROFILE_ID_BYTES);
	}
	assert_int_equal(set.count, 1);
	profile_set_clear(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_profile_replaces_the_one_of_its_identifier_and_is_removed_by_it),
		cmocka_unit_test(what_is_no_profile_is_refused_with_its_reason_and_changes_nothing),
		cmocka_unit_test(bytes_that_are_no_property_list_are_a_malformed_profile),
		cmocka_unit_test(an_encrypted_profile_is_kept_without_being_read),
		cmocka_unit_test(a_certificate_comes_as_der_or_as_pem),
		cmocka_unit_test(a_channel_holds_as_many_profiles_as_its_limit_and_none_more),
		cmocka_unit_test(a_profile_and_all_of_a_channel_have_a_largest_size),
		cmocka_unit_test(an_identifier_has_a_largest_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
