/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include "private.h"

_Static_assert(offsetof(struct uses, job) == 0, "a job is its uses");

static enum rc run(struct store_job *job, struct txn *txn, struct err *err)
{
	struct uses *uses = (struct uses *)job;
	enum rc rc = RC_OK;

	(void)pthread_mutex_lock(&uses->lock);
	memcpy(uses->writing, uses->waiting, sizeof(uses->writing));
	uses->writing_count = uses->waiting_count;
	uses->waiting_count = 0;
	(void)pthread_mutex_unlock(&uses->lock);
	/* Only a job under way touches `writing`, and there is one. */
	for (size_t i = 0; rc == RC_OK && i < uses->writing_count; i++)
		rc = api_token_used(txn, uses->writing[i].token_id, uses->writing[i].at, err);
	return rc;
}

static void submit(struct uses *uses);

/* What could not be written is written with the token's next use; the store has told of the fault. */
static void done(struct store_job *job, enum rc rc, const struct err *err)
{
	struct uses *uses = (struct uses *)job;
	bool is_more;

	(void)rc;
	(void)err;
	(void)pthread_mutex_lock(&uses->lock);
	uses->writing_count = 0;
	is_more = rc == RC_OK && uses->waiting_count > 0;
	uses->is_under_way = is_more;
	(void)pthread_mutex_unlock(&uses->lock);
	if (is_more)
		submit(uses);
}

static void submit(struct uses *uses)
{
	if (store_submit(uses->store, &uses->job, NULL) == RC_OK)
		return;
	(void)pthread_mutex_lock(&uses->lock);
	uses->is_under_way = false; /* the next use tries again */
	(void)pthread_mutex_unlock(&uses->lock);
}

static bool is_in(const struct use *list, size_t count, int64_t token_id)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].token_id == token_id)
			return true;
	return false;
}

/* Is there a job to submit? One whose list is full already is left out until its next use. */
static bool add(struct uses *uses, const struct use *use)
{
	const bool is_idle = !uses->is_under_way;

	if (is_in(uses->writing, uses->writing_count, use->token_id))
		return false;
	if (uses->waiting_count < USES_MAX && !is_in(uses->waiting, uses->waiting_count, use->token_id))
		uses->waiting[uses->waiting_count++] = *use;
	uses->is_under_way = true;
	return is_idle;
}

void api_uses_note(struct uses *uses, const struct api_token_found *token, int64_t now)
{
	const struct use use = {.token_id = token->id, .at = now};
	bool is_wanted;

	/* A clock that was set back is no reason to write nothing. */
	if (token->used_at != 0 && now >= token->used_at && now - token->used_at < USES_STEP_S)
		return;
	(void)pthread_mutex_lock(&uses->lock);
	is_wanted = add(uses, &use);
	(void)pthread_mutex_unlock(&uses->lock);
	if (is_wanted)
		submit(uses);
}

void api_uses_init(struct uses *uses, struct store *store)
{
	*uses = (struct uses){.job = {.run = run, .done = done}, .store = store};
	(void)pthread_mutex_init(&uses->lock, NULL);
}

void api_uses_fini(struct uses *uses)
{
	(void)pthread_mutex_destroy(&uses->lock);
}
