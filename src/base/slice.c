/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/base/slice.h"

#include <limits.h>
#include <string.h>

struct slice slice_of(const void *ptr, size_t len)
{
	return (struct slice){.ptr = ptr, .len = len};
}

struct slice slice_of_str(const char *str)
{
	return slice_of(str, str == NULL ? 0 : strlen(str));
}

int slice_fmt_len(struct slice s)
{
	return s.len > INT_MAX ? INT_MAX : (int)s.len;
}

bool slice_is_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool slice_is_str(struct slice a, const char *str)
{
	return slice_is_equal(a, slice_of_str(str));
}

static uint8_t fold(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte - 'A' + 'a') : byte;
}

bool slice_is_str_nocase(struct slice a, const char *str)
{
	struct slice b = slice_of_str(str);

	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (a.ptr[i] != b.ptr[i] && fold(a.ptr[i]) != fold(b.ptr[i]))
			return false;
	return true;
}

bool slice_has_prefix(struct slice a, const char *prefix)
{
	struct slice p = slice_of_str(prefix);

	return a.len >= p.len && slice_is_equal(slice_sub(a, 0, p.len), p);
}

int slice_compare(struct slice a, struct slice b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

bool slice_find_byte(struct slice a, uint8_t byte, size_t *at_r)
{
	const uint8_t *found = a.len == 0 ? NULL : memchr(a.ptr, byte, a.len);

	if (found == NULL)
		return false;
	*at_r = (size_t)(found - a.ptr);
	return true;
}

struct slice slice_sub(struct slice a, size_t from, size_t len)
{
	if (from >= a.len)
		return slice_of(NULL, 0);
	if (len > a.len - from)
		len = a.len - from;
	return slice_of(a.ptr + from, len);
}

static bool is_space(uint8_t byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

struct slice slice_trim(struct slice a)
{
	while (a.len > 0 && is_space(a.ptr[0])) {
		a.ptr++;
		a.len--;
	}
	while (a.len > 0 && is_space(a.ptr[a.len - 1]))
		a.len--;
	return a;
}

bool slice_is_equal_consttime(struct slice a, struct slice b)
{
	volatile uint8_t difference = 0;

	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		difference = (uint8_t)(difference | (a.ptr[i] ^ b.ptr[i]));
	return difference == 0;
}
