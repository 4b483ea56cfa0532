/* SPDX-License-Identifier: Apache-2.0 */
#include "emit.h"

#include <string.h>

enum {
	TYPE_INTEGER = 0x10,
	TYPE_REAL = 0x20,
	TYPE_DATE = 0x30,
	TYPE_DATA = 0x40,
	TYPE_STRING = 0x50,
	TYPE_ARRAY = 0xA0,
	TYPE_DICT = 0xD0,
	FALSE_OBJECT = 0x08,
	TRUE_OBJECT = 0x09,
	FILLED = 15, /* the count is in an integer behind */
	POWER_4_BYTES = 2,
	POWER_8_BYTES = 3,
	POWER_16_BYTES = 4,
	REF_BYTES = 4,
};

/* Seconds from 1970 to 2001, where dates begin. */
static const int64_t date_epoch = 978307200;

static void append_number(struct buf *out, uint64_t value, size_t bytes)
{
	uint8_t big_endian[8];

	for (size_t i = 0; i < bytes; i++)
		big_endian[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
	buf_append(out, slice_of(big_endian, bytes));
}

static void append_index(struct buf *out, size_t index)
{
	uint32_t number = (uint32_t)index;

	buf_append(out, slice_of(&number, sizeof(number)));
}

static uint32_t index_at(const struct buf *buf, size_t at)
{
	uint32_t number;

	memcpy(&number, buf->ptr + at * sizeof(number), sizeof(number));
	return number;
}

void plist_emit_init(struct plist_emit *emit, size_t bound_bytes)
{
	buf_init(&emit->objects, bound_bytes);
	buf_init(&emit->offsets, bound_bytes);
	buf_init(&emit->pending, bound_bytes);
	buf_append_str(&emit->objects, "bplist00");
}

/* The first byte of an object, which waits for its container from here on. */
static void begin(struct plist_emit *emit, unsigned type_and_low)
{
	append_index(&emit->pending, emit->offsets.len / sizeof(uint32_t));
	append_index(&emit->offsets, emit->objects.len);
	buf_append_byte(&emit->objects, (uint8_t)type_and_low);
}

static void begin_counted(struct plist_emit *emit, unsigned type, size_t count)
{
	begin(emit, type | (unsigned)(count < FILLED ? count : FILLED));
	if (count < FILLED)
		return;
	buf_append_byte(&emit->objects, TYPE_INTEGER | POWER_4_BYTES);
	append_number(&emit->objects, count, sizeof(uint32_t));
}

void plist_emit_bool(struct plist_emit *emit, bool value)
{
	begin(emit, value ? TRUE_OBJECT : FALSE_OBJECT);
}

void plist_emit_integer(struct plist_emit *emit, uint64_t bits, bool is_unsigned)
{
	begin(emit, TYPE_INTEGER | (is_unsigned ? POWER_16_BYTES : POWER_8_BYTES));
	if (is_unsigned)
		append_number(&emit->objects, 0, sizeof(uint64_t));
	append_number(&emit->objects, bits, sizeof(bits));
}

static void append_double(struct plist_emit *emit, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	append_number(&emit->objects, bits, sizeof(bits));
}

void plist_emit_real(struct plist_emit *emit, double value)
{
	begin(emit, TYPE_REAL | POWER_8_BYTES);
	append_double(emit, value);
}

void plist_emit_date(struct plist_emit *emit, int64_t unix_s)
{
	begin(emit, TYPE_DATE | POWER_8_BYTES);
	append_double(emit, (double)(unix_s - date_epoch));
}

void plist_emit_string(struct plist_emit *emit, struct slice text)
{
	begin_counted(emit, TYPE_STRING, text.len);
	buf_append(&emit->objects, text);
}

uint8_t *plist_emit_data(struct plist_emit *emit, size_t len)
{
	uint8_t *room;

	begin_counted(emit, TYPE_DATA, len);
	room = buf_reserve(&emit->objects, len);
	if (room != NULL)
		emit->objects.len += len;
	return room;
}

size_t plist_emit_mark(const struct plist_emit *emit)
{
	return emit->pending.len / sizeof(uint32_t);
}

void plist_emit_container(struct plist_emit *emit, bool is_dict, size_t mark)
{
	size_t end = plist_emit_mark(emit);
	size_t stride = is_dict ? 2 : 1;

	begin_counted(emit, is_dict ? TYPE_DICT : TYPE_ARRAY, (end - mark) / stride);
	if (emit->pending.rc != RC_OK)
		return;
	for (size_t first = mark; first < mark + stride; first++) /* all keys, then all values */
		for (size_t i = first; i < end; i += stride)
			append_number(&emit->objects, index_at(&emit->pending, i), REF_BYTES);
	/* The container takes the place of its children among those that wait. */
	memmove(emit->pending.ptr + mark * sizeof(uint32_t), emit->pending.ptr + end * sizeof(uint32_t),
		sizeof(uint32_t));
	emit->pending.len = (mark + 1) * sizeof(uint32_t);
}

static void append_trailer(struct plist_emit *emit, size_t count, size_t table_at)
{
	append_number(&emit->objects, 0, 6);
	buf_append_byte(&emit->objects, sizeof(uint32_t)); /* size of an offset */
	buf_append_byte(&emit->objects, REF_BYTES);
	append_number(&emit->objects, count, sizeof(uint64_t));
	append_number(&emit->objects, count - 1, sizeof(uint64_t)); /* the root */
	append_number(&emit->objects, table_at, sizeof(uint64_t));
}

enum rc plist_emit_finish(struct plist_emit *emit, struct slice *list_r, struct err *err)
{
	size_t count = emit->offsets.len / sizeof(uint32_t);
	size_t table_at = emit->objects.len;
	enum rc rc = buf_status(&emit->offsets, "property list", err);

	if (rc == RC_OK)
		rc = buf_status(&emit->pending, "property list", err);
	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < count; i++)
		append_number(&emit->objects, index_at(&emit->offsets, i), sizeof(uint32_t));
	append_trailer(emit, count, table_at);
	*list_r = buf_slice(&emit->objects);
	return buf_status(&emit->objects, "property list", err);
}

/* A list may have carried a secret. */
void plist_emit_fini(struct plist_emit *emit)
{
	buf_fini_secret(&emit->objects);
	buf_fini(&emit->offsets);
	buf_fini(&emit->pending);
}
