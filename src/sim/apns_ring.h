/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_APNS_RING_H
#define POMONA_SIM_APNS_RING_H

/*
 * The latest pushes that APNs took, kept so that one can ask for them afterwards.
 * Threading: one thread at a time.
 */

#include "apns_check.h"
#include "pomona/base/err.h"

enum { APNS_KEEP_DEFAULT = 4096, APNS_KEEP_MAX = 1000000, APNS_PUSH_TYPE_BYTES = 20 };

struct apns_record {
	uint64_t seq; /* from 1 on */
	char token[APNS_TOKEN_TEXT_BYTES];
	char topic[APNS_TOPIC_BYTES_MAX + 1];
	char magic[APNS_MAGIC_BYTES_MAX + 1];
	char push_type[APNS_PUSH_TYPE_BYTES];
	char reason[APNS_REASON_BYTES_MAX + 1];
	char apns_id[APNS_ID_TEXT_BYTES];
	int64_t priority, expiration; /* -1: no expiration was given */
	int64_t at_ms;
	uint64_t connection; /* which of them, from 1 on */
	unsigned status;     /* 0: it was not answered */
	bool is_woken;       /* a device came for it */
};

struct apns_ring {
	struct apns_record *records; /* owned */
	size_t size;
	uint64_t last_seq; /* 0: none yet */
};

enum rc apns_ring_init(struct apns_ring *ring, size_t size, struct err *err) MUST_USE;
/* The next record, with its seq and what was there before: the caller writes over it. */
struct apns_record *apns_ring_next(struct apns_ring *ring);
/* The first that is kept with a seq above `after`; NULL: there is none. */
const struct apns_record *apns_ring_after(const struct apns_ring *ring, uint64_t after);
void apns_ring_fini(struct apns_ring *ring);

#endif
