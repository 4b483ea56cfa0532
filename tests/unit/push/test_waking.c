/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

/* Who is pushed to, and when, from the queue to the lower half. */

enum { DAY_S = 86400 };

static void test_work_is_pushed_for_with_token_and_magic(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	int64_t seq;

	world_start(w);
	assert_int_equal(fake.log_count, 0);
	seq = world_wake(w, id);
	world_settle(w);
	assert_int_equal(fake.log_count, 1);
	assert_int_equal(fake.log[0].enrollment_id, id);
	assert_int_equal(fake.log[0].token_mark, 1);
	assert_string_equal(fake.log[0].magic, "magic-1");
	assert_false(fake.log[0].is_test);
	world_pass_s(w, 2);
	assert_int_equal(world_target(w, id).pushed_seq, seq);
	assert_int_equal(world_target(w, id).tries, 1);
}

static void test_a_crash_between_commit_and_push_forgets_nobody(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 3, WORLD_TOPIC);

	world_start(w);
	(void)world_send(w, first, 3, COMMAND_PRIORITY_NORMAL, 0); /* nobody poked */
	world_crash(w);
	assert_int_equal(fake.log_count, 0);
	world_start(w);
	assert_int_equal(fake.log_count, 3);
}

static void test_a_crash_while_pushes_are_in_flight_forgets_nobody(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);

	fake.is_auto = false;
	world_start(w);
	(void)world_wake(w, id);
	world_settle(w);
	assert_true(fake_holds(id));
	world_crash(w);
	fake.is_auto = true;
	world_start(w);
	assert_int_equal(fake_pushes_to(id), 2);
}

static void test_a_forgotten_poke_is_made_up_for_within_a_second(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);

	world_start(w);
	(void)world_send(w, id, 1, COMMAND_PRIORITY_NORMAL, 0);
	world_pass_s(w, 1);
	assert_int_equal(fake.log_count, 1);
}

static void test_ten_commands_before_the_push_are_one_push(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);

	world_start(w);
	for (int i = 0; i < 10; i++)
		(void)world_wake(w, id);
	world_settle(w);
	assert_int_equal(fake.log_count, 1);
	world_pass_s(w, 30);
	assert_int_equal(fake.log_count, 1);
}

static void test_no_more_than_one_push_is_in_flight(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);

	fake.is_auto = false;
	world_start(w);
	(void)world_wake(w, id);
	world_settle(w);
	for (int i = 0; i < 10; i++) {
		(void)world_wake(w, id);
		world_pass_s(w, 100);
	}
	assert_int_equal(fake.log_count, 1);
	fake_answer(id, &fake_taken);
	world_settle(w);
	assert_int_equal(fake.log_count, 1);
	world_pass_s(w, 75);
	assert_int_equal(fake.log_count, 2); /* for the ten that came meanwhile, too */
	fake_answer(id, &fake_taken);
	world_pass_s(w, 30);
	assert_int_equal(fake.log_count, 2);
}

static void test_nobody_is_pushed_to_for_work_that_is_over(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 4, WORLD_TOPIC);

	fake_verdict(WORLD_TOPIC, TOPICS_WAITING);
	world_start(w);
	(void)world_send(w, first, 3, COMMAND_PRIORITY_NORMAL, 0);
	(void)world_send(w, first + 3, 1, COMMAND_PRIORITY_NORMAL, WORLD_T0 + 100);
	push_poke(w->push);
	world_settle(w);
	assert_int_equal(world_stats(w).tracked, 4);
	world_finish(w, first);
	world_cancel(w, first + 1, 1);
	world_pass_s(w, 100); /* the last one expires */
	fake_verdict(WORLD_TOPIC, TOPICS_TAKEN);
	fake_room();
	world_settle(w);
	assert_int_equal(fake.log_count, 1);
	assert_int_equal(fake.log[0].enrollment_id, first + 2);
	assert_int_equal(world_stats(w).tracked, 1);
}

static void test_answered_work_is_not_pushed_for_again(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);

	world_start(w);
	(void)world_wake(w, id);
	world_settle(w);
	world_finish(w, id);
	world_contact(w, id, PUSH_CONTACT_MESSAGE, 0);
	for (int i = 0; i < 30; i++)
		world_pass_s(w, 3600);
	assert_int_equal(fake.log_count, 1);
	assert_int_equal(world_stats(w).tracked, 0);
}

/*
 * The device's empty reply is decided on a snapshot that has seen the first command (held by NotNow) and not the
 * second. The second is published, and looked for, before the contact is told, which is later by any clock.
 */
static void test_work_that_races_an_empty_reply_is_pushed_for(void **state)
{
	static const enum push_contact_kind kinds[] = {PUSH_CONTACT_HELD, PUSH_CONTACT_RESTING,
		PUSH_CONTACT_DRAINED};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		for (int is_told_first = 0; is_told_first < 2; is_told_first++) {
			struct world *w = *state;
			int64_t id = world_enroll(w, WORLD_TOPIC);
			int64_t seen;

			world_start(w);
			seen = world_wake(w, id);
			world_settle(w);
			assert_int_equal(fake_pushes_to(id), 1);
			world_pass_s(w, 10);
			(void)world_send(w, id, 1, COMMAND_PRIORITY_NORMAL, 0);
			world_pass_us(w, 1000);
			if (is_told_first)
				push_poke(w->push);
			world_contact(w, id, kinds[i], seen);
			if (!is_told_first)
				push_poke(w->push);
			world_settle(w);
			assert_int_equal(fake_pushes_to(id), 2);
		}
}

/*
 * The decision behind an empty reply, the enqueue, and then the time by which the device is known to have been seen:
 * all of it is stored, and later than the new work, before the scheduler learns of either; it lives on, or begins
 * anew. Whoever compares times finds nothing to do.
 */
static void test_no_time_of_a_contact_hides_work_that_its_snapshot_had_not_seen(void **state)
{
	static const enum push_contact_kind kinds[] = {PUSH_CONTACT_HELD, PUSH_CONTACT_RESTING,
		PUSH_CONTACT_DRAINED};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		for (int is_restart = 0; is_restart < 2; is_restart++) {
			struct world *w = *state;
			int64_t id = world_enroll(w, WORLD_TOPIC);
			int64_t seen;

			world_start(w);
			seen = world_wake(w, id);
			world_settle(w);
			world_pass_s(w, 10);
			assert_int_equal(fake_pushes_to(id), 1);
			(void)world_send(w, id, 1, COMMAND_PRIORITY_NORMAL, 0);
			world_idle_s(w, 5);
			world_see(w, id);
			world_contact(w, id, kinds[i], seen);
			if (is_restart)
				world_start(w);
			world_settle(w);
			assert_int_equal(fake_pushes_to(id), 2);
			world_crash(w);
		}
}

/* The same, where the contact comes while the new work waits for its turn. */
static void test_a_contact_does_not_push_new_work_out_of_its_turn(void **state)
{
	static const enum push_contact_kind kinds[] = {PUSH_CONTACT_HELD, PUSH_CONTACT_RESTING,
		PUSH_CONTACT_DRAINED};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct world *w = *state;
		int64_t id = world_enroll(w, WORLD_TOPIC);
		int64_t seen;

		world_start(w);
		seen = world_wake(w, id);
		world_settle(w);
		fake_verdict(WORLD_TOPIC, TOPICS_WAITING);
		(void)world_wake(w, id);
		world_pass_s(w, 5);
		world_contact(w, id, kinds[i], seen);
		world_pass_s(w, 5);
		fake_verdict(WORLD_TOPIC, TOPICS_TAKEN);
		fake_room();
		world_settle(w);
		assert_int_equal(fake_pushes_to(id), 2);
		world_crash(w);
	}
}

/* And where the snapshot had seen all: there is nothing to push for at once. */
static void test_work_that_an_empty_reply_has_seen_is_not_pushed_for_at_once(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	int64_t seen;

	fake_verdict(WORLD_TOPIC, TOPICS_WAITING);
	world_start(w);
	seen = world_wake(w, id);
	world_settle(w);
	world_contact(w, id, PUSH_CONTACT_HELD, seen);
	fake_verdict(WORLD_TOPIC, TOPICS_TAKEN);
	fake_room();
	world_settle(w);
	assert_int_equal(fake.log_count, 0);
	world_pass_s(w, 76);
	assert_int_equal(fake.log_count, 1);
}

static void test_one_that_rests_is_left_alone(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	int64_t seq;

	world_start(w);
	seq = world_wake(w, id);
	world_settle(w);
	world_contact(w, id, PUSH_CONTACT_RESTING, seq);
	world_settle(w);
	world_pass_s(w, 21600 * 3 / 4 - 60);
	assert_int_equal(fake.log_count, 1);
	world_pass_s(w, 21600 / 4 + 61);
	assert_int_equal(fake.log_count, 2);
	world_contact(w, id, PUSH_CONTACT_RESTING, seq);
	(void)world_wake(w, id);
	world_settle(w);
	assert_int_equal(fake.log_count, 3);
}

static void test_rest_outlives_a_restart(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	int64_t seq;

	world_start(w);
	seq = world_wake(w, id);
	world_settle(w);
	world_contact(w, id, PUSH_CONTACT_HELD, seq);
	world_pass_s(w, 2);
	world_pass_s(w, 2);
	assert_int_equal(world_target(w, id).seen_seq, seq);
	world_start(w);
	world_pass_s(w, 30);
	assert_int_equal(fake.log_count, 1);
	world_pass_s(w, 50);
	assert_int_equal(fake.log_count, 2);
}

static void test_held_work_of_one_that_does_not_come_is_pushed_for_again(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	int64_t seq;

	world_start(w);
	seq = world_wake(w, id);
	world_settle(w);
	world_pass_s(w, 10);
	world_contact(w, id, PUSH_CONTACT_HELD, seq);
	world_settle(w);
	world_pass_s(w, 44);
	assert_int_equal(fake.log_count, 1);
	world_pass_s(w, 33);
	assert_int_equal(fake.log_count, 2);
}

/* --- tokens */

static void test_a_dead_token_is_marked_and_revived_by_a_token_update(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);

	fake.answer = fake_dead;
	world_start(w);
	(void)world_wake(w, id);
	world_settle(w);
	world_pass_s(w, 2);
	assert_int_not_equal(world_target(w, id).token_dead_at, 0);
	fake.answer = fake_taken;
	for (int i = 0; i < 5; i++) {
		(void)world_wake(w, id);
		world_contact(w, id, PUSH_CONTACT_MESSAGE, 0);
		world_pass_s(w, 21600);
	}
	assert_int_equal(fake.log_count, 1);
	world_start(w);
	world_pass_s(w, DAY_S);
	assert_int_equal(fake.log_count, 1);
	world_set_token(w, id, 2);
	world_contact(w, id, PUSH_CONTACT_TOKEN, 0);
	world_settle(w);
	assert_int_equal(fake.log_count, 2);
	assert_int_equal(fake.log[1].token_mark, 2);
}

static void test_a_token_update_is_pushed_to_at_once_where_there_is_work(void **state)
{
	struct world *w = *state;
	int64_t busy = world_enroll(w, WORLD_TOPIC);
	int64_t idle = world_enroll(w, WORLD_TOPIC);

	world_start(w);
	(void)world_wake(w, busy);
	world_settle(w);
	assert_int_equal(fake.log_count, 1);
	world_set_token(w, busy, 2);
	world_set_token(w, idle, 2);
	world_contact(w, busy, PUSH_CONTACT_TOKEN, 0);
	world_contact(w, idle, PUSH_CONTACT_TOKEN, 0);
	world_settle(w);
	assert_int_equal(fake.log_count, 2);
	assert_int_equal(fake.log[1].enrollment_id, busy);
	assert_int_equal(fake.log[1].token_mark, 2);
}

/* The old token's push is answered after the new one came: it must not count for the new one. */
static void test_a_push_to_an_old_token_does_not_count_for_a_new_one(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);

	fake.is_auto = false;
	world_start(w);
	(void)world_wake(w, id);
	world_settle(w);
	world_set_token(w, id, 2);
	world_contact(w, id, PUSH_CONTACT_TOKEN, 0);
	world_settle(w);
	fake_answer(id, &fake_taken);
	world_settle(w);
	assert_int_equal(fake.log_count, 2);
	assert_int_equal(fake.log[1].token_mark, 2);
	world_pass_s(w, 3);
	assert_int_equal(world_target(w, id).pushed_seq, 0);
}

/* --- unanswered */

static void test_unanswered_work_is_pushed_for_after_growing_gaps(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	int64_t gap = 60;

	world_start(w);
	(void)world_wake(w, id);
	world_settle(w);
	for (int i = 0; i < 12 * 720; i++)
		world_pass_s(w, 10);
	/* 60 s doubled to 6 h takes 9 gaps and 8.5 h; the rest of the day two or three more */
	assert_in_range(fake.log_count, 11, 14);
	for (size_t i = 1; i < fake.log_count; i++) {
		int64_t was_s = (fake.log[i].at_us - fake.log[i - 1].at_us) / 1000000;
		int64_t most_s = gap + gap / 4 < 21600 ? gap + gap / 4 : 21600;

		assert_in_range(was_s, gap - gap / 4, most_s + 10);
		gap = gap * 2 < 21600 ? gap * 2 : 21600;
	}
	world_contact(w, id, PUSH_CONTACT_MESSAGE, 0);
	world_pass_s(w, 1); /* mere contacts are read by the second */
	world_pass_s(w, 75);
	assert_in_range(fake.log_count, 12, 15);
	assert_true(w->push->now_us - fake.log[fake.log_count - 1].at_us < 100 * 1000000LL);
}

static void test_unanswered_pushes_keep_their_gap_over_a_restart(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 50, WORLD_TOPIC);

	world_start(w);
	(void)world_send(w, first, 50, COMMAND_PRIORITY_NORMAL, 0);
	push_poke(w->push);
	world_pass_s(w, 0);
	world_stop(w);
	assert_int_equal(fake.log_count, 50);
	world_start(w);
	world_pass_s(w, 44);
	assert_int_equal(fake.log_count, 50);
	world_pass_s(w, 33);
	assert_int_equal(fake.log_count, 100);
	world_stop(w);
	world_start(w);
	world_pass_s(w, 89);
	assert_int_equal(fake.log_count, 100);
}

static void test_a_refusal_is_tried_again_and_waits_as_long_as_told(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	struct parcel_answer answer = fake_retry;

	answer.retry_after_s = 300;
	fake.answer = answer;
	world_start(w);
	(void)world_wake(w, id);
	world_settle(w);
	fake.answer = fake_retry;
	(void)world_wake(w, id);
	world_pass_s(w, 299);
	assert_int_equal(fake.log_count, 1);
	world_pass_s(w, 1);
	assert_int_equal(fake.log_count, 2);
	world_pass_s(w, 13);
	assert_int_equal(fake.log_count, 3);
	world_pass_s(w, 2);
	assert_int_equal(world_target(w, id).pushed_seq, 0);
}

static void test_what_no_repetition_mends_waits_for_newer_work(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);

	fake.answer = fake_dropped;
	world_start(w);
	(void)world_wake(w, id);
	world_settle(w);
	for (int i = 0; i < 10; i++) {
		world_contact(w, id, PUSH_CONTACT_MESSAGE, 0);
		world_pass_s(w, 21600);
	}
	assert_int_equal(fake.log_count, 1);
	(void)world_wake(w, id);
	world_settle(w);
	assert_int_equal(fake.log_count, 2);
}

static void test_what_was_dropped_is_tried_with_another_certificate(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 3, WORLD_TOPIC);

	fake.answer = fake_dropped;
	world_start(w);
	(void)world_send(w, first, 3, COMMAND_PRIORITY_NORMAL, 0);
	push_poke(w->push);
	world_settle(w);
	assert_int_equal(fake.log_count, 3);
	world_finish(w, first);
	fake.answer = fake_taken;
	push_certs_changed(w->push);
	world_settle(w);
	assert_int_equal(fake.log_count, 5);
	push_certs_changed(w->push);
	world_settle(w);
	assert_int_equal(fake.log_count, 5);
}

/* --- odds and ends */

static void test_certificates_are_loaded_and_a_failure_is_tried_again(void **state)
{
	struct world *w = *state;

	fake.load_rc = RC_IO;
	world_start(w);
	assert_int_equal(fake.loads, 1);
	world_settle(w);
	assert_int_equal(fake.loads, 1);
	world_pass_s(w, 1);
	assert_int_equal(fake.loads, 2);
	fake.load_rc = RC_OK;
	world_pass_s(w, 1);
	assert_int_equal(fake.loads, 3);
	world_pass_s(w, 1);
	assert_int_equal(fake.loads, 3);
	push_certs_changed(w->push);
	world_settle(w);
	assert_int_equal(fake.loads, 4);
}

static void test_a_second_brings_one_tick(void **state)
{
	struct world *w = *state;
	int ticks;

	world_start(w);
	ticks = fake.ticks;
	for (int i = 0; i < 100; i++)
		world_pass_us(w, 100000);
	assert_int_equal(fake.ticks - ticks, 10);
}

static void test_settings_change_while_it_runs(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	struct push_settings settings = w->params.settings;

	world_start(w);
	settings.retry_first_s = 1000;
	settings.expiration_s = 77;
	push_set_settings(w->push, &settings);
	(void)world_wake(w, id);
	world_settle(w);
	assert_int_equal(fake.settings.expiration_s, 77);
	world_pass_s(w, 700);
	assert_int_equal(fake.log_count, 1);
	world_pass_s(w, 551);
	assert_int_equal(fake.log_count, 2);
}

static void test_the_figures_tell_what_is_there(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 5, WORLD_TOPIC);
	struct push_stats stats;

	fake_verdict(WORLD_TOPIC, TOPICS_WAITING);
	world_start(w);
	(void)world_send(w, first, 3, COMMAND_PRIORITY_NORMAL, 0);
	(void)world_send(w, first + 3, 2, COMMAND_PRIORITY_URGENT, 0);
	push_poke(w->push);
	world_settle(w);
	world_contact(w, first, PUSH_CONTACT_MESSAGE, 0);
	world_pass_s(w, 7);
	push_stats(w->push, &stats);
	assert_int_equal(stats.tracked, 5);
	assert_int_equal(stats.ready[PUSH_CLASS_URGENT], 2);
	assert_int_equal(stats.ready[PUSH_CLASS_NORMAL], 3);
	assert_int_equal(stats.oldest_ready_s, 7);
	assert_int_equal(stats.contacts_total, 1);
	assert_int_equal(stats.pushes_total, 0);
	fake_verdict(WORLD_TOPIC, TOPICS_TAKEN);
	world_pass_s(w, 1);
	world_pass_s(w, 1);
	push_stats(w->push, &stats);
	assert_int_equal(stats.pushes_total, 5);
	assert_int_equal(stats.ready[PUSH_CLASS_URGENT] + stats.ready[PUSH_CLASS_NORMAL], 0);
	assert_int_equal(stats.oldest_ready_s, 0);
}

static void test_more_work_than_a_turn_takes_is_all_pushed_for(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 3000, WORLD_TOPIC);

	(void)world_send(w, first, 1500, COMMAND_PRIORITY_NORMAL, 0);
	world_start(w);
	assert_int_equal(fake.log_count, 1500);
	(void)world_send(w, first + 1500, 1500, COMMAND_PRIORITY_NORMAL, 0);
	push_poke(w->push);
	world_settle(w);
	assert_int_equal(fake.log_count, 3000);
	for (int64_t id = first; id < first + 3000; id += 100)
		assert_int_equal(fake_pushes_to(id), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_work_is_pushed_for_with_token_and_magic),
		TEST(test_a_crash_between_commit_and_push_forgets_nobody),
		TEST(test_a_crash_while_pushes_are_in_flight_forgets_nobody),
		TEST(test_a_forgotten_poke_is_made_up_for_within_a_second),
		TEST(test_ten_commands_before_the_push_are_one_push),
		TEST(test_no_more_than_one_push_is_in_flight),
		TEST(test_nobody_is_pushed_to_for_work_that_is_over),
		TEST(test_answered_work_is_not_pushed_for_again),
		TEST(test_work_that_races_an_empty_reply_is_pushed_for),
		TEST(test_no_time_of_a_contact_hides_work_that_its_snapshot_had_not_seen),
		TEST(test_a_contact_does_not_push_new_work_out_of_its_turn),
		TEST(test_work_that_an_empty_reply_has_seen_is_not_pushed_for_at_once),
		TEST(test_one_that_rests_is_left_alone),
		TEST(test_rest_outlives_a_restart),
		TEST(test_held_work_of_one_that_does_not_come_is_pushed_for_again),
		TEST(test_a_dead_token_is_marked_and_revived_by_a_token_update),
		TEST(test_a_token_update_is_pushed_to_at_once_where_there_is_work),
		TEST(test_a_push_to_an_old_token_does_not_count_for_a_new_one),
		TEST(test_unanswered_work_is_pushed_for_after_growing_gaps),
		TEST(test_unanswered_pushes_keep_their_gap_over_a_restart),
		TEST(test_a_refusal_is_tried_again_and_waits_as_long_as_told),
		TEST(test_what_no_repetition_mends_waits_for_newer_work),
		TEST(test_what_was_dropped_is_tried_with_another_certificate),
		TEST(test_certificates_are_loaded_and_a_failure_is_tried_again),
		TEST(test_a_second_brings_one_tick),
		TEST(test_settings_change_while_it_runs),
		TEST(test_the_figures_tell_what_is_there),
		TEST(test_more_work_than_a_turn_takes_is_all_pushed_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
