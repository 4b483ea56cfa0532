/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_BASE_COMPILER_H
#define POMONA_BASE_COMPILER_H

/*
 * What the compilers offer beyond C17, under one name each. Used by every room.
 * Threading: not applicable.
 */

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_arg) \
	__attribute__((format(printf, format_index, first_arg)))

/* Calls `free_fn(&variable)` when the variable leaves its scope: AUTO(buf_free) struct buf *b =
 * NULL; */
#define AUTO(free_fn) __attribute__((cleanup(free_fn)))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
