/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls.h"

enum { T0 = 1800000000, DAY_S = 86400 };

static void one_of_our_own_root_is_due_when_so_many_days_are_left(void **state)
{
	static const struct {
		bool is_own;
		int64_t renew_days, left_s;
		bool is_due;
	} rows[] = {
		{true, 30, 30 * DAY_S + 1, false},
		{true, 30, 30 * DAY_S, true},
		{true, 30, 0, true},
		{true, 30, -DAY_S, true},
		{true, 1, DAY_S + 1, false},
		{true, 1, DAY_S, true},
		{true, 0, -DAY_S, false},
		{false, 30, DAY_S, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct tls_in_force in_force = {.is_own = rows[i].is_own,
			.renew_days = rows[i].renew_days,
			.leaf = {.not_after = T0 + rows[i].left_s}};

		assert_int_equal(tls_is_due(&in_force, T0), rows[i].is_due);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_our_own_root_is_due_when_so_many_days_are_left),
	};

	return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}
