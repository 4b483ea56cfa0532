/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/admin.h"

#include "private.h"

enum rc api_alarms_write(struct call *call, struct txn *txn, int limit, struct json_value *root,
	struct err *err)
{
	struct json_value *rows = json_set_array(root, "alarms");
	struct alarm_view *views;
	size_t count;
	enum rc rc = alarm_list(txn, limit, call->arena, &views, &count, err);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < count; i++) {
		struct json_value *row = json_append_object(rows);

		json_set_str(row, "kind", views[i].kind);
		json_set_str(row, "subject", views[i].subject);
		json_set_str(row, "text", views[i].text);
		json_set_int(row, "count", views[i].count);
		json_set_time(row, "first_at", views[i].first_at);
		json_set_time(row, "last_at", views[i].last_at);
	}
	return RC_OK;
}

static enum rc read_alarms(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err)
{
	struct page page;
	enum rc rc = api_page_read(call, &page, err);

	return rc == RC_OK ? api_alarms_write(call, txn, page.limit, root, err) : rc;
}

void api_alarms_get(struct http_request *request, void *api)
{
	api_call_read(request, api, read_alarms);
}

/* A path has no empty segment: "-" stands for the empty subject. */
static struct slice subject_of(const struct job *job)
{
	const struct slice subject = slice_of_str(http_request_param(job->call.request, "subject"));

	return slice_is_str(subject, "-") ? slice_of(NULL, 0) : subject;
}

static enum rc run_clear(struct job *job, struct txn *txn, struct err *err)
{
	enum rc rc = alarm_clear(txn, http_request_param(job->call.request, "kind"), subject_of(job), err);

	return rc == RC_NOT_FOUND ? err_set(err, rc, "no such alarm") : rc;
}

static void reply_clear(struct job *job)
{
	api_call_audit_slice(&job->call, "clear_alarm", subject_of(job));
	http_reply_copy(job->call.request, 204, NULL, slice_of(NULL, 0));
}

void api_alarm_delete(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct job),
		.run = run_clear,
		.reply = reply_clear};

	api_job_handle(request, api, &type);
}
