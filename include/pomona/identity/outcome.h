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

/* What the message tells about the channel's need to be woken; the rules of waking are in push/. */
enum outcome_contact {
	OUTCOME_CONTACT_NONE,    /* refused, or nothing that the channel itself said */
	OUTCOME_CONTACT_MESSAGE, /* it spoke to us */
	OUTCOME_CONTACT_DRAINED, /* empty reply, and no work was left */
	OUTCOME_CONTACT_RESTING, /* empty reply to a NotNow, with work held: it comes again by itself */
	OUTCOME_CONTACT_HELD,    /* empty reply to another status, with work held: it does not */
	OUTCOME_CONTACT_TOKEN,   /* its TokenUpdate was taken */
};

struct outcome {
	unsigned http_status;
	const char *content_type; /* NULL with an empty body */
	struct buf body;          /* owned: outcome_fini() */
	enum refusal refusal;
	int64_t channel_id; /* the enrollment that was in contact; 0: none. For last-seen and waking */
	enum outcome_contact contact;
	int64_t seen_seq;  /* of RESTING and HELD: queue_last_seq() of the decision's transaction */
	const char *event; /* our word for the log line ("enrolled", "command_answered"); NULL: quiet */
	char text[REFUSAL_TEXT_BYTES]; /* what exactly was wrong, for body and log */
};

/* A 200 without a body. */
void outcome_init(struct outcome *outcome);
/* Sets reason and status; `text` (may be NULL) says what exactly. Drops the body. */
void outcome_refuse(struct outcome *outcome, enum refusal refusal, const char *text);
/* Wipes the body: it may have been a secret. */
void outcome_fini(struct outcome *outcome);

#endif
