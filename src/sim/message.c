/* SPDX-License-Identifier: Apache-2.0 */
#include "message.h"

#include <stdio.h>

enum { UNLOCK_TOKEN_BYTES = 1500, BOOTSTRAP_TOKEN_BYTES = 48 };

void message_identify(struct build *build, struct plist_node *dict, const struct device *device,
	const struct channel *channel)
{
	bool is_mac = device->model->platform == PLATFORM_MAC;

	if (device->enrollment_id[0] != 0)
		build_str(build, dict, "EnrollmentID", device->enrollment_id);
	else
		build_str(build, dict, "UDID", device->udid);
	if (!channel_is_user(channel))
		return;
	build_str(build, dict, "UserID", channel->user_id);
	build_str(build, dict, "UserShortName", channel->short_name);
	build_str(build, dict, "UserLongName", channel->long_name);
	if (is_mac)
		build_bool(build, dict, "NotOnConsole", false);
	if (channel->auth_token[0] != 0)
		build_str(build, dict, "AuthToken", channel->auth_token);
}

/* A document that a message function fills, and its writing. */
struct draft {
	struct plist_doc *doc;
	struct plist_node *dict;
	struct build build;
};

static struct draft draft_new(const struct device *device, const struct channel *channel,
	const char *message_type)
{
	struct draft draft = {.doc = plist_doc_new_dict()};

	if (draft.doc == NULL) {
		draft.build.rc = RC_NO_MEMORY;
		return draft;
	}
	draft.dict = plist_root(draft.doc);
	if (message_type != NULL)
		build_str(&draft.build, draft.dict, "MessageType", message_type);
	message_identify(&draft.build, draft.dict, device, channel);
	return draft;
}

static enum rc draft_write(struct draft *draft, struct buf *out, struct err *err)
{
	enum rc rc = draft->build.rc;

	if (rc == RC_OK)
		rc = plist_write_xml(draft->doc, out, err);
	else
		rc = err_set(err, rc, "message");
	plist_doc_free(&draft->doc);
	return rc;
}

enum rc message_authenticate(const struct device *device, const struct channel *channel,
	struct buf *out, struct err *err)
{
	const struct model *model = device->model;
	bool is_mac = model->platform == PLATFORM_MAC;
	struct draft draft = draft_new(device, channel, "Authenticate");

	build_str(&draft.build, draft.dict, "Topic", device->topic);
	build_str(&draft.build, draft.dict, "OSVersion", device->os_version);
	build_str(&draft.build, draft.dict, "BuildVersion", device->build_version);
	build_str(&draft.build, draft.dict, "ProductName", model->product);
	if (device->enrollment_id[0] == 0)
		build_str(&draft.build, draft.dict, "SerialNumber", device->serial);
	if (is_mac) {
		build_str(&draft.build, draft.dict, "DeviceName", device->name);
		build_str(&draft.build, draft.dict, "Model", model->product);
		build_str(&draft.build, draft.dict, "ModelName", model->name);
	}
	return draft_write(&draft, out, err);
}

/* A secret of the device that stays the same from message to message, though nothing keeps it. */
static void build_secret(struct draft *draft, const char *key, const struct channel *channel,
	size_t len)
{
	uint8_t bytes[UNLOCK_TOKEN_BYTES];
	uint64_t seed = 0;

	for (size_t i = 0; i < PUSH_TOKEN_BYTES; i++)
		seed = seed * 257 + channel->push_token[i];
	chance_bytes(&(struct chance){.state = seed}, bytes, len);
	build_data(&draft->build, draft->dict, key, slice_of(bytes, len));
}

enum rc message_token_update(const struct device *device, const struct channel *channel,
	struct buf *out, struct err *err)
{
	struct draft draft = draft_new(device, channel, "TokenUpdate");
	bool has_unlock_token = !channel_is_user(channel) && device->enrollment_id[0] == 0 &&
		!device->is_shared && (device->model->platform & PLATFORM_IOS) != 0;

	build_str(&draft.build, draft.dict, "Topic", device->topic);
	build_data(&draft.build, draft.dict, "Token", slice_of(channel->push_token, PUSH_TOKEN_BYTES));
	build_str(&draft.build, draft.dict, "PushMagic", channel->push_magic);
	if (!channel_is_user(channel))
		build_bool(&draft.build, draft.dict, "AwaitingConfiguration", device->is_in_setup);
	if (has_unlock_token)
		build_secret(&draft, "UnlockToken", channel, UNLOCK_TOKEN_BYTES);
	return draft_write(&draft, out, err);
}

enum rc message_set_bootstrap_token(const struct device *device, const struct channel *channel,
	struct buf *out, struct err *err)
{
	struct draft draft = draft_new(device, channel, "SetBootstrapToken");

	build_bool(&draft.build, draft.dict, "AwaitingConfiguration", device->is_in_setup);
	build_secret(&draft, "BootstrapToken", channel, BOOTSTRAP_TOKEN_BYTES);
	return draft_write(&draft, out, err);
}

/*
 * Apple only says that the answer is a standard HTTP Digest of the user's short name and password. The
 * simulator has no passwords: it answers in that form with a response that no server should find right.
 */
enum rc message_user_authenticate(const struct device *device, const struct channel *channel,
	struct buf *out, struct err *err)
{
	struct draft draft = draft_new(device, channel, "UserAuthenticate");
	char response[NAME_TEXT_BYTES + 128];

	if (channel->challenge[0] != 0) {
		(void)snprintf(response, sizeof(response),
			"Digest username=\"%s\", response=\"00000000000000000000000000000000\"", channel->short_name);
		build_str(&draft.build, draft.dict, "DigestResponse", response);
	}
	return draft_write(&draft, out, err);
}

enum rc message_idle(const struct device *device, const struct channel *channel, struct buf *out,
	struct err *err)
{
	struct draft draft = draft_new(device, channel, NULL);

	build_str(&draft.build, draft.dict, "Status", "Idle");
	return draft_write(&draft, out, err);
}
