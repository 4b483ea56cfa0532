/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "pomona/base/buf.h"

static bool is_memory_short;

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_realloc(void *old, size_t size)
{
	return is_memory_short ? NULL : __real_realloc(old, size);
}

static void what_is_appended_comes_out_in_order(void **state)
{
	AUTO(buf_fini) struct buf buf;

	(void)state;
	buf_init(&buf, 100);
	assert_int_equal(buf_slice(&buf).len, 0);
	buf_append(&buf, SLICE_LITERAL("a\0"));
	buf_append(&buf, slice_of(NULL, 0));
	buf_append_str(&buf, "bc");
	buf_append_byte(&buf, 'd');
	buf_printf(&buf, "%d-%s", 42, "e");
	assert_true(slice_is_equal(buf_slice(&buf), SLICE_LITERAL("a\0bcd42-e")));
	assert_memory_equal(buf_cstr(&buf), "a\0bcd42-e", 10);
	assert_int_equal(buf_status(&buf, "test", NULL), RC_OK);
}

static void an_empty_buffer_is_an_empty_string(void **state)
{
	AUTO(buf_fini) struct buf buf;

	(void)state;
	buf_init(&buf, 0);
	assert_string_equal(buf_cstr(&buf), "");
}

static void the_bound_is_reached_but_not_passed_in_every_way_of_appending(void **state)
{
	(void)state;
	for (int way = 0; way < 4; way++) {
		for (size_t bound = 4; bound <= 5; bound++) {
			AUTO(buf_fini) struct buf buf;
			struct err err;

			buf_init(&buf, bound);
			buf_append_str(&buf, "a");
			if (way == 0)
				buf_append_str(&buf, "bcde");
			else if (way == 1)
				buf_printf(&buf, "%s", "bcde");
			else if (way == 2 && buf_reserve(&buf, 4) != NULL)
				buf.len += 4;
			else if (way == 3)
				for (int c = 'b'; c <= 'e'; c++)
					buf_append_byte(&buf, (uint8_t)c);
			assert_int_equal(buf_status(&buf, "list", &err), bound == 5 ? RC_OK : RC_LIMIT);
			if (bound == 4)
				assert_string_equal(err.text, "list: larger than 4 bytes");
			assert_true(buf.len <= bound);
		}
	}
}

static void a_fault_stays_until_it_is_cleared(void **state)
{
	AUTO(buf_fini) struct buf buf;

	(void)state;
	buf_init(&buf, 2);
	buf_append_str(&buf, "abc");
	buf_append_str(&buf, "d");
	assert_int_equal(buf.len, 0);
	assert_null(buf_reserve(&buf, 1));
	assert_null(buf_cstr(&buf));
	assert_int_equal(buf_status(&buf, "x", NULL), RC_LIMIT);
	buf_clear(&buf);
	buf_append_str(&buf, "ab");
	assert_string_equal(buf_cstr(&buf), "ab");
}

static void short_memory_is_told_and_loses_nothing(void **state)
{
	AUTO(buf_fini) struct buf buf;
	struct err err;

	(void)state;
	buf_init(&buf, 1 << 20);
	buf_append_str(&buf, "ab");
	is_memory_short = true;
	assert_null(buf_reserve(&buf, 1 << 16));
	is_memory_short = false;
	assert_int_equal(buf_status(&buf, "list", &err), RC_NO_MEMORY);
	assert_string_equal(err.text, "list: memory is short");
	assert_true(slice_is_str(buf_slice(&buf), "ab"));
}

static void it_grows_far_beyond_its_first_size(void **state)
{
	AUTO(buf_fini) struct buf buf;

	(void)state;
	buf_init(&buf, 100000);
	for (int i = 0; i < 100000; i++)
		buf_append_byte(&buf, (uint8_t)i);
	assert_int_equal(buf.rc, RC_OK);
	for (size_t i = 0; i < 100000; i++)
		assert_int_equal(buf.ptr[i], (uint8_t)i);
}

/* It formats into the room that is there, and once more where that was too little: at, and around, its end. */
static void what_is_printed_is_whole_wherever_the_room_ends(void **state)
{
	char text[600];

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		struct buf buf;

		memset(text, 'x', len);
		text[len] = 0;
		buf_init(&buf, sizeof(text) + 10);
		buf_printf(&buf, "%d", 12345);
		buf_printf(&buf, "%s", text);
		assert_int_equal(buf.rc, RC_OK);
		assert_int_equal(buf.len, 5 + len);
		assert_memory_equal(buf_cstr(&buf) + 5, text, len + 1);
		buf_fini(&buf);
	}
}

static void a_length_that_would_overflow_is_over_the_bound(void **state)
{
	AUTO(buf_fini) struct buf buf;

	(void)state;
	buf_init(&buf, 100);
	buf_append_str(&buf, "a");
	assert_null(buf_reserve(&buf, SIZE_MAX));
	assert_int_equal(buf.rc, RC_LIMIT);
}

static void the_end_leaves_an_empty_buffer_of_the_same_bound(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 3);
	buf_append_str(&buf, "abcd");
	buf_fini_secret(&buf);
	assert_null(buf.ptr);
	assert_int_equal(buf.rc, RC_OK);
	buf_append_str(&buf, "abc");
	assert_string_equal(buf_cstr(&buf), "abc");
	buf_fini_secret(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_appended_comes_out_in_order),
		cmocka_unit_test(an_empty_buffer_is_an_empty_string),
		cmocka_unit_test(the_bound_is_reached_but_not_passed_in_every_way_of_appending),
		cmocka_unit_test(a_fault_stays_until_it_is_cleared),
		cmocka_unit_test(short_memory_is_told_and_loses_nothing),
		cmocka_unit_test(it_grows_far_beyond_its_first_size),
		cmocka_unit_test(what_is_printed_is_whole_wherever_the_room_ends),
		cmocka_unit_test(a_length_that_would_overflow_is_over_the_bound),
		cmocka_unit_test(the_end_leaves_an_empty_buffer_of_the_same_bound),
	};

	return cmocka_run_group_tests_name("base/buf", tests, NULL, NULL);
}
