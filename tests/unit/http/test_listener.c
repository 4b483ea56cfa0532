/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/http/http.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"
#include "server.h"

static struct server *server;
static struct client *client;

static int start(void **state)
{
	(void)state;
	server = server_start(NULL);
	client = calloc(1, sizeof(*client));
	client_connect(client, server_port(server));
	return 0;
}

static int stop(void **state)
{
	(void)state;
	client_close(client);
	free(client);
	server_stop(&server);
	return 0;
}

static void send_head(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void send_head(const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	client_send(client, text);
}

static void send_filler(size_t len)
{
	char *filler = malloc(len + 1);

	assert_non_null(filler);
	memset(filler, 'x', len);
	client_send_vainly(client, filler, len);
	free(filler);
}

static void send_chunk(size_t len)
{
	send_head("%zx\r\n", len);
	send_filler(len);
	client_send_vainly(client, "\r\n", 2);
}

static void expect(int status, const char *body)
{
	struct answer answer = client_receive(client, "GET");

	assert_true(answer.is_there);
	assert_int_equal(answer.status, status);
	if (body != NULL)
		assert_string_equal(answer.body, body);
}

static void each_target_has_its_answer(void **state)
{
	static const struct {
		const char *method;
		const char *target;
		int status;
		const char *body; /* NULL: any */
	} cases[] = {
		{"GET", "/hello", 200, "hello"},
		{"GET", "/hello?x=1", 200, "hello"},
		{"GET", "http://test/hello", 200, "hello"},
		{"GET", "/empty", 200, ""},
		{"HEAD", "/hello", 200, ""},
		{"GET", "/silent", 500, "internal error\n"},
		{"GET", "/too-long", 500, ""},
		{"GET", "/secret", 401, "who are you?"},
		{"GET", "/nowhere", 404, NULL},
		{"GET", "/hello/", 404, NULL},
		{"OPTIONS", "*", 400, NULL},
		{"POST", "/hello", 405, NULL},
		{"TRACE", "/hello", 405, NULL},
		{"GET", "/things/a%2Fb/parts/c+d%20e", 200, "a/b|c+d e"},
		{"GET", "/things/%C3%BC/parts/x", 200, "\xc3\xbc|x"},
		{"GET", "/things/%/parts/x", 400, NULL},
		{"GET", "/things/a/parts/%00", 400, NULL},
		{"GET", "/things//parts/x", 404, NULL},
		{"GET", "/query?q=a%26b+c", 200, "a&b+c"},
		{"GET", "/query?p=1&q=2&q=3", 200, "2"},
		{"GET", "/query?q", 200, ""},
		{"GET", "/query?p=1", 200, "(none)"},
		{"GET", "/query?", 200, "(none)"},
		{"GET", "/query?q=%zz", 400, NULL},
		{"GET", "/defer", 202, "deferred /defer "},
		{"GET", "/defer-late", 200, "resumed first"},
		{"GET", "/certs", 200, "no certificate"},
		{"GET", "/peer", 200, "foreign"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct answer answer = client_ask(client, cases[i].method, cases[i].target);

		if (!answer.is_there || answer.status != cases[i].status)
			fail_msg("%s %s: %d", cases[i].method, cases[i].target, answer.status);
		if (cases[i].body != NULL)
			assert_string_equal(answer.body, cases[i].body);
	}
}

static void all_requests_share_a_kept_connection(void **state)
{
	struct http_stats stats;

	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		struct answer answer = client_ask(client, "GET", "/count");

		assert_int_equal(strtoul(answer.body, NULL, 10), i);
	}
	assert_int_equal(client_ask(client, "GET", "/nowhere").status, 404);
	http_listener_stats(server_listener(server), &stats);
	assert_int_equal(stats.connections_now, 1);
	assert_int_equal(stats.connections_total, 1);
	assert_int_equal(stats.requests_total, 4);
	assert_int_equal(stats.replies_by_class[2], 3);
	assert_int_equal(stats.replies_by_class[4], 1);
}

static void a_connection_frees_what_was_kept_with_it(void **state)
{
	unsigned freed = server_states_freed();

	(void)state;
	assert_int_equal(client_ask(client, "GET", "/count").status, 200);
	send_head("GET /hello HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
	expect(200, "hello");
	assert_true(client_sees_end(client));
	server_stop(&server);
	assert_int_equal(server_states_freed(), freed + 1);
	server = server_start(NULL);
}

static void a_wrong_method_is_told_the_right_ones(void **state)
{
	struct answer answer = client_ask(client, "DELETE", "/none");

	(void)state;
	assert_int_equal(answer.status, 405);
	assert_string_equal(answer_header(&answer, "Allow"), "PUT, GET, HEAD");
}

static void a_head_request_gets_the_length_only(void **state)
{
	struct answer answer = client_ask(client, "HEAD", "/hello");

	(void)state;
	assert_string_equal(answer_header(&answer, "Content-Length"), "5");
	answer = client_ask(client, "GET", "/empty");
	assert_string_equal(answer_header(&answer, "Content-Length"), "0");
	assert_string_equal(answer_header(&answer, "Content-Type"), "");
	assert_string_equal(answer_header(&answer, "Server"), "");
}

static void a_header_cannot_be_split(void **state)
{
	struct answer answer = client_ask(client, "GET", "/headers");

	(void)state;
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer_header(&answer, "X-Forged"), "");
	assert_string_equal(answer_header(&answer, "X-Good"), "yes");
}

static size_t count_descriptors(void)
{
	glob_t found;
	size_t count = glob("/proc/self/fd/*", 0, NULL, &found) == 0 ? found.gl_pathc : 0;

	globfree(&found);
	return count;
}

static void a_file_is_sent_whole_and_closed(void **state)
{
	struct answer answer = client_ask(client, "GET", "/file");
	const size_t before = count_descriptors();

	(void)state;
	for (int i = 0; i < 20; i++) {
		answer = client_ask(client, "GET", "/file");
		assert_int_equal(answer.status, 200);
		assert_string_equal(answer_header(&answer, "Content-Length"), "160000");
		assert_int_equal(answer.body_len, FILE_BYTES);
		assert_memory_equal(answer.body + FILE_BYTES - 16, "0123456789abcde\n", 16);
	}
	answer = client_ask(client, "HEAD", "/file");
	assert_int_equal(answer.body_len, 0);
	assert_int_equal(client_ask(client, "GET", "/hello").status, 200);
	assert_true(count_descriptors() <= before);
}

static void a_request_tells_about_itself(void **state)
{
	char method[8];
	char path[32];
	char peer[64];
	char ids[2][32];
	unsigned flags;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct answer answer = client_ask(client, "GET", "/about?x=1");

		assert_int_equal(sscanf(answer.body, "%7s %31s %63s %31s %u", method, path, peer, ids[i], &flags),
			5);
	}
	assert_string_equal(method, "GET");
	assert_string_equal(path, "/about");
	assert_true(strncmp(peer, "127.0.0.1:", 10) == 0);
	assert_int_equal(flags, 7);
	assert_int_equal(strlen(ids[0]), HTTP_REQUEST_ID_BYTES - 1);
	assert_int_equal(strtoull(ids[0], NULL, 16) + 1, strtoull(ids[1], NULL, 16));
}

static void a_header_is_found_in_any_case(void **state)
{
	(void)state;
	send_head("GET /header HTTP/1.1\r\nHost: test\r\nX-TEST: yes\r\n\r\n");
	expect(200, "yes");
	send_head("GET /header HTTP/1.1\r\nHost: test\r\nX-Tes: no\r\nX-Test2: no\r\n\r\n");
	expect(200, "(none)");
}

static void a_header_that_comes_often_is_told_each_time(void **state)
{
	(void)state;
	send_head(
		"GET /origin HTTP/1.1\r\nHost: test\r\nX-TEST: a, b\r\nx-test:\r\nX-Test2: no\r\n"
		"X-Test: c\r\n\r\n");
	expect(200, "stranger plain [a, b][][c]");
	send_head("GET /origin HTTP/1.1\r\nHost: test\r\n\r\n");
	expect(200, "stranger plain ");
}

static void a_proxy_is_known_by_its_address_and_has_no_limit_of_its_own(void **state)
{
	static struct client clients[3];
	struct http_listener_params params = {.connections_per_address = 1};
	struct networks proxies;
	struct server *behind;

	(void)state;
	assert_int_equal(networks_parse(slice_of_str("10.0.0.1, 127.0.0.0/8"), &proxies, NULL), RC_OK);
	params.proxies = &proxies;
	behind = server_start(&params);
	memset(&proxies, 0, sizeof(proxies)); /* it has a copy */
	for (size_t i = 0; i < COUNT_OF(clients); i++) {
		client_connect(&clients[i], server_port(behind));
		assert_string_equal(client_ask(&clients[i], "GET", "/origin").body, "proxy plain ");
	}
	for (size_t i = 0; i < COUNT_OF(clients); i++)
		client_close(&clients[i]);
	server_stop(&behind);
}

static void who_asks_is_the_last_address_that_a_proxy_vouches_for(void **state)
{
	static const struct {
		const char *headers;
		const char *who;
	} cases[] = {
		{"X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"},
		{"X-Forwarded-For: 198.51.100.1, 192.0.2.7\r\n", "192.0.2.7"},
		{"X-Forwarded-For: 198.51.100.1,192.0.2.7 , 10.0.0.2\r\n", "192.0.2.7"},
		{"X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"},
		{"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: 10.0.0.2\r\n", "10.0.0.2"},
		{"X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n", "10.0.0.3"},
		{"X-Forwarded-For: 192.0.2.7:4711\r\n", "192.0.2.7"},
		{"X-Forwarded-For: 2001:db8::7\r\n", "2001:db8::7"},
		{"X-Forwarded-For: [2001:db8::7]:80\r\n", "2001:db8::7"},
		{"X-Forwarded-For: 192.0.2.7, unknown\r\n", "the peer"},
		{"X-Forwarded-For: 192.0.2.7,\r\n", "the peer"},
		{"X-Forwarded-For: \r\n", "the peer"},
		{"X-Forwarded-For: ,\r\n", "the peer"},
		{"X-Forwarded-For: []\r\n", "the peer"},
		{"X-Forwarded-For: event=forged x=1\r\n", "the peer"},
		{"", "the peer"},
	};
	static struct client one;
	struct http_listener_params params = {.connections_per_address = 1};
	struct networks proxies;
	struct server *behind;

	(void)state;
	assert_int_equal(networks_parse(slice_of_str("10.0.0.0/8, 127.0.0.0/8"), &proxies, NULL), RC_OK);
	params.proxies = &proxies;
	behind = server_start(&params);
	client_connect(&one, server_port(behind));
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char want[128];

		client_send(&one, "GET /client?a=%41&b HTTP/1.1\r\nHost: test\r\n");
		client_send(&one, cases[i].headers);
		client_send(&one, "\r\n");
		snprintf(want, sizeof(want), "%s a=%%41&b", cases[i].who);
		assert_string_equal(client_receive(&one, "GET").body, want);
	}
	client_close(&one);
	server_stop(&behind);
	send_head("GET /client HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n");
	expect(200, "the peer none"); /* a stranger's word counts for nothing */
}

static void a_content_type_is_told_without_parameters(void **state)
{
	static const struct {
		const char *header;
		const char *type;
	} cases[] = {
		{"Content-Type: Application/X-Apple-ASPEN-MDM\r\n", "application/x-apple-aspen-mdm"},
		{"Content-Type: text/xml; charset=UTF-8\r\n", "text/xml"},
		{"Content-Type:  text/xml ;charset=UTF-8\r\n", "text/xml"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct answer answer;

		send_head("PUT /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n%s\r\nok", cases[i].header);
		answer = client_receive(client, "PUT");
		assert_string_equal(answer.body, "ok");
		assert_string_equal(answer_header(&answer, "X-Type"), cases[i].type);
	}
}

static void who_may_not_ask_is_told_so_before_the_body(void **state)
{
	struct answer answer;

	(void)state;
	for (int i = 0; i < 2; i++) { /* a small body goes by */
		send_head("PUT /secret HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\n");
		send_filler(1000);
		expect(401, "who are you?");
	}
	send_head("GET /secret HTTP/1.1\r\nHost: test\r\n\r\n");
	expect(401, "who are you?");
	send_head("PUT /secret HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
	send_chunk(65536);
	send_head("0\r\n\r\n");
	expect(401, "who are you?");
	send_head("PUT /secret HTTP/1.1\r\nHost: test\r\nContent-Length: 65537\r\n\r\n");
	answer = client_receive(client, "PUT");
	assert_int_equal(answer.status, 401);
	assert_string_equal(answer_header(&answer, "Connection"), "close");
	assert_true(client_sees_end(client));
}

static void a_declared_body_is_bounded_before_it_comes(void **state)
{
	struct answer answer;

	(void)state;
	send_head("PUT /echo HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n", ECHO_BYTES_MAX);
	send_filler(ECHO_BYTES_MAX);
	answer = client_receive(client, "PUT");
	assert_int_equal(answer.status, 200);
	assert_int_equal(answer.body_len, ECHO_BYTES_MAX);
	send_head("PUT /echo HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n", ECHO_BYTES_MAX + 1);
	answer = client_receive(client, "PUT");
	assert_int_equal(answer.status, 413);
	assert_string_equal(answer_header(&answer, "Connection"), "close");
	assert_true(client_sees_end(client));
}

static void a_route_without_bodies_takes_none(void **state)
{
	(void)state;
	send_head("PUT /none HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
	expect(200, "hello");
	send_head("PUT /none HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\n");
	expect(413, NULL);
}

static void a_chunked_body_is_taken(void **state)
{
	(void)state;
	send_head(
		"PUT /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n");
	expect(200, "abcdefg");
	send_head("PUT /big HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
	send_chunk(BIG_BYTES_MAX - 1);
	send_chunk(1);
	send_head("0\r\n\r\n");
	expect(200, "200000");
}

static void a_chunked_body_over_its_limit_is_drained_then_refused(void **state)
{
	static const size_t sizes[] = {ECHO_BYTES_MAX + 1, ECHO_BYTES_MAX * HTTP_DRAIN_FACTOR};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		send_head("PUT /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
		send_chunk(sizes[i]);
		send_head("0\r\n\r\n");
		expect(413, NULL);
	}
	assert_int_equal(client_ask(client, "GET", "/hello").status, 200);
}

static void a_chunked_body_far_over_its_limit_is_cut_off(void **state)
{
	(void)state;
	send_head("PUT /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
	send_chunk(ECHO_BYTES_MAX * HTTP_DRAIN_FACTOR + 1);
	assert_true(client_sees_end(client));
}

static void a_client_that_waits_for_100_gets_it_or_the_refusal(void **state)
{
	(void)state;
	send_head("PUT /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
	expect(100, NULL);
	send_head("abc");
	expect(200, "abc");
	send_head("PUT /echo HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		ECHO_BYTES_MAX + 1);
	expect(413, NULL);
}

static void an_unwanted_small_body_does_not_cost_the_connection(void **state)
{
	(void)state;
	send_head("PUT /nowhere HTTP/1.1\r\nHost: test\r\nContent-Length: 65536\r\n\r\n");
	send_filler(65536);
	expect(404, NULL);
	assert_int_equal(client_ask(client, "GET", "/hello").status, 200);
	send_head("PUT /nowhere HTTP/1.1\r\nHost: test\r\nContent-Length: 65537\r\n\r\n");
	expect(404, NULL);
	assert_true(client_sees_end(client));
}

static int put_chunked(struct client *to, size_t len)
{
	char *filler = malloc(len);
	char head[128];

	assert_non_null(filler);
	memset(filler, 'x', len);
	(void)snprintf(head, sizeof(head),
		"PUT /big HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n", len);
	client_send(to, head);
	client_send_bytes(to, filler, len);
	client_send(to, "\r\n0\r\n\r\n");
	free(filler);
	return client_receive(to, "PUT").status;
}

static void bodies_are_bounded_all_together(void **state)
{
	const size_t held = BIG_BYTES_MAX - 1;
	const size_t room = TOTAL_BYTES_MAX - held;
	struct client *other = calloc(1, sizeof(*other));
	struct answer answer;
	int status;

	(void)state;
	client_connect(other, server_port(server));
	send_head("PUT /big HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n", BIG_BYTES_MAX);
	send_filler(held);
	do { /* until the server has read all that is held, one too many fits */
		status = put_chunked(other, room + 1);
	} while (status == 200);
	assert_int_equal(status, 503);
	assert_int_equal(put_chunked(other, room), 200);
	client_send(other, "PUT /big HTTP/1.1\r\nHost: test\r\nContent-Length: 100002\r\n\r\n");
	answer = client_receive(other, "PUT");
	assert_int_equal(answer.status, 503);
	assert_string_equal(answer_header(&answer, "Retry-After"), "1");
	client_send(client, "x");
	expect(200, "200000");
	client_close(other);
	client_connect(other, server_port(server));
	assert_int_equal(put_chunked(other, room + 1), 200); /* what has been answered counts no more */
	client_close(other);
	free(other);
}

static void send_head_of(size_t total)
{
	static const char start[] = "GET /hello HTTP/1.1\r\nHost: test\r\nX-Filler: ";
	char *text = malloc(total + 1);

	assert_non_null(text);
	memset(text, 'x', total);
	memcpy(text, start, sizeof(start) - 1);
	memcpy(text + total - 4, "\r\n\r\n", 5);
	client_send(client, text);
	free(text);
}

static void a_head_is_bounded(void **state)
{
	(void)state;
	send_head_of(HEAD_BYTES_MAX);
	expect(200, "hello");
	send_head_of(HEAD_BYTES_MAX + 1);
	expect(431, NULL);
	assert_int_equal(client_ask(client, "GET", "/hello").status, 200);
	send_head_of(HEAD_BYTES_MAX * 4);
	expect(431, NULL);
}

static void a_large_head_leaves_room_for_a_body(void **state)
{
	char filler[30000] = {0};

	(void)state;
	memset(filler, 'x', sizeof(filler) - 1);
	send_head("PUT /big HTTP/1.1\r\nHost: test\r\nContent-Length: 150000\r\nX-Filler: ");
	client_send(client, filler);
	send_head("\r\n\r\n");
	send_filler(150000);
	expect(200, "150000");
}

/* Repeats `piece` up to what a head may have. */
static void send_repeated(const char *start, const char *piece, const char *end)
{
	char *text = calloc(1, HEAD_BYTES_MAX + 1);
	size_t len = strlen(start);

	assert_non_null(text);
	memcpy(text, start, len);
	while (len + strlen(piece) + strlen(end) <= HEAD_BYTES_MAX) {
		memcpy(text + len, piece, strlen(piece));
		len += strlen(piece);
	}
	memcpy(text + len, end, strlen(end));
	client_send_vainly(client, text, strlen(text));
	free(text);
}

static void many_headers_are_refused(void **state)
{
	struct answer answer;

	(void)state;
	send_repeated("GET /hello HTTP/1.1\r\nHost: test\r\n", "a:b\r\n", "\r\n");
	answer = client_receive(client, "GET");
	assert_true(!answer.is_there || answer.status == 431);
}

/* libmicrohttpd 0.9.75 crashes over these; see request_begin(). */
static void many_arguments_are_just_a_query(void **state)
{
	(void)state;
	send_repeated("GET /query?q=x&", "a&", " HTTP/1.1\r\nHost: test\r\n\r\n");
	expect(200, "x");
	send_repeated("GET /query?", "a=b&", "q=y HTTP/1.1\r\nHost: test\r\n\r\n");
	expect(200, "y");
}

static void an_unclear_length_is_refused(void **state)
{
	static const char *const heads[] = {
		"Content-Length: 1\r\nContent-Length: 2\r\n",
		"Content-Length: 1\r\nContent-Length: 1\r\n",
		"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
		"Transfer-Encoding: gzip, chunked\r\n",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
		"Transfer-Encoding: identity\r\n",
		"Content-Length: abc\r\n",
		"Content-Length: -1\r\n",
		"Content-Length: 1, 1\r\n",
		"Content-Length: 0x1\r\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		struct answer answer;

		send_head("PUT /echo HTTP/1.1\r\nHost: test\r\n%s\r\n", heads[i]);
		answer = client_receive(client, "PUT");
		if (answer.status != 400)
			fail_msg("%s: %d", heads[i], answer.status);
		client_close(client);
		client_connect(client, server_port(server));
	}
}

static void an_old_client_is_served(void **state)
{
	(void)state;
	send_head("GET /hello HTTP/1.0\r\n\r\n");
	expect(200, "hello");
	assert_true(client_sees_end(client));
}

static void a_request_without_a_host_is_refused(void **state)
{
	(void)state;
	send_head("GET /hello HTTP/1.1\r\n\r\n");
	expect(400, NULL);
}

static void requests_sent_ahead_are_answered_in_order(void **state)
{
	(void)state;
	send_head(
		"GET /defer HTTP/1.1\r\nHost: test\r\n\r\n"
		"PUT /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nok"
		"GET /hello HTTP/1.1\r\nHost: test\r\n\r\n");
	expect(202, "deferred /defer ");
	expect(200, "ok");
	expect(200, "hello");
}

static void a_deferred_request_keeps_its_body(void **state)
{
	struct answer answer;

	(void)state;
	send_head("PUT /defer HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody");
	answer = client_receive(client, "PUT");
	assert_string_equal(answer.body, "deferred /defer body");
	assert_string_equal(answer_header(&answer, "X-Late"), "yes");
}

static void await_requests_now(size_t wanted)
{
	while (http_listener_requests_now(server_listener(server)) != wanted)
		(void)sched_yield();
}

static void a_client_may_leave_while_its_request_is_deferred(void **state)
{
	(void)state;
	server_hold(server);
	send_head("GET /defer HTTP/1.1\r\nHost: test\r\n\r\n");
	await_requests_now(1);
	client_close(client);
	server_let_go(server);
	await_requests_now(0);
	client_connect(client, server_port(server));
	assert_int_equal(client_ask(client, "GET", "/hello").status, 200);
}

static void a_quiescing_listener_ends_what_is_under_way_and_takes_no_more(void **state)
{
	struct client *other = calloc(1, sizeof(*other));
	struct answer answer;

	(void)state;
	server_hold(server);
	send_head("GET /defer HTTP/1.1\r\nHost: test\r\n\r\n");
	await_requests_now(1);
	http_listener_quiesce(server_listener(server));
	client_connect(other, server_port(server));
	assert_true(client_sees_end(other));
	server_let_go(server);
	answer = client_receive(client, "GET");
	assert_int_equal(answer.status, 202);
	assert_string_equal(answer_header(&answer, "Connection"), "close");
	assert_true(client_sees_end(client));
	await_requests_now(0);
	client_close(other);
	free(other);
}

enum { CROWD = 8, CROWD_REQUESTS = 100 };

/* Not the test's thread, where a failure could be told: counts what went well. */
static void *run_one_of_crowd(void *ctx)
{
	static const char request[] = "GET /defer HTTP/1.1\r\nHost: test\r\n\r\n";
	const struct sockaddr_in *address = ctx;
	char answer[1024];
	size_t good = 0;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
		return NULL;
	for (size_t i = 0; i < CROWD_REQUESTS; i++) {
		size_t len = 0;
		ssize_t got;

		if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
			break;
		while ((got = recv(fd, answer + len, sizeof(answer) - 1 - len, 0)) > 0) {
			len += (size_t)got;
			answer[len] = 0;
			if (strstr(answer, "deferred /defer ") != NULL)
				break;
		}
		good += got > 0;
	}
	(void)close(fd);
	return (void *)(uintptr_t)good;
}

static void many_clients_are_deferred_at_once(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons(server_port(server)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	pthread_t threads[CROWD];

	(void)state;
	for (size_t i = 0; i < CROWD; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_one_of_crowd, &address), 0);
	for (size_t i = 0; i < CROWD; i++) {
		void *good = NULL;

		assert_int_equal(pthread_join(threads[i], &good), 0);
		assert_int_equal((uintptr_t)good, CROWD_REQUESTS);
	}
	await_requests_now(0);
}

static void an_idle_client_is_let_go(void **state)
{
	const struct http_listener_params params = {.idle_timeout_s = 1};
	struct server *impatient = server_start(&params);
	static const char *const starts[] = {"", "GET /he",
		"GET /hello HTTP/1.1\r\nHost:", "PUT /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nab"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(starts); i++) {
		client_close(client);
		client_connect(client, server_port(impatient));
		client_send(client, starts[i]);
		assert_true(client_sees_end(client));
	}
	server_stop(&impatient);
}

/* Their own timeouts are far away: what ends the second one is its deadline, when the first one's is over too. */
static void a_deadline_ends_who_is_slow_and_not_who_waits_for_us(void **state)
{
	const struct http_listener_params params = {.header_timeout_s = 1, .body_timeout_s = 1};
	struct server *strict = server_start(&params);
	struct client *slow = calloc(1, sizeof(*slow));
	struct http_stats stats;

	(void)state;
	client_close(client);
	server_hold(strict);
	client_connect(client, server_port(strict));
	client_send(client, "PUT /defer HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody");
	while (http_listener_requests_now(server_listener(strict)) == 0)
		(void)sched_yield();
	client_connect(slow, server_port(strict));
	client_send(slow, "PUT /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbod");
	assert_true(client_sees_end(slow));
	http_listener_stats(server_listener(strict), &stats);
	assert_int_equal(stats.turned_away[HTTP_AWAY_BODY_TIMEOUT], 1);
	server_let_go(strict);
	assert_string_equal(client_receive(client, "PUT").body, "deferred /defer body");
	client_close(slow);
	free(slow);
	server_stop(&strict);
}

/* True where the answer that is under way, of so many bytes of body, comes to its end. */
static bool comes_whole(struct client *of, size_t body_bytes)
{
	static char step[65536];
	size_t total = 0;
	ssize_t got;

	while (total < body_bytes && (got = read(of->fd, step, sizeof(step))) > 0)
		total += (size_t)got;
	return total >= body_bytes;
}

/* Neither client reads. When the later one is cut off, the time of the other is over too, but for its file's. */
static void a_file_has_more_time_by_its_size_and_a_body_has_not(void **state)
{
	const struct http_listener_params params = {.header_timeout_s = 20, .body_timeout_s = 1};
	struct server *strict = server_start(&params);
	struct client *other = calloc(1, sizeof(*other));
	struct http_stats stats = {0};

	(void)state;
	client_close(client);
	client_connect(client, server_port(strict));
	client_send(client, "GET /large-file HTTP/1.1\r\nHost: test\r\n\r\n");
	while (http_listener_requests_now(server_listener(strict)) == 0)
		(void)sched_yield();
	client_connect(other, server_port(strict));
	client_send(other, "GET /large-body HTTP/1.1\r\nHost: test\r\n\r\n");
	while (stats.turned_away[HTTP_AWAY_REPLY_TIMEOUT] == 0) {
		(void)sched_yield();
		http_listener_stats(server_listener(strict), &stats);
	}
	assert_false(comes_whole(other, LARGE_BYTES));
	assert_true(comes_whole(client, LARGE_BYTES));
	http_listener_stats(server_listener(strict), &stats);
	assert_int_equal(stats.turned_away[HTTP_AWAY_REPLY_TIMEOUT], 1);
	client_close(other);
	free(other);
	server_stop(&strict);
}

static void connections_are_bounded(void **state)
{
	const struct http_listener_params params = {.connections_max = 2};
	struct server *small = server_start(&params);
	struct client *clients[3];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		clients[i] = calloc(1, sizeof(*clients[i]));
		client_connect(clients[i], server_port(small));
		client_send(clients[i], "GET /hello HTTP/1.1\r\nHost: test\r\n\r\n");
		if (i < 2)
			assert_int_equal(client_receive(clients[i], "GET").status, 200);
	}
	client_close(clients[0]); /* the third has waited for this place */
	assert_int_equal(client_receive(clients[2], "GET").status, 200);
	for (size_t i = 1; i < 3; i++)
		client_close(clients[i]);
	for (size_t i = 0; i < 3; i++)
		free(clients[i]);
	server_stop(&small);
}

static void a_broken_address_is_refused(void **state)
{
	static const struct {
		const char *address;
		enum rc rc;
	} cases[] = {
		{"[::1]:0", RC_OK},
		{"localhost:0", RC_OK},
		{"127.0.0.1", RC_INVALID},
		{"127.0.0.1:", RC_INVALID},
		{":80", RC_INVALID},
		{"::1:80", RC_INVALID},
		{"[::1]", RC_INVALID},
		{"127.0.0.1:65536", RC_INVALID},
		{"127.0.0.1:x", RC_INVALID},
		{"127.0.0.1:-1", RC_INVALID},
		{"192.0.2.1:0", RC_IO},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct http_listener_params params = {.name = "test",
			.address = cases[i].address,
			.connections_max = 2,
			.threads = 1,
			.header_bytes_max = HEAD_BYTES_MAX};
		struct http_listener *listener = NULL;
		struct err err = {0};
		enum rc rc = http_listener_start(&params, &listener, &err);

		if (rc != cases[i].rc)
			fail_msg("%s: %s %s", cases[i].address, rc_name(rc), err.text);
		http_listener_stop(&listener);
	}
}

static void a_taken_port_is_refused(void **state)
{
	struct http_listener_params params = {.name = "test", .connections_max = 2, .threads = 1};
	struct http_listener *listener = NULL;
	char address[32];
	struct err err = {0};

	(void)state;
	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", server_port(server));
	params.address = address;
	assert_int_equal(http_listener_start(&params, &listener, &err), RC_IO);
	assert_null(listener);
	assert_non_null(strstr(err.text, address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_target_has_its_answer, start, stop),
		cmocka_unit_test_setup_teardown(all_requests_share_a_kept_connection, start, stop),
		cmocka_unit_test_setup_teardown(a_connection_frees_what_was_kept_with_it, start, stop),
		cmocka_unit_test_setup_teardown(a_wrong_method_is_told_the_right_ones, start, stop),
		cmocka_unit_test_setup_teardown(a_head_request_gets_the_length_only, start, stop),
		cmocka_unit_test_setup_teardown(a_header_cannot_be_split, start, stop),
		cmocka_unit_test_setup_teardown(a_file_is_sent_whole_and_closed, start, stop),
		cmocka_unit_test_setup_teardown(a_request_tells_about_itself, start, stop),
		cmocka_unit_test_setup_teardown(a_header_is_found_in_any_case, start, stop),
		cmocka_unit_test_setup_teardown(a_header_that_comes_often_is_told_each_time, start, stop),
		cmocka_unit_test_setup_teardown(who_asks_is_the_last_address_that_a_proxy_vouches_for, start,
			stop),
		cmocka_unit_test_setup_teardown(a_proxy_is_known_by_its_address_and_has_no_limit_of_its_own,
			start, stop),
		cmocka_unit_test_setup_teardown(a_content_type_is_told_without_parameters, start, stop),
		cmocka_unit_test_setup_teardown(who_may_not_ask_is_told_so_before_the_body, start, stop),
		cmocka_unit_test_setup_teardown(a_declared_body_is_bounded_before_it_comes, start, stop),
		cmocka_unit_test_setup_teardown(a_route_without_bodies_takes_none, start, stop),
		cmocka_unit_test_setup_teardown(a_chunked_body_is_taken, start, stop),
		cmocka_unit_test_setup_teardown(a_chunked_body_over_its_limit_is_drained_then_refused, start,
			stop),
		cmocka_unit_test_setup_teardown(a_chunked_body_far_over_its_limit_is_cut_off, start, stop),
		cmocka_unit_test_setup_teardown(a_client_that_waits_for_100_gets_it_or_the_refusal, start, stop),
		cmocka_unit_test_setup_teardown(an_unwanted_small_body_does_not_cost_the_connection, start, stop),
		cmocka_unit_test_setup_teardown(bodies_are_bounded_all_together, start, stop),
		cmocka_unit_test_setup_teardown(a_head_is_bounded, start, stop),
		cmocka_unit_test_setup_teardown(a_large_head_leaves_room_for_a_body, start, stop),
		cmocka_unit_test_setup_teardown(many_headers_are_refused, start, stop),
		cmocka_unit_test_setup_teardown(many_arguments_are_just_a_query, start, stop),
		cmocka_unit_test_setup_teardown(an_unclear_length_is_refused, start, stop),
		cmocka_unit_test_setup_teardown(an_old_client_is_served, start, stop),
		cmocka_unit_test_setup_teardown(a_request_without_a_host_is_refused, start, stop),
		cmocka_unit_test_setup_teardown(requests_sent_ahead_are_answered_in_order, start, stop),
		cmocka_unit_test_setup_teardown(a_deferred_request_keeps_its_body, start, stop),
		cmocka_unit_test_setup_teardown(a_client_may_leave_while_its_request_is_deferred, start, stop),
		cmocka_unit_test_setup_teardown(a_quiescing_listener_ends_what_is_under_way_and_takes_no_more,
			start, stop),
		cmocka_unit_test_setup_teardown(many_clients_are_deferred_at_once, start, stop),
		cmocka_unit_test_setup_teardown(an_idle_client_is_let_go, start, stop),
		cmocka_unit_test_setup_teardown(a_deadline_ends_who_is_slow_and_not_who_waits_for_us, start,
			stop),
		cmocka_unit_test_setup_teardown(a_file_has_more_time_by_its_size_and_a_body_has_not, start, stop),
		cmocka_unit_test_setup_teardown(connections_are_bounded, start, stop),
		cmocka_unit_test_setup_teardown(a_broken_address_is_refused, start, stop),
		cmocka_unit_test_setup_teardown(a_taken_port_is_refused, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
