/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/enrollment.h"

#include "private.h"

static const char text_plain[] = "text/plain; charset=utf-8";

void api_health_get(struct http_request *request, void *api)
{
	(void)api;
	http_reply_copy(request, 200, text_plain, SLICE_LITERAL("ok\n"));
}

/* Any read that touches the file will do. */
static enum rc read_something(struct api *api, struct err *err)
{
	struct txn *txn = NULL;
	bool is_any;
	enum rc rc = store_read_begin(api->store, &txn, err);

	if (rc != RC_OK)
		return rc;
	rc = enrollment_is_any(txn, &is_any, err);
	store_read_end(api->store, &txn);
	return rc;
}

void api_ready_get(struct http_request *request, void *api)
{
	struct api *self = api;
	struct err err = {.rc = RC_OK};
	struct problem problem = {.status = 503, .detail = err.text};

	if (!atomic_load(&self->is_ready))
		problem.detail = "starting or stopping";
	else if (read_something(self, &err) == RC_OK) {
		http_reply_copy(request, 200, text_plain, SLICE_LITERAL("ready\n"));
		return;
	}
	api_problem_reply(request, &problem);
}
