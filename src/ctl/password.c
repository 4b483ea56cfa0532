/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "ctl.h"

int ctl_read_password(const struct ctl *ctl, const char *path, struct buf *out)
{
	size_t end;
	int status;

	buf_init(out, CTL_PASSWORD_BYTES_MAX);
	if (buf_reserve(out, CTL_PASSWORD_BYTES_MAX) == NULL)
		return ctl_fail(ctl, EX_OSERR, "too little memory");
	status = ctl_read_file(ctl, path, out);
	if (status != 0)
		return status;
	if (slice_find_byte(buf_slice(out), '\n', &end))
		out->len = end;
	if (out->len > 0 && out->ptr[out->len - 1] == '\r')
		out->len--;
	if (out->len == 0)
		return ctl_fail(ctl, EX_NOINPUT, "%s: its first line, the password, is empty", path);
	return 0;
}

/* --- from the terminal */

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
static volatile sig_atomic_t caught_signal;

static void note(int number)
{
	caught_signal = number;
}

/* Without SA_RESTART a signal ends the read, so that the terminal is put right before the end. */
static void catch_signals(struct sigaction old[static COUNT_OF(caught)])
{
	struct sigaction action = {.sa_handler = note};

	caught_signal = 0;
	(void)sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < COUNT_OF(caught); i++)
		(void)sigaction(caught[i], &action, &old[i]);
}

static void release_signals(const struct sigaction old[static COUNT_OF(caught)])
{
	for (size_t i = 0; i < COUNT_OF(caught); i++)
		(void)sigaction(caught[i], &old[i], NULL);
	if (caught_signal != 0)
		(void)raise(caught_signal);
}

static void say(int tty, const char *text)
{
	if (write(tty, text, strlen(text)) < 0)
		return; /* the answer can be typed all the same */
}

/* One line; false: it ended before, or is too long. */
static bool read_line(int tty, struct buf *out)
{
	uint8_t byte = 0;

	while (caught_signal == 0 && read(tty, &byte, 1) == 1) {
		if (byte == '\n')
			return out->rc == RC_OK;
		buf_append_byte(out, byte);
	}
	return false;
}

static bool ask(int tty, const char *prompt, struct buf *out)
{
	struct sigaction old[COUNT_OF(caught)];
	struct termios shown, hidden;
	bool is_read = false;

	if (tcgetattr(tty, &shown) != 0)
		return false;
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	hidden.c_lflag |= ICANON | ECHONL;
	catch_signals(old);
	if (tcsetattr(tty, TCSAFLUSH, &hidden) == 0) {
		say(tty, prompt);
		is_read = read_line(tty, out);
		(void)tcsetattr(tty, TCSAFLUSH, &shown);
	}
	release_signals(old);
	return is_read;
}

int ctl_ask_password(const struct ctl *ctl, const char *prompt, struct buf *out)
{
	int status = 0;
	int tty;

	buf_init(out, CTL_PASSWORD_BYTES_MAX);
	if (buf_reserve(out, CTL_PASSWORD_BYTES_MAX) == NULL)
		return ctl_fail(ctl, EX_OSERR, "too little memory");
	tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (tty < 0)
		return ctl_usage(ctl,
			"a password is wanted, and there is no terminal to ask on: give "
			"--password-file FILE");
	if (!ask(tty, prompt, out) || out->len == 0)
		status = ctl_fail(ctl, EX_NOINPUT, "no password was given, or one longer than %d bytes",
			CTL_PASSWORD_BYTES_MAX);
	(void)close(tty);
	return status;
}
