/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_IDENTITY_CLAIM_H
#define POMONA_IDENTITY_CLAIM_H

/*
 * Who a device message says it is from: the channel is told by the keys that are present (UDID,
 * UserID, UserShortName, EnrollmentID, EnrollmentUserID), never by the URL. Whether it is true,
 * sender.h decides.
 * Threading: any thread; pure.
 */

#include "pomona/base/arena.h"
#include "pomona/base/err.h"
#include "pomona/plist/plist.h"
#include "pomona/store/enrollment.h"

/* The UserID that every user of a Shared iPad has; the user is told by UserShortName then. */
#define CLAIM_SHARED_IPAD_USER_ID "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"

struct claim {
	enum enrollment_kind kind;
	struct slice device_id; /* UDID or EnrollmentID, compared exactly */
	struct slice ext_id;    /* device_id, or device_id:user */
	struct slice user_short_name, user_long_name;
	bool is_not_on_console;
	struct slice auth_token;   /* what the login of a user gave; a secret */
	struct slice access_token; /* of the request's Authorization, put here by who has that; a secret */
};

/* Slices live in the arena or the document. RC_INVALID names the key. */
enum rc claim_read(const struct plist_node *message, struct arena *arena, struct claim *claim_r,
	struct err *err) MUST_USE;

/* Has it no control characters? Only then may what a sender wrote stand in a line of text. */
bool claim_is_line(struct slice text);

#endif
