/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_BASE_SLICE_H
#define POMONA_BASE_SLICE_H

/*
 * A borrowed run of bytes, passed by value: the form in which all input travels. It never owns what
 * it points to; whoever hands one out says how long it lives. A slice of length 0 may have a NULL
 * pointer.
 * Threading: any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
	const uint8_t *ptr;
	size_t len;
};

/* A slice over a string literal, without its terminating zero. */
#define SLICE_LITERAL(text) ((struct slice){(const uint8_t *)("" text ""), sizeof(text) - 1})

/* For printf: printf("%.*s", SLICE_FMT(s)). The length is cut to INT_MAX. */
#define SLICE_FMT(s) slice_fmt_len(s), (const char *)(s).ptr

struct slice slice_of(const void *ptr, size_t len);
/* Borrows the string; NULL gives an empty slice. */
struct slice slice_of_str(const char *str);
int slice_fmt_len(struct slice s);
bool slice_is_equal(struct slice a, struct slice b);
bool slice_is_str(struct slice a, const char *str);
/* ASCII letters only are folded. */
bool slice_is_str_nocase(struct slice a, const char *str);
bool slice_has_prefix(struct slice a, const char *prefix);
/* Byte order, then length, as memcmp(3) sorts. */
int slice_compare(struct slice a, struct slice b);
/* False where not found; else *at_r is the offset of the first `byte`. */
bool slice_find_byte(struct slice a, uint8_t byte, size_t *at_r);
/* Cut to what there is: never reaches past the end of `a`. */
struct slice slice_sub(struct slice a, size_t from, size_t len);
/* Without leading and trailing ASCII white space. */
struct slice slice_trim(struct slice a);
/* Same time for equal lengths, wherever the difference is. For secrets. */
bool slice_is_equal_consttime(struct slice a, struct slice b);

#endif
