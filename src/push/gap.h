/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_GAP_H
#define POMONA_PUSH_GAP_H

/*
 * How long to wait before the same push is tried again: gaps that double up to a bound, spread so that a fleet that
 * was pushed to at once does not stay in step.
 * Threading: one thread at a time.
 */

#include <stdint.h>

/* Where the spread comes from. No secret: tests set the seed. */
struct jitter {
	uint64_t state;
};

uint32_t jitter_next(struct jitter *jitter);

/* What gap_s() gives at most. */
#define GAP_LONGEST_S(gap) ((gap) + (gap) / 4)

/*
 * first_s doubled `doublings` times, a quarter more or less, at least 1 and at most max_s. Seconds; both bounds are
 * at least 1.
 */
int64_t gap_s(struct jitter *jitter, int64_t first_s, int64_t max_s, unsigned doublings);

#endif
