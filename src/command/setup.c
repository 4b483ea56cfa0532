/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/command/setup.h"

#include <stdio.h>

#include "pomona/command/command.h"

enum { ARENA_BYTES = 65536, TEXT_BYTES = 256 };

const char *setup_command_of(enum enrollment_kind kind)
{
	static const char *const names[] = {
		[ENROLLMENT_DEVICE] = "DeviceConfigured",
		[ENROLLMENT_SHARED_USER] = "UserConfigured",
	};

	return (size_t)kind < COUNT_OF(names) ? names[kind] : NULL;
}

bool setup_is_awaited(const struct enrollment *channel)
{
	return channel->is_awaiting_configuration && setup_command_of(channel->kind) != NULL;
}

static enum rc make_row(const char *request_type, struct arena *arena, struct command_row *row_r,
	struct err *err)
{
	char text[TEXT_BYTES];
	enum rc rc;

	(void)snprintf(text, sizeof(text),
		"<plist version=\"1.0\"><dict><key>RequestType</key><string>%s</string></dict></plist>",
		request_type);
	rc = command_from_plist(slice_of_str(text), arena, row_r, err);
	row_r->priority = COMMAND_PRIORITY_LAST;
	return rc;
}

enum rc setup_queue(struct txn *txn, int64_t enrollment_id, enum enrollment_kind kind,
	struct err *err)
{
	AUTO(arena_free) struct arena *arena = NULL;
	const char *request_type = setup_command_of(kind);
	struct command_row row;
	struct queue_item item;
	int64_t queued_at, command_id;
	enum rc rc = queue_last(txn, enrollment_id, &item, &queued_at, err);

	if (rc != RC_NOT_FOUND || request_type == NULL)
		return rc == RC_NOT_FOUND ? RC_OK : rc;
	arena = arena_new(ARENA_BYTES);
	if (arena == NULL)
		return err_set(err, RC_NO_MEMORY, "%s", request_type);
	rc = make_row(request_type, arena, &row, err);
	return rc == RC_OK ? command_send_one(txn, &row, enrollment_id, 0, &command_id, err) : rc;
}
