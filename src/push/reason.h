/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_REASON_H
#define POMONA_PUSH_REASON_H

/*
 * The one table of what APNs answers: for each status and reason what becomes of the push, of its token and of its
 * topic, and what people are told. Pure. Threading: any thread.
 */

#include "pomona/base/log.h"
#include "topics.h"

enum reason_effect {
	REASON_NOTHING,
	REASON_GONE,    /* the token is dead, if APNs found out after we got it */
	REASON_SUSPECT, /* of one token it says that it is bad; of many, that the topic's certificate is */
	REASON_STOP,    /* the topic's certificate is at fault */
	REASON_OVERLOAD,  /* APNs is: the breaker counts it */
	REASON_RECONNECT, /* likewise, and another connection may fare better */
	REASON_IDLE,      /* the connection was closed for want of traffic: once more on another one */
};

struct reason {
	const char *name;
	unsigned status;
	enum push_action action;
	enum reason_effect effect;
	enum log_level level;
	int64_t retry_after_s; /* where APNs does not say */
	const char *advice;
};

/*
 * The row of this status and reason; of the reason under another status of its class; of the status; or of its class.
 * Never NULL.
 */
const struct reason *reason_find(unsigned status, struct slice name);
/* GOAWAY gives a reason without a status. NULL: not in the table. */
const struct reason *reason_find_name(struct slice name);
/* For tests: the rows that have a name. */
const struct reason *reason_table(size_t *count_r);

#endif
