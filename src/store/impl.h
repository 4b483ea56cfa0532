/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_IMPL_H
#define POMONA_STORE_IMPL_H

/*
 * What the parts of the store share: the writer, the pool of readers, the checkpointer.
 * Threading: as said at each part.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "pomona/store/keys.h"
#include "txn.h"

struct writer {
	struct txn txn;
	pthread_t thread;
	pthread_mutex_t mutex; /* guards the five below */
	pthread_cond_t wake;
	struct store_job *first, **last;
	bool is_sleeping, is_stopping, is_running;
	size_t queue_max;
	atomic_size_t waiting;
	/* The writer's thread alone: */
	int64_t finished[QUEUE_STATE_END]; /* of the batch */
	struct err *failures;              /* of the batch's failed jobs, in their order */
};

struct readers {
	pthread_mutex_t mutex; /* guards `free` */
	pthread_cond_t freed;
	struct txn *free;
	struct txn *all;
	unsigned count;
};

/*
 * Commits only append to the write-ahead log. Moving its pages to the database file is done by a thread of its
 * own beside the commits; then the writer moves the few that came meanwhile, and the log starts anew.
 */
struct checkpointer {
	struct db db;
	pthread_t thread;
	pthread_mutex_t mutex; /* guards the three below */
	pthread_cond_t wake;
	bool is_wanted, is_stopping, is_running;
	atomic_uint_fast64_t *failed; /* the counter */
	atomic_bool is_rest_due;      /* the bulk is done: the writer's turn */
	int pages,
		pages_next; /* the writer's thread alone: pages in the log, and from how many to begin */
};

/* Long work on a snapshot: backup.h. */
struct errands {
	pthread_mutex_t mutex; /* guards the three below */
	pthread_cond_t wake;   /* is_stopping was set */
	struct store_errand *current;
	pthread_t thread;
	bool has_thread; /* to be joined */
	atomic_bool is_stopping;
};

/* Brings all sealed blobs under the newest key: store/keys.h. */
struct resealer {
	bool is_running; /* the thread's starter's alone */
	pthread_t thread;
	pthread_mutex_t mutex; /* guards all below */
	pthread_cond_t wake;
	bool is_wanted, is_stopping;
	struct store_keys_status status;
};

/* Changes cannot be kept: since when and why. Ends with the next commit, which writes an alarm. */
struct trouble {
	pthread_mutex_t mutex; /* guards the two below, which only the writer's thread changes */
	bool is_on;
	struct store_trouble now;
	int64_t log_next_us; /* the writer's thread alone */
};

struct counters {
	atomic_uint_fast64_t jobs_total, jobs_failed, jobs_refused, commits_total, checkpoints_failed;
	atomic_uint_fast64_t commit_us_last, commit_us_max, commit_us_sum, batch_jobs_max;
};

struct store {
	char *path, *wal_path;
	int lock_fd;
	struct keys keys;
	const struct clock *clock;
	struct writer writer;
	struct readers readers;
	struct checkpointer checkpointer;
	struct errands errands;
	struct resealer resealer;
	struct trouble trouble;
	struct counters counters;
};

/* Takes "<path>.lock" for life. RC_BUSY names the holder. */
enum rc lock_take(const char *path, int *fd_r, struct err *err) MUST_USE;

/* Starts a thread with all signals blocked: they are main's. */
enum rc thread_start(pthread_t *thread, const char *name, void *(*fn)(void *), void *ctx,
	struct err *err) MUST_USE;

void *writer_main(void *ctx);
/* Jobs that no writer will run any more. */
void writer_refuse_all(struct store *store);

enum rc checkpointer_start(struct store *store, struct err *err) MUST_USE;
void checkpointer_stop(struct store *store);
/* After each commit, on the writer's thread. */
void checkpointer_note_commit(struct store *store);

/* On the writer's thread. `jobs` were lost to the disk or to memory. */
void trouble_note(struct store *store, size_t jobs, const struct err *err);
/* In each transaction: while there is trouble it has something to write, so that its commit tells. */
enum rc trouble_write_alarm(struct store *store, struct err *err) MUST_USE;
/* After each commit. */
void trouble_end(struct store *store);

/* Ends the one under way with RC_BUSY; none begins any more. */
void errands_stop(struct store *store);
/* Deletes what a crash left of a copy. */
void errands_tidy(const struct store *store);

void resealer_init(struct resealer *resealer);
/* Counts at once where there are several keys. */
enum rc resealer_start(struct store *store, struct err *err) MUST_USE;
/* Tells it to end; joins it, when the writer takes no more jobs. */
void resealer_end(struct store *store);
void resealer_join(struct store *store);
void resealer_fini(struct resealer *resealer);
/* One turn on the caller's thread, for tests: RC_OK when all are under the newest key that can be. */
enum rc resealer_turn(struct store *store, struct err *err) MUST_USE;

#endif
