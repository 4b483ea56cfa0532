/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client.h"
#include "server.h"

enum {
	STRANGERS_PART = HTTP_STRANGER_BODY_BYTES_MAX, /* a quarter of all would be less */
	NEIGHBOURS_PART = TOTAL_BYTES_MAX / 2,
};

static struct server *server;
static struct client *client;

static void serve(const struct http_listener_params *params)
{
	server = server_start(params);
	client = calloc(1, sizeof(*client));
	client_connect(client, server_port(server));
}

static int stop(void **state)
{
	(void)state;
	client_close(client);
	free(client);
	server_stop(&server);
	return 0;
}

static void connect_anew(void)
{
	client_close(client);
	client_connect(client, server_port(server));
}

static struct answer ask(const char *path, size_t len)
{
	char head[128];
	char *filler = malloc(len);

	assert_non_null(filler);
	memset(filler, 'x', len);
	(void)snprintf(head, sizeof(head), "PUT %s HTTP/1.1\r\nHost: test\r\nContent-Length: %zu\r\n\r\n",
		path, len);
	client_send(client, head);
	client_send_vainly(client, filler, len);
	free(filler);
	return client_receive(client, "PUT");
}

static uint64_t turned_away(enum http_away reason)
{
	struct http_stats stats;

	http_listener_stats(server_listener(server), &stats);
	return stats.turned_away[reason];
}

static const struct http_listener_params with_strangers = {
	.has_strangers = true,
	.connections_per_address = 10,
};

static void a_stranger_has_a_part_and_one_past_it_is_refused_and_counted(void **state)
{
	struct answer answer;

	(void)state;
	serve(&with_strangers);
	assert_int_equal(ask("/big", STRANGERS_PART).status, 200);
	assert_int_equal(turned_away(HTTP_AWAY_STRANGERS_BODIES), 0);
	answer = ask("/big", STRANGERS_PART + 1);
	assert_int_equal(answer.status, 503);
	assert_string_equal(answer_header(&answer, "Retry-After"), "1");
	assert_int_equal(turned_away(HTTP_AWAY_STRANGERS_BODIES), 1);
}

static void a_strangers_chunks_have_the_same_part(void **state)
{
	static const size_t step = 1024;
	char chunk[1024 + 16];
	size_t sent = 0;

	(void)state;
	serve(&with_strangers);
	(void)snprintf(chunk, sizeof(chunk), "400\r\n%01024d\r\n", 0);
	client_send(client, "PUT /big HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (; sent < STRANGERS_PART; sent += step)
		client_send(client, chunk);
	client_send(client, "0\r\n\r\n");
	assert_int_equal(client_receive(client, "PUT").status, 200);
	client_send(client, "PUT /big HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (; sent > 0; sent -= step)
		client_send(client, chunk);
	client_send(client, "1\r\nx\r\n0\r\n\r\n");
	assert_int_equal(client_receive(client, "PUT").status, 503);
	assert_int_equal(turned_away(HTTP_AWAY_STRANGERS_BODIES), 1);
}

static void who_shows_or_has_been_accepted_as_a_device_is_none(void **state)
{
	(void)state;
	serve(&with_strangers);
	assert_int_equal(ask("/device", STRANGERS_PART + 1).status,
		200); /* shown with this request alone */
	assert_int_equal(ask("/big", STRANGERS_PART + 1).status, 503);
	connect_anew();
	assert_int_equal(ask("/accepted", 10).status, 200);
	assert_int_equal(ask("/big", NEIGHBOURS_PART + 1).status, 200); /* for this connection's life */
}

static void beside_a_device_a_stranger_has_a_larger_part(void **state)
{
	(void)state;
	serve(&with_strangers);
	assert_int_equal(ask("/accepted", 10).status, 200);
	connect_anew();
	assert_int_equal(ask("/big", NEIGHBOURS_PART).status, 200);
	assert_int_equal(ask("/big", NEIGHBOURS_PART + 1).status, 503);
	assert_int_equal(turned_away(HTTP_AWAY_STRANGERS_BODIES), 1);
}

static void a_proxy_is_none(void **state)
{
	struct networks proxies;
	struct http_listener_params params = with_strangers;
	struct err err;

	(void)state;
	assert_int_equal(networks_parse(slice_of_str("127.0.0.1"), &proxies, &err), RC_OK);
	params.proxies = &proxies;
	serve(&params);
	assert_int_equal(ask("/big", BIG_BYTES_MAX).status, 200);
}

static void a_listener_without_strangers_makes_no_difference(void **state)
{
	(void)state;
	serve(NULL);
	assert_int_equal(ask("/big", BIG_BYTES_MAX).status, 200);
}

/* Both bodies lack their last byte: the stranger's, which began later, is cut off. */
static void a_strangers_body_has_the_time_of_a_head(void **state)
{
	static const char start[] = "PUT /%s HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbod";
	struct http_listener_params params = with_strangers;
	struct client *stranger = calloc(1, sizeof(*stranger));
	char text[128];

	(void)state;
	params.header_timeout_s = 1;
	params.body_timeout_s = 60;
	serve(&params);
	(void)snprintf(text, sizeof(text), start, "device");
	client_send(client, text);
	client_connect(stranger, server_port(server));
	(void)snprintf(text, sizeof(text), start, "echo");
	client_send(stranger, text);
	assert_true(client_sees_end(stranger));
	assert_int_equal(turned_away(HTTP_AWAY_BODY_TIMEOUT), 1);
	client_send(client, "y");
	assert_string_equal(client_receive(client, "PUT").body, "4");
	client_close(stranger);
	free(stranger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_stranger_has_a_part_and_one_past_it_is_refused_and_counted, stop),
		cmocka_unit_test_teardown(a_strangers_chunks_have_the_same_part, stop),
		cmocka_unit_test_teardown(who_shows_or_has_been_accepted_as_a_device_is_none, stop),
		cmocka_unit_test_teardown(beside_a_device_a_stranger_has_a_larger_part, stop),
		cmocka_unit_test_teardown(a_proxy_is_none, stop),
		cmocka_unit_test_teardown(a_listener_without_strangers_makes_no_difference, stop),
		cmocka_unit_test_teardown(a_strangers_body_has_the_time_of_a_head, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
