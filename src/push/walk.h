/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_WALK_H
#define POMONA_PUSH_WALK_H

/*
 * The walk through the fleet, one pass a period and evenly: who has been silent is pushed to, as a sign of life is
 * asked for once a day, and who stays silent becomes inactive. Where the walk has come to is stored, so that it goes
 * on there after a restart.
 * Threading: the loop's thread.
 */

#include "topics.h"

enum {
	WALK_ROWS_MAX = 256,              /* a step */
	WALK_SAVE_US = 60 * 1000000,      /* the cursor is noted so often, where it moved */
	WALK_SIZE_US = 10 * 60 * 1000000, /* the fleet is counted so often */
};

struct walk {
	bool is_begun; /* the cursor was read */
	int64_t after_id, saved_id;
	int64_t size;
	int64_t credit;  /* rows that are due, times the period in milliseconds */
	int64_t step_us; /* when the credit was right */
	int64_t save_us, size_us;
};

/* What the walk does about one channel. */
struct walk_verdict {
	bool is_probe, is_silent; /* silent: it becomes inactive */
};
/* Pure. */
struct walk_verdict walk_judge(const struct push_walk_row *row,
	const struct push_settings *settings, int64_t unix_s);
/* How long a pass takes; 0: there is none. Pure. */
int64_t walk_period_s(const struct push_settings *settings);

/* Where the walk leads. */
struct walk_steps {
	const struct push_settings *settings;
	int64_t now_us, unix_s;
	void (*visit)(void *ctx, const struct push_walk_row *row, struct walk_verdict verdict);
	void *ctx;
};
/*
 * One step, with what is due, in a snapshot. *is_more_r: more is due already. What fails is tried again with the
 * next step.
 */
enum rc walk_step(struct walk *walk, const struct walk_steps *steps, struct txn *txn,
	bool *is_more_r, struct err *err) MUST_USE;
/* Is it time to note the cursor, which is walk->after_id? is_last: at the end. */
bool walk_is_to_save(const struct walk *walk, int64_t now_us, bool is_last);
void walk_saved(struct walk *walk, int64_t now_us);

#endif
