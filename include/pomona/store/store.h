/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_STORE_H
#define POMONA_STORE_STORE_H

/*
 * The database: one writer thread with group commit, and a pool of read-only connections. The rooms
 * above speak to it in verbs of the domain (enrollment.h, identity.h, queue.h, ...), which take a
 * struct txn and work in both; a verb that writes fails with RC_INTERNAL in a read transaction.
 * Threading: store_* functions: any thread, where nothing else is said. A struct txn: the thread
 * that has it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/buf.h"
#include "pomona/base/clock.h"
#include "pomona/base/err.h"
#include "pomona/pki/seal.h"

enum {
	STORE_SCHEMA_VERSION = 16,
	STORE_BATCH_JOBS_MAX = 1024, /* jobs in one commit */
	STORE_JOB_SLICE_MS = 20,     /* a job that touches many rows returns after this and comes again */
};

struct store;
struct txn;

struct store_params {
	const char *path;          /* the database file; "<path>.lock" is held while open */
	struct keyring *keyring;   /* held too until store_close() */
	const struct clock *clock; /* borrowed */
	unsigned readers;          /* read-only connections; 0: 4 */
	size_t queue_max;          /* jobs that may wait; 0: 4096 */
	bool is_create;            /* make the file where there is none; else RC_NOT_FOUND */
};

/*
 * Opens, locks and migrates. RC_BUSY: another process has it; RC_UNSUPPORTED: a newer schema, with
 * advice; RC_CORRUPT; RC_IO. The caller owns *store_r. No thread runs yet: jobs wait until
 * store_start().
 */
enum rc store_open(const struct store_params *params, struct store **store_r, struct err *err)
	MUST_USE;
enum rc store_start(struct store *store, struct err *err) MUST_USE;
/* Runs what waits, then ends the writer; jobs submitted later get RC_BUSY. */
void store_stop(struct store *store);
void store_close(struct store **store);

/*
 * A write: `run` is called on the writer's thread in a SAVEPOINT of the batch's transaction. RC_OK
 * keeps what it did, anything else undoes that alone. After the commit (or its failure) `done` is
 * called once with what counts: RC_OK only when it is durable; `err` is then empty. The job is the
 * caller's memory, embedded in what it belongs to, and free again when `done` is called. `run` is
 * called once at most: a batch that is lost to the disk fails whole, with the jobs that had not run
 * yet. Neither may call store_run() or wait for another job.
 */
struct store_job {
	enum rc (*run)(struct store_job *job, struct txn *txn, struct err *err);
	void (*done)(struct store_job *job, enum rc rc, const struct err *err);
	struct store_job *next; /* the writer's */
	enum rc rc;             /* the writer's */
};

/* RC_BUSY: the queue is full or the store stops; then `done` is not called. Never blocks on the
 * disk. */
enum rc store_submit(struct store *store, struct store_job *job, struct err *err) MUST_USE;
/* Submits and waits until it is durable. Blocks: not on HTTP workers. */
enum rc store_run(struct store *store, enum rc (*fn)(void *ctx, struct txn *txn, struct err *err),
	void *ctx, struct err *err) MUST_USE;

/* A snapshot to read from, until store_read_end(). Waits for a free connection (there is one a
 * worker). */
enum rc store_read_begin(struct store *store, struct txn **txn_r, struct err *err) MUST_USE;
void store_read_end(struct store *store, struct txn **txn);

/* UNIX seconds at the start of the transaction: the one time that its verbs write. */
int64_t txn_now(const struct txn *txn);
/* Time is up for a sliced job: return and submit the rest as a new job. */
bool txn_is_slice_over(const struct txn *txn);

struct store_stats {
	size_t jobs_waiting;
	uint64_t jobs_total;
	uint64_t jobs_failed;
	uint64_t jobs_refused; /* RC_BUSY */
	uint64_t commits_total;
	uint64_t commit_us_last, commit_us_max, commit_us_sum; /* COMMIT alone */
	uint64_t checkpoints_failed;
	uint64_t batch_jobs_max;
	uint64_t database_bytes; /* with the write-ahead log */
};
void store_stats(const struct store *store, struct store_stats *stats_r);

/* What keeps changes from being kept: the disk is full or fails, or memory is short. */
struct store_trouble {
	int64_t since; /* UNIX seconds */
	uint64_t jobs; /* that failed for it */
	char text[ERR_TEXT_BYTES];
};
/* False: there is none; *trouble_r is then the latest that was, since 0: never. */
bool store_trouble(struct store *store, struct store_trouble *trouble_r);

#endif
