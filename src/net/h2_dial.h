/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_NET_H2_DIAL_H
#define POMONA_NET_H2_DIAL_H

/*
 * From a host's name to a socket whose other end is that host, through a proxy or not: name, TCP, CONNECT.
 * Deadlines are the caller's. Threading: the loop's thread.
 */

#include "resolver.h"

struct h2_dial_params {
	struct net_loop *loop;
	const char *host; /* strings are copied */
	uint16_t port;
	const char *proxy; /* "host:port"; NULL or "": none */
	/* Once, from the loop; may free the dial: a socket, which is the callee's from then on, or -1 and why. */
	void (*done)(void *ctx, int fd, const char *why);
	void *ctx;
};

struct h2_dial;
/* Begins nothing yet. RC_INVALID: host or proxy cannot be meant so. */
enum rc h2_dial_new(const struct h2_dial_params *params, struct h2_dial **dial_r, struct err *err)
	MUST_USE;
/* Not RC_OK: it failed, and `done` will not come. */
enum rc h2_dial_start(struct h2_dial *dial, struct err *err) MUST_USE;
/* Where it stands, for people: "looking up api.push.apple.com". */
const char *h2_dial_step(const struct h2_dial *dial);
void h2_dial_free(struct h2_dial **dial);

#endif
