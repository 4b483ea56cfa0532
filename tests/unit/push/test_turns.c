/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "world.h"

/* In what order, how fast, and past which topics. */

static int64_t now_us(const struct world *w)
{
	return w->push->now_us;
}

/* No window of time may hold more than the burst and what came in. */
static void assert_rate_kept(int64_t per_s)
{
	const int64_t burst = per_s / 10 > 1 ? per_s / 10 : 1;

	for (size_t i = 0; i < fake.log_count; i++)
		for (size_t j = i; j < fake.log_count; j++) {
			int64_t us = fake.log[j].at_us - fake.log[i].at_us;

			assert_true((int64_t)(j - i + 1) <= burst + 1 + us * per_s / 1000000);
		}
}

static void test_the_rate_cap_is_never_exceeded(void **state)
{
	static const struct {
		int64_t per_s;
		size_t count;
	} rows[] = {{1, 12}, {30, 150}, {200, 400}};

	for (size_t r = 0; r < 3; r++) {
		struct world *w = *state;
		const int64_t most_us = (int64_t)rows[r].count * 1000000 / rows[r].per_s;
		int64_t first = world_enroll_many(w, rows[r].count, WORLD_TOPIC);
		int64_t begun_us;

		fake.log_count = 0;
		w->params.settings.rate_per_s = rows[r].per_s;
		world_start(w);
		(void)world_send(w, first, rows[r].count, COMMAND_PRIORITY_NORMAL, 0);
		push_poke(w->push);
		world_settle(w);
		begun_us = now_us(w);
		for (int i = 0; fake.log_count < rows[r].count && i < 2000; i++)
			world_pass_us(w, 10000 + i % 3);
		assert_int_equal(fake.log_count, rows[r].count);
		assert_rate_kept(rows[r].per_s);
		assert_true(now_us(w) - begun_us <= most_us * 11 / 10 + 100000); /* and is used up */
		world_crash(w);
	}
}

static void test_urgent_work_goes_first(void **state)
{
	struct world *w = *state;
	int64_t normal = world_enroll_many(w, 300, WORLD_TOPIC);
	int64_t urgent = world_enroll_many(w, 20, WORLD_TOPIC);

	w->params.settings.rate_per_s = 10;
	world_start(w);
	(void)world_send(w, normal, 300, COMMAND_PRIORITY_NORMAL, 0);
	push_poke(w->push);
	world_settle(w);
	assert_int_equal(fake.log_count, 1);
	(void)world_send(w, urgent, 20, COMMAND_PRIORITY_URGENT, 0);
	push_poke(w->push);
	for (int i = 0; i < 20; i++)
		world_pass_us(w, 100000);
	assert_int_equal(fake.log_count, 21);
	for (size_t i = 1; i <= 20; i++)
		assert_true(fake.log[i].enrollment_id >= urgent);
}

static void test_an_urgent_command_moves_a_waiting_enrollment_ahead(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 50, WORLD_TOPIC);

	fake_verdict(WORLD_TOPIC, TOPICS_WAITING);
	world_start(w);
	(void)world_send(w, first, 50, COMMAND_PRIORITY_NORMAL, 0);
	push_poke(w->push);
	world_settle(w);
	(void)world_send(w, first + 40, 1, COMMAND_PRIORITY_URGENT, 0);
	push_poke(w->push);
	world_settle(w);
	fake_verdict(WORLD_TOPIC, TOPICS_TAKEN);
	fake_room();
	world_settle(w);
	assert_int_equal(fake.log_count, 50);
	assert_int_equal(fake.log[0].enrollment_id, first + 40);
}

static void assert_all_pushed(int64_t first, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(fake_pushes_to(first + (int64_t)i), 1);
}

static void test_a_blocked_topic_is_parked_and_resumed(void **state)
{
	static const enum topics_verdict verdicts[] = {TOPICS_NO_CERTIFICATE, TOPICS_STOPPED,
		TOPICS_WAITING, TOPICS_FULL};

	for (size_t v = 0; v < 4; v++) {
		struct world *w = *state;
		int64_t first = world_enroll_many(w, 1000, WORLD_TOPIC);
		size_t vain = fake_looks_in_vain(WORLD_TOPIC);

		fake_verdict(WORLD_TOPIC, verdicts[v]);
		world_start(w);
		(void)world_send(w, first, 1000, COMMAND_PRIORITY_NORMAL, 0);
		push_poke(w->push);
		world_settle(w);
		assert_int_equal(world_stats(w).tracked, 1000);
		for (int i = 0; i < 100; i++)
			world_pass_s(w, 1);
		/* a look at the topic a second, and at each enrollment once, to learn its topic */
		assert_true(fake_looks_in_vain(WORLD_TOPIC) - vain <= 1000 + 110);
		assert_int_equal(fake_pushes_to(first), 0);
		fake_verdict(WORLD_TOPIC, TOPICS_TAKEN);
		fake_room();
		world_settle(w);
		assert_all_pushed(first, 1000);
		world_cancel(w, first, 1000);
		world_crash(w);
	}
}

static void test_a_topic_that_goes_on_unannounced_is_noticed_within_a_second(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 10, WORLD_TOPIC);

	fake_verdict(WORLD_TOPIC, TOPICS_STOPPED);
	world_start(w);
	(void)world_send(w, first, 10, COMMAND_PRIORITY_NORMAL, 0);
	world_pass_s(w, 3);
	fake_verdict(WORLD_TOPIC, TOPICS_TAKEN);
	world_pass_s(w, 1);
	assert_all_pushed(first, 10);
}

static void test_a_small_window_is_filled_and_nobody_is_looked_at_in_vain_for_long(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 3000, WORLD_TOPIC);
	size_t rounds = 0;

	fake_window(WORLD_TOPIC, 10);
	fake.is_auto = false;
	world_start(w);
	(void)world_send(w, first, 3000, COMMAND_PRIORITY_NORMAL, 0);
	push_poke(w->push);
	for (world_settle(w); fake.held_count > 0; world_settle(w), rounds++) {
		assert_int_equal(fake.held_count, 10);
		for (int i = 0; i < 10; i++)
			fake_answer(fake.held->enrollment_id, &fake_taken);
	}
	assert_int_equal(rounds, 300);
	assert_all_pushed(first, 3000);
	/* once for each of the mixed slot, and one or two a round */
	assert_true(fake_looks_in_vain(WORLD_TOPIC) <= READY_MISSES_MAX + 3 * rounds + 10);
}

static void test_no_topic_waits_behind_another(void **state)
{
	static const enum topics_verdict verdicts[] = {TOPICS_NO_CERTIFICATE, TOPICS_STOPPED,
		TOPICS_WAITING};

	for (size_t v = 0; v < 3; v++) {
		struct world *w = *state;
		int64_t blocked = world_enroll_many(w, 2000, WORLD_TOPIC);
		int64_t open = world_enroll_many(w, 5, "com.apple.mgmt.External.2");

		fake_verdict(WORLD_TOPIC, verdicts[v]);
		world_start(w);
		(void)world_send(w, blocked, 2005, COMMAND_PRIORITY_NORMAL, 0);
		push_poke(w->push);
		world_settle(w);
		assert_all_pushed(open, 5);
		assert_int_equal(fake_pushes_to(blocked), 0);
		world_cancel(w, blocked, 2005);
		world_crash(w);
	}
}

static void test_a_topic_behind_a_full_one_gets_its_turn(void **state)
{
	struct world *w = *state;
	int64_t full = world_enroll_many(w, 1500, WORLD_TOPIC);
	int64_t open = world_enroll_many(w, 5, "com.apple.mgmt.External.2");

	fake_verdict(WORLD_TOPIC, TOPICS_FULL);
	world_start(w);
	(void)world_send(w, full, 1505, COMMAND_PRIORITY_NORMAL, 0);
	push_poke(w->push);
	for (int i = 0; i < 8; i++)
		world_pass_s(w, 1);
	assert_all_pushed(open, 5);
}

static void test_a_refusal_that_stops_the_topic_loses_nobody(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 100, WORLD_TOPIC);

	fake.is_auto = false;
	fake_window(WORLD_TOPIC, 20);
	world_start(w);
	(void)world_send(w, first, 100, COMMAND_PRIORITY_NORMAL, 0);
	push_poke(w->push);
	world_settle(w);
	assert_int_equal(fake.held_count, 20);
	fake_verdict(WORLD_TOPIC, TOPICS_STOPPED);
	(void)fake_answer_all(&fake_stopped);
	world_pass_s(w, 50);
	assert_int_equal(fake.log_count, 20);
	fake_verdict(WORLD_TOPIC, TOPICS_TAKEN);
	fake_window(WORLD_TOPIC, 0);
	fake.is_auto = true;
	fake_room();
	world_settle(w);
	assert_int_equal(fake.log_count, 120);
	for (int64_t id = first; id < first + 100; id++)
		assert_in_range(fake_pushes_to(id), 1, 2);
}

static void test_more_topics_than_there_are_slots_are_all_served(void **state)
{
	struct world *w = *state;
	int64_t ids[FAKE_TOPICS];
	char topic[64];

	for (int i = 0; i < FAKE_TOPICS; i++) {
		(void)snprintf(topic, sizeof(topic), "com.apple.mgmt.%d", i);
		ids[i] = world_enroll_many(w, 3, topic);
		fake_verdict(topic, i % 2 == 0 ? TOPICS_STOPPED : TOPICS_TAKEN);
		(void)world_send(w, ids[i], 3, COMMAND_PRIORITY_NORMAL, 0);
	}
	world_start(w);
	world_pass_s(w, 2);
	for (int i = 0; i < FAKE_TOPICS; i++)
		for (int64_t k = 0; k < 3; k++)
			assert_int_equal(fake_pushes_to(ids[i] + k), i % 2);
	for (int i = 0; i < FAKE_TOPICS; i++) {
		(void)snprintf(topic, sizeof(topic), "com.apple.mgmt.%d", i);
		fake_verdict(topic, TOPICS_TAKEN);
	}
	world_pass_s(w, 1);
	world_pass_s(w, 1);
	for (int i = 0; i < FAKE_TOPICS; i++)
		assert_all_pushed(ids[i], 3);
}

static void test_a_device_that_moves_to_another_topic_is_pushed_there(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, "com.apple.mgmt.External.2");

	fake_verdict("com.apple.mgmt.External.2", TOPICS_NO_CERTIFICATE);
	world_start(w);
	(void)world_wake(w, id);
	world_settle(w);
	assert_int_equal(fake.log_count, 0);
	world_set_token(w, id, 2); /* of WORLD_TOPIC */
	world_contact(w, id, PUSH_CONTACT_TOKEN, 0);
	world_settle(w);
	assert_int_equal(fake.log_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_rate_cap_is_never_exceeded),
		TEST(test_urgent_work_goes_first),
		TEST(test_an_urgent_command_moves_a_waiting_enrollment_ahead),
		TEST(test_a_blocked_topic_is_parked_and_resumed),
		TEST(test_a_topic_that_goes_on_unannounced_is_noticed_within_a_second),
		TEST(test_a_small_window_is_filled_and_nobody_is_looked_at_in_vain_for_long),
		TEST(test_no_topic_waits_behind_another),
		TEST(test_a_topic_behind_a_full_one_gets_its_turn),
		TEST(test_a_refusal_that_stops_the_topic_loses_nobody),
		TEST(test_more_topics_than_there_are_slots_are_all_served),
		TEST(test_a_device_that_moves_to_another_topic_is_pushed_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
