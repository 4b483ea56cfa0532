/* SPDX-License-Identifier: Apache-2.0 */
#include "apns_ring.h"

#include <stdlib.h>

enum rc apns_ring_init(struct apns_ring *ring, size_t size, struct err *err)
{
	*ring = (struct apns_ring){.records = calloc(size, sizeof(*ring->records)), .size = size};
	return ring->records == NULL ? err_set(err, RC_NO_MEMORY, "%zu pushes to keep", size) : RC_OK;
}

static struct apns_record *record_of(const struct apns_ring *ring, uint64_t seq)
{
	return &ring->records[seq % ring->size];
}

struct apns_record *apns_ring_next(struct apns_ring *ring)
{
	struct apns_record *record = record_of(ring, ++ring->last_seq);

	record->seq = ring->last_seq;
	return record;
}

const struct apns_record *apns_ring_after(const struct apns_ring *ring, uint64_t after)
{
	uint64_t gone = ring->last_seq > ring->size ? ring->last_seq - ring->size : 0;

	if (after >= ring->last_seq)
		return NULL;
	return record_of(ring, (after > gone ? after : gone) + 1);
}

void apns_ring_fini(struct apns_ring *ring)
{
	free(ring->records);
	*ring = (struct apns_ring){0};
}
