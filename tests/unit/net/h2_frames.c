/* SPDX-License-Identifier: Apache-2.0 */
#include "h2_frames.h"

static void add_number(struct buf *out, uint32_t value, unsigned bytes)
{
	while (bytes-- > 0)
		buf_append_byte(out, (uint8_t)(value >> 8 * bytes));
}

static void add_head(struct buf *out, size_t len, uint8_t type, unsigned flags, int32_t stream_id)
{
	add_number(out, (uint32_t)len, 3);
	add_number(out, type, 1);
	add_number(out, flags, 1);
	add_number(out, (uint32_t)stream_id, 4);
}

void frame_add(struct buf *out, uint8_t type, unsigned flags, int32_t stream_id,
	struct slice payload)
{
	add_head(out, payload.len, type, flags, stream_id);
	buf_append(out, payload);
}

void frame_add_goaway(struct buf *out, int32_t last_stream_id, uint32_t code, const char *debug)
{
	struct slice text = slice_of_str(debug);

	add_head(out, 8 + text.len, NGHTTP2_GOAWAY, 0, 0);
	add_number(out, (uint32_t)last_stream_id, 4);
	add_number(out, code, 4);
	buf_append(out, text);
}

void frame_add_reset(struct buf *out, int32_t stream_id, uint32_t code)
{
	add_head(out, 4, NGHTTP2_RST_STREAM, 0, stream_id);
	add_number(out, code, 4);
}

void frame_add_setting(struct buf *out, uint16_t id, uint32_t value)
{
	add_head(out, 6, NGHTTP2_SETTINGS, 0, 0);
	add_number(out, id, 2);
	add_number(out, value, 4);
}
