/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/base/clock.h"

#include <stddef.h>
#include <time.h>

static int64_t read_clock(clockid_t id, int64_t units_per_s)
{
	struct timespec now = {0};

	(void)clock_gettime(id, &now); /* cannot fail for these two clocks */
	return (int64_t)now.tv_sec * units_per_s + now.tv_nsec / (1000000000 / units_per_s);
}

static int64_t system_unix_ms(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_REALTIME, 1000);
}

static int64_t system_monotonic_us(void *ctx)
{
	(void)ctx;
	return read_clock(CLOCK_MONOTONIC, 1000000);
}

const struct clock *clock_system(void)
{
	static const struct clock system = {
		.unix_ms = system_unix_ms,
		.monotonic_us = system_monotonic_us,
	};

	return &system;
}

int64_t clock_unix_ms(const struct clock *clock)
{
	return clock->unix_ms(clock->ctx);
}

int64_t clock_unix_s(const struct clock *clock)
{
	return clock_unix_ms(clock) / 1000;
}

int64_t clock_monotonic_us(const struct clock *clock)
{
	return clock->monotonic_us(clock->ctx);
}
