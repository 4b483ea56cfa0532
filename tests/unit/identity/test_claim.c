/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "pomona/identity/claim.h"

enum { ARENA_BYTES = 1 << 20, TEXT_BYTES = 4096 };

#define STR(key, value) "<key>" key "</key><string>" value "</string>"
#define SHARED STR("UserID", CLAIM_SHARED_IPAD_USER_ID)

static enum rc read_claim(const char *keys, struct arena *arena, struct claim *claim,
	struct err *err)
{
	char text[TEXT_BYTES];
	const struct plist_doc *doc;

	snprintf(text, sizeof(text), "<plist version=\"1.0\"><dict>%s</dict></plist>", keys);
	assert_int_equal(plist_parse_in(arena, slice_of_str(text), &doc, err), RC_OK);
	return claim_read(plist_root(doc), arena, claim, err);
}

static void the_keys_that_are_present_tell_the_channel(void **state)
{
	static const struct {
		const char *keys, *ext_id, *device_id;
		enum enrollment_kind kind;
	} cases[] = {
		{STR("UDID", "D"), "D", "D", ENROLLMENT_DEVICE},
		{STR("UDID", "D") STR("UserID", "U"), "D:U", "D", ENROLLMENT_USER},
		{STR("UDID", "D") STR("UserID", "U") STR("UserShortName", "anna"), "D:U", "D", ENROLLMENT_USER},
		{STR("UDID", "D") SHARED STR("UserShortName", "anna@example.com"), "D:anna@example.com", "D",
			ENROLLMENT_SHARED_USER},
		{STR("UDID", "D") STR("UserShortName", "anna"), "D", "D", ENROLLMENT_DEVICE},
		{STR("UDID", "D") STR("UserID", ""), "D", "D", ENROLLMENT_DEVICE},
		{STR("EnrollmentID", "E"), "E", "E", ENROLLMENT_BYOD_DEVICE},
		{STR("EnrollmentID", "E") STR("EnrollmentUserID", "V"), "E:V", "E", ENROLLMENT_BYOD_USER},
		{STR("UDID", "D") STR("EnrollmentID", "E"), "D", "D", ENROLLMENT_DEVICE},
		{STR("UDID", "") STR("EnrollmentID", "E"), "E", "E", ENROLLMENT_BYOD_DEVICE},
		{STR("UDID", "d0\xc3\xa9 ."), "d0\xc3\xa9 .", "d0\xc3\xa9 .", ENROLLMENT_DEVICE},
		{STR("UDID", "D") STR("UserID", "a:b"), "D:a:b", "D", ENROLLMENT_USER},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		struct claim claim;
		struct err err;

		assert_int_equal(read_claim(cases[i].keys, arena, &claim, &err), RC_OK);
		assert_int_equal(claim.kind, cases[i].kind);
		assert_true(slice_is_str(claim.ext_id, cases[i].ext_id));
		assert_true(slice_is_str(claim.device_id, cases[i].device_id));
	}
}

static void a_claim_that_breaks_a_rule_is_refused_by_the_name_of_its_key(void **state)
{
	static const struct {
		const char *keys, *named;
	} cases[] = {
		{"", "UDID or EnrollmentID"},
		{STR("UserID", "U"), "UDID or EnrollmentID"},
		{STR("UDID", "a:b"), "UDID"},
		{STR("EnrollmentID", "a:b"), "EnrollmentID"},
		{STR("UDID", "D") SHARED, "UserShortName"},
		{STR("UDID", "a\nb"), "UDID"},
		{STR("UDID", "."), "UDID"},
		{STR("EnrollmentID", ".."), "EnrollmentID"},
		{STR("UDID",
				"a\xC2\x9B"
				"b"),
			"UDID"},
		{STR("UDID", "a\xC2\x80"), "UDID"},
		{STR("UDID", "D") STR("UserID", "\xC2\x9F"), "UserID"},
		{STR("UDID", "D") STR("UserID", "a\tb"), "UserID"},
		{"<key>UDID</key><integer>1</integer>", "UDID"},
		{STR("UDID", "D") "<key>UserID</key><true/>", "UserID"},
		{STR("UDID", "D") STR("NotOnConsole", "true"), "NotOnConsole"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		struct claim claim;
		struct err err = {0};

		assert_int_equal(read_claim(cases[i].keys, arena, &claim, &err), RC_INVALID);
		assert_non_null(strstr(err.text, cases[i].named));
	}
}

static void an_id_at_its_limit_is_taken_and_one_past_it_is_not(void **state)
{
	static const struct {
		const char *before, *key;
		size_t max;
	} cases[] = {
		{"", "UDID", ENROLLMENT_DEVICE_ID_BYTES_MAX},
		{"", "EnrollmentID", ENROLLMENT_DEVICE_ID_BYTES_MAX},
		{STR("UDID", "D"), "UserID", ENROLLMENT_USER_PART_BYTES_MAX},
		{STR("UDID", "D") SHARED, "UserShortName", ENROLLMENT_USER_PART_BYTES_MAX},
		{STR("EnrollmentID", "E"), "EnrollmentUserID", ENROLLMENT_USER_PART_BYTES_MAX},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases) * 2; i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		bool is_past = i % 2 == 1;
		char value[1024];
		char keys[TEXT_BYTES / 2];
		struct claim claim;
		struct err err = {0};

		memset(value, 'x', sizeof(value));
		value[cases[i / 2].max + (is_past ? 1 : 0)] = '\0';
		snprintf(keys, sizeof(keys), "%s<key>%s</key><string>%s</string>", cases[i / 2].before,
			cases[i / 2].key, value);
		assert_int_equal(read_claim(keys, arena, &claim, &err), is_past ? RC_INVALID : RC_OK);
		if (is_past)
			assert_non_null(strstr(err.text, cases[i / 2].key));
	}
}

static void names_and_console_are_told(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct claim claim;
	struct err err;

	(void)state;
	assert_int_equal(read_claim(STR("UDID", "D") STR("UserID", "U") STR("UserShortName", "anna")
																														STR("UserLongName", "Anna B") "<key>NotOnConsole</key><true/>",
																			arena, &claim, &err),
		RC_OK);
	assert_true(slice_is_str(claim.user_short_name, "anna"));
	assert_true(slice_is_str(claim.user_long_name, "Anna B"));
	assert_true(claim.is_not_on_console);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_keys_that_are_present_tell_the_channel),
		cmocka_unit_test(a_claim_that_breaks_a_rule_is_refused_by_the_name_of_its_key),
		cmocka_unit_test(an_id_at_its_limit_is_taken_and_one_past_it_is_not),
		cmocka_unit_test(names_and_console_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
