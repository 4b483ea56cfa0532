/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "pomona/json/json.h"

static void assert_written(const struct json_value *value, bool is_pretty, const char *text)
{
	AUTO(buf_fini) struct buf out = {.bound = 4096};

	assert_int_equal(json_write(value, is_pretty, &out, NULL), RC_OK);
	assert_string_equal(buf_cstr(&out), text);
}

static struct json_value *built(void)
{
	struct json_value *root = json_new_object();
	struct json_value *list;
	struct json_value *child;

	json_set_str(root, "name", "a\"b");
	json_set_str(root, "none", NULL);
	json_set_slice(root, "bytes", SLICE_LITERAL("\xff\xc3\xa9\xc3 \xed\xa0\x80."));
	json_set_int(root, "int", INT64_MIN);
	json_set_real(root, "real", 2);
	json_set_real(root, "nan", NAN);
	json_set_bool(root, "yes", true);
	json_set_time(root, "seen", 1795230245);
	json_set_time(root, "never", 0);
	list = json_set_array(root, "list");
	json_append_int(list, 1);
	json_append_slice(list, SLICE_LITERAL("x\0y"));
	child = json_append_object(list);
	json_set_int(child, "n", 2);
	(void)json_append_array(list);
	child = json_new_array();
	json_append_int(child, 3);
	json_append_value(list, child);
	child = json_set_object(root, "empty");
	assert_int_equal(json_count(child), 0);
	json_set_value(root, "more", json_new_array());
	return root;
}

static void a_tree_is_written_on_one_line(void **state)
{
	struct json_value *root = built();

	(void)state;
	assert_written(root, false,
		"{\"name\":\"a\\\"b\",\"none\":null,"
		"\"bytes\":\"\uFFFD\u00e9\uFFFD \uFFFD\uFFFD\uFFFD.\",\"int\":-9223372036854775808,"
		"\"real\":2.0,\"nan\":null,\"yes\":true,\"seen\":\"2026-11-21T03:04:05Z\",\"never\":null,"
		"\"list\":[1,\"x\\u0000y\",{\"n\":2},[],[3]],\"empty\":{},\"more\":[]}");
	json_free(&root);
}

static void a_tree_is_written_for_people(void **state)
{
	struct json_value *root = json_new_object();
	struct json_value *list = json_set_array(root, "list");

	(void)state;
	json_append_int(list, 1);
	(void)json_append_object(list);
	json_set_bool(root, "no", false);
	assert_written(root, true, "{\n  \"list\": [\n    1,\n    {}\n  ],\n  \"no\": false\n}\n");
	json_free(&root);
}

static void a_key_that_is_no_utf_8_is_repaired(void **state)
{
	struct json_value *root = json_new_object();

	(void)state;
	json_set_int(root, "a\xff", 1);
	assert_written(root, false, "{\"a\uFFFD\":1}");
	json_free(&root);
}

static void a_wrong_step_is_told_when_it_is_written(void **state)
{
	AUTO(buf_fini) struct buf out = {.bound = 4096};
	struct json_value *root = json_new_object();
	struct json_value *list = json_set_array(root, "list");

	(void)state;
	json_set_int(list, "key in an array", 1);
	json_append_int(list, 1);
	assert_int_equal(json_count(list), 0);
	assert_int_equal(json_write(root, false, &out, NULL), RC_INTERNAL);
	json_free(&root);
	root = json_new_object();
	json_append_int(root, 1);
	assert_int_equal(json_write(root, false, &out, NULL), RC_INTERNAL);
	json_free(&root);
	root = json_new_object();
	json_set_value(root, "a", NULL);
	assert_int_equal(json_write(root, false, &out, NULL), RC_NO_MEMORY);
	json_free(&root);
}

static struct json_value *nested(size_t depth)
{
	struct json_value *root = json_new_array();
	struct json_value *inner = root;

	for (size_t i = 1; i < depth; i++)
		inner = json_append_array(inner);
	return root;
}

static void what_is_built_too_deep_is_not_written(void **state)
{
	enum { DEPTH_MAX = 4 * JSON_DEPTH_MAX };
	AUTO(buf_fini) struct buf out = {.bound = 4096};
	struct json_value *deepest = nested(DEPTH_MAX);
	struct json_value *deeper = nested(DEPTH_MAX + 1);

	(void)state;
	assert_int_equal(json_write(deepest, false, &out, NULL), RC_OK);
	assert_int_equal(json_write(deeper, false, &out, NULL), RC_LIMIT);
	json_free(&deepest);
	json_free(&deeper);
}

static void writing_stops_at_the_bound_of_the_buffer(void **state)
{
	struct json_value *root = built();
	struct buf out;
	size_t len;

	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(json_write(root, true, &out, NULL), RC_OK);
	len = out.len;
	buf_fini(&out);
	for (size_t bound = 0; bound <= len; bound++) {
		buf_init(&out, bound);
		assert_int_equal(json_write(root, true, &out, NULL), bound < len ? RC_LIMIT : RC_OK);
		buf_fini(&out);
	}
	json_free(&root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tree_is_written_on_one_line),
		cmocka_unit_test(a_tree_is_written_for_people),
		cmocka_unit_test(a_key_that_is_no_utf_8_is_repaired),
		cmocka_unit_test(a_wrong_step_is_told_when_it_is_written),
		cmocka_unit_test(what_is_built_too_deep_is_not_written),
		cmocka_unit_test(writing_stops_at_the_bound_of_the_buffer),
	};

	return cmocka_run_group_tests_name("json/build", tests, NULL, NULL);
}
