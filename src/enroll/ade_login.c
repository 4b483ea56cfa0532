/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "ade_call.h"
#include "form.h"
#include "page.h"
#include "pomona/base/codec.h"

/*
 * The person at a device in Setup Assistant logs in: by HTTP Digest, which the device asks for by itself, or in the form of
 * a page. The page is without a session: its form carries the device's message, which is judged anew.
 */

enum { TEXT_BYTES = PROFILE_TEXT_BYTES_MAX + 64, FIELD_CHARS_MAX = USER_NAME_BYTES_MAX };

struct ade_login_try {
	struct digest_knock knock;
	struct user_query query;
	char name[USER_NAME_BYTES_MAX + 1];
	char password[PASSWORD_TEXT_BYTES_MAX + 1];
};

static void try_fini(void *object)
{
	struct ade_login_try *login = object;

	explicit_bzero(login->password, sizeof(login->password));
}

static bool begin(struct ade_call *call)
{
	struct arena *arena = http_request_arena(call->http);

	call->login = arena_alloc(arena, sizeof(*call->login));
	return call->login != NULL && arena_on_free(arena, try_fini, call->login);
}

/* --- asking */

/* One with SHA-256 and one with MD5: who knows both takes the first. */
static void challenge(struct ade_call *call, bool is_stale, const char *text)
{
	static const enum digest_kind kinds[] = {DIGEST_SHA256, DIGEST_MD5};
	struct err err = {.rc = RC_OK};

	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		AUTO(buf_fini) struct buf header;

		buf_init(&header, DIGEST_DOOR_HEADER_BYTES_MAX);
		if (call->settings.login == ADE_LOGIN_DIGEST_MD5 && kinds[i] != DIGEST_MD5)
			continue;
		if (digest_door_challenge(call->enroll->door, kinds[i], is_stale, &header, &err) != RC_OK) {
			enroll_fail(call->http, &err);
			return;
		}
		http_reply_header(call->http, "WWW-Authenticate", buf_cstr(&header));
	}
	enroll_say(call->http, 401, text);
}

/* Relative to where the page is shown: a proxy may have put something before our paths. */
static const char *action_of(const struct http_request *request)
{
	return strcmp(http_request_method(request), "GET") == 0 ? "ade/login" : "login";
}

/* `alert` NULL: none. The message was good when it came. */
static void show_form(struct ade_call *call, unsigned status, const char *alert)
{
	static const struct page_field name = {.name = "name",
		.label = "User name",
		.autocomplete = "username",
		.chars_max = FIELD_CHARS_MAX};
	static const struct page_field password = {.name = "password",
		.label = "Password",
		.autocomplete = "current-password",
		.chars_max = PASSWORD_TEXT_BYTES_MAX,
		.is_password = true};
	struct enroll_settings settings = enroll_settings(call->enroll);
	AUTO(buf_fini) struct buf info;
	struct buf page;

	buf_init(&info, FORM_BYTES_MAX);
	base64_encode(buf_slice(&call->message), &info);
	page_open(&page, "Log in", settings.profile.organization);
	settings_wipe(&settings);
	if (alert != NULL)
		page_alert(&page, alert);
	page_paragraph(&page, "This device will be managed. Log in to set it up.");
	page_form_open(&page, action_of(call->http));
	page_hidden(&page, "info", buf_cstr(&info) == NULL ? "" : buf_cstr(&info));
	page_field(&page, &name);
	page_field(&page, &password);
	page_button(&page, "Log in");
	page_form_close(&page);
	page_close(&page);
	page_reply(call->http, status, &page, "");
}

/* Of Digest it stands above the fields for name and password. */
static void ask(struct ade_call *call, bool is_stale)
{
	struct enroll_settings settings = enroll_settings(call->enroll);
	const char *who = settings.profile.organization;
	char text[TEXT_BYTES];

	(void)snprintf(text, sizeof(text), "Log in%s%s to set up this device.",
		who[0] == '\0' ? "" : " to ", who);
	settings_wipe(&settings);
	challenge(call, is_stale, text);
}

void ade_ask_for_login(struct ade_call *call)
{
	if (call->enroll->door == NULL)
		ade_refuse(call, ADE_UNAVAILABLE, "nobody can log in here");
	else if (call->is_web)
		show_form(call, 200, NULL);
	else
		ask(call, false);
}

void ade_ask_again(struct ade_call *call, const char *text)
{
	if (call->is_web)
		show_form(call, 403, text); /* no 401: the page is no challenge */
	else
		challenge(call, false, text);
}

/* --- by Digest */

static const enum ade_reason reason_of_door[] = {
	[DIGEST_DOOR_GARBLED] = ADE_LOGIN_GARBLED,
	[DIGEST_DOOR_WRONG] = ADE_LOGIN_WRONG,
	[DIGEST_DOOR_LIMITED] = ADE_LOGIN_LIMITED,
	[DIGEST_DOOR_UNAVAILABLE] = ADE_UNAVAILABLE,
};

static void knocked(struct digest_knock *knock)
{
	struct ade_call *call = knock->ctx;

	if (knock->verdict == DIGEST_DOOR_OPEN) {
		call->user = knock->answer.username;
		ade_give(call);
		return;
	}
	if (knock->verdict == DIGEST_DOOR_NO_LOGIN || knock->verdict == DIGEST_DOOR_STALE)
		ask(call, knock->verdict == DIGEST_DOOR_STALE);
	else
		ade_refuse(call, reason_of_door[knock->verdict],
			knock->verdict == DIGEST_DOOR_GARBLED ? NULL : user_verdict_name(knock->query.verdict));
	http_resume(call->http);
}

/*
 * What the client computes its answer for: the target as it knows it. A proxy may have cut off what the URL of the conf
 * has before our paths. NULL when memory is short.
 */
static const char *target_of(struct ade_call *call)
{
	const char *path = http_request_path(call->http);
	const char *query = http_request_raw_query(call->http);
	const char *prefix = NULL;
	char url[PROFILE_URL_BYTES_MAX + 1];
	size_t size;
	char *target;

	enroll_url(call->enroll, url);
	if (http_request_is_from_proxy(call->http))
		prefix = strchr(url + strlen("https://"), '/');
	if (prefix == NULL)
		prefix = "";
	if (query == NULL)
		query = "";
	size = strlen(prefix) + strlen(path) + strlen(query) + 2;
	target = arena_alloc(http_request_arena(call->http), size);
	if (target != NULL)
		(void)snprintf(target, size, "%s%s%s%s", prefix, path, query[0] == '\0' ? "" : "?", query);
	return target;
}

void ade_log_in(struct ade_call *call)
{
	const char *authorization = http_request_header(call->http, "Authorization");
	const char *target = target_of(call);

	if (call->enroll->door == NULL || target == NULL || !begin(call)) {
		ade_refuse(call, ADE_UNAVAILABLE, NULL);
		http_resume(call->http);
		return;
	}
	call->login->knock = (struct digest_knock){
		.authorization = slice_of_str(authorization == NULL ? "" : authorization),
		.method = http_request_method(call->http),
		.target = slice_of_str(target),
		.address = slice_of_str(call->address),
		.arena = http_request_arena(call->http),
		.done = knocked,
		.ctx = call,
	};
	digest_door_knock(call->enroll->door, &call->login->knock);
}

/* --- by the form */

static const enum ade_reason reason_of_user[] = {
	[USER_WRONG] = ADE_LOGIN_WRONG,
	[USER_UNKNOWN] = ADE_LOGIN_WRONG,
	[USER_OTHER_REALM] = ADE_LOGIN_WRONG,
	[USER_LIMITED] = ADE_LOGIN_LIMITED,
	[USER_UNAVAILABLE] = ADE_UNAVAILABLE,
};

static void judged(struct user_query *query)
{
	struct ade_call *call = query->ctx;

	explicit_bzero(call->login->password, sizeof(call->login->password));
	if (query->verdict == USER_GOOD) {
		call->user = query->name;
		ade_give(call);
		return;
	}
	ade_refuse(call, reason_of_user[query->verdict], user_verdict_name(query->verdict));
	http_resume(call->http);
}

/* On the thread for passwords: one is slow to look at, and those who poll must not wait for it. */
static void look_at_password(void *ctx)
{
	struct ade_call *call = ctx;
	struct ade_login_try *login = call->login;

	login->query = (struct user_query){
		.name = slice_of_str(login->name),
		.address = slice_of_str(call->address),
		.password = slice_of_str(login->password),
		.done = judged,
		.ctx = call,
	};
	user_check_password(call->enroll->users, &login->query);
}

static enum rc read_form(struct ade_call *call, struct err *err)
{
	const struct slice body = http_request_body(call->http);
	struct ade_login_try *login = call->login;
	char *info = arena_alloc(http_request_arena(call->http), body.len + 1);
	enum rc rc;

	if (info == NULL)
		return err_set(err, RC_NO_MEMORY, "form");
	rc = form_field(body, "info", info, body.len + 1, err);
	if (rc == RC_OK)
		rc = form_field(body, "name", login->name, sizeof(login->name), err);
	if (rc == RC_OK)
		rc = form_field(body, "password", login->password, sizeof(login->password), err);
	if (rc == RC_OK)
		rc = base64_parse(slice_of_str(info), &call->message, err);
	return rc;
}

static enum ade_reason judge_form(struct ade_call *call, struct err *err)
{
	enum rc rc = begin(call) ? read_form(call, err) : RC_NO_MEMORY;

	http_request_wipe_body(call->http);
	if (rc == RC_NO_MEMORY)
		return ADE_UNAVAILABLE;
	return rc == RC_OK ? ade_judge(call, buf_slice(&call->message), err) : ADE_LOGIN_GARBLED;
}

size_t ade_login_body_max(const struct http_request *request, void *enroll)
{
	(void)request;
	(void)enroll;
	return FORM_BYTES_MAX;
}

void ade_login_handle(struct http_request *request, void *ctx)
{
	struct ade_call *call = ade_call_begin(ctx, request);
	struct err err = {.rc = RC_OK};
	enum ade_reason reason;

	if (call == NULL) {
		http_request_wipe_body(request); /* there is a password in it */
		return;
	}
	call->is_web = true;
	reason = judge_form(call, &err);
	if (reason == ADE_GOOD && (call->settings.login == ADE_LOGIN_NONE || call->enroll->users == NULL))
		reason = ADE_UNAVAILABLE; /* the conf changed since the page was shown */
	if (reason != ADE_GOOD) {
		ade_refuse(call, reason, err.text[0] == '\0' ? NULL : err.text);
		return;
	}
	call->signer_job = (struct signer_job){.run = look_at_password, .ctx = call};
	http_defer(request);
	if (signer_submit(call->enroll->passwords, &call->signer_job, &err) == RC_OK)
		return;
	enroll_busy(request);
	http_resume(request);
}
