/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "private.h"

static struct json_value *parse(const char *text)
{
	struct json_value *json = NULL;

	assert_int_equal(json_parse(slice_of_str(text), &json, NULL), RC_OK);
	return json;
}

static struct json_value *ids_of_len(size_t count, size_t len)
{
	struct json_value *ids = json_new_array();
	char id[1024];

	for (size_t i = 0; i < count; i++) {
		memset(id, 'x', len);
		(void)snprintf(id, 12, "%011u", (unsigned)i);
		json_append_slice(ids, slice_of(id, len));
	}
	return ids;
}

static enum rc check(struct json_value *ids, struct err *err)
{
	struct call call = {.field = NULL};
	enum rc rc = api_ids_check(&call, ids, err);

	if (rc != RC_OK)
		assert_string_equal(call.field, "ids");
	json_free(&ids);
	return rc;
}

static void ids_may_be_as_many_as_the_limit_and_no_more(void **state)
{
	struct err err = {.rc = RC_OK};

	(void)state;
	assert_int_equal(check(ids_of_len(SEND_IDS_MAX, 12), &err), RC_OK);
	assert_int_equal(check(ids_of_len(SEND_IDS_MAX + 1, 12), &err), RC_INVALID);
	assert_int_equal(check(ids_of_len(0, 12), &err), RC_INVALID);
}

static void an_id_may_be_as_long_as_the_limit_and_no_longer(void **state)
{
	struct err err = {.rc = RC_OK};

	(void)state;
	assert_int_equal(check(ids_of_len(1, ENROLLMENT_ID_BYTES_MAX), &err), RC_OK);
	assert_int_equal(check(ids_of_len(1, ENROLLMENT_ID_BYTES_MAX + 1), &err), RC_INVALID);
	assert_int_equal(check(parse("[\"\"]"), &err), RC_INVALID);
	assert_int_equal(check(parse("[\"a\", 5]"), &err), RC_INVALID);
	assert_non_null(strstr(err.text, "number 2"));
}

static void a_repeated_id_is_told_from_its_first(void **state)
{
	static const uint8_t want[] = {0, 0, 1, 0, 1, 1};
	struct json_value *ids = parse("[\"a\", \"b\", \"a\", \"A\", \"b\", \"a\"]");
	struct arena *arena = arena_new(65536);
	uint8_t *repeated;

	(void)state;
	assert_int_equal(api_ids_find_repeated(ids, arena, &repeated, NULL), RC_OK);
	assert_memory_equal(repeated, want, sizeof(want));
	json_free(&ids);
	arena_free(&arena);
}

static void a_table_of_ids_that_is_just_full_enough_ends(void **state)
{
	for (size_t count = 1; count < 40; count++) {
		struct json_value *ids = ids_of_len(count, 12);
		struct arena *arena = arena_new(65536);
		uint8_t *repeated;

		(void)state;
		assert_int_equal(api_ids_find_repeated(ids, arena, &repeated, NULL), RC_OK);
		for (size_t i = 0; i < count; i++)
			assert_int_equal(repeated[i], 0);
		json_free(&ids);
		arena_free(&arena);
	}
}

static void an_id_is_written_so_that_json_reads_the_same(void **state)
{
	static const char *const texts[] = {"", "plain", "a\"b\\c", "\x01\x1f\n\t", "gr\xc3\xbc\xc3\x9f",
		"\xf0\x9f\x8d\x8f"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		struct json_value *json;
		struct buf out;

		buf_init(&out, 1024);
		buf_append_byte(&out, '[');
		api_ids_append_text(&out, slice_of_str(texts[i]));
		buf_append_byte(&out, ']');
		json = parse(buf_cstr(&out));
		assert_true(slice_is_str(json_string(json_at(json, 0)), texts[i]));
		json_free(&json);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_may_be_as_many_as_the_limit_and_no_more),
		cmocka_unit_test(an_id_may_be_as_long_as_the_limit_and_no_longer),
		cmocka_unit_test(a_repeated_id_is_told_from_its_first),
		cmocka_unit_test(a_table_of_ids_that_is_just_full_enough_ends),
		cmocka_unit_test(an_id_is_written_so_that_json_reads_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
