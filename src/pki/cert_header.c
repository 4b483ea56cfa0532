/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/pki/cert_header.h"

#include <string.h>

#include "pomona/base/codec.h"

static const char pem_begin[] = "-----BEGIN";

static enum rc take_base64(struct slice value, struct buf *der, struct err *err)
{
	enum rc rc = base64_parse(value, der, err);

	if (rc == RC_OK && der->len == 0)
		return err_set(err, RC_INVALID, "it is empty");
	return rc;
}

/* A byte sequence of RFC 8941 3.3.5, and nothing behind it. */
static enum rc take_byte_sequence(struct slice value, struct buf *der, struct err *err)
{
	if (value.len < 2 || value.ptr[value.len - 1] != ':')
		return err_set(err, RC_INVALID, "want one byte sequence, :base64:");
	return take_base64(slice_sub(value, 1, value.len - 2), der, err);
}

/* `+` stays: whoever escapes PEM text for a header escapes its plus signs too, or leaves them as they are. */
static bool unescape(struct slice value, struct buf *text)
{
	for (size_t i = 0; i < value.len; i++) {
		uint8_t byte = value.ptr[i];

		if (byte == '%') {
			if (hex_parse(slice_sub(value, i + 1, 2), &byte, 1, NULL) != RC_OK || byte == 0)
				return false;
			i += 2;
		}
		buf_append_byte(text, byte);
	}
	return true;
}

struct only {
	struct buf *der;
	size_t count;
};

static enum rc take_only(void *ctx, struct slice der, struct err *err)
{
	struct only *only = ctx;

	if (only->count++ > 0)
		return err_set(err, RC_INVALID, "more than one certificate");
	buf_append(only->der, der);
	return buf_status(only->der, "certificate", err);
}

static enum rc take_escaped_pem(struct slice value, struct buf *der, struct err *err)
{
	AUTO(buf_fini) struct buf text;
	struct only only = {.der = der};
	enum rc rc;

	buf_init(&text, CERT_HEADER_BYTES_MAX);
	if (!unescape(value, &text))
		return err_set(err, RC_INVALID, "a percent escape is broken");
	rc = buf_status(&text, "PEM", err);
	return rc == RC_OK ? cert_pem_each(buf_slice(&text), take_only, &only, err) : rc;
}

enum rc cert_header_parse(struct slice value, struct buf *der, struct err *err)
{
	struct slice trimmed = slice_trim(value);

	if (value.len > CERT_HEADER_BYTES_MAX)
		return err_set(err, RC_LIMIT, "%zu bytes, want at most %d", value.len, CERT_HEADER_BYTES_MAX);
	if (slice_has_prefix(trimmed, ":"))
		return take_byte_sequence(trimmed, der, err);
	if (slice_has_prefix(trimmed, pem_begin))
		return take_escaped_pem(trimmed, der, err);
	return take_base64(trimmed, der, err);
}
