/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "pomona/base/log.h"

#define RETRY_AFTER_S "5"
#define TEXT_PLAIN "text/plain; charset=UTF-8"

static struct slice claimed_id(const struct message *message)
{
	const struct claim *claim = message_claim(message);

	return claim == NULL ? slice_of(NULL, 0) : claim->ext_id;
}

static int64_t ms_since(const struct device *device, const struct http_request *request)
{
	return (clock_monotonic_us(device->clock) - http_request_started_us(request)) / 1000;
}

static void copy_text(char *out, size_t out_size, struct slice text)
{
	size_t len = text.len < out_size ? text.len : out_size - 1;

	if (len > 0)
		memcpy(out, text.ptr, len);
	out[len] = '\0';
}

/* NULL leaves a field out of the log. */
static const char *known(const char *text)
{
	return text[0] == '\0' ? NULL : text;
}

static void log_refusal(struct device *device, const struct http_request *request,
	const struct refusal_entry *entry)
{
	if (!log_limit_take(device->refused_lines, entry->refusal, clock_monotonic_us(device->clock)))
		return;
	log_warning("refused", LOG_STR("request", http_request_id(request)),
		LOG_STR("reason", refusal_name(entry->refusal)),
		LOG_INT("status", refusal_http_status(entry->refusal)), LOG_STR("message", known(entry->message)),
		LOG_STR("device", known(entry->claimed_id)), LOG_STR("certificate", known(entry->cert_subject)),
		LOG_STR("peer", entry->peer), LOG_STR("text", known(entry->text)),
		LOG_INT("ms", ms_since(device, request)));
}

/* "192.0.2.1 via 10.0.0.1:5000" where a proxy says who asks, else the peer. */
static void write_peer(const struct http_request *request, char out[static REFUSAL_PEER_BYTES])
{
	const char *peer = http_request_peer(request);
	char client[HTTP_ADDRESS_BYTES];

	if (http_request_client(request, client))
		(void)snprintf(out, REFUSAL_PEER_BYTES, "%s via %s", client, peer);
	else
		(void)snprintf(out, REFUSAL_PEER_BYTES, "%s", peer);
}

static void keep(struct device *device, const struct http_request *request,
	struct refusal_entry *entry)
{
	entry->at = clock_unix_s(device->clock);
	write_peer(request, entry->peer);
	refusal_log_add(device->refusals, entry);
	log_refusal(device, request, entry);
}

static void describe_certificate(struct message *message, struct refusal_entry *entry)
{
	const struct cert_facts *facts;

	if (message->shown.held == NULL)
		return;
	credential_read_names(message->shown.held, message->shown.leaf);
	facts = &message->shown.held->credential.facts;
	memcpy(entry->cert_sha256, facts->sha256, SHA256_BYTES);
	copy_text(entry->cert_subject, sizeof(entry->cert_subject), slice_of_str(facts->subject));
}

static void keep_refusal(struct message *message, enum refusal refusal, const char *text)
{
	struct refusal_entry entry = {.refusal = refusal};

	copy_text(entry.text, sizeof(entry.text), slice_of_str(text));
	copy_text(entry.claimed_id, sizeof(entry.claimed_id), claimed_id(message));
	copy_text(entry.message, sizeof(entry.message), slice_of_str(message_name(message)));
	describe_certificate(message, &entry);
	keep(message->device, message->request, &entry);
}

void report_too_large(struct device *device, const struct http_request *request)
{
	struct refusal_entry entry = {.refusal = REFUSAL_TOO_LARGE};

	(void)snprintf(entry.text, sizeof(entry.text), "Content-Length is %s",
		http_request_header(request, "Content-Length"));
	keep(device, request, &entry);
}

void report_hidden_refusals(struct device *device)
{
	int64_t now_us = clock_monotonic_us(device->clock);

	for (unsigned i = 0; i < REFUSAL_COUNT; i++) {
		uint64_t hidden = log_limit_hidden(device->refused_lines, i, now_us);

		if (hidden > 0)
			log_warning("refusals_not_logged", LOG_STR("reason", refusal_name((enum refusal)i)),
				LOG_INT("count", hidden));
	}
}

static void count_unknown(const struct message *message)
{
	const char *event = message->outcome.event;

	if (event != NULL && strcmp(event, "result_unknown") == 0)
		atomic_fetch_add(&message->device->results_unknown, 1);
}

/* A poll is no event, unless it led to one. */
static void log_event(const struct message *message)
{
	const char *event = message->outcome.event;

	LOG_AT(event == NULL ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, event == NULL ? "polled" : event,
		LOG_STR("request", http_request_id(message->request)), LOG_SLICE("device", claimed_id(message)),
		LOG_STR("message", message_name(message)), LOG_INT("status", message->outcome.http_status),
		LOG_INT("ms", ms_since(message->device, message->request)));
}

/* One line: the reason's word and what exactly was wrong. */
static void reply_refusal(struct http_request *request, unsigned status, enum refusal refusal,
	const char *text)
{
	char body[REFUSAL_TEXT_BYTES + 64];
	const char *colon = text[0] == '\0' ? "" : ": ";
	int len = snprintf(body, sizeof(body), "%s%s%s\n", refusal_name(refusal), colon, text);

	if (status == 503)
		http_reply_header(request, "Retry-After", RETRY_AFTER_S);
	http_reply_copy(request, status, TEXT_PLAIN, slice_of(body, (size_t)len));
}

static const enum push_contact_kind contact_kinds[] = {
	[OUTCOME_CONTACT_MESSAGE] = PUSH_CONTACT_MESSAGE,
	[OUTCOME_CONTACT_DRAINED] = PUSH_CONTACT_DRAINED,
	[OUTCOME_CONTACT_RESTING] = PUSH_CONTACT_RESTING,
	[OUTCOME_CONTACT_HELD] = PUSH_CONTACT_HELD,
	[OUTCOME_CONTACT_TOKEN] = PUSH_CONTACT_TOKEN,
};

/* Before the reply: the device's next message is then told after this one. */
static void tell_push(const struct message *message)
{
	const struct outcome *outcome = &message->outcome;
	struct push_contact contact;

	if (message->device->push == NULL || outcome->contact == OUTCOME_CONTACT_NONE ||
		outcome->refusal != REFUSAL_NONE)
		return;
	contact = (struct push_contact){
		.enrollment_id = outcome->channel_id,
		.kind = contact_kinds[outcome->contact],
		.seen_seq = outcome->seen_seq,
	};
	push_contact(message->device->push, &contact);
}

/*
 * A 401 without its challenge would end the device's management. False: there is none, and it must not be a 401. A header
 * that memory is too short for closes the connection instead (http.h).
 */
static bool add_challenge(const struct message *message)
{
	const struct device *device = message->device;
	char challenge[DEVICE_CHALLENGE_BYTES] = "";

	if (message->outcome.refusal != REFUSAL_LOGIN_REQUIRED)
		return true;
	if (device->login_challenge != NULL)
		device->login_challenge(device->login_ctx, challenge);
	if (challenge[0] == '\0')
		return false;
	http_reply_header(message->request, "WWW-Authenticate", challenge);
	return true;
}

void message_finish(struct message *message)
{
	struct outcome *outcome = &message->outcome;
	struct device *device = message->device;

	if (outcome->channel_id != 0)
		(void)presence_note(device->presence, outcome->channel_id, clock_unix_s(device->clock));
	tell_push(message);
	if (outcome->refusal != REFUSAL_NONE) {
		keep_refusal(message, outcome->refusal, outcome->text);
		if (!add_challenge(message))
			outcome->http_status = refusal_http_status(REFUSAL_STORE);
		reply_refusal(message->request, outcome->http_status, outcome->refusal, outcome->text);
	} else {
		if (outcome->channel_id != 0)
			http_request_is_accepted(message->request);
		count_unknown(message);
		log_event(message);
		http_reply(message->request, outcome->http_status, outcome->content_type, &outcome->body);
	}
	outcome_fini(outcome);
}

void message_fail(struct message *message, const struct err *err)
{
	keep_refusal(message, REFUSAL_STORE, err->text);
	outcome_fini(&message->outcome);
	reply_refusal(message->request, refusal_http_status(REFUSAL_STORE), REFUSAL_STORE,
		"try again later");
}
