/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_NET_H2_PEER_H
#define POMONA_TESTS_NET_H2_PEER_H

/*
 * The other end of an HTTP/2 connection, on the same loop as the client under test, so that nothing depends on time.
 * It speaks by nghttp2, or (is_raw) only what the test sends, byte by byte. Threading: the loop's thread.
 */

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "h2_certs.h"
#include "pomona/base/buf.h"
#include "pomona/net/net.h"

enum { PEER_LINES_MAX = 8, PEER_SETTINGS_MAX = 4, PEER_NAME_BYTES_MAX = 256 };

struct peer_line;

struct peer_request {
	int32_t stream_id;
	const char *fields; /* "name: value\n" each, in their order */
	struct slice body;
};

struct peer_frame {
	uint8_t type, flags;
	int32_t stream_id;
	struct slice payload;
};

struct peer_conf {
	const struct identity *identity;
	const char *client_ca; /* PEM: a client certificate is demanded; NULL: none is asked for */
	const char *alpn;      /* NULL: h2; "": none */
	int tls_version_max;   /* 0: any */
	bool is_mute;          /* accepts TCP, and that is all */
	bool is_raw;           /* after the handshake only peer_send() speaks */
	bool is_silent;        /* hears but sends nothing, not even SETTINGS, until peer_speak() */
	nghttp2_settings_entry settings[PEER_SETTINGS_MAX]; /* the first ones */
	size_t setting_count;
	/* A request is whole. NULL: answered 200. */
	void (*on_request)(struct peer_line *line, const struct peer_request *request);
	/* A frame came; raw lines tell all of them, others GOAWAY, PING, RST_STREAM and SETTINGS. */
	void (*on_frame)(struct peer_line *line, const struct peer_frame *frame);
	void (*on_shaken)(struct peer_line *line);
	/* After anything happened. */
	void (*on_any)(void *ctx);
	void *ctx;
};

struct peer {
	struct net_loop *loop;
	struct peer_conf conf;
	SSL_CTX *context;
	int listen_fd;
	uint16_t port;
	struct net_watch *watch;
	struct peer_line *lines[PEER_LINES_MAX]; /* in the order they came; gone ones are NULL */
	unsigned accepted, closed, requests, resets, pings, settings_acks;
	bool has_goaway; /* the client's */
	uint32_t goaway_code;
	char server_name[PEER_NAME_BYTES_MAX];    /* SNI of the last line; "" */
	char client_subject[PEER_NAME_BYTES_MAX]; /* of its certificate; "" */
};

struct peer_line {
	struct peer *peer;
	int fd;
	SSL *ssl;
	struct net_watch *watch;
	bool is_shaken, is_in_callback, is_paused;
	enum { PEER_STAY, PEER_HANG_UP, PEER_RESET } farewell;
	nghttp2_session *session;
	struct buf in; /* raw: what is not a whole frame yet */
	size_t in_skip;
	struct buf out;
	size_t out_at;
};

/* Above 0 while the loop runs the peer's own code: for a test that makes memory fail elsewhere. */
extern int peer_depth;

/* Listens on a free port of 127.0.0.1. */
void peer_start(struct peer *peer, struct net_loop *loop, const struct peer_conf *conf);
void peer_stop(struct peer *peer);

/* "" for no body. */
void peer_answer(struct peer_line *line, int32_t stream_id, const char *status, const char *body);
void peer_answer_fields(struct peer_line *line, int32_t stream_id, const nghttp2_nv *fields,
	size_t field_count, struct slice body);
void peer_reset_stream(struct peer_line *line, int32_t stream_id, uint32_t code);
void peer_goaway(struct peer_line *line, int32_t last_stream_id, uint32_t code, const char *debug);
void peer_settings(struct peer_line *line, const nghttp2_settings_entry *entries, size_t count);
void peer_speak(struct peer_line *line);
void peer_window(struct peer_line *line, int32_t stream_id, int32_t more);
/* These bytes as they are. */
void peer_send(struct peer_line *line, const void *bytes, size_t len);
void peer_send_frame(struct peer_line *line, uint8_t type, uint8_t flags, int32_t stream_id,
	const void *payload, size_t len);
/* Reads no more, or again. */
void peer_pause(struct peer_line *line, bool is_paused);
/* With a goodbye of TLS, after what was said before; or by a reset of TCP. */
void peer_hang_up(struct peer_line *line);
void peer_cut(struct peer_line *line);

#define PEER_NV(name_text, value_text) \
	((nghttp2_nv){(uint8_t *)(uintptr_t)(name_text), (uint8_t *)(uintptr_t)(value_text), \
		strlen(name_text), strlen(value_text), NGHTTP2_NV_FLAG_NONE})

#endif
