/* SPDX-License-Identifier: Apache-2.0 */
#include "session_enroll.h"

#include <stdio.h>

#include "enroller.h"
#include "pomona/base/clock.h"
#include "session_life.h"
#include "ways.h"

enum rc session_reset_device(struct session *session, struct err *err)
{
	const struct options *options = session->sim->options;
	struct device *device = &session->device;
	enum rc rc = RC_OK;

	buf_clear(&session->held);
	(void)snprintf(device->topic, sizeof(device->topic), "%s", session->sim->topic);
	if (options->way->begin == NULL)
		rc = device_renew(device, session->sim->authority, clock_unix_s(clock_system()), err);
	else
		device_reset(device);
	device->is_in_setup = options->is_setting_up && device->enrollment_id[0] == 0;
	return rc;
}

void session_hold_result(struct session *session, const struct answer *answer)
{
	struct buf *unsent = &session->channel->unsent;
	struct buf empty = session->held;

	session->held = *unsent;
	session->held_status = answer->status;
	*unsent = empty;
	buf_clear(unsent);
}

bool session_must_enroll(const struct session *session)
{
	return session->device.cert_pem.len == 0 || session->device.offer.len > 0;
}

/* The held result is the device's next word. */
static void release_result(struct session *session)
{
	struct channel *channel = &session->device.channels[0];
	struct buf empty = channel->unsent;

	channel->unsent = session->held;
	channel->unsent_status = session->held_status;
	channel->unsent_erases = false;
	session->held = empty;
	buf_clear(&session->held);
	session->has_other_unsent = true;
}

static void fail_result(struct session *session, const struct refusal *cause)
{
	static const struct refusal not_installed = {"MCInstallationErrorDomain", 4001,
		"Installation failure"};
	const struct refusals why = {&not_installed, cause};
	struct channel *channel = &session->device.channels[0];
	struct err err = {0};

	if (channel->unsent.len == 0)
		return; /* it was lost on the way: the server gives the command again */
	channel->unsent_status = ANSWER_ERROR;
	if (answer_fail(&session->device, channel, &why, &channel->unsent, &err) == RC_OK)
		return;
	session_say(LOG_LEVEL_ERROR, "failed", session, err.text);
	buf_clear(&channel->unsent);
}

static void say_end(const struct session *session, enum rc rc, bool is_renewal, const char *text)
{
	static const char *const events[][2] = {
		{"not_enrolled", "has_identity"},
		{"not_renewed", "renewing"},
		{"not_logged_in", "logged_in_again"},
	};
	unsigned what = is_renewal ? 1 : 0;

	if (session->is_logging_in)
		what = 2;
	session_say(rc == RC_OK ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, events[what][rc == RC_OK], session,
		rc == RC_OK ? NULL : text);
}

static void on_end(void *ctx, const struct enroller_end *end)
{
	struct session *session = ctx;
	bool is_renewal = session->device.offer.len > 0;
	enum rc rc = end->rc;
	struct err err = {0};

	if (is_renewal)
		release_result(session);
	else if (!session->is_logging_in)
		(void)snprintf(session->fault, sizeof(session->fault), "%s", end->text);
	if (rc != RC_OK && is_renewal)
		fail_result(session, end->why);
	buf_clear(&session->device.offer);
	session->is_calling = false;
	session->is_changed = true;
	if (rc == RC_OK && session_take_tokens(session, &err) != RC_OK)
		rc = err.rc;
	say_end(session, rc, is_renewal, end->text);
	enroller_free(&session->enroller);
	session->after_enrolling(session, rc);
}

static void start(struct session *session, const char *challenge,
	void (*after)(struct session *session, enum rc rc))
{
	const struct enroller_params params = {.options = session->sim->options,
		.loop = session->sim->loop,
		.ca_pem = &session->sim->ca_pem,
		.keys = session->sim->keys,
		.device = &session->device,
		.renewal = buf_slice(&session->device.offer),
		.challenge = challenge,
		.done = on_end,
		.ctx = session};
	struct err err = {0};

	session->step = NULL;
	session->after_enrolling = after;
	session->is_logging_in = challenge != NULL;
	session->is_calling = true;
	if (enroller_start(&params, &session->enroller, &err) == RC_OK)
		return;
	session->is_calling = false;
	session_say(LOG_LEVEL_ERROR, "device_lost", session, err.text);
}

void session_enroll(struct session *session, void (*after)(struct session *session, enum rc rc))
{
	start(session, NULL, after);
}

void session_log_in(struct session *session, const char *challenge,
	void (*after)(struct session *session, enum rc rc))
{
	start(session, challenge, after);
}

void session_undo_renewal(struct session *session)
{
	static const struct refusal cannot_check_in = {"MCMDMErrorDomain", 12002, "Cannot check in"};

	device_restore_former(&session->device);
	fail_result(session, &cannot_check_in);
	session->is_changed = true;
	session_say(LOG_LEVEL_WARNING, "not_renewed", session, "the server refused the new identity");
}
