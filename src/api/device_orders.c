/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/base/log.h"
#include "pomona/command/removal.h"
#include "pomona/store/enrollment.h"

#include "private.h"

/* What an administrator orders about one device: its removal, that it stays, that it is forgotten. */
struct order {
	struct job job;
	int64_t device_id;
	enum enrollment_state state; /* it leaves the device in; not of a forgotten one */
	bool is_changed;
	bool is_queued;                              /* RemoveProfile, which wakes the device by itself */
	char identifier[PROFILE_TEXT_BYTES_MAX + 1]; /* of our profiles, as the conf has it */
	const char *message;                         /* what happens next */
};

static struct order *order_of(struct job *job)
{
	return (struct order *)job;
}

static enum rc find_device(struct job *job, struct txn *txn, struct enrollment *device,
	struct err *err)
{
	enum rc rc = api_param_enrollment(&job->call, txn, device, err);

	if (rc == RC_OK && enrollment_kind_is_user(device->kind))
		return api_call_conflict(err, "this is a user channel: give the id of its device");
	return rc;
}

static void reply(struct job *job, const char *what)
{
	const struct order *order = order_of(job);
	const char *id = http_request_param(job->call.request, "id");
	struct json_value *root = json_new_object();

	if (order->is_changed)
		api_call_audit(&job->call, what, id);
	json_set_str(root, "id", id);
	json_set_str(root, "state", order->state != 0 ? enrollment_state_name(order->state) : NULL);
	json_set_bool(root, "changed", order->is_changed);
	json_set_str(root, "message", order->message);
	api_call_reply(&job->call, 200, &root);
}

static enum rc run_unenroll(struct job *job, struct txn *txn, struct err *err)
{
	struct order *order = order_of(job);
	struct enrollment device;
	enum rc rc = find_device(job, txn, &device, err);

	if (rc != RC_OK)
		return rc;
	order->device_id = device.id;
	order->state = ENROLLMENT_REMOVAL_ORDERED;
	order->is_changed = false;
	order->message = "at its next contact the device is told to remove its management";
	if (device.state == ENROLLMENT_REMOVED) {
		order->state = ENROLLMENT_REMOVED;
		order->message = "the device was told to remove its management already";
	}
	if (device.state == ENROLLMENT_REMOVAL_ORDERED || device.state == ENROLLMENT_REMOVED)
		return RC_OK;
	order->is_changed = true;
	if (device.state == ENROLLMENT_ENROLLED)
		rc = removal_begin(txn, &device, order->identifier, &order->is_queued, err);
	if (rc == RC_OK && order->is_queued)
		order->message =
			"at its next contact the device gets RemoveProfile, and at the one after that a 401";
	return rc == RC_OK ? enrollment_set_state(txn, device.id, ENROLLMENT_REMOVAL_ORDERED, err) : rc;
}

static enum rc prepare_unenroll(struct job *job, struct err *err)
{
	(void)err;
	if (job->call.api->enroll != NULL)
		enroll_profile_identifier(job->call.api->enroll, order_of(job)->identifier);
	return RC_OK;
}

/* Nothing is queued for it: it is pushed to, so that it comes and learns of it. */
static void wake(const struct job *job, int64_t device_id)
{
	struct push *push = job->call.api->push;
	struct err err = {.rc = RC_OK};

	if (push != NULL && push_order(push, &device_id, 1, PUSH_CLASS_URGENT, &err) != RC_OK)
		log_warning("push_not_ordered", LOG_STR("id", http_request_param(job->call.request, "id")),
			LOG_STR("text", err.text));
}

static void reply_unenroll(struct job *job)
{
	const struct order *order = order_of(job);

	if (order->is_changed)
		wake(job, order->device_id);
	reply(job, "unenroll_device");
}

/* The state that the order had replaced, as far as it can be told from what is known. */
static enum rc state_before_order(struct job *job, struct txn *txn, int64_t id,
	enum enrollment_state *state_r, struct err *err)
{
	struct enrollment_view view;
	enum rc rc = enrollment_view(txn, id, job->call.arena, &view, err);

	if (rc != RC_OK)
		return rc;
	if (view.enrollment.identity_id != 0 && view.has_push_token)
		*state_r = ENROLLMENT_ENROLLED;
	else if (view.enrolled_at == 0)
		*state_r = ENROLLMENT_PENDING;
	else
		*state_r = ENROLLMENT_CHECKED_OUT;
	return RC_OK;
}

static enum rc run_keep(struct job *job, struct txn *txn, struct err *err)
{
	struct order *order = order_of(job);
	struct enrollment device;
	bool was_given = false;
	enum rc rc = find_device(job, txn, &device, err);

	if (rc != RC_OK)
		return rc;
	order->state = device.state;
	order->is_changed = false;
	order->message = "no removal was ordered";
	if (device.state == ENROLLMENT_REMOVED)
		return api_call_conflict(err,
			"the device was told to remove its management already: "
			"it must enroll again");
	if (device.state != ENROLLMENT_REMOVAL_ORDERED)
		return RC_OK;
	rc = state_before_order(job, txn, device.id, &order->state, err);
	if (rc != RC_OK)
		return rc;
	rc = removal_cancel(txn, device.id, &was_given, err);
	if (rc != RC_OK)
		return rc;
	order->is_changed = true;
	order->message = was_given
		? "the order is withdrawn; but the device had been given RemoveProfile: it may be gone"
		: "the order is withdrawn; the device had not been told";
	return enrollment_set_state(txn, device.id, order->state, err);
}

static void reply_keep(struct job *job)
{
	reply(job, "keep_device");
}

static enum rc run_forget(struct job *job, struct txn *txn, struct err *err)
{
	struct order *order = order_of(job);
	struct enrollment device;
	enum rc rc = find_device(job, txn, &device, err);

	if (rc != RC_OK)
		return rc;
	order->is_changed = true;
	order->message = device.state == ENROLLMENT_REMOVAL_ORDERED
		? "all about it is deleted; it had not been told of its removal and will be refused as unknown"
		: "all about it is deleted";
	rc = enrollment_forget(txn, device.id, err);
	if (rc == RC_EXISTS)
		return api_call_conflict(err,
			"the device is enrolled: order its removal first (unenroll), "
			"then forget it");
	return rc;
}

static void reply_forget(struct job *job)
{
	reply(job, "forget_device");
}

void api_device_unenroll(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct order),
		.prepare = prepare_unenroll,
		.run = run_unenroll,
		.reply = reply_unenroll};

	api_job_handle(request, api, &type);
}

void api_device_keep(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct order),
		.run = run_keep,
		.reply = reply_keep};

	api_job_handle(request, api, &type);
}

void api_device_forget(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct order),
		.run = run_forget,
		.reply = reply_forget};

	api_job_handle(request, api, &type);
}
