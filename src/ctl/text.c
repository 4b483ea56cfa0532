/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "ctl.h"
#include "pomona/base/codec.h"

#define SPAN_S_MAX (INT64_C(36500) * 86400)

/* Ranges of code points that a terminal obeys, or that turn the order of what is read. */
static const struct {
	uint32_t first, last;
} unsafe[] = {
	{0x00, 0x1f},
	{0x7f, 0x9f},
	{0x061c, 0x061c},
	{0x200e, 0x200f},
	{0x2028, 0x202e},
	{0x2066, 0x2069},
	{0xfeff, 0xfeff},
};

static bool is_unsafe(uint32_t point)
{
	for (size_t i = 0; i < COUNT_OF(unsafe); i++)
		if (point >= unsafe[i].first && point <= unsafe[i].last)
			return true;
	return false;
}

/* Length of the sequence that `lead` begins; 0 for a byte that begins none. */
static size_t sequence_len(uint8_t lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/* One character of `in` at `at`; *len_r is 1 and the result UINT32_MAX for a byte that is no UTF-8. */
static uint32_t next_point(struct slice in, size_t at, size_t *len_r)
{
	static const uint8_t lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	const size_t len = sequence_len(in.ptr[at]);
	uint32_t point;

	*len_r = 1;
	if (len == 0 || len > in.len - at)
		return UINT32_MAX;
	point = in.ptr[at] & lead_mask[len];
	for (size_t i = 1; i < len; i++) {
		if ((in.ptr[at + i] & 0xc0) != 0x80)
			return UINT32_MAX;
		point = point << 6 | (in.ptr[at + i] & 0x3fU);
	}
	*len_r = len;
	return point;
}

static void write_escape(uint32_t point, uint8_t byte, enum text_escape escape, struct buf *out)
{
	if (point == UINT32_MAX)
		buf_printf(out, "\\x%02x", byte);
	else if (escape == TEXT_FOR_JSON || point > 0xff)
		buf_printf(out, "\\u%04" PRIx32, point);
	else
		buf_printf(out, "\\x%02" PRIx32, point);
}

void text_clean(struct slice in, enum text_escape escape, struct buf *out)
{
	size_t len;

	for (size_t at = 0; at < in.len; at += len) {
		const uint32_t point = next_point(in, at, &len);
		const bool is_line_end = escape == TEXT_FOR_JSON && (point == '\n' || point == '\r');

		if (is_line_end || (point != UINT32_MAX && !is_unsafe(point)))
			buf_append(out, slice_sub(in, at, len));
		else
			write_escape(point, in.ptr[at], escape, out);
	}
}

size_t text_columns(const char *text)
{
	size_t columns = 0;

	for (; *text != '\0'; text++)
		if (((uint8_t)*text & 0xc0) != 0x80)
			columns++;
	return columns;
}

void text_relative(int64_t then, int64_t now, char out[static TEXT_RELATIVE_BYTES])
{
	static const struct {
		int64_t seconds;
		const char *one, *many;
	} units[] = {
		{31536000, "year", "years"},
		{86400, "day", "days"},
		{3600, "h", "h"},
		{60, "min", "min"},
		{1, "s", "s"},
	};
	const int64_t distance = then > now ? then - now : now - then;
	size_t unit = 0;
	int64_t count;

	if (distance == 0) {
		(void)snprintf(out, TEXT_RELATIVE_BYTES, "now");
		return;
	}
	while (distance < units[unit].seconds * (unit < 2 ? 2 : 1) && unit + 1 < COUNT_OF(units))
		unit++;
	count = distance / units[unit].seconds;
	(void)snprintf(out, TEXT_RELATIVE_BYTES, "%s%" PRId64 " %s%s", then > now ? "in " : "", count,
		count == 1 ? units[unit].one : units[unit].many, then > now ? "" : " ago");
}

bool text_time_to_come(const char *text, int64_t now, char out[static TEXT_TIME_BYTES])
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'h', 3600}, {'d', 86400}, {'w', 604800}};
	const struct slice all = slice_of_str(text);
	int64_t then;

	for (size_t i = 0; i < COUNT_OF(units); i++) {
		int64_t count;

		if (all.len == 0 || text[all.len - 1] != units[i].unit)
			continue;
		if (int64_parse(slice_sub(all, 0, all.len - 1), 1, SPAN_S_MAX / units[i].seconds, &count, NULL) !=
			RC_OK)
			return false;
		time_format(now + count * units[i].seconds, out);
		return true;
	}
	if (all.len >= TEXT_TIME_BYTES || time_parse(all, &then, NULL) != RC_OK)
		return false;
	(void)snprintf(out, TEXT_TIME_BYTES, "%s", text);
	return true;
}

void text_bytes(int64_t bytes, char out[static TEXT_RELATIVE_BYTES])
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	double number = (double)bytes;
	size_t unit = 0;

	while (number >= 1024 && unit + 1 < COUNT_OF(units)) {
		number /= 1024;
		unit++;
	}
	(void)snprintf(out, TEXT_RELATIVE_BYTES, unit == 0 ? "%.0f %s" : "%.1f %s", number, units[unit]);
}
