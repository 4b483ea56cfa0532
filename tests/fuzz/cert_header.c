/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/pki/cert_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_BYTES_MAX = 2 * CERT_HEADER_BYTES_MAX };

/* What was read is read again from the strictest form, and is one certificate or garbage of a bounded size. */
static void check(struct slice der)
{
	AUTO(buf_fini) struct buf again;
	AUTO(buf_fini) struct buf text;
	struct err err;

	buf_init(&again, CERT_DER_BYTES_MAX);
	buf_init(&text, TEXT_BYTES_MAX);
	if (der.len == 0 || der.len > CERT_DER_BYTES_MAX)
		abort();
	buf_append_str(&text, ":");
	base64_encode(der, &text);
	buf_append_str(&text, ":");
	if (cert_header_parse(buf_slice(&text), &again, &err) != RC_OK ||
		!slice_is_equal(buf_slice(&again), der))
		abort();
}

/* A certificate in a proxy's header is read, or its fault has a text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf_fini) struct buf der;
	struct cert_facts facts;
	struct err err = {0};

	buf_init(&der, CERT_DER_BYTES_MAX);
	if (cert_header_parse(slice_of(data, size), &der, &err) != RC_OK) {
		if (err.text[0] == '\0')
			abort();
		return 0;
	}
	check(buf_slice(&der));
	(void)cert_read_facts(buf_slice(&der), &facts, &err);
	return 0;
}
