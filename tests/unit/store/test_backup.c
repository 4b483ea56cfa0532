/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "pomona/base/file.h"
#include "pomona/store/backup.h"

enum { DEVICES = 20, COMMANDS = 400, PAGE_BYTES = 4096 };

/* What the disk is said to have free; negative: as it is. */
static int64_t free_bytes = -1;

/* In the place of libc's, for the store too. */
int statvfs(const char *restrict path, struct statvfs *restrict space)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY);
	int rc = fd < 0 ? -1 : fstatvfs(fd, space);

	if (fd >= 0)
		(void)close(fd);
	if (rc == 0 && free_bytes >= 0) {
		space->f_frsize = 1;
		space->f_bavail = (fsblkcnt_t)free_bytes;
	}
	return rc;
}

/* Waits for the one errand that a test began. */
struct waiting {
	struct store_errand errand;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool is_done;
	enum rc rc;
	struct err err;
};

static void errand_done(struct store_errand *errand, enum rc rc, const struct err *err)
{
	struct waiting *waiting = (struct waiting *)errand;

	(void)pthread_mutex_lock(&waiting->mutex);
	waiting->rc = rc;
	waiting->err = *err;
	waiting->is_done = true;
	(void)pthread_cond_signal(&waiting->cond);
	(void)pthread_mutex_unlock(&waiting->mutex);
}

static void begin_limited(struct fixture *f, struct waiting *waiting, enum store_errand_kind kind,
	int64_t limit_ms)
{
	struct err err;

	*waiting = (struct waiting){.errand = {.kind = kind, .done = errand_done, .limit_ms = limit_ms},
		.mutex = PTHREAD_MUTEX_INITIALIZER,
		.cond = PTHREAD_COND_INITIALIZER};
	assert_ok(store_errand_begin(f->store, &waiting->errand, &err), &err);
}

static void begin(struct fixture *f, struct waiting *waiting, enum store_errand_kind kind)
{
	begin_limited(f, waiting, kind, 0);
}

static enum rc finish(struct waiting *waiting)
{
	(void)pthread_mutex_lock(&waiting->mutex);
	while (!waiting->is_done)
		(void)pthread_cond_wait(&waiting->cond, &waiting->mutex);
	(void)pthread_mutex_unlock(&waiting->mutex);
	return waiting->rc;
}

/* The errand's copy under a name. */
static void keep_copy(struct waiting *waiting, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	char step[65536];
	uint64_t total = 0;
	ssize_t got;

	assert_true(fd >= 0);
	while ((got = read(waiting->errand.fd, step, sizeof(step))) > 0) {
		assert_int_equal(write(fd, step, (size_t)got), got);
		total += (uint64_t)got;
	}
	assert_int_equal(total, waiting->errand.bytes);
	assert_int_equal(close(fd), 0);
	assert_int_equal(close(waiting->errand.fd), 0);
}

static void take_backup(struct fixture *f, const char *path)
{
	struct waiting waiting;

	begin(f, &waiting, STORE_ERRAND_COPY);
	assert_ok(finish(&waiting), &waiting.err);
	keep_copy(&waiting, path);
}

static enum rc fill(void *ctx, struct txn *txn, struct err *err)
{
	enum rc rc = vault_put(txn, "device_ca.key", S("a key"), err);

	(void)ctx;
	for (uint8_t i = 0; rc == RC_OK && i < DEVICES; i++) {
		char name[32];
		int64_t id;

		(void)snprintf(name, sizeof(name), "UDID-%u", i);
		rc = enroll_device(txn, name, (uint8_t)(i + 1), &id, err);
	}
	return rc;
}

/* The fixture's store, filled and with its threads. */
static void start_filled(struct fixture *f)
{
	struct err err;

	assert_ok(store_start(f->store, &err), &err);
	assert_ok(store_run(f->store, fill, NULL, &err), &err);
}

/* Each job sends two commands: a snapshot has both or none. */
struct traffic {
	struct fixture *f;
	atomic_bool is_over;
	atomic_int jobs;
	pthread_t thread;
};

static enum rc send_pair(void *ctx, struct txn *txn, struct err *err)
{
	struct traffic *traffic = ctx;
	const int number = atomic_load(&traffic->jobs);
	enum rc rc = RC_OK;

	for (int half = 0; rc == RC_OK && half < 2; half++) {
		char uuid[48];

		(void)snprintf(uuid, sizeof(uuid), "pair-%d-%d", number, half);
		rc = send_command(txn, uuid, 0, 1 + number % DEVICES, 0, err);
	}
	return rc;
}

static void *make_traffic(void *ctx)
{
	struct traffic *traffic = ctx;

	while (!atomic_load(&traffic->is_over)) {
		struct err err;

		if (store_run(traffic->f->store, send_pair, traffic, &err) != RC_OK)
			break;
		(void)atomic_fetch_add(&traffic->jobs, 1);
	}
	return NULL;
}

static void traffic_start(struct traffic *traffic, struct fixture *f, int jobs)
{
	*traffic = (struct traffic){.f = f};
	assert_int_equal(pthread_create(&traffic->thread, NULL, make_traffic, traffic), 0);
	while (atomic_load(&traffic->jobs) < jobs)
		(void)usleep(1000);
}

static void traffic_stop(struct traffic *traffic)
{
	atomic_store(&traffic->is_over, true);
	(void)pthread_join(traffic->thread, NULL);
}

static void a_backup_under_load_is_one_snapshot_that_holds_all_before_it(void **state)
{
	struct fixture *f = *state;
	struct store_file_facts facts;
	struct traffic traffic;
	char path[FIXTURE_PATH_BYTES];
	struct fixture copy;
	struct err err;
	int before;

	start_filled(f);
	traffic_start(&traffic, f, COMMANDS);
	before = atomic_load(&traffic.jobs);
	fixture_path(f, "copy", path);
	take_backup(f, path);
	traffic_stop(&traffic);
	assert_ok(store_file_check(path, f->keyring, &facts, &err), &err);
	assert_int_equal(facts.schema_version, STORE_SCHEMA_VERSION);
	assert_int_equal(facts.devices, DEVICES);
	copy = *f;
	(void)snprintf(copy.path, sizeof(copy.path), "%.95s", path);
	assert_int_equal(look(&copy, "SELECT count(*) FROM command WHERE uuid LIKE 'pair-%-0'"),
		look(&copy, "SELECT count(*) FROM command WHERE uuid LIKE 'pair-%-1'"));
	assert_true(look(&copy, "SELECT count(*) FROM command") >= (int64_t)2 * before);
	assert_int_equal(look(&copy, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}

static void a_copy_leaves_no_name_behind_and_is_for_its_owner_alone(void **state)
{
	struct fixture *f = *state;
	struct waiting waiting;
	struct stat status;

	start_filled(f);
	begin(f, &waiting, STORE_ERRAND_COPY);
	assert_ok(finish(&waiting), &waiting.err);
	assert_int_equal(fixture_count_files(f, "pomona.db.backup*"), 0);
	assert_int_equal(fstat(waiting.errand.fd, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(status.st_nlink, 0);
	assert_int_equal(close(waiting.errand.fd), 0);
}

static void a_copy_that_would_fill_the_disk_is_refused(void **state)
{
	struct fixture *f = *state;
	struct waiting waiting;
	int64_t need;

	start_filled(f);
	need = look(f, "PRAGMA page_count") * PAGE_BYTES + BACKUP_RESERVE_BYTES;
	free_bytes = need - 1;
	begin(f, &waiting, STORE_ERRAND_COPY);
	assert_rc(finish(&waiting), RC_IO, &waiting.err);
	assert_non_null(strstr(waiting.err.text, "make room"));
	assert_int_equal(fixture_count_files(f, "pomona.db.backup*"), 0);
	free_bytes = need;
	begin(f, &waiting, STORE_ERRAND_COPY);
	assert_ok(finish(&waiting), &waiting.err);
	assert_int_equal(close(waiting.errand.fd), 0);
	free_bytes = -1;
}

static void what_a_crash_left_of_a_copy_is_deleted_at_the_start(void **state)
{
	struct fixture *f = *state;
	char path[FIXTURE_PATH_BYTES];
	struct err err;

	fixture_close(f);
	fixture_path(f, "pomona.db.backup", path);
	assert_ok(file_create(path, S("half"), 0600, &err), &err);
	fixture_open(f);
	assert_false(file_is_there(path));
}

static void a_second_errand_waits_for_nobody_and_a_stop_ends_the_first(void **state)
{
	struct fixture *f = *state;
	struct waiting first, second;
	struct err err;

	start_filled(f);
	fixture_close(f); /* so large that its copy takes many slices */
	tamper(f, "CREATE TABLE ballast AS SELECT zeroblob(200000000) AS bytes");
	fixture_open(f);
	begin(f, &first, STORE_ERRAND_COPY);
	second = (struct waiting){.errand = {.kind = STORE_ERRAND_CHECK, .done = errand_done}};
	assert_rc(store_errand_begin(f->store, &second.errand, &err), RC_BUSY, &err);
	store_stop(f->store);
	assert_rc(finish(&first), RC_BUSY, &first.err);
	assert_non_null(strstr(first.err.text, "stopping"));
	assert_int_equal(first.errand.fd, -1);
	assert_int_equal(fixture_count_files(f, "pomona.db.backup*"), 0);
	assert_rc(store_errand_begin(f->store, &second.errand, &err), RC_BUSY, &err);
}

/* Overwrites one page in the middle of a file. */
static void damage(const char *path)
{
	uint8_t junk[PAGE_BYTES];
	struct stat status;
	int fd = open(path, O_WRONLY);

	memset(junk, 0xa5, sizeof(junk));
	assert_int_equal(fstat(fd, &status), 0);
	for (off_t page = 3; page < 12; page++)
		assert_int_equal(pwrite(fd, junk, sizeof(junk), page * PAGE_BYTES), PAGE_BYTES);
	assert_int_equal(close(fd), 0);
}

/* Of a chain of pages that no table of ours uses: the store still opens. */
static void damage_end(const char *path)
{
	static const uint8_t junk[4] = {0x7f, 0xff, 0xff, 0xff}; /* the next page of the chain */
	struct stat status;
	int fd = open(path, O_WRONLY);

	assert_int_equal(fstat(fd, &status), 0);
	assert_int_equal(pwrite(fd, junk, sizeof(junk), status.st_size - 4 * PAGE_BYTES), sizeof(junk));
	assert_int_equal(close(fd), 0);
}

/* A thousand times as much to read as the time allows; and one chain of pages, which SQLite checks in one step. */
static void a_check_ends_in_its_time(void **state)
{
	struct fixture *f = *state;
	struct waiting waiting;

	start_filled(f);
	fixture_close(f);
	tamper(f, "CREATE TABLE ballast AS SELECT zeroblob(100000000) AS bytes");
	fixture_open(f);
	begin_limited(f, &waiting, STORE_ERRAND_CHECK, 1);
	assert_rc(finish(&waiting), RC_LIMIT, &waiting.err);
	assert_non_null(strstr(waiting.err.text, "no fault was found"));
	begin_limited(f, &waiting, STORE_ERRAND_CHECK, BACKUP_CHECK_MS);
	assert_ok(finish(&waiting), &waiting.err);
}

static void a_stop_ends_a_check(void **state)
{
	struct fixture *f = *state;
	struct waiting waiting;

	start_filled(f);
	fixture_close(f);
	tamper(f, "CREATE TABLE ballast AS SELECT zeroblob(100000000) AS bytes");
	fixture_open(f);
	begin(f, &waiting, STORE_ERRAND_CHECK);
	store_stop(f->store);
	assert_rc(finish(&waiting), RC_BUSY, &waiting.err);
}

static void a_check_says_whether_the_database_is_intact(void **state)
{
	struct fixture *f = *state;
	struct waiting waiting;

	start_filled(f);
	begin(f, &waiting, STORE_ERRAND_CHECK);
	assert_ok(finish(&waiting), &waiting.err);
	fixture_close(f);
	tamper(f, "CREATE TABLE ballast AS SELECT zeroblob(200000) AS bytes");
	damage_end(f->path);
	fixture_open(f);
	begin(f, &waiting, STORE_ERRAND_CHECK);
	assert_rc(finish(&waiting), RC_CORRUPT, &waiting.err);
	assert_non_null(strstr(waiting.err.text, "damaged"));
}

static struct store_restore restore_of(const struct fixture *f, const char *from)
{
	return (
		struct store_restore){.path = f->path, .from = from, .keyring = f->keyring, .clock = &f->clock};
}

static void a_restored_database_serves_what_the_backup_held_and_the_former_lies_aside(void **state)
{
	struct fixture *f = *state;
	struct store_restore restore;
	struct enrollment enrollment;
	struct stat status;
	char path[FIXTURE_PATH_BYTES];
	struct err err;
	int64_t id;

	start_filled(f);
	fixture_path(f, "copy", path);
	take_backup(f, path);
	assert_int_equal(chmod(path, 0644), 0);
	fixture_close(f);
	fixture_open(f);
	assert_ok(enroll_device(fixture_write(f), "LATER", 99, &id, &err), &err);
	fixture_close(f);

	restore = restore_of(f, path);
	assert_ok(store_restore(&restore, &err), &err);
	assert_int_equal(restore.facts.devices, DEVICES);
	assert_int_equal(stat(f->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(fixture_count_files(f, "*.restore*"), 0);
	assert_true(file_is_there(restore.aside));
	fixture_open(f);
	assert_ok(enrollment_find(fixture_read(f), S("UDID-3"), &enrollment, &err), &err);
	assert_rc(enrollment_find(fixture_read(f), S("LATER"), &enrollment, &err), RC_NOT_FOUND, &err);
	fixture_close(f);
	(void)snprintf(f->path, sizeof(f->path), "%.95s", restore.aside);
	fixture_open(f);
	assert_ok(enrollment_find(fixture_read(f), S("LATER"), &enrollment, &err), &err);
}

/* A former database that crashed has its last commits in its log, and these must not get into the new one. */
static void the_log_of_the_former_database_goes_aside_with_it(void **state)
{
	struct fixture *f = *state;
	struct store_restore restore;
	char path[FIXTURE_PATH_BYTES];
	char wal[FIXTURE_PATH_BYTES];
	struct err err;

	start_filled(f);
	fixture_path(f, "copy", path);
	take_backup(f, path);
	fixture_close(f);
	fixture_path(f, "pomona.db-wal", wal);
	assert_ok(file_replace(wal, S("a log that a crash left"), 0600, &err), &err);
	restore = restore_of(f, path);
	assert_ok(store_restore(&restore, &err), &err);
	assert_false(file_is_there(wal));
	assert_int_equal(fixture_count_files(f, "pomona.db.before-*-wal"), 1);
	assert_int_equal(fixture_count_files(f, "pomona.db.before-*"), 2);
	/* Interrupted between the two moves: the same call goes on. */
	assert_int_equal(unlink(f->path), 0);
	assert_ok(file_replace(wal, S("a log that a crash left"), 0600, &err), &err);
	restore = restore_of(f, path);
	assert_ok(store_restore(&restore, &err), &err);
	assert_string_equal(restore.aside, "");
	assert_false(file_is_there(wal));
	fixture_open(f);
}

static void assert_refused(struct fixture *f, const char *from, struct keyring *keyring,
	enum rc want, const char *text)
{
	struct store_restore restore = restore_of(f, from);
	struct err err;

	restore.keyring = keyring;
	assert_rc(store_restore(&restore, &err), want, &err);
	if (strstr(err.text, text) == NULL)
		fail_msg("no \"%s\" in \"%s\"", text, err.text);
	assert_int_equal(fixture_count_files(f, "*.restore*"), 0);
	assert_int_equal(fixture_count_files(f, "*.before-*"), 0);
}

static void what_is_no_sound_backup_is_refused_and_nothing_changes(void **state)
{
	static const uint8_t other_key[SEAL_KEY_BYTES] = {9};
	AUTO(keyring_free) struct keyring *same_id = keyring_of_key(7, other_key);
	AUTO(keyring_free) struct keyring *other_id = keyring_of_key(8, other_key);
	struct fixture *f = *state;
	struct stat status;
	char path[FIXTURE_PATH_BYTES];
	char bad[FIXTURE_PATH_BYTES];
	struct err err;

	start_filled(f);
	fixture_path(f, "copy", path);
	fixture_path(f, "bad", bad);
	take_backup(f, path);
	assert_refused(f, path, f->keyring, RC_BUSY, "uses this database");
	fixture_close(f);

	assert_refused(f, path, same_id, RC_DENIED, "master key");
	assert_refused(f, path, other_id, RC_DENIED, "master key");
	assert_refused(f, bad, f->keyring, RC_NOT_FOUND, "no such file");
	assert_refused(f, f->dir, f->keyring, RC_INVALID, "regular file");
	assert_ok(file_replace(bad, S("this is a text and no database at all"), 0600, &err), &err);
	assert_refused(f, bad, f->keyring, RC_CORRUPT, "bad");
	assert_ok(file_replace(bad, slice_of(NULL, 0), 0600, &err), &err);
	assert_refused(f, bad, f->keyring, RC_CORRUPT, "no database of Pomona");

	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(truncate(path, status.st_size - 1), 0);
	assert_refused(f, path, f->keyring, RC_CORRUPT, "copy");
	assert_int_equal(truncate(path, status.st_size - PAGE_BYTES), 0);
	assert_refused(f, path, f->keyring, RC_CORRUPT, "copy");
	assert_int_equal(truncate(path, status.st_size / 2), 0);
	assert_refused(f, path, f->keyring, RC_CORRUPT, "copy");
	fixture_open(f); /* as it was */
	assert_int_equal(look(f, "SELECT count(*) FROM enrollment WHERE state = 2"), DEVICES);
}

static void a_damaged_or_newer_backup_is_refused(void **state)
{
	struct fixture *f = *state;
	struct fixture copy;
	char path[FIXTURE_PATH_BYTES];
	char sql[64];

	start_filled(f);
	fixture_path(f, "copy", path);
	take_backup(f, path);
	fixture_close(f);
	copy = *f;
	(void)snprintf(copy.path, sizeof(copy.path), "%.95s", path);
	tamper(&copy, "PRAGMA user_version = 77");
	assert_refused(f, path, f->keyring, RC_UNSUPPORTED, "schema 77");
	(void)snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", STORE_SCHEMA_VERSION);
	tamper(&copy, sql);
	damage(path);
	assert_refused(f, path, f->keyring, RC_CORRUPT, "copy");
}

static void a_stopped_database_is_checked_without_changing_it(void **state)
{
	struct fixture *f = *state;
	struct store_file_facts facts;
	struct err err;

	start_filled(f);
	assert_rc(store_check_stopped(f->path, f->keyring, &facts, &err), RC_BUSY, &err);
	fixture_close(f);
	assert_ok(store_check_stopped(f->path, f->keyring, &facts, &err), &err);
	assert_int_equal(facts.devices, DEVICES);
	assert_ok(store_check_stopped(f->path, NULL, &facts, &err), &err);
	assert_int_equal(fixture_count_files(f, "*"), 2); /* the database and its lock */
	damage(f->path);
	assert_rc(store_check_stopped(f->path, f->keyring, &facts, &err), RC_CORRUPT, &err);
}

/* As a crash leaves it: the last commits are in the log, and stay there for the daemon. */
static void a_log_that_a_crash_left_is_read_and_kept(void **state)
{
	struct fixture *f = *state;
	struct fixture crashed = *f;
	struct store_file_facts facts;
	char from[FIXTURE_PATH_BYTES];
	char to[FIXTURE_PATH_BYTES];
	struct buf bytes;
	struct err err;

	start_filled(f);
	(void)snprintf(crashed.path, sizeof(crashed.path), "%.80s/crashed.db", f->dir);
	for (int i = 0; i < 2; i++) {
		(void)snprintf(from, sizeof(from), "%s%s", f->path, i == 0 ? "" : "-wal");
		(void)snprintf(to, sizeof(to), "%s%s", crashed.path, i == 0 ? "" : "-wal");
		buf_init(&bytes, (size_t)64 * 1024 * 1024);
		assert_ok(file_read(from, &bytes, &err), &err);
		assert_true(i == 0 || bytes.len > 0);
		assert_ok(file_create(to, buf_slice(&bytes), 0600, &err), &err);
		buf_fini(&bytes);
	}
	assert_ok(store_check_stopped(crashed.path, f->keyring, &facts, &err), &err);
	assert_int_equal(facts.devices, DEVICES);
	assert_true(file_is_there(to));
	assert_int_equal(fixture_count_files(f, "crashed.db-shm"), 0);
	assert_int_equal(look(&crashed, "SELECT count(*) FROM enrollment WHERE state = 2"), DEVICES);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(a_backup_under_load_is_one_snapshot_that_holds_all_before_it),
		WITH_STORE(a_copy_leaves_no_name_behind_and_is_for_its_owner_alone),
		WITH_STORE(a_copy_that_would_fill_the_disk_is_refused),
		WITH_STORE(what_a_crash_left_of_a_copy_is_deleted_at_the_start),
		WITH_STORE(a_second_errand_waits_for_nobody_and_a_stop_ends_the_first),
		WITH_STORE(a_check_ends_in_its_time),
		WITH_STORE(a_stop_ends_a_check),
		WITH_STORE(a_check_says_whether_the_database_is_intact),
		WITH_STORE(a_restored_database_serves_what_the_backup_held_and_the_former_lies_aside),
		WITH_STORE(the_log_of_the_former_database_goes_aside_with_it),
		WITH_STORE(what_is_no_sound_backup_is_refused_and_nothing_changes),
		WITH_STORE(a_damaged_or_newer_backup_is_refused),
		WITH_STORE(a_log_that_a_crash_left_is_read_and_kept),
		WITH_STORE(a_stopped_database_is_checked_without_changing_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
