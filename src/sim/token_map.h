/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_TOKEN_MAP_H
#define POMONA_SIM_TOKEN_MAP_H

/*
 * Things found by their push token. A thing begins with its struct token_key and belongs to the caller.
 * Threading: one thread at a time.
 */

#include "apns_check.h"
#include "pomona/base/err.h"

struct token_key {
	size_t len;
	uint8_t bytes[APNS_TOKEN_BYTES_MAX];
};

struct token_map {
	struct token_key **slots; /* owned; a power of two of them, at most half of them taken */
	size_t slot_count, count;
};

/* False where the token is longer than APNS_TOKEN_BYTES_MAX. */
bool token_key_set(struct token_key *key, struct slice token);
/* A zeroed map is empty. NULL: not there. */
struct token_key *token_map_find(const struct token_map *map, struct slice token);
/* The token is not there yet; `key` stays where it is until it is removed. RC_NO_MEMORY. */
enum rc token_map_add(struct token_map *map, struct token_key *key) MUST_USE;
/* Gives what was there, or NULL. */
struct token_key *token_map_remove(struct token_map *map, struct slice token);
/* Each thing is freed with free(3). */
void token_map_clear(struct token_map *map);

#endif
