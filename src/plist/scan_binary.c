/* SPDX-License-Identifier: Apache-2.0 */
#include "scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/plist/plist.h"
#include "text.h"

/*
 * A binary list is "bplist00", objects, a table of their offsets and a trailer of 32 bytes. A
 * container names its children by their index in the table, so that one object can stand in many
 * places: libplist copies it into each. The walk counts what that comes to, visiting every object
 * once.
 */
enum { TRAILER_BYTES = 32, HEADER_BYTES = 8, FILLED = 15 };

/*
 * Seconds from 2001-01-01 to the years 1 and 10000: what XML's four digits can name lies between.
 */
static const double date_min = -63113904000.0;
static const double date_end = 252423993600.0;

enum object_kind {
	OBJECT_WRONG,
	OBJECT_BOOL,
	OBJECT_INTEGER,
	OBJECT_REAL,
	OBJECT_DATE,
	OBJECT_DATA,
	OBJECT_ASCII,
	OBJECT_UTF16,
	OBJECT_UID,
	OBJECT_ARRAY,
	OBJECT_DICT,
};

/* By the upper half of an object's first byte. */
static const enum object_kind kinds[16] = {
	[0x0] = OBJECT_BOOL,
	[0x1] = OBJECT_INTEGER,
	[0x2] = OBJECT_REAL,
	[0x3] = OBJECT_DATE,
	[0x4] = OBJECT_DATA,
	[0x5] = OBJECT_ASCII,
	[0x6] = OBJECT_UTF16,
	[0x8] = OBJECT_UID,
	[0xA] = OBJECT_ARRAY,
	[0xD] = OBJECT_DICT,
};

struct object {
	enum object_kind kind;
	unsigned low;      /* the lower half of the first byte */
	size_t at;         /* of the first byte */
	size_t count;      /* bytes, UTF-16 units, or entries */
	struct slice body; /* behind the count */
};

struct total {   /* of an object and all below it, as libplist will make it */
	uint64_t nodes; /* 0: not known yet */
	uint64_t bytes; /* of strings and data */
	unsigned depth; /* containers on the longest way down */
	bool is_open;   /* the walk is inside: meeting it again is a cycle */
};

struct frame {
	size_t index;
	struct object object;
	size_t next; /* child to visit */
	struct total total;
};

struct scan {
	struct slice in; /* without the trailer */
	size_t table_at;
	size_t offset_bytes;
	size_t ref_bytes;
	size_t object_count;
	struct total *totals; /* by object, owned */
	struct frame open[PLIST_DEPTH_MAX];
	unsigned depth;
	/*
	 * What the walk has seen so far. Objects may overlap, so that the file's size does not bound it.
	 */
	uint64_t seen_nodes;
	uint64_t seen_bytes;
	uint64_t seen_key_bytes;
	struct keyset keys;
	struct err *err;
};

static enum rc fault(const struct scan *scan, size_t at, const char *rule)
{
	return err_set(scan->err, RC_INVALID, "binary property list, offset %zu: %s", at, rule);
}

static enum rc too_large(const struct scan *scan, const char *rule, long long limit)
{
	return err_set(scan->err, RC_LIMIT, "binary property list: %s %lld", rule, limit);
}

static uint64_t big_endian(const uint8_t *ptr, size_t len)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len; i++)
		value = value << 8 | ptr[i];
	return value;
}

/* Reads the count behind a first byte whose lower half is full: an integer object. */
static enum rc long_count(const struct scan *scan, struct object *object, size_t *at)
{
	size_t bytes;
	uint64_t count;

	if (*at == scan->table_at || scan->in.ptr[*at] >> 4 != 1 || (scan->in.ptr[*at] & 15) > 3)
		return fault(scan, object->at, "an object's length is no integer");
	bytes = (size_t)1 << (scan->in.ptr[*at] & 15);
	(*at)++;
	if (bytes > scan->table_at - *at)
		return fault(scan, object->at, "an object reaches past the objects' end");
	count = big_endian(scan->in.ptr + *at, bytes);
	if (count > scan->table_at)
		return fault(scan, object->at, "an object reaches past the objects' end");
	object->count = (size_t)count;
	*at += bytes;
	return RC_OK;
}

/* The bytes that the object's body must have. */
static size_t body_bytes(const struct scan *scan, const struct object *object)
{
	switch (object->kind) {
	case OBJECT_INTEGER:
	case OBJECT_REAL:
	case OBJECT_DATE:
		return (size_t)1 << object->low;
	case OBJECT_UTF16:
		return object->count * 2;
	case OBJECT_UID:
		return (size_t)object->low + 1;
	case OBJECT_ARRAY:
		return object->count * scan->ref_bytes;
	case OBJECT_DICT:
		return object->count * scan->ref_bytes * 2;
	case OBJECT_WRONG:
	case OBJECT_BOOL:
		return 0;
	case OBJECT_DATA:
	case OBJECT_ASCII:
		break;
	}
	return object->count;
}

/* Finds an object and its bounds; what it holds is not looked at yet. */
static enum rc locate(const struct scan *scan, size_t index, struct object *object)
{
	const uint8_t *entry = scan->in.ptr + scan->table_at + index * scan->offset_bytes;
	uint64_t offset = big_endian(entry, scan->offset_bytes);
	enum rc rc = RC_OK;
	size_t at;
	size_t len;

	if (offset < HEADER_BYTES || offset >= scan->table_at)
		return fault(scan, (size_t)(entry - scan->in.ptr), "an offset outside of the objects");
	object->at = (size_t)offset;
	object->kind = kinds[scan->in.ptr[object->at] >> 4];
	object->low = scan->in.ptr[object->at] & 15;
	object->count = object->low;
	at = object->at + 1;
	if (object->kind == OBJECT_WRONG)
		return fault(scan, object->at, "an object of unknown kind");
	if (object->low == FILLED && object->kind >= OBJECT_DATA && object->kind != OBJECT_UID)
		rc = long_count(scan, object, &at);
	if (rc != RC_OK)
		return rc;
	len = body_bytes(scan, object);
	if (len > scan->table_at - at)
		return fault(scan, object->at, "an object reaches past the objects' end");
	object->body = slice_of(scan->in.ptr + at, len);
	return RC_OK;
}

static enum rc check_bool(const struct scan *scan, const struct object *object)
{
	if (object->low == 8 || object->low == 9)
		return RC_OK;
	return fault(scan, object->at, "neither true nor false");
}

/* Sixteen bytes are an unsigned integer; libplist looks at the lower half only. */
static enum rc check_integer(const struct scan *scan, const struct object *object)
{
	if (object->low > 4 || (object->low == 4 && big_endian(object->body.ptr, 8) != 0))
		return fault(scan, object->at, "integer out of range");
	return RC_OK;
}

static enum rc check_real(const struct scan *scan, const struct object *object)
{
	if (object->low == 2 || object->low == 3)
		return RC_OK;
	return fault(scan, object->at, "a real of unknown size");
}

static enum rc check_date(const struct scan *scan, const struct object *object)
{
	uint64_t bits;
	double seconds;

	if (object->low != 3)
		return fault(scan, object->at, "a date of unknown size");
	bits = big_endian(object->body.ptr, sizeof(bits));
	memcpy(&seconds, &bits, sizeof(seconds));
	if (!(seconds >= date_min && seconds < date_end)) /* not a number is refused, too */
		return fault(scan, object->at, "a date outside of the years 1 to 9999");
	return RC_OK;
}

/* A zero would end the text for libplist; everything past ASCII it would take for UTF-8. */
static enum rc check_ascii(const struct scan *scan, const struct object *object)
{
	for (size_t i = 0; i < object->body.len; i++)
		if (object->body.ptr[i] == 0 || object->body.ptr[i] > 0x7F)
			return fault(scan, object->at, "an ASCII string with another character or a zero");
	return RC_OK;
}

/* The next character, or 0 where the text is wrong or has a zero. */
static uint32_t utf16_next(struct slice body, size_t *at)
{
	uint32_t unit = (uint32_t)big_endian(body.ptr + *at, 2);
	uint32_t low;

	*at += 2;
	if (unit < 0xD800 || unit > 0xDFFF)
		return unit;
	if (unit > 0xDBFF || *at == body.len)
		return 0;
	low = (uint32_t)big_endian(body.ptr + *at, 2);
	*at += 2;
	return low < 0xDC00 || low > 0xDFFF ? 0 : 0x10000 + ((unit & 0x3FF) << 10) + (low & 0x3FF);
}

static enum rc check_utf16(const struct scan *scan, const struct object *object)
{
	if (object->body.len == 0) /* for which libplist has no answer */
		return fault(scan, object->at, "an empty UTF-16 string");
	for (size_t at = 0; at < object->body.len;)
		if (utf16_next(object->body, &at) == 0)
			return fault(scan, object->at, "a string with half a surrogate pair or a zero");
	return RC_OK;
}

static enum rc check_uid(const struct scan *scan, const struct object *object)
{
	if (object->low > 3)
		return fault(scan, object->at, "a UID of more than four bytes");
	return RC_OK;
}

static enum rc check_object(const struct scan *scan, const struct object *object)
{
	static enum rc (*const checks[])(const struct scan *scan, const struct object *object) = {
		[OBJECT_BOOL] = check_bool,
		[OBJECT_INTEGER] = check_integer,
		[OBJECT_REAL] = check_real,
		[OBJECT_DATE] = check_date,
		[OBJECT_ASCII] = check_ascii,
		[OBJECT_UTF16] = check_utf16,
		[OBJECT_UID] = check_uid,
		[OBJECT_DICT] = NULL, /* and data, arrays: nothing of their own */
	};

	return checks[object->kind] == NULL ? RC_OK : checks[object->kind](scan, object);
}

static bool is_container(const struct object *object)
{
	return object->kind == OBJECT_ARRAY || object->kind == OBJECT_DICT;
}

static size_t child_count(const struct object *object)
{
	return object->count * (object->kind == OBJECT_DICT ? 2 : 1);
}

/* A dictionary's body is the references of all keys, then those of all values. */
static enum rc child_index(const struct scan *scan, const struct object *object, size_t child,
	size_t *index_r)
{
	const uint8_t *ref = object->body.ptr + child * scan->ref_bytes;
	uint64_t index = big_endian(ref, scan->ref_bytes);

	if (index >= scan->object_count)
		return fault(scan, (size_t)(ref - scan->in.ptr), "a reference to no object");
	*index_r = (size_t)index;
	return RC_OK;
}

/* One spelling for both kinds of string, since a key may come as either. */
static bool key_text(const struct object *object, struct buf *out)
{
	if (object->kind == OBJECT_ASCII)
		buf_append(out, object->body);
	for (size_t at = 0; object->kind == OBJECT_UTF16 && at < object->body.len && out->rc == RC_OK;) {
		uint8_t bytes[PLIST_UTF8_BYTES_MAX];

		buf_append(out, slice_of(bytes, plist_utf8_encode(utf16_next(object->body, &at), bytes)));
	}
	return out->rc == RC_OK;
}

/* Whatever is seen once is in the expanded list at least once. */
static enum rc count_seen(struct scan *scan, uint64_t *seen_bytes, uint64_t bytes)
{
	*seen_bytes += bytes;
	if (*seen_bytes > PLIST_EXPANDED_BYTES_MAX)
		return too_large(scan, "texts expand to more bytes than", PLIST_EXPANDED_BYTES_MAX);
	return RC_OK;
}

static enum rc enter_key(struct scan *scan, size_t dict, const struct object *key)
{
	uint8_t bytes[PLIST_KEY_BYTES_MAX + 1];
	struct buf text = {.ptr = bytes, .cap = sizeof(bytes), .bound = PLIST_KEY_BYTES_MAX};
	enum rc rc;

	if (key->kind != OBJECT_ASCII && key->kind != OBJECT_UTF16)
		return fault(scan, key->at, "a key that is no string");
	rc = check_object(scan, key);
	if (rc != RC_OK)
		return rc;
	if (!key_text(key, &text))
		return too_large(scan, "a key of more bytes than", PLIST_KEY_BYTES_MAX);
	rc = count_seen(scan, &scan->seen_key_bytes, text.len);
	if (rc != RC_OK)
		return rc;
	rc = plist_keyset_add(&scan->keys, (uint32_t)dict, buf_slice(&text));
	if (rc == RC_NO_MEMORY)
		return err_set(scan->err, rc, "binary property list: memory is short");
	if (rc != RC_OK)
		return err_set(scan->err, RC_INVALID,
			"binary property list, offset %zu: key \"%.*s\" twice in one dictionary", key->at,
			SLICE_FMT(plist_text_head(buf_slice(&text))));
	return RC_OK;
}

static enum rc check_keys(struct scan *scan, size_t index, const struct object *dict)
{
	enum rc rc = RC_OK;

	if (dict->count > PLIST_DICT_ENTRIES_MAX)
		return too_large(scan, "a dictionary of more entries than", PLIST_DICT_ENTRIES_MAX);
	for (size_t i = 0; rc == RC_OK && i < dict->count; i++) {
		struct object key = {.kind = OBJECT_WRONG};
		size_t key_index = 0;

		rc = child_index(scan, dict, i, &key_index);
		if (rc == RC_OK)
			rc = locate(scan, key_index, &key);
		if (rc == RC_OK)
			rc = enter_key(scan, index, &key);
	}
	return rc;
}

/* Three bytes of UTF-8 are the most that one unit of UTF-16 becomes. */
static uint64_t text_bytes(const struct object *object)
{
	return object->kind == OBJECT_UTF16 ? object->body.len / 2 * 3 : object->body.len;
}

static enum rc add_total(struct scan *scan, struct total *sum, const struct total *part)
{
	sum->nodes += part->nodes;
	sum->bytes += part->bytes;
	if (sum->depth < part->depth + 1)
		sum->depth = part->depth + 1;
	if (sum->nodes > PLIST_NODES_MAX)
		return too_large(scan, "expands to more nodes than", PLIST_NODES_MAX);
	if (sum->bytes > PLIST_EXPANDED_BYTES_MAX)
		return too_large(scan, "texts expand to more bytes than", PLIST_EXPANDED_BYTES_MAX);
	return RC_OK;
}

/* Opens a container, or settles anything else at once. */
static enum rc enter(struct scan *scan, size_t index)
{
	struct frame *frame;
	struct object object = {.kind = OBJECT_WRONG};
	enum rc rc = locate(scan, index, &object);

	if (rc != RC_OK)
		return rc;
	if (!is_container(&object)) {
		scan->totals[index] = (struct total){.nodes = 1, .bytes = text_bytes(&object)};
		rc = count_seen(scan, &scan->seen_bytes, text_bytes(&object));
		return rc == RC_OK ? check_object(scan, &object) : rc;
	}
	if (scan->depth == PLIST_DEPTH_MAX)
		return too_large(scan, "nested deeper than", PLIST_DEPTH_MAX);
	scan->seen_nodes += child_count(&object);
	if (scan->seen_nodes > PLIST_NODES_MAX)
		return too_large(scan, "expands to more nodes than", PLIST_NODES_MAX);
	if (object.kind == OBJECT_DICT)
		rc = check_keys(scan, index, &object);
	if (rc != RC_OK)
		return rc;
	frame = &scan->open[scan->depth++];
	*frame = (struct frame){.index = index, .object = object, .total = {.nodes = 1, .depth = 1}};
	scan->totals[index].is_open = true;
	return RC_OK;
}

/* One step of the walk: the innermost container's next child, or its end. */
static enum rc step(struct scan *scan)
{
	struct frame *frame = &scan->open[scan->depth - 1];
	const struct total *child;
	size_t index = 0;
	enum rc rc;

	if (frame->next == child_count(&frame->object)) {
		scan->totals[frame->index] = frame->total;
		scan->depth--;
		return RC_OK;
	}
	rc = child_index(scan, &frame->object, frame->next, &index);
	if (rc != RC_OK)
		return rc;
	child = &scan->totals[index];
	if (child->is_open)
		return fault(scan, frame->object.at, "a container that holds itself");
	if (child->nodes == 0)
		return enter(scan, index); /* and come again for its total */
	if (scan->depth + child->depth > PLIST_DEPTH_MAX)
		return too_large(scan, "nested deeper than", PLIST_DEPTH_MAX);
	frame->next++;
	return add_total(scan, &frame->total, child);
}

static enum rc walk(struct scan *scan, size_t root)
{
	enum rc rc = enter(scan, root);

	while (rc == RC_OK && scan->depth > 0)
		rc = step(scan);
	return rc;
}

static enum rc scan_trailer(struct scan *scan, const uint8_t *trailer, size_t *root_r)
{
	uint64_t object_count = big_endian(trailer + 8, 8);
	uint64_t root = big_endian(trailer + 16, 8);
	uint64_t table_at = big_endian(trailer + 24, 8);

	scan->offset_bytes = trailer[6];
	scan->ref_bytes = trailer[7];
	if (scan->offset_bytes == 0 || scan->offset_bytes > 8 || scan->ref_bytes == 0 ||
		scan->ref_bytes > 8)
		return fault(scan, scan->in.len, "trailer: wrong sizes of offsets or references");
	if (table_at <= HEADER_BYTES || table_at >= scan->in.len || object_count == 0 ||
		object_count > (scan->in.len - table_at) / scan->offset_bytes || root >= object_count)
		return fault(scan, scan->in.len, "trailer: the table of objects is not inside the file");
	if (object_count > PLIST_NODES_MAX)
		return too_large(scan, "more objects than", PLIST_NODES_MAX);
	scan->table_at = (size_t)table_at;
	scan->object_count = (size_t)object_count;
	*root_r = (size_t)root;
	return RC_OK;
}

enum rc plist_scan_binary(struct slice in, struct err *err)
{
	struct scan scan;
	size_t root = 0;
	enum rc rc;

	if (in.len < HEADER_BYTES + TRAILER_BYTES || !slice_has_prefix(in, "bplist00"))
		return err_set(err, RC_INVALID, "binary property list: cut short or of another version");
	scan.in = slice_sub(in, 0, in.len - TRAILER_BYTES);
	scan.err = err;
	scan.depth = 0;
	scan.seen_nodes = 0;
	scan.seen_bytes = 0;
	scan.seen_key_bytes = 0;
	rc = scan_trailer(&scan, in.ptr + scan.in.len, &root);
	if (rc != RC_OK)
		return rc;
	scan.totals = calloc(scan.object_count, sizeof(*scan.totals));
	if (scan.totals == NULL)
		return err_set(err, RC_NO_MEMORY, "binary property list: memory is short");
	plist_keyset_init(&scan.keys);
	rc = walk(&scan, root);
	plist_keyset_fini(&scan.keys);
	free(scan.totals);
	return rc;
}
