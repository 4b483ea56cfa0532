/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_IDENTITY_UNENROLL_H
#define POMONA_IDENTITY_UNENROLL_H

/*
 * The one function whose answer may be a 401 on the routes of device messages. An Apple device that
 * is given one erases its management; no other code may.
 * Threading: the thread that has the txn.
 */

#include "pomona/identity/claim.h"
#include "pomona/identity/outcome.h"
#include "pomona/identity/sender.h"

enum unknown_device { UNKNOWN_DEVICE_REFUSE, UNKNOWN_DEVICE_UNENROLL };

struct unenroll_policy {
	enum unknown_device unknown_device;
	int64_t fuse_per_hour; /* automatic ones an hour; past it they become plain 403s */
};

enum { UNENROLL_FUSE_WINDOW_S = 3600 };

struct unenroll_params {
	const struct unenroll_policy *policy;
	const struct credential *credential;
	const struct claim *claim;
	const struct sender *sender; /* established, without a refusal */
	bool is_authenticate; /* no unknown device's fault; a REMOVED device may enroll again with it */
};

/*
 * Judges the device part of the claim. outcome->refusal stays REFUSAL_NONE: nothing speaks against the device,
 * go on. Otherwise `outcome` holds a 401 (recorded in this transaction, or in that of the first one of the same
 * removal; an ordered removal becomes REMOVED and its open commands are cancelled) or a 403.
 */
enum rc unenroll_decide(struct txn *txn, const struct unenroll_params *params,
	struct outcome *outcome, struct err *err) MUST_USE;

#endif
