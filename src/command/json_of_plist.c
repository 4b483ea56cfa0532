/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/command/command.h"

#include <math.h>
#include <stdio.h>

#include "pomona/base/codec.h"
#include "pomona/plist/plist.h"

enum { REAL_TEXT_BYTES = 40 };

/* Where a converted value goes: a key of an object, or the end of an array (key NULL). */
struct target {
	struct json_value *parent;
	const char *key;
};

static struct json_value *put_object(const struct target *target)
{
	if (target->key != NULL)
		return json_set_object(target->parent, target->key);
	return json_append_object(target->parent);
}

static struct json_value *put_array(const struct target *target)
{
	if (target->key != NULL)
		return json_set_array(target->parent, target->key);
	return json_append_array(target->parent);
}

static void put_slice(const struct target *target, struct slice text)
{
	if (target->key != NULL)
		json_set_slice(target->parent, target->key, text);
	else
		json_append_slice(target->parent, text);
}

static void put_string(const struct target *target, const struct plist_node *node)
{
	put_slice(target, plist_string(node));
}

/* For the kinds of which an array takes no plain value. */
static void append_text(struct json_value *array, const char *text)
{
	struct json_value *value;

	if (json_parse(slice_of_str(text), &value, NULL) == RC_OK)
		json_append_value(array, value);
}

static void put_bool(const struct target *target, const struct plist_node *node)
{
	if (target->key != NULL)
		json_set_bool(target->parent, target->key, plist_bool(node));
	else
		append_text(target->parent, plist_bool(node) ? "true" : "false");
}

static void append_real(struct json_value *array, double number)
{
	char text[REAL_TEXT_BYTES];

	snprintf(text, sizeof(text), "%#.17g", number); /* reads back the same */
	append_text(array, text);
}

static void put_number(const struct target *target, double number)
{
	if (!isfinite(number))
		put_slice(target, slice_of_str(isnan(number) ? "nan" : number < 0 ? "-inf" : "inf"));
	else if (target->key != NULL)
		json_set_real(target->parent, target->key, number);
	else
		append_real(target->parent, number);
}

static void put_real(const struct target *target, const struct plist_node *node)
{
	put_number(target, plist_real(node));
}

/* JSON of ours has int64 only: what is larger keeps its size, not its last digits. */
static void put_integer(const struct target *target, const struct plist_node *node)
{
	bool is_unsigned;
	int64_t number = plist_integer(node, &is_unsigned);

	if (is_unsigned)
		put_number(target, (double)(uint64_t)number);
	else if (target->key != NULL)
		json_set_int(target->parent, target->key, number);
	else
		json_append_int(target->parent, number);
}

static void set_data(struct json_value *object, struct slice data)
{
	AUTO(buf_fini_secret) struct buf text = {0};
	size_t size = (data.len + 2) / 3 * 4 + 1;

	buf_init(&text, size);
	if (buf_reserve(&text, size) != NULL)
		base64_encode(data, &text);
	json_set_slice(object, "$data", buf_slice(&text));
}

static void put_data(const struct target *target, const struct plist_node *node)
{
	set_data(put_object(target), plist_data(node));
}

static void set_date(struct json_value *object, int64_t unix_s)
{
	char text[TIME_TEXT_BYTES];

	time_format(unix_s, text);
	json_set_str(object, "$date", text);
}

static void put_date(const struct target *target, const struct plist_node *node)
{
	set_date(put_object(target), plist_date_unix_s(node));
}

static void put_node(const struct target *target, const struct plist_node *node);

static enum rc fill_entry(void *ctx, const char *key, struct plist_node *value)
{
	const struct target target = {.parent = ctx, .key = key};

	put_node(&target, value);
	return RC_OK;
}

static void fill_object(struct json_value *object, const struct plist_node *dict)
{
	/* fill_entry() does not fail: a failed step is kept in the parent. */
	(void)!plist_dict_each(dict, fill_entry, object);
}

static void fill_array(struct json_value *array, const struct plist_node *node)
{
	const struct target target = {.parent = array};
	size_t count = plist_count(node);

	for (size_t i = 0; i < count; i++)
		put_node(&target, plist_array_at(node, i));
}

static void put_dict(const struct target *target, const struct plist_node *node)
{
	fill_object(put_object(target), node);
}

static void put_list(const struct target *target, const struct plist_node *node)
{
	fill_array(put_array(target), node);
}

static void (*const putters[])(const struct target *target, const struct plist_node *node) = {
	[PLIST_KIND_DICT] = put_dict,
	[PLIST_KIND_ARRAY] = put_list,
	[PLIST_KIND_STRING] = put_string,
	[PLIST_KIND_DATA] = put_data,
	[PLIST_KIND_BOOL] = put_bool,
	[PLIST_KIND_INTEGER] = put_integer,
	[PLIST_KIND_REAL] = put_real,
	[PLIST_KIND_DATE] = put_date,
	[PLIST_KIND_UID] = put_integer,
};

/* Recursion ends at PLIST_DEPTH_MAX, which the parser holds. */
static void put_node(const struct target *target, const struct plist_node *node)
{
	putters[plist_kind(node)](target, node);
}

struct json_value *command_json_of_plist(const struct plist_node *node)
{
	struct json_value *value;

	if (plist_kind(node) == PLIST_KIND_ARRAY) {
		value = json_new_array();
		if (value != NULL)
			fill_array(value, node);
		return value;
	}
	value = plist_kind(node) == PLIST_KIND_DICT ? json_new_object() : NULL;
	if (value != NULL)
		fill_object(value, node);
	return value;
}
