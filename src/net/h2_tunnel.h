/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_NET_H2_TUNNEL_H
#define POMONA_NET_H2_TUNNEL_H

/*
 * A way through an HTTP proxy: CONNECT is asked for on a connected socket (RFC 9110 9.3.6), and once the proxy agreed
 * its bytes are the server's. Threading: the loop's thread.
 */

#include "pomona/base/slice.h"
#include "pomona/net/net.h"
#include "resolver.h"

enum { H2_TUNNEL_REPLY_BYTES_MAX = 8192 };

/* "host:port", "[address]:port". RC_INVALID. */
enum rc h2_tunnel_read_proxy(const char *text, char host[static RESOLVER_HOST_BYTES_MAX + 1],
	uint16_t *port_r, struct err *err) MUST_USE;
/* Pure: what the proxy's reply, up to the empty line, means. RC_OK: it agrees. RC_DENIED, RC_INVALID. */
enum rc h2_tunnel_read_reply(struct slice head, struct err *err) MUST_USE;

struct h2_tunnel_params {
	struct net_loop *loop;
	int fd;           /* borrowed until `done` */
	const char *host; /* copied */
	uint16_t port;
	/* Once, from the loop; may free the tunnel: NULL, or why not. */
	void (*done)(void *ctx, const char *why);
	void *ctx;
};

struct h2_tunnel;
/* RC_NO_MEMORY. */
enum rc h2_tunnel_start(const struct h2_tunnel_params *params, struct h2_tunnel **tunnel_r,
	struct err *err) MUST_USE;
void h2_tunnel_free(struct h2_tunnel **tunnel);

#endif
