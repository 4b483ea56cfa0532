/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/command/command.h"

static enum rc own(struct plist_node *node, struct plist_node **node_r, struct err *err)
{
	*node_r = node;
	return node != NULL ? RC_OK : err_set(err, RC_NO_MEMORY, "command");
}

static enum rc string_node(const struct json_value *value, const struct place *place,
	struct plist_node **node_r, struct err *err)
{
	struct slice text = json_string(value);

	if (!utf8_is_xml_text(text))
		return command_place_fault(place, RC_INVALID, "text has characters that XML cannot carry", err);
	return own(plist_new_string(text), node_r, err);
}

static enum rc data_node(const struct json_value *value, const struct place *place,
	struct plist_node **node_r, struct err *err)
{
	AUTO(buf_fini_secret) struct buf bytes = {0};
	enum rc rc;

	if (json_kind(value) != JSON_KIND_STRING)
		return command_place_fault(place, RC_INVALID, "$data wants base64 text", err);
	buf_init(&bytes, COMMAND_BODY_BYTES_MAX);
	if (json_string(value).len != 0 && buf_reserve(&bytes, json_string(value).len) == NULL)
		return buf_status(&bytes, "$data", err);
	rc = base64_parse(json_string(value), &bytes, err);
	if (rc != RC_OK)
		return command_place_fault(place, rc, "$data is not base64", err);
	return own(plist_new_data(buf_slice(&bytes)), node_r, err);
}

static enum rc date_node(const struct json_value *value, const struct place *place,
	struct plist_node **node_r, struct err *err)
{
	int64_t unix_s;

	if (json_kind(value) != JSON_KIND_STRING || time_parse(json_string(value), &unix_s, NULL) != RC_OK)
		return command_place_fault(place, RC_INVALID, "$date wants a time such as 2026-11-21T03:04:05Z",
			err);
	return own(plist_new_date(unix_s), node_r, err);
}

struct dict {
	struct plist_node *node;
	const struct place *place;
	struct err *err;
};

static enum rc add_entry(void *ctx, const char *key, struct json_value *value)
{
	struct dict *dict = ctx;
	struct place place = command_place_key(dict->place, key);
	struct plist_node *child;
	enum rc rc;

	if (!utf8_is_xml_text(slice_of_str(key)))
		return command_place_fault(&place, RC_INVALID, "key has characters that XML cannot carry",
			dict->err);
	if (strlen(key) > PLIST_KEY_BYTES_MAX)
		return command_place_fault(dict->place, RC_LIMIT, "a key in it is too long", dict->err);
	rc = command_plist_of_json(value, &place, &child, dict->err);
	if (rc != RC_OK)
		return rc;
	return plist_dict_set(dict->node, key, child) == RC_OK
		? RC_OK
		: err_set(dict->err, RC_NO_MEMORY, "command");
}

/* A dictionary, or one of the two forms that stand for what JSON does not have. */
static enum rc object_node(const struct json_value *value, const struct place *place,
	struct plist_node **node_r, struct err *err)
{
	AUTO(plist_node_free) struct plist_node *node = NULL;
	const struct json_value *data = json_get(value, "$data");
	const struct json_value *date = json_get(value, "$date");
	struct dict dict = {.place = place, .err = err};
	enum rc rc;

	if ((data != NULL || date != NULL) && json_count(value) != 1)
		return command_place_fault(place, RC_INVALID, "$data and $date stand alone in their object", err);
	if (data != NULL)
		return data_node(data, place, node_r, err);
	if (date != NULL)
		return date_node(date, place, node_r, err);
	node = dict.node = plist_new_dict();
	if (node == NULL)
		return err_set(err, RC_NO_MEMORY, "command");
	rc = json_each(value, add_entry, &dict);
	if (rc != RC_OK)
		return rc;
	*node_r = node;
	node = NULL; /* moved to the caller */
	return RC_OK;
}

static enum rc array_node(const struct json_value *value, const struct place *place,
	struct plist_node **node_r, struct err *err)
{
	AUTO(plist_node_free) struct plist_node *node = plist_new_array();
	size_t count = json_count(value);

	if (node == NULL)
		return err_set(err, RC_NO_MEMORY, "command");
	for (size_t i = 0; i < count; i++) {
		struct place entry = command_place_index(place, i);
		struct plist_node *child;
		enum rc rc = command_plist_of_json(json_at(value, i), &entry, &child, err);

		if (rc != RC_OK)
			return rc;
		if (plist_array_append(node, child) != RC_OK)
			return err_set(err, RC_NO_MEMORY, "command");
	}
	*node_r = node;
	node = NULL; /* moved to the caller */
	return RC_OK;
}

static enum rc integer_node(const struct json_value *value, const struct place *place,
	struct plist_node **node_r, struct err *err)
{
	(void)place;
	return own(plist_new_integer(json_integer(value)), node_r, err);
}

static enum rc real_node(const struct json_value *value, const struct place *place,
	struct plist_node **node_r, struct err *err)
{
	(void)place;
	return own(plist_new_real(json_real(value)), node_r, err);
}

static enum rc bool_node(const struct json_value *value, const struct place *place,
	struct plist_node **node_r, struct err *err)
{
	(void)place;
	return own(plist_new_bool(json_bool(value)), node_r, err);
}

static enum rc null_node(const struct json_value *value, const struct place *place,
	struct plist_node **node_r, struct err *err)
{
	(void)value;
	(void)node_r;
	return command_place_fault(place, RC_INVALID, "null: leave the key out instead", err);
}

typedef enum rc (*node_maker)(const struct json_value *value, const struct place *place,
	struct plist_node **node_r, struct err *err);

static const node_maker makers[] = {
	[JSON_KIND_OBJECT] = object_node,
	[JSON_KIND_ARRAY] = array_node,
	[JSON_KIND_STRING] = string_node,
	[JSON_KIND_INTEGER] = integer_node,
	[JSON_KIND_REAL] = real_node,
	[JSON_KIND_BOOL] = bool_node,
	[JSON_KIND_NULL] = null_node,
};

/* Recursion ends at COMMAND_DEPTH_MAX. */
enum rc command_plist_of_json(const struct json_value *value, const struct place *place,
	struct plist_node **node_r, struct err *err)
{
	*node_r = NULL;
	if (place->depth > COMMAND_DEPTH_MAX)
		return command_place_fault(place, RC_LIMIT, "nested too deeply", err);
	return makers[json_kind(value)](value, place, node_r, err);
}
