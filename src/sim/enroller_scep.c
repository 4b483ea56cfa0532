/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <string.h>

#include "enroller_internal.h"
#include "pomona/base/clock.h"
#include "pomona/base/file.h"

enum { CHALLENGE_BYTES_MAX = 255 };

static const struct scep_payload *payload_of(const struct enroller *enroller)
{
	return enroller->has_profile ? &enroller->profile.scep : &enroller->plain;
}

/* What failed: what the CA said, or what is wrong with that. */
static void end_scep(struct enroller *enroller, enum rc rc, const char *text)
{
	enroller_end(enroller, rc, &enroller_bad_identity, text);
}

static void ask_scep(struct enroller *enroller, const char *operation, struct slice message,
	take_fn *take)
{
	const struct scep_payload *scep = payload_of(enroller);
	struct ask ask = {.method = message.len > 0 ? "POST" : "GET",
		.content_type = message.len > 0 ? "application/x-pki-message" : NULL,
		.body = message,
		.take = take};
	size_t at;
	AUTO(buf_fini) struct buf url;

	buf_init(&url, ENROLLER_URL_BYTES_MAX);
	buf_append(&url, scep->url);
	buf_printf(&url, "%soperation=%s", slice_find_byte(scep->url, '?', &at) ? "&" : "?", operation);
	if (message.len == 0 && scep->name.len > 0) {
		buf_append_str(&url, "&message=");
		net_url_append(&url, scep->name);
	}
	ask.url = buf_cstr(&url);
	if (ask.url == NULL)
		end_scep(enroller, RC_LIMIT, "SCEP: the URL is too long");
	else
		enroller_ask(enroller, &ask);
}

static void on_cert_rep(struct enroller *enroller, const struct net_reply *reply)
{
	struct err err = {0};
	enum rc rc;

	if (reply->status != 200) {
		enroller_end_status(enroller, reply);
		return;
	}
	buf_clear(&enroller->cert_pem);
	rc = scep_client_read(enroller->scep, reply->body, &enroller->cert_pem, &err);
	if (rc == RC_OK)
		enroller_take_identity(enroller);
	else
		end_scep(enroller, rc, err.text);
}

/* A profile without a challenge lets the identity that the device has speak for the new one. */
static enum rc make_request(struct enroller *enroller, struct err *err)
{
	const struct scep_payload *scep = payload_of(enroller);
	const struct device *device = enroller->params.device;
	struct scep_client_params params = {.ca_der = buf_slice(&enroller->ca_der),
		.caps = enroller->caps,
		.subject = scep->subject,
		.common_name = device_id(device),
		.challenge = scep->challenge,
		.now = clock_unix_s(clock_system())};
	enum rc rc = RC_OK;

	if (enroller->key_pem.len == 0)
		rc = key_pool_take(enroller->params.keys, scep->key_bits, &enroller->key_pem, err);
	if (rc != RC_OK)
		return rc;
	params.key_pem = buf_slice(&enroller->key_pem);
	if (scep->challenge.len == 0 && enroller->is_renewal) {
		params.old_cert_pem = buf_slice(&device->cert_pem);
		params.old_key_pem = buf_slice(&device->key_pem);
	}
	scep_client_free(&enroller->scep);
	return scep_client_new(&params, &enroller->scep, err);
}

static void on_caps(struct enroller *enroller, const struct net_reply *reply)
{
	struct err err = {0};
	enum rc rc;

	if (reply->status == 200)
		enroller->caps = scep_caps_parse(reply->body);
	if (!scep_caps_are_enough(&enroller->caps) || !enroller->caps.has_post) {
		end_scep(enroller, RC_UNSUPPORTED,
			"SCEP: GetCACaps: the CA must have POSTPKIOperation, SHA-1 or SHA-2, and DES3 or AES");
		return;
	}
	rc = make_request(enroller, &err);
	if (rc != RC_OK)
		end_scep(enroller, rc, err.text);
	else
		ask_scep(enroller, "PKIOperation", scep_client_message(enroller->scep), on_cert_rep);
}

/* CAFingerprint: MD5 or SHA-1 in older profiles, told by its length. */
static bool is_ca_right(const struct scep_payload *scep, struct slice ca_der)
{
	static const struct {
		size_t len;
		const char *name;
	} digests[] = {{16, "MD5"}, {20, "SHA1"}, {32, "SHA256"}, {64, "SHA512"}};
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (scep->ca_digest.len == 0)
		return true;
	for (size_t i = 0; i < COUNT_OF(digests); i++)
		if (digests[i].len == scep->ca_digest.len &&
			EVP_Digest(ca_der.ptr, ca_der.len, digest, &len, EVP_get_digestbyname(digests[i].name), NULL) ==
				1)
			return slice_is_equal(slice_of(digest, len), scep->ca_digest);
	return false;
}

/* A CA that has others answer for it sends several: of these Apple's devices want usages that few give. */
static void on_ca(struct enroller *enroller, const struct net_reply *reply)
{
	if (reply->status != 200) {
		enroller_end_status(enroller, reply);
		return;
	}
	if (strcmp(reply->content_type, "application/x-x509-ca-cert") != 0) {
		end_scep(enroller, RC_UNSUPPORTED,
			"SCEP: GetCACert: not application/x-x509-ca-cert, which is the CA's certificate alone");
		return;
	}
	if (!is_ca_right(payload_of(enroller), reply->body)) {
		end_scep(enroller, RC_DENIED, "SCEP: the CA is another than CAFingerprint says");
		return;
	}
	buf_clear(&enroller->ca_der);
	buf_append(&enroller->ca_der, reply->body);
	if (enroller->ca_der.rc != RC_OK)
		end_scep(enroller, RC_LIMIT, "SCEP: GetCACert: too long");
	else
		ask_scep(enroller, "GetCACaps", slice_of(NULL, 0), on_caps);
}

void enroller_run_scep(struct enroller *enroller)
{
	ask_scep(enroller, "GetCACert", slice_of(NULL, 0), on_ca);
}

/* The line of this device, or the last one. */
static struct slice challenge_of(const struct enroller *enroller)
{
	struct slice rest = slice_trim(buf_slice(&enroller->challenges));
	struct slice line = rest;

	for (unsigned i = 0; i <= enroller->params.device->index && rest.len > 0; i++) {
		size_t end = rest.len;

		(void)slice_find_byte(rest, '\n', &end);
		line = slice_trim(slice_sub(rest, 0, end));
		rest = slice_sub(rest, end + 1, rest.len);
	}
	return line;
}

/* False: the enroller has ended. */
static bool read_challenges(struct enroller *enroller)
{
	AUTO(buf_fini) struct buf path;
	struct err err = {0};
	const char *text;

	buf_init(&path, ENROLLER_URL_BYTES_MAX);
	buf_clear(&enroller->challenges);
	text = enroller_where(enroller, &path);
	if (text != NULL && file_read(text, &enroller->challenges, &err) != RC_OK) {
		end_scep(enroller, err.rc, err.text);
		return false;
	}
	return text != NULL;
}

void enroller_begin_scep(struct enroller *enroller)
{
	struct slice base = slice_of_str(enroller->params.options->url);

	if (!read_challenges(enroller))
		return;
	while (base.len > 0 && base.ptr[base.len - 1] == '/')
		base.len--;
	buf_clear(&enroller->plain_url);
	buf_append(&enroller->plain_url, base);
	buf_append_str(&enroller->plain_url, "/scep");
	enroller->plain = (struct scep_payload){
		.url = buf_slice(&enroller->plain_url),
		.challenge = challenge_of(enroller),
		.key_bits = 2048,
	};
	if (enroller->plain.challenge.len == 0 || enroller->plain.challenge.len > CHALLENGE_BYTES_MAX)
		end_scep(enroller, RC_INVALID, "--enroll scep: no challenge of 1 to 255 bytes in its line");
	else
		enroller_run_scep(enroller);
}
