/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { QUEUE_LEN = 256, TEXT_BYTES_MAX = 70000 };

struct server {
	struct http_listener *listener;
	pthread_t resumer;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct http_request *queue[QUEUE_LEN];
	size_t queued;
	bool is_held;
	bool is_ending;
};

static atomic_uint states_freed;

unsigned server_states_freed(void)
{
	return states_freed;
}

static void reply_text(struct http_request *request, const char *text)
{
	http_reply_copy(request, 200, "text/plain", slice_of_str(text == NULL ? "(none)" : text));
}

static void hello(struct http_request *request, void *ctx)
{
	(void)ctx;
	reply_text(request, "hello");
}

static void empty(struct http_request *request, void *ctx)
{
	(void)ctx;
	http_reply_copy(request, 200, NULL, slice_of(NULL, 0));
}

static void silent(struct http_request *request, void *ctx)
{
	(void)request;
	(void)ctx;
}

static void echo(struct http_request *request, void *ctx)
{
	(void)ctx;
	if (http_request_content_type(request)[0] != 0)
		http_reply_header(request, "X-Type", http_request_content_type(request));
	http_reply_copy(request, 200, "application/octet-stream", http_request_body(request));
}

static void length(struct http_request *request, void *ctx)
{
	char text[32];

	(void)ctx;
	(void)snprintf(text, sizeof(text), "%zu", http_request_body(request).len);
	reply_text(request, text);
}

static void params(struct http_request *request, void *ctx)
{
	struct buf body;

	(void)ctx;
	buf_init(&body, TEXT_BYTES_MAX);
	buf_printf(&body, "%s|%s", http_request_param(request, "id"), http_request_param(request, "part"));
	assert_null(http_request_param(request, "other"));
	http_reply(request, 200, "text/plain", &body);
}

static void query(struct http_request *request, void *ctx)
{
	(void)ctx;
	reply_text(request, http_request_query(request, "q"));
}

static void header(struct http_request *request, void *ctx)
{
	(void)ctx;
	reply_text(request, http_request_header(request, "x-test"));
}

static void append_value(void *ctx, const char *value)
{
	buf_printf(ctx, "[%s]", value);
}

/* Who it comes from, and all of a header that may come often. */
static void origin(struct http_request *request, void *ctx)
{
	struct buf body;

	(void)ctx;
	buf_init(&body, TEXT_BYTES_MAX);
	buf_printf(&body, "%s %s ", http_request_is_from_proxy(request) ? "proxy" : "stranger",
		http_request_is_tls(request) ? "tls" : "plain");
	http_request_each_header(request, "x-test", append_value, &body);
	http_reply(request, 200, "text/plain", &body);
}

/* Who asks, and what stood behind the path. */
static void client(struct http_request *request, void *ctx)
{
	const char *query = http_request_raw_query(request);
	char address[HTTP_ADDRESS_BYTES];
	struct buf body;

	(void)ctx;
	buf_init(&body, TEXT_BYTES_MAX);
	buf_append_str(&body, http_request_client(request, address) ? address : "the peer");
	buf_printf(&body, " %s", query == NULL ? "none" : query);
	http_reply(request, 200, "text/plain", &body);
}

static void about(struct http_request *request, void *ctx)
{
	struct buf body;

	(void)ctx;
	buf_init(&body, TEXT_BYTES_MAX);
	buf_printf(&body, "%s %s %s %s %u", http_request_method(request), http_request_path(request),
		http_request_peer(request), http_request_id(request), http_request_route(request)->flags);
	http_reply(request, 200, "text/plain", &body);
}

static void headers(struct http_request *request, void *ctx)
{
	(void)ctx;
	http_reply_header(request, "X-Split", "a\r\nX-Forged: yes");
	http_reply_header(request, "X-Good", "yes");
	reply_text(request, "headers");
}

static void too_long(struct http_request *request, void *ctx)
{
	struct buf body;

	(void)ctx;
	buf_init(&body, 4);
	buf_append_str(&body, "longer than four");
	http_reply(request, 200, "text/plain", &body);
}

/* A file of FILE_BYTES. */
static void file(struct http_request *request, void *ctx)
{
	static const char line[] = "0123456789abcde\n";
	char path[] = "/tmp/pomona-http-XXXXXX";
	int fd = mkstemp(path);

	(void)ctx;
	assert_true(fd >= 0);
	(void)unlink(path);
	for (size_t i = 0; i < FILE_BYTES / (sizeof(line) - 1); i++)
		assert_int_equal(write(fd, line, sizeof(line) - 1), sizeof(line) - 1);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	http_reply_file(request, 200, "application/octet-stream", fd, FILE_BYTES);
}

/* More than sockets hold, so that a peer that does not read has it under way. */
static void large_file(struct http_request *request, void *ctx)
{
	char path[] = "/tmp/pomona-http-XXXXXX";
	int fd = mkstemp(path);

	(void)ctx;
	assert_true(fd >= 0);
	(void)unlink(path);
	assert_int_equal(ftruncate(fd, LARGE_BYTES), 0);
	http_reply_file(request, 200, "application/octet-stream", fd, LARGE_BYTES);
}

static void large_body(struct http_request *request, void *ctx)
{
	struct buf body;

	(void)ctx;
	buf_init(&body, LARGE_BYTES);
	assert_non_null(buf_reserve(&body, LARGE_BYTES));
	memset(body.ptr, 0, LARGE_BYTES);
	body.len = LARGE_BYTES;
	http_reply(request, 200, "application/octet-stream", &body);
}

static void refused(struct http_request *request, void *ctx)
{
	(void)request;
	(void)ctx;
	abort(); /* before() has replied */
}

static void free_state(void *state)
{
	free(state);
	states_freed++;
}

/* Counts the requests of its connection. */
static void count(struct http_request *request, void *ctx)
{
	unsigned *seen = http_connection_state(request);
	char text[32];

	(void)ctx;
	if (seen == NULL) {
		seen = calloc(1, sizeof(*seen));
		http_connection_set_state(request, seen, free_state);
	}
	(void)snprintf(text, sizeof(text), "%u", ++*seen);
	reply_text(request, text);
}

static void peer(struct http_request *request, void *ctx)
{
	(void)ctx;
	reply_text(request, http_request_is_unix_peer_of(request, (gid_t)-2) ? "ours" : "foreign");
}

static void user(struct http_request *request, void *ctx)
{
	char text[32] = "nobody";
	uid_t uid;

	(void)ctx;
	if (http_request_unix_uid(request, &uid))
		(void)snprintf(text, sizeof(text), "%u", (unsigned)uid);
	reply_text(request, text);
}

static void certs(struct http_request *request, void *ctx)
{
	struct slice list[HTTP_PEER_CERTS_MAX];
	size_t found = http_request_peer_certs(request, list);

	(void)ctx;
	if (found == 0)
		reply_text(request, "no certificate");
	else
		http_reply_copy(request, 200, "application/pkix-cert", list[0]);
}

static void defer(struct http_request *request, void *ctx)
{
	struct server *server = ctx;

	http_defer(request);
	(void)pthread_mutex_lock(&server->lock);
	server->queue[server->queued++ % QUEUE_LEN] = request;
	(void)pthread_cond_signal(&server->wake);
	(void)pthread_mutex_unlock(&server->lock);
}

/* The other thread is through before this handler returns. */
static void *resume_first(void *ctx)
{
	http_reply_copy(ctx, 200, "text/plain", SLICE_LITERAL("resumed first"));
	http_resume(ctx);
	return NULL;
}

static void defer_late(struct http_request *request, void *ctx)
{
	pthread_t thread;

	(void)ctx;
	http_defer(request);
	(void)pthread_create(&thread, NULL, resume_first, request);
	(void)pthread_join(thread, NULL);
}

static void reply_deferred(struct http_request *request)
{
	struct slice body = http_request_body(request);
	struct buf reply;

	buf_init(&reply, TEXT_BYTES_MAX);
	buf_printf(&reply, "deferred %s %.*s", http_request_path(request), SLICE_FMT(body));
	http_reply_header(request, "X-Late", "yes");
	http_reply(request, 202, "text/plain", &reply);
	http_resume(request);
}

static void *resumer_run(void *ctx)
{
	struct server *server = ctx;

	(void)pthread_mutex_lock(&server->lock);
	while (!server->is_ending || server->queued > 0) {
		if (server->queued == 0 || server->is_held) {
			(void)pthread_cond_wait(&server->wake, &server->lock);
			continue;
		}
		struct http_request *request = server->queue[--server->queued];

		(void)pthread_mutex_unlock(&server->lock);
		reply_deferred(request);
		(void)pthread_mutex_lock(&server->lock);
	}
	(void)pthread_mutex_unlock(&server->lock);
	return NULL;
}

static void accepted(struct http_request *request, void *ctx)
{
	http_request_is_accepted(request);
	length(request, ctx);
}

static size_t echo_max(const struct http_request *request, void *ctx)
{
	(void)request;
	(void)ctx;
	return ECHO_BYTES_MAX;
}

static size_t big_max(const struct http_request *request, void *ctx)
{
	(void)request;
	(void)ctx;
	return BIG_BYTES_MAX;
}

static const struct http_route ROUTES[] = {
	{"GET", "/hello", NULL, hello, 0, false},
	{"GET", "/empty", NULL, empty, 0, false},
	{"GET", "/silent", NULL, silent, 0, false},
	{"PUT", "/echo", echo_max, echo, 0, false},
	{"PUT", "/big", big_max, length, 0, false},
	{"PUT", "/device", big_max, length, 0, false},
	{"PUT", "/accepted", big_max, accepted, 0, false},
	{"PUT", "/none", NULL, hello, 0, false},
	{"GET", "/none", NULL, hello, 0, false},
	{"GET", "/things/{id}/parts/{part}", NULL, params, 0, false},
	{"PUT", "/things/{id}/parts/{part}", big_max, length, 0, false},
	{"GET", "/query", NULL, query, 0, false},
	{"GET", "/header", NULL, header, 0, false},
	{"GET", "/origin", NULL, origin, 0, false},
	{"GET", "/origin", NULL, header, 0, false},
	{"GET", "/client", NULL, client, 0, false},
	{"GET", "/about", NULL, about, 7, false},
	{"GET", "/headers", NULL, headers, 0, false},
	{"GET", "/too-long", NULL, too_long, 0, false},
	{"GET", "/file", NULL, file, 0, false},
	{"GET", "/large-file", NULL, large_file, 0, false},
	{"GET", "/large-body", NULL, large_body, 0, false},
	{"GET", "/secret", NULL, refused, 0, false},
	{"PUT", "/secret", NULL, refused, 0, false},
	{"GET", "/count", NULL, count, 0, false},
	{"GET", "/peer", NULL, peer, 0, false},
	{"GET", "/user", NULL, user, 0, false},
	{"GET", "/certs", NULL, certs, 0, false},
	{"GET", "/defer", NULL, defer, 0, false},
	{"PUT", "/defer", echo_max, defer, 0, false},
	{"GET", "/defer-late", NULL, defer_late, 0, false},
};

static bool before(struct http_request *request, void *ctx)
{
	(void)ctx;
	if (strcmp(http_request_path(request), "/device") == 0)
		http_request_shows_device(request);
	if (strcmp(http_request_path(request), "/secret") != 0)
		return true;
	http_reply_copy(request, 401, "text/plain", SLICE_LITERAL("who are you?"));
	return false;
}

static void fill_in(struct http_listener_params *p, struct server *server)
{
	p->name = "test";
	if (p->address == NULL && p->unix_path == NULL)
		p->address = "127.0.0.1:0";
	p->rooms[0] = (struct http_room){.routes = ROUTES,
		.route_count = COUNT_OF(ROUTES),
		.before = before,
		.ctx = server};
	if (p->threads == 0)
		p->threads = 2;
	if (p->connections_max == 0)
		p->connections_max = 100;
	if (p->idle_timeout_s == 0)
		p->idle_timeout_s = 60;
	p->header_bytes_max = HEAD_BYTES_MAX;
	p->body_bytes_total_max = TOTAL_BYTES_MAX;
	p->arena_bytes_max = 256 * 1024;
}

struct server *server_start(const struct http_listener_params *params_in)
{
	struct http_listener_params p = params_in == NULL ? (struct http_listener_params){0} : *params_in;
	struct server *server = calloc(1, sizeof(*server));
	struct err err = {0};

	assert_non_null(server);
	fill_in(&p, server);
	assert_int_equal(pthread_mutex_init(&server->lock, NULL), 0);
	assert_int_equal(pthread_cond_init(&server->wake, NULL), 0);
	assert_int_equal(pthread_create(&server->resumer, NULL, resumer_run, server), 0);
	if (http_listener_start(&p, &server->listener, &err) != RC_OK)
		fail_msg("%s", err.text);
	return server;
}

struct http_listener *server_listener(struct server *server)
{
	return server->listener;
}

uint16_t server_port(struct server *server)
{
	return http_listener_port(server->listener);
}

static void set(struct server *server, bool *flag, bool value)
{
	(void)pthread_mutex_lock(&server->lock);
	*flag = value;
	(void)pthread_cond_signal(&server->wake);
	(void)pthread_mutex_unlock(&server->lock);
}

void server_hold(struct server *server)
{
	set(server, &server->is_held, true);
}

void server_let_go(struct server *server)
{
	set(server, &server->is_held, false);
}

void server_stop(struct server **server)
{
	set(*server, &(*server)->is_held, false);
	set(*server, &(*server)->is_ending, true);
	assert_int_equal(pthread_join((*server)->resumer, NULL), 0);
	http_listener_stop(&(*server)->listener);
	(void)pthread_cond_destroy(&(*server)->wake);
	(void)pthread_mutex_destroy(&(*server)->lock);
	free(*server);
	*server = NULL;
}
