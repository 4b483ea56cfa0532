/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "pomona/base/codec.h"
#include "pomona/command/command.h"
#include "pomona/plist/plist.h"

#include "private.h"

struct fields {
	struct json_value *ids, *command;
	bool is_all;
	struct slice plist, plist_base64, uuid, not_after;
};

static const struct json_field table[] = {
	{.key = "ids", .kind = JSON_KIND_ARRAY, .offset = offsetof(struct fields, ids)},
	{.key = "all", .kind = JSON_KIND_BOOL, .offset = offsetof(struct fields, is_all)},
	{.key = "command", .kind = JSON_KIND_OBJECT, .offset = offsetof(struct fields, command)},
	{.key = "plist",
		.kind = JSON_KIND_STRING,
		.offset = offsetof(struct fields, plist),
		.max_bytes = COMMAND_BODY_BYTES_MAX},
	{.key = "plist_base64",
		.kind = JSON_KIND_STRING,
		.offset = offsetof(struct fields, plist_base64),
		.max_bytes = 2 * (size_t)COMMAND_BODY_BYTES_MAX},
	{.key = "uuid",
		.kind = JSON_KIND_STRING,
		.offset = offsetof(struct fields, uuid),
		.max_bytes = COMMAND_UUID_BYTES_MAX},
	{.key = "not_after",
		.kind = JSON_KIND_STRING,
		.offset = offsetof(struct fields, not_after),
		.max_bytes = TIME_FIELD_BYTES_MAX},
};

/* The command in its envelope {CommandUUID, Command}, with the UUID of the request. */
static enum rc put_into_envelope(const struct plist_node *root, struct slice uuid,
	struct plist_doc *envelope, struct err *err)
{
	const struct plist_node *inner = plist_dict_get(root, "Command");
	struct plist_node *top = plist_root(envelope);

	if (plist_dict_set(top, "Command", plist_copy(inner != NULL ? inner : root)) != RC_OK)
		return api_call_no_memory(err);
	if (plist_dict_set(top, "CommandUUID", plist_new_string(uuid)) != RC_OK)
		return err_set(err, RC_INVALID, "uuid: not a text that XML can carry");
	return RC_OK;
}

static enum rc with_uuid(struct slice plist, struct slice uuid, struct buf *out, struct err *err)
{
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	AUTO(plist_doc_free) struct plist_doc *envelope = plist_doc_new_dict();
	const struct plist_node *own;
	enum rc rc = plist_parse(plist, &doc, err);

	if (rc != RC_OK)
		return rc;
	if (envelope == NULL)
		return api_call_no_memory(err);
	own = plist_dict_get(plist_root(doc), "CommandUUID");
	if (own != NULL && !slice_is_equal(plist_string(own), uuid))
		return err_set(err, RC_INVALID, "its CommandUUID is not the uuid of the request");
	rc = put_into_envelope(plist_root(doc), uuid, envelope, err);
	return rc == RC_OK ? plist_write_xml(envelope, out, err) : rc;
}

/* Plists carry their own CommandUUID; one in the request must be put in first. */
static enum rc row_of_plist(struct call *call, struct slice plist, struct slice uuid,
	struct command_row *row, struct err *err)
{
	struct buf out;
	enum rc rc;

	if (uuid.len == 0)
		return command_from_plist(plist, call->arena, row, err);
	buf_init(&out, COMMAND_BODY_BYTES_MAX);
	rc = with_uuid(plist, uuid, &out, err);
	if (rc == RC_OK)
		rc = command_from_plist(buf_slice(&out), call->arena, row, err);
	buf_fini(&out);
	return rc;
}

static enum rc row_of_base64(struct call *call, const struct fields *fields,
	struct command_row *row, struct err *err)
{
	struct buf plist;
	enum rc rc;

	buf_init(&plist, COMMAND_BODY_BYTES_MAX);
	rc = base64_parse(fields->plist_base64, &plist, err);
	if (rc == RC_OK)
		rc = row_of_plist(call, buf_slice(&plist), fields->uuid, row, err);
	buf_fini(&plist);
	return rc;
}

static enum rc read_command(struct call *call, const struct fields *fields, struct command_row *row,
	struct err *err)
{
	const int ways =
		(fields->command != NULL) + (fields->plist.ptr != NULL) + (fields->plist_base64.ptr != NULL);
	enum rc rc;

	if (ways != 1)
		return api_call_invalid(call, err, "command", "give exactly one of command, plist, plist_base64");
	if (fields->command != NULL) {
		call->field = "command";
		rc = command_from_json(fields->command, fields->uuid, call->arena, row, err);
	} else if (fields->plist.ptr != NULL) {
		call->field = "plist";
		rc = row_of_plist(call, fields->plist, fields->uuid, row, err);
	} else {
		call->field = "plist_base64";
		rc = row_of_base64(call, fields, row, err);
	}
	if (rc != RC_OK)
		return err_context(err, "%s", call->field);
	call->field = NULL;
	return RC_OK;
}

static enum rc read_targets(struct call *call, const struct fields *fields, struct send_body *send,
	struct err *err)
{
	if ((fields->ids != NULL) == fields->is_all)
		return api_call_invalid(call, err, "ids", "give either ids or \"all\": true");
	send->ids = fields->ids;
	send->is_all = fields->is_all;
	return fields->is_all ? RC_OK : api_ids_check(call, fields->ids, err);
}

static enum rc read_not_after(struct call *call, struct slice text, int64_t now,
	int64_t *not_after_r, struct err *err)
{
	*not_after_r = 0;
	if (text.ptr == NULL)
		return RC_OK;
	if (time_parse(text, not_after_r, NULL) != RC_OK)
		return api_call_invalid(call, err, "not_after", "must be a time such as 2027-01-31T12:00:00Z");
	if (*not_after_r <= now)
		return api_call_invalid(call, err, "not_after", "has passed already");
	return RC_OK;
}

enum rc api_send_body_read(struct call *call, const struct json_value *body, int64_t now,
	struct send_body *send_r, struct err *err)
{
	struct fields fields = {.ids = NULL};
	enum rc rc = json_read_fields(body, table, COUNT_OF(table), &fields, err);

	*send_r = (struct send_body){.ids = NULL};
	if (rc == RC_OK)
		rc = read_targets(call, &fields, send_r, err);
	if (rc == RC_OK)
		rc = read_not_after(call, fields.not_after, now, &send_r->not_after, err);
	if (rc == RC_OK)
		rc = read_command(call, &fields, &send_r->row, err);
	return rc;
}
