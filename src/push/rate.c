/* SPDX-License-Identifier: Apache-2.0 */
#include "rate.h"

enum { ONE = 1000000, NAP_US = 10000 };

static int64_t capacity(const struct rate *rate)
{
	int64_t tenth = rate->per_s * (ONE / 10);

	return tenth > ONE ? tenth : ONE;
}

static void cut(struct rate *rate)
{
	if (rate->level > capacity(rate))
		rate->level = capacity(rate);
}

static void fill(struct rate *rate, int64_t now_us)
{
	int64_t elapsed = now_us - rate->filled_us;
	int64_t full_after = rate->per_s == 0 ? 0 : (capacity(rate) - rate->level) / rate->per_s + 1;

	rate->filled_us = now_us;
	if (elapsed > full_after)
		elapsed = full_after; /* so that a long pause does not overflow */
	if (elapsed > 0)
		rate->level += elapsed * rate->per_s;
	cut(rate);
}

void rate_init(struct rate *rate, int64_t per_s, int64_t now_us)
{
	*rate = (struct rate){.per_s = per_s, .filled_us = now_us};
	rate->level = capacity(rate);
}

void rate_set(struct rate *rate, int64_t per_s, int64_t now_us)
{
	fill(rate, now_us);
	rate->per_s = per_s;
	cut(rate);
}

bool rate_is_ready(struct rate *rate, int64_t now_us)
{
	if (rate->per_s == 0)
		return true;
	fill(rate, now_us);
	return rate->level >= ONE;
}

void rate_take(struct rate *rate)
{
	if (rate->per_s != 0)
		rate->level -= ONE;
}

void rate_give_back(struct rate *rate)
{
	if (rate->per_s != 0)
		rate->level += ONE;
	cut(rate);
}

int64_t rate_wait_us(struct rate *rate, int64_t now_us)
{
	int64_t wait;

	if (rate_is_ready(rate, now_us))
		return 0;
	wait = (ONE - rate->level + rate->per_s - 1) / rate->per_s;
	return wait > NAP_US ? wait : NAP_US;
}
