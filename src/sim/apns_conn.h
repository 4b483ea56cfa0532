/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_APNS_CONN_H
#define POMONA_SIM_APNS_CONN_H

/*
 * One connection to APNs: the socket, its TLS, and what goes between them and the HTTP/2 session.
 * Threading: the loop's thread.
 */

#include <openssl/ssl.h>

#include "apns.h"
#include "pomona/net/net.h"

struct apns_conn;

struct apns_conn_params {
	struct net_loop *loop;
	struct apns *apns; /* borrowed, as the loop */
	int fd;            /* taken, and `ssl`: on failure too */
	SSL *ssl;
	uint64_t number; /* which of all connections, from 1 on */
	bool is_anyone;  /* see struct apns_peer */
	/* It is over and is freed when this returns. */
	void (*on_end)(void *ctx, struct apns_conn *conn);
	void *ctx;
};
enum rc apns_conn_new(const struct apns_conn_params *params, struct apns_conn **conn_r,
	struct err *err) MUST_USE;
/* Without a word, and without on_end. */
void apns_conn_free(struct apns_conn **conn);

/* These may end the connection. */
void apns_conn_go_away(struct apns_conn *conn, bool is_all, const char *reason);
void apns_conn_reset(struct apns_conn *conn);
/* The faults are others now. */
void apns_conn_settle(struct apns_conn *conn);

/* For whoever keeps the connections. */
struct apns_conn **apns_conn_next(struct apns_conn *conn);

#endif
