/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/plist/plist.h"

#include <stdlib.h>

#include "native.h"

enum plist_kind plist_kind(const struct plist_node *node)
{
	static const enum plist_kind kinds[] = {
		[NATIVE_DICT] = PLIST_KIND_DICT,
		[NATIVE_ARRAY] = PLIST_KIND_ARRAY,
		[NATIVE_STRING] = PLIST_KIND_STRING,
		[NATIVE_DATA] = PLIST_KIND_DATA,
		[NATIVE_BOOL] = PLIST_KIND_BOOL,
		[NATIVE_INTEGER] = PLIST_KIND_INTEGER,
		[NATIVE_REAL] = PLIST_KIND_REAL,
		[NATIVE_DATE] = PLIST_KIND_DATE,
		[NATIVE_UID] = PLIST_KIND_UID,
	};

	return kinds[plist_native_kind(node)];
}

const char *plist_kind_name(enum plist_kind kind)
{
	static const char *const names[] = {
		[PLIST_KIND_DICT] = "dictionary",
		[PLIST_KIND_ARRAY] = "array",
		[PLIST_KIND_STRING] = "string",
		[PLIST_KIND_DATA] = "data",
		[PLIST_KIND_BOOL] = "boolean",
		[PLIST_KIND_INTEGER] = "integer",
		[PLIST_KIND_REAL] = "real",
		[PLIST_KIND_DATE] = "date",
		[PLIST_KIND_UID] = "uid",
	};

	return (size_t)kind < COUNT_OF(names) ? names[kind] : "unknown";
}

static bool is_kind(const struct plist_node *node, enum plist_kind kind)
{
	return node != NULL && plist_kind(node) == kind;
}

struct plist_node *plist_dict_get(const struct plist_node *node, const char *key)
{
	return is_kind(node, PLIST_KIND_DICT) ? plist_native_dict_get(node, key) : NULL;
}

size_t plist_count(const struct plist_node *node)
{
	return node == NULL ? 0 : plist_native_count(node);
}

struct plist_node *plist_array_at(const struct plist_node *node, size_t index)
{
	return index < plist_count(node) && is_kind(node, PLIST_KIND_ARRAY)
		? plist_native_array_at(node, index)
		: NULL;
}

enum rc plist_dict_each(const struct plist_node *node,
	enum rc (*visit)(void *ctx, const char *key, struct plist_node *value), void *ctx)
{
	AUTO(plist_native_iter_free) void *iter = NULL;
	struct plist_node *value;
	enum rc rc = RC_OK;
	char *key;

	if (!is_kind(node, PLIST_KIND_DICT))
		return RC_OK;
	iter = plist_native_iter_new(node);
	if (iter == NULL)
		return RC_NO_MEMORY;
	while (rc == RC_OK && plist_native_iter_next(node, iter, &key, &value)) {
		rc = key == NULL ? RC_NO_MEMORY : visit(ctx, key, value);
		free(key);
	}
	return rc;
}

enum rc plist_array_each(const struct plist_node *node,
	enum rc (*visit)(void *ctx, size_t index, struct plist_node *value), void *ctx)
{
	AUTO(plist_native_iter_free) void *iter = NULL;
	struct plist_node *value;
	enum rc rc = RC_OK;
	char *key;

	if (!is_kind(node, PLIST_KIND_ARRAY))
		return RC_OK;
	iter = plist_native_iter_new(node);
	if (iter == NULL)
		return RC_NO_MEMORY;
	for (size_t index = 0; rc == RC_OK && plist_native_iter_next(node, iter, &key, &value); index++)
		rc = visit(ctx, index, value);
	return rc;
}

struct slice plist_string(const struct plist_node *node)
{
	return is_kind(node, PLIST_KIND_STRING) ? plist_native_string(node) : slice_of(NULL, 0);
}

struct slice plist_data(const struct plist_node *node)
{
	return is_kind(node, PLIST_KIND_DATA) ? plist_native_data(node) : slice_of(NULL, 0);
}

bool plist_bool(const struct plist_node *node)
{
	return is_kind(node, PLIST_KIND_BOOL) && plist_native_bool(node);
}

int64_t plist_integer(const struct plist_node *node, bool *is_unsigned_r)
{
	bool is_unsigned = false;
	uint64_t bits = 0;

	if (is_kind(node, PLIST_KIND_INTEGER) || is_kind(node, PLIST_KIND_UID))
		bits = plist_native_integer(node, &is_unsigned);
	if (is_unsigned_r != NULL)
		*is_unsigned_r = is_unsigned;
	return (int64_t)bits;
}

double plist_real(const struct plist_node *node)
{
	return is_kind(node, PLIST_KIND_REAL) ? plist_native_real(node) : 0;
}

int64_t plist_date_unix_s(const struct plist_node *node)
{
	return is_kind(node, PLIST_KIND_DATE) ? plist_native_date_unix_s(node) : 0;
}
