/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_HTTP_DEADLINE_H
#define POMONA_HTTP_DEADLINE_H

/*
 * By when a connection must have come on with what it has begun. libmicrohttpd knows only how long nothing moved,
 * which a client that sends a byte now and then never reaches. A thread of the listener's own looks at all
 * connections once a second and cuts off those that are late by shutdown(2); their workers then read the end
 * of the stream and close.
 * Threading: of a struct deadline: its connection's worker. The rest: the listener's owner.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "pomona/base/err.h"
#include "pomona/http/http.h"

struct deadlines;

/* A file's reader may be this slow, 2 Mbit/s, and no slower: a line of a site, not one who holds a connection. */
enum { DEADLINE_FILE_BYTES_PER_S_LEAST = 262144 };
/* What a file of so many bytes may take where a short reply may take `least_s`. 0, for none, stays 0. */
unsigned deadline_file_s(unsigned least_s, uint64_t bytes);

/* Embedded in a connection. */
struct deadline {
	struct deadlines *all; /* NULL: not watched */
	int fd;
	atomic_int_least64_t at_us; /* monotonic; 0: none */
	atomic_int reason;          /* enum http_away: what it is to be called when it is late */
	struct deadline *next, *prev;
};

/* `late` is told on the thread, with the lock held: it must not call back. */
enum rc deadlines_start(void (*late)(struct deadline *deadline, enum http_away reason),
	struct deadlines **deadlines_r, struct err *err) MUST_USE;
/* Cuts nobody off any more; when libmicrohttpd has stopped. */
void deadlines_stop(struct deadlines **deadlines);

void deadline_watch(struct deadline *deadline, struct deadlines *all, int fd);
/* From now on so many seconds; 0: none. */
void deadline_set(struct deadline *deadline, enum http_away reason, unsigned seconds);
/* Before the descriptor is closed. */
void deadline_forget(struct deadline *deadline);

#endif
