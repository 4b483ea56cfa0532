/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PLIST_NATIVE_H
#define POMONA_PLIST_NATIVE_H

/*
 * The border to libplist 2.2: a `struct plist_node` is its plist_t, and native.c alone knows
 * that. Its header cannot be included beside ours, since both name functions plist_new_dict and
 * the like. What it lacks is made up for here: it has no constructor for integers past INT64_MAX
 * nor for dates past 2069, does not tell signed from unsigned, and ends the program where memory
 * is short.
 * Threading: as plist.h.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/slice.h"

struct plist_node;

enum native_kind {
	NATIVE_DICT,
	NATIVE_ARRAY,
	NATIVE_STRING,
	NATIVE_DATA,
	NATIVE_BOOL,
	NATIVE_INTEGER,
	NATIVE_REAL,
	NATIVE_DATE,
	NATIVE_UID,
};

/* libplist does not look whether it gets memory: true when what it will want for so many bytes, in most
 * documents, could be had just now. */
bool plist_native_has_room(size_t bytes);
struct plist_node *plist_native_parse(struct slice bytes);
void plist_native_free(struct plist_node *node);
struct plist_node *plist_native_copy(const struct plist_node *node);

enum native_kind plist_native_kind(const struct plist_node *node);
size_t plist_native_count(const struct plist_node *node);
struct plist_node *plist_native_dict_get(const struct plist_node *dict, const char *key);
struct plist_node *plist_native_array_at(const struct plist_node *array, size_t index);
/* Borrowed until the node changes; ends with a zero that is not counted. */
struct slice plist_native_string(const struct plist_node *node);
struct slice plist_native_data(const struct plist_node *node);
bool plist_native_bool(const struct plist_node *node);
uint64_t plist_native_integer(const struct plist_node *node, bool *is_unsigned_r);
double plist_native_real(const struct plist_node *node);
int64_t plist_native_date_unix_s(const struct plist_node *node);

/* A walk over a dictionary or array; NULL when memory is short. */
void *plist_native_iter_new(const struct plist_node *node);
/* False at the end. The caller frees *key_r with free(3); arrays give NULL. */
bool plist_native_iter_next(const struct plist_node *node, void *iter, char **key_r,
	struct plist_node **value_r);
void plist_native_iter_free(void **iter);

struct plist_node *plist_native_new_dict(void);
struct plist_node *plist_native_new_array(void);
struct plist_node *plist_native_new_string(const char *text);
struct plist_node *plist_native_new_data(struct slice bytes);
struct plist_node *plist_native_new_bool(bool value);
struct plist_node *plist_native_new_integer(int64_t value);
struct plist_node *plist_native_new_real(double value);
/* Both take the child. */
void plist_native_dict_set(struct plist_node *dict, const char *key, struct plist_node *child);
void plist_native_array_append(struct plist_node *array, struct plist_node *child);

#endif
