/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_BENCH_CLIENT_H
#define POMONA_BENCH_CLIENT_H

/*
 * Many TLS clients on one epoll loop, each a device with a certificate of its own: fast enough that a bench
 * sees the server and not its client.
 * Threading: one thread.
 */

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pomona/base/buf.h"

enum { CLIENT_REPLY_BYTES_MAX = 65536 };

struct client {
	int fd;
	SSL_CTX *tls; /* its own: it holds the device's certificate */
	SSL *ssl;
	SSL_SESSION *session; /* of the last connection, for resumption */
	size_t device;        /* index */
	size_t step;          /* requests sent so far on this connection */
	struct buf request;
	size_t sent;
	char reply[CLIENT_REPLY_BYTES_MAX + 1];
	size_t received;
	int64_t started_us;
};

/* What a load does; `ctx` is its own. */
struct load {
	/* Appends the whole next request to client->request. False: close, this connection is done. */
	bool (*next)(struct client *client, void *ctx);
	/* A reply has come. False: it is not what the load wants. */
	bool (*check)(struct client *client, int status, const char *body, size_t len, void *ctx);
	/* May a closed client connect again? */
	bool (*again)(struct client *client, void *ctx);
	bool is_resuming;
	void *ctx;
};

struct load_result {
	uint64_t requests;
	uint64_t connections;
	uint64_t errors;
	double seconds;
	uint32_t *latencies_us; /* of each request; the caller frees */
	size_t latency_count;
};

/* Runs all clients until each is done. The port is on 127.0.0.1. */
struct load_result load_run(struct client *clients, size_t count, unsigned port,
	const struct load *load);

#endif
