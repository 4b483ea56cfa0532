/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/command/result.h"

#include <string.h>

#include "pomona/plist/plist.h"

enum { STATUS_BYTES_MAX = 64, ERROR_TEXT_BYTES_MAX = 4096 };

static const char *const status_names[] = {
	[RESULT_IDLE] = "Idle",
	[RESULT_ACKNOWLEDGED] = "Acknowledged",
	[RESULT_ERROR] = "Error",
	[RESULT_COMMAND_FORMAT_ERROR] = "CommandFormatError",
	[RESULT_NOTNOW] = "NotNow",
};

const char *result_status_name(enum result_status status)
{
	return (unsigned)status < COUNT_OF(status_names) ? status_names[status] : "unknown";
}

static const struct plist_field fields[] = {
	{.key = "Status",
		.kind = PLIST_KIND_STRING,
		.is_required = true,
		.offset = offsetof(struct result, status_word),
		.max_bytes = STATUS_BYTES_MAX},
	{.key = "CommandUUID",
		.kind = PLIST_KIND_STRING,
		.offset = offsetof(struct result, command_uuid),
		.max_bytes = RESULT_UUID_BYTES_MAX},
	{.key = "RequestType",
		.kind = PLIST_KIND_STRING,
		.offset = offsetof(struct result, request_type),
		.max_bytes = COMMAND_TYPE_BYTES_MAX},
};

static enum rc find_status(struct result *result, struct err *err)
{
	for (size_t i = 0; i < COUNT_OF(status_names); i++) {
		if (!slice_is_str(result->status_word, status_names[i]))
			continue;
		result->status = (enum result_status)i;
		return RC_OK;
	}
	if (!claim_is_line(result->status_word))
		return err_set(err, RC_INVALID, "Status: unknown word");
	return err_set(err, RC_INVALID, "Status: unknown word \"%.*s\"", SLICE_FMT(result->status_word));
}

enum rc result_read(struct slice raw, struct arena *arena, struct result *result_r, struct err *err)
{
	const struct plist_doc *doc;
	enum rc rc;

	memset(result_r, 0, sizeof(*result_r));
	result_r->raw = raw;
	rc = plist_parse_in(arena, raw, &doc, err);
	if (rc == RC_OK)
		rc = claim_read(plist_root(doc), arena, &result_r->claim, err);
	if (rc == RC_OK)
		rc = plist_read_fields(plist_root(doc), fields, COUNT_OF(fields), result_r, err);
	if (rc == RC_OK)
		rc = find_status(result_r, err);
	if (rc != RC_OK)
		return rc;
	if (result_r->status == RESULT_IDLE)
		result_r->command_uuid = slice_of(NULL, 0); /* it answers nothing, whatever it says */
	else if (result_r->command_uuid.len == 0)
		return err_set(err, RC_INVALID, "CommandUUID: missing");
	return RC_OK;
}

/* Diagnostics of the device's: "" where it said nothing or something else than text; long ones are cut. */
static enum rc copy_text(const struct plist_node *error, const char *key, struct arena *arena,
	const char **text_r, struct err *err)
{
	const struct plist_node *node = plist_dict_get(error, key);
	struct slice text = {0};

	if (node != NULL && plist_kind(node) == PLIST_KIND_STRING)
		text = slice_sub(plist_string(node), 0, ERROR_TEXT_BYTES_MAX);
	*text_r = arena_str(arena, text);
	return *text_r != NULL ? RC_OK : err_set(err, RC_NO_MEMORY, "ErrorChain");
}

static enum rc copy_error(const struct plist_node *node, struct arena *arena,
	struct result_error *error, struct err *err)
{
	const struct plist_node *code = plist_dict_get(node, "ErrorCode");
	bool is_unsigned;
	enum rc rc = copy_text(node, "ErrorDomain", arena, &error->domain, err);

	if (rc == RC_OK)
		rc = copy_text(node, "LocalizedDescription", arena, &error->text, err);
	if (rc == RC_OK)
		rc = copy_text(node, "USEnglishDescription", arena, &error->us_english, err);
	if (code != NULL && plist_kind(code) == PLIST_KIND_INTEGER)
		error->code = plist_integer(code, &is_unsigned);
	return rc;
}

enum rc result_errors(struct slice raw, struct arena *arena, struct result_error **errors_r,
	size_t *count_r, struct err *err)
{
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	const struct plist_node *chain;
	struct result_error *errors;
	size_t count;
	enum rc rc = plist_parse(raw, &doc, err);

	*errors_r = NULL;
	*count_r = 0;
	if (rc != RC_OK)
		return rc;
	chain = plist_dict_get(plist_root(doc), "ErrorChain");
	if (chain == NULL || plist_kind(chain) != PLIST_KIND_ARRAY || plist_count(chain) == 0)
		return RC_OK;
	count = plist_count(chain) < RESULT_ERRORS_MAX ? plist_count(chain) : RESULT_ERRORS_MAX;
	errors = arena_alloc(arena, count * sizeof(*errors));
	if (errors == NULL)
		return err_set(err, RC_NO_MEMORY, "ErrorChain");
	for (size_t i = 0; rc == RC_OK && i < count; i++)
		rc = copy_error(plist_array_at(chain, i), arena, &errors[i], err);
	if (rc != RC_OK)
		return rc;
	*errors_r = errors;
	*count_r = count;
	return RC_OK;
}
