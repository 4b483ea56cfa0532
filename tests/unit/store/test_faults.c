/* SPDX-License-Identifier: Apache-2.0 */
/* The disk fails, or memory is short, at every point in turn: what was told RC_OK is there, nothing else is. */
#include "fixture.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "faultvfs.h"

/* Memory for SQLite that ends at the n-th request; 0: never. */
static atomic_long memory_countdown;

static bool is_memory_short(void)
{
	return atomic_load(&memory_countdown) > 0 && atomic_fetch_sub(&memory_countdown, 1) == 1;
}

/* Sizes are kept in front, as SQLite asks for them. */
static void *counted_malloc(int size)
{
	max_align_t *block = is_memory_short() ? NULL : malloc(sizeof(*block) + (size_t)size);

	if (block == NULL)
		return NULL;
	*(int *)block = size;
	return block + 1;
}

static void counted_free(void *ptr)
{
	free((max_align_t *)ptr - 1);
}

static void *counted_realloc(void *ptr, int size)
{
	max_align_t *block =
		is_memory_short() ? NULL : realloc((max_align_t *)ptr - 1, sizeof(*block) + (size_t)size);

	if (block == NULL)
		return NULL;
	*(int *)block = size;
	return block + 1;
}

static int counted_size(void *ptr)
{
	return *(int *)((max_align_t *)ptr - 1);
}

static int round_up(int size)
{
	return (size + 7) / 8 * 8;
}

static int nothing_init(void *ctx)
{
	(void)ctx;
	return SQLITE_OK;
}

static void nothing_fini(void *ctx)
{
	(void)ctx;
}

static int count_memory(void **state)
{
	static const sqlite3_mem_methods methods = {
		.xMalloc = counted_malloc,
		.xFree = counted_free,
		.xRealloc = counted_realloc,
		.xSize = counted_size,
		.xRoundup = round_up,
		.xInit = nothing_init,
		.xShutdown = nothing_fini,
	};

	(void)state;
	fixture_root_in_memory();
	/* The VFS has started SQLite before main(). */
	assert_int_equal(sqlite3_shutdown(), SQLITE_OK);
	assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &methods), SQLITE_OK);
	assert_int_equal(sqlite3_initialize(), SQLITE_OK);
	faultvfs_register();
	return 0;
}

static enum rc enroll_and_answer(void *ctx, struct txn *txn, struct err *err)
{
	static const struct queue_answer done = {.state = QUEUE_DONE,
		.status = S("Acknowledged"),
		.raw = S("raw")};
	struct queue_item item;
	int64_t id;
	enum rc rc = enroll_device(txn, ctx, 1, &id, err);

	if (rc == RC_OK)
		rc = send_command(txn, "one", COMMAND_PRIORITY_NORMAL, id, 0, err);
	if (rc == RC_OK)
		rc = queue_find(txn, id, S("one"), &item, err);
	if (rc == RC_OK)
		rc = queue_finish(txn, &item, &done, err);
	return rc == RC_OK ? escrow_put(txn, id, ESCROW_UNLOCK_TOKEN, S("secret"), err) : rc;
}

/* A server's life: it opens, changes something, stops. */
static enum rc live_once(struct fixture *f)
{
	struct err err = {.rc = RC_OK};
	enum rc rc = fixture_try_open(f, &err);

	if (rc == RC_OK)
		rc = store_start(f->store, &err);
	if (rc == RC_OK)
		rc = store_run(f->store, enroll_and_answer, (char[]){"UDID-1"}, &err);
	if (rc != RC_OK)
		assert_int_equal(rc, err.rc);
	store_close(&f->store);
	return rc;
}

/* After all faults are gone. */
static void assert_whole_or_nothing(struct fixture *f, enum rc told)
{
	int64_t by_state[QUEUE_STATE_END];
	struct enrollment enrollment;
	int64_t oldest;
	bool is_there;
	struct err err;

	fixture_open(f);
	is_there = enrollment_find(fixture_read(f), S("UDID-1"), &enrollment, &err) == RC_OK;
	assert_ok(queue_census(fixture_read(f), by_state, &oldest, &err), &err);
	assert_int_equal(by_state[QUEUE_DONE], is_there);
	assert_true(is_there || told != RC_OK);
	assert_int_equal(look(f, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
}

/* True: the fault has come. */
static bool try_disk_fault(enum faultvfs_op op, long nth, int sqlite_rc, bool is_lasting)
{
	void *state = NULL;
	struct fixture *f;
	bool has_failed;
	enum rc rc;

	(void)fixture_setup_closed(&state);
	f = state;
	faultvfs_fail(op, nth, sqlite_rc, is_lasting);
	rc = live_once(f);
	has_failed = faultvfs_has_failed(op);
	faultvfs_fail(op, 0, SQLITE_OK, false);
	if (rc != RC_OK)
		assert_int_equal(rc, RC_IO);
	assert_whole_or_nothing(f, rc);
	(void)fixture_teardown(&state);
	return has_failed;
}

static void test_a_disk_that_fails_at_any_write_or_sync_leaves_all_or_nothing(void **state)
{
	static const struct {
		enum faultvfs_op op;
		int sqlite_rc;
	} cases[] = {
		{FAULTVFS_WRITE, SQLITE_FULL},
		{FAULTVFS_WRITE, SQLITE_IOERR_WRITE},
		{FAULTVFS_SYNC, SQLITE_IOERR_FSYNC},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		for (int is_lasting = 0; is_lasting < 2; is_lasting++) {
			long nth = 1;

			while (try_disk_fault(cases[i].op, nth, cases[i].sqlite_rc, is_lasting != 0))
				nth++;
			assert_true(nth > 3);
		}
}

static bool try_short_memory(long nth)
{
	void *state = NULL;
	struct fixture *f;
	bool has_failed;
	enum rc rc;

	(void)fixture_setup_closed(&state);
	f = state;
	atomic_store(&memory_countdown, nth);
	rc = live_once(f);
	has_failed = atomic_load(&memory_countdown) <= 0;
	atomic_store(&memory_countdown, 0);
	if (rc != RC_OK && rc != RC_IO)
		assert_int_equal(rc, RC_NO_MEMORY);
	assert_whole_or_nothing(f, rc);
	(void)fixture_teardown(&state);
	return has_failed;
}

static void test_memory_that_ends_at_any_request_leaves_all_or_nothing(void **state)
{
	long nth = 1;

	(void)state;
	/* Every one where the store opens, then ever fewer: there are thousands, most of them alike. */
	while (try_short_memory(nth))
		nth += 1 + nth / 40;
	assert_true(nth > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_disk_that_fails_at_any_write_or_sync_leaves_all_or_nothing),
		cmocka_unit_test(test_memory_that_ends_at_any_request_leaves_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, count_memory, NULL);
}
