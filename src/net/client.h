/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_NET_CLIENT_PRIVATE_H
#define POMONA_NET_CLIENT_PRIVATE_H

/*
 * A client as client.c (who calls, and its connection) and call.c (one call) share it.
 * Threading: the loop's thread.
 */

#include "loop.h"

struct net_client {
	struct net_loop *loop;
	CURL *easy;
	/*
	 * The cache that keeps the client's one connection. A cache of its own, because curl cannot close
	 * a connection of a shared cache on demand, and looks through all of a host's connections for each
	 * call.
	 */
	CURLSH *cache;
	char *base_url;
	struct buf ca_pem, cert_pem, key_pem; /* lent to curl */
	int64_t timeout_ms;
	size_t response_bytes_max;
	bool must_disconnect; /* asked for while a call was under way */

	/* The call under way. */
	bool is_busy;
	struct curl_slist *headers;
	struct buf body;
	char error_text[CURL_ERROR_SIZE];
	void (*done)(void *ctx, const struct net_reply *reply);
	bool (*part)(void *ctx, struct slice part, uint64_t total);
	void *ctx;
};

/* The cache is opened before a call; with the connection closed a client holds none. */
enum rc client_cache_ready(struct net_client *client) MUST_USE;
/* Takes the call's traces off the client: it is not busy any more. */
void client_call_drop(struct net_client *client);

#endif
