/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_RENEW_DECIDE_H
#define POMONA_ENROLL_RENEW_DECIDE_H

/*
 * What is to be done about one device's identity: a function of what is known of it, the conf and the time. It is
 * asked twice: of a snapshot, and of the writer, where what it says is kept.
 * Threading: any thread; pure.
 */

#include "pomona/store/renewal.h"

enum {
	RENEW_SETTLE_S = 3600,      /* from "acknowledged" to the new identity's first word */
	RENEW_RETRY_FIRST_S = 3600, /* doubles ... */
	RENEW_RETRY_MAX_S = 86400,  /* ... up to this, and to an eighth of the time that is left */
	RENEW_RETRY_MIN_S = 60,
	RENEW_GAIN_MIN_S = 3600, /* a new identity must end so much later than the old one */
};

struct renew_policy {
	int64_t before_s; /* how long before its end an identity is renewed; 0: never */
	int64_t valid_s;  /* of those that are issued now */
	int64_t ca_ends;  /* which none outlives */
	/* Since when the profile has had another root of the server's certificate; 0: it has had the same always. */
	int64_t root_since;
};

enum renew_action {
	RENEW_NOTHING,
	RENEW_SEND,    /* the profile, now */
	RENEW_FAIL,    /* the last one came to nothing: note it, and when the next one goes */
	RENEW_FINISH,  /* the new identity has spoken */
	RENEW_WARN,    /* it nears its end, and we cannot renew it */
	RENEW_GIVE_UP, /* it has ended */
	RENEW_ACTION_COUNT
};
const char *renew_action_name(enum renew_action action); /* "send" */

struct renew_decision {
	enum renew_action action;
	int64_t next_at;  /* of RENEW_FAIL: when the next try is due */
	const char *why;  /* a short text; "" where nothing needs to be said. Static */
	bool is_due_soon; /* it waits in its window for its turn */
};

/*
 * The time from which an identity is renewed: within the window before its end, which is never more than half of its
 * life, spread over the first half of that by the device's hash.
 */
int64_t renew_due_at(const struct renew_policy *policy, const struct renewal_facts *facts);
void renew_decide(const struct renew_policy *policy, const struct renewal_facts *facts, int64_t now,
	struct renew_decision *decision_r);
/* The try came to nothing: again after a while, which grows with the tries. */
void renew_fail(const struct renewal_facts *facts, int64_t now, const char *why,
	struct renew_decision *decision);
/* Why this device's identity cannot be renewed by us at all; NULL: it can. */
const char *renew_obstacle(const struct renewal_facts *facts);

#endif
