/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_CHECKIN_TALK_H
#define POMONA_TESTS_CHECKIN_TALK_H

/*
 * Devices that talk to the protocol's functions without a socket: messages written as XML, read and decided
 * as the device room does it.
 * Threading: the test's thread.
 */

#include "../identity/world.h"
#include "pomona/checkin/checkin.h"
#include "pomona/command/result.h"

struct talk {
	struct world world;
	struct checkin_policy policy;
	enum rc rc; /* of reading the latest message; deciding must succeed */
	struct err err;
	struct outcome outcome;              /* of the latest message */
	enum user_verdict directory_verdict; /* what the user directory says of whoever it is asked for */
	int asked;                           /* how often it was asked */
	const char *access_token;            /* that comes with each message; NULL: none */
	bool was_snapshot_enough;            /* the latest Idle was answered without a write */
};

void talk_open(struct talk *talk);
void talk_close(struct talk *talk);
/* cmocka's fixtures: *state is the struct talk. */
int talk_setup(void **state);
int talk_teardown(void **state);

#define TALK_STR(key, value) "<key>" key "</key><string>" value "</string>"
#define TALK_UDID(udid) TALK_STR("UDID", udid)
#define TALK_USER(udid, user) TALK_UDID(udid) TALK_STR("UserID", user)

/* `keys` is what stands in the dictionary. Give the HTTP status; 400 where it could not be read. */
unsigned talk_checkin(struct talk *talk, const struct credential *credential, const char *keys);
unsigned talk_command(struct talk *talk, const struct credential *credential, const char *keys);

/* `id` is the id's keys, such as TALK_UDID("D1"). */
unsigned talk_authenticate(struct talk *talk, const struct credential *credential, const char *id);
unsigned talk_token_update(struct talk *talk, const struct credential *credential, const char *id);
unsigned talk_check_out(struct talk *talk, const struct credential *credential, const char *id);
unsigned talk_idle(struct talk *talk, const struct credential *credential, const char *id);
unsigned talk_answer(struct talk *talk, const struct credential *credential, const char *id,
	const char *uuid, const char *status);
/* Authenticate and TokenUpdate, which must succeed. */
void talk_enroll(struct talk *talk, const struct credential *credential, const char *id);

/* Queues a command; not_after 0: for ever. */
void talk_enqueue(struct talk *talk, const char *ext_id, const char *uuid, const char *request_type,
	int64_t not_after);
/* The state of a command in a queue; 0: it is not there. */
enum queue_state talk_queue_state(struct talk *talk, const char *ext_id, const char *uuid,
	bool *is_late_r);
void talk_cancel(struct talk *talk, const char *ext_id, const char *uuid);
/* The CommandUUID in the latest reply's body, "" for an empty one. Borrowed until the next call. */
const char *talk_given(struct talk *talk);

#endif
