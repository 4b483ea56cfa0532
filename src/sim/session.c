/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <stdio.h>
#include <string.h>

#include "enroller.h"
#include "pomona/json/json.h"
#include "session_enroll.h"
#include "session_life.h"
#include "signature.h"

enum {
	BACKOFF_FIRST_MS = 1000,
	BACKOFF_MAX_MS = 60000,
	RETRY_AFTER_MAX_S = 3600,
	CALL_TIMEOUT_MS = 60000,
	CLONE_WAIT_MS = 200,
	TRUST_BYTES_MAX = 2 * 1024 * 1024,
};

static const char checkin_type[] = "application/x-apple-aspen-mdm-checkin";
static const char result_type[] = "application/x-apple-aspen-mdm; charset=UTF-8";

static void next(struct session *session);
static void visit(void *ctx);

static void say_status(enum log_level level, const char *event, const struct session *session,
	unsigned status)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "HTTP %u", status);
	session_say(level, event, session, text);
}

/* --- ends of a visit */

static void come_again(struct session *session, int64_t delay_ms)
{
	net_client_disconnect(session->client);
	net_timer_set(session->timer, session_jittered(session, delay_ms));
}

static bool is_any(const bool *facts)
{
	bool is_one = false;

	for (unsigned i = 0; i < CHANNELS_MAX; i++)
		is_one = is_one || facts[i];
	return is_one;
}

static void come_again_later(struct session *session, int64_t retry_after_s)
{
	int64_t delay_ms = BACKOFF_FIRST_MS;

	for (unsigned i = 0; i < session->failures && delay_ms < BACKOFF_MAX_MS; i++)
		delay_ms *= 2;
	if (delay_ms > BACKOFF_MAX_MS)
		delay_ms = BACKOFF_MAX_MS;
	if (retry_after_s > RETRY_AFTER_MAX_S)
		retry_after_s = RETRY_AFTER_MAX_S;
	if (delay_ms < retry_after_s * 1000)
		delay_ms = retry_after_s * 1000;
	session->failures++;
	come_again(session, delay_ms);
}

/*
 * All is said. A device comes by itself after a while; or, where devices are woken, only if it was woken again
 * meanwhile, if it has put off the last command that it was given, or if something has happened to it.
 */
static void end_visit(struct session *session)
{
	session->failures = 0;
	session_live(session);
	if (session->sim->wake == NULL) {
		come_again(session, session->sim->options->interval_ms);
		return;
	}
	net_client_disconnect(session->client);
	if (is_any(session->is_resting))
		net_timer_set(session->rest, session_jittered(session, session->sim->options->notnow_poll_ms));
	if (is_any(session->is_woken))
		net_timer_set(session->timer, 0);
	else if (session_has_news(&session->device))
		net_timer_set(session->timer, session_jittered(session, session->sim->options->interval_ms));
}

static bool is_signing(const struct session *session)
{
	const struct management *management = session->device.management;

	return management == NULL ? session->sim->options->is_signing : management->is_message_signed;
}

/* It trusts what its profile has brought beside --ca. */
static enum rc client_make(struct session *session, struct err *err)
{
	const char *url = session->sim->options->url;
	struct net_client_params params = {.base_url = url == NULL ? "" : url,
		.timeout_ms = CALL_TIMEOUT_MS,
		.response_bytes_max = UNSENT_BYTES_MAX};
	AUTO(buf_fini) struct buf ca_pem;

	buf_init(&ca_pem, TRUST_BYTES_MAX);
	buf_append(&ca_pem, buf_slice(&session->sim->ca_pem));
	if (session->device.management != NULL)
		buf_append(&ca_pem, buf_slice(&session->device.management->anchors_pem));
	if (buf_status(&ca_pem, "certificates", err) != RC_OK)
		return ca_pem.rc;
	params.ca_pem = buf_slice(&ca_pem);
	if (!is_signing(session)) {
		params.cert_pem = buf_slice(&session->device.cert_pem);
		params.key_pem = buf_slice(&session->device.key_pem);
	}
	params.bearer = session->device.bearer[0] == '\0' ? NULL : session->device.bearer;
	net_client_free(&session->client);
	return net_client_new(session->sim->loop, &params, &session->client, err);
}

/* Erased, or enrolling anew: nothing of the old management is left but the hardware. It is away for a while. */
static void start_anew(struct session *session, int64_t away_ms)
{
	struct err err = {0};
	enum rc rc;

	session_give_up_tokens(session);
	rc = session_reset_device(session, &err);
	if (rc == RC_OK)
		rc = session_take_tokens(session, &err);
	if (rc == RC_OK)
		rc = client_make(session, &err);
	session->is_changed = true;
	session->failures = 0;
	if (rc == RC_OK)
		come_again(session, away_ms);
	else
		session_say(LOG_LEVEL_ERROR, "device_lost", session, err.text);
}

/* The server ended the management: the device removes the profile and everything that came with it. */
static void unenroll(struct session *session, unsigned status)
{
	session->sim->report.unenrolled++;
	session->is_changed = true;
	say_status(LOG_LEVEL_WARNING, "unenrolled", session, status);
	if (session->sim->options->is_reenrolling) {
		start_anew(session, session->sim->options->interval_ms);
		return;
	}
	session->device.is_unenrolled = true;
	session_give_up_tokens(session);
	for (unsigned i = 0; i < session->device.channel_count; i++) {
		session->device.channels[i].is_enrolled = false;
		buf_clear(&session->device.channels[i].unsent);
		profile_set_clear(&session->device.channels[i].profiles);
	}
	net_client_disconnect(session->client);
}

/* --- what a 200 means */

static bool accept_authenticate(struct session *session, struct slice body)
{
	(void)body;
	session->channel->is_authenticated = true;
	return true;
}

static bool accept_token_update(struct session *session, struct slice body)
{
	(void)body;
	session->channel->is_enrolled = true;
	session->channel->has_token_news = false;
	if (!channel_is_user(session->channel))
		device_forget_former(&session->device);
	return true;
}

static bool accept_bootstrap_token(struct session *session, struct slice body)
{
	(void)body;
	session->device.has_bootstrap_token = true;
	return true;
}

static void take_reply_text(const struct plist_node *dict, const char *key, char *out,
	size_t out_size)
{
	const struct plist_node *value = plist_dict_get(dict, key);

	if (value != NULL && plist_kind(value) == PLIST_KIND_STRING)
		(void)snprintf(out, out_size, "%.*s", SLICE_FMT(plist_string(value)));
}

/*
 * An empty challenge lets the user in without a token. To the answer of a challenge, an empty token says
 * that the password was wrong: as good as a refusal, as the simulator has no other password to try.
 */
static bool accept_user_authenticate(struct session *session, struct slice body)
{
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	struct channel *channel = session->channel;
	bool is_second = channel->challenge[0] != 0;

	if (body.len > 0 && plist_parse(body, &doc, NULL) != RC_OK)
		return false;
	if (is_second) {
		if (doc != NULL)
			take_reply_text(plist_root(doc), "AuthToken", channel->auth_token, AUTH_TOKEN_BYTES);
		channel->challenge[0] = 0;
		channel->is_authenticated = channel->auth_token[0] != 0;
		channel->is_refused = !channel->is_authenticated;
		return true;
	}
	if (doc != NULL)
		take_reply_text(plist_root(doc), "DigestChallenge", channel->challenge, AUTH_TOKEN_BYTES);
	channel->is_authenticated = channel->challenge[0] == 0;
	return true;
}

/* To a poll as to a result the server says nothing, or the next command. */
static bool accept_command(struct session *session, struct slice body)
{
	struct channel *channel = session->channel;
	const struct answer_params params = {.device = &session->device,
		.channel = channel,
		.notnow_percent = session->sim->options->notnow_percent,
		.error_percent = session->sim->options->error_percent};
	struct answer answer;
	struct err err = {0};

	if (body.len == 0) {
		session->is_polled[channel - session->device.channels] = true;
		return true;
	}
	if (answer_command(&params, &session->device.chance, body, &channel->unsent, &answer, &err) !=
		RC_OK) {
		buf_clear(&channel->unsent);
		session_say(LOG_LEVEL_WARNING, "bad_command", session, err.text);
		return false;
	}
	channel->unsent_status = answer.status;
	channel->unsent_erases = answer.is_erase;
	if (answer.is_enrollment)
		session_hold_result(session, &answer);
	session->has_other_unsent = true;
	session->is_changed = session->is_changed || answer.is_change;
	return true;
}

/* The server took the result; one that puts the command off is no answer yet. */
static void count_result(struct session *session)
{
	const enum answer_status status = session->channel->unsent_status;

	session->sim->report.answers[status]++;
	if (status != ANSWER_NOT_NOW)
		session->answered++;
}

static bool accept_result(struct session *session, struct slice body)
{
	count_result(session);
	session->is_resting[session->channel - session->device.channels] =
		session->channel->unsent_status == ANSWER_NOT_NOW;
	session->has_other_unsent = true;
	buf_clear(&session->channel->unsent);
	return accept_command(session, body);
}

static bool accept_poll(struct session *session, struct slice body)
{
	session->sim->report.polls++;
	session->is_resting[session->channel - session->device.channels] = false;
	return accept_command(session, body);
}

static enum rc message_result(const struct device *device, const struct channel *channel,
	struct buf *out, struct err *err)
{
	(void)device;
	buf_append(out, buf_slice(&channel->unsent));
	return buf_status(out, "result", err);
}

/* --- which message comes next */

static const struct step authenticate = {"Authenticate", "/checkin", checkin_type,
	message_authenticate, accept_authenticate};
static const struct step token_update = {"TokenUpdate", "/checkin", checkin_type,
	message_token_update, accept_token_update};
static const struct step set_bootstrap_token = {"SetBootstrapToken", "/checkin", checkin_type,
	message_set_bootstrap_token, accept_bootstrap_token};
static const struct step user_authenticate = {"UserAuthenticate", "/checkin", checkin_type,
	message_user_authenticate, accept_user_authenticate};
static const struct step result = {"result", "/mdm", result_type, message_result, accept_result};
static const struct step poll = {"Idle", "/mdm", result_type, message_idle, accept_poll};

/* NULL: this channel has nothing to say any more in this visit. */
static const struct step *step_of(const struct session *session, const struct channel *channel)
{
	const struct device *device = &session->device;
	bool is_user = channel_is_user(channel);

	if (channel->is_refused || channel->is_logged_out)
		return NULL;
	if (!is_user && !channel->is_authenticated)
		return &authenticate;
	if (channel->is_network_user && !channel->is_authenticated)
		return &user_authenticate;
	if (!channel->is_enrolled || channel->has_token_news)
		return &token_update;
	if (!is_user && device->model->platform == PLATFORM_MAC && !device->has_bootstrap_token)
		return &set_bootstrap_token;
	if (channel->unsent.len > 0)
		return &result;
	if (session->sim->wake != NULL && !session->is_woken[channel - device->channels])
		return NULL;
	return session->is_polled[channel - device->channels] ? NULL : &poll;
}

static bool choose_step(struct session *session)
{
	for (unsigned i = 0; i < session->device.channel_count; i++) {
		session->channel = &session->device.channels[i];
		session->step = step_of(session, session->channel);
		if (session->step != NULL)
			return true;
	}
	return false;
}

/* --- the visit */

/* A 403 that says in so many words that the server does not know the device; it counts as a 401. */
static bool is_unrecognized(const struct net_reply *reply)
{
	AUTO(json_free) struct json_value *root = NULL;

	if (reply->status != 403 || json_parse(reply->body, &root, NULL) != RC_OK)
		return false;
	return slice_is_str(json_string(json_get(root, "code")), "com.apple.unrecognized.device");
}

/*
 * A device that was woken tries once; what it must bring to the server it brings again. So a poll that failed
 * is lost, and the server must wake the device anew.
 */
static void fail_visit(struct session *session, int64_t retry_after_s)
{
	if (session->sim->wake == NULL || choose_step(session))
		come_again_later(session, retry_after_s);
	else
		end_visit(session);
}

static void refuse_user(struct session *session)
{
	session_say(LOG_LEVEL_INFO, "user_refused", session, session->channel->short_name);
	session->channel->is_refused = true;
	next(session);
}

/* The renewed device is not taken: it goes on as what it was. */
static void undo_renewal(struct session *session)
{
	struct err err = {0};

	session_undo_renewal(session);
	if (client_make(session, &err) == RC_OK)
		next(session);
	else
		session_say(LOG_LEVEL_ERROR, "device_lost", session, err.text);
}

/* What was to be said is said again; without another token later on. */
static void after_login(struct session *session, enum rc rc)
{
	struct err err = {0};

	if (rc == RC_OK && client_make(session, &err) == RC_OK)
		next(session);
	else
		come_again_later(session, 0);
}

static void on_status(struct session *session, const struct net_reply *reply)
{
	bool is_accepted = reply->status == 200 && session->step->accept(session, reply->body);

	report_status(&session->sim->report, reply->status);
	if (is_accepted) {
		session->is_changed = session->is_changed || (session->step != &poll && session->step != &result);
		next(session);
	} else if (device_has_former(&session->device) && reply->status / 100 == 4) {
		undo_renewal(session);
	} else if (reply->status == 401 && strncmp(reply->challenge, "Bearer ", 7) == 0 &&
		session->device.bearer[0] != '\0') {
		session_log_in(session, reply->challenge, after_login);
	} else if (reply->status == 401 || is_unrecognized(reply)) {
		unenroll(session, reply->status);
	} else if (reply->status == 410 && channel_is_user(session->channel)) {
		refuse_user(session);
	} else {
		say_status(LOG_LEVEL_DEBUG, "refused", session, reply->status);
		fail_visit(session, reply->retry_after_s);
	}
}

static void on_reply(void *ctx, const struct net_reply *reply)
{
	struct session *session = ctx;
	bool was_last_act = session->step == &result && session->channel->unsent_erases;

	session->is_calling = false;
	if (reply->rc != RC_OK) {
		session->sim->report.failed++;
		session_say(LOG_LEVEL_DEBUG, "failed", session, reply->err.text);
	}
	if (was_last_act) {
		/* A device sends the result of its erase once and does not wait for more. */
		if (reply->rc == RC_OK)
			report_status(&session->sim->report, reply->status);
		if (reply->rc == RC_OK && reply->status == 200)
			count_result(session);
		start_anew(session, session->sim->options->away_ms);
	} else if (reply->rc != RC_OK) {
		fail_visit(session, 0);
	} else {
		on_status(session, reply);
	}
}

/* As the enrollment profile has it; NULL: by --url. */
static const char *url_of(const struct session *session)
{
	const struct management *management = session->device.management;

	if (management == NULL)
		return NULL;
	return session->step->content_type == checkin_type ? management->check_in_url
																																																				: management->server_url;
}

static void send_message(struct session *session)
{
	struct net_call call = {.method = "PUT",
		.path = session->step->path,
		.url = url_of(session),
		.content_type = session->step->content_type,
		.done = on_reply,
		.ctx = session};
	struct buf message, signature;
	struct err err = {0};
	enum rc rc;

	buf_init(&message, UNSENT_BYTES_MAX);
	buf_init(&signature, SIGNATURE_LINE_BYTES_MAX);
	rc = session->step->make(&session->device, session->channel, &message, &err);
	call.body = buf_slice(&message);
	if (rc == RC_OK && is_signing(session)) {
		rc = signature_write(&session->device, call.body, &signature, &err);
		call.header = rc == RC_OK ? buf_cstr(&signature) : NULL;
	}
	if (rc == RC_OK)
		rc = net_client_call(session->client, &call, &err);
	buf_fini(&signature);
	buf_fini(&message);
	session->is_calling = rc == RC_OK;
	if (session->step == &poll)
		session->is_woken[session->channel - session->device.channels] = false;
	if (rc != RC_OK) {
		session->sim->report.failed++;
		session_say(LOG_LEVEL_ERROR, "failed", session, err.text);
		fail_visit(session, 0);
	}
}

static void after_enrolling(struct session *session, enum rc rc)
{
	struct err err = {0};

	if (rc == RC_OK && client_make(session, &err) != RC_OK) {
		session_say(LOG_LEVEL_ERROR, "device_lost", session, err.text);
		return;
	}
	if (session->device.cert_pem.len > 0)
		next(session);
	else
		come_again_later(session, 0);
}

static void next(struct session *session)
{
	if (session_must_enroll(session))
		session_enroll(session, after_enrolling);
	else if (choose_step(session))
		send_message(session);
	else
		end_visit(session);
}

static void visit(void *ctx)
{
	struct session *session = ctx;

	if (session->original != NULL && !session_is_enrolled(session->original)) {
		come_again(session, CLONE_WAIT_MS);
		return;
	}
	memset(session->is_polled, 0, sizeof(session->is_polled));
	next(session);
}

static void on_rested(void *ctx)
{
	struct session *session = ctx;

	for (unsigned i = 0; i < session->device.channel_count; i++)
		if (session->is_resting[i])
			session_rouse(session, i);
}

void session_rouse(struct session *session, unsigned channel)
{
	const struct channel *woken = &session->device.channels[channel];

	if (woken->is_refused || woken->is_logged_out)
		return;
	session->is_woken[channel] = true;
	if (!session->is_calling && !session->device.is_unenrolled)
		net_timer_set(session->timer, 0);
}

enum rc session_start(struct session *session, struct sim *sim, int64_t delay_ms, struct err *err)
{
	enum rc rc;

	session->sim = sim;
	buf_init(&session->held, UNSENT_BYTES_MAX);
	rc = client_make(session, err);
	if (rc == RC_OK && net_timer_new(sim->loop, visit, session, &session->timer) != RC_OK)
		rc = err_set(err, RC_NO_MEMORY, "device");
	if (rc == RC_OK && net_timer_new(sim->loop, session_on_login, session, &session->login) != RC_OK)
		rc = err_set(err, RC_NO_MEMORY, "device");
	if (rc == RC_OK && net_timer_new(sim->loop, on_rested, session, &session->rest) != RC_OK)
		rc = err_set(err, RC_NO_MEMORY, "device");
	if (rc == RC_OK)
		rc = session_take_tokens(session, err);
	if (rc == RC_OK && session->device.is_unenrolled)
		session_give_up_tokens(session);
	else if (rc == RC_OK)
		net_timer_set(session->timer, delay_ms);
	if (rc == RC_OK)
		session_part_with_users(session);
	return rc;
}

bool session_is_enrolled(const struct session *session)
{
	return session->device.channels[0].is_enrolled && !session->device.is_unenrolled;
}

void session_stop(struct session *session)
{
	enroller_free(&session->enroller);
	buf_fini(&session->held);
	net_client_free(&session->client);
	net_timer_free(&session->timer);
	net_timer_free(&session->login);
	net_timer_free(&session->rest);
}
