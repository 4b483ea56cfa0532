/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

#include "pomona/pki/cert.h"
#include "pomona/store/account.h"
#include "pomona/store/identity.h"
#include "pomona/store/intent.h"

enum { UNUSED_S = 900, VALID_S = 86400, KEPT_S = 30 * 86400 };

static void digest_of(const char *token, uint8_t digest[static SHA256_BYTES])
{
	sha256(slice_of_str(token), digest);
}

static enum rc try_log_in(struct fixture *f, const char *token, const char *user, int64_t valid_s,
	struct err *err)
{
	uint8_t digest[SHA256_BYTES];
	const struct access_token_new row = {.sha256 = digest,
		.user_name = slice_of_str(user),
		.managed_id = S("ada@example.org"),
		.unused_s = UNUSED_S,
		.valid_s = valid_s};

	digest_of(token, digest);
	return access_token_add(fixture_write(f), &row, err);
}

static void log_in(struct fixture *f, const char *token, const char *user, int64_t valid_s)
{
	struct err err;

	assert_ok(try_log_in(f, token, user, valid_s, &err), &err);
}

static int64_t add(struct fixture *f, const char *user)
{
	struct account account = {.mode = ACCOUNT_ADDE};
	int64_t id = 0;
	struct err err;

	(void)snprintf(account.user_name, sizeof(account.user_name), "%s", user);
	(void)snprintf(account.managed_id, sizeof(account.managed_id), "%s", "ada@example.org");
	assert_ok(account_add(fixture_write(f), &account, &id, &err), &err);
	return id;
}

static void use(struct fixture *f, const char *token, int64_t account_id)
{
	uint8_t digest[SHA256_BYTES];
	struct err err;

	digest_of(token, digest);
	assert_ok(access_token_use(fixture_write(f), digest, account_id, &err), &err);
}

static enum rc find(struct fixture *f, const char *token, struct access_token *token_r)
{
	uint8_t digest[SHA256_BYTES];
	struct err err;

	digest_of(token, digest);
	return access_token_find(fixture_write(f), digest, token_r, &err);
}

static void issue(struct fixture *f, uint8_t mark, int64_t account_id, int64_t renewal_of)
{
	struct cert_facts facts = facts_of(mark);
	const struct identity_issued issued = {.facts = &facts,
		.der = S("der"),
		.account_id = account_id,
		.renewal_of = renewal_of};
	struct err err;

	assert_ok(identity_issued(fixture_write(f), &issued, &err), &err);
}

static int64_t account_of(struct fixture *f, uint8_t mark)
{
	struct cert_facts facts = facts_of(mark);
	struct identity identity;
	struct err err;

	assert_ok(identity_find(fixture_write(f), facts.sha256, &identity, &err), &err);
	return identity.account_id;
}

static void test_a_token_is_of_nobody_until_it_is_used(void **state)
{
	struct fixture *f = *state;
	struct access_token token;
	uint8_t digest[SHA256_BYTES];
	int64_t id;
	struct err err;

	log_in(f, "one", "ada", VALID_S);
	id = add(f, "ada");
	assert_int_equal(find(f, "one", &token), RC_OK);
	assert_int_equal(token.account_id, 0);
	assert_string_equal(token.user_name, "ada");
	assert_string_equal(token.managed_id, "ada@example.org");
	assert_int_equal(token.expires_at, T0 + UNUSED_S);
	assert_false(access_token_is_over(&token, T0 + UNUSED_S - 1));
	assert_true(access_token_is_over(&token, T0 + UNUSED_S));
	use(f, "one", id);
	assert_int_equal(find(f, "one", &token), RC_OK);
	assert_int_equal(token.account_id, id);
	assert_int_equal(token.expires_at, T0 + VALID_S);
	digest_of("one", digest);
	assert_rc(access_token_use(fixture_write(f), digest, id, &err), RC_NOT_FOUND, &err);
	assert_int_equal(find(f, "another", &token), RC_NOT_FOUND);
}

static void test_one_that_is_for_ever_is_never_over(void **state)
{
	struct fixture *f = *state;
	struct access_token token;

	log_in(f, "one", "ada", 0);
	use(f, "one", add(f, "ada"));
	assert_int_equal(find(f, "one", &token), RC_OK);
	assert_int_equal(token.expires_at, 0);
	assert_false(access_token_is_over(&token, INT64_MAX));
}

static void test_an_account_has_one_token_and_the_next_takes_its_place(void **state)
{
	struct fixture *f = *state;
	struct access_token token;
	int64_t id;
	int64_t other;

	log_in(f, "one", "ada", VALID_S);
	log_in(f, "two", "ada", VALID_S);
	log_in(f, "of other", "ada", VALID_S);
	id = add(f, "ada");
	other = add(f, "ada");
	use(f, "one", id);
	use(f, "of other", other);
	use(f, "two", id);
	assert_int_equal(find(f, "one", &token), RC_NOT_FOUND);
	assert_int_equal(find(f, "two", &token), RC_OK);
	assert_int_equal(find(f, "of other", &token), RC_OK);
}

static void test_a_user_has_so_many_unused_tokens_and_no_more(void **state)
{
	struct fixture *f = *state;
	struct access_token token;
	char name[16] = "token a";

	for (int i = 0; i <= ACCESS_TOKENS_UNUSED_MAX; i++) {
		f->now_s = T0 + i;
		fixture_commit(f); /* which takes the time anew */
		name[6] = (char)('a' + i);
		log_in(f, name, "ada", VALID_S);
		log_in(f, i == 0 ? "of bob" : name + 1, "bob", VALID_S);
	}
	assert_int_equal(find(f, "token a", &token), RC_NOT_FOUND);
	assert_int_equal(find(f, "token b", &token), RC_OK);
	fixture_commit(f);
	assert_int_equal(look(f, "SELECT count(*) FROM access_token WHERE user_name = 'ada'"),
		ACCESS_TOKENS_UNUSED_MAX);
}

static void test_what_has_ended_goes_with_the_next_login_and_its_account_where_nothing_came_of_it(
	void **state)
{
	struct fixture *f = *state;
	struct access_token token;
	struct account account;
	int64_t empty;
	int64_t lived;
	struct err err;

	log_in(f, "one", "ada", VALID_S);
	log_in(f, "two", "ada", VALID_S);
	empty = add(f, "ada");
	lived = add(f, "ada");
	use(f, "one", empty);
	use(f, "two", lived);
	issue(f, 1, lived, 0);
	fixture_commit(f);
	f->now_s = T0 + VALID_S;
	log_in(f, "three", "ada", VALID_S);
	assert_int_equal(find(f, "two", &token),
		RC_OK); /* whoever comes with it is told that it has ended */
	fixture_commit(f);
	f->now_s = T0 + VALID_S + KEPT_S;
	log_in(f, "four", "ada", VALID_S);
	assert_int_equal(find(f, "one", &token), RC_NOT_FOUND);
	assert_int_equal(find(f, "two", &token), RC_NOT_FOUND);
	assert_rc(account_find(fixture_write(f), empty, &account, &err), RC_NOT_FOUND, &err);
	assert_ok(account_find(fixture_write(f), lived, &account, &err), &err);
	assert_int_equal(account.mode, ACCOUNT_ADDE);
	assert_string_equal(account.user_name, "ada");
}

static void test_a_name_has_a_bound(void **state)
{
	struct fixture *f = *state;
	char name[ACCOUNT_USER_BYTES_MAX + 2];
	struct err err;

	memset(name, 'x', sizeof(name));
	name[ACCOUNT_USER_BYTES_MAX + 1] = '\0';
	assert_rc(try_log_in(f, "one", name, VALID_S, &err), RC_LIMIT, &err);
	name[ACCOUNT_USER_BYTES_MAX] = '\0';
	assert_ok(try_log_in(f, "one", name, VALID_S, &err), &err);
}

static void test_an_administrator_ends_the_tokens_of_a_user_or_of_a_device(void **state)
{
	struct fixture *f = *state;
	struct access_token token;
	int64_t device = 0;
	int64_t other = 0;
	int64_t id = add(f, "ada");
	int64_t count = -1;
	struct err err;

	assert_ok(enroll_device(fixture_write(f), "D", 1, &device, &err), &err);
	assert_ok(enroll_device(fixture_write(f), "PLAIN", 2, &other, &err), &err);
	issue(f, 1, id, 0);
	log_in(f, "one", "ada", VALID_S);
	log_in(f, "unused", "ada", VALID_S);
	use(f, "one", id);
	assert_ok(access_token_end_device(fixture_write(f), S("D"), &count, &err), &err);
	assert_int_equal(count, 1);
	assert_int_equal(find(f, "one", &token), RC_NOT_FOUND);
	assert_int_equal(find(f, "unused", &token), RC_OK);
	assert_ok(access_token_end_device(fixture_write(f), S("D"), &count, &err), &err);
	assert_int_equal(count, 0);
	assert_rc(access_token_end_device(fixture_write(f), S("PLAIN"), &count, &err), RC_NOT_FOUND, &err);
	assert_rc(access_token_end_device(fixture_write(f), S("NONE"), &count, &err), RC_NOT_FOUND, &err);
	assert_ok(access_token_end_user(fixture_write(f), S("ada"), &count, &err), &err);
	assert_int_equal(count, 1);
	assert_ok(access_token_end_user(fixture_write(f), S("ada"), &count, &err), &err);
	assert_int_equal(count, 0);
}

static void test_an_identity_has_the_account_of_the_one_that_it_renews(void **state)
{
	struct fixture *f = *state;
	int64_t device = 0;
	int64_t id = add(f, "ada");
	bool is_used = true;
	struct err err;

	assert_ok(account_is_used(fixture_write(f), id, &is_used, &err), &err);
	assert_false(is_used);
	issue(f, 1, id, 0);
	assert_ok(account_is_used(fixture_write(f), id, &is_used, &err), &err);
	assert_true(is_used);
	assert_ok(enroll_device(fixture_write(f), "D", 1, &device, &err), &err);
	issue(f, 2, 0, device);
	issue(f, 3, 0, 0);
	assert_int_equal(account_of(f, 1), id);
	assert_int_equal(account_of(f, 2), id);
	assert_int_equal(account_of(f, 3), 0);
}

static int64_t mint(struct fixture *f, const char *challenge, int64_t account_id)
{
	uint8_t digest[SHA256_BYTES];
	const struct intent_new intent = {.way = INTENT_ACCOUNT,
		.challenge_sha256 = digest,
		.account_id = account_id,
		.expires_at = T0 + 1};
	int64_t id = 0;
	struct err err;

	digest_of(challenge, digest);
	assert_ok(intent_add(fixture_write(f), &intent, &id, &err), &err);
	return id;
}

static void test_intents_of_an_account_are_dropped_but_for_those_that_were_used(void **state)
{
	static const uint8_t key[SHA256_BYTES];
	struct fixture *f = *state;
	uint8_t digest[SHA256_BYTES];
	struct cert_facts facts = facts_of(1);
	struct identity identity;
	struct intent intent;
	int64_t id = add(f, "ada");
	struct err err;

	issue(f, 1, id, 0);
	assert_ok(identity_find(fixture_write(f), facts.sha256, &identity, &err), &err);
	assert_ok(intent_use(fixture_write(f), mint(f, "used", id), key, identity.id, &err), &err);
	(void)mint(f, "unused", id);
	(void)mint(f, "nobody's", 0);
	assert_ok(account_drop_intents(fixture_write(f), id, &err), &err);
	digest_of("used", digest);
	assert_ok(intent_find_by_challenge(fixture_write(f), digest, &intent, &err), &err);
	assert_int_equal(intent.account_id, id);
	digest_of("nobody's", digest);
	assert_ok(intent_find_by_challenge(fixture_write(f), digest, &intent, &err), &err);
	assert_int_equal(intent.account_id, 0);
	digest_of("unused", digest);
	assert_rc(intent_find_by_challenge(fixture_write(f), digest, &intent, &err), RC_NOT_FOUND, &err);
}

static void test_accounts_are_listed_with_their_device_and_login(void **state)
{
	struct fixture *f = *state;
	struct account_filter filter = {.limit = 1};
	struct account_view *views = NULL;
	size_t count = 0;
	int64_t device = 0;
	int64_t first;
	int64_t second;
	struct err err;

	log_in(f, "one", "ada", VALID_S);
	first = add(f, "ada");
	second = add(f, "bob");
	use(f, "one", first);
	assert_ok(enroll_device(fixture_write(f), "D", 1, &device, &err), &err);
	issue(f, 1, first, 0);
	fixture_commit(f);
	tamper(f, "UPDATE identity SET owner_id = (SELECT id FROM enrollment)");
	assert_ok(account_list(fixture_read(f), &filter, f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_int_equal(views[0].id, first);
	assert_string_equal(views[0].device_ext_id, "D");
	assert_true(views[0].has_token);
	assert_int_equal(views[0].token_expires_at, T0 + VALID_S);
	filter.after_id = first;
	assert_ok(account_list(fixture_read(f), &filter, f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_int_equal(views[0].id, second);
	assert_string_equal(views[0].device_ext_id, "");
	assert_false(views[0].has_token);
	filter = (struct account_filter){.limit = 10, .user_name = S("ada")};
	assert_ok(account_list(fixture_read(f), &filter, f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 1);
	filter.limit = 0;
	assert_rc(account_list(fixture_read(f), &filter, f->arena, &views, &count, &err), RC_INVALID,
		&err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(test_a_token_is_of_nobody_until_it_is_used),
		TEST(test_one_that_is_for_ever_is_never_over),
		TEST(test_an_account_has_one_token_and_the_next_takes_its_place),
		TEST(test_a_user_has_so_many_unused_tokens_and_no_more),
		TEST(test_what_has_ended_goes_with_the_next_login_and_its_account_where_nothing_came_of_it),
		TEST(test_a_name_has_a_bound),
		TEST(test_an_administrator_ends_the_tokens_of_a_user_or_of_a_device),
		TEST(test_an_identity_has_the_account_of_the_one_that_it_renews),
		TEST(test_intents_of_an_account_are_dropped_but_for_those_that_were_used),
		TEST(test_accounts_are_listed_with_their_device_and_login),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
