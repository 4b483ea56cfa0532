/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_INTERNAL_H
#define POMONA_PUSH_INTERNAL_H

/*
 * The scheduler: the upper half of the room. It lives on the loop's thread; what others may touch is the inbox, and
 * what `lock` guards.
 * Threading: the loop's thread, where nothing else is said.
 */

#include <pthread.h>

#include "ask.h"
#include "failures.h"
#include "inbox.h"
#include "outcome.h"
#include "rate.h"
#include "ready.h"
#include "walk.h"
#include "wheel.h"

enum {
	TURN_LOOKS_MAX = 256,   /* reads from the store in a turn; then the loop goes on */
	TURN_ROWS_MAX = 512,    /* of new work */
	TURN_ORDERS_MAX = 2048, /* ids of orders */
	TURN_SWEEP_MAX = 16384, /* entries, after contacts were lost */
	FLIGHTS_MAX = 16384,    /* pushes that the lower half has */
	TICK_US = 1000000,
	STORE_AGAIN_US = 1000000, /* after a failed read */
	STOP_WAIT_US = 2000000,   /* for answers to what is in flight */
	STOP_LOOK_US = 100000,
	STOP_FAILURES_MAX = 3, /* writes; then outcomes are given up */
};

/* How the search for work stands. */
struct scan {
	bool is_begun;           /* the cursor was read */
	bool is_opened;          /* all that was open at the start was read ... */
	int64_t opened_after_id; /* ... or up to this enrollment */
	bool is_poked;           /* there may be something after the cursor */
	struct push_cursor cursor;
};

enum sweep { SWEEP_CONTACTS = 1 /* were lost */, SWEEP_CERTS = 2 /* were loaded */ };

enum stop_state { STOP_NOT, STOP_ASKED, STOP_LANDED, STOP_DONE };

struct push {
	struct net_loop *loop;
	struct store *store;
	const struct clock *clock;
	struct push_settings settings;
	struct topics *topics;
	struct net_timer *timer;
	struct inbox inbox;

	struct entries *entries;
	struct wheel wheel;
	struct ready ready;
	struct rate rate;
	struct jitter jitter;
	struct scan scan;
	struct walk walk;
	struct asks asks;
	struct failures failures;
	struct outcomes *outcomes;
	struct inbox_order *orders; /* not done yet */
	size_t flight_count;

	int64_t start_us, now_us; /* monotonic; now_us: of the turn */
	int64_t tick_us;          /* when the next second begins */
	int64_t store_us;         /* no reads before: one has failed */
	int64_t stop_us;          /* when it was asked to stop */
	bool is_started;
	bool is_turn_soon; /* there is something to do at once */
	bool is_room;      /* topics may take something again */
	bool is_certs_changed;
	bool is_certs_failed; /* loading them has, in this second */
	unsigned sweeping;    /* enum sweep, for which all entries are looked at ... */
	size_t swept;         /* ... and these were */
	bool is_walk_due;
	uint64_t pushes_total, contacts_total;
	enum stop_state stop;
	struct push_stats drawn;

	char server[PUSH_HOST_BYTES_MAX + 16];
	bool is_start_posted; /* main's */
	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t stopped;
	bool is_stopped;
	struct push_stats stats;
};

/* --- schedule.c: the turns */

/* One turn: all that is to be done now, in slices. */
void schedule_turn(struct push *push);
/* Is there more to do at once? Else it waits for time, for others, or for an answer. */
bool schedule_is_busy(struct push *push);
/* Have a turn as soon as the loop is free. */
void schedule_turn_soon(struct push *push);
void schedule_stats(struct push *push);
struct wake_now schedule_now(struct push *push);
/* Where `next` says, from where it `was`. */
void schedule_place(struct push *push, struct entry *entry, const struct wake *was,
	enum wake_next next);
/* The enrollment's entry, made if need be. NULL: memory is short; then open work is read anew later. */
struct entry *schedule_entry(struct push *push, int64_t enrollment_id);

/* --- scan.c: who has work */

/* Searches for new work, a slice. */
enum rc scan_slice(struct push *push, struct txn *txn, struct err *err) MUST_USE;
bool scan_has_more(const struct push *push);
/* Reads all open work anew. */
void scan_again(struct push *push);

/* --- letters.c: what others told */

void letters_take(struct push *push);
void letters_orders(struct push *push);
/* Begins to look at all entries; letters_sweep() goes on with it. */
void letters_begin_sweep(struct push *push, enum sweep what);
void letters_sweep(struct push *push);

/* --- serve.c: those whose turn has come */

/* Looks at them and pushes, a slice. */
enum rc serve_slice(struct push *push, struct txn *txn, struct err *err) MUST_USE;
/* May something be pushed now, but for the rate? */
bool serve_can(const struct push *push);

#endif
