/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_WHEEL_H
#define POMONA_PUSH_WHEEL_H

/*
 * Entries that wait for a second to come: a wheel of wheels, so that a million cost no more than a few each.
 * Threading: one thread at a time.
 */

#include "entries.h"

enum { WHEEL_LEVELS = 4, WHEEL_SLOTS = 64, WHEEL_LISTS = WHEEL_LEVELS * WHEEL_SLOTS };

struct wheel {
	struct entries *entries; /* its lists are the first WHEEL_LISTS of these */
	uint32_t now_s;
};

void wheel_init(struct wheel *wheel, struct entries *entries, uint32_t now_s);
/* Until its wake.when_s; a second from now at least. It may be in the wheel already. */
void wheel_put(struct wheel *wheel, struct entry *entry);
/* The same for one in the wheel whose when_s was `before`: moving it further away costs nothing now. */
void wheel_move(struct wheel *wheel, struct entry *entry, uint32_t before);
/* Each whose time has come is taken out and handed to `fn`, which may put it back. */
void wheel_advance(struct wheel *wheel, uint32_t now_s, void (*fn)(void *ctx, struct entry *entry),
	void *ctx);

#endif
