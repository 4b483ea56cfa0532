/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/base/rand.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/types.h>

void rand_bytes(void *out, size_t len)
{
	uint8_t *to = out;

	while (len > 0) {
		ssize_t got = getrandom(to, len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			(void)fputs("getrandom failed: no key can be made safely, stopping\n", stderr);
			abort();
		}
		to += got;
		len -= (size_t)got;
	}
}

void uuid_make(char out[static UUID_TEXT_BYTES])
{
	uint8_t b[16];

	rand_bytes(b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0F) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3F) | 0x80);
	(void)snprintf(out, UUID_TEXT_BYTES,
		"%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X", b[0], b[1], b[2], b[3],
		b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}
