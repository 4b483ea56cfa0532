/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_NET_H2_FRAMES_H
#define POMONA_TESTS_NET_H2_FRAMES_H

/*
 * Frames of HTTP/2 made by hand, right or wrong. Threading: one thread.
 */

#include <nghttp2/nghttp2.h>

#include "pomona/base/buf.h"

enum { FRAME_HEAD_BYTES = 9, FRAME_LAST_STREAM_ALL = 0x7fffffff };

/* Header blocks that need no table: an index of HPACK's static one, or a literal beside it. */
#define BLOCK_STATUS_200 "\x88"
#define BLOCK_STATUS_103 \
	"\x08\x03" \
	"103"
#define BLOCK_APNS_ID_1 \
	"\x00\x07" \
	"apns-id" \
	"\x01" \
	"1"
#define BLOCK_APNS_ID_2 \
	"\x00\x07" \
	"apns-id" \
	"\x01" \
	"2"

void frame_add(struct buf *out, uint8_t type, unsigned flags, int32_t stream_id,
	struct slice payload);
void frame_add_goaway(struct buf *out, int32_t last_stream_id, uint32_t code, const char *debug);
void frame_add_reset(struct buf *out, int32_t stream_id, uint32_t code);
void frame_add_setting(struct buf *out, uint16_t id, uint32_t value);

#endif
