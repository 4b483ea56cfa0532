/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_CARRIER_H
#define POMONA_PUSH_CARRIER_H

/*
 * What a parcel rides on from topics_send() until its answer: a request, a place in one queue, a history. Carriers are
 * pooled: a push allocates nothing once the pool has grown. Threading: the loop's thread.
 */

#include "pomona/net/h2.h"
#include "topics.h"

struct topic;
struct link;
struct reason;

struct carrier {
	struct h2_request request; /* first, so that its `done` finds the carrier */
	struct parcel *parcel;
	struct topic *topic;
	struct link *link; /* while in flight */
	struct carrier *prev, *next;
	int64_t since_ms;        /* in flight since; or its verdict held back since */
	uint64_t number;         /* in the order of coming */
	uint64_t answers_before; /* of the topic, when it was sent */
	unsigned resends;
	unsigned vain_resends;       /* the last ones, in which nothing was answered */
	bool is_trial;               /* of the breaker */
	const struct reason *reason; /* the verdict that is held back */
	char apns_id[PUSH_ID_BYTES_MAX + 1];
	const char *detail; /* a literal, for one that cannot be sent */
};

/* First in, first out. Zeroed: empty. */
struct queue {
	struct carrier *head, *tail;
	size_t count;
};
void queue_push(struct queue *queue, struct carrier *carrier);
void queue_push_front(struct queue *queue, struct carrier *carrier);
/* Behind those that came before it. */
void queue_insert(struct queue *queue, struct carrier *carrier);
void queue_remove(struct queue *queue, struct carrier *carrier);
/* NULL: empty. */
struct carrier *queue_pop(struct queue *queue);
/* Takes all, and leaves it empty. */
struct queue queue_take(struct queue *queue);

enum { CARRIER_SLAB = 128 };
struct carrier_slab;
/* Zeroed: empty. */
struct carrier_pool {
	struct carrier_slab *slabs;
	struct carrier *spare;
	uint64_t last_number;
};
/* Of the carrier all but `request` is set for this parcel. NULL: no memory. */
struct carrier *carrier_get(struct carrier_pool *pool, struct topic *topic, struct parcel *parcel);
void carrier_put(struct carrier_pool *pool, struct carrier *carrier);
void carrier_pool_fini(struct carrier_pool *pool);

#endif
