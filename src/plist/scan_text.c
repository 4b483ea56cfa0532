/* SPDX-License-Identifier: Apache-2.0 */
#include "scan.h"

#include <stdlib.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "text.h"

enum {
	REFERENCE_BYTES_MAX = 8, /* between & and ; */
	UNICODE_MAX = 0x10FFFF,
};

/* All that XML 1.0 can carry (section 2.2) in one byte. */
static const bool plain[256] =
	{['\t'] = true, ['\n'] = true, ['\r'] = true, [0x20 ... 0x7F] = true};

/* Eight bytes of 0x20 to 0x7F: no top bit, neither before nor after 0x20 is taken off each. */
static bool is_plain_word(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return ((word | (word - UINT64_C(0x2020202020202020))) & UINT64_C(0x8080808080808080)) == 0;
}

enum rc plist_scan_chars(struct slice text, size_t *at_r, struct err *err)
{
	size_t at = 0;

	while (at < text.len) {
		uint8_t byte = text.ptr[at];
		size_t len = byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;

		if (text.len - at >= sizeof(uint64_t) && is_plain_word(text.ptr + at)) {
			at += sizeof(uint64_t);
			continue;
		}
		if (plain[byte]) {
			at++;
			continue;
		}
		if (!utf8_is_xml_text(slice_sub(text, at, len))) {
			*at_r = at;
			return err_set(err, RC_INVALID, "byte 0x%02x at offset %zu is not UTF-8 text that XML allows",
				byte, at);
		}
		at += len;
	}
	return RC_OK;
}

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static size_t count_digits(struct slice text, size_t at)
{
	size_t count = 0;

	while (at + count < text.len && is_digit(text.ptr[at + count]))
		count++;
	return count;
}

static struct slice without_sign(struct slice text)
{
	bool has_sign = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');

	return has_sign ? slice_of(text.ptr + 1, text.len - 1) : text;
}

enum rc plist_scan_integer(struct slice text, struct plist_emit *emit, struct err *err)
{
	struct slice digits = without_sign(text);
	bool is_negative = text.len > 0 && text.ptr[0] == '-';
	uint64_t limit = is_negative ? (uint64_t)INT64_MAX + 1 : UINT64_MAX;
	uint64_t value = 0;

	if (digits.len == 0 || count_digits(digits, 0) != digits.len)
		return err_set(err, RC_INVALID, "want a whole number in decimal digits");
	for (size_t i = 0; i < digits.len; i++)
		if (__builtin_mul_overflow(value, 10, &value) ||
			__builtin_add_overflow(value, digits.ptr[i] - '0', &value))
			return err_set(err, RC_INVALID, "number out of range");
	if (value > limit)
		return err_set(err, RC_INVALID, "number out of range");
	if (is_negative)
		value = -value;
	plist_emit_integer(emit, value, !is_negative && value > INT64_MAX);
	return RC_OK;
}

/* Digits with a fraction and an exponent, either left out. */
static bool is_decimal(struct slice text)
{
	size_t whole = count_digits(text, 0);
	size_t at = whole;
	size_t fraction = 0;

	if (at < text.len && text.ptr[at] == '.') {
		fraction = count_digits(text, at + 1);
		at += 1 + fraction;
	}
	if (whole + fraction == 0)
		return false;
	if (at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
		struct slice exponent = without_sign(slice_sub(text, at + 1, text.len));

		return exponent.len > 0 && count_digits(exponent, 0) == exponent.len;
	}
	return at == text.len;
}

static bool is_number_word(struct slice text)
{
	static const char *const words[] = {"nan", "infinity", "inf"};

	for (size_t i = 0; i < COUNT_OF(words); i++)
		if (slice_is_str_nocase(text, words[i]))
			return true;
	return false;
}

enum rc plist_scan_real(struct slice text, struct plist_emit *emit, struct err *err)
{
	struct slice number = without_sign(text);
	char copy[PLIST_REAL_BYTES_MAX + 1] = "";

	if (text.len > PLIST_REAL_BYTES_MAX)
		return err_set(err, RC_INVALID, "longer than %d characters", PLIST_REAL_BYTES_MAX);
	if (!is_number_word(number) && !is_decimal(number))
		return err_set(err, RC_INVALID, "want a decimal number");
	memcpy(copy, text.ptr, text.len);
	plist_emit_real(emit, strtod(copy, NULL));
	return RC_OK;
}

enum rc plist_scan_date(struct slice text, struct plist_emit *emit, struct err *err)
{
	static const int64_t year_1 = -62135596800;
	int64_t unix_s = 0;

	if (text.len != sizeof("2026-11-21T03:04:05Z") - 1 || text.ptr[10] != 'T' || text.ptr[19] != 'Z' ||
		time_parse(text, &unix_s, NULL) != RC_OK || unix_s < year_1)
		return err_set(err, RC_INVALID, "want a date such as 2026-11-21T03:04:05Z");
	plist_emit_date(emit, unix_s);
	return RC_OK;
}

enum { BASE64_PAD = 64, BASE64_SPACE, BASE64_WRONG };

/* The digit's value, or one of the above. */
static unsigned base64_class(uint8_t byte)
{
	if (byte >= 'A' && byte <= 'Z')
		return byte - 'A';
	if (byte >= 'a' && byte <= 'z')
		return (unsigned)(byte - 'a') + 26;
	if (is_digit(byte))
		return (unsigned)(byte - '0') + 52;
	if (byte == '+' || byte == '/')
		return byte == '+' ? 62 : 63;
	if (byte == '=')
		return BASE64_PAD;
	return byte == ' ' || byte == '\n' || byte == '\t' || byte == '\r' ? BASE64_SPACE : BASE64_WRONG;
}

static void decode_base64(struct slice text, uint8_t *to)
{
	uint32_t bits = 0;
	unsigned count = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned value = base64_class(text.ptr[i]);

		if (value >= BASE64_PAD)
			continue;
		bits = bits << 6 | value;
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		*to++ = (uint8_t)(bits >> count);
	}
}

enum rc plist_scan_data(struct slice text, struct plist_emit *emit, struct err *err)
{
	size_t digits = 0;
	size_t pads = 0;
	uint8_t *to;

	for (size_t i = 0; i < text.len; i++) {
		unsigned value = base64_class(text.ptr[i]);

		digits += value < BASE64_PAD;
		pads += value == BASE64_PAD;
		if (value == BASE64_WRONG || (value < BASE64_PAD && pads > 0))
			return err_set(err, RC_INVALID, "not base64");
	}
	if (pads > 2 || (digits + pads) % 4 != 0)
		return err_set(err, RC_INVALID, "base64 cut short or wrongly padded");
	to = plist_emit_data(emit, digits * 6 / 8);
	if (to != NULL)
		decode_base64(text, to);
	return RC_OK;
}

static bool named_reference(struct slice name, uint32_t *code_r)
{
	static const struct {
		const char *name;
		uint32_t code;
	} known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};

	for (size_t i = 0; i < COUNT_OF(known); i++) {
		if (slice_is_str(name, known[i].name)) {
			*code_r = known[i].code;
			return true;
		}
	}
	return false;
}

/* "#65" or "#x41"; REFERENCE_BYTES_MAX keeps the sum small. */
static bool numeric_reference(struct slice name, uint32_t *code_r)
{
	bool is_hex = name.len > 1 && name.ptr[1] == 'x';
	uint32_t code = 0;

	if (name.len < (is_hex ? 3U : 2U) || name.ptr[0] != '#')
		return false;
	for (size_t i = is_hex ? 2 : 1; i < name.len; i++) {
		uint8_t c = name.ptr[i];

		if (is_digit(c))
			code = code * (is_hex ? 16 : 10) + (uint32_t)(c - '0');
		else if (is_hex && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
			code = code * 16 + (uint32_t)(c | 0x20) - 'a' + 10;
		else
			return false;
	}
	*code_r = code;
	return true;
}

/* Resolves the reference that begins at `at` and steps over it. */
static enum rc reference(struct slice text, size_t *at, struct buf *out, struct err *err)
{
	struct slice name = slice_sub(text, *at + 1, REFERENCE_BYTES_MAX + 1);
	uint8_t bytes[PLIST_UTF8_BYTES_MAX];
	struct slice encoded;
	uint32_t code = 0;

	if (!slice_find_byte(name, ';', &name.len))
		return err_set(err, RC_INVALID, "& without a reference such as &amp;");
	if (!named_reference(name, &code) && !numeric_reference(name, &code))
		return err_set(err, RC_INVALID, "unknown reference; known are amp lt gt quot apos and numbers");
	encoded = slice_of(bytes, plist_utf8_encode(code, bytes));
	if (code > UNICODE_MAX || !utf8_is_xml_text(encoded))
		return err_set(err, RC_INVALID, "reference to a character that XML does not allow");
	buf_append(out, encoded);
	*at += name.len + 2;
	return RC_OK;
}

enum rc plist_scan_unescape(struct slice text, struct buf *out, struct err *err)
{
	size_t at = 0;

	while (at < text.len) {
		struct slice rest = slice_sub(text, at, text.len);
		size_t plain_len = rest.len;
		enum rc rc;

		(void)slice_find_byte(rest, '&', &plain_len);
		buf_append(out, slice_sub(rest, 0, plain_len));
		at += plain_len;
		if (at == text.len)
			break;
		rc = reference(text, &at, out, err);
		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}
