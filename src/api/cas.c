/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "pomona/pki/trust.h"
#include "pomona/store/admin.h"
#include "pomona/store/identity.h"

#include "private.h"

/* The device CAs that are trusted. After a change device/ is given a new snapshot of them. */

struct change {
	struct job job;
	struct slice ders[TRUST_ANCHORS_MAX]; /* to add; in the arena */
	struct cert_facts facts[TRUST_ANCHORS_MAX];
	size_t count;
	uint8_t sha256[SHA256_BYTES]; /* to remove */
	struct trust *trust;          /* owned: as it is after the change */
};

static struct change *change_of(struct job *job)
{
	return (struct change *)job;
}

static bool is_own(const struct api *api, const uint8_t sha256[static SHA256_BYTES])
{
	return memcmp(api->device_ca_facts.sha256, sha256, SHA256_BYTES) == 0;
}

static enum rc read_cas(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err)
{
	struct json_value *rows = json_set_array(root, "cas");
	struct slice *ders;
	size_t count;
	enum rc rc = anchor_list(txn, call->arena, &ders, &count, err);

	for (size_t i = 0; rc == RC_OK && i < count; i++) {
		struct json_value *row = json_append_object(rows);
		struct cert_facts facts;

		rc = cert_read_facts(ders[i], &facts, err);
		if (rc != RC_OK)
			return rc;
		api_set_cert(row, &facts);
		json_set_bool(row, "is_own", is_own(call->api, facts.sha256));
	}
	return rc;
}

void api_cas_get(struct http_request *request, void *api)
{
	api_call_read(request, api, read_cas);
}

/* What is trusted in this transaction, for when it is durable. */
static enum rc snapshot(struct change *change, struct txn *txn, struct err *err)
{
	struct slice *ders;
	size_t count;
	enum rc rc = anchor_list(txn, change->job.call.arena, &ders, &count, err);

	if (rc != RC_OK)
		return rc;
	if (count > TRUST_ANCHORS_MAX)
		return api_call_conflict(err, "more than %d device CAs", TRUST_ANCHORS_MAX);
	return trust_new(ders, count, &change->trust, err);
}

static void take_over(struct change *change)
{
	device_set_trust(change->job.call.api->device, change->trust);
	trust_unref(&change->trust);
}

static void drop(struct job *job)
{
	trust_unref(&change_of(job)->trust);
}

/* --- adding */

static enum rc take_cert(void *ctx, struct slice der, struct err *err)
{
	struct change *change = ctx;
	struct call *call = &change->job.call;
	struct cert_facts *facts = &change->facts[change->count];
	enum rc rc;

	if (change->count == TRUST_ANCHORS_MAX)
		return api_call_invalid(call, err, "pem", "more than %d certificates", TRUST_ANCHORS_MAX);
	rc = cert_read_facts(der, facts, err);
	if (rc != RC_OK)
		return rc;
	if (!facts->is_ca)
		return api_call_invalid(call, err, "pem", "%s is not the certificate of a CA", facts->subject);
	change->ders[change->count] = arena_copy(call->arena, der);
	if (change->ders[change->count].ptr == NULL)
		return api_call_no_memory(err);
	change->count++;
	return RC_OK;
}

static enum rc prepare_add(struct job *job, struct err *err)
{
	static const struct json_field table[] = {
		{.key = "pem",
			.kind = JSON_KIND_STRING,
			.is_required = true,
			.offset = 0,
			.max_bytes = 2 * (size_t)CERT_DER_BYTES_MAX * TRUST_ANCHORS_MAX},
	};
	struct slice pem = {.ptr = NULL};
	struct json_value *body;
	enum rc rc = api_call_body(&job->call, &body, err);

	if (rc == RC_OK)
		rc = json_read_fields(body, table, COUNT_OF(table), &pem, err);
	if (rc != RC_OK)
		return rc;
	job->call.field = "pem";
	rc = cert_pem_each(pem, take_cert, job, err);
	if (rc == RC_OK)
		job->call.field = NULL;
	return rc;
}

static enum rc run_add(struct job *job, struct txn *txn, struct err *err)
{
	struct change *change = change_of(job);

	for (size_t i = 0; i < change->count; i++) {
		enum rc rc = anchor_add(txn, change->ders[i], &change->facts[i], err);

		if (rc != RC_OK && rc != RC_EXISTS) /* adding again is fine */
			return rc;
	}
	return snapshot(change, txn, err);
}

static void reply_add(struct job *job)
{
	struct change *change = change_of(job);
	struct json_value *root = json_new_object();
	struct json_value *rows = json_set_array(root, "cas");

	take_over(change);
	for (size_t i = 0; i < change->count; i++) {
		struct json_value *row = json_append_object(rows);

		api_call_audit(&job->call, "add_ca", change->facts[i].subject);
		api_set_cert(row, &change->facts[i]);
		json_set_bool(row, "is_own", is_own(job->call.api, change->facts[i].sha256));
	}
	api_call_reply(&job->call, 201, &root);
}

void api_cas_post(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct change),
		.prepare = prepare_add,
		.run = run_add,
		.reply = reply_add,
		.failed = drop};

	api_job_handle(request, api, &type);
}

/* --- removing */

static enum rc prepare_remove(struct job *job, struct err *err)
{
	struct change *change = change_of(job);
	enum rc rc = api_param_sha256(&job->call, change->sha256, err);

	if (rc == RC_OK && is_own(job->call.api, change->sha256))
		return api_call_conflict(err, "this is the server's own device CA: it cannot be removed");
	return rc;
}

static enum rc run_remove(struct job *job, struct txn *txn, struct err *err)
{
	struct change *change = change_of(job);
	char subject[SHA256_TEXT_BYTES]; /* of alarms about its end */
	enum rc rc = anchor_remove(txn, change->sha256, err);

	sha256_text(change->sha256, subject);
	if (rc == RC_NOT_FOUND)
		return err_set(err, rc, "no device CA has this SHA-256");
	if (rc == RC_OK)
		rc = alarm_clear_subject(txn, slice_of_str(subject), err);
	return rc == RC_OK ? snapshot(change, txn, err) : rc;
}

static void reply_remove(struct job *job)
{
	take_over(change_of(job));
	api_call_audit(&job->call, "remove_ca", http_request_param(job->call.request, "sha256"));
	http_reply_copy(job->call.request, 204, NULL, slice_of(NULL, 0));
}

void api_ca_delete(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct change),
		.prepare = prepare_remove,
		.run = run_remove,
		.reply = reply_remove,
		.failed = drop};

	api_job_handle(request, api, &type);
}
