/* SPDX-License-Identifier: Apache-2.0 */
#include "history.h"

#include <stddef.h>
#include <stdio.h>

#include "pomona/base/log.h"
#include "pomona/command/catalogue.h"
#include "pomona/store/admin.h"

enum { SECONDS_A_DAY = 86400 };

#define ALARM_KIND "clock_ahead"

void history_set_keep(struct history *history, const struct config *config)
{
	const int64_t days[HISTORY_CLASS_COUNT] = {
		[HISTORY_DONE] = config->history.done_days,
		[HISTORY_FAILED] = config->history.failed_days,
		[HISTORY_CANCELLED] = config->history.cancelled_days,
		[HISTORY_EXPIRED] = config->history.expired_days,
		[HISTORY_QUERIES] = config->history.queries_days,
		[HISTORY_MESSAGES] = config->history.messages_days,
		[HISTORY_PENDING] = config->history.pending_days,
		[HISTORY_ESCROW] = config->history.escrow_days,
		[HISTORY_TOKENS] = config->history.tokens_days,
		[HISTORY_UNENROLLMENTS] = config->history.unenrollments_days,
		[HISTORY_INTENTS] = config->history.intents_days,
		[HISTORY_INVITATIONS] = config->history.intents_days,
		[HISTORY_TRANSACTIONS] = config->history.intents_days,
	};

	for (size_t i = 0; i < HISTORY_CLASS_COUNT; i++)
		history->keep_s[i] = days[i] * SECONDS_A_DAY;
	history->is_walking = false; /* less may be kept now: the next turn begins anew */
}

static bool is_query(struct slice request_type)
{
	const struct catalogue_row *row = catalogue_find(request_type);

	return row != NULL && row->is_query;
}

/* --- on the writer's thread */

static enum rc raise(struct txn *txn, int64_t ahead_s, struct err *err)
{
	char text[ERR_TEXT_BYTES];

	(void)snprintf(text, sizeof(text),
		"the clock is %lld days ahead of what was seen last: where that is wrong, put it right; where it is"
		" right, history catches up by itself at 24 days a day",
		(long long)(ahead_s / SECONDS_A_DAY));
	return alarm_raise(txn, ALARM_KIND, slice_of(NULL, 0), text, err);
}

static enum rc tell_of_clock(struct history *history, struct txn *txn, struct err *err)
{
	const int64_t ahead_s = history->walk.ahead_s;
	enum rc rc;

	history->alarm_next = history->alarm;
	if (ahead_s > HISTORY_AHEAD_S)
		history->alarm_next = HISTORY_ALARM_RAISED;
	else if (ahead_s < HISTORY_QUIET_S)
		history->alarm_next = HISTORY_ALARM_QUIET;
	if (history->alarm_next == history->alarm)
		return RC_OK;
	if (history->alarm_next == HISTORY_ALARM_RAISED)
		return raise(txn, ahead_s, err);
	rc = alarm_clear(txn, ALARM_KIND, slice_of(NULL, 0), err);
	return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum rc run(struct store_job *job, struct txn *txn, struct err *err)
{
	struct history *history = (struct history *)job;
	enum rc rc = history_walk(txn, &history->walk, err);

	return rc == RC_OK ? tell_of_clock(history, txn, err) : rc;
}
_Static_assert(offsetof(struct history, job) == 0, "a job is its chore");

static void log_dropped(struct history *history)
{
	const int64_t now_us = clock_monotonic_us(clock_system());

	for (size_t i = 0; i < HISTORY_CLASS_COUNT; i++)
		history->unlogged += history->walk.dropped[i];
	history->unlogged_bodies += history->walk.bodies;
	if (history->unlogged == 0 || history->walk.is_more || now_us < history->log_after_us)
		return;
	log_info("history_dropped", LOG_INT("rows", history->unlogged),
		LOG_INT("bodies", history->unlogged_bodies));
	history->unlogged = 0;
	history->unlogged_bodies = 0;
	history->log_after_us = now_us + (int64_t)HISTORY_LOG_EVERY_S * 1000000;
}

static void done(struct store_job *job, enum rc rc, const struct err *err)
{
	struct history *history = (struct history *)job;

	history->has_failed = rc != RC_OK;
	if (rc == RC_OK) {
		if (history->alarm_next == HISTORY_ALARM_RAISED && history->alarm != history->alarm_next)
			log_warning("clock_ahead", LOG_INT("days", history->walk.ahead_s / SECONDS_A_DAY));
		history->alarm = history->alarm_next;
		log_dropped(history);
	} else {
		log_warning("history_failed", LOG_STR("error", err->text));
	}
	atomic_store(&history->is_under_way, false);
}

/* --- on main */

static bool begin(struct history *history, struct store *store)
{
	struct err err = {0};

	history->job.run = run;
	history->job.done = done;
	history->walk.is_query = is_query;
	for (size_t i = 0; i < HISTORY_CLASS_COUNT; i++)
		history->walk.keep_s[i] = history->keep_s[i];
	atomic_store(&history->is_under_way, true);
	if (store_submit(store, &history->job, &err) == RC_OK)
		return true;
	atomic_store(&history->is_under_way, false);
	return false; /* the writer has better to do */
}

int64_t history_turn(struct history *history, struct store *store)
{
	if (atomic_load(&history->is_under_way))
		return HISTORY_REST_MS;
	if (history->is_walking && (history->has_failed || !history->walk.is_more)) {
		history->is_walking = false;
		return HISTORY_EVERY_MS;
	}
	history->is_walking = begin(history, store);
	return history->is_walking ? HISTORY_REST_MS : HISTORY_EVERY_MS;
}
