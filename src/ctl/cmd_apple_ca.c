/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "ctl.h"
#include "pomona/base/codec.h"
#include "pomona/pki/apple_chain.h"

/* The certificates of Apple's that devices are known by. */

#define FINGERPRINT "--fingerprint"

enum { DER_SEQUENCE = 0x30, FINGERPRINTS_MAX = 64 };

static void print(const struct ctl *ctl, const struct json_value *json)
{
	static const char *const columns[] = {"SUBJECT", "ENDS", "KNOWN AS", "SHA-256", NULL};
	const struct json_value *rows = json_get(json, "apple_cas");
	struct table *table = table_new(columns);

	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);

		table_add_json(table, row, "subject");
		table_add_time(table, row, "not_after", ctl->now);
		table_add_json(table, row, "known_as");
		table_add_json(table, row, "sha256");
	}
	table_print(table, ctl->out);
	table_free(&table);
}

int cmd_apple_ca_list(struct ctl *ctl, const struct args *args)
{
	(void)args;
	return api_show(ctl, "GET", "/api/v1/apple-cas", print);
}

/* --- importing */

struct import {
	char given[FINGERPRINTS_MAX][SHA256_TEXT_BYTES]; /* by the command line, or confirmed */
	size_t given_count;
	struct cert_facts facts[APPLE_CERTS_MAX]; /* of the file's certificates */
	size_t count;
	struct buf pem;
};

/* As people copy it: with colons, in capitals. */
static bool read_fingerprint(const char *text, char out[static SHA256_TEXT_BYTES])
{
	static const char digits[] = "0123456789abcdefABCDEF";
	uint8_t sha256[SHA256_BYTES];
	size_t len = 0;

	for (; *text != '\0'; text++) {
		if (*text == ':' || *text == ' ')
			continue;
		if (strchr(digits, *text) == NULL || len == SHA256_TEXT_BYTES - 1)
			return false;
		out[len++] = *text;
	}
	if (hex_parse(slice_of(out, len), sha256, SHA256_BYTES, NULL) != RC_OK)
		return false;
	sha256_text(sha256, out); /* in small letters */
	return true;
}

static bool read_fingerprints(struct import *import, const struct args *args)
{
	for (size_t i = 0; i < args->option_count; i++) {
		if (strcmp(args->options[i].name, FINGERPRINT) != 0)
			continue;
		if (import->given_count == FINGERPRINTS_MAX ||
			!read_fingerprint(args->options[i].value, import->given[import->given_count]))
			return false;
		import->given_count++;
	}
	return true;
}

static bool is_given(const struct import *import, const char *hex)
{
	for (size_t i = 0; i < import->given_count; i++)
		if (strcmp(import->given[i], hex) == 0)
			return true;
	return false;
}

static enum rc take_cert(void *ctx, struct slice der, struct err *err)
{
	struct import *import = ctx;

	if (import->count == APPLE_CERTS_MAX)
		return err_set(err, RC_LIMIT, "more than %d certificates", APPLE_CERTS_MAX);
	return apple_cert_check(der, &import->facts[import->count++], err);
}

/* PEM, or one certificate in DER, as Apple offers its own. */
static int read_file(const struct ctl *ctl, const char *path, struct import *import)
{
	AUTO(buf_fini) struct buf file;
	struct err err = {.rc = RC_OK};
	int status;

	buf_init(&file, FILE_BYTES_MAX);
	status = ctl_read_file(ctl, path, &file);
	if (status != 0)
		return status;
	if (file.len > 0 && buf_slice(&file).ptr[0] == DER_SEQUENCE)
		cert_write_pem(buf_slice(&file), &import->pem);
	else
		buf_append(&import->pem, buf_slice(&file));
	if (import->pem.rc != RC_OK)
		return ctl_fail(ctl, EX_OSERR, "too little memory");
	if (cert_pem_each(buf_slice(&import->pem), take_cert, import, &err) != RC_OK)
		return ctl_fail(ctl, EX_DATAERR, "%s: %s", path, err.text);
	return 0;
}

/* A stranger's certificate, once imported, lets strangers' devices in: somebody has to have looked at it. */
static bool is_confirmed(const struct ctl *ctl, const struct cert_facts *facts, const char *hex)
{
	fprintf(ctl->err, "not known as Apple's:\n");
	print_fact(ctl->err, "subject", "%s", facts->subject);
	print_fact(ctl->err, "issuer", "%s", facts->issuer);
	print_fact(ctl->err, "SHA-256", "%s", hex);
	return ctl_confirm(ctl,
		"Is this its fingerprint where Apple publishes it, and shall it be imported?");
}

static int look_at(const struct ctl *ctl, struct import *import)
{
	char hex[SHA256_TEXT_BYTES];

	for (size_t i = 0; i < import->count; i++) {
		sha256_text(import->facts[i].sha256, hex);
		if (apple_cert_name(import->facts[i].sha256) != NULL || is_given(import, hex))
			continue;
		if (!is_confirmed(ctl, &import->facts[i], hex))
			return ctl_fail(ctl, CTL_REFUSED,
				"nothing is imported: check the fingerprint and name it with " FINGERPRINT);
		if (import->given_count == FINGERPRINTS_MAX)
			return ctl_usage(ctl, "too many fingerprints");
		memcpy(import->given[import->given_count++], hex, sizeof(hex));
	}
	return 0;
}

static int send(const struct ctl *ctl, const struct import *import)
{
	struct json_value *body = json_new_object();
	struct json_value *fingerprints = json_set_array(body, "fingerprints");
	struct answer answer;
	int status;

	json_set_slice(body, "pem", buf_slice(&import->pem));
	for (size_t i = 0; i < import->given_count; i++)
		json_append_slice(fingerprints, slice_of_str(import->given[i]));
	status = api_call_json(ctl, "POST", "/api/v1/apple-cas", body, &answer);
	if (status == 0 && !answer_print_json(ctl, &answer))
		print(ctl, answer.json);
	answer_fini(&answer);
	return status;
}

int cmd_apple_ca_import(struct ctl *ctl, const struct args *args)
{
	struct import import = {.count = 0};
	int status;

	if (!read_fingerprints(&import, args))
		return ctl_usage(ctl, FINGERPRINT " wants a SHA-256: 64 hex digits, with colons or without");
	buf_init(&import.pem, FILE_BYTES_MAX);
	status = read_file(ctl, args->words[0], &import);
	if (status == 0)
		status = look_at(ctl, &import);
	if (status == 0)
		status = send(ctl, &import);
	buf_fini(&import.pem);
	return status;
}

int cmd_apple_ca_remove(struct ctl *ctl, const struct args *args)
{
	char path[API_PATH_BYTES_MAX];

	if (!api_path(path, "/api/v1/apple-cas/", args->words[0], ""))
		return ctl_usage(ctl, "the SHA-256 is too long");
	return api_show(ctl, "DELETE", path, print);
}
