/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_BASE_FILE_H
#define POMONA_BASE_FILE_H

/*
 * Whole small files: read with a bound, written so that a crash leaves the old one or the new one.
 * Threading: any thread; these block.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "pomona/base/buf.h"
#include "pomona/base/err.h"

/* Appends the file to `out`. RC_NOT_FOUND, RC_DENIED, RC_LIMIT past the buffer's bound, RC_IO. */
enum rc file_read(const char *path, struct buf *out, struct err *err) MUST_USE;
/* Makes `path` with `mode`, fsyncs it and its folder. RC_EXISTS where there is one: it is left
 * alone. */
enum rc file_create(const char *path, struct slice content, mode_t mode, struct err *err) MUST_USE;
/* Writes beside it, fsyncs, renames over `path`. */
enum rc file_replace(const char *path, struct slice content, mode_t mode, struct err *err) MUST_USE;
/*
 * The same; and what root writes belongs to owner and group of its folder, from before it has its name. Nothing that
 * stands under the name, a link too, is followed or given away.
 */
enum rc file_replace_for_folder(const char *path, struct slice content, mode_t mode,
	struct err *err) MUST_USE;
/* The same as file_replace() for a file that is there (a link's end): owner and mode stay.
 * RC_IO where there is none; RC_DENIED: this user, or this mount, may not. */
enum rc file_rewrite(const char *path, struct slice content, struct err *err) MUST_USE;
/* The folder that `path` is in, to be closed by the caller; -1 with errno. */
int file_open_folder(const char *path);
/* Makes one folder; an existing folder is fine (its mode is left alone). */
enum rc file_make_dir(const char *path, mode_t mode, struct err *err) MUST_USE;
bool file_is_there(const char *path);
/* RC_DENIED where `path` has any of the mode bits `forbidden`; the text says by which command it loses them.
 * RC_NOT_FOUND, RC_IO. */
enum rc file_check_mode(const char *path, mode_t forbidden, struct err *err) MUST_USE;

#endif
