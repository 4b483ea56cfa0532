/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_CHECKIN_CHECKIN_H
#define POMONA_CHECKIN_CHECKIN_H

/*
 * The check-in protocol: Authenticate, TokenUpdate, CheckOut, UserAuthenticate, the bootstrap
 * token. A table of messages (checked fields, decision), one decision function a message.
 * Threading: checkin_read: any thread, pure. checkin_decide: the thread that has the txn.
 */

#include "pomona/base/arena.h"
#include "pomona/base/err.h"
#include "pomona/command/setup.h"
#include "pomona/identity/claim.h"
#include "pomona/identity/outcome.h"
#include "pomona/identity/sender.h"
#include "pomona/identity/unenroll.h"
#include "pomona/identity/user.h"
#include "pomona/store/enrollment.h"

/*
 * User channels of one device, those that ended included. A Mac of a school sees many users; a device that makes
 * them up must not fill the database.
 */
enum { CHECKIN_USERS_MAX = 1000 };

/* How long a user has for the password. */
enum { CHECKIN_CHALLENGE_S = 300 };

enum checkin_type {
	CHECKIN_AUTHENTICATE,
	CHECKIN_TOKEN_UPDATE,
	CHECKIN_CHECK_OUT,
	CHECKIN_USER_AUTHENTICATE,
	CHECKIN_SET_BOOTSTRAP_TOKEN,
	CHECKIN_GET_BOOTSTRAP_TOKEN,
	CHECKIN_DECLARATIVE_MANAGEMENT, /* recognised, not offered */
	CHECKIN_GET_TOKEN,              /* recognised, not offered */
	CHECKIN_RETURN_TO_SERVICE,      /* recognised, not offered */
	CHECKIN_TYPE_COUNT
};
const char *checkin_type_name(enum checkin_type type); /* MessageType's word */

/* A UserAuthenticate's answer, and what the user directory said of it before the message is decided. */
struct checkin_login {
	bool is_read; /* else the answer cannot be read, or is another user's */
	struct slice nonce, user_name;
	bool is_asked;             /* else it was no answer to a challenge that is open */
	enum user_verdict verdict; /* where it is asked */
};

struct checkin_message {
	enum checkin_type type;
	struct claim claim;
	struct slice raw;
	struct device_facts device; /* Authenticate */
	struct token_facts token;   /* TokenUpdate */
	struct slice unlock_token;  /* TokenUpdate; empty: not sent, keep what is stored */
	bool has_bootstrap_token;
	struct slice bootstrap_token; /* SetBootstrapToken; absent or empty deletes */
	struct slice digest_response; /* UserAuthenticate's second message; empty in the first */
	bool has_digest_response;
	struct checkin_login login; /* by checkin_user_question(), and who asks the directory */
};

enum user_authenticate {
	USER_AUTHENTICATE_GONE,  /* 410 */
	USER_AUTHENTICATE_EMPTY, /* a zero-length DigestChallenge: nothing is asked */
	USER_AUTHENTICATE_DIGEST,
};

struct checkin_policy {
	struct unenroll_policy unenroll;
	struct setup_policy setup;
	enum user_authenticate user_authenticate;
	char realm[USER_REALM_BYTES_MAX + 1]; /* of USER_AUTHENTICATE_DIGEST */
};

/*
 * RC_INVALID names the key or the unknown MessageType; RC_UNSUPPORTED: recognised, not offered. What could be
 * read before the fault is in *message_r then: type (CHECKIN_TYPE_COUNT: unknown), claim.
 */
enum rc checkin_read(struct slice raw, struct arena *arena, struct checkin_message *message_r,
	struct err *err) MUST_USE;

/* A question to the user directory, which points into itself: it must stay where it is. */
struct checkin_question {
	struct user_query query;
	struct digest_answer answer;
};
/*
 * Is there an answer to be judged by user_check_digest() before the message is decided? What it says goes to
 * message->login, whose other half is filled here; `address`, `done` and `ctx` are the caller's to fill.
 */
bool checkin_user_question(const struct checkin_policy *policy, struct checkin_message *message,
	struct checkin_question *question_r, struct arena *arena);
/*
 * May it be asked? Not for a certificate that does not do, nor without an open challenge: that would spend the user's
 * guesses. A snapshot is enough; what is not asked is decided all the same.
 */
enum rc checkin_user_may_ask(struct txn *txn, const struct credential *credential,
	const struct checkin_message *message, bool *may_ask_r, struct err *err) MUST_USE;

enum rc checkin_decide(struct txn *txn, const struct checkin_policy *policy,
	const struct credential *credential, const struct checkin_message *message,
	struct outcome *outcome, struct err *err) MUST_USE;

#endif
