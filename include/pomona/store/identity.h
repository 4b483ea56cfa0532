/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_IDENTITY_H
#define POMONA_STORE_IDENTITY_H

/*
 * Client certificates that we issued or have seen at an Authenticate, by the SHA-256 of their DER:
 * whose they are, for whom they were issued, whether they are revoked. And the trust anchors that
 * they must chain to.
 * Threading: the thread that has the txn.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/arena.h"
#include "pomona/base/err.h"
#include "pomona/pki/cert.h"
#include "pomona/store/enrollment.h"

struct identity {
	int64_t id;
	uint8_t sha256[SHA256_BYTES];
	int64_t
		owner_id; /* the device enrollment that it belongs to, pinned or pending or once; 0: none */
	char
		issued_for[ENROLLMENT_DEVICE_ID_BYTES_MAX + 1]; /* device id it was issued for; "": anyone's */
	int64_t renewal_of; /* the device enrollment that it may yet renew; 0: none */
	bool is_ours;       /* issued by our device CA */
	bool is_interim;    /* for the second visit of an enrollment over the air, and nothing else */
	int64_t account_id; /* the account that it was issued for; 0: none. See account.h */
	int64_t renews_id;  /* the identity that it was given in place of; 0: none is known */
	int64_t not_before, not_after, revoked_at; /* revoked_at 0: not */
	uint8_t chained_under
		[SHA256_BYTES]; /* trust_fingerprint() of the anchors it was last judged good under */
};

enum rc identity_find(struct txn *txn, const uint8_t sha256[static SHA256_BYTES],
	struct identity *identity_r, struct err *err) MUST_USE;
/* Is another certificate known that differs from this one in its signature alone (cert_facts.tbs_sha256)? */
enum rc identity_has_twin(struct txn *txn, const struct cert_facts *facts, bool *has_twin_r,
	struct err *err) MUST_USE;
/* Adds one seen for the first time (or finds it). RC_EXISTS where it has a twin. */
enum rc identity_record(struct txn *txn, const struct cert_facts *facts,
	const uint8_t chained_under[static SHA256_BYTES], int64_t *id_r, struct err *err) MUST_USE;
/* RC_EXISTS where it belongs to another device. */
enum rc identity_set_owner(struct txn *txn, int64_t id, int64_t enrollment_id, struct err *err)
	MUST_USE;

struct identity_revoked {
	int64_t others;               /* that were revoked with it */
	bool is_successor_pinned;     /* a device goes on with one that came of it */
	uint8_t sha256[SHA256_BYTES]; /* that one's, or one of those */
};

struct identity_issued {
	const struct cert_facts *facts;
	struct slice der;
	struct slice issued_for; /* device id; empty: anyone's */
	int64_t renewal_of;      /* it has the account of the one that it renews, too */
	int64_t renews_id;       /* 0: the pin of renewal_of, if any */
	int64_t account_id;      /* 0: none but that */
	bool is_interim;
};
enum rc identity_issued(struct txn *txn, const struct identity_issued *issued, struct err *err)
	MUST_USE;
/* Nothing that was given for it, be it an identity or a challenge, renews the enrollment any more. */
enum rc identity_end_renewals(struct txn *txn, int64_t enrollment_id, struct err *err) MUST_USE;
/*
 * With it go all that were given in its place, and in theirs, up to one that is the pin of a managed device: that one
 * and what came of it stay. RC_NOT_FOUND. Again: keeps the first time.
 */
enum rc identity_revoke(struct txn *txn, const uint8_t sha256[static SHA256_BYTES],
	struct identity_revoked *revoked_r, struct err *err) MUST_USE;
/* It took its device's enrollment over, as a renewal. */
enum rc identity_took_over(struct txn *txn, int64_t id, struct err *err) MUST_USE;
/*
 * When the device's pin took the place of `former`, by a profile that we had sent for that; 0: it came otherwise.
 * RC_NOT_FOUND: it was not given in its place.
 */
enum rc identity_renewed_at(struct txn *txn, int64_t former, int64_t enrollment_id, int64_t *at_r,
	struct err *err) MUST_USE;
/* RC_NOT_FOUND. */
enum rc identity_by_id(struct txn *txn, int64_t id, struct identity *identity_r, struct err *err)
	MUST_USE;
/* How many that are good still were issued for a device that has not come with them. */
enum rc identity_count_unused(struct txn *txn, const char *issued_for, int64_t *count_r,
	struct err *err) MUST_USE;
/* How many of these in place of `former`. */
enum rc identity_count_unused_after(struct txn *txn, int64_t former, int64_t *count_r,
	struct err *err) MUST_USE;

struct identity_view {
	struct identity identity;
	const char *subject, *issuer, *serial, *owner_ext_id; /* "" where there is none */
	int64_t recorded_at;
};
/* In the order of their ids, after the cursor `after_id`. */
enum rc identity_list(struct txn *txn, int64_t after_id, int limit, struct arena *arena,
	struct identity_view **views_r, size_t *count_r, struct err *err) MUST_USE;

/* Trust anchors for device certificates. RC_EXISTS where it is there already. */
enum rc anchor_add(struct txn *txn, struct slice der, const struct cert_facts *facts,
	struct err *err) MUST_USE;
enum rc anchor_remove(struct txn *txn, const uint8_t sha256[static SHA256_BYTES], struct err *err)
	MUST_USE;
/* DER certificates in the arena, with the facts of each. */
enum rc anchor_list(struct txn *txn, struct arena *arena, struct slice **ders_r, size_t *count_r,
	struct err *err) MUST_USE;

#endif
