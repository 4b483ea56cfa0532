/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "pushing.h"

/* The body of POST push. */

struct fields {
	struct json_value *ids, *filter;
	bool is_all, is_urgent;
};

static const struct json_field table[] = {
	{.key = "ids", .kind = JSON_KIND_ARRAY, .offset = offsetof(struct fields, ids)},
	{.key = "all", .kind = JSON_KIND_BOOL, .offset = offsetof(struct fields, is_all)},
	{.key = "filter", .kind = JSON_KIND_OBJECT, .offset = offsetof(struct fields, filter)},
	{.key = "urgent", .kind = JSON_KIND_BOOL, .offset = offsetof(struct fields, is_urgent)},
};

enum { WORD_BYTES_MAX = 64 };

static const struct json_field filter_table[] = {
	{.key = "state",
		.kind = JSON_KIND_STRING,
		.offset = offsetof(struct filter_words, state),
		.max_bytes = WORD_BYTES_MAX},
	{.key = "kind",
		.kind = JSON_KIND_STRING,
		.offset = offsetof(struct filter_words, kind),
		.max_bytes = WORD_BYTES_MAX},
	{.key = "serial_number",
		.kind = JSON_KIND_STRING,
		.offset = offsetof(struct filter_words, serial_number),
		.max_bytes = ENROLLMENT_FACT_BYTES_MAX},
	{.key = "activity",
		.kind = JSON_KIND_STRING,
		.offset = offsetof(struct filter_words, activity),
		.max_bytes = WORD_BYTES_MAX},
	{.key = "renewal",
		.kind = JSON_KIND_STRING,
		.offset = offsetof(struct filter_words, renewal),
		.max_bytes = WORD_BYTES_MAX},
};

static enum rc read_filter(struct call *call, const struct json_value *object,
	struct enrollment_filter *filter, struct err *err)
{
	struct filter_words words = {.state = {.ptr = NULL}};
	enum rc rc = json_read_fields(object, filter_table, COUNT_OF(filter_table), &words, err);

	if (rc != RC_OK) {
		call->field = "filter";
		return err_context(err, "filter");
	}
	if (words.state.len + words.kind.len + words.serial_number.len + words.activity.len +
			words.renewal.len ==
		0)
		return api_call_invalid(call, err, "filter",
			"name at least one of state, kind, serial_number, activity, renewal; or give \"all\": true");
	/* a script's variable that is not set must not mean everybody */
	if (words.serial_number.ptr != NULL && words.serial_number.len == 0)
		return api_call_invalid(call, err, "serial_number", "must not be empty");
	return api_filter_read(call, &words, filter, err);
}

enum rc api_push_body_read(struct call *call, const struct json_value *body,
	struct push_body *push_r, struct err *err)
{
	struct fields fields = {.ids = NULL};
	enum rc rc = json_read_fields(body, table, COUNT_OF(table), &fields, err);

	*push_r = (struct push_body){.filter = {.state = ENROLLMENT_ENROLLED}};
	if (rc != RC_OK)
		return rc;
	if ((fields.ids != NULL) + fields.is_all + (fields.filter != NULL) != 1)
		return api_call_invalid(call, err, "ids", "give exactly one of ids, \"all\": true, filter");
	push_r->ids = fields.ids;
	push_r->is_all = fields.is_all;
	push_r->is_urgent = fields.is_urgent;
	if (fields.ids != NULL)
		return api_ids_check(call, fields.ids, err);
	return fields.is_all ? RC_OK : read_filter(call, fields.filter, &push_r->filter, err);
}
