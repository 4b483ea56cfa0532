/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_RENEW_H
#define POMONA_ENROLL_RENEW_H

/*
 * Staying managed: a walk over all enrolled devices that sends those whose identity nears its end the enrollment
 * profile anew, and follows up what became of it. It goes in slices: the signer's thread decides and makes the
 * profiles, the writer keeps them, and main says when.
 * Threading: as said at each.
 */

#include "pomona/enroll/enroll.h"
#include "pomona/store/renewal.h"

enum {
	RENEW_ROWS = 500,           /* devices that a slice looks at */
	RENEW_STEPS_MAX = 32,       /* of which it changes so many at most, */
	RENEW_SENDS_MAX = 10,       /* and sends so many a profile */
	RENEW_SLICE_REST_MS = 50,   /* after a slice; */
	RENEW_SENT_REST_MS = 1000,  /* after one that sent something; */
	RENEW_LAP_REST_MS = 600000, /* after a walk */
	RENEW_LOOK_MS = 1000,       /* how soon main hears of an order */
};

/* Main. Returns at once; again after so many ms. */
int64_t enroll_renew_turn(struct enroll *enroll);
/* Any thread. From now on a walk begins anew, as after a change of the conf; */
void enroll_renew_walk_anew(struct enroll *enroll);
/* and what was ordered is looked at, too. */
void enroll_renew_look(struct enroll *enroll);

/* Any thread. What is shown of one device: a word ("far", "waiting", or of the row's state), and when it is due. */
struct enroll_renewal {
	const char *word;
	int64_t due_at;       /* 0: it is not renewed by us */
	const char *obstacle; /* why it is not; NULL: it is */
};
void enroll_renewal_of(struct enroll *enroll, const struct renewal_facts *facts, int64_t now,
	struct enroll_renewal *shown_r);

struct enroll_renew_stats {
	int64_t waiting;   /* in their window, before their turn, as the latest walk saw it */
	int64_t walked_at; /* when that walk began; 0: none has ended yet */
	int64_t walks;     /* that ended, since the start */
	int64_t devices;   /* that it saw */
};
void enroll_renew_stats(const struct enroll *enroll, struct enroll_renew_stats *stats_r);

#endif
