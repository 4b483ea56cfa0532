/* SPDX-License-Identifier: Apache-2.0 */
#include "private.h"

#include <string.h>

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Writes the decoded text and a zero to *out_io and moves it behind them. */
static bool decode(struct slice in, char **out_io)
{
	const char *text = (const char *)in.ptr;
	char *out = *out_io;

	for (size_t i = 0; i < in.len; i++) {
		int high;
		int low;

		if (text[i] != '%') {
			*out++ = text[i];
			continue;
		}
		high = in.len - i > 2 ? hex_value(text[i + 1]) : -1;
		low = in.len - i > 2 ? hex_value(text[i + 2]) : -1;
		if (high < 0 || low < 0 || high + low == 0)
			return false;
		*out++ = (char)(high * 16 + low);
		i += 2;
	}
	*out++ = 0;
	*out_io = out;
	return true;
}

bool target_decode(struct slice in, char *out)
{
	return decode(in, &out);
}

bool target_query_parse(const char *query, char *out, size_t *len_r)
{
	char *to = out;
	bool is_whole = true;

	while (*query != 0) {
		size_t pair_len = strcspn(query, "&");
		size_t name_len = strcspn(query, "=&");
		size_t value_at = name_len < pair_len ? name_len + 1 : pair_len;
		char *pair = to;

		if (!decode(slice_of(query, name_len), &to) ||
			!decode(slice_of(query + value_at, pair_len - value_at), &to)) {
			is_whole = false;
			to = pair;
		}
		query += pair_len;
		query += *query == '&';
	}
	*len_r = (size_t)(to - out);
	return is_whole;
}

const char *target_path(const char *target)
{
	const char *authority;
	const char *path;

	if (target[0] == '/')
		return target;
	authority = strstr(target, "://"); /* absolute form, RFC 9112 3.2.2 */
	if (authority == NULL)
		return NULL;
	path = strchr(authority + 3, '/');
	return path == NULL ? "/" : path;
}
