/* SPDX-License-Identifier: Apache-2.0 */
#include "h2_stream.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

static void bytes_clear(struct h2_bytes *bytes)
{
	free(bytes->far);
	bytes->far = NULL;
	bytes->len = 0;
}

struct h2_stream *h2_pool_take(struct h2_pool *pool)
{
	struct h2_stream *stream = pool->free;

	if (stream == NULL) {
		stream = calloc(1, sizeof(*stream));
		if (stream == NULL)
			return NULL;
		stream->next_of_all = pool->all;
		pool->all = stream;
	} else {
		pool->free = stream->next;
	}
	stream->next = NULL;
	stream->where = STREAM_OPEN;
	return stream;
}

/* Not one memset: the bodies' room need not be wiped each time. */
void h2_pool_give_back(struct h2_pool *pool, struct h2_stream *stream)
{
	bytes_clear(&stream->body);
	bytes_clear(&stream->reply_body);
	memset(stream->kept_len, 0, sizeof(stream->kept_len));
	stream->request = NULL;
	stream->id = 0;
	stream->is_sent = stream->is_given = stream->is_trailer = false;
	stream->is_whole = stream->is_closed = false;
	stream->header_put_off = stream->body_put_off = stream->header_bytes = 0;
	stream->status = 0;
	stream->error_code = 0;
	stream->where = STREAM_FREE;
	stream->next = pool->free;
	pool->free = stream;
}

void h2_pool_fini(struct h2_pool *pool)
{
	while (pool->all != NULL) {
		struct h2_stream *gone = pool->all;

		pool->all = gone->next_of_all;
		bytes_clear(&gone->body);
		bytes_clear(&gone->reply_body);
		free(gone);
	}
	pool->free = NULL;
}

struct slice h2_bytes_slice(const struct h2_bytes *bytes)
{
	return slice_of(bytes->far != NULL ? bytes->far : bytes->near, bytes->len);
}

enum rc h2_bytes_append(struct h2_bytes *bytes, struct slice more)
{
	size_t left = H2_BODY_BYTES_MAX - bytes->len;
	size_t len = more.len < left ? more.len : left;

	if (len == 0)
		return RC_OK;
	if (bytes->far == NULL && bytes->len + len > H2_BYTES_INLINE) {
		bytes->far = malloc(H2_BODY_BYTES_MAX);
		if (bytes->far == NULL)
			return RC_NO_MEMORY;
		memcpy(bytes->far, bytes->near, bytes->len);
	}
	memcpy((bytes->far != NULL ? bytes->far : bytes->near) + bytes->len, more.ptr, len);
	bytes->len += len;
	return RC_OK;
}

void h2_stream_begin_block(struct h2_stream *stream)
{
	if (stream->status >= 200) {
		stream->is_trailer = true;
		return;
	}
	stream->status = 0; /* an informational reply was before it */
	memset(stream->kept_len, 0, sizeof(stream->kept_len));
}

void h2_stream_keep(struct h2_stream *stream, size_t index, struct slice value)
{
	if (value.len == 0 || value.len > H2_KEPT_BYTES_MAX || stream->kept_len[index] != 0)
		return;
	memcpy(stream->kept[index], value.ptr, value.len);
	stream->kept_len[index] = (uint8_t)value.len;
}

void h2_stream_reply(const struct h2_stream *stream, struct h2_reply *reply_r)
{
	*reply_r = (struct h2_reply){.fate = stream->fate, .error_code = stream->error_code};
	if (stream->fate != H2_ANSWERED)
		return;
	reply_r->status = stream->status;
	reply_r->body = h2_bytes_slice(&stream->reply_body);
	for (size_t i = 0; i < H2_KEPT_MAX; i++)
		reply_r->kept[i] = slice_of(stream->kept[i], stream->kept_len[i]);
}

enum h2_fate h2_stream_fate(const struct h2_stream *stream, uint32_t error_code)
{
	if (stream->is_whole)
		return H2_ANSWERED;
	if (!stream->is_sent || (error_code == NGHTTP2_REFUSED_STREAM && stream->header_bytes == 0))
		return H2_REFUSED;
	return H2_LOST;
}
