/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gap.h"

enum { DRAWS = 2000, FIRST_S = 60, MAX_S = 21600 };

struct range {
	int64_t low, high;
};

static struct range draw(int64_t first_s, int64_t max_s, unsigned doublings)
{
	struct range range = {INT64_MAX, 0};
	struct jitter jitter = {.state = 1};

	for (int i = 0; i < DRAWS; i++) {
		int64_t gap = gap_s(&jitter, first_s, max_s, doublings);

		range.low = gap < range.low ? gap : range.low;
		range.high = gap > range.high ? gap : range.high;
	}
	return range;
}

static void test_a_gap_is_spread_by_a_quarter_both_ways(void **state)
{
	struct range range = draw(FIRST_S, MAX_S, 0);

	(void)state;
	assert_int_equal(range.low, 45);
	assert_int_equal(range.high, 75);
}

static void test_gaps_double_until_they_reach_the_most(void **state)
{
	int64_t middle = FIRST_S;

	(void)state;
	for (unsigned doublings = 0; doublings < 12; doublings++) {
		struct range range = draw(FIRST_S, MAX_S, doublings);
		int64_t top = middle + middle / 4 < MAX_S ? middle + middle / 4 : MAX_S;

		assert_in_range(range.low, middle - middle / 4, middle - middle / 4 + middle / 50);
		assert_in_range(range.high, top - middle / 50, top);
		middle = middle * 2 < MAX_S ? middle * 2 : MAX_S;
	}
}

static void test_no_gap_is_longer_than_the_most(void **state)
{
	(void)state;
	assert_in_range(draw(604800, 604800, 0).high, 604000, 604800);
	assert_true(draw(1, 604800, 255).high <= 604800);
	assert_true(draw(FIRST_S, 10, 0).high <= 10);
}

static void test_no_gap_is_shorter_than_a_second(void **state)
{
	(void)state;
	assert_int_equal(draw(1, 1, 0).low, 1);
	assert_int_equal(draw(1, 1, 0).high, 1);
	assert_int_equal(draw(2, 3, 0).low, 2);
}

static void test_the_same_seed_gives_the_same_gaps(void **state)
{
	struct jitter a = {.state = 7};
	struct jitter b = {.state = 7};
	struct jitter c = {.state = 8};
	int differ = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		int64_t gap = gap_s(&a, 1000, 100000, 3);

		assert_int_equal(gap, gap_s(&b, 1000, 100000, 3));
		differ += gap != gap_s(&c, 1000, 100000, 3);
	}
	assert_true(differ > 90);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_gap_is_spread_by_a_quarter_both_ways),
		cmocka_unit_test(test_gaps_double_until_they_reach_the_most),
		cmocka_unit_test(test_no_gap_is_longer_than_the_most),
		cmocka_unit_test(test_no_gap_is_shorter_than_a_second),
		cmocka_unit_test(test_the_same_seed_gives_the_same_gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
