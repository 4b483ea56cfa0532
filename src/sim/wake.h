/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_WAKE_H
#define POMONA_SIM_WAKE_H

/*
 * Which simulated device a push is for: what APNs knows of its tokens, and what the device makes of the push.
 * Threading: one thread at a time.
 */

#include "apns_check.h"
#include "pomona/base/err.h"

struct wake;

/* `rouse` is told who a push has woken. NULL where memory is short. */
struct wake *wake_new(void (*rouse)(void *who, unsigned channel));
void wake_free(struct wake **wake);

struct wake_channel {
	struct slice token;
	const char *topic; /* borrowed until wake_free() */
	const char *magic; /* copied */
	void *who;
	unsigned channel;
};
/* RC_LIMIT, RC_NO_MEMORY. A token that is there already is the new channel's from now on. */
enum rc wake_add(struct wake *wake, const struct wake_channel *channel) MUST_USE;
/* The device has given the token up: APNs goes on knowing it, as one that is gone. */
void wake_retire(struct wake *wake, struct slice token, int64_t now_ms);

enum wake_verdict { WAKE_KNOWN, WAKE_UNKNOWN, WAKE_OTHER_TOPIC, WAKE_GONE };
enum wake_verdict wake_judge(const struct wake *wake, const struct apns_push *push,
	int64_t *gone_ms_r);
/* For a push that is WAKE_KNOWN. False: the device has passed it over, as its magic is another. */
bool wake_push(struct wake *wake, const struct apns_push *push);

#endif
