/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdalign.h>
#include <string.h>

#include "pomona/base/arena.h"

static int calls_left = -1;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
	return calls_left >= 0 && calls_left-- == 0 ? NULL : __real_malloc(size);
}

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	uint8_t *pieces[300];

	(void)state;
	for (size_t i = 0; i < 300; i++) {
		pieces[i] = arena_alloc(arena, i * 7);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
		for (size_t at = 0; at < i * 7; at++)
			assert_int_equal(pieces[i][at], 0);
		memset(pieces[i], (int)i, i * 7);
	}
	for (size_t i = 0; i < 300; i++)
		for (size_t at = 0; at < i * 7; at++)
			assert_int_equal(pieces[i][at], (uint8_t)i);
	assert_int_equal(arena_used_bytes(arena), 7 * 299 * 300 / 2);
	arena_free(&arena);
	assert_null(arena);
	arena_free(&arena);
	assert_null(arena_alloc(arena, 1));
	assert_null(arena_str(arena, slice_of_str("x")));
}

static void the_bound_is_reached_but_not_passed(void **state)
{
	struct arena *arena = arena_new(5000);

	(void)state;
	assert_non_null(arena_alloc(arena, 1000));
	assert_null(arena_alloc(arena, 4001));
	assert_null(arena_alloc(arena, SIZE_MAX));
	assert_null(arena_alloc(arena, SIZE_MAX - 3));
	assert_non_null(arena_alloc(arena, 4000));
	assert_non_null(arena_alloc(arena, 0));
	assert_null(arena_alloc(arena, 1));
	arena_free(&arena);
}

static void copies_end_with_a_zero(void **state)
{
	struct arena *arena = arena_new(100);
	struct slice copy = arena_copy(arena, SLICE_LITERAL("a\0b"));

	(void)state;
	assert_int_equal(copy.len, 3);
	assert_memory_equal(copy.ptr, "a\0b", 4);
	assert_string_equal(arena_str(arena, SLICE_LITERAL("xyz")), "xyz");
	assert_string_equal(arena_str(arena, slice_of(NULL, 0)), "");
	assert_non_null(arena_copy(arena, slice_of(NULL, 0)).ptr);
	assert_null(arena_copy(arena, slice_of(copy.ptr, 100)).ptr);
	assert_null(arena_copy(arena, slice_of(copy.ptr, SIZE_MAX)).ptr);
	assert_null(arena_str(arena, slice_of(copy.ptr, SIZE_MAX)));
	arena_free(&arena);
}

static int frees;

static void count_free(void *object)
{
	int *number = object;

	assert_int_equal(*number, frees); /* last registered first */
	frees++;
}

static void guests_are_freed_last_first(void **state)
{
	struct arena *arena = arena_new(1000);
	int numbers[] = {2, 1, 0};

	(void)state;
	frees = 0;
	for (size_t i = 0; i < COUNT_OF(numbers); i++)
		assert_true(arena_on_free(arena, count_free, &numbers[i]));
	arena_free(&arena);
	assert_int_equal(frees, 3);
}

static void a_full_arena_takes_no_guest(void **state)
{
	struct arena *arena = arena_new(1);
	int number = 0;

	(void)state;
	frees = 0;
	assert_false(arena_on_free(arena, count_free, &number));
	arena_free(&arena);
	assert_int_equal(frees, 0);
}

static void short_memory_gives_null_and_counts_nothing(void **state)
{
	struct arena *arena;

	(void)state;
	calls_left = 0;
	assert_null(arena_new(100));
	arena = arena_new(10000);
	for (size_t i = 0; i < 4; i++) /* fill the piece that came with it */
		(void)arena_alloc(arena, 900);
	calls_left = 0;
	assert_null(arena_alloc(arena, 1000));
	calls_left = 0;
	assert_null(arena_alloc(arena, 5000));
	assert_int_equal(arena_used_bytes(arena), 3600);
	assert_non_null(arena_alloc(arena, 1000));
	arena_free(&arena);
}

static size_t wiped;

void __wrap_explicit_bzero(void *bytes, size_t len);
void __wrap_explicit_bzero(void *bytes, size_t len)
{
	memset(bytes, 0, len);
	wiped += len;
}

static void what_is_secret_is_wiped_and_nothing_else(void **state)
{
	static const size_t sizes[] = {10, 5000, 3000, 3000};
	size_t asked = 0;

	(void)state;
	for (int is_secret = 0; is_secret < 2; is_secret++) {
		struct arena *arena = arena_new(20000);

		wiped = 0;
		asked = 0;
		if (is_secret)
			arena_hold_secret(arena);
		for (size_t i = 0; i < COUNT_OF(sizes); i++) {
			assert_non_null(arena_alloc(arena, sizes[i]));
			asked += sizes[i];
		}
		arena_free(&arena);
		assert_int_equal(wiped >= asked, is_secret);
	}
	assert_true(wiped > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
		cmocka_unit_test(the_bound_is_reached_but_not_passed),
		cmocka_unit_test(copies_end_with_a_zero),
		cmocka_unit_test(guests_are_freed_last_first),
		cmocka_unit_test(a_full_arena_takes_no_guest),
		cmocka_unit_test(what_is_secret_is_wiped_and_nothing_else),
		cmocka_unit_test(short_memory_gives_null_and_counts_nothing),
	};

	return cmocka_run_group_tests_name("base/arena", tests, NULL, NULL);
}
