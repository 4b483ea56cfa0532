/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_COMMAND_MODEL_H
#define POMONA_TESTS_COMMAND_MODEL_H

/*
 * The protocol's rules once more, as small as they can be said: devices, their certificates and queues in
 * plain arrays. The conversation test holds the server against it after each step.
 * Threading: the test's thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/identity/outcome.h"
#include "pomona/identity/unenroll.h"
#include "pomona/store/queue.h"

enum {
	MODEL_DEVICES = 12,
	MODEL_CHANNELS = 3, /* of a device: itself and two users */
	MODEL_ROWS = 64,    /* of a queue */
	MODEL_CERTS = 4000,
	MODEL_COMMANDS = 4000,
	MODEL_TIMES = 4000,
	NOBODY = -1,
};

struct model_cert {
	int owner;      /* device, or NOBODY */
	int renewal_of; /* device, or NOBODY */
	int former;     /* the certificate that it was given in place of, or NOBODY */
	bool is_revoked;
};

struct model_command {
	const char *request_type;
	bool is_urgent, is_never_notnow;
};

struct model_row {
	int command;
	int sequence;
	int64_t not_after;
	enum queue_state state;
	bool is_late;
};

struct model_channel {
	bool is_known;
	enum enrollment_state state;
	struct model_row rows[MODEL_ROWS];
	int count;
};

struct model_device {
	struct model_channel channels[MODEL_CHANNELS]; /* [0] is the device itself */
	int pin, pending;                              /* certificates, or NOBODY */
};

struct model {
	struct model_device devices[MODEL_DEVICES];
	struct model_cert certs[MODEL_CERTS];
	int cert_count;
	struct model_command commands[MODEL_COMMANDS];
	int command_count;
	int sequence;
	int64_t now;
	struct unenroll_policy policy;
	int64_t automatic[MODEL_TIMES]; /* when unknown devices were unenrolled */
	int automatic_count;
};

struct model_reply {
	unsigned status;
	int given; /* command, or NOBODY */
	enum outcome_contact contact;
};

void model_init(struct model *model);
int model_add_cert(struct model *model);
/* How a message from a device (or its users) that is unknown is answered: 401 or 403. */
struct model_reply model_unknown(struct model *model);

struct model_reply model_authenticate(struct model *model, int device, int cert);
/* `channel` 0 is the device itself. */
struct model_reply model_token_update(struct model *model, int device, int channel, int cert);
struct model_reply model_check_out(struct model *model, int device, int channel, int cert);
struct model_reply model_idle(struct model *model, int device, int channel, int cert);
/* `status` as result_status_name() has it. */
struct model_reply model_answer(struct model *model, int device, int channel, int cert, int command,
	const char *status);

/* The queue's row of a command; NULL where it has none. */
struct model_row *model_row(struct model *model, int device, int channel, int command);
bool model_is_open(enum queue_state state);
void model_enqueue(struct model *model, int device, int channel, int command, int64_t not_after);
void model_cancel(struct model *model, int device, int channel, int command);
/* The sweep over all queues. */
void model_expire(struct model *model);
void model_forget(struct model *model, int device);
/* With what came of it. */
void model_revoke(struct model *model, int cert);

#endif
