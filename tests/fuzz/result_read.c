/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "pomona/command/result.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 16 << 20 };

/* What the decision relies upon without looking again. */
static void check_result(const struct result *result, struct arena *arena)
{
	struct result_error *errors;
	size_t count;
	struct err err;

	if ((result->status == RESULT_IDLE) != (result->command_uuid.len == 0))
		abort();
	if (result->command_uuid.len > RESULT_UUID_BYTES_MAX ||
		result->request_type.len > COMMAND_TYPE_BYTES_MAX)
		abort();
	if (!slice_is_str(result->status_word, result_status_name(result->status)))
		abort();
	if (result->claim.ext_id.len == 0 || result->claim.ext_id.len > ENROLLMENT_ID_BYTES_MAX)
		abort();
	if (result_errors(result->raw, arena, &errors, &count, &err) == RC_OK && count > RESULT_ERRORS_MAX)
		abort();
}

/* A result is read, or its fault has a text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct result result;
	struct err err = {0};

	if (arena == NULL)
		return 0;
	if (result_read(slice_of(data, size), arena, &result, &err) == RC_OK)
		check_result(&result, arena);
	else if (err.text[0] == '\0')
		abort();
	return 0;
}
