/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pomona/base/compiler.h"
#include "pomona/pki/expiry.h"

enum { DAY_S = 86400 };

static void each_step_to_the_end_is_known(void **state)
{
	static const struct {
		int64_t left_s, days;
		enum cert_expiry expiry;
	} cases[] = {
		{INT64_C(365) * DAY_S, 365, EXPIRY_FAR},
		{30 * DAY_S + 1, 31, EXPIRY_FAR},
		{30 * DAY_S, 30, EXPIRY_30_DAYS},
		{14 * DAY_S + 1, 15, EXPIRY_30_DAYS},
		{14 * DAY_S, 14, EXPIRY_14_DAYS},
		{7 * DAY_S + 1, 8, EXPIRY_14_DAYS},
		{7 * DAY_S, 7, EXPIRY_7_DAYS},
		{DAY_S + 1, 2, EXPIRY_7_DAYS},
		{DAY_S, 1, EXPIRY_1_DAY},
		{1, 1, EXPIRY_1_DAY},
		{0, 0, EXPIRY_OVER},
		{-1, 0, EXPIRY_OVER},
		{-INT64_C(365) * DAY_S, 0, EXPIRY_OVER},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(expiry_of(1000000000 + cases[i].left_s, 1000000000), cases[i].expiry);
		assert_int_equal(expiry_days(1000000000 + cases[i].left_s, 1000000000), cases[i].days);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_step_to_the_end_is_known),
	};

	return cmocka_run_group_tests_name("expiry", tests, NULL, NULL);
}
