/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "pomona/identity/digest_login.h"

enum { ARENA_BYTES = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read has all that is needed to compute with it, and nobody's password makes it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const methods[] = {"PUT", "POST"};
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct digest_answer answer;
	struct digest_ha1 ha1;
	struct err err;
	bool is_right = true;

	if (digest_answer_read(slice_of(data, size), arena, &answer, &err) != RC_OK)
		return 0;
	if (answer.username.len == 0 || answer.nonce.len == 0 || answer.uri.len == 0 ||
		answer.response.len != digest_hex_len(answer.algorithm) ||
		(answer.qop.len > 0) != (answer.cnonce.len > 0))
		abort();
	if (digest_ha1_make(answer.username, answer.realm, SLICE_LITERAL("secret"), &ha1, &err) != RC_OK ||
		digest_answer_check(&answer, &ha1, methods, COUNT_OF(methods), &is_right, &err) != RC_OK ||
		is_right)
		abort();
	return 0;
}
