/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/json/json.h"

#include <string.h>

static enum rc read_string(const struct json_field *field, struct json_value *value, uint8_t *to,
	struct err *err)
{
	struct slice text = json_string(value);

	if (field->max_bytes == 0)
		return err_set(err, RC_INTERNAL, "\"%s\": no bound in the table", field->key);
	if (field->is_required && text.len == 0)
		return err_set(err, RC_INVALID, "\"%s\": empty", field->key);
	if (text.len > field->max_bytes)
		return err_set(err, RC_INVALID, "\"%s\": %zu bytes, want at most %zu", field->key, text.len,
			field->max_bytes);
	memcpy(to, &text, sizeof(text));
	return RC_OK;
}

static enum rc read_integer(const struct json_field *field, struct json_value *value, uint8_t *to,
	struct err *err)
{
	int64_t number = json_integer(value);
	bool is_bounded = field->min != 0 || field->max != 0;

	if (is_bounded && (number < field->min || number > field->max))
		return err_set(err, RC_INVALID, "\"%s\": want %lld to %lld", field->key, (long long)field->min,
			(long long)field->max);
	memcpy(to, &number, sizeof(number));
	return RC_OK;
}

static enum rc read_bool(const struct json_field *field, struct json_value *value, uint8_t *to,
	struct err *err)
{
	bool fact = json_bool(value);

	(void)field;
	(void)err;
	memcpy(to, &fact, sizeof(fact));
	return RC_OK;
}

static enum rc read_value(const struct json_field *field, struct json_value *value, uint8_t *to,
	struct err *err)
{
	(void)field;
	(void)err;
	memcpy(to, &value, sizeof(struct json_value *));
	return RC_OK;
}

static enum rc read_field(const struct json_field *field, struct json_value *value, uint8_t *to,
	struct err *err)
{
	static enum rc (*const readers[])(const struct json_field *field, struct json_value *value,
		uint8_t *to, struct err *err) = {
		[JSON_KIND_OBJECT] = read_value,
		[JSON_KIND_ARRAY] = read_value,
		[JSON_KIND_STRING] = read_string,
		[JSON_KIND_INTEGER] = read_integer,
		[JSON_KIND_REAL] = read_value,
		[JSON_KIND_BOOL] = read_bool,
		[JSON_KIND_NULL] = read_value,
	};

	if (json_kind(value) != field->kind)
		return err_set(err, RC_INVALID, "\"%s\": is %s, want %s", field->key,
			json_kind_name(json_kind(value)), json_kind_name(field->kind));
	return readers[field->kind](field, value, to, err);
}

struct table {
	const struct json_field *fields;
	size_t count;
	struct err *err;
};

static enum rc refuse_unknown(void *ctx, const char *key, struct json_value *value)
{
	const struct table *table = ctx;

	(void)value;
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->fields[i].key, key) == 0)
			return RC_OK;
	return err_set(table->err, RC_INVALID, "\"%.64s\": unknown key", key);
}

enum rc json_read_fields(const struct json_value *object, const struct json_field *fields,
	size_t field_count, void *out, struct err *err)
{
	struct table table = {.fields = fields, .count = field_count, .err = err};
	uint8_t *base = out;
	enum rc rc;

	if (object == NULL || json_kind(object) != JSON_KIND_OBJECT)
		return err_set(err, RC_INVALID, "want a JSON object");
	rc = json_each(object, refuse_unknown, &table);
	for (size_t i = 0; rc == RC_OK && i < field_count; i++) {
		const struct json_field *field = &fields[i];
		struct json_value *value = json_get(object, field->key);

		if (value != NULL && json_kind(value) == JSON_KIND_NULL && field->kind != JSON_KIND_NULL)
			value = NULL;
		if (value != NULL)
			rc = read_field(field, value, base + field->offset, err);
		else if (field->is_required)
			rc = err_set(err, RC_INVALID, "\"%s\": missing", field->key);
	}
	return rc;
}
