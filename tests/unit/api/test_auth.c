/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <grp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pomona/pki/token.h"

#include "world.h"

/* Who may call what, by token, over a real listener and a real store; the clock is the test's. */

enum { NOW = 1800000000, CALL_PATH_BYTES = 256, OURS = 12345, OTHER = 12346 };

static const char *const names[API_ROLE_END] = {"", "looker", "doer", "boss"};

static enum rc add_token(void *ctx, struct txn *txn, struct err *err)
{
	const struct api_token *token = ctx;
	uint8_t hash[SHA256_BYTES];

	token_hash(slice_of_str(token->name), hash); /* a name is its own secret here */
	return api_token_add(txn, token, hash, err);
}

static void make_token(const char *name, enum api_role role, int64_t expires_at)
{
	struct api_token token = {.name = name,
		.role = role,
		.expires_at = expires_at,
		.created_by = "test"};

	world_run(add_token, &token);
}

static int open_world(void **state)
{
	(void)state;
	world.now_s = NOW;
	world_open(0, NULL);
	return 0;
}

static int open_world_of_ours(void **state)
{
	world.own_uid = OURS;
	return open_world(state);
}

static int close_world(void **state)
{
	(void)state;
	world.token = NULL;
	world.now_s = 0;
	world.own_uid = 0;
	world_close();
	return 0;
}

/* The pattern with "x" in the place of each parameter: nothing has that name. */
static void fill_path(const char *pattern, char out[static CALL_PATH_BYTES])
{
	size_t len = 0;

	for (; *pattern != '\0'; pattern++) {
		assert_true(len + 1 < CALL_PATH_BYTES);
		out[len++] = *pattern == '{' ? 'x' : *pattern;
		if (*pattern == '{')
			pattern = strchr(pattern, '}');
	}
	out[len] = '\0';
}

static void check_call(const struct http_route *route, enum api_role role)
{
	char path[CALL_PATH_BYTES];
	int status;

	fill_path(route->path, path);
	world.token = names[role];
	status = world_call(route->method, path, NULL);
	if (route->flags == ROUTE_FOR_OPEN) {
		assert_true(status != 401 && status != 403);
	} else if (role == API_ROLE_NONE) {
		assert_int_equal(status, 401);
	} else if (role < (enum api_role)route->flags) {
		assert_int_equal(status, 403);
		assert_string_equal(world_text("needed_role"), api_role_name((enum api_role)route->flags));
	} else if (status == 401 || status == 403) {
		fail_msg("%s %s as %s: %d", route->method, path, api_role_name(role), status);
	}
}

static void every_route_is_for_its_role_and_those_above(void **state)
{
	size_t count;
	const struct http_route *routes = api_routes(&count);

	(void)state;
	for (int role = API_ROLE_VIEWER; role < API_ROLE_END; role++)
		make_token(names[role], (enum api_role)role, 0);
	for (size_t i = 0; i < count; i++)
		for (int role = API_ROLE_NONE; role < API_ROLE_END; role++)
			check_call(&routes[i], (enum api_role)role);
}

static void a_token_counts_until_its_very_end(void **state)
{
	(void)state;
	make_token("brief", API_ROLE_VIEWER, NOW + 100);
	make_token("endless", API_ROLE_VIEWER, 0);
	world.token = "brief";
	world.now_s = NOW + 99;
	assert_int_equal(world_call("GET", "/api/v1/devices", NULL), 200);
	world.now_s = NOW + 100;
	assert_int_equal(world_call("GET", "/api/v1/devices", NULL), 401);
	assert_non_null(strstr(world_text("detail"), "the token brief ended on 2027-01-15T08:01:40Z"));
	assert_non_null(strstr(world.reply, "error=\"invalid_token\""));
	world.token = "endless";
	world.now_s = NOW + INT64_C(100) * 365 * 86400;
	assert_int_equal(world_call("GET", "/api/v1/devices", NULL), 200);
}

static void an_end_is_to_come(void **state)
{
	(void)state;
	assert_int_equal(world_call("POST", "/api/v1/tokens",
																			"{\"name\":\"a\",\"role\":\"viewer\",\"expires_at\":\"2027-01-15T08:00:00Z\"}"),
		400);
	assert_non_null(strstr(world_text("detail"), "expires_at"));
	assert_int_equal(world_call("POST", "/api/v1/tokens",
																			"{\"name\":\"a\",\"role\":\"viewer\",\"expires_at\":\"2027-01-15T08:00:01Z\"}"),
		201);
	assert_string_equal(world_text("expires_at"), "2027-01-15T08:00:01Z");
}

/* What a process of that user gets over the socket. */
static int status_as(uid_t uid, const char *path)
{
	int status = 0;
	const pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		const bool is_dropped = setgroups(0, NULL) == 0 && setgid(uid) == 0 && setuid(uid) == 0;

		_exit(is_dropped ? world_call("GET", path, NULL) / 100 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void over_the_socket_our_own_user_is_admin_and_another_is_nobody(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(world.dir, 0755), 0);
	assert_int_equal(chmod(world.socket, 0666), 0);
	api_set_socket_role(world.api, API_ROLE_NONE);
	assert_int_equal(status_as(OURS, "/api/v1/tokens"), 2);
	assert_int_equal(status_as(OTHER, "/api/v1/tokens"), 4);
	assert_int_equal(status_as(OTHER, "/healthz"), 2);
	assert_int_equal(world_call("GET", "/api/v1/tokens", NULL), 200); /* root */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_route_is_for_its_role_and_those_above, open_world,
			close_world),
		cmocka_unit_test_setup_teardown(a_token_counts_until_its_very_end, open_world, close_world),
		cmocka_unit_test_setup_teardown(an_end_is_to_come, open_world, close_world),
		cmocka_unit_test_setup_teardown(over_the_socket_our_own_user_is_admin_and_another_is_nobody,
			open_world_of_ours, close_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
