/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/command/command.h"
#include "pomona/command/result.h"
#include "pomona/plist/plist.h"

#include "private.h"

/* What a device answered to one command, as JSON and as the bytes that came. */

enum { BLOB_BYTES_MAX = 512 * 1024 * 1024 };

static enum rc not_found(struct err *err)
{
	(void)err_set(err, RC_NOT_FOUND, "this command was not sent to this device");
	return RC_NOT_FOUND;
}

/* The queue's row of the path's device and command. */
static enum rc find_row(struct call *call, struct txn *txn, struct queue_view *row_r,
	struct err *err)
{
	const char *uuid = http_request_param(call->request, "uuid");
	struct queue_filter filter = {.limit = 1};
	struct enrollment enrollment;
	struct queue_view *rows = NULL;
	int64_t command_id = 0;
	size_t count = 0;
	enum rc rc = api_param_enrollment(call, txn, &enrollment, err);

	if (rc == RC_OK)
		rc = command_find(txn, slice_of_str(uuid), &command_id, err);
	if (rc == RC_NOT_FOUND)
		return not_found(err);
	if (rc != RC_OK)
		return rc;
	filter.enrollment_id = enrollment.id;
	filter.after_id = command_id - 1;
	rc = queue_list(txn, &filter, call->arena, &rows, &count, err);
	if (rc != RC_OK)
		return rc;
	if (count == 0 || rows[0].command_id != command_id)
		return not_found(err);
	*row_r = rows[0];
	return RC_OK;
}

static enum rc write_errors(struct call *call, struct slice raw, struct json_value *root,
	struct err *err)
{
	struct json_value *rows = json_set_array(root, "errors");
	struct result_error *errors;
	size_t count;
	enum rc rc = result_errors(raw, call->arena, &errors, &count, err);

	for (size_t i = 0; rc == RC_OK && i < count; i++) {
		struct json_value *row = json_append_object(rows);

		json_set_int(row, "code", errors[i].code);
		json_set_str(row, "domain", errors[i].domain);
		json_set_str(row, "text", errors[i].text);
		json_set_str(row, "us_english", errors[i].us_english);
	}
	return rc;
}

static enum rc write_result(struct call *call, struct slice raw, struct json_value *root,
	struct err *err)
{
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	enum rc rc = plist_parse(raw, &doc, err);

	if (rc != RC_OK)
		return rc;
	json_set_value(root, "result", command_json_of_plist(plist_root(doc)));
	return write_errors(call, raw, root, err);
}

static enum rc read_result(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err)
{
	struct queue_view row;
	struct buf raw;
	enum rc rc = find_row(call, txn, &row, err);

	if (rc != RC_OK)
		return rc;
	api_queue_view_write(&row, root);
	if (!row.has_result) {
		json_set_str(root, "result", NULL);
		(void)json_set_array(root, "errors");
		return RC_OK;
	}
	buf_init(&raw, BLOB_BYTES_MAX);
	rc = queue_result(txn, row.enrollment_id, row.command_id, &raw, err);
	if (rc == RC_OK)
		rc = write_result(call, buf_slice(&raw), root, err);
	buf_fini_secret(&raw);
	return rc;
}

void api_result_get(struct http_request *request, void *api)
{
	api_call_read(request, api, read_result);
}

/* Answers with the bytes that `read` appends, which are a property list of either form. */
static void reply_plist(struct http_request *request, struct api *api,
	enum rc (*read)(struct call *call, struct txn *txn, struct buf *out, struct err *err))
{
	struct err err = {.rc = RC_OK};
	struct txn *txn = NULL;
	struct call call;
	struct buf out;
	enum rc rc;

	api_call_init(&call, api, request);
	buf_init(&out, BLOB_BYTES_MAX);
	rc = store_read_begin(api->store, &txn, &err);
	if (rc == RC_OK) {
		rc = read(&call, txn, &out, &err);
		store_read_end(api->store, &txn);
	}
	if (rc == RC_OK) {
		http_reply_header(request, "Cache-Control", "no-store");
		http_reply(request, 200,
			slice_has_prefix(buf_slice(&out), "bplist") ? "application/octet-stream" : "application/xml",
			&out);
	} else {
		api_call_fail(&call, rc, &err);
	}
	buf_fini(&out);
}

static enum rc read_result_plist(struct call *call, struct txn *txn, struct buf *out,
	struct err *err)
{
	struct queue_view row;
	enum rc rc = find_row(call, txn, &row, err);

	if (rc == RC_OK)
		rc = queue_result(txn, row.enrollment_id, row.command_id, out, err);
	return rc == RC_NOT_FOUND ? err_set(err, rc, "there is no answer (yet)") : rc;
}

void api_result_plist_get(struct http_request *request, void *api)
{
	reply_plist(request, api, read_result_plist);
}

static enum rc read_command_plist(struct call *call, struct txn *txn, struct buf *out,
	struct err *err)
{
	const char *uuid = http_request_param(call->request, "uuid");
	struct command_view view;
	enum rc rc = command_view(txn, slice_of_str(uuid), call->arena, &view, err);

	if (rc == RC_OK && view.is_hidden)
		return api_call_conflict(err,
			"it holds the challenge of its device's next identity, and is shown to nobody else");
	if (rc == RC_OK)
		rc = command_body(txn, view.command_id, out, err);
	return rc == RC_NOT_FOUND ? err_set(err, rc, "no command has this uuid") : rc;
}

void api_command_plist_get(struct http_request *request, void *api)
{
	reply_plist(request, api, read_command_plist);
}
