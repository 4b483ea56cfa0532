/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

static const struct device_facts facts = {
	.topic = S("topic"),
	.device_name = S("name"),
	.model = S("model"),
	.model_name = S("model name"),
	.product_name = S("product"),
	.os_version = S("17.0"),
	.build_version = S("21A"),
	.serial_number = S("SERIAL"),
	.imei = S("imei"),
	.meid = S("meid"),
};
static const struct token_facts token = {
	.topic = S("topic of push"),
	.token = S("token bytes"),
	.push_magic = S("magic"),
	.user_short_name = S("short"),
	.user_long_name = S("Long Name"),
	.has_awaiting_configuration = true,
	.is_awaiting_configuration = true,
};

static struct enrollment get(struct fixture *f, int64_t id)
{
	struct enrollment enrollment = {.id = 0};
	struct err err;

	assert_ok(enrollment_by_id(fixture_write(f), id, &enrollment, &err), &err);
	return enrollment;
}

static struct enrollment_view view(struct fixture *f, int64_t id)
{
	struct enrollment_view found;
	struct err err;

	assert_ok(enrollment_view(fixture_write(f), id, f->arena, &found, &err), &err);
	return found;
}

static int64_t add_device(struct fixture *f, const char *ext_id)
{
	int64_t id = 0;
	struct err err;

	assert_ok(enrollment_add_device(fixture_write(f), ENROLLMENT_DEVICE, slice_of_str(ext_id), &id,
												&err),
		&err);
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

static int64_t add_identity(struct fixture *f, uint8_t mark)
{
	static const uint8_t anchors[SHA256_BYTES];
	struct cert_facts cert = facts_of(mark);
	int64_t id = 0;
	struct err err;

	assert_ok(identity_record(fixture_write(f), &cert, anchors, &id, &err), &err);
	return id;
}

static void set_state(struct fixture *f, int64_t id, enum enrollment_state state)
{
	struct err err;

	assert_ok(enrollment_set_state(fixture_write(f), id, state, &err), &err);
}

static void test_a_device_is_added_once(void **state)
{
	struct fixture *f = *state;
	int64_t id = add_device(f, "UDID-1");
	struct enrollment found = get(f, id);
	int64_t again;
	struct err err;

	assert_string_equal(found.ext_id, "UDID-1");
	assert_int_equal(found.kind, ENROLLMENT_DEVICE);
	assert_int_equal(found.state, ENROLLMENT_PENDING);
	assert_int_equal(found.device_id, 0);
	assert_int_equal(found.identity_id, 0);
	assert_int_equal(found.pending_identity_id, 0);
	assert_rc(enrollment_add_device(fixture_write(f), ENROLLMENT_DEVICE, S("UDID-1"), &again, &err),
		RC_EXISTS, &err);
	assert_rc(enrollment_find(fixture_write(f), S("UDID-2"), &found, &err), RC_NOT_FOUND, &err);
	assert_rc(enrollment_find(fixture_write(f), S("udid-1"), &found, &err), RC_NOT_FOUND, &err);
	assert_rc(enrollment_by_id(fixture_write(f), 99, &found, &err), RC_NOT_FOUND, &err);
}

static void test_ids_are_bounded_and_whole(void **state)
{
	static char text[ENROLLMENT_ID_BYTES_MAX + 1];
	static const struct {
		size_t len;
		enum rc want;
	} cases[] = {
		{0, RC_INVALID},
		{ENROLLMENT_ID_BYTES_MAX, RC_OK},
		{ENROLLMENT_ID_BYTES_MAX + 1, RC_LIMIT},
	};
	struct fixture *f = *state;
	struct enrollment found;
	int64_t id;
	struct err err;

	memset(text, 'i', sizeof(text));
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_rc(enrollment_add_device(fixture_write(f), ENROLLMENT_DEVICE, slice_of(text, cases[i].len),
													&id, &err),
			cases[i].want, &err);
	assert_ok(enrollment_find(fixture_write(f), slice_of(text, ENROLLMENT_ID_BYTES_MAX), &found, &err),
		&err);
	assert_int_equal(strlen(found.ext_id), ENROLLMENT_ID_BYTES_MAX);
	assert_rc(enrollment_add_device(fixture_write(f), ENROLLMENT_DEVICE, slice_of("a\0b", 3), &id,
												&err),
		RC_INVALID, &err);
}

static void test_an_authenticate_changes_nothing_that_lives_until_it_is_promoted(void **state)
{
	AUTO(buf_fini) struct buf raw = {0};
	struct device_facts other = facts;
	struct fixture *f = *state;
	struct enrollment_view seen;
	int64_t first = add_identity(f, 1);
	int64_t second = add_identity(f, 2);
	int64_t id = add_device(f, "UDID-1");
	struct err err;

	buf_init(&raw, 100);
	assert_rc(enrollment_promote(fixture_write(f), id, &err), RC_NOT_FOUND, &err);
	assert_ok(enrollment_set_pending(fixture_write(f), id, first, &facts, S("raw 1"), &err), &err);
	assert_int_equal(get(f, id).pending_identity_id, first);
	assert_int_equal(get(f, id).identity_id, 0);
	assert_string_equal(view(f, id).serial_number, "SERIAL"); /* shown already: nothing else lives */
	fixture_commit(f);
	f->now_s = T0 + 5;
	assert_ok(enrollment_promote(fixture_write(f), id, &err), &err);
	assert_int_equal(get(f, id).identity_id, first);
	assert_int_equal(get(f, id).pending_identity_id, 0);
	assert_int_equal(get(f, id).state, ENROLLMENT_ENROLLED);
	assert_int_equal(view(f, id).enrolled_at, T0 + 5);

	other.serial_number = S("OTHER");
	assert_ok(enrollment_set_pending(fixture_write(f), id, second, &other, S("raw 2"), &err), &err);
	assert_int_equal(get(f, id).identity_id, first);
	assert_int_equal(get(f, id).pending_identity_id, second);
	assert_string_equal(view(f, id).serial_number, "SERIAL");
	assert_ok(enrollment_raw_message(fixture_write(f), id, "Authenticate", &raw, &err), &err);
	assert_text(&raw, "raw 1");

	assert_ok(enrollment_promote(fixture_write(f), id, &err), &err);
	seen = view(f, id);
	assert_string_equal(seen.serial_number, "OTHER");
	assert_int_equal(seen.enrollment.identity_id, second);
	assert_int_equal(seen.identity_sha256[0], 2);
	assert_int_equal(seen.identity_not_after, T0 + 1000);
	assert_ok(enrollment_raw_message(fixture_write(f), id, "Authenticate", &raw, &err), &err);
	assert_text(&raw, "raw 2");
}

static void test_a_pending_authenticate_is_replaced_and_dropped(void **state)
{
	struct fixture *f = *state;
	int64_t first = add_identity(f, 1);
	int64_t second = add_identity(f, 2);
	int64_t id = add_device(f, "UDID-1");
	struct err err;

	assert_ok(enrollment_set_pending(fixture_write(f), id, first, &facts, S("raw"), &err), &err);
	assert_ok(enrollment_set_pending(fixture_write(f), id, second, &facts, S("raw"), &err), &err);
	assert_int_equal(get(f, id).pending_identity_id, second);
	assert_ok(enrollment_drop_pending(fixture_write(f), id, &err), &err);
	assert_int_equal(get(f, id).pending_identity_id, 0);
	assert_rc(enrollment_promote(fixture_write(f), id, &err), RC_NOT_FOUND, &err);
}

static void test_every_fact_is_kept_and_bounded(void **state)
{
	static char text[ENROLLMENT_FACT_BYTES_MAX + 1];
	struct fixture *f = *state;
	struct device_facts large = facts;
	int64_t identity_id = add_identity(f, 1);
	int64_t id = add_device(f, "UDID-1");
	struct enrollment_view seen;
	struct err err;

	memset(text, 'f', sizeof(text));
	large.device_name = slice_of(text, ENROLLMENT_FACT_BYTES_MAX + 1);
	assert_rc(enrollment_set_pending(fixture_write(f), id, identity_id, &large, S("raw"), &err),
		RC_LIMIT, &err);
	large.device_name.len--;
	assert_ok(enrollment_set_pending(fixture_write(f), id, identity_id, &large, S("raw"), &err), &err);
	assert_ok(enrollment_set_pending(fixture_write(f), id, identity_id, &facts, S("raw"), &err), &err);
	assert_ok(enrollment_promote(fixture_write(f), id, &err), &err);
	seen = view(f, id);
	assert_string_equal(seen.topic, "topic");
	assert_string_equal(seen.device_name, "name");
	assert_string_equal(seen.model, "model");
	assert_string_equal(seen.model_name, "model name");
	assert_string_equal(seen.product_name, "product");
	assert_string_equal(seen.os_version, "17.0");
	assert_string_equal(seen.build_version, "21A");
	assert_string_equal(seen.imei, "imei");
	assert_string_equal(seen.meid, "meid");
	assert_string_equal(seen.device_ext_id, "");
	assert_int_equal(seen.created_at, T0);
}

static void test_a_token_update_keeps_what_it_does_not_carry(void **state)
{
	AUTO(buf_fini) struct buf raw = {0};
	struct fixture *f = *state;
	struct token_facts bare = {.topic = S("t"), .token = S("x"), .push_magic = S("m")};
	int64_t id = add_device(f, "UDID-1");
	struct enrollment_view seen;
	struct err err;

	buf_init(&raw, 100);
	assert_false(view(f, id).has_push_token);
	assert_rc(enrollment_raw_message(fixture_write(f), id, "TokenUpdate", &raw, &err), RC_NOT_FOUND,
		&err);
	assert_ok(enrollment_set_token(fixture_write(f), id, &token, S("raw token update"), &err), &err);
	seen = view(f, id);
	assert_true(seen.has_push_token);
	assert_string_equal(seen.topic, "topic of push");
	assert_string_equal(seen.user_short_name, "short");
	assert_string_equal(seen.user_long_name, "Long Name");
	assert_int_equal(seen.token_updated_at, T0);
	assert_true(get(f, id).is_awaiting_configuration);
	assert_ok(enrollment_raw_message(fixture_write(f), id, "TokenUpdate", &raw, &err), &err);
	assert_text(&raw, "raw token update");

	assert_ok(enrollment_set_token(fixture_write(f), id, &bare, S("raw"), &err), &err);
	assert_string_equal(view(f, id).user_long_name, "Long Name");
	assert_true(get(f, id).is_awaiting_configuration);
	bare.has_awaiting_configuration = true;
	assert_ok(enrollment_set_token(fixture_write(f), id, &bare, S("raw"), &err), &err);
	assert_false(get(f, id).is_awaiting_configuration);
	assert_ok(enrollment_drop_token(fixture_write(f), id, &err), &err);
	assert_false(view(f, id).has_push_token);
	assert_rc(enrollment_set_token(fixture_write(f), 99, &bare, S("raw"), &err), RC_NOT_FOUND, &err);
	assert_rc(enrollment_drop_token(fixture_write(f), 99, &err), RC_NOT_FOUND, &err);
}

static void test_push_tokens_are_bounded(void **state)
{
	static char text[PUSH_TOKEN_BYTES_MAX + 1];
	struct fixture *f = *state;
	struct token_facts large = token;
	int64_t id = add_device(f, "UDID-1");
	struct err err;

	large.token = slice_of(text, PUSH_TOKEN_BYTES_MAX + 1);
	assert_rc(enrollment_set_token(fixture_write(f), id, &large, S("raw"), &err), RC_LIMIT, &err);
	large.token.len--;
	assert_ok(enrollment_set_token(fixture_write(f), id, &large, S("raw"), &err), &err);
}

static void test_users_live_under_their_device_and_come_back(void **state)
{
	struct fixture *f = *state;
	int64_t device = add_device(f, "UDID-1");
	int64_t other = add_device(f, "UDID-2");
	int64_t user = add_user(f, "UDID-1:U", device);
	int64_t id;
	struct err err;

	assert_int_equal(get(f, user).device_id, device);
	assert_int_equal(get(f, user).state, ENROLLMENT_ENROLLED);
	assert_string_equal(view(f, user).device_ext_id, "UDID-1");
	assert_ok(enrollment_set_token(fixture_write(f), user, &token, S("raw"), &err), &err);
	fixture_commit(f);
	f->now_s = T0 + 9;
	assert_ok(enrollment_end_users(fixture_write(f), device, &err), &err);
	assert_int_equal(get(f, user).state, ENROLLMENT_ENDED);
	assert_false(view(f, user).has_push_token);
	assert_int_equal(view(f, user).ended_at, T0 + 9);
	assert_int_equal(get(f, device).state, ENROLLMENT_PENDING);
	assert_int_equal(add_user(f, "UDID-1:U", device), user);
	assert_int_equal(get(f, user).state, ENROLLMENT_ENROLLED);
	assert_int_equal(view(f, user).ended_at, 0);
	assert_int_equal(view(f, user).enrolled_at, T0 + 9);
	assert_rc(enrollment_add_user(fixture_write(f), ENROLLMENT_USER, S("UDID-1:U"), other, &id, &err),
		RC_EXISTS, &err);
}

static void test_the_end_is_dated_once_and_a_new_beginning_clears_it(void **state)
{
	struct fixture *f = *state;
	int64_t id = add_device(f, "UDID-1");
	struct err err;

	set_state(f, id, ENROLLMENT_REMOVAL_ORDERED);
	assert_int_equal(view(f, id).ended_at, T0);
	fixture_commit(f);
	f->now_s = T0 + 7;
	set_state(f, id, ENROLLMENT_REMOVED);
	assert_int_equal(view(f, id).ended_at, T0);
	set_state(f, id, ENROLLMENT_ENROLLED);
	assert_int_equal(view(f, id).ended_at, 0);
	assert_rc(enrollment_set_state(fixture_write(f), 99, ENROLLMENT_REMOVED, &err), RC_NOT_FOUND,
		&err);
}

static void test_last_seen_is_what_the_clock_said(void **state)
{
	struct fixture *f = *state;
	int64_t id = add_device(f, "UDID-1");
	bool was_inactive = true;
	struct err err;

	assert_ok(enrollment_seen(fixture_write(f), id, T0 + 5, &was_inactive, &err), &err);
	assert_false(was_inactive);
	assert_ok(enrollment_seen(fixture_write(f), id, T0 + 3, &was_inactive, &err), &err);
	assert_int_equal(view(f, id).last_seen_at, T0 + 3); /* it was put back */
	assert_ok(enrollment_seen(fixture_write(f), id, T0 + 6, &was_inactive, &err), &err);
	assert_int_equal(view(f, id).last_seen_at, T0 + 6);
}

static void fill(struct fixture *f, int64_t id, const char *uuid)
{
	static const struct queue_answer done = {.state = QUEUE_DONE,
		.status = S("Acknowledged"),
		.raw = S("raw")};
	struct queue_item item;
	struct err err;

	assert_ok(send_command(fixture_write(f), uuid, COMMAND_PRIORITY_NORMAL, id, 0, &err), &err);
	assert_ok(queue_find(fixture_write(f), id, slice_of_str(uuid), &item, &err), &err);
	assert_ok(queue_finish(fixture_write(f), &item, &done, &err), &err);
	assert_ok(escrow_put(fixture_write(f), id, ESCROW_UNLOCK_TOKEN, S("secret"), &err), &err);
	assert_ok(enrollment_set_token(fixture_write(f), id, &token, S("raw"), &err), &err);
}

static void test_a_forgotten_device_leaves_nothing_but_its_identity(void **state)
{
	static const char *const tables[] = {"pending_enrollment", "checkin_message", "queue", "result",
		"escrow", "batch", "command", "command_body"};
	struct fixture *f = *state;
	int64_t by_state[QUEUE_STATE_END];
	struct identity identity;
	int64_t id, kept, user, oldest;
	struct txn *txn = fixture_write(f);
	struct cert_facts cert = facts_of(1);
	struct err err;

	assert_ok(enroll_device(txn, "UDID-1", 1, &id, &err), &err);
	assert_ok(enroll_device(txn, "UDID-2", 2, &kept, &err), &err);
	user = add_user(f, "UDID-1:U", id);
	fill(f, id, "to-device");
	fill(f, user, "to-user");
	assert_ok(enrollment_set_pending(txn, id, add_identity(f, 3), &facts, S("raw"), &err), &err);
	assert_rc(enrollment_forget(txn, id, &err), RC_EXISTS, &err);
	assert_rc(enrollment_forget(txn, user, &err), RC_INVALID, &err);
	assert_rc(enrollment_forget(txn, 99, &err), RC_NOT_FOUND, &err);
	set_state(f, id, ENROLLMENT_REMOVED);
	assert_ok(enrollment_forget(txn, id, &err), &err);
	assert_ok(queue_census(fixture_read(f), by_state, &oldest, &err), &err);
	assert_int_equal(by_state[QUEUE_DONE], 0);
	for (size_t i = 0; i < COUNT_OF(tables); i++) {
		char sql[64];

		(void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", tables[i]);
		/* The other device's Authenticate. */
		assert_int_equal(look(f, sql), strcmp(tables[i], "checkin_message") == 0 ? 1 : 0);
	}
	assert_int_equal(look(f, "SELECT count(*) FROM enrollment"), 1);
	assert_int_equal(look(f, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
	assert_ok(identity_find(fixture_read(f), cert.sha256, &identity, &err), &err);
	assert_int_equal(identity.owner_id, 0);
}

static void test_a_command_to_others_too_outlives_a_forgotten_device(void **state)
{
	struct fixture *f = *state;
	int64_t id, kept, batch_id, command_id;
	struct txn *txn = fixture_write(f);
	bool was_queued;
	struct err err;

	assert_ok(enroll_device(txn, "UDID-1", 1, &id, &err), &err);
	assert_ok(enroll_device(txn, "UDID-2", 2, &kept, &err), &err);
	assert_ok(send_command(txn, "both", COMMAND_PRIORITY_NORMAL, id, 0, &err), &err);
	assert_ok(command_find(txn, S("both"), &command_id, &err), &err);
	assert_ok(batch_begin(txn, command_id, 0, &batch_id, &err), &err);
	assert_ok(batch_add(txn, batch_id, kept, &was_queued, &err), &err);
	assert_ok(batch_publish(txn, batch_id, &err), &err);
	set_state(f, id, ENROLLMENT_CHECKED_OUT);
	assert_ok(enrollment_forget(txn, id, &err), &err);
	assert_ok(command_find(txn, S("both"), &command_id, &err), &err);
	assert_int_equal(view(f, kept).open_commands, 1);
}

static void test_lists_filter_and_go_on_after_the_cursor(void **state)
{
	struct fixture *f = *state;
	struct enrollment_view *views;
	size_t count;
	int64_t id, user;
	struct err err;
	const struct {
		struct enrollment_filter filter;
		size_t want;
	} cases[] = {
		{{.limit = 1000}, 4},
		{{.limit = 2}, 2},
		{{.limit = 10, .after_id = 1}, 3},
		{{.limit = 10, .state = ENROLLMENT_PENDING}, 1},
		{{.limit = 10, .kind = ENROLLMENT_USER}, 1},
		{{.limit = 10, .serial_number = S("SERIAL")}, 2},
		{{.limit = 10, .serial_number = S("SERIAL"), .after_id = 1}, 1},
		{{.limit = 10, .serial_number = S("NONE")}, 0},
		{{.limit = 10, .device_id = 1}, 1},
		{{.limit = 10, .device_id = 1, .state = ENROLLMENT_ENDED}, 0},
		{{.limit = 10, .device_id = 2}, 0},
	};

	assert_ok(enroll_device(fixture_write(f), "UDID-1", 1, &id, &err), &err);
	assert_ok(enroll_device(fixture_write(f), "UDID-2", 2, &user, &err), &err);
	user = add_user(f, "UDID-1:U", id);
	(void)add_device(f, "UDID-3");
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_ok(enrollment_list(fixture_write(f), &cases[i].filter, f->arena, &views, &count, &err),
			&err);
		if (count != cases[i].want)
			fail_msg("case %zu: %zu, want %zu", i, count, cases[i].want);
	}
	assert_rc(enrollment_list(fixture_write(f), &(struct enrollment_filter){.limit = 0}, f->arena,
												&views, &count, &err),
		RC_INVALID, &err);
	assert_rc(enrollment_view(fixture_write(f), 99, f->arena, &(struct enrollment_view){0}, &err),
		RC_NOT_FOUND, &err);
	(void)user;
}

static void test_counts_are_by_kind_and_state(void **state)
{
	struct fixture *f = *state;
	struct enrollment_count counts[ENROLLMENT_COUNTS_MAX];
	size_t count;
	bool is_any = true;
	int64_t id;
	struct err err;

	assert_ok(enrollment_is_any(fixture_write(f), &is_any, &err), &err);
	assert_false(is_any);
	id = add_device(f, "UDID-1");
	(void)add_device(f, "UDID-2");
	(void)add_user(f, "UDID-1:U", id);
	assert_ok(enrollment_counts(fixture_write(f), counts, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_int_equal(counts[0].kind, ENROLLMENT_DEVICE);
	assert_int_equal(counts[0].state, ENROLLMENT_PENDING);
	assert_int_equal(counts[0].count, 2);
	assert_int_equal(counts[1].kind, ENROLLMENT_USER);
	assert_ok(enrollment_is_any(fixture_write(f), &is_any, &err), &err);
	assert_false(is_any); /* one that is pending is none yet */
	assert_ok(enrollment_set_state(fixture_write(f), id, ENROLLMENT_ENROLLED, &err), &err);
	assert_ok(enrollment_is_any(fixture_write(f), &is_any, &err), &err);
	assert_true(is_any);
}

static void test_kinds_and_states_have_names(void **state)
{
	(void)state;
	for (int i = 1; i <= ENROLLMENT_BYOD_USER; i++)
		assert_string_not_equal(enrollment_kind_name((enum enrollment_kind)i), "unknown");
	for (int i = 1; i <= ENROLLMENT_ENDED; i++)
		assert_string_not_equal(enrollment_state_name((enum enrollment_state)i), "unknown");
	assert_string_equal(enrollment_kind_name((enum enrollment_kind)0), "unknown");
	assert_string_equal(enrollment_kind_name((enum enrollment_kind)6), "unknown");
	assert_string_equal(enrollment_state_name((enum enrollment_state)7), "unknown");
	assert_true(enrollment_kind_is_user(ENROLLMENT_SHARED_USER));
	assert_false(enrollment_kind_is_user(ENROLLMENT_BYOD_DEVICE));
	assert_false(enrollment_kind_is_user((enum enrollment_kind)99));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(test_a_device_is_added_once),
		TEST(test_ids_are_bounded_and_whole),
		TEST(test_an_authenticate_changes_nothing_that_lives_until_it_is_promoted),
		TEST(test_a_pending_authenticate_is_replaced_and_dropped),
		TEST(test_every_fact_is_kept_and_bounded),
		TEST(test_a_token_update_keeps_what_it_does_not_carry),
		TEST(test_push_tokens_are_bounded),
		TEST(test_users_live_under_their_device_and_come_back),
		TEST(test_the_end_is_dated_once_and_a_new_beginning_clears_it),
		TEST(test_last_seen_is_what_the_clock_said),
		TEST(test_a_forgotten_device_leaves_nothing_but_its_identity),
		TEST(test_a_command_to_others_too_outlives_a_forgotten_device),
		TEST(test_lists_filter_and_go_on_after_the_cursor),
		TEST(test_counts_are_by_kind_and_state),
		cmocka_unit_test(test_kinds_and_states_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
