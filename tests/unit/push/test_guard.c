/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "guard.h"

enum { NOW_MS = 50000000 };

static struct guard make(void)
{
	struct guard guard;

	guard_init(&guard);
	return guard;
}

static void ten_devices_at_once_and_nothing_good_are_too_many(void **state)
{
	struct guard guard = make();

	(void)state;
	for (int64_t id = 1; id < GUARD_BAD_MIN; id++)
		assert_false(guard_bad(&guard, id, NOW_MS));
	assert_true(guard_bad(&guard, GUARD_BAD_MIN, NOW_MS));
}

static void one_device_refused_again_and_again_is_one(void **state)
{
	struct guard guard = make();

	(void)state;
	for (int64_t i = 0; i < 1000; i++)
		assert_false(guard_bad(&guard, 1 + i % (GUARD_BAD_MIN - 1), NOW_MS + i));
}

static void half_of_the_answers_is_not_yet_too_many(void **state)
{
	struct guard guard = make();

	(void)state;
	for (int64_t id = 1; id <= 1000; id++) {
		guard_answer(&guard, NOW_MS);
		assert_false(guard_bad(&guard, id, NOW_MS));
	}
	assert_true(guard_bad(&guard, 1001, NOW_MS)); /* one more than half */
}

static void what_comes_seldom_is_judged_over_minutes(void **state)
{
	struct guard guard = make();
	int64_t now_ms = NOW_MS;

	(void)state;
	for (int64_t id = 1; id < GUARD_BAD_MIN; id++, now_ms += GUARD_LONG_MS / GUARD_BAD_MIN)
		assert_false(guard_bad(&guard, id, now_ms));
	assert_true(guard_bad(&guard, GUARD_BAD_MIN, now_ms));
}

static void what_is_longer_ago_does_not_count(void **state)
{
	struct guard guard = make();
	int64_t now_ms = NOW_MS;

	(void)state;
	for (int64_t id = 1; id <= 100; id++, now_ms += GUARD_LONG_MS / (GUARD_BAD_MIN - 1) + 1)
		assert_false(guard_bad(&guard, id, now_ms));
}

/* Ten thousand good ones in the ten seconds before must not hide that all are bad from now on. */
static void a_sudden_change_is_seen_before_the_first_verdict_is_out(void **state)
{
	struct guard guard = make();
	int64_t now_ms = NOW_MS;
	int64_t since_ms;
	int64_t id = 1;

	(void)state;
	for (; now_ms < NOW_MS + 60000; now_ms++)
		guard_answer(&guard, now_ms);
	since_ms = now_ms;
	while (!guard_bad(&guard, id++, now_ms))
		now_ms++;
	assert_in_range(now_ms - since_ms, 1, GUARD_HOLD_MS - 1);
}

static void bad_devices_among_many_good_ones_are_never_too_many(void **state)
{
	struct guard guard = make();

	(void)state;
	for (int64_t i = 0; i < 100000; i++) {
		guard_answer(&guard, NOW_MS + i);
		guard_answer(&guard, NOW_MS + i);
		if (i % 3 == 0)
			assert_false(guard_bad(&guard, i, NOW_MS + i));
	}
}

static void it_forgets_all_when_it_begins_anew(void **state)
{
	struct guard guard = make();

	(void)state;
	for (int64_t id = 1; id < GUARD_BAD_MIN; id++)
		assert_false(guard_bad(&guard, id, NOW_MS));
	guard_init(&guard);
	assert_false(guard_bad(&guard, GUARD_BAD_MIN, NOW_MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_devices_at_once_and_nothing_good_are_too_many),
		cmocka_unit_test(one_device_refused_again_and_again_is_one),
		cmocka_unit_test(half_of_the_answers_is_not_yet_too_many),
		cmocka_unit_test(what_comes_seldom_is_judged_over_minutes),
		cmocka_unit_test(what_is_longer_ago_does_not_count),
		cmocka_unit_test(a_sudden_change_is_seen_before_the_first_verdict_is_out),
		cmocka_unit_test(bad_devices_among_many_good_ones_are_never_too_many),
		cmocka_unit_test(it_forgets_all_when_it_begins_anew),
	};

	return cmocka_run_group_tests_name("push/guard", tests, NULL, NULL);
}
