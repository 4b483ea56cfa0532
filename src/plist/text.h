/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PLIST_TEXT_H
#define POMONA_PLIST_TEXT_H

/* Characters, as both scans need them. Threading: any thread. */

#include "pomona/base/slice.h"

enum { PLIST_UTF8_BYTES_MAX = 4, PLIST_REAL_BYTES_MAX = 64, PLIST_HEAD_BYTES = 64 };

/*
 * The length of the character's UTF-8 form, which goes to `out`; surrogates come out as such, and
 * are wrong.
 */
static inline unsigned plist_utf8_encode(uint32_t code, uint8_t out[static PLIST_UTF8_BYTES_MAX])
{
	unsigned len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	static const uint8_t lead[] = {0, 0, 0xC0, 0xE0, 0xF0};

	for (unsigned i = len - 1; i > 0; i--, code >>= 6)
		out[i] = (uint8_t)(0x80 | (code & 0x3F));
	out[0] = (uint8_t)(lead[len] | code);
	return len;
}

/* As much of a text as an error can show: one line, whole characters. */
static inline struct slice plist_text_head(struct slice text)
{
	size_t len = 0;

	while (len < text.len && len < PLIST_HEAD_BYTES && text.ptr[len] >= ' ' && text.ptr[len] != 0x7F)
		len++;
	while (len > 0 && len < text.len && text.ptr[len] >> 6 == 2)
		len--;
	return slice_of(text.ptr, len);
}

#endif
