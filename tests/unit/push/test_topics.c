/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "topic_world.h"

enum { MANY = 60 };

static void expect(struct shipment *shipment, enum push_action action, enum push_answer answer)
{
	assert_int_equal(shipment->done_count, 1);
	assert_int_equal(shipment->action, action);
	assert_int_equal(shipment->answer, answer);
	free(shipment);
}

static void send_many(struct shipment **shipments, size_t count)
{
	for (size_t i = 0; i < count; i++)
		shipments[i] = world_send(100 + (int64_t)i);
}

static void expect_many(struct shipment **shipments, size_t count, enum push_action action,
	enum push_answer answer)
{
	for (size_t i = 0; i < count; i++)
		expect(shipments[i], action, answer);
}

/* Lets the breaker's longest pause pass. */
static void pass_pause(void)
{
	world_pass_s(80);
}

/* --- connections */

static void the_first_push_makes_the_connection_and_the_answer_comes_back(void **state)
{
	struct shipment *one;
	struct h2 *h2;

	(void)state;
	assert_int_equal(world_stats().state, PUSH_TOPIC_IDLE);
	assert_int_equal(fake_link_count(), 0);
	one = world_send(7);
	h2 = fake_link(0);
	assert_int_equal(world_stats().state, PUSH_TOPIC_CONNECTING);
	assert_string_equal(fake_link_cert(h2), "first");
	assert_int_equal(fake_flight(h2), 0);
	fake_open(h2);
	assert_int_equal(world_stats().state, PUSH_TOPIC_OPEN);
	assert_int_equal(fake_flight(h2), 1);
	assert_string_equal(fake_request(h2, 0)->path,
		"/3/device/0700000000000000abababababababababababababababababababababababab");
	assert_string_equal(fake_request(h2, 0)->topic, TOPIC);
	assert_string_equal(fake_request(h2, 0)->body, "{\"mdm\":\"magic-of-7\"}");
	assert_int_equal(world_stats().in_flight, 1);
	fake_answer(h2, 200, "");
	assert_string_equal(one->apns_id, "eabeae54-14a8-11e5-b60b-1697f925ec7b");
	assert_int_equal(one->status, 200);
	expect(one, PUSH_DONE, PUSH_ANSWER_SENT);
	assert_int_equal(world_stats().sent, 1);
	assert_int_equal(world_stats().in_flight, 0);
}

static void settings_take_effect_with_the_next_push(void **state)
{
	const struct push_settings settings = {.expiration_s = 0, .priority = 5};
	struct h2 *h2 = world_connect();
	struct shipment *one;
	struct shipment *two;

	(void)state;
	world_pass_ms(1000);
	one = world_send(1);
	assert_string_equal(fake_request(h2, 0)->expiration, "1800086460");
	assert_string_equal(fake_request(h2, 0)->priority, "10");
	topics_set_settings(world.topics, &settings);
	two = world_send(2);
	assert_string_equal(fake_request(h2, 1)->expiration, "0");
	assert_string_equal(fake_request(h2, 1)->priority, "5");
	fake_answer(h2, 200, "");
	fake_answer(h2, 200, "");
	expect(one, PUSH_DONE, PUSH_ANSWER_SENT);
	expect(two, PUSH_DONE, PUSH_ANSWER_SENT);
}

static void a_second_connection_is_made_only_when_the_first_is_full(void **state)
{
	struct shipment *all[9];
	struct h2 *first = world_connect();
	struct h2 *second;

	(void)state;
	fake_net.streams_max = 4;
	send_many(all, 4);
	assert_int_equal(fake_net.opened, 1);
	all[4] = world_send(1);
	assert_int_equal(fake_net.opened, 2);
	second = fake_link(1);
	for (size_t i = 5; i < 9; i++)
		all[i] = world_send(1);
	assert_int_equal(fake_net.opened, 2); /* one at a time, and not more than two */
	fake_open(second);
	assert_int_equal(fake_flight(second), 4);
	assert_int_equal(fake_net.opened, 2);
	fake_answer(first, 200, "");
	assert_int_equal(fake_flight(first), 4); /* the ninth */
	while (fake_flight(first) + fake_flight(second) > 0)
		fake_answer(fake_flight(first) > 0 ? first : second, 200, "");
	expect_many(all, 9, PUSH_DONE, PUSH_ANSWER_SENT);
	/* Both stay. */
	world_pass_s(3600);
	assert_int_equal(world_stats().connections, 2);
	assert_int_equal(fake_net.opened, 2);
}

static void what_apns_did_not_process_is_sent_again_at_once(void **state)
{
	struct shipment *all[6];
	struct h2 *first = world_connect();
	struct h2 *second;

	(void)state;
	send_many(all, 6);
	fake_goaway(first, "{\"reason\":\"Shutdown\"}", 2);
	assert_int_equal(fake_flight(first), 2);
	assert_int_equal(fake_net.opened, 2);
	second = fake_link(1);
	fake_open(second);
	assert_int_equal(fake_flight(second), 4);
	fake_answer(first, 200, "");
	fake_answer(first, 200, "");
	fake_turn();
	assert_int_equal(fake_link_count(), 1);
	for (size_t i = 0; i < 4; i++)
		fake_answer(second, 200, "");
	expect_many(all, 6, PUSH_DONE, PUSH_ANSWER_SENT);
	assert_int_equal(world_stats().state, PUSH_TOPIC_OPEN);
	assert_int_equal(world_stats().lost, 0);
}

static void a_goaway_without_traffic_makes_no_new_connection(void **state)
{
	struct h2 *first = world_connect();

	(void)state;
	fake_goaway(first, "", 0);
	world_pass_s(5);
	assert_int_equal(fake_link_count(), 0);
	assert_int_equal(fake_net.opened, 1);
	assert_int_equal(world_stats().state, PUSH_TOPIC_IDLE);
}

static void what_was_lost_with_its_connection_is_sent_again(void **state)
{
	struct shipment *one;
	struct h2 *first = world_connect();

	(void)state;
	one = world_send(1);
	fake_end(first, H2_END_CLOSED, "closed");
	assert_int_equal(fake_net.opened, 2);
	fake_open(fake_link(0));
	fake_answer(fake_link(0), 200, "");
	expect(one, PUSH_DONE, PUSH_ANSWER_SENT);
	assert_int_equal(world_stats().lost, 1);
}

static void the_same_push_is_sent_again_a_few_times_only(void **state)
{
	static const enum h2_fate fates[] = {H2_REFUSED, H2_LOST};
	struct h2 *h2 = world_connect();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(fates); i++) {
		const struct h2_reply reply = {.fate = fates[i]};
		size_t before = fake_net.requests;
		struct shipment *one = world_send(1);

		for (int k = 0; k <= TOPIC_VAIN_RESENDS_MAX; k++)
			fake_reply(h2, 0, &reply);
		assert_int_equal(fake_net.requests - before, TOPIC_VAIN_RESENDS_MAX + 1);
		assert_int_equal(one->status, 0);
		assert_true(one->detail[0] != '\0');
		expect(one, PUSH_RETRY, PUSH_ANSWER_UNREACHABLE);
	}
}

/* APNs answers another push, and then refuses this one. */
static void refuse_beside_an_answer(struct h2 *h2)
{
	const struct h2_reply refused = {.fate = H2_REFUSED};
	const struct h2_reply taken = {.fate = H2_ANSWERED, .status = 200};
	struct shipment *other = world_send(2);

	fake_reply(h2, 1, &taken);
	expect(other, PUSH_DONE, PUSH_ANSWER_SENT);
	fake_reply(h2, 0, &refused);
}

static void while_others_are_answered_it_is_sent_again_more_often(void **state)
{
	struct h2 *h2 = world_connect();
	struct shipment *one = world_send(1);

	(void)state;
	for (int k = 0; k < TOPIC_RESENDS_MAX; k++) {
		assert_int_equal(one->done_count, 0);
		refuse_beside_an_answer(h2);
	}
	assert_int_equal(one->done_count, 0);
	refuse_beside_an_answer(h2);
	expect(one, PUSH_RETRY, PUSH_ANSWER_UNREACHABLE);
}

static int64_t device_of(const struct fake_request *request)
{
	return ((const struct carrier *)request->request)->parcel->enrollment_id;
}

static void what_is_sent_again_keeps_its_place(void **state)
{
	const struct h2_reply refused = {.fate = H2_REFUSED};
	struct shipment *all[8];
	struct h2 *h2 = world_connect();

	(void)state;
	fake_net.streams_max = 6;
	send_many(all, 8);
	fake_end(fake_link(1), H2_END_CONNECT, "no"); /* no second one */
	fake_net.streams_max = 0;
	fake_reply(h2, 1, &refused);
	fake_reply(h2, 2, &refused);
	fake_reply(h2, 0, &refused);
	fake_net.streams_max = 8;
	fake_answer(h2, 200, "");
	assert_int_equal(fake_flight(h2), 7);
	for (size_t i = 2; i < 7; i++) {
		static const int64_t devices[] = {100, 101, 103, 106, 107};

		assert_int_equal(device_of(fake_request(h2, i)), devices[i - 2]);
	}
	while (fake_flight(h2) > 0)
		fake_answer(h2, 200, "");
	expect_many(all, 8, PUSH_DONE, PUSH_ANSWER_SENT);
}

static void goaways_after_answers_cost_no_pause(void **state)
{
	struct shipment *all[6 * TOPIC_OPENS_MAX];
	struct h2 *h2 = world_connect();

	(void)state;
	send_many(all, COUNT_OF(all));
	for (size_t i = 1; i < TOPIC_OPENS_MAX; i++) {
		for (int k = 0; k < 6; k++)
			fake_answer(h2, 200, "");
		fake_goaway(h2, "", 0);
		fake_turn();
		assert_int_equal(world_stats().state, PUSH_TOPIC_CONNECTING);
		h2 = fake_link(fake_link_count() - 1);
		fake_open(h2);
	}
	while (fake_flight(h2) > 0)
		fake_answer(h2, 200, "");
	expect_many(all, COUNT_OF(all), PUSH_DONE, PUSH_ANSWER_SENT);
	assert_int_equal(fake_net.opened, TOPIC_OPENS_MAX);
	assert_int_equal(world_log_count("push_topic_waiting"), 0);
}

static void after_a_cut_fewer_are_in_flight_at_once(void **state)
{
	struct shipment *all[40];
	struct h2 *h2 = world_connect();

	(void)state;
	send_many(all, 40);
	assert_int_equal(fake_flight(h2), 40);
	fake_answer(h2, 200, "");
	fake_end(h2, H2_END_CLOSED, "reset");
	assert_int_equal(world_stats().state, PUSH_TOPIC_CONNECTING);
	h2 = fake_link(0);
	fake_open(h2);
	assert_int_equal(fake_flight(h2), 20);
	assert_int_equal(fake_net.opened, 2); /* nor does another connection make more of them */
	fake_answer(h2, 200, "");
	assert_int_equal(fake_flight(h2), 21);
	fake_end(h2, H2_END_CLOSED, "reset");
	h2 = fake_link(0);
	fake_open(h2);
	assert_int_equal(fake_flight(h2), 11);
	while (fake_flight(h2) > 0)
		fake_answer(h2, 200, "");
	expect_many(all, 40, PUSH_DONE, PUSH_ANSWER_SENT);
	assert_int_equal(world_log_count("push_topic_waiting"), 0);
}

static void a_connection_that_goes_takes_nothing_from_the_few(void **state)
{
	struct shipment *all[40];
	struct h2 *h2 = world_connect();

	(void)state;
	send_many(all, 40);
	fake_answer(h2, 200, "");
	fake_end(h2, H2_END_CLOSED, "reset");
	h2 = fake_link(0);
	fake_open(h2);
	assert_int_equal(fake_flight(h2), 20);
	fake_answer(h2, 200, "");
	fake_goaway(h2, "", 21); /* it keeps all that it has */
	assert_int_equal(fake_flight(h2), 21);
	fake_open(fake_link(1));
	assert_int_equal(fake_flight(fake_link(1)), 17);
	while (fake_flight(h2) > 0)
		fake_answer(h2, 200, "");
	while (fake_flight(fake_link(1)) > 0)
		fake_answer(fake_link(1), 200, "");
	expect_many(all, 40, PUSH_DONE, PUSH_ANSWER_SENT);
}

static void after_a_failure_it_begins_with_one_and_doubles(void **state)
{
	struct shipment *one = world_send(1);
	struct shipment *all[2 * TOPIC_WINDOW_MAX];
	struct h2 *h2;

	(void)state;
	fake_end(fake_link(0), H2_END_CONNECT, "no");
	expect(one, PUSH_RETRY, PUSH_ANSWER_UNREACHABLE);
	pass_pause();
	one = world_send(1);
	h2 = fake_link(0);
	fake_open(h2);
	fake_answer(h2, 200, "");
	expect(one, PUSH_DONE, PUSH_ANSWER_SENT);
	send_many(all, 40);
	for (size_t flight = 2; flight < 32; flight *= 2) {
		assert_int_equal(fake_flight(h2), flight);
		for (size_t i = 0; i < flight && fake_flight(h2) > 0; i++)
			fake_answer(h2, 200, "");
	}
	while (fake_flight(h2) > 0)
		fake_answer(h2, 200, "");
	expect_many(all, 40, PUSH_DONE, PUSH_ANSWER_SENT);
	/* And after enough answers it is forgotten. */
	for (size_t i = 0; i < TOPIC_WINDOW_MAX; i++) {
		one = world_send(1);
		fake_answer(h2, 200, "");
		expect(one, PUSH_DONE, PUSH_ANSWER_SENT);
	}
	fake_net.streams_max = 4;
	send_many(all, 5);
	assert_int_equal(fake_link_count(), 2);
	while (fake_flight(h2) > 0)
		fake_answer(h2, 200, "");
	expect_many(all, 5, PUSH_DONE, PUSH_ANSWER_SENT);
}

static void one_that_is_not_answered_gives_its_connection_up(void **state)
{
	struct shipment *all[3];
	struct h2 *h2 = world_connect();

	(void)state;
	send_many(all, 3);
	world_pass_s(TOPIC_ANSWER_MAX_MS / 1000);
	assert_int_equal(fake_flight(h2), 3);
	assert_int_equal(all[0]->done_count, 0);
	world_pass_s(1);
	assert_int_equal(world_stats().state, PUSH_TOPIC_WAITING);
	assert_int_equal(world_stats().connections, 0);
	assert_int_equal(world_stats().lost, 3);
	expect_many(all, 3, PUSH_RETRY, PUSH_ANSWER_UNREACHABLE);
}

/* Answers one push on the newest connection, then ends that with another push in flight. */
static struct shipment *use_up(struct shipment *one)
{
	struct h2 *h2 = fake_link(0);
	struct shipment *two;

	if (!fake_link_is_open(h2))
		fake_open(h2);
	fake_answer(h2, 200, "");
	expect(one, PUSH_DONE, PUSH_ANSWER_SENT);
	two = world_send(1);
	fake_end(h2, H2_END_CLOSED, "");
	return two;
}

static void connections_that_end_again_and_again_are_not_made_without_pause(void **state)
{
	struct shipment *one = world_send(1);

	(void)state;
	for (size_t i = 1; i < TOPIC_OPENS_MAX; i++)
		one = use_up(one);
	assert_int_equal(fake_net.opened, TOPIC_OPENS_MAX);
	for (size_t i = 0; i < 3; i++) {
		one = use_up(one);
		assert_null(fake_link(0));
		world_pass_s(1);
		assert_int_equal(fake_net.opened, TOPIC_OPENS_MAX + 1 + i);
	}
	fake_open(fake_link(0));
	fake_answer(fake_link(0), 200, "");
	expect(one, PUSH_DONE, PUSH_ANSWER_SENT);
}

/* --- the breaker */

static void a_connection_that_does_not_come_to_be_opens_the_breaker(void **state)
{
	struct shipment *all[5];
	struct shipment *trial;
	size_t rooms;

	(void)state;
	send_many(all, 5);
	fake_end(fake_link(0), H2_END_CONNECT, "Connection refused");
	assert_in_range(all[0]->retry_after_s, 1, 2); /* a second and its jitter, rounded up */
	assert_non_null(strstr(all[0]->detail, "connect: Connection refused"));
	expect_many(all, 5, PUSH_RETRY, PUSH_ANSWER_UNREACHABLE);
	assert_int_equal(world_stats().state, PUSH_TOPIC_WAITING);
	assert_non_null(strstr(world_stats().why, "Connection refused"));
	assert_int_equal(topics_look(world.topics, SLICE_LITERAL(TOPIC), false), TOPICS_WAITING);
	rooms = world.rooms;
	world_pass_s(2);
	assert_int_equal(world.rooms, rooms + 1);
	trial = world_send(1);
	assert_int_equal(topics_look(world.topics, SLICE_LITERAL(TOPIC), false), TOPICS_WAITING);
	fake_open(fake_link(0));
	fake_answer(fake_link(0), 200, "");
	expect(trial, PUSH_DONE, PUSH_ANSWER_SENT);
	fake_turn();
	assert_int_equal(world.rooms, rooms + 2);
	assert_int_equal(topics_look(world.topics, SLICE_LITERAL(TOPIC), false), TOPICS_TAKEN);
	assert_int_equal(world_stats().state, PUSH_TOPIC_OPEN);
	assert_string_equal(world_stats().why, "");
}

static void a_connection_that_opens_and_answers_nothing_opens_the_breaker(void **state)
{
	struct shipment *one = world_send(1);

	(void)state;
	fake_open(fake_link(0));
	fake_goaway(fake_link(0), "{\"reason\":\"Shutdown\"}", 0);
	fake_turn();
	assert_int_equal(world_stats().state, PUSH_TOPIC_WAITING);
	expect(one, PUSH_RETRY, PUSH_ANSWER_UNREACHABLE);
}

static void a_trial_that_fails_makes_the_pause_longer(void **state)
{
	struct shipment *one = world_send(1);
	int64_t last_s = 0;

	(void)state;
	for (int i = 0; i < 7; i++) {
		fake_end(fake_link(0), H2_END_CONNECT, "no");
		assert_true(one->retry_after_s >= last_s);
		last_s = one->retry_after_s;
		expect(one, PUSH_RETRY, PUSH_ANSWER_UNREACHABLE);
		pass_pause();
		one = world_send(1);
	}
	assert_in_range(last_s, BREAKER_PAUSE_MAX_MS / 1000 * 3 / 4,
		BREAKER_PAUSE_MAX_MS / 1000 * 5 / 4 + 1);
	fake_open(fake_link(0));
	fake_answer(fake_link(0), 500, "");
	assert_int_equal(world_stats().state, PUSH_TOPIC_WAITING);
	expect(one, PUSH_RETRY, PUSH_ANSWER_REFUSED);
}

static void trouble_that_lasts_raises_an_alarm_and_its_end_clears_it(void **state)
{
	struct h2 *h2 = world_connect();
	struct shipment *one = world_send(1);
	int64_t passed_s = 0;

	(void)state;
	fake_end(h2, H2_END_CLOSED, "");
	while (passed_s < 2 * TOPIC_DOWN_MS / 1000) {
		assert_int_equal(world_is_alarm("push_topic_unreachable"), passed_s > TOPIC_DOWN_MS / 1000);
		fake_end(fake_link(0), H2_END_TLS, "certificate revoked");
		expect(one, PUSH_RETRY, PUSH_ANSWER_UNREACHABLE);
		world_pass_s(100);
		passed_s += 100;
		one = world_send(1);
	}
	fake_open(fake_link(0));
	fake_answer(fake_link(0), 200, "");
	expect(one, PUSH_DONE, PUSH_ANSWER_SENT);
	assert_false(world_is_alarm("push_topic_unreachable"));
	one = world_send(1);
	fake_end(fake_link(0), H2_END_CLOSED, "");
	fake_end(fake_link(0), H2_END_CONNECT, "no");
	expect(one, PUSH_RETRY, PUSH_ANSWER_UNREACHABLE);
	assert_false(world_is_alarm("push_topic_unreachable")); /* it is counted anew */
}

static void a_trial_without_a_verdict_makes_way_for_another(void **state)
{
	struct shipment *one = world_send(1);
	struct h2 *h2;

	(void)state;
	fake_end(fake_link(0), H2_END_CONNECT, "no");
	expect(one, PUSH_RETRY, PUSH_ANSWER_UNREACHABLE);
	pass_pause();
	one = ship_to(1);
	one->parcel.magic_len = 0;
	assert_int_equal(world_send_on(TOPIC, one), TOPICS_TAKEN);
	h2 = fake_link(0);
	fake_open(h2);
	fake_turn();
	expect(one, PUSH_DROP, PUSH_ANSWER_REFUSED);
	world_pass_s(1);
	one = world_send(1);
	fake_answer(h2, 400, "{\"reason\":\"PayloadEmpty\"}"); /* APNs works, whatever it says */
	expect(one, PUSH_DROP, PUSH_ANSWER_REFUSED);
	assert_int_equal(world_stats().state, PUSH_TOPIC_OPEN);
}

static void errors_of_apns_in_a_row_open_the_breaker(void **state)
{
	struct shipment *all[BREAKER_FAULTS_MAX];
	struct h2 *h2 = world_connect();

	(void)state;
	send_many(all, BREAKER_FAULTS_MAX);
	for (size_t i = 0; i < BREAKER_FAULTS_MAX; i++) {
		world_pass_s(1);
		assert_int_equal(world_stats().state, PUSH_TOPIC_OPEN);
		fake_answer(h2, 500, "{\"reason\":\"InternalServerError\"}");
	}
	assert_int_equal(world_stats().state, PUSH_TOPIC_WAITING);
	assert_non_null(strstr(world_stats().why, "InternalServerError"));
	expect_many(all, BREAKER_FAULTS_MAX, PUSH_RETRY, PUSH_ANSWER_REFUSED);
	assert_int_equal(fake_net.opened, 1); /* the connection is kept */
	assert_true(fake_link_is_staying(h2));
}

static void one_more_connection_that_fails_does_not_stop_the_one_that_works(void **state)
{
	struct shipment *all[5];
	struct h2 *first = world_connect();

	(void)state;
	fake_net.streams_max = 4;
	send_many(all, 5);
	fake_end(fake_link(1), H2_END_CONNECT, "no");
	assert_int_equal(world_stats().state, PUSH_TOPIC_OPEN);
	assert_int_equal(fake_net.opened, 2);
	world_pass_s(TOPIC_MORE_LINKS_MS / 1000 - 1);
	assert_int_equal(fake_net.opened, 2);
	world_pass_s(2);
	assert_int_equal(fake_net.opened, 3);
	for (size_t i = 0; i < 5; i++)
		fake_answer(first, 200, "");
	expect_many(all, 5, PUSH_DONE, PUSH_ANSWER_SENT);
}

/* --- room */

static void as_many_wait_as_the_limit_says_and_room_is_told_of(void **state)
{
	static struct shipment *all[TOPIC_WAITING_MAX];
	struct shipment *one = ship_to(1);
	size_t rooms;

	(void)state;
	fake_turn();
	send_many(all, TOPIC_WAITING_MAX);
	assert_int_equal(topics_look(world.topics, SLICE_LITERAL(TOPIC), false), TOPICS_FULL);
	assert_int_equal(world_send_on(TOPIC, one), TOPICS_FULL);
	assert_null(one->parcel.carrier);
	rooms = world.rooms;
	fake_open(fake_link(0));
	for (size_t i = 0; i < TOPIC_WAITING_MAX / 2; i++)
		fake_answer(fake_link(0), 200, "");
	fake_turn();
	assert_int_equal(world.rooms, rooms + 1);
	for (size_t i = 0; i < TOPIC_WAITING_MAX / 2; i++)
		fake_answer(fake_link(0), 200, "");
	fake_turn();
	assert_int_equal(world.rooms, rooms + 1); /* nobody was turned away since */
	expect_many(all, TOPIC_WAITING_MAX, PUSH_DONE, PUSH_ANSWER_SENT);
	free(one);
}

static struct shipment *followers[MANY];
static size_t follower_count;

static void follow(struct shipment *shipment)
{
	(void)shipment;
	if (follower_count < MANY)
		followers[follower_count++] = world_send(1000);
}

static void done_may_send_the_next_one(void **state)
{
	struct shipment *one;
	struct h2 *h2 = world_connect();

	(void)state;
	follower_count = 0;
	world.on_done = follow;
	one = world_send(1);
	while (fake_flight(h2) > 0)
		fake_answer(h2, 200, "");
	assert_int_equal(follower_count, MANY);
	expect(one, PUSH_DONE, PUSH_ANSWER_SENT);
	expect_many(followers, MANY, PUSH_DONE, PUSH_ANSWER_SENT);
}

static void what_cannot_be_sent_is_dropped_but_not_from_within(void **state)
{
	struct shipment *one = ship_to(1);
	struct shipment *two = ship_to(2);
	struct h2 *h2 = world_connect();

	(void)state;
	one->parcel.magic[0] = '\xFF';
	assert_int_equal(world_send_on(TOPIC, one), TOPICS_TAKEN);
	assert_int_equal(one->done_count, 0);
	fake_turn();
	assert_int_equal(one->status, 0);
	assert_non_null(strstr(one->detail, "push magic"));
	expect(one, PUSH_DROP, PUSH_ANSWER_REFUSED);
	memset(two->parcel.magic, 1, sizeof(two->parcel.magic));
	two->parcel.magic_len = sizeof(two->parcel.magic);
	assert_int_equal(world_send_on(TOPIC, two), TOPICS_TAKEN);
	fake_turn();
	expect(two, PUSH_DROP, PUSH_ANSWER_REFUSED);
	assert_int_equal(fake_flight(h2), 0);
}

static void short_memory_only_delays(void **state)
{
	struct h2 *h2 = world_connect();
	struct shipment *one;

	(void)state;
	fake_net.request_rc = RC_NO_MEMORY;
	one = world_send(1);
	world_pass_s(3);
	assert_int_equal(one->done_count, 0);
	fake_net.request_rc = RC_OK;
	world_pass_s(1);
	fake_answer(h2, 200, "");
	expect(one, PUSH_DONE, PUSH_ANSWER_SENT);
}

/* --- answers */

static const struct {
	unsigned status;
	const char *reason;
	enum push_action action;
} simple_answers[] = {
	{400, "BadCollapseId", PUSH_DROP},
	{400, "PayloadEmpty", PUSH_DROP},
	{404, "BadPath", PUSH_DROP},
	{404, "", PUSH_DROP},
	{405, "MethodNotAllowed", PUSH_DROP},
	{413, "PayloadTooLarge", PUSH_DROP},
	{429, "TooManyRequests", PUSH_RETRY},
	{500, "InternalServerError", PUSH_RETRY},
	{503, "ServiceUnavailable", PUSH_RETRY},
	{503, "Shutdown", PUSH_RETRY},
	{418, "Teapot", PUSH_DROP},
};

static void an_answer_reaches_the_parcel_with_all_that_it_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(simple_answers); i++) {
		struct shipment *one = world_send(1);
		struct h2 *h2 = fake_link(fake_link_count() - 1);
		char body[128];

		if (!fake_link_is_open(h2))
			fake_open(h2);
		(void)snprintf(body, sizeof(body), "{\"reason\":\"%s\"}", simple_answers[i].reason);
		fake_answer(h2, simple_answers[i].status, body);
		assert_int_equal(one->status, simple_answers[i].status);
		assert_string_equal(one->reason, simple_answers[i].reason);
		assert_string_equal(one->apns_id, "eabeae54-14a8-11e5-b60b-1697f925ec7b");
		assert_int_equal(one->retry_after_s, simple_answers[i].status == 429 ? 60 : 0);
		expect(one, simple_answers[i].action, PUSH_ANSWER_REFUSED);
		fake_turn();
	}
	assert_int_equal(world_stats().refused, COUNT_OF(simple_answers));
	assert_int_equal(world_stats().state, PUSH_TOPIC_OPEN);
}

static void apns_may_say_itself_when_to_come_again(void **state)
{
	static const unsigned statuses[] = {429, 500, 503};
	const struct h2_reply reply = {
		.fate = H2_ANSWERED,
		.status = 429,
		.kept = {[APNS_KEPT_RETRY_AFTER] = SLICE_LITERAL("900")},
	};

	(void)state;
	(void)world_connect();
	for (size_t i = 0; i < COUNT_OF(statuses); i++) {
		struct h2_reply other = reply;
		struct shipment *one = world_send(1);

		other.status = statuses[i];
		fake_reply(fake_link(0), 0, &other);
		assert_int_equal(one->retry_after_s, 900);
		expect(one, PUSH_RETRY, PUSH_ANSWER_REFUSED);
	}
}

static void a_503_is_followed_by_another_connection_but_not_by_one_for_each(void **state)
{
	struct shipment *all[4];
	struct h2 *first = world_connect();

	(void)state;
	send_many(all, 4);
	fake_answer(first, 503, "{\"reason\":\"ServiceUnavailable\"}");
	assert_false(fake_link_is_staying(first));
	for (size_t i = 0; i < 3; i++)
		fake_answer(first, 200, "");
	fake_turn();
	fake_turn();
	assert_int_equal(fake_link_count(), 0);
	expect(all[0], PUSH_RETRY, PUSH_ANSWER_REFUSED);
	expect_many(all + 1, 3, PUSH_DONE, PUSH_ANSWER_SENT);
	first = world_connect();
	assert_int_equal(fake_net.opened, 2);
	send_many(all, 1);
	fake_answer(first, 503, "{\"reason\":\"ServiceUnavailable\"}");
	assert_true(fake_link_is_staying(first));
	expect(all[0], PUSH_RETRY, PUSH_ANSWER_REFUSED);
}

static void an_idle_timeout_is_tried_once_more_on_a_new_connection(void **state)
{
	struct h2 *first = world_connect();
	struct shipment *one = world_send(1);
	struct h2 *second;

	(void)state;
	fake_answer(first, 400, "{\"reason\":\"IdleTimeout\"}");
	assert_int_equal(one->done_count, 0);
	assert_false(fake_link_is_staying(first));
	fake_turn();
	fake_turn();
	second = fake_link(0);
	assert_ptr_not_equal(second, first);
	fake_open(second);
	fake_answer(second, 400, "{\"reason\":\"IdleTimeout\"}");
	expect(one, PUSH_RETRY, PUSH_ANSWER_REFUSED);
}

static void a_410_kills_the_token_only_if_it_is_newer(void **state)
{
	struct h2 *h2 = world_connect();
	char body[128];

	(void)state;
	for (int newer = 0; newer <= 1; newer++) {
		struct shipment *one = world_send(1);

		(void)snprintf(body, sizeof(body), "{\"reason\":\"Unregistered\",\"timestamp\":%lld}",
			(long long)(one->parcel.token_updated_at + newer) * 1000);
		fake_answer(h2, 410, body);
		expect(one, newer ? PUSH_TOKEN_DEAD : PUSH_RETRY, PUSH_ANSWER_REFUSED);
	}
}

/* --- suspicious tokens */

#define BAD_TOKEN "{\"reason\":\"BadDeviceToken\"}"
#define FOREIGN_TOKEN "{\"reason\":\"DeviceTokenNotForTopic\"}"

static void a_bad_token_is_dead_when_it_stayed_alone_for_a_while(void **state)
{
	struct h2 *h2 = world_connect();
	struct shipment *one = world_send(1);
	static struct push_stats stats;

	(void)state;
	fake_answer(h2, 400, BAD_TOKEN);
	world_pass_s(GUARD_HOLD_MS / 1000 - 1);
	assert_int_equal(one->done_count, 0);
	world_pass_s(1);
	assert_int_equal(one->status, 400);
	assert_string_equal(one->reason, "BadDeviceToken");
	assert_string_equal(one->apns_id, "eabeae54-14a8-11e5-b60b-1697f925ec7b");
	expect(one, PUSH_TOKEN_DEAD, PUSH_ANSWER_REFUSED);
	topics_stats(world.topics, &stats);
	assert_int_equal(stats.tokens_died_total, 1);
	assert_int_equal(stats.reason_count, 1);
	assert_string_equal(stats.reasons[0].reason, "BadDeviceToken");
	assert_int_equal(stats.reasons[0].count, 1);
	assert_false(world_is_alarm("push_tokens_bad"));
}

static void a_foreign_token_raises_an_alarm_and_leaves_the_topic_alone(void **state)
{
	struct h2 *h2 = world_connect();
	struct shipment *one = world_send(1);

	(void)state;
	fake_answer(h2, 400, FOREIGN_TOKEN);
	world_pass_s(GUARD_HOLD_MS / 1000);
	expect(one, PUSH_DROP, PUSH_ANSWER_REFUSED);
	assert_true(world_is_alarm("push_token_not_for_topic"));
	assert_int_equal(world_stats().state, PUSH_TOPIC_OPEN);
}

static void many_bad_tokens_at_once_stop_the_topic_and_die_not(void **state)
{
	static const char *const bodies[] = {BAD_TOKEN, FOREIGN_TOKEN};
	static struct push_stats stats;

	(void)state;
	for (size_t k = 0; k < COUNT_OF(bodies); k++) {
		struct shipment *all[MANY];
		struct shipment *test;
		struct h2 *h2 = world_connect();

		send_many(all, MANY);
		for (size_t i = 0; i < MANY; i++)
			fake_answer(h2, 400, bodies[k]);
		world_pass_s(GUARD_HOLD_MS / 1000 + 1);
		assert_int_equal(world_stats().state, PUSH_TOPIC_STOPPED);
		assert_true(world_is_alarm("push_tokens_bad"));
		assert_true(world_is_alarm("push_topic_stopped"));
		for (size_t i = 0; i < MANY; i++)
			expect(all[i], PUSH_TOPIC_STOP, all[i]->answer);
		topics_stats(world.topics, &stats);
		assert_int_equal(stats.tokens_died_total, 0);
		assert_int_equal(topics_look(world.topics, SLICE_LITERAL(TOPIC), false), TOPICS_STOPPED);
		/* A test neither kills its token, nor is it let off. */
		test = world_send_test(1);
		fake_open(fake_link(0));
		fake_answer(fake_link(0), 400, bodies[k]);
		assert_int_equal(test->status, 400);
		expect(test, PUSH_TOPIC_STOP, PUSH_ANSWER_REFUSED);
		test = world_send_test(1);
		fake_answer(fake_link(0), 200, "");
		expect(test, PUSH_DONE, PUSH_ANSWER_SENT);
		assert_false(world_is_alarm("push_tokens_bad"));
		assert_false(world_is_alarm("push_topic_stopped"));
		assert_int_equal(topics_look(world.topics, SLICE_LITERAL(TOPIC), false), TOPICS_TAKEN);
	}
}

static void a_test_of_a_stopped_topic_kills_no_token(void **state)
{
	struct h2 *h2 = world_connect();
	struct shipment *one = world_send(1);

	(void)state;
	fake_answer(h2, 403, "{\"reason\":\"Forbidden\"}");
	expect(one, PUSH_TOPIC_STOP, PUSH_ANSWER_REFUSED);
	one = world_send_test(1);
	fake_open(fake_link(1));
	fake_answer(fake_link(1), 400, BAD_TOKEN);
	expect(one, PUSH_TOPIC_STOP, PUSH_ANSWER_REFUSED);
}

static void bad_tokens_among_many_good_ones_die(void **state)
{
	struct shipment *all[MANY];
	struct h2 *h2 = world_connect();

	(void)state;
	send_many(all, MANY);
	for (size_t i = 0; i < MANY; i++)
		fake_answer(h2, i % 3 == 2 ? 400 : 200, i % 3 == 2 ? BAD_TOKEN : "");
	world_pass_s(GUARD_HOLD_MS / 1000 + 1);
	for (size_t i = 0; i < MANY; i++)
		expect(all[i], i % 3 == 2 ? PUSH_TOKEN_DEAD : PUSH_DONE,
			i % 3 == 2 ? PUSH_ANSWER_REFUSED : PUSH_ANSWER_SENT);
	assert_int_equal(world_stats().state, PUSH_TOPIC_OPEN);
}

static void as_many_verdicts_are_held_as_the_limit_says(void **state)
{
	static struct shipment *all[TOPIC_HELD_MAX];
	struct h2 *h2 = world_connect();
	size_t rooms;

	(void)state;
	for (size_t i = 0; i < 2 * TOPIC_HELD_MAX; i++) {
		struct shipment *good = world_send(1);

		fake_answer(h2, 200, "");
		expect(good, PUSH_DONE, PUSH_ANSWER_SENT);
	}
	for (size_t i = 0; i < TOPIC_HELD_MAX; i++) {
		assert_int_equal(topics_look(world.topics, SLICE_LITERAL(TOPIC), false), TOPICS_TAKEN);
		all[i] = world_send((int64_t)i + 1);
		fake_answer(h2, 400, BAD_TOKEN);
	}
	assert_int_equal(topics_look(world.topics, SLICE_LITERAL(TOPIC), false), TOPICS_FULL);
	rooms = world.rooms;
	world_pass_s(GUARD_HOLD_MS / 1000);
	assert_int_equal(world.rooms, rooms + 1);
	expect_many(all, TOPIC_HELD_MAX, PUSH_TOKEN_DEAD, PUSH_ANSWER_REFUSED);
}

/* --- stops */

static void a_certificate_that_apns_does_not_take_stops_the_topic(void **state)
{
	static const char *const reasons[] = {"BadCertificate", "BadCertificateEnvironment", "Forbidden",
		"MissingProviderToken", "TopicDisallowed"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(reasons); i++) {
		struct shipment *all[4];
		struct h2 *h2 = world_connect();
		char body[128];
		struct shipment *test;

		fake_net.streams_max = 2;
		send_many(all, 4);
		fake_end(fake_link(1), H2_END_CONNECT, "no");
		(void)snprintf(body, sizeof(body), "{\"reason\":\"%s\"}", reasons[i]);
		fake_answer(h2, strcmp(reasons[i], "TopicDisallowed") == 0 ? 400 : 403, body);
		assert_int_equal(all[0]->status, strcmp(reasons[i], "TopicDisallowed") == 0 ? 400 : 403);
		expect(all[0], PUSH_TOPIC_STOP, PUSH_ANSWER_REFUSED);
		assert_int_equal(world_stats().state, PUSH_TOPIC_STOPPED);
		assert_non_null(strstr(world_stats().why, reasons[i]));
		assert_true(world_is_alarm("push_topic_stopped"));
		assert_false(fake_link_is_staying(h2));
		assert_int_equal(topics_look(world.topics, SLICE_LITERAL(TOPIC), false), TOPICS_STOPPED);
		assert_int_equal(topics_look(world.topics, SLICE_LITERAL(TOPIC), true), TOPICS_TAKEN);
		/* One was in flight, two waited. */
		while (fake_flight(h2) > 0)
			fake_answer(h2, 200, "");
		assert_int_equal(world_stats().state, PUSH_TOPIC_STOPPED);
		expect(all[1], PUSH_DONE, PUSH_ANSWER_SENT);
		expect_many(all + 2, 2, PUSH_TOPIC_STOP, PUSH_ANSWER_STOPPED);
		fake_turn();
		fake_turn();
		assert_int_equal(fake_link_count(), 0);
		test = world_send_test(1);
		fake_open(fake_link(0));
		fake_answer(fake_link(0), 200, "");
		expect(test, PUSH_DONE, PUSH_ANSWER_SENT);
		fake_turn();
		assert_false(world_is_alarm("push_topic_stopped"));
		assert_int_equal(world_stats().state, PUSH_TOPIC_OPEN);
		world_pass_s(5); /* more connections may be made */
	}
}

static void a_goaway_that_says_so_stops_the_topic_too(void **state)
{
	struct h2 *h2 = world_connect();
	struct shipment *one = world_send(1);

	(void)state;
	fake_goaway(h2, "{\"reason\":\"BadCertificate\"}", 0);
	assert_int_equal(world_stats().state, PUSH_TOPIC_STOPPED);
	assert_true(world_is_alarm("push_topic_stopped"));
	expect(one, PUSH_TOPIC_STOP, PUSH_ANSWER_STOPPED);
}

static void a_test_of_a_stopped_topic_that_cannot_connect_is_told(void **state)
{
	struct h2 *h2 = world_connect();
	struct shipment *one = world_send(1);

	(void)state;
	fake_answer(h2, 403, "{\"reason\":\"Forbidden\"}");
	expect(one, PUSH_TOPIC_STOP, PUSH_ANSWER_REFUSED);
	fake_turn();
	fake_turn();
	one = world_send_test(1);
	fake_end(fake_link(0), H2_END_TLS, "alert certificate revoked");
	expect(one, PUSH_RETRY, PUSH_ANSWER_UNREACHABLE);
	assert_int_equal(world_stats().state, PUSH_TOPIC_STOPPED);
	world_pass_s(5);
	assert_int_equal(fake_link_count(), 0);
}

static void a_certificate_that_cannot_be_used_stops_the_topic(void **state)
{
	struct shipment *one;

	(void)state;
	fake_net.open_rc = RC_INVALID;
	one = world_send(1);
	assert_int_equal(one->done_count, 0);
	fake_turn();
	expect(one, PUSH_TOPIC_STOP, PUSH_ANSWER_STOPPED);
	assert_true(world_is_alarm("push_topic_stopped"));
	/* What says nothing of the certificate makes it wait. */
	world_pass_s(1);
	world_set_cert(TOPIC, "second", world_now_s() + 300 * (int64_t)DAY_S);
	world_load();
	fake_net.open_rc = RC_IO;
	one = world_send(1);
	fake_turn();
	expect(one, PUSH_RETRY, PUSH_ANSWER_UNREACHABLE);
	assert_int_equal(world_stats().state, PUSH_TOPIC_WAITING);
}

static void the_first_success_clears_what_a_process_before_said(void **state)
{
	(void)state;
	world.alarm_count = 0;
	(void)world_connect();
	assert_int_equal(world.alarm_count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_true(world.alarms[i].is_clear);
	(void)world_connect();
	assert_int_equal(world.alarm_count, 3);
}

/* --- the end */

static void a_stop_hands_back_all_that_is_under_way(void **state)
{
	struct shipment *all[12];
	struct shipment *broken = ship_to(1);
	struct h2 *h2 = world_connect();

	(void)state;
	fake_net.streams_max = 4;
	send_many(all, 1);
	fake_answer(h2, 400, BAD_TOKEN); /* held */
	send_many(all + 1, 11);          /* four in flight, the others wait */
	broken->parcel.token_len = 0;
	fake_answer(h2, 200, "");
	fake_answer(h2, 200, "");
	expect_many(all + 1, 2, PUSH_DONE, PUSH_ANSWER_SENT);
	assert_int_equal(world_send_on(TOPIC, broken), TOPICS_TAKEN);
	topics_stop(world.topics);
	expect(all[0], PUSH_RETRY, PUSH_ANSWER_WAITING);
	expect_many(all + 3, 9, PUSH_RETRY, PUSH_ANSWER_WAITING);
	expect(broken, PUSH_RETRY, PUSH_ANSWER_WAITING);
	assert_int_equal(topics_look(world.topics, SLICE_LITERAL(TOPIC), false), TOPICS_STOPPED);
	assert_int_equal(topics_look(world.topics, SLICE_LITERAL("x"), true), TOPICS_STOPPED);
	assert_int_equal(fake_link_count(), 0);
	topics_tick(world.topics);
	fake_turn();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_first_push_makes_the_connection_and_the_answer_comes_back),
		TEST(settings_take_effect_with_the_next_push),
		TEST(a_second_connection_is_made_only_when_the_first_is_full),
		TEST(what_apns_did_not_process_is_sent_again_at_once),
		TEST(a_goaway_without_traffic_makes_no_new_connection),
		TEST(what_was_lost_with_its_connection_is_sent_again),
		TEST(the_same_push_is_sent_again_a_few_times_only),
		TEST(while_others_are_answered_it_is_sent_again_more_often),
		TEST(what_is_sent_again_keeps_its_place),
		TEST(goaways_after_answers_cost_no_pause),
		TEST(after_a_cut_fewer_are_in_flight_at_once),
		TEST(a_connection_that_goes_takes_nothing_from_the_few),
		TEST(after_a_failure_it_begins_with_one_and_doubles),
		TEST(one_that_is_not_answered_gives_its_connection_up),
		TEST(connections_that_end_again_and_again_are_not_made_without_pause),
		TEST(a_connection_that_does_not_come_to_be_opens_the_breaker),
		TEST(a_connection_that_opens_and_answers_nothing_opens_the_breaker),
		TEST(a_trial_that_fails_makes_the_pause_longer),
		TEST(trouble_that_lasts_raises_an_alarm_and_its_end_clears_it),
		TEST(a_trial_without_a_verdict_makes_way_for_another),
		TEST(errors_of_apns_in_a_row_open_the_breaker),
		TEST(one_more_connection_that_fails_does_not_stop_the_one_that_works),
		TEST(as_many_wait_as_the_limit_says_and_room_is_told_of),
		TEST(done_may_send_the_next_one),
		TEST(what_cannot_be_sent_is_dropped_but_not_from_within),
		TEST(short_memory_only_delays),
		TEST(an_answer_reaches_the_parcel_with_all_that_it_says),
		TEST(apns_may_say_itself_when_to_come_again),
		TEST(a_503_is_followed_by_another_connection_but_not_by_one_for_each),
		TEST(an_idle_timeout_is_tried_once_more_on_a_new_connection),
		TEST(a_410_kills_the_token_only_if_it_is_newer),
		TEST(a_bad_token_is_dead_when_it_stayed_alone_for_a_while),
		TEST(a_foreign_token_raises_an_alarm_and_leaves_the_topic_alone),
		TEST(many_bad_tokens_at_once_stop_the_topic_and_die_not),
		TEST(a_test_of_a_stopped_topic_kills_no_token),
		TEST(bad_tokens_among_many_good_ones_die),
		TEST(as_many_verdicts_are_held_as_the_limit_says),
		TEST(a_certificate_that_apns_does_not_take_stops_the_topic),
		TEST(a_goaway_that_says_so_stops_the_topic_too),
		TEST(a_test_of_a_stopped_topic_that_cannot_connect_is_told),
		TEST(a_certificate_that_cannot_be_used_stops_the_topic),
		TEST(the_first_success_clears_what_a_process_before_said),
		TEST(a_stop_hands_back_all_that_is_under_way),
	};

	return cmocka_run_group_tests_name("push/topics", tests, NULL, NULL);
}
