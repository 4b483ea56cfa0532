/* SPDX-License-Identifier: Apache-2.0 */
#include "private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ERROR_BODY_BYTES_MAX = 4096, STATUS_MIN = 200, STATUS_MAX = 599 };

static const char TEXT_PLAIN[] = "text/plain; charset=utf-8";

static void close_file(struct reply *reply)
{
	if (reply->is_file)
		(void)close(reply->fd);
	reply->is_file = false;
}

void reply_fini(struct reply *reply)
{
	buf_fini(&reply->body);
	close_file(reply);
}

/* The path may hold a secret: what route it is says enough. */
static void log_fault(const struct http_request *request, const char *event, const char *text)
{
	log_error(event, LOG_STR("request", request->id),
		LOG_STR("route", request->match.route == NULL ? NULL : request->match.route->path),
		LOG_STR("text", text));
}

/* The fault of a handler: what it wanted to say cannot be said. */
static void give_up(struct http_request *request, unsigned status, const char *why)
{
	struct reply *reply = &request->reply;

	log_fault(request, "http_reply_failed", why);
	reply_fini(reply);
	reply->status = status;
	reply->content_type[0] = 0;
	reply->header_count = 0;
	if (status != MHD_HTTP_SERVICE_UNAVAILABLE)
		return;
	reply->headers[0].name = MHD_HTTP_HEADER_RETRY_AFTER;
	reply->headers[0].value = "5";
	reply->header_count = 1;
}

static bool set_content_type(struct reply *reply, const char *content_type)
{
	size_t len = content_type == NULL ? 0 : strlen(content_type);

	if (len >= sizeof(reply->content_type))
		return false;
	if (len > 0)
		memcpy(reply->content_type, content_type, len);
	reply->content_type[len] = 0;
	return true;
}

void http_reply(struct http_request *request, unsigned status, const char *content_type,
	struct buf *body)
{
	struct reply *reply = &request->reply;

	assert(!reply->is_given);
	reply->is_given = true;
	reply->status = status;
	reply->body = *body;
	buf_init(body, body->bound);
	if (reply->body.rc == RC_NO_MEMORY)
		give_up(request, MHD_HTTP_SERVICE_UNAVAILABLE, "memory is short");
	else if (reply->body.rc != RC_OK)
		give_up(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "the body is larger than its bound");
	else if (status < STATUS_MIN || status > STATUS_MAX)
		give_up(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "no such status");
	else if (!set_content_type(reply, content_type))
		give_up(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "the content type is too long");
}

void http_reply_copy(struct http_request *request, unsigned status, const char *content_type,
	struct slice body)
{
	struct buf copy;

	buf_init(&copy, body.len);
	if (body.len > 0)
		buf_append(&copy, body);
	http_reply(request, status, content_type, &copy);
}

void http_reply_file(struct http_request *request, unsigned status, const char *content_type,
	int fd, uint64_t bytes)
{
	struct reply *reply = &request->reply;

	http_reply_copy(request, status, content_type, slice_of(NULL, 0));
	reply->is_file = true;
	reply->fd = fd;
	reply->file_bytes = bytes;
}

void http_reply_header(struct http_request *request, const char *name, const char *value)
{
	struct reply *reply = &request->reply;
	struct arena *arena = http_request_arena(request);
	const char *copies[2] = {NULL, NULL};

	assert(!reply->is_given && reply->header_count < HTTP_REPLY_HEADERS_MAX);
	if (arena != NULL && reply->header_count < HTTP_REPLY_HEADERS_MAX) {
		copies[0] = arena_str(arena, slice_of_str(name));
		copies[1] = arena_str(arena, slice_of_str(value));
	}
	if (copies[0] == NULL || copies[1] == NULL) {
		reply->is_cut = true;
		return;
	}
	reply->headers[reply->header_count].name = copies[0];
	reply->headers[reply->header_count].value = copies[1];
	reply->header_count++;
}

void reply_error(struct http_request *request, unsigned status, const char *text)
{
	const struct http_listener_params *params = &request->connection->listener->params;
	const char *content_type = TEXT_PLAIN;
	struct buf body;

	buf_init(&body, ERROR_BODY_BYTES_MAX);
	if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
		http_reply_header(request, MHD_HTTP_HEADER_RETRY_AFTER, "1");
	if (params->error_body != NULL)
		params->error_body(request, status, text, &body, &content_type);
	else
		buf_printf(&body, "%s\n", text);
	http_reply(request, status, content_type, &body);
}

/* Takes the body; NULL when memory is short. */
static struct MHD_Response *make_response(struct reply *reply)
{
	struct MHD_Response *response;

	if (reply->is_file) {
		response = MHD_create_response_from_fd64(reply->file_bytes, reply->fd);
		reply->is_file = response == NULL; /* libmicrohttpd closes it */
		return response;
	}
	if (reply->body.len == 0)
		return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	response =
		MHD_create_response_from_buffer(reply->body.len, reply->body.ptr, MHD_RESPMEM_MUST_FREE);
	if (response != NULL)
		buf_init(&reply->body, 0); /* libmicrohttpd frees it */
	return response;
}

/* What would split the reply is left out. False: memory is short. */
static bool add_header(const struct http_request *request, struct MHD_Response *response,
	const char *name, const char *value)
{
	if (strpbrk(name, "\r\n\t ") == NULL && strpbrk(value, "\r\n") == NULL)
		return MHD_add_response_header(response, name, value) == MHD_YES;
	log_fault(request, "http_header_refused", name);
	return true;
}

/*
 * Who is refused pays for a new handshake, which has a rate and waits for its turn: a request has neither; so does who
 * asks for much of what everybody may have. A device that was accepted may ask for what is not there, but not without
 * end. A proxy speaks for many.
 */
static bool is_refused_for_good(struct connection *connection, unsigned status)
{
	bool is_refusal = status == MHD_HTTP_FORBIDDEN || status == MHD_HTTP_NOT_FOUND ||
		status == MHD_HTTP_METHOD_NOT_ALLOWED;

	connection->refusals = is_refusal ? connection->refusals + 1 : 0;
	if (connection->listener->gate == NULL || connection->is_from_proxy)
		return false;
	if (connection->is_accepted)
		return connection->refusals >= REFUSALS_MAX;
	connection->requests++;
	return is_refusal || status == MHD_HTTP_BAD_REQUEST ||
		connection->requests >= STRANGER_REQUESTS_MAX;
}

static bool add_headers(struct http_request *request, struct MHD_Response *response)
{
	const struct reply *reply = &request->reply;
	bool is_added = !reply->is_cut;

	if (reply->content_type[0] != 0)
		is_added =
			is_added && add_header(request, response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->content_type);
	for (size_t i = 0; is_added && i < reply->header_count; i++)
		is_added = add_header(request, response, reply->headers[i].name, reply->headers[i].value);
	if (is_added &&
		(is_refused_for_good(request->connection, reply->status) ||
			request->connection->listener->is_quiescing || request->is_cut_off))
		is_added = add_header(request, response, MHD_HTTP_HEADER_CONNECTION, "close");
	return is_added;
}

enum MHD_Result reply_queue(struct http_request *request)
{
	struct http_listener *listener = request->connection->listener;
	struct MHD_Response *response;
	enum MHD_Result result;

	if (!request->reply.is_given)
		reply_error(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal error");
	response = make_response(&request->reply);
	if (response == NULL)
		return MHD_NO;
	if (!add_headers(request, response)) {
		log_fault(request, "http_reply_failed", "memory is short: the connection is closed");
		MHD_destroy_response(response);
		return MHD_NO;
	}
	deadline_set(&request->connection->deadline, HTTP_AWAY_REPLY_TIMEOUT,
		deadline_file_s(listener->params.body_timeout_s, request->reply.file_bytes));
	result = MHD_queue_response(request->connection->mhd, request->reply.status, response);
	MHD_destroy_response(response);
	if (result == MHD_YES)
		(void)atomic_fetch_add_explicit(&listener->replies_by_class[request->reply.status / 100], 1,
			memory_order_relaxed);
	request_release(request);
	return result;
}

void http_defer(struct http_request *request)
{
	struct connection *connection = request->connection;

	assert(request->phase == REQUEST_HANDLING && !request->reply.is_given);
	request->phase = REQUEST_DEFERRED;
	(void)atomic_fetch_add(&connection->listener->deferred, 1);
	MHD_suspend_connection(connection->mhd);
}

/*
 * libmicrohttpd marks the connection and wakes its worker, which alone takes it out of the suspended ones: so
 * the handler may still be running. Once marked, the request can be gone before the call returns; the listener
 * is not, because http_listener_stop() waits for `deferred`.
 */
void http_resume(struct http_request *request)
{
	struct http_listener *listener = request->connection->listener;

	assert(request->phase == REQUEST_DEFERRED && request->reply.is_given);
	MHD_resume_connection(request->connection->mhd);
	(void)atomic_fetch_sub(&listener->deferred, 1);
}
