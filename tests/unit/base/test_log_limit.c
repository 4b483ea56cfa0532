/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pomona/base/log_limit.h"

static int take_many(struct log_limit *limit, int count, int64_t now_us)
{
	int taken = 0;

	for (int i = 0; i < count; i++)
		if (log_limit_take(limit, 0, now_us))
			taken++;
	return taken;
}

static void a_minute_takes_so_many_lines_and_no_more(void **state)
{
	struct log_limit *limit = log_limit_new(1);

	(void)state;
	assert_int_equal(take_many(limit, LOG_LIMIT_LINES, 5), LOG_LIMIT_LINES);
	assert_int_equal(take_many(limit, 1, 5 + LOG_LIMIT_WINDOW_US - 1), 0);
	assert_int_equal(take_many(limit, LOG_LIMIT_LINES + 1, 5 + LOG_LIMIT_WINDOW_US), LOG_LIMIT_LINES);
	log_limit_free(&limit);
	assert_null(limit);
}

static void slots_do_not_take_from_each_other(void **state)
{
	struct log_limit *limit = log_limit_new(2);

	(void)state;
	assert_int_equal(take_many(limit, LOG_LIMIT_LINES + 1, 0), LOG_LIMIT_LINES);
	assert_true(log_limit_take(limit, 1, 0));
	assert_int_equal(log_limit_hidden(limit, 1, LOG_LIMIT_WINDOW_US), 0);
	log_limit_free(&limit);
}

static void what_was_left_out_is_told_once_when_the_minute_is_over(void **state)
{
	struct log_limit *limit = log_limit_new(1);

	(void)state;
	(void)take_many(limit, LOG_LIMIT_LINES + 7, 0);
	assert_int_equal(log_limit_hidden(limit, 0, LOG_LIMIT_WINDOW_US - 1), 0);
	assert_int_equal(log_limit_hidden(limit, 0, LOG_LIMIT_WINDOW_US), 7);
	assert_int_equal(log_limit_hidden(limit, 0, LOG_LIMIT_WINDOW_US), 0);
	log_limit_free(&limit);
}

static void what_was_left_out_is_not_forgotten_when_a_new_minute_begins(void **state)
{
	struct log_limit *limit = log_limit_new(1);

	(void)state;
	(void)take_many(limit, LOG_LIMIT_LINES + 7, 0);
	(void)take_many(limit, LOG_LIMIT_LINES + 2, LOG_LIMIT_WINDOW_US);
	assert_int_equal(log_limit_hidden(limit, 0, (int64_t)2 * LOG_LIMIT_WINDOW_US), 9);
	log_limit_free(&limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_minute_takes_so_many_lines_and_no_more),
		cmocka_unit_test(slots_do_not_take_from_each_other),
		cmocka_unit_test(what_was_left_out_is_told_once_when_the_minute_is_over),
		cmocka_unit_test(what_was_left_out_is_not_forgotten_when_a_new_minute_begins),
	};

	return cmocka_run_group_tests_name("log_limit", tests, NULL, NULL);
}
