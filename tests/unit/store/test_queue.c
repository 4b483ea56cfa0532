/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

static const struct queue_answer done = {.state = QUEUE_DONE,
	.status = S("Acknowledged"),
	.raw = S("raw result")};

/* A store with one enrolled device. */
struct device {
	struct fixture *f;
	int64_t id;
};

static struct device with_device(void **state)
{
	struct device device = {.f = *state};
	struct err err;

	assert_ok(enroll_device(fixture_write(device.f), "UDID-1", 1, &device.id, &err), &err);
	return device;
}

static void send(struct device *d, const char *uuid, int priority, int64_t not_after)
{
	struct err err;

	assert_ok(send_command(fixture_write(d->f), uuid, priority, d->id, not_after, &err), &err);
}

static struct queue_item find(struct device *d, const char *uuid)
{
	struct queue_item item = {0};
	struct err err;

	assert_ok(queue_find(fixture_write(d->f), d->id, slice_of_str(uuid), &item, &err), &err);
	return item;
}

static struct queue_view view_of(struct device *d, const char *uuid)
{
	struct queue_item item = find(d, uuid);
	struct queue_filter filter = {.enrollment_id = d->id, .command_id = item.command_id, .limit = 1};
	struct queue_view *views = NULL;
	size_t count = 0;
	struct err err;

	assert_ok(queue_list(fixture_write(d->f), &filter, d->f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 1);
	return views[0];
}

/* What a poll would hand out; NULL: nothing. The string is the body, which is the UUID. */
static const char *hand_out(struct device *d, bool only_never_notnow)
{
	static char text[64];
	AUTO(buf_fini) struct buf body = {0};
	struct queue_item item;
	struct err err;
	enum rc rc = queue_first(fixture_write(d->f), d->id, only_never_notnow, &item, &err);

	if (rc == RC_NOT_FOUND)
		return NULL;
	assert_ok(rc, &err);
	buf_init(&body, sizeof(text) - 1);
	assert_ok(queue_hand_out(fixture_write(d->f), &item, &body, &err), &err);
	(void)snprintf(text, sizeof(text), "%s", buf_cstr(&body));
	return text;
}

static void finish(struct device *d, const char *uuid)
{
	struct queue_item item = find(d, uuid);
	struct err err;

	assert_ok(queue_finish(fixture_write(d->f), &item, &done, &err), &err);
}

static void notnow(struct device *d, const char *uuid)
{
	struct queue_item item = find(d, uuid);
	struct err err;

	assert_ok(queue_notnow(fixture_write(d->f), &item, &err), &err);
}

static bool is_open(struct device *d)
{
	bool answer = false;
	struct err err;

	assert_ok(queue_is_open(fixture_read(d->f), d->id, &answer, &err), &err);
	return answer;
}

static bool is_held(struct device *d)
{
	bool answer = false;
	struct err err;

	assert_ok(queue_is_held(fixture_read(d->f), d->id, &answer, &err), &err);
	return answer;
}

static void assert_census(struct device *d, const int64_t want[static QUEUE_STATE_END])
{
	int64_t by_state[QUEUE_STATE_END];
	int64_t oldest;
	struct err err;

	assert_ok(queue_census(fixture_read(d->f), by_state, &oldest, &err), &err);
	for (int i = 0; i < QUEUE_STATE_END; i++)
		if (by_state[i] != want[i])
			fail_msg("%s: %lld rows, want %lld", queue_state_name((enum queue_state)i),
				(long long)by_state[i], (long long)want[i]);
}

static void test_urgent_commands_go_first_then_in_order_of_sending(void **state)
{
	static const char *const order[] = {"lock", "first", "second"};
	struct device d = with_device(state);

	assert_false(is_open(&d));
	send(&d, "first", COMMAND_PRIORITY_NORMAL, 0);
	send(&d, "second", COMMAND_PRIORITY_NORMAL, 0);
	send(&d, "lock", COMMAND_PRIORITY_URGENT, 0);
	assert_true(is_open(&d));
	for (size_t i = 0; i < COUNT_OF(order); i++) {
		assert_string_equal(hand_out(&d, false), order[i]);
		assert_int_equal(find(&d, order[i]).state, QUEUE_SENT);
		assert_string_equal(hand_out(&d, false), order[i]); /* until there is an answer */
		finish(&d, order[i]);
	}
	assert_null(hand_out(&d, false));
	assert_false(is_open(&d));
}

static void test_an_answer_is_kept_with_its_time_and_word(void **state)
{
	AUTO(buf_fini) struct buf raw = {0};
	struct device d = with_device(state);
	struct queue_view view;
	struct err err;

	buf_init(&raw, 100);
	send(&d, "one", COMMAND_PRIORITY_NORMAL, 0);
	assert_rc(queue_result(fixture_write(d.f), d.id, find(&d, "one").command_id, &raw, &err),
		RC_NOT_FOUND, &err);
	d.f->now_s += 5;
	fixture_commit(d.f);
	(void)hand_out(&d, false);
	d.f->now_s += 5;
	fixture_commit(d.f);
	finish(&d, "one");
	view = view_of(&d, "one");
	assert_int_equal(view.state, QUEUE_DONE);
	assert_string_equal(view.status, "Acknowledged");
	assert_string_equal(view.ext_id, "UDID-1");
	assert_string_equal(view.request_type, "DeviceInformation");
	assert_int_equal(view.queued_at, T0);
	assert_int_equal(view.sent_at, T0 + 5);
	assert_int_equal(view.finished_at, T0 + 10);
	assert_true(view.has_result);
	assert_false(view.is_late);
	assert_ok(queue_result(fixture_read(d.f), d.id, view.command_id, &raw, &err), &err);
	assert_text(&raw, "raw result");
}

static void test_a_second_final_answer_changes_nothing(void **state)
{
	static const struct queue_answer other = {.state = QUEUE_FAILED,
		.status = S("Error"),
		.raw = S("other")};
	struct device d = with_device(state);
	struct queue_item item;
	struct err err;

	send(&d, "one", COMMAND_PRIORITY_NORMAL, 0);
	item = find(&d, "one");
	finish(&d, "one");
	fixture_commit(d.f);
	for (int i = 0; i < 2; i++) { /* as it was seen before, and as it is now */
		assert_rc(queue_finish(fixture_write(d.f), &item, &other, &err), RC_EXISTS, &err);
		item = find(&d, "one");
	}
	assert_int_equal(view_of(&d, "one").state, QUEUE_DONE);
}

static void test_notnow_holds_a_command_until_the_next_poll(void **state)
{
	struct device d = with_device(state);
	struct err err;

	send(&d, "one", COMMAND_PRIORITY_NORMAL, 0);
	send(&d, "two", COMMAND_PRIORITY_NORMAL, 0);
	assert_false(is_held(&d));
	(void)hand_out(&d, false);
	notnow(&d, "one");
	assert_true(is_held(&d));
	assert_true(is_open(&d));
	assert_string_equal(hand_out(&d, false), "two");
	assert_null(hand_out(&d, true));
	send(&d, "lock", COMMAND_PRIORITY_URGENT, 0);
	assert_string_equal(hand_out(&d, true), "lock");
	assert_ok(queue_new_poll(fixture_write(d.f), d.id, &err), &err);
	assert_false(is_held(&d));
	finish(&d, "lock");
	assert_string_equal(hand_out(&d, false), "one");
	assert_int_equal(view_of(&d, "one").notnow_count, 1);
	assert_int_equal(view_of(&d, "one").notnow_at, T0);
}

static void test_a_late_notnow_undoes_no_final_answer(void **state)
{
	struct device d = with_device(state);

	send(&d, "one", COMMAND_PRIORITY_NORMAL, 0);
	finish(&d, "one");
	notnow(&d, "one");
	assert_int_equal(find(&d, "one").state, QUEUE_DONE);
	assert_int_equal(view_of(&d, "one").notnow_count, 0);
}

static void test_an_expired_command_is_not_sent_any_more(void **state)
{
	struct device d = with_device(state);
	struct err err;

	send(&d, "short", COMMAND_PRIORITY_NORMAL, T0 + 10);
	d.f->now_s = T0 + 9;
	assert_true(is_open(&d));
	notnow(&d, "short");
	assert_true(is_held(&d));
	d.f->now_s = T0 + 10;
	assert_false(is_open(&d));
	assert_false(is_held(&d));
	assert_null(hand_out(&d, false));
	assert_int_equal(find(&d, "short").state, QUEUE_NOTNOW);
	assert_ok(queue_new_poll(fixture_write(d.f), d.id, &err), &err);
	assert_int_equal(find(&d, "short").state, QUEUE_EXPIRED);
	assert_census(&d, (int64_t[QUEUE_STATE_END]){[QUEUE_EXPIRED] = 1});
}

static void test_an_answer_after_the_end_stands_and_is_late(void **state)
{
	static const struct queue_answer late = {.state = QUEUE_DONE,
		.status = S("Acknowledged"),
		.raw = S("raw"),
		.is_late = true};
	struct device d = with_device(state);
	struct queue_item item;
	bool was_open;
	struct err err;

	send(&d, "one", COMMAND_PRIORITY_NORMAL, 0);
	item = find(&d, "one");
	assert_ok(queue_cancel(fixture_write(d.f), d.id, item.command_id, &was_open, &err), &err);
	assert_true(was_open);
	assert_int_equal(view_of(&d, "one").state, QUEUE_CANCELLED);
	assert_string_equal(view_of(&d, "one").why, "cancelled");
	assert_census(&d, (int64_t[QUEUE_STATE_END]){[QUEUE_CANCELLED] = 1});
	item = find(&d, "one");
	assert_ok(queue_finish(fixture_write(d.f), &item, &late, &err), &err);
	assert_true(view_of(&d, "one").is_late);
	assert_census(&d, (int64_t[QUEUE_STATE_END]){[QUEUE_DONE] = 1});
	assert_ok(queue_cancel(fixture_write(d.f), d.id, item.command_id, &was_open, &err), &err);
	assert_false(was_open);
	assert_rc(queue_cancel(fixture_write(d.f), d.id, 999, &was_open, &err), RC_NOT_FOUND, &err);
}

static void test_a_batch_is_in_nobodys_sight_until_it_is_published(void **state)
{
	static const struct command_row row = {.uuid = S("staged"),
		.request_type = S("X"),
		.body = S("b")};
	struct device d = with_device(state);
	struct queue_filter filter = {.enrollment_id = d.id, .limit = 10};
	int64_t command_id, batch_id;
	struct command_view view;
	struct queue_view *views;
	struct queue_item item;
	bool was_queued;
	size_t count;
	struct err err;

	assert_ok(command_put(fixture_write(d.f), &row, &command_id, &err), &err);
	assert_ok(batch_begin(fixture_write(d.f), command_id, 0, &batch_id, &err), &err);
	assert_ok(batch_add(fixture_write(d.f), batch_id, d.id, &was_queued, &err), &err);
	assert_true(was_queued);
	assert_false(is_open(&d));
	assert_null(hand_out(&d, false));
	assert_rc(queue_find(fixture_write(d.f), d.id, S("staged"), &item, &err), RC_NOT_FOUND, &err);
	assert_ok(queue_list(fixture_write(d.f), &filter, d.f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 0);
	assert_ok(command_view(fixture_write(d.f), S("staged"), d.f->arena, &view, &err), &err);
	assert_int_equal(view.by_state[QUEUE_QUEUED], 0);
	assert_census(&d, (int64_t[QUEUE_STATE_END]){0});

	assert_ok(batch_publish(fixture_write(d.f), batch_id, &err), &err);
	assert_true(is_open(&d));
	assert_int_equal(find(&d, "staged").state, QUEUE_QUEUED);
	assert_ok(command_view(fixture_write(d.f), S("staged"), d.f->arena, &view, &err), &err);
	assert_int_equal(view.by_state[QUEUE_QUEUED], 1);
	assert_rc(batch_publish(fixture_write(d.f), batch_id, &err), RC_NOT_FOUND, &err);
	assert_rc(batch_add(fixture_write(d.f), batch_id, d.id, &was_queued, &err), RC_NOT_FOUND, &err);
}

static void test_a_command_is_queued_once_for_an_enrollment(void **state)
{
	struct device d = with_device(state);
	int64_t batch_id;
	bool was_queued = true;
	struct err err;

	send(&d, "one", COMMAND_PRIORITY_NORMAL, 0);
	finish(&d, "one");
	assert_ok(batch_begin(fixture_write(d.f), find(&d, "one").command_id, 0, &batch_id, &err), &err);
	assert_ok(batch_add(fixture_write(d.f), batch_id, d.id, &was_queued, &err), &err);
	assert_false(was_queued);
	assert_ok(batch_publish(fixture_write(d.f), batch_id, &err), &err);
	assert_int_equal(find(&d, "one").state, QUEUE_DONE);
	assert_null(hand_out(&d, false));
}

static void test_batches_are_numbered_in_the_order_of_publishing(void **state)
{
	struct device d = with_device(state);
	int64_t batches[2];
	struct err err;

	send(&d, "one", COMMAND_PRIORITY_NORMAL, 0);
	for (size_t i = 0; i < 2; i++)
		assert_ok(batch_begin(fixture_write(d.f), find(&d, "one").command_id, 0, &batches[i], &err),
			&err);
	assert_ok(batch_publish(fixture_write(d.f), batches[1], &err), &err);
	assert_ok(batch_publish(fixture_write(d.f), batches[0], &err), &err);
	fixture_commit(d.f);
	assert_int_equal(look(d.f, "SELECT max(seq) FROM batch"), 3);
	assert_int_equal(look(d.f, "SELECT seq FROM batch ORDER BY id DESC LIMIT 1"), 2);
}

static void test_the_same_uuid_is_the_same_command_only_with_the_same_body(void **state)
{
	struct device d = with_device(state);
	struct command_row row = {.uuid = S("u"), .request_type = S("X"), .body = S("body")};
	AUTO(buf_fini) struct buf body = {0};
	int64_t first, second;
	struct err err;

	buf_init(&body, 100);
	assert_ok(command_put(fixture_write(d.f), &row, &first, &err), &err);
	assert_ok(command_put(fixture_write(d.f), &row, &second, &err), &err);
	assert_int_equal(first, second);
	row.body = S("other");
	assert_rc(command_put(fixture_write(d.f), &row, &second, &err), RC_EXISTS, &err);
	assert_ok(command_body(fixture_read(d.f), first, &body, &err), &err);
	assert_text(&body, "body");
	assert_rc(command_body(fixture_read(d.f), 99, &body, &err), RC_NOT_FOUND, &err);
}

static void test_commands_are_bounded(void **state)
{
	static char long_text[COMMAND_UUID_BYTES_MAX + 1];
	struct device d = with_device(state);
	struct command_row row = {.request_type = S("X"), .body = S("b")};
	int64_t id;
	struct err err;

	memset(long_text, 'u', sizeof(long_text));
	assert_rc(command_put(fixture_write(d.f), &row, &id, &err), RC_INVALID, &err);
	row.uuid = slice_of(long_text, COMMAND_UUID_BYTES_MAX);
	assert_ok(command_put(fixture_write(d.f), &row, &id, &err), &err);
	row.uuid = slice_of(long_text, COMMAND_UUID_BYTES_MAX + 1);
	assert_rc(command_put(fixture_write(d.f), &row, &id, &err), RC_LIMIT, &err);
	row.uuid = S("u");
	row.request_type = slice_of(long_text, COMMAND_TYPE_BYTES_MAX);
	assert_ok(command_put(fixture_write(d.f), &row, &id, &err), &err);
	row.request_type = slice_of(long_text, COMMAND_TYPE_BYTES_MAX + 1);
	assert_rc(command_put(fixture_write(d.f), &row, &id, &err), RC_LIMIT, &err);
}

static void test_device_and_user_queues_are_apart(void **state)
{
	struct device d = with_device(state);
	struct device user = {.f = d.f};
	struct err err;

	assert_ok(enrollment_add_user(fixture_write(d.f), ENROLLMENT_USER, S("UDID-1:U"), d.id, &user.id,
												&err),
		&err);
	send(&user, "for-user", COMMAND_PRIORITY_NORMAL, 0);
	assert_false(is_open(&d));
	assert_null(hand_out(&d, false));
	assert_string_equal(hand_out(&user, false), "for-user");
}

static void test_all_of_an_enrollment_are_cancelled_with_the_reason(void **state)
{
	struct device d = with_device(state);
	int64_t count;
	struct err err;

	send(&d, "done", COMMAND_PRIORITY_NORMAL, 0);
	finish(&d, "done");
	send(&d, "queued", COMMAND_PRIORITY_NORMAL, 0);
	send(&d, "held", COMMAND_PRIORITY_NORMAL, 0);
	notnow(&d, "held");
	assert_ok(queue_cancel_all(fixture_write(d.f), d.id, "re-enrolled", &count, &err), &err);
	assert_int_equal(count, 2);
	assert_string_equal(view_of(&d, "held").why, "re-enrolled");
	assert_string_equal(view_of(&d, "done").why, "");
	assert_false(is_open(&d));
	assert_census(&d, (int64_t[QUEUE_STATE_END]){[QUEUE_DONE] = 1, [QUEUE_CANCELLED] = 2});
}

static void test_totals_go_back_with_the_job_that_failed(void **state)
{
	struct device d = with_device(state);

	send(&d, "one", COMMAND_PRIORITY_NORMAL, 0);
	fixture_commit(d.f);
	finish(&d, "one");
	fixture_rollback(d.f);
	assert_census(&d, (int64_t[QUEUE_STATE_END]){[QUEUE_QUEUED] = 1});
	finish(&d, "one");
	assert_census(&d, (int64_t[QUEUE_STATE_END]){[QUEUE_DONE] = 1});
}

static void test_the_census_knows_the_oldest_open_row(void **state)
{
	struct device d = with_device(state);
	int64_t by_state[QUEUE_STATE_END];
	int64_t oldest;
	struct err err;

	send(&d, "old", COMMAND_PRIORITY_NORMAL, 0);
	fixture_commit(d.f);
	d.f->now_s = T0 + 50;
	send(&d, "new", COMMAND_PRIORITY_NORMAL, 0);
	assert_ok(queue_census(fixture_read(d.f), by_state, &oldest, &err), &err);
	assert_int_equal(oldest, T0);
	finish(&d, "old");
	assert_ok(queue_census(fixture_read(d.f), by_state, &oldest, &err), &err);
	assert_int_equal(oldest, T0 + 50);
	finish(&d, "new");
	assert_ok(queue_census(fixture_read(d.f), by_state, &oldest, &err), &err);
	assert_int_equal(oldest, 0);
}

static void test_lists_are_paged_by_the_other_id(void **state)
{
	struct device d = with_device(state);
	struct queue_filter filter = {.enrollment_id = d.id, .limit = 2};
	struct queue_view *views;
	size_t count;
	struct err err;

	send(&d, "one", COMMAND_PRIORITY_NORMAL, 0);
	send(&d, "two", COMMAND_PRIORITY_URGENT, T0 + 9);
	send(&d, "three", COMMAND_PRIORITY_NORMAL, 0);
	finish(&d, "one");
	assert_ok(queue_list(fixture_write(d.f), &filter, d.f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_string_equal(views[0].uuid, "one");
	assert_string_equal(views[1].uuid, "two");
	assert_int_equal(views[1].not_after, T0 + 9);
	filter.after_id = views[1].command_id;
	assert_ok(queue_list(fixture_write(d.f), &filter, d.f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_string_equal(views[0].uuid, "three");
	filter = (struct queue_filter){.enrollment_id = d.id, .limit = 10, .is_open_only = true};
	assert_ok(queue_list(fixture_write(d.f), &filter, d.f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 2);
	filter = (struct queue_filter){.command_id = views[0].command_id, .limit = 10};
	assert_ok(queue_list(fixture_write(d.f), &filter, d.f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_int_equal(views[0].enrollment_id, d.id);
	filter = (struct queue_filter){.limit = 10};
	assert_rc(queue_list(fixture_write(d.f), &filter, d.f->arena, &views, &count, &err), RC_INVALID,
		&err);
	filter = (struct queue_filter){.enrollment_id = d.id, .limit = 1001};
	assert_rc(queue_list(fixture_write(d.f), &filter, d.f->arena, &views, &count, &err), RC_INVALID,
		&err);
	filter.limit = 1000;
	assert_ok(queue_list(fixture_write(d.f), &filter, d.f->arena, &views, &count, &err), &err);
}

static void test_a_list_that_outgrows_its_arena_says_so(void **state)
{
	struct device d = with_device(state);
	struct queue_filter filter = {.enrollment_id = d.id, .limit = 10};
	struct arena *small = arena_new(100);
	struct queue_view *views;
	size_t count;
	struct err err;

	send(&d, "one", COMMAND_PRIORITY_NORMAL, 0);
	assert_rc(queue_list(fixture_write(d.f), &filter, small, &views, &count, &err), RC_NO_MEMORY,
		&err);
	arena_free(&small);
}

static void test_states_have_names(void **state)
{
	(void)state;
	for (int i = 1; i < QUEUE_STATE_END; i++)
		assert_string_not_equal(queue_state_name((enum queue_state)i), "unknown");
	assert_string_equal(queue_state_name(QUEUE_STATE_END), "unknown");
	assert_string_equal(queue_state_name((enum queue_state)0), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(test_urgent_commands_go_first_then_in_order_of_sending),
		TEST(test_an_answer_is_kept_with_its_time_and_word),
		TEST(test_a_second_final_answer_changes_nothing),
		TEST(test_notnow_holds_a_command_until_the_next_poll),
		TEST(test_a_late_notnow_undoes_no_final_answer),
		TEST(test_an_expired_command_is_not_sent_any_more),
		TEST(test_an_answer_after_the_end_stands_and_is_late),
		TEST(test_a_batch_is_in_nobodys_sight_until_it_is_published),
		TEST(test_a_command_is_queued_once_for_an_enrollment),
		TEST(test_batches_are_numbered_in_the_order_of_publishing),
		TEST(test_the_same_uuid_is_the_same_command_only_with_the_same_body),
		TEST(test_commands_are_bounded),
		TEST(test_device_and_user_queues_are_apart),
		TEST(test_all_of_an_enrollment_are_cancelled_with_the_reason),
		TEST(test_totals_go_back_with_the_job_that_failed),
		TEST(test_the_census_knows_the_oldest_open_row),
		TEST(test_lists_are_paged_by_the_other_id),
		TEST(test_a_list_that_outgrows_its_arena_says_so),
		cmocka_unit_test(test_states_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
