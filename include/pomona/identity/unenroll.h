/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_IDENTITY_UNENROLL_H
#define POMONA_IDENTITY_UNENROLL_H

/*
 * The one function whose answer may be a 401 on the routes of device messages. An Apple device that
 * is given one erases its management; no other code may.
 * Threading: the thread that has the txn.
 */

#include "pomona/identity/account.h"
#include "pomona/identity/claim.h"
#include "pomona/identity/outcome.h"
#include "pomona/identity/sender.h"
#include "pomona/store/queue.h"

enum unknown_device { UNKNOWN_DEVICE_REFUSE, UNKNOWN_DEVICE_UNENROLL };

struct unenroll_policy {
	enum unknown_device unknown_device;
	int64_t fuse_per_hour; /* automatic ones an hour; past it they become plain 403s */
	bool is_login_offered; /* users of devices that enrolled with an account can log in */
};

enum { UNENROLL_FUSE_WINDOW_S = 3600 };

struct unenroll_params {
	const struct unenroll_policy *policy;
	const struct credential *credential;
	const struct claim *claim;
	const struct sender *sender; /* established, without a refusal */
	/* It can be answered with a command, so an ordered removal may begin with RemoveProfile. */
	bool is_command_route;
	bool is_authenticate; /* no unknown device's fault; a REMOVED device may enroll again with it */
	enum account_standing account; /* of the access token */
};

/*
 * Is there a RemoveProfile that the device has not been given yet? *item_r is what it is to be given now, and nothing
 * else; its next message gets the 401. RC_NOT_FOUND: there is none.
 */
enum rc unenroll_find_command(struct txn *txn, const struct sender *sender,
	struct queue_item *item_r, struct err *err) MUST_USE;

/*
 * Judges the device part of the claim, and then its access token. outcome->refusal stays REFUSAL_NONE: nothing speaks
 * against the device, go on. REFUSAL_LOGIN_REQUIRED is a 401 that must not go out without its challenge. Otherwise
 * `outcome` holds a 401 (recorded in this transaction, or in that of the first one of the same removal; an ordered
 * removal becomes REMOVED and its open commands are cancelled) or a 403.
 */
enum rc unenroll_decide(struct txn *txn, const struct unenroll_params *params,
	struct outcome *outcome, struct err *err) MUST_USE;

#endif
