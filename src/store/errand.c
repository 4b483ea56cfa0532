/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "impl.h"
#include "pomona/base/file.h"

enum { SLICE_PAGES = 256 };

static bool is_stopping(const struct errands *errands)
{
	return atomic_load(&errands->is_stopping);
}

static enum rc tell_stopping(struct err *err)
{
	return err_set(err, RC_BUSY, "pomonad is stopping");
}

static enum rc copy_path(const struct store *store, char path[static BACKUP_PATH_BYTES],
	struct err *err)
{
	if (snprintf(path, BACKUP_PATH_BYTES, "%s.backup", store->path) < BACKUP_PATH_BYTES)
		return RC_OK;
	return err_set(err, RC_LIMIT, "%s: path too long", store->path);
}

/* --- the snapshot */

static enum rc open_snapshot(const struct store *store, struct db *db, struct err *err)
{
	int64_t objects;
	enum rc rc = db_open(db, store->path, SQLITE_OPEN_READONLY, err);

	if (rc == RC_OK)
		rc = db_script(db, "PRAGMA query_only = ON; PRAGMA cache_size = -2048", err);
	if (rc == RC_OK)
		rc = db_control(db, "BEGIN", err);
	if (rc == RC_OK) /* the first look fixes what it sees */
		rc = db_read_int(db, "SELECT count(*) FROM sqlite_schema", &objects, err);
	return rc;
}

static void close_snapshot(struct db *db)
{
	if (db->raw != NULL)
		db_end_read(db);
	db_close(db);
}

/* --- a copy */

/* A full disk would have every device turned away: a backup must not make one. */
static enum rc check_space(const char *path, uint64_t wanted, struct err *err)
{
	char copy[BACKUP_PATH_BYTES];
	struct statvfs space;
	uint64_t available;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	if (statvfs(dirname(copy), &space) != 0)
		return err_set_errno(err, errno, "%s", path);
	available = (uint64_t)space.f_bavail * space.f_frsize;
	if (available >= wanted + BACKUP_RESERVE_BYTES)
		return RC_OK;
	return err_set(err, RC_IO,
		"the copy needs %llu MiB beside the database and %d MiB must stay free, but there are %llu MiB: "
		"make room",
		(unsigned long long)(wanted >> 20), BACKUP_RESERVE_BYTES >> 20,
		(unsigned long long)(available >> 20));
}

static enum rc check_space_for(struct db *from, const char *path, struct err *err)
{
	int64_t pages = 0;
	int64_t page_bytes = 0;
	enum rc rc = db_read_int(from, "PRAGMA page_count", &pages, err);

	if (rc == RC_OK)
		rc = db_read_int(from, "PRAGMA page_size", &page_bytes, err);
	return rc == RC_OK ? check_space(path, (uint64_t)(pages * page_bytes), err) : rc;
}

static struct timespec monotonic_after_us(int64_t after_us)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += after_us / 1000000;
	until.tv_nsec += after_us % 1000000 * 1000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	return until;
}

/* As long as the slice took: the other half of the disk's time is the daemon's. */
static void rest(struct errands *errands, int64_t slice_us)
{
	const struct timespec until = monotonic_after_us(slice_us);

	(void)pthread_mutex_lock(&errands->mutex);
	if (!is_stopping(errands))
		(void)pthread_cond_clockwait(&errands->wake, &errands->mutex, CLOCK_MONOTONIC, &until);
	(void)pthread_mutex_unlock(&errands->mutex);
}

static enum rc copy_slices(struct store *store, sqlite3_backup *backup, struct db *to,
	const char *path, struct err *err)
{
	int step = SQLITE_OK;
	enum rc rc = RC_OK;

	while (rc == RC_OK && step == SQLITE_OK) {
		int64_t began_us = clock_monotonic_us(clock_system());

		if (is_stopping(&store->errands))
			return tell_stopping(err);
		rc = check_space(path, 0, err);
		if (rc != RC_OK)
			return rc;
		step = sqlite3_backup_step(backup, SLICE_PAGES);
		if (step == SQLITE_OK)
			rest(&store->errands, clock_monotonic_us(clock_system()) - began_us);
		else if (step != SQLITE_DONE)
			rc = db_fault(to, step, "backup", err);
	}
	return rc;
}

static enum rc copy_pages(struct store *store, struct db *from, const char *path, struct err *err)
{
	struct db to = {0};
	sqlite3_backup *backup = NULL;
	enum rc rc = db_open(&to, path, SQLITE_OPEN_READWRITE, err);

	if (rc == RC_OK) /* nobody opens it before it is whole */
		rc = db_script(&to,
			"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -2048", err);
	if (rc == RC_OK)
		backup = sqlite3_backup_init(to.raw, "main", from->raw, "main");
	if (rc == RC_OK && backup == NULL)
		rc = db_fault(&to, sqlite3_extended_errcode(to.raw), "backup", err);
	if (backup != NULL) {
		rc = copy_slices(store, backup, &to, path, err);
		if (sqlite3_backup_finish(backup) != SQLITE_OK && rc == RC_OK)
			rc = db_fault(&to, sqlite3_extended_errcode(to.raw), "backup", err);
	}
	db_close(&to);
	return rc;
}

static enum rc open_copy(const char *path, struct store_errand *errand, struct err *err)
{
	struct stat status;

	errand->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (errand->fd < 0)
		return err_set_errno(err, errno, "%s", path);
	if (fstat(errand->fd, &status) == 0) {
		errand->bytes = (uint64_t)status.st_size;
		return RC_OK;
	}
	(void)close(errand->fd);
	errand->fd = -1;
	return err_set_errno(err, errno, "%s", path);
}

static enum rc copy_run(struct store *store, struct store_errand *errand, struct err *err)
{
	char path[BACKUP_PATH_BYTES];
	struct db from = {0};
	enum rc rc = copy_path(store, path, err);

	if (rc == RC_OK)
		rc = open_snapshot(store, &from, err);
	if (rc == RC_OK)
		rc = check_space_for(&from, path, err);
	if (rc == RC_OK) {
		(void)unlink(path); /* left over from a crash */
		rc = file_create(path, slice_of(NULL, 0), 0600, err);
	}
	if (rc == RC_OK) {
		rc = copy_pages(store, &from, path, err);
		if (rc == RC_OK)
			rc = open_copy(path, errand, err);
		(void)unlink(path);
	}
	close_snapshot(&from);
	return rc;
}

void errands_tidy(const struct store *store)
{
	char path[BACKUP_PATH_BYTES];

	if (copy_path(store, path, NULL) == RC_OK)
		(void)unlink(path);
}

/* --- a check */

enum { CHECK_LOOK_MS = 100 };

/* SQLite looks at nothing of ours while it walks a tree, but can be interrupted by another thread. */
struct watch {
	struct errands *errands;
	sqlite3 *db;
	int64_t ends_us; /* monotonic; 0: never */
	bool is_over;    /* guarded by the errands' mutex, as is the next */
	bool has_interrupted;
	pthread_t thread;
};

static bool is_late(const struct watch *watch)
{
	if (is_stopping(watch->errands))
		return true;
	return watch->ends_us != 0 && clock_monotonic_us(clock_system()) >= watch->ends_us;
}

/* To its end, and no longer than that. */
static int64_t look_after_us(const struct watch *watch)
{
	const int64_t left_us = watch->ends_us - clock_monotonic_us(clock_system());
	const int64_t look_us = (int64_t)CHECK_LOOK_MS * 1000;

	return watch->ends_us != 0 && left_us > 0 && left_us < look_us ? left_us : look_us;
}

/* Again and again: an interruption between two statements is lost. */
static void *watch_main(void *ctx)
{
	struct watch *watch = ctx;
	struct errands *errands = watch->errands;

	(void)pthread_mutex_lock(&errands->mutex);
	while (!watch->is_over) {
		struct timespec until = monotonic_after_us(look_after_us(watch));

		if (is_late(watch)) {
			watch->has_interrupted = true;
			sqlite3_interrupt(watch->db);
		}
		(void)pthread_cond_clockwait(&errands->wake, &errands->mutex, CLOCK_MONOTONIC, &until);
	}
	(void)pthread_mutex_unlock(&errands->mutex);
	return NULL;
}

/* True: it was interrupted, and what the check said is worth nothing. */
static bool stop_watch(struct watch *watch)
{
	(void)pthread_mutex_lock(&watch->errands->mutex);
	watch->is_over = true;
	(void)pthread_cond_signal(&watch->errands->wake);
	(void)pthread_mutex_unlock(&watch->errands->mutex);
	(void)pthread_join(watch->thread, NULL);
	return watch->has_interrupted;
}

static enum rc check_watched(struct store *store, struct db *db, int64_t limit_ms, struct err *err)
{
	struct watch watch = {.errands = &store->errands, .db = db->raw};
	enum rc rc;

	if (limit_ms != 0)
		watch.ends_us = clock_monotonic_us(clock_system()) + limit_ms * 1000;
	rc = thread_start(&watch.thread, "store-watch", watch_main, &watch, err);
	if (rc != RC_OK)
		return rc;
	rc = db_check(db, "PRAGMA quick_check(1)", err);
	if (!stop_watch(&watch))
		return rc;
	if (is_stopping(&store->errands))
		return tell_stopping(err);
	return err_set(err, RC_LIMIT,
		"no fault was found in %lld s, but that was not enough to read all of the database",
		(long long)(limit_ms / 1000));
}

static enum rc check_run(struct store *store, struct store_errand *errand, struct err *err)
{
	struct db db = {0};
	enum rc rc = open_snapshot(store, &db, err);

	if (rc == RC_OK)
		rc = check_watched(store, &db, errand->limit_ms, err);
	close_snapshot(&db);
	return rc;
}

/* --- the thread */

static void *errand_main(void *ctx)
{
	static enum rc (*const runs[])(struct store * store, struct store_errand * errand,
		struct err * err) = {
		[STORE_ERRAND_COPY] = copy_run,
		[STORE_ERRAND_CHECK] = check_run,
	};
	struct store *store = ctx;
	struct errands *errands = &store->errands;
	struct store_errand *errand = errands->current;
	struct err err = {.rc = RC_OK};
	enum rc rc = runs[errand->kind](store, errand, &err);

	(void)pthread_mutex_lock(&errands->mutex);
	errands->current = NULL; /* before `done`: who hears of it may begin another one */
	(void)pthread_mutex_unlock(&errands->mutex);
	errand->done(errand, rc, &err);
	return NULL;
}

enum rc store_errand_begin(struct store *store, struct store_errand *errand, struct err *err)
{
	struct errands *errands = &store->errands;
	enum rc rc = RC_OK;

	errand->fd = -1;
	errand->bytes = 0;
	(void)pthread_mutex_lock(&errands->mutex);
	if (is_stopping(errands))
		rc = tell_stopping(err);
	else if (errands->current != NULL)
		rc = err_set(err, RC_BUSY, "a backup or a check of the database is under way");
	if (rc == RC_OK && errands->has_thread)
		(void)pthread_join(errands->thread, NULL); /* it has ended, but for the end of its `done` */
	if (rc == RC_OK) {
		errands->current = errand;
		rc = thread_start(&errands->thread, "store-errand", errand_main, store, err);
		errands->has_thread = rc == RC_OK;
		if (rc != RC_OK)
			errands->current = NULL;
	}
	(void)pthread_mutex_unlock(&errands->mutex);
	return rc;
}

void errands_stop(struct store *store)
{
	struct errands *errands = &store->errands;
	bool has_thread;

	(void)pthread_mutex_lock(&errands->mutex);
	atomic_store(&errands->is_stopping, true);
	(void)pthread_cond_signal(&errands->wake);
	has_thread = errands->has_thread;
	errands->has_thread = false;
	(void)pthread_mutex_unlock(&errands->mutex);
	if (has_thread)
		(void)pthread_join(errands->thread, NULL);
}
