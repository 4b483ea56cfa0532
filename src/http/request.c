/* SPDX-License-Identifier: Apache-2.0 */
#include "private.h"

#include <string.h>
#include <strings.h>

static void drop_body(struct http_request *request)
{
	if (request->body.len > 0)
		bodies_give_back(&request->connection->listener->bodies, request->sender, request->body.len);
	buf_fini(&request->body);
}

/* The first fault is the answer. */
void request_refuse(struct http_request *request, unsigned status, const char *text)
{
	if (request->refused != 0)
		return;
	request->refused = status;
	request->refused_text = text;
	drop_body(request);
}

static void parse_query(struct http_request *request, const char *query)
{
	struct arena *arena = http_request_arena(request);
	char *decoded = arena == NULL ? NULL : arena_alloc(arena, 2 * strlen(query) + 2);

	if (decoded != NULL)
		request->raw_query = arena_str(arena, slice_of_str(query));
	if (decoded == NULL || request->raw_query == NULL) {
		request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "memory is short");
		return;
	}
	request->is_query_broken = !target_query_parse(query, decoded, &request->query.len);
	request->query.ptr = (const uint8_t *)decoded;
}

void request_begin(struct http_request *request, struct connection *connection, char *target)
{
	char *query = strchr(target, '?');

	request_end(request); /* libmicrohttpd does not tell of every end */
	*request = (struct http_request){.connection = connection, .path = "", .method = ""};
	if (query == NULL)
		return;
	parse_query(request, query + 1);
	query[1] = 0;
}

void request_release(struct http_request *request)
{
	drop_body(request);
	arena_free(&request->arena);
	reply_fini(&request->reply);
}

void request_end(struct http_request *request)
{
	request_release(request);
	if (request->is_counted)
		(void)atomic_fetch_sub(&request->connection->listener->requests_now, 1);
	request->is_counted = false;
}

static void make_id(struct http_request *request)
{
	struct http_listener *listener = request->connection->listener;
	uint64_t id =
		listener->id_start + atomic_fetch_add_explicit(&listener->id_next, 1, memory_order_relaxed);

	for (size_t i = HTTP_REQUEST_ID_BYTES - 1; i-- > 0; id >>= 4)
		request->id[i] = "0123456789abcdef"[id & 15];
}

/* Segments that stand for "{x}" are decoded now, so that a broken escape is 400 whoever asks for it. */
static void decode_params(struct http_request *request)
{
	struct route_match *match = &request->match;
	struct arena *arena = http_request_arena(request);

	for (size_t i = 0; i < match->param_count; i++) {
		struct slice *value = &match->params[i].value;
		char *decoded = arena == NULL ? NULL : arena_alloc(arena, value->len + 1);

		if (decoded == NULL) {
			request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "memory is short");
			return;
		}
		if (!target_decode(*value, decoded)) {
			request_refuse(request, MHD_HTTP_BAD_REQUEST, "the path has a broken escape");
			return;
		}
		*value = slice_of_str(decoded);
	}
}

static void find_route(struct http_request *request)
{
	const struct route_table *routes = request->connection->listener->routes;
	char allow[ROUTE_ALLOW_BYTES];
	enum rc rc = route_find(routes, request->method, request->path, &request->match);

	if (request->is_query_broken && (rc != RC_OK || !request->match.route->is_query_lax))
		request_refuse(request, MHD_HTTP_BAD_REQUEST, "the query has a broken escape");
	switch (rc) {
	case RC_OK:
		if (request->match.param_count > 0)
			decode_params(request);
		return;
	case RC_DENIED:
		route_allow(routes, request->path, allow);
		http_reply_header(request, MHD_HTTP_HEADER_ALLOW, allow);
		request_refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "the path does not have this method");
		return;
	default:
		request_refuse(request, MHD_HTTP_NOT_FOUND, "there is no such path");
		return;
	}
}

static bool head_is_too_large(const struct http_request *request)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info != NULL && info->header_size > request->connection->listener->params.header_bytes_max;
}

static enum sender sender_of(const struct http_request *request)
{
	const struct connection *connection = request->connection;
	const struct http_listener *listener = connection->listener;

	if (!listener->params.has_strangers || listener->is_unix || connection->is_from_proxy ||
		connection->is_accepted || request->shows_device)
		return SENDER_DEVICE;
	return connection->is_from_known ? SENDER_NEIGHBOUR : SENDER_STRANGER;
}

bool http_request_is_from_stranger(const struct http_request *request)
{
	return sender_of(request) != SENDER_DEVICE;
}

void http_request_shows_device(struct http_request *request)
{
	request->shows_device = true;
}

static void refuse_for_room(struct http_request *request)
{
	const struct connection *connection = request->connection;
	struct http_listener *listener = connection->listener;

	if (request->sender != SENDER_DEVICE)
		away_note(&listener->away, listener->name, HTTP_AWAY_STRANGERS_BODIES, connection->peer);
	request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "too much is being received");
}

/* What is declared is judged before it comes. */
static void judge_length(struct http_request *request, uint64_t length)
{
	const struct bodies *bodies = &request->connection->listener->bodies;

	if (request->match.route->body_max != NULL)
		request->body_max = request->match.route->body_max(request, request->match.room->ctx);
	request->drain_max = request->body_max > SIZE_MAX / HTTP_DRAIN_FACTOR
		? SIZE_MAX
		: request->body_max * HTTP_DRAIN_FACTOR;
	if (length > request->body_max || (request->is_chunked && request->body_max == 0)) {
		request_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large");
		request->is_cut_off = true;
	} else if (length > 0 && !bodies_fit(bodies, request->sender, length)) {
		refuse_for_room(request);
	}
	buf_init(&request->body, request->body_max);
}

bool request_is_refused(const struct http_request *request)
{
	return request->refused != 0 || request->reply.is_given;
}

/* Whoever may not ask is told so before his body takes any room. */
static void ask_before(struct http_request *request)
{
	const struct http_room *room = request->match.room;

	if (room->before == NULL || room->before(request, room->ctx) || request->reply.is_given)
		return;
	request_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal error");
}

static void judge_head(struct http_request *request, const struct framing *framing)
{
	if (head_is_too_large(request))
		request_refuse(request, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too large");
	if (request->path[0] == 0)
		request_refuse(request, MHD_HTTP_BAD_REQUEST, "the request target is not a path");
	if (request->refused == 0)
		find_route(request);
	if (request->refused == 0)
		ask_before(request);
	request->sender = sender_of(request);
	if (!request_is_refused(request))
		judge_length(request, framing->length);
}

/* To answer before the body has come costs the connection; a small one that is on its way is read. */
static bool is_worth_reading(const struct framing *framing)
{
	return framing->length <= REFUSED_BODY_BYTES && !framing->expects_continue;
}

void request_head(struct http_request *request, const char *path, const char *method)
{
	struct http_listener *listener = request->connection->listener;
	struct framing framing;

	request->phase = REQUEST_BODY;
	request->method = method;
	if (target_path(path) != NULL)
		request->path = target_path(path);
	request->started_us = clock_monotonic_us(listener->params.clock);
	request->drain_max = REFUSED_BODY_BYTES;
	make_id(request);
	(void)atomic_fetch_add_explicit(&listener->requests_total, 1, memory_order_relaxed);
	if (!framing_read(request->connection->mhd, &framing)) {
		request_refuse(request, MHD_HTTP_BAD_REQUEST, "it is not clear how long the body is");
		request->is_cut_off = true;
	}
	request->is_chunked = framing.is_chunked;
	request->body_declared = framing.length;
	judge_head(request, &framing);
	if (request_is_refused(request) && (framing.length > 0 || framing.is_chunked))
		request->is_cut_off = request->is_cut_off || !is_worth_reading(&framing);
	if (!request_is_refused(request))
		request_count(request); /* a stop waits for its body, too */
}

void request_count(struct http_request *request)
{
	if (!request->is_counted)
		(void)atomic_fetch_add(&request->connection->listener->requests_now, 1);
	request->is_counted = true;
}

static void keep(struct http_request *request, struct slice part)
{
	struct bodies *bodies = &request->connection->listener->bodies;
	size_t first =
		request->body_declared < BODY_FIRST_BYTES ? (size_t)request->body_declared : BODY_FIRST_BYTES;

	if (request->body.len == 0 && first > part.len)
		(void)buf_reserve(&request->body, first);
	buf_append(&request->body, part);
	if (request->body.rc != RC_OK) {
		request_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "memory is short");
		return;
	}
	if (!bodies_take(bodies, request->sender, part.len))
		refuse_for_room(request);
}

bool request_body_part(struct http_request *request, struct slice part)
{
	request->body_seen += part.len;
	if (!request_is_refused(request) && request->body_seen > request->body_max)
		request_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large");
	if (!request_is_refused(request))
		keep(request, part);
	/* A declared length was judged by the head: it is in bounds or was never let through. */
	return !request_is_refused(request) || !request->is_chunked ||
		request->body_seen <= request->drain_max;
}

void http_request_is_accepted(struct http_request *request)
{
	struct connection *connection = request->connection;
	struct http_listener *listener = connection->listener;

	if (connection->is_accepted || connection->is_from_proxy)
		return;
	connection->is_accepted = true;
	if (connection->is_in_gate)
		gate_know(listener->gate, connection->cell, clock_monotonic_us(listener->params.clock));
}

const char *http_request_method(const struct http_request *request)
{
	return request->method;
}

const char *http_request_path(const struct http_request *request)
{
	return request->path;
}

const struct http_route *http_request_route(const struct http_request *request)
{
	return request->match.route;
}

const char *http_request_id(const struct http_request *request)
{
	return request->id;
}

const char *http_request_header(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection->mhd, MHD_HEADER_KIND, name);
}

struct header_visit {
	const char *name;
	void (*visit)(void *ctx, const char *value);
	void *ctx;
};

static enum MHD_Result visit_header(void *cls, enum MHD_ValueKind kind, const char *key,
	const char *value)
{
	const struct header_visit *visit = cls;

	(void)kind;
	if (strcasecmp(key, visit->name) == 0)
		visit->visit(visit->ctx, value == NULL ? "" : value);
	return MHD_YES;
}

void http_request_each_header(const struct http_request *request, const char *name,
	void (*visit)(void *ctx, const char *value), void *ctx)
{
	struct header_visit each = {.name = name, .visit = visit, .ctx = ctx};

	(void)MHD_get_connection_values(request->connection->mhd, MHD_HEADER_KIND, visit_header, &each);
}

const char *http_request_query(const struct http_request *request, const char *name)
{
	const char *at = (const char *)request->query.ptr;
	const char *end = request->query.len == 0 ? at : at + request->query.len;

	while (at != end) {
		const char *value = at + strlen(at) + 1;

		if (strcmp(at, name) == 0)
			return value;
		at = value + strlen(value) + 1;
	}
	return NULL;
}

const char *http_request_param(const struct http_request *request, const char *name)
{
	for (size_t i = 0; i < request->match.param_count; i++) {
		if (slice_is_str(request->match.params[i].name, name))
			return (const char *)request->match.params[i].value.ptr;
	}
	return NULL;
}

struct slice http_request_body(const struct http_request *request)
{
	return buf_slice(&request->body);
}

void http_request_wipe_body(struct http_request *request)
{
	if (request->body.ptr != NULL)
		explicit_bzero(request->body.ptr, request->body.cap);
	drop_body(request);
}

struct arena *http_request_arena(struct http_request *request)
{
	if (request->arena == NULL)
		request->arena = arena_new(request->connection->listener->params.arena_bytes_max);
	return request->arena;
}

const char *http_request_peer(const struct http_request *request)
{
	return request->connection->peer;
}

const char *http_request_raw_query(const struct http_request *request)
{
	return request->raw_query;
}

bool http_request_is_from_proxy(const struct http_request *request)
{
	return request->connection->is_from_proxy;
}

bool http_request_is_tls(const struct http_request *request)
{
	return request->connection->listener->tls != NULL;
}

int64_t http_request_started_us(const struct http_request *request)
{
	return request->started_us;
}

const char *http_request_content_type(struct http_request *request)
{
	const char *header = http_request_header(request, MHD_HTTP_HEADER_CONTENT_TYPE);
	struct slice type;
	struct arena *arena;
	char *text;

	if (request->content_type != NULL)
		return request->content_type;
	type = slice_trim(slice_of(header, header == NULL ? 0 : strcspn(header, ";")));
	arena = type.len == 0 ? NULL : http_request_arena(request);
	text = arena == NULL ? NULL : arena_str(arena, type);
	if (text == NULL)
		return "";
	for (char *c = text; *c != 0; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
	request->content_type = text;
	return text;
}

size_t http_request_peer_certs(struct http_request *request,
	struct slice certs[static HTTP_PEER_CERTS_MAX])
{
	const union MHD_ConnectionInfo *info;

	if (request->connection->tls == NULL)
		return 0;
	info = MHD_get_connection_info(request->connection->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	return info == NULL ? 0 : tls_peer_certs(info->tls_session, certs);
}

void *http_connection_state(const struct http_request *request)
{
	return request->connection->state;
}

void http_connection_set_state(struct http_request *request, void *state,
	void (*free_fn)(void *state))
{
	struct connection *connection = request->connection;

	if (connection->state != NULL && connection->state_free != NULL)
		connection->state_free(connection->state);
	connection->state = state;
	connection->state_free = free_fn;
}

bool http_request_unix_uid(const struct http_request *request, uid_t *uid_r)
{
	const struct connection *connection = request->connection;

	return connection->listener->is_unix && socket_peer_uid(connection->fd, uid_r);
}

bool http_request_is_unix_peer_of(const struct http_request *request, gid_t gid)
{
	const struct connection *connection = request->connection;

	return connection->listener->is_unix && socket_is_peer_of(connection->fd, gid);
}
