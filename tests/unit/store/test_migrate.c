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

/*
 * Device 1 was renewed by identity 3 at T0 + 50, which took the place of 2; 4 was given beside it before, 5 is the next, for
 * which a challenge is out as well as one of before.
 */
static void version_15_make(struct fixture *f)
{
	static const char *const schemas[] = {schema_0002, schema_0003, schema_0004, schema_0005,
		schema_0006, schema_0007, schema_0008, schema_0009, schema_0010, schema_0011, schema_0012,
		schema_0013, schema_0014, schema_0015};

	version_1_make(f);
	for (size_t i = 0; i < COUNT_OF(schemas); i++)
		tamper(f, schemas[i]);
	tamper(f,
		"INSERT INTO identity (id, sha256, tbs_sha256, owner_id, renewal_of, is_ours, not_before, not_after,"
		" recorded_at, chained_under, subject, issuer, serial)"
		" SELECT n, CAST(printf('%032d', n) AS BLOB), CAST(printf('%032d', n) AS BLOB),"
		" CASE WHEN n < 4 THEN 1 END, CASE WHEN n > 3 THEN 1 END, 1, 0, 2000000000,"
		" CASE n WHEN 5 THEN 1700000060 ELSE 1700000040 END, zeroblob(32), 'CN=d', 'CN=ca', printf('0%d', n)"
		" FROM (SELECT 2 AS n UNION SELECT 3 UNION SELECT 4 UNION SELECT 5);"
		"UPDATE enrollment SET identity_id = 3, enrolled_at = 1700000050 WHERE id = 1;"
		"INSERT INTO renewal (enrollment_id, identity_id, state, changed_at) VALUES (1, 2, 4, 1700000051);"
		"INSERT INTO intent (id, way, created_at, expires_at, renewal_of) VALUES"
		" (1, 2, 1700000040, 1800000000, 1), (2, 2, 1700000060, 1800000000, 1);"
		"PRAGMA user_version = 15");
}

static void test_what_version_15_gave_beside_an_identity_renews_nothing(void **state)
{
	struct fixture *f = *state;

	version_15_make(f);
	fixture_open(f);
	assert_int_equal(look(f, "SELECT count(*) FROM identity WHERE renewal_of IS NOT NULL"), 1);
	assert_int_equal(look(f, "SELECT renewal_of FROM identity WHERE id = 5"), 1);
	assert_int_equal(look(f, "SELECT renews_id FROM identity WHERE id = 5"), 3);
	assert_int_equal(look(f, "SELECT renews_id FROM identity WHERE id = 3"), 2);
	assert_int_equal(look(f, "SELECT count(*) FROM identity WHERE renews_id IS NOT NULL"), 2);
	assert_int_equal(look(f, "SELECT expires_at FROM intent WHERE id = 1"), T0 + 40);
	assert_int_equal(look(f, "SELECT expires_at FROM intent WHERE id = 2"), 1800000000);
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
		{schema_0003, "89582db67f047ff7ca05badbc6ace9cd03ed96e0398af64a1a43f492f6e78ed8"},
		{schema_0004, "1b2ba54b0675e4f683347ee3582328774b8a7c482d69c6649492c8fe50d5feab"},
		{schema_0005, "9996794d226d4d523d86b5dfccb5d819182b87751280a0de3c2890a299c61a2d"},
		{schema_0006, "03517bfdca841d475d3829ff29ec3a0102bcd618206ecc4e4bceb3033469c9ac"},
		{schema_0007, "e8733ef69f93b11fce62d9dbee22556d96e33b5a4b34ce0b64c5e12701ac565f"},
		{schema_0008, "950c248268b111e1aecc8dca6ede408344c247ced29bdc7f03c42c27031fd5cf"},
		{schema_0009, "ead797efee9832c6edd1fb50eb2cc3bded5387d364a9374c423c2d16d2eba4ff"},
		{schema_0010, "d5b9ed18d22af9cbec38abca02746dc64a2ac9d208824e6d1bf235727283d3c5"},
		{schema_0011, "319a5c5daf5734699c9fd0b6edfb11d92c64d59e95bda4d99aa6366b2dfd81b0"},
		{schema_0012, "eae23bacf658095363d9bac07ebd2752884f66745be598df1925701be375c05e"},
		{schema_0013, "f2fc716a667be9e5e1970047e2a91bb29e0ec2bcfc94260a30459798649dcdf6"},
		{schema_0014, "ad6d2380fab22ab8720e2ceac562d977403cdf8d12f9d4e9c553db217bbe538b"},
		{schema_0015, "e8d4524a39ad259fbd5e577456b0dd2df6b2877e6066598cb60f29f6f4d43274"},
		{schema_0016, "f7433f65cd16b2b9fd88edb9e51b199bee384bdb7febf0b8a57540246804d788"},
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
		TEST(test_what_version_15_gave_beside_an_identity_renews_nothing),
		TEST(test_a_migration_that_fails_leaves_the_database_as_it_was),
		TEST(test_a_schema_that_is_in_use_never_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
