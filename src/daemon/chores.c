/* SPDX-License-Identifier: Apache-2.0 */
#include "chores.h"

#include <stddef.h>

#include "pomona/base/log.h"
#include "pomona/store/queue.h"

static enum rc expiry_run(struct store_job *job, struct txn *txn, struct err *err)
{
	struct expiry *expiry = (struct expiry *)job;

	expiry->count = 0;
	expiry->is_more = false;
	return queue_expire(txn, &expiry->count, &expiry->is_more, err);
}
_Static_assert(offsetof(struct expiry, job) == 0, "a job is its chore");

static void expiry_done(struct store_job *job, enum rc rc, const struct err *err)
{
	struct expiry *expiry = (struct expiry *)job;
	struct err submit_err = {0};

	if (rc != RC_OK)
		log_warning("expiry_failed", LOG_STR("error", err->text));
	else if (expiry->count > 0)
		log_info("commands_expired", LOG_INT("count", expiry->count));
	if (rc == RC_OK && expiry->is_more &&
		store_submit(expiry->store, &expiry->job, &submit_err) == RC_OK)
		return;
	atomic_store(&expiry->is_under_way, false);
}

void expiry_begin(struct expiry *expiry, struct store *store)
{
	struct err err = {0};

	if (atomic_exchange(&expiry->is_under_way, true))
		return;
	expiry->job.run = expiry_run;
	expiry->job.done = expiry_done;
	expiry->store = store;
	if (store_submit(store, &expiry->job, &err) != RC_OK)
		atomic_store(&expiry->is_under_way, false); /* the next turn tries again */
}

static enum rc heartbeat_run(struct store_job *job, struct txn *txn, struct err *err)
{
	(void)job;
	(void)txn;
	(void)err;
	return RC_OK;
}

/* A full disk is no reason to be restarted: any answer is one. */
static void heartbeat_done(struct store_job *job, enum rc rc, const struct err *err)
{
	struct heartbeat *heartbeat = (struct heartbeat *)job;

	(void)rc;
	(void)err;
	atomic_store(&heartbeat->is_under_way, false);
}
_Static_assert(offsetof(struct heartbeat, job) == 0, "a job is its chore");

bool heartbeat_is_well(struct heartbeat *heartbeat, struct store *store)
{
	bool is_waiting = atomic_load(&heartbeat->is_under_way);
	struct store_stats stats;
	struct err err = {0};
	bool is_well;

	store_stats(store, &stats);
	is_well = (!is_waiting && !heartbeat->was_refused) || stats.jobs_total != heartbeat->jobs_seen;
	heartbeat->jobs_seen = stats.jobs_total;
	if (is_waiting)
		return is_well;
	heartbeat->job.run = heartbeat_run;
	heartbeat->job.done = heartbeat_done;
	atomic_store(&heartbeat->is_under_way, true);
	heartbeat->was_refused = store_submit(store, &heartbeat->job, &err) != RC_OK;
	if (heartbeat->was_refused)
		atomic_store(&heartbeat->is_under_way, false);
	return is_well;
}
