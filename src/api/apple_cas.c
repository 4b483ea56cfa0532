/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/store/apple_anchor.h"

#include "private.h"

/* The certificates of Apple's that devices are known by. After a change enroll/ is given a new snapshot of them. */

struct apple_change {
	struct job job;
	struct slice pem;                         /* to import, */
	const struct json_value *fingerprints;    /* and what the administrator has looked at */
	bool is_named[APPLE_CERTS_MAX];           /* of these */
	struct slice ders[APPLE_CERTS_MAX];       /* in the arena */
	struct cert_facts facts[APPLE_CERTS_MAX]; /* of them */
	size_t count;
	uint8_t sha256[SHA256_BYTES]; /* to remove */
	struct apple_chain *chain;    /* owned: as it is after the change */
};

static struct apple_change *change_of(struct job *job)
{
	return (struct apple_change *)job;
}

static void set_row(struct json_value *row, const struct cert_facts *facts)
{
	api_set_cert(row, facts);
	json_set_str(row, "known_as", apple_cert_name(facts->sha256));
}

static enum rc read_cas(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err)
{
	struct json_value *rows = json_set_array(root, "apple_cas");
	struct apple_anchor *anchors = NULL;
	size_t count = 0;
	enum rc rc = apple_anchor_list(txn, call->arena, &anchors, &count, err);

	for (size_t i = 0; rc == RC_OK && i < count; i++) {
		struct json_value *row = json_append_object(rows);
		struct cert_facts facts;

		rc = cert_read_facts(anchors[i].der, &facts, err);
		if (rc != RC_OK)
			return rc;
		set_row(row, &facts);
		json_set_str(row, "imported_by", anchors[i].imported_by);
		json_set_time(row, "imported_at", anchors[i].imported_at);
	}
	return rc;
}

void api_apple_cas_get(struct http_request *request, void *api)
{
	api_call_read(request, api, read_cas);
}

static void take_over(struct apple_change *change)
{
	enroll_set_apple(change->job.call.api->enroll, &change->chain);
}

static void drop(struct job *job)
{
	apple_chain_unref(&change_of(job)->chain);
}

static enum rc check_room(struct job *job, struct err *err)
{
	return job->call.api->enroll == NULL ? api_call_conflict(err, "this server enrolls nobody")
																																						: RC_OK;
}

/* --- importing */

static enum rc take_cert(void *ctx, struct slice der, struct err *err)
{
	struct apple_change *change = ctx;
	struct call *call = &change->job.call;
	enum rc rc;

	if (change->count == APPLE_CERTS_MAX)
		return api_call_invalid(call, err, "pem", "more than %d certificates", APPLE_CERTS_MAX);
	rc = apple_cert_check(der, &change->facts[change->count], err);
	if (rc != RC_OK)
		return rc;
	change->ders[change->count] = arena_copy(call->arena, der);
	if (change->ders[change->count].ptr == NULL)
		return api_call_no_memory(err);
	change->count++;
	return RC_OK;
}

/* One that is not in the PEM was meant for another file: nothing is imported then. */
static enum rc take_fingerprint(struct apple_change *change, const struct json_value *value,
	struct err *err)
{
	struct call *call = &change->job.call;
	uint8_t sha256[SHA256_BYTES];
	bool is_found = false;

	if (hex_parse(json_string(value), sha256, SHA256_BYTES, NULL) != RC_OK)
		return api_call_invalid(call, err, "fingerprints", "each must be %d hex digits",
			2 * SHA256_BYTES);
	for (size_t i = 0; i < change->count; i++)
		if (memcmp(change->facts[i].sha256, sha256, SHA256_BYTES) == 0) {
			change->is_named[i] = true;
			is_found = true;
		}
	if (!is_found)
		return api_call_invalid(call, err, "fingerprints", "no certificate here has the SHA-256 %.64s",
			(const char *)json_string(value).ptr);
	return RC_OK;
}

/* What is not known as Apple's by its fingerprint must have been looked at by somebody. */
static enum rc check_looked_at(struct apple_change *change, struct err *err)
{
	char hex[SHA256_TEXT_BYTES];

	for (size_t i = 0; i < change->count; i++)
		if (!change->is_named[i] && apple_cert_name(change->facts[i].sha256) == NULL) {
			sha256_text(change->facts[i].sha256, hex);
			return api_call_invalid(&change->job.call, err, "fingerprints",
				"%s is not known as Apple's: check its SHA-256, %s, and name it here", change->facts[i].subject,
				hex);
		}
	return RC_OK;
}

static enum rc read_fingerprints(struct apple_change *change, struct err *err)
{
	const size_t count = json_count(change->fingerprints);
	enum rc rc = RC_OK;

	if (count > APPLE_CERTS_MAX)
		return api_call_invalid(&change->job.call, err, "fingerprints", "more than %d", APPLE_CERTS_MAX);
	for (size_t i = 0; rc == RC_OK && i < count; i++)
		rc = take_fingerprint(change, json_at(change->fingerprints, i), err);
	return rc == RC_OK ? check_looked_at(change, err) : rc;
}

static enum rc prepare_import(struct job *job, struct err *err)
{
	static const struct json_field table[] = {
		{.key = "pem",
			.kind = JSON_KIND_STRING,
			.is_required = true,
			.offset = offsetof(struct apple_change, pem),
			.max_bytes = 2 * (size_t)CERT_DER_BYTES_MAX * APPLE_CERTS_MAX},
		{.key = "fingerprints",
			.kind = JSON_KIND_ARRAY,
			.offset = offsetof(struct apple_change, fingerprints)},
	};
	struct apple_change *change = change_of(job);
	struct json_value *body;
	enum rc rc = check_room(job, err);

	if (rc == RC_OK)
		rc = api_call_body(&job->call, &body, err);
	if (rc == RC_OK)
		rc = json_read_fields(body, table, COUNT_OF(table), change, err);
	if (rc != RC_OK)
		return rc;
	job->call.field = "pem";
	rc = cert_pem_each(change->pem, take_cert, job, err);
	if (rc != RC_OK)
		return rc;
	job->call.field = NULL;
	return read_fingerprints(change, err);
}

static enum rc run_import(struct job *job, struct txn *txn, struct err *err)
{
	struct apple_change *change = change_of(job);

	for (size_t i = 0; i < change->count; i++) {
		enum rc rc =
			apple_anchor_add(txn, change->ders[i], &change->facts[i], slice_of_str(job->call.who), err);

		if (rc != RC_OK && rc != RC_EXISTS) /* importing again is fine */
			return rc;
	}
	return enroll_read_apple(txn, &change->chain, err);
}

static void reply_import(struct job *job)
{
	struct apple_change *change = change_of(job);
	struct json_value *root = json_new_object();
	struct json_value *rows = json_set_array(root, "apple_cas");
	char hex[SHA256_TEXT_BYTES];

	take_over(change);
	for (size_t i = 0; i < change->count; i++) {
		sha256_text(change->facts[i].sha256, hex);
		api_call_audit_detail(&job->call, "import_apple_ca", hex, change->facts[i].subject);
		set_row(json_append_object(rows), &change->facts[i]);
	}
	api_call_reply(&job->call, 201, &root);
}

void api_apple_cas_post(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct apple_change),
		.prepare = prepare_import,
		.run = run_import,
		.reply = reply_import,
		.failed = drop};

	api_job_handle(request, api, &type);
}

/* --- removing */

static enum rc prepare_remove(struct job *job, struct err *err)
{
	enum rc rc = check_room(job, err);

	return rc == RC_OK ? api_param_sha256(&job->call, change_of(job)->sha256, err) : rc;
}

static enum rc run_remove(struct job *job, struct txn *txn, struct err *err)
{
	struct apple_change *change = change_of(job);
	enum rc rc = apple_anchor_remove(txn, change->sha256, err);

	return rc == RC_OK ? enroll_read_apple(txn, &change->chain, err) : rc;
}

static void reply_remove(struct job *job)
{
	take_over(change_of(job));
	api_call_audit(&job->call, "remove_apple_ca", http_request_param(job->call.request, "sha256"));
	http_reply_copy(job->call.request, 204, NULL, slice_of(NULL, 0));
}

void api_apple_ca_delete(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct apple_change),
		.prepare = prepare_remove,
		.run = run_remove,
		.reply = reply_remove,
		.failed = drop};

	api_job_handle(request, api, &type);
}
