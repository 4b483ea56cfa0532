/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/net/h2.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "h2_conn.h"

enum {
	CONNECT_TIMEOUT_MS_DEFAULT = 30000,
	PING_TIMEOUT_MS_DEFAULT = 15000,
};

static const char *const end_names[H2_END_COUNT] = {
	[H2_END_CONNECT] = "connect",
	[H2_END_TLS] = "tls",
	[H2_END_GOAWAY] = "goaway",
	[H2_END_CLOSED] = "closed",
	[H2_END_DEAD] = "dead",
	[H2_END_PROTOCOL] = "protocol",
	[H2_END_MEMORY] = "memory",
	[H2_END_RETIRED] = "retired",
};

const char *h2_end_name(enum h2_end end)
{
	return (unsigned)end < H2_END_COUNT ? end_names[end] : "unknown";
}

/* --- the brackets */

static void destroy(struct h2 *h2)
{
	net_timer_free(&h2->soon);
	net_timer_free(&h2->limit);
	net_watch_free(&h2->watch);
	h2_dial_free(&h2->dial);
	h2_tls_free(&h2->tls);
	h2_session_free(&h2->session);
	if (h2->fd >= 0)
		(void)close(h2->fd);
	free(h2);
}

void h2_enter(struct h2 *h2)
{
	h2->depth++;
}

void h2_leave(struct h2 *h2)
{
	if (--h2->depth == 0 && h2->is_freed)
		destroy(h2);
}

void h2_free(struct h2 **h2)
{
	struct h2 *gone = *h2;

	if (gone == NULL)
		return;
	*h2 = NULL;
	if (gone->depth == 0) {
		destroy(gone);
		return;
	}
	gone->is_freed = true;
	h2_session_hush(gone->session);
}

/* --- the way to an open connection */

static enum h2_end end_of_handshake(enum h2_tls_result result, const struct err *err)
{
	if (err->rc == RC_NO_MEMORY)
		return H2_END_MEMORY;
	return result == H2_TLS_REFUSED ? H2_END_TLS : H2_END_CONNECT;
}

static void shake(struct h2 *h2)
{
	struct err err = {.rc = RC_OK};
	enum h2_tls_result result = h2_tls_handshake(h2->tls, &err);

	if (result == H2_TLS_DONE) {
		h2->state = H2_GREETING;
		h2->has_unsent = true;
		h2_turn(h2, true);
	} else if (result != H2_TLS_AGAIN) {
		(void)err_context(&err, "handshake");
		h2_end(h2, end_of_handshake(result, &err), err.text);
	} else if (net_watch_set(h2->watch, h2_tls_wish(h2->tls)) != RC_OK) {
		h2_end(h2, H2_END_MEMORY, "connection: out of memory");
	}
}

static void on_ready(void *ctx, unsigned ready)
{
	struct h2 *h2 = ctx;

	h2_enter(h2);
	if (h2->state == H2_SHAKING)
		shake(h2);
	else
		h2_turn(h2, (ready & NET_READABLE) != 0);
	h2_leave(h2);
}

static void begin_handshake(struct h2 *h2)
{
	struct err err;

	h2->state = H2_SHAKING;
	if (net_watch_new(h2->loop, h2->fd, on_ready, h2, &h2->watch) != RC_OK ||
		h2_tls_attach(h2->tls, h2->fd, &err) != RC_OK)
		h2_end(h2, H2_END_MEMORY, "connection: out of memory");
	else
		shake(h2);
}

static void on_dialed(void *ctx, int fd, const char *why)
{
	struct h2 *h2 = ctx;

	h2_enter(h2);
	if (fd < 0) {
		h2_end(h2, H2_END_CONNECT, why);
	} else {
		h2->fd = fd;
		h2_dial_free(&h2->dial);
		begin_handshake(h2);
	}
	h2_leave(h2);
}

static void dial(struct h2 *h2)
{
	struct err err;
	enum rc rc = h2_dial_start(h2->dial, &err);

	if (rc == RC_NO_MEMORY)
		h2_end(h2, H2_END_MEMORY, err.text);
	else if (rc != RC_OK)
		h2_end(h2, H2_END_CONNECT, err.text);
}

/* --- timers */

void h2_soon(struct h2 *h2)
{
	if (h2->is_soon || h2->soon == NULL)
		return;
	h2->is_soon = true;
	net_timer_set(h2->soon, 0);
}

static void on_soon(void *ctx)
{
	struct h2 *h2 = ctx;

	h2_enter(h2);
	h2->is_soon = false;
	if (h2->state < H2_GREETING && h2_session_is_retired(h2->session))
		h2_end(h2, H2_END_RETIRED, "retired");
	else if (h2->state == H2_DIALING)
		dial(h2);
	else if (h2->state >= H2_GREETING)
		h2_turn(h2, h2_tls_has_pending(h2->tls));
	h2_leave(h2);
}

static void ping(struct h2 *h2)
{
	if (h2->is_pinged) {
		h2_end(h2, H2_END_DEAD, "PING was not answered");
		return;
	}
	if (h2_session_ping(h2->session) != RC_OK) {
		h2_end(h2, H2_END_MEMORY, "PING: out of memory");
		return;
	}
	h2->is_pinged = true;
	h2->pongs = h2_session_pongs(h2->session);
	h2->has_unsent = true;
	net_timer_set(h2->limit, h2->ping_timeout_ms);
	h2_turn(h2, false);
}

static void end_late(struct h2 *h2)
{
	struct err err;
	const char *step = "TLS handshake";

	if (h2->state == H2_GREETING) {
		h2_end(h2, H2_END_DEAD, "no SETTINGS in time");
		return;
	}
	if (h2->state == H2_DIALING)
		step = h2_dial_step(h2->dial);
	(void)err_set(&err, RC_IO, "%s: not done within %lld ms", step, (long long)h2->connect_timeout_ms);
	h2_end(h2, H2_END_CONNECT, err.text);
}

static void on_limit(void *ctx)
{
	struct h2 *h2 = ctx;

	h2_enter(h2);
	if (h2->state == H2_OPEN)
		ping(h2);
	else
		end_late(h2);
	h2_leave(h2);
}

/* --- birth */

static enum rc parts_new(struct h2 *h2, const struct h2_params *params, struct err *err)
{
	const struct h2_dial_params dial_params = {.loop = h2->loop,
		.host = params->host,
		.port = params->port,
		.proxy = params->proxy,
		.done = on_dialed,
		.ctx = h2};
	enum rc rc = h2_dial_new(&dial_params, &h2->dial, err);

	if (rc == RC_OK)
		rc = h2_tls_new(params, &h2->tls, err);
	if (rc == RC_OK)
		rc = h2_session_new(params->kept, &h2->session, err);
	if (rc != RC_OK)
		return rc;
	if (net_timer_new(h2->loop, on_soon, h2, &h2->soon) != RC_OK ||
		net_timer_new(h2->loop, on_limit, h2, &h2->limit) != RC_OK)
		return err_set(err, RC_NO_MEMORY, "connection");
	return RC_OK;
}

static int64_t or_default(int64_t value, int64_t otherwise)
{
	return value > 0 ? value : otherwise;
}

enum rc h2_open(struct net_loop *loop, const struct h2_params *params, struct h2 **h2_r,
	struct err *err)
{
	AUTO(h2_free) struct h2 *h2 = calloc(1, sizeof(*h2));
	enum rc rc;

	*h2_r = NULL;
	if (h2 == NULL)
		return err_set(err, RC_NO_MEMORY, "connection");
	h2->loop = loop;
	h2->fd = -1;
	h2->events = params->events;
	h2->ctx = params->ctx;
	h2->connect_timeout_ms = or_default(params->connect_timeout_ms, CONNECT_TIMEOUT_MS_DEFAULT);
	h2->ping_interval_ms = or_default(params->ping_interval_ms, 0);
	h2->ping_timeout_ms = or_default(params->ping_timeout_ms, PING_TIMEOUT_MS_DEFAULT);
	rc = parts_new(h2, params, err);
	if (rc != RC_OK)
		return rc;
	net_timer_set(h2->limit, h2->connect_timeout_ms);
	h2_soon(h2); /* dials */
	*h2_r = h2;
	h2 = NULL; /* moved to the caller */
	return RC_OK;
}

/* --- use */

enum rc h2_request(struct h2 *h2, struct h2_request *request, struct err *err)
{
	enum rc rc = h2_session_request(h2->session, request, err);

	if (rc == RC_OK) {
		h2->has_unsent = true;
		if (h2->depth == 0)
			h2_soon(h2);
	}
	if (h2_session_room(h2->session) == 0)
		h2->is_full = true;
	return rc;
}

uint32_t h2_room(const struct h2 *h2)
{
	return h2->state == H2_OPEN ? h2_session_room(h2->session) : 0;
}

uint32_t h2_in_flight(const struct h2 *h2)
{
	return h2_session_in_flight(h2->session);
}

void h2_retire(struct h2 *h2)
{
	h2_session_retire(h2->session);
	h2_soon(h2);
}

void h2_set_requests_max(struct h2 *h2, uint32_t requests_max)
{
	h2_session_set_requests_max(h2->session, requests_max);
}

void h2_stats(const struct h2 *h2, struct h2_stats *stats_r)
{
	h2_session_stats(h2->session, stats_r);
	stats_r->bytes_in = h2->bytes_in;
	stats_r->bytes_out = h2->bytes_out;
}
