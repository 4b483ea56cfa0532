/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "device.h"
#include "pomona/base/codec.h"
#include "pomona/base/file.h"
#include "pomona/json/json.h"

enum { STATE_BYTES_MAX = 32 * 1024 * 1024, STATE_VERSION = 1 };

/* --- writing */

static void put_encoded(struct json_value *object, const char *key, struct slice bytes)
{
	struct buf text;

	buf_init(&text, STATE_BYTES_MAX);
	base64_encode(bytes, &text);
	json_set_slice(object, key, buf_slice(&text));
	buf_fini(&text);
}

static void put_profiles(struct json_value *object, const struct profile_set *set)
{
	struct json_value *list = json_set_array(object, "profiles");

	for (size_t i = 0; i < set->count; i++)
		put_encoded(json_append_object(list), "payload", buf_slice(&set->payloads[i]));
}

static void put_channel(struct json_value *object, const struct channel *channel)
{
	json_set_str(object, "user_id", channel->user_id);
	json_set_str(object, "short_name", channel->short_name);
	json_set_str(object, "long_name", channel->long_name);
	json_set_bool(object, "network_user", channel->is_network_user);
	json_set_bool(object, "authenticated", channel->is_authenticated);
	json_set_bool(object, "enrolled", channel->is_enrolled);
	json_set_bool(object, "token_news", channel->has_token_news);
	json_set_bool(object, "logged_out", channel->is_logged_out);
	json_set_str(object, "auth_token", channel->auth_token);
	put_encoded(object, "push_token", slice_of(channel->push_token, PUSH_TOKEN_BYTES));
	json_set_str(object, "push_magic", channel->push_magic);
	put_encoded(object, "unsent", buf_slice(&channel->unsent));
	json_set_str(object, "unsent_status", answer_status_name(channel->unsent_status));
	json_set_bool(object, "unsent_erases", channel->unsent_erases);
	put_profiles(object, &channel->profiles);
}

static void put_management(struct json_value *object, const struct management *management)
{
	json_set_str(object, "server_url", management->server_url);
	json_set_str(object, "check_in_url", management->check_in_url);
	json_set_str(object, "topic", management->topic);
	json_set_str(object, "identifier", management->identifier);
	json_set_int(object, "rights", management->rights);
	json_set_bool(object, "sign_message", management->is_message_signed);
	json_set_bool(object, "check_out", management->is_check_out_wanted);
	json_set_bool(object, "byod", management->is_byod);
	json_set_slice(object, "anchors", buf_slice(&management->anchors_pem));
	put_encoded(object, "payload", buf_slice(&management->payload));
}

enum rc device_save(const char *path, const struct device *device, struct err *err)
{
	AUTO(json_free) struct json_value *root = json_new_object();
	struct json_value *channels;
	struct buf text;
	enum rc rc;

	if (root == NULL)
		return err_set(err, RC_NO_MEMORY, "%s", path);
	json_set_int(root, "version", STATE_VERSION);
	json_set_str(root, "product", device->model->product);
	json_set_str(root, "serial", device->serial);
	json_set_str(root, "udid", device->udid);
	json_set_str(root, "enrollment_id", device->enrollment_id);
	json_set_str(root, "name", device->name);
	json_set_str(root, "bearer", device->bearer);
	json_set_str(root, "os_version", device->os_version);
	json_set_str(root, "build_version", device->build_version);
	json_set_bool(root, "shared", device->is_shared);
	json_set_bool(root, "bootstrap_token", device->has_bootstrap_token);
	json_set_bool(root, "unenrolled", device->is_unenrolled);
	json_set_bool(root, "in_setup", device->is_in_setup);
	json_set_bool(root, "clone", device->is_clone);
	put_encoded(root, "chance", slice_of(&device->chance, sizeof(device->chance)));
	put_encoded(root, "life", slice_of(&device->life, sizeof(device->life)));
	json_set_slice(root, "certificate", buf_slice(&device->cert_pem));
	json_set_slice(root, "key", buf_slice(&device->key_pem));
	if (device->management != NULL)
		put_management(json_set_object(root, "management"), device->management);
	channels = json_set_array(root, "channels");
	for (unsigned i = 0; i < device->channel_count; i++)
		put_channel(json_append_object(channels), &device->channels[i]);
	buf_init(&text, STATE_BYTES_MAX);
	rc = json_write(root, true, &text, err);
	if (rc == RC_OK)
		rc = file_replace(path, buf_slice(&text), 0600, err);
	buf_fini_secret(&text);
	return rc;
}

/* --- reading */

/* A text of the file into an array of ours. */
static enum rc take_text(const struct json_value *object, const char *key, char *out,
	size_t out_size, struct err *err)
{
	const struct json_value *value = json_get(object, key);
	struct slice text = json_string(value);

	if (value == NULL || json_kind(value) != JSON_KIND_STRING || text.len >= out_size)
		return err_set(err, RC_CORRUPT, "%s: not a text of less than %zu bytes", key, out_size);
	(void)snprintf(out, out_size, "%.*s", SLICE_FMT(text));
	return RC_OK;
}

static enum rc take_bool(const struct json_value *object, const char *key, bool *out,
	struct err *err)
{
	const struct json_value *value = json_get(object, key);

	if (value == NULL || json_kind(value) != JSON_KIND_BOOL)
		return err_set(err, RC_CORRUPT, "%s: neither true nor false", key);
	*out = json_bool(value);
	return RC_OK;
}

/* Of a key that older files do not have. */
static enum rc take_newer_bool(const struct json_value *object, const char *key, bool *out,
	struct err *err)
{
	return json_get(object, key) == NULL ? RC_OK : take_bool(object, key, out, err);
}

static enum rc take_bytes(const struct json_value *object, const char *key, struct buf *out,
	struct err *err)
{
	const struct json_value *value = json_get(object, key);

	if (value == NULL || base64_parse(json_string(value), out, err) != RC_OK)
		return err_set(err, RC_CORRUPT, "%s: not base64", key);
	return RC_OK;
}

static enum rc take_push_token(const struct json_value *object, struct channel *channel,
	struct err *err)
{
	struct buf token;
	enum rc rc;

	buf_init(&token, PUSH_TOKEN_BYTES);
	rc = take_bytes(object, "push_token", &token, err);
	if (rc == RC_OK && token.len != PUSH_TOKEN_BYTES)
		rc = err_set(err, RC_CORRUPT, "push_token: not %d bytes", PUSH_TOKEN_BYTES);
	if (rc == RC_OK)
		memcpy(channel->push_token, token.ptr, PUSH_TOKEN_BYTES);
	buf_fini(&token);
	return rc;
}

/* Where the device's dice have got to; older files do not tell. */
static enum rc take_chance(const struct json_value *root, const char *key, struct chance *out,
	struct err *err)
{
	struct buf bytes;
	enum rc rc;

	if (json_get(root, key) == NULL)
		return RC_OK;
	buf_init(&bytes, sizeof(*out));
	rc = take_bytes(root, key, &bytes, err);
	if (rc == RC_OK && bytes.len != sizeof(*out))
		rc = err_set(err, RC_CORRUPT, "%s: not %zu bytes", key, sizeof(*out));
	if (rc == RC_OK)
		memcpy(out, bytes.ptr, sizeof(*out));
	buf_fini(&bytes);
	return rc;
}

static enum rc take_profiles(const struct json_value *object, struct profile_set *set,
	struct err *err)
{
	const struct json_value *list = json_get(object, "profiles");
	struct buf payload;
	enum rc rc = RC_OK;

	buf_init(&payload, PROFILE_BYTES_MAX);
	for (size_t i = 0; i < json_count(list) && rc == RC_OK; i++) {
		buf_clear(&payload);
		rc = take_bytes(json_at(list, i), "payload", &payload, err);
		if (rc == RC_OK && profile_install(set, buf_slice(&payload)).top != NULL)
			rc = err_set(err, RC_CORRUPT, "profiles: no. %zu is none", i + 1);
	}
	buf_fini(&payload);
	return rc;
}

struct text_field {
	const char *key;
	char *to;
	size_t size;
};

struct bool_field {
	const char *key;
	bool *to;
};

static enum rc take_channel(const struct json_value *object, struct channel *channel,
	struct err *err)
{
	const struct text_field texts[] = {
		{"user_id", channel->user_id, sizeof(channel->user_id)},
		{"short_name", channel->short_name, sizeof(channel->short_name)},
		{"long_name", channel->long_name, sizeof(channel->long_name)},
		{"auth_token", channel->auth_token, sizeof(channel->auth_token)},
		{"push_magic", channel->push_magic, sizeof(channel->push_magic)},
	};
	const struct bool_field bools[] = {
		{"network_user", &channel->is_network_user},
		{"authenticated", &channel->is_authenticated},
		{"enrolled", &channel->is_enrolled},
		{"unsent_erases", &channel->unsent_erases},
	};
	enum rc rc = RC_OK;

	for (size_t i = 0; i < COUNT_OF(texts) && rc == RC_OK; i++)
		rc = take_text(object, texts[i].key, texts[i].to, texts[i].size, err);
	for (size_t i = 0; i < COUNT_OF(bools) && rc == RC_OK; i++)
		rc = take_bool(object, bools[i].key, bools[i].to, err);
	if (rc == RC_OK)
		rc = take_push_token(object, channel, err);
	if (rc == RC_OK)
		rc = take_bytes(object, "unsent", &channel->unsent, err);
	if (rc == RC_OK)
		rc = take_newer_bool(object, "token_news", &channel->has_token_news, err);
	if (rc == RC_OK)
		rc = take_newer_bool(object, "logged_out", &channel->is_logged_out, err);
	if (rc == RC_OK)
		rc = take_profiles(object, &channel->profiles, err);
	channel->unsent_status = answer_status_of(json_string(json_get(object, "unsent_status")));
	if (rc == RC_OK && channel->unsent_status == ANSWER_STATUS_COUNT)
		rc = err_set(err, RC_CORRUPT, "unsent_status: no status of a result");
	return rc;
}

static enum rc fill_management(const struct json_value *object, struct management *management,
	struct err *err)
{
	const struct text_field texts[] = {
		{"server_url", management->server_url, sizeof(management->server_url)},
		{"check_in_url", management->check_in_url, sizeof(management->check_in_url)},
		{"topic", management->topic, sizeof(management->topic)},
		{"identifier", management->identifier, sizeof(management->identifier)},
	};
	const struct bool_field bools[] = {
		{"sign_message", &management->is_message_signed},
		{"check_out", &management->is_check_out_wanted},
		{"byod", &management->is_byod},
	};
	enum rc rc = RC_OK;

	for (size_t i = 0; i < COUNT_OF(texts) && rc == RC_OK; i++)
		rc = take_text(object, texts[i].key, texts[i].to, texts[i].size, err);
	for (size_t i = 0; i < COUNT_OF(bools) && rc == RC_OK; i++)
		rc = take_bool(object, bools[i].key, bools[i].to, err);
	management->rights = json_integer(json_get(object, "rights"));
	buf_append(&management->anchors_pem, json_string(json_get(object, "anchors")));
	if (rc == RC_OK)
		rc = take_bytes(object, "payload", &management->payload, err);
	return rc == RC_OK ? buf_status(&management->anchors_pem, "anchors", err) : rc;
}

static enum rc take_management(const struct json_value *object, struct device *device,
	struct err *err)
{
	enum rc rc;

	if (object == NULL)
		return RC_OK;
	device->management = management_new_empty();
	if (device->management == NULL)
		return err_set(err, RC_NO_MEMORY, "management");
	rc = fill_management(object, device->management, err);
	if (rc != RC_OK)
		return err_context(err, "management");
	memcpy(device->topic, device->management->topic, sizeof(device->topic));
	return RC_OK;
}

/* Only a device that has still to enroll has none. */
static enum rc take_identity(const struct json_value *root, struct device *device, struct err *err)
{
	buf_append(&device->cert_pem, json_string(json_get(root, "certificate")));
	buf_append(&device->key_pem, json_string(json_get(root, "key")));
	if ((device->cert_pem.len == 0) != (device->key_pem.len == 0) ||
		(device->cert_pem.len == 0 && device->channels[0].is_authenticated))
		return err_set(err, RC_CORRUPT, "certificate, key: missing");
	return take_management(json_get(root, "management"), device, err);
}

static enum rc take_device(const struct json_value *root, struct device *device, struct err *err)
{
	const struct text_field texts[] = {
		{"serial", device->serial, sizeof(device->serial)},
		{"udid", device->udid, sizeof(device->udid)},
		{"enrollment_id", device->enrollment_id, sizeof(device->enrollment_id)},
		{"name", device->name, sizeof(device->name)},
	};
	const struct bool_field bools[] = {
		{"shared", &device->is_shared},
		{"bootstrap_token", &device->has_bootstrap_token},
		{"unenrolled", &device->is_unenrolled},
	};
	const struct json_value *channels = json_get(root, "channels");
	enum rc rc = RC_OK;

	if (json_integer(json_get(root, "version")) != STATE_VERSION)
		return err_set(err, RC_CORRUPT, "version: not %d", STATE_VERSION);
	device->model = model_of_product(json_string(json_get(root, "product")));
	device->channel_count = (unsigned)json_count(channels);
	if (device->model == NULL)
		return err_set(err, RC_CORRUPT, "product: no model of that name");
	if (json_count(channels) < 1 || json_count(channels) > CHANNELS_MAX)
		return err_set(err, RC_CORRUPT, "channels: not 1 to %d", CHANNELS_MAX);
	for (size_t i = 0; i < COUNT_OF(texts) && rc == RC_OK; i++)
		rc = take_text(root, texts[i].key, texts[i].to, texts[i].size, err);
	for (size_t i = 0; i < COUNT_OF(bools) && rc == RC_OK; i++)
		rc = take_bool(root, bools[i].key, bools[i].to, err);
	if (rc == RC_OK && json_get(root, "bearer") != NULL)
		rc = take_text(root, "bearer", device->bearer, sizeof(device->bearer), err);
	if (rc == RC_OK && json_get(root, "os_version") != NULL)
		rc = take_text(root, "os_version", device->os_version, sizeof(device->os_version), err);
	if (rc == RC_OK && json_get(root, "build_version") != NULL)
		rc = take_text(root, "build_version", device->build_version, sizeof(device->build_version), err);
	if (rc == RC_OK)
		rc = take_newer_bool(root, "in_setup", &device->is_in_setup, err);
	if (rc == RC_OK)
		rc = take_newer_bool(root, "clone", &device->is_clone, err);
	if (rc == RC_OK)
		rc = take_chance(root, "chance", &device->chance, err);
	if (rc == RC_OK)
		rc = take_chance(root, "life", &device->life, err);
	for (unsigned i = 0; i < device->channel_count && rc == RC_OK; i++)
		rc = take_channel(json_at(channels, i), &device->channels[i], err);
	return rc == RC_OK ? take_identity(root, device, err) : rc;
}

enum rc device_load(const char *path, struct device *device, struct err *err)
{
	AUTO(json_free) struct json_value *root = NULL;
	struct buf text;
	enum rc rc;

	buf_init(&text, STATE_BYTES_MAX);
	rc = file_read(path, &text, err);
	if (rc == RC_OK && json_parse(buf_slice(&text), &root, err) != RC_OK)
		rc = err_context(err, "%s", path);
	buf_fini_secret(&text);
	if (rc != RC_OK)
		return rc;
	if (take_device(root, device, err) != RC_OK)
		return err_context(err, "%s", path);
	return RC_OK;
}
