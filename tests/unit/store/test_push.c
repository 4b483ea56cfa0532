/* SPDX-License-Identifier: Apache-2.0 */
/* What a decision to push reads, and what is kept of its outcome. */
#include "fixture.h"

#include <string.h>

static const struct push_outcome taken = {.pushed_seq = 1,
	.at = T0 + 1,
	.status = 200,
	.reason = "",
	.apns_id = "00000000-0000-4000-8000-000000000001",
	.tries = 1,
	.token = S("token")};

static int64_t add_device(struct fixture *f, const char *ext_id, uint8_t mark)
{
	int64_t id = 0;
	struct err err;

	assert_ok(enroll_device(fixture_write(f), ext_id, mark, &id, &err), &err);
	assert_ok(give_token(fixture_write(f), id, "token", &err), &err);
	return id;
}

static int64_t add_user(struct fixture *f, const char *ext_id, int64_t device_id)
{
	int64_t id = 0;
	struct err err;

	assert_ok(enrollment_add_user(fixture_write(f), ENROLLMENT_USER, slice_of_str(ext_id), device_id,
												&id, &err),
		&err);
	return id;
}

static struct push_target target_of(struct fixture *f, int64_t id)
{
	struct push_target target;
	struct err err;

	assert_ok(push_target_read(fixture_write(f), id, &target, &err), &err);
	assert_int_equal(target.enrollment_id, id);
	return target;
}

static struct push_view view_of(struct fixture *f, int64_t id)
{
	struct push_view view;
	struct err err;

	assert_ok(push_view(fixture_write(f), id, f->arena, &view, &err), &err);
	return view;
}

static void set_state(struct fixture *f, int64_t id, enum enrollment_state state)
{
	struct err err;

	assert_ok(enrollment_set_state(fixture_write(f), id, state, &err), &err);
}

static void send(struct fixture *f, int64_t id, const char *uuid, int priority, int64_t not_after)
{
	struct err err;

	assert_ok(send_command(fixture_write(f), uuid, priority, id, not_after, &err), &err);
}

static void give(struct fixture *f, int64_t id, const char *token)
{
	struct err err;

	assert_ok(give_token(fixture_write(f), id, token, &err), &err);
}

static void write_outcome(struct fixture *f, int64_t id, struct push_outcome outcome)
{
	struct err err;

	outcome.enrollment_id = id;
	assert_ok(push_outcome_write(fixture_write(f), &outcome, &err), &err);
}

static void write_death(struct fixture *f, int64_t id, struct slice token)
{
	write_outcome(f, id,
		(struct push_outcome){.at = T0 + 2,
			.status = 410,
			.reason = "Unregistered",
			.is_dead = true,
			.token = token});
}

static void test_a_target_has_all_that_a_push_needs(void **state)
{
	struct fixture *f = *state;
	int64_t id = add_device(f, "UDID-1", 1);
	struct push_target target;
	struct err err;

	target = target_of(f, id);
	assert_slice(slice_of(target.token, target.token_len), "token");
	assert_slice(target.magic, "magic");
	assert_slice(target.topic, "com.example.mdm");
	assert_int_equal(target.token_updated_at, T0);
	assert_true(target.is_enrolled && target.is_reachable);
	assert_int_equal(target.open_seq, 0);
	assert_int_equal(target.open_priority, COMMAND_PRIORITY_NORMAL);
	assert_int_equal(target.pushed_seq + target.pushed_at + target.seen_seq + target.tries, 0);
	assert_rc(push_target_read(fixture_write(f), 99, &target, &err), RC_NOT_FOUND, &err);
}

static void test_a_target_of_the_longest_facts_is_read_whole(void **state)
{
	static char magic[ENROLLMENT_FACT_BYTES_MAX], topic[ENROLLMENT_FACT_BYTES_MAX];
	static uint8_t token[PUSH_TOKEN_BYTES_MAX];
	const struct token_facts facts = {.token = slice_of(token, sizeof(token)),
		.push_magic = slice_of(magic, sizeof(magic)),
		.topic = slice_of(topic, sizeof(topic))};
	struct fixture *f = *state;
	int64_t id = add_device(f, "UDID-1", 1);
	struct push_target target;
	struct err err;

	memset(magic, 'm', sizeof(magic));
	memset(topic, 't', sizeof(topic));
	memset(token, 0xFF, sizeof(token));
	assert_ok(enrollment_set_token(fixture_write(f), id, &facts, S("raw"), &err), &err);
	target = target_of(f, id);
	assert_true(slice_is_equal(slice_of(target.token, target.token_len), facts.token));
	assert_true(slice_is_equal(target.magic, facts.push_magic));
	assert_true(slice_is_equal(target.topic, facts.topic));
}

static void test_the_open_work_is_the_newest_and_the_most_urgent(void **state)
{
	struct fixture *f = *state;
	int64_t id = add_device(f, "UDID-1", 1);
	bool was_open;

	send(f, id, "one", COMMAND_PRIORITY_URGENT, 0);
	send(f, id, "two", COMMAND_PRIORITY_NORMAL, T0 + 10);
	assert_int_equal(target_of(f, id).open_seq, 2);
	assert_int_equal(target_of(f, id).open_priority, COMMAND_PRIORITY_URGENT);
	fixture_commit(f);
	f->now_s = T0 + 10; /* two has expired, though nothing has marked it */
	assert_int_equal(target_of(f, id).open_seq, 1);
	{
		struct err err;

		assert_ok(queue_cancel(fixture_write(f), id, 1, &was_open, &err), &err);
	}
	assert_int_equal(target_of(f, id).open_seq, 0);
}

static void test_who_is_reached_and_who_gets_commands(void **state)
{
	static const struct {
		enum enrollment_state device, user;
		bool is_device_reached, is_device_enrolled, is_user_reached, is_user_enrolled;
	} rows[] = {
		{ENROLLMENT_ENROLLED, ENROLLMENT_ENROLLED, true, true, true, true},
		{ENROLLMENT_REMOVAL_ORDERED, ENROLLMENT_ENROLLED, true, false, true, false},
		{ENROLLMENT_ENROLLED, ENROLLMENT_ENDED, true, true, false, false},
		{ENROLLMENT_REMOVED, ENROLLMENT_ENROLLED, false, false, false, false},
		{ENROLLMENT_CHECKED_OUT, ENROLLMENT_ENROLLED, false, false, false, false},
		{ENROLLMENT_PENDING, ENROLLMENT_ENROLLED, false, false, false, false},
	};
	struct fixture *f = *state;
	int64_t device = add_device(f, "UDID-1", 1);
	int64_t user = add_user(f, "UDID-1:U", device);

	assert_false(target_of(f, user).is_reachable); /* no token yet */
	assert_true(target_of(f, user).is_enrolled);
	give(f, user, "token of user");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		set_state(f, device, rows[i].device);
		set_state(f, user, rows[i].user);
		assert_int_equal(target_of(f, device).is_reachable, rows[i].is_device_reached);
		assert_int_equal(target_of(f, device).is_enrolled, rows[i].is_device_enrolled);
		assert_int_equal(target_of(f, user).is_reachable, rows[i].is_user_reached);
		assert_int_equal(target_of(f, user).is_enrolled, rows[i].is_user_enrolled);
	}
}

static void test_an_outcome_is_kept_and_shown(void **state)
{
	struct fixture *f = *state;
	int64_t id = add_device(f, "UDID-1", 1);
	struct enrollment_view whole;
	struct push_view view = view_of(f, id);
	struct err err;

	assert_int_equal(view.outcome_at, 0);
	assert_string_equal(view.reason, "");
	write_outcome(f, id, taken);
	view = view_of(f, id);
	assert_int_equal(view.pushed_at, T0 + 1);
	assert_int_equal(view.outcome_at, T0 + 1);
	assert_int_equal(view.status, 200);
	assert_string_equal(view.apns_id, taken.apns_id);
	assert_int_equal(view.tries, 1);
	assert_int_equal(view.pushed_seq, 1);
	write_outcome(f, id,
		(struct push_outcome){.at = T0 + 9, .status = 429, .reason = "TooManyRequests", .tries = 2});
	assert_ok(enrollment_view(fixture_write(f), id, f->arena, &whole, &err), &err);
	assert_int_equal(whole.push.pushed_at, T0 + 1); /* that APNs took */
	assert_int_equal(whole.push.outcome_at, T0 + 9);
	assert_int_equal(whole.push.status, 429);
	assert_string_equal(whole.push.reason, "TooManyRequests");
	assert_string_equal(whole.push.apns_id, "");
	assert_int_equal(whole.push.pushed_seq, 1);
	assert_int_equal(target_of(f, id).tries, 2);
	assert_int_equal(target_of(f, id).pushed_at, T0 + 1);
	assert_rc(push_view(fixture_write(f), 99, f->arena, &view, &err), RC_NOT_FOUND, &err);
}

static void test_what_was_pushed_for_and_seen_only_rises(void **state)
{
	static const int64_t seqs[] = {3, 5, 4, 0, 5, 1};
	struct fixture *f = *state;
	int64_t id = add_device(f, "UDID-1", 1);
	int64_t highest = 0;
	struct err err;

	for (size_t i = 0; i < COUNT_OF(seqs); i++) {
		struct push_outcome outcome = taken;

		outcome.pushed_seq = seqs[i];
		highest = seqs[i] > highest ? seqs[i] : highest;
		write_outcome(f, id, outcome);
		assert_ok(push_seen_write(fixture_write(f), id, seqs[i] * 10, &err), &err);
		assert_int_equal(target_of(f, id).pushed_seq, highest);
		assert_int_equal(target_of(f, id).seen_seq, highest * 10);
	}
}

static void test_seen_is_kept_of_one_that_was_never_pushed_for(void **state)
{
	struct fixture *f = *state;
	int64_t id = add_device(f, "UDID-1", 1);
	struct err err;

	assert_ok(push_seen_write(fixture_write(f), id, 7, &err), &err);
	assert_int_equal(target_of(f, id).seen_seq, 7);
	assert_int_equal(view_of(f, id).seen_seq, 7);
	assert_int_equal(target_of(f, id).pushed_at, 0);
}

static void test_texts_of_apns_are_cut_between_characters(void **state)
{
	static const char umlauts[] = "xääääääääääääääääääääääääääääääää"; /* 1 + 32 * 2 bytes */
	struct fixture *f = *state;
	int64_t id = add_device(f, "UDID-1", 1);
	struct push_outcome outcome = taken;
	char longest[PUSH_REASON_BYTES_MAX + 1];
	char longer[PUSH_REASON_BYTES_MAX + 2];

	memset(longest, 'r', sizeof(longest));
	memset(longer, 'r', sizeof(longer));
	longest[sizeof(longest) - 1] = longer[sizeof(longer) - 1] = '\0';
	outcome.apns_id = longer;
	outcome.reason = longest;
	write_outcome(f, id, outcome);
	assert_string_equal(view_of(f, id).reason, longest);
	assert_int_equal(strlen(view_of(f, id).apns_id), PUSH_ID_BYTES_MAX);
	outcome.reason = longer;
	write_outcome(f, id, outcome);
	assert_string_equal(view_of(f, id).reason, longest);
	outcome.reason = umlauts;
	write_outcome(f, id, outcome);
	assert_int_equal(strlen(view_of(f, id).reason), PUSH_REASON_BYTES_MAX - 1);
}

static void test_an_enrollment_that_is_gone_is_no_fault(void **state)
{
	struct fixture *f = *state;
	int64_t id = add_device(f, "UDID-1", 1);
	struct err err;

	write_outcome(f, id, taken);
	set_state(f, id, ENROLLMENT_CHECKED_OUT);
	assert_ok(enrollment_forget(fixture_write(f), id, &err), &err);
	fixture_commit(f);
	assert_int_equal(look(f, "SELECT count(*) FROM push"), 0);
	write_outcome(f, id, taken);
	write_death(f, id, S("token"));
	assert_ok(push_seen_write(fixture_write(f), id, 7, &err), &err);
	fixture_commit(f);
	assert_int_equal(look(f, "SELECT count(*) FROM push"), 0);
}

static void test_only_the_present_token_is_marked_dead(void **state)
{
	struct fixture *f = *state;
	int64_t id = add_device(f, "UDID-1", 1);

	write_death(f, id, S("an earlier one"));
	write_death(f, id, S(""));
	assert_int_equal(target_of(f, id).token_dead_at, 0);
	assert_int_equal(view_of(f, id).status, 410); /* shown all the same */
	write_death(f, id, S("token"));
	assert_int_equal(target_of(f, id).token_dead_at, T0 + 2);
	assert_int_equal(view_of(f, id).token_dead_at, T0 + 2);
	assert_true(target_of(f, id).is_reachable); /* that it is dead is another thing */
	write_outcome(f, id,
		(struct push_outcome){.at = T0 + 8, .status = 410, .is_dead = true, .token = S("token")});
	assert_int_equal(target_of(f, id).token_dead_at, T0 + 2);
}

/* The verdict on a token is older than the TokenUpdate that brought the same one again. */
static void test_a_token_that_was_brought_again_is_not_marked_dead(void **state)
{
	struct fixture *f = *state;
	int64_t id = add_device(f, "UDID-1", 1);
	struct push_outcome dead = {.status = 410,
		.reason = "Unregistered",
		.is_dead = true,
		.token = S("token")};

	dead.token_updated_at = target_of(f, id).token_updated_at;
	fixture_commit(f);
	f->now_s++;
	give(f, id, "token");
	write_outcome(f, id, dead);
	assert_int_equal(target_of(f, id).token_dead_at, 0);
	dead.token_updated_at = target_of(f, id).token_updated_at;
	write_outcome(f, id, dead);
	assert_int_not_equal(target_of(f, id).token_dead_at, 0);
}

static void test_a_push_to_an_earlier_token_counts_for_nothing(void **state)
{
	struct fixture *f = *state;
	int64_t id = add_device(f, "UDID-1", 1);
	struct push_outcome outcome = taken;

	give(f, id, "new token");
	write_outcome(f, id, taken);
	assert_int_equal(target_of(f, id).pushed_seq, 0);
	outcome.token = S("new token");
	write_outcome(f, id, outcome);
	assert_int_equal(target_of(f, id).pushed_seq, 1);
	outcome.token = S("");
	outcome.pushed_seq = 2;
	write_outcome(f, id, outcome);
	assert_int_equal(target_of(f, id).pushed_seq, 2);
}

static void test_a_new_address_or_a_revived_token_is_pushed_for_again(void **state)
{
	static const struct {
		struct token_facts facts;
		bool is_dead, is_forgotten;
	} rows[] = {
		{{.token = S("token"), .push_magic = S("magic"), .topic = S("com.example.mdm")}, false, false},
		{{.token = S("token"), .push_magic = S("magic"), .topic = S("com.example.mdm")}, true, true},
		{{.token = S("other"), .push_magic = S("magic"), .topic = S("com.example.mdm")}, false, true},
		{{.token = S("token"), .push_magic = S("Magic"), .topic = S("com.example.mdm")}, false, true},
		{{.token = S("token"), .push_magic = S("magic"), .topic = S("com.example.MDM")}, false, true},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t id = add_device(f, (char[]){'U', (char)('0' + i), 0}, (uint8_t)(1 + i));
		struct push_target target;
		struct err err;

		write_outcome(f, id, taken);
		if (rows[i].is_dead)
			write_death(f, id, S("token"));
		assert_ok(enrollment_set_token(fixture_write(f), id, &rows[i].facts, S("raw"), &err), &err);
		target = target_of(f, id);
		assert_int_equal(target.pushed_seq, rows[i].is_forgotten ? 0 : 1);
		assert_int_equal(target.tries, rows[i].is_forgotten ? 0 : 1);
		assert_int_equal(target.token_dead_at, 0);
		assert_int_equal(target.pushed_at, T0 + 1);
	}
}

static void test_a_token_that_is_dropped_takes_its_mark_along(void **state)
{
	struct fixture *f = *state;
	int64_t device = add_device(f, "UDID-1", 1);
	int64_t user = add_user(f, "UDID-1:U", device);
	struct err err;

	give(f, user, "token of user");
	write_death(f, device, S("token"));
	write_death(f, user, S("token of user"));
	assert_int_equal(target_of(f, user).token_dead_at, T0 + 2);
	assert_ok(enrollment_drop_token(fixture_write(f), device, &err), &err);
	assert_ok(enrollment_end_users(fixture_write(f), device, &err), &err);
	assert_int_equal(target_of(f, device).token_dead_at, 0);
	assert_int_equal(target_of(f, user).token_dead_at, 0);
	assert_false(target_of(f, device).is_reachable);
}

static void test_a_new_identity_begins_without_push_state(void **state)
{
	static const uint8_t anchors[SHA256_BYTES];
	static const struct device_facts facts = {.topic = S("com.example.mdm")};
	struct fixture *f = *state;
	int64_t id = add_device(f, "UDID-1", 1);
	struct cert_facts cert = facts_of(2);
	int64_t identity_id = 0;
	struct push_view view;
	struct err err;

	write_outcome(f, id, taken);
	write_death(f, id, S("token"));
	assert_ok(push_seen_write(fixture_write(f), id, 7, &err), &err);
	assert_ok(identity_record(fixture_write(f), &cert, anchors, &identity_id, &err), &err);
	assert_ok(enrollment_set_pending(fixture_write(f), id, identity_id, &facts, S("raw"), &err), &err);
	assert_int_equal(view_of(f, id).pushed_seq, 1); /* the old one lives on */
	assert_ok(enrollment_promote(fixture_write(f), id, &err), &err);
	view = view_of(f, id);
	assert_int_equal(view.pushed_seq + view.seen_seq + view.tries + view.status + view.pushed_at +
			view.outcome_at + view.token_dead_at,
		0);
}

static void test_reading_changes_nothing_and_writing_is_the_writers(void **state)
{
	struct fixture *f = *state;
	int64_t id = add_device(f, "UDID-1", 1);
	struct push_outcome outcome = taken;
	struct push_target target;
	struct push_view view;
	struct err err;

	outcome.enrollment_id = id;
	assert_ok(push_target_read(fixture_read(f), id, &target, &err), &err);
	assert_ok(push_view(fixture_read(f), id, f->arena, &view, &err), &err);
	assert_rc(push_outcome_write(fixture_read(f), &outcome, &err), RC_INTERNAL, &err);
	assert_rc(push_seen_write(fixture_read(f), id, 1, &err), RC_INTERNAL, &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(test_a_target_has_all_that_a_push_needs),
		TEST(test_a_target_of_the_longest_facts_is_read_whole),
		TEST(test_the_open_work_is_the_newest_and_the_most_urgent),
		TEST(test_who_is_reached_and_who_gets_commands),
		TEST(test_an_outcome_is_kept_and_shown),
		TEST(test_what_was_pushed_for_and_seen_only_rises),
		TEST(test_seen_is_kept_of_one_that_was_never_pushed_for),
		TEST(test_texts_of_apns_are_cut_between_characters),
		TEST(test_an_enrollment_that_is_gone_is_no_fault),
		TEST(test_only_the_present_token_is_marked_dead),
		TEST(test_a_token_that_was_brought_again_is_not_marked_dead),
		TEST(test_a_push_to_an_earlier_token_counts_for_nothing),
		TEST(test_a_new_address_or_a_revived_token_is_pushed_for_again),
		TEST(test_a_token_that_is_dropped_takes_its_mark_along),
		TEST(test_a_new_identity_begins_without_push_state),
		TEST(test_reading_changes_nothing_and_writing_is_the_writers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
