/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/store/intent.h"
#include "pomona/store/ota.h"

#include "private.h"

/* Enrollment profiles: one device each, with a challenge, a key or a name for an ACME server of its own. */

enum {
	PROFILE_REPLY_BYTES_MAX = 2 * PROFILE_BYTES_MAX, /* the signature, the chain */
	DETAIL_BYTES = 128,
	IDENTITY_BYTES_MAX = 16,
	PEM_BYTES_MAX = 2 * CERT_DER_BYTES_MAX,
};

static const char *const identity_names[] = {
	[PROFILE_IDENTITY_SCEP] = "scep",
	[PROFILE_IDENTITY_PKCS12] = "pkcs12",
	[PROFILE_IDENTITY_ACME] = "acme",
};

struct fields {
	struct slice device_id, serial_number, ends, identity, client_identifier, encrypt_to;
	struct json_value *pkcs12;
};

struct handing {
	struct job job;
	struct fields fields;
	enum profile_identity identity;
	int64_t expires_at;
	int64_t intent_id;
	bool is_ota; /* the profile with which enrolling over the air begins */
	struct api_profile_key key;
	struct slice
		reader; /* DER of the certificate that it is sealed to, in the arena; empty: to nobody's */
	char secret[ENROLL_SECRET_BYTES]; /* wiped when the profile is made */
	uint8_t digest[SHA256_BYTES];
	char url[API_URL_BYTES];
	struct enroll_profile_facts facts;
	struct buf profile; /* a secret */
};

static struct handing *handing_of(struct job *job)
{
	return (struct handing *)job;
}

static enum rc read_identity(struct handing *handing, struct err *err)
{
	const struct slice name = handing->fields.identity;

	if (name.ptr == NULL)
		return RC_OK; /* SCEP */
	for (size_t i = 0; i < COUNT_OF(identity_names); i++)
		if (slice_is_str(name, identity_names[i])) {
			handing->identity = (enum profile_identity)i;
			return RC_OK;
		}
	return api_call_invalid(&handing->job.call, err, "identity", "must be scep, pkcs12 or acme");
}

/* What is for another kind of identity is a mistake of who asks. */
static enum rc check_kind(struct handing *handing, struct err *err)
{
	const struct {
		const char *field;
		bool is_given;
		enum profile_identity identity;
	} rules[] = {
		{"expires_at", handing->fields.ends.ptr != NULL, PROFILE_IDENTITY_SCEP},
		{"pkcs12", handing->fields.pkcs12 != NULL, PROFILE_IDENTITY_PKCS12},
		{"client_identifier", handing->fields.client_identifier.ptr != NULL, PROFILE_IDENTITY_ACME},
	};

	for (size_t i = 0; i < COUNT_OF(rules); i++)
		if (rules[i].is_given && rules[i].identity != handing->identity)
			return api_call_invalid(&handing->job.call, err, rules[i].field, "is for identity %s alone",
				identity_names[rules[i].identity]);
	return RC_OK;
}

static enum rc take_reader(void *ctx, struct slice der, struct err *err)
{
	struct handing *handing = ctx;

	if (handing->reader.len > 0)
		return err_set(err, RC_INVALID, "more than one certificate");
	handing->reader = arena_copy(handing->job.call.arena, der);
	return handing->reader.ptr != NULL ? RC_OK : api_call_no_memory(err);
}

static enum rc read_reader(struct handing *handing, struct err *err)
{
	struct err own = {.rc = RC_OK};
	struct cert_facts facts;
	enum rc rc = cert_pem_each(handing->fields.encrypt_to, take_reader, handing, &own);

	if (rc == RC_OK)
		rc = cert_read_facts(handing->reader, &facts, &own);
	if (rc == RC_INVALID || rc == RC_LIMIT)
		return api_call_invalid(&handing->job.call, err, "encrypt_to", "%s", own.text);
	return rc == RC_OK ? RC_OK : api_call_no_memory(err);
}

static enum rc read_rest(struct handing *handing, struct err *err)
{
	struct call *call = &handing->job.call;
	enum rc rc = read_identity(handing, err);

	if (rc == RC_OK)
		rc = check_kind(handing, err);
	if (rc == RC_OK)
		rc = api_call_read_end(call, &api_challenge_validity, handing->fields.ends, &handing->expires_at,
			err);
	if (rc == RC_OK && handing->fields.encrypt_to.ptr != NULL)
		rc = read_reader(handing, err);
	if (rc == RC_OK && handing->fields.pkcs12 != NULL)
		rc = api_profile_key_read(call, handing->fields.pkcs12, &handing->key, err);
	if (rc == RC_OK && handing->fields.client_identifier.ptr != NULL &&
		(handing->fields.client_identifier.len == 0 ||
			!utf8_is_xml_text(handing->fields.client_identifier)))
		rc = api_call_invalid(call, err, "client_identifier", "must be text that XML can carry");
	return rc;
}

static enum rc prepare(struct job *job, struct err *err)
{
	static const struct json_field table[] = {
		{.key = "device_id",
			.kind = JSON_KIND_STRING,
			.offset = offsetof(struct fields, device_id),
			.max_bytes = ENROLLMENT_DEVICE_ID_BYTES_MAX},
		{.key = "serial_number",
			.kind = JSON_KIND_STRING,
			.offset = offsetof(struct fields, serial_number),
			.max_bytes = INTENT_NAME_BYTES_MAX},
		{.key = "expires_at",
			.kind = JSON_KIND_STRING,
			.offset = offsetof(struct fields, ends),
			.max_bytes = TIME_FIELD_BYTES_MAX},
		{.key = "identity",
			.kind = JSON_KIND_STRING,
			.offset = offsetof(struct fields, identity),
			.max_bytes = IDENTITY_BYTES_MAX},
		{.key = "pkcs12", .kind = JSON_KIND_OBJECT, .offset = offsetof(struct fields, pkcs12)},
		{.key = "client_identifier",
			.kind = JSON_KIND_STRING,
			.offset = offsetof(struct fields, client_identifier),
			.max_bytes = PROFILE_CHALLENGE_BYTES_MAX},
		{.key = "encrypt_to",
			.kind = JSON_KIND_STRING,
			.offset = offsetof(struct fields, encrypt_to),
			.max_bytes = PEM_BYTES_MAX},
	};
	struct handing *handing = handing_of(job);
	struct json_value *body;
	enum rc rc = api_call_body(&job->call, &body, err);

	if (rc == RC_OK && job->call.api->enroll == NULL)
		rc = api_call_conflict(err, "this server enrolls nobody");
	if (rc == RC_OK)
		rc = json_read_fields(body, table, COUNT_OF(table), &handing->fields, err);
	if (rc == RC_OK)
		rc = read_rest(handing, err);
	http_request_wipe_body(job->call.request); /* it may have a password, and was read */
	return rc;
}

/* Its identity is by SCEP, and it is sealed to nobody: who the device is, is not known yet. */
static enum rc prepare_ota(struct job *job, struct err *err)
{
	struct handing *handing = handing_of(job);
	const struct fields *fields = &handing->fields;
	enum rc rc;

	handing->is_ota = true;
	rc = prepare(job, err);
	if (rc == RC_OK && (fields->identity.ptr != NULL || fields->encrypt_to.ptr != NULL))
		rc = api_call_invalid(&job->call, err, fields->identity.ptr != NULL ? "identity" : "encrypt_to",
			"is not for an enrollment over the air");
	return rc;
}

static enum rc make(struct handing *handing, struct enroll_profile_ask *ask, struct err *err)
{
	struct api *api = handing->job.call.api;
	enum rc rc = RC_OK;

	if (handing->identity == PROFILE_IDENTITY_PKCS12)
		rc = api_profile_key_make(&handing->job.call, ask->device_id, &handing->key, err);
	if (rc != RC_OK)
		return rc;
	ask->challenge = slice_of_str(handing->secret);
	ask->pkcs12 = api_profile_key_slices(&handing->key);
	ask->client_identifier = handing->fields.client_identifier.len > 0
		? handing->fields.client_identifier
		: slice_of_str(handing->secret);
	rc = enroll_make_profile(api->enroll, ask, &handing->profile, err);
	if (rc == RC_UNSUPPORTED)
		return api_call_invalid(&handing->job.call, err, "encrypt_to", "its key can only sign");
	return rc;
}

/* On the signer's thread: the server's key may be RSA, and a storm of profiles must not hold up who polls. */
static enum rc sign(struct job *job, struct err *err)
{
	struct handing *handing = handing_of(job);
	struct enroll_profile_ask ask = {.url = handing->url,
		.device_id = handing->fields.device_id,
		.identity = handing->identity,
		.encrypt_to = handing->reader,
		.facts_r = &handing->facts};
	enum rc rc;

	enroll_url(job->call.api->enroll, handing->url);
	ask.kind = handing->is_ota ? PROFILE_KIND_SERVICE : PROFILE_KIND_ENROLLMENT;
	enroll_secret_make(handing->secret);
	sha256(slice_of_str(handing->secret), handing->digest);
	buf_init(&handing->profile, PROFILE_REPLY_BYTES_MAX);
	rc = make(handing, &ask, err);
	explicit_bzero(handing->secret, sizeof(handing->secret));
	api_profile_key_wipe(&handing->key);
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
		.device_id = handing->fields.device_id,
		.serial_number = handing->fields.serial_number,
		.created_by = slice_of_str(job->call.who),
		.expires_at = handing->expires_at,
		.profile = handing->is_ota ? NULL : &profile};
	const struct identity_issued issued = {.facts = &handing->key.facts,
		.der = handing->key.der,
		.issued_for = handing->fields.device_id};

	if (handing->is_ota)
		return ota_add(txn, &intent, &handing->intent_id, err);
	if (handing->identity == PROFILE_IDENTITY_PKCS12)
		return identity_issued(txn, &issued, err);
	if (handing->identity == PROFILE_IDENTITY_ACME)
		return RC_OK; /* what comes of it is between the device and that server */
	return intent_add(txn, &intent, &handing->intent_id, err);
}

static void audit(struct handing *handing)
{
	struct call *call = &handing->job.call;
	char ends[TIME_TEXT_BYTES];
	char detail[DETAIL_BYTES];

	time_format(handing->expires_at, ends);
	if (handing->identity == PROFILE_IDENTITY_SCEP)
		(void)snprintf(detail, sizeof(detail), "intent %lld, ends %s", (long long)handing->intent_id,
			ends);
	else
		(void)snprintf(detail, sizeof(detail), "identity %s %s", identity_names[handing->identity],
			handing->key.facts.serial);
	api_call_audit_detail(call, handing->is_ota ? "create_ota" : "create_profile",
		handing->fields.device_id.len > 0 ? arena_str(call->arena, handing->fields.device_id) : "any",
		detail);
}

static void reply(struct job *job)
{
	struct handing *handing = handing_of(job);
	struct call *call = &job->call;

	audit(handing);
	http_reply_header(call->request, "Cache-Control", "no-store");
	http_reply_header(call->request, "Content-Disposition",
		"attachment; filename=\"enroll.mobileconfig\"");
	http_reply(call->request, 201, PROFILE_MEDIA_TYPE, &handing->profile);
	buf_fini_secret(&handing->profile);
}

static void failed(struct job *job)
{
	buf_fini_secret(&handing_of(job)->profile);
	api_profile_key_wipe(&handing_of(job)->key);
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
