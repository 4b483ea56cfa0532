/* SPDX-License-Identifier: Apache-2.0 */
#include "route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "private.h"

static const struct http_route ROUTES[] = {
	{.method = "GET", .path = "/"},
	{.method = "GET", .path = "/devices"},
	{.method = "POST", .path = "/devices"},
	{.method = "GET", .path = "/devices/all"},
	{.method = "GET", .path = "/devices/{id}"},
	{.method = "DELETE", .path = "/devices/{id}"},
	{.method = "GET", .path = "/devices/{id}/commands/{command}"},
};

static const struct http_route OTHERS[] = {
	{.method = "GET", .path = "/devices/all"},
	{.method = "PUT", .path = "/others"},
};

/* In the order in which they are asked; the second serves nothing. */
static const struct http_room ROOMS[] = {
	{.routes = ROUTES, .route_count = COUNT_OF(ROUTES)},
	{.routes = NULL},
	{.routes = OTHERS, .route_count = COUNT_OF(OTHERS)},
};

static struct route_table *table;

static int make_table(void **state)
{
	struct err err;

	(void)state;
	return route_table_new(ROOMS, COUNT_OF(ROOMS), &table, &err) == RC_OK ? 0 : -1;
}

static int free_table(void **state)
{
	(void)state;
	route_table_free(&table);
	return 0;
}

static void a_path_finds_its_route(void **state)
{
	static const struct {
		const char *method;
		const char *path;
		enum rc rc;
		int route;
	} cases[] = {
		{"GET", "/", RC_OK, 0},
		{"GET", "/devices", RC_OK, 1},
		{"HEAD", "/devices", RC_OK, 1},
		{"POST", "/devices", RC_OK, 2},
		{"GET", "/devices/all", RC_OK, 3},
		{"GET", "/devices/one", RC_OK, 4},
		{"DELETE", "/devices/all", RC_OK, 5},
		{"GET", "/devices/a/commands/b", RC_OK, 6},
		{"PUT", "/devices", RC_DENIED, -1},
		{"get", "/devices", RC_DENIED, -1},
		{"GET", "", RC_NOT_FOUND, -1},
		{"GET", "//", RC_NOT_FOUND, -1},
		{"GET", "devices", RC_NOT_FOUND, -1},
		{"GET", "/device", RC_NOT_FOUND, -1},
		{"GET", "/devices/", RC_NOT_FOUND, -1},
		{"GET", "/devices/a/", RC_NOT_FOUND, -1},
		{"GET", "/devices/a/commands", RC_NOT_FOUND, -1},
		{"GET", "/devices//commands/b", RC_NOT_FOUND, -1},
		{"GET", "/devices/a/commands/b/c", RC_NOT_FOUND, -1},
		{"GET", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14", RC_NOT_FOUND, -1},
	};
	struct route_match match;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		enum rc rc = route_find(table, cases[i].method, cases[i].path, &match);

		if (rc != cases[i].rc || match.route != (rc == RC_OK ? &ROUTES[cases[i].route] : NULL))
			fail_msg("%s %s: rc %s", cases[i].method, cases[i].path, rc_name(rc));
	}
}

static void a_match_tells_what_its_braces_stand_for(void **state)
{
	struct route_match match;

	(void)state;
	assert_int_equal(route_find(table, "GET", "/devices/a%2Fb/commands/c", &match), RC_OK);
	assert_int_equal(match.param_count, 2);
	assert_true(slice_is_str(match.params[0].name, "id"));
	assert_true(slice_is_str(match.params[0].value, "a%2Fb"));
	assert_true(slice_is_str(match.params[1].name, "command"));
	assert_true(slice_is_str(match.params[1].value, "c"));
}

static void a_match_tells_whose_route_it_is(void **state)
{
	struct route_match match;

	(void)state;
	assert_int_equal(route_find(table, "GET", "/devices/all", &match), RC_OK);
	assert_ptr_equal(match.room, &ROOMS[0]);
	assert_int_equal(route_find(table, "PUT", "/others", &match), RC_OK);
	assert_ptr_equal(match.room, &ROOMS[2]);
	assert_ptr_equal(match.route, &OTHERS[1]);
	assert_int_equal(route_find(table, "PUT", "/nowhere", &match), RC_NOT_FOUND);
	assert_null(match.room);
}

static void a_path_tells_its_methods(void **state)
{
	char allow[ROUTE_ALLOW_BYTES];

	(void)state;
	route_allow(table, "/devices", allow);
	assert_string_equal(allow, "GET, HEAD, POST");
	route_allow(table, "/devices/all", allow);
	assert_string_equal(allow, "GET, HEAD, DELETE");
	route_allow(table, "/nowhere", allow);
	assert_string_equal(allow, "");
}

static void a_broken_pattern_is_refused(void **state)
{
	static const struct {
		const char *path;
		enum rc rc;
	} cases[] = {
		{"/1/2/3/4/5/6/7/8/9/10/11/12", RC_OK},
		{"/1/2/3/4/5/6/7/8/9/10/11/12/13", RC_LIMIT},
		{"/{a}/{b}/{c}/{d}", RC_OK},
		{"/{a}/{b}/{c}/{d}/{e}", RC_LIMIT},
		{"devices", RC_INVALID},
		{"", RC_INVALID},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct http_route route = {.method = "GET", .path = cases[i].path};
		const struct http_room room = {.routes = &route, .route_count = 1};
		struct route_table *made = NULL;

		assert_int_equal(route_table_new(&room, 1, &made, NULL), cases[i].rc);
		assert_true((made != NULL) == (cases[i].rc == RC_OK));
		route_table_free(&made);
	}
}

static void escapes_are_decoded_or_refused(void **state)
{
	static const struct {
		const char *in;
		const char *out; /* NULL: refused */
	} cases[] = {
		{"", ""},
		{"a+b", "a+b"},
		{"a%2Fb%2fc", "a/b/c"},
		{"%41%7a", "Az"},
		{"%C3%bc", "\xc3\xbc"},
		{"%", NULL},
		{"%4", NULL},
		{"a%4", NULL},
		{"%4g", NULL},
		{"%g4", NULL},
		{"%00", NULL},
		{"a%00b", NULL},
		{"%-1", NULL},
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		bool is_good = target_decode(slice_of_str(cases[i].in), out);

		assert_true(is_good == (cases[i].out != NULL));
		if (is_good)
			assert_string_equal(out, cases[i].out);
	}
}

static void a_query_is_cut_into_pairs(void **state)
{
	static const struct {
		const char *in;
		const char *out;
		size_t len;
	} cases[] = {
		{"a=1",
			"a\0"
			"1\0",
			4},
		{"a", "a\0\0", 3},
		{"a=", "a\0\0", 3},
		{"=1",
			"\0"
			"1\0",
			3},
		{"a=1&b=2",
			"a\0"
			"1\0"
			"b\0"
			"2\0",
			8},
		{"a=b=c",
			"a\0"
			"b=c\0",
			6},
		{"a%3D=1%262",
			"a=\0"
			"1&2\0",
			7},
		{"&&", "\0\0\0\0", 4},
		{"a+b=c+d", "a+b\0c+d\0", 8},
	};
	char out[64];
	size_t len;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_true(target_query_parse(cases[i].in, out, &len));
		assert_int_equal(len, cases[i].len);
		assert_memory_equal(out, cases[i].out, len);
	}
	assert_false(target_query_parse("a=%", out, &len));
	assert_false(target_query_parse("a%0=1", out, &len));
	assert_false(target_query_parse("a=1&b=%00&c=2", out, &len));
	assert_int_equal(len, 8);
	assert_memory_equal(out,
		"a\0"
		"1\0"
		"c\0"
		"2\0",
		len);
}

static void a_target_in_absolute_form_has_a_path(void **state)
{
	(void)state;
	assert_string_equal(target_path("/a"), "/a");
	assert_string_equal(target_path("http://host:80/a/b"), "/a/b");
	assert_string_equal(target_path("https://host"), "/");
	assert_null(target_path("*"));
	assert_null(target_path(""));
	assert_null(target_path("host:443"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_finds_its_route),
		cmocka_unit_test(a_match_tells_what_its_braces_stand_for),
		cmocka_unit_test(a_match_tells_whose_route_it_is),
		cmocka_unit_test(a_path_tells_its_methods),
		cmocka_unit_test(a_broken_pattern_is_refused),
		cmocka_unit_test(escapes_are_decoded_or_refused),
		cmocka_unit_test(a_query_is_cut_into_pairs),
		cmocka_unit_test(a_target_in_absolute_form_has_a_path),
	};

	return cmocka_run_group_tests(tests, make_table, free_table);
}
