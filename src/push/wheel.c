/* SPDX-License-Identifier: Apache-2.0 */
#include "wheel.h"

enum { SLOT_BITS = 6, RANGE_BITS = SLOT_BITS * WHEEL_LEVELS };

void wheel_init(struct wheel *wheel, struct entries *entries, uint32_t now_s)
{
	*wheel = (struct wheel){.entries = entries, .now_s = now_s};
}

static unsigned slot_of(unsigned level, uint32_t at_s)
{
	return level * WHEEL_SLOTS + ((at_s >> (SLOT_BITS * level)) & (WHEEL_SLOTS - 1));
}

/* `at_s` is not before now. What is beyond the range comes to the front of it, and is put back from there. */
static void place(struct wheel *wheel, struct entry *entry, uint32_t at_s)
{
	const uint32_t range = (UINT32_C(1) << RANGE_BITS) - 1;
	uint32_t delta = at_s - wheel->now_s < range ? at_s - wheel->now_s : range;
	unsigned level = 0;

	while (level + 1 < WHEEL_LEVELS && delta >> (SLOT_BITS * (level + 1)) != 0)
		level++;
	entries_append(wheel->entries, slot_of(level, wheel->now_s + delta), entry);
}

void wheel_put(struct wheel *wheel, struct entry *entry)
{
	uint32_t at_s = entry->wake.when_s;

	place(wheel, entry, at_s > wheel->now_s ? at_s : wheel->now_s + 1);
}

void wheel_move(struct wheel *wheel, struct entry *entry, uint32_t before)
{
	if (entry->wake.when_s < before || !entry_is_listed(entry))
		wheel_put(wheel, entry);
}

/* The slot of a coarse level that begins now is dealt out to the finer ones. */
static void deal_out(struct wheel *wheel, unsigned level)
{
	unsigned slot = slot_of(level, wheel->now_s);
	struct entry *entry;

	while ((entry = entries_first(wheel->entries, slot)) != NULL) {
		uint32_t at_s = entry->wake.when_s;

		place(wheel, entry, at_s > wheel->now_s ? at_s : wheel->now_s);
	}
}

static void ring(struct wheel *wheel, void (*fn)(void *ctx, struct entry *entry), void *ctx)
{
	unsigned slot = slot_of(0, wheel->now_s);
	struct entry *entry;

	while ((entry = entries_first(wheel->entries, slot)) != NULL) {
		if (entry->wake.when_s > wheel->now_s) { /* it was moved */
			wheel_put(wheel, entry);
			continue;
		}
		entries_unlink(wheel->entries, entry);
		fn(ctx, entry);
	}
}

void wheel_advance(struct wheel *wheel, uint32_t now_s, void (*fn)(void *ctx, struct entry *entry),
	void *ctx)
{
	while (wheel->now_s < now_s) {
		unsigned level = 1;

		wheel->now_s++;
		while (level < WHEEL_LEVELS && slot_of(level - 1, wheel->now_s) % WHEEL_SLOTS == 0)
			deal_out(wheel, level++);
		ring(wheel, fn, ctx);
	}
}
