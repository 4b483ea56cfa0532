/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"
#include "life.h"

enum { MAC_FIRST_UID = 501 };

static const int64_t quota_bytes = INT64_C(2147483648);
static const int64_t used_bytes = INT64_C(314572800);

/* All who use a Shared iPad now go: there it is one at a time, but its users' channels outlive that. */
struct refusals act_log_out_user(const struct acting *act)
{
	for (unsigned i = 1; i < act->device->channel_count; i++)
		life_log_out(&act->device->channels[i]);
	return (struct refusals){NULL, NULL};
}

/* It leaves Setup Assistant. */
struct refusals act_end_setup(const struct acting *act)
{
	act->device->is_in_setup = false;
	return (struct refusals){NULL, NULL};
}

static void tell_mac_user(struct build *build, struct plist_node *user,
	const struct channel *channel, unsigned index)
{
	build_str(build, user, "FullName", channel->long_name);
	build_str(build, user, "UserGUID", channel->user_id);
	build_int(build, user, "UID", MAC_FIRST_UID + index);
	build_bool(build, user, "MobileAccount", channel->is_network_user);
	build_bool(build, user, "HasSecureToken", !channel->is_network_user);
}

static void tell_shared_user(struct build *build, struct plist_node *user)
{
	build_bool(build, user, "HasDataToSync", false);
	build_int(build, user, "DataQuota", quota_bytes);
	build_int(build, user, "DataUsed", used_bytes);
}

/* Who set the Mac up, and never logs in to the server. */
static void tell_administrator(struct build *build, struct plist_node *users)
{
	static const struct channel administrator = {
		.user_id = "A3E2C9D4-5B60-4F17-8C2A-0D9B7E6F5A41",
		.short_name = "admin",
		.long_name = "Administrator",
	};
	struct plist_node *user = build_append_dict(build, users);

	build_str(build, user, "UserName", administrator.short_name);
	build_bool(build, user, "IsLoggedIn", false);
	tell_mac_user(build, user, &administrator, 0);
}

void fill_user_list(struct filling *fill, struct plist_node *result)
{
	struct plist_node *users = build_array(fill->build, result, "Users");
	bool is_mac = fill->device->model->platform == PLATFORM_MAC;

	if (is_mac)
		tell_administrator(fill->build, users);
	for (unsigned i = 1; i < fill->device->channel_count; i++) {
		const struct channel *channel = &fill->device->channels[i];
		struct plist_node *user = build_append_dict(fill->build, users);

		build_str(fill->build, user, "UserName", channel->short_name);
		build_bool(fill->build, user, "IsLoggedIn", channel->is_enrolled && !channel->is_logged_out);
		if (is_mac)
			tell_mac_user(fill->build, user, channel, i);
		else
			tell_shared_user(fill->build, user);
	}
}
