/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_NET_H2_CONN_H
#define POMONA_NET_H2_CONN_H

/*
 * One connection as h2.c (its life) and h2_turn.c (its bytes) share it, and a seam for tests. Threading: the loop's
 * thread.
 *
 * Callees may free the connection from within any call to them; so whatever the loop calls is bracketed by
 * h2_enter() and h2_leave(), and the memory goes at the last h2_leave().
 */

#include "h2_dial.h"
#include "h2_session.h"
#include "h2_tls.h"

enum h2_state {
	H2_DIALING,
	H2_SHAKING,  /* the TLS handshake */
	H2_GREETING, /* waits for the peer's SETTINGS */
	H2_OPEN,
	H2_OVER,
};

struct h2 {
	struct net_loop *loop;
	const struct h2_events *events;
	void *ctx;
	enum h2_state state;
	unsigned depth; /* of h2_enter() */
	bool is_freed;

	struct h2_dial *dial; /* until there is a socket */
	struct h2_tls *tls;
	struct h2_session *session;
	int fd;
	struct net_watch *watch;

	struct net_timer *soon; /* a turn is due though the socket said nothing */
	bool is_soon;
	struct net_timer *limit; /* H2_DIALING to H2_GREETING: the deadline; then for PING and its ACK */
	int64_t connect_timeout_ms, ping_interval_ms, ping_timeout_ms;
	bool is_pinged; /* and its ACK has not come */
	uint64_t pongs; /* that were seen */

	bool is_full; /* there was no room, and on_room is owed */
	bool has_told_goaway;
	bool has_unsent; /* the session may have bytes to give */
	uint64_t bytes_in, bytes_out;

	/* What goes into one TLS record, gathered from many frames. */
	uint8_t out[H2_TLS_RECORD_BYTES];
	size_t out_at, out_len;
	struct slice rest; /* of the session's last piece: did not fit into `out` */
	uint8_t in[H2_TLS_RECORD_BYTES];
};

void h2_enter(struct h2 *h2);
void h2_leave(struct h2 *h2);

/* A turn will come, from the loop. */
void h2_soon(struct h2 *h2);
/* Reads what there is, calls back, sends what there is. */
void h2_turn(struct h2 *h2, bool is_readable);
/* Hands all back, then on_end. Nothing but h2_free() is left to do. */
void h2_end(struct h2 *h2, enum h2_end end, const char *text);

/* For tests: fewer than H2_REQUESTS_MAX. */
void h2_set_requests_max(struct h2 *h2, uint32_t requests_max);

#endif
