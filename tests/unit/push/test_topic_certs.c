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

enum { MANY = 40 };

static void expect(struct shipment *shipment, enum push_action action, enum push_answer answer)
{
	assert_int_equal(shipment->done_count, 1);
	assert_int_equal(shipment->action, action);
	assert_int_equal(shipment->answer, answer);
	free(shipment);
}

static enum topics_verdict look(const char *topic)
{
	return topics_look(world.topics, slice_of_str(topic), false);
}

/* An hour at a time. */
static void pass_days(int64_t days)
{
	for (int64_t i = 0; i < days * 24; i++) {
		world_pass_ms(3600 * 1000);
		topics_tick(world.topics);
		fake_turn();
	}
}

static void each_warning_is_written_once_and_the_last_two_raise_an_alarm(void **state)
{
	(void)state;
	world_set_cert(TOPIC, "short", world_now_s() + 40 * (int64_t)DAY_S);
	world_load();
	pass_days(9);
	assert_int_equal(world_log_count("event=push_cert_expiring"), 0);
	pass_days(2);
	assert_int_equal(world_log_count("event=push_cert_expiring"), 1);
	pass_days(14);
	assert_int_equal(world_log_count("event=push_cert_expiring"), 1);
	pass_days(2);
	assert_int_equal(world_log_count("event=push_cert_expiring"), 2);
	assert_false(world_is_alarm("push_cert_expiring"));
	pass_days(7);
	assert_int_equal(world_log_count("event=push_cert_expiring"), 3);
	assert_int_equal(world_log_count("days_left=7"), 1);
	assert_true(world_is_alarm("push_cert_expiring"));
	pass_days(5);
	assert_int_equal(world_log_count("event=push_cert_expiring"), 4);
	assert_int_equal(world_log_count("event=push_cert_expired"), 0);
	assert_int_equal(look(TOPIC), TOPICS_TAKEN);
	pass_days(2);
	assert_int_equal(world_log_count("event=push_cert_expired"), 1);
	assert_true(world_is_alarm("push_cert_expired"));
	assert_false(world_is_alarm("push_cert_expiring"));
	pass_days(2);
	assert_int_equal(world_log_count("event=push_cert_expired"), 1);
	assert_int_equal(world_log_count("event=push_cert_expiring"), 4);
	assert_int_equal(world_stats().state, PUSH_TOPIC_EXPIRED);
	/* The renewal clears both. */
	world_set_cert(TOPIC, "second", world_now_s() + 365 * (int64_t)DAY_S);
	world_load();
	assert_false(world_is_alarm("push_cert_expired"));
	assert_false(world_is_alarm("push_cert_expiring"));
	assert_int_equal(look(TOPIC), TOPICS_TAKEN);
}

static void nothing_is_sent_with_an_expired_certificate(void **state)
{
	struct shipment *all[4];
	struct h2 *h2 = world_connect();
	size_t sent;

	(void)state;
	world_set_cert(TOPIC, "short", world_now_s() + 10);
	world_load();
	h2 = world_connect();
	fake_net.streams_max = 2;
	for (size_t i = 0; i < 4; i++)
		all[i] = world_send(1);
	sent = fake_net.requests;
	world_pass_ms(10000);
	/* Even before a tick has come. */
	assert_int_equal(look(TOPIC), TOPICS_NO_CERTIFICATE);
	assert_int_equal(topics_look(world.topics, SLICE_LITERAL(TOPIC), true), TOPICS_NO_CERTIFICATE);
	fake_answer(h2, 200, "");
	assert_int_equal(fake_net.requests, sent);
	fake_turn();
	assert_false(fake_link_is_staying(h2));
	expect(all[0], PUSH_DONE, PUSH_ANSWER_SENT);
	expect(all[2], PUSH_TOPIC_STOP, PUSH_ANSWER_NO_CERTIFICATE);
	expect(all[3], PUSH_TOPIC_STOP, PUSH_ANSWER_NO_CERTIFICATE);
	fake_end(h2, H2_END_CLOSED, ""); /* what is lost now is not sent again */
	expect(all[1], PUSH_RETRY, PUSH_ANSWER_UNREACHABLE);
	world_pass_s(10);
	assert_int_equal(fake_net.requests, sent);
	assert_int_equal(fake_link_count(), 0);
}

static void a_certificate_that_ends_while_it_connects_sends_nothing(void **state)
{
	struct shipment *one;
	struct h2 *h2;

	(void)state;
	world_set_cert(TOPIC, "short", world_now_s() + 10);
	world_load();
	one = world_send(1);
	h2 = fake_link(0);
	world_pass_ms(10000);
	fake_open(h2);
	fake_turn();
	assert_int_equal(fake_net.requests, 0);
	expect(one, PUSH_TOPIC_STOP, PUSH_ANSWER_NO_CERTIFICATE);
	world_pass_s(3);
	assert_int_equal(fake_net.requests, 0);
	assert_int_equal(fake_net.opened, 1);
	assert_int_equal(fake_link_count(), 0);
}

static void a_clock_that_was_wrong_stops_nothing_for_good(void **state)
{
	size_t rooms;

	(void)state;
	world.unix_ms += 1000 * (int64_t)DAY_S * 1000;
	world_pass_s(1);
	assert_int_equal(world_stats().state, PUSH_TOPIC_EXPIRED);
	assert_int_equal(look(TOPIC), TOPICS_NO_CERTIFICATE);
	world.unix_ms -= 1000 * (int64_t)DAY_S * 1000;
	rooms = world.rooms;
	world_pass_s(1);
	assert_int_equal(world.rooms, rooms + 1);
	assert_int_equal(world_stats().state, PUSH_TOPIC_IDLE);
	assert_false(world_is_alarm("push_cert_expired"));
	(void)world_connect();
}

/* --- exchanging it */

static void a_new_certificate_takes_over_and_loses_nothing(void **state)
{
	struct shipment *all[MANY];
	struct h2 *old = world_connect();
	struct h2 *new;

	(void)state;
	fake_net.streams_max = MANY / 2;
	for (size_t i = 0; i < MANY; i++)
		all[i] = world_send(1);
	assert_int_equal(fake_flight(old), MANY / 2);
	world_set_cert(TOPIC, "second", world_now_s() + 365 * (int64_t)DAY_S);
	world_load();
	assert_false(fake_link_is_staying(old));
	new = fake_link(fake_link_count() - 1);
	assert_string_equal(fake_link_cert(new), "second");
	fake_net.cert_wanted = "second";
	fake_open(new);
	while (fake_flight(old) > 1)
		fake_answer(old, 200, "");
	while (fake_flight(new) > 0)
		fake_answer(new, 200, "");
	/* What the former certificate is told is not held against the new one. */
	fake_answer(old, 403, "{\"reason\":\"BadCertificate\"}");
	assert_int_equal(world_stats().state, PUSH_TOPIC_OPEN);
	assert_int_equal(fake_flight(new), 1);
	fake_answer(new, 200, "");
	for (size_t i = 0; i < MANY; i++)
		expect(all[i], PUSH_DONE, PUSH_ANSWER_SENT);
	fake_turn();
	fake_turn();
	assert_int_equal(fake_link_count(), 1);
}

static void a_verdict_with_the_former_certificate_is_asked_for_again(void **state)
{
	struct h2 *old = world_connect();
	struct shipment *held = world_send(1);
	struct shipment *late = world_send(2);
	struct h2 *new;

	(void)state;
	fake_answer(old, 400, "{\"reason\":\"BadDeviceToken\"}");
	world_set_cert(TOPIC, "second", world_now_s() + 365 * (int64_t)DAY_S);
	world_load();
	fake_answer(old, 400, "{\"reason\":\"BadDeviceToken\"}");
	new = fake_link(1);
	fake_open(new);
	assert_int_equal(fake_flight(new), 2);
	fake_answer(new, 200, "");
	fake_answer(new, 200, "");
	expect(held, PUSH_DONE, PUSH_ANSWER_SENT);
	expect(late, PUSH_DONE, PUSH_ANSWER_SENT);
}

static void a_stopped_topic_goes_on_with_a_new_certificate(void **state)
{
	struct shipment *one;
	struct h2 *h2;
	size_t rooms;

	(void)state;
	world_set_cert(TOPIC, "second", world_now_s() + 300 * (int64_t)DAY_S);
	world_pass_s(1);
	world_load();
	h2 = world_connect();
	one = world_send(1);
	fake_answer(h2, 403, "{\"reason\":\"BadCertificate\"}");
	expect(one, PUSH_TOPIC_STOP, PUSH_ANSWER_REFUSED);
	assert_int_equal(look(TOPIC), TOPICS_STOPPED);
	/* The same one, read again, changes nothing. */
	world_load();
	assert_int_equal(look(TOPIC), TOPICS_STOPPED);
	world_pass_s(2);
	rooms = world.rooms;
	/* The same one, stored again, is another try. */
	world_set_cert(TOPIC, "second", world_now_s() + 300 * (int64_t)DAY_S);
	world_load();
	assert_true(world.rooms > rooms);
	assert_false(world_is_alarm("push_topic_stopped"));
	assert_int_equal(look(TOPIC), TOPICS_TAKEN);
	(void)world_connect();
}

static void the_same_one_stored_again_within_a_second_is_another_try(void **state)
{
	struct h2 *h2;
	struct shipment *one;

	(void)state;
	world_pass_s(1);
	world_set_cert(TOPIC, "second", world_now_s() + 300 * (int64_t)DAY_S);
	world_load();
	h2 = world_connect();
	one = world_send(1);
	fake_answer(h2, 403, "{\"reason\":\"BadCertificate\"}");
	expect(one, PUSH_TOPIC_STOP, PUSH_ANSWER_REFUSED);
	world_set_cert(TOPIC, "second", world_now_s() + 300 * (int64_t)DAY_S);
	world_load();
	assert_int_equal(look(TOPIC), TOPICS_TAKEN);
}

static void an_unchanged_certificate_keeps_its_connection(void **state)
{
	struct h2 *h2 = world_connect();

	(void)state;
	world_set_cert(OTHER_TOPIC, "other", world_now_s() + 300 * (int64_t)DAY_S);
	world_load();
	assert_true(fake_link_is_staying(h2));
	assert_int_equal(look(OTHER_TOPIC), TOPICS_TAKEN);
}

static void without_a_certificate_there_is_no_topic(void **state)
{
	struct shipment *all[3];
	struct shipment *one = ship_to(1);
	struct h2 *h2 = world_connect();

	(void)state;
	fake_net.streams_max = 2;
	for (size_t i = 0; i < 3; i++)
		all[i] = world_send(1);
	world_remove_cert(TOPIC);
	world_load();
	expect(all[2], PUSH_TOPIC_STOP, PUSH_ANSWER_NO_CERTIFICATE);
	fake_answer(h2, 200, "");
	fake_answer(h2, 200, "");
	expect(all[0], PUSH_DONE, PUSH_ANSWER_SENT);
	expect(all[1], PUSH_DONE, PUSH_ANSWER_SENT);
	assert_int_equal(world_send_on(TOPIC, one), TOPICS_NO_CERTIFICATE);
	world_pass_s(2);
	assert_int_equal(fake_link_count(), 0);
	assert_int_equal(world_send_on(TOPIC, one), TOPICS_NO_CERTIFICATE);
	world_set_cert(TOPIC, "again", world_now_s() + 300 * (int64_t)DAY_S);
	world_load();
	assert_int_equal(world_send_on(TOPIC, one), TOPICS_TAKEN);
	fake_open(fake_link(0));
	fake_answer(fake_link(0), 200, "");
	expect(one, PUSH_DONE, PUSH_ANSWER_SENT);
}

static void topics_stand_side_by_side(void **state)
{
	struct shipment *one = ship_to(1);
	struct h2 *h2 = world_connect();
	struct shipment *stopped = world_send(1);

	(void)state;
	world_set_cert(OTHER_TOPIC, "other", world_now_s() + 300 * (int64_t)DAY_S);
	world_load();
	fake_answer(h2, 403, "{\"reason\":\"Forbidden\"}");
	expect(stopped, PUSH_TOPIC_STOP, PUSH_ANSWER_REFUSED);
	assert_int_equal(world_send_on(OTHER_TOPIC, one), TOPICS_TAKEN);
	h2 = fake_link(1);
	assert_string_equal(fake_link_cert(h2), "other");
	fake_open(h2);
	assert_string_equal(fake_request(h2, 0)->topic, OTHER_TOPIC);
	fake_answer(h2, 200, "");
	expect(one, PUSH_DONE, PUSH_ANSWER_SENT);
	assert_int_equal(look(TOPIC), TOPICS_STOPPED);
	assert_int_equal(look("com.apple.mgmt.External.3"), TOPICS_NO_CERTIFICATE);
}

static void one_that_cannot_be_read_spoils_no_other(void **state)
{
	struct err err;

	(void)state;
	world_set_cert(OTHER_TOPIC, "other", world_now_s() + 300 * (int64_t)DAY_S);
	world.certs[0].key_rc = RC_CORRUPT;
	world.certs[0].stored_at++;
	world_load();
	assert_int_equal(look(TOPIC), TOPICS_TAKEN); /* with what was there before */
	assert_int_equal(look(OTHER_TOPIC), TOPICS_TAKEN);
	assert_int_equal(world_log_count("event=push_certificate_unreadable"), 1);
	world.list_rc = RC_IO;
	assert_int_equal(topics_load(world.topics, &err), RC_IO);
	assert_int_equal(look(TOPIC), TOPICS_TAKEN);
	assert_int_equal(look(OTHER_TOPIC), TOPICS_TAKEN);
}

static void as_many_topics_are_served_as_the_limit_says(void **state)
{
	static struct push_stats stats;
	size_t taken = 0;

	(void)state;
	for (int i = 2; i <= PUSH_TOPICS_MAX + 1; i++) {
		char topic[64];

		(void)snprintf(topic, sizeof(topic), "com.apple.mgmt.External.%d", i);
		world_set_cert(topic, topic + 15, world_now_s() + 300 * (int64_t)DAY_S);
		if (i == PUSH_TOPICS_MAX) {
			world_load();
			assert_int_equal(world_log_count("event=push_certificates_too_many"), 0);
		}
	}
	world_load();
	assert_int_equal(world_log_count("event=push_certificates_too_many"), 1);
	topics_stats(world.topics, &stats);
	assert_int_equal(stats.topic_count, PUSH_TOPICS_MAX);
	for (int i = 1; i <= PUSH_TOPICS_MAX + 1; i++) {
		char topic[64];

		(void)snprintf(topic, sizeof(topic), "com.apple.mgmt.External.%d", i);
		taken += look(topic) == TOPICS_TAKEN;
	}
	assert_int_equal(taken, PUSH_TOPICS_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(each_warning_is_written_once_and_the_last_two_raise_an_alarm),
		TEST(nothing_is_sent_with_an_expired_certificate),
		TEST(a_certificate_that_ends_while_it_connects_sends_nothing),
		TEST(a_clock_that_was_wrong_stops_nothing_for_good),
		TEST(a_new_certificate_takes_over_and_loses_nothing),
		TEST(a_verdict_with_the_former_certificate_is_asked_for_again),
		TEST(a_stopped_topic_goes_on_with_a_new_certificate),
		TEST(the_same_one_stored_again_within_a_second_is_another_try),
		TEST(an_unchanged_certificate_keeps_its_connection),
		TEST(without_a_certificate_there_is_no_topic),
		TEST(topics_stand_side_by_side),
		TEST(one_that_cannot_be_read_spoils_no_other),
		TEST(as_many_topics_are_served_as_the_limit_says),
	};

	return cmocka_run_group_tests_name("push/topic_certs", tests, NULL, NULL);
}
