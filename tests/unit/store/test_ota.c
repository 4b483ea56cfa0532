/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <string.h>

#include "pomona/store/apple_anchor.h"
#include "pomona/store/ota.h"

static void test_apples_certificates_come_and_go(void **state)
{
	struct fixture *f = *state;
	const struct cert_facts first = facts_of(1), second = facts_of(2);
	struct apple_anchor *anchors;
	size_t count;
	struct err err;

	assert_ok(apple_anchor_list(fixture_read(f), f->arena, &anchors, &count, &err), &err);
	assert_int_equal(count, 0);
	assert_ok(apple_anchor_add(fixture_write(f), S("one"), &first, S("ada"), &err), &err);
	assert_ok(apple_anchor_add(fixture_write(f), S("two"), &second, S("bob"), &err), &err);
	assert_rc(apple_anchor_add(fixture_write(f), S("one"), &first, S("eve"), &err), RC_EXISTS, &err);
	fixture_commit(f);
	assert_ok(apple_anchor_list(fixture_read(f), f->arena, &anchors, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_slice(anchors[0].der, "one");
	assert_string_equal(anchors[0].imported_by, "ada");
	assert_int_equal(anchors[0].imported_at, T0);
	assert_slice(anchors[1].der, "two");
	assert_ok(apple_anchor_remove(fixture_write(f), first.sha256, &err), &err);
	assert_rc(apple_anchor_remove(fixture_write(f), first.sha256, &err), RC_NOT_FOUND, &err);
	fixture_commit(f);
	assert_ok(apple_anchor_list(fixture_read(f), f->arena, &anchors, &count, &err), &err);
	assert_int_equal(count, 1);
}

static void test_what_is_kept_of_a_certificate_is_bounded(void **state)
{
	static uint8_t bytes[CERT_DER_BYTES_MAX + 1];
	struct fixture *f = *state;
	const struct cert_facts facts = facts_of(1);
	struct err err;

	memset(bytes, 'x', sizeof(bytes));
	assert_rc(apple_anchor_add(fixture_write(f), slice_of(bytes, sizeof(bytes)), &facts, S("a"), &err),
		RC_LIMIT, &err);
	assert_rc(apple_anchor_add(fixture_write(f), S("one"), &facts,
												slice_of(bytes, APPLE_ANCHOR_BY_BYTES_MAX + 1), &err),
		RC_LIMIT, &err);
	assert_ok(apple_anchor_add(fixture_write(f), slice_of(bytes, CERT_DER_BYTES_MAX), &facts,
												slice_of(bytes, APPLE_ANCHOR_BY_BYTES_MAX), &err),
		&err);
}

static const uint8_t challenge[SHA256_BYTES] = {1}, other_challenge[SHA256_BYTES] = {2};
static const uint8_t scep_challenge[SHA256_BYTES] = {3}, new_challenge[SHA256_BYTES] = {4};
static const uint8_t key[SHA256_BYTES] = {5}, signer[SHA256_BYTES] = {6};

static enum rc add(struct fixture *f, const uint8_t *sha256, int64_t *id_r, struct err *err)
{
	const struct intent_new intent = {.way = INTENT_OTA,
		.challenge_sha256 = sha256,
		.device_id = S("UDID"),
		.serial_number = S("SERIAL"),
		.created_by = S("ada"),
		.expires_at = T0 + 10};

	return ota_add(fixture_write(f), &intent, id_r, err);
}

/* What SCEP is to give an identity for. */
static int64_t add_scep(struct fixture *f, const uint8_t *sha256)
{
	const struct intent_new intent = {.way = INTENT_OTA,
		.challenge_sha256 = sha256,
		.device_id = S("came"),
		.serial_number = S("with"),
		.expires_at = T0 + 10};
	int64_t id;
	struct err err;

	assert_ok(intent_add(fixture_write(f), &intent, &id, &err), &err);
	return id;
}

static int64_t issue(struct fixture *f, int64_t intent_id)
{
	const struct cert_facts facts = facts_of(9);
	const struct identity_issued issued = {.facts = &facts, .der = S("der")};
	struct identity identity;
	struct err err;

	assert_ok(identity_issued(fixture_write(f), &issued, &err), &err);
	assert_ok(identity_find(fixture_write(f), facts.sha256, &identity, &err), &err);
	assert_ok(intent_use(fixture_write(f), intent_id, key, identity.id, &err), &err);
	return identity.id;
}

static void test_the_phases_of_an_enrollment_hang_together(void **state)
{
	struct fixture *f = *state;
	int64_t id, scep_id, identity_id;
	struct ota ota;
	struct err err;

	assert_ok(add(f, challenge, &id, &err), &err);
	assert_rc(ota_find_by_challenge(fixture_write(f), other_challenge, &ota, &err), RC_NOT_FOUND,
		&err);
	assert_ok(ota_find_by_challenge(fixture_write(f), challenge, &ota, &err), &err);
	assert_int_equal(ota.intent_id, id);
	assert_string_equal(ota.device_id, "UDID");
	assert_string_equal(ota.serial_number, "SERIAL");
	assert_string_equal(ota.created_by, "ada");
	assert_string_equal(ota.came_id, "");
	assert_int_equal(ota.expires_at, T0 + 10);
	assert_int_equal(ota.begun_at + ota.finished_at + ota.scep_intent_id, 0);
	scep_id = add_scep(f, scep_challenge);
	assert_ok(ota_begin(fixture_write(f), &ota, signer, scep_id, &err), &err);
	identity_id = issue(f, scep_id);
	assert_rc(ota_find_by_identity(fixture_write(f), identity_id + 1, &ota, &err), RC_NOT_FOUND, &err);
	assert_ok(ota_find_by_identity(fixture_write(f), identity_id, &ota, &err), &err);
	assert_int_equal(ota.intent_id, id);
	assert_string_equal(ota.came_id, "came");
	assert_string_equal(ota.came_serial, "with");
	assert_int_equal(ota.begun_at, T0);
	assert_memory_equal(ota.signer_sha256, signer, SHA256_BYTES);
	assert_memory_equal(ota.challenge_sha256, challenge, SHA256_BYTES);
	assert_ok(ota_finish(fixture_write(f), id, &err), &err);
	assert_rc(ota_finish(fixture_write(f), id, &err), RC_EXISTS, &err);
	assert_ok(ota_find_by_challenge(fixture_write(f), challenge, &ota, &err), &err);
	assert_int_equal(ota.finished_at, T0);
}

static void test_beginning_again_voids_what_was_not_used(void **state)
{
	struct fixture *f = *state;
	int64_t id, first, second;
	struct intent intent;
	struct ota ota;
	struct err err;

	assert_ok(add(f, challenge, &id, &err), &err);
	assert_ok(ota_find_by_challenge(fixture_write(f), challenge, &ota, &err), &err);
	first = add_scep(f, scep_challenge);
	assert_ok(ota_begin(fixture_write(f), &ota, signer, first, &err), &err);
	f->now_s += 5;
	assert_ok(ota_find_by_challenge(fixture_write(f), challenge, &ota, &err), &err);
	second = add_scep(f, new_challenge);
	assert_ok(ota_begin(fixture_write(f), &ota, signer, second, &err), &err);
	assert_rc(intent_find_by_challenge(fixture_write(f), scep_challenge, &intent, &err), RC_NOT_FOUND,
		&err);
	assert_ok(ota_find_by_challenge(fixture_write(f), challenge, &ota, &err), &err);
	assert_int_equal(ota.scep_intent_id, second);
	assert_int_equal(ota.begun_at, T0); /* the first time */
}

static void test_two_enrollments_have_no_challenge_in_common(void **state)
{
	struct fixture *f = *state;
	struct intent intent;
	int64_t id;
	struct err err;

	assert_ok(add(f, challenge, &id, &err), &err);
	assert_rc(add(f, challenge, &id, &err), RC_EXISTS, &err);
	fixture_rollback(f);
	assert_ok(add(f, challenge, &id, &err), &err);
	assert_ok(add(f, other_challenge, &id, &err), &err);
	assert_rc(intent_find_by_challenge(fixture_write(f), challenge, &intent, &err), RC_NOT_FOUND,
		&err); /* and SCEP has none of it */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_apples_certificates_come_and_go),
		TEST(test_what_is_kept_of_a_certificate_is_bounded),
		TEST(test_the_phases_of_an_enrollment_hang_together),
		TEST(test_beginning_again_voids_what_was_not_used),
		TEST(test_two_enrollments_have_no_challenge_in_common),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
