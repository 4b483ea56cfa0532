/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "form.h"
#include "internal.h"
#include "invite_page.h"
#include "invite_refusal.h"
#include "pomona/base/log.h"

/*
 * A link: the page for people, and the profile behind its button. Looking counts nothing, so that what previews links
 * in messages spoils none; a download is counted, and bounded; a use is an identity that was issued, see
 * scep_decide.c. A worker reads the link, the signer's thread asks for the password and makes the profile, and the
 * writer keeps the challenge before anybody has it.
 */

enum {
	CHALLENGE_VALID_S = 3600, /* from the download to the installation */
	PROFILE_REPLY_BYTES_MAX = 2 * PROFILE_BYTES_MAX,
	HOST_BYTES = PROFILE_URL_BYTES_MAX + 1,
};

#define LIMITED_RETRY_AFTER "900"

struct invite_call {
	struct store_job job;
	struct signer_job signer_job;
	struct enroll *enroll;
	struct http_request *http;
	struct enroll_profile_settings settings;
	struct invitation invitation;
	enum invite_refusal refusal;
	struct user_query query;
	char client[HTTP_ADDRESS_BYTES]; /* who asks, behind a proxy too */
	char user[USER_NAME_BYTES_MAX + 1];
	char password[PASSWORD_TEXT_BYTES_MAX + 1]; /* wiped once it was looked at */
	char challenge[ENROLL_SECRET_BYTES];        /* wiped when the profile is made */
	uint8_t challenge_sha256[SHA256_BYTES];
	int64_t intent_id;
	char url[PROFILE_URL_BYTES_MAX + 1];
	struct enroll_profile_facts facts; /* what a renewal must know of it */
	struct buf profile;                /* a secret */
};
_Static_assert(offsetof(struct invite_call, job) == 0, "a job is its call");

static void call_fini(void *object)
{
	struct invite_call *call = object;

	explicit_bzero(call->password, sizeof(call->password));
	explicit_bzero(call->challenge, sizeof(call->challenge));
	buf_fini_secret(&call->profile);
}

/* NULL when memory is short. It goes with its request. */
static struct invite_call *call_new(struct enroll *enroll, struct http_request *request)
{
	struct arena *arena = http_request_arena(request);
	struct invite_call *call = arena == NULL ? NULL : arena_alloc(arena, sizeof(*call));
	struct enroll_settings settings;

	if (call == NULL || !arena_on_free(arena, call_fini, call))
		return NULL;
	settings = enroll_settings(enroll);
	call->enroll = enroll;
	call->http = request;
	call->settings = settings.profile;
	(void)http_request_client(request, call->client);
	settings_wipe(&settings);
	buf_init(&call->profile, PROFILE_REPLY_BYTES_MAX);
	return call;
}

/* --- what people see */

/* "mdm.example.org:8443" of the URL that devices use. */
static void read_host(struct enroll *enroll, char out[static HOST_BYTES])
{
	char url[PROFILE_URL_BYTES_MAX + 1];
	const char *host = url + strlen("https://");

	enroll_url(enroll, url);
	memcpy(out, host, strlen(host) + 1);
	out[strcspn(out, "/")] = '\0';
}

/* Where the button leads, from where the browser is: the server may be under a path of a proxy. */
static const char *action_of(const struct invite_call *call)
{
	static const char tail[] = "/profile";
	const char *token = http_request_param(call->http, "token");
	const size_t size = strlen(token) + sizeof(tail);
	char *action;

	if (strcmp(http_request_route(call->http)->path, "/enroll/{token}") != 0)
		return tail + 1;
	action = arena_alloc(http_request_arena(call->http), size);
	if (action == NULL)
		return ""; /* as good as any page: memory is short */
	(void)snprintf(action, size, "%s%s", token, tail);
	return action;
}

static void reply_page(struct invite_call *call, unsigned status, const char *alert)
{
	char host[HOST_BYTES];
	const struct invite_page params = {
		.organization = call->settings.organization,
		.host = host,
		.action = action_of(call),
		.alert = alert,
		.user_name = call->user[0] == '\0' ? NULL : call->user,
		.access_rights = call->settings.access_rights,
		.is_told_of_removal = call->settings.is_check_out_wanted,
		.invitation = &call->invitation,
	};
	struct buf page;

	read_host(call->enroll, host);
	invite_page_write(&params, &page);
	page_reply(call->http, status, &page, "");
}

static void log_refused(struct invite_call *call, const char *name)
{
	if (!log_limit_take(call->enroll->link_lines, call->refusal,
						clock_monotonic_us(call->enroll->clock)))
		return;
	log_warning("link_refused", LOG_STR("request", http_request_id(call->http)),
		LOG_STR("reason", name), LOG_INT("link", call->invitation.id),
		LOG_STR("user", call->user[0] == '\0' ? NULL : call->user), LOG_STR("peer", call->client));
}

static void reply_refusal(struct invite_call *call)
{
	const struct invite_words *words = invite_words(call->refusal);

	atomic_fetch_add(&call->enroll->links_refused, 1);
	log_refused(call, words->name);
	if (call->refusal == INVITE_LIMITED)
		http_reply_header(call->http, "Retry-After", LIMITED_RETRY_AFTER);
	if (words->title == NULL)
		reply_page(call, words->status, words->text);
	else
		page_say(call->http, words->status, call->settings.organization, words->title, words->text);
}

/* --- the link */

static enum rc find(struct invite_call *call, struct err *err)
{
	const char *token = http_request_param(call->http, "token");
	uint8_t digest[SHA256_BYTES];
	struct txn *txn = NULL;
	enum rc rc = store_read_begin(call->enroll->store, &txn, err);

	if (rc != RC_OK)
		return rc;
	sha256(slice_of_str(token), digest);
	rc = invitation_find(txn, digest, &call->invitation, err);
	if (rc == RC_OK)
		call->refusal = invite_refusal_of_state(invitation_state(&call->invitation, txn_now(txn)));
	if (rc == RC_NOT_FOUND)
		call->refusal = INVITE_UNKNOWN;
	store_read_end(call->enroll->store, &txn);
	return rc == RC_NOT_FOUND ? RC_OK : rc;
}

/* NULL: it was answered. */
static struct invite_call *open_link(struct enroll *enroll, struct http_request *request)
{
	struct invite_call *call = call_new(enroll, request);
	struct err err = {.rc = RC_OK};

	if (call == NULL) {
		enroll_busy(request);
		return NULL;
	}
	if (!http_request_is_private(request))
		call->refusal = INVITE_NOT_TLS;
	else if (find(call, &err) != RC_OK) {
		enroll_fail(request, &err);
		return NULL;
	}
	if (call->refusal == INVITE_NOT_REFUSED)
		return call;
	reply_refusal(call);
	return NULL;
}

/* --- the profile */

static void give_up(struct invite_call *call, const struct err *err)
{
	enroll_fail(call->http, err);
	http_resume(call->http);
}

static void refuse(struct invite_call *call, enum invite_refusal refusal)
{
	call->refusal = refusal;
	reply_refusal(call);
	http_resume(call->http);
}

/* Profiles are made on the signer's thread, passwords compared on theirs. */
static void give_to(struct signer *signer, struct invite_call *call, void (*next)(void *ctx))
{
	struct err err = {.rc = RC_OK};

	call->signer_job = (struct signer_job){.run = next, .ctx = call};
	if (signer_submit(signer, &call->signer_job, &err) == RC_OK)
		return;
	enroll_busy(call->http);
	http_resume(call->http);
}

/* It may have changed since it was looked at. */
static enum rc run(struct store_job *job, struct txn *txn, struct err *err)
{
	struct invite_call *call = (struct invite_call *)job;
	const int64_t ends = txn_now(txn) + CHALLENGE_VALID_S;
	const struct intent_profile profile = {
		.identifier = slice_of_str(call->facts.identifier),
		.url = slice_of_str(call->url),
		.access_rights = call->facts.access_rights,
	};
	struct intent_new intent = {.way = INTENT_PROFILE,
		.challenge_sha256 = call->challenge_sha256,
		.user_name = slice_of_str(call->user),
		.created_by = SLICE_LITERAL("link"),
		.invitation_id = call->invitation.id,
		.profile = &profile};
	enum rc rc = invitation_by_id(txn, call->invitation.id, &call->invitation, err);

	if (rc != RC_OK)
		return rc;
	call->refusal = invite_refusal_of_state(invitation_state(&call->invitation, txn_now(txn)));
	if (call->refusal != INVITE_NOT_REFUSED)
		return RC_OK;
	intent.expires_at = ends < call->invitation.expires_at ? ends : call->invitation.expires_at;
	rc = invitation_count_download(txn, call->invitation.id, err);
	return rc == RC_OK ? intent_add(txn, &intent, &call->intent_id, err) : rc;
}

static void reply_profile(struct invite_call *call)
{
	atomic_fetch_add(&call->enroll->link_profiles, 1);
	log_info("link_profile_given", LOG_STR("request", http_request_id(call->http)),
		LOG_INT("link", call->invitation.id), LOG_INT("intent", call->intent_id),
		LOG_STR("user", call->user[0] == '\0' ? NULL : call->user), LOG_STR("peer", call->client));
	http_reply_header(call->http, "Cache-Control", "no-store");
	http_reply_header(call->http, "X-Content-Type-Options", "nosniff");
	http_reply_header(call->http, "Content-Disposition", "inline; filename=\"enroll.mobileconfig\"");
	http_reply(call->http, 200, PROFILE_MEDIA_TYPE, &call->profile);
}

static void done(struct store_job *job, enum rc rc, const struct err *err)
{
	struct invite_call *call = (struct invite_call *)job;

	if (rc != RC_OK)
		enroll_fail(call->http, err);
	else if (call->refusal != INVITE_NOT_REFUSED)
		reply_refusal(call);
	else
		reply_profile(call);
	http_resume(call->http);
}

static enum rc make(struct invite_call *call, struct err *err)
{
	struct enroll_profile_ask ask = {.url = call->url, .facts_r = &call->facts};
	enum rc rc;

	enroll_url(call->enroll, call->url);
	enroll_secret_make(call->challenge);
	sha256(slice_of_str(call->challenge), call->challenge_sha256);
	ask.challenge = slice_of_str(call->challenge);
	rc = enroll_make_profile(call->enroll, &ask, &call->profile, err);
	explicit_bzero(call->challenge, sizeof(call->challenge));
	return rc;
}

static void make_and_keep(void *ctx)
{
	struct invite_call *call = ctx;
	struct err err = {.rc = RC_OK};
	enum rc rc = make(call, &err);

	if (rc == RC_EXISTS) {
		log_error("link_not_ready", LOG_STR("request", http_request_id(call->http)),
			LOG_STR("error", err.text));
		refuse(call, INVITE_NOT_READY);
		return;
	}
	call->job = (struct store_job){.run = run, .done = done};
	if (rc == RC_OK)
		rc = store_submit(call->enroll->store, &call->job, &err);
	if (rc != RC_OK)
		give_up(call, &err);
}

/* --- the login before it */

static bool is_for_somebody_else(const struct invite_call *call)
{
	return call->invitation.user_name[0] != '\0' &&
		strcmp(call->invitation.user_name, call->user) != 0;
}

/* Whom the link is for is looked at last, so that nobody finds out by trying names. */
static void judged(struct user_query *query)
{
	struct invite_call *call = query->ctx;
	enum invite_refusal refusal = invite_refusal_of_verdict(query->verdict);

	explicit_bzero(call->password, sizeof(call->password));
	if (refusal == INVITE_NOT_REFUSED && is_for_somebody_else(call))
		refusal = INVITE_OTHER_USER;
	if (refusal == INVITE_NOT_REFUSED)
		give_to(call->enroll->signer, call, make_and_keep);
	else
		refuse(call, refusal);
}

/* On the thread of passwords: one is slow to look at, and those who poll must not wait for it. */
static void ask_for_user(void *ctx)
{
	struct invite_call *call = ctx;

	call->query = (struct user_query){.name = slice_of_str(call->user),
		.address = slice_of_str(call->client),
		.password = slice_of_str(call->password),
		.done = judged,
		.ctx = call};
	user_check_password(call->enroll->users, &call->query);
}

static enum invite_refusal read_login(struct invite_call *call)
{
	const struct slice body = http_request_body(call->http);
	enum rc rc = form_field(body, "name", call->user, sizeof(call->user), NULL);

	if (rc == RC_OK)
		rc = form_field(body, "password", call->password, sizeof(call->password), NULL);
	http_request_wipe_body(call->http);
	if (rc == RC_NOT_FOUND || (rc == RC_OK && (call->user[0] == '\0' || call->password[0] == '\0')))
		return INVITE_NO_LOGIN;
	return rc == RC_OK ? INVITE_NOT_REFUSED : INVITE_GARBLED;
}

/* --- routes */

size_t invite_body_max(const struct http_request *request, void *enroll)
{
	(void)request;
	(void)enroll;
	return FORM_LOGIN_BYTES_MAX;
}

void invite_page_get(struct http_request *request, void *enroll)
{
	struct invite_call *call = open_link(enroll, request);

	if (call != NULL)
		reply_page(call, 200, NULL);
}

void invite_profile_post(struct http_request *request, void *enroll)
{
	struct invite_call *call = open_link(enroll, request);

	if (call == NULL)
		return;
	if (call->invitation.needs_login &&
		(call->enroll->users == NULL || call->enroll->passwords == NULL))
		call->refusal = INVITE_UNAVAILABLE;
	else if (call->invitation.needs_login)
		call->refusal = read_login(call);
	if (call->refusal != INVITE_NOT_REFUSED) {
		reply_refusal(call);
		return;
	}
	http_defer(request);
	if (call->invitation.needs_login)
		give_to(call->enroll->passwords, call, ask_for_user);
	else
		give_to(call->enroll->signer, call, make_and_keep);
}

/* For programs, and browsers that ask once more for what a button gave them. Who must log in gets the page. */
void invite_profile_get(struct http_request *request, void *enroll)
{
	struct invite_call *call = open_link(enroll, request);

	if (call == NULL)
		return;
	if (call->invitation.needs_login || strcmp(http_request_method(request), "GET") != 0) {
		reply_page(call, 200, NULL);
		return;
	}
	http_defer(request);
	give_to(call->enroll->signer, call, make_and_keep);
}

void invite_without_link(struct http_request *request, void *enroll)
{
	struct enroll_settings settings = enroll_settings(enroll);

	page_say(request, 200, settings.profile.organization, "A link is needed",
		"This server manages devices that were invited. Ask your administrator for a link, or for its QR code, and open it on "
		"the device that is to be managed.");
	settings_wipe(&settings);
}
