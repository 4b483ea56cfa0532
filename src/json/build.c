/* SPDX-License-Identifier: Apache-2.0 */
#include "value.h"

#include "pomona/base/codec.h"

static struct json_value *or_sink(struct json_value *value)
{
	return value != NULL ? value : json_value_sink();
}

struct json_value *json_new_object(void)
{
	return or_sink(json_value_new(JSON_KIND_OBJECT));
}

struct json_value *json_new_array(void)
{
	return or_sink(json_value_new(JSON_KIND_ARRAY));
}

static struct json_value *new_int(int64_t number)
{
	struct json_value *value = json_value_new(JSON_KIND_INTEGER);

	if (value != NULL)
		value->integer = number;
	return value;
}

/* The new child where it found its place. */
static struct json_value *add_container(struct json_value *parent, const char *key,
	enum json_kind kind)
{
	struct json_value *child = json_value_new(kind);

	json_value_add(parent, key, child);
	return parent->fault == RC_OK ? child : json_value_sink();
}

void json_set_slice(struct json_value *object, const char *key, struct slice text)
{
	json_value_add(object, key, json_value_new_text(text));
}

void json_set_str(struct json_value *object, const char *key, const char *text)
{
	if (text == NULL)
		json_value_add(object, key, json_value_new(JSON_KIND_NULL));
	else
		json_set_slice(object, key, slice_of_str(text));
}

void json_set_int(struct json_value *object, const char *key, int64_t number)
{
	json_value_add(object, key, new_int(number));
}

void json_set_real(struct json_value *object, const char *key, double number)
{
	struct json_value *value = json_value_new(JSON_KIND_REAL);

	if (value != NULL)
		value->real = number;
	json_value_add(object, key, value);
}

void json_set_bool(struct json_value *object, const char *key, bool fact)
{
	struct json_value *value = json_value_new(JSON_KIND_BOOL);

	if (value != NULL)
		value->fact = fact;
	json_value_add(object, key, value);
}

void json_set_time(struct json_value *object, const char *key, int64_t unix_s)
{
	char text[TIME_TEXT_BYTES];

	time_format(unix_s, text);
	json_set_str(object, key, unix_s == 0 ? NULL : text);
}

struct json_value *json_set_object(struct json_value *object, const char *key)
{
	return add_container(object, key, JSON_KIND_OBJECT);
}

struct json_value *json_set_array(struct json_value *object, const char *key)
{
	return add_container(object, key, JSON_KIND_ARRAY);
}

void json_set_value(struct json_value *object, const char *key, struct json_value *child)
{
	json_value_add(object, key, child);
}

void json_append_slice(struct json_value *array, struct slice text)
{
	json_value_add(array, NULL, json_value_new_text(text));
}

void json_append_int(struct json_value *array, int64_t number)
{
	json_value_add(array, NULL, new_int(number));
}

struct json_value *json_append_object(struct json_value *array)
{
	return add_container(array, NULL, JSON_KIND_OBJECT);
}

struct json_value *json_append_array(struct json_value *array)
{
	return add_container(array, NULL, JSON_KIND_ARRAY);
}

void json_append_value(struct json_value *array, struct json_value *child)
{
	json_value_add(array, NULL, child);
}
