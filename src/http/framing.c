/* SPDX-License-Identifier: Apache-2.0 */
#include "private.h"

#include <string.h>
#include <strings.h>

/*
 * libmicrohttpd takes the first of several Content-Length, lets Transfer-Encoding win over it, and reads any
 * transfer coding but "chunked" to the end of the connection. A proxy before us may choose otherwise, and then
 * the two disagree where a request ends (request smuggling).
 */
struct scan {
	size_t lengths;
	size_t encodings;
	const char *length;
	const char *encoding;
	bool expects_continue;
};

static bool is_named(const char *key, size_t len, const char *name)
{
	return len == strlen(name) && strncasecmp(key, name, len) == 0;
}

static enum MHD_Result look_at(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_len,
	const char *value, size_t value_len)
{
	struct scan *scan = cls;

	(void)kind;
	(void)value_len;
	if (is_named(key, key_len, MHD_HTTP_HEADER_CONTENT_LENGTH)) {
		scan->lengths++;
		scan->length = value;
	} else if (is_named(key, key_len, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
		scan->encodings++;
		scan->encoding = value;
	} else if (is_named(key, key_len, MHD_HTTP_HEADER_EXPECT)) {
		scan->expects_continue = value != NULL && strcasecmp(value, "100-continue") == 0;
	}
	return MHD_YES;
}

static bool parse_length(const char *text, uint64_t *length_r)
{
	uint64_t length = 0;

	if (text == NULL || *text == 0)
		return false;
	for (; *text != 0; text++) {
		if (*text < '0' || *text > '9' || length > UINT64_MAX / 10 - 1)
			return false;
		length = length * 10 + (uint64_t)(*text - '0');
	}
	*length_r = length;
	return true;
}

bool framing_read(struct MHD_Connection *mhd, struct framing *framing_r)
{
	struct scan scan = {0};

	*framing_r = (struct framing){0};
	(void)MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, look_at, &scan);
	framing_r->expects_continue = scan.expects_continue;
	framing_r->is_chunked = scan.encodings > 0;
	if (scan.encodings > 1 || scan.lengths > 1 || (scan.encodings > 0 && scan.lengths > 0))
		return false;
	if (scan.encodings > 0)
		return scan.encoding != NULL && strcasecmp(scan.encoding, "chunked") == 0;
	return scan.lengths == 0 || parse_length(scan.length, &framing_r->length);
}
