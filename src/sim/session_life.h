/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_SESSION_LIFE_H
#define POMONA_SIM_SESSION_LIFE_H

/*
 * The parts of a session beside its visits: push tokens, and what happens to the device by itself. For session.c.
 * Threading: the loop's thread.
 */

#include "message.h"
#include "pomona/base/log.h"
#include "session.h"

/* What a device may have to say: how it is made, and what a 200 to it means. */
struct step {
	const char *name, *path, *content_type;
	message_fn *make;
	/* False: the reply makes no sense, and the visit has failed. */
	bool (*accept)(struct session *session, struct slice body);
};

/* A NULL `detail` is left out, and so is the message between two visits. */
void session_say(enum log_level level, const char *event, const struct session *session,
	const char *detail);
/* Three quarters to five quarters of `ms`, so that a fleet does not march in step. */
int64_t session_jittered(struct session *session, int64_t ms);

/* As APNs knows them. */
enum rc session_take_tokens(struct session *session, struct err *err) MUST_USE;
/* With them goes what they have woken. */
void session_give_up_tokens(struct session *session);

/* Between two visits of an enrolled device: throws its dice. */
void session_live(struct session *session);
/* Who has left hears no push, and is expected back. */
void session_part_with_users(struct session *session);
/* The timer of that; `ctx` is the session. */
void session_on_login(void *ctx);
/* A channel has a TokenUpdate to send. */
bool session_has_news(const struct device *device);

#endif
