/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "../identity/world.h"
#include "account_decide.h"
#include "pomona/store/intent.h"

enum { VALID_S = 86400 };

static struct world world;

static int open_world(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world_open(&world);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

/* --- names */

static void an_account_has_something_on_both_sides_of_its_at(void **state)
{
	static const struct {
		const char *text;
		bool is_sound;
	} rows[] = {
		{"ada@example.org", true},
		{"a@b", true},
		{"\xc3\xa5sa@example.org", true},
		{"ada", false},
		{"@example.org", false},
		{"ada@", false},
		{"", false},
		{"a da@example.org", false},
		{"ada\n@example.org", false},
		{"ada\xff@example.org", false},
	};
	char longest[ACCOUNT_MANAGED_BYTES_MAX + 2];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(account_id_is_sound(slice_of_str(rows[i].text)), rows[i].is_sound);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	longest[1] = '@';
	assert_false(account_id_is_sound(slice_of_str(longest)));
	assert_true(account_id_is_sound(slice_of(longest, ACCOUNT_MANAGED_BYTES_MAX)));
}

static void nobody_enrolls_as_somebody_else(void **state)
{
	static const struct {
		const char *user, *managed_id;
		bool is_user;
	} rows[] = {
		{"ada@example.org", "ada@example.org", true},
		{"ADA@example.org", "ada@Example.org", true},
		{"ada", "ada@example.org", true},
		{"ada@other.org", "ada@example.org", false},
		{"eve", "ada@example.org", false},
		{"ad", "ada@example.org", false},
		{"ada@", "ada@example.org", false},
		{"", "ada@example.org", false},
		{"", "@example.org", false},
		{"example.org", "ada@example.org", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(account_is_user_of(slice_of_str(rows[i].user), slice_of_str(rows[i].managed_id)),
			rows[i].is_user);
}

/* --- tokens */

struct turn {
	const char *token, *user, *challenge; /* of a login `user` alone; of a profile `challenge` */
	enum account_mode mode;
	const char *device_id;
	const char *used_by; /* an identity of this name is issued by the challenge */
	enum account_refusal refusal;
	struct account account;
	bool is_there; /* the challenge */
	struct intent intent;
};

static enum rc log_in_run(void *ctx, struct txn *txn, struct err *err)
{
	const struct turn *turn = ctx;
	uint8_t digest[SHA256_BYTES];
	const struct access_token_new token = {.sha256 = digest,
		.user_name = slice_of_str(turn->user),
		.managed_id = SLICE_LITERAL("ada@example.org"),
		.unused_s = ACCOUNT_LOGIN_S,
		.valid_s = VALID_S};

	sha256(slice_of_str(turn->token), digest);
	return access_token_add(txn, &token, err);
}

static void log_in(const char *token, const char *user)
{
	struct turn turn = {.token = token, .user = user};

	world_write(&world, log_in_run, &turn);
}

static enum rc begin_run(void *ctx, struct txn *txn, struct err *err)
{
	struct turn *turn = ctx;
	uint8_t digest[SHA256_BYTES];
	uint8_t challenge[SHA256_BYTES];
	const struct account_profile_ask ask = {.token_sha256 = digest,
		.mode = turn->mode,
		.device_id = slice_of_str(turn->device_id),
		.challenge_sha256 = challenge};

	sha256(slice_of_str(turn->token), digest);
	sha256(slice_of_str(turn->challenge), challenge);
	return account_begin(txn, &ask, &turn->refusal, &turn->account, err);
}

static enum account_refusal begin(const char *token, enum account_mode mode, const char *challenge)
{
	struct turn turn = {.token = token, .mode = mode, .challenge = challenge};

	world_write(&world, begin_run, &turn);
	return turn.refusal;
}

static enum rc look_run(void *ctx, struct txn *txn, struct err *err)
{
	struct turn *turn = ctx;
	uint8_t challenge[SHA256_BYTES];
	enum rc rc;

	sha256(slice_of_str(turn->challenge), challenge);
	rc = intent_find_by_challenge(txn, challenge, &turn->intent, err);
	turn->is_there = rc == RC_OK;
	return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static bool is_challenge_there(const char *challenge)
{
	struct turn turn = {.challenge = challenge};

	world_write(&world, look_run, &turn);
	return turn.is_there;
}

static enum rc use_run(void *ctx, struct txn *txn, struct err *err)
{
	static const uint8_t key[SHA256_BYTES];
	struct turn *turn = ctx;
	const struct credential credential = world_credential(turn->used_by);
	struct identity_issued issued = {.facts = &credential.facts, .der = SLICE_LITERAL("der")};
	struct identity identity;
	enum rc rc = look_run(ctx, txn, err);

	issued.account_id = turn->intent.account_id;
	if (rc == RC_OK)
		rc = identity_issued(txn, &issued, err);
	if (rc == RC_OK)
		rc = identity_find(txn, credential.facts.sha256, &identity, err);
	return rc == RC_OK ? intent_use(txn, turn->intent.id, key, identity.id, err) : rc;
}

static void the_token_of_a_login_gets_a_profile_for_its_user(void **state)
{
	struct turn turn = {.token = "one", .mode = ACCOUNT_ADDE, .challenge = "c", .device_id = "UDID-1"};

	(void)state;
	log_in("one", "ada");
	world_write(&world, begin_run, &turn);
	assert_int_equal(turn.refusal, ACCOUNT_NOT_REFUSED);
	assert_int_equal(turn.account.mode, ACCOUNT_ADDE);
	assert_string_equal(turn.account.user_name, "ada");
	assert_string_equal(turn.account.managed_id, "ada@example.org");
	world_write(&world, look_run, &turn);
	assert_true(turn.is_there);
	assert_int_equal(turn.intent.way, INTENT_ACCOUNT);
	assert_int_equal(turn.intent.account_id, turn.account.id);
	assert_string_equal(turn.intent.device_id, "UDID-1");
	assert_int_equal(turn.intent.expires_at, world.now + ACCOUNT_PROFILE_S);
}

static void a_token_that_is_not_good_gets_none(void **state)
{
	(void)state;
	log_in("one", "ada");
	assert_int_equal(begin("two", ACCOUNT_BYOD, "c"), ACCOUNT_REFUSED_UNKNOWN);
	world.now += ACCOUNT_LOGIN_S;
	assert_int_equal(begin("one", ACCOUNT_BYOD, "c"), ACCOUNT_REFUSED_EXPIRED);
	assert_false(is_challenge_there("c"));
}

/* A reply may be lost: the next profile takes the place of the one before. */
static void a_token_may_ask_again_until_its_profile_was_used(void **state)
{
	struct turn turn = {.challenge = "c2", .used_by = "identity"};

	(void)state;
	log_in("one", "ada");
	assert_int_equal(begin("one", ACCOUNT_BYOD, "c1"), ACCOUNT_NOT_REFUSED);
	assert_int_equal(begin("one", ACCOUNT_BYOD, "c2"), ACCOUNT_NOT_REFUSED);
	assert_false(is_challenge_there("c1"));
	assert_true(is_challenge_there("c2"));
	assert_int_equal(world_look(&world, "SELECT count(*) FROM account"), 1);
	assert_int_equal(begin("one", ACCOUNT_ADDE, "c3"), ACCOUNT_REFUSED_USED);
	world_write(&world, use_run, &turn);
	assert_int_equal(begin("one", ACCOUNT_BYOD, "c4"), ACCOUNT_REFUSED_USED);
	assert_true(is_challenge_there("c2"));
}

static void two_logins_are_two_devices(void **state)
{
	(void)state;
	log_in("one", "ada");
	log_in("two", "ada");
	assert_int_equal(begin("one", ACCOUNT_BYOD, "c1"), ACCOUNT_NOT_REFUSED);
	assert_int_equal(begin("two", ACCOUNT_BYOD, "c2"), ACCOUNT_NOT_REFUSED);
	assert_true(is_challenge_there("c1"));
	assert_int_equal(world_look(&world, "SELECT count(*) FROM account"), 2);
}

static void each_refusal_has_a_word(void **state)
{
	(void)state;
	for (int i = 0; i < ACCOUNT_REFUSAL_COUNT; i++)
		assert_non_null(account_refusal_name((enum account_refusal)i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
		cmocka_unit_test(an_account_has_something_on_both_sides_of_its_at),
		cmocka_unit_test(nobody_enrolls_as_somebody_else),
		TEST(the_token_of_a_login_gets_a_profile_for_its_user),
		TEST(a_token_that_is_not_good_gets_none),
		TEST(a_token_may_ask_again_until_its_profile_was_used),
		TEST(two_logins_are_two_devices),
		cmocka_unit_test(each_refusal_has_a_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
