/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "private.h"

/* When the uses of tokens are written; the writer is the test's. */

enum { NOW = 1800000000 };

static struct uses uses;
static struct store_job *submitted; /* NULL: none waits for the writer */
static int submissions;
static bool is_queue_full;
static struct use written[2 * USES_MAX];
static size_t written_count;

enum rc __wrap_store_submit(struct store *store, struct store_job *job, struct err *err);
enum rc __wrap_api_token_used(struct txn *txn, int64_t id, int64_t used_at, struct err *err);

enum rc __wrap_store_submit(struct store *store, struct store_job *job, struct err *err)
{
	(void)store;
	submissions++;
	if (is_queue_full)
		return err_set(err, RC_BUSY, "the test's queue is full");
	assert_null(submitted); /* a job is under way once */
	submitted = job;
	return RC_OK;
}

enum rc __wrap_api_token_used(struct txn *txn, int64_t id, int64_t used_at, struct err *err)
{
	(void)txn;
	(void)err;
	written[written_count++] = (struct use){.token_id = id, .at = used_at};
	return RC_OK;
}

static int open_uses(void **state)
{
	(void)state;
	submitted = NULL;
	submissions = 0;
	is_queue_full = false;
	written_count = 0;
	api_uses_init(&uses, NULL);
	return 0;
}

static int close_uses(void **state)
{
	(void)state;
	api_uses_fini(&uses);
	return 0;
}

static void use(int64_t id, int64_t used_at, int64_t now)
{
	const struct api_token_found token = {.id = id, .name = "t", .used_at = used_at};

	api_uses_note(&uses, &token, now);
}

static void run(void)
{
	assert_non_null(submitted);
	assert_int_equal(submitted->run(submitted, NULL, NULL), RC_OK);
}

static void finish(enum rc rc)
{
	struct store_job *job = submitted;

	submitted = NULL;
	job->done(job, rc, NULL);
}

static void a_use_is_written_at_most_every_few_minutes(void **state)
{
	static const struct {
		int64_t used_at, now;
		bool is_written;
	} rows[] = {
		{0, NOW, true}, /* the first */
		{NOW, NOW, false}, {NOW, NOW + USES_STEP_S - 1, false}, {NOW, NOW + USES_STEP_S, true},
		{NOW, NOW - 1, true}, /* the clock was set back */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		written_count = 0;
		use(7, rows[i].used_at, rows[i].now);
		assert_int_equal(submitted != NULL, rows[i].is_written);
		if (submitted == NULL)
			continue;
		run();
		finish(RC_OK);
		assert_int_equal(written_count, 1);
		assert_int_equal(written[0].token_id, 7);
		assert_int_equal(written[0].at, rows[i].now);
	}
}

static void many_uses_of_a_token_are_one_write(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		use(7, 0, NOW);
	run();
	for (int i = 0; i < 100; i++)
		use(7, 0, NOW + 1); /* its snapshot is older than the write */
	finish(RC_OK);
	assert_int_equal(submissions, 1);
	assert_int_equal(written_count, 1);
	assert_null(submitted);
}

static void another_token_that_is_used_meanwhile_is_written_next(void **state)
{
	(void)state;
	use(1, 0, NOW);
	use(2, 0, NOW);
	run();
	use(3, 0, NOW);
	finish(RC_OK);
	run();
	finish(RC_OK);
	assert_int_equal(submissions, 2);
	assert_int_equal(written_count, 3);
	assert_int_equal(written[1].token_id, 2);
	assert_int_equal(written[2].token_id, 3);
}

static void more_than_the_list_takes_are_left_to_their_next_use(void **state)
{
	(void)state;
	for (int i = 1; i <= USES_MAX + 1; i++)
		use(i, 0, NOW);
	run();
	finish(RC_OK);
	assert_int_equal(written_count, USES_MAX);
	assert_int_equal(written[USES_MAX - 1].token_id, USES_MAX);
	use(USES_MAX + 1, 0, NOW);
	run();
	finish(RC_OK);
	assert_int_equal(written[USES_MAX].token_id, USES_MAX + 1);
}

static void a_full_queue_loses_no_use_for_good(void **state)
{
	(void)state;
	is_queue_full = true;
	use(1, 0, NOW);
	assert_int_equal(submissions, 1);
	is_queue_full = false;
	use(1, 0, NOW);
	run();
	finish(RC_OK);
	assert_int_equal(written_count, 1);
}

static void a_write_that_fails_is_done_with_the_next_use(void **state)
{
	(void)state;
	use(1, 0, NOW);
	run();
	use(2, 0, NOW);
	finish(RC_IO);
	assert_null(submitted); /* not at once: the disk is no better yet */
	written_count = 0;
	use(1, 0, NOW + 1);
	run();
	finish(RC_OK);
	assert_int_equal(written_count, 2);
	assert_int_equal(written[0].token_id, 2);
	assert_int_equal(written[1].token_id, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_uses, close_uses)
		TEST(a_use_is_written_at_most_every_few_minutes),
		TEST(many_uses_of_a_token_are_one_write),
		TEST(another_token_that_is_used_meanwhile_is_written_next),
		TEST(more_than_the_list_takes_are_left_to_their_next_use),
		TEST(a_full_queue_loses_no_use_for_good),
		TEST(a_write_that_fails_is_done_with_the_next_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
