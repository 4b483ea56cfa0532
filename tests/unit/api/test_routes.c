/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>

#include "pomona/base/file.h"

#include "private.h"

enum { DOCUMENT_BYTES_MAX = 1048576, OPERATIONS_MAX = 200, OPERATION_BYTES = 256 };

struct operations {
	char names[OPERATIONS_MAX][OPERATION_BYTES]; /* "GET /path" */
	char roles[OPERATIONS_MAX][16];              /* of `security`: "viewer", "open"; "" without */
	size_t count;
};

static void add(struct operations *operations, const char *method, const char *path)
{
	char *name = operations->names[operations->count];

	assert_true(operations->count < OPERATIONS_MAX);
	(void)snprintf(name, OPERATION_BYTES, "%s %s", method, path);
	for (; *name != ' '; name++)
		*name = (char)toupper((unsigned char)*name);
	operations->count++;
}

/* Of the document's lines only "  /path:" and "    method:" matter, which is how it is laid out. */
static void read_line(struct operations *operations, char *path, const char *line)
{
	static const char *const methods[] = {"get", "put", "post", "delete", "patch"};
	char word[OPERATION_BYTES - 2];

	if (sscanf(line, "  /%250[^:]:", word) == 1 && strncmp(line, "  /", 3) == 0)
		(void)snprintf(path, OPERATION_BYTES, "/%s", word);
	if (operations->count > 0) {
		char *role = operations->roles[operations->count - 1];

		(void)sscanf(line, "      security: [{token: [%15[a-z]]}]", role);
		if (strcmp(line, "      security: []") == 0)
			(void)snprintf(role, sizeof(operations->roles[0]), "open");
	}
	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		(void)snprintf(word, sizeof(word), "    %s:", methods[i]);
		if (strcmp(line, word) == 0)
			add(operations, methods[i], path);
	}
}

static void read_document(struct operations *operations)
{
	char path[OPERATION_BYTES] = "";
	struct buf text;
	char *line;
	char *rest;

	buf_init(&text, DOCUMENT_BYTES_MAX);
	assert_int_equal(file_read(POMONA_SOURCE_DIR "/docs/api/openapi.yaml", &text, NULL), RC_OK);
	assert_non_null(buf_cstr(&text));
	rest = (char *)text.ptr;
	while ((line = strsep(&rest, "\n")) != NULL && strcmp(line, "components:") != 0)
		read_line(operations, path, line);
	buf_fini(&text);
}

static bool is_in(const struct operations *operations, const char *name)
{
	for (size_t i = 0; i < operations->count; i++)
		if (strcmp(operations->names[i], name) == 0)
			return true;
	return false;
}

static void the_document_describes_every_route_and_nothing_else(void **state)
{
	static struct operations documented, served;
	size_t count;
	const struct http_route *routes = api_routes(&count);

	(void)state;
	read_document(&documented);
	for (size_t i = 0; i < count; i++)
		add(&served, routes[i].method, routes[i].path);
	for (size_t i = 0; i < served.count; i++)
		if (!is_in(&documented, served.names[i]))
			fail_msg("docs/api/openapi.yaml does not describe %s", served.names[i]);
	for (size_t i = 0; i < documented.count; i++)
		if (!is_in(&served, documented.names[i]))
			fail_msg("docs/api/openapi.yaml describes %s, which is not served", documented.names[i]);
	assert_int_equal(served.count, documented.count);
}

static const char *role_of_flags(uint32_t flags)
{
	if (flags == ROUTE_FOR_OPEN)
		return "open";
	return flags < API_ROLE_END ? api_role_name((enum api_role)flags) : "none";
}

static void the_document_says_of_every_route_which_role_it_needs(void **state)
{
	static struct operations documented;
	size_t count;
	const struct http_route *routes = api_routes(&count);

	(void)state;
	read_document(&documented);
	for (size_t i = 0; i < count; i++) {
		char name[OPERATION_BYTES];
		const char *role = role_of_flags(routes[i].flags);

		assert_string_not_equal(role, "none");
		(void)snprintf(name, sizeof(name), "%s %s", routes[i].method, routes[i].path);
		for (size_t j = 0; j < documented.count; j++)
			if (strcmp(documented.names[j], name) == 0 && strcmp(documented.roles[j], role) != 0)
				fail_msg("%s is for %s, its description says \"%s\"", name, role, documented.roles[j]);
	}
}

static void a_role_may_what_lower_ones_may_and_none_may_nothing(void **state)
{
	static const struct {
		uint32_t flags;
		bool may[API_ROLE_END + 1]; /* none, viewer, operator, admin, no role */
	} rows[] = {
		{0, {false, false, false, false, false}},
		{ROUTE_FOR_VIEWER, {false, true, true, true, false}},
		{ROUTE_FOR_OPERATOR, {false, false, true, true, false}},
		{ROUTE_FOR_ADMIN, {false, false, false, true, false}},
		{4, {false, false, false, false, false}},
		{ROUTE_FOR_OPEN, {true, true, true, true, true}},
		{ROUTE_FOR_OPEN | ROUTE_FOR_VIEWER, {false, false, false, false, false}},
		{UINT32_MAX, {false, false, false, false, false}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (int role = API_ROLE_NONE; role <= API_ROLE_END; role++)
			assert_int_equal(api_role_may((enum api_role)role, rows[i].flags), rows[i].may[role]);
}

static void every_route_that_changes_something_wants_an_operator(void **state)
{
	size_t count;
	const struct http_route *routes = api_routes(&count);

	(void)state;
	for (size_t i = 0; i < count; i++)
		if (strcmp(routes[i].method, "GET") != 0)
			assert_false(api_role_may(API_ROLE_VIEWER, routes[i].flags));
}

static void only_the_two_health_routes_need_no_administrator(void **state)
{
	size_t count;
	const struct http_route *routes = api_routes(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const bool is_health =
			strcmp(routes[i].path, "/healthz") == 0 || strcmp(routes[i].path, "/readyz") == 0;

		assert_int_equal(routes[i].flags == ROUTE_FOR_OPEN, is_health);
	}
}

static void every_route_that_changes_something_takes_a_bounded_body(void **state)
{
	const struct api api = {.body_bytes_max = 12345};
	size_t count;
	const struct http_route *routes = api_routes(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		size_t bound;

		assert_int_equal(routes[i].body_max == NULL, strcmp(routes[i].method, "GET") == 0);
		if (routes[i].body_max == NULL)
			continue;
		bound = routes[i].body_max(NULL, (void *)(uintptr_t)&api);
		assert_true(bound == API_SMALL_BODY_BYTES_MAX || bound == API_PUSHCERT_BODY_BYTES_MAX ||
			bound == api.body_bytes_max);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_document_describes_every_route_and_nothing_else),
		cmocka_unit_test(the_document_says_of_every_route_which_role_it_needs),
		cmocka_unit_test(a_role_may_what_lower_ones_may_and_none_may_nothing),
		cmocka_unit_test(every_route_that_changes_something_wants_an_operator),
		cmocka_unit_test(only_the_two_health_routes_need_no_administrator),
		cmocka_unit_test(every_route_that_changes_something_takes_a_bounded_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
