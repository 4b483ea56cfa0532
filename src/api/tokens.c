/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/pki/token.h"

#include "private.h"

static enum rc read_tokens(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err)
{
	struct json_value *rows = json_set_array(root, "tokens");
	struct api_token_view *views;
	size_t count;
	enum rc rc = api_token_list(txn, call->arena, &views, &count, err);

	for (size_t i = 0; rc == RC_OK && i < count; i++) {
		struct json_value *row = json_append_object(rows);

		json_set_str(row, "name", views[i].name);
		json_set_str(row, "role", api_role_name(views[i].role));
		json_set_time(row, "created_at", views[i].created_at);
		json_set_str(row, "created_by", views[i].created_by);
		json_set_time(row, "expires_at", views[i].expires_at);
		json_set_time(row, "used_at", views[i].used_at);
		json_set_time(row, "revoked_at", views[i].revoked_at);
	}
	return rc;
}

void api_tokens_get(struct http_request *request, void *api)
{
	api_call_read(request, api, read_tokens);
}

enum { ROLE_BYTES_MAX = 16, DETAIL_BYTES = 64 };

struct creation {
	struct job job;
	struct api_token token_row;
	uint8_t hash[SHA256_BYTES];
	char token[TOKEN_TEXT_BYTES];
};

static bool is_name_byte(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
		(byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '.' || byte == '@';
}

static enum rc check_name(struct call *call, struct slice name, struct err *err)
{
	for (size_t i = 0; i < name.len; i++)
		if (!is_name_byte(name.ptr[i]))
			return api_call_invalid(call, err, "name", "letters, digits and -_.@ only");
	if (name.len == 0)
		return api_call_invalid(call, err, "name", "must not be empty");
	return RC_OK;
}

static enum rc read_role(struct call *call, struct slice text, enum api_role *role_r,
	struct err *err)
{
	*role_r = api_role_of_name(text);
	if (*role_r == API_ROLE_NONE)
		return api_call_invalid(call, err, "role", "must be viewer, operator or admin");
	return RC_OK;
}

static const struct api_validity for_ever = {.default_s = 0};

struct fields {
	struct slice name, role, expires_at;
};

static enum rc read_fields(struct call *call, struct fields *fields, struct err *err)
{
	static const struct json_field table[] = {
		{.key = "name",
			.kind = JSON_KIND_STRING,
			.is_required = true,
			.offset = offsetof(struct fields, name),
			.max_bytes = API_TOKEN_NAME_BYTES_MAX},
		{.key = "role",
			.kind = JSON_KIND_STRING,
			.is_required = true,
			.offset = offsetof(struct fields, role),
			.max_bytes = ROLE_BYTES_MAX},
		{.key = "expires_at",
			.kind = JSON_KIND_STRING,
			.offset = offsetof(struct fields, expires_at),
			.max_bytes = TIME_FIELD_BYTES_MAX},
	};
	struct json_value *body;
	enum rc rc = api_call_body(call, &body, err);

	return rc == RC_OK ? json_read_fields(body, table, COUNT_OF(table), fields, err) : rc;
}

static enum rc prepare(struct job *job, struct err *err)
{
	struct creation *creation = (struct creation *)job;
	struct api_token *row = &creation->token_row;
	struct fields fields = {.name = {.ptr = NULL}};
	enum rc rc = read_fields(&job->call, &fields, err);

	if (rc == RC_OK)
		rc = check_name(&job->call, fields.name, err);
	if (rc == RC_OK)
		rc = read_role(&job->call, fields.role, &row->role, err);
	if (rc == RC_OK)
		rc = api_call_read_end(&job->call, &for_ever, fields.expires_at, &row->expires_at, err);
	if (rc != RC_OK)
		return rc;
	row->created_by = job->call.who;
	row->name = arena_str(job->call.arena, fields.name);
	if (row->name == NULL)
		return api_call_no_memory(err);
	token_make(creation->token);
	token_hash(slice_of_str(creation->token), creation->hash);
	return RC_OK;
}

static enum rc run_create(struct job *job, struct txn *txn, struct err *err)
{
	const struct creation *creation = (struct creation *)job;
	enum rc rc = api_token_add(txn, &creation->token_row, creation->hash, err);

	if (rc == RC_EXISTS)
		return api_call_conflict(err, "name: a token has it already; revoke that first");
	return rc;
}

static void reply_create(struct job *job)
{
	struct creation *creation = (struct creation *)job;
	const struct api_token *row = &creation->token_row;
	struct json_value *root = json_new_object();
	char ends[TIME_TEXT_BYTES] = "never";
	char detail[DETAIL_BYTES];

	if (row->expires_at != 0)
		time_format(row->expires_at, ends);
	(void)snprintf(detail, sizeof(detail), "role %s, ends %s", api_role_name(row->role), ends);
	api_call_audit_detail(&job->call, "create_token", row->name, detail);
	json_set_str(root, "name", row->name);
	json_set_str(root, "role", api_role_name(row->role));
	json_set_time(root, "expires_at", row->expires_at);
	json_set_str(root, "token", creation->token);
	explicit_bzero(creation->token, sizeof(creation->token));
	api_call_reply(&job->call, 201, &root);
}

void api_tokens_post(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct creation),
		.prepare = prepare,
		.run = run_create,
		.reply = reply_create};

	api_job_handle(request, api, &type);
}

static const char *name_of(const struct job *job)
{
	return http_request_param(job->call.request, "name");
}

static enum rc run_revoke(struct job *job, struct txn *txn, struct err *err)
{
	enum rc rc = api_token_revoke(txn, name_of(job), err);

	return rc == RC_NOT_FOUND ? err_set(err, rc, "no live token has this name") : rc;
}

static void reply_revoke(struct job *job)
{
	api_call_audit(&job->call, "revoke_token", name_of(job));
	http_reply_copy(job->call.request, 204, NULL, slice_of(NULL, 0));
}

void api_token_delete(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct job),
		.run = run_revoke,
		.reply = reply_revoke};

	api_job_handle(request, api, &type);
}
