/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pomona/base/file.h"

static void test_a_new_database_has_every_table_and_the_version(void **state)
{
	struct fixture *f = *state;

	fixture_open(f);
	assert_int_equal(look(f, "PRAGMA user_version"), STORE_SCHEMA_VERSION);
	assert_int_equal(look(f, "PRAGMA application_id"), 0x504F4D4F);
	assert_int_equal(look(f,
																			"SELECT count(*) FROM pragma_table_list WHERE schema = 'main'"
																			" AND type = 'table' AND name NOT LIKE 'sqlite%' AND strict = 0"),
		0);
	assert_int_equal(look(f, "SELECT count(*) FROM counter"), 29);
	assert_int_equal(look(f, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
}

static void test_what_was_committed_is_there_after_opening_again(void **state)
{
	struct fixture *f = *state;
	struct enrollment enrollment;
	struct err err;
	int64_t id;

	fixture_open(f);
	assert_ok(enroll_device(fixture_write(f), "UDID-1", 1, &id, &err), &err);
	fixture_close(f);
	fixture_open(f);
	assert_ok(enrollment_find(fixture_read(f), S("UDID-1"), &enrollment, &err), &err);
	assert_int_equal(enrollment.id, id);
	assert_int_equal(enrollment.state, ENROLLMENT_ENROLLED);
}

static void test_without_create_a_missing_database_is_not_found(void **state)
{
	struct fixture *f = *state;
	struct store_params params = {.path = f->path, .keyring = f->keyring, .clock = &f->clock};
	struct err err;

	assert_rc(store_open(&params, &f->store, &err), RC_NOT_FOUND, &err);
	assert_null(f->store);
	assert_false(file_is_there(f->path));
}

static void test_files_are_for_their_owner_alone(void **state)
{
	static const char *const ends[] = {"", "-wal", ".lock"};
	struct fixture *f = *state;
	mode_t old = umask(0);

	fixture_open(f);
	fixture_close(f);
	assert_int_equal(chmod(f->path, 0644), 0); /* as a restored backup may be */
	fixture_open(f);
	(void)umask(old);
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		char path[128];
		struct stat status;

		(void)snprintf(path, sizeof(path), "%s%s", f->path, ends[i]);
		assert_int_equal(stat(path, &status), 0);
		assert_int_equal(status.st_mode & 0777, 0600);
	}
}

static void test_a_second_open_is_refused_and_told_by_whom(void **state)
{
	struct fixture *f = *state;
	struct store *first;
	char pid[32];
	struct err err;

	fixture_open(f);
	first = f->store;
	assert_rc(fixture_try_open(f, &err), RC_BUSY, &err);
	assert_null(f->store);
	(void)snprintf(pid, sizeof(pid), "process %ld ", (long)getpid());
	assert_non_null(strstr(err.text, pid));
	f->store = first;
	fixture_close(f);
	fixture_open(f); /* free again */
}

static void test_a_newer_schema_is_refused_with_advice_and_left_alone(void **state)
{
	struct fixture *f = *state;
	char text[96];
	struct err err;

	fixture_open(f);
	fixture_close(f);
	(void)snprintf(text, sizeof(text), "PRAGMA user_version = %d", STORE_SCHEMA_VERSION + 1);
	tamper(f, text);
	assert_rc(fixture_try_open(f, &err), RC_UNSUPPORTED, &err);
	(void)snprintf(text, sizeof(text), "newer pomonad (schema %d, this one knows %d)",
		STORE_SCHEMA_VERSION + 1, STORE_SCHEMA_VERSION);
	assert_non_null(strstr(err.text, text));
	assert_non_null(strstr(err.text, "install that version or restore a backup"));
	assert_int_equal(look(f, "PRAGMA user_version"), STORE_SCHEMA_VERSION + 1);
}

static void test_a_database_of_another_program_is_refused_and_left_alone(void **state)
{
	static const char *const foreign[] = {
		"CREATE TABLE t (a)",
		"PRAGMA application_id = 1",
		"PRAGMA user_version = 1",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(foreign); i++) {
		struct err err;

		assert_ok(file_replace(f->path, slice_of(NULL, 0), 0600, &err), &err);
		tamper(f, foreign[i]);
		assert_rc(fixture_try_open(f, &err), RC_CORRUPT, &err);
		assert_int_equal(look(f, "SELECT journal_mode = 'delete' FROM pragma_journal_mode"), 1);
	}
}

static void test_a_file_that_is_no_database_is_refused_with_advice(void **state)
{
	static uint8_t noise[8192];
	struct fixture *f = *state;
	struct err err;

	memset(noise, 'n', sizeof(noise));
	assert_ok(file_create(f->path, slice_of(noise, sizeof(noise)), 0600, &err), &err);
	assert_rc(fixture_try_open(f, &err), RC_CORRUPT, &err);
	assert_non_null(strstr(err.text, "restore a backup"));
}

static void test_what_a_crash_left_unpublished_goes_at_open(void **state)
{
	static const struct command_row row = {.uuid = S("staged"),
		.request_type = S("X"),
		.body = S("b")};
	struct fixture *f = *state;
	int64_t by_state[QUEUE_STATE_END];
	int64_t command_id, batch_id, id, oldest;
	struct txn *txn;
	bool was;
	struct err err;

	fixture_open(f);
	txn = fixture_write(f);
	assert_ok(enroll_device(txn, "UDID-1", 1, &id, &err), &err);
	assert_ok(send_command(txn, "kept", COMMAND_PRIORITY_NORMAL, id, 0, &err), &err);
	assert_ok(command_put(txn, &row, &command_id, &err), &err);
	assert_ok(batch_begin(txn, command_id, 0, &batch_id, &err), &err);
	assert_ok(batch_add(txn, batch_id, id, &was, &err), &err);
	assert_ok(queue_cancel(txn, id, command_id, &was, &err), &err);
	assert_ok(command_find(txn, S("kept"), &command_id, &err), &err);
	assert_ok(batch_begin(txn, command_id, 0, &batch_id, &err), &err); /* kept is in another one too */
	fixture_close(f);
	fixture_open(f);
	assert_rc(command_find(fixture_read(f), S("staged"), &command_id, &err), RC_NOT_FOUND, &err);
	assert_ok(command_find(fixture_read(f), S("kept"), &command_id, &err), &err);
	assert_ok(queue_census(fixture_read(f), by_state, &oldest, &err), &err);
	assert_int_equal(by_state[QUEUE_QUEUED], 1);
	assert_int_equal(by_state[QUEUE_CANCELLED], 0);
	assert_int_equal(look(f, "SELECT count(*) FROM batch"), 1);
	assert_int_equal(look(f, "SELECT count(*) FROM command_body"), 1);
}

static enum rc rewrite_all(void *ctx, struct txn *txn, struct err *err)
{
	enum { ROWS = 2000 };
	static uint8_t large[3000];
	char name[32];
	enum rc rc = RC_OK;

	(void)ctx;
	for (int i = 0; rc == RC_OK && i < ROWS; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		rc = vault_put(txn, name, slice_of(large, sizeof(large)), err);
	}
	return rc;
}

/* The second time there are more than 4 MiB of pages to keep for the job's savepoint. */
static void test_a_job_may_change_many_pages(void **state)
{
	struct fixture *f = *state;
	struct err err;

	fixture_open(f);
	assert_ok(store_start(f->store, &err), &err);
	for (int i = 0; i < 2; i++)
		assert_ok(store_run(f->store, rewrite_all, NULL, &err), &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_closed, fixture_teardown)
		TEST(test_a_new_database_has_every_table_and_the_version),
		TEST(test_what_was_committed_is_there_after_opening_again),
		TEST(test_without_create_a_missing_database_is_not_found),
		TEST(test_files_are_for_their_owner_alone),
		TEST(test_a_second_open_is_refused_and_told_by_whom),
		TEST(test_a_newer_schema_is_refused_with_advice_and_left_alone),
		TEST(test_a_database_of_another_program_is_refused_and_left_alone),
		TEST(test_a_file_that_is_no_database_is_refused_with_advice),
		TEST(test_what_a_crash_left_unpublished_goes_at_open),
		TEST(test_a_job_may_change_many_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
