/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "impl.h"
#include "pomona/base/file.h"
#include "schema.h"

enum { COPY_STEP_BYTES = 65536 };

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* --- checking a file */

/* The device CA's key is sealed in every database of ours. */
static enum rc check_keyring(struct txn *txn, struct err *err)
{
	enum rc rc = store_keys_check(txn, err);

	if (rc == RC_INVALID) {
		(void)err_context(err, "the master key is not this database's");
		err->rc = RC_DENIED;
		return RC_DENIED;
	}
	return rc == RC_NOT_FOUND ? err_set(err, RC_CORRUPT, "there is no device CA in it") : rc;
}

static enum rc read_bytes(struct db *db, struct store_file_facts *facts, struct err *err)
{
	int64_t pages = 0;
	int64_t page_bytes = 0;
	enum rc rc = db_read_int(db, "PRAGMA page_count", &pages, err);

	if (rc == RC_OK)
		rc = db_read_int(db, "PRAGMA page_size", &page_bytes, err);
	facts->bytes = pages * page_bytes;
	return rc;
}

static enum rc check_content(struct txn *txn, const char *path, struct store_file_facts *facts,
	struct err *err)
{
	enum rc rc = schema_check(&txn->db, path, &facts->schema_version, err);

	if (rc == RC_OK && facts->schema_version == 0)
		rc = err_set(err, RC_CORRUPT, "is no database of Pomona");
	if (rc == RC_OK)
		rc = db_check(&txn->db, "PRAGMA integrity_check(1)", err);
	if (rc == RC_OK)
		rc = read_bytes(&txn->db, facts, err);
	if (rc == RC_OK)
		rc =
			db_read_int(&txn->db, "SELECT count(*) FROM enrollment WHERE state = 2", &facts->devices, err);
	if (rc == RC_OK && txn->keys->now != NULL)
		rc = check_keyring(txn, err);
	return rc;
}

/*
 * Read-write, because a connection that only reads lays files beside the database and leaves them there. Nothing is
 * written but a log that `is_log_kept` does not keep: closing moves it into the database.
 */
static enum rc check_with(const char *path, bool is_log_kept, struct keyring *keyring,
	struct store_file_facts *facts_r, struct err *err)
{
	struct txn *txn = calloc(1, sizeof(*txn));
	struct keys keys;
	enum rc rc;

	*facts_r = (struct store_file_facts){0};
	if (txn == NULL)
		return err_set(err, RC_NO_MEMORY, "%s", path);
	keys_init(&keys, keyring);
	txn->keys = &keys;
	txn->clock = clock_system();
	rc = db_open(&txn->db, path, SQLITE_OPEN_READWRITE, err);
	if (rc == RC_OK && is_log_kept)
		(void)sqlite3_db_config(txn->db.raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (rc == RC_OK)
		rc = check_content(txn, path, facts_r, err);
	db_close(&txn->db);
	keys_fini(&keys);
	free(txn);
	return rc;
}

enum rc store_file_check(const char *path, struct keyring *keyring,
	struct store_file_facts *facts_r, struct err *err)
{
	struct stat status;
	enum rc rc;

	if (stat(path, &status) != 0)
		return err_set(err, RC_NOT_FOUND, "%s: no such file", path);
	rc = check_with(path, false, keyring, facts_r, err);
	/* SQLite takes the end of a page that is cut off for zeros. */
	if (rc == RC_OK && facts_r->bytes != (int64_t)status.st_size)
		rc = err_set(err, RC_CORRUPT, "it has %lld bytes instead of %lld", (long long)status.st_size,
			(long long)facts_r->bytes);
	return rc;
}

/* --- files beside the database */

static enum rc path_with(char path[static BACKUP_PATH_BYTES], const char *base, const char *end,
	struct err *err)
{
	if (snprintf(path, BACKUP_PATH_BYTES, "%s%s", base, end) < BACKUP_PATH_BYTES)
		return RC_OK;
	return err_set(err, RC_LIMIT, "%s: path too long", base);
}

static enum rc open_folder(const char *path, int *fd_r, struct err *err)
{
	char copy[BACKUP_PATH_BYTES];
	enum rc rc = path_with(copy, path, "", err);

	if (rc != RC_OK)
		return rc;
	*fd_r = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *fd_r >= 0 ? RC_OK : err_set_errno(err, errno, "%s: its folder", path);
}

/* Root restores, the service's user runs: what is made belongs to whom its folder belongs to. */
static enum rc give_to_owner(int fd, const char *path, struct err *err)
{
	AUTO(close_fd) int folder = -1;
	struct stat status;
	enum rc rc;

	if (geteuid() != 0)
		return RC_OK;
	rc = open_folder(path, &folder, err);
	if (rc == RC_OK && (fstat(folder, &status) != 0 || fchown(fd, status.st_uid, status.st_gid) != 0))
		rc = err_set_errno(err, errno, "%s: its owner", path);
	return rc;
}

static enum rc take_lock(const char *path, int *fd_r, struct err *err)
{
	enum rc rc = lock_take(path, fd_r, err);

	if (rc == RC_OK)
		rc = give_to_owner(*fd_r, path, err);
	return rc;
}

enum rc store_check_stopped(const char *path, struct keyring *keyring,
	struct store_file_facts *facts_r, struct err *err)
{
	AUTO(close_fd) int lock = -1;
	char log[BACKUP_PATH_BYTES];
	enum rc rc;

	*facts_r = (struct store_file_facts){0};
	if (!file_is_there(path))
		return err_set(err, RC_NOT_FOUND, "%s: there is no database", path);
	rc = path_with(log, path, "-wal", err);
	if (rc == RC_OK)
		rc = take_lock(path, &lock, err);
	return rc == RC_OK ? check_with(path, file_is_there(log), keyring, facts_r, err) : rc;
}

static enum rc copy_bytes(int from, int to, const char *path, struct err *err)
{
	uint8_t step[COPY_STEP_BYTES];
	ssize_t got;

	while ((got = read(from, step, sizeof(step))) > 0)
		for (ssize_t done = 0, put; done < got; done += put) {
			put = write(to, step + done, (size_t)(got - done));
			if (put < 0)
				return err_set_errno(err, errno, "%s: cannot be written", path);
		}
	if (got < 0)
		return err_set_errno(err, errno, "the backup cannot be read");
	if (fsync(to) != 0)
		return err_set_errno(err, errno, "%s: cannot be synced", path);
	return RC_OK;
}

static enum rc copy_file(const char *from_path, const char *path, struct err *err)
{
	AUTO(close_fd) int from = open(from_path, O_RDONLY | O_CLOEXEC);
	AUTO(close_fd) int to = -1;
	struct stat status;
	enum rc rc;

	if (from < 0 && errno == ENOENT)
		return err_set(err, RC_NOT_FOUND, "%s: no such file", from_path);
	if (from < 0)
		return err_set_errno(err, errno, "%s: cannot be opened", from_path);
	if (fstat(from, &status) != 0 || !S_ISREG(status.st_mode))
		return err_set(err, RC_INVALID, "%s: is no regular file", from_path);
	(void)unlink(path); /* left over from a crash */
	to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (to < 0)
		return err_set_errno(err, errno, "%s: cannot be made", path);
	rc = copy_bytes(from, to, path, err);
	return rc == RC_OK ? give_to_owner(to, path, err) : rc;
}

/* --- the exchange */

/* "pomona.db.before-20260102T030405Z", and a number behind where that is taken. */
static enum rc name_aside(struct store_restore *restore, struct err *err)
{
	enum { TRIES = 100 };
	const time_t now = (time_t)clock_unix_s(restore->clock);
	char stamp[32];
	char end[64];
	struct tm tm;

	if (gmtime_r(&now, &tm) == NULL)
		return err_set(err, RC_INTERNAL, "the clock");
	(void)strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	for (int i = 0; i < TRIES; i++) {
		enum rc rc;

		(void)snprintf(end, sizeof(end), i == 0 ? ".before-%s" : ".before-%s.%d", stamp, i);
		rc = path_with(restore->aside, restore->path, end, err);
		if (rc != RC_OK || !file_is_there(restore->aside))
			return rc;
	}
	return err_set(err, RC_EXISTS, "%s is there already", restore->aside);
}

static enum rc move(const char *from, const char *to, struct err *err)
{
	if (rename(from, to) == 0 || errno == ENOENT)
		return RC_OK;
	return err_set_errno(err, errno, "%s: cannot be moved", from);
}

static enum rc move_with(const char *from_base, const char *to_base, const char *end,
	struct err *err)
{
	char from[BACKUP_PATH_BYTES];
	char to[BACKUP_PATH_BYTES];
	enum rc rc = path_with(from, from_base, end, err);

	if (rc == RC_OK)
		rc = path_with(to, to_base, end, err);
	return rc == RC_OK ? move(from, to, err) : rc;
}

static const char *const ends[] = {"", "-wal", "-shm"};

/*
 * The database first: without it no daemon starts, and so none plays the former one's log, which may be left for a
 * moment, into the new one. A log that a crash left alone is moved like that of a database.
 */
static enum rc move_aside(const struct store_restore *restore, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < COUNT_OF(ends); i++)
		rc = move_with(restore->path, restore->aside, ends[i], err);
	return rc;
}

/* The database last: it is never there without its log. What had not been moved is passed over. */
static void move_back(const struct store_restore *restore, int folder)
{
	enum rc rc = RC_OK;

	for (size_t i = COUNT_OF(ends); rc == RC_OK && i > 0; i--)
		rc = move_with(restore->aside, restore->path, ends[i - 1], NULL);
	(void)fsync(folder); /* the disk has failed before, and that is told */
}

static enum rc put_in_place(const struct store_restore *restore, const char *copy, int folder,
	struct err *err)
{
	enum rc rc = move_aside(restore, err);

	if (rc == RC_OK && fsync(folder) != 0) /* the old log is gone before the new database is there */
		rc = err_set_errno(err, errno, "%s: its folder cannot be synced", restore->path);
	if (rc == RC_OK && rename(copy, restore->path) != 0)
		rc = err_set_errno(err, errno, "%s: cannot be put in place", restore->path);
	return rc;
}

static enum rc exchange(struct store_restore *restore, const char *copy, struct err *err)
{
	AUTO(close_fd) int folder = -1;
	enum rc rc = open_folder(restore->path, &folder, err);

	if (rc == RC_OK)
		rc = name_aside(restore, err);
	if (rc != RC_OK) {
		restore->aside[0] = '\0';
		return rc;
	}
	rc = put_in_place(restore, copy, folder, err);
	restore->is_in_place = rc == RC_OK;
	if (rc != RC_OK)
		move_back(restore, folder);
	else if (fsync(folder) != 0)
		rc = err_set_errno(err, errno, "%s: its folder cannot be synced", restore->path);
	if (!file_is_there(restore->aside)) /* moved back, or there was none */
		restore->aside[0] = '\0';
	return rc;
}

static enum rc restore_locked(struct store_restore *restore, struct err *err)
{
	char copy[BACKUP_PATH_BYTES];
	enum rc rc = path_with(copy, restore->path, ".restore", err);

	if (rc != RC_OK)
		return rc;
	rc = copy_file(restore->from, copy, err);
	if (rc == RC_OK) {
		rc = store_file_check(copy, restore->keyring, &restore->facts, err);
		if (rc != RC_OK)
			rc = err_context(err, "%s", restore->from);
	}
	if (rc == RC_OK)
		rc = exchange(restore, copy, err);
	if (rc != RC_OK)
		(void)unlink(copy);
	return rc;
}

enum rc store_restore(struct store_restore *restore, struct err *err)
{
	AUTO(close_fd) int lock = -1;
	enum rc rc = take_lock(restore->path, &lock, err);

	restore->aside[0] = '\0';
	restore->is_in_place = false;
	return rc == RC_OK ? restore_locked(restore, err) : rc;
}
