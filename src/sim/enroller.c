/* SPDX-License-Identifier: Apache-2.0 */
#include "enroller_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/log.h"

enum {
	BACKOFF_FIRST_MS = 1000,
	BACKOFF_MAX_MS = 60000,
	RETRY_AFTER_MAX_S = 3600,
	CALL_TIMEOUT_MS = 60000,
	HTTP_TOO_MANY = 429,
	HTTP_FAULTS = 500,
	CA_PEM_BYTES_MAX = 2 * 1024 * 1024,
};

const struct refusal enroller_bad_profile = {"MCMDMErrorDomain", 12011,
	"Invalid MDM configuration"};
const struct refusal enroller_bad_identity = {"MCMDMErrorDomain", 12016, "Missing identity"};
const struct refusal enroller_bad_server = {"MCMDMErrorDomain", 12002, "Cannot check in"};

void enroller_end(struct enroller *enroller, enum rc rc, const struct refusal *why,
	const char *text)
{
	const struct enroller_end end = {rc, why, text};

	enroller->params.done(enroller->params.ctx, &end);
}

void enroller_end_status(struct enroller *enroller, const struct net_reply *reply)
{
	struct err err;

	(void)err_set(&err, RC_DENIED, "%s %s: HTTP %u", enroller->method, buf_cstr(&enroller->url),
		reply->status);
	enroller_end(enroller, RC_DENIED, &enroller_bad_server, err.text);
}

/* --- asking */

/* What the profile has brought is trusted from then on, beside --ca. */
static enum rc client_make(struct enroller *enroller, struct err *err)
{
	struct net_client_params params = {.base_url = "",
		.timeout_ms = CALL_TIMEOUT_MS,
		.response_bytes_max = PROFILE_BYTES_MAX};
	AUTO(buf_fini) struct buf ca_pem;
	enum rc rc;

	buf_init(&ca_pem, CA_PEM_BYTES_MAX);
	buf_append(&ca_pem, buf_slice(enroller->params.ca_pem));
	if (enroller->has_profile)
		buf_append(&ca_pem, buf_slice(&enroller->profile.anchors_pem));
	rc = buf_status(&ca_pem, "certificates", err);
	if (rc != RC_OK)
		return rc;
	params.ca_pem = buf_slice(&ca_pem);
	params.bearer = enroller->bearer.len == 0 ? NULL : buf_cstr(&enroller->bearer);
	net_client_free(&enroller->client);
	return net_client_new(enroller->params.loop, &params, &enroller->client, err);
}

static int64_t wait_before(struct enroller *enroller, int64_t retry_after_s)
{
	int64_t wait_ms = BACKOFF_FIRST_MS;

	for (unsigned i = 1; i < enroller->tries && wait_ms < BACKOFF_MAX_MS; i++)
		wait_ms *= 2;
	if (retry_after_s > RETRY_AFTER_MAX_S)
		retry_after_s = RETRY_AFTER_MAX_S;
	if (wait_ms < retry_after_s * 1000)
		wait_ms = retry_after_s * 1000;
	return wait_ms + (int64_t)chance_below(&enroller->params.device->chance, BACKOFF_FIRST_MS);
}

/* A device that is not enrolled yet has nothing else to do; one that is goes on with what it has. */
static void ask_later(struct enroller *enroller, int64_t retry_after_s, const char *text)
{
	enroller->tries++;
	log_warning("asked_in_vain", LOG_STR("device", enroller->params.device->udid),
		LOG_STR("method", enroller->method), LOG_STR("url", buf_cstr(&enroller->url)),
		LOG_INT("tries", enroller->tries), LOG_STR("text", text));
	if (enroller->is_renewal && enroller->tries >= ENROLLER_RENEWAL_TRIES) {
		enroller_end(enroller, RC_IO, &enroller_bad_server, text);
		return;
	}
	net_client_disconnect(enroller->client);
	net_timer_set(enroller->timer, wait_before(enroller, retry_after_s));
}

static void send_again(struct enroller *enroller);

/* True: it was a redirect, and is gone after. */
static bool follow(struct enroller *enroller, const struct net_reply *reply)
{
	bool is_redirect = reply->status >= 301 && reply->status <= 308 &&
		(strncmp(reply->location, "https://", 8) == 0 || strncmp(reply->location, "http://", 7) == 0);

	if (!enroller->is_following || !is_redirect || enroller->redirects++ >= ENROLLER_REDIRECTS_MAX)
		return false;
	buf_clear(&enroller->url);
	buf_append_str(&enroller->url, reply->location);
	if (reply->status == 302 || reply->status == 303) {
		enroller->method = "GET";
		enroller->content_type = NULL;
		buf_clear(&enroller->body);
	}
	send_again(enroller);
	return true;
}

static void on_reply(void *ctx, const struct net_reply *reply)
{
	struct enroller *enroller = ctx;
	char text[32];

	(void)snprintf(text, sizeof(text), "HTTP %u", reply->status);
	if (reply->rc == RC_INVALID)
		enroller_end(enroller, RC_INVALID, &enroller_bad_server, reply->err.text);
	else if (reply->rc != RC_OK)
		ask_later(enroller, 0, reply->err.text);
	else if (reply->status >= HTTP_FAULTS || reply->status == HTTP_TOO_MANY)
		ask_later(enroller, reply->retry_after_s, text);
	else if (!follow(enroller, reply))
		enroller->take(enroller, reply);
}

static void send_again(struct enroller *enroller)
{
	const struct net_call call = {.method = enroller->method,
		.url = buf_cstr(&enroller->url),
		.content_type = enroller->content_type,
		.header = enroller->header.len == 0 ? NULL : buf_cstr(&enroller->header),
		.body = buf_slice(&enroller->body),
		.done = on_reply,
		.ctx = enroller};
	struct err err = {0};
	enum rc rc = RC_NO_MEMORY;

	if (call.url != NULL && enroller->client == NULL)
		rc = client_make(enroller, &err);
	else if (call.url != NULL)
		rc = RC_OK;
	if (rc == RC_OK)
		rc = net_client_call(enroller->client, &call, &err);
	if (rc != RC_OK)
		enroller_end(enroller, rc, &enroller_bad_server, err.text);
}

void enroller_ask(struct enroller *enroller, const struct ask *ask)
{
	enroller->method = ask->method;
	enroller->content_type = ask->content_type;
	enroller->take = ask->take;
	enroller->is_following = ask->is_following;
	enroller->tries = enroller->redirects = 0;
	buf_clear(&enroller->url);
	buf_clear(&enroller->header);
	buf_clear(&enroller->body);
	buf_append_str(&enroller->url, ask->url);
	if (ask->header != NULL)
		buf_append_str(&enroller->header, ask->header);
	buf_append(&enroller->body, ask->body);
	if (enroller->url.rc != RC_OK || enroller->header.rc != RC_OK || enroller->body.rc != RC_OK)
		enroller_end(enroller, RC_LIMIT, &enroller_bad_server, "a request is too long");
	else
		send_again(enroller);
}

/* --- the profile and its identity */

static enum rc read_profile(struct enroller *enroller, struct slice payload, struct err *err)
{
	const struct device *device = enroller->params.device;
	const struct enrollment_keys own = {buf_slice(&device->cert_pem), buf_slice(&device->key_pem)};
	const struct enrollment_keys factory = {buf_slice(&enroller->factory_cert),
		buf_slice(&enroller->factory_key)};
	const struct enrollment_keys *keys = NULL;
	enum rc rc;

	buf_clear(&enroller->payload);
	buf_append(&enroller->payload, payload);
	rc = buf_status(&enroller->payload, "profile", err);
	enrollment_profile_fini(&enroller->profile);
	enroller->has_profile = false;
	if (enroller->factory_cert.len > 0)
		keys = &factory;
	else if (device->cert_pem.len > 0)
		keys = &own;
	if (rc == RC_OK)
		rc = enrollment_profile_read(buf_slice(&enroller->payload), keys, &enroller->profile, err);
	if (rc == RC_OK && enroller->profile.has_mdm == (enroller->on_identity != NULL)) {
		enrollment_profile_fini(&enroller->profile);
		rc = err_set(err, RC_INVALID, "the profile has %s com.apple.mdm payload",
			enroller->on_identity == NULL ? "no" : "already a");
	}
	enroller->has_profile = rc == RC_OK;
	return rc;
}

void enroller_take_profile(struct enroller *enroller, struct slice payload)
{
	struct err err = {0};
	enum rc rc = read_profile(enroller, payload, &err);

	if (rc == RC_OK)
		rc = client_make(enroller, &err); /* which trusts what the profile brings */
	if (rc != RC_OK) {
		enroller_end(enroller, rc, &enroller_bad_profile, err.text);
		return;
	}
	if (enroller->profile.has_scep) {
		enroller_run_scep(enroller);
		return;
	}
	buf_append(&enroller->cert_pem, buf_slice(&enroller->profile.cert_pem));
	buf_append(&enroller->key_pem, buf_slice(&enroller->profile.key_pem));
	enroller_take_identity(enroller);
}

enum rc enroller_take_bearer(struct enroller *enroller, struct err *err)
{
	struct device *device = enroller->params.device;

	if (enroller->bearer.len >= sizeof(device->bearer))
		return err_set(err, RC_LIMIT, "the access token is not less than %zu bytes",
			sizeof(device->bearer));
	(void)snprintf(device->bearer, sizeof(device->bearer), "%s", buf_cstr(&enroller->bearer));
	return client_make(enroller, err);
}

void enroller_take_identity(struct enroller *enroller)
{
	struct device_identity identity = {.cert_pem = buf_slice(&enroller->cert_pem),
		.key_pem = buf_slice(&enroller->key_pem)};
	struct err err = {0};
	enum rc rc;

	if (enroller->on_identity != NULL) {
		enroller->on_identity(enroller);
		return;
	}
	if (enroller->has_profile) {
		identity.management = management_new(&enroller->profile, buf_slice(&enroller->payload));
		if (identity.management == NULL) {
			enroller_end(enroller, RC_NO_MEMORY, &enroller_bad_profile, "the profile cannot be kept");
			return;
		}
	}
	rc = device_take_identity(enroller->params.device, &identity, enroller->is_renewal, &err);
	if (rc == RC_OK)
		enroller_end(enroller, RC_OK, NULL, "");
	else
		enroller_end(enroller, rc, &enroller_bad_identity, err.text);
}

/* --- where */

static const char *value_of(const struct device *device, struct slice name, char number[static 16])
{
	(void)snprintf(number, 16, "%u", device->index);
	if (slice_is_str(name, "index"))
		return number;
	if (slice_is_str(name, "udid"))
		return device->udid;
	return slice_is_str(name, "serial") ? device->serial : NULL;
}

const char *enroller_where(struct enroller *enroller, struct buf *out)
{
	struct slice rest = slice_of_str(enroller->params.options->where);
	const char *text;

	while (rest.len > 0) {
		size_t end = 0;
		const char *value = NULL;
		char number[16];

		if (rest.ptr[0] == '{' && slice_find_byte(rest, '}', &end))
			value = value_of(enroller->params.device, slice_sub(rest, 1, end - 1), number);
		if (value != NULL)
			buf_append_str(out, value);
		else
			buf_append_byte(out, rest.ptr[0]);
		rest = slice_sub(rest, value == NULL ? 1 : end + 1, rest.len);
	}
	text = buf_cstr(out);
	if (text == NULL)
		enroller_end(enroller, RC_LIMIT, &enroller_bad_profile, "--enroll: too long");
	return text;
}

/* --- life */

static void on_timer(void *ctx)
{
	struct enroller *enroller = ctx;

	if (enroller->take != NULL)
		send_again(enroller);
	else if (enroller->params.challenge != NULL)
		enroller_begin_login(enroller);
	else if (enroller->is_renewal)
		enroller_take_profile(enroller, buf_slice(&enroller->renewal));
	else
		enroller->params.options->way->begin(enroller);
}

static void init_bufs(struct enroller *enroller)
{
	buf_init(&enroller->url, ENROLLER_URL_BYTES_MAX);
	buf_init(&enroller->header, ENROLLER_HEADER_BYTES_MAX);
	buf_init(&enroller->body, PROFILE_BYTES_MAX);
	buf_init(&enroller->renewal, PROFILE_BYTES_MAX);
	buf_init(&enroller->payload, PROFILE_BYTES_MAX);
	buf_init(&enroller->plain_url, ENROLLER_URL_BYTES_MAX);
	buf_init(&enroller->challenges, PROFILE_BYTES_MAX);
	buf_init(&enroller->key_pem, PEM_BYTES_MAX);
	buf_init(&enroller->cert_pem, PEM_BYTES_MAX);
	buf_init(&enroller->factory_key, PEM_BYTES_MAX);
	buf_init(&enroller->account, ENROLLER_URL_BYTES_MAX);
	buf_init(&enroller->base_url, ENROLLER_URL_BYTES_MAX);
	buf_init(&enroller->bearer, ENROLLER_URL_BYTES_MAX);
	buf_init(&enroller->form_action, ENROLLER_URL_BYTES_MAX);
	buf_init(&enroller->form_body, PROFILE_BYTES_MAX);
	buf_init(&enroller->challenge, ENROLLER_HEADER_BYTES_MAX);
	buf_init(&enroller->factory_cert, PEM_BYTES_MAX);
	buf_init(&enroller->ca_der, CERT_DER_BYTES_MAX);
}

enum rc enroller_start(const struct enroller_params *params, struct enroller **enroller_r,
	struct err *err)
{
	struct enroller *enroller = calloc(1, sizeof(*enroller));

	*enroller_r = NULL;
	if (enroller == NULL)
		return err_set(err, RC_NO_MEMORY, "device");
	enroller->params = *params;
	init_bufs(enroller);
	buf_append(&enroller->renewal, params->renewal);
	if (params->challenge != NULL) {
		buf_append_str(&enroller->challenge, params->challenge);
		enroller->params.challenge = buf_cstr(&enroller->challenge);
	}
	enroller->is_renewal = params->renewal.len > 0;
	*enroller_r = enroller;
	if (enroller->renewal.rc != RC_OK ||
		net_timer_new(params->loop, on_timer, enroller, &enroller->timer) != RC_OK) {
		enroller_free(enroller_r);
		return err_set(err, RC_NO_MEMORY, "device");
	}
	net_timer_set(enroller->timer, 0);
	return RC_OK;
}

void enroller_free(struct enroller **enroller)
{
	struct enroller *gone = *enroller;

	if (gone == NULL)
		return;
	*enroller = NULL;
	net_client_free(&gone->client);
	net_timer_free(&gone->timer);
	scep_client_free(&gone->scep);
	plist_doc_free(&gone->service);
	enrollment_profile_fini(&gone->profile);
	buf_fini(&gone->url);
	buf_fini_secret(&gone->header);
	buf_fini_secret(&gone->body);
	buf_fini_secret(&gone->payload);
	buf_fini(&gone->plain_url);
	buf_fini_secret(&gone->challenges);
	buf_fini_secret(&gone->key_pem);
	buf_fini(&gone->cert_pem);
	buf_fini_secret(&gone->factory_key);
	buf_fini(&gone->factory_cert);
	buf_fini(&gone->account);
	buf_fini(&gone->base_url);
	buf_fini_secret(&gone->bearer);
	buf_fini(&gone->form_action);
	buf_fini_secret(&gone->form_body);
	buf_fini(&gone->challenge);
	buf_fini(&gone->ca_der);
	buf_fini_secret(&gone->renewal);
	free(gone);
}
