/* SPDX-License-Identifier: Apache-2.0 */
#include "native.h"

#include <plist/plist.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* libplist takes no const node, not even where it only reads. */
static plist_t native(const struct plist_node *node)
{
	union {
		const struct plist_node *ours;
		plist_t theirs;
	} either = {.ours = node};

	return either.theirs;
}

bool plist_native_has_room(size_t bytes)
{
	enum { ROOM_A_BYTE = 4, ROOM_MORE = 65536 };
	void *room = malloc(bytes * ROOM_A_BYTE + ROOM_MORE);
	bool has_room = room != NULL;

	free(room);
	return has_room;
}

struct plist_node *plist_native_parse(struct slice bytes)
{
	plist_t root = NULL;

	plist_from_bin((const char *)bytes.ptr, (uint32_t)bytes.len, &root);
	return root;
}

void plist_native_free(struct plist_node *node)
{
	plist_free(node);
}

struct plist_node *plist_native_copy(const struct plist_node *node)
{
	return plist_copy(native(node));
}

enum native_kind plist_native_kind(const struct plist_node *node)
{
	static const enum native_kind kinds[] = {
		[PLIST_BOOLEAN] = NATIVE_BOOL,
		[PLIST_UINT] = NATIVE_INTEGER,
		[PLIST_REAL] = NATIVE_REAL,
		[PLIST_STRING] = NATIVE_STRING,
		[PLIST_ARRAY] = NATIVE_ARRAY,
		[PLIST_DICT] = NATIVE_DICT,
		[PLIST_DATE] = NATIVE_DATE,
		[PLIST_DATA] = NATIVE_DATA,
		[PLIST_UID] = NATIVE_UID,
	};

	return kinds[plist_get_node_type(native(node))];
}

size_t plist_native_count(const struct plist_node *node)
{
	if (plist_get_node_type(native(node)) == PLIST_DICT)
		return plist_dict_get_size(native(node));
	return plist_array_get_size(native(node));
}

struct plist_node *plist_native_dict_get(const struct plist_node *dict, const char *key)
{
	return plist_dict_get_item(native(dict), key);
}

struct plist_node *plist_native_array_at(const struct plist_node *array, size_t index)
{
	return index < UINT32_MAX ? plist_array_get_item(native(array), (uint32_t)index) : NULL;
}

struct slice plist_native_string(const struct plist_node *node)
{
	uint64_t len = 0;
	const char *text = plist_get_string_ptr(native(node), &len);

	return slice_of(text, (size_t)len);
}

struct slice plist_native_data(const struct plist_node *node)
{
	uint64_t len = 0;
	const char *bytes = plist_get_data_ptr(native(node), &len);

	return slice_of(bytes, (size_t)len);
}

bool plist_native_bool(const struct plist_node *node)
{
	uint8_t value = 0;

	plist_get_bool_val(native(node), &value);
	return value != 0;
}

/*
 * An integer of 16 bytes is unsigned, one of 8 is signed, and no getter tells which it is.
 * Comparing does: it holds two integers for equal only when their sizes are.
 */
static bool is_unsigned(const struct plist_node *node, uint64_t bits)
{
	plist_t of_8_bytes = plist_new_uint(bits);
	bool is_equal = plist_compare_node_value(native(node), of_8_bytes) != 0;

	plist_free(of_8_bytes);
	return !is_equal;
}

uint64_t plist_native_integer(const struct plist_node *node, bool *is_unsigned_r)
{
	uint64_t bits = 0;

	if (plist_get_node_type(native(node)) == PLIST_UID)
		plist_get_uid_val(native(node), &bits);
	else
		plist_get_uint_val(native(node), &bits);
	*is_unsigned_r = bits > INT64_MAX && is_unsigned(node, bits);
	return bits;
}

double plist_native_real(const struct plist_node *node)
{
	double value = 0;

	plist_get_real_val(native(node), &value);
	return value;
}

/* The getter gives 32 bits, from 1932 to 2069; the XML text has the whole range. */
int64_t plist_native_date_unix_s(const struct plist_node *node)
{
	struct tm tm = {.tm_isdst = 0};
	char *xml = NULL;
	const char *date;
	uint32_t len = 0;

	plist_to_xml(native(node), &xml, &len);
	date = xml == NULL ? NULL : strstr(xml, "<date>");
	if (date != NULL)
		(void)strptime(date, "<date>%Y-%m-%dT%H:%M:%SZ", &tm);
	free(xml);
	return date == NULL ? 0 : (int64_t)timegm(&tm);
}

void *plist_native_iter_new(const struct plist_node *node)
{
	void *iter = NULL;

	if (plist_get_node_type(native(node)) == PLIST_DICT)
		plist_dict_new_iter(native(node), &iter);
	else
		plist_array_new_iter(native(node), &iter);
	return iter;
}

bool plist_native_iter_next(const struct plist_node *node, void *iter, char **key_r,
	struct plist_node **value_r)
{
	plist_t value = NULL;

	*key_r = NULL;
	if (plist_get_node_type(native(node)) == PLIST_DICT)
		plist_dict_next_item(native(node), iter, key_r, &value);
	else
		plist_array_next_item(native(node), iter, &value);
	*value_r = value;
	return value != NULL;
}

void plist_native_iter_free(void **iter)
{
	free(*iter);
	*iter = NULL;
}

struct plist_node *plist_native_new_dict(void)
{
	return plist_new_dict();
}

struct plist_node *plist_native_new_array(void)
{
	return plist_new_array();
}

struct plist_node *plist_native_new_string(const char *text)
{
	return plist_new_string(text);
}

struct plist_node *plist_native_new_data(struct slice bytes)
{
	return plist_new_data(bytes.len == 0 ? "" : (const char *)bytes.ptr, bytes.len);
}

struct plist_node *plist_native_new_bool(bool value)
{
	return plist_new_bool(value ? 1 : 0);
}

struct plist_node *plist_native_new_integer(int64_t value)
{
	return plist_new_uint((uint64_t)value); /* 8 bytes: read and written as signed */
}

struct plist_node *plist_native_new_real(double value)
{
	return plist_new_real(value);
}

void plist_native_dict_set(struct plist_node *dict, const char *key, struct plist_node *child)
{
	plist_dict_set_item(dict, key, child);
}

void plist_native_array_append(struct plist_node *array, struct plist_node *child)
{
	plist_array_append_item(array, child);
}
