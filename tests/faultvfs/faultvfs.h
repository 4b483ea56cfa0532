/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_FAULTVFS_H
#define POMONA_TESTS_FAULTVFS_H

/*
 * A shim under SQLite for tests, the default VFS of every program that it is linked into. It shows what a power
 * cut leaves: a database and its logs are mirrored into a shadow folder, but only at xSync, so that after a kill
 * the folder holds exactly what had been synced. And it fails the n-th write or sync.
 *
 * By environment:
 *   POMONA_TEST_SHADOW_DIR=DIR        mirror there, under the files' own names
 *   POMONA_TEST_SYNC_OFF=1            every connection runs with synchronous=OFF, whatever it asks for
 *   POMONA_TEST_FAULT=OP:N:ERROR[:on] the N-th OP ("write" or "sync") fails with ERROR ("full" or "ioerr"),
 *                                     with ":on" all later ones too
 * Threading: any thread.
 */

#include <stdbool.h>

enum faultvfs_op { FAULTVFS_WRITE, FAULTVFS_SYNC, FAULTVFS_OPS };

/* Done before main(); again after sqlite3_shutdown(). */
void faultvfs_register(void);
/* Reads the environment anew; done once at the start of the program. No connection may be open. */
void faultvfs_configure(void);
/* The `nth` operation from now (1: the next) fails with `sqlite_rc`; 0: none any more. */
void faultvfs_fail(enum faultvfs_op op, long nth, int sqlite_rc, bool is_lasting);
/* Has the fault come? */
bool faultvfs_has_failed(enum faultvfs_op op);

#endif
