/* SPDX-License-Identifier: Apache-2.0 */
#include "bodies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pomona/base/slice.h"
#include "pomona/http/http.h"

enum { MIB = 1024 * 1024, LARGEST = HTTP_STRANGER_BODY_BYTES_MAX };

static struct bodies bodies;

static void each_sender_has_a_part_of_what_the_one_before_has(void **state)
{
	static const struct {
		size_t bytes_max;
		size_t parts[SENDER_COUNT];
	} rows[] = {
		{256 * MIB, {256 * MIB, 128 * MIB, 64 * MIB}},
		{4 * LARGEST, {4 * LARGEST, 2 * LARGEST, LARGEST}},
		{4 * LARGEST - 1, {4 * LARGEST - 1, 2 * LARGEST - 1, LARGEST}},
		{LARGEST + 1, {LARGEST + 1, LARGEST, LARGEST}},
		{LARGEST - 1, {LARGEST - 1, LARGEST - 1, LARGEST - 1}},
		{SIZE_MAX, {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 4}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (enum sender sender = 0; sender < SENDER_COUNT; sender++) {
			size_t part = rows[i].parts[sender];

			bodies_init(&bodies, rows[i].bytes_max);
			assert_true(bodies_fit(&bodies, sender, part));
			assert_true(part == SIZE_MAX || !bodies_fit(&bodies, sender, (uint64_t)part + 1));
			assert_true(bodies_take(&bodies, sender, part));
			assert_true(bodies_fit(&bodies, sender, 0));
			assert_false(bodies_fit(&bodies, sender, 1));
			assert_false(bodies_fit(&bodies, sender, UINT64_MAX));
		}
	}
}

static void what_strangers_hold_leaves_the_rest_to_others(void **state)
{
	(void)state;
	bodies_init(&bodies, 8 * MIB);
	assert_true(bodies_take(&bodies, SENDER_STRANGER, 2 * MIB));
	assert_false(bodies_take(&bodies, SENDER_STRANGER, 1)); /* counted all the same */
	bodies_give_back(&bodies, SENDER_STRANGER, 1);
	assert_true(bodies_fit(&bodies, SENDER_NEIGHBOUR, 2 * MIB));
	assert_false(bodies_fit(&bodies, SENDER_NEIGHBOUR, 2 * MIB + 1));
	assert_true(bodies_take(&bodies, SENDER_NEIGHBOUR, 2 * MIB));
	assert_false(bodies_fit(&bodies, SENDER_NEIGHBOUR, 1));
	assert_true(bodies_fit(&bodies, SENDER_DEVICE, 4 * MIB));
	assert_false(bodies_fit(&bodies, SENDER_DEVICE, 4 * MIB + 1));
	bodies_give_back(&bodies, SENDER_STRANGER, 2 * MIB);
	assert_true(bodies_fit(&bodies, SENDER_STRANGER, 2 * MIB));
	assert_true(bodies_fit(&bodies, SENDER_NEIGHBOUR, 2 * MIB));
	assert_true(bodies_fit(&bodies, SENDER_DEVICE, 6 * MIB));
}

static void what_devices_hold_is_of_no_other_part(void **state)
{
	(void)state;
	bodies_init(&bodies, 8 * MIB);
	assert_true(bodies_take(&bodies, SENDER_DEVICE, 7 * MIB));
	assert_true(bodies_fit(&bodies, SENDER_STRANGER, MIB));
	assert_false(bodies_fit(&bodies, SENDER_STRANGER, MIB + 1)); /* of all there is no more */
	bodies_give_back(&bodies, SENDER_DEVICE, 7 * MIB);
	assert_true(bodies_fit(&bodies, SENDER_DEVICE, 8 * MIB));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_sender_has_a_part_of_what_the_one_before_has),
		cmocka_unit_test(what_strangers_hold_leaves_the_rest_to_others),
		cmocka_unit_test(what_devices_hold_is_of_no_other_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
