/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/base/codec.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void hex_encode(struct slice in, struct buf *out)
{
	uint8_t *to = buf_reserve(out, in.len * 2);

	if (to == NULL)
		return;
	for (size_t i = 0; i < in.len; i++) {
		*to++ = (uint8_t)hex_digits[in.ptr[i] >> 4];
		*to++ = (uint8_t)hex_digits[in.ptr[i] & 15];
	}
	out->len += in.len * 2;
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

enum rc hex_parse(struct slice in, uint8_t *out, size_t out_size, struct err *err)
{
	if (in.len != out_size * 2)
		return err_set(err, RC_INVALID, "hex: %zu digits, want %zu", in.len, out_size * 2);
	for (size_t i = 0; i < out_size; i++) {
		int high = hex_value(in.ptr[2 * i]);
		int low = hex_value(in.ptr[2 * i + 1]);

		if (high < 0 || low < 0)
			return err_set(err, RC_INVALID, "hex: not a digit at offset %zu", 2 * i);
		out[i] = (uint8_t)(high << 4 | low);
	}
	return RC_OK;
}

static void base64_quad(const uint8_t *in, size_t len, uint8_t *to)
{
	uint32_t bits = (uint32_t)in[0] << 16;

	if (len > 1)
		bits |= (uint32_t)in[1] << 8;
	if (len > 2)
		bits |= in[2];
	to[0] = (uint8_t)base64_digits[bits >> 18];
	to[1] = (uint8_t)base64_digits[bits >> 12 & 63];
	to[2] = len > 1 ? (uint8_t)base64_digits[bits >> 6 & 63] : '=';
	to[3] = len > 2 ? (uint8_t)base64_digits[bits & 63] : '=';
}

void base64_encode(struct slice in, struct buf *out)
{
	size_t total = in.len / 3 * 4 + (in.len % 3 != 0 ? 4 : 0);
	uint8_t *to = buf_reserve(out, total);

	if (to == NULL)
		return;
	for (size_t i = 0; i < in.len; i += 3, to += 4)
		base64_quad(in.ptr + i, in.len - i, to);
	out->len += total;
}

/* 0..63 a digit, 64 padding, 65 white space, 66 anything else */
static unsigned base64_class(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 26;
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0') + 52;
	if (c == '+' || c == '/')
		return c == '+' ? 62 : 63;
	if (c == '=')
		return 64;
	return c == ' ' || (c >= '\t' && c <= '\r') ? 65 : 66;
}

enum rc base64_parse(struct slice in, struct buf *out, struct err *err)
{
	uint32_t bits = 0;
	unsigned digits = 0;
	unsigned pads = 0;

	for (size_t i = 0; i < in.len; i++) {
		unsigned c = base64_class(in.ptr[i]);

		if (c == 65)
			continue;
		if (c == 66 || (pads > 0 && c != 64))
			return err_set(err, RC_INVALID, "base64: wrong character at offset %zu", i);
		if (c == 64) {
			pads++;
			continue;
		}
		bits = bits << 6 | c;
		if (++digits % 4 != 0)
			continue;
		buf_append_byte(out, (uint8_t)(bits >> 16));
		buf_append_byte(out, (uint8_t)(bits >> 8));
		buf_append_byte(out, (uint8_t)bits);
	}
	if (pads > 2 || (digits + pads) % 4 != 0)
		return err_set(err, RC_INVALID, "base64: cut short or wrongly padded");
	if (digits % 4 == 2) {
		buf_append_byte(out, (uint8_t)(bits >> 4));
	} else if (digits % 4 == 3) {
		buf_append_byte(out, (uint8_t)(bits >> 10));
		buf_append_byte(out, (uint8_t)(bits >> 2));
	}
	return buf_status(out, "base64", err);
}

/* How many bytes a character has that begins so; 0 where none does. */
static size_t utf8_length(uint8_t first)
{
	if (first < 0x80)
		return 1;
	if (first >> 5 == 6)
		return 2;
	if (first >> 4 == 14)
		return 3;
	return first >> 3 == 30 ? 4 : 0;
}

/* The length of the character at `at` and its code point; 0 where it is not well-formed. */
static size_t utf8_next(struct slice s, size_t at, uint32_t *code_r)
{
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	uint8_t first = s.ptr[at];
	size_t len = utf8_length(first);
	uint32_t code = len == 1 ? first : first & (0x7FU >> len);

	if (len == 0 || len > s.len - at)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if (s.ptr[at + i] >> 6 != 2)
			return 0;
		code = code << 6 | (s.ptr[at + i] & 63U);
	}
	if (code < least[len] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
		return 0;
	*code_r = code;
	return len;
}

static bool is_xml_char(uint32_t code)
{
	if (code < 0x20)
		return code == '\t' || code == '\n' || code == '\r';
	return code != 0xFFFE && code != 0xFFFF;
}

static bool utf8_check(struct slice s, bool (*is_allowed)(uint32_t code))
{
	uint32_t code = 0;

	for (size_t at = 0; at < s.len;) {
		size_t len = utf8_next(s, at, &code);

		if (len == 0 || (is_allowed != NULL && !is_allowed(code)))
			return false;
		at += len;
	}
	return true;
}

bool utf8_is_valid(struct slice s)
{
	return utf8_check(s, NULL);
}

bool utf8_is_xml_text(struct slice s)
{
	return utf8_check(s, is_xml_char);
}

void time_format(int64_t unix_s, char out[static TIME_TEXT_BYTES])
{
	static const int64_t year_9999_end = 253402300799;
	time_t when = (time_t)(unix_s < 0 ? 0 : unix_s > year_9999_end ? year_9999_end : unix_s);
	struct tm tm;

	(void)gmtime_r(&when, &tm);
	(void)strftime(out, TIME_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static bool digits(struct slice in, size_t at, size_t count, int *value_r)
{
	int value = 0;

	if (at + count > in.len)
		return false;
	for (size_t i = at; i < at + count; i++) {
		if (in.ptr[i] < '0' || in.ptr[i] > '9')
			return false;
		value = value * 10 + (in.ptr[i] - '0');
	}
	*value_r = value;
	return true;
}

/* Reads "Z", "+hh:mm" or "-hh:mm", which must end the text. */
static bool parse_offset(struct slice in, size_t at, int64_t *offset_s_r)
{
	int hours;
	int minutes;

	*offset_s_r = 0;
	if (at + 1 == in.len && (in.ptr[at] == 'Z' || in.ptr[at] == 'z'))
		return true;
	if (at + 6 != in.len || (in.ptr[at] != '+' && in.ptr[at] != '-') || in.ptr[at + 3] != ':' ||
		!digits(in, at + 1, 2, &hours) || !digits(in, at + 4, 2, &minutes) || hours > 23 || minutes > 59)
		return false;
	*offset_s_r = (int64_t)(hours * 3600 + minutes * 60) * (in.ptr[at] == '-' ? -1 : 1);
	return true;
}

/* A dot and at least one digit, or nothing. */
static bool skip_fraction(struct slice in, size_t *at)
{
	size_t from = *at;

	if (from >= in.len || in.ptr[from] != '.')
		return true;
	for (from++; from < in.len && in.ptr[from] >= '0' && in.ptr[from] <= '9'; from++)
		;
	if (from == *at + 1)
		return false;
	*at = from;
	return true;
}

static bool parse_clock_text(struct slice in, struct tm *tm)
{
	return in.len >= 20 && in.ptr[4] == '-' && in.ptr[7] == '-' && in.ptr[13] == ':' &&
		in.ptr[16] == ':' && (in.ptr[10] == 'T' || in.ptr[10] == 't' || in.ptr[10] == ' ') &&
		digits(in, 0, 4, &tm->tm_year) && digits(in, 5, 2, &tm->tm_mon) &&
		digits(in, 8, 2, &tm->tm_mday) && digits(in, 11, 2, &tm->tm_hour) &&
		digits(in, 14, 2, &tm->tm_min) && digits(in, 17, 2, &tm->tm_sec);
}

enum rc time_parse(struct slice in, int64_t *unix_s_r, struct err *err)
{
	struct tm tm = {.tm_isdst = 0};
	struct tm given;
	size_t at = 19;
	int64_t offset_s;
	time_t when;

	if (!parse_clock_text(in, &tm))
		return err_set(err, RC_INVALID, "time: want RFC 3339, such as 2026-11-21T03:04:05Z");
	if (!skip_fraction(in, &at) || !parse_offset(in, at, &offset_s))
		return err_set(err, RC_INVALID, "time: want Z or an offset such as +01:00 at the end");
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	given = tm;
	when = timegm(&tm);
	if (tm.tm_mon != given.tm_mon || tm.tm_mday != given.tm_mday || tm.tm_hour != given.tm_hour ||
		tm.tm_min != given.tm_min || tm.tm_sec != given.tm_sec)
		return err_set(err, RC_INVALID, "time: no such day or hour");
	*unix_s_r = (int64_t)when - offset_s;
	return RC_OK;
}

enum rc int64_parse(struct slice in, int64_t min, int64_t max, int64_t *value_r, struct err *err)
{
	bool is_negative = in.len > 0 && in.ptr[0] == '-';
	struct slice text = slice_sub(in, is_negative ? 1 : 0, in.len);
	int64_t value = 0;

	if (text.len == 0 || text.len > 19)
		return err_set(err, RC_INVALID, "not a whole number");
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return err_set(err, RC_INVALID, "not a whole number");
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_sub_overflow(value, text.ptr[i] - '0', &value))
			return err_set(err, RC_INVALID, "number out of range");
	}
	/* Gathered as a negative number, which reaches one further than a positive one. */
	if (!is_negative && __builtin_sub_overflow((int64_t)0, value, &value))
		return err_set(err, RC_INVALID, "number out of range");
	if (value < min || value > max)
		return err_set(err, RC_INVALID, "number out of range: want %lld to %lld", (long long)min,
			(long long)max);
	*value_r = value;
	return RC_OK;
}
