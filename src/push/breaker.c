/* SPDX-License-Identifier: Apache-2.0 */
#include "breaker.h"

void breaker_init(struct breaker *breaker)
{
	*breaker = (struct breaker){.state = BREAKER_CLOSED};
}

bool breaker_may_pass(const struct breaker *breaker)
{
	return breaker->state == BREAKER_CLOSED ||
		(breaker->state == BREAKER_TRIAL && !breaker->is_trial_out);
}

bool breaker_pass(struct breaker *breaker)
{
	if (breaker->state != BREAKER_TRIAL)
		return false;
	breaker->is_trial_out = true;
	return true;
}

void breaker_trial_end(struct breaker *breaker)
{
	breaker->is_trial_out = false;
}

bool breaker_good(struct breaker *breaker, bool is_proof)
{
	if (breaker->state == BREAKER_STOPPED || (breaker->state != BREAKER_CLOSED && !is_proof))
		return false;
	breaker->faults = 0;
	if (breaker->goods < BREAKER_GOODS_MIN && ++breaker->goods == BREAKER_GOODS_MIN)
		breaker->pauses = 0;
	if (breaker->state == BREAKER_CLOSED)
		return false;
	breaker->state = BREAKER_CLOSED;
	breaker->is_trial_out = false;
	breaker->goods = 0;
	return true;
}

static int64_t pause_ms(unsigned pauses, uint32_t random)
{
	int64_t pause = BREAKER_PAUSE_FIRST_MS;

	for (unsigned i = 0; i < pauses && pause < BREAKER_PAUSE_MAX_MS; i++)
		pause *= 2;
	if (pause > BREAKER_PAUSE_MAX_MS)
		pause = BREAKER_PAUSE_MAX_MS;
	return pause - pause / 4 + (int64_t)(random % ((uint64_t)pause / 2 + 1));
}

bool breaker_bad(struct breaker *breaker, bool is_proof, int64_t now_ms, uint32_t random)
{
	if (breaker->state == BREAKER_OPEN || breaker->state == BREAKER_STOPPED ||
		(breaker->state == BREAKER_TRIAL && !is_proof))
		return false;
	if (breaker->faults++ == 0)
		breaker->faulty_since_ms = now_ms;
	if (!is_proof &&
		(breaker->faults < BREAKER_FAULTS_MAX ||
			now_ms - breaker->faulty_since_ms < BREAKER_FAULTS_MIN_MS))
		return false;
	breaker->state = BREAKER_OPEN;
	breaker->is_trial_out = false;
	breaker->faults = 0;
	breaker->until_ms = now_ms + pause_ms(breaker->pauses, random);
	breaker->pauses++;
	breaker->goods = 0;
	return true;
}

bool breaker_tick(struct breaker *breaker, int64_t now_ms)
{
	if (breaker->state != BREAKER_OPEN || now_ms < breaker->until_ms)
		return false;
	breaker->state = BREAKER_TRIAL;
	return true;
}

void breaker_stop(struct breaker *breaker)
{
	breaker->state = BREAKER_STOPPED;
	breaker->is_trial_out = false;
}
