/* SPDX-License-Identifier: Apache-2.0 */
#include "ready.h"

#include <string.h>

_Static_assert(READY_SLOTS <= UINT8_MAX, "wake.topic");

void ready_init(struct ready *ready, struct entries *entries, unsigned first_list)
{
	memset(ready, 0, sizeof(*ready));
	ready->entries = entries;
	ready->first_list = first_list;
	ready->slot_count = READY_SLOT_FIRST;
	for (unsigned i = 0; i < READY_SLOTS; i++)
		ready->slots[i].misses = READY_MISSES_MAX;
}

static unsigned list_of(const struct ready *ready, unsigned slot, unsigned class)
{
	return ready->first_list + 1 + slot * PUSH_CLASS_COUNT + class;
}

static bool is_mixed(unsigned slot)
{
	return slot < READY_SLOT_FIRST;
}

static bool is_open(const struct ready_slot *slot)
{
	return slot->verdict == TOPICS_TAKEN && !slot->is_held;
}

void ready_put(struct ready *ready, struct entry *entry, bool is_front)
{
	const struct wake *wake = &entry->wake;
	unsigned list = list_of(ready, wake->topic, wake->class);

	if (wake->is_test) {
		list = ready->first_list;
		ready->tests++;
	} else {
		ready->slots[wake->topic].count[wake->class]++;
		ready->count[wake->class]++;
	}
	if (is_front)
		entries_prepend(ready->entries, list, entry);
	else
		entries_append(ready->entries, list, entry);
}

void ready_take(struct ready *ready, struct entry *entry, const struct wake *was)
{
	entries_unlink(ready->entries, entry);
	if (was->is_test) {
		ready->tests--;
		return;
	}
	ready->slots[was->topic].count[was->class]--;
	ready->count[was->class]--;
}

/* The next of the class, topic by topic. */
static struct entry *pick(struct ready *ready, unsigned class)
{
	for (unsigned i = 0; i < ready->slot_count; i++) {
		unsigned at = (ready->turn + i) % ready->slot_count;
		const struct ready_slot *slot = &ready->slots[at];

		if (slot->count[class] == 0 || !is_open(slot))
			continue;
		ready->turn = at + 1;
		return entries_first(ready->entries, list_of(ready, at, class));
	}
	return NULL;
}

struct entry *ready_pick(struct ready *ready)
{
	struct entry *entry = NULL;

	if (ready->tests > 0)
		entry = entries_first(ready->entries, ready->first_list);
	for (unsigned class = 0; entry == NULL && class < PUSH_CLASS_COUNT; class ++)
		if (ready->count[class] > 0)
			entry = pick(ready, class);
	if (entry != NULL)
		ready_take(ready, entry, &entry->wake);
	return entry;
}

static bool has_any(const struct ready_slot *slot)
{
	for (unsigned class = 0; class < PUSH_CLASS_COUNT; class ++)
		if (slot->count[class] > 0)
			return true;
	return false;
}

bool ready_is_any(const struct ready *ready)
{
	if (ready->tests > 0)
		return true;
	for (unsigned i = 0; i < ready->slot_count; i++)
		if (has_any(&ready->slots[i]) && is_open(&ready->slots[i]))
			return true;
	return false;
}

static unsigned slot_for(struct ready *ready, struct slice topic)
{
	struct ready_slot *slot;

	for (unsigned i = READY_SLOT_FIRST; i < ready->slot_count; i++)
		if (slice_is_str(topic, ready->slots[i].topic))
			return i;
	if (ready->slot_count == READY_SLOTS || topic.len > PUSH_TOPIC_BYTES_MAX)
		return READY_SLOT_OTHERS;
	slot = &ready->slots[ready->slot_count];
	if (topic.len > 0)
		memcpy(slot->topic, topic.ptr, topic.len);
	slot->topic[topic.len] = '\0';
	return ready->slot_count++;
}

void ready_set_topic(struct ready *ready, struct entry *entry, struct slice topic)
{
	unsigned known = entry->wake.topic;

	if (known < READY_SLOT_FIRST || !slice_is_str(topic, ready->slots[known].topic))
		entry->wake.topic = (uint8_t)slot_for(ready, topic);
}

/* Where topics are mixed those behind may be luckier, but not without end: a full topic has room again soon. */
static void miss(struct ready_slot *slot)
{
	if (slot->misses > 0)
		slot->misses--;
	else
		slot->is_held = true;
}

void ready_block(struct ready *ready, unsigned slot, enum topics_verdict verdict, bool was_known)
{
	if (is_mixed(slot)) {
		miss(&ready->slots[slot]);
		return;
	}
	ready->slots[slot].verdict = verdict;
	if (!was_known && verdict == TOPICS_FULL)
		miss(&ready->slots[READY_SLOT_NEW]);
}

void ready_reopen(struct ready *ready, enum topics_verdict (*look)(void *ctx, struct slice topic),
	void *ctx, bool is_tick)
{
	for (unsigned i = 0; i < ready->slot_count; i++) {
		struct ready_slot *slot = &ready->slots[i];

		slot->is_held = false;
		if (is_tick)
			slot->misses = READY_MISSES_MAX;
		if (slot->verdict != TOPICS_TAKEN)
			slot->verdict = look(ctx, slice_of_str(slot->topic));
	}
}

uint32_t ready_oldest_s(const struct ready *ready, uint32_t now_s)
{
	uint32_t oldest = now_s;

	for (unsigned list = 0; list < 1 + ready->slot_count * PUSH_CLASS_COUNT; list++) {
		const struct entry *first = entries_first(ready->entries, ready->first_list + list);

		if (first != NULL && first->wake.when_s < oldest)
			oldest = first->wake.when_s;
	}
	return oldest;
}
