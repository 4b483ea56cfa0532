/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_WAYS_H
#define POMONA_SIM_WAYS_H

/*
 * The ways in which a simulated device gets in: one table, for the command line, its help and the enroller.
 * Threading: any thread; the table is constant.
 */

#include <stdbool.h>
#include <stddef.h>

#include "pomona/base/slice.h"

struct enroller;

struct way {
	const char *name;
	const char *where; /* what stands behind its name; NULL: nothing */
	const char *help;
	bool needs_url;                           /* --url says where the server is */
	void (*begin)(struct enroller *enroller); /* NULL: the device has an identity from the start */
};

/* NULL past the end; the first is the default. */
const struct way *way_at(size_t index);
/* NULL where there is none of that name. */
const struct way *way_find(struct slice name);

#endif
