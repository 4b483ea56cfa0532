/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <stdio.h>

#include "impl.h"

enum { DEVICES = 1000 }; /* several chunks of a sweep */

/* A store with DEVICES enrollments that all have `command`. */
struct fleet {
	struct fixture *f;
	int64_t first_id, command_id;
};

static void send_to_fleet(struct fleet *fleet, const char *uuid, int64_t not_after)
{
	const struct command_row row = {.uuid = slice_of_str(uuid),
		.request_type = S("X"),
		.body = slice_of_str(uuid)};
	int64_t batch_id;
	bool was_queued;
	struct err err;

	assert_ok(command_put(fixture_write(fleet->f), &row, &fleet->command_id, &err), &err);
	assert_ok(batch_begin(fixture_write(fleet->f), fleet->command_id, not_after, &batch_id, &err),
		&err);
	for (int64_t i = 0; i < DEVICES; i++) {
		assert_ok(batch_add(fixture_write(fleet->f), batch_id, fleet->first_id + i, &was_queued, &err),
			&err);
		assert_true(was_queued);
	}
	assert_ok(batch_publish(fixture_write(fleet->f), batch_id, &err), &err);
}

static struct fleet with_fleet(void **state)
{
	struct fleet fleet = {.f = *state};

	for (int i = 0; i < DEVICES; i++) {
		char name[32];
		int64_t id;
		struct err err;

		(void)snprintf(name, sizeof(name), "UDID-%d", i);
		assert_ok(enrollment_add_device(fixture_write(fleet.f), ENROLLMENT_DEVICE, slice_of_str(name),
													&id, &err),
			&err);
		if (i == 0)
			fleet.first_id = id;
	}
	return fleet;
}

static int64_t count_of(struct fleet *fleet, const char *uuid, enum queue_state state)
{
	struct command_view view;
	struct err err;

	assert_ok(command_view(fixture_read(fleet->f), slice_of_str(uuid), fleet->f->arena, &view, &err),
		&err);
	return view.by_state[state];
}

/* One slice in a transaction of its own; the clock makes it end after the first chunk, or never. */
static struct txn *begin_slice(struct fleet *fleet, bool is_short)
{
	struct txn *txn = fixture_write(fleet->f);

	txn->slice_ends_us = fleet->f->monotonic_us + (is_short ? 0 : 1);
	return txn;
}

static void test_a_fleets_command_is_cancelled_in_slices(void **state)
{
	struct fleet fleet = with_fleet(state);
	int64_t total = 0;
	int64_t count;
	bool is_more = true;
	int slices = 0;
	struct txn *txn;
	struct err err;

	send_to_fleet(&fleet, "one", 0);
	fixture_commit(fleet.f);
	for (; is_more; slices++) {
		txn = begin_slice(&fleet, true);
		assert_ok(queue_cancel_command(txn, fleet.command_id, &count, &is_more, &err), &err);
		fixture_commit(fleet.f);
		total += count;
	}
	assert_true(slices > 2);
	assert_int_equal(total, DEVICES);
	assert_int_equal(count_of(&fleet, "one", QUEUE_CANCELLED), DEVICES);
	assert_int_equal(look(fleet.f, "SELECT value FROM counter WHERE name = 'queue.cancelled'"),
		DEVICES);
	txn = begin_slice(&fleet, false);
	assert_ok(queue_cancel_command(txn, fleet.command_id, &count, &is_more, &err), &err);
	assert_int_equal(count, 0);
	assert_false(is_more);
	assert_rc(queue_cancel_command(txn, 999, &count, &is_more, &err), RC_NOT_FOUND, &err);
}

static void test_a_command_sent_again_amid_its_cancellation_is_cancelled_too(void **state)
{
	struct fleet fleet = with_fleet(state);
	int64_t batch_id, late_id, count;
	bool is_more, was_queued;
	struct txn *txn;
	struct err err;

	send_to_fleet(&fleet, "one", 0);
	txn = begin_slice(&fleet, true);
	assert_ok(queue_cancel_command(txn, fleet.command_id, &count, &is_more, &err), &err);
	assert_true(is_more);
	fixture_commit(fleet.f);
	late_id = fleet.first_id; /* before the cursor */
	tamper(fleet.f, "DELETE FROM queue WHERE enrollment_id = (SELECT min(id) FROM enrollment)");
	txn = fixture_write(fleet.f);
	assert_ok(batch_begin(txn, fleet.command_id, 0, &batch_id, &err), &err);
	assert_ok(batch_add(txn, batch_id, late_id, &was_queued, &err), &err);
	assert_true(was_queued);
	assert_ok(batch_publish(txn, batch_id, &err), &err);
	txn = begin_slice(&fleet, false);
	assert_ok(queue_cancel_command(txn, fleet.command_id, &count, &is_more, &err), &err);
	assert_false(is_more);
	assert_int_equal(count_of(&fleet, "one", QUEUE_QUEUED), 0);
}

static void test_what_is_past_its_time_expires_in_slices(void **state)
{
	struct fleet fleet = with_fleet(state);
	int64_t total = 0;
	int64_t count;
	bool is_more = true;
	int slices = 0;
	struct txn *txn;
	struct err err;

	send_to_fleet(&fleet, "short", T0 + 10);
	send_to_fleet(&fleet, "long", T0 + 20);
	send_to_fleet(&fleet, "ever", 0);
	fixture_commit(fleet.f);
	fleet.f->now_s = T0 + 10;
	for (; is_more; slices++) {
		txn = begin_slice(&fleet, true);
		assert_ok(queue_expire(txn, &count, &is_more, &err), &err);
		fixture_commit(fleet.f);
		total += count;
	}
	assert_true(slices > 2);
	assert_int_equal(total, DEVICES);
	assert_int_equal(count_of(&fleet, "short", QUEUE_EXPIRED), DEVICES);
	assert_int_equal(count_of(&fleet, "long", QUEUE_QUEUED), DEVICES);
	fleet.f->now_s = T0 + 1000;
	txn = begin_slice(&fleet, false);
	assert_ok(queue_expire(txn, &count, &is_more, &err), &err);
	assert_int_equal(count, DEVICES);
	assert_false(is_more);
	assert_int_equal(count_of(&fleet, "ever", QUEUE_QUEUED), DEVICES);
	assert_int_equal(look(fleet.f, "SELECT value FROM counter WHERE name = 'queue.expired'"),
		2 * (int64_t)DEVICES);
}

static void test_a_finished_row_neither_expires_nor_is_cancelled(void **state)
{
	static const struct queue_answer done = {.state = QUEUE_DONE, .status = S("Acknowledged")};
	struct fleet fleet = with_fleet(state);
	struct queue_item item;
	int64_t count;
	bool is_more;
	struct txn *txn;
	struct err err;

	send_to_fleet(&fleet, "one", T0 + 10);
	assert_ok(queue_find(fixture_write(fleet.f), fleet.first_id, S("one"), &item, &err), &err);
	assert_ok(queue_finish(fixture_write(fleet.f), &item, &done, &err), &err);
	fixture_commit(fleet.f);
	fleet.f->now_s = T0 + 10;
	txn = begin_slice(&fleet, false);
	assert_ok(queue_expire(txn, &count, &is_more, &err), &err);
	assert_int_equal(count, DEVICES - 1);
	assert_ok(queue_cancel_command(txn, fleet.command_id, &count, &is_more, &err), &err);
	assert_int_equal(count, 0);
	assert_int_equal(count_of(&fleet, "one", QUEUE_DONE), 1);
}

static void test_an_unpublished_batch_does_not_expire(void **state)
{
	static const struct command_row row = {.uuid = S("u"), .request_type = S("X"), .body = S("b")};
	struct fixture *f = *state;
	int64_t command_id, batch_id, count;
	bool is_more;
	struct err err;

	assert_ok(command_put(fixture_write(f), &row, &command_id, &err), &err);
	assert_ok(batch_begin(fixture_write(f), command_id, T0 - 1, &batch_id, &err), &err);
	fixture_write(f)->slice_ends_us = 1;
	assert_ok(queue_expire(fixture_write(f), &count, &is_more, &err), &err);
	assert_int_equal(count, 0);
	assert_false(is_more);
	fixture_commit(f);
	assert_int_equal(look(f, "SELECT is_expired FROM batch"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(test_a_fleets_command_is_cancelled_in_slices),
		TEST(test_a_command_sent_again_amid_its_cancellation_is_cancelled_too),
		TEST(test_what_is_past_its_time_expires_in_slices),
		TEST(test_a_finished_row_neither_expires_nor_is_cancelled),
		TEST(test_an_unpublished_batch_does_not_expire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
