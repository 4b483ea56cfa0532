/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "account.h"
#include "form.h"
#include "page.h"
#include "pomona/base/log.h"
#include "pomona/identity/user.h"
#include "pomona/pki/token.h"

/*
 * The page where the user of a device logs in. No cookie and nothing else of the browser's stands for anybody here: who
 * sends the form knows the password, so there is nothing that another site could have it sent with.
 */

#define TITLE "Sign in"
#define FIELD_ID "user-identifier"

enum { RETRY_AFTER_BYTES = 12, LOCATION_BYTES = sizeof(ACCOUNT_RESULT_URL) + TOKEN_TEXT_BYTES };

/* One login on its way; lives in the arena of its request. */
struct login {
	struct store_job job;
	struct signer_job signer_job;
	struct user_query query;
	struct enroll *enroll;
	struct http_request *http;
	char managed_id[ACCOUNT_MANAGED_BYTES_MAX + 1]; /* as which the device enrolls */
	char user[ACCOUNT_MANAGED_BYTES_MAX + 1];       /* as it was typed */
	char password[PASSWORD_TEXT_BYTES_MAX + 1];
	char token[TOKEN_TEXT_BYTES];
	uint8_t token_sha256[SHA256_BYTES];
	char address[HTTP_ADDRESS_BYTES];
	bool is_id_typed;    /* the device named no account */
	const char *verdict; /* on the password, for the log; NULL: none */
	int64_t valid_s;
};

static void login_wipe(void *object)
{
	struct login *login = object;

	explicit_bzero(login->password, sizeof(login->password));
	explicit_bzero(login->token, sizeof(login->token));
}

/* --- the page */

/* `managed_id`: of the device, and not to be changed here; "": it named none, and `user` is what was typed. */
static void write_form(struct buf *page, const char *managed_id, const char *user_name)
{
	const bool has_id = managed_id[0] != '\0';
	const char *shown = has_id ? managed_id : user_name;
	const struct page_field user = {
		.name = "user",
		.label = "Account",
		.value = shown[0] == '\0' ? NULL : shown,
		.autocomplete = "username",
		.chars_max = ACCOUNT_MANAGED_BYTES_MAX,
	};
	const struct page_field password = {
		.name = "password",
		.label = "Password",
		.autocomplete = "current-password",
		.chars_max = PASSWORD_TEXT_BYTES_MAX,
		.is_password = true,
	};

	page_form_open(page, "login");
	if (has_id)
		page_hidden(page, FIELD_ID, managed_id);
	page_field(page, &user);
	page_field(page, &password);
	page_button(page, TITLE);
	page_form_close(page);
}

/* `alert`: what went wrong; NULL: nothing did. */
static void show(struct enroll *enroll, struct http_request *request, unsigned status,
	const char *managed_id, const char *user_name, const char *alert)
{
	struct enroll_settings settings = enroll_settings(enroll);
	const char *who = settings.profile.organization;
	char text[2 * PROFILE_TEXT_BYTES_MAX];
	struct buf page;

	page_open(&page, TITLE, who);
	if (alert != NULL)
		page_alert(&page, alert);
	(void)snprintf(text, sizeof(text),
		"Sign in with your account, so that this device can be managed by %s.",
		who[0] == '\0' ? "your organization" : who);
	page_paragraph(&page, text);
	write_form(&page, managed_id, user_name);
	page_close(&page);
	page_reply(request, status, &page, ACCOUNT_RESULT_SCHEME);
	settings_wipe(&settings);
}

static bool is_closed(struct enroll *enroll, struct http_request *request)
{
	if (!account_is_private(request))
		return true;
	if (account_is_any_offered(enroll) && enroll->users != NULL && enroll->passwords != NULL)
		return false;
	enroll_say(request, 404, "enrollment by an account is switched off");
	return true;
}

/* What the device put into the address; what cannot be one is left out. */
void account_login_page_handle(struct http_request *request, void *ctx)
{
	struct enroll *enroll = ctx;
	const char *managed_id = http_request_query(request, FIELD_ID);

	if (is_closed(enroll, request))
		return;
	if (managed_id == NULL || !account_id_is_sound(slice_of_str(managed_id)))
		managed_id = "";
	show(enroll, request, 200, managed_id, "", NULL);
}

/* --- the login */

static void refuse(struct login *login, enum account_refusal refusal, unsigned status,
	const char *alert)
{
	login_wipe(login);
	account_log_refused(login->enroll, login->http, refusal,
		login->managed_id[0] == '\0' ? NULL : login->managed_id,
		login->verdict == NULL ? alert : login->verdict);
	show(login->enroll, login->http, status, login->is_id_typed ? "" : login->managed_id, login->user,
		alert);
}

static enum rc run(struct store_job *job, struct txn *txn, struct err *err)
{
	const struct login *login = (const struct login *)job;
	const struct access_token_new token = {
		.sha256 = login->token_sha256,
		.user_name = login->query.name,
		.managed_id = slice_of_str(login->managed_id),
		.unused_s = ACCOUNT_LOGIN_S,
		.valid_s = login->valid_s,
	};

	return access_token_add(txn, &token, err);
}
_Static_assert(offsetof(struct login, job) == 0, "a job is its login");

/* The device reads the token out of the address and goes nowhere. */
static void lead_back(struct login *login)
{
	char location[LOCATION_BYTES];

	(void)snprintf(location, sizeof(location), ACCOUNT_RESULT_URL "%s", login->token);
	log_info("account_login", LOG_STR("request", http_request_id(login->http)),
		LOG_SLICE("user", login->query.name), LOG_STR("account", login->managed_id),
		LOG_STR("peer", login->address));
	http_reply_header(login->http, "Location", location);
	http_reply_header(login->http, "Cache-Control", "no-store");
	http_reply_header(login->http, "Referrer-Policy", "no-referrer");
	http_reply_copy(login->http, 308, NULL, slice_of(NULL, 0));
	explicit_bzero(location, sizeof(location));
}

static void done(struct store_job *job, enum rc rc, const struct err *err)
{
	struct login *login = (struct login *)job;

	if (rc == RC_OK)
		lead_back(login);
	else
		enroll_fail(login->http, err);
	login_wipe(login);
	http_resume(login->http);
}

static void keep(struct login *login)
{
	struct err err = {.rc = RC_OK};

	token_make(login->token);
	token_hash(slice_of_str(login->token), login->token_sha256);
	login->job.run = run;
	login->job.done = done;
	if (store_submit(login->enroll->store, &login->job, &err) == RC_OK)
		return;
	enroll_fail(login->http, &err);
	login_wipe(login);
	http_resume(login->http);
}

/* One text for a wrong name and a wrong password: who guesses learns no names. */
static const struct answer {
	const char *text;
	unsigned status;
	int retry_after_s; /* 0: trying again at once is fine */
} answers[] = {
	[USER_WRONG] = {"The account or the password is wrong.", 403, 0},
	[USER_UNKNOWN] = {"The account or the password is wrong.", 403, 0},
	[USER_OTHER_REALM] = {"The account or the password is wrong.", 403, 0},
	[USER_LIMITED] = {"Too many wrong passwords. Try again in a quarter of an hour.", 429, 900},
	[USER_UNAVAILABLE] = {"Accounts cannot be looked up just now. Try again in a minute.", 503, 60},
};

static void password_was_checked(struct user_query *query)
{
	struct login *login = query->ctx;
	struct http_request *request = login->http;
	const struct answer *answer = &answers[USER_UNAVAILABLE];

	explicit_bzero(login->password, sizeof(login->password));
	if (query->verdict == USER_GOOD) {
		keep(login);
		return;
	}
	if ((unsigned)query->verdict < COUNT_OF(answers))
		answer = &answers[query->verdict];
	login->verdict = user_verdict_name(query->verdict);
	if (answer->retry_after_s > 0) {
		char seconds[RETRY_AFTER_BYTES];

		(void)snprintf(seconds, sizeof(seconds), "%d", answer->retry_after_s);
		http_reply_header(request, "Retry-After", seconds);
	}
	refuse(login, ACCOUNT_REFUSED_LOGIN, answer->status, answer->text);
	http_resume(request);
}

/* Users stand in the directory by their whole account, or by what stands before its '@'. */
static void name_was_looked_up(struct user_query *query)
{
	struct login *login = query->ctx;

	if (query->verdict == USER_UNKNOWN)
		query->name = account_local_part(slice_of_str(login->managed_id));
	query->password = slice_of_str(login->password);
	query->done = password_was_checked;
	user_check_password(login->enroll->users, query);
}

/* On the thread for passwords: scrypt takes a tenth of a second of it. */
static void on_passwords(void *ctx)
{
	struct login *login = ctx;

	login->query.name = slice_of_str(login->managed_id);
	login->query.address = slice_of_str(login->address);
	login->query.done = name_was_looked_up;
	login->query.ctx = login;
	user_find(login->enroll->users, &login->query);
}

/* --- what came */

/* A browser says where a form comes from. */
static bool is_from_elsewhere(const struct http_request *request)
{
	const char *site = http_request_header(request, "Sec-Fetch-Site");

	return site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
}

static enum rc read_form(struct login *login, struct err *err)
{
	struct slice body = http_request_body(login->http);
	enum rc rc = form_field(body, FIELD_ID, login->managed_id, sizeof(login->managed_id), err);

	if (rc == RC_OK || rc == RC_NOT_FOUND)
		rc = form_field(body, "user", login->user, sizeof(login->user), err);
	if (rc == RC_OK)
		rc = form_field(body, "password", login->password, sizeof(login->password), err);
	http_request_wipe_body(login->http);
	login->is_id_typed = login->managed_id[0] == '\0';
	if (rc == RC_OK && login->is_id_typed)
		memcpy(login->managed_id, login->user, sizeof(login->managed_id));
	return rc;
}

/* False: it was refused. */
static bool read_request(struct login *login)
{
	struct err err = {.rc = RC_OK};
	struct slice managed_id;

	if (strcmp(http_request_content_type(login->http), FORM_CONTENT_TYPE) != 0 ||
		is_from_elsewhere(login->http) || read_form(login, &err) != RC_OK) {
		http_request_wipe_body(login->http);
		login->managed_id[0] = '\0';
		refuse(login, ACCOUNT_REFUSED_FORM, 400, "That did not work. Start again on the device.");
		return false;
	}
	managed_id = slice_of_str(login->managed_id);
	if (!account_id_is_sound(managed_id)) {
		login->managed_id[0] = '\0';
		refuse(login, ACCOUNT_REFUSED_FORM, 400,
			"The account must be given in full, as in name@example.org.");
		return false;
	}
	if (!account_is_user_of(slice_of_str(login->user), managed_id)) {
		refuse(login, ACCOUNT_REFUSED_FORM, 400,
			"The device enrolls with another account. Sign in with that one, or start again on the device.");
		return false;
	}
	return true;
}

size_t account_login_body_max(const struct http_request *request, void *ctx)
{
	(void)request;
	(void)ctx;
	return FORM_LOGIN_BYTES_MAX;
}

void account_login_handle(struct http_request *request, void *ctx)
{
	struct enroll *enroll = ctx;
	struct arena *arena = http_request_arena(request);
	struct login *login = arena == NULL ? NULL : arena_alloc(arena, sizeof(*login));
	struct enroll_settings settings;
	struct err err = {.rc = RC_OK};

	if (login == NULL || !arena_on_free(arena, login_wipe, login)) {
		enroll_busy(request);
		return;
	}
	if (is_closed(enroll, request))
		return;
	login->enroll = enroll;
	login->http = request;
	settings = enroll_settings(enroll);
	login->valid_s = settings.access_token_s;
	settings_wipe(&settings);
	(void)http_request_client(request, login->address);
	if (!read_request(login))
		return;
	http_defer(request);
	login->signer_job = (struct signer_job){.run = on_passwords, .ctx = login};
	if (signer_submit(enroll->passwords, &login->signer_job, &err) == RC_OK)
		return;
	http_reply_header(request, "Retry-After", "5");
	show(enroll, request, 503, login->is_id_typed ? "" : login->managed_id, login->user,
		"Too many people sign in just now. Try again.");
	http_resume(request);
}
