/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_IDENTITY_JUDGE_H
#define POMONA_IDENTITY_JUDGE_H

/*
 * The steps that every device message begins with, in their order: who is it, does something end its
 * management, is it the device's pin. Used by checkin/ and command/.
 * Threading: the thread that has the txn.
 */

#include "pomona/identity/outcome.h"
#include "pomona/identity/sender.h"
#include "pomona/identity/unenroll.h"

struct judge_params {
	const struct unenroll_policy *policy;
	const struct credential *credential;
	const struct claim *claim;
	bool is_command_route;
	bool is_authenticate;
};

/* outcome_refuse() with what the sender's refusal means. */
void judge_refuse(struct outcome *outcome, enum refusal refusal);
/*
 * sender_establish(), account_judge() and unenroll_decide(); an access token of a new login takes the former one's place.
 * outcome->refusal is REFUSAL_NONE where the message may go on.
 */
enum rc judge_sender(struct txn *txn, const struct judge_params *params, struct sender *sender_r,
	struct outcome *outcome, struct err *err) MUST_USE;
/*
 * Refuses every standing but STANDING_PINNED, and a pinned device that was removed and has not enrolled again.
 * A former certificate raises the alarm "identity_conflict", but for one that was renewed just now.
 */
enum rc judge_require_pinned(struct txn *txn, const struct claim *claim,
	const struct sender *sender, struct outcome *outcome, struct err *err) MUST_USE;
/*
 * Refuses what a user who was asked to log in says without the token that was given for it. Of no use before the
 * device's pin is known.
 */
enum rc judge_require_token(struct txn *txn, const struct claim *claim, const struct sender *sender,
	struct outcome *outcome, struct err *err) MUST_USE;
/*
 * For a message that nothing is written for: is the access token good as it is, or none asked for? False: it is for
 * judge_sender() to say what follows.
 */
enum rc judge_is_token_good(struct txn *txn, const struct claim *claim, const struct sender *sender,
	bool *is_good_r, struct err *err) MUST_USE;
/* Two identities compete for one device. */
enum rc judge_raise_conflict(struct txn *txn, const struct claim *claim, const char *text,
	struct err *err) MUST_USE;

#endif
