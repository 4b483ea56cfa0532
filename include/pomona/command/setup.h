/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_COMMAND_SETUP_H
#define POMONA_COMMAND_SETUP_H

/*
 * Set-up: a channel that says AwaitingConfiguration is let go by a command of its own, which stands in its queue
 * behind all others, so that Setup Assistant never hangs. All that must be known is in the database.
 * Threading: the thread that has the txn.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/err.h"
#include "pomona/store/enrollment.h"
#include "pomona/store/store.h"

struct setup_policy {
	bool is_automatic;  /* else an administrator sends the command */
	int64_t wait_max_s; /* from then on it goes first, whatever is still open */
};

/* DeviceConfigured or UserConfigured; NULL: a channel of this kind is not held in Setup Assistant. */
const char *setup_command_of(enum enrollment_kind kind);
/* Does it wait to be let go, as far as we know? */
bool setup_is_awaited(const struct enrollment *channel);
/* Queues the command that lets the channel go, unless such a one is open. */
enum rc setup_queue(struct txn *txn, int64_t enrollment_id, enum enrollment_kind kind,
	struct err *err) MUST_USE;

#endif
