/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_APPLE_ANCHOR_H
#define POMONA_STORE_APPLE_ANCHOR_H

/*
 * The certificates of Apple's that an administrator imported: see pki/apple_chain.h.
 * Threading: the thread that has the txn.
 */

#include "pomona/base/arena.h"
#include "pomona/base/err.h"
#include "pomona/pki/cert.h"
#include "pomona/store/store.h"

enum { APPLE_ANCHOR_BY_BYTES_MAX = 256 };

/* RC_EXISTS where it is there already; RC_LIMIT. */
enum rc apple_anchor_add(struct txn *txn, struct slice der, const struct cert_facts *facts,
	struct slice imported_by, struct err *err) MUST_USE;
/* RC_NOT_FOUND. */
enum rc apple_anchor_remove(struct txn *txn, const uint8_t sha256[static SHA256_BYTES],
	struct err *err) MUST_USE;

struct apple_anchor {
	struct slice der;
	const char *imported_by;
	int64_t imported_at;
};
/* All of them, in the order of their import; in the arena. */
enum rc apple_anchor_list(struct txn *txn, struct arena *arena, struct apple_anchor **anchors_r,
	size_t *count_r, struct err *err) MUST_USE;

#endif
