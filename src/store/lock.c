/* SPDX-License-Identifier: Apache-2.0 */
#include "impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PID_TEXT_BYTES = 24 };

static void free_str(char **str)
{
	free(*str);
}

static enum rc tell_holder(int fd, const char *path, struct err *err)
{
	char text[PID_TEXT_BYTES] = {0};
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);
	size_t digits = len <= 0 ? 0 : strspn(text, "0123456789");

	if (digits == 0)
		return err_set(err, RC_BUSY, "%s: another process uses this database", path);
	return err_set(err, RC_BUSY, "%s: process %.*s uses this database", path, (int)digits, text);
}

static enum rc write_pid(int fd, const char *path, struct err *err)
{
	char text[PID_TEXT_BYTES];
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len)
		return err_set_errno(err, errno, "%s.lock", path);
	return RC_OK;
}

enum rc lock_take(const char *path, int *fd_r, struct err *err)
{
	AUTO(free_str) char *name = NULL;
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	enum rc rc;
	int fd;

	*fd_r = -1;
	if (asprintf(&name, "%s.lock", path) < 0) {
		name = NULL;
		return err_set(err, RC_NO_MEMORY, "store");
	}
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set_errno(err, errno, "%s", name);
	/* The lock of the open file, not of the process: closing another descriptor does not lose it. */
	if (fcntl(fd, F_OFD_SETLK, &whole) == 0)
		rc = write_pid(fd, path, err);
	else if (errno == EAGAIN || errno == EACCES)
		rc = tell_holder(fd, path, err);
	else
		rc = err_set_errno(err, errno, "%s", name);
	if (rc != RC_OK)
		(void)close(fd);
	else
		*fd_r = fd;
	return rc;
}
