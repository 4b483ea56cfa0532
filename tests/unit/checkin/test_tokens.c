/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/plist/plist.h"
#include "pomona/store/escrow.h"
#include "talk.h"

#define D TALK_UDID("D")
#define U TALK_USER("D", "U")
#define UPDATE \
	TALK_STR("MessageType", "TokenUpdate") \
	TALK_STR("Topic", "t") TALK_STR("PushMagic", "m") "<key>Token</key><data>AAEC</data>"
#define UNLOCK(base64) "<key>UnlockToken</key><data>" base64 "</data>"
#define SET TALK_STR("MessageType", "SetBootstrapToken")
#define GET TALK_STR("MessageType", "GetBootstrapToken")
#define TOKEN(base64) "<key>BootstrapToken</key><data>" base64 "</data>"
#define USER_AUTHENTICATE TALK_STR("MessageType", "UserAuthenticate")

static struct credential a, b;

static int setup(void **state)
{
	a = world_credential("a");
	b = world_credential("b");
	return talk_setup(state);
}

struct escrowed {
	enum escrow_kind kind;
	char text[64]; /* "" where there is none */
};

static enum rc look(void *ctx, struct txn *txn, struct err *err)
{
	AUTO(buf_fini) struct buf secret = {0};
	struct escrowed *escrowed = ctx;
	struct enrollment device;
	enum rc rc = enrollment_find(txn, SLICE_LITERAL("D"), &device, err);

	buf_init(&secret, ESCROW_BYTES_MAX);
	if (rc == RC_OK)
		rc = escrow_get(txn, device.id, escrowed->kind, &secret, err);
	assert_true(secret.len < sizeof(escrowed->text));
	memset(escrowed->text, 0, sizeof(escrowed->text));
	if (secret.len != 0)
		memcpy(escrowed->text, secret.ptr, secret.len);
	return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static void check_escrow(struct talk *talk, enum escrow_kind kind, const char *want)
{
	struct escrowed escrowed = {.kind = kind};

	world_write(&talk->world, look, &escrowed);
	assert_string_equal(escrowed.text, want);
}

static void a_token_update_without_an_unlock_token_keeps_the_stored_one(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(talk_authenticate(talk, &a, D), 200);
	assert_int_equal(talk_checkin(talk, &a, UPDATE UNLOCK("b25l") D), 200);
	check_escrow(talk, ESCROW_UNLOCK_TOKEN, "one");
	assert_int_equal(talk_checkin(talk, &a, UPDATE D), 200);
	check_escrow(talk, ESCROW_UNLOCK_TOKEN, "one");
	assert_int_equal(talk_checkin(talk, &a, UPDATE UNLOCK("") D), 200);
	check_escrow(talk, ESCROW_UNLOCK_TOKEN, "one");
	talk->world.now += 1;
	assert_int_equal(talk_checkin(talk, &a, UPDATE UNLOCK("dHdv") D), 200);
	check_escrow(talk, ESCROW_UNLOCK_TOKEN, "two");
}

static void enrolling_anew_archives_escrow_and_a_renewal_keeps_it(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(talk_authenticate(talk, &a, D), 200);
	assert_int_equal(talk_checkin(talk, &a, UPDATE UNLOCK("b25l") D), 200);
	assert_int_equal(talk_checkin(talk, &a, SET TOKEN("Ym9vdA==") D), 200);
	world_issue(&talk->world, &b, "", "D");
	assert_int_equal(talk_authenticate(talk, &b, D), 200);
	assert_int_equal(talk_checkin(talk, &b, UPDATE D), 200);
	check_escrow(talk, ESCROW_UNLOCK_TOKEN, "one");
	check_escrow(talk, ESCROW_BOOTSTRAP_TOKEN, "boot");
	assert_int_equal(talk_authenticate(talk, &b, D), 200);
	check_escrow(talk, ESCROW_UNLOCK_TOKEN, "one");
	assert_int_equal(talk_checkin(talk, &b, UPDATE D), 200);
	check_escrow(talk, ESCROW_UNLOCK_TOKEN, "");
	check_escrow(talk, ESCROW_BOOTSTRAP_TOKEN, "");
}

static void an_ended_device_keeps_its_escrow(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(talk_authenticate(talk, &a, D), 200);
	assert_int_equal(talk_checkin(talk, &a, UPDATE UNLOCK("b25l") D), 200);
	world_set_state(&talk->world, "D", ENROLLMENT_REMOVAL_ORDERED);
	assert_int_equal(talk_idle(talk, &a, D), 401);
	check_escrow(talk, ESCROW_UNLOCK_TOKEN, "one");
}

static void check_served(struct talk *talk, const char *want)
{
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;

	assert_int_equal(talk_checkin(talk, &a, GET D), 200);
	if (want == NULL) {
		assert_int_equal(talk->outcome.body.len, 0);
		assert_null(talk->outcome.content_type);
		return;
	}
	assert_int_equal(plist_parse(buf_slice(&talk->outcome.body), &doc, &talk->err), RC_OK);
	assert_true(slice_is_str(plist_data(plist_dict_get(plist_root(doc), "BootstrapToken")), want));
}

static void a_bootstrap_token_is_kept_given_back_and_deleted(void **state)
{
	static const char *const deletions[] = {SET D, SET TOKEN("") D};
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	check_served(talk, NULL);
	for (size_t i = 0; i < COUNT_OF(deletions); i++) {
		assert_int_equal(talk_checkin(talk, &a, SET TOKEN("b25l") D), 200);
		assert_string_equal(talk->outcome.event, "bootstrap_token_set");
		check_served(talk, "one");
		talk->world.now += 1;
		assert_int_equal(talk_checkin(talk, &a, SET TOKEN("dHdv") D), 200);
		check_served(talk, "two");
		assert_int_equal(talk_checkin(talk, &a, deletions[i]), 200);
		assert_string_equal(talk->outcome.event, "bootstrap_token_deleted");
		check_served(talk, NULL);
		assert_int_equal(talk_checkin(talk, &a, deletions[i]), 200);
		talk->world.now += 1;
	}
}

static void a_bootstrap_token_at_its_limit_comes_back_whole(void **state)
{
	static uint8_t raw[ESCROW_BYTES_MAX];
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	struct talk *talk = *state;
	struct buf keys;

	memset(raw, 'x', sizeof(raw));
	talk_enroll(talk, &a, D);
	buf_init(&keys, 1 << 20);
	buf_append_str(&keys, SET D "<key>BootstrapToken</key><data>");
	base64_encode(slice_of(raw, sizeof(raw)), &keys);
	buf_append_str(&keys, "</data>");
	assert_int_equal(talk_checkin(talk, &a, buf_cstr(&keys)), 200);
	buf_fini(&keys);
	assert_int_equal(talk_checkin(talk, &a, GET D), 200);
	assert_int_equal(plist_parse(buf_slice(&talk->outcome.body), &doc, &talk->err), RC_OK);
	assert_true(slice_is_equal(plist_data(plist_dict_get(plist_root(doc), "BootstrapToken")),
		slice_of(raw, sizeof(raw))));
}

static void only_the_pinned_enrolled_device_has_its_bootstrap_token(void **state)
{
	struct talk *talk = *state;

	assert_int_equal(talk_authenticate(talk, &a, D), 200);
	assert_int_equal(talk_checkin(talk, &a, SET TOKEN("b25l") D), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_NOT_ENROLLED_YET);
	assert_int_equal(talk_token_update(talk, &a, D), 200);
	assert_int_equal(talk_checkin(talk, &a, SET TOKEN("b25l") D), 200);
	assert_int_equal(talk_authenticate(talk, &b, D), 200);
	assert_int_equal(talk_checkin(talk, &b, GET D), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_NOT_ENROLLED_YET);
	assert_int_equal(talk_token_update(talk, &b, D), 200);
	assert_int_equal(talk_checkin(talk, &a, GET D), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_SUPERSEDED);
}

static void users_are_not_managed_by_default(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	assert_int_equal(talk_checkin(talk, &a, USER_AUTHENTICATE U), 410);
	assert_int_equal(talk->outcome.refusal, REFUSAL_USER_NOT_MANAGED);
	assert_int_equal(talk_checkin(talk, &a, USER_AUTHENTICATE U TALK_STR("DigestResponse", "x")), 410);
}

static void users_are_given_an_empty_challenge_where_the_conf_says_so(void **state)
{
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	struct talk *talk = *state;
	const struct plist_node *challenge;

	talk->policy.user_authenticate = USER_AUTHENTICATE_EMPTY;
	talk_enroll(talk, &a, D);
	assert_int_equal(talk_checkin(talk, &a, USER_AUTHENTICATE U), 200);
	assert_int_equal(plist_parse(buf_slice(&talk->outcome.body), &doc, &talk->err), RC_OK);
	challenge = plist_dict_get(plist_root(doc), "DigestChallenge");
	assert_non_null(challenge);
	assert_int_equal(plist_kind(challenge), PLIST_KIND_STRING);
	assert_int_equal(plist_string(challenge).len, 0);
	assert_int_equal(talk_checkin(talk, &a, USER_AUTHENTICATE U TALK_STR("DigestResponse", "x")), 200);
	assert_int_equal(talk->outcome.body.len, 0);
	assert_int_equal(talk_checkin(talk, &a, USER_AUTHENTICATE U TALK_STR("DigestResponse", "")), 200);
	assert_int_equal(talk->outcome.body.len, 0);
}

#define AWAITING(fact) "<key>AwaitingConfiguration</key><" fact "/>"

/* Apple's default is false: a device that says nothing waits for nothing. */
static void a_device_waits_for_its_configuration_while_it_says_so(void **state)
{
	static const struct {
		const char *keys;
		bool is_waiting;
	} cases[] = {
		{UPDATE D, false},
		{UPDATE AWAITING("true") D, true},
		{UPDATE AWAITING("false") D, false},
		{UPDATE AWAITING("true") D, true},
		{UPDATE D, false},
	};
	struct talk *talk = *state;
	struct enrollment device;

	assert_int_equal(talk_authenticate(talk, &a, D), 200);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(talk_checkin(talk, &a, cases[i].keys), 200);
		assert_true(world_find(&talk->world, "D", &device));
		assert_int_equal(device.is_awaiting_configuration, cases[i].is_waiting);
	}
}

/* A device that sends token after token fills no disk, and one that sends the same again pushes no old one out. */
static void old_escrow_is_kept_up_to_a_limit(void **state)
{
	static const char old[] = "SELECT count(*) FROM escrow WHERE archived_at > 0";
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	for (int i = 0; i < 3; i++)
		assert_int_equal(talk_checkin(talk, &a, SET TOKEN("c2FtZQ==") D), 200);
	assert_int_equal(world_look(&talk->world, old), 0);
	for (int i = 0; i < ESCROW_ARCHIVED_MAX + 3; i++) {
		char keys[512];

		snprintf(keys, sizeof(keys), SET D "<key>BootstrapToken</key><data>AAA%c</data>", 'A' + i);
		assert_int_equal(talk_checkin(talk, &a, keys), 200);
		assert_int_equal(talk_checkin(talk, &a, UPDATE UNLOCK("b25l") D), 200);
		assert_int_equal(world_look(&talk->world, old),
			i < ESCROW_ARCHIVED_MAX ? i + 1 : ESCROW_ARCHIVED_MAX);
	}
	check_escrow(talk, ESCROW_UNLOCK_TOKEN, "one");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, talk_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_token_update_without_an_unlock_token_keeps_the_stored_one),
		TEST(enrolling_anew_archives_escrow_and_a_renewal_keeps_it),
		TEST(an_ended_device_keeps_its_escrow),
		TEST(a_bootstrap_token_is_kept_given_back_and_deleted),
		TEST(a_bootstrap_token_at_its_limit_comes_back_whole),
		TEST(only_the_pinned_enrolled_device_has_its_bootstrap_token),
		TEST(a_device_waits_for_its_configuration_while_it_says_so),
		TEST(old_escrow_is_kept_up_to_a_limit),
		TEST(users_are_not_managed_by_default),
		TEST(users_are_given_an_empty_challenge_where_the_conf_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
