/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_SIGNER_H
#define POMONA_PKI_SIGNER_H

/*
 * The one thread on which a CA's private key is used for those who ask over the network, so that a storm of
 * enrollments leaves the HTTP workers to the devices that poll. It takes a core at most, and of that `percent`: it
 * rests between jobs. What it cannot take waits, and what cannot wait is refused: the asker gets 503 and comes again.
 * Threading: signer_start, _stop and _free: main. The rest: any thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "pomona/base/err.h"

struct signer;

/* The caller's memory; free again when `run` is called, which may hand it to the next thread. */
struct signer_job {
	void (*run)(void *ctx); /* on the signer's thread; must not wait */
	void *ctx;
	struct signer_job *next; /* the signer's */
};

struct signer_params {
	size_t queue_max; /* jobs that may wait, 1 or more; the one that runs is not counted */
	unsigned percent; /* of a core's time, 1 to 100 */
};

enum rc signer_start(const struct signer_params *params, struct signer **signer_r, struct err *err)
	MUST_USE;
/* RC_BUSY: too many wait, or it was stopped. */
enum rc signer_submit(struct signer *signer, struct signer_job *job, struct err *err) MUST_USE;

struct signer_stats {
	uint64_t jobs_waiting;
	uint64_t jobs_total; /* that were run */
	uint64_t jobs_refused;
	uint64_t worked_us; /* CPU time of them all */
};
void signer_stats(struct signer *signer, struct signer_stats *stats_r);
/* Runs what waits, without a rest, and ends the thread; what is submitted later is refused. */
void signer_stop(struct signer *signer);
void signer_free(struct signer **signer);

#endif
