/* SPDX-License-Identifier: Apache-2.0 */
#include "policy.h"

#include <stdio.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/json/json.h"

#define SCHEME_UNIX "unix:"
#define SCHEME_HTTPS "https://"

enum { STATUS_OK = 200, QUESTION_VERSION = 1, BASE64_TEXT_MAX = CSR_BYTES_MAX / 3 * 4 + 8 };

static enum rc read_unix(const char *path, struct policy_target *target, struct err *err)
{
	if (path[0] != '/')
		return err_set(err, RC_INVALID, "want unix: and an absolute path");
	if (strlen(path) > POLICY_SOCKET_BYTES_MAX)
		return err_set(err, RC_INVALID, "a socket's path has at most %d bytes", POLICY_SOCKET_BYTES_MAX);
	(void)snprintf(target->unix_socket, sizeof(target->unix_socket), "%s", path);
	(void)snprintf(target->base_url, sizeof(target->base_url), "http://localhost");
	(void)snprintf(target->path, sizeof(target->path), "/");
	return RC_OK;
}

static bool is_plain(const char *url)
{
	for (; *url != '\0'; url++)
		if (*url <= ' ' || *url > '~' || *url == '#')
			return false;
	return true;
}

enum rc policy_target_read(const char *url, struct policy_target *target_r, struct err *err)
{
	const char *host = url + sizeof(SCHEME_HTTPS) - 1;
	size_t host_bytes;

	*target_r = (struct policy_target){.base_url = ""};
	if (strlen(url) > ENROLL_POLICY_URL_BYTES_MAX)
		return err_set(err, RC_INVALID, "longer than %d bytes", ENROLL_POLICY_URL_BYTES_MAX);
	if (strncmp(url, SCHEME_UNIX, sizeof(SCHEME_UNIX) - 1) == 0)
		return read_unix(url + sizeof(SCHEME_UNIX) - 1, target_r, err);
	if (strncmp(url, SCHEME_HTTPS, sizeof(SCHEME_HTTPS) - 1) != 0)
		return err_set(err, RC_INVALID, "want https://HOST/PATH, or unix:/PATH of a socket");
	host_bytes = strcspn(host, "/?");
	if (host_bytes == 0 || memchr(host, '@', host_bytes) != NULL || !is_plain(url) ||
		host[host_bytes] == '?')
		return err_set(err, RC_INVALID, "want https://HOST/PATH, without a user and without spaces");
	(void)snprintf(target_r->base_url, sizeof(target_r->base_url), "%.*s",
		(int)(sizeof(SCHEME_HTTPS) - 1 + host_bytes), url);
	(void)snprintf(target_r->path, sizeof(target_r->path), "%s",
		host[host_bytes] == '\0' ? "/" : host + host_bytes);
	return RC_OK;
}

/* --- what is asked */

static void set_text(struct json_value *object, const char *key, const char *text)
{
	json_set_str(object, key, text == NULL || text[0] == '\0' ? NULL : text);
}

static void set_csr(struct json_value *root, struct slice der)
{
	AUTO(buf_fini_secret) struct buf text;

	buf_init(&text, BASE64_TEXT_MAX);
	if (buf_reserve(&text, BASE64_TEXT_MAX) != NULL)
		base64_encode(der, &text);
	if (text.rc == RC_OK)
		json_set_slice(root, "csr", buf_slice(&text));
	else
		json_set_value(root, "csr", NULL); /* memory: the whole fails */
}

static void set_signer(struct json_value *root, const struct cert_facts *signer)
{
	char digest[SHA256_TEXT_BYTES];
	struct json_value *object;

	if (signer == NULL) {
		json_set_str(root, "renews", NULL);
		return;
	}
	object = json_set_object(root, "renews");
	sha256_text(signer->sha256, digest);
	json_set_str(object, "sha256", digest);
	json_set_str(object, "serial", signer->serial);
	json_set_str(object, "subject", signer->subject);
}

enum rc policy_question_write(const struct policy_question *question, struct buf *out,
	struct err *err)
{
	struct json_value *root = json_new_object();
	char key[SHA256_TEXT_BYTES];
	enum rc rc;

	sha256_text(question->key_sha256, key);
	json_set_int(root, "version", QUESTION_VERSION);
	json_set_str(root, "message", question->message);
	json_set_str(root, "transaction", question->transaction);
	json_set_bool(root, "renewal", question->is_renewal);
	json_set_str(root, "subject", question->subject);
	json_set_str(root, "key_sha256", key);
	set_text(root, "way", question->way);
	set_text(root, "device", question->device);
	set_text(root, "serial_number", question->serial_number);
	set_text(root, "user", question->user_name);
	json_set_slice(root, "peer", question->peer);
	set_signer(root, question->signer);
	set_csr(root, question->csr_der);
	rc = buf_reserve(out, POLICY_QUESTION_BYTES_MAX) == NULL
		? err_set(err, RC_NO_MEMORY, "policy service: question")
		: json_write(root, false, out, err);
	json_free(&root);
	return rc;
}

/* --- what it answers */

/* Cut between characters. */
static size_t cut(struct slice text, size_t max)
{
	size_t len = text.len <= max ? text.len : max;

	while (len > 0 && len < text.len && (text.ptr[len] & 0xC0) == 0x80)
		len--;
	return len;
}

static bool is_control(const char *text, size_t at)
{
	const uint8_t c = (uint8_t)text[at];

	/* C1 controls, U+0080 to U+009F, are 0xC2 and a byte below 0xA0. */
	return c < ' ' || c == 0x7F || (c == 0xC2 && (uint8_t)text[at + 1] < 0xA0);
}

static void take_reason(struct slice text, char reason[static POLICY_REASON_BYTES_MAX + 1])
{
	size_t len = cut(text, POLICY_REASON_BYTES_MAX);

	if (len > 0)
		memcpy(reason, text.ptr, len);
	reason[len] = '\0';
	for (size_t i = 0; i < len; i++) {
		if (!is_control(reason, i))
			continue;
		if ((uint8_t)reason[i] == 0xC2)
			reason[i++] = ' ';
		reason[i] = ' ';
	}
}

static enum rc take_answer(const struct json_value *root, struct policy_answer *answer,
	struct err *err)
{
	const struct json_value *decision = json_get(root, "decision");
	const struct json_value *reason = json_get(root, "reason");
	const bool is_text = decision != NULL && json_kind(decision) == JSON_KIND_STRING;

	answer->is_allowed = is_text && slice_is_str(json_string(decision), "allow");
	if (!answer->is_allowed && !(is_text && slice_is_str(json_string(decision), "deny")))
		return err_set(err, RC_INVALID,
			"policy service: its answer has no \"decision\" that is \"allow\" or \"deny\"");
	if (!answer->is_allowed && reason != NULL)
		take_reason(json_string(reason), answer->reason);
	return RC_OK;
}

enum rc policy_answer_read(unsigned status, struct slice body, struct policy_answer *answer_r,
	struct err *err)
{
	struct json_value *root = NULL;
	enum rc rc;

	*answer_r = (struct policy_answer){.is_allowed = false};
	if (status != STATUS_OK)
		return err_set(err, RC_INVALID, "policy service: HTTP status %u, want 200", status);
	if (body.len > POLICY_ANSWER_BYTES_MAX)
		return err_set(err, RC_INVALID, "policy service: its answer is larger than %d bytes",
			POLICY_ANSWER_BYTES_MAX);
	rc = json_parse(body, &root, err);
	if (rc != RC_OK)
		return rc == RC_NO_MEMORY ? rc
																												: err_set(err, RC_INVALID, "policy service: its answer is no JSON");
	rc = take_answer(root, answer_r, err);
	json_free(&root);
	return rc;
}
