/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "pomona/command/command.h"

#include "private.h"

/*
 * POST commands. A small send is one job. A larger one is a chain of jobs, each until its slice is
 * over, whose rows are in nobody's sight until the last one publishes them.
 */

enum send_outcome {
	OUTCOME_OPEN, /* not decided yet */
	OUTCOME_QUEUED,
	OUTCOME_ALREADY_QUEUED,
	OUTCOME_UNKNOWN,
	OUTCOME_NOT_ENROLLED,
	OUTCOME_COUNT
};
static const char *const outcome_names[OUTCOME_COUNT] = {
	[OUTCOME_OPEN] = "open",
	[OUTCOME_QUEUED] = "queued",
	[OUTCOME_ALREADY_QUEUED] = "already_queued",
	[OUTCOME_UNKNOWN] = "unknown",
	[OUTCOME_NOT_ENROLLED] = "not_enrolled",
};

enum { LIST_PAGE = 100, LIST_PAGE_BYTES_MAX = 16 * 1024 * 1024 };

/* How far it is. A run works on a copy, which counts once it is durable. */
struct progress {
	size_t next;                  /* index of the next id */
	int64_t after_id;             /* with all: the last enrollment that was looked at */
	int64_t command_id, batch_id; /* 0: nothing had to be written yet */
	int64_t counts[OUTCOME_COUNT];
	bool is_over;
};

struct send {
	struct job job;
	struct send_body body;
	uint8_t *repeated; /* of api_ids_find_repeated(); NULL with all */
	uint8_t *outcomes; /* an enum send_outcome each id */
	struct progress durable, running;
};

static struct send *send_of(struct job *job)
{
	return (struct send *)job;
}

/* --- sends that were given up half way */

static void remember_abandoned(struct api *api, const struct progress *progress)
{
	(void)pthread_mutex_lock(&api->lock);
	if (api->abandoned_count == API_ABANDONED_MAX) /* the oldest stays unseen until a restart */
		memmove(&api->abandoned[0], &api->abandoned[1],
			--api->abandoned_count * sizeof(api->abandoned[0]));
	api->abandoned[api->abandoned_count++] =
		(struct abandoned){.command_id = progress->command_id, .batch_id = progress->batch_id};
	(void)pthread_mutex_unlock(&api->lock);
}

static bool find_abandoned(struct api *api, int64_t command_id, size_t *index, int64_t *batch_id_r)
{
	bool is_found = false;

	(void)pthread_mutex_lock(&api->lock);
	for (; *index < api->abandoned_count && !is_found; ++*index)
		if (api->abandoned[*index].command_id == command_id) {
			*batch_id_r = api->abandoned[*index].batch_id;
			is_found = true;
		}
	(void)pthread_mutex_unlock(&api->lock);
	return is_found;
}

static void forget_abandoned(struct api *api, int64_t command_id)
{
	size_t kept = 0;

	(void)pthread_mutex_lock(&api->lock);
	for (size_t i = 0; i < api->abandoned_count; i++)
		if (api->abandoned[i].command_id != command_id)
			api->abandoned[kept++] = api->abandoned[i];
	api->abandoned_count = kept;
	(void)pthread_mutex_unlock(&api->lock);
}

/* The same command again: what an earlier send of it had staged would pass for queued, so it shall be. */
static enum rc publish_abandoned(struct api *api, struct txn *txn, int64_t command_id,
	struct err *err)
{
	size_t index = 0;
	int64_t batch_id;
	enum rc rc = RC_OK;

	while (rc == RC_OK && find_abandoned(api, command_id, &index, &batch_id))
		rc = batch_publish(txn, batch_id, err);
	return rc;
}

/* --- the work */

static enum rc begin(struct send *send, struct txn *txn, struct err *err)
{
	struct progress *progress = &send->running;
	enum rc rc;

	if (progress->command_id != 0)
		return RC_OK;
	rc = command_put(txn, &send->body.row, &progress->command_id, err);
	if (rc == RC_EXISTS)
		return api_call_conflict(err, "uuid: another command has it, with other content");
	if (rc == RC_OK)
		rc = publish_abandoned(send->job.call.api, txn, progress->command_id, err);
	if (rc == RC_OK)
		rc = batch_begin(txn, progress->command_id, send->body.not_after, &progress->batch_id, err);
	return rc;
}

static enum rc add(struct send *send, struct txn *txn, const struct enrollment *enrollment,
	enum send_outcome *outcome_r, struct err *err)
{
	bool was_queued = false;
	enum rc rc;

	*outcome_r = OUTCOME_NOT_ENROLLED;
	if (enrollment->state != ENROLLMENT_ENROLLED)
		return RC_OK;
	rc = begin(send, txn, err);
	if (rc == RC_OK)
		rc = batch_add(txn, send->running.batch_id, enrollment->id, &was_queued, err);
	*outcome_r = was_queued ? OUTCOME_QUEUED : OUTCOME_ALREADY_QUEUED;
	return rc;
}

static enum rc add_id(struct send *send, struct txn *txn, size_t index, struct err *err)
{
	const struct slice id = json_string(json_at(send->body.ids, index));
	struct enrollment enrollment;
	enum send_outcome outcome = OUTCOME_UNKNOWN;
	enum rc rc = enrollment_find(txn, id, &enrollment, err);

	if (rc == RC_OK)
		rc = add(send, txn, &enrollment, &outcome, err);
	else if (rc == RC_NOT_FOUND)
		rc = RC_OK;
	send->outcomes[index] = (uint8_t)outcome;
	send->running.counts[outcome]++;
	return rc;
}

static enum rc add_ids(struct send *send, struct txn *txn, struct err *err)
{
	struct progress *progress = &send->running;
	const size_t count = json_count(send->body.ids);
	const bool is_small = count <= SEND_SMALL_IDS_MAX;
	enum rc rc = RC_OK;

	while (rc == RC_OK && progress->next < count && (is_small || !txn_is_slice_over(txn))) {
		const size_t index = progress->next++;

		if (!send->repeated[index])
			rc = add_id(send, txn, index, err);
	}
	progress->is_over = progress->next == count;
	return rc;
}

static enum rc add_page(struct send *send, struct txn *txn, struct arena *arena, struct err *err)
{
	struct progress *progress = &send->running;
	const struct enrollment_filter filter = {.after_id = progress->after_id,
		.limit = LIST_PAGE,
		.state = ENROLLMENT_ENROLLED};
	struct enrollment_view *views;
	enum send_outcome outcome;
	size_t count;
	enum rc rc = enrollment_list(txn, &filter, arena, &views, &count, err);

	for (size_t i = 0; rc == RC_OK && i < count; i++) {
		progress->after_id = views[i].enrollment.id;
		if (enrollment_kind_is_user(views[i].enrollment.kind))
			continue;
		rc = add(send, txn, &views[i].enrollment, &outcome, err);
		progress->counts[outcome]++;
	}
	if (rc == RC_OK)
		progress->is_over = count < LIST_PAGE;
	return rc;
}

static enum rc add_all(struct send *send, struct txn *txn, struct err *err)
{
	enum rc rc = RC_OK;

	do {
		AUTO(arena_free) struct arena *arena = arena_new(LIST_PAGE_BYTES_MAX);

		if (arena == NULL)
			return api_call_no_memory(err);
		rc = add_page(send, txn, arena, err);
	} while (rc == RC_OK && !send->running.is_over && !txn_is_slice_over(txn));
	return rc;
}

static enum rc run_send(struct job *job, struct txn *txn, struct err *err)
{
	struct send *send = send_of(job);
	struct progress *progress = &send->running;
	enum rc rc;

	*progress = send->durable;
	rc = send->body.is_all ? add_all(send, txn, err) : add_ids(send, txn, err);
	if (rc == RC_OK && progress->is_over && progress->counts[OUTCOME_QUEUED] > 0)
		rc = batch_publish(txn, progress->batch_id, err);
	return rc;
}

static bool is_more(struct job *job)
{
	struct send *send = send_of(job);

	if (send->durable.command_id == 0 && send->running.command_id != 0)
		forget_abandoned(job->call.api, send->running.command_id);
	send->durable = send->running;
	return !send->durable.is_over;
}

static void failed(struct job *job)
{
	const struct progress *durable = &send_of(job)->durable;

	if (durable->batch_id != 0)
		remember_abandoned(job->call.api, durable);
}

/* --- request and reply */

static enum rc prepare(struct job *job, struct err *err)
{
	struct send *send = send_of(job);
	struct call *call = &job->call;
	struct json_value *body;
	enum rc rc = api_call_body(call, &body, err);

	if (rc == RC_OK)
		rc = api_send_body_read(call, body, clock_unix_s(call->api->clock), &send->body, err);
	if (rc != RC_OK || send->body.is_all)
		return rc;
	send->outcomes = arena_alloc(call->arena, json_count(send->body.ids));
	if (send->outcomes == NULL)
		return api_call_no_memory(err);
	return api_ids_find_repeated(send->body.ids, call->arena, &send->repeated, err);
}

/* Written by hand: a tree of a million ids would take several times the memory of their text. */
static void write_outcomes(const struct send *send, struct buf *out)
{
	const size_t count = send->body.ids != NULL ? json_count(send->body.ids) : 0;
	const char *separator = "";

	if (send->body.ids == NULL)
		return;
	buf_append_str(out, ",\"outcomes\":{");
	for (size_t i = 0; i < count; i++) {
		if (send->repeated[i])
			continue;
		buf_append_str(out, separator);
		api_ids_append_text(out, json_string(json_at(send->body.ids, i)));
		buf_printf(out, ":\"%s\"", outcome_names[send->outcomes[i]]);
		separator = ",";
	}
	buf_append_byte(out, '}');
}

static void write_counts(const struct send *send, struct buf *out)
{
	buf_append_str(out, ",\"counts\":{");
	for (int i = OUTCOME_QUEUED; i < OUTCOME_COUNT; i++)
		buf_printf(out, "%s\"%s\":%lld", i == OUTCOME_QUEUED ? "" : ",", outcome_names[i],
			(long long)send->durable.counts[i]);
	buf_append_byte(out, '}');
}

static void reply(struct job *job)
{
	const struct send *send = send_of(job);
	const struct audit_targets targets = {
		.ids = send->body.ids,
		.outcomes = send->outcomes,
		.repeated = send->repeated,
		.outcome = OUTCOME_QUEUED,
		.count = send->durable.counts[OUTCOME_QUEUED],
		.request_type = send->body.row.request_type,
	};
	struct err err = {.rc = RC_OK};
	struct buf out;
	enum rc rc;

	if (job->call.api->push != NULL)
		push_poke(job->call.api->push);
	api_call_audit_targets(&job->call, "send_command", send->body.row.uuid, &targets);
	buf_init(&out, API_REPLY_BYTES_MAX);
	buf_append_str(&out, "{\"uuid\":");
	api_ids_append_text(&out, send->body.row.uuid);
	buf_append_str(&out, ",\"request_type\":");
	api_ids_append_text(&out, send->body.row.request_type);
	write_counts(send, &out);
	write_outcomes(send, &out);
	buf_append_byte(&out, '}');
	rc = buf_status(&out, "outcomes", &err);
	if (rc == RC_OK) {
		http_reply_header(job->call.request, "Cache-Control", "no-store");
		http_reply(job->call.request, 200, "application/json", &out);
	} else {
		api_call_fail(&job->call, rc, &err);
	}
	buf_fini(&out);
}

void api_commands_post(struct http_request *request, void *api)
{
	static const struct job_type type = {
		.size = sizeof(struct send),
		.prepare = prepare,
		.run = run_send,
		.is_more = is_more,
		.reply = reply,
		.failed = failed,
	};

	api_job_handle(request, api, &type);
}
