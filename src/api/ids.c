/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "private.h"

enum rc api_ids_check(struct call *call, const struct json_value *ids, struct err *err)
{
	const size_t count = json_count(ids);

	if (count == 0 || count > SEND_IDS_MAX)
		return api_call_invalid(call, err, "ids", "must hold 1 to %d ids", SEND_IDS_MAX);
	for (size_t i = 0; i < count; i++) {
		const struct json_value *id = json_at(ids, i);
		const size_t len = json_string(id).len;

		if (json_kind(id) != JSON_KIND_STRING)
			return api_call_invalid(call, err, "ids", "number %zu is no text", i + 1);
		if (len == 0 || len > ENROLLMENT_ID_BYTES_MAX)
			return api_call_invalid(call, err, "ids", "number %zu has %zu bytes, want 1 to %d", i + 1, len,
				ENROLLMENT_ID_BYTES_MAX);
	}
	return RC_OK;
}

/* FNV-1a: the ids come from an administrator, who gains nothing by collisions. */
static size_t hash_of(struct slice text)
{
	uint64_t hash = 14695981039346656037U;

	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ text.ptr[i]) * 1099511628211U;
	return (size_t)(hash ^ hash >> 32);
}

/* `table` holds index + 1, or 0; its size is a power of two that it never fills. */
static bool is_repeated(uint32_t *table, size_t mask, const struct json_value *ids, size_t index)
{
	const struct slice id = json_string(json_at(ids, index));
	size_t at = hash_of(id) & mask;

	for (; table[at] != 0; at = (at + 1) & mask)
		if (slice_is_equal(json_string(json_at(ids, table[at] - 1)), id))
			return true;
	table[at] = (uint32_t)index + 1;
	return false;
}

enum rc api_ids_find_repeated(const struct json_value *ids, struct arena *arena,
	uint8_t **repeated_r, struct err *err)
{
	const size_t count = json_count(ids);
	uint8_t *repeated = arena_alloc(arena, count);
	uint32_t *table;
	size_t size = 16;

	while (size < 2 * count)
		size *= 2;
	table = calloc(size, sizeof(*table));
	if (repeated == NULL || table == NULL) {
		free(table);
		return api_call_no_memory(err);
	}
	for (size_t i = 0; i < count; i++)
		repeated[i] = is_repeated(table, size - 1, ids, i);
	free(table);
	*repeated_r = repeated;
	return RC_OK;
}

void api_ids_append_text(struct buf *out, struct slice text)
{
	buf_append_byte(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		const uint8_t byte = text.ptr[i];

		if (byte == '"' || byte == '\\')
			buf_append_byte(out, '\\');
		if (byte < 0x20)
			buf_printf(out, "\\u%04x", byte);
		else
			buf_append_byte(out, byte);
	}
	buf_append_byte(out, '"');
}
