/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_ADMIN_H
#define POMONA_STORE_ADMIN_H

/*
 * What administration keeps: API tokens (hashed), alarms, and the record of unenrollments.
 * Threading: the thread that has the txn.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/arena.h"
#include "pomona/base/err.h"
#include "pomona/pki/cert.h"
#include "pomona/store/store.h"

enum {
	API_TOKEN_NAME_BYTES_MAX = 64,
	API_TOKEN_MAKER_BYTES_MAX =
		API_TOKEN_NAME_BYTES_MAX + 8, /* "token:" and a name, "unix:" and a uid */
};

/* What somebody may do; each may what the one before may. The numbers are in the database. */
enum api_role { API_ROLE_NONE, API_ROLE_VIEWER, API_ROLE_OPERATOR, API_ROLE_ADMIN, API_ROLE_END };
/* "viewer"; "none" for what is no role. */
const char *api_role_name(enum api_role role);
/* API_ROLE_NONE where `name` is no role's. */
enum api_role api_role_of_name(struct slice name);

struct api_token {
	const char *name;
	enum api_role role;
	int64_t expires_at;     /* 0: never */
	const char *created_by; /* 1 to API_TOKEN_MAKER_BYTES_MAX bytes */
};
/* RC_EXISTS: a token that is not revoked has that name. */
enum rc api_token_add(struct txn *txn, const struct api_token *token,
	const uint8_t hash[static SHA256_BYTES], struct err *err) MUST_USE;
struct api_token_found {
	int64_t id;
	const char *name; /* in the arena */
	enum api_role role;
	int64_t expires_at, used_at; /* 0: never */
};
/* RC_NOT_FOUND where it is unknown or revoked. The caller looks at expires_at. */
enum rc api_token_find(struct txn *txn, const uint8_t hash[static SHA256_BYTES],
	struct arena *arena, struct api_token_found *found_r, struct err *err) MUST_USE;
/* Nothing where there is no such token. */
enum rc api_token_used(struct txn *txn, int64_t id, int64_t used_at, struct err *err) MUST_USE;
enum rc api_token_revoke(struct txn *txn, const char *name, struct err *err) MUST_USE;
struct api_token_view {
	const char *name, *created_by;
	enum api_role role;
	int64_t created_at, expires_at, used_at, revoked_at; /* 0: not, or never */
};
enum rc api_token_list(struct txn *txn, struct arena *arena, struct api_token_view **views_r,
	size_t *count_r, struct err *err) MUST_USE;

/* One row a kind and subject: raised again it counts up and moves last_at. `text` is for people. */
enum rc alarm_raise(struct txn *txn, const char *kind, struct slice subject, const char *text,
	struct err *err) MUST_USE;
struct alarm_view {
	const char *kind, *subject, *text;
	int64_t first_at, last_at, count;
};
/* The latest first. */
enum rc alarm_list(struct txn *txn, int limit, struct arena *arena, struct alarm_view **views_r,
	size_t *count_r, struct err *err) MUST_USE;
enum rc alarm_clear(struct txn *txn, const char *kind, struct slice subject, struct err *err)
	MUST_USE;
/* All of a subject that is gone; there need be none. */
enum rc alarm_clear_subject(struct txn *txn, struct slice subject, struct err *err) MUST_USE;

/* Every 401 that ends a device's management is written down before it is given. */
enum rc unenrollment_record(struct txn *txn, struct slice device_id, bool is_automatic,
	const uint8_t identity_sha256[static SHA256_BYTES], struct err *err) MUST_USE;
enum rc unenrollment_count_automatic(struct txn *txn, int64_t since, int64_t *count_r,
	struct err *err) MUST_USE;

#endif
