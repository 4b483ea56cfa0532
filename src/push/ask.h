/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_ASK_H
#define POMONA_PUSH_ASK_H

/*
 * Those who wait for what becomes of their pushes.
 * Threading: the loop's thread.
 */

#include "inbox.h"

struct asks {
	struct inbox *inbox;
	struct push_ask *first;
};

/* What is known of a push: everything but the id. `detail` may be longer than a result's. */
struct ask_answer {
	enum push_answer answer;
	unsigned status;
	const char *reason, *apns_id, *detail; /* "" */
};

/* All of its results are open now. */
void asks_add(struct asks *asks, struct push_ask *ask, int64_t now_us);
/* All that wait for this enrollment are told; an ask without open results is over. */
void asks_answer(struct asks *asks, int64_t enrollment_id, const struct ask_answer *answer);
/* Those whose wait is over end, with WAITING where nothing is known. */
void asks_expire(struct asks *asks, int64_t now_us);
void asks_end_all(struct asks *asks);
/* When the next wait is over; INT64_MAX: none. */
int64_t asks_next_us(const struct asks *asks);

#endif
