/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_BREAKER_H
#define POMONA_PUSH_BREAKER_H

/*
 * Whether a topic may send: not while APNs, or the way to it, fails. After a pause, which grows from one failure to
 * the next, one push is let through to see. Pure: time and randomness are handed in. Threading: one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

enum {
	BREAKER_FAULTS_MAX = 10, /* in a row, then it opens */
	BREAKER_FAULTS_MIN_MS =
		1000,                  /* that the row has lasted: of a burst the bad answers may come last */
	BREAKER_GOODS_MIN = 20, /* until the next pause is a short one again */
	BREAKER_PAUSE_FIRST_MS = 1000,
	BREAKER_PAUSE_MAX_MS = 60000, /* before jitter, of a quarter more or less */
};

enum breaker_state {
	BREAKER_CLOSED, /* all may pass */
	BREAKER_OPEN,
	BREAKER_TRIAL,   /* one may */
	BREAKER_STOPPED, /* until breaker_init() */
};

struct breaker {
	enum breaker_state state;
	unsigned faults; /* in a row */
	int64_t faulty_since_ms;
	unsigned goods;  /* since it closed */
	unsigned pauses; /* made, of growing length */
	bool is_trial_out;
	int64_t until_ms;
};

void breaker_init(struct breaker *breaker); /* closed */
bool breaker_may_pass(const struct breaker *breaker);
/* One passes. True: it is the trial, and must end in breaker_good(), breaker_bad() or breaker_trial_end(). */
bool breaker_pass(struct breaker *breaker);
/* The trial ended and proved nothing: another one may pass. */
void breaker_trial_end(struct breaker *breaker);
/* APNs works. `is_proof`: by the trial, or by what was sent in spite of all. True: it closed. */
bool breaker_good(struct breaker *breaker, bool is_proof);
/* APNs does not. `is_proof`: by the trial, or the connection itself failed: one is enough. `random` spreads the
 * pause. True: it opened. */
bool breaker_bad(struct breaker *breaker, bool is_proof, int64_t now_ms, uint32_t random);
/* True: the pause is over, one may pass. */
bool breaker_tick(struct breaker *breaker, int64_t now_ms);
void breaker_stop(struct breaker *breaker);

#endif
