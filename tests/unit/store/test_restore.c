/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pomona/base/file.h"
#include "pomona/store/backup.h"

/* A restore on a disk that fails: at the call of rename() or fsync() that is told, counted from 1. */

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_fsync(int fd);
int __wrap_fsync(int fd);

enum { FILE_BYTES_MAX = 8 * 1024 * 1024, CALLS_MAX = 100 };

static int calls;
static int fails_from; /* 0: never */
static int fails_to;

static bool is_failing(void)
{
	calls++;
	return fails_from > 0 && calls >= fails_from && calls <= fails_to;
}

int __wrap_rename(const char *from, const char *to)
{
	if (!is_failing())
		return __real_rename(from, to);
	errno = EIO;
	return -1;
}

int __wrap_fsync(int fd)
{
	if (!is_failing())
		return __real_fsync(fd);
	errno = EIO;
	return -1;
}

static void fail_calls(int from, int to)
{
	calls = 0;
	fails_from = from;
	fails_to = to;
}

static bool is_same(const char *path, const char *other)
{
	struct buf bytes[2];
	bool is_read;
	bool is_equal;

	buf_init(&bytes[0], FILE_BYTES_MAX);
	buf_init(&bytes[1], FILE_BYTES_MAX);
	is_read = file_read(path, &bytes[0], NULL) == RC_OK && file_read(other, &bytes[1], NULL) == RC_OK;
	is_equal =
		is_read && bytes[0].len == bytes[1].len && memcmp(bytes[0].ptr, bytes[1].ptr, bytes[0].len) == 0;
	buf_fini(&bytes[0]);
	buf_fini(&bytes[1]);
	return is_equal;
}

static void copy(const char *from, const char *to)
{
	struct buf bytes;
	struct err err;

	buf_init(&bytes, FILE_BYTES_MAX);
	assert_ok(file_read(from, &bytes, &err), &err);
	assert_ok(file_replace(to, buf_slice(&bytes), 0600, &err), &err);
	buf_fini(&bytes);
}

struct scene {
	char backup[FIXTURE_PATH_BYTES]; /* a device less than the database */
	char former[FIXTURE_PATH_BYTES]; /* as the database is */
	char wal[FIXTURE_PATH_BYTES];
	char former_wal[FIXTURE_PATH_BYTES];
};

/* The database and its log anew, as a crash leaves them, and nothing else. */
static void lay(const struct fixture *f, const struct scene *scene)
{
	char path[FIXTURE_PATH_BYTES];
	glob_t found;

	fail_calls(0, 0);
	fixture_path(f, "pomona.db*", path);
	assert_int_equal(glob(path, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++)
		assert_int_equal(unlink(found.gl_pathv[i]), 0);
	globfree(&found);
	copy(scene->former, f->path);
	copy(scene->former_wal, scene->wal);
}

static void set_scene(struct fixture *f, struct scene *scene)
{
	struct err err;
	int64_t id;

	fixture_path(f, "backup", scene->backup);
	fixture_path(f, "former", scene->former);
	fixture_path(f, "former-log", scene->former_wal);
	fixture_path(f, "pomona.db-wal", scene->wal);
	assert_ok(enroll_device(fixture_write(f), "EARLY", 1, &id, &err), &err);
	fixture_close(f);
	copy(f->path, scene->backup);
	fixture_open(f);
	assert_ok(enroll_device(fixture_write(f), "LATER", 2, &id, &err), &err);
	fixture_close(f);
	copy(f->path, scene->former);
	assert_false(is_same(scene->former, scene->backup));
	assert_ok(file_replace(scene->former_wal, S("a log that a crash left"), 0600, &err), &err);
}

static struct store_restore restore_of(const struct fixture *f, const struct scene *scene)
{
	return (struct store_restore){.path = f->path, .from = scene->backup, .clock = &f->clock};
}

static void check_untouched(const struct fixture *f, const struct scene *scene,
	const struct store_restore *restore)
{
	assert_string_equal(restore->aside, "");
	assert_true(is_same(f->path, scene->former));
	assert_true(is_same(scene->wal, scene->former_wal));
	assert_int_equal(fixture_count_files(f, "pomona.db.before-*"), 0);
}

static void check_restored(const struct fixture *f, const struct scene *scene,
	const struct store_restore *restore)
{
	assert_true(restore->is_in_place);
	assert_true(is_same(f->path, scene->backup));
	assert_true(is_same(restore->aside, scene->former));
	assert_false(file_is_there(scene->wal));
}

static void where_the_disk_fails_once_nothing_is_restored_or_all_is_and_it_is_told(void **state)
{
	struct fixture *f = *state;
	struct scene scene;
	int untouched = 0;
	int in_place = 0;
	enum rc rc = RC_IO;

	set_scene(f, &scene);
	for (int at = 1; rc != RC_OK && at < CALLS_MAX; at++) {
		struct store_restore restore = restore_of(f, &scene);
		struct err err;

		lay(f, &scene);
		fail_calls(at, at);
		rc = store_restore(&restore, &err);
		fail_calls(0, 0);
		assert_int_equal(fixture_count_files(f, "pomona.db.restore"), 0);
		if (rc == RC_OK)
			check_restored(f, &scene, &restore);
		if (rc == RC_OK)
			break;
		assert_rc(rc, RC_IO, &err);
		if (restore.is_in_place) {
			in_place++;
			assert_non_null(strstr(err.text, "cannot be synced"));
			check_restored(f, &scene, &restore);
		} else {
			untouched++;
			check_untouched(f, &scene, &restore);
		}
	}
	assert_int_equal(rc, RC_OK);
	/* The copy's sync, three moves aside, their sync, the move into place; then its sync. */
	assert_int_equal(untouched, 6);
	assert_int_equal(in_place, 1);
}

static void where_the_disk_fails_for_good_the_former_database_is_named_and_can_be_moved_back(
	void **state)
{
	struct fixture *f = *state;
	struct scene scene;
	int named = 0;
	enum rc rc = RC_IO;

	set_scene(f, &scene);
	for (int at = 1; rc != RC_OK && at < CALLS_MAX; at++) {
		struct store_restore restore = restore_of(f, &scene);
		struct err err;

		lay(f, &scene);
		fail_calls(at, CALLS_MAX);
		rc = store_restore(&restore, &err);
		fail_calls(0, 0);
		if (rc == RC_OK || restore.is_in_place) {
			check_restored(f, &scene, &restore);
			continue;
		}
		assert_rc(rc, RC_IO, &err);
		if (restore.aside[0] == '\0') {
			check_untouched(f, &scene, &restore);
			continue;
		}
		named++;
		assert_false(file_is_there(f->path));
		assert_true(is_same(restore.aside, scene.former));
		assert_ok(store_restore(&restore, &err), &err); /* the same call goes on */
		assert_true(is_same(f->path, scene.backup));
	}
	assert_int_equal(rc, RC_OK);
	assert_int_equal(named, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			where_the_disk_fails_once_nothing_is_restored_or_all_is_and_it_is_told, fixture_setup,
			fixture_teardown),
		cmocka_unit_test_setup_teardown(
			where_the_disk_fails_for_good_the_former_database_is_named_and_can_be_moved_back, fixture_setup,
			fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
