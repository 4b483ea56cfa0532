/* SPDX-License-Identifier: Apache-2.0 */
#include "life.h"

static bool may_be_restored(const struct device *device)
{
	return !device->is_shared && device->model->platform != PLATFORM_TV;
}

struct life_events life_draw(struct device *device, const struct life_rates *rates)
{
	bool is_restored = chance_hits(&device->life, rates->restore_percent);
	bool has_new_tokens = chance_hits(&device->life, rates->token_percent);
	bool has_logout = chance_hits(&device->life, rates->logout_percent);
	unsigned user = (unsigned)chance_below(&device->life, CHANNELS_MAX - 1);
	unsigned users = device->channel_count - 1;

	return (struct life_events){.is_restored = is_restored && may_be_restored(device),
		.has_new_tokens = has_new_tokens,
		.logout = has_logout && users > 0 ? 1 + user % users : 0};
}

static void change_token(struct channel *channel, struct chance *chance)
{
	chance_bytes(chance, channel->push_token, sizeof(channel->push_token));
	channel->has_token_news = channel->is_enrolled;
}

void life_change_tokens(struct device *device)
{
	for (unsigned i = 0; i < device->channel_count; i++)
		change_token(&device->channels[i], &device->life);
}

/* A network user's admission ends with the login. */
static void enter(struct channel *channel)
{
	channel->is_logged_out = false;
	channel->is_refused = false;
	channel->has_token_news = channel->is_enrolled;
	if (!channel->is_network_user)
		return;
	channel->is_authenticated = false;
	channel->challenge[0] = 0;
	channel->auth_token[0] = 0;
}

void life_restore(struct device *device)
{
	life_change_tokens(device);
	for (unsigned i = 0; i < device->channel_count; i++) {
		struct channel *channel = &device->channels[i];

		chance_uuid(&device->life, channel->push_magic);
		buf_clear(&channel->unsent);
		channel->unsent_erases = false;
		if (channel_is_user(channel))
			enter(channel);
	}
}

void life_log_out(struct channel *channel)
{
	channel->is_logged_out = true;
}

bool life_log_in(struct device *device)
{
	bool has_one = life_has_logged_out(device);

	for (unsigned i = 1; i < device->channel_count; i++)
		if (device->channels[i].is_logged_out)
			enter(&device->channels[i]);
	return has_one;
}

bool life_has_logged_out(const struct device *device)
{
	bool has_one = false;

	for (unsigned i = 1; i < device->channel_count; i++)
		has_one = has_one || device->channels[i].is_logged_out;
	return has_one;
}
