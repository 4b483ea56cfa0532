/* SPDX-License-Identifier: Apache-2.0 */
/* The disk fails, or memory is short, at every point in turn: what was told RC_OK is there, nothing else is. */
#include "fixture.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "faultvfs.h"
#include "pomona/base/file.h"
#include "txn.h"
#include "version_1.h"

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

static enum rc wake(struct txn *txn, int64_t id, struct err *err)
{
	const struct push_outcome outcome = {.enrollment_id = id,
		.pushed_seq = 1,
		.at = T0,
		.status = 410,
		.reason = "Unregistered",
		.is_dead = true,
		.token = S("token")};
	bool was_changed;
	enum rc rc = give_token(txn, id, "token", err);

	if (rc == RC_OK)
		rc = push_outcome_write(txn, &outcome, err);
	if (rc == RC_OK)
		rc = enrollment_set_inactive(txn, id, T0 + 1, &was_changed, err);
	return rc == RC_OK ? put_push_cert(txn, "topic", 1, S("certificate"), S("key"), err) : rc;
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
	if (rc == RC_OK)
		rc = wake(txn, id, err);
	return rc == RC_OK ? escrow_put(txn, id, ESCROW_UNLOCK_TOKEN, S("secret"), err) : rc;
}

/*
 * What a server's life begins with. Making or migrating a database is hundreds of writes and thousands of requests
 * that are much alike, so of those ever fewer are tried; of a life in a database that is there,
 * every write once, and as the first of those that fail ever after.
 */
enum beginning { BEGIN_EMPTY, BEGIN_READY, BEGIN_OLD, BEGINNINGS };
static struct {
	struct buf file; /* empty: there is none */
	int64_t done;    /* answered commands in it */
	long memory_thinning;
} beginnings[BEGINNINGS] = {
	[BEGIN_EMPTY] = {.memory_thinning = 16},
	[BEGIN_READY] = {.memory_thinning = 40},
	[BEGIN_OLD] = {.done = 1, .memory_thinning = 16},
};

static void keep_beginning(enum beginning beginning, void (*make)(struct fixture *f))
{
	void *state = NULL;
	struct fixture *f;
	struct err err;

	(void)fixture_setup_closed(&state);
	f = state;
	make(f);
	fixture_close(f);
	buf_init(&beginnings[beginning].file, (size_t)4 * 1024 * 1024);
	assert_ok(file_read(f->path, &beginnings[beginning].file, &err), &err);
	(void)fixture_teardown(&state);
}

static int make_beginnings(void **state)
{
	(void)count_memory(state);
	keep_beginning(BEGIN_READY, fixture_open);
	keep_beginning(BEGIN_OLD, version_1_make);
	return 0;
}

static int free_beginnings(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(beginnings); i++)
		buf_fini(&beginnings[i].file);
	return 0;
}

static struct fixture *begin(enum beginning beginning)
{
	const struct buf *file = &beginnings[beginning].file;
	void *state = NULL;
	struct fixture *f;
	struct err err;

	(void)fixture_setup_closed(&state);
	f = state;
	if (file->len > 0)
		assert_ok(file_create(f->path, buf_slice(file), 0600, &err), &err);
	return f;
}

/* A server's life: it opens, changes something, stops. */
static enum rc live_once(struct fixture *f)
{
	struct err err = {.rc = RC_OK};
	enum rc rc = fixture_try_open(f, &err);

	if (rc == RC_OK)
		rc = store_start(f->store, &err);
	if (rc == RC_OK)
		rc = store_run(f->store, enroll_and_answer, (char[]){"UDID-9"}, &err);
	if (rc != RC_OK)
		assert_int_equal(rc, err.rc);
	store_close(&f->store);
	return rc;
}

/* After all faults are gone. */
static void end(struct fixture *f, enum beginning beginning, enum rc told)
{
	int64_t by_state[QUEUE_STATE_END];
	struct enrollment enrollment;
	void *state = f;
	int64_t oldest;
	int64_t is_whole;
	bool is_there;
	struct err err;

	fixture_open(f);
	is_there = enrollment_find(fixture_read(f), S("UDID-9"), &enrollment, &err) == RC_OK;
	assert_ok(queue_census(fixture_read(f), by_state, &oldest, &err), &err);
	assert_int_equal(by_state[QUEUE_DONE], beginnings[beginning].done + is_there);
	assert_true(is_there || told != RC_OK);
	if (beginning == BEGIN_OLD)
		assert_ok(enrollment_find(fixture_read(f), S("UDID-1"), &enrollment, &err), &err);
	assert_ok(db_read_int(&fixture_read(f)->db,
												"SELECT integrity_check = 'ok' FROM pragma_integrity_check", &is_whole, &err),
		&err);
	assert_int_equal(is_whole, 1);
	(void)fixture_teardown(&state);
}

struct disk_fault {
	enum faultvfs_op op;
	int sqlite_rc;
	bool is_lasting;
	bool is_thinned; /* in a database that is there, too */
};

/* True: the fault has come. */
static bool try_disk_fault(enum beginning beginning, const struct disk_fault *fault, long nth)
{
	struct fixture *f = begin(beginning);
	bool has_failed;
	enum rc rc;

	faultvfs_fail(fault->op, nth, fault->sqlite_rc, fault->is_lasting);
	rc = live_once(f);
	has_failed = faultvfs_has_failed(fault->op);
	faultvfs_fail(fault->op, 0, SQLITE_OK, false);
	if (rc != RC_OK)
		assert_int_equal(rc, RC_IO);
	end(f, beginning, rc);
	return has_failed;
}

static void try_disk_faults(enum beginning beginning)
{
	static const struct disk_fault faults[] = {
		{FAULTVFS_WRITE, SQLITE_FULL, false, false},
		{FAULTVFS_WRITE, SQLITE_FULL, true, true},
		{FAULTVFS_WRITE, SQLITE_IOERR_WRITE, false, true},
		{FAULTVFS_WRITE, SQLITE_IOERR_WRITE, true, false},
		{FAULTVFS_SYNC, SQLITE_IOERR_FSYNC, false, false},
		{FAULTVFS_SYNC, SQLITE_IOERR_FSYNC, true, false},
	};

	for (size_t i = 0; i < COUNT_OF(faults); i++) {
		bool is_thinned = beginning != BEGIN_READY || faults[i].is_thinned;
		long nth = 1;

		while (try_disk_fault(beginning, &faults[i], nth))
			nth += 1 + (is_thinned ? (nth + (long)i * 5) / 16 : 0); /* others for each fault */
		assert_true(nth > 3);
	}
}

static void test_a_disk_that_fails_while_a_database_is_made_leaves_all_or_nothing(void **state)
{
	(void)state;
	try_disk_faults(BEGIN_EMPTY);
}

static void test_a_disk_that_fails_at_any_write_or_sync_leaves_all_or_nothing(void **state)
{
	(void)state;
	try_disk_faults(BEGIN_READY);
}

static void test_a_disk_that_fails_in_a_migration_leaves_the_old_or_the_new(void **state)
{
	(void)state;
	try_disk_faults(BEGIN_OLD);
}

static bool try_short_memory(enum beginning beginning, long nth)
{
	struct fixture *f = begin(beginning);
	bool has_failed;
	enum rc rc;

	atomic_store(&memory_countdown, nth);
	rc = live_once(f);
	has_failed = atomic_load(&memory_countdown) <= 0;
	atomic_store(&memory_countdown, 0);
	if (rc != RC_OK && rc != RC_IO)
		assert_int_equal(rc, RC_NO_MEMORY);
	end(f, beginning, rc);
	return has_failed;
}

static void test_memory_that_ends_at_any_request_leaves_all_or_nothing(void **state)
{
	(void)state;
	for (enum beginning i = 0; i < BEGINNINGS; i++) {
		long nth = 1;

		while (try_short_memory(i, nth))
			nth += 1 + nth / beginnings[i].memory_thinning;
		assert_true(nth > 500);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_disk_that_fails_while_a_database_is_made_leaves_all_or_nothing),
		cmocka_unit_test(test_a_disk_that_fails_in_a_migration_leaves_the_old_or_the_new),
		cmocka_unit_test(test_a_disk_that_fails_at_any_write_or_sync_leaves_all_or_nothing),
		cmocka_unit_test(test_memory_that_ends_at_any_request_leaves_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, make_beginnings, free_beginnings);
}
