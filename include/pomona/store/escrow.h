/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_ESCROW_H
#define POMONA_STORE_ESCROW_H

/*
 * Secrets kept for others, sealed: what devices escrow with us (by enrollment) and the server's own
 * (by name).
 * Threading: the thread that has the txn.
 */

#include <stdint.h>

#include "pomona/base/buf.h"
#include "pomona/base/err.h"
#include "pomona/store/store.h"

enum escrow_kind { /* stored: do not renumber */
	ESCROW_UNLOCK_TOKEN = 1,
	ESCROW_BOOTSTRAP_TOKEN = 2,
};
enum { ESCROW_BYTES_MAX = 65536, VAULT_NAME_BYTES_MAX = 64 };
enum { ESCROW_ARCHIVED_MAX = 16 }; /* of one enrollment and kind: what is older is deleted */

/* Replaces the live one, which is archived; the same again changes nothing. */
enum rc escrow_put(struct txn *txn, int64_t enrollment_id, enum escrow_kind kind,
	struct slice secret, struct err *err) MUST_USE;
/* The live one. RC_NOT_FOUND. `out` holds a secret: buf_fini_secret(). */
enum rc escrow_get(struct txn *txn, int64_t enrollment_id, enum escrow_kind kind, struct buf *out,
	struct err *err) MUST_USE;
/* The device asked to delete it: it is archived too. */
enum rc escrow_drop(struct txn *txn, int64_t enrollment_id, enum escrow_kind kind, struct err *err)
	MUST_USE;
/* All of an enrollment: kept, but served to nobody any more. */
enum rc escrow_archive(struct txn *txn, int64_t enrollment_id, struct err *err) MUST_USE;

/* The server's own secrets, such as "device_ca.key", beside public parts such as
 * "device_ca.cert". */
enum rc vault_put(struct txn *txn, const char *name, struct slice secret, struct err *err) MUST_USE;
enum rc vault_get(struct txn *txn, const char *name, struct buf *out, struct err *err) MUST_USE;

#endif
