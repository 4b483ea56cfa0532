/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_BASE_BUF_H
#define POMONA_BASE_BUF_H

/*
 * A growing byte buffer with a mandatory bound: the form in which all output is made. A failed
 * append makes the buffer sticky-failed: later appends do nothing, and the maker asks once, at the
 * end.
 * Threading: one thread at a time.
 */

#include <stdarg.h>

#include "pomona/base/compiler.h"
#include "pomona/base/err.h"
#include "pomona/base/slice.h"

struct buf {
	uint8_t *ptr; /* owned */
	size_t len;
	size_t cap;
	size_t bound;
	enum rc rc; /* RC_OK, RC_LIMIT or RC_NO_MEMORY */
};

/* Allocates nothing yet. The caller's memory; buf_fini() frees what it grew. */
void buf_init(struct buf *buf, size_t bound_bytes);
void buf_append(struct buf *buf, struct slice s);
void buf_append_str(struct buf *buf, const char *str);
void buf_append_byte(struct buf *buf, uint8_t byte);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
/* Makes room for `len` more bytes and returns where they go (then add to buf->len); NULL on
 * failure. */
uint8_t *buf_reserve(struct buf *buf, size_t len);
/* RC_OK when every append fitted; else the fault, with `what` named in `err`. */
enum rc buf_status(const struct buf *buf, const char *what, struct err *err) MUST_USE;
/* Borrowed until the next append. */
struct slice buf_slice(const struct buf *buf);
/* The contents as a C string, borrowed until the next append; NULL on failure. */
const char *buf_cstr(struct buf *buf);
void buf_clear(struct buf *buf);
/* Wipes the bytes first: for secrets. Appends into a buffer for secrets must have been reserved
 * before. */
void buf_fini_secret(struct buf *buf);
void buf_fini(struct buf *buf);

#endif
