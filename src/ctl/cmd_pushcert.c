/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "ctl.h"
#include "pomona/pki/push_cert.h"
#include "push.h"

enum {
	/* each byte of a PEM may be escaped, as its line ends are; a password's as \uXXXX */
	BODY_BYTES_MAX = 2 * PUSH_CERT_PEM_BYTES_MAX + 6 * CTL_PASSWORD_BYTES_MAX + 1024,
};

/* --- set */

/* Whatever of it was read; all are secrets. */
struct upload {
	struct buf certificate, key, password;
};

static void upload_fini(struct upload *upload)
{
	buf_fini_secret(&upload->certificate);
	buf_fini_secret(&upload->key);
	buf_fini_secret(&upload->password);
}

bool pushcert_is_encrypted(struct slice pem)
{
	static const char *const marks[] = {"-----BEGIN ENCRYPTED PRIVATE KEY-----",
		"Proc-Type: 4,ENCRYPTED"};

	for (size_t i = 0; i < COUNT_OF(marks); i++)
		if (pem.len > 0 && memmem(pem.ptr, pem.len, marks[i], strlen(marks[i])) != NULL)
			return true;
	return false;
}

static int read_pem(const struct ctl *ctl, const char *path, struct buf *out)
{
	static const char mark[] = "-----BEGIN ";
	int status;

	if (buf_reserve(out, PUSH_CERT_PEM_BYTES_MAX) == NULL) /* a secret is not moved in memory */
		return ctl_fail(ctl, EX_OSERR, "too little memory");
	status = ctl_read_file(ctl, path, out);
	if (status != 0)
		return status;
	if (out->len == 0 || memmem(out->ptr, out->len, mark, strlen(mark)) == NULL)
		return ctl_fail(ctl, EX_DATAERR,
			"%s is no PEM text; `openssl pkcs12 -in FILE -out FILE.pem` makes one of a .p12, "
			"`openssl x509 -inform DER -in FILE -out FILE.pem` of a .cer",
			path);
	return 0;
}

static int read_password(const struct ctl *ctl, const struct args *args, struct upload *upload)
{
	const char *path = args_get(args, "--password-file");

	if (path != NULL)
		return ctl_read_password(ctl, path, &upload->password);
	if (!pushcert_is_encrypted(buf_slice(&upload->certificate)) &&
		!pushcert_is_encrypted(buf_slice(&upload->key)))
		return 0;
	return ctl_ask_password(ctl, "password of the private key: ", &upload->password);
}

static int read_upload(const struct ctl *ctl, const struct args *args, struct upload *upload)
{
	int status;

	buf_init(&upload->certificate, PUSH_CERT_PEM_BYTES_MAX);
	buf_init(&upload->key, PUSH_CERT_PEM_BYTES_MAX);
	buf_init(&upload->password, CTL_PASSWORD_BYTES_MAX);
	status = read_pem(ctl, args->words[0], &upload->certificate);
	if (status == 0 && args->word_count > 1)
		status = read_pem(ctl, args->words[1], &upload->key);
	if (status == 0 && upload->certificate.len + upload->key.len > PUSH_CERT_PEM_BYTES_MAX)
		return ctl_fail(ctl, EX_DATAERR, "%s and %s have %zu bytes together, want at most %d",
			args->words[0], args->words[1], upload->certificate.len + upload->key.len,
			PUSH_CERT_PEM_BYTES_MAX);
	return status == 0 ? read_password(ctl, args, upload) : status;
}

static void print_set(const struct ctl *ctl, const struct json_value *json)
{
	print_json_fact(ctl, json, "topic", "push topic");
	print_json_fact(ctl, json, "subject", "subject");
	print_json_time(ctl, json, "not_after", "ends");
	print_json_fact(ctl, json, "enrollments", "enrollments");
	print_fact(ctl->out, "what follows", "%s",
		"it is in use from now on; `pomonactl pushcert test ID` tries it with one device");
}

static int send_upload(const struct ctl *ctl, const struct upload *upload, bool is_forced,
	struct answer *answer)
{
	AUTO(json_free) struct json_value *body = json_new_object();
	AUTO(buf_fini_secret) struct buf text = {0};

	json_set_slice(body, "certificate", buf_slice(&upload->certificate));
	if (upload->key.len > 0)
		json_set_slice(body, "key", buf_slice(&upload->key));
	if (upload->password.len > 0)
		json_set_slice(body, "password", buf_slice(&upload->password));
	if (is_forced)
		json_set_bool(body, "force", true);
	buf_init(&text, BODY_BYTES_MAX);
	if (buf_reserve(&text, BODY_BYTES_MAX) == NULL || json_write(body, false, &text, NULL) != RC_OK)
		return ctl_fail(ctl, EX_OSERR, "too little memory");
	return api_call(ctl, "PUT", "/api/v1/pushcerts", buf_slice(&text), answer);
}

int cmd_pushcert_set(struct ctl *ctl, const struct args *args)
{
	const bool is_forced = args_get(args, "--force") != NULL;
	struct answer answer = {.status = 0};
	struct upload upload;
	int status = read_upload(ctl, args, &upload);

	if (status == 0)
		status = send_upload(ctl, &upload, is_forced, &answer);
	if (status == 0 && !answer_print_json(ctl, &answer))
		print_set(ctl, answer.json);
	if (answer.status == 409)
		fprintf(ctl->err, "           --force takes it all the same\n");
	if (answer.status == 400 && args->word_count == 1 &&
		slice_is_str(json_string(json_get(answer.json, "field")), "key"))
		fprintf(ctl->err, "           the key may stand in a second file: pushcert set FILE KEY\n");
	answer_fini(&answer);
	upload_fini(&upload);
	return status;
}

/* --- list, remove */

static void print_without(const struct ctl *ctl, const struct json_value *rows)
{
	for (size_t i = 0; i < json_count(rows); i++)
		print_fact(ctl->out, i == 0 ? "no certificate for" : "", "%s (%" PRId64 " enrollments)",
			json_text(json_at(rows, i), "topic"), json_integer(json_get(json_at(rows, i), "enrollments")));
}

static void print_list(const struct ctl *ctl, const struct json_value *json)
{
	static const char *const columns[] = {"TOPIC", "ENDS", "ENROLLMENTS", "STATE", "WHY", "SHA-256",
		NULL};
	const struct json_value *rows = json_get(json, "pushcerts");
	struct table *table;

	if (json_count(rows) == 0) {
		fprintf(ctl->out,
			"no push certificate: no device is woken; `pomonactl pushcert set FILE` brings one in\n");
	} else {
		table = table_new(columns);
		for (size_t i = 0; i < json_count(rows); i++) {
			const struct json_value *row = json_at(rows, i);

			table_add_json(table, row, "topic");
			table_add_time(table, row, "not_after", ctl->now);
			table_add_json(table, row, "enrollments");
			table_add_json(table, row, "state");
			table_add_json(table, row, "why");
			table_add_json(table, row, "sha256");
		}
		table_print(table, ctl->out);
		table_free(&table);
	}
	print_without(ctl, json_get(json, "topics_without"));
}

int cmd_pushcert_list(struct ctl *ctl, const struct args *args)
{
	(void)args;
	return api_show(ctl, "GET", "/api/v1/pushcerts", print_list);
}

/* How many have this topic; what the server does not list is its to refuse. */
static int count_of_topic(const struct ctl *ctl, const char *topic, int64_t *count_r)
{
	struct answer answer;
	const int status = api_call(ctl, "GET", "/api/v1/pushcerts", slice_of(NULL, 0), &answer);
	const struct json_value *rows = json_get(answer.json, "pushcerts");

	*count_r = 0;
	for (size_t i = 0; status == 0 && i < json_count(rows); i++)
		if (slice_is_str(json_string(json_get(json_at(rows, i), "topic")), topic))
			*count_r = json_integer(json_get(json_at(rows, i), "enrollments"));
	answer_fini(&answer);
	return status;
}

static int confirm_remove(const struct ctl *ctl, const struct args *args)
{
	const char *topic = args->words[0];
	char question[256];
	int64_t count = 0;
	int status;

	if (args_get(args, "--yes") != NULL)
		return 0;
	status = count_of_topic(ctl, topic, &count);
	if (status != 0 || count == 0)
		return status;
	(void)snprintf(question, sizeof(question),
		"%" PRId64 " enrollments need this certificate, and would not be woken any more. Remove it?",
		count);
	if (ctl_confirm(ctl, question))
		return 0;
	return ctl_fail(ctl, CTL_REFUSED,
		"%s: %" PRId64
		" enrollments need it, and would not be woken any more: nothing was removed; --yes "
		"removes it all the same",
		topic, count);
}

int cmd_pushcert_remove(struct ctl *ctl, const struct args *args)
{
	char path[API_PATH_BYTES_MAX];
	int status;

	if (!api_path(path, "/api/v1/pushcerts/", args->words[0], ""))
		return ctl_usage(ctl, "the topic is too long");
	status = confirm_remove(ctl, args);
	if (status != 0)
		return status;
	return api_show(ctl, "DELETE", path, print_list);
}

/* --- test */

static void print_test(const struct ctl *ctl, const struct json_value *json)
{
	static const char *const keys[][2] = {{"id", "id"}, {"answer", "answer"},
		{"status", "APNs status"}, {"reason", "reason"}, {"apns_id", "apns-id"}, {"detail", "detail"},
		{"advice", "what it means"}};

	for (size_t i = 0; i < COUNT_OF(keys); i++)
		print_json_fact(ctl, json, keys[i][0], keys[i][1]);
}

int cmd_pushcert_test(struct ctl *ctl, const struct args *args)
{
	struct json_value *body = json_new_object();
	struct answer answer;
	int status;

	json_set_str(body, "id", args->words[0]);
	status = api_call_json(ctl, "POST", "/api/v1/pushcerts/test", body, &answer);
	if (status == 0) {
		if (!answer_print_json(ctl, &answer))
			print_test(ctl, answer.json);
		if (!slice_is_str(json_string(json_get(answer.json, "answer")), "sent"))
			status = ctl_fail(ctl, CTL_REFUSED, "the push was not sent");
	}
	answer_fini(&answer);
	return status;
}
