/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_FAILURES_H
#define POMONA_PUSH_FAILURES_H

/*
 * Pushes that failed, in the log: a line a reason and minute, with how many there were, so that a bad hour of APNs
 * does not fill the journal.
 * Threading: the loop's thread.
 */

#include "topics.h"

enum { FAILURES_MAX = 32, FAILURES_WINDOW_US = 60 * 1000000 };

struct failures {
	size_t count;
	struct failure {
		char reason[PUSH_REASON_BYTES_MAX + 1];
		uint64_t untold;
		int64_t told_us;
	} rows[FAILURES_MAX]; /* the last one holds all that have no row of their own */
};

struct failure_of {
	int64_t enrollment_id;
	const char *reason; /* a word */
	unsigned status;
	const char *detail;
};
/* True: the line was written; else it is counted. */
bool failures_note(struct failures *failures, const struct failure_of *failure, int64_t now_us);
/* Writes what was counted and whose minute is over. */
void failures_tick(struct failures *failures, int64_t now_us);

#endif
