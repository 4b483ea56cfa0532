/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_WAKE_H
#define POMONA_PUSH_WAKE_H

/*
 * What an enrollment's need to be woken becomes at each event. An enrollment must be woken when the sequence of its
 * highest open work exceeds both what its last empty reply had seen and what it was pushed for; and again, after
 * gaps that grow, while that work stays unanswered. While a push is out that it has not come for, newer work that is
 * not urgent adds none: whoever comes for the one gets the other, and the next push is then a first gap away at most.
 * Decisions only: who calls puts the entry where it belongs.
 * Threading: one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "gap.h"
#include "pomona/push/push.h"
#include "topics.h"

enum {
	WAKE_REFUSED_FIRST_S = 5,           /* the first gap after a refusal that a repetition may mend */
	WAKE_RETRY_AFTER_MAX_S = 7 * 86400, /* of what APNs asks for */
	WAKE_ORDER_TRIES_MAX = 8,           /* of a push that was ordered, and has no work behind it */
};

enum wake_phase {
	WAKE_READY,  /* its turn has come; the store says what is still true */
	WAKE_WAIT,   /* until when_s */
	WAKE_FLIGHT, /* a push is with the lower half */
};

struct wake {
	int64_t open_seq;    /* the highest of its open work, as far as it was told; 0: none */
	int64_t pushed_seq;  /* what a push was taken for */
	int64_t seen_seq;    /* what an empty reply had seen */
	uint32_t when_s;     /* WAIT: until when; READY: since when */
	uint8_t tries;       /* pushes since its last contact */
	uint8_t fails;       /* refusals since the last push that was taken */
	uint8_t phase;       /* enum wake_phase */
	uint8_t class;       /* enum push_class */
	uint8_t topic;       /* the caller's: where it stands while READY */
	bool is_fresh : 1;   /* nothing is known but what is stored */
	bool is_forced : 1;  /* it has a new token: what was pushed before reached nobody */
	bool is_ordered : 1; /* to be pushed to without work as well, ... */
	bool is_asked : 1;   /* ... as long as somebody waits for it, */
	bool is_test : 1;    /* ... whatever speaks against it, */
	bool is_probe : 1;   /* ... or once */
	bool is_dead : 1;    /* its token: WAIT is for a look at the store only */
	bool is_dropped : 1; /* no push mends the work up to pushed_seq; WAIT likewise */
	bool is_due : 1;     /* a gap is over: the same work is pushed for again */
	bool is_resting : 1; /* in FLIGHT: it said meanwhile that it comes by itself; */
	bool is_met : 1;     /* ... it was in touch; */
	bool is_urgent : 1;  /* ... urgent work came */
};

struct wake_now {
	const struct push_settings *settings;
	struct jitter *jitter;
	uint32_t now_s; /* monotonic, from the start of the room */
	int64_t unix_s;
};

/* Where the entry belongs now. phase and when_s say so too. */
enum wake_next {
	WAKE_STAYS,
	WAKE_TO_READY, /* in its class; it may have been ready in another one */
	WAKE_TO_WAIT,
	WAKE_TO_NOWHERE, /* forget it */
};

/* A new entry is WAKE_NEW, and then goes through one of the next three. */
#define WAKE_NEW ((struct wake){.is_fresh = true, .class = PUSH_CLASS_PROBE})

/* Work was published. */
enum wake_next wake_work(struct wake *wake, const struct wake_now *now, int64_t seq,
	enum push_class class);
enum wake_next wake_contact(struct wake *wake, const struct wake_now *now,
	const struct push_contact *contact);
enum wake_order { WAKE_ORDER, WAKE_ASK, WAKE_TEST, WAKE_PROBE };
enum wake_next wake_order(struct wake *wake, enum wake_order order, enum push_class class);
/* Contacts were lost: this may have been in touch. */
enum wake_next wake_maybe_contact(struct wake *wake, const struct wake_now *now);
/* when_s of a WAIT has come. */
enum wake_next wake_due(struct wake *wake);
/* There are other certificates: what was dropped, as of a foreign topic, may be taken now. */
enum wake_next wake_certs(struct wake *wake);

enum wake_verdict {
	WAKE_PUSH,
	WAKE_NO_PUSH,  /* not now, or not any more */
	WAKE_NO_TOKEN, /* nor can it be reached */
	WAKE_TOKEN_DEAD,
	WAKE_VERDICT_COUNT
};
/*
 * Its turn has come: what the store says now decides. WAKE_PUSH: then call wake_sent() or wake_blocked(); else
 * *next_r says where it belongs.
 */
enum wake_verdict wake_look(struct wake *wake, const struct wake_now *now,
	const struct push_target *target, enum wake_next *next_r);
void wake_sent(struct wake *wake);
/* Its topic takes nothing now. But for TOPICS_FULL who asked is to be told so. */
enum wake_next wake_blocked(struct wake *wake, const struct wake_now *now,
	enum topics_verdict verdict);
/* The store could not say. */
enum wake_next wake_unread(struct wake *wake, const struct wake_now *now);

struct wake_answer {
	enum push_action action;
	int64_t seq; /* open_seq when it was pushed */
	int64_t retry_after_s;
};
enum wake_next wake_answer(struct wake *wake, const struct wake_now *now,
	const struct wake_answer *answer);

#endif
