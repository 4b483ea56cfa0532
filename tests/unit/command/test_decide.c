/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "../checkin/talk.h"
#include "pomona/store/push.h"

#define D TALK_UDID("D")

static struct credential a;

/* A device D that is enrolled with certificate a. */
static int setup(void **state)
{
	int rc = talk_setup(state);

	a = world_credential("a");
	if (rc == 0)
		talk_enroll(*state, &a, D);
	return rc;
}

static void check_given(struct talk *talk, unsigned status, const char *want)
{
	assert_int_equal(status, 200);
	assert_string_equal(talk_given(talk), want);
}

static void check_state(struct talk *talk, const char *uuid, enum queue_state want, bool want_late)
{
	bool is_late;

	assert_int_equal(talk_queue_state(talk, "D", uuid, &is_late), want);
	assert_int_equal(is_late, want_late);
}

static void an_empty_queue_is_answered_from_a_snapshot_with_nothing(void **state)
{
	struct talk *talk = *state;

	check_given(talk, talk_idle(talk, &a, D), "");
	assert_true(talk->was_snapshot_enough);
	assert_int_not_equal(talk->outcome.channel_id, 0);
	assert_null(talk->outcome.event);
	talk_enqueue(talk, "D", "one", "ProfileList", 0);
	check_given(talk, talk_idle(talk, &a, D), "one");
	assert_false(talk->was_snapshot_enough);
}

static void commands_come_in_the_order_of_their_sending_and_urgent_ones_first(void **state)
{
	struct talk *talk = *state;

	talk_enqueue(talk, "D", "one", "ProfileList", 0);
	talk_enqueue(talk, "D", "two", "OfNextYear", 0);
	check_given(talk, talk_idle(talk, &a, D), "one");
	talk_enqueue(talk, "D", "lock", "DeviceLock", 0);
	talk_enqueue(talk, "D", "erase", "EraseDevice", 0);
	check_given(talk, talk_answer(talk, &a, D, "one", "Acknowledged"), "lock");
	check_given(talk, talk_answer(talk, &a, D, "lock", "Acknowledged"), "erase");
	check_given(talk, talk_answer(talk, &a, D, "erase", "Acknowledged"), "two");
	check_given(talk, talk_answer(talk, &a, D, "two", "Acknowledged"), "");
}

static void a_command_stays_until_its_final_status_and_is_sent_unchanged(void **state)
{
	struct talk *talk = *state;
	char first[1024];

	talk_enqueue(talk, "D", "one", "ProfileList", 0);
	check_given(talk, talk_idle(talk, &a, D), "one");
	snprintf(first, sizeof(first), "%s", buf_cstr(&talk->outcome.body));
	check_state(talk, "one", QUEUE_SENT, false);
	check_given(talk, talk_idle(talk, &a, D), "one");
	assert_string_equal(buf_cstr(&talk->outcome.body), first);
	check_given(talk, talk_answer(talk, &a, D, "other", "Acknowledged"), "one");
	check_given(talk, talk_answer(talk, &a, D, "one", "NotNow"), "");
	check_given(talk, talk_idle(talk, &a, D), "one");
	check_given(talk, talk_answer(talk, &a, D, "one", "Acknowledged"), "");
	assert_string_equal(talk->outcome.event, "command_answered");
	check_given(talk, talk_idle(talk, &a, D), "");
}

static void each_final_status_ends_its_command(void **state)
{
	static const struct {
		const char *status;
		enum queue_state state;
	} cases[] = {
		{"Acknowledged", QUEUE_DONE},
		{"Error", QUEUE_FAILED},
		{"CommandFormatError", QUEUE_FAILED},
	};
	struct talk *talk = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		talk_enqueue(talk, "D", cases[i].status, "ProfileList", 0);
		check_given(talk, talk_idle(talk, &a, D), cases[i].status);
		check_given(talk, talk_answer(talk, &a, D, cases[i].status, cases[i].status), "");
		check_state(talk, cases[i].status, cases[i].state, false);
	}
}

static void the_same_result_twice_changes_nothing(void **state)
{
	static const char *const again[] = {"Acknowledged", "Error", "CommandFormatError", "NotNow"};
	struct talk *talk = *state;

	talk_enqueue(talk, "D", "one", "ProfileList", 0);
	check_given(talk, talk_idle(talk, &a, D), "one");
	check_given(talk, talk_answer(talk, &a, D, "one", "Acknowledged"), "");
	for (size_t i = 0; i < COUNT_OF(again); i++) {
		check_given(talk, talk_answer(talk, &a, D, "one", again[i]), "");
		assert_string_equal(talk->outcome.event, "result_repeated");
		check_state(talk, "one", QUEUE_DONE, false);
	}
}

static void a_result_for_an_unknown_command_is_taken_and_told(void **state)
{
	struct talk *talk = *state;

	talk_enqueue(talk, "D", "one", "ProfileList", 0);
	check_given(talk, talk_answer(talk, &a, D, "unknown", "Acknowledged"), "one");
	assert_string_equal(talk->outcome.event, "result_unknown");
	check_given(talk, talk_answer(talk, &a, D, "unknown", "NotNow"), "one");
	assert_string_equal(talk->outcome.event, "result_unknown");
}

static void notnow_holds_that_command_until_the_next_poll(void **state)
{
	struct talk *talk = *state;

	talk_enqueue(talk, "D", "one", "OfNextYear", 0);
	talk_enqueue(talk, "D", "two", "InstallProfile", 0);
	talk_enqueue(talk, "D", "three", "ProfileList", 0);
	talk_enqueue(talk, "D", "four", "DeviceInformation", 0);
	check_given(talk, talk_idle(talk, &a, D), "one");
	check_given(talk, talk_answer(talk, &a, D, "one", "NotNow"), "three");
	assert_string_equal(talk->outcome.event, "command_notnow");
	check_state(talk, "one", QUEUE_NOTNOW, false);
	check_given(talk, talk_answer(talk, &a, D, "three", "Acknowledged"), "four");
	check_given(talk, talk_answer(talk, &a, D, "four", "Acknowledged"), "");
	check_given(talk, talk_idle(talk, &a, D), "one");
	check_given(talk, talk_answer(talk, &a, D, "one", "Acknowledged"), "two");
}

static int64_t last_seq(struct talk *talk)
{
	struct txn *txn;
	int64_t seq = 0;

	assert_int_equal(store_read_begin(talk->world.store, &txn, &talk->err), RC_OK);
	assert_int_equal(queue_last_seq(txn, &seq, &talk->err), RC_OK);
	store_read_end(talk->world.store, &txn);
	return seq;
}

static void check_contact(struct talk *talk, enum outcome_contact want)
{
	bool is_held = want == OUTCOME_CONTACT_RESTING || want == OUTCOME_CONTACT_HELD;

	assert_int_equal(talk->outcome.contact, want);
	assert_int_equal(talk->outcome.seen_seq, is_held ? last_seq(talk) : 0);
	assert_true(!is_held || talk->outcome.seen_seq > 0);
}

static void an_empty_reply_while_work_is_held_tells_whether_the_device_comes_by_itself(void **state)
{
	struct talk *talk = *state;

	check_given(talk, talk_idle(talk, &a, D), "");
	check_contact(talk, OUTCOME_CONTACT_DRAINED);
	talk_enqueue(talk, "D", "one", "InstallProfile", 0);
	talk_enqueue(talk, "D", "two", "ProfileList", 0);
	check_given(talk, talk_idle(talk, &a, D), "one");
	check_contact(talk, OUTCOME_CONTACT_MESSAGE);
	check_given(talk, talk_answer(talk, &a, D, "one", "NotNow"), "two");
	check_contact(talk, OUTCOME_CONTACT_MESSAGE);
	check_given(talk, talk_answer(talk, &a, D, "two", "Acknowledged"), "");
	check_contact(talk, OUTCOME_CONTACT_HELD);
	check_given(talk, talk_answer(talk, &a, D, "unknown", "Error"), "");
	check_contact(talk, OUTCOME_CONTACT_HELD);
	check_given(talk, talk_idle(talk, &a, D), "one");
	check_given(talk, talk_answer(talk, &a, D, "one", "NotNow"), "");
	check_contact(talk, OUTCOME_CONTACT_RESTING);
	talk_cancel(talk, "D", "one");
	check_given(talk, talk_answer(talk, &a, D, "one", "NotNow"), "");
	check_contact(talk, OUTCOME_CONTACT_DRAINED);
}

/* What is queued behind a reply is newer than what the reply has seen, whatever the clocks say. */
static void what_is_queued_after_an_empty_reply_has_a_higher_sequence(void **state)
{
	struct talk *talk = *state;
	int64_t seen_seq;

	talk_enqueue(talk, "D", "one", "InstallProfile", 0);
	check_given(talk, talk_idle(talk, &a, D), "one");
	check_given(talk, talk_answer(talk, &a, D, "one", "NotNow"), "");
	check_contact(talk, OUTCOME_CONTACT_RESTING);
	seen_seq = talk->outcome.seen_seq;
	talk->world.now -= 3600;
	talk_enqueue(talk, "D", "two", "InstallProfile", 0);
	assert_true(last_seq(talk) > seen_seq);
	check_given(talk, talk_answer(talk, &a, D, "one", "NotNow"), "");
	assert_true(talk->outcome.seen_seq > seen_seq);
}

static void a_message_of_a_user_that_is_unknown_is_no_contact(void **state)
{
	struct talk *talk = *state;

	check_given(talk, talk_idle(talk, &a, TALK_USER("D", "U")), "");
	check_contact(talk, OUTCOME_CONTACT_NONE);
	check_given(talk, talk_answer(talk, &a, TALK_USER("D", "U"), "one", "NotNow"), "");
	check_contact(talk, OUTCOME_CONTACT_NONE);
	assert_int_not_equal(talk->outcome.channel_id, 0); /* its device was seen */
}

static void a_command_that_is_never_put_off_is_held_all_the_same_when_it_is(void **state)
{
	struct talk *talk = *state;

	talk_enqueue(talk, "D", "one", "ProfileList", 0);
	check_given(talk, talk_idle(talk, &a, D), "one");
	check_given(talk, talk_answer(talk, &a, D, "one", "NotNow"), "");
	check_given(talk, talk_idle(talk, &a, D), "one");
}

static void a_late_notnow_undoes_nothing(void **state)
{
	struct talk *talk = *state;

	talk_enqueue(talk, "D", "one", "ProfileList", 0);
	talk_enqueue(talk, "D", "two", "ProfileList", 0);
	talk_enqueue(talk, "D", "three", "ProfileList", talk->world.now + 10);
	check_given(talk, talk_idle(talk, &a, D), "one");
	check_given(talk, talk_answer(talk, &a, D, "one", "Error"), "two");
	check_given(talk, talk_answer(talk, &a, D, "one", "NotNow"), "two");
	check_state(talk, "one", QUEUE_FAILED, false);
	talk_cancel(talk, "D", "two");
	check_given(talk, talk_answer(talk, &a, D, "two", "NotNow"), "three");
	assert_null(talk->outcome.event);
	check_state(talk, "two", QUEUE_CANCELLED, false);
	talk->world.now += 10;
	check_given(talk, talk_idle(talk, &a, D), "");
	check_given(talk, talk_answer(talk, &a, D, "three", "NotNow"), "");
	check_given(talk, talk_idle(talk, &a, D), "");
}

static void a_final_answer_stands_though_the_command_was_cancelled_or_had_expired(void **state)
{
	struct talk *talk = *state;

	talk_enqueue(talk, "D", "one", "ProfileList", 0);
	check_given(talk, talk_idle(talk, &a, D), "one");
	talk_cancel(talk, "D", "one");
	check_given(talk, talk_answer(talk, &a, D, "one", "Acknowledged"), "");
	assert_string_equal(talk->outcome.event, "command_answered_late");
	check_state(talk, "one", QUEUE_DONE, true);
	check_given(talk, talk_answer(talk, &a, D, "one", "Error"), "");
	check_state(talk, "one", QUEUE_DONE, true);
	talk_enqueue(talk, "D", "two", "ProfileList", talk->world.now + 10);
	talk_enqueue(talk, "D", "three", "ProfileList", 0);
	check_given(talk, talk_idle(talk, &a, D), "two");
	talk->world.now += 10;
	check_given(talk, talk_idle(talk, &a, D), "three");
	check_state(talk, "two", QUEUE_EXPIRED, false);
	check_given(talk, talk_answer(talk, &a, D, "two", "Error"), "three");
	check_state(talk, "two", QUEUE_FAILED, true);
}

static void a_command_is_sent_until_its_time_is_over_and_not_at_it(void **state)
{
	struct talk *talk = *state;

	talk_enqueue(talk, "D", "one", "ProfileList", talk->world.now + 10);
	talk->world.now += 9;
	check_given(talk, talk_idle(talk, &a, D), "one");
	talk->world.now += 1;
	check_given(talk, talk_idle(talk, &a, D), "");
}

static void a_user_of_a_device_that_left_is_given_nothing(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(talk_token_update(talk, &a, TALK_USER("D", "U")), 200);
	talk_enqueue(talk, "D:U", "one", "ProfileList", 0);
	world_set_state(&talk->world, "D", ENROLLMENT_CHECKED_OUT);
	check_given(talk, talk_idle(talk, &a, TALK_USER("D", "U")), "");
	world_set_state(&talk->world, "D", ENROLLMENT_ENROLLED);
	check_given(talk, talk_idle(talk, &a, TALK_USER("D", "U")), "one");
}

struct raw_result {
	const char *uuid;
	char text[1024];
};

static enum rc read_result(void *ctx, struct txn *txn, struct err *err)
{
	struct raw_result *result = ctx;
	struct enrollment device;
	int64_t command_id;
	struct buf raw;
	enum rc rc = enrollment_find(txn, SLICE_LITERAL("D"), &device, err);

	buf_init(&raw, sizeof(result->text));
	if (rc == RC_OK)
		rc = command_find(txn, slice_of_str(result->uuid), &command_id, err);
	if (rc == RC_OK)
		rc = queue_result(txn, device.id, command_id, &raw, err);
	snprintf(result->text, sizeof(result->text), "%.*s", SLICE_FMT(buf_slice(&raw)));
	buf_fini(&raw);
	return rc;
}

static void the_raw_answer_is_kept_whole(void **state)
{
	struct talk *talk = *state;
	struct raw_result result = {.uuid = "one"};

	talk_enqueue(talk, "D", "one", "DeviceInformation", 0);
	check_given(talk, talk_idle(talk, &a, D), "one");
	assert_int_equal(talk_command(talk, &a,
																			D TALK_STR("Status", "Acknowledged") TALK_STR("CommandUUID", "one")
																				TALK_STR("Unknown", "kept")),
		200);
	world_write(&talk->world, read_result, &result);
	assert_non_null(strstr(result.text, "<key>Unknown</key><string>kept</string>"));
}

/* Behind the store's back, as a bad disk does. */
static void damage_body(struct talk *talk, const char *uuid)
{
	char path[128];
	char sql[256];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/pomona.db", talk->world.dir);
	snprintf(sql, sizeof(sql),
		"UPDATE command_body SET sealed = zeroblob(length(sealed)) WHERE command_id ="
		" (SELECT id FROM command WHERE uuid = '%s')",
		uuid);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	assert_int_equal(sqlite3_changes(db), 1);
	sqlite3_close(db);
}

static void a_body_that_does_not_open_does_not_block_the_queue(void **state)
{
	struct talk *talk = *state;

	talk_enqueue(talk, "D", "one", "ProfileList", 0);
	talk_enqueue(talk, "D", "two", "ProfileList", 0);
	damage_body(talk, "one");
	check_given(talk, talk_idle(talk, &a, D), "two");
	check_state(talk, "one", QUEUE_FAILED, false);
	assert_int_equal(world_alarms(&talk->world, "command_corrupt", "command 1"), 1);
	damage_body(talk, "two");
	check_given(talk, talk_idle(talk, &a, D), "");
	assert_int_equal(world_alarms(&talk->world, "command_corrupt", "command 2"), 1);
}

struct poll {
	const struct credential *credential;
	struct result result;
	struct outcome outcome;
};

static enum rc decide_poll(void *ctx, struct txn *txn, struct err *err)
{
	static const struct result_policy policy = {
		.unenroll = {.unknown_device = UNKNOWN_DEVICE_REFUSE, .fuse_per_hour = 10}};
	struct poll *poll = ctx;

	return result_decide(txn, &policy, poll->credential, &poll->result, &poll->outcome, err);
}

/* It may be put back: the device comes again until then, and no command is lost. */
static void a_key_that_is_missing_burns_no_queue(void **state)
{
	struct talk *talk = *state;
	struct poll poll = {.credential = &a,
		.result = {.claim = {.kind = ENROLLMENT_DEVICE,
														.device_id = SLICE_LITERAL("D"),
														.ext_id = SLICE_LITERAL("D")},
			.status = RESULT_IDLE}};

	talk_enqueue(talk, "D", "one", "ProfileList", 0);
	world_lose_key(&talk->world);
	outcome_init(&poll.outcome);
	assert_int_equal(store_run(talk->world.store, decide_poll, &poll, &talk->err), RC_IO);
	outcome_fini(&poll.outcome);
	check_state(talk, "one", QUEUE_QUEUED, false);
	assert_int_equal(world_look(&talk->world, "SELECT count(*) FROM alarm"), 0);
}

static void a_result_of_a_command_with_a_long_id_is_unknown(void **state)
{
	struct talk *talk = *state;
	char uuid[COMMAND_UUID_BYTES_MAX + 2];

	memset(uuid, 'u', sizeof(uuid));
	uuid[sizeof(uuid) - 1] = '\0';
	check_given(talk, talk_answer(talk, &a, D, uuid, "Acknowledged"), "");
	assert_string_equal(talk->outcome.event, "result_unknown");
}

static void a_queue_full_of_damage_is_put_aside_in_slices(void **state)
{
	enum { COMMANDS = 65 }; /* one more than a message puts aside */
	struct talk *talk = *state;
	char uuid[16];

	for (int i = 0; i < COMMANDS; i++) {
		snprintf(uuid, sizeof(uuid), "c%d", i);
		talk_enqueue(talk, "D", uuid, "ProfileList", 0);
		damage_body(talk, uuid);
	}
	talk_enqueue(talk, "D", "good", "ProfileList", 0);
	check_given(talk, talk_idle(talk, &a, D), "");
	check_given(talk, talk_idle(talk, &a, D), "good");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, talk_teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_empty_queue_is_answered_from_a_snapshot_with_nothing),
		TEST(commands_come_in_the_order_of_their_sending_and_urgent_ones_first),
		TEST(a_command_stays_until_its_final_status_and_is_sent_unchanged),
		TEST(each_final_status_ends_its_command),
		TEST(the_same_result_twice_changes_nothing),
		TEST(a_result_for_an_unknown_command_is_taken_and_told),
		TEST(notnow_holds_that_command_until_the_next_poll),
		TEST(an_empty_reply_while_work_is_held_tells_whether_the_device_comes_by_itself),
		TEST(what_is_queued_after_an_empty_reply_has_a_higher_sequence),
		TEST(a_message_of_a_user_that_is_unknown_is_no_contact),
		TEST(a_command_that_is_never_put_off_is_held_all_the_same_when_it_is),
		TEST(a_late_notnow_undoes_nothing),
		TEST(a_final_answer_stands_though_the_command_was_cancelled_or_had_expired),
		TEST(a_command_is_sent_until_its_time_is_over_and_not_at_it),
		TEST(a_user_of_a_device_that_left_is_given_nothing),
		TEST(the_raw_answer_is_kept_whole),
		TEST(a_body_that_does_not_open_does_not_block_the_queue),
		TEST(a_key_that_is_missing_burns_no_queue),
		TEST(a_result_of_a_command_with_a_long_id_is_unknown),
		TEST(a_queue_full_of_damage_is_put_aside_in_slices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
