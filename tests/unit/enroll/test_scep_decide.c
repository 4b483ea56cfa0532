/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "../identity/world.h"
#include "pomona/store/invitation.h"
#include "scep_decide.h"

enum { HOUR_S = 3600, GRACE_S = 600 };

static struct world world;
static int issued_count;

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

/* One request, and what came of it. */
struct ask {
	enum scep_kind kind;
	const char *transaction; /* NULL: "t1" */
	const char *key;         /* a name for it; NULL: "k1" */
	const char *signer;      /* the certificate of that name; NULL: one that signs itself */
	const char *challenge;
	const char *static_challenge;
	bool is_signed_by_another_key;
	struct scep_decision decision;
	int64_t identity_id; /* of what was given */
};

static struct scep_facts facts_of(const struct ask *ask)
{
	struct scep_facts facts = {.kind = ask->kind,
		.is_signed_by_own_key = !ask->is_signed_by_another_key,
		.challenge = slice_of_str(ask->challenge)};

	(void)snprintf(facts.transaction_id, sizeof(facts.transaction_id), "%s",
		ask->transaction == NULL ? "t1" : ask->transaction);
	sha256(slice_of_str(ask->key == NULL ? "k1" : ask->key), facts.key_sha256);
	facts.signer = world_credential(ask->signer == NULL ? "self" : ask->signer).facts;
	return facts;
}

/* Decides as the server does, and keeps a certificate of its own making where one is to be issued. */
static enum rc run(void *ctx, struct txn *txn, struct err *err)
{
	struct ask *ask = ctx;
	const struct scep_facts facts = facts_of(ask);
	const struct scep_policy policy = {.static_challenge = slice_of_str(ask->static_challenge),
		.challenge_grace_s = GRACE_S,
		.ca_subject = "CN=CA"};
	char name[32];
	struct cert_facts cert;
	struct identity identity = {.id = 0};
	enum rc rc = scep_decide(txn, &policy, &facts, &ask->decision, err);

	if (rc != RC_OK || ask->decision.refusal != SCEP_NOT_REFUSED)
		return rc;
	ask->identity_id = ask->decision.identity_id;
	if (ask->identity_id != 0)
		return RC_OK;
	(void)snprintf(name, sizeof(name), "issued %d", ++issued_count);
	cert = world_credential(name).facts;
	ask->decision.issued.facts = &cert;
	ask->decision.issued.der = slice_of_str(name);
	rc = scep_keep(txn, &facts, &ask->decision, err);
	if (rc == RC_OK)
		rc = identity_find(txn, cert.sha256, &identity, err);
	ask->identity_id = identity.id;
	return rc;
}

static enum scep_refusal ask(struct ask *ask)
{
	world_write(&world, run, ask);
	return ask->decision.refusal;
}

struct mint {
	const char *challenge, *device_id;
	int64_t expires_at;
	const char *renewal_of; /* the ext_id of an enrollment; NULL: none */
};

static enum rc mint_run(void *ctx, struct txn *txn, struct err *err)
{
	static const struct intent_profile profile = {.identifier = SLICE_LITERAL("org.example")};
	const struct mint *mint = ctx;
	uint8_t digest[SHA256_BYTES];
	int64_t id;
	struct enrollment device = {.id = 0};
	struct intent_new intent = {.way = INTENT_CHALLENGE,
		.challenge_sha256 = digest,
		.device_id = slice_of_str(mint->device_id),
		.expires_at = mint->expires_at,
		.profile = &profile};

	if (mint->renewal_of != NULL &&
		enrollment_find(txn, slice_of_str(mint->renewal_of), &device, err) != RC_OK)
		return err->rc;
	intent.renewal_of = device.id;

	sha256(slice_of_str(mint->challenge), digest);
	return intent_add(txn, &intent, &id, err);
}

static void mint(const char *challenge, const char *device_id)
{
	struct mint order = {challenge, device_id, world.now + HOUR_S, NULL};

	world_write(&world, mint_run, &order);
}

static void a_challenge_works_once_and_for_its_device(void **state)
{
	struct ask first = {.challenge = "c1"};
	struct ask second = {.challenge = "c1", .transaction = "t2", .key = "k2"};

	(void)state;
	mint("c1", "UDID-1");
	assert_int_equal(ask(&first), SCEP_NOT_REFUSED);
	assert_string_equal(first.decision.issued_for, "UDID-1");
	assert_int_equal(ask(&second), SCEP_REFUSED_USED_CHALLENGE);
	assert_int_equal(world_look(&world, "SELECT count(*) FROM identity WHERE is_ours = 1"), 1);
}

static void the_same_key_gets_its_certificate_again_while_the_grace_lasts(void **state)
{
	struct ask first = {.challenge = "c1"};
	struct ask retry = {.challenge = "c1", .transaction = "t2"};
	struct ask late = {.challenge = "c1", .transaction = "t3"};

	(void)state;
	mint("c1", "");
	assert_int_equal(ask(&first), SCEP_NOT_REFUSED);
	world.now += GRACE_S;
	assert_int_equal(ask(&retry), SCEP_NOT_REFUSED);
	assert_int_equal(retry.identity_id, first.identity_id);
	world.now += 1;
	assert_int_equal(ask(&late), SCEP_REFUSED_USED_CHALLENGE);
}

static void the_same_transaction_of_the_same_key_gets_the_same_certificate(void **state)
{
	struct ask first = {.challenge = "c1"};
	struct ask again = {.challenge = "whatever"};
	struct ask poll = {.kind = SCEP_CERT_POLL};
	struct ask other_key = {.key = "k2"};

	(void)state;
	mint("c1", "");
	assert_int_equal(ask(&first), SCEP_NOT_REFUSED);
	world.now += (int64_t)2 * GRACE_S;
	assert_int_equal(ask(&again), SCEP_NOT_REFUSED);
	assert_int_equal(again.identity_id, first.identity_id);
	assert_int_equal(ask(&poll), SCEP_NOT_REFUSED);
	assert_int_equal(poll.identity_id, first.identity_id);
	assert_int_equal(ask(&other_key), SCEP_REFUSED_NO_CHALLENGE);
}

static void a_revoked_certificate_is_not_given_again(void **state)
{
	struct ask first = {.challenge = "c1"};
	struct ask again = {.challenge = "c1"};
	char name[32];
	struct credential issued;

	(void)state;
	mint("c1", "");
	assert_int_equal(ask(&first), SCEP_NOT_REFUSED);
	(void)snprintf(name, sizeof(name), "issued %d", issued_count);
	issued = world_credential(name);
	world_revoke(&world, &issued);
	assert_int_equal(ask(&again), SCEP_REFUSED_USED_CHALLENGE);
}

static void what_is_no_challenge_of_ours_is_refused(void **state)
{
	struct ask none = {.challenge = NULL};
	struct ask wrong = {.challenge = "wrong"};
	struct ask of_static = {.challenge = "", .static_challenge = ""};
	struct ask expired = {.challenge = "c1"};

	(void)state;
	assert_int_equal(ask(&none), SCEP_REFUSED_NO_CHALLENGE);
	assert_int_equal(ask(&wrong), SCEP_REFUSED_WRONG_CHALLENGE);
	assert_int_equal(ask(&of_static), SCEP_REFUSED_NO_CHALLENGE);
	mint("c1", "");
	world.now += HOUR_S;
	assert_int_equal(ask(&expired), SCEP_REFUSED_EXPIRED_CHALLENGE);
	assert_int_equal(world_look(&world, "SELECT count(*) FROM identity"), 0);
	world.now -= 1;
	assert_int_equal(ask(&expired), SCEP_NOT_REFUSED);
}

static void a_static_challenge_works_for_everybody(void **state)
{
	struct ask first = {.challenge = "all", .static_challenge = "all"};
	struct ask second = {.challenge = "all",
		.static_challenge = "all",
		.transaction = "t2",
		.key = "k2"};
	struct ask shorter = {.challenge = "al",
		.static_challenge = "all",
		.transaction = "t3",
		.key = "k3"};

	(void)state;
	assert_int_equal(ask(&first), SCEP_NOT_REFUSED);
	assert_int_equal(ask(&second), SCEP_NOT_REFUSED);
	assert_int_not_equal(first.identity_id, second.identity_id);
	assert_int_equal(ask(&shorter), SCEP_REFUSED_WRONG_CHALLENGE);
}

static void a_renewal_needs_no_challenge_but_a_certificate_of_ours(void **state)
{
	static const enum scep_kind kinds[] = {SCEP_PKCS_REQ, SCEP_RENEWAL_REQ, SCEP_UPDATE_REQ};
	struct credential ours = world_credential("ours");

	(void)state;
	world_issue(&world, &ours, "UDID-1", "");
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		struct ask good = {.kind = kinds[i],
			.key = "new",
			.signer = "ours",
			.is_signed_by_another_key = true};
		struct ask stranger = {.kind = kinds[i],
			.key = "new",
			.signer = "theirs",
			.is_signed_by_another_key = true};
		char transaction[8];

		(void)snprintf(transaction, sizeof(transaction), "r%zu", i);
		good.transaction = transaction;
		assert_int_equal(ask(&good), SCEP_NOT_REFUSED);
		assert_string_equal(good.decision.issued_for, "UDID-1");
		stranger.transaction = "s";
		assert_int_equal(ask(&stranger), SCEP_REFUSED_STRANGER);
	}
}

/* Clients make the transaction's name of the key: it is then the same one again. */
static void a_renewal_that_keeps_the_key_gets_a_new_certificate(void **state)
{
	struct ask first = {.challenge = "c1"};
	struct ask renewal = {.kind = SCEP_RENEWAL_REQ};
	struct ask again = {.kind = SCEP_RENEWAL_REQ};
	struct ask poll = {.kind = SCEP_CERT_POLL};
	char name[32];

	(void)state;
	mint("c1", "UDID-1");
	assert_int_equal(ask(&first), SCEP_NOT_REFUSED);
	(void)snprintf(name, sizeof(name), "issued %d", issued_count);
	renewal.signer = again.signer = poll.signer = name;
	assert_int_equal(ask(&poll), SCEP_NOT_REFUSED);
	assert_int_equal(poll.identity_id, first.identity_id);
	assert_int_equal(ask(&renewal), SCEP_NOT_REFUSED);
	assert_int_not_equal(renewal.identity_id, first.identity_id);
	assert_string_equal(renewal.decision.issued_for, "UDID-1");
	assert_int_equal(ask(&again), SCEP_NOT_REFUSED);
	assert_int_equal(again.identity_id, renewal.identity_id);
}

static void a_renewal_by_a_certificate_that_is_revoked_or_at_its_end_is_refused(void **state)
{
	struct ask revoked = {.kind = SCEP_RENEWAL_REQ,
		.signer = "revoked",
		.is_signed_by_another_key = true};
	struct ask expired = {.kind = SCEP_RENEWAL_REQ,
		.signer = "expired",
		.is_signed_by_another_key = true};
	struct credential a = world_credential("revoked");
	struct credential b = world_credential("expired");

	(void)state;
	world_issue(&world, &a, "D", "");
	world_issue(&world, &b, "D", "");
	world_revoke(&world, &a);
	assert_int_equal(ask(&revoked), SCEP_REFUSED_REVOKED);
	world.now = b.facts.not_after;
	assert_int_equal(ask(&expired), SCEP_REFUSED_EXPIRED);
	assert_int_equal(scep_refusal_fail(SCEP_REFUSED_EXPIRED), SCEP_BAD_TIME);
	world.now = b.facts.not_after - 1;
	assert_int_equal(ask(&expired), SCEP_NOT_REFUSED);
}

struct pin {
	const char *device_id, *certificate;
};
static bool is_pending_only;

static enum rc pin_run(void *ctx, struct txn *txn, struct err *err)
{
	const struct pin *pin = ctx;
	const struct credential credential = world_credential(pin->certificate);
	const struct device_facts device = {.topic = SLICE_LITERAL("com.apple.mgmt.x")};
	struct enrollment enrollment;
	struct identity identity;
	int64_t id = 0;
	enum rc rc = enrollment_find(txn, slice_of_str(pin->device_id), &enrollment, err);

	if (rc == RC_NOT_FOUND)
		rc = enrollment_add_device(txn, ENROLLMENT_DEVICE, slice_of_str(pin->device_id), &id, err);
	else
		id = enrollment.id;
	if (rc == RC_OK)
		rc = identity_find(txn, credential.facts.sha256, &identity, err);
	if (rc == RC_OK)
		rc = identity_set_owner(txn, identity.id, id, err);
	if (rc == RC_OK)
		rc = enrollment_set_pending(txn, id, identity.id, &device, SLICE_LITERAL("x"), err);
	return rc == RC_OK && !is_pending_only ? enrollment_promote(txn, id, err) : rc;
}

static void the_present_certificate_renews_its_device_and_a_former_one_does_not(void **state)
{
	struct ask present = {.kind = SCEP_RENEWAL_REQ, .signer = "one", .is_signed_by_another_key = true};
	struct ask former = {.kind = SCEP_RENEWAL_REQ,
		.signer = "one",
		.is_signed_by_another_key = true,
		.transaction = "t2",
		.key = "k2"};
	struct credential one = world_credential("one");
	struct credential two = world_credential("two");
	struct pin pin = {"UDID-1", "one"};
	struct enrollment device;

	(void)state;
	world_issue(&world, &one, "", "");
	world_issue(&world, &two, "", "");
	world_write(&world, pin_run, &pin);
	assert_true(world_find(&world, "UDID-1", &device));
	assert_int_equal(ask(&present), SCEP_NOT_REFUSED);
	assert_string_equal(present.decision.issued_for, "UDID-1");
	assert_int_equal(present.decision.issued.renewal_of, device.id);
	pin.certificate = "two";
	world_write(&world, pin_run, &pin);
	assert_int_equal(ask(&former), SCEP_REFUSED_FORMER);
}

/* One challenge would be any number of devices else. */
static void what_is_no_devices_in_particular_is_renewed_when_a_device_has_enrolled_with_it(
	void **state)
{
	struct ask renewal = {.kind = SCEP_RENEWAL_REQ, .signer = "one", .is_signed_by_another_key = true};
	struct credential one = world_credential("one");
	struct pin pin = {"UDID-1", "one"};

	(void)state;
	world_issue(&world, &one, "", "");
	assert_int_equal(ask(&renewal), SCEP_REFUSED_NOT_ENROLLED);
	is_pending_only = true;
	world_write(&world, pin_run, &pin);
	assert_int_equal(ask(&renewal), SCEP_REFUSED_NOT_ENROLLED);
	is_pending_only = false;
	world_write(&world, pin_run, &pin);
	assert_int_equal(ask(&renewal), SCEP_NOT_REFUSED);
	assert_string_equal(renewal.decision.issued_for, "UDID-1");
}

static void a_device_has_as_many_renewals_that_it_does_not_use_as_the_limit_and_no_more(
	void **state)
{
	struct credential one = world_credential("one");
	struct ask renewal = {.kind = SCEP_RENEWAL_REQ, .signer = "one", .is_signed_by_another_key = true};
	char words[SCEP_UNUSED_MAX + 1][2][32];

	(void)state;
	world_issue(&world, &one, "UDID-1", "");
	for (int i = 1; i <= SCEP_UNUSED_MAX; i++) { /* the first is one itself */
		(void)snprintf(words[i][0], sizeof(words[i][0]), "key %d", i);
		(void)snprintf(words[i][1], sizeof(words[i][1]), "t %d", i);
		renewal.key = words[i][0];
		renewal.transaction = words[i][1];
		assert_int_equal(ask(&renewal), i < SCEP_UNUSED_MAX ? SCEP_NOT_REFUSED : SCEP_REFUSED_MANY);
	}
}

/* Else a thief of the former one could bar the device from its next renewal. */
static void what_others_have_does_not_bar_a_pin_but_its_own_do(void **state)
{
	struct credential one = world_credential("one");
	struct pin pin = {"UDID-1", "one"};
	struct ask renewal = {.kind = SCEP_RENEWAL_REQ, .signer = "one", .is_signed_by_another_key = true};
	char words[SCEP_UNUSED_MAX + 1][2][32];

	(void)state;
	world_issue(&world, &one, "UDID-1", "");
	world_write(&world, pin_run, &pin);
	for (int i = 0; i < SCEP_UNUSED_MAX; i++) {
		struct credential other;

		(void)snprintf(words[i][0], sizeof(words[i][0]), "other %d", i);
		other = world_credential(words[i][0]);
		world_issue(&world, &other, "UDID-1", "");
	}
	for (int i = 0; i <= SCEP_UNUSED_MAX; i++) {
		(void)snprintf(words[i][0], sizeof(words[i][0]), "key %d", i);
		(void)snprintf(words[i][1], sizeof(words[i][1]), "t %d", i);
		renewal.key = words[i][0];
		renewal.transaction = words[i][1];
		assert_int_equal(ask(&renewal), i < SCEP_UNUSED_MAX ? SCEP_NOT_REFUSED : SCEP_REFUSED_MANY);
	}
}

static void a_challenge_of_a_renewal_is_none_when_its_pin_is_revoked(void **state)
{
	struct mint order = {"c1", "UDID-1", world.now + HOUR_S, "UDID-1"};
	struct ask by_challenge = {.challenge = "c1"};
	struct credential one = world_credential("one");
	struct pin pin = {"UDID-1", "one"};

	(void)state;
	world_issue(&world, &one, "UDID-1", "");
	world_write(&world, pin_run, &pin);
	world_write(&world, mint_run, &order);
	world_revoke(&world, &one);
	assert_int_equal(ask(&by_challenge), SCEP_REFUSED_REVOKED);
}

static enum rc add_device(void *ctx, struct txn *txn, struct err *err)
{
	return enrollment_add_device(txn, ENROLLMENT_DEVICE, SLICE_LITERAL("UDID-1"), ctx, err);
}

static void the_challenge_of_a_renewal_renews_its_device_as_long_as_that_is_enrolled(void **state)
{
	struct mint order = {"c1", "UDID-1", world.now + HOUR_S, "UDID-1"};
	struct ask first = {.challenge = "c1"};
	struct ask removed = {.challenge = "c2", .transaction = "t2", .key = "k2"};
	int64_t id = 0;

	(void)state;
	world_write(&world, add_device, &id);
	world_set_state(&world, "UDID-1", ENROLLMENT_ENROLLED);
	world_write(&world, mint_run, &order);
	assert_int_equal(ask(&first), SCEP_NOT_REFUSED);
	assert_int_equal(first.decision.issued.renewal_of, id);
	assert_string_equal(first.decision.issued_for, "UDID-1");
	order.challenge = "c2";
	world_write(&world, mint_run, &order);
	for (int i = ENROLLMENT_REMOVAL_ORDERED; i <= ENROLLMENT_CHECKED_OUT; i++) {
		world_set_state(&world, "UDID-1", (enum enrollment_state)i);
		assert_int_equal(ask(&removed), SCEP_REFUSED_EXPIRED_CHALLENGE);
	}
}

static void the_next_identity_is_known_to_have_come_with_the_same_profile(void **state)
{
	struct ask first = {.challenge = "c1"};
	struct ask renewal = {.kind = SCEP_RENEWAL_REQ,
		.key = "new",
		.transaction = "t2",
		.is_signed_by_another_key = true};
	char name[32];

	(void)state;
	mint("c1", "D");
	assert_int_equal(ask(&first), SCEP_NOT_REFUSED);
	(void)snprintf(name, sizeof(name), "issued %d", issued_count);
	renewal.signer = name;
	assert_int_equal(ask(&renewal), SCEP_NOT_REFUSED);
	assert_int_equal(world_look(&world,
																			"SELECT count(*) FROM identity_profile WHERE identifier = 'org.example'"),
		2);
}

static void a_poll_for_what_was_never_asked_finds_nothing(void **state)
{
	struct ask poll = {.kind = SCEP_CERT_POLL, .transaction = "never"};

	(void)state;
	assert_int_equal(ask(&poll), SCEP_REFUSED_NOT_FOUND);
	assert_int_equal(scep_refusal_fail(SCEP_REFUSED_NOT_FOUND), SCEP_BAD_CERT_ID);
}

/* --- by a link */

static struct invitation_new link_of_one = {.uses_max = 1};
static uint8_t link_digest[SHA256_BYTES];
static int64_t link_id;

static enum rc open_link_run(void *ctx, struct txn *txn, struct err *err)
{
	(void)ctx;
	return invitation_add(txn, &link_of_one, &link_id, err);
}

static enum rc mint_by_link_run(void *ctx, struct txn *txn, struct err *err)
{
	uint8_t digest[SHA256_BYTES];
	int64_t id;
	const struct intent_new intent = {.way = INTENT_PROFILE,
		.challenge_sha256 = digest,
		.invitation_id = link_id,
		.expires_at = world.now + HOUR_S};

	sha256(slice_of_str(ctx), digest);
	return intent_add(txn, &intent, &id, err);
}

static enum rc revoke_link_run(void *ctx, struct txn *txn, struct err *err)
{
	(void)ctx;
	return invitation_revoke(txn, link_id, err);
}

/* A link with so many uses and the challenges "a" and "b". */
static void open_link(int64_t uses_max)
{
	char a[] = "a";
	char b[] = "b";

	link_of_one.token_sha256 = link_digest;
	link_of_one.uses_max = uses_max;
	link_of_one.expires_at = world.now + HOUR_S;
	world_write(&world, open_link_run, NULL);
	world_write(&world, mint_by_link_run, a);
	world_write(&world, mint_by_link_run, b);
}

static enum scep_refusal ask_by(const char *challenge, const char *key, const char *transaction)
{
	struct ask order = {.kind = SCEP_PKCS_REQ,
		.challenge = challenge,
		.key = key,
		.transaction = transaction};

	return ask(&order);
}

static void a_link_for_one_is_used_by_one_whoever_else_has_downloaded(void **state)
{
	(void)state;
	open_link(1);
	assert_int_equal(ask_by("a", "k1", "t1"), SCEP_NOT_REFUSED);
	assert_int_equal(ask_by("b", "k2", "t2"), SCEP_REFUSED_CLOSED_LINK);
	assert_int_equal(ask_by("a", "k1", "t3"), SCEP_NOT_REFUSED); /* its answer was lost */
	assert_int_equal(ask_by("a", "k3", "t4"), SCEP_REFUSED_USED_CHALLENGE);
}

static void a_link_for_two_is_used_by_two(void **state)
{
	(void)state;
	open_link(2);
	assert_int_equal(ask_by("a", "k1", "t1"), SCEP_NOT_REFUSED);
	assert_int_equal(ask_by("b", "k2", "t2"), SCEP_NOT_REFUSED);
}

static void a_link_that_is_withdrawn_gets_nobody_in(void **state)
{
	(void)state;
	open_link(2);
	assert_int_equal(ask_by("a", "k1", "t1"), SCEP_NOT_REFUSED);
	world_write(&world, revoke_link_run, NULL);
	assert_int_equal(ask_by("b", "k2", "t2"), SCEP_REFUSED_CLOSED_LINK);
	assert_int_equal(ask_by("a", "k1", "t3"), SCEP_NOT_REFUSED); /* it is in already */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)
		IN_WORLD(a_challenge_works_once_and_for_its_device),
		IN_WORLD(the_same_key_gets_its_certificate_again_while_the_grace_lasts),
		IN_WORLD(the_same_transaction_of_the_same_key_gets_the_same_certificate),
		IN_WORLD(a_revoked_certificate_is_not_given_again),
		IN_WORLD(what_is_no_challenge_of_ours_is_refused),
		IN_WORLD(a_static_challenge_works_for_everybody),
		IN_WORLD(a_renewal_needs_no_challenge_but_a_certificate_of_ours),
		IN_WORLD(a_renewal_that_keeps_the_key_gets_a_new_certificate),
		IN_WORLD(a_renewal_by_a_certificate_that_is_revoked_or_at_its_end_is_refused),
		IN_WORLD(the_present_certificate_renews_its_device_and_a_former_one_does_not),
		IN_WORLD(what_is_no_devices_in_particular_is_renewed_when_a_device_has_enrolled_with_it),
		IN_WORLD(a_device_has_as_many_renewals_that_it_does_not_use_as_the_limit_and_no_more),
		IN_WORLD(what_others_have_does_not_bar_a_pin_but_its_own_do),
		IN_WORLD(a_challenge_of_a_renewal_is_none_when_its_pin_is_revoked),
		IN_WORLD(the_challenge_of_a_renewal_renews_its_device_as_long_as_that_is_enrolled),
		IN_WORLD(the_next_identity_is_known_to_have_come_with_the_same_profile),
		IN_WORLD(a_poll_for_what_was_never_asked_finds_nothing),
		IN_WORLD(a_link_for_one_is_used_by_one_whoever_else_has_downloaded),
		IN_WORLD(a_link_for_two_is_used_by_two),
		IN_WORLD(a_link_that_is_withdrawn_gets_nobody_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
