/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "pomona/base/file.h"
#include "pomona/command/result.h"

enum { ARENA_BYTES = 8 << 20 };

#define STR(key, value) "<key>" key "</key><string>" value "</string>"
#define D STR("UDID", "D")
#define STATUS(word) STR("Status", word)
#define UUID STR("CommandUUID", "U1")

static struct slice wrap(const char *keys, struct arena *arena)
{
	struct buf text;
	struct slice raw;

	assert_non_null(arena);
	buf_init(&text, ARENA_BYTES);
	buf_printf(&text, "<plist version=\"1.0\"><dict>%s</dict></plist>", keys);
	raw = arena_copy(arena, buf_slice(&text));
	buf_fini(&text);
	assert_non_null(raw.ptr);
	return raw;
}

static void every_status_is_read(void **state)
{
	static const struct {
		const char *keys;
		enum result_status status;
	} cases[] = {
		{D STATUS("Idle"), RESULT_IDLE},
		{D STATUS("Idle") STR("CommandUUID", ""), RESULT_IDLE},
		{D STATUS("Idle") UUID, RESULT_IDLE},
		{D STATUS("Acknowledged") UUID, RESULT_ACKNOWLEDGED},
		{D STATUS("Error") UUID, RESULT_ERROR},
		{D STATUS("CommandFormatError") UUID, RESULT_COMMAND_FORMAT_ERROR},
		{D STATUS("NotNow") UUID, RESULT_NOTNOW},
		{D STATUS("NotNow") UUID STR("RequestType", "X") STR("More", "y"), RESULT_NOTNOW},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		struct slice raw = wrap(cases[i].keys, arena);
		struct result result;
		struct err err;

		if (result_read(raw, arena, &result, &err) != RC_OK)
			fail_msg("%s", err.text);
		assert_int_equal(result.status, cases[i].status);
		assert_true(slice_is_str(result.status_word, result_status_name(result.status)));
		assert_true(slice_is_str(result.claim.ext_id, "D"));
		assert_ptr_equal(result.raw.ptr, raw.ptr);
	}
}

static void a_result_that_breaks_a_rule_is_refused_by_the_name_of_its_key(void **state)
{
	static const struct {
		const char *keys, *named;
	} cases[] = {
		{STATUS("Idle"), "UDID"},
		{D, "Status"},
		{D STATUS(""), "Status"},
		{D STATUS("idle"), "Status"},
		{D STATUS("Done") UUID, "Done"},
		{D STATUS("Do\nne") UUID, "Status: unknown word"},
		{D STATUS("\tDone") UUID, "Status: unknown word"},
		{D "<key>Status</key><integer>1</integer>", "Status"},
		{D STATUS("NotNow"), "CommandUUID"},
		{D STATUS("Acknowledged"), "CommandUUID"},
		{D STATUS("Error") STR("CommandUUID", ""), "CommandUUID"},
		{D STATUS("Error") "<key>CommandUUID</key><data></data>", "CommandUUID"},
		{D STATUS("Error") UUID "<key>RequestType</key><true/>", "RequestType"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		struct result result;
		struct err err = {0};

		assert_int_equal(result_read(wrap(cases[i].keys, arena), arena, &result, &err), RC_INVALID);
		assert_null(strpbrk(err.text, "\r\n\t"));
		if (strstr(err.text, cases[i].named) == NULL)
			fail_msg("%s: %s", cases[i].keys, err.text);
	}
}

static void an_id_at_its_limit_is_taken_and_one_past_it_is_not(void **state)
{
	static const struct {
		const char *before, *key;
		size_t max;
	} cases[] = {
		{D STATUS("Error"), "CommandUUID", RESULT_UUID_BYTES_MAX},
		{D STATUS("Error") UUID, "RequestType", COMMAND_TYPE_BYTES_MAX},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases) * 2; i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		bool is_past = i % 2 == 1;
		char value[2 * RESULT_UUID_BYTES_MAX];
		char keys[4 * RESULT_UUID_BYTES_MAX];
		struct result result;
		struct err err = {0};

		memset(value, 'x', sizeof(value));
		value[cases[i / 2].max + (is_past ? 1 : 0)] = '\0';
		snprintf(keys, sizeof(keys), "%s<key>%s</key><string>%s</string>", cases[i / 2].before,
			cases[i / 2].key, value);
		assert_int_equal(result_read(wrap(keys, arena), arena, &result, &err),
			is_past ? RC_INVALID : RC_OK);
	}
}

#define ERROR_1 \
	"<dict>" STR("ErrorDomain", "MCMDMErrorDomain") STR("LocalizedDescription", "Nein") \
		STR("USEnglishDescription", "No") "<key>ErrorCode</key><integer>12021</integer></dict>"

static void the_error_chain_is_shown(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct result_error *errors;
	size_t count;
	struct err err;
	struct slice raw =
		wrap(D STATUS("Error") UUID "<key>ErrorChain</key><array>" ERROR_1
																														"<dict><key>ErrorCode</key><string>x</string></dict>"
																														"<string>odd</string></array>",
			arena);

	(void)state;
	assert_int_equal(result_errors(raw, arena, &errors, &count, &err), RC_OK);
	assert_int_equal(count, 3);
	assert_string_equal(errors[0].domain, "MCMDMErrorDomain");
	assert_string_equal(errors[0].text, "Nein");
	assert_string_equal(errors[0].us_english, "No");
	assert_int_equal(errors[0].code, 12021);
	for (size_t i = 1; i < 3; i++) {
		assert_string_equal(errors[i].domain, "");
		assert_int_equal(errors[i].code, 0);
	}
}

static void a_result_without_a_chain_has_no_errors(void **state)
{
	static const char *const cases[] = {
		D STATUS("Error") UUID,
		D STATUS("Error") UUID STR("ErrorChain", "x"),
		D STATUS("Error") UUID "<key>ErrorChain</key><array/>",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		struct result_error *errors;
		size_t count;
		struct err err;

		assert_int_equal(result_errors(wrap(cases[i], arena), arena, &errors, &count, &err), RC_OK);
		assert_int_equal(count, 0);
	}
}

static void a_chain_at_its_limit_is_whole_and_past_it_is_cut(void **state)
{
	static const int lengths[] = {RESULT_ERRORS_MAX, RESULT_ERRORS_MAX + 1};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		struct result_error *errors;
		size_t count;
		struct buf keys;
		struct err err;

		buf_init(&keys, 1 << 16);
		buf_append_str(&keys, D STATUS("Error") UUID "<key>ErrorChain</key><array>");
		for (int j = 0; j < lengths[i]; j++)
			buf_append_str(&keys, ERROR_1);
		buf_append_str(&keys, "</array>");
		assert_int_equal(result_errors(wrap(buf_cstr(&keys), arena), arena, &errors, &count, &err),
			RC_OK);
		assert_int_equal(count, RESULT_ERRORS_MAX);
		buf_fini(&keys);
	}
}

/* Another's file: read where it is, not copied. */
static void what_a_real_device_answered_is_read(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	AUTO(buf_fini) struct buf raw = {0};
	struct result result;
	struct err err;
	static const char path[] = POMONA_SOURCE_DIR "/../shared/real-messages/DeviceInformation.1.plist";

	(void)state;
	if (!file_is_there(path)) {
		print_message("%s is not there: skipped\n", path);
		skip();
	}
	buf_init(&raw, ARENA_BYTES);
	assert_int_equal(file_read(path, &raw, &err), RC_OK);
	if (result_read(buf_slice(&raw), arena, &result, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(result.status, RESULT_ACKNOWLEDGED);
	assert_true(slice_is_str(result.request_type, "DeviceInformation"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_status_is_read),
		cmocka_unit_test(a_result_that_breaks_a_rule_is_refused_by_the_name_of_its_key),
		cmocka_unit_test(an_id_at_its_limit_is_taken_and_one_past_it_is_not),
		cmocka_unit_test(the_error_chain_is_shown),
		cmocka_unit_test(a_result_without_a_chain_has_no_errors),
		cmocka_unit_test(a_chain_at_its_limit_is_whole_and_past_it_is_cut),
		cmocka_unit_test(what_a_real_device_answered_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
