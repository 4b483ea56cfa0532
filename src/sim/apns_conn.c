/* SPDX-License-Identifier: Apache-2.0 */
#include "apns_conn.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apns_session.h"
#include "apns_tls.h"
#include "pomona/base/log.h"

enum {
	RECORD_BYTES = 16384, /* of TLS, at most */
	OUT_BYTES = 3 * RECORD_BYTES,
	READS_AT_ONCE = 32, /* then the other connections have their turn */
	HANDSHAKE_MS = 10000,
	DRAIN_MS = 2000,
};

enum conn_state {
	CONN_HANDSHAKE,
	CONN_OPEN,
	CONN_DRAINING, /* we have said all; what still comes is thrown away, so that our last words arrive */
	CONN_CUT,      /* to be closed at once, so that the peer sees a reset */
	CONN_CLOSED,   /* to be closed */
};

struct apns_conn {
	struct apns_conn *next;
	struct apns_conn_params params;
	SSL *ssl;
	int fd;
	enum conn_state state;
	struct net_watch *watch;
	struct net_timer *timer; /* ends handshake and drain, and a delay of SETTINGS */
	struct net_timer *again; /* there is more to read */
	struct apns_session *session;
	char uid[APNS_TOPIC_BYTES_MAX + 1];
	bool is_delayed, is_broken; /* SETTINGS are held back; the peer broke HTTP/2 */
	bool is_blocked;            /* the socket takes no more for now */
	size_t out_at, out_len;
	uint8_t out[OUT_BYTES];
};

/* --- what an operation of TLS that failed means */

static void on_tls_failure(struct apns_conn *conn, int result)
{
	switch (SSL_get_error(conn->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return;
	case SSL_ERROR_WANT_WRITE:
		conn->is_blocked = true;
		return;
	default:
		conn->state = CONN_CLOSED;
	}
}

/* --- out */

static bool is_held(const struct apns_conn *conn)
{
	return conn->is_delayed || conn->params.apns->faults.faults.silence;
}

/* Gathers what HTTP/2 has to say up to a record: many small frames share one. */
static void fill(struct apns_conn *conn)
{
	struct slice bytes;

	if (conn->out_at == conn->out_len)
		conn->out_at = conn->out_len = 0;
	while (conn->out_len < RECORD_BYTES) {
		if (apns_session_write(conn->session, &bytes) != RC_OK ||
			bytes.len > sizeof(conn->out) - conn->out_len) {
			conn->state = CONN_CLOSED;
			return;
		}
		if (bytes.len == 0)
			return;
		memcpy(conn->out + conn->out_len, bytes.ptr, bytes.len);
		conn->out_len += bytes.len;
	}
}

static void write_out(struct apns_conn *conn)
{
	conn->is_blocked = false;
	while (conn->state == CONN_OPEN && !is_held(conn)) {
		int written;

		fill(conn);
		if (conn->state != CONN_OPEN || conn->out_at == conn->out_len)
			return;
		ERR_clear_error();
		written = SSL_write(conn->ssl, conn->out + conn->out_at, (int)(conn->out_len - conn->out_at));
		if (written <= 0) {
			on_tls_failure(conn, written);
			return;
		}
		conn->out_at += (size_t)written;
	}
}

/* --- in */

/* False: nothing more for now. */
static bool read_some(struct apns_conn *conn)
{
	static uint8_t bytes[RECORD_BYTES]; /* all connections are on one thread */
	int len;

	ERR_clear_error();
	len = SSL_read(conn->ssl, bytes, sizeof(bytes));
	if (len <= 0) {
		on_tls_failure(conn, len);
		return false;
	}
	if (conn->state == CONN_DRAINING || conn->is_broken)
		return true;
	conn->is_broken = apns_session_read(conn->session, slice_of(bytes, (size_t)len), NULL) != RC_OK;
	if (apns_session_is_cut(conn->session))
		conn->state = CONN_CUT;
	return conn->state == CONN_OPEN;
}

static void read_in(struct apns_conn *conn)
{
	unsigned reads = 0;

	while (reads < READS_AT_ONCE && read_some(conn)) {
		reads++;
		write_out(conn);
	}
	if (reads == READS_AT_ONCE)
		net_timer_set(conn->again, 0);
}

/* --- the states */

static void fail_handshake(struct apns_conn *conn, const char *why)
{
	conn->params.apns->stats.handshakes_failed++;
	log_info("handshake_failed", LOG_STR("name", "apns"), LOG_STR("detail", why));
	conn->state = CONN_CLOSED;
}

static void open_session(struct apns_conn *conn)
{
	struct apns_peer peer = {.is_anyone = conn->params.is_anyone, .uid = conn->uid};
	int64_t delay_ms = conn->params.apns->faults.faults.settings_delay_ms;
	struct err err;

	peer.has_cert = apns_tls_uid(conn->ssl, conn->uid);
	if (apns_session_new(conn->params.apns, &peer, conn->params.number, &conn->session, &err) !=
		RC_OK) {
		fail_handshake(conn, err.text);
		return;
	}
	conn->state = CONN_OPEN;
	conn->is_delayed = delay_ms > 0;
	if (conn->is_delayed)
		net_timer_set(conn->timer, delay_ms);
}

static void shake_hands(struct apns_conn *conn)
{
	int result;

	ERR_clear_error();
	conn->is_blocked = false;
	result = SSL_accept(conn->ssl);
	if (result != 1) {
		on_tls_failure(conn, result);
		if (conn->state == CONN_CLOSED)
			fail_handshake(conn, apns_tls_complaint());
	} else if (!apns_tls_is_h2(conn->ssl)) {
		fail_handshake(conn, "the client does not offer h2");
	} else {
		open_session(conn);
	}
}

static void drain_if_done(struct apns_conn *conn)
{
	bool is_done = conn->is_broken || apns_session_is_over(conn->session);

	if (conn->state != CONN_OPEN || !is_done || is_held(conn) || conn->out_at < conn->out_len)
		return;
	conn->state = CONN_DRAINING;
	(void)SSL_shutdown(conn->ssl);
	(void)shutdown(conn->fd, SHUT_WR);
	net_timer_set(conn->timer, DRAIN_MS);
}

static void close_now(struct apns_conn *conn)
{
	const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

	if (conn->state == CONN_CUT) {
		conn->params.apns->stats.resets++;
		(void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	}
	conn->params.on_end(conn->params.ctx, conn);
	apns_conn_free(&conn);
}

/* The last thing that each event does: the connection may be gone afterwards. */
static void settle_state(struct apns_conn *conn)
{
	unsigned wish = NET_READABLE | (conn->is_blocked ? NET_WRITABLE : 0u);

	if (conn->state == CONN_OPEN)
		drain_if_done(conn);
	if (conn->state != CONN_CUT && net_watch_set(conn->watch, wish) != RC_OK)
		conn->state = CONN_CLOSED;
	if (conn->state == CONN_CUT || conn->state == CONN_CLOSED)
		close_now(conn);
}

static void go_on(struct apns_conn *conn)
{
	if (conn->state == CONN_HANDSHAKE)
		shake_hands(conn);
	if (conn->state == CONN_OPEN)
		write_out(conn);
	if (conn->state == CONN_OPEN || conn->state == CONN_DRAINING)
		read_in(conn);
	if (conn->state == CONN_OPEN)
		write_out(conn);
	settle_state(conn);
}

static void on_socket(void *ctx, unsigned ready)
{
	(void)ready;
	go_on(ctx);
}

static void on_again(void *ctx)
{
	go_on(ctx);
}

static void on_time(void *ctx)
{
	struct apns_conn *conn = ctx;

	conn->is_delayed = false;
	if (conn->state == CONN_HANDSHAKE)
		fail_handshake(conn, "too slow");
	if (conn->state == CONN_DRAINING)
		conn->state = CONN_CLOSED;
	go_on(conn);
}

/* --- from outside */

void apns_conn_go_away(struct apns_conn *conn, bool is_all, const char *reason)
{
	if (conn->state == CONN_OPEN && apns_session_go_away(conn->session, is_all, reason) != RC_OK)
		conn->state = CONN_CLOSED;
	go_on(conn);
}

void apns_conn_reset(struct apns_conn *conn)
{
	conn->state = CONN_CUT;
	settle_state(conn);
}

void apns_conn_settle(struct apns_conn *conn)
{
	if (conn->state == CONN_OPEN && apns_session_settle(conn->session) != RC_OK)
		conn->state = CONN_CLOSED;
	go_on(conn);
}

/* --- life */

enum rc apns_conn_new(const struct apns_conn_params *params, struct apns_conn **conn_r,
	struct err *err)
{
	struct apns_conn *conn = calloc(1, sizeof(*conn));

	*conn_r = conn;
	if (conn == NULL) {
		SSL_free(params->ssl);
		(void)close(params->fd);
		return err_set(err, RC_NO_MEMORY, "connection");
	}
	conn->params = *params;
	conn->fd = params->fd;
	conn->ssl = params->ssl;
	if (net_watch_new(params->loop, conn->fd, on_socket, conn, &conn->watch) != RC_OK ||
		net_timer_new(params->loop, on_time, conn, &conn->timer) != RC_OK ||
		net_timer_new(params->loop, on_again, conn, &conn->again) != RC_OK ||
		net_watch_set(conn->watch, NET_READABLE) != RC_OK || SSL_set_fd(conn->ssl, conn->fd) != 1) {
		apns_conn_free(conn_r);
		return err_set(err, RC_NO_MEMORY, "connection");
	}
	net_timer_set(conn->timer, HANDSHAKE_MS);
	return RC_OK;
}

void apns_conn_free(struct apns_conn **conn)
{
	if (*conn == NULL)
		return;
	net_watch_free(&(*conn)->watch);
	net_timer_free(&(*conn)->timer);
	net_timer_free(&(*conn)->again);
	apns_session_free(&(*conn)->session);
	SSL_free((*conn)->ssl);
	(void)close((*conn)->fd);
	free(*conn);
	*conn = NULL;
}

struct apns_conn **apns_conn_next(struct apns_conn *conn)
{
	return &conn->next;
}
