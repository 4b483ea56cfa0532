/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/base/codec.h"
#include "pomona/store/admin.h"
#include "pomona/store/enrollment.h"
#include "pomona/store/queue.h"

#include "private.h"

void api_set_hex(struct json_value *object, const char *key, struct slice bytes)
{
	struct buf text;

	buf_init(&text, 2 * bytes.len + 1);
	hex_encode(bytes, &text);
	json_set_slice(object, key, buf_slice(&text));
	buf_fini(&text);
}

enum rc api_param_sha256(struct call *call, uint8_t out[static SHA256_BYTES], struct err *err)
{
	const char *text = http_request_param(call->request, "sha256");

	if (hex_parse(slice_of_str(text), out, SHA256_BYTES, NULL) != RC_OK)
		return api_call_invalid(call, err, "sha256", "must be %d hex digits", 2 * SHA256_BYTES);
	return RC_OK;
}

enum rc api_param_enrollment(struct call *call, struct txn *txn, struct enrollment *enrollment_r,
	struct err *err)
{
	const char *id = http_request_param(call->request, "id");
	enum rc rc = enrollment_find(txn, slice_of_str(id), enrollment_r, err);

	if (rc == RC_NOT_FOUND)
		return err_set(err, rc, "no device or user channel has this id");
	return rc;
}

void api_set_cert(struct json_value *object, const struct cert_facts *facts)
{
	api_set_hex(object, "sha256", slice_of(facts->sha256, SHA256_BYTES));
	json_set_str(object, "subject", facts->subject);
	json_set_str(object, "issuer", facts->issuer);
	json_set_str(object, "serial", facts->serial);
	json_set_time(object, "not_before", facts->not_before);
	json_set_time(object, "not_after", facts->not_after);
}

void api_queue_view_write(const struct queue_view *view, struct json_value *row)
{
	json_set_str(row, "id", view->ext_id);
	json_set_str(row, "uuid", view->uuid);
	json_set_str(row, "request_type", view->request_type);
	json_set_str(row, "state", queue_state_name(view->state));
	json_set_time(row, "queued_at", view->queued_at);
	json_set_time(row, "sent_at", view->sent_at);
	json_set_time(row, "notnow_at", view->notnow_at);
	json_set_int(row, "notnow_count", view->notnow_count);
	json_set_time(row, "finished_at", view->finished_at);
	json_set_time(row, "not_after", view->not_after);
	json_set_str(row, "status", view->status[0] != '\0' ? view->status : NULL);
	json_set_str(row, "why", view->why[0] != '\0' ? view->why : NULL);
	json_set_bool(row, "is_late", view->is_late);
	json_set_bool(row, "has_result", view->has_result);
}

enum rc api_queue_page_write(struct call *call, struct txn *txn, struct queue_filter *filter,
	const char *key, struct json_value *root, struct err *err)
{
	struct json_value *rows = json_set_array(root, key);
	struct queue_view *views;
	struct page page;
	int64_t last_id = 0;
	size_t count;
	enum rc rc = api_page_read(call, &page, err);

	if (rc != RC_OK)
		return rc;
	filter->after_id = page.after_id;
	filter->limit = page.limit;
	rc = queue_list(txn, filter, call->arena, &views, &count, err);
	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < count; i++)
		api_queue_view_write(&views[i], json_append_object(rows));
	if (count > 0)
		last_id =
			filter->enrollment_id != 0 ? views[count - 1].command_id : views[count - 1].enrollment_id;
	api_page_end(&page, count, last_id, root);
	return RC_OK;
}
