/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_DEVICE_PRESENCE_H
#define POMONA_DEVICE_PRESENCE_H

/*
 * When each enrollment was last seen, gathered in memory and written a few times a minute, so that
 * a poll with nothing to say writes nothing. An entry stays until a commit has made it durable: a
 * failed flush loses nothing. Threading: any thread.
 */

#include <stdint.h>

#include "pomona/base/err.h"
#include "pomona/store/store.h"

enum {
	PRESENCE_SHARDS = 64,               /* a power of two */
	PRESENCE_SHARD_ENTRIES_MAX = 16384, /* a million in all; past it a sighting is passed over */
	PRESENCE_SHARD_ENTRIES_FIRST = 64,
};

struct presence;

/* NULL when memory is short. */
struct presence *presence_new(void);
/* Later times only. False: not kept, the shard is full or memory is short. */
bool presence_note(struct presence *presence, int64_t enrollment_id, int64_t seen_at);
/* 0: nothing is waiting to be written. */
int64_t presence_seen_at(struct presence *presence, int64_t enrollment_id);
size_t presence_count(struct presence *presence);
/*
 * Submits what is gathered as jobs of STORE_JOB_SLICE_MS each, one after the other, and returns at
 * once. While one flush is under way another does nothing.
 */
enum rc presence_flush(struct presence *presence, struct store *store, struct err *err) MUST_USE;
/* The same, waiting for the end. Blocks: not on HTTP workers. */
enum rc presence_flush_wait(struct presence *presence, struct store *store, struct err *err)
	MUST_USE;
/* No flush is under way any more: the store has stopped. */
void presence_free(struct presence **presence);

#endif
