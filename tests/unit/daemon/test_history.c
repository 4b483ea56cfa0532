/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "history.h"
#include "pomona/base/log.h"
#include "pomona/store/admin.h"

enum { DAY = 86400 };

/* A store of our own: the writer runs when the test says so. */
static struct {
	struct store_job *waiting;
	bool is_full;
	int slices; /* that history_walk() still needs */
	int64_t ahead_s;
	int walks, raised, cleared;
	int64_t keep_s;
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

enum rc history_walk(struct txn *txn, struct history_walk *walk, struct err *err)
{
	(void)txn;
	(void)err;
	assert_true(walk->is_query(SLICE_LITERAL("DeviceInformation")));
	assert_false(walk->is_query(SLICE_LITERAL("EraseDevice")));
	assert_false(walk->is_query(SLICE_LITERAL("Unheard")));
	store.walks++;
	store.keep_s = walk->keep_s[HISTORY_UNENROLLMENTS];
	walk->ahead_s = store.ahead_s;
	walk->is_more = --store.slices > 0;
	return RC_OK;
}

enum rc alarm_raise(struct txn *txn, const char *kind, struct slice subject, const char *text,
	struct err *err)
{
	(void)txn;
	(void)subject;
	(void)err;
	assert_string_equal(kind, "clock_ahead");
	assert_non_null(strstr(text, "8 days ahead"));
	store.raised++;
	return RC_OK;
}

enum rc alarm_clear(struct txn *txn, const char *kind, struct slice subject, struct err *err)
{
	(void)txn;
	(void)kind;
	(void)subject;
	store.cleared++;
	return err_set(err, RC_NOT_FOUND, "none");
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
}

static int setup(void **state)
{
	(void)state;
	memset(&store, 0, sizeof(store));
	log_set_level(LOG_LEVEL_ERROR);
	return 0;
}

static void a_walk_rests_between_slices_until_nothing_is_due(void **state)
{
	struct history history = {0};

	(void)state;
	store.slices = 3;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(history_turn(&history, NULL), HISTORY_REST_MS);
		assert_int_equal(history_turn(&history, NULL), HISTORY_REST_MS); /* under way */
		turn(RC_OK);
	}
	assert_int_equal(history_turn(&history, NULL), HISTORY_EVERY_MS);
	assert_null(store.waiting);
	assert_int_equal(store.walks, 3);
	assert_int_equal(history_turn(&history, NULL), HISTORY_REST_MS);
	assert_non_null(store.waiting);
}

static void a_slice_that_fails_or_is_refused_is_tried_a_minute_later(void **state)
{
	struct history history = {0};

	(void)state;
	store.is_full = true;
	assert_int_equal(history_turn(&history, NULL), HISTORY_EVERY_MS);
	store.is_full = false;
	store.slices = 9;
	assert_int_equal(history_turn(&history, NULL), HISTORY_REST_MS);
	turn(RC_IO);
	assert_int_equal(history_turn(&history, NULL), HISTORY_EVERY_MS);
	assert_int_equal(history_turn(&history, NULL), HISTORY_REST_MS);
	turn(RC_OK);
	assert_int_equal(history_turn(&history, NULL), HISTORY_REST_MS);
	assert_non_null(store.waiting);
}

static void ages_of_a_reload_count_from_the_next_slice(void **state)
{
	struct history history = {0};
	struct config config = {.history = {.unenrollments_days = 3}};

	(void)state;
	history_set_keep(&history, &config);
	(void)history_turn(&history, NULL);
	config.history.unenrollments_days = 5;
	history_set_keep(&history, &config);
	turn(RC_OK);
	assert_int_equal(store.keep_s, 3 * DAY);
	assert_int_equal(history_turn(&history, NULL), HISTORY_REST_MS);
	turn(RC_OK);
	assert_int_equal(store.keep_s, 5 * DAY);
}

static void look_once(struct history *history, int64_t ahead_s)
{
	store.ahead_s = ahead_s;
	store.slices = 1;
	while (store.waiting == NULL)
		(void)history_turn(history, NULL);
	turn(RC_OK);
}

static void a_clock_that_is_far_ahead_is_told_of_once_and_until_it_is_not(void **state)
{
	struct history history = {0};

	(void)state;
	look_once(&history, 8 * DAY);
	look_once(&history, 8 * DAY);
	assert_int_equal(store.raised, 1);
	look_once(&history, 3 * DAY);
	assert_int_equal(store.cleared, 0);
	look_once(&history, 0);
	look_once(&history, 0);
	assert_int_equal(store.cleared, 1);
	look_once(&history, 7 * DAY);
	assert_int_equal(store.raised, 1);
	look_once(&history, 8 * DAY);
	assert_int_equal(store.raised, 2);
}

static void an_alarm_that_was_not_kept_is_raised_again(void **state)
{
	struct history history = {0};

	(void)state;
	store.ahead_s = 8 * DAY;
	(void)history_turn(&history, NULL);
	turn(RC_IO);
	look_once(&history, 8 * DAY);
	assert_int_equal(store.raised, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_walk_rests_between_slices_until_nothing_is_due, setup),
		cmocka_unit_test_setup(a_slice_that_fails_or_is_refused_is_tried_a_minute_later, setup),
		cmocka_unit_test_setup(ages_of_a_reload_count_from_the_next_slice, setup),
		cmocka_unit_test_setup(a_clock_that_is_far_ahead_is_told_of_once_and_until_it_is_not, setup),
		cmocka_unit_test_setup(an_alarm_that_was_not_kept_is_raised_again, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
