/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_BACKUP_H
#define POMONA_STORE_BACKUP_H

/*
 * Copies of the whole database: taken and checked while it serves, put back while it does not. The
 * master key is in none of them. Threading: errands: any thread; the rest: one thread, and it
 * blocks.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/clock.h"
#include "pomona/base/err.h"
#include "pomona/pki/seal.h"
#include "pomona/store/store.h"

enum {
	BACKUP_PATH_BYTES = 4096,
	/* Of disk space, left to the daemon when a copy is made beside the database. */
	BACKUP_RESERVE_BYTES = 64 * 1024 * 1024,
	/* Of a check while others wait for its answer: half of what pomonactl waits for it. */
	BACKUP_CHECK_MS = 300 * 1000,
};

/*
 * Work on one snapshot, on a thread of its own, at most half of that thread's time; one at a time.
 * COPY makes a file beside the database and takes its name away once it is whole, so that it is gone
 * with its descriptor, whatever happens. CHECK reads all pages, or gives RC_LIMIT after limit_ms. The errand is the caller's memory until
 * `done` is called, once, on the errand's thread; RC_BUSY there: the store stops.
 */
enum store_errand_kind { STORE_ERRAND_COPY, STORE_ERRAND_CHECK };
struct store_errand {
	enum store_errand_kind kind;
	void (*done)(struct store_errand *errand, enum rc rc, const struct err *err);
	int64_t limit_ms; /* CHECK; 0: none */
	int fd;           /* of the copy, at its beginning: the caller's to close where rc is RC_OK */
	uint64_t bytes;   /* that it has */
};

/* RC_BUSY: one is under way, or the store stops; then `done` is not called. */
enum rc store_errand_begin(struct store *store, struct store_errand *errand, struct err *err)
	MUST_USE;

struct store_file_facts {
	int64_t schema_version;
	int64_t bytes;   /* of its pages */
	int64_t devices; /* enrollments that are enrolled, user channels too */
};

/*
 * Is the file an intact database of ours, of a schema that this program knows, which the keyring (NULL:
 * not asked) opens? RC_CORRUPT, RC_UNSUPPORTED (newer), RC_DENIED (the keyring does not open it),
 * RC_NOT_FOUND, RC_IO. Nobody else may use it meanwhile.
 */
enum rc store_file_check(const char *path, struct keyring *keyring,
	struct store_file_facts *facts_r, struct err *err) MUST_USE;
/* The same for the database of a daemon that is stopped, under its lock, changing nothing. RC_BUSY: it runs. */
enum rc store_check_stopped(const char *path, struct keyring *keyring,
	struct store_file_facts *facts_r, struct err *err) MUST_USE;

struct store_restore {
	const char *path; /* of the database to be */
	const char *from; /* the backup, which is left as it is */
	struct keyring *keyring;
	const struct clock *clock;
	/* Filled: where the former database is now; "" where it is in its place, or there was none. */
	char aside[BACKUP_PATH_BYTES];
	bool
		is_in_place; /* filled: with a fault, the copy is in its place all the same, but not surely on the disk */
	struct store_file_facts facts; /* filled */
};

/*
 * Copies the backup beside the database, checks the copy as store_file_check() does, moves the former database
 * aside and the copy into its place. RC_BUSY while a daemon has the database. On failure nothing has changed, unless
 * is_in_place; where the former one cannot even be moved back, `aside` names it. After a crash it may lie aside, too,
 * with nothing in its place: the same call goes on.
 */
enum rc store_restore(struct store_restore *restore, struct err *err) MUST_USE;

#endif
