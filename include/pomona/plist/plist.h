/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PLIST_PLIST_H
#define POMONA_PLIST_PLIST_H

/*
 * Property lists: bytes from devices and administrators in (XML or binary), a tree to read, XML
 * out. Every document passes a linear, non-recursive scan of ours before the library sees it, which
 * bounds size, depth and expanded nodes and refuses internal DTDs and characters that XML forbids.
 * Threading: any thread; a document belongs to one at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/arena.h"
#include "pomona/base/buf.h"
#include "pomona/base/err.h"

enum {
	PLIST_BYTES_MAX = 128 << 20, /* of a document; callers have lower bounds of their own */
	PLIST_DEPTH_MAX = 64,        /* dictionaries and arrays inside each other */
	PLIST_NODES_MAX = 1000000, /* keys and values, after expansion of a binary list's shared objects */
	PLIST_EXPANDED_BYTES_MAX = 64 << 20, /* strings and data of a binary list, after that */
	PLIST_KEY_BYTES_MAX = 1024,
	PLIST_DICT_ENTRIES_MAX = 65536, /* to look up one key means to walk over the others */
};

/*
 * libplist exports functions of these names: ours get symbols of their own, or each would be called
 * in the other's place.
 */
#define plist_copy pomona_plist_copy
#define plist_new_array pomona_plist_new_array
#define plist_new_bool pomona_plist_new_bool
#define plist_new_data pomona_plist_new_data
#define plist_new_date pomona_plist_new_date
#define plist_new_dict pomona_plist_new_dict
#define plist_new_real pomona_plist_new_real
#define plist_new_string pomona_plist_new_string

enum plist_kind {
	PLIST_KIND_DICT,
	PLIST_KIND_ARRAY,
	PLIST_KIND_STRING,
	PLIST_KIND_DATA,
	PLIST_KIND_BOOL,
	PLIST_KIND_INTEGER,
	PLIST_KIND_REAL,
	PLIST_KIND_DATE,
	PLIST_KIND_UID, /* only in binary archives */
};

/* A parsed or built document, which owns all of its nodes. */
struct plist_doc;
/* A node borrowed from its document until plist_doc_free(). */
struct plist_node;

/* RC_INVALID (the text says what and where), RC_LIMIT, RC_NO_MEMORY. Borrows `bytes` for the call
 * only. */
enum rc plist_parse(struct slice bytes, struct plist_doc **doc_r, struct err *err) MUST_USE;
/* The same document in an arena: it is freed when the arena dies. */
enum rc plist_parse_in(struct arena *arena, struct slice bytes, const struct plist_doc **doc_r,
	struct err *err) MUST_USE;
struct plist_node *plist_root(const struct plist_doc *doc);
void plist_doc_free(struct plist_doc **doc);

/* Reading. Strings are UTF-8 without a zero inside and borrowed from the document. */
enum plist_kind plist_kind(const struct plist_node *node);
/* "string", "dictionary", ...: Apple's words, for error texts. */
const char *plist_kind_name(enum plist_kind kind);
/* NULL where `node` is no dictionary or has no such key. */
struct plist_node *plist_dict_get(const struct plist_node *node, const char *key);
size_t plist_count(const struct plist_node *node); /* entries of a dictionary or array; else 0 */
/* NULL past the end. Takes time that grows with `index`: loops use plist_array_each(). */
struct plist_node *plist_array_at(const struct plist_node *node, size_t index);
/* Calls `visit` for each entry in document order until it returns other than RC_OK. */
enum rc plist_dict_each(const struct plist_node *node,
	enum rc (*visit)(void *ctx, const char *key, struct plist_node *value), void *ctx) MUST_USE;
enum rc plist_array_each(const struct plist_node *node,
	enum rc (*visit)(void *ctx, size_t index, struct plist_node *value), void *ctx) MUST_USE;
/* Of another kind than asked for: empty, false, 0. */
struct slice plist_string(const struct plist_node *node);
struct slice plist_data(const struct plist_node *node);
bool plist_bool(const struct plist_node *node);
/* Negative and unsigned 64-bit integers both exist: *is_unsigned_r tells that the value is past
 * INT64_MAX. */
int64_t plist_integer(const struct plist_node *node, bool *is_unsigned_r);
double plist_real(const struct plist_node *node);
int64_t plist_date_unix_s(const struct plist_node *node);

/*
 * Typed messages: a table of the keys that a message may have, read into a plain struct in one
 * call. Fields by kind: STRING and DATA -> struct slice; BOOL -> bool; INTEGER -> int64_t; DICT and
 * ARRAY -> struct plist_node *. `has_offset` (0: none) is the offset of a bool that says whether
 * the key was there.
 */
struct plist_field {
	const char *key;
	enum plist_kind kind;
	bool is_required;
	size_t offset;
	size_t has_offset;
	size_t max_bytes; /* STRING and DATA; a table without a bound is refused (RC_INTERNAL) */
};

/*
 * Reads the dictionary `node` into `out`, which the caller has zeroed. Unknown keys are passed
 * over. RC_INVALID names the key: missing, wrong type, empty though required, too long, or (STRING)
 * text that XML cannot carry.
 */
enum rc plist_read_fields(const struct plist_node *node, const struct plist_field *fields,
	size_t field_count, void *out, struct err *err) MUST_USE;

/*
 * Building. Every plist_new_* returns NULL when memory is short, as far as libplist lets us: where its
 * own allocation fails, it ends the program. Every plist_*_set/append takes `child`.
 */
struct plist_doc *plist_doc_new_dict(void);
struct plist_doc *plist_doc_new_array(void);
struct plist_node *plist_new_dict(void);
struct plist_node *plist_new_array(void);
/* NULL also where the text is not what XML can carry. */
struct plist_node *plist_new_string(struct slice text);
struct plist_node *plist_new_data(struct slice bytes);
struct plist_node *plist_new_bool(bool value);
struct plist_node *plist_new_integer(int64_t value);
struct plist_node *plist_new_unsigned(uint64_t value);
struct plist_node *plist_new_real(double value);
struct plist_node *plist_new_date(int64_t unix_s);
struct plist_node *plist_copy(const struct plist_node *node);
/*
 * Replaces an entry of that key. RC_NO_MEMORY where `child` is NULL, RC_LIMIT or RC_INVALID for a key
 * that is too long or that XML cannot carry. Takes `child` on failure too.
 */
enum rc plist_dict_set(struct plist_node *dict, const char *key, struct plist_node *child) MUST_USE;
enum rc plist_array_append(struct plist_node *array, struct plist_node *child) MUST_USE;
/* For a node that never got a parent. */
void plist_node_free(struct plist_node **node);

/* Appends the document as XML with declaration and DOCTYPE, UTF-8. RC_INVALID names a text XML
 * cannot carry. */
enum rc plist_write_xml(const struct plist_doc *doc, struct buf *out, struct err *err) MUST_USE;

#endif
