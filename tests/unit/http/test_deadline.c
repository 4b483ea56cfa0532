/* SPDX-License-Identifier: Apache-2.0 */
#include "deadline.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_files_time_grows_with_its_size(void **state)
{
	enum { RATE = DEADLINE_FILE_BYTES_PER_S_LEAST };
	static const struct {
		unsigned least_s;
		uint64_t bytes;
		unsigned want_s;
	} rows[] = {
		{600, 0, 600},
		{600, 1, 601},
		{600, RATE, 601},
		{600, RATE + 1, 602},
		{600, UINT64_C(1) << 30, 600 + 4096},
		{600, UINT64_C(600) * RATE, 1200},
		{1, UINT64_C(1000000) * RATE, 1000001},
		{0, RATE, 0},
		{600, UINT64_MAX, UINT_MAX},
		{2, UINT64_C(4294967293) * RATE, UINT_MAX},
		{3, UINT64_C(4294967293) * RATE, UINT_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(deadline_file_s(rows[i].least_s, rows[i].bytes), rows[i].want_s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_files_time_grows_with_its_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
