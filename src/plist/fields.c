/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/plist/plist.h"

#include <string.h>

#include "pomona/base/codec.h"

static enum rc check_bytes(const struct plist_field *field, struct slice value, struct err *err)
{
	if (field->max_bytes == 0)
		return err_set(err, RC_INTERNAL, "key \"%s\": no bound in the table", field->key);
	if (field->is_required && value.len == 0)
		return err_set(err, RC_INVALID, "key \"%s\": empty", field->key);
	if (value.len > field->max_bytes)
		return err_set(err, RC_INVALID, "key \"%s\": %zu bytes, want at most %zu", field->key, value.len,
			field->max_bytes);
	return RC_OK;
}

static enum rc read_string(const struct plist_field *field, struct plist_node *value, uint8_t *to,
	struct err *err)
{
	struct slice text = plist_string(value);
	enum rc rc = check_bytes(field, text, err);

	if (rc != RC_OK)
		return rc;
	if (!utf8_is_xml_text(text))
		return err_set(err, RC_INVALID, "key \"%s\": has characters that XML cannot carry", field->key);
	memcpy(to, &text, sizeof(text));
	return RC_OK;
}

static enum rc read_data(const struct plist_field *field, struct plist_node *value, uint8_t *to,
	struct err *err)
{
	struct slice bytes = plist_data(value);
	enum rc rc = check_bytes(field, bytes, err);

	if (rc == RC_OK)
		memcpy(to, &bytes, sizeof(bytes));
	return rc;
}

static enum rc read_bool(const struct plist_field *field, struct plist_node *value, uint8_t *to,
	struct err *err)
{
	bool fact = plist_bool(value);

	(void)field;
	(void)err;
	memcpy(to, &fact, sizeof(fact));
	return RC_OK;
}

static enum rc read_integer(const struct plist_field *field, struct plist_node *value, uint8_t *to,
	struct err *err)
{
	bool is_unsigned;
	int64_t number = plist_integer(value, &is_unsigned);

	if (is_unsigned)
		return err_set(err, RC_INVALID, "key \"%s\": number out of range", field->key);
	memcpy(to, &number, sizeof(number));
	return RC_OK;
}

static enum rc read_node(const struct plist_field *field, struct plist_node *value, uint8_t *to,
	struct err *err)
{
	(void)field;
	(void)err;
	memcpy(to, &value, sizeof(struct plist_node *));
	return RC_OK;
}

static enum rc read_field(const struct plist_field *field, struct plist_node *value, uint8_t *to,
	struct err *err)
{
	static enum rc (*const readers[])(const struct plist_field *field, struct plist_node *value,
		uint8_t *to, struct err *err) = {
		[PLIST_KIND_DICT] = read_node,
		[PLIST_KIND_ARRAY] = read_node,
		[PLIST_KIND_STRING] = read_string,
		[PLIST_KIND_DATA] = read_data,
		[PLIST_KIND_BOOL] = read_bool,
		[PLIST_KIND_INTEGER] = read_integer,
	};

	if ((size_t)field->kind >= COUNT_OF(readers))
		return err_set(err, RC_INTERNAL, "key \"%s\": a kind that no table can have", field->key);
	if (plist_kind(value) != field->kind)
		return err_set(err, RC_INVALID, "key \"%s\": is of type %s, want %s", field->key,
			plist_kind_name(plist_kind(value)), plist_kind_name(field->kind));
	return readers[field->kind](field, value, to, err);
}

enum rc plist_read_fields(const struct plist_node *node, const struct plist_field *fields,
	size_t field_count, void *out, struct err *err)
{
	uint8_t *base = out;

	if (node == NULL || plist_kind(node) != PLIST_KIND_DICT)
		return err_set(err, RC_INVALID, "is of type %s, want dictionary",
			node == NULL ? "nothing" : plist_kind_name(plist_kind(node)));
	for (size_t i = 0; i < field_count; i++) {
		const struct plist_field *field = &fields[i];
		struct plist_node *value = plist_dict_get(node, field->key);
		bool is_there = value != NULL;
		enum rc rc;

		if (!is_there && field->is_required)
			return err_set(err, RC_INVALID, "key \"%s\": missing", field->key);
		if (!is_there)
			continue;
		rc = read_field(field, value, base + field->offset, err);
		if (rc != RC_OK)
			return rc;
		if (field->has_offset != 0)
			memcpy(base + field->has_offset, &is_there, sizeof(is_there));
	}
	return RC_OK;
}
