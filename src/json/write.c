/* SPDX-License-Identifier: Apache-2.0 */
#include "value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/codec.h"

enum {
	DEPTH_MAX = 4 * JSON_DEPTH_MAX
}; /* a device's result may be as deep as a request, and lies inside */

struct writer {
	struct buf *out;
	bool is_pretty;
	unsigned depth;
};

static void append_escaped(struct buf *out, uint8_t byte)
{
	static const struct {
		uint8_t byte;
		const char *text;
	} known[] = {{'"', "\\\""}, {'\\', "\\\\"}, {'\n', "\\n"}, {'\r', "\\r"}, {'\t', "\\t"}};

	for (size_t i = 0; i < COUNT_OF(known); i++) {
		if (known[i].byte == byte) {
			buf_append_str(out, known[i].text);
			return;
		}
	}
	buf_printf(out, "\\u%04x", byte);
}

static void append_string(struct buf *out, struct slice text)
{
	buf_append_byte(out, '"');
	while (text.len > 0) {
		size_t len = 0;

		while (len < text.len && text.ptr[len] >= ' ' && text.ptr[len] != '"' && text.ptr[len] != '\\')
			len++;
		buf_append(out, slice_sub(text, 0, len));
		if (len < text.len)
			append_escaped(out, text.ptr[len++]);
		text = slice_sub(text, len, text.len);
	}
	buf_append_byte(out, '"');
}

/* The fewest digits that read back as the same number; JSON has no infinity and no not-a-number. */
static void append_real(struct buf *out, double number)
{
	char text[32];

	if (!isfinite(number)) {
		buf_append_str(out, "null");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		double again;

		(void)snprintf(text, sizeof(text), "%.*g", digits, number);
		again = strtod(text, NULL);
		if (again >= number && again <= number)
			break;
	}
	buf_append_str(out, text);
	if (strpbrk(text, ".e") == NULL)
		buf_append_str(out, ".0"); /* stays a real when it is read */
}

static void new_line(const struct writer *writer)
{
	if (!writer->is_pretty)
		return;
	buf_append_byte(writer->out, '\n');
	for (unsigned i = 0; i < writer->depth; i++)
		buf_append_str(writer->out, "  ");
}

static enum rc write_value(struct writer *writer, const struct json_value *value);

static enum rc write_members(struct writer *writer, const struct json_value *value)
{
	enum rc rc = RC_OK;

	if (++writer->depth > DEPTH_MAX)
		return RC_LIMIT;
	for (size_t i = 0; rc == RC_OK && i < value->count; i++) {
		const struct json_member *member = &value->members[i];

		if (i > 0)
			buf_append_byte(writer->out, ',');
		new_line(writer);
		if (member->key != NULL) {
			append_string(writer->out, slice_of_str(member->key));
			buf_append_str(writer->out, writer->is_pretty ? ": " : ":");
		}
		rc = write_value(writer, member->value);
	}
	writer->depth--;
	if (value->count > 0)
		new_line(writer);
	return rc;
}

/* Recursion: DEPTH_MAX bounds it. */
static enum rc write_value(struct writer *writer, const struct json_value *value)
{
	struct buf *out = writer->out;
	enum rc rc = value->fault;

	if (rc != RC_OK)
		return rc;
	switch (value->kind) {
	case JSON_KIND_OBJECT:
	case JSON_KIND_ARRAY:
		buf_append_byte(out, value->kind == JSON_KIND_OBJECT ? '{' : '[');
		rc = write_members(writer, value);
		buf_append_byte(out, value->kind == JSON_KIND_OBJECT ? '}' : ']');
		break;
	case JSON_KIND_STRING:
		append_string(out, json_string(value));
		break;
	case JSON_KIND_INTEGER:
		buf_printf(out, "%lld", (long long)value->integer);
		break;
	case JSON_KIND_REAL:
		append_real(out, value->real);
		break;
	case JSON_KIND_BOOL:
		buf_append_str(out, value->fact ? "true" : "false");
		break;
	case JSON_KIND_NULL:
		buf_append_str(out, "null");
		break;
	}
	return rc;
}

enum rc json_write(const struct json_value *value, bool is_pretty, struct buf *out, struct err *err)
{
	struct writer writer = {.out = out, .is_pretty = is_pretty};
	enum rc rc = write_value(&writer, value);

	if (rc == RC_LIMIT)
		return err_set(err, rc, "JSON: nested deeper than %d", DEPTH_MAX);
	if (rc == RC_NO_MEMORY)
		return err_set(err, rc, "JSON: memory was short while it was built");
	if (rc != RC_OK)
		return err_set(err, rc, "JSON: wrongly built: a key in an array, or none in an object");
	if (is_pretty)
		buf_append_byte(out, '\n');
	return buf_status(out, "JSON", err);
}
