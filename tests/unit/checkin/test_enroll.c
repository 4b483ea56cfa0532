/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pomona/store/renewal.h"
#include "talk.h"

#define D TALK_UDID("D")
#define CONFLICT "identity_conflict"

/* Devices A to C of the tests are certificates; D is the device they claim to be. */
static struct credential a, b, c;

static int setup(void **state)
{
	a = world_credential("a");
	b = world_credential("b");
	c = world_credential("c");
	return talk_setup(state);
}

static void check_pin(struct talk *talk, const struct credential *credential, bool is_pin)
{
	assert_int_equal(talk_idle(talk, credential, D), is_pin ? 200 : 403);
}

static void authenticate_is_not_yet_an_enrollment(void **state)
{
	struct talk *talk = *state;
	struct enrollment device;

	assert_int_equal(talk_authenticate(talk, &a, D), 200);
	assert_string_equal(talk->outcome.event, "authenticated");
	assert_int_equal(talk->outcome.body.len, 0);
	assert_true(world_find(&talk->world, "D", &device));
	assert_int_equal(device.state, ENROLLMENT_PENDING);
	assert_int_equal(device.identity_id, 0);
	assert_int_not_equal(device.pending_identity_id, 0);
	assert_int_equal(talk->outcome.channel_id, device.id);
	assert_int_equal(talk_idle(talk, &a, D), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_NOT_ENROLLED_YET);
}

static void the_token_update_enrolls(void **state)
{
	struct talk *talk = *state;
	struct enrollment device;

	assert_int_equal(talk_authenticate(talk, &a, D), 200);
	assert_int_equal(talk_token_update(talk, &a, D), 200);
	assert_string_equal(talk->outcome.event, "enrolled");
	assert_true(world_find(&talk->world, "D", &device));
	assert_int_equal(device.state, ENROLLMENT_ENROLLED);
	assert_int_not_equal(device.identity_id, 0);
	assert_int_equal(device.pending_identity_id, 0);
	check_pin(talk, &a, true);
	assert_int_equal(talk_token_update(talk, &a, D), 200);
	assert_string_equal(talk->outcome.event, "token_updated");
	assert_int_equal(world_alarms(&talk->world, CONFLICT, "D"), 0);
}

static void a_user_enrollment_goes_the_same_way(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, TALK_STR("EnrollmentID", "E"));
	assert_int_equal(world_state(&talk->world, "E"), ENROLLMENT_ENROLLED);
	assert_int_equal(talk_idle(talk, &a, TALK_STR("EnrollmentID", "E")), 200);
}

static void the_old_certificate_works_until_the_new_ones_token_update(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	assert_int_equal(talk_authenticate(talk, &b, D), 200);
	check_pin(talk, &a, true);
	check_pin(talk, &b, false);
	assert_int_equal(talk->outcome.refusal, REFUSAL_NOT_ENROLLED_YET);
	assert_int_equal(talk_token_update(talk, &a, D), 200);
	assert_string_equal(talk->outcome.event, "token_updated");
	assert_int_equal(talk_token_update(talk, &b, D), 200);
	assert_string_equal(talk->outcome.event, "re_enrolled");
	check_pin(talk, &b, true);
	check_pin(talk, &a, false);
	assert_int_equal(talk->outcome.refusal, REFUSAL_SUPERSEDED);
}

static void enrolling_anew_clears_queue_users_and_keeps_no_token(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	assert_int_equal(talk_token_update(talk, &a, TALK_USER("D", "U")), 200);
	talk_enqueue(talk, "D", "one", "DeviceInformation", 0);
	talk_enqueue(talk, "D:U", "two", "ProfileList", 0);
	talk_enroll(talk, &b, D);
	assert_int_equal(talk_queue_state(talk, "D", "one", NULL), QUEUE_CANCELLED);
	assert_int_equal(talk_queue_state(talk, "D:U", "two", NULL), QUEUE_CANCELLED);
	assert_int_equal(world_state(&talk->world, "D:U"), ENROLLMENT_ENDED);
	assert_int_equal(talk_idle(talk, &b, D), 200);
	assert_string_equal(talk_given(talk), "");
}

static void enrolling_anew_with_the_same_certificate_is_no_conflict(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	talk_enqueue(talk, "D", "one", "DeviceInformation", 0);
	assert_int_equal(talk_authenticate(talk, &a, D), 200);
	check_pin(talk, &a, true);
	assert_string_equal(talk_given(talk), "one");
	assert_int_equal(talk_token_update(talk, &a, D), 200);
	assert_string_equal(talk->outcome.event, "re_enrolled");
	assert_int_equal(talk_queue_state(talk, "D", "one", NULL), QUEUE_CANCELLED);
	assert_int_equal(world_alarms(&talk->world, CONFLICT, "D"), 0);
}

static void a_renewal_keeps_queue_and_users(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	assert_int_equal(talk_token_update(talk, &a, TALK_USER("D", "U")), 200);
	talk_enqueue(talk, "D", "one", "DeviceInformation", 0);
	talk_enqueue(talk, "D:U", "two", "ProfileList", 0);
	world_issue(&talk->world, &b, "D", "D");
	assert_int_equal(talk_authenticate(talk, &b, D), 200);
	assert_int_equal(talk_token_update(talk, &b, D), 200);
	assert_string_equal(talk->outcome.event, "renewed");
	assert_int_equal(world_state(&talk->world, "D:U"), ENROLLMENT_ENROLLED);
	assert_int_equal(talk_idle(talk, &b, D), 200);
	assert_string_equal(talk_given(talk), "one");
	assert_int_equal(talk_idle(talk, &b, TALK_USER("D", "U")), 200);
	assert_string_equal(talk_given(talk), "two");
	assert_int_equal(talk_idle(talk, &a, TALK_USER("D", "U")), 403);
}

/* The command "profile" is what renews the device's identity. */
static enum rc note_renewal(void *ctx, struct txn *txn, struct err *err)
{
	struct renewal_row row = {.state = RENEWAL_SENT};
	struct enrollment device;
	struct queue_item item;
	enum rc rc = enrollment_find(txn, SLICE_LITERAL("D"), &device, err);

	(void)ctx;
	if (rc == RC_OK)
		rc = queue_find(txn, device.id, SLICE_LITERAL("profile"), &item, err);
	if (rc != RC_OK)
		return rc;
	row.enrollment_id = device.id;
	row.identity_id = device.identity_id;
	row.command_id = item.command_id;
	return renewal_put(txn, &row, err);
}

/* Enrolled by `a`, which has been given the profile, and renewed by `b`. */
static void renew(struct talk *talk, bool is_given)
{
	talk_enroll(talk, &a, D);
	talk_enqueue(talk, "D", "profile", "InstallProfile", 0);
	world_write(&talk->world, note_renewal, NULL);
	if (is_given) {
		check_pin(talk, &a, true);
		assert_string_equal(talk_given(talk), "profile");
	}
	world_issue(&talk->world, &b, "D", "D");
	talk_enroll(talk, &b, D);
}

/* Connections that were open, an answer that was on its way. */
static void a_former_identity_is_heard_out_for_an_hour_and_given_nothing(void **state)
{
	struct talk *talk = *state;

	renew(talk, true);
	talk_enqueue(talk, "D", "two", "DeviceInformation", 0);
	check_pin(talk, &a, true);
	assert_string_equal(talk_given(talk), "");
	assert_int_equal(talk_answer(talk, &a, D, "two", "Acknowledged"), 200);
	assert_int_equal(talk_queue_state(talk, "D", "two", NULL), QUEUE_QUEUED); /* it was not given it */
	assert_int_equal(talk_answer(talk, &a, D, "profile", "Acknowledged"), 200);
	assert_string_equal(talk_given(talk), "");
	assert_int_equal(talk_queue_state(talk, "D", "profile", NULL), QUEUE_DONE);
	assert_int_equal(talk_token_update(talk, &a, D), 403);
	assert_int_equal(world_alarms(&talk->world, CONFLICT, "D"), 0);
	talk->world.now += SENDER_SETTLE_S;
	assert_int_equal(talk_answer(talk, &a, D, "two", "Acknowledged"), 403);
	check_pin(talk, &a, false);
	assert_int_equal(talk->outcome.refusal, REFUSAL_SUPERSEDED);
	assert_int_equal(world_alarms(&talk->world, CONFLICT, "D"), 2);
	check_pin(talk, &b, true);
	assert_string_equal(talk_given(talk), "two");
}

/* A holder of the next identity cannot keep the hour from passing. */
static void the_hour_of_a_former_identity_passes_though_the_next_one_enrolls_again(void **state)
{
	struct talk *talk = *state;

	renew(talk, true);
	talk->world.now += SENDER_SETTLE_S - 1;
	talk_enroll(talk, &b, D);
	check_pin(talk, &a, true);
	assert_int_equal(world_alarms(&talk->world, CONFLICT, "D"), 0);
	talk->world.now++;
	check_pin(talk, &a, false);
	assert_int_equal(world_alarms(&talk->world, CONFLICT, "D"), 1);
}

static void a_renewal_that_we_sent_no_profile_for_is_a_conflict_at_once(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	world_issue(&talk->world, &b, "D", "D");
	talk_enroll(talk, &b, D);
	assert_string_equal(talk->outcome.event, "renewed");
	check_pin(talk, &a, false);
	assert_int_equal(world_alarms(&talk->world, CONFLICT, "D"), 1);
}

static void a_fault_by_the_former_identity_after_all_is_told(void **state)
{
	struct talk *talk = *state;

	renew(talk, true);
	assert_int_equal(talk_answer(talk, &a, D, "profile", "Error"), 200);
	assert_int_equal(talk_queue_state(talk, "D", "profile", NULL), QUEUE_FAILED);
	assert_int_equal(world_alarms(&talk->world, CONFLICT, "D"), 1);
}

static void a_profile_that_was_taken_is_not_given_again(void **state)
{
	struct talk *talk = *state;

	renew(talk, true);
	check_pin(talk, &b, true);
	assert_string_equal(talk_given(talk), "");
	assert_int_equal(talk_queue_state(talk, "D", "profile", NULL), QUEUE_DONE);
	assert_int_equal(talk_answer(talk, &b, D, "profile", "Acknowledged"), 200);
}

static void a_profile_that_was_not_given_yet_is_not_given_when_the_identity_is_renewed(void **state)
{
	struct talk *talk = *state;

	renew(talk, false);
	check_pin(talk, &b, true);
	assert_string_equal(talk_given(talk), "");
	assert_int_equal(talk_queue_state(talk, "D", "profile", NULL), QUEUE_CANCELLED);
}

/* Its order is carried out where the device proper hears of it. */
static void a_last_word_does_not_carry_out_an_order_to_leave(void **state)
{
	struct talk *talk = *state;

	renew(talk, true);
	world_set_state(&talk->world, "D", ENROLLMENT_REMOVAL_ORDERED);
	assert_int_equal(talk_answer(talk, &a, D, "profile", "Acknowledged"), 200);
	assert_int_equal(talk_queue_state(talk, "D", "profile", NULL), QUEUE_DONE);
	assert_int_equal(talk_token_update(talk, &a, D), 403);
	assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_REMOVAL_ORDERED);
	assert_int_equal(talk_idle(talk, &b, D), 401);
}

static void a_former_identity_that_was_not_renewed_is_not_heard(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	talk_enroll(talk, &b, D);
	check_pin(talk, &a, false);
	assert_int_equal(talk->outcome.refusal, REFUSAL_SUPERSEDED);
}

/* A backup from before the renewal: nothing else says it that it is to go. */
static void an_order_to_leave_reaches_a_device_by_its_former_identity(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	world_issue(&talk->world, &b, "D", "D");
	talk_enroll(talk, &b, D);
	talk->world.now += SENDER_SETTLE_S;
	check_pin(talk, &a, false);
	world_set_state(&talk->world, "D", ENROLLMENT_REMOVAL_ORDERED);
	assert_int_equal(talk_token_update(talk, &a, D), 401);
	assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_REMOVED);
	assert_int_equal(talk_idle(talk, &a, D), 401);
	assert_int_equal(talk_idle(talk, &b, D), 401);
}

static void what_is_given_of_a_revoked_identity_goes_with_it(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	world_issue(&talk->world, &b, "D", "D");
	world_revoke(&talk->world, &a);
	assert_int_equal(talk_authenticate(talk, &b, D), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_REVOKED);
}

static void a_renewal_renews_once_and_only_what_lives(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	world_issue(&talk->world, &b, "", "D");
	talk_enroll(talk, &b, D);
	talk_enqueue(talk, "D", "one", "DeviceInformation", 0);
	talk_enroll(talk, &b, D);
	assert_string_equal(talk->outcome.event, "re_enrolled");
	assert_int_equal(talk_queue_state(talk, "D", "one", NULL), QUEUE_CANCELLED);
	world_issue(&talk->world, &c, "", "D");
	assert_int_equal(talk_check_out(talk, &b, D), 200);
	talk_enroll(talk, &c, D);
	assert_string_equal(talk->outcome.event, "re_enrolled");
}

/* What was given beside it is for nobody to come into what the device has. */
static void of_two_renewals_of_one_enrollment_the_first_that_speaks_renews_it(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	world_issue(&talk->world, &b, "", "D");
	world_issue(&talk->world, &c, "", "D");
	talk_enqueue(talk, "D", "one", "DeviceInformation", 0);
	talk_enroll(talk, &b, D);
	assert_string_equal(talk->outcome.event, "renewed");
	assert_int_equal(talk_authenticate(talk, &c, D), 200);
	assert_int_equal(world_alarms(&talk->world, CONFLICT, "D"), 1); /* nobody knows whose it is */
	check_pin(talk, &b, true);
	assert_string_equal(talk_given(talk), "one");
	assert_int_equal(talk_token_update(talk, &c, D), 200);
	assert_string_equal(talk->outcome.event, "re_enrolled");
}

static void a_renewal_that_was_replaced_does_not_renew_again(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	world_issue(&talk->world, &b, "", "D");
	world_issue(&talk->world, &c, "", "D");
	talk_enroll(talk, &b, D);
	talk_enroll(talk, &c, D);
	talk_enqueue(talk, "D", "one", "DeviceInformation", 0);
	talk_enroll(talk, &b, D);
	assert_string_equal(talk->outcome.event, "re_enrolled");
	assert_int_equal(talk_queue_state(talk, "D", "one", NULL), QUEUE_CANCELLED);
}

/* Used or not, it was issued for the enrollment before: it must not come into what the new one has. */
static void a_renewal_of_an_enrollment_that_was_replaced_takes_nothing_over(void **state)
{
	struct talk *talk = *state;

	for (int is_used = 0; is_used <= 1; is_used++) {
		struct credential old = world_credential(is_used ? "old 1" : "old 0");
		struct credential renewal = world_credential(is_used ? "renewal 1" : "renewal 0");
		struct credential fresh = world_credential(is_used ? "fresh 1" : "fresh 0");

		talk_enroll(talk, &old, D);
		world_issue(&talk->world, &renewal, "", "D");
		if (is_used)
			talk_enroll(talk, &renewal, D);
		talk_enroll(talk, &fresh, D);
		talk_enqueue(talk, "D", is_used ? "one" : "none", "DeviceInformation", 0);
		talk_enroll(talk, &renewal, D);
		assert_string_equal(talk->outcome.event, "re_enrolled");
		assert_int_equal(talk_queue_state(talk, "D", is_used ? "one" : "none", NULL), QUEUE_CANCELLED);
	}
}

static void a_certificate_with_a_changed_signature_gets_nowhere(void **state)
{
	static const char *const known[] = {"a", "b"};
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	talk_enroll(talk, &b, TALK_UDID("OTHER"));
	world_revoke(&talk->world, &b);
	talk->policy.unenroll.unknown_device = UNKNOWN_DEVICE_UNENROLL;
	for (size_t i = 0; i < COUNT_OF(known); i++) {
		static const char *const ids[] = {D, TALK_UDID("OTHER"), TALK_UDID("NEW"), TALK_USER("D", "U")};
		struct credential twin = world_twin(known[i]);

		for (size_t j = 0; j < COUNT_OF(ids); j++) {
			assert_int_equal(talk_idle(talk, &twin, ids[j]), 403);
			assert_int_equal(talk->outcome.refusal, REFUSAL_CERTIFICATE_TWIN);
			assert_int_equal(talk_answer(talk, &twin, ids[j], "one", "Acknowledged"), 403);
			assert_int_equal(talk_token_update(talk, &twin, ids[j]), 403);
			assert_int_equal(talk_check_out(talk, &twin, ids[j]), 403);
		}
		assert_int_equal(talk_authenticate(talk, &twin, TALK_UDID("NEW")), 403);
		assert_int_equal(talk->outcome.refusal, REFUSAL_CERTIFICATE_TWIN);
	}
	check_pin(talk, &a, true);
}

/* Whatever is asked of the command channel, a certificate that no Authenticate has recorded gets a 403. */
static void an_unknown_certificate_is_given_nothing_on_the_command_channel(void **state)
{
	static const enum enrollment_state states[] = {ENROLLMENT_PENDING, ENROLLMENT_ENROLLED,
		ENROLLMENT_REMOVAL_ORDERED, ENROLLMENT_REMOVED, ENROLLMENT_CHECKED_OUT};
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	assert_int_equal(talk_token_update(talk, &a, TALK_USER("D", "U")), 200);
	talk_enqueue(talk, "D", "one", "DeviceInformation", 0);
	for (size_t i = 0; i < COUNT_OF(states); i++) {
		static const char *const ids[] = {D, TALK_USER("D", "U"), TALK_USER("D", "NEW")};

		world_set_state(&talk->world, "D", states[i]);
		for (size_t j = 0; j < COUNT_OF(ids); j++) {
			assert_int_equal(talk_idle(talk, &b, ids[j]), 403);
			assert_int_equal(talk->outcome.refusal, REFUSAL_NOT_PINNED);
			assert_int_equal(talk_answer(talk, &b, ids[j], "one", "Acknowledged"), 403);
			assert_int_equal(talk->outcome.refusal, REFUSAL_NOT_PINNED);
		}
		assert_int_equal(world_state(&talk->world, "D"), states[i]);
	}
	assert_int_equal(talk_idle(talk, &b, TALK_UDID("X")), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_UNKNOWN_DEVICE);
}

static void a_renewal_of_another_device_is_an_ordinary_certificate(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &c, TALK_UDID("OTHER"));
	talk_enroll(talk, &a, D);
	talk_enqueue(talk, "D", "one", "DeviceInformation", 0);
	world_issue(&talk->world, &b, "", "OTHER");
	talk_enroll(talk, &b, D);
	assert_string_equal(talk->outcome.event, "re_enrolled");
	assert_int_equal(talk_queue_state(talk, "D", "one", NULL), QUEUE_CANCELLED);
}

static void a_certificate_serves_one_device_only(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(talk_authenticate(talk, &a, D), 200);
	assert_int_equal(talk_authenticate(talk, &a, TALK_UDID("OTHER")), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_PINNED_TO_ANOTHER);
	assert_int_equal(talk_token_update(talk, &a, D), 200);
	assert_int_equal(talk_authenticate(talk, &a, TALK_UDID("OTHER")), 403);
	talk_enroll(talk, &b, D);
	assert_int_equal(talk_authenticate(talk, &a, TALK_UDID("OTHER")), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_PINNED_TO_ANOTHER);
	talk_enroll(talk, &c, TALK_UDID("OTHER"));
	assert_int_equal(talk_idle(talk, &c, D), 403);
	assert_int_equal(talk_token_update(talk, &c, D), 403);
	assert_int_equal(talk_check_out(talk, &c, D), 403);
	check_pin(talk, &b, true);
}

static void a_certificate_issued_for_one_device_authenticates_only_as_it(void **state)
{
	struct talk *talk = *state;

	world_issue(&talk->world, &a, "D", "");
	assert_int_equal(talk_authenticate(talk, &a, TALK_UDID("OTHER")), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_ISSUED_FOR_ANOTHER);
	talk_enroll(talk, &a, D);
	check_pin(talk, &a, true);
}

static void a_revoked_certificate_is_refused_everywhere(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	world_revoke(&talk->world, &a);
	assert_int_equal(talk_idle(talk, &a, D), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_REVOKED);
	assert_int_equal(talk_token_update(talk, &a, D), 403);
	assert_int_equal(talk_authenticate(talk, &a, D), 403);
	talk_enroll(talk, &b, D);
	check_pin(talk, &b, true);
}

static void two_identities_that_compete_raise_an_alarm(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	assert_int_equal(talk_authenticate(talk, &b, D), 200);
	assert_int_equal(world_alarms(&talk->world, CONFLICT, "D"), 0);
	assert_int_equal(talk_authenticate(talk, &c, D), 200);
	assert_int_equal(world_alarms(&talk->world, CONFLICT, "D"), 1);
	assert_int_equal(talk_token_update(talk, &b, D), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_SUPERSEDED);
	assert_int_equal(world_alarms(&talk->world, CONFLICT, "D"), 2);
	assert_int_equal(talk_token_update(talk, &c, D), 200);
	assert_int_equal(talk_token_update(talk, &a, D), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_SUPERSEDED);
	assert_int_equal(world_alarms(&talk->world, CONFLICT, "D"), 3);
	assert_int_equal(talk_idle(talk, &a, D), 403);
	assert_int_equal(world_alarms(&talk->world, CONFLICT, "D"), 4);
	assert_int_equal(talk_authenticate(talk, &a, D), 200);
	assert_int_equal(world_alarms(&talk->world, CONFLICT, "D"), 5);
	check_pin(talk, &c, true);
}

static void a_strange_certificate_changes_nothing(void **state)
{
	struct talk *talk = *state;
	static const char *const messages[] = {
		TALK_STR("MessageType", "TokenUpdate") TALK_STR("Topic", "t")
			TALK_STR("PushMagic", "m") "<key>Token</key><data>AAEC</data>" D,
		TALK_STR("MessageType", "CheckOut") D,
		TALK_STR("MessageType", "CheckOut") TALK_USER("D", "U"),
		TALK_STR("MessageType", "SetBootstrapToken") D,
		TALK_STR("MessageType", "GetBootstrapToken") D,
		TALK_STR("MessageType", "UserAuthenticate") TALK_USER("D", "U"),
	};

	talk_enroll(talk, &a, D);
	for (size_t i = 0; i < COUNT_OF(messages); i++) {
		assert_int_equal(talk_checkin(talk, &b, messages[i]), 403);
		assert_int_equal(talk->outcome.refusal, REFUSAL_NOT_PINNED);
	}
	assert_int_equal(talk_answer(talk, &b, D, "one", "Acknowledged"), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_NOT_PINNED);
	assert_int_equal(world_alarms(&talk->world, CONFLICT, "D"), 0);
	check_pin(talk, &a, true);
}

static void a_pinned_device_that_checked_out_is_restored_by_a_token_update(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	assert_int_equal(talk_check_out(talk, &a, D), 200);
	assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_CHECKED_OUT);
	assert_int_equal(talk_token_update(talk, &a, D), 200);
	assert_string_equal(talk->outcome.event, "restored");
	assert_int_equal(world_state(&talk->world, "D"), ENROLLMENT_ENROLLED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, talk_teardown)
	const struct CMUnitTest tests[] = {
		TEST(authenticate_is_not_yet_an_enrollment),
		TEST(the_token_update_enrolls),
		TEST(a_user_enrollment_goes_the_same_way),
		TEST(the_old_certificate_works_until_the_new_ones_token_update),
		TEST(enrolling_anew_clears_queue_users_and_keeps_no_token),
		TEST(enrolling_anew_with_the_same_certificate_is_no_conflict),
		TEST(a_renewal_keeps_queue_and_users),
		TEST(a_former_identity_is_heard_out_for_an_hour_and_given_nothing),
		TEST(the_hour_of_a_former_identity_passes_though_the_next_one_enrolls_again),
		TEST(a_renewal_that_we_sent_no_profile_for_is_a_conflict_at_once),
		TEST(a_fault_by_the_former_identity_after_all_is_told),
		TEST(a_profile_that_was_taken_is_not_given_again),
		TEST(a_profile_that_was_not_given_yet_is_not_given_when_the_identity_is_renewed),
		TEST(a_last_word_does_not_carry_out_an_order_to_leave),
		TEST(a_former_identity_that_was_not_renewed_is_not_heard),
		TEST(an_order_to_leave_reaches_a_device_by_its_former_identity),
		TEST(what_is_given_of_a_revoked_identity_goes_with_it),
		TEST(a_renewal_renews_once_and_only_what_lives),
		TEST(of_two_renewals_of_one_enrollment_the_first_that_speaks_renews_it),
		TEST(a_renewal_that_was_replaced_does_not_renew_again),
		TEST(a_renewal_of_an_enrollment_that_was_replaced_takes_nothing_over),
		TEST(a_certificate_with_a_changed_signature_gets_nowhere),
		TEST(an_unknown_certificate_is_given_nothing_on_the_command_channel),
		TEST(a_renewal_of_another_device_is_an_ordinary_certificate),
		TEST(a_certificate_serves_one_device_only),
		TEST(a_certificate_issued_for_one_device_authenticates_only_as_it),
		TEST(a_revoked_certificate_is_refused_everywhere),
		TEST(two_identities_that_compete_raise_an_alarm),
		TEST(a_strange_certificate_changes_nothing),
		TEST(a_pinned_device_that_checked_out_is_restored_by_a_token_update),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
