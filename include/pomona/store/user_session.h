/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_USER_SESSION_H
#define POMONA_STORE_USER_SESSION_H

/*
 * Logins of users through their device: the challenge that is open, the token that was given for it. Both are kept
 * as digests. Threading: the thread that has the txn.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/err.h"
#include "pomona/pki/cert.h"
#include "pomona/store/store.h"

enum { USER_SESSION_NAME_BYTES_MAX = 255 };

struct user_session {
	bool has_nonce, has_token;
	uint8_t nonce_sha256[SHA256_BYTES];
	int64_t nonce_expires_at;
	uint8_t token_sha256[SHA256_BYTES];
	char user_name[USER_SESSION_NAME_BYTES_MAX + 1];
	int64_t authenticated_at; /* 0: never */
};

/* RC_NOT_FOUND: this user was never asked to log in. */
enum rc user_session_find(struct txn *txn, struct slice ext_id, struct user_session *session_r,
	struct err *err) MUST_USE;
/* Of the device, whoever they are. */
enum rc user_session_count(struct txn *txn, int64_t device_id, int64_t *count_r, struct err *err)
	MUST_USE;
/* A new challenge; an earlier one, and the token, are good no more. */
enum rc user_session_challenge(struct txn *txn, struct slice ext_id, int64_t device_id,
	const uint8_t nonce_sha256[static SHA256_BYTES], int64_t expires_at, struct err *err) MUST_USE;
/* The challenge was answered, rightly or not: it is good no more. */
enum rc user_session_spend(struct txn *txn, struct slice ext_id, struct err *err) MUST_USE;
enum rc user_session_begin(struct txn *txn, struct slice ext_id, struct slice user_name,
	const uint8_t token_sha256[static SHA256_BYTES], struct err *err) MUST_USE;
/* From now on nothing is asked of this user. */
enum rc user_session_drop(struct txn *txn, struct slice ext_id, struct err *err) MUST_USE;

#endif
