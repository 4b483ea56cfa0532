/* SPDX-License-Identifier: Apache-2.0 */
#include "panel.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static struct panel none;
static struct panel *_Atomic shared;

struct panel *panel(void)
{
	struct panel *found = atomic_load_explicit(&shared, memory_order_relaxed);

	return found == NULL ? &none : found;
}

/* The panel that the test made must not be missing: it would go on blind. */
static void die(const char *path)
{
	perror(path);
	abort();
}

__attribute__((constructor)) static void open_panel(void)
{
	const char *path = getenv("POMONA_TEST_PANEL");
	void *map;
	int fd;

	if (path == NULL)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die(path);
	map = mmap(NULL, sizeof(struct panel), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die(path);
	(void)close(fd);
	atomic_store(&shared, map);
}

int panel_fault(enum panel_file file, enum panel_op op)
{
	int rc = atomic_load(&panel()->sqlite_rc[file][op]);

	if (rc != 0)
		atomic_fetch_add(&panel()->hits[file][op], 1);
	return rc;
}

void panel_slow_sync(void)
{
	unsigned ms = atomic_load(&panel()->sync_ms);
	struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	if (ms == 0)
		return;
	(void)nanosleep(&pause, NULL);
	atomic_fetch_add(&panel()->syncs, 1);
}
