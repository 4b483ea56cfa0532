/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_HTTP_HTTP_H
#define POMONA_HTTP_HTTP_H

/*
 * Listeners, TLS, routes, requests and replies. A room above hands in a table of routes; a handler
 * is called once, with the whole body, and replies at once or defers and replies later from another
 * thread.
 * Threading: handlers run on the listener's workers. Functions on a request may be called by
 * whoever holds it: the handler, or after http_defer() the one thread it was handed to, until
 * http_resume().
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "pomona/base/arena.h"
#include "pomona/base/buf.h"
#include "pomona/base/clock.h"
#include "pomona/base/err.h"
#include "pomona/base/network.h"

enum {
	HTTP_PATH_PARAMS_MAX = 4,
	HTTP_ROOMS_MAX = 4,
	HTTP_PEER_CERTS_MAX = 8,
	HTTP_REPLY_HEADERS_MAX = 8,
	HTTP_REQUEST_ID_BYTES = 17, /* 16 hex digits and a zero */
	HTTP_ADDRESS_BYTES = 64,
	/* a chunked body over its limit is read to this many times the limit, then cut off */
	HTTP_DRAIN_FACTOR = 2,
	/* the largest body that a stranger may send to any route: at least one finds room */
	HTTP_STRANGER_BODY_BYTES_MAX = 131072,
};

struct http_listener;
struct http_request;

struct http_route {
	const char *method; /* "GET", "PUT", ... */
	const char *path;   /* "/api/v1/devices/{id}": {x} stands for one segment, percent-decoded */
	/* How long a body may be, told from the head of the request. NULL: none is taken. */
	size_t (*body_max)(const struct http_request *request, void *ctx);
	/* Must call http_reply() or http_defer() before it returns; a handler that does neither gives
	 * 500. */
	void (*handle)(struct http_request *request, void *ctx);
	uint32_t flags; /* the room's own, see http_request_route() */
	/* Of a query what cannot be decoded is left out; else the request gets 400. */
	bool is_query_lax;
};

/* What one room of the house serves on a listener. */
struct http_room {
	const struct http_route *routes; /* borrowed for the listener's life; the first that fits wins */
	size_t route_count;
	/*
	 * Runs when a route of this room is found, before the body is taken and how long it may be is asked; there is
	 * no body yet. False: it has replied itself (the admin API's authentication), and no body is kept. NULL: none.
	 */
	bool (*before)(struct http_request *request, void *ctx);
	void *ctx; /* what `before` and the routes are called with */
};

struct http_tls_params {
	struct slice chain_pem; /* leaf first */
	struct slice key_pem;
};

struct http_listener_params {
	const char *name; /* "device", "admin": for logs */
	/*
	 * A listening stream socket that somebody else made, non-blocking and close-on-exec: it is taken, on failure
	 * too, and the next four say nothing then. What waits in its queue when we stop is for who else holds it.
	 */
	bool is_passed;
	int passed_fd;
	/* "host:port", "[v6]:port"; port 0 lets the kernel choose; NULL with unix_path */
	const char *address;
	const char *unix_path; /* a Unix socket instead; replaced where a dead one is left over */
	mode_t unix_mode;
	gid_t unix_gid;                         /* (gid_t)-1: leave */
	const struct http_tls_params *tls;      /* NULL: plain */
	struct http_room rooms[HTTP_ROOMS_MAX]; /* asked in this order; those without routes serve none */
	/* Makes the body of replies that http/ gives itself (404, 405, 413, ...). NULL: text/plain. */
	void (*error_body)(struct http_request *request, unsigned status, const char *text,
		struct buf *body, const char **content_type_r);
	unsigned threads;         /* 0: one a core */
	unsigned connections_max; /* those past it wait in the backlog */
	/*
	 * Copied; NULL: none. Their addresses stand for many clients: no limit for each address holds them, and a
	 * request that came from one is marked (http_request_is_from_proxy()).
	 */
	const struct networks *proxies;
	/* Of TCP listeners; 0: no limit. An IPv6 address counts by its /64. Those past it are closed at once. */
	unsigned connections_per_address;
	unsigned handshakes_per_s; /* connections that are taken; a second's worth may come at once */
	unsigned handshakes_per_address_per_s;
	unsigned idle_timeout_s;
	/* Absolute; 0: none. Past it the connection is closed. */
	unsigned
		header_timeout_s; /* the TLS handshake to the request line, and from there to the head's end */
	unsigned body_timeout_s; /* from the head's end to the body's, and again until the reply is read */
	size_t header_bytes_max; /* 431 past it */
	size_t body_bytes_total_max; /* over all requests under way; 503 with Retry-After past it */
	/*
	 * Over TCP, clients may be strangers (http_request_is_from_stranger()). Their bodies have the shorter one of the
	 * two timeouts above, and of all bytes a half (at an address where a device was accepted lately) or a quarter.
	 */
	bool has_strangers;
	size_t arena_bytes_max;    /* per request, besides its body; decoded query and segments count */
	const struct clock *clock; /* borrowed; NULL: the system's */
};

/* Why a connection was turned away, or what it sent. */
enum http_away {
	HTTP_AWAY_CONNECTIONS_PER_ADDRESS,
	HTTP_AWAY_HANDSHAKES,
	HTTP_AWAY_HANDSHAKES_PER_ADDRESS,
	HTTP_AWAY_HANDSHAKE_TIMEOUT,
	HTTP_AWAY_HEADER_TIMEOUT,
	HTTP_AWAY_BODY_TIMEOUT,
	HTTP_AWAY_REPLY_TIMEOUT,
	HTTP_AWAY_STRANGERS_BODIES, /* the connection may go on, its body was not taken */
	HTTP_AWAY_COUNT
};
/* As logs and the API call it, "body_timeout". */
const char *http_away_name(enum http_away reason);

struct http_stats {
	uint64_t connections_now;
	uint64_t connections_total;
	uint64_t requests_total;
	uint64_t replies_by_class[6]; /* [2]: 2xx, ... */
	uint64_t turned_away[HTTP_AWAY_COUNT];
};

enum rc http_listener_start(const struct http_listener_params *params,
	struct http_listener **listener_r, struct err *err) MUST_USE;
/* The TCP port it listens on; 0 for a Unix socket. */
uint16_t http_listener_port(const struct http_listener *listener);
/*
 * Takes a new certificate and key for connections to come; those that are open keep theirs. RC_INVALID: they
 * do not belong together, or are weaker than RSA-2048, P-256 or SHA-256; then all stays as it was. Any thread.
 */
enum rc http_listener_set_tls(struct http_listener *listener, const struct http_tls_params *tls,
	struct err *err) MUST_USE;
void http_listener_stats(const struct http_listener *listener, struct http_stats *stats_r);
/*
 * Lets new connections go at once and ends kept ones with their next reply; requests under way go on. Any
 * thread.
 */
void http_listener_quiesce(struct http_listener *listener);
/* How many requests are under way: their body comes, a handler has them, or they are deferred. */
size_t http_listener_requests_now(const struct http_listener *listener);
/* The caller has seen to it that no deferred request is left (all were resumed). Closes what is
 * open, frees. */
void http_listener_stop(struct http_listener **listener);

/* What a request says. Slices and strings are borrowed for the request's life. */
const char *http_request_method(const struct http_request *request);
/* As sent, escapes and all, without the query; "" where the target was not a path. */
const char *http_request_path(const struct http_request *request);
/* What stood behind the path's '?', as sent; NULL where nothing did. */
const char *http_request_raw_query(const struct http_request *request);
/* NULL in error_body() where none fits. */
const struct http_route *http_request_route(const struct http_request *request);
const char *http_request_id(const struct http_request *request);
/* NULL where it was not sent. */
const char *http_request_header(const struct http_request *request, const char *name);
/* Each time that it was sent, in that order. */
void http_request_each_header(const struct http_request *request, const char *name,
	void (*visit)(void *ctx, const char *value), void *ctx);
/* Percent-decoded; NULL where it was not sent. `+` stays `+`. */
const char *http_request_query(const struct http_request *request, const char *name);
/* The segment that "{name}" stood for, decoded. */
const char *http_request_param(const struct http_request *request, const char *name);
struct slice http_request_body(const struct http_request *request);
/* Overwrites and empties it: for a body that is a secret, once it is read. */
void http_request_wipe_body(struct http_request *request);
struct arena *http_request_arena(struct http_request *request);
/* "192.0.2.1:50000", "[2001:db8::1]:50000", or "unix:<uid>" over a Unix socket. */
const char *http_request_peer(const struct http_request *request);
/* Is the peer one of the listener's proxies? */
bool http_request_is_from_proxy(const struct http_request *request);
/*
 * Is it still open whether a device asks? Not of proxies, nor over a Unix socket, nor where one was accepted on
 * this connection, nor on a listener without strangers.
 */
bool http_request_is_from_stranger(const struct http_request *request);
/* It shows a good identity, and is no stranger's: to be said before its body comes, by a room's `before`. */
void http_request_shows_device(struct http_request *request);
/*
 * Who asks. True: a proxy of the listener says so in X-Forwarded-For, and it is the address alone; false: nobody does,
 * and it is the peer as above.
 */
bool http_request_client(const struct http_request *request, char out[static HTTP_ADDRESS_BYTES]);
/* Did it come over TLS of ours? */
bool http_request_is_tls(const struct http_request *request);
/* Over TLS of ours, or by a proxy of the listener, which had TLS: what is secret may be said. */
static inline bool http_request_is_private(const struct http_request *request)
{
	return http_request_is_tls(request) || http_request_is_from_proxy(request);
}
/* Monotonic microseconds when the head had been read. */
int64_t http_request_started_us(const struct http_request *request);

/* Media type of Content-Type without parameters, lower case, in the arena; "" where it was not
 * sent. */
const char *http_request_content_type(struct http_request *request);

/* The client's certificates as TLS proved possession of the first; 0 where none. Handler's thread
 * only. */
size_t http_request_peer_certs(struct http_request *request,
	struct slice certs[static HTTP_PEER_CERTS_MAX]);
/* Something a room keeps with the connection, such as the verdict on its certificate. Handler's
 * thread only. */
void *http_connection_state(const struct http_request *request);
void http_connection_set_state(struct http_request *request, void *state,
	void (*free_fn)(void *state));

/* Over a Unix socket: whose process the peer is, as the kernel says. Else false. */
bool http_request_unix_uid(const struct http_request *request, uid_t *uid_r) MUST_USE;
/* Over a Unix socket: is the peer root, or of group `gid` (supplementary ones count)? Else
 * false. */
bool http_request_is_unix_peer_of(const struct http_request *request, gid_t gid);

/* Replies. Exactly one a request. The buffer's bytes are taken (the buffer is left empty). */
void http_reply(struct http_request *request, unsigned status, const char *content_type,
	struct buf *body);
/* Copies. For short fixed bodies; content_type may be NULL with an empty body. */
void http_reply_copy(struct http_request *request, unsigned status, const char *content_type,
	struct slice body);
/*
 * The first `bytes` of a regular file, which is taken: it is read as the peer takes it, on a worker of the
 * listener, and closed with the end. It must not become shorter meanwhile: the best one has no name.
 */
void http_reply_file(struct http_request *request, unsigned status, const char *content_type,
	int fd, uint64_t bytes);
/*
 * Before the reply; copies both. An empty value or one with line breaks is left out and logged. Where memory is short for
 * one there is no reply: the connection is closed.
 */
void http_reply_header(struct http_request *request, const char *name, const char *value);

/*
 * The request is from a device with a good identity. Its connection may now be refused something without ending,
 * and for a week new connections of its address go before those of addresses that nothing is known of.
 */
void http_request_is_accepted(struct http_request *request);

/* Suspends the connection: call it before handing the request to another thread. */
void http_defer(struct http_request *request);
/* After the reply was given. The request must not be touched afterwards. Any thread. */
void http_resume(struct http_request *request);

#endif
