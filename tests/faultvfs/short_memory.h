/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_SHORT_MEMORY_H
#define POMONA_TESTS_SHORT_MEMORY_H

/*
 * Memory that ends at the n-th request of this program or of any library in it. Linked in as objects, it stands
 * before the C library's malloc(), calloc() and realloc().
 * Threading: any thread.
 */

#include <stdbool.h>

/* The `nth` request from now (1: the next) of any thread fails, with is_lasting all after it too; 0: none. */
void short_memory_fail(long nth, bool is_lasting);
/* Has one failed since? */
bool short_memory_has_failed(void);

#endif
