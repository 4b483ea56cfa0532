/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pomona/json/json.h"

struct order {
	struct slice name;
	int64_t count;
	int64_t any;
	bool is_urgent;
	struct json_value *ids;
	struct json_value *body;
};

#define AT(member) .offset = offsetof(struct order, member)

static const struct json_field fields[] = {
	{.key = "name", .kind = JSON_KIND_STRING, .is_required = true, .max_bytes = 4, AT(name)},
	{.key = "count", .kind = JSON_KIND_INTEGER, .min = 1, .max = 5, AT(count)},
	{.key = "any", .kind = JSON_KIND_INTEGER, AT(any)},
	{.key = "urgent", .kind = JSON_KIND_BOOL, AT(is_urgent)},
	{.key = "ids", .kind = JSON_KIND_ARRAY, AT(ids)},
	{.key = "body", .kind = JSON_KIND_OBJECT, AT(body)},
};

static enum rc read_text(const char *text, struct json_value **value, struct order *order,
	struct err *err)
{
	assert_int_equal(json_parse(slice_of_str(text), value, err), RC_OK);
	*order = (struct order){.count = 7};
	return json_read_fields(*value, fields, COUNT_OF(fields), order, err);
}

static void a_whole_order_is_read(void **state)
{
	struct json_value *value;
	struct order order;
	struct err err;

	(void)state;
	assert_int_equal(read_text("{\"name\": \"abcd\", \"count\": 5, \"any\": -9223372036854775808,"
																												"\"urgent\": true, \"ids\": [1], \"body\": {\"a\": 1}}",
																			&value, &order, &err),
		RC_OK);
	assert_true(slice_is_str(order.name, "abcd"));
	assert_int_equal(order.count, 5);
	assert_true(order.any == INT64_MIN);
	assert_true(order.is_urgent);
	assert_int_equal(json_count(order.ids), 1);
	assert_int_equal(json_count(order.body), 1);
	json_free(&value);
}

static void what_is_left_out_or_null_stays_as_it_was(void **state)
{
	struct json_value *value;
	struct order order;
	struct err err;

	(void)state;
	assert_int_equal(read_text("{\"name\": \"a\", \"count\": null}", &value, &order, &err), RC_OK);
	assert_int_equal(order.count, 7);
	assert_null(order.ids);
	json_free(&value);
}

static void a_wrong_order_is_refused_by_the_name_of_the_key(void **state)
{
	static const struct {
		const char *text;
		const char *fault;
	} cases[] = {
		{"[]", "want a JSON object"},
		{"{}", "\"name\": missing"},
		{"{\"name\": null}", "\"name\": missing"},
		{"{\"name\": \"\"}", "\"name\": empty"},
		{"{\"name\": \"abcde\"}", "\"name\": 5 bytes, want at most 4"},
		{"{\"name\": 1}", "\"name\": is whole number, want text"},
		{"{\"name\": \"a\", \"nmae\": 1}", "\"nmae\": unknown key"},
		{"{\"name\": \"a\", \"count\": 0}", "\"count\": want 1 to 5"},
		{"{\"name\": \"a\", \"count\": 6}", "\"count\": want 1 to 5"},
		{"{\"name\": \"a\", \"count\": 1.0}", "\"count\": is number, want whole number"},
		{"{\"name\": \"a\", \"urgent\": 1}", "\"urgent\": is whole number, want true or false"},
		{"{\"name\": \"a\", \"ids\": {}}", "\"ids\": is object, want array"},
		{"{\"name\": \"a\", \"body\": []}", "\"body\": is array, want object"},
	};
	struct json_value *value;
	struct order order;
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(read_text(cases[i].text, &value, &order, &err), RC_INVALID);
		assert_string_equal(err.text, cases[i].fault);
		json_free(&value);
	}
}

static void a_table_without_a_bound_is_our_own_fault(void **state)
{
	static const struct json_field wrong = {.key = "name", .kind = JSON_KIND_STRING};
	struct json_value *value;
	struct order order;

	(void)state;
	assert_int_equal(json_parse(SLICE_LITERAL("{\"name\": \"a\"}"), &value, NULL), RC_OK);
	assert_int_equal(json_read_fields(value, &wrong, 1, &order, NULL), RC_INTERNAL);
	json_free(&value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_order_is_read),
		cmocka_unit_test(what_is_left_out_or_null_stays_as_it_was),
		cmocka_unit_test(a_wrong_order_is_refused_by_the_name_of_the_key),
		cmocka_unit_test(a_table_without_a_bound_is_our_own_fault),
	};

	return cmocka_run_group_tests_name("json/fields", tests, NULL, NULL);
}
