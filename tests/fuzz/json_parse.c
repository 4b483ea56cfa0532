/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "pomona/base/codec.h"
#include "pomona/json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_BYTES_MAX = 64 << 20 };

/* What is written, in either form, reads back, and is written the same. */
static void check_again(struct slice text, bool is_pretty)
{
	AUTO(json_free) struct json_value *value = NULL;
	AUTO(buf_fini) struct buf out = {.bound = OUT_BYTES_MAX};

	if (json_parse(text, &value, NULL) != RC_OK || json_write(value, is_pretty, &out, NULL) != RC_OK ||
		!slice_is_equal(text, buf_slice(&out)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(json_free) struct json_value *value = NULL;
	struct err err;

	if (json_parse(slice_of(data, size), &value, &err) != RC_OK) {
		if (value != NULL || !utf8_is_xml_text(slice_of_str(err.text)))
			abort();
		return 0;
	}
	for (int is_pretty = 0; is_pretty < 2; is_pretty++) {
		AUTO(buf_fini) struct buf out = {.bound = OUT_BYTES_MAX};

		if (json_write(value, is_pretty != 0, &out, &err) != RC_OK)
			abort();
		check_again(buf_slice(&out), is_pretty != 0);
	}
	return 0;
}
