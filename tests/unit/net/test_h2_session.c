/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "h2_frames.h"
#include "h2_session.h"

enum { OUT_BYTES_MAX = 16 * 1024 * 1024, REQUESTS = 5, PREFACE_BYTES = 24 };

/* A session, what its peer sends and what it sent itself; no socket. */
struct bench {
	struct h2_session *session;
	struct buf in, out;
	struct err err;
};

struct ask {
	struct h2_request request;
	unsigned done;
	enum h2_fate fate;
	unsigned status;
	uint32_t error_code;
	char kept[H2_KEPT_BYTES_MAX + 1];
	char body[H2_BODY_BYTES_MAX + 1];
	size_t body_len;
};

static struct ask asks[REQUESTS];

static const struct h2_field fields[] = {
	{SLICE_LITERAL(":method"), SLICE_LITERAL("POST"), false},
	{SLICE_LITERAL(":scheme"), SLICE_LITERAL("https"), false},
	{SLICE_LITERAL(":authority"), SLICE_LITERAL("localhost"), false},
	{SLICE_LITERAL(":path"), SLICE_LITERAL("/3/device/00"), true},
};

static void on_done(struct h2_request *request, const struct h2_reply *reply)
{
	struct ask *ask = (struct ask *)request;

	ask->done++;
	ask->fate = reply->fate;
	ask->status = reply->status;
	ask->error_code = reply->error_code;
	ask->body_len = reply->body.len;
	(void)snprintf(ask->kept, sizeof(ask->kept), "%.*s", SLICE_FMT(reply->kept[0]));
	(void)snprintf(ask->body, sizeof(ask->body), "%.*s", SLICE_FMT(reply->body));
}

static int setup(void **state)
{
	static struct bench bench;
	const char *const kept[H2_KEPT_MAX] = {"apns-id"};

	memset(&bench, 0, sizeof(bench));
	memset(asks, 0, sizeof(asks));
	buf_init(&bench.in, OUT_BYTES_MAX);
	buf_init(&bench.out, OUT_BYTES_MAX);
	*state = &bench;
	return h2_session_new(kept, &bench.session, NULL) == RC_OK ? 0 : -1;
}

static int teardown(void **state)
{
	struct bench *bench = *state;

	h2_session_free(&bench->session);
	buf_fini(&bench->in);
	buf_fini(&bench->out);
	return 0;
}

/* What was gathered in bench->in comes from the peer. */
static enum rc feed(struct bench *bench)
{
	enum rc rc = h2_session_take(bench->session, buf_slice(&bench->in), &bench->err);

	buf_clear(&bench->in);
	return rc;
}

/* All that the session has for the peer. */
static enum rc drain(struct bench *bench)
{
	struct slice piece = {NULL, 0};
	enum rc rc;

	do {
		rc = h2_session_give(bench->session, &piece, &bench->err);
		buf_append(&bench->out, piece);
	} while (rc == RC_OK && piece.len > 0);
	return rc;
}

static void greet(struct bench *bench)
{
	frame_add(&bench->in, NGHTTP2_SETTINGS, 0, 0, slice_of(NULL, 0));
	assert_int_equal(feed(bench), RC_OK);
	assert_int_equal(drain(bench), RC_OK);
	frame_add(&bench->in, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, slice_of(NULL, 0));
	assert_int_equal(feed(bench), RC_OK);
}

static void ask(struct bench *bench, size_t count, struct slice body)
{
	for (size_t i = 0; i < count; i++) {
		asks[i].request = (struct h2_request){fields, COUNT_OF(fields), body, on_done};
		assert_int_equal(h2_session_request(bench->session, &asks[i].request, NULL), RC_OK);
	}
}

static void headers(struct bench *bench, int32_t id, unsigned flags, struct slice block)
{
	frame_add(&bench->in, NGHTTP2_HEADERS, flags | NGHTTP2_FLAG_END_HEADERS, id, block);
}

/* Where a frame of this type begins in what was sent; NULL: there is none. */
static const uint8_t *sent_frame(const struct bench *bench, uint8_t type)
{
	size_t at = PREFACE_BYTES;

	while (at + FRAME_HEAD_BYTES <= bench->out.len) {
		const uint8_t *head = bench->out.ptr + at;

		if (head[3] == type)
			return head;
		at += FRAME_HEAD_BYTES + ((size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2]);
	}
	return NULL;
}

static const char *fault_of(const struct bench *bench)
{
	const char *text;

	return h2_session_fault(bench->session, &text) != RC_OK ? text : NULL;
}

/* --- */

static void it_begins_with_the_preface_and_allows_no_push(void **state)
{
	struct bench *bench = *state;
	const uint8_t settings[] = {0, 0, 12, NGHTTP2_SETTINGS, 0, 0, 0, 0, 0, /* */
		0, NGHTTP2_SETTINGS_ENABLE_PUSH, 0, 0, 0, 0,                          /* */
		0, NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 0, 0, 0x40, 0};

	assert_int_equal(drain(bench), RC_OK);
	assert_memory_equal(bench->out.ptr, NGHTTP2_CLIENT_MAGIC, PREFACE_BYTES);
	assert_memory_equal(sent_frame(bench, NGHTTP2_SETTINGS), settings, sizeof(settings));
}

static void nothing_may_be_asked_before_the_settings_of_the_peer(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(h2_session_room(bench->session), 0);
	asks[0].request = (struct h2_request){fields, COUNT_OF(fields), {NULL, 0}, on_done};
	assert_int_equal(h2_session_request(bench->session, &asks[0].request, &bench->err), RC_BUSY);
	greet(bench);
	assert_int_equal(h2_session_room(bench->session), H2_STREAMS_MAX);
}

static void a_reply_with_trailers_informational_ones_and_padding_is_read(void **state)
{
	struct bench *bench = *state;

	greet(bench);
	ask(bench, 1, SLICE_LITERAL("{}"));
	assert_int_equal(drain(bench), RC_OK);
	headers(bench, 1, 0, SLICE_LITERAL(BLOCK_STATUS_103 BLOCK_APNS_ID_2));
	headers(bench, 1, NGHTTP2_FLAG_PADDED,
		SLICE_LITERAL("\x03" BLOCK_STATUS_200 BLOCK_APNS_ID_1 BLOCK_APNS_ID_2 "\0\0\0"));
	frame_add(&bench->in, NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1,
		SLICE_LITERAL("\x02"
																"ok"
																"\0\0"));
	headers(bench, 1, NGHTTP2_FLAG_END_STREAM, SLICE_LITERAL(BLOCK_APNS_ID_2));
	assert_int_equal(feed(bench), RC_OK);
	assert_int_equal(asks[0].done, 0);
	h2_session_hand_back(bench->session);
	assert_int_equal(asks[0].done, 1);
	assert_int_equal(asks[0].fate, H2_ANSWERED);
	assert_int_equal(asks[0].status, 200);
	assert_string_equal(asks[0].kept, "1");
	assert_string_equal(asks[0].body, "ok");
}

/* A record that is used again must carry nothing over. */
static void a_bare_reply_after_a_full_one_has_neither_its_fields_nor_its_body(void **state)
{
	struct bench *bench = *state;

	greet(bench);
	for (int32_t id = 1; id <= 3; id += 2) {
		bool is_full = id == 1;

		ask(bench, 1, SLICE_LITERAL("{}"));
		assert_int_equal(drain(bench), RC_OK);
		if (is_full) {
			headers(bench, id, 0, SLICE_LITERAL(BLOCK_STATUS_200 BLOCK_APNS_ID_1));
			frame_add(&bench->in, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, id, SLICE_LITERAL("full"));
		} else {
			headers(bench, id, NGHTTP2_FLAG_END_STREAM, SLICE_LITERAL(BLOCK_STATUS_200));
		}
		assert_int_equal(feed(bench), RC_OK);
		h2_session_hand_back(bench->session);
		assert_string_equal(asks[0].body, is_full ? "full" : "");
		assert_string_equal(asks[0].kept, is_full ? "1" : "");
	}
}

static void what_was_not_sent_when_goaway_comes_is_refused_at_once(void **state)
{
	struct bench *bench = *state;

	greet(bench);
	ask(bench, 1, SLICE_LITERAL("{}"));
	assert_int_equal(drain(bench), RC_OK);
	ask(bench, REQUESTS, SLICE_LITERAL("{}")); /* asks[0] again: only its number counts */
	frame_add_goaway(&bench->in, FRAME_LAST_STREAM_ALL, NGHTTP2_NO_ERROR, "");
	assert_int_equal(feed(bench), RC_OK);
	assert_int_equal(h2_session_room(bench->session), 0);
	h2_session_hand_back(bench->session);
	for (size_t i = 0; i < REQUESTS; i++) {
		assert_int_equal(asks[i].done, 1);
		assert_int_equal(asks[i].fate, H2_REFUSED);
	}
	assert_int_equal(h2_session_in_flight(bench->session), 1);
	assert_int_equal(drain(bench), RC_OK); /* nghttp2 drops them only now */
	assert_int_equal(h2_session_in_flight(bench->session), 1);
	headers(bench, 1, NGHTTP2_FLAG_END_STREAM, SLICE_LITERAL(BLOCK_STATUS_200));
	assert_int_equal(feed(bench), RC_OK);
	h2_session_hand_back(bench->session);
	assert_int_equal(asks[0].done, 2);
	assert_int_equal(asks[0].fate, H2_ANSWERED);
}

static void streams_above_the_last_one_of_goaway_are_refused_and_the_others_go_on(void **state)
{
	struct bench *bench = *state;

	greet(bench);
	ask(bench, 3, SLICE_LITERAL("{}"));
	assert_int_equal(drain(bench), RC_OK);
	frame_add_goaway(&bench->in, FRAME_LAST_STREAM_ALL, NGHTTP2_NO_ERROR, "");
	assert_int_equal(feed(bench), RC_OK);
	h2_session_hand_back(bench->session);
	assert_int_equal(h2_session_in_flight(bench->session), 3);
	frame_add_goaway(&bench->in, 3, NGHTTP2_NO_ERROR, "{\"reason\":\"Shutdown\"}");
	assert_int_equal(feed(bench), RC_OK);
	h2_session_hand_back(bench->session);
	assert_int_equal(asks[0].done + asks[1].done, 0);
	assert_int_equal(asks[2].fate, H2_REFUSED);
	assert_int_equal(asks[2].done, 1);
	frame_add_goaway(&bench->in, 1, NGHTTP2_ENHANCE_YOUR_CALM, "");
	assert_int_equal(feed(bench), RC_OK);
	h2_session_hand_back(bench->session);
	assert_int_equal(asks[1].fate, H2_REFUSED);
	assert_int_equal(h2_session_in_flight(bench->session), 1);
	assert_int_equal(h2_session_goaway(bench->session)->error_code, NGHTTP2_ENHANCE_YOUR_CALM);
	assert_int_equal(h2_session_goaway(bench->session)->len, strlen("{\"reason\":\"Shutdown\"}"));
}

static void the_debug_data_of_goaway_is_cut_at_its_bound(void **state)
{
	struct bench *bench = *state;
	char debug[H2_GOAWAY_BYTES_MAX + 2] = "";

	greet(bench);
	ask(bench, 1, slice_of(NULL, 0)); /* a session with nothing to do reads no more after GOAWAY */
	assert_int_equal(drain(bench), RC_OK);
	for (size_t len = H2_GOAWAY_BYTES_MAX - 1; len <= H2_GOAWAY_BYTES_MAX + 1; len++) {
		memset(debug, 'd', len);
		frame_add_goaway(&bench->in, FRAME_LAST_STREAM_ALL, NGHTTP2_NO_ERROR, debug);
		assert_int_equal(feed(bench), RC_OK);
		assert_int_equal(h2_session_goaway(bench->session)->len,
			len < H2_GOAWAY_BYTES_MAX ? len : H2_GOAWAY_BYTES_MAX);
	}
}

static void the_fate_of_a_stream_that_is_reset_depends_on_code_and_reply(void **state)
{
	struct bench *bench = *state;

	greet(bench);
	ask(bench, 4, SLICE_LITERAL("{}"));
	assert_int_equal(drain(bench), RC_OK);
	frame_add_reset(&bench->in, 1, NGHTTP2_REFUSED_STREAM);
	frame_add_reset(&bench->in, 3, NGHTTP2_INTERNAL_ERROR);
	headers(bench, 5, 0, SLICE_LITERAL(BLOCK_STATUS_200)); /* so it was processed */
	frame_add_reset(&bench->in, 5, NGHTTP2_REFUSED_STREAM);
	frame_add_reset(&bench->in, 7, NGHTTP2_NO_ERROR);
	assert_int_equal(feed(bench), RC_OK);
	h2_session_hand_back(bench->session);
	assert_int_equal(asks[0].fate, H2_REFUSED);
	assert_int_equal(asks[0].error_code, NGHTTP2_REFUSED_STREAM);
	assert_int_equal(asks[1].fate, H2_LOST);
	assert_int_equal(asks[1].error_code, NGHTTP2_INTERNAL_ERROR);
	assert_int_equal(asks[2].fate, H2_LOST);
	assert_int_equal(asks[2].status, 0);
	assert_int_equal(asks[3].fate, H2_LOST);
}

/* The stream's window is closed, the body waits, and the peer has made up its mind already. */
static void a_whole_reply_ends_a_request_whose_body_was_not_sent(void **state)
{
	struct bench *bench = *state;
	const uint8_t cancel[] = {0, 0, 4, NGHTTP2_RST_STREAM, 0, 0, 0, 0, 1, 0, 0, 0, NGHTTP2_CANCEL};

	frame_add_setting(&bench->in, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
	assert_int_equal(feed(bench), RC_OK);
	ask(bench, 1, SLICE_LITERAL("{}"));
	assert_int_equal(drain(bench), RC_OK);
	assert_null(sent_frame(bench, NGHTTP2_DATA));
	headers(bench, 1, NGHTTP2_FLAG_END_STREAM, SLICE_LITERAL(BLOCK_STATUS_200));
	assert_int_equal(feed(bench), RC_OK);
	h2_session_hand_back(bench->session);
	assert_int_equal(asks[0].fate, H2_ANSWERED);
	assert_int_equal(h2_session_in_flight(bench->session), 0);
	assert_int_equal(h2_session_room(bench->session), H2_STREAMS_MAX - 1); /* not closed yet */
	assert_int_equal(drain(bench), RC_OK);
	assert_memory_equal(sent_frame(bench, NGHTTP2_RST_STREAM), cancel, sizeof(cancel));
	assert_int_equal(h2_session_room(bench->session), H2_STREAMS_MAX);
}

static void a_lost_connection_tells_what_was_sent_from_what_was_not(void **state)
{
	struct bench *bench = *state;
	struct slice piece;

	greet(bench);
	ask(bench, 2, slice_of(NULL, 0));
	assert_int_equal(h2_session_give(bench->session, &piece, NULL), RC_OK); /* the first HEADERS */
	assert_true(piece.len > 0);
	h2_session_abandon(bench->session);
	h2_session_hand_back(bench->session);
	assert_int_equal(asks[0].fate, H2_LOST);
	assert_int_equal(asks[1].fate, H2_REFUSED);
	assert_int_equal(h2_session_room(bench->session), 0);
}

static void a_hushed_session_hands_nothing_back(void **state)
{
	struct bench *bench = *state;

	greet(bench);
	ask(bench, 2, slice_of(NULL, 0));
	h2_session_hush(bench->session);
	h2_session_abandon(bench->session);
	h2_session_hand_back(bench->session);
	assert_int_equal(asks[0].done + asks[1].done, 0);
}

/* --- bounds */

static void a_reply_body_is_kept_up_to_its_bound(void **state)
{
	static const char zeros[H2_BODY_BYTES_MAX + 1];
	struct bench *bench = *state;

	greet(bench);
	ask(bench, 3, slice_of(NULL, 0));
	assert_int_equal(drain(bench), RC_OK);
	for (int32_t i = 0; i < 3; i++) {
		size_t len = (size_t)(H2_BODY_BYTES_MAX - 1 + i);

		headers(bench, 2 * i + 1, 0, SLICE_LITERAL(BLOCK_STATUS_200));
		frame_add(&bench->in, NGHTTP2_DATA, 0, 2 * i + 1, slice_of(zeros, len / 2));
		frame_add(&bench->in, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 2 * i + 1,
			slice_of(zeros, len - len / 2));
		assert_int_equal(feed(bench), RC_OK);
		h2_session_hand_back(bench->session);
		assert_int_equal(asks[i].fate, H2_ANSWERED);
		assert_int_equal(asks[i].body_len, len < H2_BODY_BYTES_MAX ? len : H2_BODY_BYTES_MAX);
	}
}

/* A literal field "x" with a value of this length, in HPACK's prefix integers. */
static void add_long_field(struct buf *block, size_t len)
{
	size_t left = len - 127;

	buf_append(block, SLICE_LITERAL("\x00\x01x\x7f"));
	for (; left >= 128; left /= 128)
		buf_append_byte(block, (uint8_t)(left % 128 + 128));
	buf_append_byte(block, (uint8_t)left);
	for (size_t i = 0; i < len; i++)
		buf_append_byte(block, 'v');
}

static void send_headers_of(struct bench *bench, int32_t id, size_t len)
{
	struct buf block;
	struct slice all;

	buf_init(&block, OUT_BYTES_MAX);
	buf_append(&block, SLICE_LITERAL(BLOCK_STATUS_200));
	add_long_field(&block, len - (7 + 3 + 32) - (1 + 32));
	all = buf_slice(&block);
	frame_add(&bench->in, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, id, slice_sub(all, 0, 8000));
	frame_add(&bench->in, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, id,
		slice_sub(all, 8000, all.len));
	buf_fini(&block);
}

static void a_header_block_past_its_bound_resets_the_stream_and_no_other(void **state)
{
	struct bench *bench = *state;

	greet(bench);
	ask(bench, 2, slice_of(NULL, 0));
	assert_int_equal(drain(bench), RC_OK);
	send_headers_of(bench, 1, H2_REPLY_HEADER_BYTES_MAX);
	assert_int_equal(feed(bench), RC_OK);
	send_headers_of(bench, 3, H2_REPLY_HEADER_BYTES_MAX + 1);
	assert_int_equal(feed(bench), RC_OK);
	assert_null(sent_frame(bench, NGHTTP2_RST_STREAM));
	assert_int_equal(drain(bench), RC_OK);
	assert_non_null(sent_frame(bench, NGHTTP2_RST_STREAM));
	h2_session_hand_back(bench->session);
	assert_int_equal(asks[0].fate, H2_ANSWERED);
	assert_int_equal(asks[1].fate, H2_LOST);
	assert_int_equal(asks[1].error_code, NGHTTP2_INTERNAL_ERROR);
	assert_null(fault_of(bench));
}

static void informational_replies_without_end_reset_the_stream(void **state)
{
	struct bench *bench = *state;
	/* ":status" and its value, with 32 more, are 42 bytes. */
	const int fit = H2_REPLY_HEADER_BYTES_MAX / 42;

	greet(bench);
	ask(bench, 1, slice_of(NULL, 0));
	assert_int_equal(drain(bench), RC_OK);
	for (int i = 0; i < fit; i++)
		headers(bench, 1, 0, SLICE_LITERAL(BLOCK_STATUS_103));
	assert_int_equal(feed(bench), RC_OK);
	assert_int_equal(drain(bench), RC_OK);
	assert_null(sent_frame(bench, NGHTTP2_RST_STREAM));
	headers(bench, 1, 0, SLICE_LITERAL(BLOCK_STATUS_103));
	assert_int_equal(feed(bench), RC_OK);
	assert_int_equal(drain(bench), RC_OK);
	assert_non_null(sent_frame(bench, NGHTTP2_RST_STREAM));
	h2_session_hand_back(bench->session);
	assert_int_equal(asks[0].fate, H2_LOST);
}

static void kept_fields_are_dropped_past_their_bound(void **state)
{
	struct bench *bench = *state;
	char block[3 + 7 + 1 + 2 + H2_KEPT_BYTES_MAX + 1];

	greet(bench);
	ask(bench, 2, slice_of(NULL, 0));
	assert_int_equal(drain(bench), RC_OK);
	for (int i = 0; i < 2; i++) {
		int len = snprintf(block, sizeof(block), "%s%c%s%c%0*d", "\x88", 0x10,
			"\x07"
			"apns-id",
			H2_KEPT_BYTES_MAX + i, H2_KEPT_BYTES_MAX + i, 0);

		headers(bench, 2 * i + 1, NGHTTP2_FLAG_END_STREAM, slice_of(block, (size_t)len));
	}
	assert_int_equal(feed(bench), RC_OK);
	h2_session_hand_back(bench->session);
	assert_int_equal(asks[0].fate, H2_ANSWERED);
	assert_int_equal(strlen(asks[0].kept), H2_KEPT_BYTES_MAX);
	assert_int_equal(asks[1].fate, H2_ANSWERED);
	assert_string_equal(asks[1].kept, "");
}

static enum rc try_request(struct bench *bench, size_t field_count, size_t value_len,
	size_t body_len)
{
	static const char zeros[H2_REQUEST_HEADER_BYTES_MAX + 1];
	struct h2_field many[H2_FIELDS_MAX + 1];

	for (size_t i = 0; i < field_count; i++)
		many[i] = (struct h2_field){SLICE_LITERAL("x"), {NULL, 0}, false};
	many[0].value = slice_of(zeros, value_len);
	asks[0].request = (struct h2_request){many, field_count, slice_of(zeros, body_len), on_done};
	return h2_session_request(bench->session, &asks[0].request, &bench->err);
}

static void a_request_past_a_bound_is_not_taken(void **state)
{
	struct bench *bench = *state;
	const size_t bytes = H2_REQUEST_HEADER_BYTES_MAX;

	greet(bench);
	assert_int_equal(try_request(bench, H2_FIELDS_MAX, 0, 0), RC_OK);
	assert_int_equal(try_request(bench, H2_FIELDS_MAX + 1, 0, 0), RC_LIMIT);
	assert_int_equal(try_request(bench, 1, 0, H2_BODY_BYTES_MAX), RC_OK);
	assert_int_equal(try_request(bench, 1, 0, H2_BODY_BYTES_MAX + 1), RC_LIMIT);
	assert_int_equal(try_request(bench, 1, bytes - 1, 0), RC_OK);
	assert_int_equal(try_request(bench, 1, bytes, 0), RC_LIMIT);
	assert_int_equal(h2_session_in_flight(bench->session), 3);
}

static void names_of_kept_fields_have_a_bound(void **state)
{
	char name[H2_KEPT_BYTES_MAX + 2] = "";
	const char *const kept[H2_KEPT_MAX] = {name};
	struct h2_session *session;
	struct err err;

	(void)state;
	assert_int_equal(h2_session_new(kept, &session, &err), RC_INVALID);
	memset(name, 'n', H2_KEPT_BYTES_MAX);
	assert_int_equal(h2_session_new(kept, &session, &err), RC_OK);
	h2_session_free(&session);
	name[H2_KEPT_BYTES_MAX] = 'n';
	assert_int_equal(h2_session_new(kept, &session, &err), RC_INVALID);
	assert_null(session);
}

static void no_more_streams_are_opened_than_ours_or_the_peers_bound(void **state)
{
	struct bench *bench = *state;

	frame_add_setting(&bench->in, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, H2_STREAMS_MAX + 1);
	assert_int_equal(feed(bench), RC_OK);
	assert_int_equal(h2_session_room(bench->session), H2_STREAMS_MAX);
	frame_add_setting(&bench->in, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2);
	assert_int_equal(feed(bench), RC_OK);
	ask(bench, 2, slice_of(NULL, 0));
	assert_int_equal(h2_session_room(bench->session), 0);
	frame_add_setting(&bench->in, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0);
	assert_int_equal(feed(bench), RC_OK);
	assert_int_equal(h2_session_room(bench->session), 0);
	frame_add_setting(&bench->in, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 3);
	assert_int_equal(feed(bench), RC_OK);
	assert_int_equal(h2_session_room(bench->session), 1);
}

static void after_its_last_stream_id_a_session_is_retired(void **state)
{
	struct bench *bench = *state;

	greet(bench);
	h2_session_set_requests_max(bench->session, 3);
	assert_int_equal(h2_session_room(bench->session), 3);
	ask(bench, 2, slice_of(NULL, 0));
	assert_int_equal(h2_session_room(bench->session), 1);
	assert_false(h2_session_is_retired(bench->session));
	ask(bench, 1, slice_of(NULL, 0));
	assert_int_equal(h2_session_room(bench->session), 0);
	assert_true(h2_session_is_retired(bench->session));
}

static void unsent_bytes_have_a_bound(void **state)
{
	static struct ask many[H2_STREAMS_MAX];
	static const char zeros[H2_BODY_BYTES_MAX];
	struct bench *bench = *state;
	const size_t header_bytes = strlen(":methodPOST:schemehttps:authoritylocalhost:path/3/device/00");
	size_t taken = 0;

	greet(bench);
	for (; h2_session_room(bench->session) > 0; taken++) {
		many[taken].request =
			(struct h2_request){fields, COUNT_OF(fields), slice_of(zeros, sizeof(zeros)), on_done};
		assert_int_equal(h2_session_request(bench->session, &many[taken].request, NULL), RC_OK);
	}
	assert_int_equal(taken,
		(H2_PUT_OFF_BYTES_MAX + sizeof(zeros) + header_bytes - 1) / (sizeof(zeros) + header_bytes));
	assert_int_equal(drain(bench), RC_OK); /* the headers and 65,535 bytes of bodies go */
	assert_true(h2_session_room(bench->session) > 0);
}

/* --- peers that break the rules */

struct fault {
	uint8_t type;
	unsigned flags;
	int32_t stream_id;
	struct slice payload;
	const char *text;
};

static void what_is_no_http_2_is_a_fault_with_a_name(void **state)
{
	static const uint8_t settings[33 * 6];
	static const uint8_t large[16385];
	const struct fault faults[] = {
		{NGHTTP2_DATA, 0, 0, SLICE_LITERAL("x"), "PROTOCOL_ERROR"},
		{NGHTTP2_DATA, 0, 2, SLICE_LITERAL("x"), "PROTOCOL_ERROR"},
		{NGHTTP2_DATA, 0, 1, {large, sizeof(large)}, "FRAME_SIZE_ERROR"},
		{NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, SLICE_LITERAL("\xff\xff\xff\xff\xff"),
			"COMPRESSION_ERROR"},
		{NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_PADDED, 1, SLICE_LITERAL("\x09\x88"),
			"PROTOCOL_ERROR"},
		{NGHTTP2_PUSH_PROMISE, NGHTTP2_FLAG_END_HEADERS, 1, SLICE_LITERAL("\0\0\0\2\x88"),
			"PROTOCOL_ERROR"},
		{NGHTTP2_SETTINGS, 0, 0, SLICE_LITERAL("\0\4\xff\xff\xff\xff"), "FLOW_CONTROL_ERROR"},
		{NGHTTP2_SETTINGS, 0, 0, SLICE_LITERAL("\0\4\xff"), "FRAME_SIZE_ERROR"},
		{NGHTTP2_SETTINGS, 0, 0, {settings, sizeof(settings)}, "ENHANCE_YOUR_CALM"},
		{NGHTTP2_WINDOW_UPDATE, 0, 0, SLICE_LITERAL("\x7f\xff\xff\xff"), "FLOW_CONTROL_ERROR"},
		{NGHTTP2_CONTINUATION, 0, 1, SLICE_LITERAL("\x88"), "PROTOCOL_ERROR"},
		{NGHTTP2_PING, 0, 0, SLICE_LITERAL("short"), "FRAME_SIZE_ERROR"},
	};

	for (size_t i = 0; i < COUNT_OF(faults); i++) {
		const struct fault *fault = &faults[i];
		struct bench *bench = *state;
		const char *text;

		greet(bench);
		ask(bench, 1, slice_of(NULL, 0));
		assert_int_equal(drain(bench), RC_OK);
		frame_add(&bench->in, fault->type, fault->flags, fault->stream_id, fault->payload);
		assert_int_equal(feed(bench), RC_OK);
		assert_int_equal(drain(bench), RC_OK);
		text = fault_of(bench);
		if (text == NULL || strstr(text, fault->text) == NULL)
			fail_msg("fault %zu: %s", i, text != NULL ? text : "none");
		assert_int_equal(h2_session_room(bench->session), 0);
		(void)teardown(state);
		assert_int_equal(setup(state), 0);
	}
}

/* As long as the peer has not acknowledged our SETTINGS it may promise. */
static void an_early_push_is_turned_down_and_keeps_nothing(void **state)
{
	struct bench *bench = *state;

	frame_add(&bench->in, NGHTTP2_SETTINGS, 0, 0, slice_of(NULL, 0));
	assert_int_equal(feed(bench), RC_OK);
	ask(bench, 1, slice_of(NULL, 0));
	assert_int_equal(drain(bench), RC_OK);
	frame_add(&bench->in, NGHTTP2_PUSH_PROMISE, NGHTTP2_FLAG_END_HEADERS, 1,
		SLICE_LITERAL("\0\0\0\2\x82\x84\x87\x01\x01"
																"a"));
	headers(bench, 1, NGHTTP2_FLAG_END_STREAM, SLICE_LITERAL(BLOCK_STATUS_200));
	assert_int_equal(feed(bench), RC_OK);
	assert_int_equal(drain(bench), RC_OK);
	assert_non_null(sent_frame(bench, NGHTTP2_RST_STREAM));
	assert_null(fault_of(bench));
	h2_session_hand_back(bench->session);
	assert_int_equal(asks[0].fate, H2_ANSWERED);
}

static void a_first_frame_that_is_not_settings_is_a_fault(void **state)
{
	struct bench *bench = *state;

	buf_append(&bench->in, SLICE_LITERAL("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"));
	(void)!feed(bench);
	assert_non_null(fault_of(bench));
	assert_false(h2_session_is_open(bench->session));
}

static void a_reply_that_is_malformed_ends_its_stream_alone(void **state)
{
	struct bench *bench = *state;

	greet(bench);
	ask(bench, 2, slice_of(NULL, 0));
	assert_int_equal(drain(bench), RC_OK);
	headers(bench, 1, NGHTTP2_FLAG_END_STREAM, SLICE_LITERAL(BLOCK_APNS_ID_1)); /* no :status */
	headers(bench, 3, NGHTTP2_FLAG_END_STREAM, SLICE_LITERAL(BLOCK_STATUS_200));
	assert_int_equal(feed(bench), RC_OK);
	assert_int_equal(drain(bench), RC_OK);
	h2_session_hand_back(bench->session);
	assert_int_equal(asks[0].fate, H2_LOST);
	assert_int_equal(asks[1].fate, H2_ANSWERED);
}

static void pings_that_nobody_reads_the_answers_of_end_it(void **state)
{
	struct bench *bench = *state;
	const int waiting_max = 128;
	enum rc rc = RC_OK;
	int fed = 0;

	greet(bench);
	while (rc == RC_OK && fed <= waiting_max + 1) {
		frame_add(&bench->in, NGHTTP2_PING, 0, 0, SLICE_LITERAL("12345678"));
		rc = feed(bench);
		fed++;
	}
	assert_int_equal(rc, RC_INVALID);
	assert_in_range(fed, waiting_max, waiting_max + 1);
}

static void a_frame_may_come_byte_by_byte(void **state)
{
	struct bench *bench = *state;
	struct buf all;

	greet(bench);
	ask(bench, 1, slice_of(NULL, 0));
	assert_int_equal(drain(bench), RC_OK);
	headers(bench, 1, 0, SLICE_LITERAL(BLOCK_STATUS_200 BLOCK_APNS_ID_1));
	frame_add(&bench->in, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, SLICE_LITERAL("body"));
	all = bench->in;
	buf_init(&bench->in, OUT_BYTES_MAX);
	for (size_t i = 0; i < all.len; i++)
		assert_int_equal(h2_session_take(bench->session, slice_sub(buf_slice(&all), i, 1), NULL), RC_OK);
	buf_fini(&all);
	h2_session_hand_back(bench->session);
	assert_string_equal(asks[0].body, "body");
	assert_string_equal(asks[0].kept, "1");
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(it_begins_with_the_preface_and_allows_no_push),
		BENCH_TEST(nothing_may_be_asked_before_the_settings_of_the_peer),
		BENCH_TEST(a_reply_with_trailers_informational_ones_and_padding_is_read),
		BENCH_TEST(a_bare_reply_after_a_full_one_has_neither_its_fields_nor_its_body),
		BENCH_TEST(what_was_not_sent_when_goaway_comes_is_refused_at_once),
		BENCH_TEST(streams_above_the_last_one_of_goaway_are_refused_and_the_others_go_on),
		BENCH_TEST(the_debug_data_of_goaway_is_cut_at_its_bound),
		BENCH_TEST(the_fate_of_a_stream_that_is_reset_depends_on_code_and_reply),
		BENCH_TEST(a_whole_reply_ends_a_request_whose_body_was_not_sent),
		BENCH_TEST(a_lost_connection_tells_what_was_sent_from_what_was_not),
		BENCH_TEST(a_hushed_session_hands_nothing_back),
		BENCH_TEST(a_reply_body_is_kept_up_to_its_bound),
		BENCH_TEST(a_header_block_past_its_bound_resets_the_stream_and_no_other),
		BENCH_TEST(informational_replies_without_end_reset_the_stream),
		BENCH_TEST(kept_fields_are_dropped_past_their_bound),
		BENCH_TEST(a_request_past_a_bound_is_not_taken),
		BENCH_TEST(names_of_kept_fields_have_a_bound),
		BENCH_TEST(no_more_streams_are_opened_than_ours_or_the_peers_bound),
		BENCH_TEST(after_its_last_stream_id_a_session_is_retired),
		BENCH_TEST(unsent_bytes_have_a_bound),
		BENCH_TEST(what_is_no_http_2_is_a_fault_with_a_name),
		BENCH_TEST(an_early_push_is_turned_down_and_keeps_nothing),
		BENCH_TEST(a_first_frame_that_is_not_settings_is_a_fault),
		BENCH_TEST(a_reply_that_is_malformed_ends_its_stream_alone),
		BENCH_TEST(pings_that_nobody_reads_the_answers_of_end_it),
		BENCH_TEST(a_frame_may_come_byte_by_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
