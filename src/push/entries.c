/* SPDX-License-Identifier: Apache-2.0 */
#include "entries.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 4096 }; /* entries, or places of the table, that are allocated at once */

/*
 * Entries are addressed by index, so that links take half of a pointer's room. The first indexes are the heads of
 * the lists, which are rings. The table is a linear hash: it has `base` + `split` places; those below `split` are
 * already told apart by one more bit.
 */
struct entries {
	struct entry **chunks;
	size_t chunk_count, chunk_room;
	uint32_t used; /* indexes that were given out once */
	uint32_t free; /* the first given back; linked by next */
	unsigned lists;
	size_t count;
	uint32_t **places;
	size_t place_chunks, place_room;
	uint32_t base, split;
};

_Static_assert(sizeof(struct entry) <= 64, "a million of them");

static struct entry *at(const struct entries *entries, uint32_t index)
{
	return &entries->chunks[index / CHUNK][index % CHUNK];
}

/* --- memory */

static bool grow_pointers(void **array_ptr, size_t count, size_t *room)
{
	size_t larger = *room == 0 ? 16 : *room * 2;
	void *array;

	if (count < *room)
		return true;
	array = realloc(*array_ptr, larger * sizeof(void *));
	if (array == NULL)
		return false;
	*array_ptr = array;
	*room = larger;
	return true;
}

static bool add_chunk(struct entries *entries)
{
	void *array = entries->chunks;
	bool is_grown = grow_pointers(&array, entries->chunk_count, &entries->chunk_room);

	entries->chunks = array;
	if (!is_grown)
		return false;
	entries->chunks[entries->chunk_count] = calloc(CHUNK, sizeof(struct entry));
	if (entries->chunks[entries->chunk_count] == NULL)
		return false;
	entries->chunk_count++;
	return true;
}

static bool add_places(struct entries *entries)
{
	void *array = entries->places;
	bool is_grown = grow_pointers(&array, entries->place_chunks, &entries->place_room);

	entries->places = array;
	if (!is_grown)
		return false;
	entries->places[entries->place_chunks] = calloc(CHUNK, sizeof(uint32_t));
	if (entries->places[entries->place_chunks] == NULL)
		return false;
	entries->place_chunks++;
	return true;
}

/* NULL when memory is short. Its index is set. */
static struct entry *take_index(struct entries *entries)
{
	struct entry *entry;
	uint32_t index = entries->free;

	if (index != 0) {
		entry = at(entries, index);
		entries->free = entry->next;
	} else {
		if (entries->used == entries->chunk_count * CHUNK && !add_chunk(entries))
			return NULL;
		index = entries->used++;
		entry = at(entries, index);
	}
	*entry = (struct entry){.index = index};
	return entry;
}

/* After a burst nothing is left of it. */
static void shrink(struct entries *entries)
{
	for (size_t i = 1; i < entries->chunk_count; i++)
		free(entries->chunks[i]);
	for (size_t i = 1; i < entries->place_chunks; i++)
		free(entries->places[i]);
	entries->chunk_count = 1;
	entries->place_chunks = 1;
	entries->used = entries->lists;
	entries->free = 0;
	entries->base = CHUNK;
	entries->split = 0;
}

/* --- the table */

/* Ids count up: the multiplier (2^64 / golden ratio) spreads neighbours. */
static uint32_t hash(int64_t id)
{
	return (uint32_t)(((uint64_t)id * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

static uint32_t *place_at(const struct entries *entries, uint32_t place)
{
	return &entries->places[place / CHUNK][place % CHUNK];
}

static uint32_t *place_of(const struct entries *entries, int64_t id)
{
	uint32_t h = hash(id);
	uint32_t place = h & (entries->base - 1);

	if (place < entries->split)
		place = h & (entries->base * 2 - 1);
	return place_at(entries, place);
}

/* One more place: the chain at `split` is parted. */
static bool split_one(struct entries *entries)
{
	uint32_t index;

	if (entries->base + entries->split == entries->place_chunks * CHUNK && !add_places(entries))
		return false;
	index = *place_at(entries, entries->split);
	*place_at(entries, entries->split) = 0;
	*place_at(entries, entries->base + entries->split) = 0;
	entries->split++;
	while (index != 0) {
		struct entry *entry = at(entries, index);
		uint32_t *place = place_of(entries, entry->id);

		index = entry->chain;
		entry->chain = *place;
		*place = entry->index;
	}
	if (entries->split == entries->base) {
		entries->base *= 2;
		entries->split = 0;
	}
	return true;
}

struct entry *entries_find(const struct entries *entries, int64_t id)
{
	uint32_t index = *place_of(entries, id);

	while (index != 0) {
		struct entry *entry = at(entries, index);

		if (entry->id == id)
			return entry;
		index = entry->chain;
	}
	return NULL;
}

struct entry *entries_add(struct entries *entries, int64_t id)
{
	struct entry *entry = take_index(entries);
	uint32_t *place;

	if (entry == NULL)
		return NULL;
	if (entries->count >= entries->base + entries->split)
		(void)split_one(entries); /* without it chains are longer, no more */
	place = place_of(entries, id);
	entry->id = id;
	entry->wake = WAKE_NEW;
	entry->chain = *place;
	*place = entry->index;
	entries->count++;
	return entry;
}

void entries_remove(struct entries *entries, struct entry *entry)
{
	uint32_t *link = place_of(entries, entry->id);

	entries_unlink(entries, entry);
	while (*link != entry->index)
		link = &at(entries, *link)->chain;
	*link = entry->chain;
	entry->id = 0;
	entry->next = entries->free;
	entries->free = entry->index;
	entries->count--;
	if (entries->count == 0)
		shrink(entries);
}

size_t entries_count(const struct entries *entries)
{
	return entries->count;
}

/* --- lists */

/* The ring of list 0 begins at index 0; `next` and `prev` of a free entry are 0 as well, so they hold index + 1. */
static struct entry *link_of(const struct entries *entries, uint32_t link)
{
	return at(entries, link - 1);
}

static void insert_before(struct entries *entries, struct entry *head, struct entry *entry)
{
	entries_unlink(entries, entry);
	entry->next = head->index + 1;
	entry->prev = head->prev;
	link_of(entries, head->prev)->next = entry->index + 1;
	head->prev = entry->index + 1;
}

void entries_append(struct entries *entries, unsigned list, struct entry *entry)
{
	insert_before(entries, at(entries, list), entry);
}

void entries_prepend(struct entries *entries, unsigned list, struct entry *entry)
{
	entries_unlink(entries, entry);
	insert_before(entries, link_of(entries, at(entries, list)->next), entry);
}

void entries_unlink(struct entries *entries, struct entry *entry)
{
	if (!entry_is_listed(entry))
		return;
	link_of(entries, entry->prev)->next = entry->next;
	link_of(entries, entry->next)->prev = entry->prev;
	entry->next = 0;
	entry->prev = 0;
}

bool entry_is_listed(const struct entry *entry)
{
	return entry->prev != 0;
}

struct entry *entries_first(const struct entries *entries, unsigned list)
{
	struct entry *first = link_of(entries, at(entries, list)->next);

	return first->index == list ? NULL : first;
}

struct entry *entries_next(const struct entries *entries, size_t *cursor)
{
	if (*cursor < entries->lists)
		*cursor = entries->lists;
	while (*cursor < entries->used) {
		struct entry *entry = at(entries, (uint32_t)(*cursor)++);

		if (entry->id != 0)
			return entry;
	}
	return NULL;
}

/* --- birth and death */

static bool make_lists(struct entries *entries, unsigned lists)
{
	if (!add_chunk(entries) || !add_places(entries))
		return false;
	for (uint32_t i = 0; i < lists; i++) {
		struct entry *head = at(entries, i);

		head->index = i;
		head->next = i + 1;
		head->prev = i + 1;
	}
	entries->lists = lists;
	entries->used = lists;
	entries->base = CHUNK;
	return true;
}

struct entries *entries_new(unsigned lists)
{
	struct entries *entries = calloc(1, sizeof(*entries));

	if (entries != NULL && !make_lists(entries, lists))
		entries_free(&entries);
	return entries;
}

void entries_free(struct entries **entries)
{
	struct entries *gone = *entries;

	if (gone == NULL)
		return;
	*entries = NULL;
	for (size_t i = 0; i < gone->chunk_count; i++)
		free(gone->chunks[i]);
	for (size_t i = 0; i < gone->place_chunks; i++)
		free(gone->places[i]);
	free(gone->chunks);
	free(gone->places);
	free(gone);
}
