/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "pomona/plist/plist.h"
#include "talk.h"

#define D TALK_UDID("D")
#define U TALK_USER("D", "U")
#define ADA U TALK_STR("UserShortName", "ada")
#define V TALK_USER("D", "V") TALK_STR("UserShortName", "ada")
#define SHARED \
	TALK_USER("D", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF") TALK_STR("UserShortName", "ada")
#define USER_AUTHENTICATE TALK_STR("MessageType", "UserAuthenticate")

enum { TEXT_BYTES = 1024 };

static struct credential a;
static char nonce[TEXT_BYTES];

static int setup(void **state)
{
	int rc = talk_setup(state);
	struct talk *talk = *state;

	a = world_credential("a");
	talk->policy.user_authenticate = USER_AUTHENTICATE_DIGEST;
	talk->directory_verdict = USER_GOOD;
	return rc;
}

/* The text of one key in the latest reply. */
static void reply_text(struct talk *talk, const char *key, char out[static TEXT_BYTES])
{
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	const struct plist_node *node;

	assert_int_equal(plist_parse(buf_slice(&talk->outcome.body), &doc, &talk->err), RC_OK);
	node = plist_dict_get(plist_root(doc), key);
	assert_non_null(node);
	snprintf(out, TEXT_BYTES, "%.*s", SLICE_FMT(plist_string(node)));
}

static void ask_challenge(struct talk *talk, const char *id)
{
	char keys[TEXT_BYTES];
	char text[TEXT_BYTES];

	snprintf(keys, sizeof(keys), USER_AUTHENTICATE "%s", id);
	assert_int_equal(talk_checkin(talk, &a, keys), 200);
	assert_string_equal(talk->outcome.event, "user_challenged");
	reply_text(talk, "DigestChallenge", text);
	assert_int_equal(sscanf(text,
																			"Digest realm=\"r\", nonce=\"%64[0-9a-f]\", algorithm=MD5, qop=\"auth\"", nonce),
		1);
	assert_int_equal(strlen(nonce), 64);
}

/* Gives the AuthToken; borrowed until the next. What the directory says is talk->directory_verdict. */
static const char *answer_with(struct talk *talk, const char *id, const char *text,
	const char *event)
{
	static char token[TEXT_BYTES];
	char keys[4 * TEXT_BYTES];

	snprintf(keys, sizeof(keys), USER_AUTHENTICATE TALK_STR("DigestResponse", "%s") "%s", text, id);
	assert_int_equal(talk_checkin(talk, &a, keys), 200);
	assert_string_equal(talk->outcome.event, event);
	reply_text(talk, "AuthToken", token);
	return token;
}

static const char *answer(struct talk *talk, const char *id, const char *name, const char *event)
{
	char text[2 * TEXT_BYTES];

	snprintf(text, sizeof(text),
		"username=%s, realm=r, nonce=%s, uri=/, response=00000000000000000000000000000000", name, nonce);
	return answer_with(talk, id, text, event);
}

static unsigned say(struct talk *talk, const char *token)
{
	char keys[TEXT_BYTES];

	snprintf(keys, sizeof(keys), ADA TALK_STR("AuthToken", "%s"), token);
	return talk_token_update(talk, &a, keys);
}

static void who_was_asked_says_nothing_without_the_token(void **state)
{
	struct talk *talk = *state;
	char token[TEXT_BYTES];
	char keys[2 * TEXT_BYTES];

	talk_enroll(talk, &a, D);
	assert_int_equal(talk_token_update(talk, &a, ADA), 200); /* not asked yet */
	ask_challenge(talk, ADA);
	assert_int_equal(talk_token_update(talk, &a, ADA), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_USER_NOT_AUTHENTICATED);
	assert_int_equal(talk_idle(talk, &a, ADA), 403);
	assert_int_equal(talk_answer(talk, &a, ADA, "x", "Acknowledged"), 403);
	assert_int_equal(talk_check_out(talk, &a, ADA), 403);
	snprintf(token, sizeof(token), "%s", answer(talk, ADA, "ada", "user_logged_in"));
	assert_int_equal(strlen(token), 64);
	assert_int_equal(say(talk, token), 200);
	snprintf(keys, sizeof(keys), ADA TALK_STR("AuthToken", "%s"), token);
	assert_int_equal(talk_idle(talk, &a, keys), 200);
	token[0] = token[0] == '0' ? '1' : '0';
	assert_int_equal(say(talk, token), 403);
	assert_int_equal(say(talk, ""), 403);
	assert_int_equal(talk_idle(talk, &a, D), 200);
	assert_int_equal(talk_token_update(talk, &a, SHARED), 200);
}

static void every_verdict_but_one_gives_an_empty_token(void **state)
{
	static const char *const events[] = {
		[USER_WRONG] = "user_login_wrong",
		[USER_UNKNOWN] = "user_login_unknown_user",
		[USER_OTHER_REALM] = "user_login_other_realm",
		[USER_LIMITED] = "user_login_limited",
		[USER_UNAVAILABLE] = "user_login_unavailable",
	};
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	for (size_t i = USER_WRONG; i < COUNT_OF(events); i++) {
		ask_challenge(talk, ADA);
		talk->directory_verdict = (enum user_verdict)i;
		assert_string_equal(answer(talk, ADA, "ada", events[i]), "");
		assert_int_equal(say(talk, ""), 403);
	}
}

static void a_challenge_is_spent_by_any_answer(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	ask_challenge(talk, ADA);
	assert_string_equal(answer_with(talk, ADA, "garbage", "user_login_garbled"), "");
	assert_string_equal(answer(talk, ADA, "ada", "user_login_stale"), "");
	ask_challenge(talk, ADA);
	assert_string_equal(answer(talk, ADA, "eve", "user_login_garbled"),
		""); /* not the user of this login */
	assert_string_equal(answer(talk, ADA, "ada", "user_login_stale"), "");
	ask_challenge(talk, ADA);
	assert_int_equal(strlen(answer(talk, ADA, "ada", "user_logged_in")), 64);
	assert_string_equal(answer(talk, ADA, "ada", "user_login_stale"), "");
}

static void a_challenge_is_of_one_user_and_for_a_while(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	assert_string_equal(answer(talk, ADA, "ada", "user_login_stale"), ""); /* none was given */
	ask_challenge(talk, V);
	ask_challenge(talk, ADA);
	assert_string_equal(answer(talk, V, "ada", "user_login_stale"), "");
	talk->world.now += CHECKIN_CHALLENGE_S - 1;
	assert_int_equal(strlen(answer(talk, ADA, "ada", "user_logged_in")), 64);
	ask_challenge(talk, ADA);
	talk->world.now += CHECKIN_CHALLENGE_S;
	assert_string_equal(answer(talk, ADA, "ada", "user_login_stale"), "");
}

/* How often the directory is asked where `who` answers the challenge that D's user has. */
static int asked_by(struct talk *talk, const struct credential *who, const char *id,
	unsigned status)
{
	char keys[2 * TEXT_BYTES];
	const int before = talk->asked;

	snprintf(keys, sizeof(keys),
		USER_AUTHENTICATE TALK_STR("DigestResponse",
			"username=ada, realm=r, nonce=%s, uri=/, response=00000000000000000000000000000000") "%s",
		nonce, id);
	assert_int_equal(talk_checkin(talk, who, keys), status);
	return talk->asked - before;
}

static void the_directory_is_asked_for_nobody_but_an_enrolled_device_with_an_open_challenge(
	void **state)
{
	struct talk *talk = *state;
	const struct credential stranger = world_credential("b");

	talk_enroll(talk, &a, D);
	snprintf(nonce, sizeof(nonce), "0");
	assert_int_equal(asked_by(talk, &a, ADA, 200), 0); /* none was given */
	ask_challenge(talk, ADA);
	assert_int_equal(asked_by(talk, &stranger, ADA, 403), 0);
	assert_int_equal(asked_by(talk, &a, V, 200), 0); /* it is another user's */
	talk->world.now += CHECKIN_CHALLENGE_S;
	assert_int_equal(asked_by(talk, &a, ADA, 200), 0);
	ask_challenge(talk, ADA);
	assert_int_equal(asked_by(talk, &a, ADA, 200), 1);
	assert_int_equal(asked_by(talk, &a, ADA, 200), 0); /* it was answered */
	ask_challenge(talk, ADA);
	world_revoke(&talk->world, &a);
	assert_int_equal(asked_by(talk, &a, ADA, 403), 0);
	assert_int_equal(talk->outcome.refusal, REFUSAL_REVOKED);
}

static void a_device_that_left_asks_for_nobody(void **state)
{
	struct talk *talk = *state;

	talk_enroll(talk, &a, D);
	ask_challenge(talk, ADA);
	assert_int_equal(talk_check_out(talk, &a, D), 200);
	assert_int_equal(asked_by(talk, &a, ADA, 403), 0);
}

static void a_login_ends_with_the_next_one_and_with_the_enrollment(void **state)
{
	struct talk *talk = *state;
	char token[TEXT_BYTES];

	talk_enroll(talk, &a, D);
	ask_challenge(talk, ADA);
	snprintf(token, sizeof(token), "%s", answer(talk, ADA, "ada", "user_logged_in"));
	assert_int_equal(say(talk, token), 200);
	ask_challenge(talk, ADA);
	assert_int_equal(say(talk, token), 403);
	talk->policy.user_authenticate = USER_AUTHENTICATE_EMPTY;
	assert_int_equal(talk_checkin(talk, &a, USER_AUTHENTICATE ADA), 200);
	assert_int_equal(talk_token_update(talk, &a, ADA), 200);
	talk->policy.user_authenticate = USER_AUTHENTICATE_DIGEST;
	ask_challenge(talk, ADA);
	talk_enroll(talk, &a, D);
	assert_int_equal(world_look(&talk->world, "SELECT count(*) FROM user_session"), 0);
	assert_int_equal(talk_token_update(talk, &a, ADA), 200);
}

static void no_secret_stands_in_the_database(void **state)
{
	struct talk *talk = *state;
	char sql[2 * TEXT_BYTES];
	char token[TEXT_BYTES];

	talk_enroll(talk, &a, D);
	ask_challenge(talk, ADA);
	snprintf(sql, sizeof(sql),
		"SELECT count(*) FROM user_session WHERE hex(nonce_sha256) = upper('%s')", nonce);
	assert_int_equal(world_look(&talk->world, sql), 0);
	snprintf(token, sizeof(token), "%s", answer(talk, ADA, "ada", "user_logged_in"));
	snprintf(sql, sizeof(sql),
		"SELECT count(*) FROM user_session WHERE hex(token_sha256) = upper('%s')", token);
	assert_int_equal(world_look(&talk->world, sql), 0);
	assert_int_equal(
		world_look(&talk->world,
			"SELECT count(*) FROM user_session WHERE user_name = 'ada' AND nonce_sha256 IS NULL"),
		1);
}

static void a_device_that_makes_users_up_is_stopped(void **state)
{
	struct talk *talk = *state;
	char keys[TEXT_BYTES];

	talk_enroll(talk, &a, D);
	for (int i = 0; i < CHECKIN_USERS_MAX; i++) {
		snprintf(keys, sizeof(keys), USER_AUTHENTICATE D TALK_STR("UserID", "U%d"), i);
		assert_int_equal(talk_checkin(talk, &a, keys), 200);
	}
	assert_int_equal(talk_checkin(talk, &a, USER_AUTHENTICATE ADA), 403);
	assert_int_equal(talk->outcome.refusal, REFUSAL_TOO_MANY_USERS);
	assert_int_equal(talk_checkin(talk, &a, keys), 200);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, talk_teardown)
	const struct CMUnitTest tests[] = {
		TEST(who_was_asked_says_nothing_without_the_token),
		TEST(every_verdict_but_one_gives_an_empty_token),
		TEST(a_challenge_is_spent_by_any_answer),
		TEST(a_challenge_is_of_one_user_and_for_a_while),
		TEST(the_directory_is_asked_for_nobody_but_an_enrolled_device_with_an_open_challenge),
		TEST(a_device_that_left_asks_for_nobody),
		TEST(a_login_ends_with_the_next_one_and_with_the_enrollment),
		TEST(no_secret_stands_in_the_database),
		TEST(a_device_that_makes_users_up_is_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
