/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pomona/base/file.h"
#include "pomona/base/log.h"
#include "users.h"

static char folder[64];
static char path[80];
static char log_path[80];
static struct user_directory *directory;
static struct users_file users;
static int log_fd = -1;

static int setup(void **state)
{
	struct err err = {0};

	(void)state;
	(void)snprintf(folder, sizeof(folder), "/tmp/pomona-users-file-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/users", folder);
	(void)snprintf(log_path, sizeof(log_path), "%s/log", folder);
	log_fd = open(log_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	log_set_fd(log_fd);
	users = (struct users_file){.path = path};
	if (user_directory_new(clock_system(), &directory, &err) != RC_OK)
		return -1;
	users.directory = directory;
	return log_fd < 0;
}

static int teardown(void **state)
{
	(void)state;
	log_set_fd(STDERR_FILENO);
	user_directory_free(&directory);
	(void)close(log_fd);
	(void)unlink(path);
	(void)unlink(log_path);
	return rmdir(folder);
}

static void nothing(struct user_query *query)
{
	(void)query;
}

static bool is_known(const char *name)
{
	struct user_query query = {.name = slice_of_str(name), .done = nothing};

	user_find(directory, &query);
	return query.verdict == USER_GOOD;
}

static void save(const char *name)
{
	AUTO(user_file_free) struct user_file *file = user_file_new();
	struct user_row row;
	struct err err = {0};

	assert_int_equal(user_row_make(name, "", "r", SLICE_LITERAL("p"), &row, &err), RC_OK);
	assert_int_equal(user_file_put(file, &row, &err), RC_OK);
	assert_int_equal(user_file_save(file, path, &err), RC_OK);
}

static int logged(const char *event)
{
	AUTO(buf_fini) struct buf text = {.bound = 1 << 20};
	int count = 0;

	assert_int_equal(file_read(log_path, &text, NULL), RC_OK);
	for (const char *at = buf_cstr(&text); at != NULL && (at = strstr(at, event)) != NULL; at++)
		count++;
	return count;
}

/* No descriptor is left for anybody. */
static void look_without_descriptors(void)
{
	struct rlimit before;
	struct rlimit none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	users_look(&users);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void a_fault_that_passes_without_a_change_of_the_file_is_tried_again(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(users_load(&users, &err), RC_OK);
	save("ada");
	look_without_descriptors();
	look_without_descriptors();
	assert_false(is_known("ada"));
	assert_int_equal(logged("event=users_not_read"), 1);
	users_look(&users);
	assert_true(is_known("ada"));
	assert_int_equal(logged("event=users_read"), 2);
	users_look(&users);
	assert_int_equal(logged("event=users_read"), 2);
	look_without_descriptors();
	assert_int_equal(logged("event=users_not_read"), 1);
}

static void a_broken_file_is_read_again_when_it_has_changed(void **state)
{
	(void)state;
	save("ada");
	users_look(&users);
	assert_int_equal(file_replace(path, SLICE_LITERAL("garbage\n"), 0600, NULL), RC_OK);
	users_look(&users);
	users_look(&users);
	assert_true(is_known("ada"));
	assert_int_equal(logged("event=users_not_read"), 1);
	save("bob");
	users_look(&users);
	assert_true(is_known("bob"));
	assert_false(is_known("ada"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_fault_that_passes_without_a_change_of_the_file_is_tried_again,
			setup, teardown),
		cmocka_unit_test_setup_teardown(a_broken_file_is_read_again_when_it_has_changed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
