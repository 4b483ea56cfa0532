/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/store.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "impl.h"
#include "pomona/base/file.h"
#include "schema.h"

enum { READERS_DEFAULT = 4, QUEUE_MAX_DEFAULT = 4096 };

/*
 * The kernel's page cache holds the file; these hold the upper pages of the trees and one commit's changes.
 * Checkpoints are the checkpointer's, so that no commit pays for one. No temp_store = MEMORY for the writer: it
 * would chop what savepoints keep into kilobytes and walk along them at each release. secure_delete = FAST: what is
 * deleted is wiped where its page is written anyway; to wipe pages that become free, as Debian's default does, would
 * write each of them once more, and what they held is sealed.
 */
static const char writer_pragmas[] =
	"PRAGMA journal_mode = WAL;"
	"PRAGMA synchronous = FULL;"
	"PRAGMA foreign_keys = ON;"
	"PRAGMA secure_delete = FAST;"
	"PRAGMA cache_size = -12288;"
	"PRAGMA wal_autocheckpoint = 0;"
	"PRAGMA journal_size_limit = 67108864";
static const char reader_pragmas[] =
	"PRAGMA query_only = ON;"
	"PRAGMA temp_store = MEMORY;"
	"PRAGMA cache_size = -2048";

/*
 * The pages that a savepoint may have to restore are kept in one piece of memory; past it they go to an unlinked
 * temporary file, by one write of that whole piece. SQLite's Unix VFS cuts a single write to less than 128 KiB and
 * takes the rest for a full disk, so the piece must be smaller. Statistics of memory would have all threads take
 * one lock at every allocation.
 */
static void configure_sqlite(void)
{
	enum { SAVEPOINT_BYTES = 128 * 1024 - 1 };

	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	(void)sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, SAVEPOINT_BYTES);
}

enum rc thread_start(pthread_t *thread, const char *name, void *(*fn)(void *), void *ctx,
	struct err *err)
{
	sigset_t all;
	sigset_t old;
	int fault;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	fault = pthread_create(thread, NULL, fn, ctx);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (fault != 0)
		return err_set_errno(err, fault, "store: thread %s", name);
	(void)pthread_setname_np(*thread, name);
	return RC_OK;
}

/* An existing file keeps its bytes, and gets the mode of a new one: a restored backup may be readable by all. */
static enum rc make_file(const char *path, bool is_create, struct err *err)
{
	enum rc rc;

	if (!file_is_there(path) && !is_create)
		return err_set(err, RC_NOT_FOUND, "%s: there is no database", path);
	rc = file_is_there(path) ? RC_OK : file_create(path, slice_of(NULL, 0), 0600, err);
	if (rc == RC_OK && chmod(path, 0600) != 0)
		rc = err_set_errno(err, errno, "%s", path);
	return rc;
}

static enum rc check_wal(struct db *db, const char *path, struct err *err)
{
	int64_t is_wal = 0;
	enum rc rc = db_read_int(db, "SELECT journal_mode = 'wal' FROM pragma_journal_mode", &is_wal, err);

	if (rc == RC_OK && !is_wal)
		return err_set(err, RC_IO, "%s: the file system cannot hold a write-ahead log", path);
	return rc;
}

static int note_pages(void *ctx, sqlite3 *db, const char *name, int pages)
{
	struct store *store = ctx;

	(void)db;
	(void)name;
	store->checkpointer.pages = pages;
	return SQLITE_OK;
}

/* What a crash left half done goes before anybody can see it. */
static enum rc tidy(struct txn *txn, struct err *err)
{
	enum rc rc = db_control(&txn->db, "BEGIN IMMEDIATE", err);

	if (rc != RC_OK)
		return rc;
	rc = staged_delete(txn, err);
	if (rc == RC_OK)
		rc = totals_write(txn, txn->finished, err);
	if (rc == RC_OK)
		return db_control(&txn->db, "COMMIT", err);
	db_leave(&txn->db);
	return rc;
}

static void txn_init(struct txn *txn, struct store *store, bool is_writer)
{
	*txn =
		(struct txn){.keys = &store->keys, .store = store, .clock = store->clock, .is_writer = is_writer};
}

static enum rc open_writer(struct store *store, bool is_create, struct err *err)
{
	struct txn *txn = &store->writer.txn;
	int64_t version = 0;
	enum rc rc = make_file(store->path, is_create, err);

	txn_init(txn, store, true);
	if (rc == RC_OK)
		rc = db_open(&txn->db, store->path, SQLITE_OPEN_READWRITE, err);
	if (rc == RC_OK) /* before anything is changed */
		rc = schema_check(&txn->db, store->path, &version, err);
	if (rc == RC_OK)
		rc = db_script(&txn->db, writer_pragmas, err);
	if (rc == RC_OK)
		rc = check_wal(&txn->db, store->path, err);
	if (rc == RC_OK)
		rc = schema_migrate(&txn->db, version, err);
	if (rc == RC_OK)
		rc = tidy(txn, err);
	if (rc == RC_OK)
		rc = db_ready(&txn->db, err);
	if (rc == RC_OK)
		(void)sqlite3_wal_hook(txn->db.raw, note_pages, store);
	return rc;
}

static enum rc open_readers(struct store *store, struct err *err)
{
	struct readers *readers = &store->readers;
	enum rc rc = RC_OK;

	for (unsigned i = 0; rc == RC_OK && i < readers->count; i++) {
		struct txn *txn = &readers->all[i];

		txn_init(txn, store, false);
		rc = db_open(&txn->db, store->path, SQLITE_OPEN_READONLY, err);
		if (rc == RC_OK)
			rc = db_script(&txn->db, reader_pragmas, err);
		if (rc == RC_OK)
			rc = db_ready(&txn->db, err);
		txn->next_free = readers->free;
		readers->free = txn;
	}
	return rc;
}

static struct store *store_new(const struct store_params *params)
{
	struct store *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return NULL;
	store->lock_fd = -1;
	keys_init(&store->keys, params->keyring);
	store->clock = params->clock;
	store->path = strdup(params->path);
	if (asprintf(&store->wal_path, "%s-wal", params->path) < 0)
		store->wal_path = NULL;
	store->writer.last = &store->writer.first;
	store->writer.queue_max = params->queue_max == 0 ? QUEUE_MAX_DEFAULT : params->queue_max;
	store->writer.failures = calloc(STORE_BATCH_JOBS_MAX, sizeof(*store->writer.failures));
	store->readers.count = params->readers == 0 ? READERS_DEFAULT : params->readers;
	store->readers.all = calloc(store->readers.count, sizeof(*store->readers.all));
	(void)pthread_mutex_init(&store->writer.mutex, NULL);
	(void)pthread_cond_init(&store->writer.wake, NULL);
	(void)pthread_mutex_init(&store->readers.mutex, NULL);
	(void)pthread_cond_init(&store->readers.freed, NULL);
	(void)pthread_mutex_init(&store->checkpointer.mutex, NULL);
	(void)pthread_cond_init(&store->checkpointer.wake, NULL);
	(void)pthread_mutex_init(&store->trouble.mutex, NULL);
	(void)pthread_mutex_init(&store->errands.mutex, NULL);
	(void)pthread_cond_init(&store->errands.wake, NULL);
	resealer_init(&store->resealer);
	return store;
}

static bool store_has_memory(const struct store *store)
{
	return store->path != NULL && store->wal_path != NULL && store->writer.failures != NULL &&
		store->readers.all != NULL;
}

enum rc store_open(const struct store_params *params, struct store **store_r, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	AUTO(store_close) struct store *store = NULL;
	enum rc rc;

	*store_r = NULL;
	(void)pthread_once(&once, configure_sqlite);
	store = store_new(params);
	if (store == NULL || !store_has_memory(store))
		return err_set(err, RC_NO_MEMORY, "store");
	rc = lock_take(store->path, &store->lock_fd, err);
	if (rc == RC_OK)
		rc = open_writer(store, params->is_create, err);
	if (rc == RC_OK) {
		errands_tidy(store);
		rc = open_readers(store, err);
	}
	if (rc != RC_OK)
		return rc;
	*store_r = store;
	store = NULL; /* moved to the caller */
	return RC_OK;
}

enum rc store_start(struct store *store, struct err *err)
{
	enum rc rc = checkpointer_start(store, err);

	if (rc == RC_OK)
		rc = thread_start(&store->writer.thread, "store-writer", writer_main, store, err);
	store->writer.is_running = rc == RC_OK;
	return rc == RC_OK ? resealer_start(store, err) : rc;
}

void store_stop(struct store *store)
{
	struct writer *writer = &store->writer;

	resealer_end(store);
	(void)pthread_mutex_lock(&writer->mutex);
	writer->is_stopping = true;
	(void)pthread_cond_signal(&writer->wake);
	(void)pthread_mutex_unlock(&writer->mutex);
	if (writer->is_running)
		(void)pthread_join(writer->thread, NULL);
	writer->is_running = false;
	writer_refuse_all(store); /* those of a store that was never started */
	resealer_join(store);
	errands_stop(store);
	checkpointer_stop(store);
}

static void store_free(struct store *store)
{
	resealer_fini(&store->resealer);
	keys_fini(&store->keys);
	(void)pthread_cond_destroy(&store->errands.wake);
	(void)pthread_mutex_destroy(&store->errands.mutex);
	(void)pthread_mutex_destroy(&store->trouble.mutex);
	(void)pthread_cond_destroy(&store->checkpointer.wake);
	(void)pthread_mutex_destroy(&store->checkpointer.mutex);
	(void)pthread_cond_destroy(&store->readers.freed);
	(void)pthread_mutex_destroy(&store->readers.mutex);
	(void)pthread_cond_destroy(&store->writer.wake);
	(void)pthread_mutex_destroy(&store->writer.mutex);
	free(store->readers.all);
	free(store->writer.failures);
	free(store->wal_path);
	free(store->path);
	free(store);
}

void store_close(struct store **store_ptr)
{
	struct store *store = *store_ptr;

	if (store == NULL)
		return;
	store_stop(store);
	for (unsigned i = 0; store->readers.all != NULL && i < store->readers.count; i++)
		db_close(&store->readers.all[i].db);
	db_close(&store->writer.txn.db); /* the last one moves the log into the database file */
	if (store->lock_fd >= 0)
		(void)close(store->lock_fd);
	store_free(store);
	*store_ptr = NULL;
}

static void give_back(struct readers *readers, struct txn *txn)
{
	(void)pthread_mutex_lock(&readers->mutex);
	txn->next_free = readers->free;
	readers->free = txn;
	(void)pthread_cond_signal(&readers->freed);
	(void)pthread_mutex_unlock(&readers->mutex);
}

enum rc store_read_begin(struct store *store, struct txn **txn_r, struct err *err)
{
	struct readers *readers = &store->readers;
	struct txn *txn;
	enum rc rc;

	*txn_r = NULL;
	(void)pthread_mutex_lock(&readers->mutex);
	while (readers->free == NULL)
		(void)pthread_cond_wait(&readers->freed, &readers->mutex);
	txn = readers->free;
	readers->free = txn->next_free;
	(void)pthread_mutex_unlock(&readers->mutex);
	txn->now = clock_unix_s(store->clock);
	db_leave(&txn->db); /* what could not be ended for want of memory */
	rc = db_control(&txn->db, "BEGIN", err);
	if (rc == RC_OK)
		*txn_r = txn;
	else
		give_back(readers, txn);
	return rc;
}

void store_read_end(struct store *store, struct txn **txn_ptr)
{
	struct txn *txn = *txn_ptr;

	if (txn == NULL)
		return;
	db_end_read(&txn->db);
	give_back(&store->readers, txn);
	*txn_ptr = NULL;
}

int64_t txn_now(const struct txn *txn)
{
	return txn->now;
}

bool txn_is_slice_over(const struct txn *txn)
{
	return txn->is_writer && clock_monotonic_us(txn->clock) >= txn->slice_ends_us;
}

static uint64_t file_bytes(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

void store_stats(const struct store *store, struct store_stats *stats_r)
{
	const struct counters *counters = &store->counters;

	*stats_r = (struct store_stats){
		.jobs_waiting = atomic_load(&store->writer.waiting),
		.jobs_total = atomic_load(&counters->jobs_total),
		.jobs_failed = atomic_load(&counters->jobs_failed),
		.jobs_refused = atomic_load(&counters->jobs_refused),
		.commits_total = atomic_load(&counters->commits_total),
		.commit_us_last = atomic_load(&counters->commit_us_last),
		.commit_us_max = atomic_load(&counters->commit_us_max),
		.commit_us_sum = atomic_load(&counters->commit_us_sum),
		.checkpoints_failed = atomic_load(&counters->checkpoints_failed),
		.batch_jobs_max = atomic_load(&counters->batch_jobs_max),
		.database_bytes = file_bytes(store->path) + file_bytes(store->wal_path),
	};
}
