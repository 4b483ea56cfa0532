/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_GUARD_H
#define POMONA_PUSH_GUARD_H

/*
 * Tells tokens that are bad from a certificate or environment that is wrong: then the tokens of many devices are
 * refused at once. Judged over some seconds, for which a verdict on a token is held back, and over some minutes, for
 * fleets that are pushed to seldom. Pure: time is handed in. Threading: one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

enum {
	GUARD_BAD_MIN = 10, /* so many devices, and more than half of the answers */
	GUARD_BUCKETS = 5,
	GUARD_SHORT_MS = 5000, /* the windows: up to a bucket less */
	GUARD_LONG_MS = 600000,
	GUARD_HOLD_MS =
		4000, /* how long the verdict on one token waits for others; within the short window */
};

struct guard_window {
	int64_t bucket; /* the newest one's number, since the clock began */
	struct {
		uint64_t answers, bad;
	} buckets[GUARD_BUCKETS];
};

struct guard {
	struct guard_window short_window, long_window;
	struct { /* the last that were bad, each once */
		int64_t enrollment_id, at_ms;
	} bad[GUARD_BAD_MIN];
};

void guard_init(struct guard *guard);
/* An answer about another matter than the token's fitness. */
void guard_answer(struct guard *guard, int64_t now_ms);
/* A token was refused. True: they are too many for all of them to be bad. */
bool guard_bad(struct guard *guard, int64_t enrollment_id, int64_t now_ms);

#endif
