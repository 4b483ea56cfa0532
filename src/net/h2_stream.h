/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_NET_H2_STREAM_H
#define POMONA_NET_H2_STREAM_H

/*
 * One request and its reply, as the session keeps it: a record from the pool, so that a request costs no memory
 * of its own unless it is large. Threading: the loop's thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/net/h2.h"

/* What most bodies fit into: a push is some 60 bytes, APNs' reasons are shorter still. */
enum { H2_BYTES_INLINE = 192 };

struct h2_bytes {
	uint8_t *far; /* owned; NULL: they are in `near` */
	size_t len;
	uint8_t near[H2_BYTES_INLINE];
};

enum h2_stream_where {
	STREAM_FREE,
	STREAM_OPEN,     /* not answered yet */
	STREAM_FINISHED, /* its fate is known; waits to be handed back */
	STREAM_LEFT,     /* handed back; nghttp2 still has a stream with a pointer to it */
};

struct h2_stream {
	struct h2_stream *next_of_all;
	struct h2_stream *next; /* among the free or the finished */
	enum h2_stream_where where;
	struct h2_request *request;
	int32_t id;
	bool is_sent;                        /* its HEADERS were given out: the peer may have seen it */
	bool is_given;                       /* all of the request was given out */
	bool is_trailer;                     /* the header block that comes is behind the reply's body */
	bool is_whole;                       /* the reply's last frame has come */
	bool is_closed;                      /* nghttp2 knows it no more */
	size_t header_put_off, body_put_off; /* bytes that wait to be given out */
	enum h2_fate fate;
	unsigned status; /* 0: none yet; below 200: there is more to come */
	uint32_t error_code;
	size_t header_bytes; /* of all blocks of the reply */
	struct h2_bytes body, reply_body;
	uint8_t kept_len[H2_KEPT_MAX];
	uint8_t kept[H2_KEPT_MAX][H2_KEPT_BYTES_MAX];
};

struct h2_pool {
	struct h2_stream *all, *free;
};

/* A record in its first state; NULL: no memory. */
struct h2_stream *h2_pool_take(struct h2_pool *pool);
void h2_pool_give_back(struct h2_pool *pool, struct h2_stream *stream);
/* All records, wherever they are. */
void h2_pool_fini(struct h2_pool *pool);

struct slice h2_bytes_slice(const struct h2_bytes *bytes);
/* At most up to H2_BODY_BYTES_MAX in all; what is past it is dropped. RC_NO_MEMORY: nothing changed. */
enum rc h2_bytes_append(struct h2_bytes *bytes, struct slice more) MUST_USE;

/* A new header block of the reply begins: the reply proper, or what is behind it. */
void h2_stream_begin_block(struct h2_stream *stream);
/* The value of the field that is kept as number `index`; the first one of its name stays. */
void h2_stream_keep(struct h2_stream *stream, size_t index, struct slice value);
/* What its `done` is told; borrows from the record. */
void h2_stream_reply(const struct h2_stream *stream, struct h2_reply *reply_r);
/* Pure: what became of a request whose stream ends so. */
enum h2_fate h2_stream_fate(const struct h2_stream *stream, uint32_t error_code);

#endif
