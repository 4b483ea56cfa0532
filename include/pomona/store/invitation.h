/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_INVITATION_H
#define POMONA_STORE_INVITATION_H

/*
 * Invitations: links that get so many devices in, until their end. A use is a device that got its identity; what was
 * only looked at or downloaded is none, but downloads have a bound of their own.
 * Threading: the thread that has the txn.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/arena.h"
#include "pomona/base/err.h"
#include "pomona/pki/cert.h"
#include "pomona/store/intent.h"

enum {
	INVITATION_NOTE_BYTES_MAX = 256,
	INVITATION_USES_MAX = 100000,
	INVITATION_DOWNLOADS_PER_USE = 10,
};

struct invitation_new {
	const uint8_t *token_sha256;              /* SHA256_BYTES */
	struct slice note, user_name, created_by; /* may be empty */
	bool needs_login;
	int64_t uses_max; /* 1 to INVITATION_USES_MAX */
	int64_t expires_at;
};

struct invitation {
	int64_t id;
	bool needs_login;
	char user_name[INTENT_NAME_BYTES_MAX + 1]; /* who alone may log in; "": whoever can */
	int64_t uses_max, uses, downloads;
	int64_t expires_at, revoked_at; /* revoked_at 0: it is not */
};

enum invitation_state {
	INVITATION_OPEN,
	INVITATION_USED,    /* as often as it may */
	INVITATION_DRAINED, /* downloaded too often; who has a profile of it may still use that */
	INVITATION_EXPIRED,
	INVITATION_REVOKED,
	INVITATION_STATE_COUNT
};
enum invitation_state invitation_state(const struct invitation *invitation, int64_t now);
/* "open", for the API and logs. */
const char *invitation_state_name(enum invitation_state state);

/* RC_LIMIT, RC_INVALID: a text too long, or another number of uses. */
enum rc invitation_add(struct txn *txn, const struct invitation_new *invitation, int64_t *id_r,
	struct err *err) MUST_USE;
enum rc invitation_find(struct txn *txn, const uint8_t token_sha256[static SHA256_BYTES],
	struct invitation *invitation_r, struct err *err) MUST_USE;
enum rc invitation_by_id(struct txn *txn, int64_t id, struct invitation *invitation_r,
	struct err *err) MUST_USE;
/* One profile more was given out. RC_EXISTS: the bound is reached. */
enum rc invitation_count_download(struct txn *txn, int64_t id, struct err *err) MUST_USE;
/* One device more got its identity. RC_EXISTS: it was used up before. */
enum rc invitation_count_use(struct txn *txn, int64_t id, struct err *err) MUST_USE;
/* RC_NOT_FOUND: there is none, or it was revoked before. */
enum rc invitation_revoke(struct txn *txn, int64_t id, struct err *err) MUST_USE;

struct invitation_view {
	struct invitation invitation;
	const char *note, *created_by; /* in the arena */
	int64_t created_at;
};
/* Those after an id, in their order; `limit` 1 to 1000. */
enum rc invitation_list(struct txn *txn, int64_t after_id, int limit, struct arena *arena,
	struct invitation_view **views_r, size_t *count_r, struct err *err) MUST_USE;

#endif
