/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "chores.h"
#include "pomona/base/log.h"
#include "pomona/store/queue.h"

/* A store of our own: the writer runs when the test says so. */
static struct {
	struct store_job *waiting;
	bool is_full;
	uint64_t jobs_total;
	int slices; /* that queue_expire() still needs */
	int expired;
} store;

enum rc store_submit(struct store *unused, struct store_job *job, struct err *err)
{
	(void)unused;
	if (store.is_full)
		return err_set(err, RC_BUSY, "full");
	assert_null(store.waiting);
	store.waiting = job;
	return RC_OK;
}

void store_stats(const struct store *unused, struct store_stats *stats_r)
{
	(void)unused;
	*stats_r = (struct store_stats){.jobs_total = store.jobs_total};
}

enum rc queue_expire(struct txn *txn, int64_t *count_r, bool *is_more_r, struct err *err)
{
	(void)txn;
	(void)err;
	store.expired++;
	*count_r = 1;
	*is_more_r = --store.slices > 0;
	return RC_OK;
}

static void turn(enum rc commit)
{
	struct store_job *job = store.waiting;
	struct err err = {.rc = commit, .text = "the commit failed"};
	enum rc rc;

	assert_non_null(job);
	store.waiting = NULL;
	rc = job->run(job, NULL, &err);
	job->done(job, rc == RC_OK ? commit : rc, &err);
	store.jobs_total++;
}

static int setup(void **state)
{
	(void)state;
	memset(&store, 0, sizeof(store));
	log_set_level(LOG_LEVEL_ERROR);
	return 0;
}

static void expiry_goes_on_until_nothing_is_left(void **state)
{
	struct expiry expiry = {0};
	int turns = 0;

	(void)state;
	store.slices = 3;
	expiry_begin(&expiry, NULL);
	for (; store.waiting != NULL; turns++)
		turn(RC_OK);
	assert_int_equal(turns, 3);
	assert_int_equal(store.expired, 3);
}

static void expiry_is_under_way_once(void **state)
{
	struct expiry expiry = {0};

	(void)state;
	store.slices = 1;
	expiry_begin(&expiry, NULL);
	expiry_begin(&expiry, NULL); /* would trip over the waiting job */
	turn(RC_OK);
	assert_null(store.waiting);
	expiry_begin(&expiry, NULL);
	assert_non_null(store.waiting);
}

static void expiry_that_fails_or_is_refused_is_tried_at_the_next_turn(void **state)
{
	struct expiry expiry = {0};

	(void)state;
	store.is_full = true;
	expiry_begin(&expiry, NULL);
	assert_null(store.waiting);
	store.is_full = false;
	store.slices = 9;
	expiry_begin(&expiry, NULL);
	turn(RC_IO);
	assert_null(store.waiting);
	expiry_begin(&expiry, NULL);
	store.is_full = true;
	turn(RC_OK);
	store.is_full = false;
	expiry_begin(&expiry, NULL);
	assert_non_null(store.waiting);
}

static void a_writer_that_answers_is_well(void **state)
{
	struct heartbeat heartbeat = {0};

	(void)state;
	assert_true(heartbeat_is_well(&heartbeat, NULL));
	for (int i = 0; i < 3; i++) {
		turn(RC_IO); /* a full disk is an answer */
		assert_true(heartbeat_is_well(&heartbeat, NULL));
	}
}

static void a_writer_that_does_not_answer_is_not_well(void **state)
{
	struct heartbeat heartbeat = {0};

	(void)state;
	assert_true(heartbeat_is_well(&heartbeat, NULL));
	assert_false(heartbeat_is_well(&heartbeat, NULL));
	assert_false(heartbeat_is_well(&heartbeat, NULL));
	turn(RC_OK);
	assert_true(heartbeat_is_well(&heartbeat, NULL));
}

static void a_full_writer_is_well_while_it_works(void **state)
{
	struct heartbeat heartbeat = {0};

	(void)state;
	store.is_full = true;
	assert_true(heartbeat_is_well(&heartbeat, NULL));
	store.jobs_total += 100;
	assert_true(heartbeat_is_well(&heartbeat, NULL));
	assert_false(heartbeat_is_well(&heartbeat, NULL));
	store.is_full = false;
	assert_false(heartbeat_is_well(&heartbeat, NULL));
	turn(RC_OK);
	assert_true(heartbeat_is_well(&heartbeat, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(expiry_goes_on_until_nothing_is_left, setup),
		cmocka_unit_test_setup(expiry_is_under_way_once, setup),
		cmocka_unit_test_setup(expiry_that_fails_or_is_refused_is_tried_at_the_next_turn, setup),
		cmocka_unit_test_setup(a_writer_that_answers_is_well, setup),
		cmocka_unit_test_setup(a_writer_that_does_not_answer_is_not_well, setup),
		cmocka_unit_test_setup(a_full_writer_is_well_while_it_works, setup),
	};

	return cmocka_run_group_tests_name("chores", tests, NULL, NULL);
}
