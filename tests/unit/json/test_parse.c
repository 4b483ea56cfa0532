/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/json/json.h"

enum { TEXT_BYTES_MAX = 128 << 20 };

static struct json_value *parse_as(struct slice text, enum rc rc, const char *words)
{
	struct json_value *value = NULL;
	struct err err = {.text = ""};
	enum rc got = json_parse(text, &value, &err);

	if (got != rc)
		fail_msg("%s (%s), want %s", rc_name(got), err.text, rc_name(rc));
	assert_true((value != NULL) == (rc == RC_OK));
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
	return value;
}

static void every_kind_reads_and_writes(void **state)
{
	static const struct {
		const char *in;
		enum json_kind kind;
		const char *out;
	} cases[] = {
		{"{}", JSON_KIND_OBJECT, "{}"},
		{" [ ] ", JSON_KIND_ARRAY, "[]"},
		{"{\"b\": 1, \"a\": [2, {\"c\": null}]}", JSON_KIND_OBJECT, "{\"b\":1,\"a\":[2,{\"c\":null}]}"},
		{"\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"", JSON_KIND_STRING,
			"\"a\\\"\\\\/\\u0008\\u000c\\n\\r\\t\u00e9\U0001F600\""},
		{"0", JSON_KIND_INTEGER, "0"},
		{"-0", JSON_KIND_INTEGER, "0"},
		{"9223372036854775807", JSON_KIND_INTEGER, "9223372036854775807"},
		{"-9223372036854775808", JSON_KIND_INTEGER, "-9223372036854775808"},
		{"0.1", JSON_KIND_REAL, "0.1"},
		{"3.0", JSON_KIND_REAL, "3.0"},
		{"-1E+300", JSON_KIND_REAL, "-1e+300"},
		{"0.30000000000000004", JSON_KIND_REAL, "0.30000000000000004"},
		{"true", JSON_KIND_BOOL, "true"},
		{"false", JSON_KIND_BOOL, "false"},
		{"null", JSON_KIND_NULL, "null"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct json_value *value = parse_as(slice_of_str(cases[i].in), RC_OK, "");
		AUTO(buf_fini) struct buf out = {.bound = 1024};

		assert_int_equal(json_kind(value), cases[i].kind);
		assert_int_equal(json_write(value, false, &out, NULL), RC_OK);
		assert_string_equal(buf_cstr(&out), cases[i].out);
		json_free(&value);
		assert_null(value);
	}
}

static void what_is_wrong_is_refused_with_line_and_column(void **state)
{
	static const struct {
		struct slice in;
		const char *words;
	} cases[] = {
		{SLICE_LITERAL(""), "line 1, column 0"},
		{SLICE_LITERAL("{\n\"a\": secret}"), "JSON: line 2, column 11: invalid token"},
		{SLICE_LITERAL("{\"a\": 1,}"), "line 1"},
		{SLICE_LITERAL("[1] x"), "line 1"},
		{SLICE_LITERAL("{\"a\": 1, \"a\": 2}"), "duplicate object key"},
		{SLICE_LITERAL("{\"a\": 1, \"\\u0061\": 2}"), "duplicate object key"},
		{SLICE_LITERAL("9223372036854775808"), "too big integer"},
		{SLICE_LITERAL("-9223372036854775809"), "too big negative integer"},
		{SLICE_LITERAL("1e999"), "real number overflow"},
		{SLICE_LITERAL("\"a\\u0000b\""), "\\u0000"},
		{SLICE_LITERAL("\"a\0b\""), "line 1"},
		{SLICE_LITERAL("\"\\ud83d\""), "line 1"},
		{SLICE_LITERAL("\"\xff\""), "line 1"},
		{SLICE_LITERAL("\"a\nb\""), "line 1"},
		{SLICE_LITERAL("01"), "line 1"},
		{SLICE_LITERAL("NaN"), "line 1"},
		{SLICE_LITERAL("'a'"), "line 1"},
		{SLICE_LITERAL("\"a"), "line 1"},
		{SLICE_LITERAL("\"\\"), "line 1"},
		{SLICE_LITERAL("]"), "line 1"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_null(parse_as(cases[i].in, RC_INVALID, cases[i].words));
}

static void a_fault_does_not_repeat_the_peers_words(void **state)
{
	struct json_value *value = NULL;
	struct err err;

	(void)state;
	assert_int_equal(json_parse(SLICE_LITERAL("{\"a\": secret}"), &value, &err), RC_INVALID);
	assert_null(strstr(err.text, "secret"));
}

static void repeated(const char *first, const char *each, size_t count, const char *last,
	const char *close, enum rc rc)
{
	AUTO(buf_fini) struct buf text = {.bound = TEXT_BYTES_MAX};
	struct json_value *value;

	buf_append_str(&text, first);
	for (size_t i = 0; i < count; i++)
		buf_append_str(&text, each);
	buf_append_str(&text, last);
	for (size_t i = 0; i < count; i++)
		buf_append_str(&text, close);
	assert_int_equal(text.rc, RC_OK);
	value = parse_as(buf_slice(&text), rc, "");
	json_free(&value);
}

static void the_deepest_text_is_read_and_one_deeper_is_refused(void **state)
{
	(void)state;
	repeated("", "[", JSON_DEPTH_MAX, "", "]", RC_OK);
	repeated("", "[", JSON_DEPTH_MAX + 1, "", "]", RC_LIMIT);
	repeated("", "{\"a\":", JSON_DEPTH_MAX, "1", "}", RC_OK);
	repeated("", "{\"a\":", JSON_DEPTH_MAX + 1, "1", "}", RC_LIMIT);
}

static void brackets_side_by_side_or_in_a_string_are_not_deep(void **state)
{
	(void)state;
	repeated("[[]", ",[]", 1000, "]", "", RC_OK);
	repeated("\"\\\"", "[", 1000, "\\\\\"", "", RC_OK);
}

static void the_most_values_are_read_and_one_more_is_refused(void **state)
{
	(void)state;
	repeated("[1", ",1", JSON_VALUES_MAX - 2, "]", "", RC_OK);
	repeated("[1", ",1", JSON_VALUES_MAX - 1, "]", "", RC_LIMIT);
}

static void the_longest_text_is_looked_at_and_one_byte_more_is_not(void **state)
{
	char *text = malloc(JSON_BYTES_MAX + 1);
	struct json_value *value;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', JSON_BYTES_MAX + 1);
	text[0] = '1';
	value = parse_as(slice_of(text, JSON_BYTES_MAX), RC_OK, "");
	json_free(&value);
	assert_null(parse_as(slice_of(text, JSON_BYTES_MAX + 1), RC_LIMIT, "larger than"));
	free(text);
}

struct seen {
	size_t count;
	size_t stop_at;
};

static enum rc see(void *ctx, const char *key, struct json_value *value)
{
	static const char *const keys[] = {"c", "a", "b"};
	struct seen *seen = ctx;

	assert_string_equal(key, keys[seen->count]);
	assert_int_equal(json_integer(value), (int64_t)seen->count);
	return ++seen->count == seen->stop_at ? RC_BUSY : RC_OK;
}

static void a_tree_is_read_in_its_order(void **state)
{
	struct json_value *value =
		parse_as(SLICE_LITERAL("[{\"c\": 0, \"a\": 1, \"b\": 2}, \"x\", true, 1.5, [1, 2]]"), RC_OK, "");
	struct seen seen = {.stop_at = 0};

	(void)state;
	assert_int_equal(json_count(value), 5);
	assert_int_equal(json_each(json_at(value, 0), see, &seen), RC_OK);
	assert_int_equal(seen.count, 3);
	seen = (struct seen){.stop_at = 2};
	assert_int_equal(json_each(json_at(value, 0), see, &seen), RC_BUSY);
	assert_int_equal(seen.count, 2);
	assert_int_equal(json_integer(json_get(json_at(value, 0), "a")), 1);
	assert_true(slice_is_str(json_string(json_at(value, 1)), "x"));
	assert_true(json_bool(json_at(value, 2)));
	assert_true(json_real(json_at(value, 3)) > 1.4 && json_real(json_at(value, 3)) < 1.6);
	assert_true(json_real(json_at(json_at(value, 4), 1)) > 1.9);
	assert_int_equal(json_count(json_at(value, 4)), 2);
	json_free(&value);
}

static void asking_for_another_kind_gives_nothing(void **state)
{
	struct json_value *value = parse_as(SLICE_LITERAL("[1, \"a\"]"), RC_OK, "");
	const struct json_value *number = json_at(value, 0);

	(void)state;
	assert_null(json_at(value, 2));
	assert_null(json_at(number, 0));
	assert_null(json_get(value, "a"));
	assert_null(json_get(NULL, "a"));
	assert_int_equal(json_count(number), 0);
	assert_int_equal(json_count(json_at(value, 1)), 0);
	assert_int_equal(json_each(value, see, NULL), RC_OK);
	assert_int_equal(json_string(number).len, 0);
	assert_int_equal(json_integer(json_at(value, 1)), 0);
	assert_false(json_bool(number));
	assert_true(json_real(json_at(value, 1)) <= 0);
	json_free(&value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_reads_and_writes),
		cmocka_unit_test(what_is_wrong_is_refused_with_line_and_column),
		cmocka_unit_test(a_fault_does_not_repeat_the_peers_words),
		cmocka_unit_test(the_deepest_text_is_read_and_one_deeper_is_refused),
		cmocka_unit_test(brackets_side_by_side_or_in_a_string_are_not_deep),
		cmocka_unit_test(the_most_values_are_read_and_one_more_is_refused),
		cmocka_unit_test(the_longest_text_is_looked_at_and_one_byte_more_is_not),
		cmocka_unit_test(a_tree_is_read_in_its_order),
		cmocka_unit_test(asking_for_another_kind_gives_nothing),
	};

	return cmocka_run_group_tests_name("json/parse", tests, NULL, NULL);
}
