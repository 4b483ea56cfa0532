/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_HTTP_AWAY_H
#define POMONA_HTTP_AWAY_H

/*
 * Counts and logs the connections that a listener turned away. A line a reason in ten seconds: whoever is
 * turned away must not fill the log by it. Threading: any thread.
 */

#include <stdatomic.h>

#include "pomona/http/http.h"

enum { AWAY_LOG_INTERVAL_US = 10 * 1000 * 1000 };

/* All zero at first. */
struct away {
	struct {
		atomic_uint_fast64_t count;
		atomic_uint_fast64_t hidden;       /* not logged since the last line */
		atomic_int_least64_t next_line_us; /* monotonic */
	} reasons[HTTP_AWAY_COUNT];
};

void away_note(struct away *away, const char *listener, enum http_away reason, const char *peer);

#endif
