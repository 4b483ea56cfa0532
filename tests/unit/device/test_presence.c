/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pomona/base/log.h"
#include "pomona/store/enrollment.h"
#include "presence.h"

enum { IDS_MAX = 2000 };

/* A store of our own: one waiting job, the times it was told, and how it shall fail. */
static struct {
	struct store_job *waiting;
	bool is_full;
	int rows_a_slice; /* 0: all */
	int rows;         /* of the slice that runs */
	int64_t forgotten_id;
	int64_t inactive_from; /* those with greater ids come back */
	enum rc fault;
	int64_t seen_at[IDS_MAX];
	int64_t written;
	void (*on_row)(int64_t id, int64_t seen_at);
} store;

static struct presence *presence;

enum rc enrollment_seen(struct txn *txn, int64_t id, int64_t seen_at, bool *was_inactive_r,
	struct err *err)
{
	(void)txn;
	*was_inactive_r = id >= store.inactive_from;
	store.rows++;
	if (id == store.forgotten_id)
		return err_set(err, RC_NOT_FOUND, "no such enrollment");
	if (store.fault != RC_OK)
		return err_set(err, store.fault, "told to fail");
	if (id < IDS_MAX)
		store.seen_at[id] = seen_at;
	store.written++;
	if (store.on_row != NULL)
		store.on_row(id, seen_at);
	return RC_OK;
}

enum rc enrollment_by_id(struct txn *txn, int64_t id, struct enrollment *enrollment_r,
	struct err *err)
{
	(void)txn;
	(void)err;
	(void)snprintf(enrollment_r->ext_id, sizeof(enrollment_r->ext_id), "UDID-%lld", (long long)id);
	return RC_OK;
}

bool txn_is_slice_over(const struct txn *txn)
{
	(void)txn;
	return store.rows == store.rows_a_slice;
}

enum rc store_submit(struct store *unused, struct store_job *job, struct err *err)
{
	(void)unused;
	if (store.is_full)
		return err_set(err, RC_BUSY, "full");
	assert_null(store.waiting);
	store.waiting = job;
	return RC_OK;
}

enum rc store_run(struct store *unused, enum rc (*fn)(void *ctx, struct txn *txn, struct err *err),
	void *ctx, struct err *err)
{
	(void)unused;
	store.rows = 0;
	return store.is_full ? err_set(err, RC_BUSY, "full") : fn(ctx, NULL, err);
}

/* One turn of the writer, whose commit ends with `commit`. */
static void turn(enum rc commit)
{
	struct store_job *job = store.waiting;
	struct err err = {.rc = commit, .text = "the commit failed"};
	enum rc rc;

	assert_non_null(job);
	store.waiting = NULL;
	store.rows = 0;
	rc = job->run(job, NULL, &err);
	job->done(job, rc == RC_OK ? commit : rc, &err);
}

static void flush(void)
{
	struct err err = {0};

	assert_int_equal(presence_flush(presence, NULL, &err), RC_OK);
}

static int setup(void **state)
{
	(void)state;
	memset(&store, 0, sizeof(store));
	store.inactive_from = INT64_MAX;
	log_set_level(LOG_LEVEL_ERROR);
	presence = presence_new();
	return presence == NULL;
}

static int teardown(void **state)
{
	(void)state;
	presence_free(&presence);
	return presence != NULL;
}

static void the_latest_sighting_is_kept(void **state)
{
	(void)state;
	assert_int_equal(presence_seen_at(presence, 7), 0);
	assert_true(presence_note(presence, 7, 100));
	assert_true(presence_note(presence, 7, 50)); /* the clock was put back */
	assert_int_equal(presence_seen_at(presence, 7), 50);
	assert_true(presence_note(presence, 7, 101));
	assert_int_equal(presence_seen_at(presence, 7), 101);
	assert_int_equal(presence_seen_at(presence, 8), 0);
	assert_int_equal(presence_count(presence), 1);
}

static void a_hundred_thousand_enrollments_are_told_apart(void **state)
{
	(void)state;
	for (int64_t id = 1; id <= 100000; id++)
		assert_true(presence_note(presence, id, id * 3));
	for (int64_t id = 1; id <= 100000; id++)
		assert_int_equal(presence_seen_at(presence, id), id * 3);
	assert_int_equal(presence_count(presence), 100000);
}

static void a_full_table_takes_no_new_enrollment_but_later_times(void **state)
{
	size_t kept = 0;
	bool is_kept = true;

	(void)state;
	for (int64_t id = 1; id <= (int64_t)PRESENCE_SHARDS * PRESENCE_SHARD_ENTRIES_MAX * 5 / 4; id++) {
		is_kept = presence_note(presence, id, 1);
		kept += is_kept;
	}
	assert_false(is_kept);
	assert_int_equal(kept, PRESENCE_SHARDS * PRESENCE_SHARD_ENTRIES_MAX);
	assert_int_equal(presence_count(presence), kept);
	assert_true(presence_note(presence, 1, 2));
	assert_int_equal(presence_seen_at(presence, 1), 2);
}

static void a_flush_writes_all_and_forgets_it(void **state)
{
	(void)state;
	for (int64_t id = 1; id < IDS_MAX; id++)
		assert_true(presence_note(presence, id, 1000 + id));
	flush();
	assert_int_equal(presence_seen_at(presence, 5), 1005); /* not durable yet */
	turn(RC_OK);
	for (int64_t id = 1; id < IDS_MAX; id++)
		assert_int_equal(store.seen_at[id], 1000 + id);
	assert_int_equal(presence_count(presence), 0);
	assert_null(store.waiting);
}

static void an_empty_flush_gives_the_writer_nothing(void **state)
{
	(void)state;
	flush();
	assert_null(store.waiting);
	flush();
	assert_null(store.waiting);
}

static void a_long_flush_comes_in_slices(void **state)
{
	int turns = 0;

	(void)state;
	store.rows_a_slice = 300;
	for (int64_t id = 1; id <= 1000; id++)
		assert_true(presence_note(presence, id, 1));
	flush();
	while (store.waiting != NULL) {
		turn(RC_OK);
		turns++;
		assert_int_equal(presence_count(presence), turns == 4 ? 0 : 1000 - 300 * turns);
	}
	assert_int_equal(turns, 4);
	assert_int_equal(store.written, 1000);
}

static void a_flush_that_fails_loses_nothing(void **state)
{
	(void)state;
	assert_true(presence_note(presence, 1, 10));
	flush();
	turn(RC_IO);
	assert_int_equal(presence_seen_at(presence, 1), 10);
	store.fault = RC_IO;
	flush();
	turn(RC_OK);
	assert_int_equal(presence_seen_at(presence, 1), 10);
	store.fault = RC_OK;
	flush();
	turn(RC_OK);
	assert_int_equal(store.seen_at[1], 10);
	assert_int_equal(presence_count(presence), 0);
}

static void a_full_store_is_asked_again_at_the_next_flush(void **state)
{
	struct err err = {0};

	(void)state;
	assert_true(presence_note(presence, 1, 10));
	store.is_full = true;
	assert_int_equal(presence_flush(presence, NULL, &err), RC_BUSY);
	assert_int_equal(presence_flush_wait(presence, NULL, &err), RC_BUSY);
	assert_int_equal(presence_seen_at(presence, 1), 10);
	store.is_full = false;
	flush();
	turn(RC_OK);
	assert_int_equal(presence_count(presence), 0);
}

static void a_store_that_fills_up_between_slices_keeps_the_rest_for_later(void **state)
{
	(void)state;
	store.rows_a_slice = 1;
	assert_true(presence_note(presence, 1, 10));
	assert_true(presence_note(presence, 2, 10));
	flush();
	store.is_full = true;
	turn(RC_OK);
	assert_null(store.waiting);
	assert_int_equal(presence_count(presence), 1);
	store.is_full = false;
	flush();
	turn(RC_OK);
	assert_int_equal(presence_count(presence), 0);
}

static void one_flush_at_a_time(void **state)
{
	(void)state;
	assert_true(presence_note(presence, 1, 10));
	flush();
	assert_true(presence_note(presence, 2, 10));
	flush(); /* would trip over the waiting job */
	turn(RC_OK);
	assert_int_equal(presence_seen_at(presence, 2), 10);
	flush();
	turn(RC_OK);
	assert_int_equal(presence_count(presence), 0);
}

static void a_slice_that_runs_twice_writes_the_same(void **state)
{
	struct err err = {0};

	(void)state;
	store.rows_a_slice = 1;
	assert_true(presence_note(presence, 1, 10));
	assert_true(presence_note(presence, 2, 10));
	flush();
	assert_int_equal(store.waiting->run(store.waiting, NULL, &err), RC_OK);
	turn(RC_OK);
	turn(RC_OK);
	assert_null(store.waiting);
	assert_int_equal(store.seen_at[1], 10);
	assert_int_equal(store.seen_at[2], 10);
	assert_int_equal(presence_count(presence), 0);
}

static void an_enrollment_that_was_forgotten_holds_up_no_other(void **state)
{
	(void)state;
	for (int64_t id = 1; id <= 9; id++)
		assert_true(presence_note(presence, id, 10));
	store.forgotten_id = 5;
	flush();
	turn(RC_OK);
	assert_int_equal(store.written, 8);
	assert_int_equal(presence_count(presence), 0);
}

static void see_again(int64_t id, int64_t seen_at)
{
	if (id % 3 == 0)
		assert_true(presence_note(presence, id, seen_at + 1));
}

/* Removing closes gaps in the tables: what stays must be found after any number of rounds. */
static void what_comes_while_a_flush_runs_stays_for_the_next(void **state)
{
	uint32_t random = 12345;

	(void)state;
	store.on_row = see_again;
	for (int round = 0; round < 50; round++) {
		int64_t expected[IDS_MAX] = {0};

		for (int i = 0; i < 500; i++) {
			random = random * 1664525 + 1013904223;
			(void)presence_note(presence, 1 + (random >> 8) % (IDS_MAX - 1), 1000 + round * 10);
		}
		for (int64_t id = 1; id < IDS_MAX; id++)
			expected[id] = presence_seen_at(presence, id);
		flush();
		turn(RC_OK);
		for (int64_t id = 1; id < IDS_MAX; id++) {
			bool is_again = expected[id] != 0 && id % 3 == 0;

			assert_int_equal(presence_seen_at(presence, id), is_again ? expected[id] + 1 : 0);
			assert_true(expected[id] == 0 || store.seen_at[id] == expected[id]);
		}
	}
}

static void the_last_flush_waits_until_all_is_written(void **state)
{
	struct err err = {0};

	(void)state;
	store.rows_a_slice = 10;
	for (int64_t id = 1; id <= 95; id++)
		assert_true(presence_note(presence, id, 10));
	assert_int_equal(presence_flush_wait(presence, NULL, &err), RC_OK);
	assert_int_equal(store.written, 95);
	assert_int_equal(presence_count(presence), 0);
	assert_int_equal(presence_flush_wait(presence, NULL, &err), RC_OK);
}

/* Lines of the log that `fn` writes, where they have the word. */
static size_t count_lines(void (*fn)(void), const char *word)
{
	static char text[65536];
	FILE *file = tmpfile();
	size_t count = 0;
	size_t len;

	assert_non_null(file);
	log_set_level(LOG_LEVEL_INFO);
	log_set_fd(fileno(file));
	fn();
	log_set_fd(2);
	log_set_level(LOG_LEVEL_ERROR);
	rewind(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = '\0';
	(void)fclose(file);
	for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
		count++;
	return count;
}

static void lose(void)
{
	turn(RC_IO);
}

static void commit(void)
{
	while (store.waiting != NULL)
		turn(RC_OK);
}

static void who_was_inactive_is_named_once_it_is_durable(void **state)
{
	(void)state;
	store.inactive_from = 3;
	for (int64_t id = 1; id <= 4; id++)
		assert_true(presence_note(presence, id, 10));
	flush();
	assert_int_equal(count_lines(lose, "enrollment_active"), 0);
	flush();
	assert_int_equal(count_lines(commit, "event=enrollment_active device=UDID-4\n"), 1);
	assert_true(presence_note(presence, 3, 10));
	flush();
	assert_int_equal(count_lines(commit, "event=enrollment_active device="), 1);
}

static void return_many(void)
{
	store.rows_a_slice = 7;
	store.inactive_from = 1;
	for (int64_t id = 1; id <= 100; id++)
		assert_true(presence_note(presence, id, 10));
	flush();
	commit();
}

static void a_fleet_that_comes_back_does_not_fill_the_log(void **state)
{
	(void)state;
	assert_int_equal(count_lines(return_many, "enrollment_active "), 20);
	assert_int_equal(count_lines(return_many, "enrollments_active count=100 not_logged=80\n"), 1);
}

static void *note_many(void *arg)
{
	int64_t seen_at = *(const int64_t *)arg;

	for (int64_t id = 1; id < IDS_MAX; id++)
		(void)presence_note(presence, id, seen_at);
	return NULL;
}

static void threads_note_side_by_side_while_it_is_flushed(void **state)
{
	int64_t seen_at[4] = {10, 20, 30, 40};
	pthread_t threads[4];
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, note_many, &seen_at[i]), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(presence_flush_wait(presence, NULL, &err), RC_OK);
	for (size_t i = 0; i < 4; i++)
		(void)pthread_join(threads[i], NULL);
	note_many(&seen_at[3]);
	assert_int_equal(presence_flush_wait(presence, NULL, &err), RC_OK);
	for (int64_t id = 1; id < IDS_MAX; id++)
		assert_int_equal(store.seen_at[id], 40);
	assert_int_equal(presence_count(presence), 0);
}

#define WITH_PRESENCE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PRESENCE(the_latest_sighting_is_kept),
		WITH_PRESENCE(a_hundred_thousand_enrollments_are_told_apart),
		WITH_PRESENCE(a_full_table_takes_no_new_enrollment_but_later_times),
		WITH_PRESENCE(a_flush_writes_all_and_forgets_it),
		WITH_PRESENCE(an_empty_flush_gives_the_writer_nothing),
		WITH_PRESENCE(a_long_flush_comes_in_slices),
		WITH_PRESENCE(a_flush_that_fails_loses_nothing),
		WITH_PRESENCE(a_full_store_is_asked_again_at_the_next_flush),
		WITH_PRESENCE(a_store_that_fills_up_between_slices_keeps_the_rest_for_later),
		WITH_PRESENCE(one_flush_at_a_time),
		WITH_PRESENCE(a_slice_that_runs_twice_writes_the_same),
		WITH_PRESENCE(an_enrollment_that_was_forgotten_holds_up_no_other),
		WITH_PRESENCE(what_comes_while_a_flush_runs_stays_for_the_next),
		WITH_PRESENCE(the_last_flush_waits_until_all_is_written),
		WITH_PRESENCE(who_was_inactive_is_named_once_it_is_durable),
		WITH_PRESENCE(a_fleet_that_comes_back_does_not_fill_the_log),
		WITH_PRESENCE(threads_note_side_by_side_while_it_is_flushed),
	};

	return cmocka_run_group_tests_name("presence", tests, NULL, NULL);
}
