/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/base/log.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pomona/base/buf.h"
#include "pomona/base/codec.h"

enum { LOG_LINE_BYTES = 4096 };

/* Indexed by enum log_level; the digits are syslog's priorities as sd-daemon(3) reads them. */
static const struct {
	const char *name;
	const char *journal_prefix;
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", "<3>"},
	[LOG_LEVEL_WARNING] = {"warning", "<4>"},
	[LOG_LEVEL_INFO] = {"info", "<6>"},
	[LOG_LEVEL_DEBUG] = {"debug", "<7>"},
	[LOG_LEVEL_AUDIT] = {"audit", "<5>"}, /* as a notice */
};

static _Atomic int threshold = LOG_LEVEL_INFO;
static _Atomic int output_fd = STDERR_FILENO;

/* No larger than what a pipe takes in one piece, so that lines of two threads do not mix. */
static _Thread_local struct {
	bool is_on;
	size_t len;
	char bytes[PIPE_BUF];
} gathered;

void log_set_level(enum log_level level)
{
	threshold = (int)level;
}

void log_set_fd(int fd)
{
	output_fd = fd;
}

static bool is_plain(struct slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.ptr[i];

		if (c <= ' ' || c >= 0x7F || c == '"' || c == '\\' || c == '=')
			return false;
	}
	return value.len > 0;
}

/* Well-formed, and without the control characters U+0080 to U+009F that some terminals obey. */
static bool is_harmless_text(struct slice value)
{
	for (size_t i = 0; i + 1 < value.len; i++)
		if (value.ptr[i] == 0xC2 && value.ptr[i + 1] < 0xA0)
			return false;
	return utf8_is_valid(value);
}

static void append_quoted(struct buf *line, struct slice value)
{
	bool is_text = is_harmless_text(value);

	buf_append_byte(line, '"');
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.ptr[i];

		if (c == '"' || c == '\\')
			buf_printf(line, "\\%c", c);
		else if (c < ' ' || c == 0x7F || (c > 0x7F && !is_text))
			buf_printf(line, "\\x%02x", c);
		else
			buf_append_byte(line, c);
	}
	buf_append_byte(line, '"');
}

static void append_value(struct buf *line, struct slice value)
{
	value = slice_sub(value, 0, LOG_VALUE_BYTES);
	if (is_plain(value))
		buf_append(line, value);
	else
		append_quoted(line, value);
}

static void append_field(struct buf *line, const struct log_field *field)
{
	if (field->kind == LOG_KIND_STR && field->str == NULL)
		return;
	buf_append_byte(line, ' ');
	buf_append_str(line, field->key);
	buf_append_byte(line, '=');
	if (field->kind == LOG_KIND_INT)
		buf_printf(line, "%lld", (long long)field->integer);
	else if (field->kind == LOG_KIND_STR)
		append_value(line, slice_of_str(field->str));
	else
		append_value(line, field->slice);
}

static void put(struct slice bytes)
{
	ssize_t written = bytes.len == 0 ? 0 : write(output_fd, bytes.ptr, bytes.len);

	(void)written; /* a log that cannot be written has no one to tell */
}

static void put_gathered(void)
{
	put(slice_of(gathered.bytes, gathered.len));
	gathered.len = 0;
}

/* What somebody may have to see before the process ends waits for nothing. */
static void put_or_gather(enum log_level level, struct slice line)
{
	if (gathered.len + line.len > sizeof(gathered.bytes))
		put_gathered();
	if (!gathered.is_on || line.len > sizeof(gathered.bytes)) {
		put(line);
		return;
	}
	memcpy(gathered.bytes + gathered.len, line.ptr, line.len);
	gathered.len += line.len;
	if (level != LOG_LEVEL_INFO && level != LOG_LEVEL_DEBUG)
		put_gathered();
}

void log_gather(void)
{
	gathered.is_on = true;
}

void log_gather_end(void)
{
	put_gathered();
	gathered.is_on = false;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
	struct buf line;

	if ((int)level > threshold && level != LOG_LEVEL_AUDIT)
		return;
	buf_init(&line, LOG_LINE_BYTES);
	if (getenv("JOURNAL_STREAM") != NULL)
		buf_append_str(&line, levels[level].journal_prefix);
	buf_append_str(&line, "level=");
	buf_append_str(&line, levels[level].name);
	buf_append_str(&line, " event=");
	buf_append_str(&line, event);
	for (const struct log_field *field = fields; field->key != NULL; field++)
		append_field(&line, field);
	line.rc = RC_OK; /* a line over the bound is cut, not lost */
	line.bound++;
	buf_append_byte(&line, '\n');
	if (line.len > 0)
		put_or_gather(level, buf_slice(&line));
	buf_fini(&line);
}
