/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_IDENTITY_OUTCOME_H
#define POMONA_IDENTITY_OUTCOME_H

/*
 * What a device message leads to: the reply, and what is to be done once it is durable.
 * Threading: one thread at a time.
 */

#include "pomona/base/buf.h"
#include "pomona/identity/refusal.h"

enum { OUTCOME_BODY_BYTES_MAX = 64 * 1024 * 1024 };

/* The content type of every body that devices are sent here. */
#define OUTCOME_PLIST_TYPE "application/xml; charset=UTF-8"

struct outcome {
	unsigned http_status;
	const char *content_type; /* NULL with an empty body */
	struct buf body;          /* owned: outcome_fini() */
	enum refusal refusal;
	int64_t channel_id; /* the enrollment that was in contact; 0: none. For last-seen and waking */
	const char *event;  /* our word for the log line ("enrolled", "command_answered"); NULL: quiet */
	char text[REFUSAL_TEXT_BYTES]; /* what exactly was wrong, for body and log */
};

/* A 200 without a body. */
void outcome_init(struct outcome *outcome);
/* Sets reason and status; `text` (may be NULL) says what exactly. Drops the body. */
void outcome_refuse(struct outcome *outcome, enum refusal refusal, const char *text);
/* Wipes the body: it may have been a secret. */
void outcome_fini(struct outcome *outcome);

#endif
