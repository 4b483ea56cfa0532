/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_DAEMON_CHORES_H
#define POMONA_DAEMON_CHORES_H

/*
 * Jobs that the daemon gives the writer of its own accord. Each is its caller's memory and is under
 * way once at a time. Threading: main, but for what the writer runs of them.
 */

#include <stdatomic.h>

#include "pomona/store/store.h"

/* Takes commands that are past their time out of the queue. */
struct expiry {
	struct store_job job;
	struct store *store;
	atomic_bool is_under_way;
	int64_t count;
	bool is_more;
};

/* Returns at once. */
void expiry_begin(struct expiry *expiry, struct store *store);

/* Asks whether the writer still answers. */
struct heartbeat {
	struct store_job job;
	atomic_bool is_under_way;
	bool was_refused;
	uint64_t jobs_seen;
};

/*
 * Is the writer well since the last call: has it answered the beat that was sent then, or finished
 * other jobs? Sends the next beat.
 */
bool heartbeat_is_well(struct heartbeat *heartbeat, struct store *store);

#endif
