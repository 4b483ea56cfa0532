/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_DAEMON_HISTORY_H
#define POMONA_DAEMON_HISTORY_H

/*
 * The chore that drops what is older than [history] says: a slice of the writer's time, then a rest, until nothing is
 * due; then a look each minute. Threading: main, but for what the writer runs of it.
 */

#include <stdatomic.h>

#include "pomona/config/config.h"
#include "pomona/store/history.h"
#include "pomona/store/store.h"

enum {
	HISTORY_EVERY_MS = 60000,
	HISTORY_REST_MS = 100, /* five times a slice */
	HISTORY_LOG_EVERY_S = 3600,
	HISTORY_QUIET_S = 86400, /* the alarm about the clock ends when it is no further ahead */
};

enum history_alarm { HISTORY_ALARM_UNKNOWN, HISTORY_ALARM_QUIET, HISTORY_ALARM_RAISED };

struct history {
	struct store_job job;
	int64_t keep_s[HISTORY_CLASS_COUNT]; /* main's: a slice begins with a copy */
	atomic_bool is_under_way;
	bool is_walking; /* main's: between slices */
	/* Of whoever has the slice: */
	struct history_walk walk;
	bool has_failed;
	enum history_alarm alarm, alarm_next;
	int64_t unlogged, unlogged_bodies, log_after_us;
};

/* The next turn begins a walk. */
void history_set_keep(struct history *history, const struct config *config);
/* Returns at once; calls again after so many milliseconds. */
int64_t history_turn(struct history *history, struct store *store);

#endif
