/* SPDX-License-Identifier: Apache-2.0 */
#include "faultvfs.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "panel.h"
#include "shadow.h"

struct fault_file {
	sqlite3_file base;
	sqlite3_file *real;    /* behind this struct */
	struct shadow *shadow; /* NULL: not mirrored */
	enum panel_file kind;
};

static struct {
	atomic_long countdown; /* operations until the fault; 0: none */
	atomic_bool is_lasting, has_failed;
	atomic_int sqlite_rc;
} faults[FAULTVFS_OPS];

static sqlite3_vfs *base_vfs;
static bool is_sync_off;
static _Thread_local bool is_own_pragma;

void faultvfs_fail(enum faultvfs_op op, long nth, int sqlite_rc, bool is_lasting)
{
	atomic_store(&faults[op].countdown, 0);
	atomic_store(&faults[op].sqlite_rc, sqlite_rc);
	atomic_store(&faults[op].is_lasting, is_lasting);
	atomic_store(&faults[op].has_failed, false);
	atomic_store(&faults[op].countdown, nth);
}

bool faultvfs_has_failed(enum faultvfs_op op)
{
	return atomic_load(&faults[op].has_failed);
}

static int next_fault(enum faultvfs_op op)
{
	long left = atomic_load(&faults[op].countdown);

	if (left <= 0)
		return SQLITE_OK;
	left = atomic_fetch_sub(&faults[op].countdown, 1);
	if (left > 1)
		return SQLITE_OK;
	if (atomic_load(&faults[op].is_lasting))
		atomic_store(&faults[op].countdown, 1);
	atomic_store(&faults[op].has_failed, true);
	return atomic_load(&faults[op].sqlite_rc);
}

static sqlite3_file *real_of(sqlite3_file *file)
{
	return ((struct fault_file *)file)->real;
}

static int file_close(sqlite3_file *file)
{
	return real_of(file)->pMethods->xClose(real_of(file));
}

static int file_read(sqlite3_file *file, void *out, int len, sqlite3_int64 at)
{
	int rc = panel_fault(((struct fault_file *)file)->kind, PANEL_READ);

	return rc == SQLITE_OK ? real_of(file)->pMethods->xRead(real_of(file), out, len, at) : rc;
}

static int file_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
	struct fault_file *self = (struct fault_file *)file;
	int rc = next_fault(FAULTVFS_WRITE);

	if (rc == SQLITE_OK)
		rc = panel_fault(self->kind, PANEL_WRITE);
	if (rc == SQLITE_OK)
		rc = self->real->pMethods->xWrite(self->real, bytes, len, at);
	if (rc == SQLITE_OK && self->shadow != NULL)
		shadow_note_write(self->shadow, at, len);
	return rc;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int file_sync(sqlite3_file *file, int flags)
{
	struct fault_file *self = (struct fault_file *)file;
	int rc = next_fault(FAULTVFS_SYNC);

	panel_slow_sync();
	if (rc == SQLITE_OK)
		rc = panel_fault(self->kind, PANEL_SYNC);
	if (rc == SQLITE_OK)
		rc = self->real->pMethods->xSync(self->real, flags);
	if (rc == SQLITE_OK && self->shadow != NULL)
		shadow_sync(self->shadow, self->kind == PANEL_LOG);
	return rc;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int file_lock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int file_unlock(sqlite3_file *file, int level)
{
	return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int file_check_reserved(sqlite3_file *file, int *is_reserved)
{
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file), is_reserved);
}

/* A pragma comes by here before SQLite acts on it; SQLITE_OK says that it has been dealt with. */
static int file_control(sqlite3_file *file, int op, void *arg)
{
	char *const *pragma = arg;

	if (is_sync_off && !is_own_pragma && op == SQLITE_FCNTL_PRAGMA &&
		sqlite3_stricmp(pragma[1], "synchronous") == 0 && pragma[2] != NULL)
		return SQLITE_OK;
	return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int file_sector_size(sqlite3_file *file)
{
	return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int file_characteristics(sqlite3_file *file)
{
	return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int file_shm_map(sqlite3_file *file, int page, int size, int is_extend, void volatile **out)
{
	return real_of(file)->pMethods->xShmMap(real_of(file), page, size, is_extend, out);
}

static int file_shm_lock(sqlite3_file *file, int at, int n, int flags)
{
	return real_of(file)->pMethods->xShmLock(real_of(file), at, n, flags);
}

static void file_shm_barrier(sqlite3_file *file)
{
	real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int file_shm_unmap(sqlite3_file *file, int is_delete)
{
	return real_of(file)->pMethods->xShmUnmap(real_of(file), is_delete);
}

/* Version 2: without xFetch, all reading and writing comes by here. */
static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_check_reserved,
	.xFileControl = file_control,
	.xSectorSize = file_sector_size,
	.xDeviceCharacteristics = file_characteristics,
	.xShmMap = file_shm_map,
	.xShmLock = file_shm_lock,
	.xShmBarrier = file_shm_barrier,
	.xShmUnmap = file_shm_unmap,
};

static enum panel_file kind_of(int flags)
{
	if ((flags & SQLITE_OPEN_MAIN_DB) != 0)
		return PANEL_DATABASE;
	if ((flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL)) != 0)
		return PANEL_LOG;
	return PANEL_OTHER;
}

static int vfs_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
	int *out)
{
	const int mirrored = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL;
	struct fault_file *self = (struct fault_file *)file;
	struct shadow *shadow = NULL;
	int rc;

	(void)vfs;
	*self = (struct fault_file){.real = (sqlite3_file *)(self + 1), .kind = kind_of(flags)};
	rc = panel_fault(self->kind, PANEL_OPEN);
	if (rc != SQLITE_OK)
		return rc;
	if (name != NULL && (flags & mirrored) != 0)
		shadow = shadow_open(name); /* before: it looks whether the file is there */
	rc = base_vfs->xOpen(base_vfs, name, self->real, flags, out);
	if (rc != SQLITE_OK)
		return rc;
	self->shadow = shadow;
	self->base.pMethods = &methods;
	return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int is_dir_synced)
{
	int rc = base_vfs->xDelete(base_vfs, name, is_dir_synced);

	(void)vfs;
	if (rc == SQLITE_OK)
		shadow_delete(name, is_dir_synced != 0);
	return rc;
}

static int switch_sync_off(sqlite3 *db, char **message, const struct sqlite3_api_routines *api)
{
	int rc;

	(void)message;
	(void)api;
	is_own_pragma = true;
	rc = sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
	is_own_pragma = false;
	return rc;
}

static void die(const char *what)
{
	(void)fprintf(stderr, "faultvfs: %s\n", what);
	abort();
}

static void parse_fault(const char *text)
{
	char op[8] = "";
	char error[8] = "";
	char on[4] = "";
	long nth = 0;
	int fields =
		sscanf(text, "%7[a-z]:%ld:%7[a-z]:%3s", op, &nth, error, on); /* NOLINT(cert-err34-c) */

	if (fields < 3 || nth < 1 || (strcmp(op, "write") != 0 && strcmp(op, "sync") != 0))
		die("POMONA_TEST_FAULT: want OP:N:ERROR[:on]");
	faultvfs_fail(strcmp(op, "write") == 0 ? FAULTVFS_WRITE : FAULTVFS_SYNC, nth,
		strcmp(error, "full") == 0 ? SQLITE_FULL : SQLITE_IOERR, strcmp(on, "on") == 0);
}

void faultvfs_configure(void)
{
	const char *sync_off = getenv("POMONA_TEST_SYNC_OFF");
	const char *fault = getenv("POMONA_TEST_FAULT");

	shadow_configure(getenv("POMONA_TEST_SHADOW_DIR"));
	is_sync_off = sync_off != NULL && strcmp(sync_off, "1") == 0;
	/* ISO C has no cast from a function to the pointer that SQLite wants here but this one. */
	if (is_sync_off)
		(void)sqlite3_auto_extension((void (*)(void))switch_sync_off);
	else
		(void)sqlite3_cancel_auto_extension((void (*)(void))switch_sync_off);
	if (fault != NULL)
		parse_fault(fault);
}

__attribute__((constructor)) void faultvfs_register(void)
{
	static sqlite3_vfs vfs;

	base_vfs = sqlite3_vfs_find("unix-excl");
	if (base_vfs == NULL)
		die("SQLite has no VFS");
	vfs = *base_vfs;
	vfs.pNext = NULL;
	vfs.zName = "pomona-fault";
	vfs.szOsFile = (int)sizeof(struct fault_file) + base_vfs->szOsFile;
	vfs.xOpen = vfs_open;
	vfs.xDelete = vfs_delete;
	if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
		die("cannot register");
	faultvfs_configure();
}
