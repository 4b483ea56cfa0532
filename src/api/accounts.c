/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdio.h>

#include "pomona/store/account.h"

#include "private.h"

/* Devices that people enrolled with their account, and the end of their logins. */

enum { DETAIL_BYTES = 64 };

static enum rc read_accounts(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err)
{
	struct json_value *rows = json_set_array(root, "accounts");
	struct account_filter filter = {
		.user_name = slice_of_str(http_request_query(call->request, "user"))};
	struct account_view *views = NULL;
	struct page page;
	size_t count = 0;
	enum rc rc = api_page_read(call, &page, err);

	filter.after_id = page.after_id;
	filter.limit = page.limit;
	if (rc == RC_OK)
		rc = account_list(txn, &filter, call->arena, &views, &count, err);
	for (size_t i = 0; rc == RC_OK && i < count; i++) {
		struct json_value *row = json_append_object(rows);
		const char *device = views[i].device_ext_id;

		json_set_str(row, "user", views[i].user_name);
		json_set_str(row, "managed_apple_account", views[i].managed_id);
		json_set_str(row, "mode", account_mode_name(views[i].mode));
		json_set_str(row, "device_id", device[0] == '\0' ? NULL : device);
		json_set_time(row, "created_at", views[i].created_at);
		json_set_bool(row, "is_logged_in", views[i].has_token);
		json_set_time(row, "login_ends_at", views[i].has_token ? views[i].token_expires_at : 0);
	}
	if (rc == RC_OK)
		api_page_end(&page, count, count > 0 ? views[count - 1].id : 0, root);
	return rc;
}

void api_accounts_get(struct http_request *request, void *api)
{
	api_call_read(request, api, read_accounts);
}

struct logout {
	struct job job;
	struct slice user, device_id;
	int64_t count;
};

static enum rc prepare(struct job *job, struct err *err)
{
	static const struct json_field table[] = {
		{.key = "user",
			.kind = JSON_KIND_STRING,
			.offset = offsetof(struct logout, user),
			.max_bytes = ACCOUNT_USER_BYTES_MAX},
		{.key = "device_id",
			.kind = JSON_KIND_STRING,
			.offset = offsetof(struct logout, device_id),
			.max_bytes = ENROLLMENT_DEVICE_ID_BYTES_MAX},
	};
	struct logout *logout = (struct logout *)job;
	struct json_value *body;
	enum rc rc = api_call_body(&job->call, &body, err);

	if (rc == RC_OK)
		rc = json_read_fields(body, table, COUNT_OF(table), logout, err);
	if (rc == RC_OK && (logout->user.len == 0) == (logout->device_id.len == 0))
		return api_call_invalid(&job->call, err, "user", "give either this or device_id");
	return rc;
}

static enum rc run(struct job *job, struct txn *txn, struct err *err)
{
	struct logout *logout = (struct logout *)job;
	enum rc rc;

	if (logout->user.len > 0)
		return access_token_end_user(txn, logout->user, &logout->count, err);
	rc = access_token_end_device(txn, logout->device_id, &logout->count, err);
	if (rc == RC_NOT_FOUND)
		return err_set(err, rc, "no device of this id enrolled with an account");
	return rc;
}

static void reply(struct job *job)
{
	struct logout *logout = (struct logout *)job;
	const bool is_user = logout->user.len > 0;
	struct json_value *root = json_new_object();
	char detail[DETAIL_BYTES];

	(void)snprintf(detail, sizeof(detail), "%lld access tokens ended", (long long)logout->count);
	api_call_audit_detail(&job->call, is_user ? "logout_user" : "logout_device",
		arena_str(job->call.arena, is_user ? logout->user : logout->device_id), detail);
	json_set_int(root, "ended", logout->count);
	api_call_reply(&job->call, 200, &root);
}

void api_accounts_logout(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct logout),
		.prepare = prepare,
		.run = run,
		.reply = reply};

	api_job_handle(request, api, &type);
}
