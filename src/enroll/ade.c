/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "ade_call.h"
#include "page.h"
#include "pomona/base/codec.h"
#include "pomona/base/log.h"
#include "pomona/store/intent.h"

/*
 * The configuration URL of Automated Device Enrollment: a device in Setup Assistant says in a signed message who it is,
 * and gets its enrollment profile. As `url` of Apple's profile it is asked by POST; as `configuration_web_url`, which
 * shows a page, by GET with the message in a header.
 */

enum {
	CHALLENGE_VALID_S = 3600, /* a device asks for its identity at once, and for a new profile later */
	OPEN_PER_DEVICE_MAX =
		8, /* challenges not used: of those who ask again and again the older ones go */
	REPLY_BYTES_MAX = 4194304, /* the profile, sealed and signed */
};

#define RETRY_LATER_S "900" /* as long as wrong passwords are remembered */
_Static_assert(USER_WRONG_WINDOW_S == 900, "what Retry-After says");

static void call_fini(void *object)
{
	struct ade_call *call = object;

	buf_fini_secret(&call->profile);
	buf_fini(&call->message);
	device_cms_free(&call->cms);
}

/* NULL when memory is short. It goes with its request. */
static struct ade_call *call_new(struct enroll *enroll, struct http_request *request,
	const struct ade_settings *settings)
{
	struct arena *arena = http_request_arena(request);
	struct ade_call *call = arena == NULL ? NULL : arena_alloc(arena, sizeof(*call));

	if (call == NULL || !arena_on_free(arena, call_fini, call))
		return NULL;
	call->enroll = enroll;
	call->http = request;
	call->settings = *settings;
	(void)http_request_client(request, call->address);
	buf_init(&call->message, DEVICE_CMS_BYTES_MAX);
	buf_init(&call->profile, REPLY_BYTES_MAX);
	return call;
}

struct ade_call *ade_call_begin(struct enroll *enroll, struct http_request *request)
{
	struct enroll_settings settings = enroll_settings(enroll);
	const struct ade_settings ade = settings.ade;
	struct ade_call *call;

	settings_wipe(&settings);
	if (ade.devices == ADE_DEVICES_NONE) {
		enroll_say(request, 404, "devices do not enroll by themselves here");
		return NULL;
	}
	call = call_new(enroll, request, &ade);
	if (call == NULL) {
		enroll_busy(request);
		return NULL;
	}
	if (http_request_is_private(request))
		return call;
	ade_refuse(call, ADE_PLAIN, NULL);
	return NULL;
}

/* --- what is refused */

static void log_refused(struct ade_call *call, enum ade_reason reason, const char *text)
{
	const struct machine_info *info = &call->info;
	const char *signer = call->cms == NULL ? NULL : device_cms_signer(call->cms)->subject;

	atomic_fetch_add(&call->enroll->ade_refused, 1);
	if (!log_limit_take(call->enroll->ade_lines, reason, clock_monotonic_us(call->enroll->clock)))
		return;
	log_warning("ade_refused", LOG_STR("request", http_request_id(call->http)),
		LOG_STR("reason", ade_reason_name(reason)), LOG_INT("status", ade_reason_status(reason)),
		LOG_SLICE("device", info->udid), LOG_SLICE("serial", info->serial),
		LOG_SLICE("product", info->product), LOG_SLICE("os", info->os_version), LOG_STR("signer", signer),
		LOG_STR("text", text), LOG_STR("advice", ade_reason_advice(reason)),
		LOG_STR("peer", call->address));
}

static void show(struct ade_call *call, enum ade_reason reason)
{
	struct enroll_settings settings = enroll_settings(call->enroll);

	page_say(call->http, ade_reason_status(reason), settings.profile.organization,
		"This device cannot be set up", ade_reason_text(reason));
	settings_wipe(&settings);
}

void ade_refuse(struct ade_call *call, enum ade_reason reason, const char *text)
{
	struct enroll_refusal_says says;
	char token[UUID_TEXT_BYTES];

	log_refused(call, reason, text);
	if (reason == ADE_LOGIN_WRONG) {
		ade_ask_again(call, ade_reason_text(reason));
		return;
	}
	if (reason == ADE_LOGIN_LIMITED || reason == ADE_UNAVAILABLE)
		http_reply_header(call->http, "Retry-After", RETRY_LATER_S);
	if (call->is_web) /* the codes are for the device itself */
		show(call, reason);
	else if (ade_says(reason, &call->settings, &call->info, token, &says))
		enroll_refuse(call->http, &says);
	else
		enroll_say(call->http, ade_reason_status(reason), ade_reason_text(reason));
}

/* --- the profile, when all is decided */

static void reply_profile(struct ade_call *call)
{
	atomic_fetch_add(&call->enroll->ade_given, 1);
	log_info("ade_profile_given", LOG_STR("request", http_request_id(call->http)),
		LOG_SLICE("device", call->info.udid), LOG_SLICE("serial", call->info.serial),
		LOG_SLICE("product", call->info.product), LOG_SLICE("os", call->info.os_version),
		LOG_SLICE("build", call->info.build), LOG_SLICE("user", call->user),
		LOG_STR("peer", call->address));
	http_reply_header(call->http, "Cache-Control", "no-store");
	http_reply(call->http, 200, PROFILE_MEDIA_TYPE, &call->profile);
}

/* Its challenge is good for this device alone. */
static enum rc run(struct store_job *job, struct txn *txn, struct err *err)
{
	struct ade_call *call = (struct ade_call *)job;
	const struct intent_profile profile = {
		.identifier = slice_of_str(call->facts.identifier),
		.url = slice_of_str(call->url),
		.access_rights = call->facts.access_rights,
	};
	const struct intent_new intent = {
		.way = INTENT_ADE,
		.challenge_sha256 = call->challenge_sha256,
		.device_id = call->info.udid,
		.serial_number = call->info.serial,
		.user_name = call->user,
		.expires_at = txn_now(txn) + CHALLENGE_VALID_S,
		.profile = &profile,
	};
	int64_t id;
	enum rc rc = intent_trim(txn, INTENT_ADE, call->info.udid, OPEN_PER_DEVICE_MAX - 1, err);

	return rc == RC_OK ? intent_add(txn, &intent, &id, err) : rc;
}
_Static_assert(offsetof(struct ade_call, job) == 0, "a job is its call");

static void done(struct store_job *job, enum rc rc, const struct err *err)
{
	struct ade_call *call = (struct ade_call *)job;

	if (rc == RC_OK)
		reply_profile(call);
	else
		enroll_fail(call->http, err);
	http_resume(call->http);
}

static enum rc make_profile(struct ade_call *call, struct err *err)
{
	char challenge[ENROLL_SECRET_BYTES] = "";
	const struct enroll_profile_ask ask = {
		.url = call->url,
		.device_id = call->info.udid,
		.challenge = slice_of(challenge, sizeof(challenge) - 1),
		.encrypt_to = call->settings.is_encrypted ? device_cms_signer_der(call->cms) : slice_of(NULL, 0),
		.facts_r = &call->facts,
	};
	enum rc rc;

	enroll_url(call->enroll, call->url);
	enroll_secret_make(challenge);
	sha256(ask.challenge, call->challenge_sha256);
	rc = enroll_make_profile(call->enroll, &ask, &call->profile, err);
	explicit_bzero(challenge, sizeof(challenge));
	return rc;
}

static void on_signer(void *ctx)
{
	struct ade_call *call = ctx;
	struct err err = {.rc = RC_OK};
	enum rc rc = make_profile(call, &err);

	call->job.run = run;
	call->job.done = done;
	if (rc == RC_OK && store_submit(call->enroll->store, &call->job, &err) == RC_OK)
		return; /* the writer has it */
	if (rc == RC_OK)
		enroll_busy(call->http);
	else
		enroll_fail(call->http, &err);
	http_resume(call->http);
}

void ade_give(struct ade_call *call)
{
	struct err err = {.rc = RC_OK};

	call->signer_job = (struct signer_job){.run = on_signer, .ctx = call};
	if (signer_submit(call->enroll->signer, &call->signer_job, &err) == RC_OK)
		return;
	enroll_busy(call->http);
	http_resume(call->http);
}

/* --- the message */

static const enum ade_reason reason_of_apple[] = {
	[APPLE_GOOD] = ADE_GOOD,
	[APPLE_NOTHING_IMPORTED] = ADE_NO_APPLE_CA,
	[APPLE_GARBLED] = ADE_GARBLED,
	[APPLE_NOT_CHAINED] = ADE_NOT_APPLE,
	[APPLE_WEAK] = ADE_NOT_APPLE,
	[APPLE_NOT_SIGNED] = ADE_BAD_SIGNATURE,
	[APPLE_UNJUDGED] = ADE_UNAVAILABLE,
};
_Static_assert(COUNT_OF(reason_of_apple) == APPLE_VERDICT_COUNT, "each verdict has its reason");

static enum ade_reason open_message(struct ade_call *call, struct slice message, struct err *err)
{
	AUTO(apple_chain_unref) struct apple_chain *chain = NULL;

	if (call->settings.signature == ADE_SIGNATURE_ANY) {
		if (device_cms_parse(message, &call->cms, err) != RC_OK)
			return ADE_GARBLED;
		return device_cms_verify(call->cms, err) == RC_OK ? ADE_GOOD : ADE_BAD_SIGNATURE;
	}
	chain = enroll_apple(call->enroll);
	return reason_of_apple[apple_chain_open(chain, message, &call->cms, err)];
}

static enum rc look_up(struct ade_call *call, bool *is_listed_r, struct err *err)
{
	struct txn *txn = NULL;
	enum rc rc;

	*is_listed_r = false;
	if (call->settings.devices == ADE_DEVICES_ALL)
		return RC_OK;
	rc = store_read_begin(call->enroll->store, &txn, err);
	if (rc != RC_OK)
		return rc;
	rc = intent_is_listed(txn, call->info.udid, call->info.serial, is_listed_r, err);
	store_read_end(call->enroll->store, &txn);
	return rc;
}

enum ade_reason ade_judge(struct ade_call *call, struct slice message, struct err *err)
{
	struct arena *arena = http_request_arena(call->http);
	enum ade_reason reason = message.len == 0 ? ADE_NO_INFO : open_message(call, message, err);
	bool is_listed;
	enum rc rc;

	if (reason != ADE_GOOD)
		return reason;
	rc = machine_info_read(device_cms_content(call->cms), arena, &call->info, err);
	if (rc != RC_OK)
		return rc == RC_NO_MEMORY ? ADE_UNAVAILABLE : ADE_BAD_INFO;
	if (look_up(call, &is_listed, err) != RC_OK)
		return ADE_UNAVAILABLE;
	return ade_decide(&call->settings, &call->info, is_listed);
}

/* --- the request */

size_t ade_body_max(const struct http_request *request, void *enroll)
{
	(void)request;
	(void)enroll;
	return DEVICE_CMS_BYTES_MAX;
}

static bool needs_login(const struct ade_call *call)
{
	return call->settings.login != ADE_LOGIN_NONE;
}

/* For the device itself. */
void ade_handle(struct http_request *request, void *ctx)
{
	struct ade_call *call = ade_call_begin(ctx, request);
	struct err err = {.rc = RC_OK};
	enum ade_reason reason;

	if (call == NULL)
		return;
	reason = ade_judge(call, http_request_body(request), &err);
	/* A client that knows that it must log in does not send its body in vain. */
	if (reason == ADE_NO_INFO && needs_login(call)) {
		ade_ask_for_login(call);
		return;
	}
	if (reason != ADE_GOOD) {
		ade_refuse(call, reason, err.text[0] == '\0' ? NULL : err.text);
		return;
	}
	http_defer(request);
	if (needs_login(call))
		ade_log_in(call);
	else
		ade_give(call);
}

/* For the person at the device, in a web view. */
void ade_web_handle(struct http_request *request, void *ctx)
{
	const char *text = http_request_header(request, "x-apple-aspen-deviceinfo");
	struct ade_call *call = ade_call_begin(ctx, request);
	struct err err = {.rc = RC_OK};
	enum ade_reason reason = ADE_GARBLED;

	if (call == NULL)
		return;
	call->is_web = true;
	if (base64_parse(slice_of_str(text == NULL ? "" : text), &call->message, &err) == RC_OK)
		reason = ade_judge(call, buf_slice(&call->message), &err);
	if (reason != ADE_GOOD) {
		ade_refuse(call, reason, err.text[0] == '\0' ? NULL : err.text);
		return;
	}
	if (needs_login(call)) {
		ade_ask_for_login(call);
		return;
	}
	http_defer(request);
	ade_give(call);
}
