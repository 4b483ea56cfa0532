/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "guesses.h"
#include "pomona/base/err.h"
#include "pomona/identity/user.h"

enum { US_A_SECOND = 1000000, NAMES = 12000 }; /* more than the table has room for */

static bool take(struct guesses *guesses, int number, int64_t now_us)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "name %d", number);
	return guesses_take(guesses, GUESS_NAME, slice_of_str(name), now_us);
}

/* Names that use their guesses up; marks those that found room. */
static void fill(struct guesses *guesses, bool marks[static NAMES])
{
	for (int i = 0; i < NAMES; i++) {
		marks[i] = take(guesses, i, 0);
		for (int guess = 1; marks[i] && guess < USER_WRONG_PER_NAME; guess++)
			assert_true(take(guesses, i, 0));
	}
}

static bool found_room[2][NAMES];

static void who_has_no_guess_left_gets_none_by_others_that_are_made_up(void **state)
{
	AUTO(guesses_free) struct guesses *guesses = guesses_new();
	const struct slice victim = SLICE_LITERAL("ada");

	(void)state;
	for (int i = 0; i < USER_WRONG_PER_NAME; i++)
		assert_true(guesses_take(guesses, GUESS_NAME, victim, 0));
	assert_false(guesses_take(guesses, GUESS_NAME, victim, 0));
	fill(guesses, found_room[0]);
	assert_false(guesses_take(guesses, GUESS_NAME, victim, 0));
	for (int i = 0; i < NAMES; i++)
		assert_false(take(guesses, i, 0));
	assert_true(take(guesses, NAMES, (int64_t)USER_WRONG_WINDOW_S * US_A_SECOND));
}

static void names_that_were_wrong_less_often_give_way(void **state)
{
	AUTO(guesses_free) struct guesses *guesses = guesses_new();

	(void)state;
	for (int i = 0; i < NAMES; i++)
		assert_true(take(guesses, i, 0));
}

static void nobody_can_foresee_who_shares_a_place(void **state)
{
	AUTO(guesses_free) struct guesses *one = guesses_new();
	AUTO(guesses_free) struct guesses *other = guesses_new();

	(void)state;
	fill(one, found_room[0]);
	fill(other, found_room[1]);
	assert_memory_not_equal(found_room[0], found_room[1], sizeof(found_room[0]));
}

static void a_name_is_no_address(void **state)
{
	AUTO(guesses_free) struct guesses *guesses = guesses_new();
	const struct slice who = SLICE_LITERAL("192.0.2.1");

	(void)state;
	for (int i = 0; i < USER_WRONG_PER_NAME; i++)
		assert_true(guesses_take(guesses, GUESS_NAME, who, 0));
	assert_false(guesses_take(guesses, GUESS_NAME, who, 0));
	assert_true(guesses_take(guesses, GUESS_ADDRESS, who, 0));
	guesses_give_back(guesses, GUESS_NAME, who);
	assert_true(guesses_take(guesses, GUESS_NAME, who, 0));
	assert_false(guesses_take(guesses, GUESS_NAME, who, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_has_no_guess_left_gets_none_by_others_that_are_made_up),
		cmocka_unit_test(names_that_were_wrong_less_often_give_way),
		cmocka_unit_test(nobody_can_foresee_who_shares_a_place),
		cmocka_unit_test(a_name_is_no_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
