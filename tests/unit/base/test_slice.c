/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "pomona/base/slice.h"

static void equal_means_the_same_bytes(void **state)
{
	(void)state;
	assert_true(slice_is_equal(SLICE_LITERAL("a\0b"), SLICE_LITERAL("a\0b")));
	assert_false(slice_is_equal(SLICE_LITERAL("a\0b"), SLICE_LITERAL("a\0c")));
	assert_false(slice_is_equal(SLICE_LITERAL("a"), SLICE_LITERAL("ab")));
	assert_true(slice_is_equal(slice_of(NULL, 0), SLICE_LITERAL("")));
	assert_true(slice_is_str(SLICE_LITERAL("ab"), "ab"));
	assert_false(slice_is_str(SLICE_LITERAL("ab"), "abc"));
	assert_true(slice_is_str(slice_of_str(NULL), ""));
}

static void the_consttime_comparison_agrees(void **state)
{
	(void)state;
	assert_true(slice_is_equal_consttime(SLICE_LITERAL("secret"), SLICE_LITERAL("secret")));
	assert_true(slice_is_equal_consttime(slice_of(NULL, 0), SLICE_LITERAL("")));
	assert_false(slice_is_equal_consttime(SLICE_LITERAL("secret"), SLICE_LITERAL("Secret")));
	assert_false(slice_is_equal_consttime(SLICE_LITERAL("secret"), SLICE_LITERAL("secreT")));
	assert_false(slice_is_equal_consttime(SLICE_LITERAL("secret"), SLICE_LITERAL("secrets")));
}

static void only_ascii_letters_are_folded(void **state)
{
	static const struct {
		const char *a;
		const char *b;
		bool is_equal;
	} cases[] = {
		{"Content-Type", "content-type", true},
		{"AZaz09", "azAZ09", true},
		{"@", "`", false},
		{"[", "{", false},
		{"\xC3\x89", "\xC3\xA9", false},
		{"a", "ab", false},
		{"", "", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(slice_is_str_nocase(slice_of_str(cases[i].a), cases[i].b), cases[i].is_equal);
}

static void a_prefix_may_be_empty_or_whole(void **state)
{
	(void)state;
	assert_true(slice_has_prefix(SLICE_LITERAL("ab"), ""));
	assert_true(slice_has_prefix(SLICE_LITERAL("ab"), "ab"));
	assert_false(slice_has_prefix(SLICE_LITERAL("ab"), "abc"));
	assert_false(slice_has_prefix(SLICE_LITERAL("ab"), "b"));
	assert_true(slice_has_prefix(slice_of(NULL, 0), ""));
}

static void order_is_by_bytes_then_by_length(void **state)
{
	static const char *const sorted[] = {"", "A", "AA", "B", "a", "\x7f", "\xff"};

	(void)state;
	for (int a = 0; a < 7; a++) {
		for (int b = 0; b < 7; b++) {
			int order = slice_compare(slice_of_str(sorted[a]), slice_of_str(sorted[b]));

			assert_int_equal((order > 0) - (order < 0), (a > b) - (a < b));
		}
	}
}

static void a_part_never_reaches_past_the_end(void **state)
{
	struct slice whole = SLICE_LITERAL("abcd");

	(void)state;
	assert_true(slice_is_str(slice_sub(whole, 1, 2), "bc"));
	assert_true(slice_is_str(slice_sub(whole, 1, SIZE_MAX), "bcd"));
	assert_true(slice_is_str(slice_sub(whole, 4, 1), ""));
	assert_true(slice_is_str(slice_sub(whole, SIZE_MAX, SIZE_MAX), ""));
	assert_int_equal(slice_sub(slice_of(NULL, 0), 0, 1).len, 0);
}

static void the_first_byte_is_found(void **state)
{
	size_t at = 99;

	(void)state;
	assert_true(slice_find_byte(SLICE_LITERAL("a=b=c"), '=', &at));
	assert_int_equal(at, 1);
	at = 99;
	assert_false(slice_find_byte(SLICE_LITERAL("abc"), '=', &at));
	assert_false(slice_find_byte(slice_of(NULL, 0), 0, &at));
	assert_int_equal(at, 99);
}

static void white_space_is_trimmed_at_both_ends(void **state)
{
	(void)state;
	assert_true(slice_is_str(slice_trim(SLICE_LITERAL(" \t\r\n\v\fa b\n ")), "a b"));
	assert_true(slice_is_str(slice_trim(SLICE_LITERAL(" \n ")), ""));
	assert_true(slice_is_str(slice_trim(SLICE_LITERAL("a\0 ")), "a") == false);
	assert_int_equal(slice_trim(slice_of(NULL, 0)).len, 0);
}

static void a_length_for_printf_is_cut_to_an_int(void **state)
{
	(void)state;
	assert_int_equal(slice_fmt_len(slice_of("", (size_t)INT32_MAX)), INT32_MAX);
	assert_int_equal(slice_fmt_len(slice_of("", (size_t)INT32_MAX + 1)), INT32_MAX);
	assert_int_equal(slice_fmt_len(slice_of("", 0)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_means_the_same_bytes),
		cmocka_unit_test(the_consttime_comparison_agrees),
		cmocka_unit_test(only_ascii_letters_are_folded),
		cmocka_unit_test(a_prefix_may_be_empty_or_whole),
		cmocka_unit_test(order_is_by_bytes_then_by_length),
		cmocka_unit_test(a_part_never_reaches_past_the_end),
		cmocka_unit_test(the_first_byte_is_found),
		cmocka_unit_test(white_space_is_trimmed_at_both_ends),
		cmocka_unit_test(a_length_for_printf_is_cut_to_an_int),
	};

	return cmocka_run_group_tests_name("base/slice", tests, NULL, NULL);
}
