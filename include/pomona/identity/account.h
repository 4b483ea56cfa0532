/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_IDENTITY_ACCOUNT_H
#define POMONA_IDENTITY_ACCOUNT_H

/*
 * The access token of a device that enrolled with an account of its user: each message carries it in the header
 * Authorization. Which devices that are is told by the identity, which was issued for an account, and by nothing that
 * the message says. What follows from a bad one, unenroll_decide() says.
 * Threading: account_token_of_header(): any thread, pure. The rest: the thread that has the txn.
 */

#include "pomona/base/err.h"
#include "pomona/base/slice.h"
#include "pomona/identity/sender.h"
#include "pomona/store/account.h"
#include "pomona/store/store.h"

enum { ACCOUNT_TOKEN_BYTES_MAX = 256 }; /* as it is shown; ours are shorter */

/* The token of "Bearer TOKEN" (RFC 6750 2.1), borrowed; empty where it is anything else, NULL included. */
struct slice account_token_of_header(const char *authorization);

enum account_standing {
	ACCOUNT_NONE,  /* the identity was issued for no account: no token is asked for */
	ACCOUNT_GOOD,  /* its account's token */
	ACCOUNT_FRESH, /* of a login of the same user that was not used yet: to be used for this account */
	ACCOUNT_MISSING, /* no token came */
	ACCOUNT_UNKNOWN, /* never given, replaced, or ended by an administrator */
	ACCOUNT_EXPIRED,
	ACCOUNT_FOREIGN, /* another account's, or another user's */
	ACCOUNT_STANDING_COUNT
};
/* What is wrong with it, for people; NULL for the first three. */
const char *account_standing_text(enum account_standing standing);

/*
 * What a user may enroll with the identity of an account: in its mode's kind of enrollment, and no device that is somebody
 * else's, unless Apple's signature told which device it is. NULL in *text_r: he may; else why not.
 */
enum rc account_judge_enrolling(struct txn *txn, const struct claim *claim,
	const struct sender *sender, const char **text_r, struct err *err) MUST_USE;

/* How the token stands to the account that an identity was issued for (identity.account_id; 0: none). */
enum rc account_judge(struct txn *txn, int64_t account_id, struct slice token,
	enum account_standing *standing_r, struct err *err) MUST_USE;
/* Of ACCOUNT_FRESH: the former token is good no more. */
enum rc account_take(struct txn *txn, int64_t account_id, struct slice token, struct err *err)
	MUST_USE;

#endif
