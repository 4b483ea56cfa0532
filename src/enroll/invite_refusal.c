/* SPDX-License-Identifier: Apache-2.0 */
#include "invite_refusal.h"

#define OVER "This link cannot be used any more"
#define WRONG_LOGIN "The name or the password is wrong."

/* Who guesses names learns nothing: a name that nobody has reads as a wrong password. */
static const struct invite_words words[INVITE_REFUSAL_COUNT] = {
	[INVITE_NOT_REFUSED] = {"none", 200, NULL, ""},
	[INVITE_UNKNOWN] = {"unknown_link", 404, "This link is not known",
		"Look whether all of it was copied, or ask who gave it to you for a new one."},
	[INVITE_USED] = {"used", 410, OVER,
		"It was used for as many devices as it is for. Ask who gave it to you for a new one."},
	[INVITE_DRAINED] = {"drained", 410, OVER,
		"Its profile was downloaded too often. Install the one that you have, or ask who gave you the link for a new "
		"one."},
	[INVITE_EXPIRED] = {"expired", 410, OVER,
		"Its time is over. Ask who gave it to you for a new one."},
	[INVITE_REVOKED] = {"revoked", 410, OVER, "It was withdrawn. Ask who gave it to you."},
	[INVITE_NO_LOGIN] = {"no_login", 403, NULL, "Enter your user name and your password."},
	[INVITE_GARBLED] = {"garbled", 400, NULL, "What was sent cannot be read. Try again."},
	[INVITE_WRONG] = {"wrong", 403, NULL, WRONG_LOGIN},
	[INVITE_UNKNOWN_USER] = {"unknown_user", 403, NULL, WRONG_LOGIN},
	[INVITE_OTHER_USER] = {"other_user", 403, NULL, WRONG_LOGIN},
	[INVITE_LIMITED] = {"limited", 429, NULL,
		"There were too many wrong passwords. Try again in a quarter of an hour."},
	[INVITE_UNAVAILABLE] = {"unavailable", 503, NULL,
		"Logging in does not work just now. Try again later."},
	[INVITE_NOT_READY] = {"not_ready", 503, "This server is not ready",
		"It cannot make a profile as it is set up now. Tell who gave you the link; it is still good."},
	[INVITE_NOT_TLS] = {"not_tls", 403, "This page needs a safe connection",
		"Begin the address with https."},
};

const struct invite_words *invite_words(enum invite_refusal refusal)
{
	return &words[refusal];
}

enum invite_refusal invite_refusal_of_state(enum invitation_state state)
{
	static const enum invite_refusal refusals[INVITATION_STATE_COUNT] = {
		[INVITATION_OPEN] = INVITE_NOT_REFUSED,
		[INVITATION_USED] = INVITE_USED,
		[INVITATION_DRAINED] = INVITE_DRAINED,
		[INVITATION_EXPIRED] = INVITE_EXPIRED,
		[INVITATION_REVOKED] = INVITE_REVOKED,
	};

	return refusals[state];
}

enum invite_refusal invite_refusal_of_verdict(enum user_verdict verdict)
{
	static const enum invite_refusal refusals[] = {
		[USER_GOOD] = INVITE_NOT_REFUSED,
		[USER_WRONG] = INVITE_WRONG,
		[USER_UNKNOWN] = INVITE_UNKNOWN_USER,
		[USER_OTHER_REALM] = INVITE_UNAVAILABLE,
		[USER_LIMITED] = INVITE_LIMITED,
		[USER_UNAVAILABLE] = INVITE_UNAVAILABLE,
	};

	return refusals[verdict];
}
