/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_ACCOUNT_DECIDE_H
#define POMONA_ENROLL_ACCOUNT_DECIDE_H

/*
 * What is to become of a login with an account of the user: who may enroll as whom, and which access token gets a
 * profile. Threading: the names: any thread, pure. The rest: the thread that has the txn.
 */

#include "pomona/base/err.h"
#include "pomona/store/account.h"
#include "pomona/store/intent.h"

enum {
	ACCOUNT_LOGIN_S = 900,    /* how long the token of a login can be used for the first time */
	ACCOUNT_PROFILE_S = 3600, /* how long a device has for the identity of its profile */
};

/* Can it be a Managed Apple Account: something, '@', something, without blanks, as text that XML can carry? */
bool account_id_is_sound(struct slice managed_id);
/* What stands before its '@'. */
struct slice account_local_part(struct slice managed_id);
/* May who calls himself `user` on the login page enroll as `managed_id`? As it, or as what stands before its '@'. */
bool account_is_user_of(struct slice user, struct slice managed_id);

enum account_refusal {
	ACCOUNT_NOT_REFUSED,
	ACCOUNT_REFUSED_UNKNOWN, /* never given, replaced, or ended by an administrator */
	ACCOUNT_REFUSED_EXPIRED,
	ACCOUNT_REFUSED_USED, /* a device has enrolled with it, or it is for the other way of enrolling */
	ACCOUNT_REFUSED_MESSAGE,   /* the machine information does not do */
	ACCOUNT_REFUSED_DISCOVERY, /* asked where we are, without an account */
	ACCOUNT_REFUSED_LOGIN,     /* name or password */
	ACCOUNT_REFUSED_FORM,      /* not what our page sends */
	ACCOUNT_REFUSAL_COUNT
};
const char *account_refusal_name(enum account_refusal refusal); /* "no_token", for the log */

struct account_profile_ask {
	const uint8_t *token_sha256; /* SHA256_BYTES */
	enum account_mode mode;
	/* What the device says of itself; its identity is for it alone then. Empty: it does not. */
	struct slice device_id;
	const uint8_t *challenge_sha256; /* this and the next: of account_begin(), what is handed out */
	const struct intent_profile *profile;
};
/*
 * Does this token get a profile? *account_r says whose, and its id is 0 where there is no account of it yet. The same
 * token may ask again until an identity was issued: a reply can be lost.
 */
enum rc account_decide(struct txn *txn, const struct account_profile_ask *ask,
	enum account_refusal *refusal_r, struct account *account_r, struct err *err) MUST_USE;
/*
 * account_decide(), and where it is not refused the account is there from now on, the token is its, and the challenge
 * gets a device's identity, this one alone. account_r->id is set.
 */
enum rc account_begin(struct txn *txn, const struct account_profile_ask *ask,
	enum account_refusal *refusal_r, struct account *account_r, struct err *err) MUST_USE;

#endif
