/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "pomona/base/file.h"

PRINTF_LIKE(2, 0)
static void say(const struct ctl *ctl, const char *format, va_list args)
{
	char text[2048];
	struct buf clean;

	(void)vsnprintf(text, sizeof(text), format, args);
	buf_init(&clean, 4 * sizeof(text));
	text_clean(slice_of_str(text), TEXT_FOR_PEOPLE, &clean);
	fprintf(ctl->err, "pomonactl: %s\n", buf_cstr(&clean) != NULL ? buf_cstr(&clean) : "");
	buf_fini(&clean);
}

int ctl_usage(const struct ctl *ctl, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(ctl, format, args);
	va_end(args);
	fprintf(ctl->err, "`pomonactl help` tells what can be said\n");
	return EX_USAGE;
}

int ctl_fail(const struct ctl *ctl, int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(ctl, format, args);
	va_end(args);
	return status;
}

bool ctl_confirm(const struct ctl *ctl, const char *question)
{
	char answer[16] = "";

	if (!isatty(STDIN_FILENO))
		return false;
	fprintf(ctl->err, "%s [y/N] ", question);
	(void)fflush(ctl->err);
	return fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

static enum rc read_stdin(struct buf *out, struct err *err)
{
	uint8_t block[16384];
	ssize_t got;

	while ((got = read(STDIN_FILENO, block, sizeof(block))) > 0)
		buf_append(out, slice_of(block, (size_t)got));
	explicit_bzero(block, sizeof(block)); /* it may have been a key */
	if (got < 0)
		return err_set(err, RC_IO, "standard input cannot be read");
	return buf_status(out, "standard input", err);
}

int ctl_read_file(const struct ctl *ctl, const char *path, struct buf *out)
{
	struct err err = {.rc = RC_OK};
	enum rc rc = strcmp(path, "-") == 0 ? read_stdin(out, &err) : file_read(path, out, &err);

	return rc == RC_OK ? 0 : ctl_fail(ctl, EX_NOINPUT, "%s", err.text);
}
