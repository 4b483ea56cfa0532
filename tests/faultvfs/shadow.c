/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct range {
	int64_t at, len;
};

struct shadow {
	struct shadow *next;
	char *path, *mirror;
	pthread_mutex_t syncing; /* one sync at a time: none returns before an earlier one has copied */
	pthread_mutex_t mutex;   /* guards what follows */
	int fd;                  /* the file, to copy from; see open_file() */
	bool is_new;             /* made since the last sync: what the mirror holds is another file's */
	bool is_deleted;         /* but the folder has not been synced since */
	struct range *ranges;
	size_t count, cap;
};

static struct {
	pthread_mutex_t mutex;
	struct shadow *list;
	char *dir;
} all = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void die(const char *what, const char *path)
{
	(void)fprintf(stderr, "shadow: %s %s: %s\n", what, path,
		strerror(errno)); /* NOLINT(concurrency-*) */
	abort();
}

void shadow_configure(const char *dir)
{
	free(all.dir);
	all.dir = dir == NULL ? NULL : strdup(dir);
	all.list = NULL; /* of a parent process, or of no connection that is open */
}

static void copy_range(int from, int to, struct range range, const char *path)
{
	char bytes[65536];

	while (range.len > 0) {
		size_t want = range.len < (int64_t)sizeof(bytes) ? (size_t)range.len : sizeof(bytes);
		ssize_t got = pread(from, bytes, want, range.at);

		if (got == 0)
			return; /* truncated since */
		if (got < 0 || pwrite(to, bytes, (size_t)got, range.at) != got)
			die("copy", path);
		range.at += got;
		range.len -= got;
	}
}

static int64_t size_of(int fd, const char *path)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		die("stat", path);
	return status.st_size;
}

/*
 * Closing any descriptor of a file drops the locks that the process has on it, SQLite's too. So this one stays
 * open until the file is deleted.
 */
static bool open_file(struct shadow *shadow)
{
	if (shadow->fd < 0)
		shadow->fd = open(shadow->path, O_RDONLY | O_CLOEXEC);
	if (shadow->fd < 0 && errno != ENOENT)
		die("open", shadow->path);
	return shadow->fd >= 0;
}

static void copy_ranges(struct shadow *shadow, const struct range *ranges, size_t count,
	bool is_new)
{
	int to = open(shadow->mirror, O_WRONLY | O_CREAT | O_CLOEXEC | (is_new ? O_TRUNC : 0), 0600);

	if (to < 0)
		die("open", shadow->mirror);
	for (size_t i = 0; i < count; i++)
		copy_range(shadow->fd, to, ranges[i], shadow->mirror);
	if (ftruncate(to, size_of(shadow->fd, shadow->path)) != 0)
		die("truncate", shadow->mirror);
	(void)close(to);
}

/* What is there when the program begins to look is taken as synced. */
static struct shadow *shadow_new(const char *path)
{
	const char *slash = strrchr(path, '/');
	struct shadow *shadow = calloc(1, sizeof(*shadow));

	if (shadow == NULL || (shadow->path = strdup(path)) == NULL ||
		asprintf(&shadow->mirror, "%s/%s", all.dir, slash == NULL ? path : slash + 1) < 0)
		die("allocate", path);
	(void)pthread_mutex_init(&shadow->syncing, NULL);
	(void)pthread_mutex_init(&shadow->mutex, NULL);
	shadow->fd = -1;
	shadow->is_new = !open_file(shadow);
	if (shadow->is_new)
		(void)unlink(shadow->mirror);
	else
		copy_ranges(shadow, &(struct range){.len = size_of(shadow->fd, path)}, 1, true);
	shadow->next = all.list;
	all.list = shadow;
	return shadow;
}

static struct shadow *find(const char *path)
{
	struct shadow *shadow = all.list;

	while (shadow != NULL && strcmp(shadow->path, path) != 0)
		shadow = shadow->next;
	return shadow;
}

struct shadow *shadow_open(const char *path)
{
	struct shadow *shadow;

	if (all.dir == NULL)
		return NULL;
	(void)pthread_mutex_lock(&all.mutex);
	shadow = find(path);
	if (shadow == NULL)
		shadow = shadow_new(path);
	(void)pthread_mutex_unlock(&all.mutex);
	return shadow;
}

void shadow_note_write(struct shadow *shadow, int64_t at, int64_t len)
{
	struct range *last;

	(void)pthread_mutex_lock(&shadow->mutex);
	last = shadow->count == 0 ? NULL : &shadow->ranges[shadow->count - 1];
	if (last != NULL && last->at + last->len == at) {
		last->len += len;
	} else {
		if (shadow->count == shadow->cap || shadow->ranges == NULL) {
			shadow->cap = shadow->cap == 0 ? 64 : shadow->cap * 2;
			shadow->ranges = realloc(shadow->ranges, shadow->cap * sizeof(*shadow->ranges));
			if (shadow->ranges == NULL)
				die("allocate", shadow->path);
		}
		shadow->ranges[shadow->count++] = (struct range){.at = at, .len = len};
	}
	(void)pthread_mutex_unlock(&shadow->mutex);
}

/* SQLite syncs the folder when it first syncs a log that it has made, which makes earlier deletes last. */
static void sync_folder(void)
{
	(void)pthread_mutex_lock(&all.mutex);
	for (struct shadow *shadow = all.list; shadow != NULL; shadow = shadow->next) {
		(void)pthread_mutex_lock(&shadow->mutex);
		if (shadow->is_deleted)
			(void)unlink(shadow->mirror);
		shadow->is_deleted = false;
		(void)pthread_mutex_unlock(&shadow->mutex);
	}
	(void)pthread_mutex_unlock(&all.mutex);
}

void shadow_sync(struct shadow *shadow, bool is_log)
{
	struct range *ranges;
	size_t count;
	bool is_new;

	(void)pthread_mutex_lock(&shadow->syncing);
	(void)pthread_mutex_lock(&shadow->mutex);
	ranges = shadow->ranges;
	count = shadow->count;
	is_new = shadow->is_new;
	shadow->ranges = NULL;
	shadow->count = 0;
	shadow->cap = 0;
	shadow->is_new = false;
	shadow->is_deleted = false;
	(void)pthread_mutex_unlock(&shadow->mutex);
	if (!open_file(shadow))
		die("find", shadow->path);
	copy_ranges(shadow, ranges, count, is_new);
	if (is_new && is_log)
		sync_folder();
	free(ranges);
	(void)pthread_mutex_unlock(&shadow->syncing);
}

void shadow_delete(const char *path, bool is_dir_synced)
{
	struct shadow *shadow;

	(void)pthread_mutex_lock(&all.mutex);
	shadow = find(path);
	(void)pthread_mutex_unlock(&all.mutex);
	if (shadow == NULL)
		return;
	(void)pthread_mutex_lock(&shadow->syncing);
	(void)pthread_mutex_lock(&shadow->mutex);
	shadow->count = 0;
	shadow->is_new = true;
	shadow->is_deleted = !is_dir_synced;
	if (shadow->fd >= 0)
		(void)close(shadow->fd);
	shadow->fd = -1;
	(void)pthread_mutex_unlock(&shadow->mutex);
	if (is_dir_synced)
		(void)unlink(shadow->mirror);
	(void)pthread_mutex_unlock(&shadow->syncing);
}
