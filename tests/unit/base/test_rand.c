/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "pomona/base/clock.h"
#include "pomona/base/rand.h"

enum { UUIDS = 200 };

static void a_uuid_is_of_version_4_and_upper_case(void **state)
{
	char text[UUID_TEXT_BYTES];

	(void)state;
	for (int i = 0; i < UUIDS; i++) {
		uuid_make(text);
		assert_int_equal(strlen(text), UUID_TEXT_BYTES - 1);
		assert_int_equal(strspn(text, "0123456789ABCDEF-"), UUID_TEXT_BYTES - 1);
		assert_true(text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-');
		assert_int_equal(text[14], '4');
		assert_non_null(strchr("89AB", text[19]));
	}
}

static void no_two_uuids_are_the_same(void **state)
{
	static char texts[UUIDS][UUID_TEXT_BYTES];

	(void)state;
	for (int i = 0; i < UUIDS; i++) {
		uuid_make(texts[i]);
		for (int other = 0; other < i; other++)
			assert_string_not_equal(texts[i], texts[other]);
	}
}

static void all_bytes_asked_for_are_random(void **state)
{
	uint8_t seen[400] = {0};
	uint8_t bytes[400];

	(void)state;
	for (int i = 0; i < 20; i++) {
		rand_bytes(bytes, sizeof(bytes));
		for (size_t at = 0; at < sizeof(bytes); at++)
			seen[at] |= bytes[at];
	}
	for (size_t at = 0; at < sizeof(seen); at++)
		assert_int_not_equal(seen[at], 0);
}

static int64_t fixed(void *ctx)
{
	const int64_t *value = ctx;

	return *value;
}

static void a_clock_is_what_it_was_given(void **state)
{
	int64_t value = 1795230245678;
	const struct clock clock = {.unix_ms = fixed, .monotonic_us = fixed, .ctx = &value};
	int64_t before = clock_monotonic_us(clock_system());

	(void)state;
	assert_true(clock_unix_ms(&clock) == value);
	assert_true(clock_unix_s(&clock) == 1795230245);
	assert_true(clock_monotonic_us(&clock) == value);
	assert_true(clock_monotonic_us(clock_system()) >= before);
	assert_true(clock_unix_s(clock_system()) > 1700000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_uuid_is_of_version_4_and_upper_case),
		cmocka_unit_test(no_two_uuids_are_the_same),
		cmocka_unit_test(all_bytes_asked_for_are_random),
		cmocka_unit_test(a_clock_is_what_it_was_given),
	};

	return cmocka_run_group_tests_name("base/rand", tests, NULL, NULL);
}
