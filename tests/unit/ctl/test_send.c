/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "send.h"

static void assert_json(const struct json_value *value, const char *want)
{
	struct buf text;

	buf_init(&text, 65536);
	assert_int_equal(json_write(value, false, &text, NULL), RC_OK);
	assert_string_equal(buf_cstr(&text), want);
	buf_fini(&text);
}

static void a_word_with_a_slash_or_a_dot_is_a_file(void **state)
{
	static const char *const files[] = {"-", "./x", "/tmp/x", "profile.plist", "a.json"};
	static const char *const types[] = {"DeviceInformation", "ProfileList", "X"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(files); i++)
		assert_true(send_is_file(files[i]));
	for (size_t i = 0; i < COUNT_OF(types); i++)
		assert_false(send_is_file(types[i]));
}

static void keys_become_members_of_the_command(void **state)
{
	struct arg_option options[] = {
		{"--PIN", "123456"},
		{"--PreserveDataPlan", "true"},
		{"--Identifiers", "[\"a\"]"},
		{"--Count:json", "5"},
		{"--Message=hi", "hi"},
		{"--all", ""},
		{"--uuid", "U"},
	};
	const struct args args = {.options = options, .option_count = COUNT_OF(options)};
	struct json_value *body = json_new_object();

	(void)state;
	assert_int_equal(send_build_command("EraseDevice", &args, body, NULL), RC_OK);
	assert_json(body,
		"{\"command\":{\"RequestType\":\"EraseDevice\",\"PIN\":\"123456\","
		"\"PreserveDataPlan\":true,\"Identifiers\":[\"a\"],\"Count\":5,\"Message\":\"hi\"}}");
	json_free(&body);
}

static void a_key_that_is_no_json_is_told(void **state)
{
	struct arg_option options[] = {{"--Identifiers", "[nonsense"}};
	const struct args args = {.options = options, .option_count = 1};
	struct json_value *body = json_new_object();
	struct err err = {.rc = RC_OK};

	(void)state;
	assert_int_equal(send_build_command("X", &args, body, &err), RC_INVALID);
	assert_non_null(strstr(err.text, "--Identifiers"));
	json_free(&body);
}

static void device_information_asks_for_something_unless_told(void **state)
{
	struct arg_option options[] = {{"--Queries", "[\"UDID\"]"}};
	const struct args told = {.options = options, .option_count = 1};
	const struct args untold = {.options = NULL};
	struct json_value *body = json_new_object();

	(void)state;
	assert_int_equal(send_build_command("DeviceInformation", &untold, body, NULL), RC_OK);
	assert_true(json_count(json_get(json_get(body, "command"), "Queries")) > 5);
	json_free(&body);
	body = json_new_object();
	assert_int_equal(send_build_command("DeviceInformation", &told, body, NULL), RC_OK);
	assert_int_equal(json_count(json_get(json_get(body, "command"), "Queries")), 1);
	json_free(&body);
}

static void a_file_is_json_or_else_a_plist(void **state)
{
	static const struct {
		const char *content, *body;
	} cases[] = {
		{" {\"RequestType\": \"X\"}", "{\"command\":{\"RequestType\":\"X\"}}"},
		{"{\"Command\": {\"RequestType\": \"X\"}, \"CommandUUID\": \"U\"}",
			"{\"uuid\":\"U\",\"command\":{\"RequestType\":\"X\"}}"},
		{"<plist/>", "{\"plist_base64\":\"PHBsaXN0Lz4=\"}"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct json_value *body = json_new_object();

		assert_int_equal(send_add_content(slice_of_str(cases[i].content), body, NULL), RC_OK);
		assert_json(body, cases[i].body);
		json_free(&body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_word_with_a_slash_or_a_dot_is_a_file),
		cmocka_unit_test(keys_become_members_of_the_command),
		cmocka_unit_test(a_key_that_is_no_json_is_told),
		cmocka_unit_test(device_information_asks_for_something_unless_told),
		cmocka_unit_test(a_file_is_json_or_else_a_plist),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
