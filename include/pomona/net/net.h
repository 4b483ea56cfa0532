/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_NET_NET_H
#define POMONA_NET_NET_H

/*
 * The outbound loop: timers and HTTPS calls on one thread. pomonactl runs it for a single call,
 * pomona-sim for its devices, the daemon (later) for Apple's services. Threading: everything on the
 * loop's thread, except net_loop_post() and net_loop_stop(): any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/buf.h"
#include "pomona/base/err.h"

enum { NET_RESPONSE_BYTES_DEFAULT = 64 * 1024 * 1024 };

struct net_loop;
struct net_timer;
struct net_client;

/* Makes the process ignore SIGPIPE, unless someone handles it already. */
enum rc net_loop_new(struct net_loop **loop_r, struct err *err) MUST_USE;
/* Runs until net_loop_stop(), which counts if called before too; then it may run again. */
void net_loop_run(struct net_loop *loop);
void net_loop_stop(struct net_loop *loop);
/* Runs `fn(ctx)` on the loop's thread, soon. RC_NO_MEMORY. */
enum rc net_loop_post(struct net_loop *loop, void (*fn)(void *ctx), void *ctx) MUST_USE;
/* Stops the loop on SIGINT or SIGTERM. */
enum rc net_loop_stop_on_signals(struct net_loop *loop, struct err *err) MUST_USE;
/* Its clients and timers must be gone. What was posted and has not run is dropped. */
void net_loop_free(struct net_loop **loop);

enum rc net_timer_new(struct net_loop *loop, void (*fn)(void *ctx), void *ctx,
	struct net_timer **timer_r) MUST_USE;
/* Once, after `delay_ms` (>= 0); setting it again moves it. `fn` may set it again or free it. */
void net_timer_set(struct net_timer *timer, int64_t delay_ms);
void net_timer_free(struct net_timer **timer);

/*
 * A socket (or another descriptor that poll(2) takes) that the loop looks after. `fn` is told what it is ready
 * for, of what was asked; an error or a hang-up counts as both. `fn` may change the watch or free it. The
 * descriptor stays the caller's, and must be open until the watch is freed.
 */
enum { NET_READABLE = 1, NET_WRITABLE = 2 };
struct net_watch;
enum rc net_watch_new(struct net_loop *loop, int fd, void (*fn)(void *ctx, unsigned ready),
	void *ctx, struct net_watch **watch_r) MUST_USE;
/* NET_READABLE | NET_WRITABLE, or 0: neither, as it begins. RC_NO_MEMORY: the old wish holds. */
enum rc net_watch_set(struct net_watch *watch, unsigned what) MUST_USE;
void net_watch_free(struct net_watch **watch);

/* Who calls whom and as whom; shared by many calls. Strings and bytes are copied. */
struct net_client_params {
	const char *base_url;    /* "https://host:port"; with a Unix socket "http://localhost" */
	const char *unix_socket; /* NULL: TCP */
	struct slice ca_pem;     /* who the server must be signed by; empty: the system's store */
	struct slice cert_pem;   /* our certificate (chain) and key; empty: none */
	struct slice key_pem;
	const char *bearer;        /* token; NULL: none */
	int64_t timeout_ms;        /* for a whole call; 0: 30,000 */
	size_t response_bytes_max; /* 0: NET_RESPONSE_BYTES_DEFAULT */
};

enum rc net_client_new(struct net_loop *loop, const struct net_client_params *params,
	struct net_client **client_r, struct err *err) MUST_USE;
/*
 * Closes its kept-alive connection (a call under way ends first): the next call makes a new one. A
 * client keeps at most one.
 */
void net_client_disconnect(struct net_client *client);
/* A call under way is given up; its `done` is not called. */
void net_client_free(struct net_client **client);

struct net_reply {
	enum rc rc; /* RC_OK: there is a status; else see err */
	struct err err;
	unsigned status;
	struct slice body;        /* borrowed for the call of `done` */
	const char *content_type; /* "" where there was none */
	const char *location;     /* "" */
	const char *challenge;    /* of the first WWW-Authenticate; "" */
	int64_t retry_after_s;    /* -1 where there was none */
};

struct net_call {
	const char *method;
	const char *path;         /* with its query, encoded; behind base_url */
	const char *url;          /* instead of base_url and path; NULL: these */
	const char *content_type; /* NULL: none */
	const char *header;       /* one more, "Name: value"; copied; NULL: none */
	struct slice body;        /* copied */
	void (*done)(void *ctx, const struct net_reply *reply);
	/*
	 * Takes the body of a 2xx answer piece by piece, so that no bound of the client's holds for it; `total` is what
	 * the answer said that it will be, 0 where it did not. False ends the call with RC_IO. NULL: the body is in the
	 * reply.
	 */
	bool (*part)(void *ctx, struct slice part, uint64_t total);
	void *ctx;
};

/* One call at a time a client (RC_BUSY). `done` may start the next one; it runs on the loop's
 * thread. */
enum rc net_client_call(struct net_client *client, const struct net_call *call, struct err *err)
	MUST_USE;
/* Appends `text` percent-encoded as one path segment or query value. */
void net_url_append(struct buf *url, struct slice text);

#endif
