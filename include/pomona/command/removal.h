/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_COMMAND_REMOVAL_H
#define POMONA_COMMAND_REMOVAL_H

/*
 * An ordered removal begins with a command: the device is told once to remove its enrollment profile. What it says
 * next, whatever that is, is answered 401 (identity/unenroll.h).
 * Threading: the thread that has the txn.
 */

#include "pomona/base/err.h"
#include "pomona/store/enrollment.h"

/*
 * Queues the command, before all others, where the profile's identifier is known; `fallback` is for a device that got
 * its identity by SCEP from us before such identifiers were kept. *is_queued_r false: it is not known.
 */
enum rc removal_begin(struct txn *txn, const struct enrollment *device, const char *fallback,
	bool *is_queued_r, struct err *err) MUST_USE;
/* Takes it back. *was_given_r: the device has had the command already. */
enum rc removal_cancel(struct txn *txn, int64_t enrollment_id, bool *was_given_r, struct err *err)
	MUST_USE;

#endif
