/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/store/invitation.h"

#include "private.h"

/* Links that get devices in: minted, listed, revoked. */

enum {
	DETAIL_BYTES = 128,
	LINK_BYTES = API_URL_BYTES + (int)sizeof("/enroll/") + ENROLL_SECRET_BYTES,
	ID_TEXT_BYTES = 24,
};

static const struct api_validity validity = {.default_s = INT64_C(7) * 86400, .days_max = 366};

struct fields {
	struct slice note, user_name, ends;
	bool needs_login;
	int64_t uses_max;
};

struct minting {
	struct job job;
	struct fields fields;
	int64_t expires_at, id;
	char token[ENROLL_SECRET_BYTES]; /* wiped when it has been shown */
};

static struct minting *minting_of(struct job *job)
{
	return (struct minting *)job;
}

static enum rc prepare(struct job *job, struct err *err)
{
	static const struct json_field table[] = {
		{.key = "note",
			.kind = JSON_KIND_STRING,
			.offset = offsetof(struct fields, note),
			.max_bytes = INVITATION_NOTE_BYTES_MAX},
		{.key = "user_name",
			.kind = JSON_KIND_STRING,
			.offset = offsetof(struct fields, user_name),
			.max_bytes = USER_NAME_BYTES_MAX},
		{.key = "expires_at",
			.kind = JSON_KIND_STRING,
			.offset = offsetof(struct fields, ends),
			.max_bytes = TIME_FIELD_BYTES_MAX},
		{.key = "needs_login", .kind = JSON_KIND_BOOL, .offset = offsetof(struct fields, needs_login)},
		{.key = "uses_max",
			.kind = JSON_KIND_INTEGER,
			.offset = offsetof(struct fields, uses_max),
			.min = 1,
			.max = INVITATION_USES_MAX},
	};
	struct minting *minting = minting_of(job);
	struct json_value *body;
	enum rc rc = api_call_body(&job->call, &body, err);

	minting->fields.uses_max = 1;
	if (rc == RC_OK && job->call.api->enroll == NULL)
		rc = api_call_conflict(err, "this server enrolls nobody");
	if (rc == RC_OK)
		rc = json_read_fields(body, table, COUNT_OF(table), &minting->fields, err);
	if (rc == RC_OK)
		rc = api_call_read_end(&job->call, &validity, minting->fields.ends, &minting->expires_at, err);
	if (rc != RC_OK)
		return rc;
	if (minting->fields.user_name.len > 0)
		minting->fields.needs_login = true;
	enroll_secret_make(minting->token);
	return RC_OK;
}

static enum rc run(struct job *job, struct txn *txn, struct err *err)
{
	struct minting *minting = minting_of(job);
	uint8_t digest[SHA256_BYTES];
	const struct invitation_new invitation = {.token_sha256 = digest,
		.note = minting->fields.note,
		.user_name = minting->fields.user_name,
		.created_by = slice_of_str(job->call.who),
		.needs_login = minting->fields.needs_login,
		.uses_max = minting->fields.uses_max,
		.expires_at = minting->expires_at};

	sha256(slice_of_str(minting->token), digest);
	return invitation_add(txn, &invitation, &minting->id, err);
}

static void audit(const struct minting *minting)
{
	char ends[TIME_TEXT_BYTES];
	char detail[DETAIL_BYTES];
	char id[ID_TEXT_BYTES];

	time_format(minting->expires_at, ends);
	(void)snprintf(detail, sizeof(detail), "uses %lld, ends %s, %s",
		(long long)minting->fields.uses_max, ends,
		minting->fields.needs_login ? "with login" : "without login");
	(void)snprintf(id, sizeof(id), "%lld", (long long)minting->id);
	api_call_audit_detail(&minting->job.call, "create_invitation", id, detail);
}

static void set_url(const struct minting *minting, struct json_value *root)
{
	char url[LINK_BYTES];
	size_t len;

	enroll_url(minting->job.call.api->enroll, url);
	len = strlen(url);
	(void)snprintf(url + len, sizeof(url) - len, "/enroll/%s", minting->token);
	json_set_str(root, "url", url);
	explicit_bzero(url, sizeof(url));
}

static void reply(struct job *job)
{
	struct minting *minting = minting_of(job);
	struct json_value *root = json_new_object();

	audit(minting);
	json_set_int(root, "id", minting->id);
	set_url(minting, root);
	explicit_bzero(minting->token, sizeof(minting->token));
	json_set_slice(root, "note", minting->fields.note);
	json_set_bool(root, "needs_login", minting->fields.needs_login);
	json_set_slice(root, "user_name", minting->fields.user_name);
	json_set_int(root, "uses_max", minting->fields.uses_max);
	json_set_time(root, "expires_at", minting->expires_at);
	http_reply_header(job->call.request, "Cache-Control", "no-store");
	api_call_reply(&job->call, 201, &root);
}

static void failed(struct job *job)
{
	explicit_bzero(minting_of(job)->token, ENROLL_SECRET_BYTES);
}

void api_invitations_post(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct minting),
		.prepare = prepare,
		.run = run,
		.reply = reply,
		.failed = failed};

	api_job_handle(request, api, &type);
}

/* --- list */

static void write_view(const struct invitation_view *view, int64_t now, struct json_value *row)
{
	const struct invitation *invitation = &view->invitation;

	json_set_int(row, "id", invitation->id);
	json_set_str(row, "state", invitation_state_name(invitation_state(invitation, now)));
	json_set_str(row, "note", view->note);
	json_set_bool(row, "needs_login", invitation->needs_login);
	json_set_str(row, "user_name", invitation->user_name);
	json_set_int(row, "uses", invitation->uses);
	json_set_int(row, "uses_max", invitation->uses_max);
	json_set_int(row, "downloads", invitation->downloads);
	json_set_time(row, "created_at", view->created_at);
	json_set_str(row, "created_by", view->created_by);
	json_set_time(row, "expires_at", invitation->expires_at);
	json_set_time(row, "revoked_at", invitation->revoked_at);
}

static enum rc read_all(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err)
{
	struct json_value *rows = json_set_array(root, "invitations");
	struct invitation_view *views = NULL;
	struct page page;
	size_t count = 0;
	enum rc rc = api_page_read(call, &page, err);

	if (rc == RC_OK)
		rc = invitation_list(txn, page.after_id, page.limit, call->arena, &views, &count, err);
	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < count; i++)
		write_view(&views[i], txn_now(txn), json_append_object(rows));
	api_page_end(&page, count, count > 0 ? views[count - 1].invitation.id : 0, root);
	return RC_OK;
}

void api_invitations_get(struct http_request *request, void *api)
{
	api_call_read(request, api, read_all);
}

/* --- revoke */

static enum rc run_revoke(struct job *job, struct txn *txn, struct err *err)
{
	const char *text = http_request_param(job->call.request, "id");
	int64_t id;
	enum rc rc = int64_parse(slice_of_str(text), 1, INT64_MAX, &id, NULL);

	if (rc == RC_OK)
		rc = invitation_revoke(txn, id, err);
	if (rc == RC_NOT_FOUND || rc == RC_INVALID)
		return err_set(err, RC_NOT_FOUND, "no invitation that is not revoked has this id");
	return rc;
}

static void reply_revoke(struct job *job)
{
	api_call_audit(&job->call, "revoke_invitation", http_request_param(job->call.request, "id"));
	http_reply_copy(job->call.request, 204, NULL, slice_of(NULL, 0));
}

void api_invitation_delete(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct job),
		.run = run_revoke,
		.reply = reply_revoke};

	api_job_handle(request, api, &type);
}
