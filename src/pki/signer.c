/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/pki/signer.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "pace.h"

enum { US_PER_S = 1000000, NS_PER_US = 1000 };

struct signer {
	struct signer_params params;
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wake;
	struct signer_job *first, *last;
	struct signer_stats stats;
	bool is_stopping, is_stopped;
};

int64_t pace_rest_us(struct pace *pace, int64_t worked_us, unsigned percent)
{
	int64_t rest_us;

	pace->owed_us += worked_us * (100 - (int64_t)percent) / percent;
	if (pace->owed_us < PACE_STEP_US)
		return 0;
	rest_us = pace->owed_us;
	pace->owed_us = 0;
	return rest_us;
}

/* CPU time and not the clock's: to be kept from a core is no work. */
static int64_t worked_us(void)
{
	struct timespec at = {.tv_sec = 0};

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
	return (int64_t)at.tv_sec * US_PER_S + at.tv_nsec / NS_PER_US;
}

/* With the lock held; a stop ends it. */
static void rest(struct signer *signer, int64_t rest_us)
{
	struct timespec until = {.tv_sec = 0};
	int64_t us;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	us = until.tv_nsec / NS_PER_US + rest_us;
	until.tv_sec += (time_t)(us / US_PER_S);
	until.tv_nsec = (long)(us % US_PER_S) * NS_PER_US;
	while (!signer->is_stopping && pthread_cond_timedwait(&signer->wake, &signer->lock, &until) == 0)
		;
}

/* With the lock held. NULL: it is to end, and nothing waits. */
static struct signer_job *next_job(struct signer *signer)
{
	struct signer_job *job;

	while (signer->first == NULL && !signer->is_stopping)
		(void)pthread_cond_wait(&signer->wake, &signer->lock);
	job = signer->first;
	if (job == NULL)
		return NULL;
	signer->first = job->next;
	if (signer->first == NULL)
		signer->last = NULL;
	signer->stats.jobs_waiting--;
	return job;
}

static void *serve(void *arg)
{
	struct signer *signer = arg;
	struct signer_job *job;
	struct pace pace = {.owed_us = 0};

	(void)pthread_mutex_lock(&signer->lock);
	while ((job = next_job(signer)) != NULL) {
		int64_t took_us = worked_us();

		(void)pthread_mutex_unlock(&signer->lock);
		job->run(job->ctx);
		took_us = worked_us() - took_us;
		(void)pthread_mutex_lock(&signer->lock);
		signer->stats.jobs_total++;
		signer->stats.worked_us += (uint64_t)took_us;
		took_us = pace_rest_us(&pace, took_us, signer->params.percent);
		if (took_us > 0)
			rest(signer, took_us);
	}
	(void)pthread_mutex_unlock(&signer->lock);
	return NULL;
}

static void init(struct signer *signer, const struct signer_params *params)
{
	pthread_condattr_t attr;

	signer->params = *params;
	(void)pthread_mutex_init(&signer->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&signer->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
}

static void fini(struct signer *signer)
{
	(void)pthread_cond_destroy(&signer->wake);
	(void)pthread_mutex_destroy(&signer->lock);
	free(signer);
}

enum rc signer_start(const struct signer_params *params, struct signer **signer_r, struct err *err)
{
	struct signer *signer = calloc(1, sizeof(*signer));
	int fault;

	*signer_r = NULL;
	if (signer == NULL)
		return err_set(err, RC_NO_MEMORY, "signer");
	init(signer, params);
	fault = pthread_create(&signer->thread, NULL, serve, signer);
	if (fault != 0) {
		fini(signer);
		return err_set_errno(err, fault, "signer: its thread");
	}
	(void)pthread_setname_np(signer->thread, "signer");
	*signer_r = signer;
	return RC_OK;
}

/* With the lock held. */
static bool is_full(const struct signer *signer)
{
	return signer->is_stopping || signer->stats.jobs_waiting >= signer->params.queue_max;
}

static void append(struct signer *signer, struct signer_job *job)
{
	job->next = NULL;
	if (signer->last != NULL)
		signer->last->next = job;
	else
		signer->first = job;
	signer->last = job;
	signer->stats.jobs_waiting++;
}

enum rc signer_submit(struct signer *signer, struct signer_job *job, struct err *err)
{
	bool is_refused;

	(void)pthread_mutex_lock(&signer->lock);
	is_refused = is_full(signer);
	if (is_refused)
		signer->stats.jobs_refused++;
	else
		append(signer, job);
	(void)pthread_cond_signal(&signer->wake);
	(void)pthread_mutex_unlock(&signer->lock);
	return is_refused ? err_set(err, RC_BUSY, "too many wait for the CA's signature: come again later")
																			: RC_OK;
}

void signer_stats(struct signer *signer, struct signer_stats *stats_r)
{
	(void)pthread_mutex_lock(&signer->lock);
	*stats_r = signer->stats;
	(void)pthread_mutex_unlock(&signer->lock);
}

void signer_stop(struct signer *signer)
{
	(void)pthread_mutex_lock(&signer->lock);
	signer->is_stopping = true;
	(void)pthread_cond_signal(&signer->wake);
	(void)pthread_mutex_unlock(&signer->lock);
	if (!signer->is_stopped)
		(void)pthread_join(signer->thread, NULL);
	signer->is_stopped = true;
}

void signer_free(struct signer **signer)
{
	if (*signer == NULL)
		return;
	signer_stop(*signer);
	fini(*signer);
	*signer = NULL;
}
