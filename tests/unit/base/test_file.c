/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pomona/base/file.h"

/* System calls that fail, or do half of their work, when told to. */
static bool is_disk_full;
static bool is_write_slow;
static bool is_sync_broken;
static bool is_rename_broken;
static int syncs;
static struct stat renamed; /* what the latest renameat() found under the old name */

ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to);

ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
	static bool is_interrupted;

	if (is_disk_full) {
		errno = ENOSPC;
		return -1;
	}
	if (is_write_slow) {
		is_interrupted = !is_interrupted;
		errno = EINTR;
		return is_interrupted ? -1 : __real_write(fd, bytes, 1);
	}
	return __real_write(fd, bytes, len);
}

int __wrap_fsync(int fd)
{
	if (is_sync_broken) {
		errno = EIO;
		return -1;
	}
	syncs++;
	return __real_fsync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
	if (is_rename_broken) {
		errno = EIO;
		return -1;
	}
	return __real_rename(from, to);
}

int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to)
{
	if (fstatat(from_folder, from, &renamed, AT_SYMLINK_NOFOLLOW) != 0)
		return -1;
	if (is_rename_broken) {
		errno = EIO;
		return -1;
	}
	return __real_renameat(from_folder, from, to_folder, to);
}

static char folder[] = "/tmp/pomona-test-file-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static const char *path_of(const char *name)
{
	static char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int remove_folder(void **state)
{
	(void)state;
	(void)unlink(path_of("a"));
	(void)unlink(path_of("a.new"));
	(void)rmdir(path_of("dir"));
	return rmdir(folder);
}

static int remove_files(void **state)
{
	(void)state;
	(void)unlink(path_of("a"));
	(void)unlink(path_of("a.new"));
	is_disk_full = is_write_slow = is_sync_broken = is_rename_broken = false;
	return 0;
}

static void assert_content(const char *name, const char *text)
{
	AUTO(buf_fini) struct buf buf = {.bound = 100};

	assert_int_equal(file_read(path_of(name), &buf, NULL), RC_OK);
	assert_string_equal(buf_cstr(&buf), text);
}

static void a_file_is_made_once_with_its_mode_and_synced_with_its_folder(void **state)
{
	struct stat st;
	struct err err;

	(void)state;
	syncs = 0;
	assert_int_equal(file_create(path_of("a"), SLICE_LITERAL("one"), 0600, &err), RC_OK);
	assert_int_equal(syncs, 2);
	assert_content("a", "one");
	assert_int_equal(stat(path_of("a"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(file_create(path_of("a"), SLICE_LITERAL("two"), 0600, &err), RC_EXISTS);
	assert_content("a", "one");
	assert_true(file_is_there(path_of("a")));
	assert_false(file_is_there(path_of("b")));
}

static void a_file_is_replaced_as_a_whole(void **state)
{
	(void)state;
	assert_int_equal(file_replace(path_of("a"), SLICE_LITERAL("one"), 0600, NULL), RC_OK);
	assert_content("a", "one");
	syncs = 0;
	assert_int_equal(file_replace(path_of("a"), SLICE_LITERAL("two"), 0600, NULL), RC_OK);
	assert_true(syncs >= 2);
	assert_content("a", "two");
	assert_false(file_is_there(path_of("a.new")));
}

static void a_file_is_rewritten_with_its_mode_and_only_on_the_disk_told_done(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(file_rewrite(path_of("a"), SLICE_LITERAL("one"), NULL),
		RC_IO); /* there is none */
	assert_int_equal(file_create(path_of("a"), SLICE_LITERAL("one"), 0640, NULL), RC_OK);
	assert_int_equal(file_create(path_of("a.new"), SLICE_LITERAL("half"), 0600, NULL), RC_OK);
	syncs = 0;
	assert_int_equal(file_rewrite(path_of("a"), SLICE_LITERAL("two"), NULL), RC_OK);
	assert_int_equal(syncs, 2); /* the file, then its folder */
	assert_content("a", "two");
	assert_int_equal(stat(path_of("a"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	is_disk_full = true;
	assert_int_equal(file_rewrite(path_of("a"), SLICE_LITERAL("three"), NULL), RC_IO);
	is_disk_full = false;
	is_sync_broken = true;
	assert_int_equal(file_rewrite(path_of("a"), SLICE_LITERAL("three"), NULL), RC_IO);
	is_sync_broken = false;
	is_rename_broken = true;
	assert_int_equal(file_rewrite(path_of("a"), SLICE_LITERAL("three"), NULL), RC_IO);
	assert_content("a", "two");
	assert_false(file_is_there(path_of("a.new")));
}

enum { SERVER = 65534, ROOTS_OWN = 0 };

static void assert_owner(const char *name, uid_t owner, mode_t mode)
{
	struct stat st;

	assert_int_equal(lstat(path_of(name), &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_mode & 07777, mode);
	if (geteuid() == 0) {
		assert_int_equal(st.st_uid, owner);
		assert_int_equal(st.st_gid, owner);
	}
}

static void what_root_writes_is_of_who_owns_the_folder_before_it_has_its_name(void **state)
{
	(void)state;
	if (geteuid() == 0)
		assert_int_equal(chown(folder, SERVER, SERVER), 0);
	assert_int_equal(file_replace_for_folder(path_of("a"), SLICE_LITERAL("one"), 0600, NULL), RC_OK);
	assert_owner("a", SERVER, 0600);
	if (geteuid() == 0) /* else a crash in between leaves root's file */
		assert_int_equal(renamed.st_uid, SERVER);
	is_rename_broken = true;
	assert_int_equal(file_replace_for_folder(path_of("a"), SLICE_LITERAL("two"), 0600, NULL), RC_IO);
	is_rename_broken = false;
	is_disk_full = true;
	assert_int_equal(file_replace_for_folder(path_of("a"), SLICE_LITERAL("two"), 0600, NULL), RC_IO);
	assert_content("a", "one");
	assert_false(file_is_there(path_of("a.new")));
	assert_int_equal(chown(folder, geteuid(), getegid()), 0);
	assert_int_equal(file_replace_for_folder("/nowhere/a", SLICE_LITERAL("x"), 0600, NULL), RC_IO);
}

static void links_in_the_folder_lead_root_nowhere(void **state)
{
	char victim[PATH_MAX];

	(void)state;
	(void)snprintf(victim, sizeof(victim), "%s", path_of("victim"));
	assert_int_equal(file_create(victim, SLICE_LITERAL("root's"), 0640, NULL), RC_OK);
	assert_int_equal(symlink(victim, path_of("a")), 0);
	assert_int_equal(symlink(victim, path_of("a.new")), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(folder, SERVER, SERVER), 0);
	assert_int_equal(file_replace_for_folder(path_of("a"), SLICE_LITERAL("one"), 0600, NULL), RC_OK);
	assert_int_equal(chown(folder, geteuid(), getegid()), 0);
	assert_owner("a", SERVER, 0600);
	assert_owner("victim", ROOTS_OWN, 0640);
	assert_content("victim", "root's");
	assert_content("a", "one");
	assert_int_equal(unlink(victim), 0);
}

static void a_file_that_may_not_be_written_is_told_apart_from_a_disk_that_fails(void **state)
{
	enum { NOBODY = 65534 };
	const bool is_root = geteuid() == 0;
	struct err err;

	(void)state;
	assert_int_equal(file_create(path_of("a"), SLICE_LITERAL("one"), 0600, NULL), RC_OK);
	assert_int_equal(chmod(folder, 0555), 0);
	if (is_root) /* which may write everywhere */
		assert_int_equal(seteuid(NOBODY), 0);
	assert_int_equal(file_rewrite(path_of("a"), SLICE_LITERAL("two"), &err), RC_DENIED);
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(folder, 0700), 0);
	assert_non_null(strstr(err.text, "cannot be made: Permission denied"));
	assert_content("a", "one");
}

static void what_a_crash_left_beside_does_not_stop_the_next_one(void **state)
{
	(void)state;
	assert_int_equal(file_create(path_of("a.new"), SLICE_LITERAL("half"), 0600, NULL), RC_OK);
	assert_int_equal(file_replace(path_of("a"), SLICE_LITERAL("one"), 0600, NULL), RC_OK);
	assert_content("a", "one");
}

static void writes_that_stop_half_way_are_carried_on(void **state)
{
	(void)state;
	is_write_slow = true;
	assert_int_equal(file_create(path_of("a"), SLICE_LITERAL("slowly"), 0600, NULL), RC_OK);
	assert_content("a", "slowly");
}

static void a_full_disk_leaves_no_half_file_and_the_old_one_whole(void **state)
{
	struct err err;

	(void)state;
	is_disk_full = true;
	assert_int_equal(file_create(path_of("a"), SLICE_LITERAL("one"), 0600, &err), RC_IO);
	assert_false(file_is_there(path_of("a")));
	is_disk_full = false;
	assert_int_equal(file_create(path_of("a"), SLICE_LITERAL("one"), 0600, &err), RC_OK);
	is_disk_full = true;
	assert_int_equal(file_replace(path_of("a"), SLICE_LITERAL("two"), 0600, &err), RC_IO);
	assert_non_null(strstr(err.text, "No space left"));
	is_disk_full = false;
	assert_content("a", "one");
}

static void a_sync_or_rename_that_fails_is_told(void **state)
{
	(void)state;
	is_sync_broken = true;
	assert_int_equal(file_create(path_of("a"), SLICE_LITERAL("one"), 0600, NULL), RC_IO);
	is_sync_broken = false;
	assert_int_equal(file_replace(path_of("a"), SLICE_LITERAL("one"), 0600, NULL), RC_OK);
	is_rename_broken = true;
	assert_int_equal(file_replace(path_of("a"), SLICE_LITERAL("two"), 0600, NULL), RC_IO);
	assert_content("a", "one");
}

static void reading_stops_at_the_bound(void **state)
{
	(void)state;
	assert_int_equal(file_create(path_of("a"), SLICE_LITERAL("four"), 0600, NULL), RC_OK);
	for (size_t bound = 3; bound <= 4; bound++) {
		AUTO(buf_fini) struct buf buf = {.bound = bound};

		assert_int_equal(file_read(path_of("a"), &buf, NULL), bound == 3 ? RC_LIMIT : RC_OK);
	}
}

static void a_file_larger_than_one_read_is_read_whole(void **state)
{
	enum { BYTES = 100000 };
	AUTO(buf_fini) struct buf in = {.bound = BYTES};
	AUTO(buf_fini) struct buf out = {.bound = BYTES};

	(void)state;
	for (int i = 0; i < BYTES; i++)
		buf_append_byte(&in, (uint8_t)(i % 251));
	assert_int_equal(file_create(path_of("a"), buf_slice(&in), 0600, NULL), RC_OK);
	assert_int_equal(file_read(path_of("a"), &out, NULL), RC_OK);
	assert_true(slice_is_equal(buf_slice(&in), buf_slice(&out)));
}

static void what_is_not_there_or_no_file_is_told_apart(void **state)
{
	AUTO(buf_fini) struct buf buf = {.bound = 100};
	struct err err;

	(void)state;
	assert_int_equal(file_read(path_of("a"), &buf, &err), RC_NOT_FOUND);
	assert_int_equal(file_read(folder, &buf, &err), RC_IO);
	assert_int_equal(file_create(path_of("no/a"), SLICE_LITERAL("x"), 0600, &err), RC_IO);
}

static void a_path_too_long_is_refused(void **state)
{
	char path[PATH_MAX];

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[PATH_MAX - 4] = 0;
	assert_int_equal(file_replace(path, SLICE_LITERAL("x"), 0600, NULL), RC_LIMIT);
	assert_int_equal(file_open_folder(path_of("a/b")), -1); /* no folder */
}

static void a_folder_is_made_once_and_may_be_there(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(file_make_dir(path_of("dir"), 0700, NULL), RC_OK);
	assert_int_equal(file_make_dir(path_of("dir"), 0755, NULL), RC_OK);
	assert_int_equal(stat(path_of("dir"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(file_create(path_of("a"), SLICE_LITERAL("x"), 0600, NULL), RC_OK);
	assert_int_equal(file_make_dir(path_of("a"), 0700, NULL), RC_IO);
	assert_int_equal(file_make_dir(path_of("no/dir"), 0700, NULL), RC_IO);
}

static void a_mode_that_lets_others_at_a_file_is_refused_with_what_to_do(void **state)
{
	static const struct {
		mode_t mode, forbidden;
		const char *fault; /* NULL: none */
	} rows[] = {
		{0600, 0077, NULL},
		{0640, 0037, NULL},
		{0440, 0037, NULL},
		{0660, 0037, "mode 0660 lets others at it: `chmod 640 "},
		{0604, 0037, "mode 0604 lets others at it: `chmod 600 "},
		{0640, 0077, "mode 0640 lets others at it: `chmod 600 "},
	};
	struct err err;

	(void)state;
	assert_int_equal(file_create(path_of("a"), SLICE_LITERAL("key"), 0600, NULL), RC_OK);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		enum rc rc;

		assert_int_equal(chmod(path_of("a"), rows[i].mode), 0);
		rc = file_check_mode(path_of("a"), rows[i].forbidden, &err);
		assert_int_equal(rc, rows[i].fault == NULL ? RC_OK : RC_DENIED);
		if (rows[i].fault != NULL)
			assert_non_null(strstr(err.text, rows[i].fault));
	}
	assert_int_equal(file_check_mode(path_of("b"), 0077, &err), RC_NOT_FOUND);
	assert_non_null(strstr(err.text, "no such file"));
	assert_int_equal(file_check_mode(path_of("a/b"), 0077, &err), RC_IO);
	assert_non_null(strstr(err.text, "cannot be looked at"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_file_is_made_once_with_its_mode_and_synced_with_its_folder,
			remove_files),
		cmocka_unit_test_teardown(a_file_is_replaced_as_a_whole, remove_files),
		cmocka_unit_test_teardown(a_file_is_rewritten_with_its_mode_and_only_on_the_disk_told_done,
			remove_files),
		cmocka_unit_test_teardown(a_file_that_may_not_be_written_is_told_apart_from_a_disk_that_fails,
			remove_files),
		cmocka_unit_test_teardown(what_root_writes_is_of_who_owns_the_folder_before_it_has_its_name,
			remove_files),
		cmocka_unit_test_teardown(links_in_the_folder_lead_root_nowhere, remove_files),
		cmocka_unit_test_teardown(what_a_crash_left_beside_does_not_stop_the_next_one, remove_files),
		cmocka_unit_test_teardown(writes_that_stop_half_way_are_carried_on, remove_files),
		cmocka_unit_test_teardown(a_full_disk_leaves_no_half_file_and_the_old_one_whole, remove_files),
		cmocka_unit_test_teardown(a_sync_or_rename_that_fails_is_told, remove_files),
		cmocka_unit_test_teardown(reading_stops_at_the_bound, remove_files),
		cmocka_unit_test_teardown(a_file_larger_than_one_read_is_read_whole, remove_files),
		cmocka_unit_test_teardown(what_is_not_there_or_no_file_is_told_apart, remove_files),
		cmocka_unit_test_teardown(a_mode_that_lets_others_at_a_file_is_refused_with_what_to_do,
			remove_files),
		cmocka_unit_test(a_path_too_long_is_refused),
		cmocka_unit_test_teardown(a_folder_is_made_once_and_may_be_there, remove_files),
	};

	return cmocka_run_group_tests_name("base/file", tests, make_folder, remove_folder);
}
