/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_BASE_LOG_H
#define POMONA_BASE_LOG_H

/*
 * One line an event to standard error: `level=info event=enrolled device=... key=value`. Values
 * that have spaces, quotes or control bytes are quoted and escaped, so that no device can forge a
 * line. Under journald ($JOURNAL_STREAM) a line begins with its priority, `<6>`. Never pass a
 * secret.
 * Threading: any thread; a line is one write(2), but for gathered ones.
 */

#include <stdint.h>

#include "pomona/base/slice.h"

enum { LOG_VALUE_BYTES = 512 }; /* a longer value is cut */

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_AUDIT, /* who changed what: always written */
};

enum log_kind { LOG_KIND_STR, LOG_KIND_SLICE, LOG_KIND_INT };

struct log_field {
	const char *key;
	enum log_kind kind;
	const char *str; /* NULL leaves the field out */
	struct slice slice;
	int64_t integer;
};

#define LOG_STR(name, value) \
	((struct log_field){.key = (name), .kind = LOG_KIND_STR, .str = (value)})
#define LOG_SLICE(name, value) \
	((struct log_field){.key = (name), .kind = LOG_KIND_SLICE, .slice = (value)})
#define LOG_INT(name, value) \
	((struct log_field){.key = (name), .kind = LOG_KIND_INT, .integer = (int64_t)(value)})

/* log_info("enrolled", LOG_STR("device", id), LOG_INT("ms", 3)): `event` is a fixed word of
 * ours. */
#define log_error(...) LOG_AT(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) LOG_AT(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) LOG_AT(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) LOG_AT(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_audit(...) LOG_AT(LOG_LEVEL_AUDIT, __VA_ARGS__)

#define LOG_AT(level, ...) LOG_AT_(level, __VA_ARGS__, {.key = NULL})
#define LOG_AT_(level, event, ...) log_write(level, event, (const struct log_field[]){__VA_ARGS__})

/* `fields` ends with a NULL key. */
void log_write(enum log_level level, const char *event, const struct log_field *fields);
/*
 * Who is about to write many lines at once: from here to the end the lines of this thread are written together, as
 * many as a pipe takes in one piece. An error, a warning or a line of the audit takes those before it along at once.
 */
void log_gather(void);
void log_gather_end(void);
/* Lines above `level` are dropped, but for the audit; the default is LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);
/* Where lines go: a file descriptor, default 2. For tests. */
void log_set_fd(int fd);

#endif
