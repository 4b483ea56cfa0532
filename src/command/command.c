/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/command/command.h"

#include "internal.h"
#include "pomona/base/codec.h"
#include "pomona/base/rand.h"
#include "pomona/command/catalogue.h"

enum { BODY_FIRST_BYTES = 4096 };

static void wipe_body(void *body)
{
	buf_fini_secret(body);
}

/* Ids stand in URLs and log lines: text that XML can carry, without control characters. */
static enum rc check_uuid(struct slice uuid, struct err *err)
{
	if (uuid.len == 0)
		return err_set(err, RC_INVALID, "CommandUUID: empty");
	if (uuid.len > COMMAND_UUID_BYTES_MAX)
		return err_set(err, RC_LIMIT, "CommandUUID: %zu bytes, at most %d", uuid.len,
			COMMAND_UUID_BYTES_MAX);
	if (!utf8_is_xml_text(uuid))
		return err_set(err, RC_INVALID, "CommandUUID: characters that XML cannot carry");
	for (size_t i = 0; i < uuid.len; i++)
		if (uuid.ptr[i] < 0x20 || uuid.ptr[i] == 0x7f)
			return err_set(err, RC_INVALID, "CommandUUID: control character at byte %zu", i);
	return RC_OK;
}

/* Copies `uuid`, or makes one where it is empty. */
static enum rc set_uuid(struct command_row *row, struct slice uuid, struct arena *arena,
	struct err *err)
{
	char made[UUID_TEXT_BYTES];

	if (uuid.len == 0) {
		uuid_make(made);
		uuid = slice_of_str(made);
	}
	row->uuid = arena_copy(arena, uuid);
	if (row->uuid.ptr == NULL)
		return err_set(err, RC_NO_MEMORY, "CommandUUID");
	return check_uuid(row->uuid, err);
}

static enum rc set_request_type(struct command_row *row, const struct plist_node *command,
	struct arena *arena, struct err *err)
{
	static const struct plist_field field = {
		.key = "RequestType",
		.kind = PLIST_KIND_STRING,
		.is_required = true,
		.max_bytes = COMMAND_TYPE_BYTES_MAX,
	};
	const struct catalogue_row *known;
	struct slice request_type = {0};
	enum rc rc = plist_read_fields(command, &field, 1, &request_type, err);

	if (rc != RC_OK)
		return rc;
	known = catalogue_find(request_type);
	row->request_type = arena_copy(arena, request_type);
	if (row->request_type.ptr == NULL)
		return err_set(err, RC_NO_MEMORY, "RequestType");
	row->is_never_notnow = known != NULL && known->is_never_notnow;
	row->priority =
		known != NULL && known->is_urgent ? COMMAND_PRIORITY_URGENT : COMMAND_PRIORITY_NORMAL;
	return RC_OK;
}

static enum rc write_body(struct command_row *row, const struct plist_doc *doc, struct arena *arena,
	struct err *err)
{
	struct buf *body = arena_alloc(arena, sizeof(*body));
	enum rc rc;

	if (body == NULL)
		return err_set(err, RC_NO_MEMORY, "command");
	buf_init(body, COMMAND_BODY_BYTES_MAX);
	if (!arena_on_free(arena, wipe_body, body))
		return err_set(err, RC_NO_MEMORY, "command");
	(void)buf_reserve(body, BODY_FIRST_BYTES);
	rc = plist_write_xml(doc, body, err);
	if (rc != RC_OK)
		return rc;
	row->body = buf_slice(body);
	return RC_OK;
}

/* Takes `command`. Writes {CommandUUID, Command} once; these bytes are what devices are sent ever after. */
static enum rc normalise(struct command_row *row, struct plist_node *command, struct arena *arena,
	struct err *err)
{
	AUTO(plist_doc_free) struct plist_doc *doc = plist_doc_new_dict();

	if (doc == NULL) {
		plist_node_free(&command);
		return err_set(err, RC_NO_MEMORY, "command");
	}
	if (plist_dict_set(plist_root(doc), "Command", command) != RC_OK ||
		plist_dict_set(plist_root(doc), "CommandUUID", plist_new_string(row->uuid)) != RC_OK)
		return err_set(err, RC_NO_MEMORY, "command");
	return write_body(row, doc, arena, err);
}

struct wrapper {
	struct slice uuid;
	struct plist_node *command;
};

/* {Command, CommandUUID?}; other keys beside them would be lost on the way and are refused. */
static enum rc visit_wrapper_key(void *ctx, const char *key, struct plist_node *value)
{
	struct err *err = ctx;

	(void)value;
	if (slice_is_str(slice_of_str(key), "Command") || slice_is_str(slice_of_str(key), "CommandUUID"))
		return RC_OK;
	return err_set(err, RC_INVALID, "%.64s: unknown key beside Command",
		utf8_is_xml_text(slice_of_str(key)) ? key : "?");
}

static enum rc unwrap(struct plist_node *root, struct wrapper *wrapper_r, struct err *err)
{
	static const struct plist_field fields[] = {
		{.key = "CommandUUID",
			.kind = PLIST_KIND_STRING,
			.offset = offsetof(struct wrapper, uuid),
			.max_bytes = COMMAND_UUID_BYTES_MAX},
		{.key = "Command",
			.kind = PLIST_KIND_DICT,
			.is_required = true,
			.offset = offsetof(struct wrapper, command)},
	};
	enum rc rc;

	if (plist_kind(root) != PLIST_KIND_DICT)
		return err_set(err, RC_INVALID, "command: %s, want a dictionary",
			plist_kind_name(plist_kind(root)));
	if (plist_dict_get(root, "RequestType") != NULL) {
		wrapper_r->command = root;
		return RC_OK;
	}
	if (plist_dict_get(root, "Command") == NULL)
		return err_set(err, RC_INVALID, "RequestType: missing");
	rc = plist_read_fields(root, fields, COUNT_OF(fields), wrapper_r, err);
	if (rc != RC_OK)
		return rc;
	return plist_dict_each(root, visit_wrapper_key, err);
}

enum rc command_from_plist(struct slice plist, struct arena *arena, struct command_row *row_r,
	struct err *err)
{
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	const struct place place = command_place_root("Command");
	struct command_row row = {0};
	struct wrapper wrapper = {0};
	struct plist_node *command;
	enum rc rc = plist_parse(plist, &doc, err);

	if (rc == RC_OK)
		rc = unwrap(plist_root(doc), &wrapper, err);
	if (rc == RC_OK)
		rc = set_request_type(&row, wrapper.command, arena, err);
	if (rc == RC_OK)
		rc = command_check_tree(wrapper.command, &place, err);
	if (rc == RC_OK)
		rc = set_uuid(&row, wrapper.uuid, arena, err);
	if (rc != RC_OK)
		return rc;
	command = plist_copy(wrapper.command);
	if (command == NULL)
		return err_set(err, RC_NO_MEMORY, "command");
	rc = normalise(&row, command, arena, err);
	if (rc == RC_OK)
		*row_r = row;
	return rc;
}

enum rc command_from_json(const struct json_value *command, struct slice uuid, struct arena *arena,
	struct command_row *row_r, struct err *err)
{
	AUTO(plist_node_free) struct plist_node *node = NULL;
	const struct place place = command_place_root("Command");
	struct command_row row = {0};
	struct plist_node *taken;
	enum rc rc;

	if (json_kind(command) != JSON_KIND_OBJECT)
		return err_set(err, RC_INVALID, "Command: %s, want an object",
			json_kind_name(json_kind(command)));
	rc = command_plist_of_json(command, &place, &node, err);
	if (rc == RC_OK && plist_kind(node) != PLIST_KIND_DICT)
		rc = err_set(err, RC_INVALID, "RequestType: missing");
	if (rc == RC_OK)
		rc = set_request_type(&row, node, arena, err);
	if (rc == RC_OK)
		rc = set_uuid(&row, uuid, arena, err);
	if (rc != RC_OK)
		return rc;
	taken = node;
	node = NULL; /* normalise() takes it */
	rc = normalise(&row, taken, arena, err);
	if (rc == RC_OK)
		*row_r = row;
	return rc;
}
