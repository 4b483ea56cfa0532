/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/base/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pomona/base/buf.h"
#include "pomona/base/codec.h"

enum { LOG_LINE_BYTES = 4096, LOG_VALUE_BYTES = 512 };

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
	buf_printf(line, " %s=", field->key);
	if (field->kind == LOG_KIND_INT)
		buf_printf(line, "%lld", (long long)field->integer);
	else if (field->kind == LOG_KIND_STR)
		append_value(line, slice_of_str(field->str));
	else
		append_value(line, field->slice);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
	struct buf line;
	ssize_t written;

	if ((int)level > threshold && level != LOG_LEVEL_AUDIT)
		return;
	buf_init(&line, LOG_LINE_BYTES);
	if (getenv("JOURNAL_STREAM") != NULL)
		buf_append_str(&line, levels[level].journal_prefix);
	buf_printf(&line, "level=%s event=%s", levels[level].name, event);
	for (const struct log_field *field = fields; field->key != NULL; field++)
		append_field(&line, field);
	line.rc = RC_OK; /* a line over the bound is cut, not lost */
	line.bound++;
	buf_append_byte(&line, '\n');
	written = line.ptr == NULL ? 0 : write(output_fd, line.ptr, line.len);
	(void)written; /* a log that cannot be written has no one to tell */
	buf_fini(&line);
}
