/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
	ARENA_BYTES = 4096, /* the arena itself with its first chunk: enough for most requests */
	CHUNK_BYTES = 4096,
	LARGE_BYTES = 1024,
};

struct chunk {
	struct chunk *next;
	size_t used;
	size_t size;
	alignas(max_align_t) uint8_t bytes[];
};

struct guest { /* something with a free function of its own that lives as long as the arena */
	struct guest *next;
	void (*free_fn)(void *object);
	void *object;
};

struct arena {
	struct chunk *chunks; /* the first one is being filled */
	struct guest *guests;
	size_t bound;
	size_t asked;
	bool is_secret;
	struct chunk first; /* its bytes follow */
};

struct arena *arena_new(size_t bound_bytes)
{
	struct arena *arena = malloc(ARENA_BYTES);

	if (arena == NULL)
		return NULL;
	*arena = (struct arena){.bound = bound_bytes};
	arena->first.size = ARENA_BYTES - sizeof(*arena);
	arena->chunks = &arena->first;
	return arena;
}

static struct chunk *chunk_new(size_t size)
{
	struct chunk *chunk = malloc(sizeof(*chunk) + size);

	if (chunk != NULL)
		*chunk = (struct chunk){.size = size};
	return chunk;
}

/* A large piece gets a chunk of its own behind the one being filled, which stays open. */
static struct chunk *add_large(struct arena *arena, size_t size)
{
	struct chunk *chunk = chunk_new(size);

	if (chunk == NULL)
		return NULL;
	chunk->next = arena->chunks->next;
	arena->chunks->next = chunk;
	return chunk;
}

static struct chunk *add_chunk(struct arena *arena)
{
	struct chunk *chunk = chunk_new(CHUNK_BYTES - sizeof(*chunk));

	if (chunk == NULL)
		return NULL;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk;
}

static struct chunk *chunk_for(struct arena *arena, size_t size)
{
	if (size <= arena->chunks->size - arena->chunks->used)
		return arena->chunks;
	return size > LARGE_BYTES ? add_large(arena, size) : add_chunk(arena);
}

static size_t round_up(size_t size)
{
	size_t unit = alignof(max_align_t);

	return (size + unit - 1) / unit * unit;
}

void *arena_alloc(struct arena *arena, size_t size_bytes)
{
	struct chunk *chunk;
	size_t size;
	void *place;

	if (arena == NULL || size_bytes > arena->bound - arena->asked)
		return NULL;
	size = round_up(size_bytes == 0 ? 1 : size_bytes);
	if (size < size_bytes)
		return NULL;
	chunk = chunk_for(arena, size);
	if (chunk == NULL)
		return NULL;
	place = memset(chunk->bytes + chunk->used, 0, size);
	chunk->used += size;
	arena->asked += size_bytes;
	return place;
}

struct slice arena_copy(struct arena *arena, struct slice s)
{
	uint8_t *copy = s.len == SIZE_MAX ? NULL : arena_alloc(arena, s.len + 1);

	if (copy == NULL)
		return slice_of(NULL, 0);
	if (s.len > 0)
		memcpy(copy, s.ptr, s.len);
	return slice_of(copy, s.len);
}

char *arena_str(struct arena *arena, struct slice s)
{
	char *copy = s.len == SIZE_MAX ? NULL : arena_alloc(arena, s.len + 1);

	if (copy != NULL && s.len > 0)
		memcpy(copy, s.ptr, s.len);
	return copy;
}

bool arena_on_free(struct arena *arena, void (*free_fn)(void *object), void *object)
{
	struct guest *guest = arena_alloc(arena, sizeof(*guest));

	if (guest == NULL)
		return false;
	*guest = (struct guest){.next = arena->guests, .free_fn = free_fn, .object = object};
	arena->guests = guest;
	return true;
}

void arena_hold_secret(struct arena *arena)
{
	arena->is_secret = true;
}

size_t arena_used_bytes(const struct arena *arena)
{
	return arena->asked;
}

void arena_free(struct arena **arena)
{
	struct chunk *next;

	if (*arena == NULL)
		return;
	for (struct guest *guest = (*arena)->guests; guest != NULL; guest = guest->next)
		guest->free_fn(guest->object);
	for (struct chunk *chunk = (*arena)->chunks; chunk != NULL; chunk = next) {
		next = chunk->next;
		if ((*arena)->is_secret)
			explicit_bzero(chunk->bytes, chunk->used);
		if (chunk != &(*arena)->first)
			free(chunk);
	}
	free(*arena);
	*arena = NULL;
}
