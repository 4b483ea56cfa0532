/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wheel.h"

enum { MANY = 1000000 };

static void test_a_million_are_found_again(void **state)
{
	struct entries *entries = entries_new(4);

	(void)state;
	assert_non_null(entries);
	for (int64_t id = 1; id <= MANY; id++)
		assert_non_null(entries_add(entries, id * 3));
	assert_int_equal(entries_count(entries), MANY);
	for (int64_t id = 1; id <= MANY; id++) {
		const struct entry *entry = entries_find(entries, id * 3);

		assert_non_null(entry);
		assert_int_equal(entry->id, id * 3);
		assert_null(entries_find(entries, id * 3 + 1));
	}
	entries_free(&entries);
}

static void test_what_is_removed_is_gone_and_its_room_is_used_again(void **state)
{
	struct entries *entries = entries_new(4);
	size_t cursor = 0;
	int64_t seen = 0;

	(void)state;
	for (int64_t id = 1; id <= 20000; id++)
		assert_non_null(entries_add(entries, id));
	for (int64_t id = 1; id <= 20000; id += 2)
		entries_remove(entries, entries_find(entries, id));
	for (int64_t id = 20001; id <= 30000; id++)
		assert_in_range(entries_add(entries, id)->index, 4, 20003);
	for (int64_t id = 1; id <= 30000; id++)
		assert_int_equal(entries_find(entries, id) != NULL, id > 20000 || id % 2 == 0);
	for (const struct entry *e; (e = entries_next(entries, &cursor)) != NULL;)
		seen += e->id;
	assert_int_equal(seen, 10001 * 10000 + (20001 + 30000) * 5000);
	entries_free(&entries);
}

static void test_an_empty_table_begins_anew(void **state)
{
	struct entries *entries = entries_new(4);

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (int64_t id = 1; id <= 50000; id++)
			entries_append(entries, 2, entries_add(entries, id));
		for (int64_t id = 1; id <= 50000; id++)
			entries_remove(entries, entries_find(entries, id));
		assert_int_equal(entries_count(entries), 0);
		assert_null(entries_first(entries, 2));
		assert_null(entries_find(entries, 1));
	}
	entries_free(&entries);
}

static void test_lists_keep_their_order(void **state)
{
	struct entries *entries = entries_new(3);

	(void)state;
	for (int64_t id = 1; id <= 5; id++)
		entries_append(entries, 0, entries_add(entries, id));
	entries_prepend(entries, 0, entries_find(entries, 4));
	entries_prepend(entries, 0, entries_find(entries, 4));
	entries_append(entries, 1, entries_find(entries, 2));
	entries_remove(entries, entries_find(entries, 3));
	entries_unlink(entries, entries_find(entries, 5));
	assert_false(entry_is_listed(entries_find(entries, 5)));
	assert_int_equal(entries_first(entries, 0)->id, 4);
	entries_unlink(entries, entries_first(entries, 0));
	assert_int_equal(entries_first(entries, 0)->id, 1);
	entries_unlink(entries, entries_first(entries, 0));
	assert_null(entries_first(entries, 0));
	assert_int_equal(entries_first(entries, 1)->id, 2);
	assert_null(entries_first(entries, 2));
	entries_free(&entries);
}

/* --- the wheel */

struct rung {
	struct entries *entries;
	struct wheel wheel;
	size_t count;
	uint32_t last_s;
};

static void note_in_time(void *ctx, struct entry *entry)
{
	struct rung *rung = ctx;

	assert_true(entry->wake.when_s <= rung->wheel.now_s);
	assert_true(entry->wake.when_s >= rung->last_s || entry->wake.when_s == 0);
	assert_false(entry_is_listed(entry));
	rung->count++;
}

static struct entry *put(struct rung *rung, int64_t id, uint32_t when_s)
{
	struct entry *entry = entries_add(rung->entries, id);

	assert_non_null(entry);
	entry->wake.when_s = when_s;
	wheel_put(&rung->wheel, entry);
	return entry;
}

static void start(struct rung *rung, uint32_t now_s)
{
	*rung = (struct rung){.entries = entries_new(WHEEL_LISTS)};
	assert_non_null(rung->entries);
	wheel_init(&rung->wheel, rung->entries, now_s);
}

/* Goes to `now_s` second by second: each entry rings in its own second. */
static void go(struct rung *rung, uint32_t now_s)
{
	while (rung->wheel.now_s < now_s) {
		rung->last_s = rung->wheel.now_s + 1;
		wheel_advance(&rung->wheel, rung->last_s, note_in_time, rung);
	}
}

static void test_each_rings_in_its_second(void **state)
{
	static const uint32_t starts[] = {0, 1, 63, 64, 4095, 4096, 262143, 300000};
	struct rung rung;

	(void)state;
	for (size_t s = 0; s < sizeof(starts) / sizeof(starts[0]); s++) {
		int64_t id = 0;

		start(&rung, starts[s]);
		for (uint32_t delta = 1; delta < 9000; delta += 7)
			(void)put(&rung, ++id, starts[s] + delta);
		for (uint32_t delta = 9000; delta < 600000; delta += 4001)
			(void)put(&rung, ++id, starts[s] + delta);
		go(&rung, starts[s] + 600000);
		assert_int_equal(rung.count, id);
		entries_free(&rung.entries);
	}
}

static void test_what_is_past_rings_in_the_next_second(void **state)
{
	struct rung rung;

	(void)state;
	start(&rung, 1000);
	put(&rung, 1, 0)->wake.when_s = 0;
	go(&rung, 1001);
	assert_int_equal(rung.count, 1);
	entries_free(&rung.entries);
}

static void test_what_is_out_of_range_rings_in_time_all_the_same(void **state)
{
	const uint32_t far = 40 * 1000 * 1000;
	struct rung rung;

	(void)state;
	start(&rung, 5);
	(void)put(&rung, 1, far);
	wheel_advance(&rung.wheel, far - 1, note_in_time, &rung);
	assert_int_equal(rung.count, 0);
	wheel_advance(&rung.wheel, far, note_in_time, &rung);
	assert_int_equal(rung.count, 1);
	entries_free(&rung.entries);
}

static void test_moved_entries_ring_when_they_were_moved_to(void **state)
{
	struct rung rung;
	struct entry *later;
	struct entry *sooner;
	struct entry *both;

	(void)state;
	start(&rung, 0);
	later = put(&rung, 1, 100);
	sooner = put(&rung, 2, 5000);
	both = put(&rung, 3, 50);
	later->wake.when_s = 70000;
	wheel_move(&rung.wheel, later, 100);
	sooner->wake.when_s = 90;
	wheel_move(&rung.wheel, sooner, 5000);
	both->wake.when_s = 3000;
	wheel_move(&rung.wheel, both, 50);
	both->wake.when_s = 60;
	wheel_move(&rung.wheel, both, 3000);
	go(&rung, 59);
	assert_int_equal(rung.count, 0);
	go(&rung, 60);
	assert_int_equal(rung.count, 1);
	go(&rung, 90);
	assert_int_equal(rung.count, 2);
	go(&rung, 69999);
	assert_int_equal(rung.count, 2);
	go(&rung, 70000);
	assert_int_equal(rung.count, 3);
	entries_free(&rung.entries);
}

static void put_back(void *ctx, struct entry *entry)
{
	struct rung *rung = ctx;

	rung->count++;
	entry->wake.when_s = rung->wheel.now_s; /* at once is in the next second */
	wheel_put(&rung->wheel, entry);
}

static void test_one_that_is_put_back_at_once_rings_every_second(void **state)
{
	struct rung rung;

	(void)state;
	start(&rung, 0);
	(void)put(&rung, 1, 1);
	wheel_advance(&rung.wheel, 10000, put_back, &rung);
	assert_int_equal(rung.count, 10000);
	entries_free(&rung.entries);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_million_are_found_again),
		cmocka_unit_test(test_what_is_removed_is_gone_and_its_room_is_used_again),
		cmocka_unit_test(test_an_empty_table_begins_anew),
		cmocka_unit_test(test_lists_keep_their_order),
		cmocka_unit_test(test_each_rings_in_its_second),
		cmocka_unit_test(test_what_is_past_rings_in_the_next_second),
		cmocka_unit_test(test_what_is_out_of_range_rings_in_time_all_the_same),
		cmocka_unit_test(test_moved_entries_ring_when_they_were_moved_to),
		cmocka_unit_test(test_one_that_is_put_back_at_once_rings_every_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
