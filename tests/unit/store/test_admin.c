/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <string.h>

static const uint8_t hash_1[SHA256_BYTES] = {1};
static const uint8_t hash_2[SHA256_BYTES] = {2};

static enum rc add(struct fixture *f, const char *name, const uint8_t *hash, struct err *err)
{
	const struct api_token token = {.name = name, .role = API_ROLE_ADMIN, .created_by = "init"};

	return api_token_add(fixture_write(f), &token, hash, err);
}

static void test_a_token_is_found_until_it_is_revoked(void **state)
{
	struct fixture *f = *state;
	struct txn *txn = fixture_write(f);
	struct api_token_view *views;
	struct api_token_found found;
	size_t count;
	struct err err;

	assert_rc(api_token_find(txn, hash_1, f->arena, &found, &err), RC_NOT_FOUND, &err);
	assert_ok(add(f, "ops", hash_1, &err), &err);
	assert_rc(add(f, "ops", hash_2, &err), RC_EXISTS, &err);
	assert_rc(add(f, "other", hash_1, &err), RC_EXISTS, &err);
	assert_ok(api_token_find(txn, hash_1, f->arena, &found, &err), &err);
	assert_string_equal(found.name, "ops");
	assert_ok(api_token_revoke(txn, "ops", &err), &err);
	assert_rc(api_token_revoke(txn, "ops", &err), RC_NOT_FOUND, &err);
	assert_rc(api_token_find(txn, hash_1, f->arena, &found, &err), RC_NOT_FOUND, &err);
	assert_ok(add(f, "ops", hash_2, &err), &err); /* the name is free again */
	assert_ok(api_token_list(txn, f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_string_equal(views[0].name, "ops");
	assert_int_equal(views[0].created_at, T0);
	assert_int_equal(views[0].revoked_at, T0);
	assert_int_equal(views[1].revoked_at, 0);
}

static void test_a_token_tells_what_it_may_until_when_and_when_it_was_used(void **state)
{
	const struct api_token token = {"ops", API_ROLE_OPERATOR, T0 + 50, "token:first"};
	struct fixture *f = *state;
	struct txn *txn = fixture_write(f);
	struct api_token_found found;
	struct api_token_view *views;
	size_t count;
	struct err err;

	assert_ok(api_token_add(txn, &token, hash_1, &err), &err);
	assert_ok(api_token_find(txn, hash_1, f->arena, &found, &err), &err);
	assert_int_equal(found.role, API_ROLE_OPERATOR);
	assert_int_equal(found.expires_at, T0 + 50);
	assert_int_equal(found.used_at, 0);
	assert_ok(api_token_used(txn, found.id, T0 + 7, &err), &err);
	assert_ok(api_token_used(txn, found.id + 1, T0 + 8, &err), &err);
	assert_ok(api_token_find(txn, hash_1, f->arena, &found, &err), &err);
	assert_int_equal(found.used_at, T0 + 7);
	assert_ok(api_token_list(txn, f->arena, &views, &count, &err), &err);
	assert_int_equal(views[0].role, API_ROLE_OPERATOR);
	assert_int_equal(views[0].expires_at, T0 + 50);
	assert_int_equal(views[0].used_at, T0 + 7);
	assert_string_equal(views[0].created_by, "token:first");
}

static void test_a_token_without_a_role_of_ours_is_not_added(void **state)
{
	static const int roles[] = {-1, API_ROLE_NONE, API_ROLE_END, 99};
	struct api_token token = {.name = "ops", .created_by = "init"};
	struct fixture *f = *state;
	struct err err;

	for (size_t i = 0; i < COUNT_OF(roles); i++) {
		token.role = (enum api_role)roles[i];
		assert_rc(api_token_add(fixture_write(f), &token, hash_1, &err), RC_INVALID, &err);
		assert_string_equal(api_role_name(token.role), "none");
	}
	for (int i = API_ROLE_NONE + 1; i < API_ROLE_END; i++)
		assert_int_equal(api_role_of_name(slice_of_str(api_role_name((enum api_role)i))), i);
	assert_int_equal(api_role_of_name(S("none")), API_ROLE_NONE);
	assert_int_equal(api_role_of_name(S("Admin")), API_ROLE_NONE);
	assert_int_equal(api_role_of_name(S("")), API_ROLE_NONE);
}

static void test_token_names_are_bounded(void **state)
{
	char name[API_TOKEN_NAME_BYTES_MAX + 2] = {0};
	struct fixture *f = *state;
	struct err err;

	memset(name, 'n', API_TOKEN_NAME_BYTES_MAX + 1);
	assert_rc(add(f, name, hash_1, &err), RC_LIMIT, &err);
	name[API_TOKEN_NAME_BYTES_MAX] = 0;
	assert_ok(add(f, name, hash_1, &err), &err);
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
	assert_ok(alarm_raise(fixture_write(f), "other", S("UDID-2"), "text", &err), &err);
	assert_ok(alarm_raise(fixture_write(f), "other", S("UDID-3"), "text", &err), &err);
	assert_ok(alarm_clear_subject(fixture_write(f), S("UDID-2"), &err), &err);
	assert_ok(alarm_clear_subject(fixture_write(f), S("UDID-2"), &err), &err);
	assert_ok(alarm_list(fixture_write(f), 10, f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_string_equal(views[0].subject, "UDID-3");
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
		TEST(test_a_token_tells_what_it_may_until_when_and_when_it_was_used),
		TEST(test_a_token_without_a_role_of_ours_is_not_added),
		TEST(test_token_names_are_bounded),
		TEST(test_an_alarm_raised_again_counts_up),
		TEST(test_only_automatic_unenrollments_since_then_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
