/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_COMMAND_CATALOGUE_H
#define POMONA_COMMAND_CATALOGUE_H

/*
 * The commands that Apple's protocol knows, one table row each.
 * Threading: any thread; constant.
 */

#include <stdbool.h>
#include <stddef.h>

#include "pomona/base/slice.h"

struct catalogue_row {
	const char *request_type;
	bool is_never_notnow; /* a device does not answer NotNow to it */
	bool is_urgent;       /* goes first: lock, erase */
	bool is_query;        /* only asks: a newer answer stands for an older one */
};

/* NULL for a type that is not in the table: it is sent all the same, Apple adds new ones every
 * year. */
const struct catalogue_row *catalogue_find(struct slice request_type);
const struct catalogue_row *catalogue_rows(size_t *count_r);

#endif
