/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_NET_RESOLVER_H
#define POMONA_NET_RESOLVER_H

/*
 * Names to addresses by getaddrinfo(3), which blocks, on a thread of its own for each lookup. Threading: the
 * loop's thread; a lookup's thread touches nothing but what it shares with its struct resolver.
 */

#include <netdb.h>
#include <sys/socket.h>

#include "pomona/net/net.h"

enum {
	RESOLVER_ADDRESSES_MAX = 8,
	RESOLVER_HOST_BYTES_MAX = 253, /* RFC 1035, in text without the last dot */
	/* Threads at once, of forgotten lookups too: a name server that hangs must not eat all threads. */
	RESOLVER_LOOKUPS_MAX = 16,
};

struct net_address {
	struct sockaddr_storage storage;
	socklen_t len;
};

struct net_addresses {
	size_t count;
	struct net_address list[RESOLVER_ADDRESSES_MAX];
};

/* An address in text needs no lookup. False: it is none. */
bool resolver_read_address(const char *host, uint16_t port, struct net_addresses *addresses_r);
/* Pure: as many as there is room for, IPv6 and IPv4 by turns, so that a family that leads nowhere costs
 * one attempt. */
void resolver_take(const struct addrinfo *found, struct net_addresses *addresses_r);

struct resolver_params {
	struct net_loop *loop;
	const char *host; /* copied */
	uint16_t port;
	/* Once, from the loop; may free the resolver: addresses, or none and why. */
	void (*done)(void *ctx, const struct net_addresses *addresses, const char *why);
	void *ctx;
};

struct resolver;
/* RC_BUSY: too many lookups hang. RC_LIMIT: the name is too long. RC_NO_MEMORY, RC_IO. */
enum rc resolver_start(const struct resolver_params *params, struct resolver **resolver_r,
	struct err *err) MUST_USE;
/* The result of a lookup under way goes nowhere. */
void resolver_free(struct resolver **resolver);

#endif
