/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/pki/token.h"

#include <stdio.h>
#include <string.h>

#include "pomona/base/rand.h"

void token_make(char text[static TOKEN_TEXT_BYTES])
{
	uint8_t random[TOKEN_RANDOM_BYTES];
	size_t used = sizeof(TOKEN_PREFIX) - 1;

	rand_bytes(random, sizeof(random));
	memcpy(text, TOKEN_PREFIX, used);
	for (size_t i = 0; i < sizeof(random); i++, used += 2)
		(void)snprintf(text + used, TOKEN_TEXT_BYTES - used, "%02x", random[i]);
	explicit_bzero(random, sizeof(random));
}

void token_hash(struct slice text, uint8_t digest[static SHA256_BYTES])
{
	sha256(text, digest);
}
