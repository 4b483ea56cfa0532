/* SPDX-License-Identifier: Apache-2.0 */
#include "private.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { LEFT_OVER_BYTES_MAX = 1024 * 1024, LEFT_OVER_PIECE_BYTES = 65536 };

static bool is_proxy(const struct http_listener *listener, const struct sockaddr *address)
{
	struct ip_address from;

	return ip_address_of(address, &from) && networks_has(&listener->proxies, &from);
}

static bool find_cell(const struct http_listener *listener, const struct sockaddr *address,
	size_t *cell_r)
{
	if (listener->gate == NULL)
		return false;
	*cell_r = GATE_CELL_SHARED;
	return is_proxy(listener, address) || gate_cell(listener->gate, address, cell_r);
}

enum MHD_Result connection_is_welcome(void *cls, const struct sockaddr *address,
	socklen_t address_len)
{
	struct http_listener *listener = cls;
	char peer[HTTP_ADDRESS_BYTES];
	enum http_away away;
	size_t cell;

	(void)address_len;
	/* A socket that was passed has been given back: who comes now was taken from its queue before. */
	if (atomic_load_explicit(&listener->is_quiescing, memory_order_relaxed) &&
		!listener->params.is_passed)
		return MHD_NO;
	if (!find_cell(listener, address, &cell))
		return MHD_YES;
	away = gate_ask(listener->gate, cell, clock_monotonic_us(listener->params.clock));
	if (away == HTTP_AWAY_COUNT)
		return MHD_YES;
	socket_peer_text(-1, address, peer);
	away_note(&listener->away, listener->name, away, peer);
	return MHD_NO;
}

/* 0: none. */
static unsigned shorter_of(unsigned a_s, unsigned b_s)
{
	if (a_s == 0 || b_s == 0)
		return a_s + b_s;
	return a_s < b_s ? a_s : b_s;
}

/* An honest client is quicker than either. */
static unsigned first_timeout_s(const struct http_listener_params *params)
{
	return shorter_of(params->header_timeout_s, params->idle_timeout_s);
}

/* What strangers may send is short, and not much of it may be under way. */
static unsigned body_timeout_s(const struct http_request *request)
{
	const struct http_listener_params *params = &request->connection->listener->params;

	if (request->sender == SENDER_DEVICE)
		return params->body_timeout_s;
	return shorter_of(params->header_timeout_s, params->body_timeout_s);
}

/* A kept connection may be idle, and then the next request line must come: nothing tells of its first byte. */
static unsigned kept_timeout_s(const struct http_listener_params *params)
{
	if (params->header_timeout_s == 0 || params->idle_timeout_s == 0)
		return 0;
	return params->header_timeout_s + params->idle_timeout_s;
}

void connection_is_late(struct deadline *deadline, enum http_away reason)
{
	struct connection *connection =
		(struct connection *)((char *)deadline - offsetof(struct connection, deadline));

	away_note(&connection->listener->away, connection->listener->name, reason, connection->peer);
}

static struct connection *connection_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info == NULL ? NULL : info->socket_context;
}

static gnutls_session_t session_of(struct MHD_Connection *mhd)
{
	return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;
}

static int fd_of(struct MHD_Connection *mhd)
{
	return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

static void begin_tls(struct connection *connection)
{
	gnutls_session_t session = session_of(connection->mhd);

	connection->tls = tls_session_begin(connection->listener->tls, session);
	handshake_watch(&connection->handshake, connection->listener->waiters,
		&(struct handshake_params){.mhd = connection->mhd,
			.session = session,
			.fd = connection->fd,
			.taker = {.cell = connection->cell, .is_known = connection->is_from_known}});
}

static void begin_limits(struct connection *connection, const struct sockaddr *address)
{
	struct http_listener *listener = connection->listener;

	connection->is_in_gate = find_cell(listener, address, &connection->cell);
	if (connection->is_in_gate)
		connection->is_from_known =
			gate_enter(listener->gate, connection->cell, clock_monotonic_us(listener->params.clock));
	deadline_watch(&connection->deadline, listener->deadlines, connection->fd);
	deadline_set(&connection->deadline,
		listener->tls == NULL ? HTTP_AWAY_HEADER_TIMEOUT : HTTP_AWAY_HANDSHAKE_TIMEOUT,
		first_timeout_s(&listener->params));
}

/*
 * No limit and no deadline knows of a connection without memory, and libmicrohttpd cannot be told no any more: it
 * finds the end of the stream.
 */
static void let_go(const struct http_listener *listener, struct MHD_Connection *mhd)
{
	if (listener->tls != NULL)
		tls_session_refuse(session_of(mhd));
	(void)shutdown(fd_of(mhd), SHUT_RDWR);
}

/* NULL when memory is short; then it is let go, and what came before its end is not served. */
static struct connection *connection_new(struct http_listener *listener, struct MHD_Connection *mhd)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	const union MHD_ConnectionInfo *info;

	(void)atomic_fetch_add_explicit(&listener->connections_now, 1, memory_order_relaxed);
	(void)atomic_fetch_add_explicit(&listener->connections_total, 1, memory_order_relaxed);
	if (connection == NULL) {
		let_go(listener, mhd);
		return NULL;
	}
	connection->listener = listener;
	connection->mhd = mhd;
	connection->fd = fd_of(mhd);
	info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	socket_peer_text(connection->fd, info == NULL ? NULL : info->client_addr, connection->peer);
	connection->is_from_proxy = is_proxy(listener, info == NULL ? NULL : info->client_addr);
	begin_limits(connection, info == NULL ? NULL : info->client_addr);
	if (listener->tls != NULL)
		begin_tls(connection);
	return connection;
}

/*
 * A socket closed with bytes unread resets its peer, which may then not read the reply that refused them. This
 * takes what has come by now; libmicrohttpd offers no lingering.
 */
static void read_left_over(int fd)
{
	char piece[LEFT_OVER_PIECE_BYTES];
	size_t total = 0;
	ssize_t got;

	while (total < LEFT_OVER_BYTES_MAX && (got = recv(fd, piece, sizeof(piece), MSG_DONTWAIT)) > 0)
		total += (size_t)got;
}

static void connection_free(struct http_listener *listener, struct connection *connection)
{
	(void)atomic_fetch_sub_explicit(&listener->connections_now, 1, memory_order_relaxed);
	if (connection == NULL)
		return;
	deadline_forget(&connection->deadline);
	if (connection->is_in_gate)
		gate_leave(listener->gate, connection->cell);
	handshake_over(&connection->handshake);
	request_end(&connection->request);
	if (connection->request.is_cut_off)
		read_left_over(connection->fd);
	if (connection->state != NULL && connection->state_free != NULL)
		connection->state_free(connection->state);
	tls_material_put(&connection->tls);
	free(connection);
}

void connection_notify(void *cls, struct MHD_Connection *mhd, void **state,
	enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*state = connection_new(cls, mhd);
	} else {
		connection_free(cls, *state);
		*state = NULL;
	}
}

void *connection_request_line(void *cls, const char *target, struct MHD_Connection *mhd)
{
	const struct http_listener *listener = cls;
	struct connection *connection = connection_of(mhd);
	char *text;

	if (connection == NULL || target == NULL)
		return NULL;
	handshake_over(&connection->handshake);
	deadline_set(&connection->deadline, HTTP_AWAY_HEADER_TIMEOUT, listener->params.header_timeout_s);
	memcpy(&text, &target, sizeof(text)); /* const, but the buffer is not */
	request_begin(&connection->request, connection, text);
	return &connection->request;
}

static enum MHD_Result refuse(struct http_request *request)
{
	if (!request->reply.is_given)
		reply_error(request, request->refused, request->refused_text);
	return reply_queue(request);
}

static enum MHD_Result handle(struct http_request *request)
{
	const struct http_route *route = request->match.route;

	request->phase = REQUEST_HANDLING;
	request_count(request);
	route->handle(request, request->match.room->ctx);
	/* Deferred: the request is another thread's by now, but for its phase. */
	return request->phase == REQUEST_DEFERRED ? MHD_YES : reply_queue(request);
}

/*
 * libmicrohttpd calls this with the head, then with each piece of the body, then with its end, and after a
 * resume once more as at the end. A reply that is given with the head ends the connection, even where no body
 * is to come.
 */
/* NOLINTNEXTLINE(readability-function-size): the signature is the library's */
enum MHD_Result connection_serve(void *cls, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *data, size_t *data_len, void **state)
{
	struct http_request *request = *state;

	(void)cls;
	(void)mhd;
	(void)version;
	if (request == NULL)
		return MHD_NO;
	switch (request->phase) {
	case REQUEST_HEAD:
		request_head(request, url, method);
		deadline_set(&request->connection->deadline, HTTP_AWAY_BODY_TIMEOUT, body_timeout_s(request));
		return request->is_cut_off ? refuse(request) : MHD_YES;
	case REQUEST_BODY:
		if (*data_len > 0) {
			struct slice part = slice_of(data, *data_len);

			*data_len = 0;
			return request_body_part(request, part) ? MHD_YES : MHD_NO;
		}
		deadline_set(&request->connection->deadline, HTTP_AWAY_BODY_TIMEOUT, 0);
		return request_is_refused(request) ? refuse(request) : handle(request);
	case REQUEST_DEFERRED:
		request->phase = REQUEST_HANDLING;
		return reply_queue(request);
	case REQUEST_HANDLING:
		break;
	}
	return MHD_NO;
}

void connection_request_done(void *cls, struct MHD_Connection *mhd, void **state,
	enum MHD_RequestTerminationCode code)
{
	const struct http_listener *listener = cls;
	struct http_request *request = *state;

	(void)mhd;
	(void)code;
	if (request == NULL)
		return;
	request_end(request);
	deadline_set(&request->connection->deadline, HTTP_AWAY_HEADER_TIMEOUT,
		kept_timeout_s(&listener->params));
}
