/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "talk.h"

#define D TALK_UDID("D")

static struct credential a, b, c;

static int setup(void **state)
{
	a = world_credential("a");
	b = world_credential("b");
	c = world_credential("c");
	return talk_setup(state);
}

static void order_removal(struct talk *talk)
{
	world_set_state(&talk->world, "D", ENROLLMENT_REMOVAL_ORDERED);
}

static void an_ordered_removal_is_told_with_401_and_again_when_the_reply_was_lost(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	assert_int_equal(talk_token_update(talk, &a, TALK_USER("D", "U")), 200);
	talk_enqueue(talk, "D", "one", "DeviceInformation", 0);
	talk_enqueue(talk, "D:U", "two", "ProfileList", 0);
	order_removal(talk);
	assert_int_equal(talk_idle(talk, &a, D), 401);
	assert_int_equal(talk->outcome.refusal, REFUSAL_REMOVAL_ORDERED);
	assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_REMOVED);
	assert_int_equal(world_state(&talk->world, "D:U"), ENROLLMENT_ENDED);
	assert_int_equal(talk_queue_state(talk, "D", "one", NULL), QUEUE_CANCELLED);
	assert_int_equal(talk_queue_state(talk, "D:U", "two", NULL), QUEUE_CANCELLED);
	assert_int_equal(talk_idle(talk, &a, D), 401);
	assert_int_equal(talk_token_update(talk, &a, D), 401);
	assert_int_equal(talk_check_out(talk, &a, D), 401);
	assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_REMOVED);
	assert_int_equal(world_automatic_unenrollments(&talk->world), 0);
}

static void every_message_of_the_pinned_device_meets_the_order(void **state)
{
	static const char *const messages[] = {
		TALK_STR("MessageType", "TokenUpdate") TALK_STR("Topic", "t")
			TALK_STR("PushMagic", "m") "<key>Token</key><data>AAEC</data>" D,
		TALK_STR("MessageType", "TokenUpdate") TALK_STR("Topic", "t")
			TALK_STR("PushMagic", "m") "<key>Token</key><data>AAEC</data>" TALK_USER("D", "U"),
		TALK_STR("MessageType", "Authenticate") TALK_STR("Topic", "t") D,
		TALK_STR("MessageType", "CheckOut") D,
		TALK_STR("MessageType", "SetBootstrapToken") D,
		TALK_STR("MessageType", "GetBootstrapToken") D,
		TALK_STR("MessageType", "UserAuthenticate") TALK_USER("D", "U"),
	};
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	for (size_t i = 0; i < COUNT_OF(messages); i++) {
		order_removal(talk);
		assert_int_equal(talk_checkin(talk, &a, messages[i]), 401);
		assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_REMOVED);
	}
	order_removal(talk);
	assert_int_equal(talk_answer(talk, &a, D, "one", "Acknowledged"), 401);
}

static void somebody_elses_certificate_does_not_trigger_an_ordered_removal(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	talk_enroll(talk, &c, D);
	order_removal(talk);
	assert_int_equal(talk_idle(talk, &b, D), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_NOT_PINNED);
	assert_int_equal(talk_idle(talk, &a, D), 403);
	assert_int_equal(talk_token_update(talk, &a, D), 403);
	assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_REMOVAL_ORDERED);
	assert_int_equal(talk_idle(talk, &c, D), 401);
}

static void an_authenticate_meets_the_order_first_and_may_enroll_again_then(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	order_removal(talk);
	assert_int_equal(talk_authenticate(talk, &b, D), 401);
	assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_REMOVED);
	assert_int_equal(talk_authenticate(talk, &b, D), 200);
	assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_REMOVED);
	assert_int_equal(talk_idle(talk, &a, D), 401);
	assert_int_equal(talk_token_update(talk, &b, D), 200);
	assert_string_equal(talk->outcome.event, "re_enrolled");
	assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_ENROLLED);
	assert_int_equal(talk_idle(talk, &a, D), 403);
}

static void a_removed_device_enrolls_again_with_the_same_certificate(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	order_removal(talk);
	assert_int_equal(talk_idle(talk, &a, D), 401);
	assert_int_equal(talk_authenticate(talk, &a, D), 200);
	assert_int_equal(talk_idle(talk, &a, D), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_NOT_ENROLLED_YET);
	assert_int_equal(talk_token_update(talk, &a, TALK_USER("D", "U")), 403);
	assert_int_equal(talk_token_update(talk, &a, D), 200);
	assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_ENROLLED);
	assert_int_equal(talk_idle(talk, &a, D), 200);
}

static void a_pending_identity_of_before_the_removal_does_not_enroll(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	assert_int_equal(talk_authenticate(talk, &b, D), 200);
	order_removal(talk);
	assert_int_equal(talk_idle(talk, &a, D), 401);
	assert_int_equal(talk_token_update(talk, &b, D), 403);
	assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_REMOVED);
}

static void a_device_removed_before_its_first_token_update_is_told_again(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(talk_authenticate(talk, &a, D), 200);
	order_removal(talk);
	assert_int_equal(talk_token_update(talk, &a, D), 401);
	assert_int_equal(talk_token_update(talk, &a, D), 401);
	talk_enroll(talk, &a, D);
	assert_string_equal(talk->outcome.event, "enrolled");
}

static void an_unknown_device_is_refused_by_default(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(talk_idle(talk, &a, D), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_UNKNOWN_DEVICE);
	assert_int_equal(talk_token_update(talk, &a, D), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_UNKNOWN_DEVICE);
	assert_int_equal(talk_check_out(talk, &a, D), 403);
	assert_int_equal(talk_checkin(talk, &a,
																			TALK_STR("MessageType", "UserAuthenticate") TALK_USER("D", "U")),
		403);
	assert_int_equal(talk_authenticate(talk, &a, D), 200);
}

static void an_unknown_device_is_unenrolled_where_the_conf_says_so(void **state)
{
	struct talk *talk = *state;

	talk->policy.unenroll.unknown_device = UNKNOWN_DEVICE_UNENROLL;
	talk_enroll(talk, &a, D);
	assert_int_equal(talk_idle(talk, &b, TALK_UDID("X")), 401);
	assert_int_equal(talk->outcome.refusal, REFUSAL_UNKNOWN_UNENROLLED);
	assert_int_equal(world_automatic_unenrollments(&talk->world), 1);
	assert_int_equal(talk_token_update(talk, &b, TALK_UDID("X")), 401);
	assert_int_equal(talk_idle(talk, &b, TALK_USER("X", "U")), 401);
	assert_int_equal(world_automatic_unenrollments(&talk->world), 3);
	assert_int_equal(talk_authenticate(talk, &b, TALK_UDID("X")), 200);
}

static void a_new_user_is_no_unknown_device(void **state)
{
	struct talk *talk = *state;

	talk->policy.unenroll.unknown_device = UNKNOWN_DEVICE_UNENROLL;
	talk_enroll(talk, &a, D);
	assert_int_equal(talk_idle(talk, &a, TALK_USER("D", "NEW")), 200);
	assert_int_equal(talk_answer(talk, &a, TALK_USER("D", "NEW"), "x", "Acknowledged"), 200);
	assert_int_equal(talk_token_update(talk, &a, TALK_USER("D", "NEW")), 200);
	assert_int_equal(world_automatic_unenrollments(&talk->world), 0);
}

static void a_certificate_that_does_not_do_unenrolls_nobody(void **state)
{
	struct talk *talk = *state;
	struct credential expired = world_credential("b");

	talk->policy.unenroll.unknown_device = UNKNOWN_DEVICE_UNENROLL;
	talk_enroll(talk, &a, D);
	expired.facts.not_after = WORLD_BEGINS - 1;
	assert_int_equal(talk_idle(talk, &expired, TALK_UDID("X")), 403);
	assert_int_equal(talk_idle(talk, &a, TALK_UDID("X")), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_PINNED_TO_ANOTHER);
	order_removal(talk);
	expired = a;
	expired.verdict = CERT_NOT_CHAINED;
	assert_int_equal(talk_idle(talk, &expired, D), 403);
	assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_REMOVAL_ORDERED);
}

static void a_database_without_enrollments_unenrolls_nobody(void **state)
{
	struct talk *talk = *state;

	talk->policy.unenroll.unknown_device = UNKNOWN_DEVICE_UNENROLL;
	assert_int_equal(talk_idle(talk, &a, D), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_FUSE_BLOWN);
	assert_int_equal(world_automatic_unenrollments(&talk->world), 0);
	assert_int_equal(world_alarms(&talk->world, "unenroll_fuse", "unknown_device"), 1);
}

/* Not one that is not finished either, nor one that has left: a wrong database may have those. */
static void a_database_without_a_live_enrollment_unenrolls_nobody(void **state)
{
	struct talk *talk = *state;

	talk->policy.unenroll.unknown_device = UNKNOWN_DEVICE_UNENROLL;
	assert_int_equal(talk_authenticate(talk, &a, D), 200);
	assert_int_equal(talk_idle(talk, &b, TALK_UDID("X")), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_FUSE_BLOWN);
	assert_int_equal(talk_token_update(talk, &a, D), 200);
	assert_int_equal(talk_check_out(talk, &a, D), 200);
	assert_int_equal(talk_idle(talk, &b, TALK_UDID("X")), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_FUSE_BLOWN);
	assert_int_equal(talk_token_update(talk, &a, D), 200);
	assert_int_equal(talk_idle(talk, &b, TALK_UDID("X")), 401);
}

static void a_removal_is_recorded_once_however_often_the_device_comes(void **state)
{
	struct talk *talk = *state;

	for (int64_t removals = 1; removals <= 2; removals++) {
		talk_enroll(talk, &a, D);
		order_removal(talk);
		for (int i = 0; i < 3; i++)
			assert_int_equal(talk_idle(talk, &a, D), 401);
		assert_int_equal(world_look(&talk->world, "SELECT count(*) FROM unenrollment"), removals);
	}
}

static unsigned unknown(struct talk *talk, int number)
{
	char name[32];
	char id[64];
	struct credential credential;

	snprintf(name, sizeof(name), "unknown-%d", number);
	snprintf(id, sizeof(id), TALK_UDID("X%d"), number);
	credential = world_credential(name);
	return talk_idle(talk, &credential, id);
}

static void more_automatic_removals_than_the_fuse_allows_are_only_refused(void **state)
{
	struct talk *talk = *state;

	talk->policy.unenroll.unknown_device = UNKNOWN_DEVICE_UNENROLL;
	talk->policy.unenroll.fuse_per_hour = 3;
	talk_enroll(talk, &a, D);
	for (int i = 0; i < 3; i++)
		assert_int_equal(unknown(talk, i), 401);
	assert_int_equal(world_alarms(&talk->world, "unenroll_fuse", "unknown_device"), 0);
	assert_int_equal(unknown(talk, 3), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_FUSE_BLOWN);
	assert_int_equal(world_alarms(&talk->world, "unenroll_fuse", "unknown_device"), 1);
	talk->world.now += UNENROLL_FUSE_WINDOW_S;
	assert_int_equal(unknown(talk, 4), 403);
	talk->world.now += 1;
	assert_int_equal(unknown(talk, 5), 401);
}

static void a_fuse_of_none_unenrolls_nobody_and_an_order_does_not_count(void **state)
{
	struct talk *talk = *state;

	talk->policy.unenroll.unknown_device = UNKNOWN_DEVICE_UNENROLL;
	talk->policy.unenroll.fuse_per_hour = 0;
	talk_enroll(talk, &a, D);
	talk_enroll(talk, &b, TALK_UDID("OTHER"));
	assert_int_equal(unknown(talk, 1), 403);
	order_removal(talk);
	assert_int_equal(talk_idle(talk, &a, D), 401);
	talk->policy.unenroll.fuse_per_hour = 1;
	assert_int_equal(unknown(talk, 2), 401);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, talk_teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_ordered_removal_is_told_with_401_and_again_when_the_reply_was_lost),
		TEST(every_message_of_the_pinned_device_meets_the_order),
		TEST(somebody_elses_certificate_does_not_trigger_an_ordered_removal),
		TEST(an_authenticate_meets_the_order_first_and_may_enroll_again_then),
		TEST(a_removed_device_enrolls_again_with_the_same_certificate),
		TEST(a_pending_identity_of_before_the_removal_does_not_enroll),
		TEST(a_device_removed_before_its_first_token_update_is_told_again),
		TEST(an_unknown_device_is_refused_by_default),
		TEST(an_unknown_device_is_unenrolled_where_the_conf_says_so),
		TEST(a_new_user_is_no_unknown_device),
		TEST(a_certificate_that_does_not_do_unenrolls_nobody),
		TEST(a_database_without_enrollments_unenrolls_nobody),
		TEST(a_database_without_a_live_enrollment_unenrolls_nobody),
		TEST(a_removal_is_recorded_once_however_often_the_device_comes),
		TEST(more_automatic_removals_than_the_fuse_allows_are_only_refused),
		TEST(a_fuse_of_none_unenrolls_nobody_and_an_order_does_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
