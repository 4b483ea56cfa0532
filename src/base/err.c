/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Indexed by enum rc. */
static const struct {
	const char *name;
	unsigned http_status;
} rc_table[RC_COUNT] = {
	[RC_OK] = {"ok", 200},
	[RC_INVALID] = {"invalid", 400},
	[RC_NOT_FOUND] = {"not_found", 404},
	[RC_EXISTS] = {"exists", 409},
	[RC_DENIED] = {"denied", 403},
	[RC_LIMIT] = {"limit", 413},
	[RC_BUSY] = {"busy", 503},
	[RC_UNSUPPORTED] = {"unsupported", 400},
	[RC_NO_MEMORY] = {"no_memory", 503},
	[RC_IO] = {"io", 503},
	[RC_CORRUPT] = {"corrupt", 500},
	[RC_INTERNAL] = {"internal", 500},
};

const char *rc_name(enum rc rc)
{
	return (unsigned)rc < RC_COUNT ? rc_table[rc].name : "unknown";
}

unsigned rc_http_status(enum rc rc)
{
	return (unsigned)rc < RC_COUNT ? rc_table[rc].http_status : 500;
}

enum rc err_set(struct err *err, enum rc rc, const char *format, ...)
{
	va_list args;

	if (err == NULL)
		return rc;
	err->rc = rc;
	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return rc;
}

enum rc err_set_errno(struct err *err, int saved_errno, const char *format, ...)
{
	enum rc rc = saved_errno == ENOMEM ? RC_NO_MEMORY : RC_IO;
	char reason[128];
	size_t used;
	va_list args;

	if (err == NULL)
		return rc;
	err->rc = rc;
	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	used = strlen(err->text);
	(void)snprintf(err->text + used, sizeof(err->text) - used, ": %s",
		strerror_r(saved_errno, reason, sizeof(reason)));
	return rc;
}

enum rc err_context(struct err *err, const char *format, ...)
{
	char old[ERR_TEXT_BYTES];
	size_t used;
	va_list args;

	memcpy(old, err->text, sizeof(old));
	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	used = strlen(err->text);
	(void)snprintf(err->text + used, sizeof(err->text) - used, ": %s", old);
	return err->rc;
}
