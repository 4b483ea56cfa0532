/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "machine_info.h"

enum { ARENA_BYTES = 1 << 20, XML_BYTES = 32768 };

#define PLIST(dict) "<plist version=\"1.0\"><dict>" dict "</dict></plist>"

static enum rc read_info(const char *xml, struct arena *arena, struct machine_info *info,
	struct err *err)
{
	return machine_info_read(slice_of_str(xml), arena, info, err);
}

static void all_that_a_device_says_is_read_and_the_rest_passed_over(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct machine_info info;
	struct err err = {.rc = RC_OK};

	(void)state;
	if (
		read_info(
			PLIST(
				"<key>UDID</key><string>U-1</string><key>SERIAL</key><string>C02</string>"
				"<key>PRODUCT</key><string>Mac14,2</string><key>VERSION</key><string>23F79</string>"
				"<key>SUPPLEMENTAL_BUILD_VERSION</key><string>23F79a</string>"
				"<key>OS_VERSION</key><string>14.5</string><key>LANGUAGE</key><string>de</string>"
				"<key>SOFTWARE_UPDATE_DEVICE_ID</key><string>J493AP</string><key>IMEI</key><string>1</string>"
				"<key>PAIRING_TOKEN</key><data>AQI=</data><key>MDM_CAN_REQUEST_PSSO_CONFIG</key><true/>"
				"<key>MDM_CAN_REQUEST_SOFTWARE_UPDATE</key><true/>"),
			arena, &info, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_true(slice_is_str(info.udid, "U-1") && slice_is_str(info.serial, "C02"));
	assert_true(slice_is_str(info.product, "Mac14,2") && slice_is_str(info.build, "23F79"));
	assert_true(
		slice_is_str(info.supplemental_build, "23F79a") && slice_is_str(info.os_version, "14.5"));
	assert_true(slice_is_str(info.language, "de") && slice_is_str(info.pairing_token, "\1\2"));
	assert_true(slice_is_str(info.software_update_device_id, "J493AP"));
	assert_true(info.can_request_platform_sso && info.can_request_software_update);
}

static void what_a_persons_own_device_says_names_no_device(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct machine_info info;

	(void)state;
	assert_int_equal(read_info(PLIST("<key>PRODUCT</key><string>iPhone15,2</string>"), arena, &info,
																			NULL),
		RC_OK);
	assert_true(info.udid.len == 0 && info.serial.len == 0 && info.pairing_token.len == 0);
	assert_false(info.can_request_platform_sso || info.can_request_software_update);
}

static void what_is_no_such_list_is_refused_by_its_key(void **state)
{
	static const struct {
		const char *xml;
		const char *word;
	} cases[] = {
		{"", "machine information"},
		{"<plist><array/></plist>", "dictionary"},
		{PLIST("<key>UDID</key><integer>1</integer>"), "UDID"},
		{PLIST("<key>SERIAL</key><data>AQ==</data>"), "SERIAL"},
		{PLIST("<key>PAIRING_TOKEN</key><string>x</string>"), "PAIRING_TOKEN"},
		{PLIST("<key>MDM_CAN_REQUEST_SOFTWARE_UPDATE</key><string>yes</string>"),
			"MDM_CAN_REQUEST_SOFTWARE_UPDATE"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		struct machine_info info;
		struct err err = {.rc = RC_OK};

		assert_int_equal(read_info(cases[i].xml, arena, &info, &err), RC_INVALID);
		if (strstr(err.text, cases[i].word) == NULL)
			fail_msg("%zu: %s", i, err.text);
	}
}

static enum rc read_long(const char *key, size_t bytes)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	static char xml[XML_BYTES];
	static char value[XML_BYTES / 2];
	struct machine_info info;
	struct err err = {.rc = RC_OK};

	memset(value, 'x', bytes);
	value[bytes] = '\0';
	snprintf(xml, sizeof(xml), PLIST("<key>%s</key><string>%s</string>"), key, value);
	return read_info(xml, arena, &info, &err);
}

static void texts_have_their_bound(void **state)
{
	static const char *const keys[] = {"UDID", "SERIAL", "PRODUCT", "VERSION", "OS_VERSION"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(keys); i++) {
		assert_int_equal(read_long(keys[i], MACHINE_INFO_TEXT_BYTES_MAX), RC_OK);
		assert_int_equal(read_long(keys[i], MACHINE_INFO_TEXT_BYTES_MAX + 1), RC_INVALID);
	}
}

static void a_product_has_its_platform(void **state)
{
	static const struct {
		const char *product;
		enum machine_platform platform;
	} cases[] = {
		{"iPhone15,2", MACHINE_IOS},
		{"iPod9,1", MACHINE_IOS},
		{"iPad13,1", MACHINE_IPADOS},
		{"Mac14,2", MACHINE_MACOS},
		{"MacBookPro18,3", MACHINE_MACOS},
		{"iMac21,1", MACHINE_MACOS},
		{"VirtualMac2,1", MACHINE_MACOS},
		{"AppleTV11,1", MACHINE_TVOS},
		{"RealityDevice14,1", MACHINE_VISIONOS},
		{"Watch6,1", MACHINE_WATCHOS},
		{"Toaster1,1", MACHINE_UNKNOWN},
		{"", MACHINE_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(machine_platform(slice_of_str(cases[i].product)), cases[i].platform);
}

static void versions_are_compared_number_by_number(void **state)
{
	static const struct {
		const char *left, *right;
		int order;
	} cases[] = {
		{"17.5", "17.5", 0},
		{"17.5", "17.5.0", 0},
		{"17.5", "17.5.1", -1},
		{"17.10", "17.9", 1},
		{"9.3", "10.0", -1},
		{"17", "16.7.8", 1},
		{"1.2.3.4", "1.2.3.5", -1},
		{"999999999", "1", 1},
		{"", "1", 0}, /* no versions: they are equal to all */
		{"17.x", "1", 0},
		{"17..5", "1", 0},
		{"17.", "1", 0},
		{"1.2.3.4.5", "1", 0},
		{"1000000000", "1", 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct slice left = slice_of_str(cases[i].left), right = slice_of_str(cases[i].right);

		assert_int_equal(machine_version_compare(left, right), cases[i].order);
		assert_int_equal(machine_version_compare(right, left), -cases[i].order);
	}
	assert_true(machine_version_is_sound(SLICE_LITERAL("17.5.1")));
	assert_false(machine_version_is_sound(SLICE_LITERAL("17.5 beta")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_a_device_says_is_read_and_the_rest_passed_over),
		cmocka_unit_test(what_a_persons_own_device_says_names_no_device),
		cmocka_unit_test(what_is_no_such_list_is_refused_by_its_key),
		cmocka_unit_test(texts_have_their_bound),
		cmocka_unit_test(a_product_has_its_platform),
		cmocka_unit_test(versions_are_compared_number_by_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
