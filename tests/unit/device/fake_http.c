/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

const struct http_route *http_request_route(const struct http_request *request)
{
	return request->route;
}

const char *http_request_id(const struct http_request *request)
{
	(void)request;
	return "0123456789abcdef";
}

const char *http_request_peer(const struct http_request *request)
{
	return request->peer == NULL ? "192.0.2.1:5000" : request->peer;
}

void http_request_is_accepted(struct http_request *request)
{
	(void)request;
}

bool http_request_is_from_stranger(const struct http_request *request)
{
	return request->is_from_stranger && !request->shows_device;
}

void http_request_shows_device(struct http_request *request)
{
	request->shows_device = true;
}

bool http_request_is_from_proxy(const struct http_request *request)
{
	return request->is_from_proxy;
}

/* A proxy's word is taken as it stands. */
bool http_request_client(const struct http_request *request, char out[static HTTP_ADDRESS_BYTES])
{
	const char *word = http_request_header(request, "X-Forwarded-For");
	bool is_told = request->is_from_proxy && word != NULL;

	(void)snprintf(out, HTTP_ADDRESS_BYTES, "%s", is_told ? word : http_request_peer(request));
	return is_told;
}

bool http_request_is_tls(const struct http_request *request)
{
	return !request->is_plain;
}

void http_request_each_header(const struct http_request *request, const char *name,
	void (*visit)(void *ctx, const char *value), void *ctx)
{
	for (size_t i = 0; i < FAKE_HEADERS_MAX && request->headers[i].name != NULL; i++)
		if (strcasecmp(request->headers[i].name, name) == 0)
			visit(ctx, request->headers[i].value);
}

int64_t http_request_started_us(const struct http_request *request)
{
	(void)request;
	return 0;
}

const char *http_request_header(const struct http_request *request, const char *name)
{
	if (strcasecmp(name, "Content-Type") == 0)
		return request->content_type;
	if (strcasecmp(name, "Transfer-Encoding") == 0)
		return request->is_chunked ? "chunked" : NULL;
	if (strcasecmp(name, "Content-Length") == 0)
		return request->content_length;
	for (size_t i = 0; i < FAKE_HEADERS_MAX && request->headers[i].name != NULL; i++)
		if (strcasecmp(request->headers[i].name, name) == 0)
			return request->headers[i].value;
	return NULL;
}

struct slice http_request_body(const struct http_request *request)
{
	return request->body;
}

struct arena *http_request_arena(struct http_request *request)
{
	if (request->arena == NULL)
		request->arena = arena_new(1 << 20);
	return request->arena;
}

size_t http_request_peer_certs(struct http_request *request,
	struct slice certs[static HTTP_PEER_CERTS_MAX])
{
	for (size_t i = 0; i < request->connection->cert_count; i++)
		certs[i] = request->connection->certs[i];
	return request->connection->cert_count;
}

void *http_connection_state(const struct http_request *request)
{
	return request->connection->state;
}

void http_connection_set_state(struct http_request *request, void *state,
	void (*free_fn)(void *state))
{
	fake_connection_fini(request->connection);
	request->connection->state = state;
	request->connection->state_free = free_fn;
}

void http_reply_header(struct http_request *request, const char *name, const char *value)
{
	assert_false(request->is_replied);
	if (strcmp(name, "WWW-Authenticate") == 0) {
		(void)snprintf(request->challenge, sizeof(request->challenge), "%s", value);
		return;
	}
	assert_string_equal(name, "Retry-After");
	request->retry_after = value;
}

void http_reply_copy(struct http_request *request, unsigned status, const char *content_type,
	struct slice body)
{
	assert_false(request->is_replied);
	assert_false(request->is_resumed);
	request->is_replied = true;
	request->status = status;
	(void)snprintf(request->type, sizeof(request->type), "%s",
		content_type == NULL ? "" : content_type);
	(void)snprintf(request->text, sizeof(request->text), "%.*s", SLICE_FMT(body));
}

void http_reply(struct http_request *request, unsigned status, const char *content_type,
	struct buf *body)
{
	http_reply_copy(request, status, content_type, buf_slice(body));
	buf_fini(body);
}

void http_defer(struct http_request *request)
{
	assert_false(request->is_deferred);
	assert_false(request->is_replied);
	request->is_deferred = true;
}

void http_resume(struct http_request *request)
{
	assert_true(request->is_deferred);
	assert_true(request->is_replied);
	assert_false(request->is_resumed);
	request->is_resumed = true;
}

void fake_request_fini(struct http_request *request)
{
	arena_free(&request->arena);
}

void fake_connection_fini(struct fake_connection *connection)
{
	if (connection->state != NULL)
		connection->state_free(connection->state);
	connection->state = NULL;
}
