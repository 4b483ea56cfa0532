/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h> /* first: our header redefines some of its names */

#include "value.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

/* A text may carry passwords and keys: what jansson frees is wiped. Its size stands in front of it. */
struct piece {
	alignas(max_align_t) size_t size;
};

/* Jansson may take a short memory for a fault of the text. */
static _Thread_local bool was_short;

static void *piece_alloc(size_t size)
{
	struct piece *piece = size > SIZE_MAX - sizeof(*piece) ? NULL : malloc(sizeof(*piece) + size);

	if (piece == NULL) {
		was_short = true;
		return NULL;
	}
	piece->size = size;
	return piece + 1;
}

static void piece_free(void *bytes)
{
	struct piece *piece = bytes;

	if (piece == NULL)
		return;
	piece--;
	explicit_bzero(piece + 1, piece->size);
	free(piece);
}

static void set_allocator(void)
{
	json_set_alloc_funcs(piece_alloc, piece_free);
}

static void free_root(json_t **root)
{
	json_decref(*root);
}

/*
 * Jansson recurses for each bracket and makes a node of each value: both are counted here first.
 * Outside of strings every value but the first follows an opening bracket, a comma or a colon.
 */
static enum rc scan(struct slice text, struct err *err)
{
	size_t depth = 0;
	size_t values = 1;
	bool is_string = false;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];

		if (c == '"') {
			is_string = !is_string;
		} else if (is_string) {
			i += c == '\\'; /* whatever is behind it */
		} else if (c == '[' || c == '{') {
			values++;
			if (++depth > JSON_DEPTH_MAX)
				return err_set(err, RC_LIMIT, "JSON: nested deeper than %d", JSON_DEPTH_MAX);
		} else if (c == ']' || c == '}') {
			depth -= depth > 0;
		} else {
			values += c == ',' || c == ':';
		}
		if (values > JSON_VALUES_MAX)
			return err_set(err, RC_LIMIT, "JSON: more than %d values", JSON_VALUES_MAX);
	}
	return RC_OK;
}

static struct json_value *convert(json_t *theirs);

static void convert_object(json_t *theirs, struct json_value *ours)
{
	const char *key;
	json_t *value;

	json_object_foreach(theirs, key, value) json_value_add(ours, key, convert(value));
}

static void convert_array(json_t *theirs, struct json_value *ours)
{
	for (size_t i = 0; i < json_array_size(theirs); i++)
		json_value_add(ours, NULL, convert(json_array_get(theirs, i)));
}

/* Recursion: JSON_DEPTH_MAX bounds it. NULL when memory is short. */
static struct json_value *convert(json_t *theirs)
{
	static const enum json_kind kinds[] = {
		[JSON_OBJECT] = JSON_KIND_OBJECT,
		[JSON_ARRAY] = JSON_KIND_ARRAY,
		[JSON_INTEGER] = JSON_KIND_INTEGER,
		[JSON_REAL] = JSON_KIND_REAL,
		[JSON_TRUE] = JSON_KIND_BOOL,
		[JSON_FALSE] = JSON_KIND_BOOL,
		[JSON_NULL] = JSON_KIND_NULL,
	};
	struct json_value *ours;

	if (json_is_string(theirs))
		return json_value_new_text(slice_of(json_string_value(theirs), json_string_length(theirs)));
	ours = json_value_new(kinds[json_typeof(theirs)]);
	if (ours == NULL)
		return NULL;
	if (json_is_object(theirs))
		convert_object(theirs, ours);
	else if (json_is_array(theirs))
		convert_array(theirs, ours);
	else if (json_is_integer(theirs))
		ours->integer = json_integer_value(theirs);
	else if (json_is_real(theirs))
		ours->real = json_real_value(theirs);
	else
		ours->fact = json_is_true(theirs);
	if (ours->fault != RC_OK)
		json_free(&ours);
	return ours;
}

/* Jansson's own words, without the peer's that it may quote behind "near". */
static enum rc syntax_fault(const json_error_t *fault, struct err *err)
{
	const char *quote = strstr(fault->text, " near ");
	int len = quote == NULL ? (int)strlen(fault->text) : (int)(quote - fault->text);

	if (was_short || json_error_code(fault) == json_error_out_of_memory)
		return err_set(err, RC_NO_MEMORY, "JSON: memory is short");
	return err_set(err, RC_INVALID, "JSON: line %d, column %d: %.*s", fault->line, fault->column, len,
		fault->text);
}

enum rc json_parse(struct slice text, struct json_value **value_r, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	AUTO(free_root) json_t *root = NULL;
	json_error_t fault;
	enum rc rc;

	*value_r = NULL;
	if (text.len > JSON_BYTES_MAX)
		return err_set(err, RC_LIMIT, "JSON: larger than %d bytes", JSON_BYTES_MAX);
	rc = scan(text, err);
	if (rc != RC_OK)
		return rc;
	(void)pthread_once(&once, set_allocator);
	was_short = false;
	root = json_loadb(text.len == 0 ? "" : (const char *)text.ptr, text.len,
		JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &fault);
	if (root == NULL)
		return syntax_fault(&fault, err);
	*value_r = convert(root);
	return *value_r != NULL ? RC_OK : err_set(err, RC_NO_MEMORY, "JSON: memory is short");
}
