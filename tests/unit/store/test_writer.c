/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <pthread.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faultvfs.h"
#include "impl.h"

/* A job that raises one alarm, may fail afterwards, and remembers what it was told. */
struct note_job {
	struct store_job job; /* first */
	int number;
	enum rc want;        /* what run() gives at the end */
	bool is_swallowing;  /* an error of the verb is passed over */
	bool is_fault_armed; /* the next write to the disk fails */
	int runs, dones;
	enum rc rc;
	struct err err;
	atomic_int *left;
};

static enum rc note_run(struct store_job *job, struct txn *txn, struct err *err)
{
	struct note_job *self = (struct note_job *)job;
	char subject[32];
	enum rc rc;

	self->runs++;
	(void)snprintf(subject, sizeof(subject), "%d", self->number);
	if (self->is_fault_armed) { /* SQLite itself gives the order that a full disk gives */
		(void)sqlite3_exec(txn->db.raw, "ROLLBACK", NULL, NULL, NULL);
		if (!self->is_swallowing)
			return err_set(err, RC_IO, "note: disk full");
		return RC_OK;
	}
	rc = alarm_raise(txn, "note", slice_of_str(subject), "text", err);
	if (rc == RC_OK && self->want != RC_OK)
		return err_set(err, self->want, "job %d has failed", self->number);
	return rc;
}

static void note_done(struct store_job *job, enum rc rc, const struct err *err)
{
	struct note_job *self = (struct note_job *)job;

	self->dones++;
	self->rc = rc;
	self->err = *err;
	(void)atomic_fetch_sub(self->left, 1);
}

enum { NOTES_MAX = STORE_BATCH_JOBS_MAX + 1 };
static struct note_job notes[NOTES_MAX];
static atomic_int notes_left;

static void prepare_notes(int count)
{
	memset(notes, 0, sizeof(notes));
	atomic_store(&notes_left, count);
	for (int i = 0; i < count; i++)
		notes[i] =
			(struct note_job){.job = {.run = note_run, .done = note_done}, .number = i, .left = &notes_left};
}

static void submit_notes(struct fixture *f, int count)
{
	struct err err;

	for (int i = 0; i < count; i++)
		assert_ok(store_submit(f->store, &notes[i].job, &err), &err);
}

/* All that wait before the writer starts are one batch. */
static void run_notes(struct fixture *f, int count)
{
	struct err err;

	submit_notes(f, count);
	assert_ok(store_start(f->store, &err), &err);
	store_stop(f->store);
	assert_int_equal(atomic_load(&notes_left), 0);
	for (int i = 0; i < count; i++)
		assert_int_equal(notes[i].dones, 1);
}

static int64_t count_notes(const struct fixture *f)
{
	return look(f, "SELECT count(*) FROM alarm");
}

static void test_jobs_that_wait_are_one_commit(void **state)
{
	struct fixture *f = *state;
	struct store_stats stats;

	prepare_notes(10);
	run_notes(f, 10);
	store_stats(f->store, &stats);
	assert_int_equal(stats.commits_total, 1);
	assert_int_equal(stats.jobs_total, 10);
	assert_int_equal(stats.jobs_failed, 0);
	assert_int_equal(stats.jobs_waiting, 0);
	assert_int_equal(stats.batch_jobs_max, 10);
	assert_true(stats.database_bytes > 0);
	assert_int_equal(count_notes(f), 10);
	for (int i = 0; i < 10; i++)
		assert_int_equal(notes[i].rc, RC_OK);
}

static void test_one_more_than_fits_a_batch_is_a_second_commit(void **state)
{
	struct fixture *f = *state;
	struct store_stats stats;

	prepare_notes(NOTES_MAX);
	run_notes(f, NOTES_MAX);
	store_stats(f->store, &stats);
	assert_int_equal(stats.commits_total, 2);
	assert_int_equal(stats.batch_jobs_max, STORE_BATCH_JOBS_MAX);
	assert_int_equal(count_notes(f), NOTES_MAX);
}

static void test_a_failing_job_is_undone_alone_and_hears_its_own_reason(void **state)
{
	struct fixture *f = *state;
	struct store_stats stats;

	prepare_notes(5);
	notes[1].want = RC_EXISTS;
	notes[3].want = RC_INVALID;
	run_notes(f, 5);
	assert_int_equal(count_notes(f), 3);
	assert_int_equal(look(f, "SELECT count(*) FROM alarm WHERE subject IN ('1', '3')"), 0);
	assert_int_equal(notes[1].rc, RC_EXISTS);
	assert_string_equal(notes[1].err.text, "job 1 has failed");
	assert_int_equal(notes[3].rc, RC_INVALID);
	assert_string_equal(notes[3].err.text, "job 3 has failed");
	assert_int_equal(notes[4].rc, RC_OK);
	store_stats(f->store, &stats);
	assert_int_equal(stats.jobs_failed, 2);
}

/* A job that loses the transaction, as SQLite does after some errors of the disk, whether it tells or not. */
static void test_a_lost_transaction_fails_the_whole_batch(void **state)
{
	struct fixture *f = *state;

	for (int is_swallowing = 0; is_swallowing < 2; is_swallowing++) {
		prepare_notes(5);
		notes[1].want = RC_EXISTS;
		notes[3].is_fault_armed = true;
		notes[3].is_swallowing = is_swallowing != 0;
		run_notes(f, 5);
		assert_int_equal(count_notes(f), 0);
		assert_int_equal(notes[0].rc, RC_IO);
		assert_int_equal(notes[1].rc, RC_EXISTS); /* had failed by itself */
		assert_int_equal(notes[3].rc, RC_IO);
		assert_int_equal(notes[4].rc, RC_IO);
		assert_int_equal(notes[4].runs, 0);
		fixture_close(f);
		fixture_open(f);
	}
}

static void test_a_disk_that_fails_at_the_commit_fails_all_and_the_next_batch_works(void **state)
{
	static const enum faultvfs_op ops[] = {FAULTVFS_WRITE, FAULTVFS_SYNC};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(ops); i++) {
		struct store_trouble trouble;
		struct store_stats stats;
		struct err err;

		prepare_notes(3);
		notes[1].want = RC_EXISTS;
		submit_notes(f, 3);
		faultvfs_fail(ops[i], 1, ops[i] == FAULTVFS_WRITE ? SQLITE_FULL : SQLITE_IOERR_FSYNC, false);
		assert_ok(store_start(f->store, &err), &err);
		while (atomic_load(&notes_left) > 0)
			(void)sched_yield();
		assert_true(faultvfs_has_failed(ops[i]));
		assert_int_equal(notes[0].rc, RC_IO);
		assert_int_equal(notes[1].rc, RC_EXISTS);
		assert_int_equal(notes[2].rc, RC_IO);
		assert_int_equal(strstr(notes[0].err.text, "disk full") != NULL, ops[i] == FAULTVFS_WRITE);
		assert_int_equal(count_notes(f), 0);
		store_stats(f->store, &stats);
		assert_int_equal(stats.commits_total, 0);
		assert_true(store_trouble(f->store, &trouble));
		assert_int_equal(trouble.jobs, 3);
		assert_string_equal(trouble.text, notes[0].err.text);

		prepare_notes(3);
		submit_notes(f, 3);
		store_stop(f->store);
		assert_int_equal(notes[0].rc, RC_OK);
		assert_int_equal(count_notes(f), 3 + 1); /* and the alarm of the trouble that is over */
		assert_false(store_trouble(f->store, &trouble));
		tamper(f, "DELETE FROM alarm");
		fixture_close(f);
		fixture_open(f);
	}
}

static void test_a_full_queue_refuses_and_does_not_call_back(void **state)
{
	struct fixture *f = *state;
	struct store_params params = {.path = f->path,
		.keyring = f->keyring,
		.clock = &f->clock,
		.is_create = true,
		.queue_max = 2};
	struct store_stats stats;
	struct err err;

	assert_ok(store_open(&params, &f->store, &err), &err);
	prepare_notes(3);
	submit_notes(f, 2);
	assert_rc(store_submit(f->store, &notes[2].job, &err), RC_BUSY, &err);
	store_stats(f->store, &stats);
	assert_int_equal(stats.jobs_waiting, 2);
	assert_int_equal(stats.jobs_refused, 1);
	assert_ok(store_start(f->store, &err), &err);
	store_stop(f->store);
	assert_int_equal(notes[1].rc, RC_OK);
	assert_int_equal(notes[1].dones, 1);
	assert_int_equal(notes[2].dones, 0);
}

static void test_after_stop_jobs_are_refused(void **state)
{
	struct fixture *f = *state;
	struct err err;

	assert_ok(store_start(f->store, &err), &err);
	store_stop(f->store);
	prepare_notes(1);
	assert_rc(store_submit(f->store, &notes[0].job, &err), RC_BUSY, &err);
	assert_int_equal(notes[0].dones, 0);
}

static void test_a_store_that_never_started_refuses_what_waits(void **state)
{
	struct fixture *f = *state;

	prepare_notes(2);
	submit_notes(f, 2);
	fixture_close(f);
	assert_int_equal(notes[1].dones, 1);
	assert_int_equal(notes[1].rc, RC_BUSY);
	assert_int_equal(notes[1].runs, 0);
}

static enum rc fail_with_text(void *ctx, struct txn *txn, struct err *err)
{
	(void)ctx;
	(void)txn;
	return err_set(err, RC_DENIED, "because");
}

static void test_a_blocking_run_hands_back_the_reason(void **state)
{
	struct fixture *f = *state;
	struct err err;

	assert_ok(store_start(f->store, &err), &err);
	assert_rc(store_run(f->store, fail_with_text, NULL, &err), RC_DENIED, &err);
	assert_string_equal(err.text, "because");
}

struct slice_probe {
	struct fixture *f;
	bool is_over_before, is_over_after;
	int64_t now;
};

static enum rc probe_slice(void *ctx, struct txn *txn, struct err *err)
{
	struct slice_probe *probe = ctx;

	(void)err;
	probe->now = txn_now(txn);
	probe->f->monotonic_us += STORE_JOB_SLICE_MS * 1000 - 1;
	probe->is_over_before = txn_is_slice_over(txn);
	probe->f->monotonic_us += 1;
	probe->is_over_after = txn_is_slice_over(txn);
	return RC_OK;
}

static void test_a_job_is_told_when_its_slice_is_over(void **state)
{
	struct fixture *f = *state;
	struct slice_probe probe = {.f = f};
	struct err err;

	assert_ok(store_start(f->store, &err), &err);
	assert_ok(store_run(f->store, probe_slice, &probe, &err), &err);
	assert_int_equal(probe.now, T0);
	assert_false(probe.is_over_before);
	assert_true(probe.is_over_after);
}

static void test_a_change_in_a_read_transaction_is_our_own_fault(void **state)
{
	struct fixture *f = *state;
	struct err err;

	assert_rc(alarm_raise(fixture_read(f), "k", S("s"), "t", &err), RC_INTERNAL, &err);
	assert_non_null(strstr(err.text, "alarm_raise"));
}

static void test_a_read_transaction_sees_one_snapshot(void **state)
{
	struct fixture *f = *state;
	struct alarm_view *views;
	struct txn *reader = fixture_read(f);
	size_t count;
	struct err err;

	assert_ok(alarm_list(reader, 10, f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 0);
	f->read = NULL; /* stays open while the next ones come and go */
	assert_ok(alarm_raise(fixture_write(f), "k", S("s"), "t", &err), &err);
	fixture_commit(f);
	assert_ok(alarm_list(reader, 10, f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 0);
	assert_ok(alarm_list(fixture_read(f), 10, f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 1);
	store_read_end(f->store, &reader);
	assert_null(reader);
}

static void *read_once(void *ctx)
{
	struct fixture *f = ctx;
	struct txn *txn;
	struct err err;
	bool is_any;

	for (int i = 0; i < 200; i++) {
		if (store_read_begin(f->store, &txn, &err) != RC_OK ||
			enrollment_is_any(txn, &is_any, &err) != RC_OK)
			abort();
		store_read_end(f->store, &txn);
	}
	return NULL;
}

static enum rc raise_one(void *ctx, struct txn *txn, struct err *err)
{
	return alarm_raise(txn, "thread", slice_of_str(ctx), "text", err);
}

static void *write_many(void *ctx)
{
	struct fixture *f = ctx;
	struct err err;

	for (int i = 0; i < 50; i++)
		if (store_run(f->store, raise_one, (char[]){"same"}, &err) != RC_OK)
			abort();
	return NULL;
}

static void test_more_readers_than_connections_wait_their_turn_beside_writers(void **state)
{
	enum { THREADS = 6 };
	struct fixture *f = *state;
	pthread_t threads[THREADS];
	struct err err;

	assert_ok(store_start(f->store, &err), &err);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, i < 4 ? read_once : write_many, f), 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(look(f, "SELECT count FROM alarm"), 100);
}

/* Fills the log past the bound several times over; the log must have begun anew, and nothing be missing. */
static enum rc write_large(void *ctx, struct txn *txn, struct err *err)
{
	static uint8_t large[60000];
	const int *number = ctx;
	char name[32];

	(void)snprintf(name, sizeof(name), "%d", *number);
	return vault_put(txn, name, slice_of(large, sizeof(large)), err);
}

static void test_the_log_is_moved_to_the_database_beside_the_commits(void **state)
{
	enum { WRITES = 1500 }; /* 90 MB in all */
	struct fixture *f = *state;
	struct store_stats stats;
	struct err err;

	assert_ok(store_start(f->store, &err), &err);
	for (int i = 0; i < WRITES; i++)
		assert_ok(store_run(f->store, write_large, &(int){i % 100}, &err), &err);
	store_stats(f->store, &stats);
	assert_true(stats.database_bytes < 70000000);
	assert_int_equal(look(f, "SELECT count(*) FROM vault"), 100);
	store_stop(f->store);
	assert_int_equal(look(f, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(test_jobs_that_wait_are_one_commit),
		TEST(test_one_more_than_fits_a_batch_is_a_second_commit),
		TEST(test_a_failing_job_is_undone_alone_and_hears_its_own_reason),
		TEST(test_a_lost_transaction_fails_the_whole_batch),
		TEST(test_a_disk_that_fails_at_the_commit_fails_all_and_the_next_batch_works),
		cmocka_unit_test_setup_teardown(test_a_full_queue_refuses_and_does_not_call_back,
			fixture_setup_closed, fixture_teardown),
		TEST(test_after_stop_jobs_are_refused),
		TEST(test_a_store_that_never_started_refuses_what_waits),
		TEST(test_a_blocking_run_hands_back_the_reason),
		TEST(test_a_job_is_told_when_its_slice_is_over),
		TEST(test_a_change_in_a_read_transaction_is_our_own_fault),
		TEST(test_a_read_transaction_sees_one_snapshot),
		TEST(test_more_readers_than_connections_wait_their_turn_beside_writers),
		TEST(test_the_log_is_moved_to_the_database_beside_the_commits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
