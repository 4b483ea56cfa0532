/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/plist/plist.h"

#include <stdlib.h>

#include "doc.h"
#include "scan.h"

/*
 * What an XML document may become as a binary list: at worst <dict/>, seven bytes, becomes an
 * object, an offset and a reference, nine bytes; the rest is head and trailer.
 */
enum { EMIT_BYTES_A_BYTE = 2, EMIT_BYTES_MORE = 64 };

static bool is_xml(struct slice bytes)
{
	struct slice text =
		slice_has_prefix(bytes, "\xEF\xBB\xBF") ? slice_sub(bytes, 3, bytes.len) : bytes;

	return slice_has_prefix(slice_trim(text), "<");
}

static enum rc hand_over(struct slice list, struct plist_node **root_r, struct err *err)
{
	if (!plist_native_has_room(list.len))
		return err_set(err, RC_NO_MEMORY, "property list: memory is short");
	*root_r = plist_native_parse(list);
	return RC_OK;
}

static enum rc parse_xml(struct slice bytes, struct plist_node **root_r, struct err *err)
{
	AUTO(plist_emit_fini) struct plist_emit emit;
	struct slice list;
	enum rc rc;

	plist_emit_init(&emit, bytes.len * EMIT_BYTES_A_BYTE + EMIT_BYTES_MORE);
	rc = plist_scan_xml(bytes, &emit, err);
	if (rc == RC_OK)
		rc = plist_emit_finish(&emit, &list, err);
	return rc == RC_OK ? hand_over(list, root_r, err) : rc;
}

static enum rc parse_binary(struct slice bytes, struct plist_node **root_r, struct err *err)
{
	enum rc rc = plist_scan_binary(bytes, err);

	return rc == RC_OK ? hand_over(bytes, root_r, err) : rc;
}

/* Whatever else libplist or its successors would recognise never reaches them. */
static enum rc parse_root(struct slice bytes, struct plist_node **root_r, struct err *err)
{
	enum rc rc;

	if (slice_has_prefix(bytes, "bplist"))
		rc = parse_binary(bytes, root_r, err);
	else if (is_xml(bytes))
		rc = parse_xml(bytes, root_r, err);
	else
		return err_set(err, RC_INVALID, "neither an XML nor a binary property list");
	if (rc == RC_OK && *root_r == NULL)
		return err_set(err, RC_INVALID, "property list: the library refuses it");
	return rc;
}

struct plist_doc *plist_doc_of(struct plist_node **root)
{
	struct plist_doc *doc = *root == NULL ? NULL : calloc(1, sizeof(*doc));

	if (doc == NULL)
		return NULL;
	doc->root = *root;
	*root = NULL; /* moved to the document */
	return doc;
}

enum rc plist_parse(struct slice bytes, struct plist_doc **doc_r, struct err *err)
{
	AUTO(plist_node_free) struct plist_node *root = NULL;
	struct plist_doc *doc;
	struct err unwanted;
	enum rc rc;

	*doc_r = NULL;
	if (err == NULL)
		err = &unwanted;
	if (bytes.len > PLIST_BYTES_MAX)
		return err_set(err, RC_LIMIT, "property list: larger than %d bytes", PLIST_BYTES_MAX);
	rc = parse_root(bytes, &root, err);
	if (rc != RC_OK)
		return rc;
	doc = plist_doc_of(&root);
	if (doc == NULL)
		return err_set(err, RC_NO_MEMORY, "property list: memory is short");
	*doc_r = doc;
	return RC_OK;
}

static void free_guest(void *object)
{
	struct plist_doc *doc = object;

	plist_doc_free(&doc);
}

enum rc plist_parse_in(struct arena *arena, struct slice bytes, const struct plist_doc **doc_r,
	struct err *err)
{
	struct plist_doc *doc = NULL;
	enum rc rc = plist_parse(bytes, &doc, err);

	*doc_r = NULL;
	if (rc != RC_OK)
		return rc;
	if (!arena_on_free(arena, free_guest, doc)) {
		plist_doc_free(&doc);
		return err_set(err, RC_NO_MEMORY, "property list: no room in the request's memory");
	}
	*doc_r = doc;
	return RC_OK;
}

struct plist_node *plist_root(const struct plist_doc *doc)
{
	return doc->root;
}

void plist_doc_free(struct plist_doc **doc)
{
	if (*doc == NULL)
		return;
	plist_native_free((*doc)->root);
	free(*doc);
	*doc = NULL;
}
