/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/enrollment.h"
#include "pomona/store/queue.h"

#include "pushing.h"

enum { OPEN_COMMANDS_SHOWN = 100, USERS_SHOWN = 1000 };

static void write_facts(const struct enrollment_view *view, struct json_value *object)
{
	json_set_str(object, "serial_number", view->serial_number);
	json_set_str(object, "device_name", view->device_name);
	json_set_str(object, "model", view->model);
	json_set_str(object, "model_name", view->model_name);
	json_set_str(object, "product_name", view->product_name);
	json_set_str(object, "os_version", view->os_version);
	json_set_str(object, "build_version", view->build_version);
	json_set_str(object, "imei", view->imei);
	json_set_str(object, "meid", view->meid);
	json_set_str(object, "user_short_name", view->user_short_name);
	json_set_str(object, "user_long_name", view->user_long_name);
	json_set_str(object, "topic", view->topic);
}

static void write_identity(const struct enrollment_view *view, struct json_value *object)
{
	struct json_value *identity;

	if (view->enrollment.identity_id == 0) {
		json_set_str(object, "identity", NULL);
		return;
	}
	identity = json_set_object(object, "identity");
	api_set_hex(identity, "sha256", slice_of(view->identity_sha256, SHA256_BYTES));
	json_set_time(identity, "not_after", view->identity_not_after);
}

/* The store hears of a contact a little later than device/ does; it ends inactivity. */
static void write_seen(const struct call *call, const struct enrollment_view *view,
	struct json_value *object)
{
	const int64_t gathered = device_seen_at(call->api->device, view->enrollment.id);
	const bool is_newer = gathered > view->last_seen_at;

	json_set_time(object, "last_seen_at", is_newer ? gathered : view->last_seen_at);
	json_set_time(object, "inactive_at", gathered >= view->inactive_at ? 0 : view->inactive_at);
}

static void write_device(const struct call *call, const struct enrollment_view *view,
	struct json_value *object)
{
	const struct enrollment *enrollment = &view->enrollment;

	json_set_str(object, "id", enrollment->ext_id);
	json_set_str(object, "kind", enrollment_kind_name(enrollment->kind));
	json_set_str(object, "state", enrollment_state_name(enrollment->state));
	json_set_str(object, "device_id", view->device_ext_id);
	write_facts(view, object);
	json_set_time(object, "created_at", view->created_at);
	json_set_time(object, "enrolled_at", view->enrolled_at);
	json_set_time(object, "token_updated_at", view->token_updated_at);
	write_seen(call, view, object);
	json_set_time(object, "ended_at", view->ended_at);
	json_set_int(object, "open_commands", view->open_commands);
	json_set_bool(object, "is_reenrolling", enrollment->pending_identity_id != 0);
	json_set_bool(object, "is_awaiting_configuration", enrollment->is_awaiting_configuration);
	json_set_bool(object, "has_push_token", view->has_push_token);
	json_set_time(object, "token_dead_at", view->push.token_dead_at);
	json_set_bool(object, "has_unlock_token", view->has_unlock_token);
	json_set_bool(object, "has_bootstrap_token", view->has_bootstrap_token);
	write_identity(view, object);
}

static enum rc read_filter(struct call *call, const struct page *page,
	struct enrollment_filter *filter, struct err *err)
{
	const struct filter_words words = {
		.state = slice_of_str(http_request_query(call->request, "state")),
		.kind = slice_of_str(http_request_query(call->request, "kind")),
		.serial_number = slice_of_str(http_request_query(call->request, "serial")),
		.activity = slice_of_str(http_request_query(call->request, "activity")),
		.renewal = slice_of_str(http_request_query(call->request, "renewal")),
	};

	*filter = (struct enrollment_filter){.after_id = page->after_id, .limit = page->limit};
	return api_filter_read(call, &words, filter, err);
}

static enum rc write_list(struct call *call, struct txn *txn,
	const struct enrollment_filter *filter, struct json_value *rows, struct err *err)
{
	struct enrollment_view *views;
	size_t count;
	enum rc rc = enrollment_list(txn, filter, call->arena, &views, &count, err);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < count; i++)
		write_device(call, &views[i], json_append_object(rows));
	return RC_OK;
}

static enum rc read_devices(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err)
{
	struct enrollment_filter filter;
	struct enrollment_view *views;
	struct json_value *rows;
	struct page page;
	size_t count;
	enum rc rc = api_page_read(call, &page, err);

	if (rc == RC_OK)
		rc = read_filter(call, &page, &filter, err);
	if (rc == RC_OK)
		rc = enrollment_list(txn, &filter, call->arena, &views, &count, err);
	if (rc != RC_OK)
		return rc;
	rows = json_set_array(root, "devices");
	for (size_t i = 0; i < count; i++)
		write_device(call, &views[i], json_append_object(rows));
	api_page_end(&page, count, count > 0 ? views[count - 1].enrollment.id : 0, root);
	return RC_OK;
}

void api_devices_get(struct http_request *request, void *api)
{
	api_call_read(request, api, read_devices);
}

static enum rc write_open_commands(struct call *call, struct txn *txn, int64_t enrollment_id,
	struct json_value *rows, struct err *err)
{
	const struct queue_filter filter = {
		.enrollment_id = enrollment_id,
		.limit = OPEN_COMMANDS_SHOWN,
		.is_open_only = true,
	};
	struct queue_view *views;
	size_t count;
	enum rc rc = queue_list(txn, &filter, call->arena, &views, &count, err);

	if (rc != RC_OK)
		return rc;
	for (size_t i = 0; i < count; i++)
		api_queue_view_write(&views[i], json_append_object(rows));
	return RC_OK;
}

static enum rc read_device(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err)
{
	struct enrollment_filter users = {.limit = USERS_SHOWN};
	struct enrollment enrollment;
	struct enrollment_view view;
	enum rc rc = api_param_enrollment(call, txn, &enrollment, err);

	if (rc == RC_OK)
		rc = enrollment_view(txn, enrollment.id, call->arena, &view, err);
	if (rc != RC_OK)
		return rc;
	write_device(call, &view, root);
	api_push_view_write(&view.push, json_set_object(root, "push"));
	rc = api_renewal_write(call, txn, enrollment.id, root, err);
	if (rc == RC_OK)
		rc = write_open_commands(call, txn, enrollment.id, json_set_array(root, "commands"), err);
	if (rc != RC_OK || enrollment_kind_is_user(enrollment.kind))
		return rc;
	users.device_id = enrollment.id;
	return write_list(call, txn, &users, json_set_array(root, "users"), err);
}

void api_device_get(struct http_request *request, void *api)
{
	api_call_read(request, api, read_device);
}

static enum rc read_commands(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err)
{
	const char *open = http_request_query(call->request, "open");
	struct queue_filter filter = {.limit = 0};
	struct enrollment enrollment;
	enum rc rc = api_param_enrollment(call, txn, &enrollment, err);

	if (rc != RC_OK)
		return rc;
	filter.enrollment_id = enrollment.id;
	filter.is_open_only = slice_is_str(slice_of_str(open), "true");
	if (open != NULL && !filter.is_open_only && !slice_is_str(slice_of_str(open), "false"))
		return api_call_invalid(call, err, "open", "must be true or false");
	return api_queue_page_write(call, txn, &filter, "commands", root, err);
}

void api_device_commands_get(struct http_request *request, void *api)
{
	api_call_read(request, api, read_commands);
}
