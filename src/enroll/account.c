/* SPDX-License-Identifier: Apache-2.0 */
#include "account.h"

#include <stdio.h>
#include <string.h>

#include "machine_info.h"
#include "pomona/base/log.h"
#include "pomona/identity/account.h"
#include "pomona/json/json.h"
#include "pomona/pki/apple_chain.h"
#include "refusal.h"

enum {
	DISCOVERY_BYTES_MAX = 8192,
	FAMILY_BYTES_MAX = 64,
	SIGNED_BYTES_MAX = 2 * PROFILE_BYTES_MAX, /* the signature, the chain */
};

static const char *const paths[] = {
	[ACCOUNT_BYOD] = "/account/byod",
	[ACCOUNT_ADDE] = "/account/adde",
};

bool account_is_offered(struct enroll *enroll, enum account_mode mode)
{
	bool is_offered;

	(void)pthread_rwlock_rdlock(&enroll->lock);
	is_offered = enroll->settings.is_account_offered[mode];
	(void)pthread_rwlock_unlock(&enroll->lock);
	return is_offered;
}

bool account_is_any_offered(struct enroll *enroll)
{
	return account_is_offered(enroll, ACCOUNT_BYOD) || account_is_offered(enroll, ACCOUNT_ADDE);
}

void account_log_refused(struct enroll *enroll, struct http_request *request,
	enum account_refusal refusal, const char *who, const char *text)
{
	char client[HTTP_ADDRESS_BYTES];

	if (!log_limit_take(enroll->account_lines, refusal, clock_monotonic_us(enroll->clock)))
		return;
	(void)http_request_client(request, client);
	log_warning("account_refused", LOG_STR("request", http_request_id(request)),
		LOG_STR("reason", account_refusal_name(refusal)), LOG_STR("user", who), LOG_STR("text", text),
		LOG_STR("peer", client));
}

bool account_is_private(struct http_request *request)
{
	if (http_request_is_private(request))
		return true;
	enroll_say(request, 403, "want TLS");
	return false;
}

/* --- discovery */

static enum rc write_servers(struct enroll *enroll, struct buf *out, struct err *err)
{
	AUTO(json_free) struct json_value *root = json_new_object();
	struct json_value *servers = json_set_array(root, "Servers");
	char base[PROFILE_URL_BYTES_MAX + 1];
	char url[PROFILE_URL_BYTES_MAX + FAMILY_BYTES_MAX];

	enroll_url(enroll, base);
	for (size_t i = ACCOUNT_BYOD; i < COUNT_OF(paths); i++) {
		struct json_value *server;

		if (!account_is_offered(enroll, (enum account_mode)i))
			continue;
		(void)snprintf(url, sizeof(url), "%s%s", base, paths[i]);
		server = json_append_object(servers);
		json_set_str(server, "Version", account_mode_name((enum account_mode)i));
		json_set_str(server, "BaseURL", url);
	}
	return json_write(root, false, out, err);
}

/* Which families enroll in which way is theirs to know: one that comes later is not refused for its name. */
static bool is_family_sound(struct slice family)
{
	if (family.len > FAMILY_BYTES_MAX)
		return false;
	for (size_t i = 0; i < family.len; i++)
		if (family.ptr[i] <= ' ' || family.ptr[i] > '~')
			return false;
	return true;
}

void account_discover_handle(struct http_request *request, void *ctx)
{
	static const struct enroll_refusal_says refusal = {.refusal = ENROLL_REFUSAL_WELL_KNOWN};
	struct enroll *enroll = ctx;
	struct slice user = slice_of_str(http_request_query(request, "user-identifier"));
	struct slice family = slice_of_str(http_request_query(request, "model-family"));
	struct err err = {.rc = RC_OK};
	struct buf body;

	if (!account_is_private(request))
		return;
	if (!account_is_any_offered(enroll)) {
		enroll_say(request, 404, "enrollment by an account is switched off");
		return;
	}
	if (!account_id_is_sound(user) || !is_family_sound(family)) {
		account_log_refused(enroll, request, ACCOUNT_REFUSED_DISCOVERY, NULL,
			"query: want user-identifier=<account>&model-family=<iPhone, Mac, ...>");
		enroll_refuse(request, &refusal);
		return;
	}
	buf_init(&body, DISCOVERY_BYTES_MAX);
	if (write_servers(enroll, &body, &err) == RC_OK)
		http_reply(request, 200, "application/json", &body);
	else
		enroll_fail(request, &err);
	buf_fini(&body);
}

/* --- the profile */

/* One profile on its way; lives in the arena of its request. */
struct handing {
	struct store_job job;
	struct signer_job signer_job;
	struct enroll *enroll;
	struct http_request *http;
	struct account_profile_ask ask;
	uint8_t token_sha256[SHA256_BYTES], challenge_sha256[SHA256_BYTES];
	enum account_refusal refusal;
	struct account account;
	struct machine_info info;
	char url[PROFILE_URL_BYTES_MAX + 1];
	struct enroll_profile_facts facts;
	struct buf profile; /* a secret */
};

static void handing_fini(void *object)
{
	struct handing *handing = object;

	buf_fini_secret(&handing->profile);
}

void enroll_login_challenge(void *ctx, char out[static ENROLL_CHALLENGE_HEADER_BYTES])
{
	struct enroll *enroll = ctx;
	char base[PROFILE_URL_BYTES_MAX + 1];

	enroll_url(enroll, base);
	out[0] = '\0';
	if (base[0] != '\0' && strpbrk(base, "\"\\\r\n") == NULL && account_is_any_offered(enroll))
		(void)snprintf(out, ENROLL_CHALLENGE_HEADER_BYTES,
			"Bearer method=\"apple-as-web\", url=\"%s/account/login\"", base);
}

/* The 401 of a route of enrolling, which a device asks without being managed: its user is to log in. */
static void ask_to_log_in(struct enroll *enroll, struct http_request *request)
{
	char challenge[ENROLL_CHALLENGE_HEADER_BYTES];

	enroll_login_challenge(enroll, challenge);
	if (challenge[0] == '\0') {
		enroll_busy(request);
		return;
	}
	http_reply_header(request, "WWW-Authenticate", challenge);
	http_reply_header(request, "Cache-Control", "no-store");
	enroll_say(request, 401, "log in first\n");
}

static void refuse_token(struct handing *handing)
{
	account_log_refused(handing->enroll, handing->http, handing->refusal,
		handing->account.user_name[0] == '\0' ? NULL : handing->account.user_name, NULL);
	ask_to_log_in(handing->enroll, handing->http);
}

static enum rc run(struct store_job *job, struct txn *txn, struct err *err)
{
	struct handing *handing = (struct handing *)job;
	const struct intent_profile profile = {
		.identifier = slice_of_str(handing->facts.identifier),
		.url = slice_of_str(handing->url),
		.access_rights = handing->facts.access_rights,
	};

	handing->ask.challenge_sha256 = handing->challenge_sha256;
	handing->ask.profile = &profile;
	return account_begin(txn, &handing->ask, &handing->refusal, &handing->account, err);
}
_Static_assert(offsetof(struct handing, job) == 0, "a job is its profile");

static void give(struct handing *handing)
{
	const struct machine_info *info = &handing->info;
	char client[HTTP_ADDRESS_BYTES];

	(void)http_request_client(handing->http, client);
	log_info("account_profile_given", LOG_STR("request", http_request_id(handing->http)),
		LOG_STR("user", handing->account.user_name),
		LOG_STR("mode", account_mode_name(handing->ask.mode)), LOG_SLICE("product", info->product),
		LOG_STR("peer", client));
	http_reply_header(handing->http, "Cache-Control", "no-store");
	http_reply(handing->http, 200, PROFILE_MEDIA_TYPE, &handing->profile);
}

static void done(struct store_job *job, enum rc rc, const struct err *err)
{
	struct handing *handing = (struct handing *)job;
	struct http_request *request = handing->http;

	if (rc != RC_OK)
		enroll_fail(request, err);
	else if (handing->refusal != ACCOUNT_NOT_REFUSED)
		refuse_token(handing);
	else
		give(handing);
	http_resume(request);
}

static enum rc make(struct handing *handing, struct err *err)
{
	char challenge[ENROLL_SECRET_BYTES];
	struct enroll_profile_ask ask = {
		.url = handing->url,
		.account = &handing->account,
		.facts_r = &handing->facts,
	};
	enum rc rc;

	enroll_secret_make(challenge);
	ask.challenge = slice_of_str(challenge);
	sha256(ask.challenge, handing->challenge_sha256);
	enroll_url(handing->enroll, handing->url);
	rc = enroll_make_profile(handing->enroll, &ask, &handing->profile, err);
	explicit_bzero(challenge, sizeof(challenge));
	return rc;
}

/* From the submission on the writer has it. */
static void on_signer(void *ctx)
{
	struct handing *handing = ctx;
	struct http_request *request = handing->http;
	struct err err = {.rc = RC_OK};

	handing->job.run = run;
	handing->job.done = done;
	if (make(handing, &err) == RC_OK &&
		store_submit(handing->enroll->store, &handing->job, &err) == RC_OK)
		return;
	enroll_fail(request, &err);
	http_resume(request);
}

/* What the device says of itself, signed by what Apple gave it. False: it was refused. */
static bool read_machine(struct handing *handing)
{
	AUTO(device_cms_free) struct device_cms *cms = NULL;
	struct err err = {.rc = RC_OK};
	struct apple_chain *chain;
	enum apple_verdict verdict;
	enum rc rc;

	chain = enroll_apple(handing->enroll);
	verdict = apple_chain_open(chain, http_request_body(handing->http), &cms, &err);
	apple_chain_unref(&chain);
	if (verdict == APPLE_UNJUDGED) {
		enroll_busy(handing->http);
		return false;
	}
	if (verdict != APPLE_GOOD) {
		account_log_refused(handing->enroll, handing->http, ACCOUNT_REFUSED_MESSAGE,
			handing->account.user_name, err.text);
		enroll_say(handing->http, verdict == APPLE_GARBLED ? 400 : 403, apple_verdict_name(verdict));
		return false;
	}
	rc = machine_info_read(device_cms_content(cms), http_request_arena(handing->http), &handing->info,
		&err);
	/* Its identity is for that device alone: without one it could be for any. */
	if (rc == RC_OK && handing->ask.mode == ACCOUNT_ADDE) {
		handing->ask.device_id = handing->info.udid;
		if (handing->info.udid.len == 0)
			rc = err_set(&err, RC_INVALID, "machine information: UDID: is missing");
	}
	if (rc == RC_OK)
		return true;
	account_log_refused(handing->enroll, handing->http, ACCOUNT_REFUSED_MESSAGE,
		handing->account.user_name, err.text);
	enroll_say(handing->http, 400, err.text);
	return false;
}

static enum rc decide(struct handing *handing, struct err *err)
{
	struct txn *txn = NULL;
	enum rc rc = store_read_begin(handing->enroll->store, &txn, err);

	if (rc != RC_OK)
		return rc;
	rc = account_decide(txn, &handing->ask, &handing->refusal, &handing->account, err);
	store_read_end(handing->enroll->store, &txn);
	return rc;
}

/* True: the signer's thread has it. */
static bool begin(struct handing *handing)
{
	struct slice token = account_token_of_header(http_request_header(handing->http, "Authorization"));
	struct err err = {.rc = RC_OK};

	if (token.len == 0) {
		ask_to_log_in(handing->enroll, handing->http); /* as each enrollment begins: nothing to log */
		return false;
	}
	sha256(token, handing->token_sha256);
	if (decide(handing, &err) != RC_OK) {
		enroll_fail(handing->http, &err);
		return false;
	}
	if (handing->refusal != ACCOUNT_NOT_REFUSED) {
		refuse_token(handing);
		return false;
	}
	return read_machine(handing);
}

static enum account_mode mode_of(const struct http_request *request)
{
	const char *path = http_request_route(request)->path;

	return strcmp(path, paths[ACCOUNT_BYOD]) == 0 ? ACCOUNT_BYOD : ACCOUNT_ADDE;
}

size_t account_profile_body_max(const struct http_request *request, void *ctx)
{
	(void)request;
	(void)ctx;
	return DEVICE_CMS_BYTES_MAX;
}

void account_profile_handle(struct http_request *request, void *ctx)
{
	struct enroll *enroll = ctx;
	struct arena *arena = http_request_arena(request);
	struct handing *handing = arena == NULL ? NULL : arena_alloc(arena, sizeof(*handing));
	struct err err = {.rc = RC_OK};

	if (handing == NULL || !arena_on_free(arena, handing_fini, handing)) {
		enroll_busy(request);
		return;
	}
	handing->enroll = enroll;
	handing->http = request;
	handing->ask =
		(struct account_profile_ask){.token_sha256 = handing->token_sha256, .mode = mode_of(request)};
	buf_init(&handing->profile, SIGNED_BYTES_MAX);
	if (!account_is_private(request))
		return;
	if (!account_is_offered(enroll, handing->ask.mode)) {
		enroll_say(request, 404, "this way of enrolling is switched off");
		return;
	}
	if (!begin(handing))
		return;
	http_defer(request);
	handing->signer_job = (struct signer_job){.run = on_signer, .ctx = handing};
	if (signer_submit(enroll->signer, &handing->signer_job, &err) == RC_OK)
		return;
	enroll_busy(request);
	http_resume(request);
}
