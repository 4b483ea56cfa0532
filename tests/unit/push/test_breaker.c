/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "breaker.h"

enum { NOW_MS = 1000000, LONG_MS = 1000000, NO_JITTER = 0 };

/* `random` for a pause of just so long. */
static uint32_t no_jitter(int64_t pause_ms)
{
	return (uint32_t)(pause_ms / 4);
}

static struct breaker make(void)
{
	struct breaker breaker;

	breaker_init(&breaker);
	return breaker;
}

static void single_faults_among_good_answers_do_not_open_it(void **state)
{
	struct breaker breaker = make();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		for (int k = 0; k < BREAKER_FAULTS_MAX - 1; k++)
			assert_false(breaker_bad(&breaker, false, NOW_MS, NO_JITTER));
		assert_true(breaker_may_pass(&breaker));
		assert_false(breaker_good(&breaker, false));
	}
}

static void as_many_faults_in_a_row_as_its_limit_open_it(void **state)
{
	struct breaker breaker = make();

	(void)state;
	for (int k = 0; k < BREAKER_FAULTS_MAX - 1; k++)
		assert_false(breaker_bad(&breaker, false, NOW_MS + k * LONG_MS, NO_JITTER));
	assert_true(breaker_may_pass(&breaker));
	assert_true(breaker_bad(&breaker, false, NOW_MS + 10 * LONG_MS, NO_JITTER));
	assert_false(breaker_may_pass(&breaker));
	/* Stragglers neither open it again nor close it. */
	assert_false(breaker_bad(&breaker, false, NOW_MS + 10 * LONG_MS, NO_JITTER));
	assert_false(breaker_bad(&breaker, true, NOW_MS + 10 * LONG_MS, NO_JITTER));
	assert_false(breaker_good(&breaker, false));
	assert_false(breaker_may_pass(&breaker));
}

static void a_burst_of_faults_opens_it_only_if_nothing_good_comes_for_a_while(void **state)
{
	struct breaker breaker = make();

	(void)state;
	for (int i = 0; i < 20; i++) {
		for (int k = 0; k < 100 * BREAKER_FAULTS_MAX; k++)
			assert_false(breaker_bad(&breaker, false, NOW_MS + i * LONG_MS, NO_JITTER));
		assert_false(breaker_good(&breaker, false));
	}
	assert_false(breaker_bad(&breaker, false, NOW_MS, NO_JITTER));
	for (int k = 0; k < 100 * BREAKER_FAULTS_MAX; k++)
		assert_false(breaker_bad(&breaker, false, NOW_MS + BREAKER_FAULTS_MIN_MS - 1, NO_JITTER));
	assert_true(breaker_bad(&breaker, false, NOW_MS + BREAKER_FAULTS_MIN_MS, NO_JITTER));
}

/* Opens it, lets the pause end and the trial fail; the pause. */
static int64_t next_pause_ms(struct breaker *breaker, int64_t *now_ms, uint32_t random)
{
	int64_t pause_ms;

	assert_true(breaker_bad(breaker, true, *now_ms, random));
	pause_ms = breaker->until_ms - *now_ms;
	assert_false(breaker_tick(breaker, breaker->until_ms - 1));
	assert_int_equal(breaker->state, BREAKER_OPEN);
	*now_ms = breaker->until_ms;
	assert_true(breaker_tick(breaker, *now_ms));
	assert_true(breaker_may_pass(breaker));
	assert_true(breaker_pass(breaker));
	assert_false(breaker_may_pass(breaker)); /* one only */
	return pause_ms;
}

static void pauses_double_up_to_their_bound(void **state)
{
	static const int64_t want_ms[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000};
	struct breaker breaker = make();
	int64_t now_ms = NOW_MS;

	(void)state;
	for (size_t i = 0; i < sizeof(want_ms) / sizeof(want_ms[0]); i++)
		assert_int_equal(next_pause_ms(&breaker, &now_ms, no_jitter(want_ms[i])), want_ms[i]);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(next_pause_ms(&breaker, &now_ms, no_jitter(60000)), 60000);
}

static void pauses_are_spread_by_a_quarter(void **state)
{
	struct breaker breaker = make();
	int64_t now_ms = NOW_MS;

	(void)state;
	assert_int_equal(next_pause_ms(&breaker, &now_ms, 0), 750);
	assert_int_equal(next_pause_ms(&breaker, &now_ms, 1000), 2500);
	for (uint32_t random = 0; random < 100000; random += 7) {
		struct breaker other = make();

		assert_true(breaker_bad(&other, true, NOW_MS, random * 2654435761U));
		assert_in_range(other.until_ms - NOW_MS, 750, 1250);
	}
}

static void a_good_trial_closes_it_and_a_lost_one_lets_another_pass(void **state)
{
	struct breaker breaker = make();
	int64_t now_ms = NOW_MS;

	(void)state;
	(void)next_pause_ms(&breaker, &now_ms, NO_JITTER);
	/* What is not the trial proves nothing. */
	assert_false(breaker_good(&breaker, false));
	assert_false(breaker_bad(&breaker, false, now_ms, NO_JITTER));
	assert_int_equal(breaker.state, BREAKER_TRIAL);
	breaker_trial_end(&breaker);
	assert_true(breaker_may_pass(&breaker));
	assert_true(breaker_pass(&breaker));
	assert_true(breaker_good(&breaker, true));
	assert_true(breaker_may_pass(&breaker));
	assert_false(breaker_pass(&breaker)); /* no trial is needed */
}

static void pauses_are_short_again_only_after_it_has_worked_for_a_while(void **state)
{
	struct breaker breaker = make();
	int64_t now_ms = NOW_MS;

	(void)state;
	for (int i = 0; i < 5; i++)
		(void)next_pause_ms(&breaker, &now_ms, NO_JITTER);
	assert_true(breaker_good(&breaker, true));
	for (int i = 0; i < BREAKER_GOODS_MIN - 1; i++)
		assert_false(breaker_good(&breaker, false));
	assert_int_equal(next_pause_ms(&breaker, &now_ms, no_jitter(32000)), 32000);
	assert_true(breaker_good(&breaker, true));
	for (int i = 0; i < BREAKER_GOODS_MIN; i++)
		assert_false(breaker_good(&breaker, false));
	assert_int_equal(next_pause_ms(&breaker, &now_ms, no_jitter(1000)), 1000);
}

static void a_stop_ends_by_nothing_but_a_new_beginning(void **state)
{
	struct breaker breaker = make();

	(void)state;
	breaker_stop(&breaker);
	assert_false(breaker_may_pass(&breaker));
	assert_false(breaker_good(&breaker, true));
	assert_false(breaker_bad(&breaker, true, NOW_MS, NO_JITTER));
	assert_false(breaker_tick(&breaker, INT64_MAX));
	assert_int_equal(breaker.state, BREAKER_STOPPED);
	breaker_init(&breaker);
	assert_true(breaker_may_pass(&breaker));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_faults_among_good_answers_do_not_open_it),
		cmocka_unit_test(as_many_faults_in_a_row_as_its_limit_open_it),
		cmocka_unit_test(a_burst_of_faults_opens_it_only_if_nothing_good_comes_for_a_while),
		cmocka_unit_test(pauses_double_up_to_their_bound),
		cmocka_unit_test(pauses_are_spread_by_a_quarter),
		cmocka_unit_test(a_good_trial_closes_it_and_a_lost_one_lets_another_pass),
		cmocka_unit_test(pauses_are_short_again_only_after_it_has_worked_for_a_while),
		cmocka_unit_test(a_stop_ends_by_nothing_but_a_new_beginning),
	};

	return cmocka_run_group_tests_name("push/breaker", tests, NULL, NULL);
}
