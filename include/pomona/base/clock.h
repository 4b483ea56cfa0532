/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_BASE_CLOCK_H
#define POMONA_BASE_CLOCK_H

/*
 * Where time comes from, so that tests can set it. Rooms take a `const struct clock *` and never
 * ask the system. Threading: any thread.
 */

#include <stdint.h>

struct clock {
	int64_t (*unix_ms)(void *ctx);      /* milliseconds since 1970, UTC; may jump */
	int64_t (*monotonic_us)(void *ctx); /* microseconds; never goes back */
	void *ctx;
};

/* The system's clocks; lives for ever. */
const struct clock *clock_system(void);
int64_t clock_unix_ms(const struct clock *clock);
int64_t clock_unix_s(const struct clock *clock);
int64_t clock_monotonic_us(const struct clock *clock);

#endif
