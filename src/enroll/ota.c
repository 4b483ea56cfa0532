/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "ota_decide.h"
#include "pomona/base/log.h"

/*
 * Enrollment over the air (Profile Service). An administrator hands out the profile of phase 1; here a device comes with
 * what that asked for, signed by its certificate from the factory (phase 2), and is told to get an identity; then once
 * more, signed by that identity (phase 3), and is given the enrollment profile.
 */

enum {
	REPLY_BYTES_MAX = 2 * PROFILE_BYTES_MAX, /* the signature, the chain */
};

/*
 * One message on its way; lives in the arena of its request. The signer's thread reads it and makes the answer, the
 * writer keeps what it stands for.
 */
struct ota_call {
	struct store_job job;
	struct signer_job signer_job;
	struct enroll *enroll;
	struct http_request *http;
	bool is_encrypted; /* the last profile */
	struct apple_chain *apple;
	struct device_cms *cms;
	struct machine_info info;
	struct ota_ask ask;
	struct ota_decision decision;
	uint8_t challenge_sha256[SHA256_BYTES]; /* that the answer holds */
	char url[PROFILE_URL_BYTES_MAX + 1];    /* under which it has the server */
	struct enroll_profile_facts facts;      /* what else it says */
	struct buf profile;                     /* the answer: a secret */
};

static void call_fini(void *object)
{
	struct ota_call *call = object;

	apple_chain_unref(&call->apple);
	device_cms_free(&call->cms);
	buf_fini_secret(&call->profile);
}

/* NULL when memory is short. It goes with its request. */
static struct ota_call *call_new(struct enroll *enroll, struct http_request *request)
{
	struct arena *arena = http_request_arena(request);
	struct ota_call *call = arena == NULL ? NULL : arena_alloc(arena, sizeof(*call));
	struct enroll_settings settings;

	if (call == NULL || !arena_on_free(arena, call_fini, call))
		return NULL;
	call->enroll = enroll;
	call->http = request;
	call->apple = enroll_apple(enroll);
	settings = enroll_settings(enroll);
	call->ask = (struct ota_ask){.info = &call->info, .grace_s = settings.challenge_grace_s};
	call->is_encrypted = settings.is_ota_encrypted;
	settings_wipe(&settings);
	buf_init(&call->profile, REPLY_BYTES_MAX);
	return call;
}

/* --- answers */

static void refuse(struct ota_call *call, const char *text)
{
	const enum ota_refusal refusal = call->decision.refusal;
	const struct cert_facts *signer = call->ask.signer;
	char client[HTTP_ADDRESS_BYTES];

	(void)http_request_client(call->http, client);
	atomic_fetch_add(&call->enroll->ota_refused, 1);
	if (log_limit_take(call->enroll->ota_refused_lines, refusal,
						clock_monotonic_us(call->enroll->clock)))
		log_warning("ota_refused", LOG_STR("request", http_request_id(call->http)),
			LOG_STR("reason", ota_refusal_name(refusal)), LOG_STR("text", text),
			LOG_STR("signer", signer == NULL ? NULL : signer->subject), LOG_STR("peer", client));
	enroll_say(call->http, ota_refusal_status(refusal), ota_refusal_text(refusal));
}

static void reply_profile(struct ota_call *call)
{
	const struct ota_decision *decision = &call->decision;
	const bool is_begun = decision->phase == OTA_PHASE_2;
	char device[ENROLLMENT_DEVICE_ID_BYTES_MAX + 1];
	char client[HTTP_ADDRESS_BYTES];

	(void)http_request_client(call->http, client);
	(void)snprintf(device, sizeof(device), "%.*s", (int)call->info.udid.len,
		(const char *)call->info.udid.ptr);
	if (is_begun)
		atomic_fetch_add(&call->enroll->ota_begun, 1);
	else
		atomic_fetch_add(&call->enroll->ota_finished, 1);
	log_info(is_begun ? "ota_begun" : "ota_finished", LOG_STR("request", http_request_id(call->http)),
		LOG_STR("device", device), LOG_INT("intent", decision->ota.intent_id),
		LOG_STR("signer", call->ask.signer->subject), LOG_STR("peer", client));
	http_reply_header(call->http, "Cache-Control", "no-store");
	http_reply(call->http, 200, PROFILE_MEDIA_TYPE, &call->profile);
}

/* --- reading and judging: refusals are the decision's */

static enum rc refused(struct ota_call *call, enum ota_refusal refusal)
{
	call->decision.refusal = refusal;
	return RC_OK;
}

/* Whose certificate is it? Before its key is used. */
static enum rc judge(struct ota_call *call, struct txn *txn, struct err *err)
{
	enum apple_verdict verdict;
	bool is_ours = false;
	enum rc rc = ota_is_ours(txn, call->ask.signer, &is_ours, err);

	if (rc != RC_OK || is_ours)
		return rc;
	verdict = apple_chain_judge(call->apple, device_cms_signer_der(call->cms));
	if (verdict == APPLE_UNJUDGED)
		return err_set(err, RC_NO_MEMORY, "Apple's certificates");
	call->ask.is_apples = verdict == APPLE_GOOD;
	return verdict == APPLE_GOOD ? RC_OK : refused(call, ota_refusal_of(verdict));
}

static enum rc verify(struct ota_call *call, struct err *err)
{
	enum rc rc = device_cms_verify(call->cms, err);

	if (rc == RC_DENIED)
		return refused(call, OTA_REFUSED_NOT_SIGNED);
	return rc == RC_UNSUPPORTED ? refused(call, OTA_REFUSED_WEAK) : rc;
}

static enum rc read_content(struct ota_call *call, struct err *err)
{
	enum rc rc = machine_info_read(device_cms_content(call->cms), http_request_arena(call->http),
		&call->info, err);

	if (rc == RC_OK && call->info.udid.len == 0)
		rc = err_set(err, RC_INVALID, "machine information: UDID: is required");
	return rc == RC_INVALID || rc == RC_LIMIT ? refused(call, OTA_REFUSED_GARBLED) : rc;
}

static enum rc look(struct ota_call *call, struct txn *txn, struct err *err)
{
	enum rc rc = judge(call, txn, err);

	if (rc == RC_OK && call->decision.refusal == OTA_NOT_REFUSED)
		rc = verify(call, err);
	if (rc == RC_OK && call->decision.refusal == OTA_NOT_REFUSED)
		rc = read_content(call, err);
	if (rc == RC_OK && call->decision.refusal == OTA_NOT_REFUSED)
		rc = ota_decide(txn, &call->ask, &call->decision, err);
	return rc;
}

static enum rc read_message(struct ota_call *call, struct err *err)
{
	struct txn *txn = NULL;
	enum rc rc = device_cms_parse(http_request_body(call->http), &call->cms, err);

	if (rc == RC_INVALID || rc == RC_LIMIT)
		return refused(call, OTA_REFUSED_GARBLED);
	if (rc != RC_OK)
		return rc;
	call->ask.signer = device_cms_signer(call->cms);
	rc = store_read_begin(call->enroll->store, &txn, err);
	if (rc != RC_OK)
		return rc;
	rc = look(call, txn, err);
	store_read_end(call->enroll->store, &txn);
	return rc;
}

/* --- the answer */

static enum rc make_profile(struct ota_call *call, struct err *err)
{
	char challenge[ENROLL_SECRET_BYTES] = "";
	struct enroll_profile_ask ask = {
		.kind = PROFILE_KIND_IDENTITY_ALONE,
		.url = call->url,
		.facts_r = &call->facts,
		.device_id = call->info.udid,
		.challenge = slice_of(challenge, ENROLL_SECRET_BYTES - 1),
	};
	enum rc rc;

	if (call->decision.phase == OTA_PHASE_3) {
		ask.kind = PROFILE_KIND_ENROLLMENT;
		if (call->is_encrypted)
			ask.encrypt_to = device_cms_signer_der(call->cms);
	}
	enroll_url(call->enroll, call->url);
	enroll_secret_make(challenge);
	sha256(ask.challenge, call->challenge_sha256);
	rc = enroll_make_profile(call->enroll, &ask, &call->profile, err);
	explicit_bzero(challenge, sizeof(challenge));
	return rc;
}

/* --- keeping */

/* Asked again, now where it counts. A profile for what is refused now is thrown away: its challenge is nobody's. */
static enum rc run(struct store_job *job, struct txn *txn, struct err *err)
{
	struct ota_call *call = (struct ota_call *)job;
	const struct intent_profile profile = {
		.identifier = slice_of_str(call->facts.identifier),
		.url = slice_of_str(call->url),
		.access_rights = call->facts.access_rights,
	};
	const struct ota_answer answer = {.challenge_sha256 = call->challenge_sha256, .profile = &profile};
	enum rc rc = ota_decide(txn, &call->ask, &call->decision, err);

	if (rc != RC_OK || call->decision.refusal != OTA_NOT_REFUSED)
		return rc;
	return ota_keep(txn, &call->ask, &call->decision, &answer, err);
}
_Static_assert(offsetof(struct ota_call, job) == 0, "a job is its call");

static void done(struct store_job *job, enum rc rc, const struct err *err)
{
	struct ota_call *call = (struct ota_call *)job;

	if (rc != RC_OK)
		enroll_fail(call->http, err);
	else if (call->decision.refusal != OTA_NOT_REFUSED)
		refuse(call, ota_refusal_text(call->decision.refusal));
	else
		reply_profile(call);
	http_resume(call->http);
}

static enum rc make_and_keep(struct ota_call *call, struct err *err)
{
	enum rc rc = make_profile(call, err);

	call->job.run = run;
	call->job.done = done;
	return rc == RC_OK ? store_submit(call->enroll->store, &call->job, err) : rc;
}

static void on_signer(void *ctx)
{
	struct ota_call *call = ctx;
	struct err err = {.text = ""};
	enum rc rc = read_message(call, &err);

	if (rc == RC_OK && call->decision.refusal == OTA_NOT_REFUSED) {
		rc = make_and_keep(call, &err);
		if (rc == RC_OK)
			return; /* the writer has it */
	} else if (rc == RC_OK) {
		refuse(call, err.text[0] != '\0' ? err.text : ota_refusal_text(call->decision.refusal));
	}
	if (rc != RC_OK)
		enroll_fail(call->http, &err);
	http_resume(call->http);
}

size_t ota_body_max(const struct http_request *request, void *enroll)
{
	(void)request;
	(void)enroll;
	return DEVICE_CMS_BYTES_MAX;
}

void ota_handle(struct http_request *request, void *ctx)
{
	struct enroll *enroll = ctx;
	struct ota_call *call = call_new(enroll, request);
	struct err err = {.rc = RC_OK};

	if (call == NULL) {
		enroll_busy(request);
		return;
	}
	if (!http_request_is_private(request)) {
		call->decision.refusal = OTA_REFUSED_PLAIN;
		refuse(call, "without TLS, and its sender is not one of [device] proxies");
		return;
	}
	http_defer(request);
	call->signer_job = (struct signer_job){.run = on_signer, .ctx = call};
	if (signer_submit(enroll->signer, &call->signer_job, &err) == RC_OK)
		return;
	enroll_busy(request);
	http_resume(request);
}
