/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include "pomona/base/codec.h"

#include "pushing.h"

/* Push certificates: shown, put, removed, tried. push/ is told of each change when it is durable. */

enum { SECONDS_A_DAY = 86400, TOPICS_SHOWN = 1000 };

/* --- showing */

static const struct push_topic_stats *find_stats(const struct push_stats *stats, const char *topic)
{
	for (size_t i = 0; i < stats->topic_count; i++)
		if (strcmp(stats->topics[i].topic, topic) == 0)
			return &stats->topics[i];
	return NULL;
}

/* push/ learns of a certificate a moment after it is stored: until then what it tells is of another. */
static enum push_topic_state state_of(const struct push_cert_view *view,
	const struct push_topic_stats *topic, int64_t now)
{
	if (view->not_after <= now)
		return PUSH_TOPIC_EXPIRED;
	if (topic == NULL || topic->not_after != view->not_after)
		return PUSH_TOPIC_IDLE;
	if (topic->state == PUSH_TOPIC_NO_CERTIFICATE || topic->state == PUSH_TOPIC_EXPIRED)
		return PUSH_TOPIC_IDLE;
	return topic->state;
}

static void write_view(const struct push_cert_view *view, const struct push_stats *stats,
	int64_t now, struct json_value *row)
{
	const struct push_topic_stats *topic = find_stats(stats, view->topic);
	const enum push_topic_state state = state_of(view, topic, now);
	const bool has_why = topic != NULL && topic->state == state && topic->why[0] != '\0';

	json_set_str(row, "topic", view->topic);
	json_set_str(row, "subject", view->subject);
	api_set_hex(row, "sha256", slice_of(view->sha256, SHA256_BYTES));
	json_set_time(row, "not_before", view->not_before);
	json_set_time(row, "not_after", view->not_after);
	json_set_int(row, "days_left", (view->not_after - now) / SECONDS_A_DAY);
	json_set_time(row, "stored_at", view->stored_at);
	json_set_int(row, "enrollments", view->enrollments);
	json_set_str(row, "state", push_topic_state_name(state));
	json_set_str(row, "why", has_why ? topic->why : NULL);
}

static enum rc write_without(struct call *call, struct txn *txn, struct json_value *rows,
	struct err *err)
{
	struct push_topic_view *topics;
	size_t count;
	enum rc rc = push_topic_list(txn, TOPICS_SHOWN, call->arena, &topics, &count, err);

	for (size_t i = 0; rc == RC_OK && i < count; i++) {
		struct json_value *row;

		if (topics[i].has_cert)
			continue;
		row = json_append_object(rows);
		json_set_str(row, "topic", topics[i].topic);
		json_set_int(row, "enrollments", topics[i].enrollments);
	}
	return rc;
}

static enum rc read_list(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err)
{
	struct push_stats *stats = arena_alloc(call->arena, sizeof(*stats));
	struct json_value *rows = json_set_array(root, "pushcerts");
	struct push_cert_view *views;
	size_t count;
	enum rc rc = push_cert_list(txn, call->arena, &views, &count, err);

	if (rc != RC_OK)
		return rc;
	if (stats == NULL)
		return api_call_no_memory(err);
	push_stats(call->api->push, stats);
	for (size_t i = 0; i < count; i++)
		write_view(&views[i], stats, txn_now(txn), json_append_object(rows));
	return write_without(call, txn, json_set_array(root, "topics_without"), err);
}

void api_pushcerts_get(struct http_request *request, void *api)
{
	if (api_has_push(request, api))
		api_call_read(request, api, read_list);
}

/* --- putting */

struct put_fields {
	struct slice certificate, key, password;
	bool is_forced;
};

static const struct json_field put_table[] = {
	{.key = "certificate",
		.kind = JSON_KIND_STRING,
		.is_required = true,
		.offset = offsetof(struct put_fields, certificate),
		.max_bytes = PUSH_CERT_PEM_BYTES_MAX},
	{.key = "key",
		.kind = JSON_KIND_STRING,
		.offset = offsetof(struct put_fields, key),
		.max_bytes = PUSH_CERT_PEM_BYTES_MAX},
	{.key = "password",
		.kind = JSON_KIND_STRING,
		.offset = offsetof(struct put_fields, password),
		.max_bytes = PUSH_PASSWORD_BYTES_MAX},
	{.key = "force", .kind = JSON_KIND_BOOL, .offset = offsetof(struct put_fields, is_forced)},
};

struct put {
	struct job job;
	struct push_cert cert; /* owned from the end of `prepare` to the answer */
	bool is_forced;
	struct push_cert_view view; /* as it is stored; in the arena */
};

static struct put *put_of(struct job *job)
{
	return (struct put *)job;
}

static enum rc check_dates(struct call *call, const struct cert_facts *facts, struct err *err)
{
	const int64_t now = clock_unix_s(call->api->clock);
	char text[TIME_TEXT_BYTES];

	if (facts->not_after <= now) {
		time_format(facts->not_after, text);
		return api_call_invalid(call, err, "certificate",
			"expired at %s: renew it in Apple's Push Certificates Portal and bring in the new one", text);
	}
	if (facts->not_before > now) {
		time_format(facts->not_before, text);
		return api_call_invalid(call, err, "certificate",
			"is not valid before %s: is this host's clock right?", text);
	}
	return RC_OK;
}

static enum rc read_cert(struct put *put, const struct put_fields *fields, struct err *err)
{
	static const char *const names[] = {
		[PUSH_CERT_PART_CERTIFICATE] = "certificate",
		[PUSH_CERT_PART_KEY] = "key",
		[PUSH_CERT_PART_PASSWORD] = "password",
	};
	struct call *call = &put->job.call;
	enum push_cert_part part = PUSH_CERT_PART_CERTIFICATE;
	enum rc rc = push_cert_read(fields->certificate, fields->key, (const char *)fields->password.ptr,
		&put->cert, &part, err);

	if (rc == RC_INVALID || rc == RC_LIMIT) {
		call->field = names[part];
		call->status = 400;
		if (!slice_has_prefix(slice_of_str(err->text), names[part]))
			return err_context(err, "%s", names[part]);
	}
	if (rc != RC_OK)
		return rc;
	rc = check_dates(call, &put->cert.facts, err);
	if (rc != RC_OK)
		push_cert_fini(&put->cert);
	return rc;
}

static enum rc prepare_put(struct job *job, struct err *err)
{
	struct put_fields fields = {.is_forced = false};
	struct put *put = put_of(job);
	struct json_value *body;
	enum rc rc = api_call_body(&job->call, &body, err);

	http_request_wipe_body(job->call.request);
	if (rc == RC_OK)
		rc = json_read_fields(body, put_table, COUNT_OF(put_table), &fields, err);
	put->is_forced = fields.is_forced;
	return rc == RC_OK ? read_cert(put, &fields, err) : rc;
}

/*
 * A certificate that was made anew instead of renewed has another topic, and reaches nobody: tokens
 * belong to their topic.
 */
static enum rc check_topic(struct put *put, struct txn *txn, struct err *err)
{
	struct call *call = &put->job.call;
	struct push_topic_view *topics;
	int64_t enrollments = 0;
	size_t count;
	enum rc rc = push_topic_list(txn, TOPICS_SHOWN, call->arena, &topics, &count, err);

	if (rc != RC_OK || count == 0)
		return rc;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(topics[i].topic, put->cert.topic) == 0)
			return RC_OK;
		enrollments += topics[i].enrollments;
	}
	call->field = "certificate";
	return api_call_conflict(err,
		"certificate: it would not reach %lld enrollments, of which %lld use the topic %s; its own is "
		"%s. In the portal renew the certificate of that topic, with the same Apple Account; "
		"\"force\": true brings this one in for other devices",
		(long long)enrollments, (long long)topics[0].enrollments, topics[0].topic, put->cert.topic);
}

static enum rc find_view(struct put *put, struct txn *txn, struct err *err)
{
	struct push_cert_view *views;
	size_t count;
	enum rc rc = push_cert_list(txn, put->job.call.arena, &views, &count, err);

	for (size_t i = 0; rc == RC_OK && i < count; i++)
		if (strcmp(views[i].topic, put->cert.topic) == 0) {
			put->view = views[i];
			return RC_OK;
		}
	return rc == RC_OK ? err_set(err, RC_INTERNAL, "the certificate is not there again") : rc;
}

static enum rc run_put(struct job *job, struct txn *txn, struct err *err)
{
	struct put *put = put_of(job);
	enum rc rc = put->is_forced ? RC_OK : check_topic(put, txn, err);

	if (rc == RC_OK)
		rc = push_cert_put(txn, &put->cert, err);
	return rc == RC_OK ? find_view(put, txn, err) : rc;
}

static void drop(struct job *job)
{
	push_cert_fini(&put_of(job)->cert);
}

static void reply_put(struct job *job)
{
	static const struct push_stats nothing_known = {.topic_count = 0};
	const struct put *put = put_of(job);
	struct json_value *root = json_new_object();

	push_certs_changed(job->call.api->push);
	api_call_audit(&job->call, put->is_forced ? "force_push_certificate" : "set_push_certificate",
		put->view.topic);
	write_view(&put->view, &nothing_known, clock_unix_s(job->call.api->clock), root);
	drop(job);
	api_call_reply(&job->call, 200, &root);
}

void api_pushcerts_put(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct put),
		.prepare = prepare_put,
		.run = run_put,
		.reply = reply_put,
		.failed = drop};

	if (api_has_push(request, api))
		api_job_handle(request, api, &type);
	else
		http_request_wipe_body(request);
}

/* --- removing */

static const char *topic_of(const struct job *job)
{
	return http_request_param(job->call.request, "topic");
}

static enum rc run_remove(struct job *job, struct txn *txn, struct err *err)
{
	enum rc rc = push_cert_remove(txn, topic_of(job), err);

	return rc == RC_NOT_FOUND ? err_set(err, rc, "no push certificate has this topic") : rc;
}

static void reply_remove(struct job *job)
{
	push_certs_changed(job->call.api->push);
	api_call_audit(&job->call, "remove_push_certificate", topic_of(job));
	http_reply_copy(job->call.request, 204, NULL, slice_of(NULL, 0));
}

void api_pushcert_delete(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct job),
		.run = run_remove,
		.reply = reply_remove};

	if (api_has_push(request, api))
		api_job_handle(request, api, &type);
}

/* --- trying */

static void reply_test(struct asking *asking)
{
	struct json_value *root = json_new_object();
	const char *id = asking->ctx;

	api_push_result_write(&asking->ask.results[0], id, true, root);
	api_call_audit(asking->call, "test_push_certificate", id);
	api_call_reply(asking->call, 200, &root);
}

static enum rc find(struct call *call, struct slice id, struct enrollment *enrollment_r,
	struct err *err)
{
	struct txn *txn = NULL;
	enum rc rc = store_read_begin(call->api->store, &txn, err);

	if (rc != RC_OK)
		return rc;
	rc = enrollment_find(txn, id, enrollment_r, err);
	store_read_end(call->api->store, &txn);
	if (rc != RC_NOT_FOUND)
		return rc;
	call->field = "id";
	return err_set(err, rc, "id: no device or user channel has it");
}

static enum rc prepare_test(struct call *call, struct asking **asking_r, struct err *err)
{
	static const struct json_field table[] = {
		{.key = "id",
			.kind = JSON_KIND_STRING,
			.is_required = true,
			.offset = 0,
			.max_bytes = ENROLLMENT_ID_BYTES_MAX},
	};
	struct asking *asking = api_asking_new(call, 1);
	struct enrollment enrollment;
	struct slice id = {.ptr = NULL};
	struct json_value *body;
	enum rc rc = api_call_body(call, &body, err);

	if (rc == RC_OK)
		rc = json_read_fields(body, table, COUNT_OF(table), &id, err);
	if (rc == RC_OK)
		rc = find(call, id, &enrollment, err);
	if (rc != RC_OK)
		return rc;
	if (asking == NULL)
		return api_call_no_memory(err);
	asking->ctx = arena_str(call->arena, id);
	if (asking->ctx == NULL)
		return api_call_no_memory(err);
	asking->reply = reply_test;
	asking->ask.is_test = true;
	asking->ask.class = PUSH_CLASS_URGENT;
	asking->ask.results[0].enrollment_id = enrollment.id;
	*asking_r = asking;
	return RC_OK;
}

void api_pushcert_test_post(struct http_request *request, void *api)
{
	struct call *call = arena_alloc(http_request_arena(request), sizeof(*call));
	struct asking *asking = NULL;
	struct err err = {.rc = RC_OK};
	struct call failed;
	enum rc rc;

	if (!api_has_push(request, api))
		return;
	if (call == NULL) {
		rc = api_call_no_memory(&err);
		api_call_init(&failed, api, request);
		api_call_fail(&failed, rc, &err);
		return;
	}
	api_call_init(call, api, request);
	rc = prepare_test(call, &asking, &err);
	if (rc != RC_OK) {
		api_call_fail(call, rc, &err);
		return;
	}
	http_defer(request); /* first: the loop may be faster than the next line */
	api_asking_start(asking);
}
