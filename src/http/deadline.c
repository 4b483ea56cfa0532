/* SPDX-License-Identifier: Apache-2.0 */
#include "deadline.h"

#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "pomona/base/clock.h"

enum {
	LOOK_S = 1,
	US_PER_S = 1000000,
	GONE_MIN = 256,   /* so many connections less leave memory behind that is worth giving back */
	LOOKS_BETWEEN = 5 /* from one time that it is given back to the next */
};

struct deadlines {
	void (*late)(struct deadline *deadline, enum http_away reason);
	pthread_t thread;
	pthread_mutex_t lock; /* of all below, and of next and prev of each */
	pthread_cond_t wake;
	bool is_stopping;
	struct deadline *first;
	size_t count;
	size_t most; /* since memory was given back */
	unsigned looks;
};

static int64_t now_us(void)
{
	return clock_monotonic_us(clock_system());
}

/* With the lock held, so that its descriptor cannot be closed meanwhile. */
static void look_at(struct deadlines *all, struct deadline *deadline, int64_t now)
{
	int64_t at_us = atomic_load(&deadline->at_us);

	/* Its worker may just be setting another. */
	if (at_us == 0 || now < at_us ||
		!atomic_compare_exchange_strong(&deadline->at_us, &at_us, INT64_C(0)))
		return;
	all->late(deadline, (enum http_away)atomic_load(&deadline->reason));
	(void)shutdown(deadline->fd, SHUT_RDWR);
}

/*
 * TLS keeps tens of KiB for each connection, in the workers' arenas, and what is free among them stays with the
 * process: a crowd that came once would be paid for until the next start. Without the lock, since this takes
 * milliseconds; returns with it.
 */
static void give_memory_back(struct deadlines *all)
{
	(void)pthread_mutex_unlock(&all->lock);
	(void)malloc_trim(0);
	(void)pthread_mutex_lock(&all->lock);
}

/* With the lock held. */
static bool has_crowd_gone(struct deadlines *all)
{
	if (++all->looks < LOOKS_BETWEEN || all->most < all->count + GONE_MIN ||
		all->count > all->most / 2)
		return false;
	all->most = all->count;
	all->looks = 0;
	return true;
}

static void *deadlines_main(void *ctx)
{
	struct deadlines *all = ctx;
	struct timespec until;

	(void)pthread_mutex_lock(&all->lock);
	while (!all->is_stopping) {
		int64_t now = now_us();

		for (struct deadline *deadline = all->first; deadline != NULL; deadline = deadline->next)
			look_at(all, deadline, now);
		if (has_crowd_gone(all))
			give_memory_back(all);
		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += LOOK_S;
		if (!all->is_stopping) /* it may have begun meanwhile */
			(void)pthread_cond_timedwait(&all->wake, &all->lock, &until);
	}
	(void)pthread_mutex_unlock(&all->lock);
	return NULL;
}

static void init_wake(pthread_cond_t *wake)
{
	pthread_condattr_t attributes;

	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(wake, &attributes);
	(void)pthread_condattr_destroy(&attributes);
}

static void release(struct deadlines **deadlines)
{
	(void)pthread_cond_destroy(&(*deadlines)->wake);
	(void)pthread_mutex_destroy(&(*deadlines)->lock);
	free(*deadlines);
	*deadlines = NULL;
}

enum rc deadlines_start(void (*late)(struct deadline *deadline, enum http_away reason),
	struct deadlines **deadlines_r, struct err *err)
{
	struct deadlines *all = calloc(1, sizeof(*all));
	int fault;

	*deadlines_r = NULL;
	if (all == NULL)
		return err_set(err, RC_NO_MEMORY, "deadlines");
	all->late = late;
	(void)pthread_mutex_init(&all->lock, NULL);
	init_wake(&all->wake);
	fault = pthread_create(&all->thread, NULL, deadlines_main, all);
	if (fault != 0) {
		release(&all);
		return err_set_errno(err, fault, "deadlines: thread");
	}
	(void)pthread_setname_np(all->thread, "http-deadline");
	*deadlines_r = all;
	return RC_OK;
}

void deadlines_stop(struct deadlines **deadlines)
{
	struct deadlines *all = *deadlines;

	if (all == NULL)
		return;
	(void)pthread_mutex_lock(&all->lock);
	all->is_stopping = true;
	(void)pthread_cond_signal(&all->wake);
	(void)pthread_mutex_unlock(&all->lock);
	(void)pthread_join(all->thread, NULL);
	release(deadlines);
}

void deadline_watch(struct deadline *deadline, struct deadlines *all, int fd)
{
	deadline->all = all;
	deadline->fd = fd;
	(void)pthread_mutex_lock(&all->lock);
	deadline->prev = NULL;
	deadline->next = all->first;
	if (all->first != NULL)
		all->first->prev = deadline;
	all->first = deadline;
	if (++all->count > all->most)
		all->most = all->count;
	(void)pthread_mutex_unlock(&all->lock);
}

unsigned deadline_file_s(unsigned least_s, uint64_t bytes)
{
	const uint64_t more_s =
		bytes / DEADLINE_FILE_BYTES_PER_S_LEAST + (bytes % DEADLINE_FILE_BYTES_PER_S_LEAST == 0 ? 0 : 1);

	if (least_s == 0)
		return 0;
	return more_s >= UINT_MAX - least_s ? UINT_MAX : least_s + (unsigned)more_s;
}

void deadline_set(struct deadline *deadline, enum http_away reason, unsigned seconds)
{
	if (seconds == 0) {
		atomic_store_explicit(&deadline->at_us, 0, memory_order_relaxed);
		return;
	}
	atomic_store_explicit(&deadline->reason, (int)reason, memory_order_relaxed);
	atomic_store_explicit(&deadline->at_us, now_us() + (int64_t)seconds * US_PER_S,
		memory_order_release);
}

void deadline_forget(struct deadline *deadline)
{
	struct deadlines *all = deadline->all;

	if (all == NULL)
		return;
	(void)pthread_mutex_lock(&all->lock);
	if (deadline->prev != NULL)
		deadline->prev->next = deadline->next;
	else
		all->first = deadline->next;
	if (deadline->next != NULL)
		deadline->next->prev = deadline->prev;
	all->count--;
	(void)pthread_mutex_unlock(&all->lock);
	deadline->all = NULL;
}
