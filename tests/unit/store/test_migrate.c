/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "pomona/pki/cert.h"
#include "pomona/store/admin.h"
#include "schema.h"
#include "version_1.h"

static void test_a_database_of_version_1_has_everything_still(void **state)
{
	struct fixture *f = *state;

	version_1_make(f);
	version_1_assert_whole(f);
	fixture_close(f);
	version_1_assert_whole(f); /* and is not migrated again */
}

static void test_what_version_1_left_is_gone_on_with(void **state)
{
	static const struct queue_answer done = {.state = QUEUE_DONE,
		.status = S("Acknowledged"),
		.raw = S("raw")};
	struct push_outcome taken = {.enrollment_id = 1, .pushed_seq = 2, .at = T0, .status = 200};
	struct fixture *f = *state;
	struct push_target target;
	struct queue_item item;
	struct err err;

	version_1_make(f);
	fixture_open(f);
	assert_ok(push_outcome_write(fixture_write(f), &taken, &err), &err);
	assert_ok(queue_find(fixture_write(f), 1, S("open"), &item, &err), &err);
	assert_ok(queue_finish(fixture_write(f), &item, &done, &err), &err);
	assert_ok(send_command(fixture_write(f), "new", COMMAND_PRIORITY_NORMAL, 1, 0, &err), &err);
	assert_ok(push_target_read(fixture_read(f), 1, &target, &err), &err);
	assert_int_equal(target.open_seq, 3);
	assert_int_equal(target.pushed_seq, 2);
	assert_ok(enrollment_set_state(fixture_write(f), 1, ENROLLMENT_REMOVED, &err), &err);
	assert_ok(enrollment_forget(fixture_write(f), 1, &err), &err);
	fixture_commit(f);
	assert_int_equal(look(f, "SELECT count(*) FROM push"), 0);
}

/* Two tokens as schema 2 had them, one of them revoked. */
static void version_2_make(struct fixture *f)
{
	version_1_make(f);
	tamper(f, schema_0002);
	tamper(f,
		"INSERT INTO api_token (name, hash, created_at, revoked_at) VALUES"
		" ('first', x'0100000000000000000000000000000000000000000000000000000000000000', 1700000000, 0),"
		" ('old', x'0200000000000000000000000000000000000000000000000000000000000000', 1700000000, 1700000005);"
		"PRAGMA user_version = 2");
}

static void test_tokens_of_version_2_are_admins_without_an_end(void **state)
{
	static const uint8_t hash[SHA256_BYTES] = {1};
	struct fixture *f = *state;
	struct api_token_found found;
	struct api_token_view *views;
	struct txn *txn;
	size_t count;
	struct err err;

	version_2_make(f);
	version_1_assert_whole(f);
	txn = fixture_read(f);
	assert_ok(api_token_find(txn, hash, f->arena, &found, &err), &err);
	assert_string_equal(found.name, "first");
	assert_int_equal(found.role, API_ROLE_ADMIN);
	assert_int_equal(found.expires_at + found.used_at, 0);
	assert_ok(api_token_list(txn, f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_string_equal(views[0].created_by, "");
	assert_int_equal(views[0].created_at, T0);
	assert_int_equal(views[1].revoked_at, T0 + 5);
}

/* What is written without a role, by whatever way, may nothing. */
static void test_a_token_without_a_role_has_none(void **state)
{
	static const uint8_t hash[SHA256_BYTES] = {3};
	struct fixture *f = *state;
	struct api_token_found found;
	struct err err;

	version_2_make(f);
	fixture_open(f);
	fixture_close(f);
	tamper(f,
		"INSERT INTO api_token (name, hash, created_at) VALUES"
		" ('odd', x'0300000000000000000000000000000000000000000000000000000000000000', 1)");
	fixture_open(f);
	assert_ok(api_token_find(fixture_read(f), hash, f->arena, &found, &err), &err);
	assert_int_equal(found.role, API_ROLE_NONE);
	fixture_close(f);
	tamper(f, "UPDATE api_token SET role = 4 WHERE name = 'odd'");
	fixture_open(f);
	assert_ok(api_token_find(fixture_read(f), hash, f->arena, &found, &err), &err);
	assert_int_equal(found.role, API_ROLE_NONE);
}

/* The last table of the migration is in the way. */
static void test_a_migration_that_fails_leaves_the_database_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct err err;

	version_1_make(f);
	tamper(f, "CREATE TABLE push_cert (a)");
	assert_rc(fixture_try_open(f, &err), RC_INTERNAL, &err);
	assert_non_null(strstr(err.text, "push_cert"));
	assert_int_equal(look(f, "PRAGMA user_version"), 1);
	assert_int_equal(look(f,
																			"SELECT count(*) FROM pragma_table_info('enrollment')"
																			" WHERE name = 'inactive_at'"),
		0);
	assert_int_equal(look(f, "SELECT count(*) FROM counter"), 5);
	tamper(f, "DROP TABLE push_cert");
	version_1_assert_whole(f);
}

/* Databases out there were made by it: a change would be in none of them. */
static void test_a_schema_that_is_in_use_never_changes(void **state)
{
	static const struct {
		const char *text, *sha256;
	} rows[] = {
		{schema_0001, "645031f47303b66ce734a1eab480b3edf122f6b6b142ad9201b6ee73c4faa111"},
		{schema_0002, "2447f4416001e36e2ceca75ede7b994a1e3abb5a32962107b7bb1c9b32a461c6"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint8_t digest[SHA256_BYTES];
		char hex[2 * SHA256_BYTES + 1];

		sha256(slice_of_str(rows[i].text), digest);
		for (size_t j = 0; j < SHA256_BYTES; j++)
			(void)snprintf(hex + 2 * j, 3, "%02x", digest[j]);
		assert_string_equal(hex, rows[i].sha256);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_closed, fixture_teardown)
		TEST(test_a_database_of_version_1_has_everything_still),
		TEST(test_what_version_1_left_is_gone_on_with),
		TEST(test_tokens_of_version_2_are_admins_without_an_end),
		TEST(test_a_token_without_a_role_has_none),
		TEST(test_a_migration_that_fails_leaves_the_database_as_it_was),
		TEST(test_a_schema_that_is_in_use_never_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
