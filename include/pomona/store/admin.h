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

enum { API_TOKEN_NAME_BYTES_MAX = 64 };

/* RC_EXISTS: a live token has that name. */
enum rc api_token_add(struct txn *txn, const char *name, const uint8_t hash[static SHA256_BYTES],
	struct err *err) MUST_USE;
/* RC_NOT_FOUND where it is unknown or revoked. The name is copied into the arena. */
enum rc api_token_find(struct txn *txn, const uint8_t hash[static SHA256_BYTES],
	struct arena *arena, const char **name_r, struct err *err) MUST_USE;
enum rc api_token_revoke(struct txn *txn, const char *name, struct err *err) MUST_USE;
struct api_token_view {
	const char *name;
	int64_t created_at, revoked_at;
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

/* Every 401 that ends a device's management is written down before it is given. */
enum rc unenrollment_record(struct txn *txn, struct slice device_id, bool is_automatic,
	const uint8_t identity_sha256[static SHA256_BYTES], struct err *err) MUST_USE;
enum rc unenrollment_count_automatic(struct txn *txn, int64_t since, int64_t *count_r,
	struct err *err) MUST_USE;

#endif
