/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "pomona/plist/plist.h"
#include "talk.h"

#define D TALK_UDID("D")
#define WAITING "<key>AwaitingConfiguration</key><true/>"
#define SHARED \
	TALK_USER("D", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF") TALK_STR("UserShortName", "ada")
#define SHARED_ID "D:ada"

enum { WAIT_S = 900 };

static struct credential a;
static char given_uuid[COMMAND_UUID_BYTES_MAX + 1];

static int setup(void **state)
{
	int rc = talk_setup(state);
	struct talk *talk = *state;

	a = world_credential("a");
	talk->policy.setup.is_automatic = true;
	talk->policy.setup.wait_max_s = WAIT_S;
	return rc;
}

static void enroll_waiting(struct talk *talk)
{
	assert_int_equal(talk_authenticate(talk, &a, D), 200);
	assert_int_equal(talk_token_update(talk, &a, D WAITING), 200);
}

/* The RequestType of the latest reply, "" for an empty one; its CommandUUID is in given_uuid. */
static const char *given_type(struct talk *talk)
{
	static char type[COMMAND_TYPE_BYTES_MAX + 1];
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	struct slice text;

	snprintf(given_uuid, sizeof(given_uuid), "%s", talk_given(talk));
	type[0] = '\0';
	if (talk->outcome.body.len == 0)
		return type;
	assert_int_equal(plist_parse(buf_slice(&talk->outcome.body), &doc, &talk->err), RC_OK);
	text = plist_string(plist_dict_get(plist_dict_get(plist_root(doc), "Command"), "RequestType"));
	snprintf(type, sizeof(type), "%.*s", SLICE_FMT(text));
	return type;
}

static const char *poll(struct talk *talk, const char *id)
{
	assert_int_equal(talk_idle(talk, &a, id), 200);
	return given_type(talk);
}

static const char *answer(struct talk *talk, const char *id, const char *status)
{
	char uuid[sizeof(given_uuid)];

	snprintf(uuid, sizeof(uuid), "%s", given_uuid);
	assert_int_equal(talk_answer(talk, &a, id, uuid, status), 200);
	return given_type(talk);
}

static bool is_awaiting(struct talk *talk, const char *ext_id)
{
	struct enrollment enrollment;

	assert_true(world_find(&talk->world, ext_id, &enrollment));
	return enrollment.is_awaiting_configuration;
}

static void a_waiting_device_gets_what_waits_for_it_and_is_then_let_go(void **state)
{
	struct talk *talk = *state;

	enroll_waiting(talk);
	assert_true(is_awaiting(talk, "D"));
	talk_enqueue(talk, "D", "one", "InstallProfile", 0);
	talk_enqueue(talk, "D", "two", "Settings", 0);
	assert_string_equal(poll(talk, D), "InstallProfile");
	assert_string_equal(answer(talk, D, "Acknowledged"), "Settings");
	assert_string_equal(answer(talk, D, "Error"), "DeviceConfigured"); /* a failing one holds nobody */
	assert_true(is_awaiting(talk, "D"));
	assert_string_equal(answer(talk, D, "Acknowledged"), "");
	assert_false(is_awaiting(talk, "D"));
	assert_string_equal(poll(talk, D), "");
	assert_true(talk->was_snapshot_enough);
}

static void a_token_update_more_queues_no_second_one(void **state)
{
	struct talk *talk = *state;

	enroll_waiting(talk);
	assert_int_equal(talk_token_update(talk, &a, D WAITING), 200);
	assert_int_equal(world_look(&talk->world, "SELECT count(*) FROM queue"), 1);
	assert_string_equal(poll(talk, D), "DeviceConfigured");
	assert_int_equal(talk_token_update(talk, &a, D WAITING), 200);
	assert_int_equal(world_look(&talk->world, "SELECT count(*) FROM queue"), 1);
}

static void who_does_not_wait_is_not_let_go(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	assert_string_equal(poll(talk, D), "");
	assert_int_equal(talk_token_update(talk, &a, TALK_USER("D", "U") WAITING), 200); /* a Mac's user */
	assert_string_equal(poll(talk, TALK_USER("D", "U")), "");
	assert_int_equal(world_look(&talk->world, "SELECT count(*) FROM queue"), 0);
}

static void a_user_of_a_shared_ipad_is_let_go_by_a_command_of_its_own(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	assert_int_equal(talk_token_update(talk, &a, SHARED WAITING), 200);
	talk_enqueue(talk, SHARED_ID, "one", "InstallProfile", 0);
	assert_string_equal(poll(talk, SHARED), "InstallProfile");
	assert_string_equal(answer(talk, SHARED, "Acknowledged"), "UserConfigured");
	assert_string_equal(answer(talk, SHARED, "Acknowledged"), "");
	assert_false(is_awaiting(talk, SHARED_ID));
}

static void what_is_put_off_is_waited_for_up_to_the_bound(void **state)
{
	struct talk *talk = *state;

	enroll_waiting(talk);
	talk_enqueue(talk, "D", "one", "InstallProfile", 0);
	assert_string_equal(poll(talk, D), "InstallProfile");
	assert_string_equal(answer(talk, D, "NotNow"), "");
	talk->world.now += WAIT_S - 1;
	assert_string_equal(poll(talk, D), "InstallProfile");
	assert_string_equal(answer(talk, D, "NotNow"), "");
	talk->world.now += 1;
	assert_string_equal(poll(talk, D), "DeviceConfigured");
	assert_string_equal(answer(talk, D, "Acknowledged"), "InstallProfile");
	assert_false(is_awaiting(talk, "D"));
}

static void a_command_that_is_never_answered_holds_nobody_for_ever(void **state)
{
	struct talk *talk = *state;

	enroll_waiting(talk);
	talk_enqueue(talk, "D", "one", "InstallApplication", 0);
	assert_string_equal(poll(talk, D), "InstallApplication");
	assert_string_equal(poll(talk, D), "InstallApplication");
	talk->world.now += WAIT_S;
	assert_string_equal(poll(talk, D), "DeviceConfigured");
}

static void one_that_is_put_off_itself_comes_with_the_next_poll(void **state)
{
	struct talk *talk = *state;

	enroll_waiting(talk);
	talk->world.now += WAIT_S;
	assert_string_equal(poll(talk, D), "DeviceConfigured");
	assert_string_equal(answer(talk, D, "NotNow"), "");
	assert_string_equal(poll(talk, D), "DeviceConfigured");
}

static void a_device_that_refuses_is_asked_once_a_poll(void **state)
{
	struct talk *talk = *state;

	enroll_waiting(talk);
	assert_string_equal(poll(talk, D), "DeviceConfigured");
	assert_string_equal(answer(talk, D, "Error"), "");
	assert_true(is_awaiting(talk, "D"));
	assert_string_equal(poll(talk, D), "DeviceConfigured");
	assert_string_equal(answer(talk, D, "Acknowledged"), "");
	assert_false(is_awaiting(talk, "D"));
}

static void an_administrator_may_hold_it_and_let_it_go(void **state)
{
	struct talk *talk = *state;

	talk->policy.setup.is_automatic = false;
	enroll_waiting(talk);
	assert_string_equal(poll(talk, D), "");
	talk->world.now += 100 * WAIT_S;
	assert_string_equal(poll(talk, D), "");
	talk_enqueue(talk, "D", "go", "DeviceConfigured", 0);
	assert_string_equal(poll(talk, D), "DeviceConfigured");
	assert_string_equal(answer(talk, D, "Acknowledged"), "");
	assert_false(is_awaiting(talk, "D"));
}

static void a_device_that_was_held_is_let_go_when_the_conf_says_so(void **state)
{
	struct talk *talk = *state;

	talk->policy.setup.is_automatic = false;
	enroll_waiting(talk);
	assert_string_equal(poll(talk, D), "");
	talk->policy.setup.is_automatic = true;
	assert_string_equal(poll(talk, D), "DeviceConfigured");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, talk_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_waiting_device_gets_what_waits_for_it_and_is_then_let_go),
		TEST(a_token_update_more_queues_no_second_one),
		TEST(who_does_not_wait_is_not_let_go),
		TEST(a_user_of_a_shared_ipad_is_let_go_by_a_command_of_its_own),
		TEST(what_is_put_off_is_waited_for_up_to_the_bound),
		TEST(a_command_that_is_never_answered_holds_nobody_for_ever),
		TEST(one_that_is_put_off_itself_comes_with_the_next_poll),
		TEST(a_device_that_refuses_is_asked_once_a_poll),
		TEST(an_administrator_may_hold_it_and_let_it_go),
		TEST(a_device_that_was_held_is_let_go_when_the_conf_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
