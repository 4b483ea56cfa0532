/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/identity/refusal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct refusal_log {
	pthread_mutex_t mutex; /* guards entries and added */
	uint64_t added;        /* the next one goes to added % REFUSAL_LOG_ROWS */
	_Atomic uint64_t counts[REFUSAL_COUNT];
	struct refusal_entry entries[REFUSAL_LOG_ROWS];
};

struct refusal_log *refusal_log_new(void)
{
	struct refusal_log *log = calloc(1, sizeof(*log));

	if (log == NULL)
		return NULL;
	if (pthread_mutex_init(&log->mutex, NULL) != 0) {
		free(log);
		return NULL;
	}
	return log;
}

void refusal_log_add(struct refusal_log *log, const struct refusal_entry *entry)
{
	if ((unsigned)entry->refusal >= REFUSAL_COUNT)
		return;
	atomic_fetch_add_explicit(&log->counts[entry->refusal], 1, memory_order_relaxed);
	pthread_mutex_lock(&log->mutex);
	log->entries[log->added++ % REFUSAL_LOG_ROWS] = *entry;
	pthread_mutex_unlock(&log->mutex);
}

enum rc refusal_log_latest(struct refusal_log *log, int limit, struct arena *arena,
	struct refusal_entry **entries_r, size_t *count_r, struct err *err)
{
	size_t count = limit > 0 ? (size_t)limit : 0;

	*entries_r = NULL;
	*count_r = 0;
	pthread_mutex_lock(&log->mutex);
	if (count > REFUSAL_LOG_ROWS)
		count = REFUSAL_LOG_ROWS;
	if (count > log->added)
		count = (size_t)log->added;
	if (count > 0)
		*entries_r = arena_alloc(arena, count * sizeof(**entries_r));
	if (*entries_r != NULL) {
		for (size_t i = 0; i < count; i++)
			(*entries_r)[i] = log->entries[(log->added - 1 - i) % REFUSAL_LOG_ROWS];
		*count_r = count;
	}
	pthread_mutex_unlock(&log->mutex);
	if (count > 0 && *entries_r == NULL)
		return err_set(err, RC_NO_MEMORY, "latest refusals");
	return RC_OK;
}

uint64_t refusal_log_count(const struct refusal_log *log, enum refusal refusal)
{
	if ((unsigned)refusal >= REFUSAL_COUNT)
		return 0;
	return atomic_load_explicit(&log->counts[refusal], memory_order_relaxed);
}

void refusal_log_free(struct refusal_log **log)
{
	if (*log == NULL)
		return;
	pthread_mutex_destroy(&(*log)->mutex);
	free(*log);
	*log = NULL;
}
