/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/plist/plist.h"

#include <stdlib.h>
#include <string.h>

#include "date.h"
#include "doc.h"
#include "emit.h"
#include "pomona/base/codec.h"

enum { SCALAR_BYTES = 128 }; /* of a binary list with one number */

struct plist_doc *plist_doc_new_dict(void)
{
	AUTO(plist_node_free) struct plist_node *root = plist_native_new_dict();

	return plist_doc_of(&root);
}

struct plist_doc *plist_doc_new_array(void)
{
	AUTO(plist_node_free) struct plist_node *root = plist_native_new_array();

	return plist_doc_of(&root);
}

struct plist_node *plist_new_dict(void)
{
	return plist_native_new_dict();
}

struct plist_node *plist_new_array(void)
{
	return plist_native_new_array();
}

struct plist_node *plist_new_string(struct slice text)
{
	struct plist_node *node;
	char *copy;

	if (!utf8_is_xml_text(text))
		return NULL;
	copy = strndup(text.len == 0 ? "" : (const char *)text.ptr, text.len);
	if (copy == NULL)
		return NULL;
	node = plist_native_new_string(copy);
	free(copy);
	return node;
}

struct plist_node *plist_new_data(struct slice bytes)
{
	return plist_native_new_data(bytes);
}

struct plist_node *plist_new_bool(bool value)
{
	return plist_native_new_bool(value);
}

struct plist_node *plist_new_integer(int64_t value)
{
	return plist_native_new_integer(value);
}

/* For what libplist has no constructor, it has a parser. */
static struct plist_node *parse_emitted(struct plist_emit *emit)
{
	struct plist_node *node = NULL;
	struct slice list;

	if (plist_emit_finish(emit, &list, NULL) == RC_OK)
		node = plist_native_parse(list);
	plist_emit_fini(emit);
	return node;
}

struct plist_node *plist_new_unsigned(uint64_t value)
{
	struct plist_emit emit;

	if (value <= INT64_MAX)
		return plist_native_new_integer((int64_t)value);
	plist_emit_init(&emit, SCALAR_BYTES);
	plist_emit_integer(&emit, value, true);
	return parse_emitted(&emit);
}

struct plist_node *plist_new_real(double value)
{
	return plist_native_new_real(value);
}

struct plist_node *plist_new_date(int64_t unix_s)
{
	struct plist_emit emit;

	plist_emit_init(&emit, SCALAR_BYTES);
	plist_emit_date(&emit, plist_date_cut(unix_s));
	return parse_emitted(&emit);
}

struct plist_node *plist_copy(const struct plist_node *node)
{
	return plist_native_copy(node);
}

static enum rc drop(struct plist_node *child, enum rc rc)
{
	plist_native_free(child);
	return rc;
}

enum rc plist_dict_set(struct plist_node *dict, const char *key, struct plist_node *child)
{
	struct slice text = slice_of_str(key);

	if (child == NULL || dict == NULL)
		return drop(child, RC_NO_MEMORY);
	if (plist_kind(dict) != PLIST_KIND_DICT)
		return drop(child, RC_INTERNAL);
	if (text.len > PLIST_KEY_BYTES_MAX)
		return drop(child, RC_LIMIT);
	if (!utf8_is_xml_text(text))
		return drop(child, RC_INVALID);
	plist_native_dict_set(dict, key, child);
	return RC_OK;
}

enum rc plist_array_append(struct plist_node *array, struct plist_node *child)
{
	if (child == NULL || array == NULL)
		return drop(child, RC_NO_MEMORY);
	if (plist_kind(array) != PLIST_KIND_ARRAY)
		return drop(child, RC_INTERNAL);
	plist_native_array_append(array, child);
	return RC_OK;
}

void plist_node_free(struct plist_node **node)
{
	plist_native_free(*node);
	*node = NULL;
}
