/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "private.h"

static struct json_value *write_and_parse(const struct problem *problem)
{
	struct json_value *json = NULL;
	struct buf body;

	buf_init(&body, API_PROBLEM_BYTES_MAX);
	api_problem_write(problem, &body);
	assert_int_equal(json_parse(buf_slice(&body), &json, NULL), RC_OK);
	buf_fini(&body);
	return json;
}

static void a_problem_has_the_members_of_rfc_9457(void **state)
{
	const struct problem problem = {.status = 409, .detail = "it is \"there\"\n", .field = "name"};
	struct json_value *json = write_and_parse(&problem);

	(void)state;
	assert_true(slice_is_str(json_string(json_get(json, "type")), "about:blank"));
	assert_true(slice_is_str(json_string(json_get(json, "title")), "Conflict"));
	assert_int_equal(json_integer(json_get(json, "status")), 409);
	assert_true(slice_is_str(json_string(json_get(json, "detail")), "it is \"there\"\n"));
	assert_true(slice_is_str(json_string(json_get(json, "field")), "name"));
	assert_int_equal(json_count(json), 5);
	json_free(&json);
}

static void a_problem_without_detail_leaves_it_out(void **state)
{
	const struct problem problem = {.status = 599};
	struct json_value *json = write_and_parse(&problem);

	(void)state;
	assert_int_equal(json_count(json), 3);
	assert_true(slice_is_str(json_string(json_get(json, "title")), "Error"));
	json_free(&json);
}

static void a_detail_that_is_no_utf8_is_still_a_problem(void **state)
{
	const struct problem problem = {.status = 400, .detail = "bad \xff byte"};
	struct json_value *json = write_and_parse(&problem);

	(void)state;
	assert_true(slice_is_str(json_string(json_get(json, "detail")), "bad \xef\xbf\xbd byte"));
	json_free(&json);
}

static void what_the_listener_says_itself_is_a_problem_too(void **state)
{
	const char *type = NULL;
	struct buf body;

	(void)state;
	buf_init(&body, API_PROBLEM_BYTES_MAX);
	api_error_body(NULL, 404, "no such path", &body, &type);
	assert_string_equal(type, "application/problem+json");
	assert_non_null(strstr(buf_cstr(&body), "no such path"));
	buf_fini(&body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_problem_has_the_members_of_rfc_9457),
		cmocka_unit_test(a_problem_without_detail_leaves_it_out),
		cmocka_unit_test(a_detail_that_is_no_utf8_is_still_a_problem),
		cmocka_unit_test(what_the_listener_says_itself_is_a_problem_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
