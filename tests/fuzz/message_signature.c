/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/pki/message_signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DER_SEQUENCE = 0x30, TEXT_BYTES_MAX = 65536 };

static const char body[] = "<plist/>\r\n";
static const char other[] = "<plist/>\n";

/* A signature has a certificate, and is of one body alone. */
static void check(const struct message_signature *signature)
{
	struct slice chain[CERT_CHAIN_MAX];
	size_t count = message_signature_chain(signature, chain);
	struct err err = {0};
	bool is_of_body, is_of_other;

	if (count == 0 || count > CERT_CHAIN_MAX || chain[0].len == 0)
		abort();
	(void)message_signature_time(signature);
	is_of_body = message_signature_verify(signature, slice_of_str(body), &err) == RC_OK;
	if (!is_of_body && err.text[0] == '\0')
		abort();
	is_of_other = message_signature_verify(signature, slice_of_str(other), &err) == RC_OK;
	if (is_of_body && is_of_other)
		abort();
}

/* A header Mdm-Signature is read, or its fault has a text. What looks like DER is put into base64 first. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(message_signature_free) struct message_signature *signature = NULL;
	AUTO(buf_fini) struct buf text;
	struct err err = {0};

	buf_init(&text, TEXT_BYTES_MAX);
	if (size > 0 && data[0] == DER_SEQUENCE)
		base64_encode(slice_of(data, size), &text);
	else
		buf_append(&text, slice_of(data, size));
	if (text.rc != RC_OK)
		return 0;
	if (message_signature_parse(buf_slice(&text), &signature, &err) == RC_OK)
		check(signature);
	else if (err.text[0] == '\0')
		abort();
	return 0;
}
