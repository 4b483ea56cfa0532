/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_RANDOM_H
#define POMONA_SIM_RANDOM_H

/*
 * Repeatable chance: the same seed gives the same fleet and the same behaviour. Not for keys.
 * Threading: one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chance {
	uint64_t state;
};

/* A stream of its own for each `stream` of one seed. */
struct chance chance_of(uint64_t seed, uint64_t stream);
uint64_t chance_u64(struct chance *chance);
/* 0 <= result < end; `end` > 0. */
uint64_t chance_below(struct chance *chance, uint64_t end);
/* True in `percent` of 100 cases. */
bool chance_hits(struct chance *chance, int64_t percent);
void chance_bytes(struct chance *chance, void *out, size_t len);
/* `len` characters of `alphabet` and a zero behind. */
void chance_text(struct chance *chance, const char *alphabet, char *out, size_t len);

#endif
