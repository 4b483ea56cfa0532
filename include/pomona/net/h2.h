/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_NET_H2_H
#define POMONA_NET_H2_H

/*
 * One HTTP/2 connection as a client: TLS 1.2 or later with a client certificate, ALPN h2, many
 * requests at once (RFC 9113). push/ speaks to APNs over it. Threading: the loop's thread. Names are
 * resolved on a thread of their own; the connection never blocks.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/err.h"
#include "pomona/base/slice.h"
#include "pomona/net/net.h"

enum {
	H2_FIELDS_MAX = 16,     /* header fields of one request, pseudo-headers included */
	H2_KEPT_MAX = 4,        /* header fields of a reply that are kept */
	H2_KEPT_BYTES_MAX = 64, /* of each; longer ones are dropped */
	H2_BODY_BYTES_MAX =
		4096, /* of a request, and of what is kept of a reply: the rest of that is dropped */
	H2_REQUEST_HEADER_BYTES_MAX = 16384, /* names and values of one request */
	H2_REPLY_HEADER_BYTES_MAX =
		16384, /* of one reply's header blocks, 32 more a field; past it the stream is reset */
	H2_STREAMS_MAX = 1000, /* ours; the peer's SETTINGS_MAX_CONCURRENT_STREAMS may be less */
	H2_REQUESTS_MAX =
		1 << 29, /* stream ids: with that many the connection retires itself (RFC 9113 5.1.1) */
	H2_PUT_OFF_BYTES_MAX = 1024 * 1024, /* unsent bytes past which no request is taken */
	H2_GOAWAY_BYTES_MAX = 1024,         /* of a GOAWAY's debug data; the rest is dropped */
};

struct h2;

/* Strings and bytes are copied. */
struct h2_params {
	const char *host; /* name or address; checked against the server's certificate, and the SNI */
	uint16_t port;
	const char *proxy;   /* "host:port" of an HTTP proxy that is asked to CONNECT; NULL or "": none */
	struct slice ca_pem; /* who the server must be signed by; empty: the system's store */
	struct slice cert_pem; /* our certificate, then its chain; empty: none */
	struct slice key_pem;
	int64_t
		connect_timeout_ms; /* for name, TCP, proxy, TLS and the peer's first SETTINGS together; 0: 30,000 */
	int64_t ping_interval_ms;       /* PING after so long without a byte from the peer; 0: never */
	int64_t ping_timeout_ms;        /* for its ACK, then the connection is dead; 0: 15,000 */
	const char *kept[H2_KEPT_MAX];  /* lower-case names of the reply's fields to keep; NULL: no more */
	const struct h2_events *events; /* borrowed until h2_free() */
	void *ctx;
};

/* Why a connection ends. */
enum h2_end {
	H2_END_CONNECT,  /* it never came to be: name, TCP, proxy, no end of the TLS handshake */
	H2_END_TLS,      /* handshake refused, verification, no ALPN h2; our certificate refused */
	H2_END_GOAWAY,   /* the peer said so; `text` holds its debug data, cut and printable */
	H2_END_CLOSED,   /* by the peer, without a word */
	H2_END_DEAD,     /* a PING or the first SETTINGS were not answered in time */
	H2_END_PROTOCOL, /* what the peer sent is no HTTP/2 */
	H2_END_MEMORY,
	H2_END_RETIRED, /* h2_retire(), or out of stream ids: everything is answered */
	H2_END_COUNT
};
const char *h2_end_name(enum h2_end end); /* "connect", "tls", ... */

struct h2_events {
	/* The peer's first SETTINGS are here: requests may be started. */
	void (*on_open)(void *ctx);
	/* There is room again after h2_room() was 0. */
	void (*on_room)(void *ctx);
	/* The first GOAWAY: no new requests from here on; those that the peer will not process have been
	 * handed back (REFUSED) before this is called; the others go on, and on_end comes after the last
	 * of them. What a later GOAWAY refuses is handed back too. `debug` is borrowed for the call. */
	void (*on_goaway)(void *ctx, uint32_t error_code, struct slice debug);
	/* Over, once: every open request has been handed back before. The callee may h2_free() in it.
	 * `text` is for people, borrowed for the call. */
	void (*on_end)(void *ctx, enum h2_end end, const char *text);
};

/* Begins to connect; RC_INVALID: host, proxy, certificate, key or CA cannot be used. The caller owns
 * *h2_r. No event comes from within. */
enum rc h2_open(struct net_loop *loop, const struct h2_params *params, struct h2 **h2_r,
	struct err *err) MUST_USE;
/* How many requests may be started now: 0 before on_open, after a GOAWAY, at the bounds. */
uint32_t h2_room(const struct h2 *h2);
uint32_t h2_in_flight(const struct h2 *h2);
/* No new requests; when those in flight are answered GOAWAY is sent and on_end comes, not from within. */
void h2_retire(struct h2 *h2);
/* At once; no event comes any more, requests in flight are forgotten without a word. From any
 * callback, too. */
void h2_free(struct h2 **h2);

struct h2_field {
	struct slice name, value;
	bool is_unique; /* the value does not come again: it is not put into HPACK's table */
};

enum h2_fate {
	H2_ANSWERED,
	H2_REFUSED, /* never processed (GOAWAY, REFUSED_STREAM): safe to send again */
	H2_LOST,    /* the connection or the stream ended before an answer: perhaps processed */
};

struct h2_reply {
	enum h2_fate fate;
	unsigned status;                /* of ANSWERED */
	struct slice kept[H2_KEPT_MAX]; /* as params.kept; empty where there was none */
	struct slice body;
	uint32_t error_code; /* of a stream that was reset */
};

/*
 * A request: the caller's memory until `done` is called, once, not from within h2_request(); `done`
 * may start the next one. fields: the pseudo-headers first; they and the body are copied.
 */
struct h2_request {
	const struct h2_field *fields;
	size_t field_count;
	struct slice body;
	void (*done)(struct h2_request *request, const struct h2_reply *reply);
};
/* RC_BUSY: no room. RC_LIMIT: more than a bound above. RC_NO_MEMORY. Sent when the loop comes round:
 * many requests share a write. */
enum rc h2_request(struct h2 *h2, struct h2_request *request, struct err *err) MUST_USE;

struct h2_stats {
	uint64_t requests, replies, bytes_in, bytes_out, pings;
	uint32_t peer_streams_max; /* its SETTINGS_MAX_CONCURRENT_STREAMS, or H2_STREAMS_MAX */
};
void h2_stats(const struct h2 *h2, struct h2_stats *stats_r);

#endif
