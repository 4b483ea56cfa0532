/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/store/intent.h"
#include "pomona/store/ota.h"

#include "private.h"

/* Enrollment profiles: one device each, with a challenge of its own. */

enum {
	PROFILE_REPLY_BYTES_MAX = 2 * PROFILE_BYTES_MAX, /* the signature, the chain */
	DETAIL_BYTES = 64,
};

struct handing {
	struct job job;
	struct slice device_id, serial_number, ends;
	int64_t expires_at;
	int64_t intent_id;
	bool is_ota;                         /* the profile with which enrolling over the air begins */
	char challenge[ENROLL_SECRET_BYTES]; /* wiped when the profile is made */
	uint8_t digest[SHA256_BYTES];
	char url[API_URL_BYTES];
	struct enroll_profile_facts facts;
	struct buf profile; /* a secret */
};

static struct handing *handing_of(struct job *job)
{
	return (struct handing *)job;
}

static enum rc prepare(struct job *job, struct err *err)
{
	static const struct json_field table[] = {
		{.key = "device_id",
			.kind = JSON_KIND_STRING,
			.offset = offsetof(struct handing, device_id),
			.max_bytes = ENROLLMENT_DEVICE_ID_BYTES_MAX},
		{.key = "serial_number",
			.kind = JSON_KIND_STRING,
			.offset = offsetof(struct handing, serial_number),
			.max_bytes = INTENT_NAME_BYTES_MAX},
		{.key = "expires_at",
			.kind = JSON_KIND_STRING,
			.offset = offsetof(struct handing, ends),
			.max_bytes = TIME_FIELD_BYTES_MAX},
	};
	struct handing *handing = handing_of(job);
	struct json_value *body;
	enum rc rc = api_call_body(&job->call, &body, err);

	if (rc == RC_OK && job->call.api->enroll == NULL)
		rc = api_call_conflict(err, "this server enrolls nobody");
	if (rc == RC_OK)
		rc = json_read_fields(body, table, COUNT_OF(table), handing, err);
	if (rc == RC_OK)
		rc = api_challenge_read_end(&job->call, handing->ends, &handing->expires_at, err);
	return rc;
}

static enum rc prepare_ota(struct job *job, struct err *err)
{
	handing_of(job)->is_ota = true;
	return prepare(job, err);
}

/* Who asks for the identity: the device, where it is known and its id is short enough for a certificate. */
static const char *common_name(const struct handing *handing)
{
	if (handing->device_id.len == 0 || handing->device_id.len > PROFILE_COMMON_NAME_BYTES_MAX)
		return "Pomona device identity";
	return arena_str(handing->job.call.arena, handing->device_id);
}

/* On the signer's thread: the server's key may be RSA, and a storm of profiles must not hold up who polls. */
static enum rc sign(struct job *job, struct err *err)
{
	struct handing *handing = handing_of(job);
	struct enroll_profile_ask ask = {.url = handing->url,
		.common_name = common_name(handing),
		.facts_r = &handing->facts};
	enum rc rc;

	if (ask.common_name == NULL)
		return api_call_no_memory(err);
	enroll_url(job->call.api->enroll, handing->url);
	enroll_secret_make(handing->challenge);
	sha256(slice_of_str(handing->challenge), handing->digest);
	ask.challenge = slice_of_str(handing->challenge);
	ask.kind = handing->is_ota ? PROFILE_KIND_SERVICE : PROFILE_KIND_ENROLLMENT;
	buf_init(&handing->profile, PROFILE_REPLY_BYTES_MAX);
	rc = enroll_make_profile(job->call.api->enroll, &ask, &handing->profile, err);
	explicit_bzero(handing->challenge, sizeof(handing->challenge));
	return rc;
}

static enum rc run(struct job *job, struct txn *txn, struct err *err)
{
	struct handing *handing = handing_of(job);
	const struct intent_profile profile = {
		.identifier = slice_of_str(handing->facts.identifier),
		.url = slice_of_str(handing->url),
		.access_rights = handing->facts.access_rights,
	};
	const struct intent_new intent = {.way = handing->is_ota ? INTENT_OTA : INTENT_PROFILE,
		.challenge_sha256 = handing->digest,
		.device_id = handing->device_id,
		.serial_number = handing->serial_number,
		.created_by = slice_of_str(job->call.who),
		.expires_at = handing->expires_at,
		.profile = handing->is_ota ? NULL : &profile};

	if (handing->is_ota)
		return ota_add(txn, &intent, &handing->intent_id, err);
	return intent_add(txn, &intent, &handing->intent_id, err);
}

static void reply(struct job *job)
{
	struct handing *handing = handing_of(job);
	struct call *call = &job->call;
	char ends[TIME_TEXT_BYTES];
	char detail[DETAIL_BYTES];

	time_format(handing->expires_at, ends);
	(void)snprintf(detail, sizeof(detail), "intent %lld, ends %s", (long long)handing->intent_id,
		ends);
	api_call_audit_detail(call, handing->is_ota ? "create_ota" : "create_profile",
		handing->device_id.len > 0 ? arena_str(call->arena, handing->device_id) : "any", detail);
	http_reply_header(call->request, "Cache-Control", "no-store");
	http_reply_header(call->request, "Content-Disposition",
		"attachment; filename=\"enroll.mobileconfig\"");
	http_reply(call->request, 201, "application/x-apple-aspen-config", &handing->profile);
	buf_fini_secret(&handing->profile);
}

static void failed(struct job *job)
{
	buf_fini_secret(&handing_of(job)->profile);
}

void api_profiles_post(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct handing),
		.prepare = prepare,
		.sign = sign,
		.run = run,
		.reply = reply,
		.failed = failed};

	api_job_handle(request, api, &type);
}

void api_ota_post(struct http_request *request, void *api)
{
	static const struct job_type type = {.size = sizeof(struct handing),
		.prepare = prepare_ota,
		.sign = sign,
		.run = run,
		.reply = reply,
		.failed = failed};

	api_job_handle(request, api, &type);
}
