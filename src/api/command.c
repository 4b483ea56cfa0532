/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/command/command.h"

#include "private.h"

static enum rc find_view(struct call *call, struct txn *txn, struct command_view *view,
	struct err *err)
{
	const char *uuid = http_request_param(call->request, "uuid");
	enum rc rc = command_view(txn, slice_of_str(uuid), call->arena, view, err);

	return rc == RC_NOT_FOUND ? err_set(err, rc, "no command has this uuid") : rc;
}

static enum rc read_command(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err)
{
	struct command_view view;
	struct json_value *states;
	enum rc rc = find_view(call, txn, &view, err);

	if (rc != RC_OK)
		return rc;
	json_set_str(root, "uuid", view.uuid);
	json_set_str(root, "request_type", view.request_type);
	json_set_time(root, "created_at", view.created_at);
	json_set_time(root, "not_after", view.not_after);
	states = json_set_object(root, "by_state");
	for (int i = QUEUE_QUEUED; i < QUEUE_STATE_END; i++)
		json_set_int(states, queue_state_name((enum queue_state)i), view.by_state[i]);
	return RC_OK;
}

void api_command_get(struct http_request *request, void *api)
{
	api_call_read(request, api, read_command);
}

static enum rc read_results(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err)
{
	struct queue_filter filter = {.limit = 0};
	struct command_view view;
	enum rc rc = find_view(call, txn, &view, err);

	if (rc != RC_OK)
		return rc;
	filter.command_id = view.command_id;
	return api_queue_page_write(call, txn, &filter, "results", root, err);
}

void api_results_get(struct http_request *request, void *api)
{
	api_call_read(request, api, read_results);
}
