/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_NET_H2_RACE_H
#define POMONA_NET_H2_RACE_H

/*
 * Addresses to one connected socket: one address after the other, each with a head start over the next; the first
 * that answers is taken (in the manner of RFC 8305). Threading: the loop's thread.
 */

#include "resolver.h"

enum { H2_RACE_HEAD_START_MS = 250 };

struct h2_race;
/*
 * `done` comes once, from the loop, and may free the race: a non-blocking socket, which is the callee's from then
 * on, or -1 and why. RC_IO: every address failed at once. RC_NO_MEMORY.
 */
enum rc h2_race_start(struct net_loop *loop, const struct net_addresses *addresses,
	void (*done)(void *ctx, int fd, const char *why), void *ctx, struct h2_race **race_r,
	struct err *err) MUST_USE;
void h2_race_free(struct h2_race **race);

#endif
