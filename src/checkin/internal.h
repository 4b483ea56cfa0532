/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_CHECKIN_INTERNAL_H
#define POMONA_CHECKIN_INTERNAL_H

/*
 * The decision functions of the check-in messages, one a file, and what each is given.
 * Threading: the thread that has the txn.
 */

#include "pomona/checkin/checkin.h"
#include "pomona/plist/plist.h"

/* One message under decision: the sender is established and nothing ends its management. */
struct visit {
	struct txn *txn;
	const struct checkin_policy *policy;
	const struct credential *credential;
	const struct checkin_message *message;
	const struct sender *sender;
	struct outcome *outcome;
	struct err *err;
};

/* A refusal is RC_OK with outcome->refusal set; any other rc is the store's fault. */
enum rc checkin_decide_authenticate(const struct visit *visit) MUST_USE;
enum rc checkin_decide_token_update(const struct visit *visit) MUST_USE;
enum rc checkin_decide_check_out(const struct visit *visit) MUST_USE;
enum rc checkin_decide_user_authenticate(const struct visit *visit) MUST_USE;
enum rc checkin_decide_set_bootstrap_token(const struct visit *visit) MUST_USE;
enum rc checkin_decide_get_bootstrap_token(const struct visit *visit) MUST_USE;

/* Refuses (RC_OK, outcome->refusal) all but the pinned certificate of an enrolled device. */
enum rc checkin_require_enrolled(const struct visit *visit) MUST_USE;
/* Writes {key = value} as the reply's body. Takes `value`; `size_hint` bounds what it will need from above. */
enum rc checkin_reply(const struct visit *visit, const char *key, struct plist_node *value,
	size_t size_hint) MUST_USE;
bool checkin_is_user(const struct visit *visit);
bool checkin_is_refused(const struct visit *visit);

#endif
