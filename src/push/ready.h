/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_READY_H
#define POMONA_PUSH_READY_H

/*
 * Entries whose turn has come, by topic and class. A topic that takes nothing is passed over until it does, so that
 * nobody waits behind it and its entries are not looked at in vain. An entry's topic is known from its first look on;
 * before, it stands in a slot of its own kind.
 * Threading: one thread at a time.
 */

#include "entries.h"
#include "topics.h"

enum {
	READY_SLOT_NEW,    /* the topic is not known yet */
	READY_SLOT_OTHERS, /* of more topics than there are slots */
	READY_SLOT_FIRST,  /* of the first topic */
	READY_SLOTS = READY_SLOT_FIRST + PUSH_TOPICS_MAX,
	READY_LISTS = READY_SLOTS * PUSH_CLASS_COUNT + 1, /* and one for tests */
	READY_MISSES_MAX = 256, /* looks that may be in vain, a second and where topics are mixed */
};

struct ready_slot {
	char topic[PUSH_TOPIC_BYTES_MAX + 1];
	enum topics_verdict verdict;
	bool is_held; /* where topics are mixed: no more looks in vain for now */
	unsigned misses;
	uint64_t count[PUSH_CLASS_COUNT];
};

struct ready {
	struct entries *entries;
	unsigned first_list;
	unsigned slot_count; /* in use */
	unsigned turn;       /* where the round goes on */
	uint64_t tests;
	uint64_t count[PUSH_CLASS_COUNT]; /* tests are with the urgent ones */
	struct ready_slot slots[READY_SLOTS];
};

/* Uses READY_LISTS lists from `first_list` on. */
void ready_init(struct ready *ready, struct entries *entries, unsigned first_list);

/* By its wake: class, topic, is_test. It is not among them. is_front: before those that wait. */
void ready_put(struct ready *ready, struct entry *entry, bool is_front);
/* Takes out one that is among them, and came there as it `was`. */
void ready_take(struct ready *ready, struct entry *entry, const struct wake *was);
/* Takes out the next, or NULL: none is there whose topic takes something. */
struct entry *ready_pick(struct ready *ready);
bool ready_is_any(const struct ready *ready);

/* Now its topic is known: sets wake.topic. The entry is not among them. */
void ready_set_topic(struct ready *ready, struct entry *entry, struct slice topic);
/* The entry's topic took nothing. was_known: it stood in that topic's slot. */
void ready_block(struct ready *ready, unsigned slot, enum topics_verdict verdict, bool was_known);
/* There may be room again: `look` says. is_tick: a new second has begun. */
void ready_reopen(struct ready *ready, enum topics_verdict (*look)(void *ctx, struct slice topic),
	void *ctx, bool is_tick);

/* The second since which the oldest waits; `now_s` where none does. */
uint32_t ready_oldest_s(const struct ready *ready, uint32_t now_s);

#endif
