/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_HISTORY_H
#define POMONA_STORE_HISTORY_H

/*
 * What is finished, and how long it is kept: dropped by age and class, in slices beside the daemon's other work.
 * What is open is never touched. Threading: the thread that has the txn.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/err.h"
#include "pomona/base/slice.h"
#include "pomona/store/store.h"

enum history_class {
	HISTORY_DONE,      /* commands that the device acknowledged */
	HISTORY_FAILED,    /* that it refused */
	HISTORY_CANCELLED, /* that it did not answer ... */
	HISTORY_EXPIRED,   /* ... up to now; a late answer makes them one of the above, finished then */
	HISTORY_QUERIES,   /* acknowledged ones that only asked, and whose kind was answered anew since */
	HISTORY_MESSAGES, /* raw check-in messages: the latest of each kind is kept anyway up to its age */
	HISTORY_PENDING,  /* an Authenticate whose TokenUpdate never came */
	HISTORY_ESCROW,   /* secrets of former enrollments */
	HISTORY_TOKENS,   /* API tokens that were revoked or have ended */
	HISTORY_UNENROLLMENTS,
	HISTORY_INTENTS,      /* challenges and the like, past their end */
	HISTORY_INVITATIONS,  /* likewise */
	HISTORY_TRANSACTIONS, /* of SCEP, whose identity has ended */
	HISTORY_CLASS_COUNT
};
const char *history_class_name(enum history_class class);

enum {
	HISTORY_SLICE_ROWS_MAX = 512, /* looked at in one slice, of each class */
	HISTORY_NEWER_ROWS_MAX = 256, /* of one channel, looked at for a newer answer */
	HISTORY_LAP_S = 30 * 86400,   /* answers that nothing had replaced are looked at again */
	HISTORY_CATCH_UP = 24,        /* times faster than the clock */
	HISTORY_AHEAD_S = 7 * 86400,  /* a clock that is so far ahead is told of */
};

/*
 * One slice after the other. Ages are not measured by the clock but by a time that follows it: it never goes ahead
 * of the clock, and where the clock is ahead, by a jump or because the server was off, it follows at HISTORY_CATCH_UP
 * times the speed of time. So a wrong clock drops 24 days of history on each day that it goes unnoticed, not all.
 */
struct history_walk {
	int64_t keep_s[HISTORY_CLASS_COUNT]; /* 0: for ever */
	bool (*is_query)(struct slice request_type);
	/* Zero at first, then the verb's: */
	int64_t time_s, written_time_s, looked_us;
	bool has_looked;
	/* Of the last slice: */
	int64_t dropped[HISTORY_CLASS_COUNT];
	int64_t bodies;  /* commands that nothing named any more */
	int64_t ahead_s; /* the clock of history's time */
	bool is_more;    /* time, or what one slice looks at, ran out */
};
/* Until *_slice_over. What a failed slice had dropped is there again, and a later one drops it. */
enum rc history_walk(struct txn *txn, struct history_walk *walk, struct err *err) MUST_USE;

struct history_view {
	int64_t time_s; /* 0: it never walked */
	int64_t
		walked_at; /* the end of the last walk, as of the last hour or what it dropped since; 0: never */
	int64_t dropped[HISTORY_CLASS_COUNT]; /* in all */
	int64_t bodies;
	int64_t free_bytes; /* of the database file, to be used again */
};
enum rc history_view(struct txn *txn, struct history_view *view_r, struct err *err) MUST_USE;

#endif
