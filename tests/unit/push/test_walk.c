/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "walk.h"
#include "world.h"

enum { DAY_S = 86400, WEEK_S = 7 * DAY_S, NOW = WORLD_T0 };

/* --- what is done about one */

static void test_the_verdict_on_one_channel(void **state)
{
	static const struct {
		int64_t seen_ago, pushed_ago;
		bool is_inactive, has_live_token;
		int64_t probe_interval_s, inactive_after_s;
		bool is_probe, is_silent;
	} rows[] = {
		{DAY_S, DAY_S, false, true, DAY_S, WEEK_S, true, false},
		{DAY_S, NOW, false, true, DAY_S, WEEK_S, true, false}, /* never pushed to */
		{DAY_S / 2, NOW, false, true, DAY_S, WEEK_S, false, false},
		{DAY_S, DAY_S / 2, false, true, DAY_S, WEEK_S, false, false},
		{DAY_S - 60, DAY_S - 60, false, true, DAY_S, WEEK_S, true, false}, /* it was by at this time */
		{DAY_S, DAY_S, false, false, DAY_S, WEEK_S, false, false},
		{DAY_S, DAY_S, false, true, 0, WEEK_S, false, false},
		{WEEK_S - 1, 60, false, true, DAY_S, WEEK_S, false, false},
		{WEEK_S, 60, false, true, DAY_S, WEEK_S, false, true},
		{WEEK_S, 60, true, true, DAY_S, WEEK_S, false, false},
		{WEEK_S, WEEK_S, true, true, DAY_S, WEEK_S, true, false}, /* it may come back */
		{WEEK_S, WEEK_S, false, false, DAY_S, WEEK_S, false, true},
		{NOW, NOW, false, true, DAY_S, 0, true, false},
		{-100, -100, false, true, DAY_S, WEEK_S, false, false},    /* the clock was set back */
		{-DAY_S, -DAY_S, false, true, DAY_S, WEEK_S, true, false}, /* so far that its times say nothing */
		{DAY_S, -DAY_S, false, true, DAY_S, WEEK_S, true, false},
		{60, -DAY_S, false, true, DAY_S, WEEK_S, false, false},
		{1, 1, false, true, 1, 2, true, false},
		{2, 0, false, true, 1, 2, true, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct push_walk_row row = {
			.enrollment_id = 1,
			.last_seen_at = NOW - rows[i].seen_ago,
			.pushed_at = NOW - rows[i].pushed_ago,
			.is_inactive = rows[i].is_inactive,
			.has_live_token = rows[i].has_live_token,
		};
		const struct push_settings settings = {
			.probe_interval_s = rows[i].probe_interval_s,
			.inactive_after_s = rows[i].inactive_after_s,
		};
		struct walk_verdict verdict = walk_judge(&row, &settings, NOW);

		if (verdict.is_probe != rows[i].is_probe || verdict.is_silent != rows[i].is_silent)
			fail_msg("row %zu: probe %d, silent %d", i, verdict.is_probe, verdict.is_silent);
	}
}

static void test_the_period_of_a_pass(void **state)
{
	static const struct {
		int64_t probe_interval_s, inactive_after_s, period_s;
	} rows[] = {
		{DAY_S, WEEK_S, DAY_S},
		{DAY_S, DAY_S, DAY_S / 7},
		{3600, WEEK_S, 3600},
		{0, WEEK_S, DAY_S},
		{DAY_S, 0, DAY_S},
		{0, 0, 0},
		{10, 3, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct push_settings settings = {
			.probe_interval_s = rows[i].probe_interval_s,
			.inactive_after_s = rows[i].inactive_after_s,
		};

		assert_int_equal(walk_period_s(&settings), rows[i].period_s);
	}
}

/* --- through the fleet */

static void set_walk(struct world *w, int64_t probe_interval_s, int64_t inactive_after_s)
{
	w->params.settings.probe_interval_s = probe_interval_s;
	w->params.settings.inactive_after_s = inactive_after_s;
}

static void pass_in_steps(struct world *w, int64_t seconds, int64_t step_s)
{
	for (int64_t passed = 0; passed < seconds; passed += step_s)
		world_pass_s(w, step_s);
}

static void test_each_silent_one_is_probed_once_a_period_and_evenly(void **state)
{
	enum { COUNT = 48, PERIOD_S = 4800, STEP_S = 10 };
	struct world *w = *state;
	int64_t first = world_enroll_many(w, COUNT, WORLD_TOPIC);
	size_t before;

	set_walk(w, PERIOD_S, 0);
	world_start(w);
	pass_in_steps(w, PERIOD_S, STEP_S); /* they were enrolled a moment ago */
	before = fake.log_count;
	assert_in_range(before, 0, 6);
	for (int pass = 0; pass < 4; pass++) {
		size_t begin = fake.log_count;

		for (int part = 0; part < 4; part++) {
			pass_in_steps(w, PERIOD_S / 4, STEP_S);
			assert_in_range(fake.log_count - begin, (size_t)(part + 1) * COUNT / 4 - 2,
				(size_t)(part + 1) * COUNT / 4 + 2);
		}
	}
	for (int64_t id = first; id < first + COUNT; id++) {
		int64_t last_us = 0;

		assert_in_range(fake_pushes_to(id), 4, 5);
		for (size_t i = 0; i < fake.log_count; i++) {
			if (fake.log[i].enrollment_id != id)
				continue;
			if (last_us != 0)
				assert_in_range((fake.log[i].at_us - last_us) / 1000000, PERIOD_S - 3 * STEP_S,
					PERIOD_S + 3 * STEP_S);
			last_us = fake.log[i].at_us;
		}
	}
	assert_int_equal(world_stats(w).tracked, 0);
}

static enum rc see_all(void *ctx, struct txn *txn, struct err *err)
{
	const int64_t *first_and_count = ctx;
	bool was_inactive;
	enum rc rc = RC_OK;

	for (int64_t i = 0; rc == RC_OK && i < first_and_count[1]; i++)
		rc = enrollment_seen(txn, first_and_count[0] + i, txn_now(txn), &was_inactive, err);
	return rc;
}

static void test_those_that_speak_by_themselves_are_not_probed(void **state)
{
	struct world *w = *state;
	int64_t range[] = {world_enroll_many(w, 20, WORLD_TOPIC), 10};

	set_walk(w, 1000, 0);
	world_start(w);
	for (int i = 0; i < 20; i++) {
		world_write(w, see_all, range);
		pass_in_steps(w, 500, 10);
	}
	for (int64_t id = range[0]; id < range[0] + 10; id++)
		assert_int_equal(fake_pushes_to(id), 0);
	for (int64_t id = range[0] + 10; id < range[0] + 20; id++)
		assert_in_range(fake_pushes_to(id), 8, 10);
}

/* An answered probe makes the device seen: the next pass comes just under an interval later, and must probe. */
static void test_those_that_answer_each_probe_are_probed_each_period(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	int64_t range[] = {id, 1};
	size_t answered = 0;

	set_walk(w, DAY_S, WEEK_S);
	world_start(w);
	for (int i = 0; i < 10 * 144; i++) {
		world_pass_s(w, 600);
		if (fake.log_count > answered) {
			world_write(w, see_all, range);
			answered = fake.log_count;
		}
	}
	assert_in_range(fake_pushes_to(id), 8, 10);
}

static void test_the_walk_goes_on_where_it_was_after_a_restart(void **state)
{
	enum { COUNT = 40, PERIOD_S = 4000 };
	struct world *w = *state;
	int64_t first = world_enroll_many(w, COUNT, WORLD_TOPIC);

	set_walk(w, PERIOD_S, 0);
	atomic_fetch_add(&w->unix_ms, 2000LL * PERIOD_S); /* silent for two periods */
	world_start(w);
	for (int i = 0; i < 10; i++) {
		pass_in_steps(w, PERIOD_S / 10, 10);
		if (i % 2 == 0)
			world_stop(w);
		world_start(w);
	}
	for (int64_t id = first; id < first + COUNT; id++)
		assert_in_range(fake_pushes_to(id), 1, 2);
	assert_true(fake.log_count <= COUNT + 12);
}

/* Each start has a first step: a small fleet is walked through even if no start lives long enough for one. */
static void test_many_short_lives_walk_all_the_same(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 5, WORLD_TOPIC);

	set_walk(w, DAY_S, 0);
	atomic_fetch_add(&w->unix_ms, 2000LL * DAY_S);
	for (int i = 0; i < 5; i++) {
		world_start(w);
		world_pass_s(w, 30);
		world_stop(w);
	}
	for (int64_t id = first; id < first + 5; id++)
		assert_int_equal(fake_pushes_to(id), 1);
}

static bool is_inactive(struct world *w, int64_t id)
{
	struct push_walk_row row;
	struct txn *txn = NULL;
	struct err err;
	size_t count;

	assert_int_equal(store_read_begin(w->store, &txn, &err), RC_OK);
	assert_int_equal(push_walk(txn, id - 1, &row, 1, &count, &err), RC_OK);
	store_read_end(w->store, &txn);
	assert_int_equal(count, 1);
	assert_int_equal(row.enrollment_id, id);
	return row.is_inactive;
}

static void test_silence_makes_inactive_and_a_contact_active(void **state)
{
	struct world *w = *state;
	int64_t silent = world_enroll(w, WORLD_TOPIC);
	int64_t talking = world_enroll(w, WORLD_TOPIC);
	int64_t range[] = {talking, 1};

	set_walk(w, DAY_S, WEEK_S);
	world_start(w);
	for (int day = 0; day < 9; day++) {
		world_write(w, see_all, range);
		pass_in_steps(w, DAY_S, 3600);
		if (day < 6)
			assert_false(is_inactive(w, silent));
	}
	assert_true(is_inactive(w, silent));
	assert_false(is_inactive(w, talking));
	assert_in_range(fake_pushes_to(silent), 7, 9); /* and it is still asked */
	range[0] = silent;
	world_write(w, see_all, range);
	assert_false(is_inactive(w, silent));
	pass_in_steps(w, 5LL * DAY_S, 3600);
	assert_false(is_inactive(w, silent));
}

static void test_without_a_token_silence_counts_all_the_same(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);

	set_walk(w, 100, 700);
	fake.answer = fake_dead;
	world_start(w);
	pass_in_steps(w, 2000, 10);
	assert_int_equal(fake_pushes_to(id), 1); /* its token died of the first */
	assert_true(is_inactive(w, id));
}

static void test_no_walk_where_both_are_off(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);

	set_walk(w, 0, 0);
	world_start(w);
	pass_in_steps(w, 60LL * DAY_S, DAY_S);
	assert_int_equal(fake.log_count, 0);
	assert_false(is_inactive(w, id));
}

static void test_probes_wait_behind_work(void **state)
{
	struct world *w = *state;
	int64_t probed = world_enroll_many(w, 50, WORLD_TOPIC);
	int64_t busy = world_enroll(w, WORLD_TOPIC);

	set_walk(w, 100, 0);
	atomic_fetch_add(&w->unix_ms, 1000000);
	fake_verdict(WORLD_TOPIC, TOPICS_WAITING);
	world_start(w);
	pass_in_steps(w, 110, 1);
	(void)world_wake(w, busy);
	world_settle(w);
	assert_in_range(world_stats(w).ready[PUSH_CLASS_PROBE], 45, 51);
	fake_verdict(WORLD_TOPIC, TOPICS_TAKEN);
	fake_room();
	world_settle(w);
	assert_int_equal(fake.log[0].enrollment_id, busy);
	for (int64_t id = probed; id < probed + 50; id++)
		assert_int_equal(fake_pushes_to(id), 1);
}

static void test_a_large_fleet_is_walked_in_slices(void **state)
{
	enum { COUNT = 3000 };
	struct world *w = *state;
	int64_t first = world_enroll_many(w, COUNT, WORLD_TOPIC);

	set_walk(w, 10, 0);
	atomic_fetch_add(&w->unix_ms, 1000000);
	world_start(w);
	pass_in_steps(w, 11, 1);
	for (int64_t id = first; id < first + COUNT; id += 7)
		assert_in_range(fake_pushes_to(id), 1, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_verdict_on_one_channel),
		cmocka_unit_test(test_the_period_of_a_pass),
		TEST(test_each_silent_one_is_probed_once_a_period_and_evenly),
		TEST(test_those_that_speak_by_themselves_are_not_probed),
		TEST(test_those_that_answer_each_probe_are_probed_each_period),
		TEST(test_the_walk_goes_on_where_it_was_after_a_restart),
		TEST(test_many_short_lives_walk_all_the_same),
		TEST(test_silence_makes_inactive_and_a_contact_active),
		TEST(test_without_a_token_silence_counts_all_the_same),
		TEST(test_no_walk_where_both_are_off),
		TEST(test_probes_wait_behind_work),
		TEST(test_a_large_fleet_is_walked_in_slices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
