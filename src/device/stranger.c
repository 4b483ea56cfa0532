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

size_t stranger_body_max(const struct http_request *request, size_t limit)
{
	const struct held_connection *connection = http_connection_state(request);
	bool is_bounded = limit > STRANGER_BODY_BYTES_MAX && is_chunked(request);

	if (is_bounded && (connection == NULL || !connection->is_good))
		return STRANGER_BODY_BYTES_MAX;
	return limit;
}

static void turn_away(struct device *device, struct http_request *request,
	const struct shown *shown, enum refusal refusal, const char *text)
{
	struct message *message = message_new(device, request);

	if (message == NULL) {
		message_no_memory(request);
		return;
	}
	message->shown = *shown;
	outcome_refuse(&message->outcome, refusal, text);
	message_finish(message);
}

/* The store may be of no help just now: then nobody is a stranger, and it is for later. */
static void fail(struct device *device, struct http_request *request, const struct err *err)
{
	struct message *message = message_new(device, request);

	if (message == NULL)
		message_no_memory(request);
	else
		message_fail(message, err);
}

/* What the request shows, kept for the length of a chunked body. */
static enum rc look_at(struct device *device, struct http_request *request, struct shown *shown,
	struct err *err)
{
	enum rc rc = shown_read(device, request, false, shown, err);
	struct held_connection *connection = credential_connection(request);

	if (connection == NULL)
		return err_set(err, RC_NO_MEMORY, "the connection's credential");
	connection->is_good = rc == RC_OK && shown_refusal(device, shown) == REFUSAL_NONE;
	return rc;
}

bool device_before(struct http_request *request, void *ctx)
{
	static const char plain_text[] = "without TLS, and its sender is not one of [device] proxies";
	struct device *device = ctx;
	struct shown shown = {.refusal = REFUSAL_NONE};
	char text[REFUSAL_TEXT_BYTES];
	const bool is_bounded = is_large(request) || is_chunked(request);
	struct err err = {0};
	enum refusal refusal;

	if (!http_request_is_private(request)) {
		turn_away(device, request, &shown, REFUSAL_PLAIN, plain_text);
		return false;
	}
	if (!is_bounded && !http_request_is_from_stranger(request))
		return true;
	if (look_at(device, request, &shown, &err) != RC_OK) {
		if (is_bounded)
			fail(device, request, &err);
		return !is_bounded; /* the handler of a small one meets the fault itself, and can name who asks */
	}
	refusal = shown_refusal(device, &shown);
	if (refusal == REFUSAL_NONE)
		http_request_shows_device(request);
	if (refusal == REFUSAL_NONE || !is_large(request))
		return true;
	(void)snprintf(text, sizeof(text), "a body of more than %d bytes was not taken%s%.128s",
		STRANGER_BODY_BYTES_MAX, shown.text[0] == '\0' ? "" : "; ", shown.text);
	turn_away(device, request, &shown, refusal, text);
	return false;
}
