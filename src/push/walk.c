/* SPDX-License-Identifier: Apache-2.0 */
#include "walk.h"

enum { PASSES_TO_INACTIVE = 7, SIZE_MAX_COUNTED = 1000000000 };

int64_t walk_period_s(const struct push_settings *settings)
{
	int64_t probe = settings->probe_interval_s;
	int64_t inactive = settings->inactive_after_s;
	int64_t seventh = inactive / PASSES_TO_INACTIVE;

	if (inactive == 0)
		return probe;
	if (seventh == 0)
		seventh = 1;
	return probe != 0 && probe < seventh ? probe : seventh;
}

/*
 * The walk comes by once a period, give or take: who is silent for nearly as long as he may be is not left to the
 * next pass, else one who answers every probe were probed every other time.
 */
static bool is_nearly(int64_t passed_s, int64_t interval_s)
{
	int64_t slack = interval_s / 16 + 1;

	if (passed_s < -slack)
		return true; /* the clock was set back since: it says nothing */
	return passed_s >= interval_s - slack;
}

struct walk_verdict walk_judge(const struct push_walk_row *row,
	const struct push_settings *settings, int64_t unix_s)
{
	const int64_t silent_s = unix_s - row->last_seen_at;
	const int64_t interval = settings->probe_interval_s;
	const int64_t limit = settings->inactive_after_s;

	return (struct walk_verdict){
		.is_probe = interval != 0 && row->has_live_token && is_nearly(silent_s, interval) &&
			is_nearly(unix_s - row->pushed_at, interval),
		.is_silent = limit != 0 && !row->is_inactive && silent_s >= limit,
	};
}

static enum rc begin(struct walk *walk, int64_t now_us, int64_t period_ms, struct txn *txn,
	struct err *err)
{
	enum rc rc = push_walk_cursor_get(txn, &walk->after_id, err);

	if (rc != RC_OK)
		return rc;
	walk->saved_id = walk->after_id;
	walk->save_us = now_us;
	walk->step_us = now_us;
	walk->credit = period_ms; /* one, so that many restarts do not keep it from ever moving */
	walk->size_us = now_us - WALK_SIZE_US;
	walk->is_begun = true;
	return RC_OK;
}

static enum rc count(struct walk *walk, int64_t now_us, struct txn *txn, struct err *err)
{
	enum rc rc;

	if (now_us - walk->size_us < WALK_SIZE_US)
		return RC_OK;
	walk->size_us = now_us;
	rc = push_walk_size(txn, &walk->size, err);
	if (walk->size > SIZE_MAX_COUNTED)
		walk->size = SIZE_MAX_COUNTED; /* so that no product overflows */
	return rc;
}

/* Time that passed becomes credit, for one pass at most. */
static void earn(struct walk *walk, int64_t now_us, int64_t period_ms)
{
	const int64_t credit_max = (walk->size > 0 ? walk->size : 1) * period_ms;
	int64_t passed_ms = (now_us - walk->step_us) / 1000;

	walk->step_us += passed_ms * 1000;
	if (passed_ms > period_ms)
		passed_ms = period_ms;
	walk->credit += walk->size * passed_ms;
	if (walk->credit > credit_max)
		walk->credit = credit_max;
}

/* Up to `max` rows from the cursor on, which moves. */
static enum rc go(struct walk *walk, const struct walk_steps *steps, size_t max, size_t *count_r,
	struct txn *txn, struct err *err)
{
	struct push_walk_row rows[WALK_ROWS_MAX];
	enum rc rc = push_walk(txn, walk->after_id, rows, max, count_r, err);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < *count_r; i++)
		steps->visit(steps->ctx, &rows[i], walk_judge(&rows[i], steps->settings, steps->unix_s));
	walk->after_id = *count_r < max ? 0 : rows[max - 1].enrollment_id;
	return RC_OK;
}

/* What is due; a pass that ends is followed by the next without a gap. */
static enum rc go_round(struct walk *walk, const struct walk_steps *steps, size_t due,
	struct txn *txn, struct err *err)
{
	size_t visited = 0;
	enum rc rc = go(walk, steps, due, &visited, txn, err);

	if (rc == RC_OK && visited < due)
		rc = go(walk, steps, due - visited, &visited, txn, err);
	return rc;
}

enum rc walk_step(struct walk *walk, const struct walk_steps *steps, struct txn *txn,
	bool *is_more_r, struct err *err)
{
	const int64_t period_ms = walk_period_s(steps->settings) * 1000;
	int64_t due;
	enum rc rc = RC_OK;

	*is_more_r = false;
	if (period_ms == 0)
		return RC_OK;
	if (!walk->is_begun)
		rc = begin(walk, steps->now_us, period_ms, txn, err);
	if (rc == RC_OK)
		rc = count(walk, steps->now_us, txn, err);
	if (rc != RC_OK)
		return rc;
	earn(walk, steps->now_us, period_ms);
	due = walk->credit / period_ms;
	if (due == 0)
		return RC_OK;
	if (due > WALK_ROWS_MAX)
		due = WALK_ROWS_MAX;
	rc = go_round(walk, steps, (size_t)due, txn, err);
	if (rc != RC_OK)
		return rc;
	walk->credit -= due * period_ms;
	*is_more_r = walk->credit >= period_ms;
	return RC_OK;
}

bool walk_is_to_save(const struct walk *walk, int64_t now_us, bool is_last)
{
	return walk->is_begun && walk->after_id != walk->saved_id &&
		(is_last || now_us - walk->save_us >= WALK_SAVE_US);
}

void walk_saved(struct walk *walk, int64_t now_us)
{
	walk->saved_id = walk->after_id;
	walk->save_us = now_us;
}
