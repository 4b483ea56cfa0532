/* SPDX-License-Identifier: Apache-2.0 */
#include "account.h"
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ade_decide.h"
#include "invite_refusal.h"
#include "ota_decide.h"
#include "pomona/base/log.h"
#include "pomona/base/rand.h"

#define RETRY_AFTER_S "5"
#define TEXT_PLAIN "text/plain; charset=UTF-8"

enum { PORT_HTTPS = 443 };

/* Some clients repeat the message in the URL of a POST, as its bytes are: escaped zeros and all. */
#define SCEP_ROUTES(path_) \
	{.method = "GET", .path = (path_), .handle = scep_handle}, \
	{ \
		.method = "POST", .path = (path_), .body_max = scep_body_max, .handle = scep_handle, \
		.is_query_lax = true \
	}

#define ACCOUNT_ROUTE(path_) \
	{ \
		.method = "POST", .path = (path_), .body_max = account_profile_body_max, \
		.handle = account_profile_handle \
	}

static const struct http_route routes[] = {
	SCEP_ROUTES("/scep"),
	SCEP_ROUTES("/cgi-bin/pkiclient.exe"), /* of clients that were given a host alone, RFC 8894 4.1 */
	{.method = "GET", .path = "/crl", .handle = crl_handle},
	{.method = "POST", .path = "/enroll/ade", .body_max = ade_body_max, .handle = ade_handle},
	{.method = "GET", .path = "/enroll/ade", .handle = ade_web_handle},
	{.method = "POST",
		.path = "/enroll/ade/login",
		.body_max = ade_login_body_max,
		.handle = ade_login_handle},
	{.method = "GET",
		.path = "/.well-known/com.apple.remotemanagement",
		.handle = account_discover_handle},
	ACCOUNT_ROUTE("/account/byod"),
	ACCOUNT_ROUTE("/account/adde"),
	{.method = "GET", .path = "/account/login", .handle = account_login_page_handle},
	{.method = "POST",
		.path = "/account/login",
		.body_max = account_login_body_max,
		.handle = account_login_handle},
	{.method = "POST", .path = "/enroll/ota", .body_max = ota_body_max, .handle = ota_handle},
	{.method = "GET", .path = "/enroll", .handle = invite_without_link},
	{.method = "GET", .path = "/enroll/{token}", .handle = invite_page_get},
	{.method = "GET", .path = "/enroll/{token}/profile", .handle = invite_profile_get},
	{.method = "POST",
		.path = "/enroll/{token}/profile",
		.body_max = invite_body_max,
		.handle = invite_profile_post},
};

const struct http_route *enroll_routes(size_t *count_r)
{
	*count_r = COUNT_OF(routes);
	return routes;
}

/* Somebody may forget that he was trying something out. */
static void warn_of_trials(const struct ade_settings *settings)
{
	if (settings->devices != ADE_DEVICES_NONE && settings->signature == ADE_SIGNATURE_ANY)
		log_warning("ade_signature_any",
			LOG_STR("advice",
				"anybody can pass for a device in its setup: set [enroll] ade_signature = apple"));
}

static enum rc make_door(struct enroll *enroll, struct user_directory *users, struct err *err)
{
	const struct digest_door_params params = {
		.users = users,
		.clock = enroll->clock,
		.realm = enroll->settings.ade.realm,
	};

	return users == NULL ? RC_OK : digest_door_new(&params, &enroll->door, err);
}

enum rc enroll_new(const struct enroll_params *params, struct enroll **enroll_r, struct err *err)
{
	AUTO(enroll_free) struct enroll *enroll = calloc(1, sizeof(*enroll));
	enum rc rc;

	*enroll_r = NULL;
	if (enroll == NULL)
		return err_set(err, RC_NO_MEMORY, "enrolling");
	(void)pthread_rwlock_init(&enroll->lock, NULL);
	(void)pthread_mutex_init(&enroll->crl.lock, NULL);
	enroll->store = params->store;
	enroll->clock = params->clock;
	enroll->device_ca = params->device_ca;
	enroll->signer = params->signer;
	enroll->users = params->users;
	enroll->passwords = params->passwords;
	enroll->settings = *params->settings;
	if ((size_t)snprintf(enroll->hostname, sizeof(enroll->hostname), "%s", params->hostname) >=
		sizeof(enroll->hostname))
		return err_set(err, RC_LIMIT, "hostname: longer than %d bytes", DNS_NAME_BYTES_MAX);
	enroll->refused_lines = log_limit_new(SCEP_REFUSAL_COUNT);
	enroll->link_lines = log_limit_new(INVITE_REFUSAL_COUNT);
	enroll->ade_lines = log_limit_new(ADE_REASON_COUNT);
	enroll->ota_refused_lines = log_limit_new(OTA_REFUSAL_COUNT);
	enroll->renew = renew_new(enroll);
	enroll->account_lines = log_limit_new(ACCOUNT_REFUSAL_COUNT);
	if (enroll->refused_lines == NULL || enroll->ade_lines == NULL || enroll->renew == NULL ||
		enroll->account_lines == NULL || enroll->ota_refused_lines == NULL || enroll->link_lines == NULL)
		return err_set(err, RC_NO_MEMORY, "enrolling");
	rc = cert_read_facts(authority_cert_der(params->device_ca), &enroll->ca, err);
	if (rc == RC_OK)
		rc = make_door(enroll, params->users, err);
	if (rc == RC_OK)
		rc = apple_chain_new(NULL, 0, &enroll->apple, err);
	enroll->is_silence_allowed = params->policy.is_silence_allowed;
	if (rc == RC_OK && params->policy.url != NULL)
		rc = policy_new(&params->policy, params->loop, params->clock, &enroll->policy, err);
	if (rc != RC_OK)
		return rc;
	warn_of_trials(&enroll->settings.ade);
	*enroll_r = enroll;
	enroll = NULL; /* moved to the caller */
	return RC_OK;
}

struct enroll_settings enroll_settings(struct enroll *enroll)
{
	struct enroll_settings settings;

	(void)pthread_rwlock_rdlock(&enroll->lock);
	settings = enroll->settings;
	(void)pthread_rwlock_unlock(&enroll->lock);
	return settings;
}

void enroll_set_port(struct enroll *enroll, unsigned port)
{
	atomic_store(&enroll->port, port);
}

static void own_url(struct enroll *enroll, char out[static PROFILE_URL_BYTES_MAX + 1])
{
	const bool is_v6 = strchr(enroll->hostname, ':') != NULL;
	const unsigned port = atomic_load(&enroll->port);
	int len = snprintf(out, PROFILE_URL_BYTES_MAX + 1, "https://%s%s%s", is_v6 ? "[" : "",
		enroll->hostname, is_v6 ? "]" : "");

	if (port != 0 && port != PORT_HTTPS)
		(void)snprintf(out + len, PROFILE_URL_BYTES_MAX + 1 - (size_t)len, ":%u", port);
}

void enroll_url(struct enroll *enroll, char out[static PROFILE_URL_BYTES_MAX + 1])
{
	(void)pthread_rwlock_rdlock(&enroll->lock);
	memcpy(out, enroll->settings.profile.url, sizeof(enroll->settings.profile.url));
	(void)pthread_rwlock_unlock(&enroll->lock);
	if (out[0] == '\0')
		own_url(enroll, out);
}

void enroll_profile_identifier(struct enroll *enroll, char out[static PROFILE_TEXT_BYTES_MAX + 1])
{
	(void)pthread_rwlock_rdlock(&enroll->lock);
	memcpy(out, enroll->settings.profile.identifier, sizeof(enroll->settings.profile.identifier));
	(void)pthread_rwlock_unlock(&enroll->lock);
}

void settings_wipe(struct enroll_settings *settings)
{
	explicit_bzero(settings, sizeof(*settings));
}

void enroll_set_settings(struct enroll *enroll, const struct enroll_settings *settings)
{
	(void)pthread_rwlock_wrlock(&enroll->lock);
	enroll->settings = *settings;
	(void)pthread_rwlock_unlock(&enroll->lock);
	warn_of_trials(&settings->ade);
	if (enroll->door != NULL)
		digest_door_set_realm(enroll->door, settings->ade.realm);
}

void enroll_set_profile_signer(struct enroll *enroll, struct cms_signer **signer)
{
	struct cms_signer *former;

	(void)pthread_rwlock_wrlock(&enroll->lock);
	former = enroll->profile_signer;
	enroll->profile_signer = *signer;
	(void)pthread_rwlock_unlock(&enroll->lock);
	*signer = NULL; /* moved to the room */
	cms_signer_free(&former);
}

int64_t enroll_identity_valid_s(struct enroll *enroll)
{
	int64_t valid_s;

	(void)pthread_rwlock_rdlock(&enroll->lock);
	valid_s = enroll->settings.identity_valid_s;
	(void)pthread_rwlock_unlock(&enroll->lock);
	return valid_s;
}

void enroll_secret_make(char out[static ENROLL_SECRET_BYTES])
{
	uint8_t random[ENROLL_SECRET_BYTES / 2];

	rand_bytes(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		(void)snprintf(out + 2 * i, ENROLL_SECRET_BYTES - 2 * i, "%02x", random[i]);
	explicit_bzero(random, sizeof(random));
}

void enroll_busy(struct http_request *request)
{
	http_reply_header(request, "Retry-After", RETRY_AFTER_S);
	enroll_say(request, 503, "come again later");
}

void enroll_fail(struct http_request *request, const struct err *err)
{
	/* a path may hold a token: what route it is says enough */
	log_error("enrolling_failed", LOG_STR("request", http_request_id(request)),
		LOG_STR("route", http_request_route(request)->path), LOG_STR("error", err->text));
	enroll_busy(request);
}

void enroll_say(struct http_request *request, unsigned status, const char *text)
{
	http_reply_copy(request, status, TEXT_PLAIN, slice_of_str(text));
}

void enroll_report_hidden(struct enroll *enroll)
{
	int64_t now_us = clock_monotonic_us(enroll->clock);

	for (unsigned i = 0; i < SCEP_REFUSAL_COUNT; i++) {
		uint64_t hidden = log_limit_hidden(enroll->refused_lines, i, now_us);

		if (hidden > 0)
			log_warning("scep_refusals_not_logged",
				LOG_STR("reason", scep_refusal_name((enum scep_refusal)i)), LOG_INT("count", hidden));
	}
	for (unsigned i = 0; i < ADE_REASON_COUNT; i++) {
		uint64_t hidden = log_limit_hidden(enroll->ade_lines, i, now_us);

		if (hidden > 0)
			log_warning("ade_refusals_not_logged", LOG_STR("reason", ade_reason_name((enum ade_reason)i)),
				LOG_INT("count", hidden));
	}
	for (unsigned i = 0; i < ACCOUNT_REFUSAL_COUNT; i++) {
		uint64_t hidden = log_limit_hidden(enroll->account_lines, i, now_us);

		if (hidden > 0)
			log_warning("account_refusals_not_logged",
				LOG_STR("reason", account_refusal_name((enum account_refusal)i)), LOG_INT("count", hidden));
	}
	for (unsigned i = 0; i < OTA_REFUSAL_COUNT; i++) {
		uint64_t hidden = log_limit_hidden(enroll->ota_refused_lines, i, now_us);

		if (hidden > 0)
			log_warning("ota_refusals_not_logged", LOG_STR("reason", ota_refusal_name((enum ota_refusal)i)),
				LOG_INT("count", hidden));
	}
	for (unsigned i = 0; i < INVITE_REFUSAL_COUNT; i++) {
		uint64_t hidden = log_limit_hidden(enroll->link_lines, i, now_us);

		if (hidden > 0)
			log_warning("link_refusals_not_logged",
				LOG_STR("reason", invite_words((enum invite_refusal)i)->name), LOG_INT("count", hidden));
	}
	if (enroll->policy != NULL)
		policy_report_hidden(enroll->policy);
}

void enroll_stats(const struct enroll *enroll, struct enroll_stats *stats_r)
{
	*stats_r = (struct enroll_stats){
		.scep_issued = atomic_load(&enroll->scep_issued),
		.scep_repeated = atomic_load(&enroll->scep_repeated),
		.scep_refused = atomic_load(&enroll->scep_refused),
		.ade_given = atomic_load(&enroll->ade_given),
		.ade_refused = atomic_load(&enroll->ade_refused),
		.ota_begun = atomic_load(&enroll->ota_begun),
		.ota_finished = atomic_load(&enroll->ota_finished),
		.ota_refused = atomic_load(&enroll->ota_refused),
		.link_profiles = atomic_load(&enroll->link_profiles),
		.links_refused = atomic_load(&enroll->links_refused),
	};
}

enum rc enroll_policy_check(const struct enroll_policy *policy, struct err *err)
{
	struct policy_target target;

	return policy->url == NULL ? RC_OK : policy_target_read(policy->url, &target, err);
}

void enroll_stop(struct enroll *enroll)
{
	policy_stop(enroll->policy);
}

void enroll_free(struct enroll **enroll)
{
	if (*enroll == NULL)
		return;
	policy_free(&(*enroll)->policy);
	log_limit_free(&(*enroll)->refused_lines);
	log_limit_free(&(*enroll)->ade_lines);
	digest_door_free(&(*enroll)->door);
	renew_free(&(*enroll)->renew);
	log_limit_free(&(*enroll)->account_lines);
	log_limit_free(&(*enroll)->ota_refused_lines);
	log_limit_free(&(*enroll)->link_lines);
	(void)pthread_rwlock_destroy(&(*enroll)->lock);
	(void)pthread_mutex_destroy(&(*enroll)->crl.lock);
	buf_fini(&(*enroll)->crl.der);
	cms_signer_free(&(*enroll)->profile_signer);
	apple_chain_unref(&(*enroll)->apple);
	settings_wipe(&(*enroll)->settings);
	free(*enroll);
	*enroll = NULL;
}
