/* SPDX-License-Identifier: Apache-2.0 */
/* The walk through the fleet, and who is silent. */
#include "fixture.h"

#include <stdio.h>

#include "pomona/store/renewal.h"

static int64_t add_device(struct fixture *f, int n)
{
	char ext_id[32];
	int64_t id = 0;
	struct err err;

	(void)snprintf(ext_id, sizeof(ext_id), "UDID-%d", n);
	assert_ok(enroll_device(fixture_write(f), ext_id, (uint8_t)n, &id, &err), &err);
	assert_ok(give_token(fixture_write(f), id, ext_id, &err), &err);
	return id;
}

static void set_state(struct fixture *f, int64_t id, enum enrollment_state state)
{
	struct err err;

	assert_ok(enrollment_set_state(fixture_write(f), id, state, &err), &err);
}

static bool seen(struct fixture *f, int64_t id, int64_t at)
{
	bool was_inactive = false;
	struct err err;

	assert_ok(enrollment_seen(fixture_write(f), id, at, &was_inactive, &err), &err);
	return was_inactive;
}

static bool set_inactive(struct fixture *f, int64_t id, int64_t seen_before)
{
	bool was_changed = false;
	struct err err;

	assert_ok(enrollment_set_inactive(fixture_write(f), id, seen_before, &was_changed, &err), &err);
	return was_changed;
}

static void kill_token(struct fixture *f, int64_t id, struct slice token)
{
	struct push_outcome outcome = {.enrollment_id = id,
		.at = T0,
		.status = 410,
		.is_dead = true,
		.token = token};
	struct err err;

	assert_ok(push_outcome_write(fixture_write(f), &outcome, &err), &err);
}

static int64_t inactive_at(struct fixture *f, int64_t id)
{
	struct enrollment_view view;
	struct err err;

	assert_ok(enrollment_view(fixture_write(f), id, f->arena, &view, &err), &err);
	return view.inactive_at;
}

static size_t walk(struct fixture *f, int64_t after_id, struct push_walk_row *rows, size_t max)
{
	size_t count = 0;
	struct err err;

	assert_ok(push_walk(fixture_write(f), after_id, rows, max, &count, &err), &err);
	assert_true(count <= max);
	return count;
}

static void test_a_walk_passes_those_that_can_be_woken_in_slices(void **state)
{
	struct fixture *f = *state;
	struct push_walk_row rows[3];
	int64_t after_id = 0;
	int64_t passed = 0;
	size_t count;

	for (int i = 1; i <= 9; i++)
		(void)add_device(f, i);
	set_state(f, 2, ENROLLMENT_REMOVED);
	set_state(f, 3, ENROLLMENT_REMOVAL_ORDERED);
	set_state(f, 7, ENROLLMENT_CHECKED_OUT);
	set_state(f, 9, ENROLLMENT_PENDING);
	do {
		count = walk(f, after_id, rows, COUNT_OF(rows));
		for (size_t i = 0; i < count; i++) {
			passed = passed * 10 + rows[i].enrollment_id;
			after_id = rows[i].enrollment_id;
		}
	} while (count == COUNT_OF(rows));
	assert_int_equal(passed, 134568);
	assert_int_equal(walk(f, 0, rows, 0), 0);
}

static void test_a_walk_tells_when_each_was_seen_and_pushed_for(void **state)
{
	struct push_outcome taken = {.at = T0 + 20, .status = 200, .tries = 1};
	struct fixture *f = *state;
	int64_t id = add_device(f, 1);
	struct push_walk_row row;
	struct err err;

	(void)seen(f, id, T0 - 5); /* enrolled later than that */
	assert_int_equal(walk(f, 0, &row, 1), 1);
	assert_int_equal(row.last_seen_at, T0);
	assert_int_equal(row.pushed_at, 0);
	assert_true(row.has_live_token);
	assert_false(row.is_inactive);
	(void)seen(f, id, T0 + 5);
	taken.enrollment_id = id;
	assert_ok(push_outcome_write(fixture_write(f), &taken, &err), &err);
	assert_true(set_inactive(f, id, T0 + 6));
	kill_token(f, id, S("UDID-1"));
	assert_int_equal(walk(f, 0, &row, 1), 1);
	assert_int_equal(row.last_seen_at, T0 + 5);
	assert_int_equal(row.pushed_at, T0 + 20);
	assert_false(row.has_live_token);
	assert_true(row.is_inactive);
	assert_ok(enrollment_drop_token(fixture_write(f), id, &err), &err);
	assert_int_equal(walk(f, 0, &row, 1), 1);
	assert_false(row.has_live_token);
}

static void test_users_are_walked_to_as_well(void **state)
{
	struct fixture *f = *state;
	int64_t device = add_device(f, 1);
	struct push_walk_row rows[3];
	int64_t user = 0;
	struct err err;

	assert_ok(enrollment_add_user(fixture_write(f), ENROLLMENT_USER, S("UDID-1:U"), device, &user,
												&err),
		&err);
	assert_int_equal(walk(f, 0, rows, 3), 2);
	assert_int_equal(rows[1].enrollment_id, user);
	assert_false(rows[1].has_live_token);
	assert_ok(enrollment_end_users(fixture_write(f), device, &err), &err);
	assert_int_equal(walk(f, 0, rows, 3), 1);
}

static void test_a_walk_goes_on_where_it_was_after_a_restart(void **state)
{
	struct fixture *f = *state;
	int64_t after_id = -1;
	struct err err;

	assert_ok(push_walk_cursor_get(fixture_read(f), &after_id, &err), &err);
	assert_int_equal(after_id, 0);
	assert_ok(push_walk_cursor_set(fixture_write(f), 4711, &err), &err);
	fixture_close(f);
	fixture_open(f);
	assert_ok(push_walk_cursor_get(fixture_read(f), &after_id, &err), &err);
	assert_int_equal(after_id, 4711);
}

static void test_the_size_of_a_walk_is_what_it_passes(void **state)
{
	static const enum enrollment_state states[] = {ENROLLMENT_PENDING, ENROLLMENT_ENROLLED,
		ENROLLMENT_REMOVAL_ORDERED, ENROLLMENT_REMOVED, ENROLLMENT_CHECKED_OUT, ENROLLMENT_ENDED};
	struct fixture *f = *state;
	struct push_walk_row rows[10];
	int64_t size = -1;
	struct err err;

	assert_ok(push_walk_size(fixture_read(f), &size, &err), &err);
	assert_int_equal(size, 0);
	for (size_t i = 0; i < COUNT_OF(states); i++)
		set_state(f, add_device(f, (int)i + 1), states[i]);
	assert_ok(push_walk_size(fixture_read(f), &size, &err), &err);
	assert_int_equal(size, 2);
	assert_int_equal(walk(f, 0, rows, 10), 2);
}

static void test_silence_makes_inactive_and_a_contact_active(void **state)
{
	struct fixture *f = *state;
	int64_t id = add_device(f, 1);

	(void)seen(f, id, T0 + 5);
	fixture_commit(f);
	f->now_s = T0 + 100;
	assert_false(set_inactive(f, id, T0 + 5)); /* seen at that time, not before */
	assert_int_equal(inactive_at(f, id), 0);
	assert_true(set_inactive(f, id, T0 + 6));
	assert_int_equal(inactive_at(f, id), T0 + 100);
	fixture_commit(f);
	f->now_s = T0 + 200;
	assert_false(set_inactive(f, id, T0 + 300)); /* it was */
	assert_int_equal(inactive_at(f, id), T0 + 100);
	assert_true(seen(f, id, T0 + 201));
	assert_false(seen(f, id, T0 + 202));
	assert_int_equal(inactive_at(f, id), 0);
	assert_false(set_inactive(f, id, T0 + 202));
}

/* The clock was set back meanwhile. */
static void test_any_contact_makes_active(void **state)
{
	struct fixture *f = *state;
	int64_t id = add_device(f, 1);

	(void)seen(f, id, T0 + 50);
	assert_true(set_inactive(f, id, T0 + 60));
	assert_true(seen(f, id, T0 - 10));
	assert_int_equal(inactive_at(f, id), 0);
}

static void test_who_has_just_enrolled_is_not_silent(void **state)
{
	struct fixture *f = *state;
	int64_t id;

	f->now_s = T0 + 50;
	id = add_device(f, 1);
	assert_false(set_inactive(f, id, T0 + 50));
	assert_true(set_inactive(f, id, T0 + 51));
}

static void test_only_those_that_can_be_woken_become_inactive(void **state)
{
	static const struct {
		enum enrollment_state state;
		bool is_changed;
	} rows[] = {
		{ENROLLMENT_PENDING, false},
		{ENROLLMENT_ENROLLED, true},
		{ENROLLMENT_REMOVAL_ORDERED, true},
		{ENROLLMENT_REMOVED, false},
		{ENROLLMENT_CHECKED_OUT, false},
		{ENROLLMENT_ENDED, false},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t id = add_device(f, (int)i + 1);

		set_state(f, id, rows[i].state);
		assert_int_equal(set_inactive(f, id, T0 + 9), rows[i].is_changed);
	}
	assert_false(set_inactive(f, 99, T0 + 9));
}

static struct push_counts counts_of(struct fixture *f)
{
	struct push_counts counts = {-1, -1};
	struct err err;

	assert_ok(push_counts(fixture_write(f), &counts, &err), &err);
	return counts;
}

static void test_inactive_channels_and_dead_tokens_are_counted(void **state)
{
	struct fixture *f = *state;

	for (int i = 1; i <= 5; i++)
		(void)add_device(f, i);
	assert_int_equal(counts_of(f).inactive, 0);
	assert_int_equal(counts_of(f).dead_tokens, 0);
	for (int i = 1; i <= 3; i++)
		assert_true(set_inactive(f, i, T0 + 9));
	kill_token(f, 3, S("UDID-3"));
	kill_token(f, 4, S("UDID-4"));
	assert_int_equal(counts_of(f).inactive, 3);
	assert_int_equal(counts_of(f).dead_tokens, 2);
	set_state(f, 3, ENROLLMENT_REMOVED); /* of enrolled channels only */
	assert_int_equal(counts_of(f).inactive, 2);
	assert_int_equal(counts_of(f).dead_tokens, 1);
	assert_true(seen(f, 1, T0 + 20));
	assert_int_equal(counts_of(f).inactive, 1);
}

static void test_the_list_can_be_of_active_or_of_inactive_ones(void **state)
{
	static const struct {
		struct enrollment_filter filter;
		int64_t ids;
	} rows[] = {
		{{.limit = 10}, 12345},
		{{.limit = 10, .activity = ENROLLMENT_ACTIVE}, 135},
		{{.limit = 10, .activity = ENROLLMENT_INACTIVE}, 24},
		{{.limit = 1, .activity = ENROLLMENT_INACTIVE}, 2},
		{{.limit = 10, .activity = ENROLLMENT_INACTIVE, .after_id = 2}, 4},
		{{.limit = 10, .activity = ENROLLMENT_INACTIVE, .serial_number = S("SERIAL")}, 24},
		{{.limit = 10, .activity = ENROLLMENT_INACTIVE, .serial_number = S("OTHER")}, 0},
		{{.limit = 10, .activity = ENROLLMENT_INACTIVE, .state = ENROLLMENT_REMOVED}, 4},
		{{.limit = 10, .activity = ENROLLMENT_ACTIVE, .state = ENROLLMENT_REMOVED}, 0},
		{{.limit = 10, .activity = ENROLLMENT_INACTIVE, .kind = ENROLLMENT_BYOD_DEVICE}, 0},
	};
	struct fixture *f = *state;
	struct enrollment_view *views;
	size_t count;
	struct err err;

	for (int i = 1; i <= 5; i++)
		(void)add_device(f, i);
	assert_true(set_inactive(f, 2, T0 + 9) && set_inactive(f, 4, T0 + 9));
	kill_token(f, 4, S("UDID-4"));
	set_state(f, 4, ENROLLMENT_REMOVED);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t ids = 0;

		assert_ok(enrollment_list(fixture_write(f), &rows[i].filter, f->arena, &views, &count, &err),
			&err);
		for (size_t j = 0; j < count; j++) {
			ids = ids * 10 + views[j].enrollment.id;
			assert_int_equal(views[j].inactive_at > 0, views[j].enrollment.id % 2 == 0);
			assert_int_equal(views[j].push.token_dead_at > 0, views[j].enrollment.id == 4);
		}
		assert_int_equal(ids, rows[i].ids);
	}
}

static void test_an_activity_or_a_renewal_that_there_is_not_is_refused(void **state)
{
	static const struct enrollment_filter wrong[] = {
		{.limit = 1, .activity = -1},
		{.limit = 1, .activity = 3},
		{.limit = 1, .renewal = -1},
		{.limit = 1, .renewal = RENEWAL_DONE},
		{.limit = 1, .renewal = RENEWAL_STATE_END},
	};
	struct fixture *f = *state;
	struct enrollment_view *views;
	size_t count;
	struct err err;

	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		assert_rc(enrollment_list(fixture_write(f), &wrong[i], f->arena, &views, &count, &err),
			RC_INVALID, &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(test_a_walk_passes_those_that_can_be_woken_in_slices),
		TEST(test_a_walk_tells_when_each_was_seen_and_pushed_for),
		TEST(test_users_are_walked_to_as_well),
		TEST(test_a_walk_goes_on_where_it_was_after_a_restart),
		TEST(test_the_size_of_a_walk_is_what_it_passes),
		TEST(test_silence_makes_inactive_and_a_contact_active),
		TEST(test_any_contact_makes_active),
		TEST(test_who_has_just_enrolled_is_not_silent),
		TEST(test_only_those_that_can_be_woken_become_inactive),
		TEST(test_inactive_channels_and_dead_tokens_are_counted),
		TEST(test_the_list_can_be_of_active_or_of_inactive_ones),
		TEST(test_an_activity_or_a_renewal_that_there_is_not_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
