/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "pomona/store/intent.h"
#include "pomona/store/renewal.h"

enum { ROWS = 8 };

static int64_t enroll(struct fixture *f, const char *ext_id, uint8_t mark)
{
	struct err err = {0};
	int64_t id = 0;

	assert_ok(enroll_device(fixture_write(f), ext_id, mark, &id, &err), &err);
	return id;
}

static void put(struct fixture *f, const struct renewal_row *row)
{
	struct err err = {0};

	assert_ok(renewal_put(fixture_write(f), row, &err), &err);
}

static struct renewal_facts read_one(struct fixture *f, int64_t id)
{
	struct renewal_facts facts;
	struct err err = {0};

	assert_ok(renewal_of(fixture_write(f), id, &facts, &err), &err);
	return facts;
}

static size_t walk(struct fixture *f, int64_t after_id, struct renewal_facts rows[static ROWS])
{
	struct err err = {0};
	size_t count = 0;

	assert_ok(renewal_walk(fixture_write(f), after_id, rows, ROWS, &count, &err), &err);
	return count;
}

static void the_walk_sees_enrolled_devices_in_their_order_and_no_others(void **state)
{
	struct fixture *f = *state;
	struct renewal_facts rows[ROWS];
	struct err err = {0};
	const int64_t a = enroll(f, "A", 1), b = enroll(f, "B", 2), c = enroll(f, "C", 3);
	int64_t other;

	assert_ok(enrollment_add_user(fixture_write(f), ENROLLMENT_USER, S("A:1"), a, &other, &err), &err);
	assert_ok(enrollment_add_device(fixture_write(f), ENROLLMENT_DEVICE, S("D"), &other, &err), &err);
	assert_ok(enrollment_set_state(fixture_write(f), b, ENROLLMENT_REMOVAL_ORDERED, &err), &err);
	assert_int_equal(walk(f, 0, rows), 2);
	assert_int_equal(rows[0].enrollment_id, a);
	assert_int_equal(rows[0].not_after, T0 + 1000);
	assert_int_equal(rows[0].enrolled_at, T0);
	assert_int_equal(rows[0].state, RENEWAL_NONE);
	assert_int_equal(rows[0].command_state, 0);
	assert_false(rows[0].is_by_scep);
	assert_int_equal(rows[1].enrollment_id, c);
	assert_int_not_equal(rows[0].hash, rows[1].hash);
	assert_int_equal(walk(f, a, rows), 1);
	assert_int_equal(walk(f, c, rows), 0);
	assert_rc(renewal_of(fixture_write(f), b, &rows[0], &err), RC_NOT_FOUND, &err);
	assert_rc(renewal_walk(fixture_write(f), 0, rows, 0, &(size_t){0}, &err), RC_INVALID, &err);
	assert_rc(renewal_walk(fixture_write(f), 0, rows, RENEWAL_ROWS_MAX + 1, &(size_t){0}, &err),
		RC_INVALID, &err);
}

static void a_row_is_kept_with_what_became_of_its_command(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};
	const int64_t id = enroll(f, "A", 1);
	struct renewal_row row = {.enrollment_id = id,
		.identity_id = 5,
		.state = RENEWAL_SENT,
		.tries = 2,
		.next_at = T0 + 7,
		.why = "because"};
	char why[RENEWAL_WHY_BYTES_MAX + 1];
	char longer[RENEWAL_WHY_BYTES_MAX + 2];
	struct renewal_facts facts;
	int64_t count;

	assert_ok(send_command(fixture_write(f), "u", 1, id, 0, &err), &err);
	assert_ok(command_find(fixture_write(f), S("u"), &row.command_id, &err), &err);
	put(f, &row);
	facts = read_one(f, id);
	assert_int_equal(facts.state, RENEWAL_SENT);
	assert_int_equal(facts.renewed_id, 5);
	assert_int_equal(facts.tries, 2);
	assert_int_equal(facts.next_at, T0 + 7);
	assert_int_equal(facts.changed_at, T0);
	assert_int_equal(facts.command_state, QUEUE_QUEUED);
	assert_ok(queue_cancel_all(fixture_write(f), id, "x", &count, &err), &err);
	facts = read_one(f, id);
	assert_int_equal(facts.command_state, QUEUE_CANCELLED);
	assert_int_equal(facts.command_finished_at, T0);
	assert_ok(renewal_why(fixture_write(f), id, why, &err), &err);
	assert_string_equal(why, "because");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	row.why = longer;
	put(f, &row);
	assert_ok(renewal_why(fixture_write(f), id, why, &err), &err);
	assert_int_equal(strlen(why), RENEWAL_WHY_BYTES_MAX);
	assert_ok(renewal_why(fixture_write(f), id + 1, why, &err), &err);
	assert_string_equal(why, "");
	row.state = RENEWAL_STATE_END;
	assert_rc(renewal_put(fixture_write(f), &row, &err), RC_INTERNAL, &err);
}

static void what_is_ordered_is_found_by_itself(void **state)
{
	struct fixture *f = *state;
	struct renewal_facts rows[ROWS];
	struct err err = {0};
	size_t count = 0;
	const int64_t a = enroll(f, "A", 1), b = enroll(f, "B", 2);

	put(f, &(struct renewal_row){.enrollment_id = a, .identity_id = 1, .state = RENEWAL_FAILED});
	put(f, &(struct renewal_row){.enrollment_id = b, .identity_id = 2, .state = RENEWAL_ORDERED});
	assert_ok(renewal_ordered(fixture_write(f), 0, rows, ROWS, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_int_equal(rows[0].enrollment_id, b);
	assert_ok(enrollment_set_state(fixture_write(f), b, ENROLLMENT_CHECKED_OUT, &err), &err);
	assert_ok(renewal_ordered(fixture_write(f), 0, rows, ROWS, &count, &err), &err);
	assert_int_equal(count, 0);
}

static void the_list_can_be_of_one_state_of_who_is_enrolled(void **state)
{
	static const struct {
		struct enrollment_filter filter;
		const char *names;
	} rows[] = {
		{{.limit = 10, .renewal = RENEWAL_FAILED}, "ACD"},
		{{.limit = 2, .renewal = RENEWAL_FAILED}, "AC"},
		{{.limit = 10, .renewal = RENEWAL_FAILED, .after_id = 1}, "CD"},
		{{.limit = 10, .renewal = RENEWAL_SENT}, "B"},
		{{.limit = 10, .renewal = RENEWAL_OVER}, ""},
		{{.limit = 10, .renewal = RENEWAL_FAILED, .state = ENROLLMENT_REMOVED}, ""},
		{{.limit = 10, .renewal = RENEWAL_FAILED, .serial_number = S("SERIAL")}, "ACD"},
		{{.limit = 10, .renewal = RENEWAL_SENT, .serial_number = S("SERIAL")}, "B"},
		{{.limit = 10, .renewal = RENEWAL_SENT, .serial_number = S("other")}, ""},
		{{.limit = 10, .renewal = RENEWAL_FAILED, .activity = ENROLLMENT_INACTIVE}, ""},
		{{.limit = 10, .renewal = RENEWAL_FAILED, .activity = ENROLLMENT_ACTIVE}, "ACD"},
	};
	static const enum renewal_state states[] = {RENEWAL_FAILED, RENEWAL_SENT, RENEWAL_FAILED,
		RENEWAL_FAILED, RENEWAL_FAILED};
	struct fixture *f = *state;
	struct err err = {0};

	for (size_t i = 0; i < COUNT_OF(states); i++) {
		const int64_t id = enroll(f, (char[]){(char)('A' + i), '\0'}, (uint8_t)(i + 1));

		put(f, &(struct renewal_row){.enrollment_id = id, .identity_id = id, .state = states[i]});
		if (i == COUNT_OF(states) - 1)
			assert_ok(enrollment_set_state(fixture_write(f), id, ENROLLMENT_REMOVED, &err), &err);
	}
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char names[ROWS + 1] = "";
		struct enrollment_view *views;
		size_t count;

		assert_ok(enrollment_list(fixture_write(f), &rows[i].filter, f->arena, &views, &count, &err),
			&err);
		for (size_t j = 0; j < count; j++)
			names[j] = views[j].enrollment.ext_id[0];
		assert_string_equal(names, rows[i].names);
	}
}

static void counts_are_of_who_is_enrolled_and_totals_of_all_that_was(void **state)
{
	struct fixture *f = *state;
	struct renewal_counts counts;
	struct err err = {0};
	const int64_t a = enroll(f, "A", 1), b = enroll(f, "B", 2);

	put(f, &(struct renewal_row){.enrollment_id = a, .identity_id = 1, .state = RENEWAL_SENT});
	put(f, &(struct renewal_row){.enrollment_id = a, .identity_id = 1, .state = RENEWAL_FAILED});
	put(f, &(struct renewal_row){.enrollment_id = a, .identity_id = 1, .state = RENEWAL_SENT});
	put(f, &(struct renewal_row){.enrollment_id = a, .identity_id = 1, .state = RENEWAL_DONE});
	put(f, &(struct renewal_row){.enrollment_id = b, .identity_id = 2, .state = RENEWAL_IMPOSSIBLE});
	assert_ok(renewal_count(fixture_write(f), &counts, &err), &err);
	assert_int_equal(counts.sent, 2);
	assert_int_equal(counts.failed, 1);
	assert_int_equal(counts.renewed, 1);
	assert_int_equal(counts.by_state[RENEWAL_DONE], 0);
	assert_int_equal(counts.by_state[RENEWAL_IMPOSSIBLE], 1);
	assert_ok(enrollment_set_state(fixture_write(f), b, ENROLLMENT_REMOVED, &err), &err);
	assert_ok(renewal_count(fixture_write(f), &counts, &err), &err);
	assert_int_equal(counts.by_state[RENEWAL_IMPOSSIBLE], 0);
	assert_ok(enrollment_forget(fixture_write(f), b, &err), &err);
}

static int64_t add_intent(struct fixture *f, const struct intent_profile *profile,
	int64_t renewal_of_, uint8_t mark)
{
	uint8_t digest[SHA256_BYTES];
	const struct intent_new intent = {.way = INTENT_PROFILE,
		.challenge_sha256 = digest,
		.expires_at = T0 + 10,
		.profile = profile,
		.renewal_of = renewal_of_};
	struct err err = {0};
	int64_t id = 0;

	memset(digest, mark, sizeof(digest));
	assert_ok(intent_add(fixture_write(f), &intent, &id, &err), &err);
	return id;
}

static void the_profile_of_a_challenge_becomes_the_identitys_and_is_copied_to_the_next(void **state)
{
	static const struct intent_profile profile = {S("org.example"), S("https://a.example"), 3};
	const uint8_t key[SHA256_BYTES] = {1};
	struct fixture *f = *state;
	struct renewal_target target;
	struct intent intent;
	struct err err = {0};
	uint8_t digest[SHA256_BYTES];
	const int64_t a = enroll(f, "A", 1), b = enroll(f, "B", 2);
	const int64_t identity_a = read_one(f, a).identity_id, identity_b = read_one(f, b).identity_id;

	assert_ok(intent_use(fixture_write(f), add_intent(f, &profile, a, 8), key, identity_a, &err),
		&err);
	memset(digest, 8, sizeof(digest));
	assert_ok(intent_find_by_challenge(fixture_write(f), digest, &intent, &err), &err);
	assert_int_equal(intent.renewal_of, a);
	assert_ok(renewal_target(fixture_write(f), a, f->arena, &target, &err), &err);
	assert_string_equal(target.ext_id, "A");
	assert_string_equal(target.topic, "com.example.mdm");
	assert_string_equal(target.identifier, "org.example");
	assert_string_equal(target.url, "https://a.example");
	assert_int_equal(target.access_rights, 3);
	assert_ok(identity_profile_copy(fixture_write(f), identity_b, identity_a, &err), &err); /* none */
	assert_ok(renewal_target(fixture_write(f), b, f->arena, &target, &err), &err);
	assert_string_equal(target.identifier, "");
	assert_int_equal(target.access_rights, 0);
	assert_ok(identity_profile_copy(fixture_write(f), identity_a, identity_b, &err), &err);
	assert_ok(renewal_target(fixture_write(f), b, f->arena, &target, &err), &err);
	assert_string_equal(target.url, "https://a.example");
	assert_ok(scep_transaction_keep(fixture_write(f), key, S("t"), identity_b, &err), &err);
	assert_false(read_one(f, b).is_by_scep); /* not of our CA */
}

static void a_challenge_of_a_renewal_goes_with_its_device(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};
	struct intent intent;
	uint8_t digest[SHA256_BYTES];
	const int64_t id = enroll(f, "A", 1);

	(void)add_intent(f, NULL, id, 9);
	assert_ok(enrollment_set_state(fixture_write(f), id, ENROLLMENT_REMOVED, &err), &err);
	assert_ok(enrollment_forget(fixture_write(f), id, &err), &err);
	memset(digest, 9, sizeof(digest));
	assert_rc(intent_find_by_challenge(fixture_write(f), digest, &intent, &err), RC_NOT_FOUND, &err);
}

static void texts_of_a_profile_have_their_bounds(void **state)
{
	static char text[INTENT_URL_BYTES_MAX + 1];
	struct fixture *f = *state;
	struct err err = {0};
	int64_t id;
	struct intent_profile profile = {.identifier = slice_of(text, INTENT_NAME_BYTES_MAX),
		.url = slice_of(text, INTENT_URL_BYTES_MAX)};
	const struct intent_new intent = {.way = INTENT_PROFILE, .profile = &profile};

	memset(text, 'x', sizeof(text));
	assert_ok(intent_add(fixture_write(f), &intent, &id, &err), &err);
	profile.url.len++;
	assert_rc(intent_add(fixture_write(f), &intent, &id, &err), RC_LIMIT, &err);
	profile.url.len--;
	profile.identifier.len++;
	assert_rc(intent_add(fixture_write(f), &intent, &id, &err), RC_LIMIT, &err);
}

static void the_command_of_a_removal_is_found_until_it_is_dropped(void **state)
{
	struct fixture *f = *state;
	struct err err = {0};
	struct queue_item item;
	int64_t command_id;
	const int64_t id = enroll(f, "A", 1);

	assert_rc(removal_find(fixture_write(f), id, &item, &err), RC_NOT_FOUND, &err);
	assert_ok(send_command(fixture_write(f), "u", 0, id, 0, &err), &err);
	assert_ok(command_find(fixture_write(f), S("u"), &command_id, &err), &err);
	assert_ok(removal_put(fixture_write(f), id, command_id, &err), &err);
	assert_ok(removal_find(fixture_write(f), id, &item, &err), &err);
	assert_int_equal(item.command_id, command_id);
	assert_int_equal(item.state, QUEUE_QUEUED);
	assert_ok(removal_drop(fixture_write(f), id, &err), &err);
	assert_ok(removal_drop(fixture_write(f), id, &err), &err);
	assert_rc(removal_find(fixture_write(f), id, &item, &err), RC_NOT_FOUND, &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(the_walk_sees_enrolled_devices_in_their_order_and_no_others),
		TEST(a_row_is_kept_with_what_became_of_its_command),
		TEST(what_is_ordered_is_found_by_itself),
		TEST(the_list_can_be_of_one_state_of_who_is_enrolled),
		TEST(counts_are_of_who_is_enrolled_and_totals_of_all_that_was),
		TEST(the_profile_of_a_challenge_becomes_the_identitys_and_is_copied_to_the_next),
		TEST(a_challenge_of_a_renewal_goes_with_its_device),
		TEST(texts_of_a_profile_have_their_bounds),
		TEST(the_command_of_a_removal_is_found_until_it_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
