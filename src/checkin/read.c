/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/checkin/checkin.h"

#include <string.h>

#include "pomona/plist/plist.h"
#include "pomona/store/escrow.h"

enum { MESSAGE_TYPE_BYTES_MAX = 64, DIGEST_RESPONSE_BYTES_MAX = 4096 };

#define AT(field_) .offset = offsetof(struct checkin_message, field_)
#define HAS(field_) .has_offset = offsetof(struct checkin_message, field_)
#define FACT(key_, field_) \
	{ \
		.key = (key_), .kind = PLIST_KIND_STRING, AT(field_), .max_bytes = ENROLLMENT_FACT_BYTES_MAX \
	}

static const struct plist_field authenticate_fields[] = {
	{.key = "Topic",
		.kind = PLIST_KIND_STRING,
		.is_required = true,
		AT(device.topic),
		.max_bytes = ENROLLMENT_FACT_BYTES_MAX},
	FACT("DeviceName", device.device_name),
	FACT("Model", device.model),
	FACT("ModelName", device.model_name),
	FACT("ProductName", device.product_name),
	FACT("OSVersion", device.os_version),
	FACT("BuildVersion", device.build_version),
	FACT("SerialNumber", device.serial_number),
	FACT("IMEI", device.imei),
	FACT("MEID", device.meid),
};

static const struct plist_field token_update_fields[] = {
	{.key = "Topic",
		.kind = PLIST_KIND_STRING,
		.is_required = true,
		AT(token.topic),
		.max_bytes = ENROLLMENT_FACT_BYTES_MAX},
	{.key = "Token",
		.kind = PLIST_KIND_DATA,
		.is_required = true,
		AT(token.token),
		.max_bytes = PUSH_TOKEN_BYTES_MAX},
	{.key = "PushMagic",
		.kind = PLIST_KIND_STRING,
		.is_required = true,
		AT(token.push_magic),
		.max_bytes = ENROLLMENT_FACT_BYTES_MAX},
	{.key = "UnlockToken", .kind = PLIST_KIND_DATA, AT(unlock_token), .max_bytes = ESCROW_BYTES_MAX},
	{.key = "AwaitingConfiguration", .kind = PLIST_KIND_BOOL, AT(token.is_awaiting_configuration)},
};

static const struct plist_field user_authenticate_fields[] = {
	{.key = "DigestResponse",
		.kind = PLIST_KIND_STRING,
		AT(digest_response),
		HAS(has_digest_response),
		.max_bytes = DIGEST_RESPONSE_BYTES_MAX},
};

static const struct plist_field set_bootstrap_token_fields[] = {
	{.key = "BootstrapToken",
		.kind = PLIST_KIND_DATA,
		AT(bootstrap_token),
		HAS(has_bootstrap_token),
		.max_bytes = ESCROW_BYTES_MAX},
};

enum channels { CHANNEL_ANY, CHANNEL_DEVICE, CHANNEL_USER };

struct message_row {
	const char *name;
	enum channels channels;
	bool is_not_offered;
	const struct plist_field *fields;
	size_t field_count;
};

#define FIELDS(table_) .fields = (table_), .field_count = COUNT_OF(table_)
#define NOT_OFFERED .is_not_offered = true

static const struct message_row rows[CHECKIN_TYPE_COUNT] = {
	[CHECKIN_AUTHENTICATE] = {"Authenticate", CHANNEL_DEVICE, FIELDS(authenticate_fields)},
	[CHECKIN_TOKEN_UPDATE] = {"TokenUpdate", CHANNEL_ANY, FIELDS(token_update_fields)},
	[CHECKIN_CHECK_OUT] = {.name = "CheckOut"},
	[CHECKIN_USER_AUTHENTICATE] = {"UserAuthenticate", CHANNEL_USER, FIELDS(user_authenticate_fields)},
	[CHECKIN_SET_BOOTSTRAP_TOKEN] = {"SetBootstrapToken", CHANNEL_DEVICE,
		FIELDS(set_bootstrap_token_fields)},
	[CHECKIN_GET_BOOTSTRAP_TOKEN] = {.name = "GetBootstrapToken", .channels = CHANNEL_DEVICE},
	[CHECKIN_DECLARATIVE_MANAGEMENT] = {.name = "DeclarativeManagement", NOT_OFFERED},
	[CHECKIN_GET_TOKEN] = {.name = "GetToken", NOT_OFFERED},
	[CHECKIN_RETURN_TO_SERVICE] = {.name = "ReturnToService", NOT_OFFERED},
};

const char *checkin_type_name(enum checkin_type type)
{
	return (unsigned)type < CHECKIN_TYPE_COUNT ? rows[type].name : "unknown";
}

static enum rc read_type(const struct plist_node *root, struct checkin_message *message,
	struct err *err)
{
	static const struct plist_field field = {
		.key = "MessageType",
		.kind = PLIST_KIND_STRING,
		.is_required = true,
		.max_bytes = MESSAGE_TYPE_BYTES_MAX,
	};
	struct slice word = {0};
	enum rc rc = plist_read_fields(root, &field, 1, &word, err);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < CHECKIN_TYPE_COUNT; i++) {
		if (!slice_is_str(word, rows[i].name))
			continue;
		message->type = (enum checkin_type)i;
		return RC_OK;
	}
	if (!claim_is_line(word))
		return err_set(err, RC_INVALID, "MessageType: unknown word");
	return err_set(err, RC_INVALID, "MessageType: unknown word \"%.*s\"", SLICE_FMT(word));
}

static enum rc check_channel(const struct message_row *row, const struct claim *claim,
	struct err *err)
{
	bool is_user = enrollment_kind_is_user(claim->kind);

	if (row->channels == CHANNEL_DEVICE && is_user)
		return err_set(err, RC_INVALID, "%s: comes from a device, not from a user channel (%s)",
			row->name, claim->kind == ENROLLMENT_BYOD_USER ? "EnrollmentUserID" : "UserID");
	if (row->channels == CHANNEL_USER && !is_user)
		return err_set(err, RC_INVALID, "UserID: missing");
	return RC_OK;
}

enum rc checkin_read(struct slice raw, struct arena *arena, struct checkin_message *message_r,
	struct err *err)
{
	const struct plist_doc *doc;
	const struct plist_node *root;
	const struct message_row *row;
	enum rc rc;

	memset(message_r, 0, sizeof(*message_r));
	message_r->type = CHECKIN_TYPE_COUNT;
	message_r->raw = raw;
	rc = plist_parse_in(arena, raw, &doc, err);
	if (rc != RC_OK)
		return rc;
	root = plist_root(doc);
	rc = read_type(root, message_r, err);
	if (rc == RC_OK)
		rc = claim_read(root, arena, &message_r->claim, err);
	if (rc != RC_OK)
		return rc;
	row = &rows[message_r->type];
	if (row->is_not_offered)
		return err_set(err, RC_UNSUPPORTED, "MessageType: %s is not offered", row->name);
	rc = check_channel(row, &message_r->claim, err);
	if (rc == RC_OK && row->field_count > 0)
		rc = plist_read_fields(root, row->fields, row->field_count, message_r, err);
	message_r->token.has_awaiting_configuration = true; /* left out is false */
	message_r->token.user_short_name = message_r->claim.user_short_name;
	message_r->token.user_long_name = message_r->claim.user_long_name;
	message_r->token.is_not_on_console = message_r->claim.is_not_on_console;
	return rc;
}
