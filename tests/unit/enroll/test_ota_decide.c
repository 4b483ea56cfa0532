/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "../identity/world.h"
#include "ota_decide.h"

enum { HOUR_S = 3600, GRACE_S = 600 };

static struct world world;

static int open_world(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world_open(&world);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

/* --- an administrator hands out the profile of phase 1 */

struct mint {
	const char *challenge, *device_id, *serial;
};

static enum rc mint_run(void *ctx, struct txn *txn, struct err *err)
{
	const struct mint *mint = ctx;
	uint8_t digest[SHA256_BYTES];
	int64_t id;
	const struct intent_new intent = {.way = INTENT_OTA,
		.challenge_sha256 = digest,
		.device_id = slice_of_str(mint->device_id),
		.serial_number = slice_of_str(mint->serial),
		.created_by = SLICE_LITERAL("ada"),
		.expires_at = world.now + HOUR_S};

	sha256(slice_of_str(mint->challenge), digest);
	return ota_add(txn, &intent, &id, err);
}

static void mint(const char *challenge, const char *device_id, const char *serial)
{
	struct mint order = {challenge, device_id, serial};

	world_write(&world, mint_run, &order);
}

/* --- a device comes */

struct come {
	const char *signer;    /* a certificate by its name */
	bool is_not_apples;    /* that is no device's of Apple's */
	const char *udid;      /* NULL: "UDID-1" */
	const char *serial;    /* NULL: "S1" */
	const char *challenge; /* "": none */
	const char *answer;    /* the challenge in what it is given; NULL: it is only asked */
	struct ota_decision decision;
};

static const char *or_else(const char *given, const char *otherwise)
{
	return given != NULL ? given : otherwise;
}

static enum rc come_run(void *ctx, struct txn *txn, struct err *err)
{
	struct come *come = ctx;
	const struct credential signer = world_credential(come->signer);
	const struct machine_info info = {
		.udid = slice_of_str(or_else(come->udid, "UDID-1")),
		.serial = slice_of_str(or_else(come->serial, "S1")),
		.challenge = slice_of_str(come->challenge),
	};
	const struct ota_ask ask = {.info = &info,
		.signer = &signer.facts,
		.is_apples = !come->is_not_apples,
		.grace_s = GRACE_S};
	uint8_t digest[SHA256_BYTES];
	const struct intent_profile profile = {.identifier = SLICE_LITERAL("org.example"),
		.url = SLICE_LITERAL("https://mdm"),
		.access_rights = 8191};
	const struct ota_answer answer = {.challenge_sha256 = digest, .profile = &profile};
	enum rc rc = ota_decide(txn, &ask, &come->decision, err);

	if (rc != RC_OK || come->decision.refusal != OTA_NOT_REFUSED || come->answer == NULL)
		return rc;
	sha256(slice_of_str(come->answer), digest);
	return ota_keep(txn, &ask, &come->decision, &answer, err);
}

static enum ota_refusal come(struct come *come)
{
	world_write(&world, come_run, come);
	return come->decision.refusal;
}

static enum ota_refusal phase_2(const char *challenge, const char *answer)
{
	struct come device = {.signer = "factory", .challenge = challenge, .answer = answer};
	enum ota_refusal refusal = come(&device);

	if (refusal == OTA_NOT_REFUSED)
		assert_int_equal(device.decision.phase, OTA_PHASE_2);
	return refusal;
}

static enum ota_refusal phase_3(const char *identity, const char *challenge, const char *answer)
{
	struct come device = {.signer = identity,
		.is_not_apples = true,
		.challenge = challenge,
		.answer = answer};
	enum ota_refusal refusal = come(&device);

	if (refusal == OTA_NOT_REFUSED)
		assert_int_equal(device.decision.phase, OTA_PHASE_3);
	return refusal;
}

/* --- SCEP lets it have an identity by a challenge */

struct scep {
	const char *challenge, *identity;
	char issued_for[ENROLLMENT_DEVICE_ID_BYTES_MAX + 1];
};

static enum rc scep_run(void *ctx, struct txn *txn, struct err *err)
{
	struct scep *scep = ctx;
	const struct credential credential = world_credential(scep->identity);
	uint8_t digest[SHA256_BYTES];
	struct identity identity;
	struct intent intent;
	enum rc rc;

	sha256(slice_of_str(scep->challenge), digest);
	rc = intent_find_by_challenge(txn, digest, &intent, err);
	if (rc == RC_OK)
		rc = identity_find(txn, credential.facts.sha256, &identity, err);
	if (rc == RC_OK)
		memcpy(scep->issued_for, intent.device_id, sizeof(scep->issued_for));
	return rc == RC_OK ? intent_use(txn, intent.id, digest, identity.id, err) : rc;
}

static void get_identity(const char *challenge, const char *name)
{
	const struct credential credential = world_credential(name);
	struct scep scep = {.challenge = challenge, .identity = name};

	world_issue(&world, &credential, "UDID-1", "");
	world_write(&world, scep_run, &scep);
	assert_string_equal(scep.issued_for, "UDID-1");
}

static enum rc find_run(void *ctx, struct txn *txn, struct err *err)
{
	uint8_t digest[SHA256_BYTES];
	struct intent intent;

	sha256(slice_of_str(ctx), digest);
	assert_int_equal(intent_find_by_challenge(txn, digest, &intent, err), RC_NOT_FOUND);
	return RC_OK;
}

static void assert_scep_knows_not(char *challenge)
{
	world_write(&world, find_run, challenge);
}

/* --- tests */

static void a_device_comes_twice_and_is_let_in(void **state)
{
	(void)state;
	mint("c1", "", "");
	assert_int_equal(phase_2("c1", "scep 1"), OTA_NOT_REFUSED);
	get_identity("scep 1", "identity");
	assert_int_equal(phase_3("identity", "c1", "scep 2"), OTA_NOT_REFUSED);
	get_identity("scep 2", "lasting");
	/* what an update of the profile must know is kept with the identity that lasts alone */
	assert_int_equal(world_look(&world,
																			"SELECT count(*) FROM identity_profile WHERE identifier = 'org.example'"),
		1);
	assert_int_equal(world_look(&world,
																			"SELECT count(*) FROM intent WHERE profile_url = 'https://mdm'"),
		1);
	assert_int_equal(
		world_look(&world,
			"SELECT count(*) FROM intent WHERE way = 3 AND device_id = 'UDID-1'"
			" AND serial_number = 'S1' AND created_by = 'ada' AND challenge_sha256 IS NOT NULL"),
		2);
	assert_int_equal(world_look(&world, "SELECT count(*) FROM identity WHERE revoked_at > 0"), 1);
}

/* It would be a way around Apple's certificate. */
static void the_challenge_of_phase_1_is_none_for_scep(void **state)
{
	char challenge[] = "c1";

	(void)state;
	mint(challenge, "", "");
	assert_scep_knows_not(challenge);
	assert_int_equal(phase_2(challenge, "scep 1"), OTA_NOT_REFUSED);
	assert_scep_knows_not(challenge);
}

static void the_identity_stands_for_the_challenge_where_a_device_does_not_repeat_it(void **state)
{
	(void)state;
	mint("c1", "", "");
	assert_int_equal(phase_2("c1", "scep 1"), OTA_NOT_REFUSED);
	get_identity("scep 1", "identity");
	assert_int_equal(phase_3("identity", "", "scep 2"), OTA_NOT_REFUSED);
}

static void phase_3_is_once(void **state)
{
	(void)state;
	mint("c1", "", "");
	assert_int_equal(phase_2("c1", "scep 1"), OTA_NOT_REFUSED);
	get_identity("scep 1", "identity");
	assert_int_equal(phase_3("identity", "c1", "scep 2"), OTA_NOT_REFUSED);
	assert_int_equal(phase_3("identity", "c1", "scep 3"), OTA_REFUSED_REPLAYED);
	assert_int_equal(phase_2("c1", "scep 4"), OTA_REFUSED_USED_CHALLENGE);
	assert_int_equal(world_look(&world, "SELECT count(*) FROM intent"), 3);
}

static void a_device_whose_answer_was_lost_may_ask_again_for_a_while(void **state)
{
	struct come other = {.signer = "other factory", .challenge = "c1", .answer = "scep 9"};
	char first[] = "scep 1";

	(void)state;
	mint("c1", "", "");
	assert_int_equal(phase_2("c1", first), OTA_NOT_REFUSED);
	assert_int_equal(come(&other), OTA_REFUSED_USED_CHALLENGE);
	world.now += GRACE_S;
	assert_int_equal(phase_2("c1", "scep 2"), OTA_NOT_REFUSED);
	assert_scep_knows_not(first); /* what the lost answer held is of no use any more */
	get_identity("scep 2", "identity");
	world.now += 1;
	assert_int_equal(phase_2("c1", "scep 3"), OTA_REFUSED_USED_CHALLENGE);
	assert_int_equal(phase_3("identity", "c1", "scep 4"), OTA_NOT_REFUSED);
}

static void the_challenge_must_be_the_one_that_was_given_and_in_time(void **state)
{
	(void)state;
	mint("c1", "", "");
	mint("c2", "", "");
	assert_int_equal(phase_2("", "x"), OTA_REFUSED_NO_CHALLENGE);
	assert_int_equal(phase_2("c3", "x"), OTA_REFUSED_WRONG_CHALLENGE);
	assert_int_equal(phase_2("c1", "scep 1"), OTA_NOT_REFUSED);
	get_identity("scep 1", "identity");
	assert_int_equal(phase_3("identity", "c2", "x"), OTA_REFUSED_WRONG_CHALLENGE);
	world.now += HOUR_S;
	assert_int_equal(phase_2("c2", "x"), OTA_REFUSED_EXPIRED_CHALLENGE);
	world.now += OTA_FINISH_S - HOUR_S + 1;
	assert_int_equal(phase_3("identity", "c1", "x"), OTA_REFUSED_EXPIRED_CHALLENGE);
	world.now -= 1;
	assert_int_equal(phase_3("identity", "c1", "x"), OTA_NOT_REFUSED);
}

static void another_device_is_refused(void **state)
{
	struct come cases[] = {
		{.signer = "factory", .challenge = "c1", .udid = "UDID-2"},
		{.signer = "factory", .challenge = "c1", .serial = "S2"},
		{.signer = "factory", .challenge = "c1", .serial = ""},
	};
	struct come later[] = {
		{.signer = "identity", .challenge = "c1", .udid = "UDID-2", .answer = "x"},
		{.signer = "identity", .challenge = "c1", .serial = "S2", .answer = "x"},
		{.signer = "identity", .challenge = "c1", .serial = "", .answer = "x"},
	};

	(void)state;
	mint("c1", "UDID-1", "S1");
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(come(&cases[i]), OTA_REFUSED_WRONG_DEVICE);
	assert_int_equal(phase_2("c1", "scep 1"), OTA_NOT_REFUSED);
	get_identity("scep 1", "identity");
	for (size_t i = 0; i < COUNT_OF(later); i++)
		assert_int_equal(come(&later[i]), OTA_REFUSED_WRONG_DEVICE);
	assert_int_equal(phase_3("identity", "c1", "scep 2"), OTA_NOT_REFUSED);
}

static void only_apples_devices_and_identities_of_this_way_are_heard(void **state)
{
	const struct credential by_hand = world_credential("by hand");
	const struct credential revoked = world_credential("identity");
	struct come stranger = {.signer = "stranger", .is_not_apples = true, .challenge = "c1"};

	(void)state;
	mint("c1", "", "");
	assert_int_equal(come(&stranger), OTA_REFUSED_NOT_APPLE);
	world_issue(&world, &by_hand, "UDID-1", "");
	assert_int_equal(phase_3("by hand", "c1", "x"), OTA_REFUSED_NOT_OTA);
	assert_int_equal(phase_2("c1", "scep 1"), OTA_NOT_REFUSED);
	assert_int_equal(phase_3("by hand", "c1", "x"), OTA_REFUSED_NOT_OTA);
	get_identity("scep 1", "identity");
	world_revoke(&world, &revoked);
	assert_int_equal(phase_3("identity", "c1", "x"), OTA_REFUSED_REVOKED);
}

static void an_identity_that_has_ended_is_refused(void **state)
{
	(void)state;
	world.now = world_credential("identity").facts.not_after - 10;
	mint("c1", "", "");
	assert_int_equal(phase_2("c1", "scep 1"), OTA_NOT_REFUSED);
	get_identity("scep 1", "identity");
	world.now += 10;
	assert_int_equal(phase_3("identity", "c1", "x"), OTA_REFUSED_EXPIRED);
}

static void a_refusal_keeps_nothing(void **state)
{
	(void)state;
	mint("c1", "UDID-9", "");
	assert_int_equal(phase_2("c1", "scep 1"), OTA_REFUSED_WRONG_DEVICE);
	assert_int_equal(world_look(&world, "SELECT count(*) FROM intent"), 1);
	assert_int_equal(world_look(&world, "SELECT count(*) FROM ota WHERE begun_at <> 0"), 0);
}

static void each_refusal_has_a_word_and_never_401(void **state)
{
	(void)state;
	for (unsigned i = OTA_NOT_REFUSED + 1; i < OTA_REFUSAL_COUNT; i++) {
		const enum ota_refusal refusal = (enum ota_refusal)i;
		const unsigned status = ota_refusal_status(refusal);

		assert_true(status == 400 || status == 403);
		assert_true(ota_refusal_text(refusal)[0] != '\0');
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(ota_refusal_name(refusal), ota_refusal_name((enum ota_refusal)j));
	}
	for (unsigned i = APPLE_GOOD + 1; i < APPLE_VERDICT_COUNT; i++)
		assert_int_not_equal(ota_refusal_of((enum apple_verdict)i), OTA_NOT_REFUSED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_device_comes_twice_and_is_let_in),
		TEST(the_challenge_of_phase_1_is_none_for_scep),
		TEST(the_identity_stands_for_the_challenge_where_a_device_does_not_repeat_it),
		TEST(phase_3_is_once),
		TEST(a_device_whose_answer_was_lost_may_ask_again_for_a_while),
		TEST(the_challenge_must_be_the_one_that_was_given_and_in_time),
		TEST(another_device_is_refused),
		TEST(only_apples_devices_and_identities_of_this_way_are_heard),
		TEST(an_identity_that_has_ended_is_refused),
		TEST(a_refusal_keeps_nothing),
		TEST(each_refusal_has_a_word_and_never_401),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
