/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PLIST_KEYSET_H
#define POMONA_PLIST_KEYSET_H

/*
 * The keys of all dictionaries of one document, to find one that a dictionary has twice. It keeps
 * keyed hashes (SipHash-2-4 under a random key), not the keys: nobody outside can make two of
 * them meet, and by chance a million keys do so once in thirty million documents.
 * Threading: one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/err.h"
#include "pomona/base/slice.h"

enum { KEYSET_FIRST_SLOTS = 128 }; /* small messages need no memory */

struct keyset {
	uint64_t first[KEYSET_FIRST_SLOTS];
	uint64_t *slots; /* `first` or owned; 0 is a free slot */
	size_t slot_count;
	size_t used;
};

void plist_keyset_init(struct keyset *set);
/* RC_EXISTS where dictionary number `dict` has the key already. RC_NO_MEMORY. */
enum rc plist_keyset_add(struct keyset *set, uint32_t dict, struct slice key) MUST_USE;
void plist_keyset_fini(struct keyset *set);

#endif
