/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "pomona/store/intent.h"
#include "pomona/store/renewal.h"

#include <string.h>

static struct identity find(struct fixture *f, uint8_t mark)
{
	struct cert_facts cert = facts_of(mark);
	struct identity identity = {.id = 0};
	struct err err;

	assert_ok(identity_find(fixture_write(f), cert.sha256, &identity, &err), &err);
	return identity;
}

static int64_t record(struct fixture *f, uint8_t mark, uint8_t anchors_mark)
{
	struct cert_facts cert = facts_of(mark);
	uint8_t anchors[SHA256_BYTES];
	int64_t id = 0;
	struct err err;

	memset(anchors, anchors_mark, sizeof(anchors));
	assert_ok(identity_record(fixture_write(f), &cert, anchors, &id, &err), &err);
	return id;
}

static void test_a_certificate_seen_again_is_the_same_identity(void **state)
{
	struct fixture *f = *state;
	struct cert_facts unknown = facts_of(9);
	int64_t id = record(f, 1, 5);
	struct identity seen = find(f, 1);
	struct err err;

	assert_int_equal(seen.id, id);
	assert_int_equal(seen.sha256[31], 1);
	assert_int_equal(seen.chained_under[0], 5);
	assert_int_equal(seen.not_before, T0 - 10);
	assert_int_equal(seen.not_after, T0 + 1000);
	assert_int_equal(seen.owner_id, 0);
	assert_int_equal(seen.renewal_of, 0);
	assert_string_equal(seen.issued_for, "");
	assert_false(seen.is_ours);
	assert_int_equal(record(f, 1, 6), id);
	assert_int_equal(find(f, 1).chained_under[0], 6);
	assert_rc(identity_find(fixture_write(f), unknown.sha256, &seen, &err), RC_NOT_FOUND, &err);
}

static void test_a_certificate_with_another_signature_is_a_twin(void **state)
{
	static const uint8_t anchors[SHA256_BYTES];
	struct fixture *f = *state;
	struct cert_facts twin = facts_of(1);
	struct cert_facts stranger = facts_of(2);
	bool has_twin = true;
	int64_t id = record(f, 1, 0);
	int64_t twin_id;
	struct err err;

	twin.sha256[0] ^= 1;
	assert_ok(identity_has_twin(fixture_write(f), &twin, &has_twin, &err), &err);
	assert_true(has_twin);
	assert_rc(identity_record(fixture_write(f), &twin, anchors, &twin_id, &err), RC_EXISTS, &err);
	assert_int_equal(record(f, 1, 0), id);
	twin = facts_of(1);
	assert_ok(identity_has_twin(fixture_write(f), &twin, &has_twin, &err), &err);
	assert_false(has_twin);
	assert_ok(identity_has_twin(fixture_write(f), &stranger, &has_twin, &err), &err);
	assert_false(has_twin);
}

static void test_renewals_of_a_device_end_together_with_their_challenges(void **state)
{
	static const uint8_t challenge[SHA256_BYTES] = {1};
	struct fixture *f = *state;
	int64_t device, other, intent_id;
	struct err err;

	assert_ok(enrollment_add_device(fixture_write(f), ENROLLMENT_DEVICE, S("A"), &device, &err), &err);
	assert_ok(enrollment_add_device(fixture_write(f), ENROLLMENT_DEVICE, S("B"), &other, &err), &err);
	for (uint8_t mark = 1; mark <= 4; mark++) {
		struct cert_facts cert = facts_of(mark);
		struct identity_issued issued = {.facts = &cert,
			.der = S("der"),
			.renewal_of = mark == 4 ? other : device};

		assert_ok(identity_issued(fixture_write(f), &issued, &err), &err);
	}
	assert_ok(intent_add(fixture_write(f),
												&(struct intent_new){.way = INTENT_PROFILE,
													.challenge_sha256 = challenge,
													.renewal_of = device,
													.expires_at = T0 + 100},
												&intent_id, &err),
		&err);
	assert_ok(identity_end_renewals(fixture_write(f), other, &err), &err);
	assert_int_equal(find(f, 4).renewal_of, 0);
	assert_int_equal(find(f, 1).renewal_of, device);
	fixture_commit(f);
	assert_int_equal(look(f, "SELECT expires_at FROM intent"), T0 + 100);
	assert_ok(identity_end_renewals(fixture_write(f), device, &err), &err);
	assert_int_equal(find(f, 1).renewal_of, 0);
	assert_int_equal(find(f, 2).renewal_of, 0);
	assert_int_equal(find(f, 3).renewal_of, 0);
	fixture_commit(f);
	assert_int_equal(look(f, "SELECT expires_at FROM intent"), T0);
}

static void test_an_identity_is_never_shared_by_two_devices(void **state)
{
	struct fixture *f = *state;
	int64_t id = record(f, 1, 0);
	int64_t first, second;
	struct err err;

	assert_ok(enrollment_add_device(fixture_write(f), ENROLLMENT_DEVICE, S("A"), &first, &err), &err);
	assert_ok(enrollment_add_device(fixture_write(f), ENROLLMENT_DEVICE, S("B"), &second, &err), &err);
	assert_ok(identity_set_owner(fixture_write(f), id, first, &err), &err);
	assert_ok(identity_set_owner(fixture_write(f), id, first, &err), &err);
	assert_rc(identity_set_owner(fixture_write(f), id, second, &err), RC_EXISTS, &err);
	assert_int_equal(find(f, 1).owner_id, first);
}

static void test_what_we_issued_is_ours_and_keeps_for_whom(void **state)
{
	static char text[ENROLLMENT_DEVICE_ID_BYTES_MAX + 1];
	struct fixture *f = *state;
	struct cert_facts cert = facts_of(1);
	struct identity_issued issued = {.facts = &cert, .der = S("der"), .issued_for = S("UDID-1")};
	int64_t device;
	struct err err;

	memset(text, 'i', sizeof(text));
	assert_ok(enrollment_add_device(fixture_write(f), ENROLLMENT_DEVICE, S("UDID-1"), &device, &err),
		&err);
	issued.renewal_of = device;
	assert_ok(identity_issued(fixture_write(f), &issued, &err), &err);
	assert_true(find(f, 1).is_ours);
	assert_string_equal(find(f, 1).issued_for, "UDID-1");
	assert_int_equal(find(f, 1).renewal_of, device);
	(void)record(f, 1, 4); /* then it is seen */
	assert_true(find(f, 1).is_ours);
	assert_int_equal(find(f, 1).chained_under[0], 4);
	fixture_commit(f);
	assert_int_equal(look(f, "SELECT der = x'646572' FROM certificate"), 1);
	issued.issued_for = slice_of(text, ENROLLMENT_DEVICE_ID_BYTES_MAX + 1);
	assert_rc(identity_issued(fixture_write(f), &issued, &err), RC_LIMIT, &err);
	issued.issued_for.len--;
	assert_ok(identity_issued(fixture_write(f), &issued, &err), &err);
	assert_int_equal(strlen(find(f, 1).issued_for), ENROLLMENT_DEVICE_ID_BYTES_MAX);
}

static void test_a_revocation_keeps_its_first_time(void **state)
{
	struct fixture *f = *state;
	struct cert_facts cert = facts_of(1);
	struct cert_facts unknown = facts_of(9);
	struct identity_revoked revoked;
	struct err err;

	(void)record(f, 1, 0);
	assert_int_equal(find(f, 1).revoked_at, 0);
	assert_ok(identity_revoke(fixture_write(f), cert.sha256, &revoked, &err), &err);
	fixture_commit(f);
	f->now_s = T0 + 5;
	assert_ok(identity_revoke(fixture_write(f), cert.sha256, &revoked, &err), &err);
	assert_int_equal(find(f, 1).revoked_at, T0);
	assert_rc(identity_revoke(fixture_write(f), unknown.sha256, &revoked, &err), RC_NOT_FOUND, &err);
}

/* `mark` in place of the one with the mark `former`; 0: of none. */
static int64_t issue(struct fixture *f, uint8_t mark, uint8_t former)
{
	struct cert_facts cert = facts_of(mark);
	struct identity_issued issued = {.facts = &cert,
		.der = S("der"),
		.issued_for = S("A"),
		.renews_id = former == 0 ? 0 : find(f, former).id};
	struct err err;

	assert_ok(identity_issued(fixture_write(f), &issued, &err), &err);
	return find(f, mark).id;
}

static struct identity_revoked revoke(struct fixture *f, uint8_t mark)
{
	struct cert_facts cert = facts_of(mark);
	struct identity_revoked revoked;
	struct err err;

	assert_ok(identity_revoke(fixture_write(f), cert.sha256, &revoked, &err), &err);
	return revoked;
}

/* The marks of those that are revoked, as a number. */
static int revoked_marks(struct fixture *f, uint8_t last)
{
	int marks = 0;

	for (uint8_t mark = 1; mark <= last; mark++)
		if (find(f, mark).revoked_at != 0)
			marks = marks * 10 + mark;
	return marks;
}

/* 1, in whose place 2 and 3; in that of 2, the pin, 4; in that of 3, 5; 6 alone. */
static int64_t plant_line(struct fixture *f)
{
	static const uint8_t formers[] = {0, 1, 1, 2, 3, 0};
	int64_t device = 0;
	struct err err;

	assert_ok(enroll_device(fixture_write(f), "A", 9, &device, &err), &err);
	for (uint8_t i = 0; i < COUNT_OF(formers); i++)
		(void)issue(f, (uint8_t)(i + 1), formers[i]);
	assert_ok(identity_set_owner(fixture_write(f), find(f, 2).id, device, &err), &err);
	assert_ok(enrollment_set_pending(fixture_write(f), device, find(f, 2).id,
												&(struct device_facts){.topic = S("t")}, S("raw"), &err),
		&err);
	assert_ok(enrollment_promote(fixture_write(f), device, &err), &err);
	return device;
}

static void test_with_an_identity_go_those_that_came_of_it_but_not_a_pin(void **state)
{
	struct fixture *f = *state;
	struct identity_revoked revoked;

	(void)plant_line(f);
	revoked = revoke(f, 1);
	assert_int_equal(revoked_marks(f, 6), 135);
	assert_int_equal(revoked.others, 2);
	assert_true(revoked.is_successor_pinned);
	assert_memory_equal(revoked.sha256, find(f, 2).sha256, SHA256_BYTES);
	revoked = revoke(f, 1);
	assert_int_equal(revoked.others, 0);
	revoked = revoke(f, 2); /* the pin itself, and what came of it */
	assert_int_equal(revoked_marks(f, 6), 12345);
	assert_int_equal(revoked.others, 1);
	assert_false(revoked.is_successor_pinned);
}

static void test_a_pin_tells_in_whose_place_it_is_and_since_when(void **state)
{
	struct fixture *f = *state;
	const int64_t device = plant_line(f);
	const struct renewal_row row = {
		.enrollment_id = device,
		.identity_id = find(f, 1).id,
		.state = RENEWAL_SENT,
		.command_id = 7,
	};
	int64_t at = 0;
	struct err err;

	assert_ok(identity_took_over(fixture_write(f), find(f, 2).id, &err), &err);
	assert_ok(identity_renewed_at(fixture_write(f), find(f, 1).id, device, &at, &err), &err);
	assert_int_equal(at, 0); /* by no profile of ours */
	assert_ok(renewal_put(fixture_write(f), &row, &err), &err);
	assert_ok(identity_renewed_at(fixture_write(f), find(f, 1).id, device, &at, &err), &err);
	assert_int_equal(at, T0);
	assert_rc(identity_renewed_at(fixture_write(f), find(f, 3).id, device, &at, &err), RC_NOT_FOUND,
		&err);
	assert_rc(identity_renewed_at(fixture_write(f), find(f, 1).id, device + 1, &at, &err),
		RC_NOT_FOUND, &err);
}

static void test_the_pin_of_a_device_that_is_gone_goes_with_its_former_one(void **state)
{
	struct fixture *f = *state;
	const int64_t device = plant_line(f);
	struct err err;

	assert_ok(enrollment_set_state(fixture_write(f), device, ENROLLMENT_REMOVED, &err), &err);
	assert_false(revoke(f, 1).is_successor_pinned);
	assert_int_equal(revoked_marks(f, 6), 12345);
}

static void test_unused_ones_are_counted_while_they_are_good(void **state)
{
	struct fixture *f = *state;
	int64_t count = 0;
	struct err err;

	(void)plant_line(f);
	assert_ok(identity_count_unused(fixture_write(f), "A", &count, &err), &err);
	assert_int_equal(count, 5); /* 2 has come */
	assert_ok(identity_count_unused_after(fixture_write(f), find(f, 1).id, &count, &err), &err);
	assert_int_equal(count, 1);
	(void)revoke(f, 3);
	assert_ok(identity_count_unused(fixture_write(f), "A", &count, &err), &err);
	assert_int_equal(count, 3);
	assert_ok(identity_count_unused(fixture_write(f), "B", &count, &err), &err);
	assert_int_equal(count, 0);
	f->now_s = find(f, 1).not_after;
	fixture_commit(f);
	assert_ok(identity_count_unused(fixture_write(f), "A", &count, &err), &err);
	assert_int_equal(count, 0);
}

static void test_identities_are_listed_with_their_owner(void **state)
{
	struct fixture *f = *state;
	struct identity_view *views;
	int64_t device;
	size_t count;
	struct err err;

	assert_ok(enroll_device(fixture_write(f), "UDID-1", 1, &device, &err), &err);
	(void)record(f, 2, 0);
	(void)record(f, 3, 0);
	assert_ok(identity_list(fixture_write(f), 0, 2, f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_string_equal(views[0].owner_ext_id, "UDID-1");
	assert_string_equal(views[0].subject, "CN=device");
	assert_string_equal(views[0].issuer, "CN=ca");
	assert_string_equal(views[0].serial, "0a");
	assert_int_equal(views[0].recorded_at, T0);
	assert_string_equal(views[1].owner_ext_id, "");
	assert_ok(identity_list(fixture_write(f), views[1].identity.id, 2, f->arena, &views, &count, &err),
		&err);
	assert_int_equal(count, 1);
	assert_int_equal(views[0].identity.sha256[0], 3);
	assert_rc(identity_list(fixture_write(f), 0, 0, f->arena, &views, &count, &err), RC_INVALID, &err);
}

static void test_anchors_come_and_go(void **state)
{
	static char large[CERT_DER_BYTES_MAX + 1];
	struct fixture *f = *state;
	struct cert_facts first = facts_of(1);
	struct cert_facts second = facts_of(2);
	struct slice *ders;
	size_t count;
	struct err err;

	assert_ok(anchor_list(fixture_write(f), f->arena, &ders, &count, &err), &err);
	assert_int_equal(count, 0);
	assert_ok(anchor_add(fixture_write(f), S("der 1"), &first, &err), &err);
	assert_rc(anchor_add(fixture_write(f), S("der 1"), &first, &err), RC_EXISTS, &err);
	assert_rc(anchor_add(fixture_write(f), slice_of(large, sizeof(large)), &second, &err), RC_LIMIT,
		&err);
	assert_ok(anchor_add(fixture_write(f), slice_of(large, sizeof(large) - 1), &second, &err), &err);
	assert_ok(anchor_list(fixture_write(f), f->arena, &ders, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_slice(ders[0], "der 1");
	assert_ok(anchor_remove(fixture_write(f), first.sha256, &err), &err);
	assert_rc(anchor_remove(fixture_write(f), first.sha256, &err), RC_NOT_FOUND, &err);
	assert_ok(anchor_list(fixture_write(f), f->arena, &ders, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_int_equal(ders[0].len, CERT_DER_BYTES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(test_a_certificate_seen_again_is_the_same_identity),
		TEST(test_a_certificate_with_another_signature_is_a_twin),
		TEST(test_renewals_of_a_device_end_together_with_their_challenges),
		TEST(test_an_identity_is_never_shared_by_two_devices),
		TEST(test_what_we_issued_is_ours_and_keeps_for_whom),
		TEST(test_a_revocation_keeps_its_first_time),
		TEST(test_with_an_identity_go_those_that_came_of_it_but_not_a_pin),
		TEST(test_a_pin_tells_in_whose_place_it_is_and_since_when),
		TEST(test_the_pin_of_a_device_that_is_gone_goes_with_its_former_one),
		TEST(test_unused_ones_are_counted_while_they_are_good),
		TEST(test_identities_are_listed_with_their_owner),
		TEST(test_anchors_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
