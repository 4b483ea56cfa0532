/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_ENROLL_INVITE_REFUSAL_H
#define POMONA_ENROLL_INVITE_REFUSAL_H

/*
 * Why somebody with a link gets no profile: what the log calls it, and what the person reads.
 * Threading: any thread; pure.
 */

#include <stdbool.h>

#include "pomona/identity/user.h"
#include "pomona/store/invitation.h"

enum invite_refusal {
	INVITE_NOT_REFUSED,
	INVITE_UNKNOWN,
	INVITE_USED,
	INVITE_DRAINED,
	INVITE_EXPIRED,
	INVITE_REVOKED,
	INVITE_NO_LOGIN,
	INVITE_GARBLED,
	INVITE_WRONG,
	INVITE_UNKNOWN_USER,
	INVITE_OTHER_USER,
	INVITE_LIMITED,
	INVITE_UNAVAILABLE,
	INVITE_NOT_READY,
	INVITE_NOT_TLS,
	INVITE_REFUSAL_COUNT
};

struct invite_words {
	const char *name; /* for the log */
	unsigned status;
	const char *title; /* NULL: the page stands as it was, with the text as an alert */
	const char *text;
};
const struct invite_words *invite_words(enum invite_refusal refusal);

enum invite_refusal invite_refusal_of_state(enum invitation_state state);
enum invite_refusal invite_refusal_of_verdict(enum user_verdict verdict);

#endif
