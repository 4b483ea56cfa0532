/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_BASE_CODEC_H
#define POMONA_BASE_CODEC_H

/*
 * Small text encodings that several rooms need: hex, base64 (RFC 4648 section 4), UTF-8, RFC 3339
 * times.
 * Threading: any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/buf.h"
#include "pomona/base/err.h"
#include "pomona/base/slice.h"

/* Lower case. */
void hex_encode(struct slice in, struct buf *out);
/* Exactly in.len / 2 bytes to `out`; RC_INVALID on an odd length or another character. */
enum rc hex_parse(struct slice in, uint8_t *out, size_t out_size, struct err *err) MUST_USE;
void base64_encode(struct slice in, struct buf *out);
/* White space is passed over; padding is required. RC_INVALID, RC_LIMIT (the buffer's bound),
 * RC_NO_MEMORY. */
enum rc base64_parse(struct slice in, struct buf *out, struct err *err) MUST_USE;

/* Well-formed UTF-8: no surrogates, nothing over-long, nothing past U+10FFFF. */
bool utf8_is_valid(struct slice s);
/* Well-formed UTF-8 made of characters that XML 1.0 can carry (section 2.2: Char). */
bool utf8_is_xml_text(struct slice s);

enum { TIME_TEXT_BYTES = 24 };
/* "2026-11-21T03:04:05Z" for seconds since 1970 in UTC; years 1970 to 9999, others are cut to
 * these. */
void time_format(int64_t unix_s, char out[static TIME_TEXT_BYTES]);
/* RFC 3339 with Z or an offset; fractions are dropped. */
enum rc time_parse(struct slice in, int64_t *unix_s_r, struct err *err) MUST_USE;

/* Decimal digits with an optional minus; RC_INVALID for anything else or outside [min, max]. */
enum rc int64_parse(struct slice in, int64_t min, int64_t max, int64_t *value_r, struct err *err)
	MUST_USE;

#endif
