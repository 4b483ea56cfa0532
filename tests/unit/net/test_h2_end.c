/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "h2_frames.h"
#include "h2_talk.h"

enum { ASKS = 5, SHORT_MS = 20 };

static struct ask asks[ASKS];

/* The peer has so many requests, and leaves them unanswered. */
static unsigned requests_wanted;

static void hold(struct peer_line *line, const struct peer_request *request)
{
	(void)line;
	(void)request;
}

static bool has_requests(const struct talk *talk)
{
	return talk->peer.requests >= requests_wanted;
}

static struct peer_line *ask_and_hold(struct talk *talk, unsigned count)
{
	talk_start(talk, (struct peer_conf){.on_request = hold});
	for (unsigned i = 0; i < count; i++)
		talk_ask(talk, &asks[i], "/", "x");
	requests_wanted = count;
	talk_wait(talk, has_requests);
	return talk->peer.lines[0];
}

static bool has_goaway(const struct talk *talk)
{
	return talk->goaways > 0;
}

/* --- GOAWAY */

static void after_a_graceful_goaway_all_in_flight_are_answered(void **state)
{
	struct talk *talk = *state;
	struct peer_line *line = ask_and_hold(talk, 2);

	peer_goaway(line, FRAME_LAST_STREAM_ALL, NGHTTP2_NO_ERROR, "");
	talk_wait(talk, has_goaway);
	assert_int_equal(talk->goaway_code, NGHTTP2_NO_ERROR);
	assert_int_equal(h2_room(talk->h2), 0);
	assert_int_equal(h2_in_flight(talk->h2), 2);
	ask_init(&asks[2], talk, "/", slice_of(NULL, 0));
	assert_int_equal(h2_request(talk->h2, &asks[2].request, NULL), RC_BUSY);
	peer_goaway(line, 3, NGHTTP2_NO_ERROR, "{\"reason\":\"Shutdown\"}\n");
	peer_answer(line, 1, "200", "");
	talk_wait_answers(talk, 1);
	assert_int_equal(talk->ends, 0);
	peer_answer(line, 3, "200", "");
	talk_wait(talk, talk_is_over);
	assert_int_equal(talk->answers_at_end, 2);
	assert_int_equal(talk->goaways, 1);
	assert_int_equal(talk->end, H2_END_GOAWAY);
	assert_string_equal(talk->end_text, "GOAWAY NO_ERROR {\"reason\":\"Shutdown\"}?");
	assert_int_equal(asks[1].fate, H2_ANSWERED);
	assert_int_equal(talk->rooms, 0);
}

static void what_goaway_excludes_is_handed_back_before_it_is_told(void **state)
{
	struct talk *talk = *state;
	struct peer_line *line = ask_and_hold(talk, 3);

	peer_goaway(line, 1, NGHTTP2_ENHANCE_YOUR_CALM, "slow down");
	talk_wait(talk, has_goaway);
	assert_int_equal(talk->answers_at_goaway, 2);
	assert_string_equal(talk->goaway_debug, "slow down");
	assert_int_equal(talk->goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
	assert_int_equal(asks[0].done, 0);
	assert_int_equal(asks[1].fate, H2_REFUSED);
	assert_int_equal(asks[2].fate, H2_REFUSED);
	peer_answer(line, 1, "200", "");
	talk_wait(talk, talk_is_over);
	assert_int_equal(asks[0].fate, H2_ANSWERED);
	assert_int_equal(talk->end, H2_END_GOAWAY);
	assert_string_equal(talk->end_text, "GOAWAY ENHANCE_YOUR_CALM slow down");
}

static void goaway_without_requests_ends_it(void **state)
{
	struct talk *talk = *state;

	talk->frees_at_end = true;
	talk_start(talk, (struct peer_conf){0});
	peer_goaway(talk->peer.lines[0], FRAME_LAST_STREAM_ALL, NGHTTP2_NO_ERROR, "");
	talk_wait(talk, talk_is_over);
	assert_int_equal(talk->goaways, 1);
	assert_int_equal(talk->end, H2_END_GOAWAY);
	assert_string_equal(talk->end_text, "GOAWAY NO_ERROR");
	assert_null(talk->h2);
}

static void goaway_and_a_hangup_lose_what_was_accepted(void **state)
{
	struct talk *talk = *state;
	struct peer_line *line = ask_and_hold(talk, 2);

	peer_goaway(line, 1, NGHTTP2_INTERNAL_ERROR, "");
	peer_hang_up(line);
	talk_wait(talk, talk_is_over);
	assert_int_equal(asks[0].fate, H2_LOST);
	assert_int_equal(asks[1].fate, H2_REFUSED);
	assert_int_equal(talk->end, H2_END_GOAWAY);
	assert_string_equal(talk->end_text, "GOAWAY INTERNAL_ERROR");
	assert_int_equal(talk->answers_at_end, 2);
}

static void a_retired_connection_that_gets_goaway_ends_by_it(void **state)
{
	struct talk *talk = *state;
	struct peer_line *line = ask_and_hold(talk, 1);

	h2_retire(talk->h2);
	peer_goaway(line, FRAME_LAST_STREAM_ALL, NGHTTP2_NO_ERROR, "");
	talk_wait(talk, has_goaway);
	peer_answer(line, 1, "200", "");
	talk_wait(talk, talk_is_over);
	assert_int_equal(talk->end, H2_END_GOAWAY);
}

/* --- streams that end early */

static void a_refused_stream_leaves_the_others_alone(void **state)
{
	struct talk *talk = *state;
	struct peer_line *line = ask_and_hold(talk, 3);

	peer_reset_stream(line, 1, NGHTTP2_REFUSED_STREAM);
	peer_reset_stream(line, 3, NGHTTP2_INTERNAL_ERROR);
	talk_wait_answers(talk, 2);
	assert_int_equal(asks[0].fate, H2_REFUSED);
	assert_int_equal(asks[1].fate, H2_LOST);
	assert_int_equal(asks[1].error_code, NGHTTP2_INTERNAL_ERROR);
	peer_answer(line, 5, "200", "");
	talk_wait_answers(talk, 3);
	assert_int_equal(asks[2].fate, H2_ANSWERED);
	assert_int_equal(talk->ends, 0);
}

/* --- the peer goes */

static void a_hangup_loses_what_was_in_flight(void **state)
{
	struct talk *talk = *state;
	struct peer_line *line = ask_and_hold(talk, 2);

	peer_hang_up(line);
	talk_wait(talk, talk_is_over);
	assert_int_equal(talk->end, H2_END_CLOSED);
	assert_int_equal(talk->answers_at_end, 2);
	assert_int_equal(asks[0].fate, H2_LOST);
	assert_int_equal(asks[1].fate, H2_LOST);
	assert_int_equal(h2_in_flight(talk->h2), 0);
}

static void a_reset_of_tcp_loses_what_was_in_flight(void **state)
{
	struct talk *talk = *state;
	struct peer_line *line = ask_and_hold(talk, 1);

	peer_cut(line);
	talk_wait(talk, talk_is_over);
	assert_int_equal(talk->end, H2_END_CLOSED);
	assert_int_equal(asks[0].fate, H2_LOST);
}

/* What the socket has not taken, the peer has not seen. */
static void what_was_never_sent_is_refused_at_the_end(void **state)
{
	struct talk *talk = *state;
	struct peer_line *line = ask_and_hold(talk, 1);

	peer_hang_up(line);
	talk_ask(talk, &asks[1], "/", "x");
	talk_wait(talk, talk_is_over);
	assert_int_equal(asks[0].fate, H2_LOST);
	assert_int_not_equal(asks[1].fate, H2_ANSWERED);
	assert_int_equal(asks[1].done, 1);
}

static void answers_before_a_hangup_count(void **state)
{
	struct talk *talk = *state;
	struct peer_line *line = ask_and_hold(talk, 2);

	peer_answer(line, 3, "200", "late");
	peer_hang_up(line);
	talk_wait(talk, talk_is_over);
	assert_int_equal(asks[1].fate, H2_ANSWERED);
	assert_int_equal(asks[0].fate, H2_LOST);
}

static void free_and_look(struct talk *talk)
{
	h2_free(&talk->h2);
}

static void freed_while_the_lost_are_handed_back_it_says_no_more(void **state)
{
	struct talk *talk = *state;
	struct peer_line *line = ask_and_hold(talk, 3);

	talk->on_answer = free_and_look;
	peer_hang_up(line);
	talk_wait_answers(talk, 1);
	assert_null(talk->h2);
	assert_int_equal(talk->ends, 0);
}

/* --- a peer without manners, by hand */

static void greet_raw(struct peer_line *line)
{
	peer_send_frame(line, NGHTTP2_SETTINGS, 0, 0, "", 0);
}

static bool has_raw_request;

static void note_raw_request(struct peer_line *line, const struct peer_frame *frame)
{
	(void)line;
	has_raw_request = has_raw_request || frame->type == NGHTTP2_HEADERS;
}

static bool has_raw(const struct talk *talk)
{
	(void)talk;
	return has_raw_request;
}

static struct peer_line *ask_raw(struct talk *talk)
{
	has_raw_request = false;
	talk_start(talk,
		(struct peer_conf){.is_raw = true, .on_shaken = greet_raw, .on_frame = note_raw_request});
	talk_ask(talk, &asks[0], "/", "");
	talk_wait(talk, has_raw);
	return talk->peer.lines[0];
}

static void a_peer_that_closes_amid_a_frame_is_just_closed(void **state)
{
	struct talk *talk = *state;
	struct peer_line *line = ask_raw(talk);

	peer_send(line, "\0\0\x20\1\4\0\0\0\1\x88", 10);
	peer_hang_up(line);
	talk_wait(talk, talk_is_over);
	assert_int_equal(talk->end, H2_END_CLOSED);
	assert_int_equal(asks[0].fate, H2_LOST);
}

static bool has_client_goaway_raw;

static void note_goaway(struct peer_line *line, const struct peer_frame *frame)
{
	(void)line;
	has_client_goaway_raw = has_client_goaway_raw || frame->type == NGHTTP2_GOAWAY;
}

static bool is_over_and_told(const struct talk *talk)
{
	return talk->ends > 0 && has_client_goaway_raw;
}

static void a_fault_of_the_protocol_ends_it_and_is_told_to_the_peer(void **state)
{
	struct talk *talk = *state;
	struct peer_line *line = ask_raw(talk);

	has_client_goaway_raw = false;
	talk->peer.conf.on_frame = note_goaway;
	peer_send_frame(line, NGHTTP2_DATA, 0, 0, "x", 1);
	talk_wait(talk, is_over_and_told);
	assert_int_equal(talk->end, H2_END_PROTOCOL);
	assert_non_null(strstr(talk->end_text, "PROTOCOL_ERROR"));
	assert_int_equal(asks[0].fate, H2_LOST);
}

/* What was refused may run elsewhere by now: it cannot be taken back (RFC 9113 6.8). */
static void a_goaway_whose_last_stream_grows_is_a_fault_of_the_protocol(void **state)
{
	struct talk *talk = *state;
	struct peer_line *line = ask_raw(talk);
	struct buf out;

	buf_init(&out, FRAME_HEAD_BYTES * 10);
	frame_add_goaway(&out, 1, NGHTTP2_NO_ERROR, "");
	frame_add_goaway(&out, 3, NGHTTP2_NO_ERROR, "");
	peer_send(line, out.ptr, out.len);
	buf_fini(&out);
	talk_wait(talk, talk_is_over);
	assert_int_equal(talk->goaways, 1);
	assert_int_equal(talk->end, H2_END_PROTOCOL);
	assert_int_equal(asks[0].fate, H2_LOST);
}

static void answer_http_1(struct peer_line *line)
{
	const char text[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

	peer_send(line, text, strlen(text));
}

static void a_peer_that_speaks_http_1_is_a_fault_of_the_protocol(void **state)
{
	struct talk *talk = *state;

	talk_listen(talk, (struct peer_conf){.is_raw = true, .on_shaken = answer_http_1});
	talk_open(talk);
	talk_wait(talk, talk_is_over);
	assert_int_equal(talk->opens, 0);
	assert_int_equal(talk->end, H2_END_PROTOCOL);
}

static void a_flood_of_pings_ends_it(void **state)
{
	struct talk *talk = *state;
	struct peer_line *line = ask_raw(talk);
	struct buf pings;

	buf_init(&pings, 1024 * 1024);
	for (int i = 0; i < 20000; i++)
		frame_add(&pings, NGHTTP2_PING, 0, 0, SLICE_LITERAL("12345678"));
	frame_add(&pings, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1,
		SLICE_LITERAL(BLOCK_STATUS_200));
	peer_send(line, pings.ptr, pings.len);
	buf_fini(&pings);
	talk_wait(talk, talk_is_over);
	assert_int_equal(talk->end, H2_END_PROTOCOL);
}

/* --- silence */

static bool has_pings(const struct talk *talk)
{
	return talk->peer.pings >= 3;
}

static void a_silent_connection_is_pinged_and_lives(void **state)
{
	struct talk *talk = *state;
	struct h2_stats stats;

	talk->params.ping_interval_ms = SHORT_MS;
	talk_start(talk, (struct peer_conf){0});
	talk_wait(talk, has_pings);
	h2_stats(talk->h2, &stats);
	assert_true(stats.pings >= 3);
	talk_ask(talk, &asks[0], "/", "x");
	talk_wait_answers(talk, 1);
	assert_int_equal(talk->ends, 0);
}

static void a_peer_that_answers_no_ping_is_dead(void **state)
{
	struct talk *talk = *state;

	talk->params.ping_interval_ms = SHORT_MS;
	talk->params.ping_timeout_ms = SHORT_MS;
	(void)ask_raw(talk);
	talk_wait(talk, talk_is_over);
	assert_int_equal(talk->end, H2_END_DEAD);
	assert_int_equal(asks[0].fate, H2_LOST);
}

static void a_peer_that_never_sends_settings_is_dead(void **state)
{
	struct talk *talk = *state;

	talk->params.connect_timeout_ms = 200;
	talk_listen(talk, (struct peer_conf){.is_silent = true});
	talk_open(talk);
	talk_wait(talk, talk_is_over);
	assert_int_equal(talk->end, H2_END_DEAD);
	assert_int_equal(talk->opens, 0);
}

static void hang_up_at_once(struct peer_line *line)
{
	peer_hang_up(line);
}

static void a_peer_that_closes_before_its_settings_is_closed(void **state)
{
	struct talk *talk = *state;

	talk_listen(talk, (struct peer_conf){.is_raw = true, .on_shaken = hang_up_at_once});
	talk_open(talk);
	talk_wait(talk, talk_is_over);
	assert_int_equal(talk->end, H2_END_CLOSED);
}

static void every_end_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i < H2_END_COUNT; i++)
		assert_string_not_equal(h2_end_name((enum h2_end)i), "unknown");
	assert_string_equal(h2_end_name(H2_END_COUNT), "unknown");
}

#define TALK_TEST(name) cmocka_unit_test_setup_teardown(name, talk_setup, talk_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK_TEST(after_a_graceful_goaway_all_in_flight_are_answered),
		TALK_TEST(what_goaway_excludes_is_handed_back_before_it_is_told),
		TALK_TEST(goaway_without_requests_ends_it),
		TALK_TEST(goaway_and_a_hangup_lose_what_was_accepted),
		TALK_TEST(a_retired_connection_that_gets_goaway_ends_by_it),
		TALK_TEST(a_refused_stream_leaves_the_others_alone),
		TALK_TEST(a_hangup_loses_what_was_in_flight),
		TALK_TEST(a_reset_of_tcp_loses_what_was_in_flight),
		TALK_TEST(what_was_never_sent_is_refused_at_the_end),
		TALK_TEST(answers_before_a_hangup_count),
		TALK_TEST(freed_while_the_lost_are_handed_back_it_says_no_more),
		TALK_TEST(a_peer_that_closes_amid_a_frame_is_just_closed),
		TALK_TEST(a_fault_of_the_protocol_ends_it_and_is_told_to_the_peer),
		TALK_TEST(a_goaway_whose_last_stream_grows_is_a_fault_of_the_protocol),
		TALK_TEST(a_peer_that_speaks_http_1_is_a_fault_of_the_protocol),
		TALK_TEST(a_flood_of_pings_ends_it),
		TALK_TEST(a_silent_connection_is_pinged_and_lives),
		TALK_TEST(a_peer_that_answers_no_ping_is_dead),
		TALK_TEST(a_peer_that_never_sends_settings_is_dead),
		TALK_TEST(a_peer_that_closes_before_its_settings_is_closed),
		cmocka_unit_test(every_end_has_a_name),
	};

	return cmocka_run_group_tests(tests, talk_group_setup, NULL);
}
