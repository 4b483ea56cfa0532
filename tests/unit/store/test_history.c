/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "history_kit.h"
#include "pomona/store/intent.h"
#include "pomona/store/invitation.h"
#include "history_sql.h"
#include "impl.h"

/* --- each class */

static void test_each_class_has_its_own_age(void **state)
{
	static const struct {
		const char *uuid;
		enum history_class class;
	} rows[] = {{"done", HISTORY_DONE}, {"failed", HISTORY_FAILED}, {"cancelled", HISTORY_CANCELLED},
		{"expired", HISTORY_EXPIRED}};
	struct fixture *f = *state;
	struct history_walk walk = history_walk_of(0);
	int64_t id = history_enroll(f, "U");
	int64_t count;
	bool was_open, is_more;
	struct queue_item item;
	struct err err;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_ok(send_command(fixture_write(f), rows[i].uuid, COMMAND_PRIORITY_NORMAL, id,
													rows[i].class == HISTORY_EXPIRED ? T0 : 0, &err),
			&err);
		walk.keep_s[rows[i].class] = (int64_t)(i + 2) * DAY;
	}
	history_send(f, "open", "A1", &id, 1);
	history_answer(f, id, "done", QUEUE_DONE);
	history_answer(f, id, "failed", QUEUE_FAILED);
	assert_ok(queue_find(fixture_write(f), id, S("cancelled"), &item, &err), &err);
	assert_ok(queue_cancel(fixture_write(f), id, item.command_id, &was_open, &err), &err);
	assert_ok(queue_expire(fixture_write(f), &count, &is_more, &err), &err);
	assert_int_equal(count, 1);
	for (int64_t day = 0; day < 10; day++) {
		for (size_t i = 0; i < COUNT_OF(rows); i++)
			assert_int_equal(history_has(f, id, rows[i].uuid), day < (int64_t)i + 2);
		assert_true(history_has(f, id, "open"));
		history_live(f, &walk, DAY);
	}
	assert_int_equal(look(f, "SELECT count(*) FROM result"), 0);
	assert_int_equal(look(f, "SELECT count(*) FROM command_body"), 1);
	assert_int_equal(look(f, "SELECT count(*) FROM batch"), 1);
	assert_int_equal(look(f, "SELECT sum(value) FROM counter WHERE name LIKE 'queue.%'"), 0);
	assert_int_equal(look(f, "SELECT value FROM counter WHERE name = 'history.bodies'"), 4);
	assert_int_equal(look(f, "SELECT value FROM counter WHERE name = 'history.expired'"), 1);
}

static void test_the_age_is_held_to_the_second(void **state)
{
	struct fixture *f = *state;
	struct history_walk walk = history_walk_of(DAY);
	int64_t id = history_enroll(f, "U");

	history_send(f, "u", "A1", &id, 1);
	history_answer(f, id, "u", QUEUE_DONE);
	history_live(f, &walk, 0); /* history's clock begins */
	history_live(f, &walk, DAY - 1);
	assert_true(history_has(f, id, "u"));
	history_live(f, &walk, 1);
	assert_false(history_has(f, id, "u"));
}

static void test_without_an_age_all_is_kept(void **state)
{
	struct fixture *f = *state;
	struct history_walk walk = history_walk_of(0);
	int64_t id = history_enroll(f, "U");

	history_send(f, "u", "A1", &id, 1);
	history_answer(f, id, "u", QUEUE_DONE);
	for (int i = 0; i < 20; i++)
		history_live(f, &walk, 365 * (int64_t)DAY);
	assert_true(history_has(f, id, "u"));
}

static void test_of_queries_the_newest_answer_stays(void **state)
{
	struct fixture *f = *state;
	struct history_walk walk = history_walk_of(0);
	int64_t ids[2] = {history_enroll(f, "U"), history_enroll(f, "V")};

	walk.keep_s[HISTORY_QUERIES] = 10 * DAY;
	history_send(f, "q1", "Q1", ids, 2);
	history_send(f, "a1", "A1", ids, 2);
	history_send(f, "other", "Q2", ids, 2);
	history_send(f, "q2", "Q1", ids, 2);
	history_send(f, "q3", "Q1", ids, 2);
	history_send(f, "a2", "A1", ids, 2);
	history_answer(f, ids[0], "q1", QUEUE_DONE);
	history_answer(f, ids[0], "q2", QUEUE_DONE);
	history_answer(f, ids[0], "q3", QUEUE_FAILED); /* that is no answer */
	history_answer(f, ids[0], "other", QUEUE_DONE);
	history_answer(f, ids[0], "a1", QUEUE_DONE);
	history_answer(f, ids[0], "a2", QUEUE_DONE);
	history_answer(f, ids[1], "q1", QUEUE_DONE); /* q2 was not answered by this one */
	history_live(f, &walk, 9 * DAY);
	assert_true(history_has(f, ids[0], "q1"));
	history_live(f, &walk, 2 * DAY);
	assert_false(history_has(f, ids[0], "q1"));
	assert_true(history_has(f, ids[0], "q2"));
	assert_true(history_has(f, ids[0], "q3"));
	assert_true(history_has(f, ids[0], "other"));
	assert_true(history_has(f, ids[0], "a1"));
	assert_true(history_has(f, ids[1], "q1"));
	assert_int_equal(look(f, "SELECT value FROM counter WHERE name = 'history.queries'"), 1);
	/* Replaced later, it goes with the next lap. */
	history_answer(f, ids[1], "q2", QUEUE_DONE);
	history_live(f, &walk, DAY);
	assert_true(history_has(f, ids[1], "q1"));
	history_live(f, &walk, HISTORY_LAP_S);
	assert_false(history_has(f, ids[1], "q1"));
	assert_true(history_has(f, ids[1], "q2"));
}

static void test_what_hangs_on_devices_and_tokens_goes_by_age(void **state)
{
	static const uint8_t hashes[3][SHA256_BYTES] = {{1}, {2}, {3}};
	static const struct device_facts facts = {.topic = S("t")};
	struct api_token token = {.role = API_ROLE_VIEWER, .created_by = "test"};
	struct fixture *f = *state;
	struct history_walk walk = history_walk_of(10 * DAY);
	struct cert_facts cert = facts_of(9);
	struct enrollment enrollment;
	int64_t id, never_id, identity_id;
	struct err err;

	assert_ok(enroll_device(fixture_write(f), "U", 1, &id, &err), &err);
	assert_ok(give_token(fixture_write(f), id, "token", &err), &err);
	never_id = history_enroll(f, "NEVER");
	assert_ok(identity_record(fixture_write(f), &cert, hashes[0], &identity_id, &err), &err);
	assert_ok(enrollment_set_pending(fixture_write(f), never_id, identity_id, &facts, S("raw"), &err),
		&err);
	assert_ok(enrollment_set_pending(fixture_write(f), id, identity_id, &facts, S("raw"), &err), &err);
	assert_ok(escrow_put(fixture_write(f), id, ESCROW_UNLOCK_TOKEN, S("old"), &err), &err);
	assert_ok(escrow_put(fixture_write(f), id, ESCROW_UNLOCK_TOKEN, S("new"), &err), &err);
	for (size_t i = 0; i < 3; i++) {
		token.name = (const char *[]){"revoked", "ended", "live"}[i];
		token.expires_at = i == 1 ? T0 + DAY : 0;
		assert_ok(api_token_add(fixture_write(f), &token, hashes[i], &err), &err);
	}
	assert_ok(api_token_revoke(fixture_write(f), "revoked", &err), &err);
	assert_ok(unenrollment_record(fixture_write(f), S("X"), true, hashes[0], &err), &err);
	history_live(f, &walk, 9 * DAY);
	assert_int_equal(look(f, "SELECT count(*) FROM pending_enrollment"), 2);
	assert_int_equal(look(f, "SELECT count(*) FROM checkin_message"), 2);
	assert_int_equal(look(f, "SELECT count(*) FROM escrow"), 2);
	assert_int_equal(look(f, "SELECT count(*) FROM api_token"), 3);
	assert_int_equal(look(f, "SELECT count(*) FROM unenrollment"), 1);
	history_live(f, &walk, DAY);
	history_live(f, &walk, 1);
	assert_int_equal(look(f, "SELECT count(*) FROM pending_enrollment"), 0);
	assert_int_equal(look(f, "SELECT count(*) FROM checkin_message"), 0);
	assert_int_equal(look(f, "SELECT count(*) FROM escrow"), 1);
	assert_int_equal(look(f, "SELECT count(*) FROM api_token"), 2);
	assert_int_equal(look(f, "SELECT count(*) FROM unenrollment"), 0);
	assert_rc(enrollment_by_id(fixture_read(f), never_id, &enrollment, &err), RC_NOT_FOUND, &err);
	assert_ok(enrollment_by_id(fixture_read(f), id, &enrollment, &err), &err);
	assert_int_equal(enrollment.state, ENROLLMENT_ENROLLED);
	history_live(f, &walk, DAY);
	assert_int_equal(look(f, "SELECT count(*) FROM api_token"), 1);
	assert_int_equal(look(f, "SELECT count(*) FROM api_token WHERE name = 'live'"), 1);
}

/* A challenge counts from its end, a transaction from that of its identity. */
static void test_challenges_and_transactions_go_after_their_end(void **state)
{
	static const uint8_t digest[SHA256_BYTES] = {7};
	const struct intent_new intent = {.way = INTENT_CHALLENGE,
		.challenge_sha256 = digest,
		.expires_at = T0 + DAY};
	struct fixture *f = *state;
	struct history_walk walk = history_walk_of(10 * DAY);
	struct cert_facts cert = facts_of(9);
	const struct invitation_new invitation = {.token_sha256 = digest,
		.uses_max = 1,
		.expires_at = T0 + DAY};
	int64_t id, identity_id;
	struct err err;

	cert.not_after = T0 + 3 * DAY;
	assert_ok(invitation_add(fixture_write(f), &invitation, &id, &err), &err);
	assert_ok(intent_add(fixture_write(f), &intent, &id, &err), &err);
	assert_ok(identity_record(fixture_write(f), &cert, digest, &identity_id, &err), &err);
	assert_ok(scep_transaction_keep(fixture_write(f), digest, S("t"), identity_id, &err), &err);
	history_live(f, &walk, 11 * DAY - 1);
	assert_int_equal(look(f, "SELECT count(*) FROM intent"), 1);
	assert_int_equal(look(f, "SELECT count(*) FROM invitation"), 1);
	history_live(f, &walk, 2);
	assert_int_equal(look(f, "SELECT count(*) FROM intent"), 0);
	assert_int_equal(look(f, "SELECT count(*) FROM invitation"), 0);
	assert_int_equal(look(f, "SELECT count(*) FROM scep_transaction"), 1);
	history_live(f, &walk, 2 * DAY);
	assert_int_equal(look(f, "SELECT count(*) FROM scep_transaction"), 0);
}

/* --- what follows of a row that is gone */

static void test_a_late_answer_is_taken_as_long_as_its_row_is_kept(void **state)
{
	struct fixture *f = *state;
	struct history_walk walk = history_walk_of(0);
	int64_t id = history_enroll(f, "U");
	struct queue_item item;
	bool was_open;
	struct err err;

	walk.keep_s[HISTORY_CANCELLED] = 5 * DAY;
	walk.keep_s[HISTORY_DONE] = 5 * DAY;
	for (int i = 0; i < 2; i++) {
		history_send(f, i == 0 ? "late" : "too late", "A1", &id, 1);
		assert_ok(queue_find(fixture_write(f), id, i == 0 ? S("late") : S("too late"), &item, &err),
			&err);
		assert_ok(queue_cancel(fixture_write(f), id, item.command_id, &was_open, &err), &err);
	}
	history_live(f, &walk, 4 * DAY);
	history_answer(f, id, "late", QUEUE_DONE);
	history_live(f, &walk, 4 * DAY);
	assert_true(history_has(f, id, "late")); /* its age is its answer's */
	assert_int_equal(look(f, "SELECT is_late FROM queue"), 1);
	assert_rc(queue_find(fixture_read(f), id, S("too late"), &item, &err), RC_NOT_FOUND, &err);
	history_live(f, &walk, 2 * DAY);
	assert_false(history_has(f, id, "late"));
	assert_int_equal(look(f, "SELECT min(value) FROM counter WHERE name LIKE 'queue.%'"), 0);
	assert_int_equal(look(f, "SELECT max(value) FROM counter WHERE name LIKE 'queue.%'"), 0);
}

static void test_a_uuid_that_is_gone_is_a_new_command(void **state)
{
	static const struct command_row other = {.uuid = S("u"), .request_type = S("A2"), .body = S("o")};
	struct fixture *f = *state;
	struct history_walk walk = history_walk_of(DAY);
	int64_t ids[2] = {history_enroll(f, "U"), history_enroll(f, "V")};
	int64_t command_id;
	struct err err;

	history_send(f, "u", "A1", ids, 2);
	history_answer(f, ids[0], "u", QUEUE_DONE);
	history_live(f, &walk, 2 * DAY);
	history_live(f, &walk, DAY);
	assert_false(history_has(f, ids[0], "u"));
	/* The other one has it still: the same content for the same UUID, and it is queued for the first anew. */
	assert_rc(command_put(fixture_write(f), &other, &command_id, &err), RC_EXISTS, &err);
	history_send(f, "u", "A1", ids, 1);
	assert_true(history_has(f, ids[0], "u"));
	for (int i = 0; i < 2; i++)
		history_answer(f, ids[i], "u", QUEUE_DONE);
	history_live(f, &walk, 2 * DAY);
	assert_rc(command_find(fixture_read(f), S("u"), &command_id, &err), RC_NOT_FOUND, &err);
	assert_ok(command_put(fixture_write(f), &other, &command_id, &err), &err);
}

static void test_a_command_that_is_being_sent_again_keeps_its_body(void **state)
{
	struct fixture *f = *state;
	struct history_walk walk = history_walk_of(DAY);
	int64_t id = history_enroll(f, "U");
	int64_t command_id, batch_id;
	bool was_queued;
	struct err err;

	history_send(f, "u", "A1", &id, 1);
	history_answer(f, id, "u", QUEUE_DONE);
	history_live(f, &walk, 0);
	assert_ok(command_find(fixture_write(f), S("u"), &command_id, &err), &err);
	assert_ok(batch_begin(fixture_write(f), command_id, 0, &batch_id, &err), &err);
	history_live(f, &walk, 2 * DAY);
	assert_int_equal(look(f, "SELECT count(*) FROM queue"), 0);
	assert_int_equal(look(f, "SELECT count(*) FROM command_body"), 1);
	assert_ok(batch_add(fixture_write(f), batch_id, id, &was_queued, &err), &err);
	assert_true(was_queued);
	assert_ok(batch_publish(fixture_write(f), batch_id, &err), &err);
	history_live(f, &walk, DAY);
	assert_true(history_has(f, id, "u"));
	assert_int_equal(look(f, "SELECT sum(is_orphan) FROM command"), 0);
	history_answer(f, id, "u", QUEUE_DONE);
	history_live(f, &walk, 2 * DAY);
	assert_int_equal(look(f, "SELECT count(*) FROM command"), 0);
}

static void test_a_command_of_many_batches_goes_in_slices(void **state)
{
	struct fixture *f = *state;
	struct history_walk walk = history_walk_of(DAY);
	int64_t ids[2] = {history_enroll(f, "U"), history_enroll(f, "V")};
	int slices = 0;

	history_send(f, "u", "A1", ids, 2);
	history_answer(f, ids[0], "u", QUEUE_DONE);
	history_answer(f, ids[1], "u", QUEUE_DONE);
	fixture_commit(f);
	tamper(f,
		"WITH RECURSIVE n (i) AS (VALUES (10) UNION ALL SELECT i + 1 FROM n WHERE i < 201)"
		" INSERT INTO batch (command_id, seq, not_after, created_at) SELECT 1, i, 0, 1 FROM n");
	history_walk_slice(f, &walk, 1);
	f->now_s += 2 * DAY;
	f->monotonic_us += 2 * (int64_t)DAY * 1000000;
	f->monotonic_step_us = 1;
	do
		history_walk_slice(f, &walk, 2);
	while (walk.is_more && ++slices < 1000);
	assert_true(slices > 3);
	assert_int_equal(look(f, "SELECT count(*) FROM command"), 0);
	assert_int_equal(look(f, "SELECT count(*) FROM batch"), 0);
}

/* --- slices */

static void test_a_slice_ends_in_time_and_the_next_goes_on(void **state)
{
	enum { ROWS = 2000 };
	struct fixture *f = *state;
	struct history_walk walk = history_walk_of(DAY);
	int64_t id = history_enroll(f, "U");
	int64_t left = ROWS;
	char uuid[16];
	int slices = 0;

	for (int i = 0; i < ROWS; i++) {
		(void)snprintf(uuid, sizeof(uuid), "%d", i);
		history_send(f, uuid, "A1", &id, 1);
		history_answer(f, id, uuid, QUEUE_DONE);
	}
	history_walk_slice(f, &walk, 1000);
	f->now_s += 2 * DAY;
	f->monotonic_us += 2 * (int64_t)DAY * 1000000;
	history_walk_slice(f, &walk, 1000); /* the clock stands still: as many as a slice may */
	assert_true(walk.is_more);
	assert_int_equal(walk.dropped[HISTORY_DONE], HISTORY_SLICE_ROWS_MAX);
	left -= HISTORY_SLICE_ROWS_MAX;
	f->monotonic_step_us = 1;
	do {
		history_walk_slice(f, &walk, 100);
		assert_true(walk.dropped[HISTORY_DONE] + walk.bodies <= 101);
		left -= walk.dropped[HISTORY_DONE];
	} while (walk.is_more && ++slices < 1000);
	assert_true(slices > 10);
	assert_int_equal(left, 0);
	assert_int_equal(look(f, "SELECT count(*) FROM command"), 0);
}

static void test_a_look_that_finds_nothing_writes_nothing(void **state)
{
	struct fixture *f = *state;
	struct history_walk walk = history_walk_of(DAY);
	int64_t id = history_enroll(f, "U");

	history_send(f, "u", "Q1", &id, 1);
	history_answer(f, id, "u", QUEUE_DONE);
	history_live(f, &walk, 60);
	history_live(f, &walk, 3600);
	for (int i = 0; i < 50; i++) {
		struct txn *txn = fixture_write(f);
		int64_t before = sqlite3_total_changes64(txn->db.raw);
		struct err err;

		f->now_s += 60;
		f->monotonic_us += 60000000;
		txn->now = f->now_s;
		assert_ok(history_walk(txn, &walk, &err), &err);
		assert_int_equal(sqlite3_total_changes64(txn->db.raw), before);
		fixture_commit(f);
	}
}

/* --- the clock */

static void test_a_clock_that_jumps_a_year_drops_nothing_at_once(void **state)
{
	struct fixture *f = *state;
	struct history_walk walk = history_walk_of(30 * DAY);
	int64_t id = history_enroll(f, "U");

	history_send(f, "u", "A1", &id, 1);
	history_answer(f, id, "u", QUEUE_DONE);
	history_live(f, &walk, 60);
	f->now_s += 365 * DAY;
	for (int i = 0; i < 60; i++)
		history_live(f, &walk, 60);
	assert_true(history_has(f, id, "u"));
	assert_true(walk.ahead_s > 360 * DAY);
	f->now_s -= 365 * DAY; /* put right */
	history_live(f, &walk, 60);
	assert_int_equal(walk.ahead_s, 0);
	history_live(f, &walk, 29 * DAY);
	assert_true(history_has(f, id, "u"));
	history_live(f, &walk, DAY);
	assert_false(history_has(f, id, "u"));
}

/* Nor does a restart help a wrong clock on. */
static void test_a_server_that_was_off_catches_up(void **state)
{
	struct fixture *f = *state;
	struct history_walk walk = history_walk_of(30 * DAY);
	int64_t id = history_enroll(f, "U");
	int hours = 0;

	history_send(f, "u", "A1", &id, 1);
	history_answer(f, id, "u", QUEUE_DONE);
	history_live(f, &walk, 60);
	history_live(f, &walk, 7200);
	f->now_s += 100 * DAY;
	walk = history_walk_of(30 * DAY);
	history_live(f, &walk, 0);
	assert_true(history_has(f, id, "u"));
	for (; history_has(f, id, "u"); hours++)
		history_live(f, &walk, 3600);
	assert_in_range(hours, 29, 31); /* 24 days a day */
	for (; walk.ahead_s > 0 && hours < 1000; hours++)
		history_live(f, &walk, 3600);
	assert_in_range(hours, 100, 106);
}

/* --- for people, and plans */

static void test_the_account_is_kept(void **state)
{
	struct fixture *f = *state;
	struct history_walk walk = history_walk_of(DAY);
	int64_t id = history_enroll(f, "U");
	struct history_view view;
	struct err err;

	assert_ok(history_view(fixture_read(f), &view, &err), &err);
	assert_int_equal(view.time_s + view.walked_at, 0);
	history_send(f, "u", "A1", &id, 1);
	history_answer(f, id, "u", QUEUE_DONE);
	history_live(f, &walk, 60);
	history_live(f, &walk, 2 * DAY);
	assert_ok(history_view(fixture_read(f), &view, &err), &err);
	assert_int_equal(view.time_s, f->now_s);
	assert_int_equal(view.walked_at, f->now_s);
	assert_int_equal(view.dropped[HISTORY_DONE], 1);
	assert_int_equal(view.bodies, 1);
	assert_string_equal(history_class_name(HISTORY_UNENROLLMENTS), "unenrollments");
	assert_string_equal(history_class_name(HISTORY_CLASS_COUNT), "unknown");
}

static void test_freed_pages_are_used_again(void **state)
{
	struct fixture *f = *state;
	struct history_walk walk = history_walk_of(DAY);
	int64_t id = history_enroll(f, "U");
	int64_t bytes = 0;

	for (int round = 0; round < 6; round++) {
		for (int i = 0; i < 300; i++) {
			char uuid[32];

			(void)snprintf(uuid, sizeof(uuid), "%d-%d", round, i);
			history_send(f, uuid, "A1", &id, 1);
			history_answer(f, id, uuid, QUEUE_DONE);
		}
		history_live(f, &walk, 60);
		history_live(f, &walk, 2 * DAY);
		if (round == 1)
			bytes = look(f, "PRAGMA page_count");
	}
	assert_true(look(f, "PRAGMA page_count") <= bytes + 2);
	assert_true(look(f, "PRAGMA freelist_count") > 5);
}

static int begin_in_memory(void **state)
{
	(void)state;
	fixture_root_in_memory();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(test_each_class_has_its_own_age),
		TEST(test_the_age_is_held_to_the_second),
		TEST(test_without_an_age_all_is_kept),
		TEST(test_of_queries_the_newest_answer_stays),
		TEST(test_what_hangs_on_devices_and_tokens_goes_by_age),
		TEST(test_challenges_and_transactions_go_after_their_end),
		TEST(test_a_late_answer_is_taken_as_long_as_its_row_is_kept),
		TEST(test_a_uuid_that_is_gone_is_a_new_command),
		TEST(test_a_command_that_is_being_sent_again_keeps_its_body),
		TEST(test_a_command_of_many_batches_goes_in_slices),
		TEST(test_a_slice_ends_in_time_and_the_next_goes_on),
		TEST(test_a_look_that_finds_nothing_writes_nothing),
		TEST(test_a_clock_that_jumps_a_year_drops_nothing_at_once),
		TEST(test_a_server_that_was_off_catches_up),
		TEST(test_the_account_is_kept),
		TEST(test_freed_pages_are_used_again),
	};

	return cmocka_run_group_tests(tests, begin_in_memory, NULL);
}
