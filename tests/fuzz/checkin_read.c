/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/checkin/checkin.h"
#include "pomona/store/escrow.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 16 << 20 };

/* What the decisions rely upon without looking again. */
static void check_message(const struct checkin_message *message)
{
	const struct claim *claim = &message->claim;
	bool has_topic = message->type == CHECKIN_AUTHENTICATE ? message->device.topic.len != 0
																																																								: message->token.topic.len != 0;

	if ((unsigned)message->type >= CHECKIN_DECLARATIVE_MANAGEMENT)
		abort();
	if (claim->device_id.len == 0 || claim->device_id.len > ENROLLMENT_DEVICE_ID_BYTES_MAX ||
		claim->ext_id.len > ENROLLMENT_ID_BYTES_MAX)
		abort();
	if (enrollment_kind_is_user(claim->kind) == slice_is_equal(claim->device_id, claim->ext_id))
		abort();
	if (message->type <= CHECKIN_TOKEN_UPDATE && !has_topic)
		abort();
	if (message->type == CHECKIN_TOKEN_UPDATE &&
		(message->token.token.len == 0 || message->token.token.len > PUSH_TOKEN_BYTES_MAX ||
			message->token.push_magic.len == 0))
		abort();
	if (message->unlock_token.len > ESCROW_BYTES_MAX ||
		message->bootstrap_token.len > ESCROW_BYTES_MAX)
		abort();
}

/* A message is read, or its fault has a text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct checkin_message message;
	struct err err = {0};

	if (arena == NULL)
		return 0;
	if (checkin_read(slice_of(data, size), arena, &message, &err) == RC_OK)
		check_message(&message);
	else if (err.text[0] == '\0' || strchr(err.text, '\n') != NULL)
		abort();
	return 0;
}
