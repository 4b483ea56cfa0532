/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_IDENTITY_CHANNELS_H
#define POMONA_IDENTITY_CHANNELS_H

/*
 * What is done to a device channel and to all user channels under it alike.
 * Threading: the thread that has the txn.
 */

#include "pomona/base/err.h"
#include "pomona/store/store.h"

/* Open commands of the device and of its users become CANCELLED, with `why`. */
enum rc channels_cancel(struct txn *txn, int64_t device_id, const char *why, struct err *err)
	MUST_USE;
/* The same, and their escrow is archived: the device enrolled anew. */
enum rc channels_clear(struct txn *txn, int64_t device_id, const char *why, struct err *err)
	MUST_USE;

#endif
