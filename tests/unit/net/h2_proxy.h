/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_NET_H2_PROXY_H
#define POMONA_TESTS_NET_H2_PROXY_H

/*
 * An HTTP proxy that reads one CONNECT, answers what it was told, in pieces, and then carries bytes both ways.
 * Threading: the loop's thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/net/net.h"

enum { PROXY_REQUEST_BYTES_MAX = 1024, PROXY_ADDRESS_BYTES = 32 };

struct proxy {
	struct net_loop *loop;
	const char *reply;                     /* "": none */
	bool hangs_up;                         /* after it */
	uint16_t target_port;                  /* of 127.0.0.1; 0: nowhere */
	char address[PROXY_ADDRESS_BYTES];     /* "127.0.0.1:port" */
	char request[PROXY_REQUEST_BYTES_MAX]; /* what came, as a string */
	int listen_fd, client_fd, server_fd;   /* -1: none */
	struct net_watch *listen_watch, *client_watch, *server_watch;
	struct net_timer *next; /* the reply's next piece */
	size_t replied;
};

/* Borrows `reply` until proxy_stop(). One connection at a time. */
void proxy_start(struct proxy *proxy, struct net_loop *loop, const char *reply);
void proxy_stop(struct proxy *proxy);

#endif
