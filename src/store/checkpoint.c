/* SPDX-License-Identifier: Apache-2.0 */
#include "impl.h"

#include "pomona/base/log.h"

enum { CHECKPOINT_PAGES = 4096 }; /* 16 MiB of log */

/* PASSIVE: waits for nobody, and nobody waits for it. What a reader still needs stays for the next time. */
static void move_pages(struct checkpointer *self, struct db *db)
{
	int rc = sqlite3_wal_checkpoint_v2(db->raw, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);

	if (rc == SQLITE_OK || rc == SQLITE_BUSY)
		return;
	(void)atomic_fetch_add(self->failed, 1);
	log_error("checkpoint_failed", LOG_STR("reason", sqlite3_errmsg(db->raw)));
}

static void *checkpointer_main(void *ctx)
{
	struct checkpointer *self = ctx;
	bool is_stopping = false;

	while (!is_stopping) {
		bool is_wanted;

		(void)pthread_mutex_lock(&self->mutex);
		while (!self->is_wanted && !self->is_stopping)
			(void)pthread_cond_wait(&self->wake, &self->mutex);
		is_wanted = self->is_wanted;
		is_stopping = self->is_stopping;
		self->is_wanted = false;
		(void)pthread_mutex_unlock(&self->mutex);
		if (is_wanted && !is_stopping) {
			move_pages(self, &self->db);
			atomic_store(&self->is_rest_due, true);
		}
	}
	return NULL;
}

enum rc checkpointer_start(struct store *store, struct err *err)
{
	struct checkpointer *self = &store->checkpointer;
	enum rc rc = db_open(&self->db, store->path, SQLITE_OPEN_READWRITE, err);

	self->pages_next = CHECKPOINT_PAGES;
	self->failed = &store->counters.checkpoints_failed;
	if (rc == RC_OK)
		rc = db_script(&self->db, "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0", err);
	if (rc == RC_OK)
		rc = thread_start(&self->thread, "store-checkpt", checkpointer_main, self, err);
	self->is_running = rc == RC_OK;
	return rc;
}

void checkpointer_stop(struct store *store)
{
	struct checkpointer *self = &store->checkpointer;

	(void)pthread_mutex_lock(&self->mutex);
	self->is_stopping = true;
	(void)pthread_cond_signal(&self->wake);
	(void)pthread_mutex_unlock(&self->mutex);
	if (self->is_running)
		(void)pthread_join(self->thread, NULL);
	self->is_running = false;
	db_close(&self->db);
}

void checkpointer_note_commit(struct store *store)
{
	struct checkpointer *self = &store->checkpointer;

	if (atomic_exchange(&self->is_rest_due, false))
		move_pages(self, &store->writer.txn.db);
	if (self->pages < CHECKPOINT_PAGES)
		self->pages_next = CHECKPOINT_PAGES; /* the log has begun anew */
	if (self->pages < self->pages_next)
		return;
	/* Where a long reader holds the log, try again only when as much has come again. */
	self->pages_next = self->pages + CHECKPOINT_PAGES;
	(void)pthread_mutex_lock(&self->mutex);
	self->is_wanted = true;
	(void)pthread_cond_signal(&self->wake);
	(void)pthread_mutex_unlock(&self->mutex);
}
