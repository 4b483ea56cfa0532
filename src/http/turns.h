/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_HTTP_TURNS_H
#define POMONA_HTTP_TURNS_H

/*
 * Whose turn it is to have the server compute for its handshake: so many have one at a time, and those who wait
 * are served address by address, so that one which waits a thousand times over delays another by one turn. Where
 * a device was accepted lately goes before the others, but for TURNS_KNOWN turns to one of theirs: so those of a
 * fleet do not wait for as many turns as there are hostile addresses, and a stranger is not shut out.
 * (Start-time fair queueing, in a line for each of the two; the addresses share a fixed number of cells.)
 * Threading: the caller's lock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pomona/base/err.h"

enum { TURNS_CELLS = 4096, TURNS_KNOWN = 64 };

/* Who asks for a turn. */
struct turn_taker {
	size_t cell;   /* one number for all that counts as one address */
	bool is_known; /* a device was accepted there lately */
};

/* Embedded in whoever waits; all zero at first. */
struct turn {
	uint64_t tag;
	uint64_t sequence; /* who waits longer goes first among equals */
	size_t place;      /* in the heap, counted from 1; 0: does not wait */
	bool is_known;     /* as its taker */
};

struct turns;

enum rc turns_new(unsigned at_a_time, struct turns **turns_r, struct err *err) MUST_USE;
/* Takes a turn at once where one is free and nobody waits. */
bool turns_take(struct turns *turns, const struct turn_taker *taker) MUST_USE;
/* Waits for one; false where memory is short. Waiting already is fine. */
bool turns_wait(struct turns *turns, struct turn *turn, const struct turn_taker *taker) MUST_USE;
/* Whose turn it is now, and who waits no longer; NULL: nobody's. */
struct turn *turns_next(struct turns *turns);
/* A turn that was taken or given is over. */
void turns_give_back(struct turns *turns);
/* Waits no longer, if it did. */
void turns_leave(struct turns *turns, struct turn *turn);
/*
 * To be called now and then: where some wait and none was given back since the last time, the one that holds it
 * counts no more. It is not expected; but new connections depend on it.
 */
void turns_look(struct turns *turns);
void turns_free(struct turns **turns);

#endif
