/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>

#include "world.h"

/* A send to many, through a real listener and a real store; slices and refusals are the test's. */

enum {
	DEVICES = 300,
	SLICE = 100, /* adds in a slice */
	SEND_BODY_BYTES = 32768,
};

static atomic_int adds;           /* in the slice under way */
static atomic_int submits;        /* of the request under way */
static atomic_int refused_submit; /* the submission that finds the queue full; 0: none */
static atomic_bool was_seen_early;

enum rc __real_store_submit(struct store *store, struct store_job *job, struct err *err);
enum rc __wrap_store_submit(struct store *store, struct store_job *job, struct err *err);
bool __wrap_txn_is_slice_over(const struct txn *txn);
enum rc __real_batch_add(struct txn *txn, int64_t batch_id, int64_t enrollment_id,
	bool *was_queued_r, struct err *err);
enum rc __wrap_batch_add(struct txn *txn, int64_t batch_id, int64_t enrollment_id,
	bool *was_queued_r, struct err *err);

enum rc __wrap_store_submit(struct store *store, struct store_job *job, struct err *err)
{
	const int number = atomic_fetch_add(&submits, 1) + 1;

	if (number > 1 && world_is_open(1))
		atomic_store(&was_seen_early, true);
	if (number == atomic_load(&refused_submit))
		return err_set(err, RC_BUSY, "the test's queue is full");
	atomic_store(&adds, 0);
	return __real_store_submit(store, job, err);
}

bool __wrap_txn_is_slice_over(const struct txn *txn)
{
	(void)txn;
	return atomic_load(&adds) >= SLICE;
}

enum rc __wrap_batch_add(struct txn *txn, int64_t batch_id, int64_t enrollment_id,
	bool *was_queued_r, struct err *err)
{
	atomic_fetch_add(&adds, 1);
	return __real_batch_add(txn, batch_id, enrollment_id, was_queued_r, err);
}

static int open_world(void **state)
{
	(void)state;
	atomic_store(&refused_submit, 0);
	atomic_store(&was_seen_early, false);
	world_open(DEVICES, NULL);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	world_close();
	return 0;
}

/* Posts `body`; the status. */
static int post(const char *body)
{
	atomic_store(&submits, 0);
	return world_call("POST", "/api/v1/commands", body);
}

static const char *body_to(int count)
{
	static char body[SEND_BODY_BYTES];
	size_t used = (size_t)snprintf(body, sizeof(body),
		"{\"uuid\": \"U\", \"command\": {\"RequestType\": \"ProfileList\"}, \"ids\": [");

	for (int i = 1; i <= count; i++)
		used += (size_t)snprintf(body + used, sizeof(body) - used, "%s\"D%d\"", i > 1 ? "," : "", i);
	(void)snprintf(body + used, sizeof(body) - used, "]}");
	return body;
}

static void a_small_send_is_one_job(void **state)
{
	(void)state;
	assert_int_equal(post(body_to(SEND_SMALL_IDS_MAX)), 200);
	assert_int_equal(atomic_load(&submits), 1);
	assert_true(world_is_open(SEND_SMALL_IDS_MAX));
	assert_false(world_is_open(SEND_SMALL_IDS_MAX + 1));
}

static void a_large_send_is_staged_and_seen_at_once(void **state)
{
	(void)state;
	assert_int_equal(post(body_to(DEVICES)), 200);
	assert_int_equal(atomic_load(&submits), DEVICES / SLICE);
	assert_false(atomic_load(&was_seen_early));
	assert_non_null(strstr(world.reply, "\"queued\":300,"));
	for (int id = 1; id <= DEVICES; id++)
		assert_true(world_is_open(id));
}

static void a_send_that_is_given_up_half_way_is_seen_by_nobody_until_it_is_repeated(void **state)
{
	(void)state;
	atomic_store(&refused_submit, 2);
	assert_int_equal(post(body_to(DEVICES)), 503);
	assert_non_null(strstr(world.reply, "Retry-After"));
	for (int id = 1; id <= DEVICES; id++)
		assert_false(world_is_open(id));
	atomic_store(&refused_submit, 0);
	assert_int_equal(post(body_to(DEVICES)), 200);
	assert_non_null(strstr(world.reply, "\"queued\":200,\"already_queued\":100,"));
	for (int id = 1; id <= DEVICES; id++)
		assert_true(world_is_open(id));
}

static void a_full_queue_is_told_before_anything_is_done(void **state)
{
	(void)state;
	atomic_store(&refused_submit, 1);
	assert_int_equal(post(body_to(1)), 503);
	assert_false(world_is_open(1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_small_send_is_one_job, open_world, close_world),
		cmocka_unit_test_setup_teardown(a_large_send_is_staged_and_seen_at_once, open_world, close_world),
		cmocka_unit_test_setup_teardown(
			a_send_that_is_given_up_half_way_is_seen_by_nobody_until_it_is_repeated, open_world,
			close_world),
		cmocka_unit_test_setup_teardown(a_full_queue_is_told_before_anything_is_done, open_world,
			close_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
