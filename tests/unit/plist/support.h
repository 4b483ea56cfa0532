/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_PLIST_SUPPORT_H
#define POMONA_TESTS_PLIST_SUPPORT_H

/* What the tests of plist/ share. Threading: one thread. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pomona/plist/plist.h"

#define XML(body) "<plist version=\"1.0\">" body "</plist>"

/* Parses, and fails the test where that gives another code, or a fault without `words` in its text. */
struct plist_doc *parse_as(struct slice bytes, enum rc rc, const char *words);
/* The part of the written XML between <plist> and </plist>; the caller frees it. */
char *written(const struct plist_doc *doc);
/* Parses and writes, and fails the test where that gives something other than `xml`. */
void assert_writes(struct slice bytes, const char *xml);

/* A binary list under construction: objects in order, then table and trailer. */
struct binary {
	struct buf bytes;
	size_t offsets[96];
	size_t count;
};

void binary_init(struct binary *binary);
/* Adds an object of these bytes. */
void binary_object(struct binary *binary, struct slice bytes);
/* Ends the list with offsets of two bytes and references of one. */
struct slice binary_finish(struct binary *binary, size_t root);
void binary_fini(struct binary *binary);

/* The object is a string literal, which may have zeros inside. */
#define OBJECT(binary, literal) binary_object(binary, SLICE_LITERAL(literal))

#endif
