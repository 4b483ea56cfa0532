/* SPDX-License-Identifier: Apache-2.0 */
#include "value.h"

#include <stdlib.h>
#include <string.h>

#include "pomona/base/codec.h"

enum { FIRST_MEMBERS = 8 };

static struct json_value sink = {.kind = JSON_KIND_NULL, .fault = RC_NO_MEMORY};

struct json_value *json_value_sink(void)
{
	return &sink;
}

struct json_value *json_value_new(enum json_kind kind)
{
	struct json_value *value = calloc(1, sizeof(*value));

	if (value != NULL)
		value->kind = kind;
	return value;
}

static size_t character_bytes(uint8_t first)
{
	return first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

/*
 * The text as UTF-8 with a zero behind, in memory that the caller frees; NULL when that is short.
 */
static char *repair(struct slice text, size_t *len_r)
{
	struct buf out;

	buf_init(&out, text.len > SIZE_MAX / 4 ? SIZE_MAX / 4 : text.len * 3); /* U+FFFD has 3 bytes */
	if (utf8_is_valid(text)) {
		buf_append(&out, text);
		text.len = 0;
	}
	for (size_t at = 0; at < text.len;) {
		struct slice one = slice_sub(text, at, character_bytes(text.ptr[at]));
		bool is_valid = utf8_is_valid(one);

		buf_append(&out, is_valid ? one : SLICE_LITERAL("\xEF\xBF\xBD"));
		at += is_valid ? one.len : 1;
	}
	*len_r = out.len;
	if (buf_cstr(&out) == NULL)
		buf_fini(&out);
	return (char *)out.ptr;
}

struct json_value *json_value_new_text(struct slice text)
{
	struct json_value *value = json_value_new(JSON_KIND_STRING);

	if (value == NULL)
		return NULL;
	value->text = repair(text, &value->count);
	if (value->text == NULL)
		json_free(&value);
	return value;
}

static bool has_room(struct json_value *parent)
{
	size_t cap = parent->cap == 0 ? FIRST_MEMBERS : parent->cap * 2;
	struct json_member *grown;

	if (parent->count < parent->cap)
		return true;
	grown = reallocarray(parent->members, cap, sizeof(*grown));
	if (grown == NULL)
		return false;
	parent->members = grown;
	parent->cap = cap;
	return true;
}

static enum rc add(struct json_value *parent, const char *key, struct json_value *child)
{
	struct json_member *member;
	size_t len;

	if (parent->fault != RC_OK)
		return parent->fault;
	if (parent->kind != (key == NULL ? JSON_KIND_ARRAY : JSON_KIND_OBJECT))
		return RC_INTERNAL;
	if (child == NULL || child == &sink || !has_room(parent))
		return RC_NO_MEMORY;
	member = &parent->members[parent->count];
	member->key = key == NULL ? NULL : repair(slice_of_str(key), &len);
	if (key != NULL && member->key == NULL)
		return RC_NO_MEMORY;
	member->value = child;
	parent->count++;
	return RC_OK;
}

void json_value_add(struct json_value *parent, const char *key, struct json_value *child)
{
	enum rc rc = add(parent, key, child);

	if (rc == RC_OK)
		return;
	if (parent->fault == RC_OK)
		parent->fault = rc;
	json_free(&child);
}

static bool is_container(const struct json_value *value)
{
	return value->kind == JSON_KIND_OBJECT || value->kind == JSON_KIND_ARRAY;
}

/* Any text may be a secret. */
static void free_text(struct json_value *value)
{
	if (value->text != NULL)
		explicit_bzero(value->text, value->count);
	free(value->text);
}

/*
 * Recursion: a parsed tree is no deeper than JSON_DEPTH_MAX, a built one as deep as our code
 * makes it.
 */
void json_free(struct json_value **value)
{
	struct json_value *dead = *value;

	*value = NULL;
	if (dead == NULL || dead == &sink)
		return;
	for (size_t i = 0; is_container(dead) && i < dead->count; i++) {
		free(dead->members[i].key);
		json_free(&dead->members[i].value);
	}
	if (is_container(dead))
		free(dead->members);
	else if (dead->kind == JSON_KIND_STRING)
		free_text(dead);
	free(dead);
}

enum json_kind json_kind(const struct json_value *value)
{
	return value->kind;
}

const char *json_kind_name(enum json_kind kind)
{
	static const char *const names[] = {
		[JSON_KIND_OBJECT] = "object",
		[JSON_KIND_ARRAY] = "array",
		[JSON_KIND_STRING] = "text",
		[JSON_KIND_INTEGER] = "whole number",
		[JSON_KIND_REAL] = "number",
		[JSON_KIND_BOOL] = "true or false",
		[JSON_KIND_NULL] = "null",
	};

	return (size_t)kind < COUNT_OF(names) ? names[kind] : "unknown";
}

static bool is_kind(const struct json_value *value, enum json_kind kind)
{
	return value != NULL && value->kind == kind;
}

struct json_value *json_get(const struct json_value *object, const char *key)
{
	if (!is_kind(object, JSON_KIND_OBJECT))
		return NULL;
	for (size_t i = 0; i < object->count; i++)
		if (strcmp(object->members[i].key, key) == 0)
			return object->members[i].value;
	return NULL;
}

size_t json_count(const struct json_value *value)
{
	return value != NULL && is_container(value) ? value->count : 0;
}

struct json_value *json_at(const struct json_value *array, size_t index)
{
	if (is_kind(array, JSON_KIND_ARRAY) && index < array->count)
		return array->members[index].value;
	return NULL;
}

enum rc json_each(const struct json_value *object,
	enum rc (*visit)(void *ctx, const char *key, struct json_value *value), void *ctx)
{
	enum rc rc = RC_OK;

	if (!is_kind(object, JSON_KIND_OBJECT))
		return RC_OK;
	for (size_t i = 0; rc == RC_OK && i < object->count; i++)
		rc = visit(ctx, object->members[i].key, object->members[i].value);
	return rc;
}

struct slice json_string(const struct json_value *value)
{
	return is_kind(value, JSON_KIND_STRING) ? slice_of(value->text, value->count) : slice_of(NULL, 0);
}

int64_t json_integer(const struct json_value *value)
{
	return is_kind(value, JSON_KIND_INTEGER) ? value->integer : 0;
}

double json_real(const struct json_value *value)
{
	if (is_kind(value, JSON_KIND_INTEGER))
		return (double)value->integer;
	return is_kind(value, JSON_KIND_REAL) ? value->real : 0;
}

bool json_bool(const struct json_value *value)
{
	return is_kind(value, JSON_KIND_BOOL) && value->fact;
}
