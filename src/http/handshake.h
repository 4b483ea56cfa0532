/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_HTTP_HANDSHAKE_H
#define POMONA_HTTP_HANDSHAKE_H

/*
 * Who waits for a client to go on with its TLS handshake. libmicrohttpd 0.9.75 does not wait: with epoll it calls
 * gnutls_handshake() again and again until the client's next flight is there, so that one client that stops
 * half way keeps a core busy. Here a connection whose handshake runs dry is suspended, and a thread of the
 * listener's own resumes it when there is something to read. Its end too: so a deadline cuts it off.
 * And not all at once: handshakes are dear, and a flood of them would keep the workers from the devices that are
 * connected. Each step of one, what the server computes between two waits, needs a turn (turns.h).
 * Threading: handshake_watch(), handshake_over(): the connection's worker. The rest: the listener's owner.
 */

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/err.h"
#include "turns.h"

struct MHD_Connection;
struct handshake_waiters;

/* Embedded in a connection. */
struct handshake {
	struct handshake_waiters *waiters; /* NULL: nobody waits, or not any more */
	struct MHD_Connection *mhd;
	gnutls_session_t session;
	int fd;
	struct turn_taker taker;
	bool is_in_epoll;
	bool has_turn;   /* the worker reads it, which was resumed after it was set */
	bool is_waiting; /* suspended; guarded by the lock of the waiters, as are these three */
	struct turn turn;
	struct handshake *next, *prev;
};

/* So many have the server compute at a time. */
enum rc handshake_waiters_start(unsigned at_a_time, struct handshake_waiters **waiters_r,
	struct err *err) MUST_USE;
/* Lets all go on and makes none wait any more: before libmicrohttpd is stopped. */
void handshake_waiters_stop(struct handshake_waiters *waiters);
/* When libmicrohttpd has stopped. */
void handshake_waiters_free(struct handshake_waiters **waiters);

struct handshake_params {
	struct MHD_Connection *mhd;
	gnutls_session_t session;
	int fd;
	struct turn_taker taker;
};

/* A connection has begun: its session reads through us until handshake_over(). */
void handshake_watch(struct handshake *handshake, struct handshake_waiters *waiters,
	const struct handshake_params *params);
/* The first request has come: libmicrohttpd waits well enough by itself. */
void handshake_over(struct handshake *handshake);

#endif
