/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <string.h>

#include "pomona/identity/sender.h"
#include "world.h"

/*
 * One world for all: device A is pinned to certificate pin-a with new-a pending and was pinned to old-a;
 * device B is pinned to pin-b; A:U is a user of A; R is a user enrollment (EnrollmentID).
 */
static struct world world;

struct pin {
	const char *device, *certificate;
	enum enrollment_kind kind;
	bool is_promoted;
};

static enum rc pin(void *ctx, struct txn *txn, struct err *err)
{
	static const uint8_t anchors[SHA256_BYTES] = {7};
	static const struct device_facts facts = {0};
	const struct pin *pin = ctx;
	struct credential credential = world_credential(pin->certificate);
	struct enrollment device = {0};
	int64_t identity_id;
	enum rc rc = enrollment_find(txn, slice_of_str(pin->device), &device, err);

	if (rc == RC_NOT_FOUND)
		rc = enrollment_add_device(txn, pin->kind, slice_of_str(pin->device), &device.id, err);
	if (rc == RC_OK)
		rc = identity_record(txn, &credential.facts, anchors, &identity_id, err);
	if (rc == RC_OK)
		rc = identity_set_owner(txn, identity_id, device.id, err);
	if (rc == RC_OK)
		rc = enrollment_set_pending(txn, device.id, identity_id, &facts, slice_of_str("raw"), err);
	return rc == RC_OK && pin->is_promoted ? enrollment_promote(txn, device.id, err) : rc;
}

static enum rc add_user(void *ctx, struct txn *txn, struct err *err)
{
	struct enrollment device;
	int64_t id;
	enum rc rc = enrollment_find(txn, SLICE_LITERAL("A"), &device, err);

	(void)ctx;
	if (rc != RC_OK)
		return rc;
	return enrollment_add_user(txn, ENROLLMENT_USER, SLICE_LITERAL("A:U"), device.id, &id, err);
}

static int build(void **state)
{
	struct pin pins[] = {
		{"A", "old-a", ENROLLMENT_DEVICE, true},
		{"A", "pin-a", ENROLLMENT_DEVICE, true},
		{"A", "new-a", ENROLLMENT_DEVICE, false},
		{"B", "pin-b", ENROLLMENT_DEVICE, true},
		{"R", "pin-r", ENROLLMENT_BYOD_DEVICE, true},
	};
	struct credential issued = world_credential("for-b");
	struct credential revoked = world_credential("revoked");

	(void)state;
	world_open(&world);
	for (size_t i = 0; i < COUNT_OF(pins); i++)
		world_write(&world, pin, &pins[i]);
	world_write(&world, add_user, NULL);
	world_issue(&world, &issued, "B", "");
	world_issue(&world, &revoked, "", "");
	world_revoke(&world, &revoked);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

static struct sender establish(const struct credential *credential, const struct claim *claim)
{
	struct sender sender;
	struct txn *txn;
	struct err err = {0};

	assert_int_equal(store_read_begin(world.store, &txn, &err), RC_OK);
	assert_int_equal(sender_establish(txn, credential, claim, &sender, &err), RC_OK);
	store_read_end(world.store, &txn);
	return sender;
}

static struct claim claim_of(enum enrollment_kind kind, const char *device, const char *ext_id)
{
	return (
		struct claim){.kind = kind, .device_id = slice_of_str(device), .ext_id = slice_of_str(ext_id)};
}

static void the_certificate_and_the_claim_give_the_standing(void **state)
{
	static const struct {
		const char *certificate, *device;
		enum standing standing;
		bool is_identity_known, is_device_known;
	} cases[] = {
		{"pin-a", "A", STANDING_PINNED, true, true},
		{"new-a", "A", STANDING_PENDING, true, true},
		{"old-a", "A", STANDING_FORMER, true, true},
		{"unseen", "A", STANDING_FREE, false, true},
		{"unseen", "X", STANDING_FREE, false, false},
		{"for-b", "B", STANDING_FREE, true, true},
		{"pin-b", "B", STANDING_PINNED, true, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct credential credential = world_credential(cases[i].certificate);
		struct claim claim = claim_of(ENROLLMENT_DEVICE, cases[i].device, cases[i].device);
		struct sender sender = establish(&credential, &claim);

		assert_int_equal(sender.refusal, REFUSAL_NONE);
		assert_int_equal(sender.standing, cases[i].standing);
		assert_int_equal(sender.is_identity_known, cases[i].is_identity_known);
		assert_int_equal(sender.is_device_known, cases[i].is_device_known);
		assert_int_equal(sender.is_channel_known, cases[i].is_device_known);
	}
}

static void a_certificate_that_does_not_do_is_refused(void **state)
{
	static const struct {
		const char *certificate, *device;
		enum refusal refusal;
	} cases[] = {
		{"pin-a", "B", REFUSAL_PINNED_TO_ANOTHER},
		{"new-a", "B", REFUSAL_PINNED_TO_ANOTHER},
		{"old-a", "B", REFUSAL_PINNED_TO_ANOTHER},
		{"pin-a", "X", REFUSAL_PINNED_TO_ANOTHER},
		{"for-b", "A", REFUSAL_ISSUED_FOR_ANOTHER},
		{"for-b", "X", REFUSAL_ISSUED_FOR_ANOTHER},
		{"for-b", "b", REFUSAL_ISSUED_FOR_ANOTHER},
		{"revoked", "A", REFUSAL_REVOKED},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct credential credential = world_credential(cases[i].certificate);
		struct claim claim = claim_of(ENROLLMENT_DEVICE, cases[i].device, cases[i].device);

		assert_int_equal(establish(&credential, &claim).refusal, cases[i].refusal);
	}
}

static void a_verdict_other_than_good_is_refused_by_its_reason(void **state)
{
	static const enum refusal want[CERT_VERDICT_COUNT] = {
		[CERT_GOOD] = REFUSAL_NONE,
		[CERT_MISSING] = REFUSAL_NO_CERTIFICATE,
		[CERT_GARBLED] = REFUSAL_CERTIFICATE_GARBLED,
		[CERT_NOT_CHAINED] = REFUSAL_NOT_CHAINED,
		[CERT_EXPIRED] = REFUSAL_EXPIRED,
		[CERT_NOT_YET] = REFUSAL_NOT_YET_VALID,
		[CERT_WRONG_PURPOSE] = REFUSAL_WRONG_PURPOSE,
		[CERT_UNJUDGED] = REFUSAL_NOT_CHAINED, /* it proves nothing; device/ does not even ask */
	};

	(void)state;
	for (int i = 0; i < CERT_VERDICT_COUNT; i++) {
		struct credential credential = world_credential("pin-a");
		struct claim claim = claim_of(ENROLLMENT_DEVICE, "A", "A");

		credential.verdict = (enum cert_verdict)i;
		assert_int_equal(establish(&credential, &claim).refusal, want[i]);
	}
}

static void no_verdict_but_good_lets_anybody_in(void **state)
{
	static const int beside[] = {-1, CERT_VERDICT_COUNT, CERT_VERDICT_COUNT + 1, INT_MAX, INT_MIN};
	struct credential credential = world_credential("pin-a");
	struct claim claim = claim_of(ENROLLMENT_DEVICE, "A", "A");

	(void)state;
	for (int i = 0; i < CERT_VERDICT_COUNT; i++) {
		credential.verdict = (enum cert_verdict)i;
		assert_int_equal(establish(&credential, &claim).refusal == REFUSAL_NONE, i == CERT_GOOD);
	}
	for (size_t i = 0; i < COUNT_OF(beside); i++) {
		credential.verdict = (enum cert_verdict)beside[i];
		assert_int_not_equal(establish(&credential, &claim).refusal, REFUSAL_NONE);
	}
}

static void a_certificate_with_a_changed_signature_is_refused(void **state)
{
	static const char *const known[] = {"pin-a", "new-a", "old-a", "pin-b", "for-b", "revoked"};
	static const char *const devices[] = {"A", "B", "X"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(known); i++)
		for (size_t j = 0; j < COUNT_OF(devices); j++) {
			struct credential twin = world_twin(known[i]);
			struct claim claim = claim_of(ENROLLMENT_DEVICE, devices[j], devices[j]);

			assert_int_equal(establish(&twin, &claim).refusal, REFUSAL_CERTIFICATE_TWIN);
		}
}

static void the_dates_are_looked_at_again_on_an_old_connection(void **state)
{
	static const struct {
		int64_t not_before, not_after;
		enum refusal refusal;
	} cases[] = {
		{WORLD_BEGINS, WORLD_BEGINS, REFUSAL_NONE},
		{WORLD_BEGINS - 9, WORLD_BEGINS - 1, REFUSAL_EXPIRED},
		{WORLD_BEGINS + 1, WORLD_BEGINS + 9, REFUSAL_NOT_YET_VALID},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct credential credential = world_credential("pin-a");
		struct claim claim = claim_of(ENROLLMENT_DEVICE, "A", "A");

		credential.facts.not_before = cases[i].not_before;
		credential.facts.not_after = cases[i].not_after;
		assert_int_equal(establish(&credential, &claim).refusal, cases[i].refusal);
	}
}

static void a_user_is_judged_by_its_device(void **state)
{
	struct credential pinned = world_credential("pin-a");
	struct credential foreign = world_credential("pin-b");
	struct claim known = claim_of(ENROLLMENT_USER, "A", "A:U");
	struct claim fresh = claim_of(ENROLLMENT_USER, "A", "A:V");
	struct sender sender = establish(&pinned, &known);

	(void)state;
	assert_int_equal(sender.standing, STANDING_PINNED);
	assert_true(sender.is_channel_known);
	assert_string_equal(sender.channel.ext_id, "A:U");
	assert_string_equal(sender.device.ext_id, "A");
	sender = establish(&pinned, &fresh);
	assert_int_equal(sender.refusal, REFUSAL_NONE);
	assert_int_equal(sender.standing, STANDING_PINNED);
	assert_false(sender.is_channel_known);
	assert_int_equal(establish(&foreign, &known).refusal, REFUSAL_PINNED_TO_ANOTHER);
}

static void an_id_of_another_kind_of_channel_is_no_message_of_this_one(void **state)
{
	static const struct {
		const char *certificate, *device, *ext_id;
		enum enrollment_kind kind;
	} cases[] = {
		{"pin-a", "A", "A", ENROLLMENT_BYOD_DEVICE},
		{"pin-r", "R", "R", ENROLLMENT_DEVICE},
		{"pin-r", "R", "R:U", ENROLLMENT_USER},
		{"pin-a", "A", "A:U", ENROLLMENT_SHARED_USER},
		{"unseen", "A", "A", ENROLLMENT_BYOD_DEVICE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct credential credential = world_credential(cases[i].certificate);
		struct claim claim = claim_of(cases[i].kind, cases[i].device, cases[i].ext_id);

		assert_int_equal(establish(&credential, &claim).refusal, REFUSAL_BAD_MESSAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_certificate_and_the_claim_give_the_standing),
		cmocka_unit_test(a_certificate_that_does_not_do_is_refused),
		cmocka_unit_test(a_verdict_other_than_good_is_refused_by_its_reason),
		cmocka_unit_test(no_verdict_but_good_lets_anybody_in),
		cmocka_unit_test(a_certificate_with_a_changed_signature_is_refused),
		cmocka_unit_test(the_dates_are_looked_at_again_on_an_old_connection),
		cmocka_unit_test(a_user_is_judged_by_its_device),
		cmocka_unit_test(an_id_of_another_kind_of_channel_is_no_message_of_this_one),
	};

	return cmocka_run_group_tests(tests, build, tear_down);
}
