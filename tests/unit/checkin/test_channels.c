/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "talk.h"

#define D TALK_UDID("D")
#define U TALK_USER("D", "U")
#define CONFLICT "identity_conflict"

static struct credential a, b;

static int setup(void **state)
{
	a = world_credential("a");
	b = world_credential("b");
	return talk_setup(state);
}

static void a_user_enrolls_under_its_enrolled_device_only(void **state)
{
	struct talk *talk = *state;
	struct enrollment device;
	struct enrollment user;

	assert_int_equal(talk_authenticate(talk, &a, D), 200);
	assert_int_equal(talk_token_update(talk, &a, U), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_NOT_ENROLLED_YET);
	assert_int_equal(talk_token_update(talk, &a, D), 200);
	assert_int_equal(talk_token_update(talk, &a, U), 200);
	assert_string_equal(talk->outcome.event, "user_enrolled");
	assert_true(world_find(&talk->world, "D", &device));
	assert_true(world_find(&talk->world, "D:U", &user));
	assert_int_equal(user.device_id, device.id);
	assert_int_equal(user.kind, ENROLLMENT_USER);
	assert_int_equal(talk->outcome.channel_id, user.id);
	assert_int_equal(talk_token_update(talk, &a, U), 200);
	assert_string_equal(talk->outcome.event, "user_token_updated");
}

static void users_of_every_kind_have_their_own_id(void **state)
{
	static const struct {
		const char *device, *user, *ext_id;
		enum enrollment_kind kind;
	} cases[] = {
		{TALK_UDID("IPAD"),
			TALK_USER("IPAD", CLAIM_SHARED_IPAD_USER_ID) TALK_STR("UserShortName", "anna@example.com"),
			"IPAD:anna@example.com", ENROLLMENT_SHARED_USER},
		{TALK_UDID("MAC"), TALK_USER("MAC", "U1") TALK_STR("UserShortName", "anna"), "MAC:U1",
			ENROLLMENT_USER},
		{TALK_STR("EnrollmentID", "E"), TALK_STR("EnrollmentID", "E") TALK_STR("EnrollmentUserID", "V"),
			"E:V", ENROLLMENT_BYOD_USER},
	};
	struct talk *talk = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct credential credential = world_credential(cases[i].ext_id);
		struct enrollment user;

		talk_enroll(talk, &credential, cases[i].device);
		assert_int_equal(talk_token_update(talk, &credential, cases[i].user), 200);
		assert_true(world_find(&talk->world, cases[i].ext_id, &user));
		assert_int_equal(user.kind, cases[i].kind);
	}
}

static void a_users_queue_is_apart_from_its_devices(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	assert_int_equal(talk_token_update(talk, &a, U), 200);
	talk_enqueue(talk, "D:U", "for-user", "ProfileList", 0);
	assert_int_equal(talk_idle(talk, &a, D), 200);
	assert_string_equal(talk_given(talk), "");
	assert_true(talk->was_snapshot_enough);
	assert_int_equal(talk_answer(talk, &a, D, "for-user", "Acknowledged"), 200);
	assert_string_equal(talk->outcome.event, "result_unknown");
	assert_int_equal(talk_idle(talk, &a, U), 200);
	assert_string_equal(talk_given(talk), "for-user");
	assert_int_equal(talk_answer(talk, &a, U, "for-user", "Acknowledged"), 200);
	assert_int_equal(talk_queue_state(talk, "D:U", "for-user", NULL), QUEUE_DONE);
}

static void check_contact(struct talk *talk, enum outcome_contact want, const char *ext_id)
{
	struct enrollment enrollment;

	assert_int_equal(talk->outcome.contact, want);
	assert_int_equal(talk->outcome.seen_seq, 0);
	if (want == OUTCOME_CONTACT_NONE)
		return;
	assert_true(world_find(&talk->world, ext_id, &enrollment));
	assert_int_equal(talk->outcome.channel_id, enrollment.id);
}

static void each_message_tells_what_it_means_for_waking(void **state)
{
	struct talk *talk = *state;

	talk->policy.user_authenticate = USER_AUTHENTICATE_EMPTY;
	assert_int_equal(talk_authenticate(talk, &a, D), 200);
	check_contact(talk, OUTCOME_CONTACT_NONE, NULL);
	assert_int_equal(talk_token_update(talk, &a, D), 200);
	check_contact(talk, OUTCOME_CONTACT_TOKEN, "D");
	assert_int_equal(talk_token_update(talk, &a, D), 200);
	check_contact(talk, OUTCOME_CONTACT_TOKEN, "D");
	assert_int_equal(talk_token_update(talk, &a, U), 200);
	check_contact(talk, OUTCOME_CONTACT_TOKEN, "D:U");
	assert_int_equal(talk_checkin(talk, &a, TALK_STR("MessageType", "UserAuthenticate") U), 200);
	check_contact(talk, OUTCOME_CONTACT_NONE, NULL); /* its password was asked for, not its queue */
	assert_int_equal(talk_checkin(talk, &a, TALK_STR("MessageType", "GetBootstrapToken") D), 200);
	check_contact(talk, OUTCOME_CONTACT_MESSAGE, "D");
	assert_int_equal(talk_authenticate(talk, &b, D), 200);
	check_contact(talk, OUTCOME_CONTACT_NONE, NULL);
	assert_int_equal(talk_check_out(talk, &b, D), 200);
	check_contact(talk, OUTCOME_CONTACT_NONE, NULL);
	assert_int_equal(talk_check_out(talk, &a, TALK_USER("D", "NEVER")), 200);
	check_contact(talk, OUTCOME_CONTACT_NONE, NULL);
	assert_int_equal(talk_check_out(talk, &a, U), 200);
	check_contact(talk, OUTCOME_CONTACT_MESSAGE, "D:U");
	assert_int_equal(talk_check_out(talk, &a, D), 200);
	check_contact(talk, OUTCOME_CONTACT_MESSAGE, "D");
}

static void check_out_ends_the_device_and_its_users(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	assert_int_equal(talk_token_update(talk, &a, U), 200);
	talk_enqueue(talk, "D", "one", "DeviceInformation", 0);
	talk_enqueue(talk, "D:U", "two", "ProfileList", 0);
	assert_int_equal(talk_check_out(talk, &a, D), 200);
	assert_string_equal(talk->outcome.event, "checked_out");
	assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_CHECKED_OUT);
	assert_int_equal(world_state(&talk->world, "D:U"), ENROLLMENT_ENDED);
	assert_int_equal(talk_queue_state(talk, "D", "one", NULL), QUEUE_CANCELLED);
	assert_int_equal(talk_queue_state(talk, "D:U", "two", NULL), QUEUE_CANCELLED);
	assert_int_equal(talk_check_out(talk, &a, D), 200);
	assert_null(talk->outcome.event);
}

static void a_device_that_left_is_given_nothing_but_loses_no_answer(void **state)
{
	bool is_late;
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	talk_enqueue(talk, "D", "one", "DeviceInformation", 0);
	assert_int_equal(talk_check_out(talk, &a, D), 200);
	talk_enqueue(talk, "D", "two", "ProfileList", 0);
	assert_int_equal(talk_idle(talk, &a, D), 200);
	assert_string_equal(talk_given(talk), "");
	assert_int_equal(talk_answer(talk, &a, D, "one", "Acknowledged"), 200);
	assert_string_equal(talk_given(talk), "");
	assert_int_equal(talk_queue_state(talk, "D", "one", &is_late), QUEUE_DONE);
	assert_true(is_late);
}

static void a_device_that_left_may_not_send_new_kinds_of_messages(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	assert_int_equal(talk_check_out(talk, &a, D), 200);
	assert_int_equal(talk_token_update(talk, &a, U), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_CHECKED_OUT);
	assert_int_equal(talk_checkin(talk, &a, TALK_STR("MessageType", "GetBootstrapToken") D), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_CHECKED_OUT);
}

static void a_user_checks_out_alone(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	assert_int_equal(talk_token_update(talk, &a, U), 200);
	assert_int_equal(talk_token_update(talk, &a, TALK_USER("D", "V")), 200);
	talk_enqueue(talk, "D:U", "one", "ProfileList", 0);
	assert_int_equal(talk_check_out(talk, &a, U), 200);
	assert_string_equal(talk->outcome.event, "user_checked_out");
	assert_int_equal(world_state(&talk->world, "D:U"), ENROLLMENT_ENDED);
	assert_int_equal(world_state(&talk->world, "D:V"), ENROLLMENT_ENROLLED);
	assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_ENROLLED);
	assert_int_equal(talk_queue_state(talk, "D:U", "one", NULL), QUEUE_CANCELLED);
	assert_int_equal(talk_idle(talk, &a, U), 200);
	assert_int_equal(talk_check_out(talk, &a, U), 200);
	assert_null(talk->outcome.event);
	assert_int_equal(talk_check_out(talk, &a, TALK_USER("D", "NEVER")), 200);
	assert_int_equal(talk_token_update(talk, &a, U), 200);
	assert_string_equal(talk->outcome.event, "user_enrolled");
	assert_int_equal(world_state(&talk->world, "D:U"), ENROLLMENT_ENROLLED);
}

static void a_pending_device_that_checks_out_leaves_nothing_pending(void **state)
{
	struct talk *talk = *state;
	struct enrollment device;

	assert_int_equal(talk_authenticate(talk, &a, D), 200);
	assert_int_equal(talk_check_out(talk, &a, D), 200);
	assert_true(world_find(&talk->world, "D", &device));
	assert_int_equal(device.state, ENROLLMENT_CHECKED_OUT);
	assert_int_equal(device.pending_identity_id, 0);
	assert_int_equal(talk_check_out(talk, &a, D), 200);
	assert_int_equal(world_alarms(&talk->world, CONFLICT, "D"), 0);
	talk_enroll(talk, &a, D);
	assert_string_equal(talk->outcome.event, "enrolled");
}

static void a_pending_identity_that_checks_out_leaves_the_pinned_one_alone(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	talk_enqueue(talk, "D", "one", "DeviceInformation", 0);
	assert_int_equal(talk_authenticate(talk, &b, D), 200);
	assert_int_equal(talk_check_out(talk, &b, D), 200);
	assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_ENROLLED);
	assert_int_equal(talk_idle(talk, &a, D), 200);
	assert_string_equal(talk_given(talk), "one");
	assert_int_equal(talk_check_out(talk, &b, D), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_SUPERSEDED);
}

static void a_device_with_more_users_than_a_page_ends_them_all(void **state)
{
	enum { USERS = 101 };
	struct talk *talk = *state;
	char id[128];
	char ext_id[32];

	talk_enroll(talk, &a, D);
	for (int i = 0; i < USERS; i++) {
		snprintf(id, sizeof(id), D TALK_STR("UserID", "U%d"), i);
		assert_int_equal(talk_token_update(talk, &a, id), 200);
	}
	snprintf(ext_id, sizeof(ext_id), "D:U%d", USERS - 1);
	talk_enqueue(talk, ext_id, "last", "ProfileList", 0);
	assert_int_equal(talk_check_out(talk, &a, D), 200);
	assert_int_equal(talk_queue_state(talk, ext_id, "last", NULL), QUEUE_CANCELLED);
	assert_int_equal(world_state(&talk->world, ext_id), ENROLLMENT_ENDED);
}

struct crowd {
	const char *device;
	int count;
};

static enum rc add_crowd(void *ctx, struct txn *txn, struct err *err)
{
	const struct crowd *crowd = ctx;
	struct enrollment device;
	enum rc rc = enrollment_find(txn, slice_of_str(crowd->device), &device, err);

	for (int i = 0; rc == RC_OK && i < crowd->count; i++) {
		char ext_id[32];
		int64_t id;

		snprintf(ext_id, sizeof(ext_id), "%s:C%d", crowd->device, i);
		rc = enrollment_add_user(txn, ENROLLMENT_USER, slice_of_str(ext_id), device.id, &id, err);
	}
	return rc;
}

static void a_device_has_as_many_users_as_the_limit_and_no_more(void **state)
{
	struct talk *talk = *state;
	struct crowd crowd = {"D", CHECKIN_USERS_MAX - 1};

	talk_enroll(talk, &a, D);
	talk_enroll(talk, &b, TALK_UDID("OTHER"));
	world_write(&talk->world, add_crowd, &crowd);
	assert_int_equal(talk_token_update(talk, &a, TALK_USER("D", "LAST")), 200);
	assert_int_equal(talk_token_update(talk, &a, TALK_USER("D", "ONE-MORE")), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_TOO_MANY_USERS);
	assert_int_equal(talk_token_update(talk, &a, TALK_USER("D", "LAST")), 200);
	assert_int_equal(talk_check_out(talk, &a, TALK_USER("D", "LAST")), 200);
	assert_int_equal(talk_token_update(talk, &a, TALK_USER("D", "ONE-MORE")), 403);
	assert_int_equal(talk_token_update(talk, &a, TALK_USER("D", "LAST")), 200);
	assert_int_equal(talk_token_update(talk, &a, D), 200);
	assert_int_equal(talk_token_update(talk, &b, TALK_USER("OTHER", "FIRST")), 200);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, talk_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_user_enrolls_under_its_enrolled_device_only),
		TEST(users_of_every_kind_have_their_own_id),
		TEST(a_users_queue_is_apart_from_its_devices),
		TEST(each_message_tells_what_it_means_for_waking),
		TEST(check_out_ends_the_device_and_its_users),
		TEST(a_device_that_left_is_given_nothing_but_loses_no_answer),
		TEST(a_device_that_left_may_not_send_new_kinds_of_messages),
		TEST(a_user_checks_out_alone),
		TEST(a_pending_device_that_checks_out_leaves_nothing_pending),
		TEST(a_pending_identity_that_checks_out_leaves_the_pinned_one_alone),
		TEST(a_device_with_more_users_than_a_page_ends_them_all),
		TEST(a_device_has_as_many_users_as_the_limit_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
