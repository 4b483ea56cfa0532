/* SPDX-License-Identifier: Apache-2.0 */
#include "device.h"

#include <stdio.h>
#include <string.h>

enum { CERT_VALID_S = 365 * 24 * 3600 };

enum role { ROLE_PLAIN, ROLE_LOCAL_USER, ROLE_NETWORK_USER, ROLE_SHARED, ROLE_USER_ENROLLMENT };

/* Ten devices of every fleet, over and over, so that even a small one shows each platform. */
static const struct {
	enum platform platform;
	enum role role;
} pattern[] = {
	{PLATFORM_IPHONE, ROLE_PLAIN},
	{PLATFORM_MAC, ROLE_LOCAL_USER},
	{PLATFORM_IPAD, ROLE_PLAIN},
	{PLATFORM_TV, ROLE_PLAIN},
	{PLATFORM_IPHONE, ROLE_USER_ENROLLMENT},
	{PLATFORM_IPAD, ROLE_SHARED},
	{PLATFORM_MAC, ROLE_NETWORK_USER},
	{PLATFORM_IPHONE, ROLE_PLAIN},
	{PLATFORM_MAC, ROLE_PLAIN},
	{PLATFORM_IPAD, ROLE_PLAIN},
};

static const struct {
	const char *short_name, *long_name;
} people[] = {
	{"abaker", "Ada Baker"},
	{"bkeller", "Ben Keller"},
	{"cmoreau", "Chlo\xc3\xa9 Moreau"},
	{"dnovak", "Dana Novak"},
	{"esilva", "Enzo Silva"},
	{"fyilmaz", "Filiz Y\xc4\xb1lmaz"},
	{"gtanaka", "Go Tanaka"},
	{"holsen", "Hedda Olsen"},
};

static void add_user(struct device *device, unsigned person, enum role role)
{
	struct channel *user = &device->channels[device->channel_count++];
	size_t at = person % COUNT_OF(people);

	(void)snprintf(user->long_name, sizeof(user->long_name), "%s", people[at].long_name);
	if (role == ROLE_SHARED) {
		(void)snprintf(user->user_id, sizeof(user->user_id), "%s", SHARED_USER_ID);
		(void)snprintf(user->short_name, sizeof(user->short_name), "%s@appleid.example.com",
			people[at].short_name);
		return;
	}
	chance_uuid(&device->chance, user->user_id);
	(void)snprintf(user->short_name, sizeof(user->short_name), "%s", people[at].short_name);
	user->is_network_user = role == ROLE_NETWORK_USER;
}

static void add_role(struct device *device, enum role role)
{
	unsigned person = device->index / (unsigned)COUNT_OF(pattern);

	if (role == ROLE_USER_ENROLLMENT)
		chance_uuid(&device->chance, device->enrollment_id);
	if (role == ROLE_LOCAL_USER || role == ROLE_NETWORK_USER || role == ROLE_SHARED)
		add_user(device, person, role);
	if (role == ROLE_SHARED)
		add_user(device, person + 1, role);
	device->is_shared = role == ROLE_SHARED;
}

void device_init(struct device *device, unsigned index, uint64_t seed)
{
	size_t turn = index % COUNT_OF(pattern);

	*device = (struct device){.index = index,
		.chance = chance_of(seed, index),
		.life = chance_of(~seed, index),
		.channel_count = 1};
	device->model = model_of_platform(pattern[turn].platform, index / 2);
	model_make_serial(device->model, &device->chance, device->serial);
	model_make_udid(device->model, &device->chance, device->udid);
	(void)snprintf(device->name, sizeof(device->name), "%s %u", device->model->name, index + 1);
	(void)snprintf(device->os_version, sizeof(device->os_version), "%s", device->model->os_version);
	(void)snprintf(device->build_version, sizeof(device->build_version), "%s",
		device->model->build_version);
	add_role(device, pattern[turn].role);
	buf_init(&device->cert_pem, PEM_BYTES_MAX);
	buf_init(&device->key_pem, PEM_BYTES_MAX);
	buf_init(&device->former.cert_pem, PEM_BYTES_MAX);
	buf_init(&device->former.key_pem, PEM_BYTES_MAX);
	buf_init(&device->offer, PROFILE_BYTES_MAX);
	for (unsigned i = 0; i < CHANNELS_MAX; i++)
		buf_init(&device->channels[i].unsent, UNSENT_BYTES_MAX);
}

static void channel_renew(struct channel *channel, struct chance *chance)
{
	channel->is_authenticated = false;
	channel->is_refused = false;
	channel->is_enrolled = false;
	channel->has_token_news = false;
	channel->is_logged_out = false;
	channel->challenge[0] = 0;
	channel->auth_token[0] = 0;
	channel->unsent_erases = false;
	buf_clear(&channel->unsent);
	profile_set_clear(&channel->profiles);
	chance_bytes(chance, channel->push_token, sizeof(channel->push_token));
	chance_uuid(chance, channel->push_magic);
}

void device_reset(struct device *device)
{
	buf_clear(&device->cert_pem);
	buf_clear(&device->key_pem);
	buf_clear(&device->offer);
	management_free(&device->management);
	device_forget_former(device);
	device->bearer[0] = '\0';
	for (unsigned i = 0; i < device->channel_count; i++)
		channel_renew(&device->channels[i], &device->chance);
	device->has_bootstrap_token = false;
	device->is_in_setup = false;
	device->is_unenrolled = false;
	device->is_clone = false;
}

enum rc device_renew(struct device *device, const struct authority *authority, int64_t now,
	struct err *err)
{
	struct issue_params params = {.common_name = device_id(device),
		.now = now,
		.valid_s = CERT_VALID_S};
	struct buf cert_der;
	enum rc rc;

	buf_init(&cert_der, PEM_BYTES_MAX);
	device_reset(device);
	rc = authority_issue_key(authority, KEY_P256, &params, &cert_der, &device->key_pem, err);
	if (rc == RC_OK) {
		cert_write_pem(buf_slice(&cert_der), &device->cert_pem);
		rc = buf_status(&device->cert_pem, "certificate", err);
	}
	buf_fini(&cert_der);
	return rc;
}

static enum rc copy(struct buf *to, struct slice from)
{
	buf_clear(to);
	buf_append(to, from);
	return to->rc;
}

static void keep_former(struct device *device)
{
	device_forget_former(device);
	device->former.management = device->management;
	device->management = NULL;
	(void)copy(&device->former.cert_pem, buf_slice(&device->cert_pem));
	(void)copy(&device->former.key_pem, buf_slice(&device->key_pem));
}

static void restart_check_in(struct device *device)
{
	device->channels[0].is_authenticated = false;
	for (unsigned i = 0; i < device->channel_count; i++)
		device->channels[i].has_token_news = device->channels[i].is_enrolled;
}

static void take_management(struct device *device, struct management *management)
{
	management_free(&device->management);
	device->management = management;
	if (management == NULL)
		return;
	(void)snprintf(device->topic, sizeof(device->topic), "%s", management->topic);
	if (!management->is_byod)
		return;
	device->channel_count = 1;
	if (device->enrollment_id[0] == 0)
		chance_uuid(&device->chance, device->enrollment_id);
}

enum rc device_take_identity(struct device *device, const struct device_identity *identity,
	bool is_renewal, struct err *err)
{
	if (is_renewal)
		keep_former(device);
	take_management(device, identity->management);
	if (copy(&device->cert_pem, identity->cert_pem) != RC_OK ||
		copy(&device->key_pem, identity->key_pem) != RC_OK)
		return err_set(err, RC_LIMIT, "the identity is longer than %d bytes", PEM_BYTES_MAX);
	if (is_renewal)
		restart_check_in(device);
	return RC_OK;
}

bool device_has_former(const struct device *device)
{
	return device->former.cert_pem.len > 0;
}

void device_forget_former(struct device *device)
{
	buf_clear(&device->former.cert_pem);
	buf_clear(&device->former.key_pem);
	management_free(&device->former.management);
}

void device_restore_former(struct device *device)
{
	struct management *management = device->former.management;

	device->former.management = NULL;
	take_management(device, management);
	(void)copy(&device->cert_pem, buf_slice(&device->former.cert_pem));
	(void)copy(&device->key_pem, buf_slice(&device->former.key_pem));
	device_forget_former(device);
	device->channels[0].is_authenticated = true;
	for (unsigned i = 0; i < device->channel_count; i++)
		device->channels[i].has_token_news = false;
}

enum rc device_copy_identity(struct device *device, const struct device *of, struct err *err)
{
	buf_clear(&device->cert_pem);
	buf_clear(&device->key_pem);
	buf_append(&device->cert_pem, buf_slice(&of->cert_pem));
	buf_append(&device->key_pem, buf_slice(&of->key_pem));
	device->is_clone = true;
	if (buf_status(&device->cert_pem, "certificate", err) != RC_OK)
		return device->cert_pem.rc;
	return buf_status(&device->key_pem, "key", err);
}

const char *device_id(const struct device *device)
{
	return device->enrollment_id[0] != 0 ? device->enrollment_id : device->udid;
}

bool channel_is_user(const struct channel *channel)
{
	return channel->user_id[0] != 0;
}

void device_fini(struct device *device)
{
	buf_fini(&device->cert_pem);
	buf_fini_secret(&device->key_pem);
	buf_fini(&device->former.cert_pem);
	buf_fini_secret(&device->former.key_pem);
	buf_fini_secret(&device->offer);
	management_free(&device->management);
	management_free(&device->former.management);
	for (unsigned i = 0; i < CHANNELS_MAX; i++) {
		buf_fini(&device->channels[i].unsent);
		profile_set_clear(&device->channels[i].profiles);
	}
}
