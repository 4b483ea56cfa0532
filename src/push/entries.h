/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_ENTRIES_H
#define POMONA_PUSH_ENTRIES_H

/*
 * The enrollments that are to be woken, or were pushed to and have not answered: a table by enrollment id, and
 * lists that each entry is on at most one of. 64 bytes an entry and 4 for its place in the table. The table grows
 * by one place with each entry, so that none pays for the others.
 * Threading: one thread at a time.
 */

#include <stddef.h>

#include "wake.h"

struct entry {
	int64_t id; /* the enrollment's */
	struct wake wake;
	uint32_t index;      /* where it lives */
	uint32_t next, prev; /* of its list; 0: on none */
	uint32_t chain;      /* of the table */
};

struct entries;

/* With `lists` empty lists, numbered from 0. NULL when memory is short. */
struct entries *entries_new(unsigned lists);
/* NULL: not there. */
struct entry *entries_find(const struct entries *entries, int64_t id);
/* One that is not there, as WAKE_NEW, on no list. Stays where it is. NULL when memory is short. */
struct entry *entries_add(struct entries *entries, int64_t id);
/* Off its list, too. */
void entries_remove(struct entries *entries, struct entry *entry);
size_t entries_count(const struct entries *entries);

/* Onto the list, off the one it was on. */
void entries_append(struct entries *entries, unsigned list, struct entry *entry);
void entries_prepend(struct entries *entries, unsigned list, struct entry *entry);
void entries_unlink(struct entries *entries, struct entry *entry);
bool entry_is_listed(const struct entry *entry);
/* NULL: empty. */
struct entry *entries_first(const struct entries *entries, unsigned list);

/* From cursor 0 on, each that stays is given once. NULL: no more. */
struct entry *entries_next(const struct entries *entries, size_t *cursor);

void entries_free(struct entries **entries);

#endif
