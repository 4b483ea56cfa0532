/* SPDX-License-Identifier: Apache-2.0 */
#include "apns_check.h"

#include <string.h>

#include "pomona/base/codec.h"

/*
 * JSON by hand: the one form that is right takes a few steps, where a tree of values would cost more than all
 * else that is done for a push.
 */
struct reader {
	struct slice in;
	size_t at;
	uint8_t has_other; /* its highest bit: a byte that is not ASCII was read */
};

/* A text that is read out; what does not fit is left out, but read. */
struct text {
	char *out;
	size_t size, len;
};

static int peek(const struct reader *reader)
{
	return reader->at < reader->in.len ? reader->in.ptr[reader->at] : -1;
}

static bool take(struct reader *reader, int byte)
{
	if (peek(reader) != byte)
		return false;
	reader->at++;
	return true;
}

static void skip_space(struct reader *reader)
{
	while (peek(reader) == ' ' || peek(reader) == '\t' || peek(reader) == '\n' || peek(reader) == '\r')
		reader->at++;
}

static bool take_after_space(struct reader *reader, int byte)
{
	skip_space(reader);
	return take(reader, byte);
}

static void put(struct text *text, uint32_t byte)
{
	if (text->len + 1 < text->size)
		text->out[text->len++] = (char)byte;
}

/* As UTF-8 (RFC 3629). */
static void put_code(struct text *text, uint32_t code)
{
	if (code < 0x80) {
		put(text, code);
	} else if (code < 0x800) {
		put(text, 0xC0 | code >> 6);
		put(text, 0x80 | (code & 0x3F));
	} else if (code < 0x10000) {
		put(text, 0xE0 | code >> 12);
		put(text, 0x80 | (code >> 6 & 0x3F));
		put(text, 0x80 | (code & 0x3F));
	} else {
		put(text, 0xF0 | code >> 18);
		put(text, 0x80 | (code >> 12 & 0x3F));
		put(text, 0x80 | (code >> 6 & 0x3F));
		put(text, 0x80 | (code & 0x3F));
	}
}

static bool read_unit(struct reader *reader, uint32_t *unit_r)
{
	uint8_t bytes[2];

	if (hex_parse(slice_sub(reader->in, reader->at, 4), bytes, sizeof(bytes), NULL) != RC_OK)
		return false;
	reader->at += 4;
	*unit_r = (uint32_t)bytes[0] << 8 | bytes[1];
	return true;
}

/* Behind `\u`: one unit, or the two of a surrogate pair. */
static bool read_unicode(struct reader *reader, struct text *text)
{
	uint32_t high, low;

	if (!read_unit(reader, &high) || high == 0 || (high >= 0xDC00 && high <= 0xDFFF))
		return false;
	if (high < 0xD800 || high > 0xDFFF) {
		put_code(text, high);
		return true;
	}
	if (!take(reader, '\\') || !take(reader, 'u') || !read_unit(reader, &low) || low < 0xDC00 ||
		low > 0xDFFF)
		return false;
	put_code(text, 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
	return true;
}

static bool read_escape(struct reader *reader, struct text *text)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	int name = peek(reader);
	const char *found = name > 0 ? strchr(names, name) : NULL;

	if (take(reader, 'u'))
		return read_unicode(reader, text);
	if (found == NULL)
		return false;
	reader->at++;
	put(text, (uint8_t)values[found - names]);
	return true;
}

/* The bytes up to a quote, an escape, a control character or the end. */
static void read_plain(struct reader *reader, struct text *text)
{
	const uint8_t *from = reader->in.ptr + reader->at, *at = from;
	const uint8_t *end = reader->in.ptr + reader->in.len;
	size_t room = text->size - 1 - text->len, len;

	while (at < end && *at != '"' && *at != '\\' && *at >= ' ') {
		reader->has_other |= *at;
		at++;
	}
	len = (size_t)(at - from);
	memcpy(text->out + text->len, from, len < room ? len : room);
	text->len += len < room ? len : room;
	reader->at += len;
}

static bool read_string(struct reader *reader, char *out, size_t size)
{
	struct text text = {.out = out, .size = size};
	bool is_good = take_after_space(reader, '"');

	while (is_good && peek(reader) >= ' ' && peek(reader) != '"') {
		read_plain(reader, &text);
		if (take(reader, '\\'))
			is_good = read_escape(reader, &text);
	}
	out[text.len] = '\0';
	return is_good && take(reader, '"');
}

bool apns_payload_read(struct slice body, char magic[static APNS_MAGIC_BYTES_MAX + 1])
{
	struct reader reader = {.in = body};
	char key[8];

	magic[0] = '\0';
	if (!take_after_space(&reader, '{') || !read_string(&reader, key, sizeof(key)) ||
		strcmp(key, "mdm") != 0 || !take_after_space(&reader, ':') ||
		!read_string(&reader, magic, APNS_MAGIC_BYTES_MAX + 1) || !take_after_space(&reader, '}'))
		return false;
	skip_space(&reader);
	return reader.at == body.len && (reader.has_other < 0x80 || utf8_is_valid(body));
}
