/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rate.h"

enum { SECOND = 1000000 };

static int take_all(struct rate *rate, int64_t now_us)
{
	int taken = 0;

	while (taken < 2000000 && rate_is_ready(rate, now_us)) {
		rate_take(rate);
		taken++;
	}
	return taken;
}

static void test_a_tenth_of_a_second_may_begin_at_once(void **state)
{
	struct rate rate;

	(void)state;
	rate_init(&rate, 1000, 0);
	assert_int_equal(take_all(&rate, 0), 100);
	rate_init(&rate, 1000000, 0);
	assert_int_equal(take_all(&rate, 0), 100000);
	rate_init(&rate, 3, 0);
	assert_int_equal(take_all(&rate, 0), 1);
}

static void test_no_rate_is_no_cap(void **state)
{
	struct rate rate;

	(void)state;
	rate_init(&rate, 0, 0);
	assert_int_equal(take_all(&rate, 0), 2000000);
	assert_int_equal(rate_wait_us(&rate, 0), 0);
}

/* Whatever the steps of time: the burst and what has come in since, no more. */
static void test_the_cap_is_kept(void **state)
{
	static const int64_t rates[] = {1, 7, 50, 1000, 99991, 1000000};
	static const int64_t steps_us[] = {1, 13, 999, 1000, 9999, 100000};

	(void)state;
	for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++)
		for (size_t s = 0; s < sizeof(steps_us) / sizeof(steps_us[0]); s++) {
			int64_t burst = rates[r] / 10 > 1 ? rates[r] / 10 : 1;
			int64_t now_us = 5 * SECOND;
			int64_t span_us = 20000 * steps_us[s] < SECOND ? 20000 * steps_us[s] : SECOND;
			int64_t end_us = now_us + span_us;
			int64_t taken = 0;
			int64_t due;
			struct rate rate;

			rate_init(&rate, rates[r], now_us);
			for (; now_us <= end_us; now_us += steps_us[s])
				taken += take_all(&rate, now_us);
			due = (int64_t)((__int128)rates[r] * span_us / SECOND);
			assert_true(taken <= burst + due);
			assert_true(taken >= due / 2);
		}
}

static void test_the_cap_is_used_up_by_one_who_waits_as_long_as_told(void **state)
{
	static const int64_t rates[] = {1, 7, 50, 1000, 99991, 1000000};

	(void)state;
	for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
		int64_t now_us = 0;
		int64_t taken = 0;
		struct rate rate;

		rate_init(&rate, rates[r], now_us);
		(void)take_all(&rate, now_us);
		while (now_us < 10 * SECOND) {
			now_us += rate_wait_us(&rate, now_us);
			taken += take_all(&rate, now_us);
		}
		assert_in_range(taken, rates[r] * 10 - 1, rates[r] * now_us / SECOND);
	}
}

static void test_a_long_pause_fills_the_bucket_and_no_more(void **state)
{
	struct rate rate;

	(void)state;
	rate_init(&rate, 1000000, 0);
	(void)take_all(&rate, 0);
	assert_int_equal(take_all(&rate, INT64_MAX / 2), 100000);
}

static void test_the_wait_is_until_something_may_begin(void **state)
{
	static const int64_t rates[] = {1, 2, 9, 99, 100, 101, 1000, 1000000};

	(void)state;
	for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
		struct rate rate;
		int64_t wait_us;

		rate_init(&rate, rates[r], 0);
		assert_int_equal(rate_wait_us(&rate, 0), 0);
		(void)take_all(&rate, 0);
		wait_us = rate_wait_us(&rate, 0);
		assert_in_range(wait_us, 10000, SECOND);
		assert_true(rate_is_ready(&rate, wait_us));
		if (wait_us > 10000)
			assert_false(rate_is_ready(&(struct rate){.per_s = rates[r]}, wait_us - 1));
	}
}

static void test_what_did_not_begin_is_given_back(void **state)
{
	struct rate rate;

	(void)state;
	rate_init(&rate, 10, 0);
	rate_take(&rate);
	assert_false(rate_is_ready(&rate, 0));
	rate_give_back(&rate);
	assert_true(rate_is_ready(&rate, 0));
	rate_give_back(&rate);
	assert_int_equal(take_all(&rate, 0), 1);
}

static void test_a_new_rate_begins_with_what_is_there(void **state)
{
	struct rate rate;

	(void)state;
	rate_init(&rate, 1000, 0);
	rate_set(&rate, 10, 0);
	assert_int_equal(take_all(&rate, 0), 1);
	rate_set(&rate, 1000, 0);
	assert_int_equal(take_all(&rate, 0), 0);
	assert_int_equal(take_all(&rate, 10000), 10);
	rate_set(&rate, 0, 10000);
	assert_true(rate_is_ready(&rate, 10000));
	rate_set(&rate, 5, 10000);
	assert_true(take_all(&rate, 10000) <= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_tenth_of_a_second_may_begin_at_once),
		cmocka_unit_test(test_no_rate_is_no_cap),
		cmocka_unit_test(test_the_cap_is_kept),
		cmocka_unit_test(test_the_cap_is_used_up_by_one_who_waits_as_long_as_told),
		cmocka_unit_test(test_a_long_pause_fills_the_bucket_and_no_more),
		cmocka_unit_test(test_the_wait_is_until_something_may_begin),
		cmocka_unit_test(test_what_did_not_begin_is_given_back),
		cmocka_unit_test(test_a_new_rate_begins_with_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
