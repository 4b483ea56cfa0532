/* SPDX-License-Identifier: Apache-2.0 */
#include "carrier.h"

#include <stdlib.h>

struct carrier_slab {
	struct carrier_slab *next;
	struct carrier carriers[CARRIER_SLAB];
};

void queue_push(struct queue *queue, struct carrier *carrier)
{
	carrier->next = NULL;
	carrier->prev = queue->tail;
	if (queue->tail != NULL)
		queue->tail->next = carrier;
	else
		queue->head = carrier;
	queue->tail = carrier;
	queue->count++;
}

void queue_push_front(struct queue *queue, struct carrier *carrier)
{
	carrier->prev = NULL;
	carrier->next = queue->head;
	if (queue->head != NULL)
		queue->head->prev = carrier;
	else
		queue->tail = carrier;
	queue->head = carrier;
	queue->count++;
}

void queue_insert(struct queue *queue, struct carrier *carrier)
{
	struct carrier *before = queue->tail;

	while (before != NULL && before->number > carrier->number)
		before = before->prev;
	if (before == NULL) {
		queue_push_front(queue, carrier);
		return;
	}
	carrier->prev = before;
	carrier->next = before->next;
	if (before->next != NULL)
		before->next->prev = carrier;
	else
		queue->tail = carrier;
	before->next = carrier;
	queue->count++;
}

void queue_remove(struct queue *queue, struct carrier *carrier)
{
	if (carrier->prev != NULL)
		carrier->prev->next = carrier->next;
	else
		queue->head = carrier->next;
	if (carrier->next != NULL)
		carrier->next->prev = carrier->prev;
	else
		queue->tail = carrier->prev;
	carrier->prev = NULL;
	carrier->next = NULL;
	queue->count--;
}

struct carrier *queue_pop(struct queue *queue)
{
	struct carrier *carrier = queue->head;

	if (carrier != NULL)
		queue_remove(queue, carrier);
	return carrier;
}

struct queue queue_take(struct queue *queue)
{
	struct queue all = *queue;

	*queue = (struct queue){.head = NULL};
	return all;
}

static bool grow(struct carrier_pool *pool)
{
	struct carrier_slab *slab = calloc(1, sizeof(*slab));

	if (slab == NULL)
		return false;
	slab->next = pool->slabs;
	pool->slabs = slab;
	for (size_t i = 0; i < CARRIER_SLAB; i++)
		carrier_put(pool, &slab->carriers[i]);
	return true;
}

struct carrier *carrier_get(struct carrier_pool *pool, struct topic *topic, struct parcel *parcel)
{
	struct carrier *carrier;

	if (pool->spare == NULL && !grow(pool))
		return NULL;
	carrier = pool->spare;
	pool->spare = carrier->next;
	carrier->parcel = parcel;
	carrier->topic = topic;
	carrier->link = NULL;
	carrier->prev = NULL;
	carrier->next = NULL;
	carrier->number = ++pool->last_number;
	carrier->resends = 0;
	carrier->vain_resends = 0;
	carrier->is_trial = false;
	carrier->reason = NULL;
	carrier->detail = NULL;
	parcel->carrier = carrier;
	return carrier;
}

void carrier_put(struct carrier_pool *pool, struct carrier *carrier)
{
	carrier->parcel = NULL;
	carrier->next = pool->spare;
	pool->spare = carrier;
}

void carrier_pool_fini(struct carrier_pool *pool)
{
	while (pool->slabs != NULL) {
		struct carrier_slab *slab = pool->slabs;

		pool->slabs = slab->next;
		free(slab);
	}
	pool->spare = NULL;
}
