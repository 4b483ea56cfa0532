/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "pomona/store/admin.h"
#include "world.h"

/* What pushes came to, on its way into the store; and a store that fails. */

static struct {
	enum rc submit_rc; /* of store_submit(), unless RC_OK */
	int submits;
	enum rc target_rc;
	int64_t target_id; /* 0: all */
	int targets;
	enum rc outcome_rc;
	int outcomes; /* that were written, perhaps in vain */
	enum rc walk_rc;
} faults;

enum rc __real_store_submit(struct store *store, struct store_job *job, struct err *err);
enum rc __wrap_store_submit(struct store *store, struct store_job *job, struct err *err);
enum rc __real_push_target_read(struct txn *txn, int64_t enrollment_id,
	struct push_target *target_r, struct err *err);
enum rc __wrap_push_target_read(struct txn *txn, int64_t enrollment_id,
	struct push_target *target_r, struct err *err);
enum rc __real_push_outcome_write(struct txn *txn, const struct push_outcome *outcome,
	struct err *err);
enum rc __wrap_push_outcome_write(struct txn *txn, const struct push_outcome *outcome,
	struct err *err);

enum rc __real_push_walk_cursor_get(struct txn *txn, int64_t *after_id_r, struct err *err);
enum rc __wrap_push_walk_cursor_get(struct txn *txn, int64_t *after_id_r, struct err *err);

enum rc __wrap_push_walk_cursor_get(struct txn *txn, int64_t *after_id_r, struct err *err)
{
	if (faults.walk_rc != RC_OK)
		return err_set(err, faults.walk_rc, "told to fail");
	return __real_push_walk_cursor_get(txn, after_id_r, err);
}

enum rc __wrap_store_submit(struct store *store, struct store_job *job, struct err *err)
{
	faults.submits++;
	if (faults.submit_rc != RC_OK)
		return err_set(err, faults.submit_rc, "told to fail");
	return __real_store_submit(store, job, err);
}

enum rc __wrap_push_target_read(struct txn *txn, int64_t enrollment_id,
	struct push_target *target_r, struct err *err)
{
	faults.targets++;
	if (faults.target_rc != RC_OK && (faults.target_id == 0 || faults.target_id == enrollment_id))
		return err_set(err, faults.target_rc, "told to fail");
	return __real_push_target_read(txn, enrollment_id, target_r, err);
}

enum rc __wrap_push_outcome_write(struct txn *txn, const struct push_outcome *outcome,
	struct err *err)
{
	faults.outcomes++;
	if (faults.outcome_rc != RC_OK)
		return err_set(err, faults.outcome_rc, "told to fail");
	return __real_push_outcome_write(txn, outcome, err);
}

static int setup(void **state)
{
	memset(&faults, 0, sizeof(faults));
	return world_setup(state);
}

static void push_all(struct world *w, int64_t first, size_t count)
{
	(void)world_send(w, first, count, COMMAND_PRIORITY_NORMAL, 0);
	push_poke(w->push);
	world_settle(w);
}

static void test_outcomes_are_written_within_a_second(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);

	world_start(w);
	world_pass_us(w, 500000);
	push_all(w, id, 1);
	assert_int_equal(world_target(w, id).pushed_seq, 0);
	world_pass_us(w, 999999);
	assert_int_equal(world_target(w, id).pushed_seq, 0);
	world_pass_us(w, 1);
	assert_int_equal(world_target(w, id).pushed_seq, 1);
	assert_int_equal(world_target(w, id).pushed_at, WORLD_T0);
}

static void test_many_outcomes_are_written_at_once(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, OUTCOMES_MANY + 300, WORLD_TOPIC);

	world_start(w);
	push_all(w, first, OUTCOMES_MANY + 300);
	assert_true(faults.outcomes >= OUTCOMES_MANY);
	world_pass_s(w, 1);
	assert_int_equal(faults.outcomes, OUTCOMES_MANY + 300);
}

static void test_a_refusal_is_kept_with_its_reason(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	struct parcel_answer answer = fake_retry;
	struct arena *arena = arena_new(1 << 20);
	struct enrollment_view view;
	struct txn *txn = NULL;
	struct err err;

	answer.apns_id = "01234567-89AB-CDEF-0123-456789ABCDEF";
	fake.answer = answer;
	world_start(w);
	push_all(w, id, 1);
	world_pass_s(w, 1);
	assert_int_equal(store_read_begin(w->store, &txn, &err), RC_OK);
	assert_int_equal(enrollment_view(txn, id, arena, &view, &err), RC_OK);
	assert_int_equal(view.push.status, 500);
	assert_string_equal(view.push.reason, "InternalServerError");
	assert_string_equal(view.push.apns_id, answer.apns_id);
	assert_int_equal(view.push.pushed_at, 0);
	store_read_end(w->store, &txn);
	arena_free(&arena);
}

static void test_a_full_writer_is_tried_again(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	struct err err;
	struct txn *txn;

	world_start(w);
	push_all(w, id, 1);
	faults.submit_rc = RC_BUSY;
	(void)atomic_fetch_add(&w->monotonic_us, 1000000);
	schedule_turn(w->push);
	assert_int_equal(outcomes_waiting(w->push->outcomes), 0);
	assert_false(outcomes_is_settled(w->push->outcomes, 3));
	faults.submits = 0;
	for (int i = 0; i < 10; i++)
		schedule_turn(w->push);
	assert_int_equal(faults.submits, 0); /* not again and again */
	(void)atomic_fetch_add(&w->monotonic_us, 1000000);
	schedule_turn(w->push);
	assert_int_equal(faults.submits, 1);
	faults.submit_rc = RC_OK;
	world_pass_s(w, 1);
	assert_int_equal(world_target(w, id).pushed_seq, 1);
	assert_int_equal(store_read_begin(w->store, &txn, &err), RC_OK);
	store_read_end(w->store, &txn);
}

static void test_a_disk_that_fails_is_tried_again(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 10, WORLD_TOPIC);

	faults.outcome_rc = RC_IO;
	world_start(w);
	push_all(w, first, 10);
	for (int i = 0; i < 5; i++)
		world_pass_s(w, 2);
	assert_in_range(faults.outcomes, 4, 6);
	faults.outcome_rc = RC_OK;
	world_pass_s(w, 2);
	for (int64_t id = first; id < first + 10; id++)
		assert_int_equal(world_target(w, id).pushed_seq, 1);
}

static void test_what_cannot_be_written_alone_does_not_keep_the_rest(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 10, WORLD_TOPIC);
	const struct push_alarm alarm = {.kind = "push_topic_stopped", .subject = "t", .text = "x"};

	faults.outcome_rc = RC_CORRUPT;
	world_start(w);
	push_all(w, first, 10);
	fake.on_alarm(fake.ctx, &alarm);
	world_pass_s(w, 2);
	assert_int_equal(faults.outcomes, 10);
	world_pass_s(w, 20);
	assert_int_equal(faults.outcomes, 10);
	assert_true(outcomes_is_settled(w->push->outcomes, 1));
}

static void test_a_long_batch_is_written_in_slices(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 200, WORLD_TOPIC);
	int before;

	w->step_us = 1000; /* a job's time is over after 20 looks at the clock */
	world_start(w);
	(void)world_send(w, first, 200, COMMAND_PRIORITY_NORMAL, 0);
	push_poke(w->push);
	world_settle(w);
	before = faults.submits;
	world_pass_s(w, 2);
	world_pass_s(w, 2);
	assert_true(faults.submits - before > 5);
	w->step_us = 0;
	for (int64_t id = first; id < first + 200; id++)
		assert_int_not_equal(world_target(w, id).pushed_seq, 0);
}

/* With nothing written, pushes end when no more outcomes can be kept; and go on afterwards. */
static void test_no_push_is_begun_that_cannot_be_noted(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 2500, WORLD_TOPIC);
	struct err err;
	int64_t ids[2500];
	size_t stuck;

	for (int64_t i = 0; i < 2500; i++)
		ids[i] = first + i;
	faults.outcome_rc = RC_IO;
	world_start(w);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(push_order(w->push, ids, 2500, PUSH_CLASS_NORMAL, &err), RC_OK);
		world_settle(w);
	}
	stuck = fake.log_count;
	/* one batch was handed over before it failed, the rest waits */
	assert_in_range(stuck, OUTCOMES_MAX, 2 * OUTCOMES_MAX);
	world_pass_s(w, 5);
	assert_int_equal(fake.log_count, stuck);
	faults.outcome_rc = RC_OK;
	for (int i = 0; i < 5; i++)
		world_pass_s(w, 1);
	assert_true(fake.log_count > stuck);
	assert_int_equal(world_stats(w).tracked, 0);
}

/* --- alarms */

static size_t alarms(struct world *w, struct alarm_view *first_r)
{
	static struct arena *arena;
	struct alarm_view *views;
	struct txn *txn = NULL;
	struct err err;
	size_t count;

	arena_free(&arena);
	if (w == NULL)
		return 0;
	arena = arena_new(1 << 20);
	assert_int_equal(store_read_begin(w->store, &txn, &err), RC_OK);
	assert_int_equal(alarm_list(txn, 1000, arena, &views, &count, &err), RC_OK);
	store_read_end(w->store, &txn);
	if (count > 0)
		*first_r = views[0];
	return count;
}

static void test_alarms_are_raised_and_cleared(void **state)
{
	struct world *w = *state;
	struct push_alarm alarm = {.kind = "push_topic_stopped", .subject = WORLD_TOPIC, .text = "why"};
	struct alarm_view view;

	world_start(w);
	fake.on_alarm(fake.ctx, &alarm);
	world_settle(w);
	world_pass_s(w, 1);
	assert_int_equal(alarms(w, &view), 1);
	assert_string_equal(view.kind, "push_topic_stopped");
	assert_string_equal(view.subject, WORLD_TOPIC);
	assert_string_equal(view.text, "why");
	alarm.is_clear = true;
	fake.on_alarm(fake.ctx, &alarm);
	world_settle(w);
	world_pass_s(w, 1);
	assert_int_equal(alarms(w, &view), 0);
	(void)alarms(NULL, NULL);
}

static void test_an_alarm_that_waits_is_replaced_by_the_next_of_its_subject(void **state)
{
	struct world *w = *state;
	struct push_alarm alarm = {.kind = "push_topic_stopped", .subject = WORLD_TOPIC, .text = "x"};
	struct alarm_view view;

	world_start(w);
	for (int i = 0; i < 10 * OUTCOME_ALARMS_MAX; i++)
		fake.on_alarm(fake.ctx, &alarm);
	assert_int_equal(outcomes_waiting(w->push->outcomes), 1);
	alarm.text = "the last";
	fake.on_alarm(fake.ctx, &alarm);
	world_settle(w);
	world_pass_s(w, 1);
	assert_int_equal(alarms(w, &view), 1);
	assert_string_equal(view.text, "the last");
	assert_int_equal(view.count, 1);
	(void)alarms(NULL, NULL);
}

static void test_waiting_alarms_have_a_bound(void **state)
{
	struct world *w = *state;
	struct alarm_view view;
	char subject[24];
	struct push_alarm alarm = {.kind = "push_topic_stopped", .subject = subject, .text = "x"};

	world_start(w);
	for (int i = 0; i < OUTCOME_ALARMS_MAX + 1; i++) {
		(void)snprintf(subject, sizeof(subject), "topic %d", i);
		fake.on_alarm(fake.ctx, &alarm);
	}
	assert_int_equal(outcomes_waiting(w->push->outcomes), OUTCOME_ALARMS_MAX);
	world_settle(w);
	world_pass_s(w, 1);
	assert_int_equal(alarms(w, &view), OUTCOME_ALARMS_MAX);
	(void)alarms(NULL, NULL);
}

/* --- reads that fail */

static void test_a_store_that_cannot_be_read_is_tried_again_and_loses_nobody(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 20, WORLD_TOPIC);

	world_start(w);
	faults.target_rc = RC_IO;
	push_all(w, first, 20);
	for (int i = 0; i < 10; i++)
		world_pass_s(w, 1);
	assert_int_equal(fake.log_count, 0);
	assert_in_range(faults.targets, 9, 12); /* one a second */
	faults.target_rc = RC_OK;
	world_pass_s(w, 1);
	assert_int_equal(fake.log_count, 20);
	assert_int_equal(fake.log[0].enrollment_id, first);
}

static void test_a_walk_that_fails_keeps_nobody_from_being_woken(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 600, WORLD_TOPIC);

	faults.walk_rc = RC_CORRUPT;
	w->params.settings.probe_interval_s = 86400;
	world_start(w);
	push_all(w, first, 600);
	for (int i = 0; i < 5; i++)
		world_pass_s(w, 1);
	assert_int_equal(fake.log_count, 600);
}

static void test_a_row_that_cannot_be_read_does_not_keep_the_others(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 20, WORLD_TOPIC);

	world_start(w);
	faults.target_rc = RC_CORRUPT;
	faults.target_id = first + 3;
	push_all(w, first, 20);
	assert_int_equal(fake.log_count, 19);
	faults.targets = 0;
	for (int i = 0; i < 60; i++)
		world_pass_s(w, 1);
	assert_in_range(faults.targets, 3, 30);
	faults.target_rc = RC_OK;
	world_pass_s(w, 300);
	assert_int_not_equal(fake_pushes_to(first + 3), 0);
}

#define FAULTY(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAULTY(test_outcomes_are_written_within_a_second),
		FAULTY(test_many_outcomes_are_written_at_once),
		FAULTY(test_a_refusal_is_kept_with_its_reason),
		FAULTY(test_a_full_writer_is_tried_again),
		FAULTY(test_a_disk_that_fails_is_tried_again),
		FAULTY(test_what_cannot_be_written_alone_does_not_keep_the_rest),
		FAULTY(test_a_long_batch_is_written_in_slices),
		FAULTY(test_no_push_is_begun_that_cannot_be_noted),
		FAULTY(test_alarms_are_raised_and_cleared),
		FAULTY(test_an_alarm_that_waits_is_replaced_by_the_next_of_its_subject),
		FAULTY(test_waiting_alarms_have_a_bound),
		FAULTY(test_a_store_that_cannot_be_read_is_tried_again_and_loses_nobody),
		FAULTY(test_a_walk_that_fails_keeps_nobody_from_being_woken),
		FAULTY(test_a_row_that_cannot_be_read_does_not_keep_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
