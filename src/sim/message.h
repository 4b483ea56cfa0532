/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_MESSAGE_H
#define POMONA_SIM_MESSAGE_H

/*
 * What a device sends of its own accord: check-ins and polls, as XML. Results are made in answer.h.
 * Threading: any thread.
 */

#include "build.h"
#include "device.h"

enum { MESSAGE_BYTES_MAX = 1024 * 1024 };

/* Appends one message. `channel` is one of the device's. */
typedef enum rc message_fn(const struct device *device, const struct channel *channel,
	struct buf *out, struct err *err);

message_fn message_authenticate;
message_fn message_token_update;
message_fn message_set_bootstrap_token;
/* With the answer to the challenge, once the channel has one. */
message_fn message_user_authenticate;
message_fn message_idle;

/* The keys that say who sends: of the device and, on a user's channel, of the user. */
void message_identify(struct build *build, struct plist_node *dict, const struct device *device,
	const struct channel *channel);

#endif
