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
#include "pomona/identity/claim.h"
#include "pomona/identity/outcome.h"
#include "pomona/identity/sender.h"
#include "pomona/identity/unenroll.h"
#include "pomona/store/enrollment.h"

/*
 * User channels of one device, those that ended included. A Mac of a school sees many users; a device that makes
 * them up must not fill the database.
 */
enum { CHECKIN_USERS_MAX = 1000 };

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
};

struct checkin_policy {
	struct unenroll_policy unenroll;
	bool is_user_authenticate_gone; /* 410, else a zero-length DigestChallenge */
};

/*
 * RC_INVALID names the key or the unknown MessageType; RC_UNSUPPORTED: recognised, not offered. What could be
 * read before the fault is in *message_r then: type (CHECKIN_TYPE_COUNT: unknown), claim.
 */
enum rc checkin_read(struct slice raw, struct arena *arena, struct checkin_message *message_r,
	struct err *err) MUST_USE;

enum rc checkin_decide(struct txn *txn, const struct checkin_policy *policy,
	const struct credential *credential, const struct checkin_message *message,
	struct outcome *outcome, struct err *err) MUST_USE;

#endif
