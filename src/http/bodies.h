/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_HTTP_BODIES_H
#define POMONA_HTTP_BODIES_H

/*
 * How many bytes of bodies may be under way at once. Whoever has not shown that a device asks has a part of them only,
 * so that what he announces and holds back leaves room for devices. Threading: any thread.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each has a part of what the one before it has. */
enum sender {
	SENDER_DEVICE,    /* or a proxy */
	SENDER_NEIGHBOUR, /* nothing was shown, at an address where a device was accepted lately */
	SENDER_STRANGER,
	SENDER_COUNT
};

/* Of the whole: a half, and a quarter; or one of their largest bodies (HTTP_STRANGER_BODY_BYTES_MAX). */
enum { BODIES_NEIGHBOURS_PART = 2, BODIES_STRANGERS_PART = 4 };

struct bodies {
	size_t bytes_max[SENDER_COUNT];
	atomic_size_t bytes_now[SENDER_COUNT]; /* of this one and of those after it */
};

void bodies_init(struct bodies *bodies, size_t bytes_max);
/* Would so many more find room? */
bool bodies_fit(const struct bodies *bodies, enum sender sender, uint64_t bytes);
/* They have come, and count in any case. False: they are more than there may be. */
bool bodies_take(struct bodies *bodies, enum sender sender, size_t bytes);
void bodies_give_back(struct bodies *bodies, enum sender sender, size_t bytes);

#endif
