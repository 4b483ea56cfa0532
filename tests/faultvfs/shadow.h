/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_SHADOW_H
#define POMONA_TESTS_SHADOW_H

/*
 * The mirror of one file, shared by all that have it open: which bytes were written since the last sync, and the
 * copy that gets them at a sync. Any fault of the mirror itself ends the program: a test must not go on blind.
 * Threading: any thread.
 */

#include <stdbool.h>
#include <stdint.h>

struct shadow;

/* NULL: no mirrors. */
void shadow_configure(const char *dir);
/* Call before the file is opened or created. NULL where there are no mirrors. Lives for ever. */
struct shadow *shadow_open(const char *path);
/* After the write. */
void shadow_note_write(struct shadow *shadow, int64_t at, int64_t len);
/* Returns when all that was written before the call is in the mirror, and the mirror as long as the file.
 * The first sync of a new log syncs the folder too, as SQLite does. */
void shadow_sync(struct shadow *shadow, bool is_log);
/* Without a sync of the folder the mirror stays, until a later sync of the folder. */
void shadow_delete(const char *path, bool is_dir_synced);

#endif
