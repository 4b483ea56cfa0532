/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/base/log_limit.h"

#include <pthread.h>
#include <stdlib.h>

struct slot {
	bool is_begun;
	int64_t begun_us;
	unsigned shown;
	uint64_t hidden; /* in this minute, and in those before that nobody asked about */
};

struct log_limit {
	pthread_mutex_t lock;
	size_t count;
	struct slot slots[];
};

struct log_limit *log_limit_new(size_t slot_count)
{
	struct log_limit *limit = calloc(1, sizeof(*limit) + slot_count * sizeof(limit->slots[0]));

	if (limit == NULL)
		return NULL;
	(void)pthread_mutex_init(&limit->lock, NULL);
	limit->count = slot_count;
	return limit;
}

static bool is_over(const struct slot *slot, int64_t now_us)
{
	return !slot->is_begun || now_us - slot->begun_us >= LOG_LIMIT_WINDOW_US;
}

bool log_limit_take(struct log_limit *limit, size_t slot, int64_t now_us)
{
	struct slot *s = &limit->slots[slot];
	bool is_taken;

	(void)pthread_mutex_lock(&limit->lock);
	if (is_over(s, now_us)) {
		s->is_begun = true;
		s->begun_us = now_us;
		s->shown = 0;
	}
	is_taken = s->shown < LOG_LIMIT_LINES;
	if (is_taken)
		s->shown++;
	else
		s->hidden++;
	(void)pthread_mutex_unlock(&limit->lock);
	return is_taken;
}

uint64_t log_limit_hidden(struct log_limit *limit, size_t slot, int64_t now_us)
{
	struct slot *s = &limit->slots[slot];
	uint64_t hidden = 0;

	(void)pthread_mutex_lock(&limit->lock);
	if (s->hidden > 0 && is_over(s, now_us)) {
		hidden = s->hidden;
		s->hidden = 0;
	}
	(void)pthread_mutex_unlock(&limit->lock);
	return hidden;
}

void log_limit_free(struct log_limit **limit)
{
	if (*limit == NULL)
		return;
	(void)pthread_mutex_destroy(&(*limit)->lock);
	free(*limit);
	*limit = NULL;
}
