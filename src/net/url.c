/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/net/net.h"

/* RFC 3986 2.3: what never needs encoding, told without the locale. */
static bool is_unreserved(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
		c == '.' || c == '_' || c == '~';
}

void net_url_append(struct buf *url, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (is_unreserved(text.ptr[i]))
			buf_append_byte(url, text.ptr[i]);
		else
			buf_printf(url, "%%%02X", text.ptr[i]);
	}
}
