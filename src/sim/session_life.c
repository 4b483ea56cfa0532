/* SPDX-License-Identifier: Apache-2.0 */
#include "session_life.h"

#include <string.h>

#include "life.h"
#include "pomona/base/clock.h"

void session_say(enum log_level level, const char *event, const struct session *session,
	const char *detail)
{
	const char *message = session->step == NULL ? NULL : session->step->name;
	const struct log_field fields[] = {
		{.key = "device", .kind = LOG_KIND_STR, .str = device_id(&session->device)},
		{.key = "message", .kind = LOG_KIND_STR, .str = message},
		{.key = "detail", .kind = LOG_KIND_STR, .str = detail},
		{.key = NULL},
	};

	log_write(level, event, fields);
}

int64_t session_jittered(struct session *session, int64_t ms)
{
	return ms - ms / 4 + (int64_t)chance_below(&session->device.chance, (uint64_t)ms / 2 + 1);
}

/* --- tokens, as APNs knows them */

static void retire_tokens(struct session *session)
{
	const struct device *device = &session->device;

	for (unsigned i = 0; i < device->channel_count && session->sim->wake != NULL; i++)
		wake_retire(session->sim->wake, slice_of(device->channels[i].push_token, PUSH_TOKEN_BYTES),
			clock_unix_ms(clock_system()));
}

void session_give_up_tokens(struct session *session)
{
	memset(session->is_woken, 0, sizeof(session->is_woken));
	memset(session->is_resting, 0, sizeof(session->is_resting));
	retire_tokens(session);
}

enum rc session_take_tokens(struct session *session, struct err *err)
{
	struct device *device = &session->device;

	if (device->topic[0] == '\0') /* its enrollment profile will tell */
		return RC_OK;
	for (unsigned i = 0; i < device->channel_count && session->sim->wake != NULL; i++) {
		const struct slice token = slice_of(device->channels[i].push_token, PUSH_TOKEN_BYTES);
		const struct wake_channel channel = {.token = token,
			.topic = device->topic,
			.magic = device->channels[i].push_magic,
			.who = session,
			.channel = i};

		if (wake_add(session->sim->wake, &channel) != RC_OK)
			return err_set(err, RC_NO_MEMORY, "device");
	}
	return RC_OK;
}

/* --- what happens to the device by itself */

/* APNs goes on knowing the old tokens, as ones that are gone. */
static void take_new_tokens(struct session *session, void (*change)(struct device *device),
	const char *event)
{
	struct err err = {0};

	retire_tokens(session);
	change(&session->device);
	if (session_take_tokens(session, &err) == RC_OK)
		session_say(LOG_LEVEL_INFO, event, session, NULL);
	else
		session_say(LOG_LEVEL_ERROR, "device_lost", session, err.text);
	session->is_changed = true;
}

void session_part_with_users(struct session *session)
{
	const struct device *device = &session->device;

	for (unsigned i = 1; i < device->channel_count; i++)
		if (device->channels[i].is_logged_out)
			session->is_woken[i] = session->is_resting[i] = false;
	if (!life_has_logged_out(device) || session->is_login_set)
		return;
	session->is_login_set = true;
	net_timer_set(session->login, session_jittered(session, session->sim->options->away_ms));
}

void session_live(struct session *session)
{
	const struct options *options = session->sim->options;
	const struct life_rates rates = {options->restore_percent, options->token_percent,
		options->logout_percent};
	struct life_events events;

	if (!session_is_enrolled(session))
		return;
	events = life_draw(&session->device, &rates);
	if (events.is_restored)
		take_new_tokens(session, life_restore, "restored");
	else if (events.has_new_tokens)
		take_new_tokens(session, life_change_tokens, "token_changed");
	if (events.logout > 0) {
		life_log_out(&session->device.channels[events.logout]);
		session->is_changed = true;
		session_say(LOG_LEVEL_INFO, "logged_out", session,
			session->device.channels[events.logout].short_name);
	}
	session_part_with_users(session);
}

bool session_has_news(const struct device *device)
{
	bool has_one = false;

	for (unsigned i = 0; i < device->channel_count; i++)
		has_one = has_one || (device->channels[i].has_token_news && !device->channels[i].is_logged_out);
	return has_one;
}

void session_on_login(void *ctx)
{
	struct session *session = ctx;

	session->is_login_set = false;
	if (session->device.is_unenrolled || !life_log_in(&session->device))
		return;
	session->is_changed = true;
	session_say(LOG_LEVEL_INFO, "logged_in", session, NULL);
	if (!session->is_calling)
		net_timer_set(session->timer, 0);
}
