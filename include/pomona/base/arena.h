/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_BASE_ARENA_H
#define POMONA_BASE_ARENA_H

/*
 * Memory that dies all at once: what one request needs lives in its arena and goes with the reply.
 * The bound is given at birth, so that no input can make a request grow without end.
 * Threading: one thread at a time; handing it on with the request is fine.
 */

#include <stddef.h>

#include "pomona/base/compiler.h"
#include "pomona/base/slice.h"

struct arena;

/* NULL when memory is short, and in such a one there is room for nothing. `bound_bytes` counts what callers ask for. The caller owns it. */
struct arena *arena_new(size_t bound_bytes);
/* Zeroed, aligned for any type; NULL past the bound or when memory is short. Lives until
 * arena_free(). */
void *arena_alloc(struct arena *arena, size_t size_bytes);
/* Copies, with a zero behind that is not counted in the slice. ptr is NULL on failure. */
struct slice arena_copy(struct arena *arena, struct slice s);
/* Copies as a C string; NULL on failure. Bytes behind an embedded zero are out of the string's
 * sight. */
char *arena_str(struct arena *arena, struct slice s);
/* Runs `free_fn(object)` when the arena dies, last registered first. False: memory short, not
 * registered. */
bool arena_on_free(struct arena *arena, void (*free_fn)(void *object), void *object) MUST_USE;
/* What lies in it is wiped when it dies. */
void arena_hold_secret(struct arena *arena);
size_t arena_used_bytes(const struct arena *arena);
void arena_free(struct arena **arena);

#endif
