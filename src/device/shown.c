/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdio.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/pki/cert_header.h"
#include "pomona/pki/message_signature.h"

#define SIGNATURE_HEADER "Mdm-Signature"

/* What one way of showing who one is works on. */
struct showing {
	struct device *device;
	struct http_request *request;
	struct arena *arena;
	struct device_identity_settings settings;
	bool has_body;
	const char *value; /* of the header, sent once */
	struct shown *shown;
};

struct found {
	const char *value; /* NULL: it was not sent */
	size_t count;
};

static void find(void *ctx, const char *value)
{
	struct found *found = ctx;

	found->value = value;
	found->count++;
}

static void refuse(struct showing *showing, enum refusal refusal, const char *header,
	const char *text)
{
	showing->shown->refusal = refusal;
	(void)snprintf(showing->shown->text, sizeof(showing->shown->text), "header %s: %s", header, text);
}

/* Judges it, and keeps verdict and leaf with the request. */
static enum rc hold(struct showing *showing, const struct slice *chain, size_t count,
	struct err *err)
{
	struct held_credential *held = arena_alloc(showing->arena, sizeof(*held));
	uint8_t *leaf = count == 0 ? NULL : arena_alloc(showing->arena, chain[0].len);
	enum rc rc;

	if (held == NULL || (count > 0 && leaf == NULL))
		return err_set(err, RC_NO_MEMORY, "the message's credential");
	rc = credential_judge(showing->device, chain, count, held, err);
	if (rc != RC_OK)
		return rc;
	showing->shown->held = held;
	if (leaf != NULL) {
		memcpy(leaf, chain[0].ptr, chain[0].len);
		showing->shown->leaf = slice_of(leaf, chain[0].len);
	}
	return RC_OK;
}

/* --- the header of a proxy */

static enum rc show_header(struct showing *showing, struct err *err)
{
	AUTO(buf_fini) struct buf der;
	struct slice chain[1];
	struct err fault;
	enum rc rc;

	buf_init(&der, CERT_DER_BYTES_MAX);
	rc = cert_header_parse(slice_of_str(showing->value), &der, &fault);
	if (rc == RC_NO_MEMORY)
		return err_set(err, rc, "%s", fault.text);
	if (rc != RC_OK) {
		refuse(showing, REFUSAL_CERTIFICATE_GARBLED, showing->settings.header, fault.text);
		return RC_OK;
	}
	chain[0] = buf_slice(&der);
	return hold(showing, chain, 1, err);
}

/* --- the signature of a message */

static int64_t distance(int64_t a, int64_t b)
{
	return a > b ? a - b : b - a;
}

static bool is_time_good(const struct showing *showing, const struct message_signature *signature,
	struct err *fault)
{
	int64_t skew_s = showing->settings.signing_skew_s;
	int64_t signed_at = message_signature_time(signature);
	char text[TIME_TEXT_BYTES];

	if (skew_s == 0)
		return true;
	if (signed_at == MESSAGE_SIGNATURE_NO_TIME) {
		(void)err_set(fault, RC_DENIED, "it has no time of signing, which signing_skew_s asks for");
		return false;
	}
	if (distance(signed_at, clock_unix_s(showing->device->clock)) <= skew_s)
		return true;
	time_format(signed_at, text);
	(void)err_set(fault, RC_DENIED, "signed at %s, more than signing_skew_s = %lld from now", text,
		(long long)skew_s);
	return false;
}

/* The certificate is judged first: a stranger's key is not worked with. */
static enum rc judge_signature(struct showing *showing, const struct message_signature *signature,
	struct err *err)
{
	struct slice chain[CERT_CHAIN_MAX];
	size_t count = message_signature_chain(signature, chain);
	enum rc rc = hold(showing, chain, count, err);
	struct err fault = {0};

	if (rc != RC_OK)
		return rc;
	showing->shown->refusal = shown_refusal(showing->device, showing->shown);
	if (showing->shown->refusal != REFUSAL_NONE || !showing->has_body)
		return RC_OK;
	rc = message_signature_verify(signature, http_request_body(showing->request), &fault);
	if (rc == RC_NO_MEMORY)
		return err_set(err, rc, "%s", fault.text);
	if (rc != RC_OK || !is_time_good(showing, signature, &fault))
		refuse(showing, REFUSAL_BAD_SIGNATURE, SIGNATURE_HEADER, fault.text);
	return RC_OK;
}

static enum rc show_signature(struct showing *showing, struct err *err)
{
	AUTO(message_signature_free) struct message_signature *signature = NULL;
	struct err fault;
	enum rc rc = message_signature_parse(slice_of_str(showing->value), &signature, &fault);

	if (rc == RC_NO_MEMORY)
		return err_set(err, rc, "%s", fault.text);
	if (rc == RC_OK)
		return judge_signature(showing, signature, err);
	refuse(showing, REFUSAL_BAD_SIGNATURE, SIGNATURE_HEADER, fault.text);
	return RC_OK;
}

/* --- which of them */

/* Is the header there? One that came twice has two authors: it is refused, whichever was meant. */
static bool is_header_sent(struct showing *showing, const char *header, enum refusal refusal)
{
	struct found found = {0};

	http_request_each_header(showing->request, header, find, &found);
	showing->value = found.value;
	if (found.count > 1)
		refuse(showing, refusal, header, "sent more than once");
	return found.count > 0;
}

static bool is_tls_cert_shown(struct http_request *request, struct slice *leaf_r)
{
	struct slice chain[HTTP_PEER_CERTS_MAX];

	if (http_request_peer_certs(request, chain) == 0)
		return false;
	*leaf_r = chain[0];
	return true;
}

static enum rc show_none(struct showing *showing, struct err *err)
{
	struct shown *shown = showing->shown;
	const char *header = showing->settings.header;

	if (header[0] != '\0' && http_request_header(showing->request, header) != NULL)
		(void)snprintf(shown->text, sizeof(shown->text),
			"the header %s was not believed: its sender is not one of [device] proxies", header);
	return hold(showing, NULL, 0, err);
}

static enum rc show(struct showing *showing, struct err *err)
{
	const struct device_identity_settings *settings = &showing->settings;
	struct shown *shown = showing->shown;

	if (settings->is_tls && is_tls_cert_shown(showing->request, &shown->leaf))
		return credential_hold(showing->device, showing->request, &shown->held, err);
	showing->arena = http_request_arena(showing->request);
	if (showing->arena == NULL)
		return err_set(err, RC_NO_MEMORY, "the message's credential");
	if (settings->is_signature && is_header_sent(showing, SIGNATURE_HEADER, REFUSAL_BAD_SIGNATURE))
		return shown->refusal == REFUSAL_NONE ? show_signature(showing, err) : RC_OK;
	if (settings->header[0] != '\0' && http_request_is_from_proxy(showing->request) &&
		is_header_sent(showing, settings->header, REFUSAL_CERTIFICATE_GARBLED))
		return shown->refusal == REFUSAL_NONE ? show_header(showing, err) : RC_OK;
	return show_none(showing, err);
}

enum rc shown_read(struct device *device, struct http_request *request, bool has_body,
	struct shown *shown_r, struct err *err)
{
	struct showing showing = {
		.device = device,
		.request = request,
		.settings = device_settings(device).identity,
		.has_body = has_body,
		.shown = shown_r,
	};

	*shown_r = (struct shown){.refusal = REFUSAL_NONE};
	return show(&showing, err);
}

enum refusal shown_refusal(const struct device *device, const struct shown *shown)
{
	if (shown->refusal != REFUSAL_NONE)
		return shown->refusal;
	return sender_judge_certificate(&shown->held->credential, clock_unix_s(device->clock));
}
