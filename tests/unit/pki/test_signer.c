/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>

#include "pace.h"
#include "pomona/base/compiler.h"
#include "pomona/pki/signer.h"

enum { QUEUE = 3, MANY = 100 };

static struct signer *signer;
static struct signer_job jobs[MANY];
static size_t order[MANY];
static size_t ran;
static sem_t begun, go_on;
static pthread_t who;

static void note(void *ctx)
{
	who = pthread_self();
	order[ran++] = (size_t)((struct signer_job *)ctx - jobs);
}

static void hold(void *ctx)
{
	(void)ctx;
	(void)sem_post(&begun);
	(void)sem_wait(&go_on);
}

static enum rc submit(size_t i, void (*run)(void *ctx))
{
	struct err err;

	jobs[i] = (struct signer_job){.run = run, .ctx = &jobs[i]};
	return signer_submit(signer, &jobs[i], &err);
}

static void start(size_t queue_max, unsigned percent)
{
	const struct signer_params params = {.queue_max = queue_max, .percent = percent};
	struct err err;

	ran = 0;
	assert_int_equal(signer_start(&params, &signer, &err), RC_OK);
}

static int setup(void **state)
{
	(void)state;
	return sem_init(&begun, 0, 0) != 0 || sem_init(&go_on, 0, 0) != 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)sem_post(&go_on); /* of a test that failed meanwhile */
	signer_free(&signer);
	return sem_destroy(&begun) != 0 || sem_destroy(&go_on) != 0;
}

static void jobs_are_run_in_their_order_on_a_thread_of_their_own(void **state)
{
	struct signer_stats stats;

	(void)state;
	start(MANY, 100);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(submit(i, note), RC_OK);
	signer_stop(signer);
	assert_int_equal(ran, MANY);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(order[i], i);
	assert_false(pthread_equal(who, pthread_self()));
	signer_stats(signer, &stats);
	assert_int_equal(stats.jobs_total, MANY);
	assert_int_equal(stats.jobs_waiting, 0);
	assert_int_equal(stats.jobs_refused, 0);
}

static void as_many_wait_as_may_and_one_more_is_refused(void **state)
{
	struct signer_stats stats;

	(void)state;
	start(QUEUE, 100);
	assert_int_equal(submit(0, hold), RC_OK);
	(void)sem_wait(&begun); /* it runs: from here on jobs wait */
	for (size_t i = 1; i <= QUEUE; i++)
		assert_int_equal(submit(i, note), RC_OK);
	assert_int_equal(submit(QUEUE + 1, note), RC_BUSY);
	assert_int_equal(submit(QUEUE + 2, note), RC_BUSY);
	signer_stats(signer, &stats);
	assert_int_equal(stats.jobs_waiting, QUEUE);
	assert_int_equal(stats.jobs_refused, 2);
	(void)sem_post(&go_on);
	signer_stop(signer);
	assert_int_equal(ran, QUEUE);
	assert_int_equal(submit(0, note), RC_BUSY);
}

/* Gives itself away again, as a request does that goes on to the writer. */
static void leave(void *ctx)
{
	*(struct signer_job *)ctx = (struct signer_job){.run = NULL};
	(void)sem_post(&begun);
}

static void a_job_is_its_owners_again_when_it_is_run(void **state)
{
	(void)state;
	start(QUEUE, 100);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(submit(0, leave), RC_OK);
		(void)sem_wait(&begun);
	}
}

static void spin(void *ctx)
{
	volatile uint64_t sum = 0;

	for (uint64_t i = 0; i < 5000000; i++)
		sum = sum + i;
	note(ctx);
}

static void what_waits_while_it_rests_is_run_by_a_stop(void **state)
{
	struct signer_stats stats;

	(void)state;
	start(QUEUE, 1);
	for (size_t i = 0; i < QUEUE; i++)
		assert_int_equal(submit(i, spin), RC_OK);
	signer_stop(signer);
	assert_int_equal(ran, QUEUE);
	signer_stats(signer, &stats);
	assert_true(stats.worked_us > 0);
}

static void rest_and_work_are_in_the_proportion_asked_for(void **state)
{
	static const struct {
		unsigned percent;
		int64_t worked_us, rest_us; /* of a thousand jobs that take so long each */
	} rows[] = {
		{100, 700, 0},
		{50, 700, 700000},
		{50, 30, 30000},
		{25, 700, 2100000},
		{10, 30, 270000},
		{1, 1, 99000},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct pace pace = {.owed_us = 0};
		int64_t rest_us = 0;

		for (int job = 0; job < 1000; job++) {
			const int64_t now_us = pace_rest_us(&pace, rows[i].worked_us, rows[i].percent);

			assert_true(now_us == 0 || now_us >= PACE_STEP_US);
			rest_us += now_us;
		}
		assert_int_equal(rest_us + pace.owed_us, rows[i].rest_us);
		assert_true(pace.owed_us < PACE_STEP_US);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(jobs_are_run_in_their_order_on_a_thread_of_their_own),
		TEST(as_many_wait_as_may_and_one_more_is_refused),
		TEST(a_job_is_its_owners_again_when_it_is_run),
		TEST(what_waits_while_it_rests_is_run_by_a_stop),
		cmocka_unit_test(rest_and_work_are_in_the_proportion_asked_for),
	};

	return cmocka_run_group_tests_name("signer", tests, NULL, NULL);
}
