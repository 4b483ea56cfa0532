/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "pomona/store/account.h"
#include "pomona/store/renewal.h"
#include "talk.h"

enum { LOGIN_S = 900, VALID_S = 86400 };

#define E TALK_STR("EnrollmentID", "E")
#define E_USER TALK_STR("EnrollmentID", "E") TALK_STR("EnrollmentUserID", "U")

static struct credential a, b;

static int setup(void **state)
{
	struct talk *talk;
	int failed = talk_setup(state);

	a = world_credential("a");
	b = world_credential("b");
	talk = *state;
	talk->policy.unenroll.is_login_offered = true;
	return failed;
}

/* --- what the routes of enrolling and logging in do */

struct making {
	const char *token, *user, *managed_id;
	const struct credential *credential; /* of ours, for the account; NULL: the login alone */
	int64_t account_id;
	enum account_mode mode; /* 0: ACCOUNT_BYOD */
	const char *issued_for; /* the device's id; NULL: none */
};

static enum rc make(void *ctx, struct txn *txn, struct err *err)
{
	struct making *making = ctx;
	struct account account = {.mode = making->mode == 0 ? ACCOUNT_BYOD : making->mode};
	uint8_t digest[SHA256_BYTES];
	const struct access_token_new token = {.sha256 = digest,
		.user_name = slice_of_str(making->user),
		.managed_id = slice_of_str(making->managed_id),
		.unused_s = LOGIN_S,
		.valid_s = VALID_S};
	struct identity_issued issued = {.der = slice_of_str("der")};
	enum rc rc;

	sha256(slice_of_str(making->token), digest);
	rc = access_token_add(txn, &token, err);
	if (rc != RC_OK || making->credential == NULL)
		return rc;
	(void)snprintf(account.user_name, sizeof(account.user_name), "%s", making->user);
	(void)snprintf(account.managed_id, sizeof(account.managed_id), "%s", making->managed_id);
	rc = account_add(txn, &account, &making->account_id, err);
	if (rc == RC_OK)
		rc = access_token_use(txn, digest, making->account_id, err);
	issued.facts = &making->credential->facts;
	issued.account_id = making->account_id;
	issued.issued_for = slice_of_str(making->issued_for);
	return rc == RC_OK ? identity_issued(txn, &issued, err) : rc;
}

static void enroll_account(struct talk *talk, const char *token, const char *user,
	const struct credential *credential)
{
	char managed_id[64];
	struct making making = {.token = token,
		.user = user,
		.managed_id = managed_id,
		.credential = credential};

	(void)snprintf(managed_id, sizeof(managed_id), "%s%s", user,
		strchr(user, '@') == NULL ? "@example.org" : "");
	world_write(&talk->world, make, &making);
}

static void log_in(struct talk *talk, const char *token, const char *user)
{
	enroll_account(talk, token, user, NULL);
}

static enum rc end_all(void *ctx, struct txn *txn, struct err *err)
{
	int64_t count = 0;
	enum rc rc = access_token_end_user(txn, slice_of_str(ctx), &count, err);

	if (rc == RC_OK)
		assert_int_equal(count, 1);
	return rc;
}

/* Ada's device E, enrolled with the token "one". */
static void enroll_ada(struct talk *talk)
{
	enroll_account(talk, "one", "ada", &a);
	talk->access_token = "one";
	talk_enroll(talk, &a, E);
}

static void assert_asked(struct talk *talk, const char *text)
{
	assert_int_equal(talk->outcome.refusal, REFUSAL_LOGIN_REQUIRED);
	assert_int_equal(talk->outcome.http_status, 401);
	assert_non_null(strstr(talk->outcome.text, text));
	assert_int_equal(world_state(&talk->world, "E"), ENROLLMENT_ENROLLED);
}

/* --- */

static void each_message_needs_the_token_on_both_channels(void **state)
{
	struct talk *talk = *state;

	enroll_ada(talk);
	assert_int_equal(talk_token_update(talk, &a, E_USER), 200);
	assert_int_equal(talk_idle(talk, &a, E), 200);
	assert_true(talk->was_snapshot_enough);
	assert_int_equal(talk_idle(talk, &a, E_USER), 200);
	talk->access_token = NULL;
	assert_int_equal(talk_idle(talk, &a, E), 401);
	assert_asked(talk, "no access token");
	assert_int_equal(talk_idle(talk, &a, E_USER), 401);
	assert_int_equal(talk_token_update(talk, &a, E), 401);
	assert_int_equal(talk_token_update(talk, &a, E_USER), 401);
	assert_int_equal(talk_answer(talk, &a, E, "one", "Acknowledged"), 401);
	assert_int_equal(talk_authenticate(talk, &a, E), 401);
	assert_int_equal(talk_check_out(talk, &a, E), 401);
	assert_asked(talk, "no access token");
}

static void no_profile_is_enrolled_without_the_token(void **state)
{
	struct talk *talk = *state;

	enroll_account(talk, "one", "ada", &a);
	assert_int_equal(talk_authenticate(talk, &a, E), 401);
	assert_int_equal(talk->outcome.refusal, REFUSAL_LOGIN_REQUIRED);
	talk->access_token = "one";
	assert_int_equal(talk_authenticate(talk, &a, E), 200);
	talk->access_token = NULL;
	assert_int_equal(talk_token_update(talk, &a, E), 401);
	talk->access_token = "one";
	assert_int_equal(talk_token_update(talk, &a, E), 200);
}

static void what_was_answered_401_comes_again_with_the_token_of_a_new_login(void **state)
{
	struct talk *talk = *state;
	bool is_late = false;

	enroll_ada(talk);
	talk_enqueue(talk, "E", "one", "ProfileList", 0);
	assert_int_equal(talk_idle(talk, &a, E), 200);
	assert_string_equal(talk_given(talk), "one");
	talk->world.now += VALID_S;
	assert_int_equal(talk_answer(talk, &a, E, "one", "Acknowledged"), 401);
	assert_asked(talk, "expired");
	assert_int_equal(talk_queue_state(talk, "E", "one", &is_late), QUEUE_SENT);
	log_in(talk, "two", "ada");
	talk->access_token = "two";
	assert_int_equal(talk_answer(talk, &a, E, "one", "Acknowledged"), 200);
	assert_int_equal(talk_queue_state(talk, "E", "one", &is_late), QUEUE_DONE);
}

static void a_new_login_ends_the_former_token_and_lasts_as_long(void **state)
{
	struct talk *talk = *state;

	enroll_ada(talk);
	log_in(talk, "two", "ada");
	assert_int_equal(talk_idle(talk, &a, E), 200);
	talk->access_token = "two";
	assert_int_equal(talk_idle(talk, &a, E), 200);
	assert_false(talk->was_snapshot_enough);
	assert_int_equal(talk_idle(talk, &a, E), 200);
	assert_true(talk->was_snapshot_enough);
	talk->access_token = "one";
	assert_int_equal(talk_idle(talk, &a, E), 401);
	assert_asked(talk, "not known");
	talk->access_token = "two";
	talk->world.now += VALID_S - 1;
	assert_int_equal(talk_idle(talk, &a, E), 200);
	talk->world.now += 1;
	assert_int_equal(talk_idle(talk, &a, E), 401);
}

static void a_login_that_was_not_used_in_time_is_over(void **state)
{
	struct talk *talk = *state;

	enroll_ada(talk);
	log_in(talk, "two", "ada");
	talk->access_token = "two";
	talk->world.now += LOGIN_S;
	assert_int_equal(talk_idle(talk, &a, E), 401);
	assert_asked(talk, "expired");
}

static void another_ones_token_does_not_do(void **state)
{
	struct talk *talk = *state;

	enroll_ada(talk);
	enroll_account(talk, "of b", "ada", &b);
	talk->access_token = "of b";
	assert_int_equal(talk_idle(talk, &a, E), 401);
	assert_asked(talk, "another account's");
	log_in(talk, "of eve", "eve");
	talk->access_token = "of eve";
	assert_int_equal(talk_idle(talk, &a, E), 401);
	assert_asked(talk, "another account's");
	talk->access_token = "made up";
	assert_int_equal(talk_idle(talk, &a, E), 401);
	assert_asked(talk, "not known");
	talk->access_token = "one";
	assert_int_equal(talk_idle(talk, &a, E), 200);
}

static void whom_an_administrator_logs_out_logs_in_anew(void **state)
{
	char user[] = "ada";
	struct talk *talk = *state;

	enroll_ada(talk);
	world_write(&talk->world, end_all, user);
	assert_int_equal(talk_idle(talk, &a, E), 401);
	assert_asked(talk, "not known");
	log_in(talk, "two", "ada");
	talk->access_token = "two";
	assert_int_equal(talk_idle(talk, &a, E), 200);
}

static void a_device_that_enrolled_without_an_account_is_never_asked(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &b, TALK_UDID("D"));
	talk->access_token = "made up";
	assert_int_equal(talk_idle(talk, &b, TALK_UDID("D")), 200);
	enroll_account(talk, "one", "ada", &a);
	talk->access_token = NULL;
	assert_int_equal(talk_idle(talk, &a, TALK_UDID("D")), 403); /* not its certificate */
	assert_int_equal(talk->outcome.refusal, REFUSAL_NOT_PINNED);
}

static void an_ordered_removal_is_a_401_that_is_none_of_these(void **state)
{
	struct talk *talk = *state;

	enroll_ada(talk);
	talk->access_token = NULL;
	world_set_state(&talk->world, "E", ENROLLMENT_REMOVAL_ORDERED);
	assert_int_equal(talk_idle(talk, &a, E), 401);
	assert_int_equal(talk->outcome.refusal, REFUSAL_REMOVAL_ORDERED);
	assert_int_equal(talk_idle(talk, &a, E), 401);
	assert_int_equal(talk->outcome.refusal, REFUSAL_REMOVAL_ORDERED);
}

/* Somebody put "ada" into the user file anew, as "Ada@example.org". */
static void the_same_person_may_have_another_name_in_the_user_file(void **state)
{
	struct talk *talk = *state;

	enroll_ada(talk);
	log_in(talk, "two", "Ada@example.org");
	talk->access_token = "two";
	assert_int_equal(talk_idle(talk, &a, E), 200);
}

static void where_nobody_can_log_in_it_is_a_403(void **state)
{
	struct talk *talk = *state;

	enroll_ada(talk);
	talk->policy.unenroll.is_login_offered = false;
	talk->access_token = NULL;
	assert_int_equal(talk_idle(talk, &a, E), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_ACCESS_TOKEN);
}

/* Who may enroll with his account must not take over what is somebody else's by naming it. */
static void nobody_takes_a_device_over_that_is_somebody_elses(void **state)
{
	struct talk *talk = *state;
	struct credential eve = world_credential("eve");

	enroll_ada(talk);
	enroll_account(talk, "of eve", "eve", &eve);
	talk->access_token = "of eve";
	assert_int_equal(talk_authenticate(talk, &eve, E), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_ISSUED_FOR_ANOTHER);
	enroll_account(talk, "anew", "ada", &b);
	talk->access_token = "anew";
	talk_enroll(talk, &b, E);
	assert_string_equal(talk->outcome.event, "re_enrolled");
	world_set_state(&talk->world, "E", ENROLLMENT_CHECKED_OUT);
	talk->access_token = "of eve";
	assert_int_equal(talk_authenticate(talk, &eve, E), 200);
}

static void no_device_without_an_account_is_taken_over_by_one(void **state)
{
	struct talk *talk = *state;
	struct credential bound = world_credential("bound");
	struct making making = {.user = "ada", .managed_id = "ada@example.org", .mode = ACCOUNT_ADDE};

	talk_enroll(talk, &b, TALK_UDID("D"));
	making.credential = &a;
	making.token = "one";
	world_write(&talk->world, make, &making);
	talk->access_token = "one";
	assert_int_equal(talk_authenticate(talk, &a, TALK_UDID("D")), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_ISSUED_FOR_ANOTHER);
	making.credential = &bound;
	making.token = "of bound";
	making.issued_for = "D";
	world_write(&talk->world, make, &making);
	talk->access_token = "of bound";
	talk_enroll(talk, &bound, TALK_UDID("D")); /* what Apple's signature says it is */
}

static void a_user_enrollment_has_an_enrollment_id_and_nothing_else_has(void **state)
{
	struct talk *talk = *state;
	struct making making = {.token = "two",
		.user = "ada",
		.managed_id = "ada@example.org",
		.credential = &b,
		.mode = ACCOUNT_ADDE};

	enroll_account(talk, "one", "ada", &a);
	talk->access_token = "one";
	assert_int_equal(talk_authenticate(talk, &a, TALK_UDID("D")), 403);
	world_write(&talk->world, make, &making);
	talk->access_token = "two";
	assert_int_equal(talk_authenticate(talk, &b, E), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_ISSUED_FOR_ANOTHER);
	assert_int_equal(talk_authenticate(talk, &b, TALK_UDID("D")), 200);
}

static void a_renewed_identity_has_the_account(void **state)
{
	struct talk *talk = *state;

	enroll_ada(talk);
	world_issue(&talk->world, &b, "E", "E");
	talk->access_token = NULL;
	assert_int_equal(talk_authenticate(talk, &b, E), 401);
	assert_int_equal(talk->outcome.refusal, REFUSAL_LOGIN_REQUIRED);
	talk->access_token = "one";
	talk_enroll(talk, &b, E);
	assert_string_equal(talk->outcome.event, "renewed");
	assert_int_equal(talk_idle(talk, &b, E), 200);
	talk->access_token = NULL;
	assert_int_equal(talk_idle(talk, &b, E), 401);
}

static enum rc note_renewal(void *ctx, struct txn *txn, struct err *err)
{
	struct enrollment device;
	enum rc rc = enrollment_find(txn, SLICE_LITERAL("E"), &device, err);
	const struct renewal_row row = {
		.enrollment_id = device.id,
		.identity_id = device.identity_id,
		.state = RENEWAL_SENT,
		.command_id = 1,
	};

	(void)ctx;
	return rc == RC_OK ? renewal_put(txn, &row, err) : rc;
}

static void a_former_identity_is_heard_out_with_the_token_only(void **state)
{
	struct talk *talk = *state;

	enroll_ada(talk);
	world_write(&talk->world, note_renewal, NULL);
	world_issue(&talk->world, &b, "E", "E");
	talk_enroll(talk, &b, E);
	assert_int_equal(talk_idle(talk, &a, E), 200);
	talk->access_token = NULL;
	assert_int_equal(talk_idle(talk, &a, E), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_SUPERSEDED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, talk_teardown)
		TEST(a_former_identity_is_heard_out_with_the_token_only),
		TEST(each_message_needs_the_token_on_both_channels),
		TEST(no_profile_is_enrolled_without_the_token),
		TEST(what_was_answered_401_comes_again_with_the_token_of_a_new_login),
		TEST(a_new_login_ends_the_former_token_and_lasts_as_long),
		TEST(a_login_that_was_not_used_in_time_is_over),
		TEST(another_ones_token_does_not_do),
		TEST(the_same_person_may_have_another_name_in_the_user_file),
		TEST(whom_an_administrator_logs_out_logs_in_anew),
		TEST(a_device_that_enrolled_without_an_account_is_never_asked),
		TEST(an_ordered_removal_is_a_401_that_is_none_of_these),
		TEST(where_nobody_can_log_in_it_is_a_403),
		TEST(a_renewed_identity_has_the_account),
		TEST(nobody_takes_a_device_over_that_is_somebody_elses),
		TEST(no_device_without_an_account_is_taken_over_by_one),
		TEST(a_user_enrollment_has_an_enrollment_id_and_nothing_else_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
