/* SPDX-License-Identifier: Apache-2.0 */
#include "turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "pomona/base/compiler.h"

enum { MANY = 1000 };

static struct turns *turns;
static struct turn crowd[MANY];

static const struct turn_taker *stranger(size_t cell)
{
	static struct turn_taker taker;

	taker = (struct turn_taker){.cell = cell};
	return &taker;
}

static int setup(void **state)
{
	struct err err;

	(void)state;
	memset(crowd, 0, sizeof(crowd));
	return turns_new(1, &turns, &err) == RC_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	turns_free(&turns);
	return 0;
}

/* Gives the next its turn, and takes it back. */
static struct turn *serve(void)
{
	struct turn *turn = turns_next(turns);

	if (turn != NULL)
		turns_give_back(turns);
	return turn;
}

static void so_many_have_a_turn_and_no_more(void **state)
{
	struct turn waiting = {0};

	(void)state;
	assert_true(turns_take(turns, stranger(1)));
	assert_false(turns_take(turns, stranger(2)));
	assert_true(turns_wait(turns, &waiting, stranger(2)));
	assert_null(turns_next(turns));
	turns_give_back(turns);
	assert_false(turns_take(turns, stranger(3))); /* somebody waits */
	assert_ptr_equal(turns_next(turns), &waiting);
	assert_null(turns_next(turns));
	turns_give_back(turns);
	assert_true(turns_take(turns, stranger(3)));
}

static void one_address_is_served_in_the_order_it_came(void **state)
{
	(void)state;
	for (size_t i = 0; i < MANY; i++)
		assert_true(turns_wait(turns, &crowd[i], stranger(7)));
	for (size_t i = 0; i < MANY; i++)
		assert_ptr_equal(serve(), &crowd[i]);
	assert_null(serve());
}

static void who_waits_a_thousand_times_delays_another_by_one_turn(void **state)
{
	struct turn other = {0};

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		assert_true(turns_wait(turns, &crowd[i], stranger(7)));
	for (size_t i = 0; i < MANY / 2; i++)
		assert_ptr_equal(serve(), &crowd[i]);
	for (size_t again = 0; again < 3; again++) {
		struct turn *first;

		assert_true(turns_wait(turns, &other, stranger(8)));
		first = serve();
		assert_true(first == &other || serve() == &other);
	}
}

static void who_is_known_goes_before_a_thousand_addresses(void **state)
{
	const struct turn_taker known = {.cell = MANY + 1, .is_known = true};
	struct turn other = {0};

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		assert_true(turns_wait(turns, &crowd[i], stranger(i)));
	for (size_t again = 0; again < 3; again++) {
		assert_non_null(serve());
		assert_true(turns_wait(turns, &other, &known));
		assert_ptr_equal(serve(), &other);
	}
}

static void who_is_known_shuts_no_stranger_out(void **state)
{
	const struct turn_taker known = {.cell = 1, .is_known = true};
	struct turn other = {0};
	size_t before = 0;

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		assert_true(turns_wait(turns, &crowd[i], &known));
	assert_true(turns_wait(turns, &other, stranger(2)));
	while (serve() != &other)
		before++;
	assert_int_equal(before, TURNS_KNOWN);
}

static void an_address_that_was_away_has_saved_up_nothing(void **state)
{
	struct turn others[10] = {0};
	size_t before = 0;

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		assert_true(turns_wait(turns, &crowd[i], stranger(7)));
	for (size_t i = 0; i < MANY / 2; i++)
		assert_non_null(serve());
	for (size_t i = 0; i < COUNT_OF(others); i++)
		assert_true(turns_wait(turns, &others[i], stranger(8)));
	for (size_t served = 0; served < COUNT_OF(others);) {
		struct turn *turn = serve();

		if (turn >= others && turn < others + COUNT_OF(others))
			served++;
		else
			before++;
	}
	assert_true(before >= COUNT_OF(others) - 1);
}

static void who_leaves_is_not_served(void **state)
{
	(void)state;
	for (size_t i = 0; i < MANY; i++)
		assert_true(turns_wait(turns, &crowd[i], stranger(i)));
	for (size_t i = 0; i < MANY; i += 2) {
		turns_leave(turns, &crowd[i]);
		turns_leave(turns, &crowd[i]);
	}
	for (size_t i = 1; i < MANY; i += 2)
		assert_ptr_equal(serve(), &crowd[i]);
	assert_null(serve());
}

static void waiting_twice_is_waiting_once(void **state)
{
	(void)state;
	assert_true(turns_wait(turns, &crowd[0], stranger(1)));
	assert_true(turns_wait(turns, &crowd[0], stranger(1)));
	assert_ptr_equal(serve(), &crowd[0]);
	assert_null(serve());
}

static void a_turn_that_is_never_given_back_stops_nobody_for_ever(void **state)
{
	(void)state;
	assert_true(turns_take(turns, stranger(1)));
	assert_true(turns_wait(turns, &crowd[0], stranger(2)));
	turns_look(turns);
	assert_ptr_equal(turns_next(turns), &crowd[0]);
	assert_true(turns_wait(turns, &crowd[1], stranger(2)));
	turns_give_back(turns);
	assert_ptr_equal(turns_next(turns), &crowd[1]);
	assert_true(turns_wait(turns, &crowd[2], stranger(2)));
	turns_look(turns); /* one was given back since the last time */
	assert_null(turns_next(turns));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(so_many_have_a_turn_and_no_more, setup, teardown),
		cmocka_unit_test_setup_teardown(one_address_is_served_in_the_order_it_came, setup, teardown),
		cmocka_unit_test_setup_teardown(who_waits_a_thousand_times_delays_another_by_one_turn, setup,
			teardown),
		cmocka_unit_test_setup_teardown(who_is_known_goes_before_a_thousand_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(who_is_known_shuts_no_stranger_out, setup, teardown),
		cmocka_unit_test_setup_teardown(an_address_that_was_away_has_saved_up_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(who_leaves_is_not_served, setup, teardown),
		cmocka_unit_test_setup_teardown(waiting_twice_is_waiting_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_turn_that_is_never_given_back_stops_nobody_for_ever, setup,
			teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
