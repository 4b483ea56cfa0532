/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "pomona/store/backup.h"
#include "private.h"

/* A call that waits for an errand of the store. */
struct errand_call {
	struct store_errand errand; /* first: the store hands it back */
	struct call call;
};
_Static_assert(offsetof(struct errand_call, errand) == 0, "an errand is its call");

static void begin(struct http_request *request, void *api, enum store_errand_kind kind,
	void (*done)(struct store_errand *errand, enum rc rc, const struct err *err))
{
	struct errand_call *waiting = arena_alloc(http_request_arena(request), sizeof(*waiting));
	struct err err = {.rc = RC_OK};
	struct call call;
	enum rc rc;

	api_call_init(&call, api, request);
	if (waiting == NULL) {
		rc = api_call_no_memory(&err);
		api_call_fail(&call, rc, &err);
		return;
	}
	*waiting =
		(struct errand_call){.errand = {.kind = kind, .done = done, .limit_ms = BACKUP_CHECK_MS},
			.call = call};
	http_defer(request); /* first: the errand may be faster than the next line */
	rc = store_errand_begin(call.api->store, &waiting->errand, &err);
	if (rc != RC_OK) {
		api_call_fail(&waiting->call, rc, &err);
		http_resume(request);
	}
}

static void copied(struct store_errand *errand, enum rc rc, const struct err *err)
{
	struct call *call = &((struct errand_call *)errand)->call;

	if (rc == RC_OK) {
		api_call_audit(call, "backup", "");
		http_reply_header(call->request, "Cache-Control", "no-store");
		http_reply_file(call->request, 200, "application/vnd.sqlite3", errand->fd, errand->bytes);
	} else {
		api_call_fail(call, rc, err);
	}
	http_resume(call->request);
}

static void checked(struct store_errand *errand, enum rc rc, const struct err *err)
{
	struct call *call = &((struct errand_call *)errand)->call;

	if (rc == RC_OK || rc == RC_CORRUPT || rc == RC_LIMIT) {
		struct json_value *root = json_new_object();

		if (rc == RC_LIMIT)
			json_set_str(root, "is_intact", NULL);
		else
			json_set_bool(root, "is_intact", rc == RC_OK);
		json_set_str(root, "fault", rc == RC_OK ? NULL : err->text);
		api_call_reply(call, 200, &root);
	} else {
		api_call_fail(call, rc, err);
	}
	http_resume(call->request);
}

void api_backup_get(struct http_request *request, void *api)
{
	begin(request, api, STORE_ERRAND_COPY, copied);
}

void api_integrity_get(struct http_request *request, void *api)
{
	begin(request, api, STORE_ERRAND_CHECK, checked);
}
