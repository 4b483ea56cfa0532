/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <string.h>

static const uint8_t hash_1[SHA256_BYTES] = {1};
static const uint8_t hash_2[SHA256_BYTES] = {2};

static void test_a_token_is_found_until_it_is_revoked(void **state)
{
	struct fixture *f = *state;
	struct txn *txn = fixture_write(f);
	struct api_token_view *views;
	const char *name = NULL;
	size_t count;
	struct err err;

	assert_rc(api_token_find(txn, hash_1, f->arena, &name, &err), RC_NOT_FOUND, &err);
	assert_ok(api_token_add(txn, "ops", hash_1, &err), &err);
	assert_rc(api_token_add(txn, "ops", hash_2, &err), RC_EXISTS, &err);
	assert_rc(api_token_add(txn, "other", hash_1, &err), RC_EXISTS, &err);
	assert_ok(api_token_find(txn, hash_1, f->arena, &name, &err), &err);
	assert_string_equal(name, "ops");
	assert_ok(api_token_revoke(txn, "ops", &err), &err);
	assert_rc(api_token_revoke(txn, "ops", &err), RC_NOT_FOUND, &err);
	assert_rc(api_token_find(txn, hash_1, f->arena, &name, &err), RC_NOT_FOUND, &err);
	assert_ok(api_token_add(txn, "ops", hash_2, &err), &err); /* the name is free again */
	assert_ok(api_token_list(txn, f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_string_equal(views[0].name, "ops");
	assert_int_equal(views[0].created_at, T0);
	assert_int_equal(views[0].revoked_at, T0);
	assert_int_equal(views[1].revoked_at, 0);
}

static void test_token_names_are_bounded(void **state)
{
	char name[API_TOKEN_NAME_BYTES_MAX + 2] = {0};
	struct fixture *f = *state;
	struct err err;

	memset(name, 'n', API_TOKEN_NAME_BYTES_MAX + 1);
	assert_rc(api_token_add(fixture_write(f), name, hash_1, &err), RC_LIMIT, &err);
	name[API_TOKEN_NAME_BYTES_MAX] = 0;
	assert_ok(api_token_add(fixture_write(f), name, hash_1, &err), &err);
}

static void test_an_alarm_raised_again_counts_up(void **state)
{
	struct fixture *f = *state;
	struct alarm_view *views;
	size_t count;
	struct err err;

	assert_ok(alarm_raise(fixture_write(f), "competing", S("UDID-1"), "first text", &err), &err);
	fixture_commit(f);
	f->now_s = T0 + 5;
	assert_ok(alarm_raise(fixture_write(f), "competing", S("UDID-2"), "text", &err), &err);
	fixture_commit(f);
	f->now_s = T0 + 9;
	assert_ok(alarm_raise(fixture_write(f), "competing", S("UDID-1"), "second text", &err), &err);
	assert_ok(alarm_list(fixture_write(f), 10, f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_string_equal(views[0].subject, "UDID-1");
	assert_string_equal(views[0].kind, "competing");
	assert_string_equal(views[0].text, "second text");
	assert_int_equal(views[0].first_at, T0);
	assert_int_equal(views[0].last_at, T0 + 9);
	assert_int_equal(views[0].count, 2);
	assert_string_equal(views[1].subject, "UDID-2");
	assert_ok(alarm_list(fixture_write(f), 1, f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_rc(alarm_list(fixture_write(f), 0, f->arena, &views, &count, &err), RC_INVALID, &err);
	assert_ok(alarm_clear(fixture_write(f), "competing", S("UDID-1"), &err), &err);
	assert_rc(alarm_clear(fixture_write(f), "competing", S("UDID-1"), &err), RC_NOT_FOUND, &err);
}

static void test_only_automatic_unenrollments_since_then_are_counted(void **state)
{
	struct fixture *f = *state;
	int64_t count;
	struct err err;

	assert_ok(unenrollment_record(fixture_write(f), S("A"), true, hash_1, &err), &err);
	fixture_commit(f);
	f->now_s = T0 + 10;
	assert_ok(unenrollment_record(fixture_write(f), S("B"), true, hash_1, &err), &err);
	assert_ok(unenrollment_record(fixture_write(f), S("C"), false, hash_1, &err), &err);
	assert_ok(unenrollment_count_automatic(fixture_write(f), T0, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_ok(unenrollment_count_automatic(fixture_write(f), T0 + 1, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_ok(unenrollment_count_automatic(fixture_write(f), T0 + 11, &count, &err), &err);
	assert_int_equal(count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(test_a_token_is_found_until_it_is_revoked),
		TEST(test_token_names_are_bounded),
		TEST(test_an_alarm_raised_again_counts_up),
		TEST(test_only_automatic_unenrollments_since_then_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
