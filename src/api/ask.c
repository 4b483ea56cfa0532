/* SPDX-License-Identifier: Apache-2.0 */
#include "pushing.h"

/* A request that waits for what becomes of its pushes. */

enum { WAIT_MS = 10000 };

bool api_has_push(struct http_request *request, void *api)
{
	static const struct problem problem = {
		.status = 503,
		.detail = "this server sends no pushes",
	};

	if (((const struct api *)api)->push != NULL)
		return true;
	api_problem_reply(request, &problem);
	return false;
}

struct asking *api_asking_new(struct call *call, size_t count)
{
	struct asking *asking = arena_alloc(call->arena, sizeof(*asking));

	if (asking == NULL)
		return NULL;
	asking->call = call;
	asking->ask.count = count;
	asking->ask.results = arena_alloc(call->arena, count * sizeof(*asking->ask.results));
	return asking->ask.results != NULL ? asking : NULL;
}

static void done(struct push_ask *ask)
{
	struct asking *asking = ask->ctx;
	struct http_request *request = asking->call->request;

	asking->reply(asking);
	http_resume(request);
}

void api_asking_start(struct asking *asking)
{
	struct call *call = asking->call;
	struct err err = {.rc = RC_OK};
	enum rc rc;

	asking->ask.done = done;
	asking->ask.ctx = asking;
	asking->ask.wait_ms = WAIT_MS;
	rc = push_ask(call->api->push, &asking->ask, &err);
	if (rc == RC_OK)
		return; /* `done` may have been called already */
	api_call_fail(call, rc, &err);
	http_resume(call->request);
}
