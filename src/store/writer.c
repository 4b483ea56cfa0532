/* SPDX-License-Identifier: Apache-2.0 */
#include "impl.h"

#include <string.h>

#include "pomona/base/log.h"

struct batch {
	struct store_job *first;
	size_t jobs, failed;
	int64_t finished[QUEUE_STATE_END];
};

/* Sleeps until there are jobs. False: none are left and the store stops. */
static bool take_batch(struct writer *writer, struct batch *batch)
{
	struct store_job *last = NULL;

	*batch = (struct batch){0};
	(void)pthread_mutex_lock(&writer->mutex);
	while (writer->first == NULL && !writer->is_stopping) {
		writer->is_sleeping = true;
		(void)pthread_cond_wait(&writer->wake, &writer->mutex);
	}
	writer->is_sleeping = false;
	batch->first = writer->first;
	while (writer->first != NULL && batch->jobs < STORE_BATCH_JOBS_MAX) {
		last = writer->first;
		writer->first = last->next;
		batch->jobs++;
	}
	if (last != NULL)
		last->next = NULL;
	if (writer->first == NULL)
		writer->last = &writer->first;
	(void)atomic_fetch_sub(&writer->waiting, batch->jobs);
	(void)pthread_mutex_unlock(&writer->mutex);
	return batch->jobs > 0;
}

static void job_failed(struct writer *writer, struct batch *batch, struct store_job *job,
	const struct err *err)
{
	writer->failures[batch->failed++] = *err;
	job->rc = err->rc;
}

static void forget_changes(struct txn *txn)
{
	memset(txn->finished, 0, sizeof(txn->finished));
	txn->staging = (struct staging){0};
}

static void keep_changes(struct txn *txn, struct batch *batch)
{
	for (int i = 0; i < QUEUE_STATE_END; i++)
		batch->finished[i] += txn->finished[i];
	forget_changes(txn);
}

/* The job's own rc is in job->rc and its text kept. Not RC_OK here: the transaction is of no use any more. */
static enum rc run_job(struct writer *writer, struct batch *batch, struct store_job *job,
	struct err *err)
{
	struct txn *txn = &writer->txn;
	struct err job_err = {.rc = RC_OK, .text = ""};
	enum rc rc = db_control(&txn->db, "SAVEPOINT job", err);

	if (rc != RC_OK)
		return rc;
	forget_changes(txn);
	txn->slice_ends_us = clock_monotonic_us(txn->clock) + (int64_t)STORE_JOB_SLICE_MS * 1000;
	job->rc = job->run(job, txn, &job_err);
	job_err.rc = job->rc;
	if (job->rc != RC_OK)
		job_failed(writer, batch, job, &job_err);
	/* SQLite drops the whole transaction after some errors of the disk or of memory. */
	if (sqlite3_get_autocommit(txn->db.raw))
		return err_set(err, RC_IO, "the transaction was lost to an error: %s", job_err.text);
	if (job->rc == RC_OK)
		keep_changes(txn, batch);
	else
		rc = db_control(&txn->db, "ROLLBACK TO job", err);
	return rc == RC_OK ? db_control(&txn->db, "RELEASE job", err) : rc;
}

static enum rc commit(struct store *store, struct batch *batch, struct err *err)
{
	struct counters *counters = &store->counters;
	struct txn *txn = &store->writer.txn;
	enum rc rc = totals_write(txn, batch->finished, err);
	int64_t begun_us = clock_monotonic_us(store->clock);
	uint64_t took_us;

	if (rc == RC_OK)
		rc = trouble_write_alarm(store, err);
	if (rc == RC_OK)
		rc = db_control(&txn->db, "COMMIT", err);
	if (rc != RC_OK)
		return rc;
	took_us = (uint64_t)(clock_monotonic_us(store->clock) - begun_us);
	atomic_fetch_add(&counters->commits_total, 1);
	atomic_fetch_add(&counters->commit_us_sum, took_us);
	atomic_store(&counters->commit_us_last, took_us);
	if (took_us > atomic_load(&counters->commit_us_max))
		atomic_store(&counters->commit_us_max, took_us);
	if (batch->jobs > atomic_load(&counters->batch_jobs_max))
		atomic_store(&counters->batch_jobs_max, batch->jobs);
	return RC_OK;
}

static enum rc run_batch(struct store *store, struct batch *batch, struct err *err)
{
	struct writer *writer = &store->writer;
	enum rc rc;

	for (struct store_job *job = batch->first; job != NULL; job = job->next)
		job->rc = RC_OK;
	writer->txn.now = clock_unix_s(store->clock);
	writer->txn.db.is_disk_failing = false;
	db_leave(&writer->txn.db); /* what could not be ended for want of memory */
	rc = db_control(&writer->txn.db, "BEGIN IMMEDIATE", err);
	for (struct store_job *job = batch->first; rc == RC_OK && job != NULL; job = job->next)
		rc = run_job(writer, batch, job, err);
	if (rc == RC_OK)
		rc = commit(store, batch, err);
	if (rc != RC_OK)
		db_leave(&writer->txn.db);
	return rc;
}

/* `fault` is the batch's: it befalls the jobs that had not failed themselves. */
static void tell_all(struct store *store, struct batch *batch, enum rc rc, const struct err *fault)
{
	const struct err *failure = store->writer.failures;
	struct store_job *next;

	log_gather();
	for (struct store_job *job = batch->first; job != NULL; job = next) {
		const struct err *err = fault;

		next = job->next; /* done() may free the job */
		if (job->rc != RC_OK)
			err = failure++;
		else
			job->rc = rc;
		(void)atomic_fetch_add(&store->counters.jobs_total, 1);
		if (job->rc != RC_OK)
			(void)atomic_fetch_add(&store->counters.jobs_failed, 1);
		job->done(job, job->rc, err);
	}
	log_gather_end();
}

/* Is it the disk, or memory? A job's own fault is its own affair. */
static void watch(struct store *store, const struct batch *batch, enum rc rc,
	const struct err *fault)
{
	const struct err *failures = store->writer.failures;
	const struct err *worst = NULL;
	size_t lost = 0;

	if (rc != RC_OK) {
		trouble_note(store, batch->jobs, fault);
		return;
	}
	for (size_t i = 0; i < batch->failed; i++) {
		if (failures[i].rc != RC_IO || !store->writer.txn.db.is_disk_failing)
			continue;
		worst = &failures[i];
		lost++;
	}
	if (worst != NULL)
		trouble_note(store, lost, worst);
	else
		trouble_end(store);
}

void *writer_main(void *ctx)
{
	struct store *store = ctx;
	struct batch batch;

	while (take_batch(&store->writer, &batch)) {
		struct err err = {.rc = RC_OK, .text = ""};
		enum rc rc = run_batch(store, &batch, &err);

		watch(store, &batch, rc, &err);
		tell_all(store, &batch, rc, &err);
		if (rc == RC_OK)
			checkpointer_note_commit(store);
	}
	return NULL;
}

void writer_refuse_all(struct store *store)
{
	struct err err = {.rc = RC_BUSY, .text = "the store stops"};
	struct batch batch;

	while (take_batch(&store->writer, &batch)) {
		for (struct store_job *job = batch.first; job != NULL; job = job->next)
			job->rc = RC_OK;
		tell_all(store, &batch, RC_BUSY, &err);
	}
}

enum rc store_submit(struct store *store, struct store_job *job, struct err *err)
{
	struct writer *writer = &store->writer;
	bool is_taken;
	bool is_stopping;
	bool is_wake;

	job->next = NULL;
	(void)pthread_mutex_lock(&writer->mutex);
	is_stopping = writer->is_stopping;
	is_taken = !is_stopping && atomic_load(&writer->waiting) < writer->queue_max;
	is_wake = is_taken && writer->is_sleeping;
	if (is_taken) {
		*writer->last = job;
		writer->last = &job->next;
		writer->is_sleeping = false;
		(void)atomic_fetch_add(&writer->waiting, 1);
	}
	(void)pthread_mutex_unlock(&writer->mutex);
	if (is_wake)
		(void)pthread_cond_signal(&writer->wake);
	if (is_taken)
		return RC_OK;
	(void)atomic_fetch_add(&store->counters.jobs_refused, 1);
	return err_set(err, RC_BUSY, is_stopping ? "the store stops" : "too many changes wait");
}

struct blocking_job {
	struct store_job job; /* first: run and done get its address */
	enum rc (*fn)(void *ctx, struct txn *txn, struct err *err);
	void *ctx;
	struct err *err;
	pthread_mutex_t mutex;
	pthread_cond_t finished;
	bool is_finished;
};

static enum rc blocking_run(struct store_job *job, struct txn *txn, struct err *err)
{
	struct blocking_job *blocking = (struct blocking_job *)job;

	return blocking->fn(blocking->ctx, txn, err);
}

static void blocking_done(struct store_job *job, enum rc rc, const struct err *err)
{
	struct blocking_job *blocking = (struct blocking_job *)job;

	(void)pthread_mutex_lock(&blocking->mutex);
	if (rc != RC_OK && blocking->err != NULL)
		*blocking->err = *err;
	blocking->is_finished = true;
	(void)pthread_cond_signal(&blocking->finished);
	(void)pthread_mutex_unlock(&blocking->mutex);
}

enum rc store_run(struct store *store, enum rc (*fn)(void *ctx, struct txn *txn, struct err *err),
	void *ctx, struct err *err)
{
	struct blocking_job blocking = {
		.job = {.run = blocking_run, .done = blocking_done},
		.fn = fn,
		.ctx = ctx,
		.err = err,
		.mutex = PTHREAD_MUTEX_INITIALIZER,
		.finished = PTHREAD_COND_INITIALIZER,
	};
	enum rc rc = store_submit(store, &blocking.job, err);

	if (rc != RC_OK)
		return rc;
	(void)pthread_mutex_lock(&blocking.mutex);
	while (!blocking.is_finished)
		(void)pthread_cond_wait(&blocking.finished, &blocking.mutex);
	(void)pthread_mutex_unlock(&blocking.mutex);
	return blocking.job.rc;
}
