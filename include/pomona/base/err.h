/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_BASE_ERR_H
#define POMONA_BASE_ERR_H

/*
 * How a function fails: a code that callers act upon, and a text for people, filled once where the
 * fault is known. Callers add context in front of the text and never replace it.
 * Threading: any thread; a struct err belongs to one call chain.
 */

#include <stdarg.h>

#include "pomona/base/compiler.h"

enum rc {
	RC_OK = 0,
	RC_INVALID,     /* the peer's bytes or a person's words break a rule; the text names which */
	RC_NOT_FOUND,   /* absent, and that is an answer */
	RC_EXISTS,      /* it is there already, with other content */
	RC_DENIED,      /* known who, but may not */
	RC_LIMIT,       /* larger than a named limit */
	RC_BUSY,        /* full queue or lock held: the same call may succeed later */
	RC_UNSUPPORTED, /* understood, but not offered */
	RC_NO_MEMORY,
	RC_IO,       /* a file, a socket or the disk failed */
	RC_CORRUPT,  /* our own stored data does not read back */
	RC_INTERNAL, /* our own fault */
	RC_COUNT
};

enum { ERR_TEXT_BYTES = 512 };

struct err {
	enum rc rc;
	char text[ERR_TEXT_BYTES]; /* one line, UTF-8, no secret */
};

/* Fills `err` (which may be NULL) and returns `rc`, so that a fault is one statement. Cuts long
 * texts. */
enum rc err_set(struct err *err, enum rc rc, const char *format, ...) PRINTF_LIKE(3, 4);
/* err_set() with ": <strerror(saved_errno)>" behind. */
enum rc err_set_errno(struct err *err, int saved_errno, const char *format, ...) PRINTF_LIKE(3, 4);
/* Puts "<context>: " in front of the text and returns the code that `err`, which must be there, holds. */
enum rc err_context(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);
/* "invalid", "not found", ...: a stable word for logs and metrics. */
const char *rc_name(enum rc rc);
/* The one table from rc to an HTTP status: 200, 400, 404, 409, 403, 413, 503, ... */
unsigned rc_http_status(enum rc rc);

#endif
