/* SPDX-License-Identifier: Apache-2.0 */
#include "enroll/form.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/codec.h"

enum { OUT_BYTES = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read is text that ends within its bound and holds no control characters; what is not read is empty. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"name", "password"};
	char out[OUT_BYTES];

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		enum rc rc;

		memset(out, 'x', sizeof(out));
		rc = form_field(slice_of(data, size), names[i], out, sizeof(out), NULL);
		if (memchr(out, '\0', sizeof(out)) == NULL || (rc != RC_OK && out[0] != '\0'))
			abort();
		for (const char *at = out; *at != '\0'; at++)
			if ((unsigned char)*at < ' ' || *at == 0x7f)
				abort();
		if (!utf8_is_valid(slice_of_str(out)))
			abort();
	}
	return 0;
}
