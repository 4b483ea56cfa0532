/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_RATE_H
#define POMONA_PUSH_RATE_H

/*
 * The cap on pushes a second: a token bucket in whole numbers. It holds a tenth of a second's worth, at least one.
 * Threading: one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

struct rate {
	int64_t per_s;     /* 0: no cap */
	int64_t level;     /* in millionths of a push */
	int64_t filled_us; /* when the level was right; monotonic */
};

/* The bucket is full. */
void rate_init(struct rate *rate, int64_t per_s, int64_t now_us);
/* Keeps what is in the bucket, as far as it still holds it. */
void rate_set(struct rate *rate, int64_t per_s, int64_t now_us);
/* May a push begin now? Then rate_take() notes it. */
bool rate_is_ready(struct rate *rate, int64_t now_us);
void rate_take(struct rate *rate);
/* One that was taken and did not begin. */
void rate_give_back(struct rate *rate);
/* How long until some may begin: at a high rate a few at once, so that the caller need not wake for each. */
int64_t rate_wait_us(struct rate *rate, int64_t now_us);

#endif
