/* SPDX-License-Identifier: Apache-2.0 */
#include "h2_session.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "h2_fields.h"
#include "h2_stream.h"

enum {
	FAULT_TEXT_BYTES = 200,
	/* Of a peer that asks for answers (PING, SETTINGS) and does not read them. */
	ACKS_WAITING_MAX = 128,
};

struct kept_name {
	size_t len;
	char text[H2_KEPT_BYTES_MAX];
};

struct h2_session {
	nghttp2_session *ng;
	struct h2_pool pool;
	struct h2_stream *finished, **finished_end;
	struct h2_stream *header_stream; /* whose header block comes in; NULL: nobody's of ours */
	struct kept_name kept[H2_KEPT_MAX];
	size_t kept_count;
	uint32_t requests_max;
	uint32_t peer_streams_max;
	uint32_t in_flight; /* not handed back */
	uint32_t opened;    /* not closed by nghttp2 */
	size_t put_off;     /* bytes of requests that nghttp2 has not given out */
	uint64_t requests, replies, pings, pongs;
	bool is_open, is_retired, is_over, is_parting, is_hushed;
	struct h2_goaway goaway;
	uint32_t fault_code;
	char fault[FAULT_TEXT_BYTES]; /* "": none */
};

/* Why nghttp2 says goodbye, in the words of its own GOAWAY. */
static void set_fault(struct h2_session *session, const nghttp2_goaway *frame)
{
	session->fault_code = frame->error_code;
	(void)snprintf(session->fault, sizeof(session->fault), "%s %.*s",
		nghttp2_http2_strerror(frame->error_code), (int)frame->opaque_data_len,
		(const char *)frame->opaque_data);
}

/* --- the end of a request */

static void finish(struct h2_session *session, struct h2_stream *stream, uint32_t error_code)
{
	stream->fate = h2_stream_fate(stream, error_code);
	stream->error_code = stream->fate == H2_ANSWERED ? 0 : error_code;
	stream->where = STREAM_FINISHED;
	stream->next = NULL;
	*session->finished_end = stream;
	session->finished_end = &stream->next;
	if (stream->fate == H2_ANSWERED)
		session->replies++;
}

static struct h2_stream *finished_pop(struct h2_session *session)
{
	struct h2_stream *stream = session->finished;

	session->finished = stream->next;
	if (session->finished == NULL)
		session->finished_end = &session->finished;
	return stream;
}

void h2_session_hand_back(struct h2_session *session)
{
	while (session->finished != NULL && !session->is_hushed) {
		struct h2_stream *stream = finished_pop(session);
		struct h2_request *request = stream->request;
		struct h2_reply reply;

		h2_stream_reply(stream, &reply);
		stream->where = STREAM_LEFT;
		session->in_flight--;
		request->done(request, &reply);
		if (stream->is_closed)
			h2_pool_give_back(&session->pool, stream);
	}
}

bool h2_session_has_finished(const struct h2_session *session)
{
	return session->finished != NULL;
}

void h2_session_hush(struct h2_session *session)
{
	session->is_hushed = true;
}

void h2_session_abandon(struct h2_session *session)
{
	session->is_over = true;
	for (struct h2_stream *s = session->pool.all; s != NULL; s = s->next_of_all)
		if (s->where == STREAM_OPEN)
			finish(session, s, NGHTTP2_NO_ERROR);
}

/* What the peer has not seen any of it never will: after GOAWAY no stream is begun. */
static void refuse_unsent(struct h2_session *session)
{
	for (struct h2_stream *s = session->pool.all; s != NULL; s = s->next_of_all)
		if (s->where == STREAM_OPEN && !s->is_sent)
			finish(session, s, NGHTTP2_REFUSED_STREAM);
}

/* --- what nghttp2 tells while it takes bytes */

static struct h2_stream *stream_of(struct h2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session->ng, id);
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *ctx)
{
	struct h2_session *session = ctx;
	struct h2_stream *stream = stream_of(session, frame->hd.stream_id);

	(void)ng;
	session->header_stream = stream;
	if (stream != NULL)
		h2_stream_begin_block(stream);
	return 0;
}

/* nghttp2 has checked that it is three digits. */
static unsigned status_of(const uint8_t *value, size_t len)
{
	unsigned status = 0;

	for (size_t i = 0; i < len && i < 3; i++)
		status = status * 10 + (unsigned)(value[i] - '0');
	return status;
}

static void take_field(struct h2_session *session, struct h2_stream *stream, struct slice name,
	struct slice value)
{
	if (name.len == 7 && memcmp(name.ptr, ":status", 7) == 0) {
		stream->status = status_of(value.ptr, value.len);
		return;
	}
	for (size_t i = 0; i < session->kept_count; i++)
		if (name.len == session->kept[i].len && memcmp(name.ptr, session->kept[i].text, name.len) == 0)
			h2_stream_keep(stream, i, value);
}

/* NOLINTNEXTLINE(readability-function-size): the signature is the library's */
static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name,
	size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *ctx)
{
	struct h2_session *session = ctx;
	struct h2_stream *stream = session->header_stream;

	(void)ng;
	(void)frame;
	(void)flags;
	if (stream == NULL)
		return 0;
	stream->header_bytes += name_len + value_len + 32; /* as RFC 9113 6.5.2 counts them */
	if (stream->header_bytes > H2_REPLY_HEADER_BYTES_MAX)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets the stream */
	if (!stream->is_trailer)
		take_field(session, stream, slice_of(name, name_len), slice_of(value, value_len));
	return 0;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *bytes, size_t len,
	void *ctx)
{
	struct h2_stream *stream = stream_of(ctx, id);

	(void)flags;
	if (stream == NULL || stream->where != STREAM_OPEN)
		return 0;
	if (h2_bytes_append(&stream->reply_body, slice_of(bytes, len)) == RC_OK)
		return 0;
	return nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR);
}

/* A whole reply before the request was sent: the peer does not want the rest of it (RFC 9113 8.1). */
static int take_end_of_reply(struct h2_session *session, int32_t id)
{
	struct h2_stream *stream = stream_of(session, id);

	if (stream == NULL || stream->where != STREAM_OPEN || stream->status < 200)
		return 0;
	stream->is_whole = true;
	if (stream->is_given)
		return 0; /* nghttp2 closes the stream right after */
	finish(session, stream, NGHTTP2_NO_ERROR);
	return nghttp2_submit_rst_stream(session->ng, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
}

static void take_settings(struct h2_session *session)
{
	uint32_t max =
		nghttp2_session_get_remote_settings(session->ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);

	session->peer_streams_max = max < H2_STREAMS_MAX ? max : H2_STREAMS_MAX;
	session->is_open = true;
}

/* A later one without words does not wipe out what an earlier one said. */
static void take_goaway(struct h2_session *session, const nghttp2_goaway *frame)
{
	struct h2_goaway *goaway = &session->goaway;

	if (!goaway->has_come || frame->error_code != NGHTTP2_NO_ERROR)
		goaway->error_code = frame->error_code;
	if (frame->opaque_data_len > 0) {
		goaway->len =
			frame->opaque_data_len < H2_GOAWAY_BYTES_MAX ? frame->opaque_data_len : H2_GOAWAY_BYTES_MAX;
		memcpy(goaway->debug, frame->opaque_data, goaway->len);
	}
	goaway->has_come = true;
	refuse_unsent(session); /* nghttp2 itself closes those above the frame's last stream */
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *ctx)
{
	struct h2_session *session = ctx;

	(void)ng;
	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
	case NGHTTP2_DATA:
		if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
			return take_end_of_reply(session, frame->hd.stream_id);
		break;
	case NGHTTP2_SETTINGS:
		if (!(frame->hd.flags & NGHTTP2_FLAG_ACK))
			take_settings(session);
		break;
	case NGHTTP2_PING:
		session->pongs += frame->hd.flags & NGHTTP2_FLAG_ACK;
		break;
	case NGHTTP2_GOAWAY:
		take_goaway(session, &frame->goaway);
		break;
	default:
		break;
	}
	return 0;
}

static int on_close(nghttp2_session *ng, int32_t id, uint32_t error_code, void *ctx)
{
	struct h2_session *session = ctx;
	struct h2_stream *stream = nghttp2_session_get_stream_user_data(ng, id);

	if (stream == NULL)
		return 0;
	if (session->header_stream == stream)
		session->header_stream = NULL;
	session->put_off -= stream->header_put_off + stream->body_put_off;
	stream->header_put_off = stream->body_put_off = 0;
	stream->is_closed = true;
	session->opened--;
	if (stream->where == STREAM_OPEN)
		finish(session, stream, error_code);
	else if (stream->where == STREAM_LEFT)
		h2_pool_give_back(&session->pool, stream);
	return 0;
}

/* --- and while it gives them */

static int before_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *ctx)
{
	struct h2_session *session = ctx;
	struct h2_stream *stream;

	if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
		set_fault(session, &frame->goaway);
	if (frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	stream = nghttp2_session_get_stream_user_data(ng, frame->hd.stream_id);
	if (stream == NULL)
		return 0;
	stream->is_sent = true;
	stream->is_given = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
	session->put_off -= stream->header_put_off;
	stream->header_put_off = 0;
	return 0;
}

/* NOLINTNEXTLINE(readability-function-size): the signature is the library's */
static ssize_t give_body(nghttp2_session *ng, int32_t id, uint8_t *out, size_t room,
	uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
	struct h2_session *session = ctx;
	struct h2_stream *stream = source->ptr;
	struct slice body = h2_bytes_slice(&stream->body);
	struct slice rest = slice_sub(body, body.len - stream->body_put_off, room);

	(void)ng;
	(void)id;
	memcpy(out, rest.ptr, rest.len);
	stream->body_put_off -= rest.len;
	session->put_off -= rest.len;
	if (stream->body_put_off == 0) {
		stream->is_given = true;
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	}
	return (ssize_t)rest.len;
}

/* --- birth and death */

/* The libc by name, so that a test can make it fail. */
static void *mem_malloc(size_t size, void *ctx)
{
	(void)ctx;
	return malloc(size);
}

static void *mem_calloc(size_t count, size_t size, void *ctx)
{
	(void)ctx;
	return calloc(count, size);
}

static void *mem_realloc(void *old, size_t size, void *ctx)
{
	(void)ctx;
	return realloc(old, size);
}

static void mem_free(void *old, void *ctx)
{
	(void)ctx;
	free(old);
}

static nghttp2_session_callbacks *callbacks_new(void)
{
	nghttp2_session_callbacks *callbacks;

	if (nghttp2_session_callbacks_new(&callbacks) != 0)
		return NULL;
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	nghttp2_session_callbacks_set_before_frame_send_callback(callbacks, before_frame);
	return callbacks;
}

static int ng_start(struct h2_session *session)
{
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_REPLY_HEADER_BYTES_MAX},
	};
	nghttp2_mem mem = {NULL, mem_malloc, mem_free, mem_calloc, mem_realloc};
	nghttp2_session_callbacks *callbacks = callbacks_new();
	nghttp2_option *option = NULL;
	int code = NGHTTP2_ERR_NOMEM;

	if (callbacks != NULL && nghttp2_option_new(&option) == 0) {
		nghttp2_option_set_max_outbound_ack(option, ACKS_WAITING_MAX);
		nghttp2_option_set_max_reserved_remote_streams(option, 0); /* pushes before ours are known */
		code = nghttp2_session_client_new3(&session->ng, callbacks, session, option, &mem);
	}
	if (code == 0)
		code = nghttp2_submit_settings(session->ng, NGHTTP2_FLAG_NONE, settings, COUNT_OF(settings));
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	return code;
}

static enum rc copy_kept(struct h2_session *session, const char *const kept[], struct err *err)
{
	for (size_t i = 0; i < H2_KEPT_MAX && kept[i] != NULL; i++) {
		size_t len = strlen(kept[i]);

		if (len == 0 || len > H2_KEPT_BYTES_MAX)
			return err_set(err, RC_INVALID, "kept field: a name of %zu bytes, want 1..%d", len,
				H2_KEPT_BYTES_MAX);
		memcpy(session->kept[i].text, kept[i], len);
		session->kept[i].len = len;
		session->kept_count = i + 1;
	}
	return RC_OK;
}

enum rc h2_session_new(const char *const kept[static H2_KEPT_MAX], struct h2_session **session_r,
	struct err *err)
{
	AUTO(h2_session_free) struct h2_session *session = calloc(1, sizeof(*session));
	enum rc rc;

	*session_r = NULL;
	if (session == NULL)
		return err_set(err, RC_NO_MEMORY, "HTTP/2 session");
	session->finished_end = &session->finished;
	session->requests_max = H2_REQUESTS_MAX;
	rc = copy_kept(session, kept, err);
	if (rc != RC_OK)
		return rc;
	if (ng_start(session) != 0)
		return err_set(err, RC_NO_MEMORY, "HTTP/2 session");
	*session_r = session;
	session = NULL; /* moved to the caller */
	return RC_OK;
}

void h2_session_free(struct h2_session **session)
{
	struct h2_session *gone = *session;

	if (gone == NULL)
		return;
	*session = NULL;
	nghttp2_session_del(gone->ng);
	h2_pool_fini(&gone->pool);
	free(gone);
}

/* --- bytes */

/* nghttp2 says goodbye by itself where the peer breaks the rules, and then takes no request any more. */
static void look_for_fault(struct h2_session *session)
{
	if (!session->is_parting && !session->goaway.has_come &&
		nghttp2_session_check_request_allowed(session->ng) == 0)
		session->is_over = true;
}

static enum rc ng_fault(struct h2_session *session, ssize_t code, struct err *err)
{
	const char *text = nghttp2_strerror((int)code);

	session->is_over = true;
	if (code == NGHTTP2_ERR_NOMEM)
		return err_set(err, RC_NO_MEMORY, "HTTP/2 session");
	return err_set(err, RC_INVALID, "%s", text);
}

enum rc h2_session_take(struct h2_session *session, struct slice bytes, struct err *err)
{
	ssize_t taken = nghttp2_session_mem_recv(session->ng, bytes.ptr, bytes.len);

	if (taken < 0)
		return ng_fault(session, taken, err);
	look_for_fault(session);
	if (nghttp2_session_get_outbound_queue_size(session->ng) <= H2_SESSION_FRAMES_WAITING_MAX)
		return RC_OK;
	session->is_over = true;
	return err_set(err, RC_INVALID, "the peer makes work and reads nothing");
}

enum rc h2_session_give(struct h2_session *session, struct slice *bytes_r, struct err *err)
{
	const uint8_t *bytes = NULL;
	ssize_t len = nghttp2_session_mem_send(session->ng, &bytes);

	*bytes_r = slice_of(bytes, len > 0 ? (size_t)len : 0);
	return len < 0 ? ng_fault(session, len, err) : RC_OK;
}

/* --- requests */

static int32_t submit(struct h2_session *session, const struct h2_request *request,
	struct h2_stream *stream)
{
	nghttp2_nv fields[H2_FIELDS_MAX];
	nghttp2_data_provider body = {.source.ptr = stream, .read_callback = give_body};

	h2_fields_lend(request, fields);
	return nghttp2_submit_request(session->ng, NULL, fields, request->field_count,
		request->body.len > 0 ? &body : NULL, stream);
}

enum rc h2_session_request(struct h2_session *session, struct h2_request *request, struct err *err)
{
	struct h2_stream *stream;
	size_t header_bytes = 0;
	enum rc rc = h2_fields_check(request, &header_bytes, err);

	if (rc != RC_OK)
		return rc;
	if (h2_session_room(session) == 0)
		return err_set(err, RC_BUSY, "connection: no room for a request");
	stream = h2_pool_take(&session->pool);
	if (stream == NULL)
		return err_set(err, RC_NO_MEMORY, "request");
	if (h2_bytes_append(&stream->body, request->body) == RC_OK)
		stream->id = submit(session, request, stream);
	if (stream->id <= 0) {
		h2_pool_give_back(&session->pool, stream);
		return err_set(err, RC_NO_MEMORY, "request");
	}
	stream->request = request;
	stream->header_put_off = header_bytes;
	stream->body_put_off = request->body.len;
	session->put_off += header_bytes + request->body.len;
	session->opened++;
	session->in_flight++;
	session->requests++;
	if (session->requests >= session->requests_max)
		session->is_retired = true;
	return RC_OK;
}

uint32_t h2_session_room(const struct h2_session *session)
{
	uint64_t left;
	uint32_t room;

	if (!session->is_open || session->is_retired || session->is_over || session->goaway.has_come ||
		session->put_off >= H2_PUT_OFF_BYTES_MAX || session->opened >= session->peer_streams_max)
		return 0;
	room = session->peer_streams_max - session->opened;
	left = session->requests_max - session->requests;
	return left < room ? (uint32_t)left : room;
}

uint32_t h2_session_in_flight(const struct h2_session *session)
{
	return session->in_flight;
}

void h2_session_retire(struct h2_session *session)
{
	session->is_retired = true;
}

void h2_session_set_requests_max(struct h2_session *session, uint32_t requests_max)
{
	session->requests_max = requests_max;
}

bool h2_session_is_retired(const struct h2_session *session)
{
	return session->is_retired;
}

enum rc h2_session_part(struct h2_session *session)
{
	session->is_parting = session->is_retired = true;
	if (nghttp2_session_terminate_session(session->ng, NGHTTP2_NO_ERROR) != 0)
		return RC_NO_MEMORY;
	return RC_OK;
}

enum rc h2_session_ping(struct h2_session *session)
{
	if (nghttp2_submit_ping(session->ng, NGHTTP2_FLAG_NONE, NULL) != 0)
		return RC_NO_MEMORY;
	session->pings++;
	return RC_OK;
}

/* --- what is known */

bool h2_session_is_open(const struct h2_session *session)
{
	return session->is_open;
}

uint64_t h2_session_pongs(const struct h2_session *session)
{
	return session->pongs;
}

const struct h2_goaway *h2_session_goaway(const struct h2_session *session)
{
	return &session->goaway;
}

enum rc h2_session_fault(const struct h2_session *session, const char **text_r)
{
	*text_r = session->fault[0] != '\0' ? session->fault : "the peer broke the rules of HTTP/2";
	if (session->fault_code == NGHTTP2_INTERNAL_ERROR)
		return RC_NO_MEMORY; /* what else fails within nghttp2 */
	return session->is_over || session->fault[0] != '\0' ? RC_INVALID : RC_OK;
}

void h2_session_stats(const struct h2_session *session, struct h2_stats *stats_r)
{
	stats_r->requests = session->requests;
	stats_r->replies = session->replies;
	stats_r->pings = session->pings;
	stats_r->peer_streams_max = session->is_open ? session->peer_streams_max : H2_STREAMS_MAX;
}
