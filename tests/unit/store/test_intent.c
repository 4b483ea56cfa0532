/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <string.h>

#include "pomona/store/intent.h"

enum { HOUR_S = 3600 };

static uint8_t next_challenge;

/* Its challenge is a byte that no other has. */
static int64_t add(struct fixture *f, enum intent_way way, const char *device, const char *serial,
	const char *maker)
{
	uint8_t challenge[SHA256_BYTES] = {next_challenge++};
	const struct intent_new intent = {.way = way,
		.challenge_sha256 = challenge,
		.device_id = slice_of_str(device),
		.serial_number = slice_of_str(serial),
		.created_by = slice_of_str(maker),
		.expires_at = f->now_s + HOUR_S};
	struct err err = {.rc = RC_OK};
	int64_t id = 0;

	assert_ok(intent_add(fixture_write(f), &intent, &id, &err), &err);
	return id;
}

/* What the server sends by itself to a device that it manages. */
static void add_renewal(struct fixture *f, const char *device)
{
	const uint8_t challenge[SHA256_BYTES] = {next_challenge++};
	struct intent_new intent = {.way = INTENT_PROFILE,
		.challenge_sha256 = challenge,
		.device_id = slice_of_str(device),
		.created_by = SLICE_LITERAL("renewal"),
		.expires_at = f->now_s + HOUR_S};
	struct err err = {.rc = RC_OK};
	int64_t id;

	assert_ok(enrollment_add_device(fixture_write(f), ENROLLMENT_DEVICE, intent.device_id,
												&intent.renewal_of, &err),
		&err);
	assert_ok(intent_add(fixture_write(f), &intent, &id, &err), &err);
}

static bool is_listed(struct fixture *f, const char *device, const char *serial)
{
	struct err err = {.rc = RC_OK};
	bool is_there;

	assert_ok(intent_is_listed(fixture_write(f), slice_of_str(device), slice_of_str(serial), &is_there,
												&err),
		&err);
	return is_there;
}

static void test_a_device_is_listed_by_its_id_or_its_serial_number(void **state)
{
	struct fixture *f = *state;

	add(f, INTENT_CHALLENGE, "U-1", "", "ada");
	add(f, INTENT_PROFILE, "", "C02", "ada");
	assert_true(is_listed(f, "U-1", "other"));
	assert_true(is_listed(f, "other", "C02"));
	assert_false(is_listed(f, "other", "other"));
	assert_false(is_listed(f, "C02", "U-1"));
}

static void test_an_empty_name_lists_nobody(void **state)
{
	struct fixture *f = *state;

	add(f, INTENT_CHALLENGE, "", "", "ada");
	assert_false(is_listed(f, "", ""));
	assert_false(is_listed(f, "U-1", ""));
}

static void test_what_no_admin_made_or_has_ended_lists_nobody(void **state)
{
	struct fixture *f = *state;

	add(f, INTENT_ADE, "U-1", "C02", "");
	add(f, INTENT_ADE, "U-1", "C02", "ada");
	add(f, INTENT_PROFILE, "U-1", "C02", "");
	add_renewal(f, "U-1");
	assert_false(is_listed(f, "U-1", "C02"));
	add(f, INTENT_PROFILE, "U-1", "C02", "ada");
	assert_true(is_listed(f, "U-1", "C02"));
	fixture_commit(f);
	f->now_s += HOUR_S;
	assert_false(is_listed(f, "U-1", "C02"));
}

static bool is_kept(struct fixture *f, uint8_t challenge)
{
	const uint8_t digest[SHA256_BYTES] = {challenge};
	struct intent intent;

	return intent_find_by_challenge(fixture_write(f), digest, &intent, NULL) == RC_OK;
}

static void test_of_a_devices_unused_intents_the_latest_stay(void **state)
{
	static const uint8_t key[SHA256_BYTES] = {1};
	const struct cert_facts facts = {.sha256 = {1}, .tbs_sha256 = {1}, .not_after = T0 + HOUR_S};
	struct fixture *f = *state;
	struct err err = {.rc = RC_OK};
	const uint8_t first = next_challenge;
	int64_t identity_id;

	for (int i = 0; i < 4; i++)
		(void)add(f, INTENT_ADE, "U-1", "C02", "");
	(void)add(f, INTENT_ADE, "U-2", "C02", "");
	(void)add(f, INTENT_CHALLENGE, "U-1", "C02", "ada");
	assert_ok(identity_record(fixture_write(f), &facts, key, &identity_id, &err), &err);
	assert_ok(intent_use(fixture_write(f), 1, key, identity_id, &err), &err);
	assert_ok(intent_trim(fixture_write(f), INTENT_ADE, SLICE_LITERAL("U-1"), 1, &err), &err);
	assert_true(is_kept(f, first)); /* used */
	assert_false(is_kept(f, (uint8_t)(first + 1)));
	assert_false(is_kept(f, (uint8_t)(first + 2)));
	for (uint8_t i = 3; i < 6; i++)
		assert_true(is_kept(f, (uint8_t)(first + i)));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_device_is_listed_by_its_id_or_its_serial_number),
		TEST(test_an_empty_name_lists_nobody),
		TEST(test_what_no_admin_made_or_has_ended_lists_nobody),
		TEST(test_of_a_devices_unused_intents_the_latest_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
