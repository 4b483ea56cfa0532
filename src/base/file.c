/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_STEP_BYTES = 16384, MAKE_NEW = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC };

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

enum rc file_read(const char *path, struct buf *out, struct err *err)
{
	AUTO(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t step[READ_STEP_BYTES];
	ssize_t got = 0;

	if (fd < 0 && errno == ENOENT)
		return err_set(err, RC_NOT_FOUND, "%s: no such file", path);
	if (fd < 0 && errno == EACCES)
		return err_set(err, RC_DENIED, "%s: may not be opened", path);
	if (fd < 0)
		return err_set_errno(err, errno, "%s: cannot be opened", path);
	do {
		if (got > 0)
			buf_append(out, slice_of(step, (size_t)got));
		got = out->rc != RC_OK ? 0 : read(fd, step, sizeof(step));
	} while (got > 0 || (got < 0 && errno == EINTR));
	explicit_bzero(step, sizeof(step)); /* it may have held a key */
	if (got < 0)
		return err_set_errno(err, errno, "%s: cannot be read", path);
	return buf_status(out, path, err);
}

static enum rc write_all(int fd, struct slice content, const char *path, struct err *err)
{
	while (content.len > 0) {
		ssize_t put = write(fd, content.ptr, content.len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return err_set_errno(err, errno, "%s: cannot be written", path);
		content = slice_sub(content, (size_t)put, content.len);
	}
	if (fsync(fd) != 0)
		return err_set_errno(err, errno, "%s: cannot be synced", path);
	return RC_OK;
}

int file_open_folder(const char *path)
{
	char copy[PATH_MAX];

	if ((size_t)snprintf(copy, sizeof(copy), "%s", path) >= sizeof(copy)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A new name is durable only when its folder is. */
static enum rc sync_folder(const char *path, struct err *err)
{
	AUTO(close_fd) int fd = file_open_folder(path);

	if (fd < 0 || fsync(fd) != 0)
		return err_set_errno(err, errno, "%s: its folder cannot be synced", path);
	return RC_OK;
}

enum rc file_create(const char *path, struct slice content, mode_t mode, struct err *err)
{
	AUTO(close_fd) int fd = open(path, MAKE_NEW, mode);
	enum rc rc;

	if (fd < 0 && errno == EEXIST)
		return err_set(err, RC_EXISTS, "%s: exists", path);
	if (fd < 0)
		return err_set_errno(err, errno, "%s: cannot be made", path);
	rc = write_all(fd, content, path, err);
	if (rc != RC_OK) {
		(void)unlink(path);
		return rc;
	}
	return sync_folder(path, err);
}

enum rc file_replace(const char *path, struct slice content, mode_t mode, struct err *err)
{
	char beside[PATH_MAX];
	enum rc rc;

	if ((size_t)snprintf(beside, sizeof(beside), "%s.new", path) >= sizeof(beside))
		return err_set(err, RC_LIMIT, "%s: path too long", path);
	(void)unlink(beside); /* left over from a crash */
	rc = file_create(beside, content, mode, err);
	if (rc != RC_OK)
		return rc;
	if (rename(beside, path) != 0) {
		rc = err_set_errno(err, errno, "%s: cannot be replaced", path);
		(void)unlink(beside);
		return rc;
	}
	return sync_folder(path, err);
}

/* Of "<path>.new", which is `name` in the folder. It is its owner's before it holds anything. */
static enum rc write_like(int folder, const char *name, const struct stat *like,
	struct slice content, const char *path, struct err *err)
{
	AUTO(close_fd) int fd = openat(folder, name, MAKE_NEW, S_IRUSR | S_IWUSR);
	struct stat made;

	if (fd < 0 && (errno == EACCES || errno == EPERM || errno == EROFS))
		return err_set(err, RC_DENIED, "%s.new: cannot be made: %s", path, strerrordesc_np(errno));
	if (fd < 0)
		return err_set_errno(err, errno, "%s.new: cannot be made", path);
	if (fstat(fd, &made) != 0 ||
		((made.st_uid != like->st_uid || made.st_gid != like->st_gid) &&
			fchown(fd, like->st_uid, like->st_gid) != 0) ||
		fchmod(fd, like->st_mode & 07777) != 0)
		return err_set_errno(err, errno, "%s.new: cannot be given owner and mode", path);
	return write_all(fd, content, path, err);
}

/*
 * With the owner, group and mode of `like`. By the open folder and nothing but descriptors: who may change names on
 * the way there, or in it, does not have root write, or give away, anything else.
 */
static enum rc replace_like(int folder, const char *path, const struct stat *like,
	struct slice content, struct err *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	char beside[NAME_MAX + 1];
	enum rc rc;

	if ((size_t)snprintf(beside, sizeof(beside), "%s.new", name) >= sizeof(beside))
		return err_set(err, RC_LIMIT, "%s: path too long", path);
	(void)unlinkat(folder, beside, 0); /* left over from a crash */
	rc = write_like(folder, beside, like, content, path, err);
	if (rc == RC_OK && renameat(folder, beside, folder, name) != 0)
		rc = err_set_errno(err, errno, "%s: cannot be replaced", path);
	if (rc != RC_OK)
		(void)unlinkat(folder, beside, 0);
	else if (fsync(folder) != 0)
		rc = err_set_errno(err, errno, "%s: its folder cannot be synced", path);
	return rc;
}

enum rc file_rewrite(const char *path, struct slice content, struct err *err)
{
	char real[PATH_MAX];
	AUTO(close_fd) int folder = -1;
	struct stat like;

	if (realpath(path, real) == NULL || /* a link stays one */
		stat(real, &like) != 0)
		return err_set_errno(err, errno, "%s: cannot be looked at", path);
	folder = file_open_folder(real);
	if (folder < 0)
		return err_set_errno(err, errno, "%s: its folder cannot be opened", path);
	return replace_like(folder, real, &like, content, err);
}

enum rc file_replace_for_folder(const char *path, struct slice content, mode_t mode,
	struct err *err)
{
	AUTO(close_fd) int folder = -1;
	struct stat like;

	if (geteuid() != 0) /* which alone can give files away */
		return file_replace(path, content, mode, err);
	folder = file_open_folder(path);
	if (folder < 0 || fstat(folder, &like) != 0)
		return err_set_errno(err, errno, "%s: its folder cannot be looked at", path);
	like.st_mode = mode;
	return replace_like(folder, path, &like, content, err);
}

enum rc file_make_dir(const char *path, mode_t mode, struct err *err)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return RC_OK;
	if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return RC_OK;
	return err_set_errno(err, errno, "%s: folder cannot be made", path);
}

bool file_is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

enum rc file_check_mode(const char *path, mode_t forbidden, struct err *err)
{
	struct stat st;
	const int fault = stat(path, &st) == 0 ? 0 : errno;

	if (fault == ENOENT)
		return err_set(err, RC_NOT_FOUND, "%s: no such file", path);
	if (fault != 0)
		return err_set_errno(err, fault, "%s: cannot be looked at", path);
	if ((st.st_mode & forbidden) == 0)
		return RC_OK;
	return err_set(err, RC_DENIED, "%s: mode %04o lets others at it: `chmod %o %s`", path,
		(unsigned)(st.st_mode & 07777), (unsigned)(st.st_mode & 07777 & ~forbidden), path);
}
