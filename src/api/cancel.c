/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "private.h"

/* POST commands/{uuid}/cancel: for the ids of the body, or for all; in slices. */

enum cancel_outcome { OUTCOME_CANCELLED, OUTCOME_NOT_OPEN, OUTCOME_UNKNOWN, OUTCOME_COUNT };
static const char *const outcome_names[OUTCOME_COUNT] = {"cancelled", "not_open", "unknown"};

struct progress {
	size_t next;
	int64_t counts[OUTCOME_COUNT];
	bool is_over;
};

struct cancel {
	struct job job;
	struct json_value *ids; /* NULL: all */
	uint8_t *repeated, *outcomes;
	struct progress durable, running;
};

static struct cancel *cancel_of(struct job *job)
{
	return (struct cancel *)job;
}

static enum rc find_command(struct job *job, struct txn *txn, int64_t *command_id_r,
	struct err *err)
{
	const char *uuid = http_request_param(job->call.request, "uuid");
	enum rc rc = command_find(txn, slice_of_str(uuid), command_id_r, err);

	return rc == RC_NOT_FOUND ? err_set(err, rc, "no command has this uuid") : rc;
}

static enum rc cancel_one(struct txn *txn, struct slice id, int64_t command_id,
	enum cancel_outcome *outcome_r, struct err *err)
{
	struct enrollment enrollment;
	bool was_open = false;
	enum rc rc = enrollment_find(txn, id, &enrollment, err);

	if (rc == RC_OK)
		rc = queue_cancel(txn, enrollment.id, command_id, &was_open, err);
	*outcome_r = was_open ? OUTCOME_CANCELLED : OUTCOME_NOT_OPEN;
	if (rc != RC_NOT_FOUND)
		return rc;
	*outcome_r = OUTCOME_UNKNOWN;
	return RC_OK;
}

static enum rc cancel_ids(struct cancel *cancel, struct txn *txn, int64_t command_id,
	struct err *err)
{
	struct progress *progress = &cancel->running;
	const size_t count = json_count(cancel->ids);
	enum rc rc = RC_OK;

	while (rc == RC_OK && progress->next < count && !txn_is_slice_over(txn)) {
		const size_t index = progress->next++;
		enum cancel_outcome outcome = OUTCOME_UNKNOWN;

		if (cancel->repeated[index])
			continue;
		rc = cancel_one(txn, json_string(json_at(cancel->ids, index)), command_id, &outcome, err);
		cancel->outcomes[index] = (uint8_t)outcome;
		progress->counts[outcome]++;
	}
	progress->is_over = progress->next == count;
	return rc;
}

static enum rc cancel_all(struct cancel *cancel, struct txn *txn, int64_t command_id,
	struct err *err)
{
	int64_t count = 0;
	bool is_more = false;
	enum rc rc = queue_cancel_command(txn, command_id, &count, &is_more, err);

	cancel->running.counts[OUTCOME_CANCELLED] += count;
	cancel->running.is_over = !is_more;
	return rc;
}

static enum rc run(struct job *job, struct txn *txn, struct err *err)
{
	struct cancel *cancel = cancel_of(job);
	int64_t command_id;
	enum rc rc = find_command(job, txn, &command_id, err);

	cancel->running = cancel->durable;
	if (rc != RC_OK)
		return rc;
	if (cancel->ids != NULL)
		return cancel_ids(cancel, txn, command_id, err);
	return cancel_all(cancel, txn, command_id, err);
}

static bool is_more(struct job *job)
{
	struct cancel *cancel = cancel_of(job);

	cancel->durable = cancel->running;
	return !cancel->durable.is_over;
}

static enum rc prepare(struct job *job, struct err *err)
{
	static const struct json_field table[] = {
		{.key = "ids", .kind = JSON_KIND_ARRAY, .offset = 0},
	};
	struct cancel *cancel = cancel_of(job);
	struct json_value *body;
	enum rc rc;

	if (http_request_body(job->call.request).len == 0)
		return RC_OK;
	rc = api_call_body(&job->call, &body, err);
	if (rc == RC_OK)
		rc = json_read_fields(body, table, COUNT_OF(table), &cancel->ids, err);
	if (rc != RC_OK || cancel->ids == NULL)
		return rc;
	rc = api_ids_check(&job->call, cancel->ids, err);
	if (rc != RC_OK)
		return rc;
	cancel->outcomes = arena_alloc(job->call.arena, json_count(cancel->ids));
	if (cancel->outcomes == NULL)
		return api_call_no_memory(err);
	return api_ids_find_repeated(cancel->ids, job->call.arena, &cancel->repeated, err);
}

static void reply(struct job *job)
{
	struct cancel *cancel = cancel_of(job);
	const char *uuid = http_request_param(job->call.request, "uuid");
	const struct audit_targets targets = {
		.ids = cancel->ids,
		.outcomes = cancel->outcomes,
		.repeated = cancel->repeated,
		.outcome = OUTCOME_CANCELLED,
		.count = cancel->durable.counts[OUTCOME_CANCELLED],
	};
	struct json_value *root = json_new_object();
	struct json_value *counts;

	api_call_audit_targets(&job->call, "cancel_command", slice_of_str(uuid), &targets);
	json_set_str(root, "uuid", uuid);
	counts = json_set_object(root, "counts");
	for (size_t i = 0; i < OUTCOME_COUNT; i++)
		json_set_int(counts, outcome_names[i], cancel->durable.counts[i]);
	if (cancel->ids != NULL) {
		struct json_value *outcomes = json_set_object(root, "outcomes");

		for (size_t i = 0; i < json_count(cancel->ids); i++)
			if (!cancel->repeated[i])
				json_set_str(outcomes, (const char *)json_string(json_at(cancel->ids, i)).ptr,
					outcome_names[cancel->outcomes[i]]);
	}
	api_call_reply(&job->call, 200, &root);
}

void api_command_cancel(struct http_request *request, void *api)
{
	static const struct job_type type = {
		.size = sizeof(struct cancel),
		.prepare = prepare,
		.run = run,
		.is_more = is_more,
		.reply = reply,
	};

	api_job_handle(request, api, &type);
}
