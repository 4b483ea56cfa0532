/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory ends at each request in turn, of ours or of any library, while a device enrolls, polls, answers, keeps
 * tokens and leaves, and an administrator sends: the message is refused for want of memory and has changed nothing,
 * and the same message succeeds afterwards.
 */
#include "talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/command/command.h"
#include "short_memory.h"

enum { BODY_BYTES = 4096, ARENA_BYTES = 1 << 22, REQUESTS_MAX = 20000 };

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\"><dict>"
#define TAIL "</dict></plist>"
#define ID TALK_UDID("D1")
#define CHECKIN(type) TALK_STR("MessageType", type) ID TALK_STR("Topic", "com.apple.mgmt.test")
#define TOKENS \
	TALK_STR("PushMagic", "MAGIC") \
	"<key>Token</key><data>AAEC</data><key>UnlockToken</key><data>AQIDBA==</data>"
#define ANSWER(uuid, status) TALK_STR("Status", status) TALK_STR("CommandUUID", uuid) ID

struct attempt {
	struct talk *talk;
	const struct step *step;
	const struct credential *credential;
	struct arena *arena;
	struct checkin_message checkin;
	struct result result;
	struct command_row row;
};

static struct slice body_of(const char *keys, struct arena *arena)
{
	char text[BODY_BYTES];
	int len = snprintf(text, sizeof(text), HEAD "%s" TAIL, keys);

	return arena_copy(arena, slice_of(text, (size_t)len));
}

/* --- the ways of a message: read, then decide */

static enum rc decide_checkin(void *ctx, struct txn *txn, struct err *err)
{
	struct attempt *attempt = ctx;

	return checkin_decide(txn, &attempt->talk->policy, attempt->credential, &attempt->checkin,
		&attempt->talk->outcome, err);
}

static enum rc checkin(struct attempt *attempt, struct slice body, struct err *err)
{
	enum rc rc = checkin_read(body, attempt->arena, &attempt->checkin, err);

	return rc == RC_OK ? store_run(attempt->talk->world.store, decide_checkin, attempt, err) : rc;
}

static enum rc decide_result(void *ctx, struct txn *txn, struct err *err)
{
	struct attempt *attempt = ctx;

	const struct result_policy policy = {.unenroll = attempt->talk->policy.unenroll,
		.setup = attempt->talk->policy.setup};

	return result_decide(txn, &policy, attempt->credential, &attempt->result, &attempt->talk->outcome,
		err);
}

static enum rc report(struct attempt *attempt, struct slice body, struct err *err)
{
	enum rc rc = result_read(body, attempt->arena, &attempt->result, err);

	return rc == RC_OK ? store_run(attempt->talk->world.store, decide_result, attempt, err) : rc;
}

static enum rc idle(struct attempt *attempt, struct slice body, struct err *err)
{
	struct txn *txn = NULL;
	bool is_answered = false;
	enum rc rc = result_read(body, attempt->arena, &attempt->result, err);

	if (rc == RC_OK)
		rc = store_read_begin(attempt->talk->world.store, &txn, err);
	if (rc == RC_OK)
		rc = result_try_idle(txn, attempt->credential, &attempt->result, &attempt->talk->outcome,
			&is_answered, err);
	store_read_end(attempt->talk->world.store, &txn);
	if (rc != RC_OK || is_answered)
		return rc;
	return store_run(attempt->talk->world.store, decide_result, attempt, err);
}

static enum rc queue_command(void *ctx, struct txn *txn, struct err *err)
{
	struct attempt *attempt = ctx;
	struct enrollment enrollment;
	int64_t command_id;
	int64_t batch_id;
	bool was_queued;
	enum rc rc = enrollment_find(txn, slice_of_str("D1"), &enrollment, err);

	if (rc == RC_OK)
		rc = command_put(txn, &attempt->row, &command_id, err);
	if (rc == RC_OK)
		rc = batch_begin(txn, command_id, 0, &batch_id, err);
	if (rc == RC_OK)
		rc = batch_add(txn, batch_id, enrollment.id, &was_queued, err);
	return rc == RC_OK ? batch_publish(txn, batch_id, err) : rc;
}

static enum rc send(struct attempt *attempt, struct slice body, struct err *err)
{
	enum rc rc = command_from_plist(body, attempt->arena, &attempt->row, err);

	outcome_refuse(&attempt->talk->outcome, REFUSAL_NONE, NULL);
	return rc == RC_OK ? store_run(attempt->talk->world.store, queue_command, attempt, err) : rc;
}

static const struct step {
	const char *what;
	enum rc (*run)(struct attempt *attempt, struct slice body, struct err *err);
	const char *keys;
} steps[] = {
	{"Authenticate", checkin, CHECKIN("Authenticate") TALK_STR("SerialNumber", "SERIAL1")},
	{"TokenUpdate", checkin, CHECKIN("TokenUpdate") TOKENS},
	{"SetBootstrapToken", checkin,
		CHECKIN("SetBootstrapToken") "<key>BootstrapToken</key><data>AQIDBAUG</data>"},
	{"GetBootstrapToken", checkin, CHECKIN("GetBootstrapToken")},
	{"UserAuthenticate", checkin, TALK_STR("MessageType", "UserAuthenticate") TALK_USER("D1", "U1")},
	{"TokenUpdate of a user", checkin, CHECKIN("TokenUpdate") TALK_STR("UserID", "U1") TOKENS},
	{"a command", send,
		TALK_STR("CommandUUID", "c1") "<key>Command</key><dict>" TALK_STR("RequestType", "DeviceLock")
			TALK_STR("PIN", "123456") "</dict>"},
	{"a second one", send,
		TALK_STR("CommandUUID", "c2") "<key>Command</key><dict>" TALK_STR("RequestType",
			"ProfileList") "</dict>"},
	{"Idle with work", idle, TALK_STR("Status", "Idle") ID},
	{"Acknowledged", report, ANSWER("c1", "Acknowledged")},
	{"NotNow", report, ANSWER("c2", "NotNow")},
	{"Idle after NotNow", idle, TALK_STR("Status", "Idle") ID},
	{"Error", report, ANSWER("c2", "Error")},
	{"Idle with nothing", idle, TALK_STR("Status", "Idle") ID},
	{"Authenticate anew", checkin, CHECKIN("Authenticate") TALK_STR("SerialNumber", "SERIAL1")},
	{"TokenUpdate anew", checkin, CHECKIN("TokenUpdate") TOKENS},
	{"CheckOut", checkin, CHECKIN("CheckOut")},
};

/* --- what stands in the database */

static void mix(uint64_t *sum, const void *bytes, int len)
{
	for (int i = 0; i < len; i++)
		*sum = (*sum ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
}

static void mix_rows(sqlite3 *db, const char *sql, uint64_t *sum)
{
	sqlite3_stmt *stmt;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		for (int i = 0; i < sqlite3_column_count(stmt); i++)
			mix(sum, sqlite3_column_blob(stmt, i), sqlite3_column_bytes(stmt, i));
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
}

/* All rows of all tables, but for the alarm that tells of a commit for which memory was short. */
static uint64_t database_sum(const struct talk *talk)
{
	char path[128];
	char sql[256];
	uint64_t sum = UINT64_C(0xcbf29ce484222325);
	sqlite3_stmt *tables;
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/pomona.db", talk->world.dir);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, "unix-excl"), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
																			"SELECT name FROM sqlite_schema WHERE type = 'table'"
																			" AND name <> 'alarm' AND name NOT LIKE 'sqlite_%' ORDER BY name",
																			-1, &tables, NULL),
		SQLITE_OK);
	while (sqlite3_step(tables) == SQLITE_ROW) {
		snprintf(sql, sizeof(sql), "SELECT * FROM %s", (const char *)sqlite3_column_text(tables, 0));
		mix_rows(db, sql, &sum);
	}
	sqlite3_finalize(tables);
	sqlite3_close(db);
	return sum;
}

/* --- each request in turn */

static enum rc attempt_once(struct attempt *attempt, struct err *err)
{
	struct slice body;

	attempt->arena = arena_new(ARENA_BYTES);
	if (attempt->arena == NULL)
		return err_set(err, RC_NO_MEMORY, "arena");
	body = body_of(attempt->step->keys, attempt->arena);
	if (body.ptr == NULL)
		return err_set(err, RC_NO_MEMORY, "body");
	return attempt->step->run(attempt, body, err);
}

/* False: nothing failed any more, and the message was taken. */
static bool try_at(struct talk *talk, const struct step *step, const struct credential *credential,
	long nth, bool is_lasting)
{
	struct attempt attempt = {.talk = talk, .step = step, .credential = credential};
	uint64_t before = database_sum(talk);
	struct err err = {.rc = RC_OK};
	bool has_failed;
	enum rc rc;

	outcome_fini(&talk->outcome);
	outcome_init(&talk->outcome);
	short_memory_fail(nth, is_lasting);
	rc = attempt_once(&attempt, &err);
	has_failed = short_memory_has_failed();
	short_memory_fail(0, false);
	arena_free(&attempt.arena);
	if (rc != RC_OK && (!has_failed || rc != RC_NO_MEMORY || database_sum(talk) != before))
		fail_msg("%s, request %ld%s: %s: %s%s", step->what, nth, is_lasting ? " and all after it" : "",
			rc_name(rc), err.text, database_sum(talk) != before ? " (and the database changed)" : "");
	if (rc == RC_OK && talk->outcome.http_status != 200 && talk->outcome.http_status != 410)
		fail_msg("%s, request %ld: %u %s", step->what, nth, talk->outcome.http_status,
			talk->outcome.text);
	return has_failed;
}

static void talk_through(struct talk *talk, bool is_lasting)
{
	const struct credential credential = world_credential("one");

	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		long nth = 1;

		while (try_at(talk, &steps[i], &credential, nth, is_lasting))
			if (++nth > REQUESTS_MAX)
				fail_msg("%s: no end of requests", steps[i].what);
		if (nth < 3)
			fail_msg("%s: %ld requests only: are they counted?", steps[i].what, nth);
	}
	assert_int_equal(world_state(&talk->world, "D1"), ENROLLMENT_CHECKED_OUT);
}

static void test_each_message_survives_each_request_for_memory_that_fails(void **state)
{
	talk_through(*state, false);
}

static void test_each_message_survives_memory_that_ends_at_each_request(void **state)
{
	talk_through(*state, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_message_survives_each_request_for_memory_that_fails,
			talk_setup, talk_teardown),
		cmocka_unit_test_setup_teardown(test_each_message_survives_memory_that_ends_at_each_request,
			talk_setup, talk_teardown),
	};

	return cmocka_run_group_tests_name("checkin/memory", tests, NULL, NULL);
}
