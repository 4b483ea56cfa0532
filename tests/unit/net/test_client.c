/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "pomona/base/file.h"
#include "pomona/net/net.h"
#include "http_server.h"

enum { CROWD = 200, ANSWER_BYTES_MAX = 4096 };

/* A loop, a server, and what the last reply said. */
struct scene {
	struct net_loop *loop;
	struct http_server server;
	enum rc rc;
	struct err err;
	unsigned status;
	char body[ANSWER_BYTES_MAX];
	size_t body_len;
	char content_type[64], location[64];
	int64_t retry_after_s;
	int replies, replies_wanted;
};

static int scene_setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	if (scene == NULL || net_loop_new(&scene->loop, NULL) != RC_OK)
		return -1;
	scene->replies_wanted = 1;
	http_server_start(&scene->server);
	*state = scene;
	return 0;
}

static int scene_teardown(void **state)
{
	struct scene *scene = *state;

	net_loop_free(&scene->loop);
	http_server_stop(&scene->server);
	free(scene);
	return 0;
}

static void on_reply(void *ctx, const struct net_reply *reply)
{
	struct scene *scene = ctx;

	scene->rc = reply->rc;
	scene->err = reply->err;
	scene->status = reply->status;
	scene->body_len = reply->body.len;
	(void)snprintf(scene->body, sizeof(scene->body), "%.*s", SLICE_FMT(reply->body));
	(void)snprintf(scene->content_type, sizeof(scene->content_type), "%s", reply->content_type);
	(void)snprintf(scene->location, sizeof(scene->location), "%s", reply->location);
	scene->retry_after_s = reply->retry_after_s;
	if (++scene->replies >= scene->replies_wanted)
		net_loop_stop(scene->loop);
}

static struct net_client *client_with(struct scene *scene, struct net_client_params params)
{
	struct net_client *client;
	struct err err;

	if (params.base_url == NULL)
		params.base_url = scene->server.base_url;
	if (net_client_new(scene->loop, &params, &client, &err) != RC_OK)
		fail_msg("%s", err.text);
	return client;
}

static void start_call(struct scene *scene, struct net_client *client, const char *method,
	const char *path, struct slice body)
{
	struct net_call call = {.method = method,
		.path = path,
		.content_type = body.len > 0 ? "text/x-test" : NULL,
		.body = body,
		.done = on_reply,
		.ctx = scene};
	struct err err;

	if (net_client_call(client, &call, &err) != RC_OK)
		fail_msg("%s", err.text);
}

static void call_and_wait(struct scene *scene, struct net_client *client, const char *method,
	const char *path, const char *body)
{
	start_call(scene, client, method, path, slice_of_str(body));
	net_loop_run(scene->loop);
}

static void a_body_goes_and_an_answer_comes_with_its_content_type(void **state)
{
	struct scene *scene = *state;
	struct net_client *client = client_with(scene, (struct net_client_params){0});

	call_and_wait(scene, client, "PUT", "/echo", "hello");
	assert_int_equal(scene->rc, RC_OK);
	assert_int_equal(scene->status, 200);
	assert_string_equal(scene->body, "hello");
	assert_string_equal(scene->content_type, "text/plain");
	assert_string_equal(scene->location, "");
	assert_int_equal(scene->retry_after_s, -1);
	net_client_free(&client);
}

static void the_head_says_what_the_caller_said_and_nothing_of_curls_own(void **state)
{
	static const struct {
		const char *method, *body;
		const char *want[3];
	} cases[] = {
		{"GET", NULL, {"GET /head HTTP/1.1\r\n", "\r\nAuthorization: Bearer s3cret\r\n"}},
		{"DELETE", NULL, {"DELETE /head HTTP/1.1\r\n"}},
		{"PUT", "x", {"PUT /head HTTP/1.1\r\n", "\r\nContent-Type: text/x-test\r\n"}},
		{"POST", NULL, {"POST /head HTTP/1.1\r\n", "\r\nContent-Length: 0\r\n"}},
	};
	struct scene *scene = *state;
	struct net_client *client = client_with(scene, (struct net_client_params){.bearer = "s3cret"});

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		call_and_wait(scene, client, cases[i].method, "/head", cases[i].body);
		assert_int_equal(scene->rc, RC_OK);
		for (size_t k = 0; k < COUNT_OF(cases[i].want) && cases[i].want[k] != NULL; k++)
			assert_non_null(strstr(scene->body, cases[i].want[k]));
		assert_null(strstr(scene->body, "urlencoded"));
		assert_null(strstr(scene->body, "Expect:"));
	}
	net_client_free(&client);
}

static void a_large_body_goes_in_whole_without_waiting_for_a_continue(void **state)
{
	struct scene *scene = *state;
	struct net_client *client = client_with(scene, (struct net_client_params){0});
	struct buf body;

	buf_init(&body, 4 * 1024 * 1024);
	while (body.len < body.bound)
		buf_append_str(&body, "0123456789abcdef");
	start_call(scene, client, "PUT", "/head", buf_slice(&body));
	net_loop_run(scene->loop);
	assert_null(strstr(scene->body, "Expect:"));
	start_call(scene, client, "PUT", "/echo", buf_slice(&body));
	buf_fini(&body); /* the call has a copy */
	net_loop_run(scene->loop);
	assert_int_equal(scene->body_len, 4 * 1024 * 1024);
	net_client_free(&client);
}

static void an_answer_at_the_limit_comes_and_one_past_it_is_refused(void **state)
{
	struct scene *scene = *state;
	struct net_client *client =
		client_with(scene, (struct net_client_params){.response_bytes_max = 1000});

	call_and_wait(scene, client, "GET", "/bytes/1000", NULL);
	assert_int_equal(scene->rc, RC_OK);
	assert_int_equal(scene->body_len, 1000);
	call_and_wait(scene, client, "GET", "/bytes/1001", NULL);
	assert_int_equal(scene->rc, RC_LIMIT);
	assert_non_null(strstr(scene->err.text, "1000 bytes"));
	assert_int_equal(scene->body_len, 0);
	call_and_wait(scene, client, "GET", "/bytes/1", NULL);
	assert_int_equal(scene->rc, RC_OK);
	net_client_free(&client);
}

/* Takes parts until more than `wanted` bytes came. */
struct parts {
	struct scene *scene;
	size_t bytes, wanted;
	uint64_t total;
};

static bool take_part(void *ctx, struct slice part, uint64_t total)
{
	struct parts *parts = ctx;

	parts->bytes += part.len;
	parts->total = total;
	return parts->bytes <= parts->wanted;
}

static void on_parts_reply(void *ctx, const struct net_reply *reply)
{
	on_reply(((struct parts *)ctx)->scene, reply);
}

static void call_for_parts(struct parts *parts, struct net_client *client, const char *path)
{
	const struct net_call call = {.method = "GET",
		.path = path,
		.done = on_parts_reply,
		.part = take_part,
		.ctx = parts};
	struct err err;

	if (net_client_call(client, &call, &err) != RC_OK)
		fail_msg("%s", err.text);
	net_loop_run(parts->scene->loop);
}

static void a_body_taken_in_parts_has_no_bound_of_the_clients(void **state)
{
	struct parts parts = {.scene = *state, .wanted = 3000000};
	struct net_client *client =
		client_with(parts.scene, (struct net_client_params){.response_bytes_max = 1000});

	call_for_parts(&parts, client, "/bytes/3000000");
	assert_int_equal(parts.scene->rc, RC_OK);
	assert_int_equal(parts.scene->status, 200);
	assert_int_equal(parts.bytes, 3000000);
	assert_int_equal(parts.total, 3000000);
	assert_int_equal(parts.scene->body_len, 0);
	call_and_wait(parts.scene, client, "GET", "/bytes/1000", NULL);
	assert_int_equal(parts.scene->body_len, 1000); /* the next call takes none */
	assert_int_equal(parts.bytes, 3000000);
	net_client_free(&client);
}

static void a_part_that_is_not_taken_ends_the_call(void **state)
{
	struct parts parts = {.scene = *state, .wanted = 100000};
	struct net_client *client = client_with(parts.scene, (struct net_client_params){0});

	call_for_parts(&parts, client, "/bytes/3000000");
	assert_int_equal(parts.scene->rc, RC_IO);
	assert_true(parts.bytes < 3000000);
	net_client_free(&client);
}

static void the_body_of_a_refusal_is_in_the_reply_and_no_part(void **state)
{
	struct parts parts = {.scene = *state, .wanted = 100};
	struct net_client *client = client_with(parts.scene, (struct net_client_params){0});

	call_for_parts(&parts, client, "/refused");
	assert_int_equal(parts.scene->status, 403);
	assert_string_equal(parts.scene->body, "no");
	assert_int_equal(parts.bytes, 0);
	net_client_free(&client);
}

static void a_redirect_is_told_and_not_followed(void **state)
{
	struct scene *scene = *state;
	struct net_client *client = client_with(scene, (struct net_client_params){0});

	call_and_wait(scene, client, "GET", "/moved", NULL);
	assert_int_equal(scene->status, 302);
	assert_string_equal(scene->location, "/echo");
	assert_int_equal(atomic_load(&scene->server.requests), 1);
	net_client_free(&client);
}

static void retry_after_is_told_in_seconds(void **state)
{
	struct scene *scene = *state;
	struct net_client *client = client_with(scene, (struct net_client_params){0});

	call_and_wait(scene, client, "GET", "/later", NULL);
	assert_int_equal(scene->rc, RC_OK);
	assert_int_equal(scene->status, 503);
	assert_int_equal(scene->retry_after_s, 7);
	net_client_free(&client);
}

static void a_server_that_never_answers_is_given_up_after_the_timeout(void **state)
{
	struct scene *scene = *state;
	struct net_client *client = client_with(scene, (struct net_client_params){.timeout_ms = 50});

	call_and_wait(scene, client, "GET", "/silent", NULL);
	assert_int_equal(scene->rc, RC_IO);
	assert_non_null(strstr(scene->err.text, "no answer within 50 ms"));
	call_and_wait(scene, client, "GET", "/bytes/3", NULL);
	assert_int_equal(scene->rc, RC_OK);
	net_client_free(&client);
}

static void a_server_that_hangs_up_is_an_error_of_that_call(void **state)
{
	struct scene *scene = *state;
	struct net_client *client = client_with(scene, (struct net_client_params){0});

	call_and_wait(scene, client, "GET", "/hangup", NULL);
	assert_int_equal(scene->rc, RC_IO);
	assert_int_equal(scene->status, 0);
	net_client_free(&client);
}

static void nobody_listening_is_an_error_that_names_the_server(void **state)
{
	struct scene *scene = *state;
	struct net_client *client =
		client_with(scene, (struct net_client_params){.base_url = "http://127.0.0.1:1"});

	call_and_wait(scene, client, "GET", "/", NULL);
	assert_int_equal(scene->rc, RC_IO);
	assert_non_null(strstr(scene->err.text, "http://127.0.0.1:1"));
	net_client_free(&client);
}

static void calls_of_one_client_share_a_connection_until_it_is_closed(void **state)
{
	struct scene *scene = *state;
	struct net_client *client = client_with(scene, (struct net_client_params){0});

	for (int i = 0; i < 3; i++)
		call_and_wait(scene, client, "GET", "/echo", NULL);
	assert_int_equal(atomic_load(&scene->server.connections), 1);
	assert_int_equal(atomic_load(&scene->server.closed), 0);
	net_client_disconnect(client);
	net_client_disconnect(client); /* nothing to close is fine */
	call_and_wait(scene, client, "GET", "/echo", NULL);
	assert_int_equal(atomic_load(&scene->server.connections), 2);
	/* The server saw the old one end before it answered on the new one: it serves them in order. */
	assert_int_equal(atomic_load(&scene->server.closed), 1);
	net_client_free(&client);
}

static void disconnecting_during_a_call_lets_it_end_and_then_closes(void **state)
{
	struct scene *scene = *state;
	struct net_client *client = client_with(scene, (struct net_client_params){0});

	start_call(scene, client, "PUT", "/echo", SLICE_LITERAL("still"));
	net_client_disconnect(client);
	net_loop_run(scene->loop);
	assert_string_equal(scene->body, "still");
	call_and_wait(scene, client, "GET", "/echo", NULL);
	assert_int_equal(atomic_load(&scene->server.connections), 2);
	call_and_wait(scene, client, "GET", "/echo", NULL);
	assert_int_equal(atomic_load(&scene->server.connections), 2);
	net_client_free(&client);
}

static void a_client_has_one_call_at_a_time(void **state)
{
	struct scene *scene = *state;
	struct net_client *client = client_with(scene, (struct net_client_params){0});
	struct net_call second = {.method = "GET", .path = "/echo", .done = on_reply, .ctx = scene};
	struct err err;

	start_call(scene, client, "PUT", "/echo", SLICE_LITERAL("first"));
	assert_int_equal(net_client_call(client, &second, &err), RC_BUSY);
	net_loop_run(scene->loop);
	assert_string_equal(scene->body, "first");
	net_client_free(&client);
}

static void a_path_begins_with_a_slash(void **state)
{
	struct scene *scene = *state;
	struct net_client *client = client_with(scene, (struct net_client_params){0});
	struct net_call call = {.method = "GET", .path = "echo", .done = on_reply, .ctx = scene};

	assert_int_equal(net_client_call(client, &call, NULL), RC_INVALID);
	net_client_free(&client);
}

/* --- what `done` may do */

struct chain {
	struct scene *scene;
	struct net_client *client;
	int left;
};

static void on_chained(void *ctx, const struct net_reply *reply)
{
	struct chain *chain = ctx;
	struct net_call call = {.method = "PUT",
		.path = "/echo",
		.body = reply->body,
		.done = on_chained,
		.ctx = chain};

	on_reply(chain->scene, reply);
	if (--chain->left > 0)
		assert_int_equal(net_client_call(chain->client, &call, NULL), RC_OK);
}

static void done_may_start_the_next_call(void **state)
{
	struct scene *scene = *state;
	struct chain chain = {scene, client_with(scene, (struct net_client_params){0}), 5};
	struct net_call call = {.method = "PUT",
		.path = "/echo",
		.body = SLICE_LITERAL("round and round"),
		.done = on_chained,
		.ctx = &chain};

	scene->replies_wanted = 5;
	assert_int_equal(net_client_call(chain.client, &call, NULL), RC_OK);
	net_loop_run(scene->loop);
	assert_string_equal(scene->body, "round and round");
	assert_int_equal(atomic_load(&scene->server.connections), 1);
	net_client_free(&chain.client);
}

static void free_client_then_read(void *ctx, const struct net_reply *reply)
{
	struct chain *chain = ctx;

	net_client_free(&chain->client);
	on_reply(chain->scene, reply); /* still readable */
}

static void done_may_free_its_client_and_still_read_the_reply(void **state)
{
	struct scene *scene = *state;
	struct chain chain = {scene, client_with(scene, (struct net_client_params){0}), 1};
	struct net_call call = {.method = "PUT",
		.path = "/echo",
		.body = SLICE_LITERAL("last words"),
		.done = free_client_then_read,
		.ctx = &chain};

	assert_int_equal(net_client_call(chain.client, &call, NULL), RC_OK);
	net_loop_run(scene->loop);
	assert_string_equal(scene->body, "last words");
	assert_string_equal(scene->content_type, "text/plain");
	assert_null(chain.client);
}

static void a_client_freed_during_its_call_is_never_answered(void **state)
{
	struct scene *scene = *state;
	struct net_client *gone = client_with(scene, (struct net_client_params){0});
	struct net_client *stays = client_with(scene, (struct net_client_params){0});

	start_call(scene, gone, "PUT", "/echo", SLICE_LITERAL("gone"));
	start_call(scene, stays, "PUT", "/echo", SLICE_LITERAL("stays"));
	net_client_free(&gone);
	net_loop_run(scene->loop);
	assert_string_equal(scene->body, "stays");
	assert_int_equal(scene->replies, 1);
	net_client_free(&stays);
}

static void two_hundred_clients_call_at_once_each_on_its_own_connection(void **state)
{
	struct scene *scene = *state;
	struct net_client *crowd[CROWD];

	for (int i = 0; i < CROWD; i++)
		crowd[i] = client_with(scene, (struct net_client_params){0});
	for (int round = 1; round <= 2; round++) {
		scene->replies_wanted = round * CROWD;
		for (int i = 0; i < CROWD; i++)
			start_call(scene, crowd[i], "PUT", "/echo", SLICE_LITERAL("x"));
		net_loop_run(scene->loop);
		assert_int_equal(scene->rc, RC_OK);
	}
	assert_int_equal(atomic_load(&scene->server.requests), 2 * CROWD);
	assert_int_equal(atomic_load(&scene->server.connections), CROWD);
	for (int i = 0; i < CROWD; i++)
		net_client_free(&crowd[i]);
}

static void a_unix_socket_takes_the_place_of_the_network(void **state)
{
	struct scene *scene = *state;
	struct http_server server;
	struct net_client *client;
	char path[108];

	(void)snprintf(path, sizeof(path), "/tmp/pomona-net-test.%ld", (long)getpid());
	http_server_start_unix(&server, path);
	client = client_with(scene,
		(struct net_client_params){.base_url = "http://localhost", .unix_socket = path});
	call_and_wait(scene, client, "PUT", "/echo", "by file");
	assert_string_equal(scene->body, "by file");
	net_client_free(&client);
	http_server_stop(&server);
}

static void the_environments_proxies_are_not_used(void **state)
{
	struct scene *scene = *state;
	struct net_client *client;

	assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
	client = client_with(scene, (struct net_client_params){0});
	call_and_wait(scene, client, "PUT", "/echo", "direct");
	assert_string_equal(scene->body, "direct");
	(void)unsetenv("http_proxy");
	net_client_free(&client);
}

static void only_http_and_https_are_spoken(void **state)
{
	struct scene *scene = *state;
	struct net_client *client = client_with(scene, (struct net_client_params){.base_url = "file://"});

	call_and_wait(scene, client, "GET", "/etc/hostname", NULL);
	assert_int_equal(scene->rc, RC_INVALID);
	net_client_free(&client);
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(a_body_goes_and_an_answer_comes_with_its_content_type),
		SCENE_TEST(the_head_says_what_the_caller_said_and_nothing_of_curls_own),
		SCENE_TEST(a_large_body_goes_in_whole_without_waiting_for_a_continue),
		SCENE_TEST(an_answer_at_the_limit_comes_and_one_past_it_is_refused),
		SCENE_TEST(a_body_taken_in_parts_has_no_bound_of_the_clients),
		SCENE_TEST(a_part_that_is_not_taken_ends_the_call),
		SCENE_TEST(the_body_of_a_refusal_is_in_the_reply_and_no_part),
		SCENE_TEST(a_redirect_is_told_and_not_followed),
		SCENE_TEST(retry_after_is_told_in_seconds),
		SCENE_TEST(a_server_that_never_answers_is_given_up_after_the_timeout),
		SCENE_TEST(a_server_that_hangs_up_is_an_error_of_that_call),
		SCENE_TEST(nobody_listening_is_an_error_that_names_the_server),
		SCENE_TEST(calls_of_one_client_share_a_connection_until_it_is_closed),
		SCENE_TEST(disconnecting_during_a_call_lets_it_end_and_then_closes),
		SCENE_TEST(a_client_has_one_call_at_a_time),
		SCENE_TEST(a_path_begins_with_a_slash),
		SCENE_TEST(done_may_start_the_next_call),
		SCENE_TEST(done_may_free_its_client_and_still_read_the_reply),
		SCENE_TEST(a_client_freed_during_its_call_is_never_answered),
		SCENE_TEST(two_hundred_clients_call_at_once_each_on_its_own_connection),
		SCENE_TEST(a_unix_socket_takes_the_place_of_the_network),
		SCENE_TEST(the_environments_proxies_are_not_used),
		SCENE_TEST(only_http_and_https_are_spoken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
