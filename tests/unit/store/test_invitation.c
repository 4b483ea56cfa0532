/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <string.h>

#include "pomona/store/invitation.h"

static uint8_t digest_of_one[SHA256_BYTES] = {1}, digest_of_two[SHA256_BYTES] = {2};

static struct invitation_new good(const uint8_t *digest)
{
	return (struct invitation_new){.token_sha256 = digest,
		.note = S("ward 3"),
		.user_name = S("ada"),
		.created_by = S("unix:0"),
		.needs_login = true,
		.uses_max = 2,
		.expires_at = T0 + 100};
}

static int64_t add(struct fixture *f, const struct invitation_new *invitation)
{
	struct err err = {.rc = RC_OK};
	int64_t id = 0;

	assert_ok(invitation_add(fixture_write(f), invitation, &id, &err), &err);
	return id;
}

static struct invitation get(struct fixture *f, int64_t id)
{
	struct invitation invitation;
	struct err err = {.rc = RC_OK};

	assert_ok(invitation_by_id(fixture_write(f), id, &invitation, &err), &err);
	return invitation;
}

static void test_an_invitation_is_found_by_its_token_alone(void **state)
{
	struct fixture *f = *state;
	const struct invitation_new one = good(digest_of_one);
	const int64_t id = add(f, &one);
	struct invitation found;
	struct err err = {.rc = RC_OK};

	assert_ok(invitation_find(fixture_write(f), digest_of_one, &found, &err), &err);
	assert_int_equal(found.id, id);
	assert_true(found.needs_login);
	assert_string_equal(found.user_name, "ada");
	assert_int_equal(found.uses_max, 2);
	assert_int_equal(found.uses + found.downloads + found.revoked_at, 0);
	assert_int_equal(found.expires_at, T0 + 100);
	assert_rc(invitation_find(fixture_write(f), digest_of_two, &found, &err), RC_NOT_FOUND, &err);
	assert_rc(invitation_by_id(fixture_write(f), id + 1, &found, &err), RC_NOT_FOUND, &err);
}

static void test_a_token_is_one_invitation_s(void **state)
{
	struct fixture *f = *state;
	const struct invitation_new one = good(digest_of_one);
	struct err err = {.rc = RC_OK};
	int64_t id;

	(void)add(f, &one);
	assert_rc(invitation_add(fixture_write(f), &one, &id, &err), RC_EXISTS, &err);
}

static void test_uses_and_downloads_have_their_bounds(void **state)
{
	struct fixture *f = *state;
	const struct invitation_new one = good(digest_of_one);
	const int64_t id = add(f, &one);
	struct err err = {.rc = RC_OK};

	for (int i = 0; i < 2 * INVITATION_DOWNLOADS_PER_USE; i++)
		assert_ok(invitation_count_download(fixture_write(f), id, &err), &err);
	assert_rc(invitation_count_download(fixture_write(f), id, &err), RC_EXISTS, &err);
	for (int i = 0; i < 2; i++)
		assert_ok(invitation_count_use(fixture_write(f), id, &err), &err);
	assert_rc(invitation_count_use(fixture_write(f), id, &err), RC_EXISTS, &err);
	assert_int_equal(get(f, id).uses, 2);
	assert_int_equal(get(f, id).downloads, 2 * INVITATION_DOWNLOADS_PER_USE);
}

static void test_what_an_invitation_is_follows_from_its_numbers(void **state)
{
	static const struct {
		int64_t uses, downloads, now, revoked_at;
		enum invitation_state wanted;
		const char *name;
	} cases[] = {
		{0, 0, T0, 0, INVITATION_OPEN, "open"},
		{1, 19, T0 + 99, 0, INVITATION_OPEN, "open"},
		{2, 2, T0, 0, INVITATION_USED, "used"},
		{1, 20, T0, 0, INVITATION_DRAINED, "drained"},
		{2, 20, T0, 0, INVITATION_USED, "used"},
		{0, 0, T0 + 100, 0, INVITATION_EXPIRED, "expired"},
		{2, 20, T0 + 100, 0, INVITATION_EXPIRED, "expired"},
		{2, 20, T0 + 100, T0, INVITATION_REVOKED, "revoked"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct invitation invitation = {.uses_max = 2,
			.uses = cases[i].uses,
			.downloads = cases[i].downloads,
			.expires_at = T0 + 100,
			.revoked_at = cases[i].revoked_at};
		enum invitation_state found = invitation_state(&invitation, cases[i].now);

		assert_int_equal(found, cases[i].wanted);
		assert_string_equal(invitation_state_name(found), cases[i].name);
	}
}

static void test_what_it_may_be_has_bounds(void **state)
{
	struct fixture *f = *state;
	static uint8_t text[INTENT_NAME_BYTES_MAX + 1];
	struct err err = {.rc = RC_OK};
	int64_t id;
	struct invitation_new one = good(digest_of_one);

	memset(text, 'x', sizeof(text));
	one.uses_max = 0;
	assert_rc(invitation_add(fixture_write(f), &one, &id, &err), RC_INVALID, &err);
	one.uses_max = INVITATION_USES_MAX + 1;
	assert_rc(invitation_add(fixture_write(f), &one, &id, &err), RC_INVALID, &err);
	one.uses_max = INVITATION_USES_MAX;
	one.note = slice_of(text, INVITATION_NOTE_BYTES_MAX + 1);
	assert_rc(invitation_add(fixture_write(f), &one, &id, &err), RC_LIMIT, &err);
	one.note = slice_of(text, INVITATION_NOTE_BYTES_MAX);
	one.user_name = slice_of(text, INTENT_NAME_BYTES_MAX + 1);
	assert_rc(invitation_add(fixture_write(f), &one, &id, &err), RC_LIMIT, &err);
	one.user_name = slice_of(text, INTENT_NAME_BYTES_MAX);
	assert_ok(invitation_add(fixture_write(f), &one, &id, &err), &err);
	assert_int_equal(strlen(get(f, id).user_name), INTENT_NAME_BYTES_MAX);
}

static void test_one_that_is_revoked_stays_so(void **state)
{
	struct fixture *f = *state;
	const struct invitation_new one = good(digest_of_one);
	const int64_t id = add(f, &one);
	struct err err = {.rc = RC_OK};

	assert_ok(invitation_revoke(fixture_write(f), id, &err), &err);
	assert_int_equal(get(f, id).revoked_at, T0);
	assert_rc(invitation_revoke(fixture_write(f), id, &err), RC_NOT_FOUND, &err);
	assert_rc(invitation_revoke(fixture_write(f), id + 1, &err), RC_NOT_FOUND, &err);
}

static void test_a_list_has_them_in_order_page_by_page(void **state)
{
	struct fixture *f = *state;
	const struct invitation_new one = good(digest_of_one), two = good(digest_of_two);
	const int64_t first = add(f, &one), second = add(f, &two);
	struct invitation_view *views;
	struct err err = {.rc = RC_OK};
	size_t count;

	assert_ok(invitation_list(fixture_write(f), 0, 1, f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_int_equal(views[0].invitation.id, first);
	assert_string_equal(views[0].note, "ward 3");
	assert_string_equal(views[0].created_by, "unix:0");
	assert_int_equal(views[0].created_at, T0);
	assert_ok(invitation_list(fixture_write(f), first, 10, f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_int_equal(views[0].invitation.id, second);
	assert_rc(invitation_list(fixture_write(f), 0, 0, f->arena, &views, &count, &err), RC_INVALID,
		&err);
}

#define TEST(function_) cmocka_unit_test_setup_teardown(function_, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_invitation_is_found_by_its_token_alone),
		TEST(test_a_token_is_one_invitation_s),
		TEST(test_uses_and_downloads_have_their_bounds),
		TEST(test_what_an_invitation_is_follows_from_its_numbers),
		TEST(test_what_it_may_be_has_bounds),
		TEST(test_one_that_is_revoked_stays_so),
		TEST(test_a_list_has_them_in_order_page_by_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
