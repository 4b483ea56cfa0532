/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_ACCOUNT_H
#define POMONA_STORE_ACCOUNT_H

/*
 * Devices that enrolled with an account of their user (account-driven enrollment). An account is one such enrollment
 * from its profile on; the identities that come of it name it. A login gives an access token, kept as its digest, which
 * is of no account at first, then of the one that it was used for; an account has one at a time.
 * Threading: the thread that has the txn.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/arena.h"
#include "pomona/base/err.h"
#include "pomona/pki/cert.h"
#include "pomona/store/enrollment.h"
#include "pomona/store/store.h"

enum {
	ACCOUNT_USER_BYTES_MAX = 255,    /* in the user directory */
	ACCOUNT_MANAGED_BYTES_MAX = 255, /* Managed Apple Account */
	ACCESS_TOKENS_UNUSED_MAX = 16,   /* of one user: past it the oldest goes */
};

enum account_mode { /* stored: do not renumber */
	ACCOUNT_BYOD = 1,  /* user enrollment */
	ACCOUNT_ADDE = 2,  /* device enrollment */
};
const char *account_mode_name(enum account_mode mode); /* the protocol's: "mdm-byod" */

struct account {
	int64_t id;
	enum account_mode mode;
	char user_name[ACCOUNT_USER_BYTES_MAX + 1];
	char managed_id[ACCOUNT_MANAGED_BYTES_MAX + 1];
};

/* Of the same user, mode and Managed Apple Account there may be many: each is a device. RC_LIMIT. */
enum rc account_add(struct txn *txn, const struct account *account, int64_t *id_r, struct err *err)
	MUST_USE;
enum rc account_find(struct txn *txn, int64_t id, struct account *account_r, struct err *err)
	MUST_USE;
/* With which the device enrolled that has this identity as its pin. RC_NOT_FOUND: with none. */
enum rc account_of_device(struct txn *txn, int64_t enrollment_id, struct account *account_r,
	struct err *err) MUST_USE;
/* Was an identity issued for it? Its profile has been used then. */
enum rc account_is_used(struct txn *txn, int64_t id, bool *is_used_r, struct err *err) MUST_USE;
/* What was to enroll with it and has not done so can do so no more: another profile takes its place. */
enum rc account_drop_intents(struct txn *txn, int64_t id, struct err *err) MUST_USE;

struct access_token {
	int64_t account_id; /* 0: nothing came of the login yet */
	char user_name[ACCOUNT_USER_BYTES_MAX + 1];
	char managed_id[ACCOUNT_MANAGED_BYTES_MAX + 1];
	int64_t expires_at; /* 0: never */
};
bool access_token_is_over(const struct access_token *token, int64_t now);

enum rc access_token_find(struct txn *txn, const uint8_t sha256[static SHA256_BYTES],
	struct access_token *token_r, struct err *err) MUST_USE;

struct access_token_new {
	const uint8_t *sha256; /* SHA256_BYTES */
	struct slice user_name, managed_id;
	int64_t unused_s; /* how long it can be used for the first time */
	int64_t valid_s;  /* how long it is good from then on; 0: for ever */
};
/* Of the same user's unused ones the oldest give way; what has ended anyhow goes along. */
enum rc access_token_add(struct txn *txn, const struct access_token_new *token, struct err *err)
	MUST_USE;
/* Its first use: from now on it is this account's, and the account's former one is good no more. */
enum rc access_token_use(struct txn *txn, const uint8_t sha256[static SHA256_BYTES],
	int64_t account_id, struct err *err) MUST_USE;
/* Logs a user out everywhere; the second one device. 0 where there was nothing to end. */
enum rc access_token_end_user(struct txn *txn, struct slice user_name, int64_t *count_r,
	struct err *err) MUST_USE;
/* RC_NOT_FOUND: no such device, or it enrolled without an account. */
enum rc access_token_end_device(struct txn *txn, struct slice ext_id, int64_t *count_r,
	struct err *err) MUST_USE;

struct account_view { /* strings in the arena */
	int64_t id;
	enum account_mode mode;
	const char *user_name, *managed_id;
	const char *device_ext_id; /* "": none has enrolled with it yet */
	int64_t created_at;
	bool has_token; /* else the user has to log in again */
	int64_t token_expires_at;
};
struct account_filter {
	int64_t after_id;       /* the cursor: ids greater than this, in order */
	int limit;              /* 1..1000 */
	struct slice user_name; /* empty: any */
};
enum rc account_list(struct txn *txn, const struct account_filter *filter, struct arena *arena,
	struct account_view **views_r, size_t *count_r, struct err *err) MUST_USE;

#endif
