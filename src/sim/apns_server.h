/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_APNS_SERVER_H
#define POMONA_SIM_APNS_SERVER_H

/*
 * APNs as one connects to it: a listener and its connections.
 * Threading: the loop's thread.
 */

#include "apns.h"
#include "pomona/net/net.h"

enum { APNS_CONNECTIONS_MAX = 1024 }; /* at a time; further ones are closed at once */

struct apns_server;

struct apns_server_params {
	const char *dir;     /* see apple.h */
	const char *address; /* HOST:PORT; port 0: any */
	bool is_anyone;      /* no client certificate is asked for, and any topic may be pushed to */
};
/* Listens, and says so: event=listening name=apns address=... The apns is borrowed until apns_server_stop(). */
enum rc apns_server_start(struct net_loop *loop, struct apns *apns,
	const struct apns_server_params *params, struct apns_server **server_r, struct err *err) MUST_USE;
/* All connections are cut. */
void apns_server_stop(struct apns_server **server);

/* For each connection, see apns_conn.h. */
void apns_server_go_away(struct apns_server *server, bool is_all, const char *reason);
void apns_server_reset(struct apns_server *server);
void apns_server_settle(struct apns_server *server);

#endif
