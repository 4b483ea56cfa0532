/* SPDX-License-Identifier: Apache-2.0 */
#include "h2_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "h2_frames.h"

enum {
	BUFFER_BYTES_MAX = 64 * 1024 * 1024,
	READ_BYTES = 16384,
	PREFACE_BYTES = 24,
	BACKLOG = 16,
};

/* A request that comes in, and its answer's body. */
struct inbound {
	struct buf fields, body, answer;
	size_t answer_at;
};

static void must(int is_fine, const char *what)
{
	if (!is_fine) {
		perror(what);
		ERR_print_errors_fp(stderr);
		abort();
	}
}

int peer_depth;

static void flush_line(struct peer_line *line);

static void inbound_free(nghttp2_session *session, int32_t id)
{
	struct inbound *inbound = nghttp2_session_get_stream_user_data(session, id);

	if (inbound == NULL)
		return;
	buf_fini(&inbound->fields);
	buf_fini(&inbound->body);
	buf_fini(&inbound->answer);
	free(inbound);
	(void)nghttp2_session_set_stream_user_data(session, id, NULL);
}

/* Streams that are open still hold what came in for them. */
static void drop_inbound(struct peer_line *line)
{
	for (int32_t id = 1; line->session != NULL && id <= 4095; id += 2)
		if (nghttp2_session_get_stream_user_data(line->session, id) != NULL)
			inbound_free(line->session, id);
}

/* --- out */

static void line_free(struct peer_line *line)
{
	struct peer *peer = line->peer;

	for (size_t i = 0; i < PEER_LINES_MAX; i++)
		if (peer->lines[i] == line)
			peer->lines[i] = NULL;
	net_watch_free(&line->watch);
	drop_inbound(line);
	nghttp2_session_del(line->session);
	SSL_free(line->ssl);
	(void)close(line->fd);
	buf_fini(&line->in);
	buf_fini(&line->out);
	free(line);
	peer->closed++;
}

static void bid_farewell(struct peer_line *line)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	if (line->farewell == PEER_HANG_UP && line->is_shaken)
		(void)SSL_shutdown(line->ssl);
	else if (line->farewell == PEER_RESET)
		(void)setsockopt(line->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	line_free(line);
}

static void take_from_session(struct peer_line *line)
{
	const uint8_t *bytes;
	ssize_t len;

	while (line->session != NULL && (len = nghttp2_session_mem_send(line->session, &bytes)) > 0)
		buf_append(&line->out, slice_of(bytes, (size_t)len));
}

/* False: the line is broken. */
static bool write_out(struct peer_line *line)
{
	while (line->out_at < line->out.len) {
		size_t put;
		int code;

		ERR_clear_error();
		code = SSL_write_ex(line->ssl, line->out.ptr + line->out_at, line->out.len - line->out_at, &put);
		if (code != 1)
			return SSL_get_error(line->ssl, code) == SSL_ERROR_WANT_WRITE;
		line->out_at += put;
	}
	buf_clear(&line->out);
	line->out_at = 0;
	return true;
}

static void flush_line(struct peer_line *line)
{
	unsigned what = line->is_paused ? 0 : NET_READABLE;
	bool is_fine;

	if (line->is_in_callback || (!line->is_shaken && line->farewell == PEER_STAY))
		return;
	take_from_session(line);
	is_fine = line->peer->conf.is_silent || write_out(line);
	if (!is_fine || (line->farewell != PEER_STAY && line->out.len == 0)) {
		bid_farewell(line);
		return;
	}
	if (line->out.len > 0 && !line->peer->conf.is_silent)
		what |= NET_WRITABLE;
	must(net_watch_set(line->watch, what) == RC_OK, "watch");
}

void peer_send(struct peer_line *line, const void *bytes, size_t len)
{
	buf_append(&line->out, slice_of(bytes, len));
	flush_line(line);
}

void peer_send_frame(struct peer_line *line, uint8_t type, uint8_t flags, int32_t stream_id,
	const void *payload, size_t len)
{
	frame_add(&line->out, type, flags, stream_id, slice_of(payload, len));
	flush_line(line);
}

static ssize_t read_answer(nghttp2_session *session, int32_t id, uint8_t *to, size_t room,
	uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
	struct inbound *inbound = source->ptr;
	struct slice piece = slice_sub(buf_slice(&inbound->answer), inbound->answer_at, room);

	(void)session;
	(void)id;
	(void)ctx;
	memcpy(to, piece.ptr, piece.len);
	inbound->answer_at += piece.len;
	if (inbound->answer_at == inbound->answer.len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)piece.len;
}

void peer_answer_fields(struct peer_line *line, int32_t stream_id, const nghttp2_nv *fields,
	size_t field_count, struct slice body)
{
	struct inbound *inbound = nghttp2_session_get_stream_user_data(line->session, stream_id);
	nghttp2_data_provider provider = {.source.ptr = inbound, .read_callback = read_answer};

	must(inbound != NULL, "no such request");
	buf_append(&inbound->answer, body);
	must(nghttp2_submit_response(line->session, stream_id, fields, field_count,
							body.len > 0 ? &provider : NULL) == 0,
		"response");
	flush_line(line);
}

void peer_answer(struct peer_line *line, int32_t stream_id, const char *status, const char *body)
{
	const nghttp2_nv fields[] = {PEER_NV(":status", status)};

	peer_answer_fields(line, stream_id, fields, COUNT_OF(fields), slice_of_str(body));
}

void peer_reset_stream(struct peer_line *line, int32_t stream_id, uint32_t code)
{
	must(nghttp2_submit_rst_stream(line->session, NGHTTP2_FLAG_NONE, stream_id, code) == 0, "reset");
	flush_line(line);
}

/* By hand: nghttp2 sends none with a higher last stream than before, nor with one that it has not seen. */
void peer_goaway(struct peer_line *line, int32_t last_stream_id, uint32_t code, const char *debug)
{
	take_from_session(line);
	frame_add_goaway(&line->out, last_stream_id, code, debug);
	flush_line(line);
}

void peer_settings(struct peer_line *line, const nghttp2_settings_entry *entries, size_t count)
{
	must(nghttp2_submit_settings(line->session, NGHTTP2_FLAG_NONE, entries, count) == 0, "settings");
	flush_line(line);
}

void peer_speak(struct peer_line *line)
{
	line->peer->conf.is_silent = false;
	flush_line(line);
}

void peer_window(struct peer_line *line, int32_t stream_id, int32_t more)
{
	must(nghttp2_submit_window_update(line->session, NGHTTP2_FLAG_NONE, stream_id, more) == 0,
		"window");
	flush_line(line);
}

void peer_pause(struct peer_line *line, bool is_paused)
{
	line->is_paused = is_paused;
	flush_line(line);
}

void peer_hang_up(struct peer_line *line)
{
	line->farewell = PEER_HANG_UP;
	flush_line(line);
}

void peer_cut(struct peer_line *line)
{
	line->farewell = PEER_RESET;
	flush_line(line);
}

/* --- in, by nghttp2 */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct inbound *inbound = calloc(1, sizeof(*inbound));

	(void)ctx;
	must(inbound != NULL, "memory");
	buf_init(&inbound->fields, BUFFER_BYTES_MAX);
	buf_init(&inbound->body, BUFFER_BYTES_MAX);
	buf_init(&inbound->answer, BUFFER_BYTES_MAX);
	return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, inbound);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
	size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *ctx)
{
	struct inbound *inbound = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)flags;
	(void)ctx;
	buf_printf(&inbound->fields, "%.*s: %.*s\n", (int)name_len, (const char *)name, (int)value_len,
		(const char *)value);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
	size_t len, void *ctx)
{
	struct inbound *inbound = nghttp2_session_get_stream_user_data(session, id);

	(void)flags;
	(void)ctx;
	buf_append(&inbound->body, slice_of(bytes, len));
	return 0;
}

static void tell_request(struct peer_line *line, int32_t id)
{
	struct inbound *inbound = nghttp2_session_get_stream_user_data(line->session, id);
	const struct peer_request request = {.stream_id = id,
		.fields = buf_cstr(&inbound->fields),
		.body = buf_slice(&inbound->body)};

	line->peer->requests++;
	if (line->peer->conf.on_request != NULL)
		line->peer->conf.on_request(line, &request);
	else
		peer_answer(line, id, "200", "");
}

static void count_frame(struct peer *peer, const nghttp2_frame *frame)
{
	peer->resets += frame->hd.type == NGHTTP2_RST_STREAM;
	peer->pings += frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0;
	peer->settings_acks += frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK);
	if (frame->hd.type == NGHTTP2_GOAWAY) {
		peer->has_goaway = true;
		peer->goaway_code = frame->goaway.error_code;
	}
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct peer_line *line = ctx;
	const struct peer_frame told = {.type = frame->hd.type,
		.flags = frame->hd.flags,
		.stream_id = frame->hd.stream_id};

	(void)session;
	count_frame(line->peer, frame);
	if ((told.type == NGHTTP2_HEADERS || told.type == NGHTTP2_DATA) &&
		(told.flags & NGHTTP2_FLAG_END_STREAM))
		tell_request(line, told.stream_id);
	else if (line->peer->conf.on_frame != NULL)
		line->peer->conf.on_frame(line, &told);
	return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *ctx)
{
	(void)code;
	(void)ctx;
	inbound_free(session, id);
	return 0;
}

static void session_begin(struct peer_line *line)
{
	const struct peer_conf *conf = &line->peer->conf;
	nghttp2_session_callbacks *callbacks;

	must(nghttp2_session_callbacks_new(&callbacks) == 0, "callbacks");
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	must(nghttp2_session_server_new(&line->session, callbacks, line) == 0, "session");
	nghttp2_session_callbacks_del(callbacks);
	must(nghttp2_submit_settings(line->session, NGHTTP2_FLAG_NONE, conf->settings,
							conf->setting_count) == 0,
		"settings");
	take_from_session(line); /* before the acknowledgement of the client's */
}

/* --- in, raw */

static bool next_frame(struct slice from, struct peer_frame *frame)
{
	uint32_t id;
	size_t len;

	if (from.len < FRAME_HEAD_BYTES)
		return false;
	len = (size_t)from.ptr[0] << 16 | (size_t)from.ptr[1] << 8 | from.ptr[2];
	if (from.len < FRAME_HEAD_BYTES + len)
		return false;
	memcpy(&id, from.ptr + 5, sizeof(id));
	*frame = (struct peer_frame){.type = from.ptr[3],
		.flags = from.ptr[4],
		.stream_id = (int32_t)ntohl(id),
		.payload = slice_sub(from, FRAME_HEAD_BYTES, len)};
	return true;
}

static void take_raw(struct peer_line *line, struct slice bytes)
{
	struct peer_frame frame;

	buf_append(&line->in, bytes);
	if (line->in_skip == 0 && line->in.len >= PREFACE_BYTES)
		line->in_skip = PREFACE_BYTES;
	if (line->in_skip == 0)
		return;
	while (next_frame(slice_sub(buf_slice(&line->in), line->in_skip, line->in.len), &frame)) {
		line->in_skip += FRAME_HEAD_BYTES + frame.payload.len;
		if (line->peer->conf.on_frame != NULL)
			line->peer->conf.on_frame(line, &frame);
	}
}

/* --- the line */

/* False: it is over. */
static bool read_in(struct peer_line *line)
{
	uint8_t bytes[READ_BYTES];
	size_t len;
	int code;

	for (;;) {
		ERR_clear_error();
		code = SSL_read_ex(line->ssl, bytes, sizeof(bytes), &len);
		if (code != 1)
			return SSL_get_error(line->ssl, code) == SSL_ERROR_WANT_READ;
		line->is_in_callback = true;
		if (line->peer->conf.is_raw)
			take_raw(line, slice_of(bytes, len));
		else
			must(nghttp2_session_mem_recv(line->session, bytes, len) >= 0, "client's bytes");
		line->is_in_callback = false;
		if (line->is_paused || line->farewell != PEER_STAY)
			return true;
	}
}

static void note_client(struct peer_line *line)
{
	struct peer *peer = line->peer;
	X509 *cert = SSL_get1_peer_certificate(line->ssl);
	const char *name = SSL_get_servername(line->ssl, TLSEXT_NAMETYPE_host_name);

	(void)snprintf(peer->server_name, sizeof(peer->server_name), "%s", name != NULL ? name : "");
	peer->client_subject[0] = '\0';
	if (cert != NULL)
		(void)X509_NAME_oneline(X509_get_subject_name(cert), peer->client_subject,
			sizeof(peer->client_subject));
	X509_free(cert);
}

/* False: the line is gone. */
static bool shake(struct peer_line *line)
{
	int code, error;

	ERR_clear_error();
	code = SSL_do_handshake(line->ssl);
	if (code == 1) {
		line->is_shaken = true;
		note_client(line);
		if (!line->peer->conf.is_raw)
			session_begin(line);
		line->is_in_callback = true;
		if (line->peer->conf.on_shaken != NULL)
			line->peer->conf.on_shaken(line);
		line->is_in_callback = false;
		return true;
	}
	error = SSL_get_error(line->ssl, code);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		must(net_watch_set(line->watch, error == SSL_ERROR_WANT_READ ? NET_READABLE : NET_WRITABLE) ==
				RC_OK,
			"watch");
		return true;
	}
	line_free(line); /* what it had to say, an alert, is said */
	return false;
}

static void on_ready(void *ctx, unsigned ready)
{
	struct peer_line *line = ctx;
	struct peer *peer = line->peer;
	bool is_there = true;

	peer_depth++;
	if (!line->is_shaken)
		is_there = shake(line);
	if (is_there && line->is_shaken && (ready & NET_READABLE) && !line->is_paused && !read_in(line)) {
		line_free(line);
		is_there = false;
	}
	if (is_there && line->is_shaken)
		flush_line(line);
	peer_depth--;
	if (peer->conf.on_any != NULL)
		peer->conf.on_any(peer->conf.ctx);
}

static void line_begin(struct peer *peer, int fd)
{
	struct peer_line *line = calloc(1, sizeof(*line));

	must(line != NULL && peer->accepted < PEER_LINES_MAX, "line");
	*line = (struct peer_line){.peer = peer, .fd = fd, .ssl = SSL_new(peer->context)};
	buf_init(&line->in, BUFFER_BYTES_MAX);
	buf_init(&line->out, BUFFER_BYTES_MAX);
	peer->lines[peer->accepted++] = line;
	must(SSL_set_fd(line->ssl, fd) == 1, "ssl");
	SSL_set_accept_state(line->ssl);
	must(net_watch_new(peer->loop, fd, on_ready, line, &line->watch) == RC_OK, "watch");
	if (!peer->conf.is_mute)
		must(net_watch_set(line->watch, NET_READABLE) == RC_OK, "watch");
}

static void on_connection(void *ctx, unsigned ready)
{
	struct peer *peer = ctx;
	int fd = accept4(peer->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)ready;
	must(fd >= 0, "accept");
	peer_depth++;
	line_begin(peer, fd);
	peer_depth--;
	if (peer->conf.on_any != NULL)
		peer->conf.on_any(peer->conf.ctx);
}

/* --- the listener */

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
	const unsigned char *in, unsigned in_len, void *ctx)
{
	const struct peer *peer = ctx;
	const char *name = peer->conf.alpn != NULL ? peer->conf.alpn : "h2";

	(void)ssl;
	(void)in;
	(void)in_len;
	if (name[0] == '\0')
		return SSL_TLSEXT_ERR_NOACK;
	*out = (const unsigned char *)name;
	*out_len = (unsigned char)strlen(name);
	return SSL_TLSEXT_ERR_OK;
}

static X509 *read_cert(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	must(cert != NULL, "certificate");
	BIO_free(bio);
	return cert;
}

static void set_identity(struct peer *peer)
{
	BIO *bio = BIO_new_mem_buf(peer->conf.identity->key.text, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	X509 *cert = read_cert(peer->conf.identity->cert.text);

	must(SSL_CTX_use_certificate(peer->context, cert) == 1, "certificate");
	must(SSL_CTX_use_PrivateKey(peer->context, key) == 1, "key");
	X509_free(cert);
	EVP_PKEY_free(key);
	BIO_free(bio);
}

static void demand_client(struct peer *peer)
{
	X509 *ca = read_cert(peer->conf.client_ca);

	must(X509_STORE_add_cert(SSL_CTX_get_cert_store(peer->context), ca) == 1, "CA");
	X509_free(ca);
	SSL_CTX_set_verify(peer->context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

static void make_context(struct peer *peer)
{
	peer->context = SSL_CTX_new(TLS_server_method());
	must(peer->context != NULL, "context");
	(void)SSL_CTX_set_mode(peer->context,
		SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	(void)SSL_CTX_set_max_proto_version(peer->context, peer->conf.tls_version_max);
	SSL_CTX_set_alpn_select_cb(peer->context, choose_alpn, peer);
	must(SSL_CTX_set_session_id_context(peer->context, (const unsigned char *)"peer", 4) == 1,
		"context");
	set_identity(peer);
	if (peer->conf.client_ca != NULL)
		demand_client(peer);
}

void peer_start(struct peer *peer, struct net_loop *loop, const struct peer_conf *conf)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	memset(peer, 0, sizeof(*peer));
	peer->loop = loop;
	peer->conf = *conf;
	make_context(peer);
	peer->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	must(peer->listen_fd >= 0, "socket");
	must(bind(peer->listen_fd, (const struct sockaddr *)&address, len) == 0, "bind");
	must(listen(peer->listen_fd, BACKLOG) == 0, "listen");
	must(getsockname(peer->listen_fd, (struct sockaddr *)&address, &len) == 0, "getsockname");
	peer->port = ntohs(address.sin_port);
	must(net_watch_new(loop, peer->listen_fd, on_connection, peer, &peer->watch) == RC_OK, "watch");
	must(net_watch_set(peer->watch, NET_READABLE) == RC_OK, "watch");
}

void peer_stop(struct peer *peer)
{
	if (peer->context == NULL)
		return;
	for (size_t i = 0; i < PEER_LINES_MAX; i++)
		if (peer->lines[i] != NULL)
			line_free(peer->lines[i]);
	net_watch_free(&peer->watch);
	(void)close(peer->listen_fd);
	SSL_CTX_free(peer->context);
	peer->context = NULL;
}
