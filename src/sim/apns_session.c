/* SPDX-License-Identifier: Apache-2.0 */
#include "apns_session.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/clock.h"

enum {
	WINDOW_BYTES = 65535,
	HEADER_LIST_BYTES = 8000,
	ANSWER_FIELDS_MAX = 3,
	STATUS_TEXT_BYTES = 4,
	NUMBER_TEXT_BYTES = 24,
};

/* One request and its answer. Kept for the next stream when this one has closed. */
struct stream {
	struct stream *next_free;
	struct stream *next; /* of all, to be freed */
	struct apns_request request;
	struct apns_taken taken;
	size_t sent; /* of taken.body */
	size_t text_len;
	char text[1024]; /* the values of the request's fields */
	uint8_t body[APNS_PAYLOAD_BYTES_MAX];
};

struct apns_session {
	nghttp2_session *http2;
	struct apns *apns;
	struct apns_peer peer;
	uint64_t connection;
	struct stream *free_streams, *streams;
	int64_t now_ms;  /* of the bytes that are being read */
	int32_t last_id; /* what GOAWAY has named or will name: later streams are not taken */
	bool is_cut;
	bool is_settled, is_stalled; /* what the last SETTINGS said, if any were sent */
	int64_t max_streams;
};

/* --- streams */

static struct stream *stream_take(struct apns_session *session)
{
	struct stream *stream = session->free_streams;

	if (stream != NULL) {
		session->free_streams = stream->next_free;
	} else {
		stream = malloc(sizeof(*stream));
		if (stream == NULL)
			return NULL;
		stream->next = session->streams;
		session->streams = stream;
	}
	stream->request = (struct apns_request){.body = slice_of(stream->body, 0)};
	stream->text_len = 0;
	stream->sent = 0;
	return stream;
}

static int on_begin_headers(nghttp2_session *http2, const nghttp2_frame *frame, void *ctx)
{
	struct apns_session *session = ctx;
	struct stream *stream;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	stream = stream_take(session);
	if (stream == NULL)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	return nghttp2_session_set_stream_user_data(http2, frame->hd.stream_id, stream);
}

static int on_stream_close(nghttp2_session *http2, int32_t id, uint32_t error_code, void *ctx)
{
	struct apns_session *session = ctx;
	struct stream *stream = nghttp2_session_get_stream_user_data(http2, id);

	(void)error_code;
	if (stream == NULL)
		return 0;
	stream->next_free = session->free_streams;
	session->free_streams = stream;
	return 0;
}

/* --- the request */

/* The first value of a field, cut behind the byte that makes it too long. */
static void keep_field(struct stream *stream, enum apns_field field, struct slice value)
{
	unsigned bit = 1u << field;

	if (stream->request.present & bit) {
		stream->request.twice |= bit;
		return;
	}
	stream->request.present |= bit;
	value = slice_sub(value, 0, apns_field_bytes_max(field) + 1);
	value = slice_sub(value, 0, sizeof(stream->text) - stream->text_len);
	if (value.len > 0)
		memcpy(stream->text + stream->text_len, value.ptr, value.len);
	stream->request.fields[field] = slice_of(stream->text + stream->text_len, value.len);
	stream->text_len += value.len;
}

/* NOLINTNEXTLINE(readability-function-size): the signature is the library's */
static int on_header(nghttp2_session *http2, const nghttp2_frame *frame, const uint8_t *name,
	size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *ctx)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(http2, frame->hd.stream_id);
	enum apns_field field = apns_field_of(slice_of(name, name_len));

	(void)flags;
	(void)ctx;
	if (stream != NULL && field != APNS_FIELD_COUNT)
		keep_field(stream, field, slice_of(value, value_len));
	return 0;
}

static int on_data(nghttp2_session *http2, uint8_t flags, int32_t id, const uint8_t *data,
	size_t len, void *ctx)
{
	struct stream *stream = nghttp2_session_get_stream_user_data(http2, id);
	struct slice kept = slice_of(data, len);

	(void)flags;
	(void)ctx;
	if (stream == NULL)
		return 0;
	kept = slice_sub(kept, 0, sizeof(stream->body) - stream->request.body.len);
	if (kept.len > 0)
		memcpy(stream->body + stream->request.body.len, kept.ptr, kept.len);
	stream->request.body.len += kept.len;
	stream->request.body_bytes += len;
	return 0;
}

/* --- the answer */

/* nghttp2 copies the fields and leaves them alone; its type cannot say so. */
static uint8_t *lent(const char *text)
{
	union {
		const char *in;
		uint8_t *out;
	} ptr = {.in = text};

	return ptr.out;
}

static nghttp2_nv field_of(const char *name, const char *value)
{
	return (nghttp2_nv){.name = lent(name),
		.value = lent(value),
		.namelen = strlen(name),
		.valuelen = strlen(value),
		.flags = NGHTTP2_NV_FLAG_NONE};
}

/* NOLINTNEXTLINE(readability-function-size): the signature is the library's */
static ssize_t read_body(nghttp2_session *http2, int32_t id, uint8_t *out, size_t size,
	uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
	struct stream *stream = source->ptr;
	struct slice rest = slice_of_str(stream->taken.body + stream->sent);
	struct slice part = slice_sub(rest, 0, size);

	(void)http2;
	(void)id;
	(void)ctx;
	if (part.len == rest.len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (part.len > 0)
		memcpy(out, part.ptr, part.len);
	stream->sent += part.len;
	return (ssize_t)part.len;
}

static int answer(struct apns_session *session, int32_t id, struct stream *stream)
{
	const struct apns_taken *taken = &stream->taken;
	nghttp2_data_provider body = {.source.ptr = stream, .read_callback = read_body};
	char status[NUMBER_TEXT_BYTES] = "200", retry_after[NUMBER_TEXT_BYTES];
	nghttp2_nv fields[ANSWER_FIELDS_MAX];
	size_t count = 2;

	if (taken->status != 200)
		(void)snprintf(status, sizeof(status), "%u", taken->status);
	fields[0] = field_of(":status", status);
	fields[1] = field_of("apns-id", taken->id);
	fields[1].flags = NGHTTP2_NV_FLAG_NO_INDEX; /* it does not come again */
	if (taken->retry_after_s >= 0) {
		(void)snprintf(retry_after, sizeof(retry_after), "%lld", (long long)taken->retry_after_s);
		fields[count++] = field_of("retry-after", retry_after);
	}
	return nghttp2_submit_response(session->http2, id, fields, count,
		taken->body[0] == '\0' ? NULL : &body);
}

static int act(struct apns_session *session, int32_t id, struct stream *stream)
{
	switch (stream->taken.deed) {
	case APNS_ANSWER:
		return answer(session, id, stream);
	case APNS_REFUSE:
		return nghttp2_submit_rst_stream(session->http2, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
	case APNS_RESET:
		session->is_cut = true;
		break;
	case APNS_QUIET:
		break;
	}
	return 0;
}

static int submit_goaway(struct apns_session *session, int32_t last_id, struct slice debug)
{
	session->apns->stats.goaways++;
	session->last_id = last_id;
	return nghttp2_submit_goaway(session->http2, NGHTTP2_FLAG_NONE, last_id, NGHTTP2_NO_ERROR,
		debug.ptr, debug.len);
}

static int take(struct apns_session *session, int32_t id, struct stream *stream)
{
	int status;

	apns_take(session->apns, &stream->request, &session->peer, session->connection, session->now_ms,
		&stream->taken);
	status = act(session, id, stream);
	if (status == 0 && stream->taken.is_goaway && stream->taken.deed != APNS_RESET)
		status = submit_goaway(session, id, (struct slice){0});
	return status == 0 ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_frame(nghttp2_session *http2, const nghttp2_frame *frame, void *ctx)
{
	struct apns_session *session = ctx;
	struct stream *stream;

	if (frame->hd.type == NGHTTP2_PING && !(frame->hd.flags & NGHTTP2_FLAG_ACK))
		session->apns->stats.pings++;
	if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
		!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) || session->is_cut ||
		frame->hd.stream_id > session->last_id)
		return 0;
	stream = nghttp2_session_get_stream_user_data(http2, frame->hd.stream_id);
	return stream == NULL ? 0 : take(session, frame->hd.stream_id, stream);
}

/* --- life */

static int start(struct apns_session *session)
{
	nghttp2_session_callbacks *callbacks = NULL;
	nghttp2_option *option = NULL;
	int status = nghttp2_session_callbacks_new(&callbacks);

	if (status == 0)
		status = nghttp2_option_new(&option);
	if (status == 0) {
		nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
		nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
		nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
		nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
		nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
		nghttp2_option_set_no_closed_streams(option, 1); /* they are for priorities, which APNs ignores */
		status = nghttp2_session_server_new2(&session->http2, callbacks, session, option);
	}
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	return status;
}

enum rc apns_session_settle(struct apns_session *session)
{
	const struct apns_faults *faults = &session->apns->faults.faults;
	const nghttp2_settings_entry entries[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)faults->max_streams},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, faults->stall_window ? 0 : WINDOW_BYTES},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_LIST_BYTES},
		{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
	};

	if (session->is_settled && session->is_stalled == faults->stall_window &&
		session->max_streams == faults->max_streams)
		return RC_OK;
	session->is_settled = true;
	session->is_stalled = faults->stall_window;
	session->max_streams = faults->max_streams;
	if (nghttp2_submit_settings(session->http2, NGHTTP2_FLAG_NONE, entries, COUNT_OF(entries)) != 0)
		return RC_NO_MEMORY;
	return RC_OK;
}

enum rc apns_session_new(struct apns *apns, const struct apns_peer *peer, uint64_t connection,
	struct apns_session **session_r, struct err *err)
{
	struct apns_session *session = calloc(1, sizeof(*session));

	*session_r = NULL;
	if (session == NULL)
		return err_set(err, RC_NO_MEMORY, "HTTP/2");
	session->apns = apns;
	session->peer = *peer;
	session->connection = connection;
	session->last_id = INT32_MAX;
	if (start(session) != 0 || apns_session_settle(session) != RC_OK) {
		apns_session_free(&session);
		return err_set(err, RC_NO_MEMORY, "HTTP/2");
	}
	*session_r = session;
	return RC_OK;
}

void apns_session_free(struct apns_session **session)
{
	if (*session == NULL)
		return;
	nghttp2_session_del((*session)->http2);
	while ((*session)->streams != NULL) {
		struct stream *stream = (*session)->streams;

		(*session)->streams = stream->next;
		free(stream);
	}
	free(*session);
	*session = NULL;
}

/* --- bytes */

enum rc apns_session_read(struct apns_session *session, struct slice bytes, struct err *err)
{
	ssize_t taken;

	session->now_ms = clock_unix_ms(clock_system());
	taken = nghttp2_session_mem_recv(session->http2, bytes.ptr, bytes.len);
	if (taken < 0)
		return err_set(err, RC_INVALID, "HTTP/2: %s", nghttp2_strerror((int)taken));
	return RC_OK;
}

enum rc apns_session_write(struct apns_session *session, struct slice *bytes_r)
{
	const uint8_t *bytes;
	ssize_t len = nghttp2_session_mem_send(session->http2, &bytes);

	*bytes_r = slice_of(bytes, len < 0 ? 0 : (size_t)len);
	return len < 0 ? RC_NO_MEMORY : RC_OK;
}

bool apns_session_is_over(const struct apns_session *session)
{
	return nghttp2_session_want_read(session->http2) == 0 &&
		nghttp2_session_want_write(session->http2) == 0;
}

bool apns_session_is_cut(const struct apns_session *session)
{
	return session->is_cut;
}

enum rc apns_session_go_away(struct apns_session *session, bool is_all, const char *reason)
{
	int32_t last = is_all ? nghttp2_session_get_last_proc_stream_id(session->http2) : 0;
	char text[APNS_ANSWER_BYTES_MAX];
	int len = 0;

	if (last > session->last_id)
		last = session->last_id;
	if (reason[0] != '\0')
		len = snprintf(text, sizeof(text), "{\"reason\":\"%s\"}", reason);
	return submit_goaway(session, last, slice_of(text, (size_t)len)) == 0 ? RC_OK : RC_NO_MEMORY;
}
