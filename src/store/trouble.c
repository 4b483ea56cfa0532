/* SPDX-License-Identifier: Apache-2.0 */
#include "impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pomona/base/log.h"
#include "pomona/store/admin.h"

enum { LOG_EVERY_US = 10 * 1000000, ALARM_TEXT_BYTES = ERR_TEXT_BYTES + 200 };

static void log_failing(struct trouble *self, int64_t now_us)
{
	if (self->is_on && now_us < self->log_next_us)
		return;
	self->log_next_us = now_us + LOG_EVERY_US;
	log_error("commit_failed", LOG_INT("jobs", self->now.jobs), LOG_STR("reason", self->now.text),
		LOG_STR("advice", "devices get 503 and come again: make room, or look at the disk"));
}

void trouble_note(struct store *store, size_t jobs, const struct err *err)
{
	struct trouble *self = &store->trouble;
	int64_t now = clock_unix_s(store->clock);

	(void)pthread_mutex_lock(&self->mutex);
	if (!self->is_on)
		self->now = (struct store_trouble){.since = now};
	self->now.jobs += jobs;
	(void)snprintf(self->now.text, sizeof(self->now.text), "%s", err->text);
	log_failing(self, clock_monotonic_us(store->clock));
	self->is_on = true;
	(void)pthread_mutex_unlock(&self->mutex);
}

enum rc trouble_write_alarm(struct store *store, struct err *err)
{
	const struct store_trouble *now = &store->trouble.now;
	char text[ALARM_TEXT_BYTES];

	if (!store->trouble.is_on)
		return RC_OK;
	(void)snprintf(text, sizeof(text),
		"for %" PRId64 " s the database took no changes, and %" PRIu64
		" were turned away with 503, to come again: %s",
		clock_unix_s(store->clock) - now->since, now->jobs, now->text);
	return alarm_raise(&store->writer.txn, "store_failed", slice_of(NULL, 0), text, err);
}

void trouble_end(struct store *store)
{
	struct trouble *self = &store->trouble;

	if (!self->is_on)
		return;
	(void)pthread_mutex_lock(&self->mutex);
	self->is_on = false;
	(void)pthread_mutex_unlock(&self->mutex);
	log_warning("commit_works_again", LOG_INT("jobs_failed", self->now.jobs),
		LOG_INT("seconds", clock_unix_s(store->clock) - self->now.since));
}

bool store_trouble(struct store *store, struct store_trouble *trouble_r)
{
	struct trouble *self = &store->trouble;
	bool is_on;

	(void)pthread_mutex_lock(&self->mutex);
	is_on = self->is_on;
	*trouble_r = self->now;
	(void)pthread_mutex_unlock(&self->mutex);
	return is_on;
}
