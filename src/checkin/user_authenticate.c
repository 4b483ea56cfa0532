/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "pomona/base/rand.h"
#include "pomona/store/user_session.h"

enum { CHALLENGE_BYTES_MAX = 1024, SECRET_BYTES = 32, SECRET_TEXT_BYTES = 2 * SECRET_BYTES + 1 };

/* Which of them the client computes with, no reference says. */
static const char *const methods[] = {"PUT", "POST", "GET", "AUTHENTICATE"};

bool checkin_user_question(const struct checkin_policy *policy, struct checkin_message *message,
	struct checkin_question *question_r, struct arena *arena)
{
	const struct claim *claim = &message->claim;

	if (message->type != CHECKIN_USER_AUTHENTICATE || !message->has_digest_response ||
		policy->user_authenticate != USER_AUTHENTICATE_DIGEST)
		return false;
	if (digest_answer_read(message->digest_response, arena, &question_r->answer, NULL) != RC_OK)
		return false;
	/* Where the device names the user, it is this one that must know the password. */
	if (claim->user_short_name.len > 0 &&
		!slice_is_equal(claim->user_short_name, question_r->answer.username))
		return false;
	question_r->query = (struct user_query){
		.name = question_r->answer.username,
		.digest = &question_r->answer,
		.realm = slice_of_str(policy->realm),
		.methods = methods,
		.method_count = COUNT_OF(methods),
	};
	message->login = (struct checkin_login){
		.is_read = true,
		.nonce = question_r->answer.nonce,
		.user_name = question_r->answer.username,
	};
	return true;
}

static bool is_of_challenge(const struct checkin_login *login, const struct user_session *session,
	int64_t now)
{
	uint8_t digest[SHA256_BYTES];

	sha256(login->nonce, digest);
	return session->has_nonce && now < session->nonce_expires_at &&
		slice_is_equal_consttime(slice_of(digest, SHA256_BYTES),
			slice_of(session->nonce_sha256, SHA256_BYTES));
}

enum rc checkin_user_may_ask(struct txn *txn, const struct credential *credential,
	const struct checkin_message *message, bool *may_ask_r, struct err *err)
{
	struct user_session session;
	struct sender sender;
	enum rc rc = sender_establish(txn, credential, &message->claim, &sender, err);

	*may_ask_r = false;
	if (rc != RC_OK || sender.refusal != REFUSAL_NONE || sender.standing != STANDING_PINNED ||
		sender.device.state != ENROLLMENT_ENROLLED)
		return rc;
	rc = user_session_find(txn, message->claim.ext_id, &session, err);
	if (rc == RC_OK)
		*may_ask_r = is_of_challenge(&message->login, &session, txn_now(txn));
	return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static void make_secret(char text[static SECRET_TEXT_BYTES], uint8_t digest[static SHA256_BYTES])
{
	uint8_t random[SECRET_BYTES];

	rand_bytes(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		(void)snprintf(text + 2 * i, 3, "%02x", random[i]);
	explicit_bzero(random, sizeof(random));
	sha256(slice_of_str(text), digest);
}

/* Refuses (RC_OK, outcome->refusal) one user too many. */
static enum rc require_room(const struct visit *visit)
{
	struct user_session session;
	int64_t count = 0;
	enum rc rc = user_session_find(visit->txn, visit->message->claim.ext_id, &session, visit->err);

	if (rc != RC_NOT_FOUND)
		return rc;
	rc = user_session_count(visit->txn, visit->sender->device.id, &count, visit->err);
	if (rc == RC_OK && count >= CHECKIN_USERS_MAX)
		outcome_refuse(visit->outcome, REFUSAL_TOO_MANY_USERS, NULL);
	return rc;
}

static enum rc challenge(const struct visit *visit)
{
	char nonce[SECRET_TEXT_BYTES];
	char text[CHALLENGE_BYTES_MAX];
	uint8_t digest[SHA256_BYTES];
	enum rc rc = require_room(visit);

	if (rc != RC_OK || checkin_is_refused(visit))
		return rc;
	make_secret(nonce, digest);
	(void)snprintf(text, sizeof(text),
		"Digest realm=\"%s\", nonce=\"%s\", algorithm=MD5, qop=\"auth\"", visit->policy->realm, nonce);
	rc = user_session_challenge(visit->txn, visit->message->claim.ext_id, visit->sender->device.id,
		digest, txn_now(visit->txn) + CHECKIN_CHALLENGE_S, visit->err);
	visit->outcome->event = "user_challenged";
	if (rc != RC_OK)
		return rc;
	return checkin_reply(visit, "DigestChallenge", plist_new_string(slice_of_str(text)),
		CHALLENGE_BYTES_MAX);
}

/* An empty token says that the password was wrong, and is no refusal: the user may try again. */
static enum rc give_token(const struct visit *visit, const char *token)
{
	return checkin_reply(visit, "AuthToken", plist_new_string(slice_of_str(token)),
		CHALLENGE_BYTES_MAX);
}

static const char *const events[] = {
	[USER_GOOD] = "user_logged_in",
	[USER_WRONG] = "user_login_wrong",
	[USER_UNKNOWN] = "user_login_unknown_user",
	[USER_OTHER_REALM] = "user_login_other_realm",
	[USER_LIMITED] = "user_login_limited",
	[USER_UNAVAILABLE] = "user_login_unavailable",
};

static enum rc begin(const struct visit *visit)
{
	const struct checkin_message *message = visit->message;
	char token[SECRET_TEXT_BYTES];
	uint8_t digest[SHA256_BYTES];
	enum rc rc;

	make_secret(token, digest);
	rc = user_session_begin(visit->txn, message->claim.ext_id, message->login.user_name, digest,
		visit->err);
	if (rc == RC_OK)
		rc = give_token(visit, token);
	explicit_bzero(token, sizeof(token));
	return rc;
}

/* Whatever came of it, a challenge is good for one answer. */
static enum rc take_answer(const struct visit *visit)
{
	const struct checkin_login *login = &visit->message->login;
	const int64_t now = txn_now(visit->txn);
	struct user_session session = {.has_nonce = false};
	enum rc rc = user_session_find(visit->txn, visit->message->claim.ext_id, &session, visit->err);

	if (rc == RC_NOT_FOUND ||
		(rc == RC_OK && login->is_read && (!login->is_asked || !is_of_challenge(login, &session, now)))) {
		visit->outcome->event = "user_login_stale";
		return give_token(visit, "");
	}
	if (rc == RC_OK)
		rc = user_session_spend(visit->txn, visit->message->claim.ext_id, visit->err);
	if (rc != RC_OK)
		return rc;
	visit->outcome->event = login->is_read ? events[login->verdict] : "user_login_garbled";
	if (!login->is_read || login->verdict != USER_GOOD)
		return give_token(visit, "");
	return begin(visit);
}

static enum rc decide_digest(const struct visit *visit)
{
	return visit->message->has_digest_response ? take_answer(visit) : challenge(visit);
}

/* A zero-length challenge says that no password is asked for; a second message may still come. */
static enum rc decide_empty(const struct visit *visit)
{
	enum rc rc = user_session_drop(visit->txn, visit->message->claim.ext_id, visit->err);

	if (rc != RC_OK || visit->message->has_digest_response)
		return rc;
	return checkin_reply(visit, "DigestChallenge", plist_new_string(slice_of_str("")),
		CHALLENGE_BYTES_MAX);
}

enum rc checkin_decide_user_authenticate(const struct visit *visit)
{
	enum rc rc = checkin_require_enrolled(visit);

	if (rc != RC_OK || checkin_is_refused(visit))
		return rc;
	if (visit->policy->user_authenticate == USER_AUTHENTICATE_GONE) {
		outcome_refuse(visit->outcome, REFUSAL_USER_NOT_MANAGED, NULL);
		return RC_OK;
	}
	rc = visit->policy->user_authenticate == USER_AUTHENTICATE_DIGEST ? decide_digest(visit)
																																																																			: decide_empty(visit);
	if (rc == RC_OK && !checkin_is_refused(visit))
		visit->outcome->channel_id = visit->sender->device.id;
	return rc;
}
