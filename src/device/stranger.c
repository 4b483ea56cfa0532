/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>

#include "pomona/base/codec.h"
#include "pomona/identity/sender.h"

static bool is_chunked(const struct http_request *request)
{
	return http_request_header(request, "Transfer-Encoding") != NULL;
}

/* Of a length that cannot be read, http/ makes a 400. */
static bool is_large(const struct http_request *request)
{
	const char *length = http_request_header(request, "Content-Length");
	int64_t bytes;

	return length != NULL && int64_parse(slice_of_str(length), 0, INT64_MAX, &bytes, NULL) == RC_OK &&
		bytes > STRANGER_BODY_BYTES_MAX;
}

static enum refusal judge(const struct device *device, const struct held_credential *held)
{
	return sender_judge_certificate(&held->credential, clock_unix_s(device->clock));
}

size_t stranger_body_max(const struct device *device, const struct http_request *request,
	size_t limit)
{
	const struct held_credential *held = http_connection_state(request);
	bool is_bounded = limit > STRANGER_BODY_BYTES_MAX && is_chunked(request);

	if (is_bounded && (held == NULL || judge(device, held) != REFUSAL_NONE))
		return STRANGER_BODY_BYTES_MAX;
	return limit;
}

/* The store may be of no help just now: then nobody is a stranger, and it is for later. */
static void turn_away(struct device *device, struct http_request *request,
	struct held_credential *held, const struct err *err)
{
	struct message *message = message_new(device, request);
	char text[REFUSAL_TEXT_BYTES];

	if (message == NULL) {
		message_no_memory(request);
		return;
	}
	if (held == NULL) {
		message_fail(message, err);
		return;
	}
	message_hold(message, held);
	(void)snprintf(text, sizeof(text), "a body of more than %d bytes was not taken",
		STRANGER_BODY_BYTES_MAX);
	outcome_refuse(&message->outcome, judge(device, held), text);
	message_finish(message);
}

bool device_before(struct http_request *request, void *ctx)
{
	struct device *device = ctx;
	struct held_credential *held = NULL;
	struct err err = {0};

	if (!is_large(request) && !is_chunked(request))
		return true;
	if (credential_hold(device, request, &held, &err) != RC_OK)
		held = NULL;
	else if (is_chunked(request) || judge(device, held) == REFUSAL_NONE)
		return true;
	turn_away(device, request, held, &err);
	return false;
}
