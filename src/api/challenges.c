/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/store/intent.h"

#include "private.h"

/* Challenges for SCEP: one device each, one use each. */

enum { DETAIL_BYTES = 64 };

const struct api_validity api_challenge_validity = {.default_s = 86400, .days_max = 90};

struct minting {
	struct job job;
	struct slice device_id, serial_number, ends;
	int64_t expires_at;
	int64_t intent_id;
	char challenge[ENROLL_SECRET_BYTES]; /* wiped when it has been shown */
};

static struct minting *minting_of(struct job *job)
{
	return (struct minting *)job;
}

static enum rc prepare(struct job *job, struct err *err)
{
	static const struct json_field table[] = {
		{.key = "device_id",
			.kind = JSON_KIND_STRING,
			.offset = offsetof(struct minting, device_id),
			.max_bytes = ENROLLMENT_DEVICE_ID_BYTES_MAX},
		{.key = "serial_number",
			.kind = JSON_KIND_STRING,
			.offset = offsetof(struct minting, serial_number),
			.max_bytes = INTENT_NAME_BYTES_MAX},
		{.key = "expires_at",
			.kind = JSON_KIND_STRING,
			.offset = offsetof(struct minting, ends),
			.max_bytes = TIME_FIELD_BYTES_MAX},
	};
	struct minting *minting = minting_of(job);
	struct json_value *body;
	enum rc rc = api_call_body(&job->call, &body, err);

	if (rc == RC_OK)
		rc = json_read_fields(body, table, COUNT_OF(table), minting, err);
	if (rc == RC_OK)
		rc =
			api_call_read_end(&job->call, &api_challenge_validity, minting->ends, &minting->expires_at, err);
	if (rc == RC_OK)
		enroll_secret_make(minting->challenge);
	return rc;
}

static enum rc run(struct job *job, struct txn *txn, struct err *err)
{
	struct minting *minting = minting_of(job);
	uint8_t digest[SHA256_BYTES];
	const struct intent_new intent = {.way = INTENT_CHALLENGE,
		.challenge_sha256 = digest,
		.device_id = minting->device_id,
		.serial_number = minting->serial_number,
		.created_by = slice_of_str(job->call.who),
		.expires_at = minting->expires_at};

	sha256(slice_of_str(minting->challenge), digest);
	return intent_add(txn, &intent, &minting->intent_id, err);
}

static void reply(struct job *job)
{
	struct minting *minting = minting_of(job);
	struct json_value *root = json_new_object();
	char ends[TIME_TEXT_BYTES];
	char detail[DETAIL_BYTES];
	char url[API_URL_BYTES + sizeof("/scep")];

	time_format(minting->expires_at, ends);
	(void)snprintf(detail, sizeof(detail), "intent %lld, ends %s", (long long)minting->intent_id,
		ends);
	if (minting->device_id.len > 0)
		api_call_audit_detail(&job->call, "create_challenge",
			arena_str(job->call.arena, minting->device_id), detail);
	else
		api_call_audit_detail(&job->call, "create_challenge", "any", detail);
	json_set_str(root, "challenge", minting->challenge);
	explicit_bzero(minting->challenge, sizeof(minting->challenge));
	enroll_url(job->call.api->enroll, url);
	(void)snprintf(url + strlen(url), sizeof("/scep"), "/scep");
	json_set_str(root, "url", url);
	json_set_slice(root, "device_id", minting->device_id);
	json_set_slice(root, "serial_number", minting->serial_number);
	json_set_time(root, "expires_at", minting->expires_at);
	api_call_reply(&job->call, 201, &root);
}

static void failed(struct job *job)
{
	explicit_bzero(minting_of(job)->challenge, ENROLL_SECRET_BYTES);
}

void api_challenges_post(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct minting),
		.prepare = prepare,
		.run = run,
		.reply = reply,
		.failed = failed};

	api_job_handle(request, api, &type);
}
