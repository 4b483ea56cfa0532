/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "pomona/identity/unenroll.h"
#include "world.h"

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

/* --- the header */

static void a_token_stands_behind_its_scheme(void **state)
{
	char longest[7 + ACCOUNT_TOKEN_BYTES_MAX + 2] = "Bearer ";

	(void)state;
	assert_true(slice_is_str(account_token_of_header("Bearer abc"), "abc"));
	assert_true(slice_is_str(account_token_of_header("  bEARER \t abc "), "abc"));
	assert_int_equal(account_token_of_header(NULL).len, 0);
	assert_int_equal(account_token_of_header("").len, 0);
	assert_int_equal(account_token_of_header("Bearer").len, 0);
	assert_int_equal(account_token_of_header("Bearer ").len, 0);
	assert_int_equal(account_token_of_header("Bearerabc").len, 0);
	assert_int_equal(account_token_of_header("Basic YWJj").len, 0);
	memset(longest + 7, 'x', ACCOUNT_TOKEN_BYTES_MAX);
	assert_int_equal(account_token_of_header(longest).len, ACCOUNT_TOKEN_BYTES_MAX);
	longest[7 + ACCOUNT_TOKEN_BYTES_MAX] = 'x';
	assert_int_equal(account_token_of_header(longest).len, 0);
}

/* --- who may be answered 401, in each combination */

struct combination {
	enum account_standing account;
	bool has_account;
	enum standing standing;
	bool is_device_known;
	enum enrollment_state state;
	bool is_authenticate, is_login_offered;
	enum unknown_device unknown_device;
};

static int combinations;

/* What the rules say, in words of their own. */
static enum refusal expected(const struct combination *c)
{
	const bool is_own = c->standing == STANDING_PINNED || c->standing == STANDING_PENDING;
	const bool is_bad =
		c->account != ACCOUNT_NONE && c->account != ACCOUNT_GOOD && c->account != ACCOUNT_FRESH;

	if (!c->is_device_known && !c->is_authenticate && c->unknown_device == UNKNOWN_DEVICE_UNENROLL)
		return REFUSAL_UNKNOWN_UNENROLLED;
	if (!c->is_device_known && !c->is_authenticate)
		return REFUSAL_UNKNOWN_DEVICE;
	if (c->is_device_known && c->state == ENROLLMENT_REMOVAL_ORDERED && (is_own || c->is_authenticate))
		return REFUSAL_REMOVAL_ORDERED;
	if (c->is_device_known && c->state == ENROLLMENT_REMOVED && c->standing == STANDING_PINNED &&
		!c->is_authenticate)
		return REFUSAL_REMOVAL_ORDERED;
	if (!c->has_account || !is_bad || (!is_own && !c->is_authenticate))
		return REFUSAL_NONE;
	return c->is_login_offered ? REFUSAL_LOGIN_REQUIRED : REFUSAL_ACCESS_TOKEN;
}

static enum rc decide(void *ctx, struct txn *txn, struct err *err)
{
	const struct combination *c = ctx;
	const struct unenroll_policy policy = {.unknown_device = c->unknown_device,
		.fuse_per_hour = 1000000,
		.is_login_offered = c->is_login_offered};
	const struct credential credential = world_credential("a");
	const struct claim claim = {.kind = ENROLLMENT_DEVICE,
		.device_id = SLICE_LITERAL("D"),
		.ext_id = SLICE_LITERAL("D")};
	struct sender sender = {.standing = c->standing,
		.is_identity_known = true,
		.identity = {.id = 1, .account_id = c->has_account ? 1 : 0},
		.is_device_known = c->is_device_known,
		.device = {.id = 1, .kind = ENROLLMENT_DEVICE, .state = c->state, .identity_id = 1}};
	const struct unenroll_params params = {.policy = &policy,
		.credential = &credential,
		.claim = &claim,
		.sender = &sender,
		.is_authenticate = c->is_authenticate,
		.account = c->account};
	struct outcome outcome;
	enum rc rc;

	if (c->standing == STANDING_PENDING)
		sender.device.pending_identity_id = 1;
	outcome_init(&outcome);
	rc = unenroll_decide(txn, &params, &outcome, err);
	if (rc == RC_OK && outcome.refusal != expected(c))
		fail_msg("account %d of %d, standing %d, known %d, state %d, authenticate %d, login %d: %s",
			c->account, c->has_account, c->standing, c->is_device_known, c->state, c->is_authenticate,
			c->is_login_offered, refusal_name(outcome.refusal));
	if (outcome.refusal == REFUSAL_LOGIN_REQUIRED) {
		assert_int_equal(outcome.http_status, 401);
		assert_true(c->has_account);
		assert_string_not_equal(outcome.text, "");
	}
	outcome_fini(&outcome);
	combinations++;
	return rc == RC_OK ? err_set(err, RC_DENIED, "nothing of it is kept") : rc;
}

static void try(struct combination *c)
{
	struct err err = {.rc = RC_OK};

	assert_int_equal(store_run(world.store, decide, c, &err), RC_DENIED);
}

static void try_switches(struct combination *c)
{
	for (unsigned bits = 0; bits < 16; bits++) {
		c->is_authenticate = (bits & 1) != 0;
		c->is_login_offered = (bits & 2) != 0;
		c->has_account = (bits & 4) != 0;
		c->unknown_device = (bits & 8) != 0 ? UNKNOWN_DEVICE_UNENROLL : UNKNOWN_DEVICE_REFUSE;
		try(c);
	}
}

static enum rc add_one(void *ctx, struct txn *txn, struct err *err)
{
	int64_t id = 0;
	enum rc rc = enrollment_add_device(txn, ENROLLMENT_DEVICE, SLICE_LITERAL("D"), &id, err);

	(void)ctx;
	return rc == RC_OK ? enrollment_set_state(txn, id, ENROLLMENT_ENROLLED, err) : rc;
}

/* Each access token at each certificate at each device: the 401 that asks for a login is for accounts alone. */
static void only_what_enrolled_with_an_account_is_ever_asked_to_log_in(void **state)
{
	struct combination c;

	(void)state;
	world_write(&world, add_one, NULL); /* the fuse of an empty database holds */
	for (int account = 0; account < ACCOUNT_STANDING_COUNT; account++)
		for (int standing = STANDING_PINNED; standing <= STANDING_FORMER; standing++)
			for (int device = 0; device <= ENROLLMENT_ENDED; device++) {
				c = (struct combination){.account = (enum account_standing)account,
					.standing = (enum standing)standing,
					.is_device_known = device > 0,
					.state = (enum enrollment_state)(device > 0 ? device : ENROLLMENT_PENDING)};
				if (device == 0)
					c.standing = STANDING_FREE;
				try_switches(&c);
			}
	assert_int_equal(combinations, 7 * 4 * 7 * 16);
}

static void a_standing_that_nobody_knows_is_not_good(void **state)
{
	(void)state;
	for (int i = 0; i < ACCOUNT_STANDING_COUNT; i++)
		assert_int_equal(account_standing_text((enum account_standing)i) == NULL, i <= ACCOUNT_FRESH);
	assert_non_null(account_standing_text(ACCOUNT_STANDING_COUNT));
	assert_non_null(account_standing_text((enum account_standing) - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_stands_behind_its_scheme),
		cmocka_unit_test_setup_teardown(only_what_enrolled_with_an_account_is_ever_asked_to_log_in,
			open_world, close_world),
		cmocka_unit_test(a_standing_that_nobody_knows_is_not_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
