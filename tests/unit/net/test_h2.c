/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "h2_conn.h"
#include "h2_talk.h"

enum { MANY = 300 };

static struct ask asks[MANY];

/* --- a request and its reply */

static char seen_fields[1024], seen_body[64];

static void remember_and_answer(struct peer_line *line, const struct peer_request *request)
{
	const nghttp2_nv fields[] = {PEER_NV(":status", "410"), PEER_NV("apns-id", "id-1"),
		PEER_NV("other", "x"), PEER_NV("apns-unique-id", "u")};

	(void)snprintf(seen_fields, sizeof(seen_fields), "%s", request->fields);
	(void)snprintf(seen_body, sizeof(seen_body), "%.*s", SLICE_FMT(request->body));
	peer_answer_fields(line, request->stream_id, fields, COUNT_OF(fields),
		SLICE_LITERAL("{\"reason\":\"Unregistered\"}"));
}

static void a_request_goes_out_as_it_is_and_its_reply_comes_back(void **state)
{
	struct talk *talk = *state;

	talk_start(talk, (struct peer_conf){.on_request = remember_and_answer});
	assert_true(h2_room(talk->h2) > 0);
	talk_ask(talk, &asks[0], "/3/device/00ff", "{\"mdm\":\"magic\"}");
	assert_int_equal(asks[0].done, 0);
	assert_int_equal(h2_in_flight(talk->h2), 1);
	talk_wait_answers(talk, 1);
	assert_string_equal(seen_fields,
		":method: POST\n:scheme: https\n:authority: localhost\n"
		":path: /3/device/00ff\napns-push-type: mdm\n");
	assert_string_equal(seen_body, "{\"mdm\":\"magic\"}");
	assert_int_equal(asks[0].done, 1);
	assert_int_equal(asks[0].fate, H2_ANSWERED);
	assert_int_equal(asks[0].status, 410);
	assert_string_equal(asks[0].kept[0], "id-1");
	assert_string_equal(asks[0].kept[1], "u");
	assert_string_equal(asks[0].kept[2], "");
	assert_int_equal(asks[0].body_len, strlen("{\"reason\":\"Unregistered\"}"));
	assert_memory_equal(asks[0].body, "{\"reason\":\"Unregistered\"}", asks[0].body_len);
	assert_int_equal(h2_in_flight(talk->h2), 0);
}

/* --- SETTINGS */

static bool peer_has_settings_ack(const struct talk *talk)
{
	return talk->peer.settings_acks > 0;
}

static bool has_our_settings;

static void note_settings(struct peer_line *line, const struct peer_frame *frame)
{
	(void)line;
	has_our_settings = has_our_settings || frame->type == NGHTTP2_SETTINGS;
}

static bool peer_has_our_settings(const struct talk *talk)
{
	(void)talk;
	return has_our_settings;
}

static void nothing_is_taken_before_the_peers_settings(void **state)
{
	struct talk *talk = *state;

	has_our_settings = false;
	talk_listen(talk, (struct peer_conf){.is_silent = true, .on_frame = note_settings});
	talk_open(talk);
	talk_wait(talk, peer_has_our_settings);
	assert_int_equal(talk->opens, 0);
	assert_int_equal(h2_room(talk->h2), 0);
	ask_init(&asks[0], talk, "/", slice_of(NULL, 0));
	assert_int_equal(h2_request(talk->h2, &asks[0].request, NULL), RC_BUSY);
	peer_speak(talk->peer.lines[0]);
	talk_wait(talk, talk_is_open);
	assert_int_equal(talk->opens, 1);
	assert_true(h2_room(talk->h2) > 0);
	assert_int_equal(talk->rooms, 0); /* that was on_open's to say */
}

static bool has_room_told(const struct talk *talk)
{
	return talk->rooms > 0;
}

static void one_stream_at_a_time_if_the_peer_wants_it_so(void **state)
{
	struct talk *talk = *state;

	talk_start(talk,
		(struct peer_conf){.settings = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1}},
			.setting_count = 1});
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(h2_room(talk->h2), 1);
		talk->rooms = 0;
		talk_ask(talk, &asks[i], "/", "x");
		assert_int_equal(h2_room(talk->h2), 0);
		ask_init(&asks[9], talk, "/", slice_of(NULL, 0));
		assert_int_equal(h2_request(talk->h2, &asks[9].request, NULL), RC_BUSY);
		talk_wait_answers(talk, i + 1);
		talk_wait(talk, has_room_told);
		assert_int_equal(talk->rooms, 1);
	}
}

static void a_peer_may_close_and_open_the_gate(void **state)
{
	struct talk *talk = *state;
	const nghttp2_settings_entry open_gate = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 5};

	talk_start(talk,
		(struct peer_conf){.settings = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0}},
			.setting_count = 1});
	assert_int_equal(h2_room(talk->h2), 0);
	peer_settings(talk->peer.lines[0], &open_gate, 1);
	talk_wait(talk, has_room_told);
	assert_int_equal(talk->rooms, 1);
	assert_int_equal(h2_room(talk->h2), 5);
	talk_ask(talk, &asks[0], "/", "x");
	talk_wait_answers(talk, 1);
}

static unsigned settings_acks_wanted;

static bool has_settings_acks(const struct talk *talk)
{
	return talk->peer.settings_acks >= settings_acks_wanted;
}

static void a_gate_that_narrows_lets_those_finish_that_are_through(void **state)
{
	struct talk *talk = *state;
	const nghttp2_settings_entry narrow = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1};

	talk_start(talk, (struct peer_conf){0});
	talk_wait(talk, peer_has_settings_ack);
	peer_settings(talk->peer.lines[0], &narrow, 1);
	for (unsigned i = 0; i < 10; i++)
		talk_ask(talk, &asks[i], "/", "x");
	talk_wait_answers(talk, 10);
	settings_acks_wanted = 2;
	talk_wait(talk, has_settings_acks);
	assert_int_equal(h2_room(talk->h2), 1);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(asks[i].fate, H2_ANSWERED);
}

static size_t bytes_seen;

static void count_and_answer(struct peer_line *line, const struct peer_request *request)
{
	bytes_seen += request->body.len;
	peer_answer(line, request->stream_id, "200", "");
}

static void bodies_wait_for_the_window_and_others_do_not(void **state)
{
	struct talk *talk = *state;
	char body[101] = "";

	memset(body, 'b', sizeof(body) - 1);
	bytes_seen = 0;
	talk_start(talk,
		(struct peer_conf){.settings = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 7}},
			.setting_count = 1,
			.on_request = count_and_answer});
	talk_ask(talk, &asks[0], "/waits", body);
	talk_ask(talk, &asks[1], "/waits-not", "");
	talk_wait_answers(talk, 1);
	assert_int_equal(asks[1].done, 1);
	assert_int_equal(asks[0].done, 0);
	assert_int_equal(h2_in_flight(talk->h2), 1);
	peer_window(talk->peer.lines[0], 1, 50);
	talk_ask(talk, &asks[2], "/", "");
	talk_wait_answers(talk, 2);
	assert_int_equal(asks[0].done, 0);
	peer_window(talk->peer.lines[0], 1, 1000);
	talk_wait_answers(talk, 3);
	assert_int_equal(bytes_seen, 100);
}

static void any_header_table_size_is_honoured(void **state)
{
	const uint32_t sizes[] = {0, 1, 100, 65536};
	struct talk *talk = *state;

	talk_listen(talk, (struct peer_conf){.on_request = remember_and_answer});
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		talk->peer.conf.settings[0] =
			(nghttp2_settings_entry){NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, sizes[i]};
		talk->peer.conf.setting_count = 1;
		talk->opens = talk->answers = 0;
		talk_open(talk);
		talk_wait(talk, talk_is_open);
		for (unsigned n = 0; n < 3; n++)
			talk_ask(talk, &asks[n], "/3/device/00ff", "x");
		talk_wait_answers(talk, 3);
		assert_non_null(strstr(seen_fields, "\napns-push-type: mdm\n"));
		h2_free(&talk->h2);
	}
}

/* --- many at once */

int __real_SSL_write_ex(SSL *ssl, const void *bytes, size_t len, size_t *put_r);
int __wrap_SSL_write_ex(SSL *ssl, const void *bytes, size_t len, size_t *put_r);

static unsigned client_writes;

int __wrap_SSL_write_ex(SSL *ssl, const void *bytes, size_t len, size_t *put_r)
{
	client_writes += SSL_is_server(ssl) == 0;
	return __real_SSL_write_ex(ssl, bytes, len, put_r);
}

static void many_requests_share_a_write(void **state)
{
	struct talk *talk = *state;
	struct h2_stats before, after;

	talk_start(talk, (struct peer_conf){0});
	talk_wait(talk, peer_has_settings_ack);
	h2_stats(talk->h2, &before);
	client_writes = 0;
	for (unsigned i = 0; i < MANY; i++)
		talk_ask(talk, &asks[i], "/3/device/0011223344556677", "{\"mdm\":\"magic\"}");
	assert_int_equal(client_writes, 0);
	talk_wait_answers(talk, MANY);
	h2_stats(talk->h2, &after);
	assert_int_equal(after.requests, MANY);
	assert_int_equal(after.replies, MANY);
	assert_true(after.bytes_out - before.bytes_out > MANY * 20);
	assert_in_range(client_writes, 1, (after.bytes_out - before.bytes_out) / 16384 + 2);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(asks[i].done, 1);
}

/* --- callees */

static unsigned started;

static void start_more(struct talk *talk)
{
	while (started < MANY && h2_room(talk->h2) > 0)
		talk_ask(talk, &asks[started++], "/", "x");
}

static void callees_start_requests_as_they_are_told_of_room(void **state)
{
	struct talk *talk = *state;

	started = 0;
	talk->on_open = start_more;
	talk->on_room = start_more;
	talk_start(talk,
		(struct peer_conf){.settings = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 7}},
			.setting_count = 1});
	talk_wait_answers(talk, MANY);
	assert_int_equal(started, MANY);
	assert_true(talk->rooms >= MANY / 7);
}

static void callees_start_requests_as_they_are_answered(void **state)
{
	struct talk *talk = *state;

	started = 0;
	talk->on_answer = start_more;
	talk_start(talk,
		(struct peer_conf){.settings = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1}},
			.setting_count = 1});
	start_more(talk);
	talk_wait_answers(talk, MANY);
	assert_int_equal(started, MANY);
}

static void end_by_open(struct talk *talk)
{
	h2_free(&talk->h2);
}

static void a_connection_freed_in_on_open_is_gone(void **state)
{
	struct talk *talk = *state;

	talk->on_open = end_by_open;
	talk_listen(talk, (struct peer_conf){0});
	talk_open(talk);
	talk_wait(talk, talk_is_open);
	assert_null(talk->h2);
	assert_int_equal(talk->ends, 0);
}

static bool has_line_closed(const struct talk *talk)
{
	return talk->peer.closed > 0;
}

static void a_connection_freed_in_an_answer_tells_no_other(void **state)
{
	struct talk *talk = *state;

	talk->frees_at_answer = true;
	talk_start(talk, (struct peer_conf){0});
	for (unsigned i = 0; i < 10; i++)
		talk_ask(talk, &asks[i], "/", "x");
	talk_wait_answers(talk, 1);
	assert_null(talk->h2);
	talk_wait(talk, has_line_closed);
	assert_int_equal(talk->answers, 1);
	assert_int_equal(talk->ends, 0);
}

static void ignore_request(struct peer_line *line, const struct peer_request *request)
{
	(void)line;
	(void)request;
}

static bool has_request(const struct talk *talk)
{
	return talk->peer.requests > 0;
}

static void a_freed_connection_forgets_its_requests_without_a_word(void **state)
{
	struct talk *talk = *state;

	talk_start(talk, (struct peer_conf){.on_request = ignore_request});
	talk_ask(talk, &asks[0], "/", "x");
	talk_wait(talk, has_request);
	talk_ask(talk, &asks[1], "/", "x"); /* not sent yet */
	h2_free(&talk->h2);
	talk_wait(talk, has_line_closed);
	assert_int_equal(talk->answers + talk->ends, 0);
}

/* --- retiring */

static bool is_line_closed(const struct talk *talk)
{
	return talk->ends > 0 && talk->peer.closed > 0;
}

static void check_retired(struct talk *talk)
{
	assert_int_equal(talk->ends, 1);
	assert_int_equal(talk->end, H2_END_RETIRED);
	assert_true(talk->peer.has_goaway);
	assert_int_equal(talk->peer.goaway_code, NGHTTP2_NO_ERROR);
}

static void a_retired_connection_ends_after_its_last_answer(void **state)
{
	struct talk *talk = *state;

	talk_start(talk, (struct peer_conf){0});
	talk_ask(talk, &asks[0], "/", "x");
	talk_ask(talk, &asks[1], "/", "x");
	h2_retire(talk->h2);
	assert_int_equal(talk->ends, 0);
	assert_int_equal(h2_room(talk->h2), 0);
	ask_init(&asks[2], talk, "/", slice_of(NULL, 0));
	assert_int_equal(h2_request(talk->h2, &asks[2].request, NULL), RC_BUSY);
	talk_wait(talk, is_line_closed);
	assert_int_equal(talk->answers_at_end, 2);
	assert_int_equal(asks[0].fate, H2_ANSWERED);
	check_retired(talk);
	assert_int_equal(talk->rooms, 0);
}

static void an_idle_connection_retires_at_once_and_may_be_freed_in_on_end(void **state)
{
	struct talk *talk = *state;

	talk->frees_at_end = true;
	talk_start(talk, (struct peer_conf){0});
	h2_retire(talk->h2);
	h2_retire(talk->h2);
	assert_int_equal(talk->ends, 0);
	talk_wait(talk, is_line_closed);
	check_retired(talk);
	assert_null(talk->h2);
}

static void a_connection_that_is_not_open_yet_retires_too(void **state)
{
	struct talk *talk = *state;

	talk_listen(talk, (struct peer_conf){.is_mute = true});
	talk_open(talk);
	h2_retire(talk->h2);
	talk_wait(talk, talk_is_over);
	assert_int_equal(talk->end, H2_END_RETIRED);
	assert_int_equal(talk->opens, 0);
}

static void out_of_stream_ids_it_retires_itself(void **state)
{
	struct talk *talk = *state;

	talk_start(talk, (struct peer_conf){0});
	h2_set_requests_max(talk->h2, 3);
	for (unsigned i = 0; i < 3; i++)
		talk_ask(talk, &asks[i], "/", "x");
	ask_init(&asks[3], talk, "/", slice_of(NULL, 0));
	assert_int_equal(h2_request(talk->h2, &asks[3].request, NULL), RC_BUSY);
	talk_wait(talk, is_line_closed);
	assert_int_equal(talk->answers_at_end, 3);
	check_retired(talk);
	h2_retire(talk->h2); /* after the end: nothing */
	assert_int_equal(h2_request(talk->h2, &asks[3].request, NULL), RC_BUSY);
	assert_int_equal(h2_in_flight(talk->h2), 0);
}

/* --- a peer that is slow */

static void a_peer_that_does_not_read_bounds_what_is_taken(void **state)
{
	static struct ask many[H2_STREAMS_MAX];
	static char body[H2_BODY_BYTES_MAX + 1];
	struct talk *talk = *state;
	unsigned taken = 0;

	memset(body, 'b', H2_BODY_BYTES_MAX);
	bytes_seen = 0;
	talk_start(talk,
		(struct peer_conf){.settings = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535},
																						{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000000}},
			.setting_count = 2,
			.on_request = count_and_answer});
	talk_wait(talk, peer_has_settings_ack);
	peer_pause(talk->peer.lines[0], true);
	while (h2_room(talk->h2) > 0)
		talk_ask(talk, &many[taken++], "/", body);
	assert_in_range(taken, H2_PUT_OFF_BYTES_MAX / (H2_BODY_BYTES_MAX + 100),
		H2_PUT_OFF_BYTES_MAX / H2_BODY_BYTES_MAX + 1);
	peer_pause(talk->peer.lines[0], false);
	talk_wait(talk, has_room_told);
	talk_wait_answers(talk, taken);
	assert_int_equal(bytes_seen, taken * H2_BODY_BYTES_MAX);
}

static void answer_large(struct peer_line *line, const struct peer_request *request)
{
	static uint8_t large[1000000];
	const nghttp2_nv fields[] = {PEER_NV(":status", "200")};

	memset(large, 'r', sizeof(large));
	peer_answer_fields(line, request->stream_id, fields, COUNT_OF(fields),
		slice_of(large, sizeof(large)));
}

static void a_large_reply_is_cut_and_comes_to_its_end(void **state)
{
	struct talk *talk = *state;
	struct h2_stats stats;

	talk_start(talk, (struct peer_conf){.on_request = answer_large});
	talk_ask(talk, &asks[0], "/", "x");
	talk_wait_answers(talk, 1);
	h2_stats(talk->h2, &stats);
	assert_int_equal(asks[0].fate, H2_ANSWERED);
	assert_int_equal(asks[0].body_len, H2_BODY_BYTES_MAX);
	assert_true(stats.bytes_in > 1000000);
}

#define TALK_TEST(name) cmocka_unit_test_setup_teardown(name, talk_setup, talk_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK_TEST(a_request_goes_out_as_it_is_and_its_reply_comes_back),
		TALK_TEST(nothing_is_taken_before_the_peers_settings),
		TALK_TEST(one_stream_at_a_time_if_the_peer_wants_it_so),
		TALK_TEST(a_peer_may_close_and_open_the_gate),
		TALK_TEST(a_gate_that_narrows_lets_those_finish_that_are_through),
		TALK_TEST(bodies_wait_for_the_window_and_others_do_not),
		TALK_TEST(any_header_table_size_is_honoured),
		TALK_TEST(many_requests_share_a_write),
		TALK_TEST(callees_start_requests_as_they_are_told_of_room),
		TALK_TEST(callees_start_requests_as_they_are_answered),
		TALK_TEST(a_connection_freed_in_on_open_is_gone),
		TALK_TEST(a_connection_freed_in_an_answer_tells_no_other),
		TALK_TEST(a_freed_connection_forgets_its_requests_without_a_word),
		TALK_TEST(a_retired_connection_ends_after_its_last_answer),
		TALK_TEST(an_idle_connection_retires_at_once_and_may_be_freed_in_on_end),
		TALK_TEST(a_connection_that_is_not_open_yet_retires_too),
		TALK_TEST(out_of_stream_ids_it_retires_itself),
		TALK_TEST(a_peer_that_does_not_read_bounds_what_is_taken),
		TALK_TEST(a_large_reply_is_cut_and_comes_to_its_end),
	};

	return cmocka_run_group_tests(tests, talk_group_setup, NULL);
}
