/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_PACE_H
#define POMONA_PKI_PACE_H

/* How long to rest, so as to work a part of the time. Threading: one thread; pure. */

#include <stdint.h>

enum { PACE_STEP_US = 1000 }; /* shorter rests are put together: the kernel's timers are no finer */

struct pace {
	int64_t owed_us;
};

/* After so much work: how long to rest now, 0: not at all. */
int64_t pace_rest_us(struct pace *pace, int64_t worked_us, unsigned percent);

#endif
