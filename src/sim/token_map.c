/* SPDX-License-Identifier: Apache-2.0 */
#include "token_map.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS_FIRST = 64 };

bool token_key_set(struct token_key *key, struct slice token)
{
	if (token.len > sizeof(key->bytes))
		return false;
	key->len = token.len;
	if (token.len > 0)
		memcpy(key->bytes, token.ptr, token.len);
	return true;
}

/* FNV-1a (Fowler, Noll, Vo), its high half folded in. */
static size_t hash(struct slice token)
{
	uint64_t state = 14695981039346656037u;

	for (size_t i = 0; i < token.len; i++)
		state = (state ^ token.ptr[i]) * 1099511628211u;
	return (size_t)(state ^ state >> 32);
}

static struct slice token_of(const struct token_key *key)
{
	return slice_of(key->bytes, key->len);
}

/* Where the token is, or the free slot where it would be. */
static size_t probe(const struct token_map *map, struct slice token)
{
	size_t at = hash(token) & (map->slot_count - 1);

	while (map->slots[at] != NULL && !slice_is_equal(token_of(map->slots[at]), token))
		at = (at + 1) & (map->slot_count - 1);
	return at;
}

struct token_key *token_map_find(const struct token_map *map, struct slice token)
{
	return map->count == 0 ? NULL : map->slots[probe(map, token)];
}

static enum rc grow(struct token_map *map)
{
	size_t slot_count = map->slot_count == 0 ? SLOTS_FIRST : 2 * map->slot_count;
	struct token_map grown = {.slots = calloc(slot_count, sizeof(struct token_key *)),
		.slot_count = slot_count,
		.count = map->count};

	if (grown.slots == NULL)
		return RC_NO_MEMORY;
	for (size_t i = 0; i < map->slot_count; i++)
		if (map->slots[i] != NULL)
			grown.slots[probe(&grown, token_of(map->slots[i]))] = map->slots[i];
	free(map->slots);
	*map = grown;
	return RC_OK;
}

enum rc token_map_add(struct token_map *map, struct token_key *key)
{
	if (2 * (map->count + 1) > map->slot_count && grow(map) != RC_OK)
		return RC_NO_MEMORY;
	map->slots[probe(map, token_of(key))] = key;
	map->count++;
	return RC_OK;
}

/* Those behind it move up, so that no search ends too early. */
struct token_key *token_map_remove(struct token_map *map, struct slice token)
{
	size_t at = map->count == 0 ? 0 : probe(map, token);
	struct token_key *removed = map->count == 0 ? NULL : map->slots[at];

	if (removed == NULL)
		return NULL;
	map->slots[at] = NULL;
	map->count--;
	for (at = (at + 1) & (map->slot_count - 1); map->slots[at] != NULL;
						at = (at + 1) & (map->slot_count - 1)) {
		struct token_key *moved = map->slots[at];

		map->slots[at] = NULL;
		map->slots[probe(map, token_of(moved))] = moved;
	}
	return removed;
}

void token_map_clear(struct token_map *map)
{
	for (size_t i = 0; i < map->slot_count; i++)
		free(map->slots[i]);
	free(map->slots);
	*map = (struct token_map){0};
}
