/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_FIRST_BYTES = 256 };

void buf_init(struct buf *buf, size_t bound_bytes)
{
	*buf = (struct buf){.bound = bound_bytes};
}

static bool fail(struct buf *buf, enum rc rc)
{
	buf->rc = rc;
	return false;
}

/* Room for `len` more bytes and one zero behind them, which the bound does not count. */
static bool make_room(struct buf *buf, size_t len)
{
	size_t want;
	size_t cap = buf->cap == 0 ? BUF_FIRST_BYTES : buf->cap;
	uint8_t *grown;

	if (buf->rc != RC_OK)
		return false;
	if (len > buf->bound - buf->len)
		return fail(buf, RC_LIMIT);
	want = buf->len + len + 1;
	if (want <= buf->cap)
		return true;
	while (cap < want)
		cap = cap > SIZE_MAX / 2 ? want : cap * 2;
	grown = realloc(buf->ptr, cap);
	if (grown == NULL)
		return fail(buf, RC_NO_MEMORY);
	buf->ptr = grown;
	buf->cap = cap;
	return true;
}

void buf_append(struct buf *buf, struct slice s)
{
	if (!make_room(buf, s.len) || s.len == 0)
		return;
	memcpy(buf->ptr + buf->len, s.ptr, s.len);
	buf->len += s.len;
}

void buf_append_str(struct buf *buf, const char *str)
{
	buf_append(buf, slice_of_str(str));
}

void buf_append_byte(struct buf *buf, uint8_t byte)
{
	buf_append(buf, slice_of(&byte, 1));
}

/* Into the room that is there; what does not fit is formatted once more, into room that is made for it. */
void buf_printf(struct buf *buf, const char *format, ...)
{
	size_t room = buf->rc == RC_OK && buf->cap > 0 ? buf->cap - buf->len : 0;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(room == 0 ? NULL : (char *)buf->ptr + buf->len, room, format, args);
	va_end(args);
	if (len < 0 || !make_room(buf, (size_t)len))
		return;
	if ((size_t)len >= room) {
		va_start(args, format);
		(void)vsnprintf((char *)buf->ptr + buf->len, (size_t)len + 1, format, args);
		va_end(args);
	}
	buf->len += (size_t)len;
}

uint8_t *buf_reserve(struct buf *buf, size_t len)
{
	return make_room(buf, len) ? buf->ptr + buf->len : NULL;
}

enum rc buf_status(const struct buf *buf, const char *what, struct err *err)
{
	if (buf->rc == RC_LIMIT)
		return err_set(err, RC_LIMIT, "%s: larger than %zu bytes", what, buf->bound);
	if (buf->rc != RC_OK)
		return err_set(err, buf->rc, "%s: memory is short", what);
	return RC_OK;
}

struct slice buf_slice(const struct buf *buf)
{
	return slice_of(buf->ptr, buf->len);
}

const char *buf_cstr(struct buf *buf)
{
	if (!make_room(buf, 0))
		return NULL;
	buf->ptr[buf->len] = 0;
	return (const char *)buf->ptr;
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->rc = RC_OK;
}

void buf_fini_secret(struct buf *buf)
{
	if (buf->ptr != NULL)
		explicit_bzero(buf->ptr, buf->cap);
	buf_fini(buf);
}

void buf_fini(struct buf *buf)
{
	free(buf->ptr);
	*buf = (struct buf){.bound = buf->bound};
}
