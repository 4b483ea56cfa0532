/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A power cut, many times: a child process runs the store over the fault VFS and tells which writes were
 * acknowledged; it is killed, and what had been synced is opened as it lies in the shadow folder.
 */
#include "fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faultvfs.h"

enum {
	ROUNDS = 20,
	THREADS = 4,
	JOBS_IN_FLIGHT = 16, /* of each thread */
	ACKNOWLEDGED_MAX =
		6000, /* the kill comes at a random one up to here: some logs get full, most do not */
	BODY_BYTES = 3000,
};

/* What the child's jobs share. */
static struct {
	struct store *store;
	int pipe;
	int64_t enrollment_id;
	pthread_mutex_t mutex;
	int64_t next_id;
} child = {.mutex = PTHREAD_MUTEX_INITIALIZER};

struct write_job {
	struct store_job job; /* first */
	int64_t id;
	pthread_mutex_t *mutex; /* of its thread */
	pthread_cond_t *freed;
	bool is_busy;
};

static void child_fail(const char *what)
{
	(void)fprintf(stderr, "child: %s\n", what);
	_exit(3);
}

static void name_of(int64_t id, char out[static 32])
{
	(void)snprintf(out, 32, "command-%lld", (long long)id);
}

/* A result that can be told from all others. */
static struct slice body_of(int64_t id, char out[static BODY_BYTES])
{
	memset(out, 'a' + (int)(id % 26), BODY_BYTES);
	name_of(id, out);
	return slice_of(out, BODY_BYTES);
}

/* A command that is sent and answered in one transaction. */
static enum rc write_run(struct store_job *job, struct txn *txn, struct err *err)
{
	const struct write_job *self = (struct write_job *)job;
	char bytes[BODY_BYTES];
	char uuid[32];
	struct queue_answer answer = {.state = QUEUE_DONE, .status = S("Acknowledged")};
	struct queue_item item;
	enum rc rc;

	name_of(self->id, uuid);
	answer.raw = body_of(self->id, bytes);
	rc = send_command(txn, uuid, COMMAND_PRIORITY_NORMAL, child.enrollment_id, 0, err);
	if (rc == RC_OK)
		rc = queue_find(txn, child.enrollment_id, slice_of_str(uuid), &item, err);
	return rc == RC_OK ? queue_finish(txn, &item, &answer, err) : rc;
}

static void write_done(struct store_job *job, enum rc rc, const struct err *err)
{
	struct write_job *self = (struct write_job *)job;

	if (rc != RC_OK)
		child_fail(err->text);
	if (write(child.pipe, &self->id, sizeof(self->id)) != (ssize_t)sizeof(self->id))
		child_fail("pipe");
	(void)pthread_mutex_lock(self->mutex);
	self->is_busy = false;
	(void)pthread_cond_signal(self->freed);
	(void)pthread_mutex_unlock(self->mutex);
}

static int64_t take_id(void)
{
	int64_t id;

	(void)pthread_mutex_lock(&child.mutex);
	id = ++child.next_id;
	(void)pthread_mutex_unlock(&child.mutex);
	return id;
}

/* Keeps JOBS_IN_FLIGHT jobs with the writer, for ever. */
static void *submit_main(void *ctx)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t freed = PTHREAD_COND_INITIALIZER;
	struct write_job jobs[JOBS_IN_FLIGHT];
	struct err err;

	(void)ctx;
	for (size_t i = 0; i < JOBS_IN_FLIGHT; i++)
		jobs[i] = (struct write_job){.job = {.run = write_run, .done = write_done},
			.mutex = &mutex,
			.freed = &freed};
	for (size_t i = 0; child.store != NULL; i = (i + 1) % JOBS_IN_FLIGHT) {
		(void)pthread_mutex_lock(&mutex);
		while (jobs[i].is_busy)
			(void)pthread_cond_wait(&freed, &mutex);
		jobs[i].is_busy = true;
		jobs[i].id = take_id();
		(void)pthread_mutex_unlock(&mutex);
		if (store_submit(child.store, &jobs[i].job, &err) != RC_OK)
			child_fail(err.text);
	}
	return NULL;
}

static enum rc enroll_run(void *ctx, struct txn *txn, struct err *err)
{
	(void)ctx;
	return enroll_device(txn, "UDID", 1, &child.enrollment_id, err);
}

static void child_main(struct fixture *f, int pipe)
{
	struct store_params params = {.path = f->path,
		.keyring = f->keyring,
		.clock = clock_system(),
		.is_create = true};
	pthread_t threads[THREADS];
	struct err err;

	child.pipe = pipe;
	faultvfs_configure();
	if (store_open(&params, &child.store, &err) != RC_OK || store_start(child.store, &err) != RC_OK ||
		store_run(child.store, enroll_run, NULL, &err) != RC_OK)
		child_fail(err.text);
	for (size_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, submit_main, NULL) != 0)
			child_fail("thread");
	for (;;)
		(void)pause();
}

/* Reads acknowledged ids, kills at the `kill_at`-th, and reads what else had been told. The highest are last. */
static size_t read_until_killed(int fd, pid_t pid, size_t kill_at, int64_t **ids_r)
{
	int64_t *ids = NULL;
	size_t count = 0;
	size_t cap = 0;
	int64_t id;

	/* Each write to the pipe is whole: shorter than PIPE_BUF. */
	while (read(fd, &id, sizeof(id)) == (ssize_t)sizeof(id)) {
		if (count == cap) {
			cap = cap == 0 ? 1024 : cap * 2;
			ids = realloc(ids, cap * sizeof(*ids));
			assert_non_null(ids);
		}
		ids[count++] = id;
		if (count == kill_at)
			assert_int_equal(kill(pid, SIGKILL), 0);
	}
	assert_true(count >= kill_at); /* else the child failed by itself */
	*ids_r = ids;
	return count;
}

static bool is_there(struct txn *txn, int64_t enrollment_id, int64_t id)
{
	AUTO(buf_fini) struct buf raw = {0};
	char bytes[BODY_BYTES];
	char uuid[32];
	struct queue_item item;
	struct err err;

	name_of(id, uuid);
	buf_init(&raw, BODY_BYTES);
	return queue_find(txn, enrollment_id, slice_of_str(uuid), &item, &err) == RC_OK &&
		item.state == QUEUE_DONE &&
		queue_result(txn, enrollment_id, item.command_id, &raw, &err) == RC_OK &&
		slice_is_equal(buf_slice(&raw), body_of(id, bytes));
}

static size_t count_lost(struct fixture *f, const int64_t *ids, size_t count)
{
	struct enrollment enrollment = {.id = 0};
	struct txn *txn = fixture_read(f);
	size_t lost = 0;
	struct err err;

	if (enrollment_find(txn, S("UDID"), &enrollment, &err) != RC_OK)
		return count;
	for (size_t i = 0; i < count; i++)
		lost += !is_there(txn, enrollment.id, ids[i]);
	return lost;
}

static void assert_integrity(const char *path)
{
	sqlite3_stmt *stmt;
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(stmt, 0), "ok");
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* The number of acknowledged writes that are missing. */
static size_t crash_once(struct fixture *f, size_t kill_at, bool is_sync_off)
{
	char shadow[96];
	int64_t *ids = NULL;
	size_t count;
	size_t lost;
	int status;
	int fds[2];
	pid_t pid;

	(void)snprintf(shadow, sizeof(shadow), "%s/shadow", f->dir);
	assert_int_equal(mkdir(shadow, 0700), 0);
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(fds[0]);
		(void)setenv("POMONA_TEST_SHADOW_DIR", shadow, 1);
		(void)setenv("POMONA_TEST_SYNC_OFF", is_sync_off ? "1" : "0", 1);
		child_main(f, fds[1]);
	}
	(void)close(fds[1]);
	count = read_until_killed(fds[0], pid, kill_at, &ids);
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));

	(void)snprintf(f->path, sizeof(f->path), "%s/shadow/pomona.db", f->dir);
	fixture_open(f);
	lost = count_lost(f, ids, count);
	free(ids);
	fixture_close(f);
	assert_integrity(f->path);
	return lost;
}

/* xorshift64*: the same moments in every run. */
static size_t random_up_to(uint64_t *state, size_t max)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (size_t)((*state * 0x2545F4914F6CDD1Du) >> 33) % max + 1;
}

static size_t crash_in_new_folder(size_t kill_at, bool is_sync_off)
{
	void *state = NULL;
	size_t lost;

	(void)fixture_setup_closed(&state);
	lost = crash_once(state, kill_at, is_sync_off);
	(void)fixture_teardown(&state);
	return lost;
}

static void test_no_acknowledged_write_is_lost_in_a_power_cut(void **state)
{
	uint64_t seed = 20260101;

	(void)state;
	for (int i = 0; i < ROUNDS; i++) {
		size_t kill_at = random_up_to(&seed, ACKNOWLEDGED_MAX);
		size_t lost = crash_in_new_folder(kill_at, false);

		if (lost != 0)
			fail_msg("round %d, killed at %zu: %zu acknowledged writes are missing", i, kill_at, lost);
	}
}

static void test_the_same_with_synchronous_off_is_seen_to_lose(void **state)
{
	(void)state;
	assert_int_not_equal(crash_in_new_folder(100, true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_acknowledged_write_is_lost_in_a_power_cut),
		cmocka_unit_test(test_the_same_with_synchronous_off_is_seen_to_lose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
