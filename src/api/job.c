/* SPDX-License-Identifier: Apache-2.0 */
#include "private.h"

static struct job *job_of(struct store_job *store_job)
{
	return (struct job *)store_job;
}

static void fail(struct job *job, enum rc rc, const struct err *err)
{
	if (job->type->failed != NULL)
		job->type->failed(job);
	api_call_fail(&job->call, rc, err);
}

static enum rc run(struct store_job *store_job, struct txn *txn, struct err *err)
{
	struct job *job = job_of(store_job);

	return job->type->run(job, txn, err);
}

static void done(struct store_job *store_job, enum rc rc, const struct err *err)
{
	struct job *job = job_of(store_job);
	struct http_request *request = job->call.request;
	struct err own = {.rc = RC_OK};

	if (rc != RC_OK) {
		fail(job, rc, err);
	} else if (job->type->is_more != NULL && job->type->is_more(job)) {
		rc = store_submit(job->call.api->store, store_job, &own);
		if (rc == RC_OK)
			return; /* the job is the writer's again */
		fail(job, rc, &own);
	} else {
		job->type->reply(job);
	}
	http_resume(request);
}

/* These three have a request that is deferred: they resume it, or hand it on. */

static void give_up(struct job *job, enum rc rc, const struct err *err)
{
	struct http_request *request = job->call.request;

	fail(job, rc, err);
	http_resume(request);
}

static void give_to_writer(struct job *job)
{
	struct err err = {.rc = RC_OK};
	enum rc rc = store_submit(job->call.api->store, &job->store_job, &err);

	if (rc != RC_OK)
		give_up(job, rc, &err);
}

static void sign(void *ctx)
{
	struct job *job = ctx;
	struct err err = {.rc = RC_OK};
	enum rc rc = job->type->sign(job, &err);

	if (rc == RC_OK)
		give_to_writer(job);
	else
		give_up(job, rc, &err);
}

static void give_to_signer(struct job *job)
{
	struct err err = {.rc = RC_OK};
	enum rc rc;

	job->signer_job = (struct signer_job){.run = sign, .ctx = job};
	rc = signer_submit(job->call.api->signer, &job->signer_job, &err);
	if (rc != RC_OK)
		give_up(job, rc, &err);
}

void api_job_handle(struct http_request *request, void *api, const struct job_type *type)
{
	struct job *job = arena_alloc(http_request_arena(request), type->size);
	struct err err = {.rc = RC_OK};
	enum rc rc = RC_OK;
	struct call call;

	api_call_init(&call, api, request);
	if (job == NULL) {
		rc = api_call_no_memory(&err);
		api_call_fail(&call, rc, &err);
		return;
	}
	job->call = call;
	job->type = type;
	job->store_job.run = run;
	job->store_job.done = done;
	if (type->prepare != NULL)
		rc = type->prepare(job, &err);
	if (rc != RC_OK) {
		api_call_fail(&job->call, rc, &err);
		return;
	}
	http_defer(request); /* first: the other thread may be faster than the next line */
	if (type->sign != NULL)
		give_to_signer(job);
	else
		give_to_writer(job);
}
