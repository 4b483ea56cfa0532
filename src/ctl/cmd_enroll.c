/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl.h"
#include "pomona/base/file.h"
#include "pomona/pki/cert.h"

enum { PROFILE_MODE = 0600 };

/* Whom it is for and until when. */
static struct json_value *make_body(const struct args *args, const char *expires_at)
{
	struct json_value *body = json_new_object();

	if (args_get(args, "--device") != NULL)
		json_set_str(body, "device_id", args_get(args, "--device"));
	if (args_get(args, "--serial") != NULL)
		json_set_str(body, "serial_number", args_get(args, "--serial"));
	if (expires_at != NULL)
		json_set_str(body, "expires_at", expires_at);
	return body;
}

int cmd_enroll_challenge(struct ctl *ctl, const struct args *args)
{
	const char *expires = args_get(args, "--expires");
	char expires_at[TEXT_TIME_BYTES];
	struct json_value *body;
	struct answer answer;
	int status;

	if (expires != NULL && !text_time_to_come(expires, ctl->now, expires_at))
		return ctl_usage(ctl, "--expires wants a time such as 1h, 7d or 2027-01-31T12:00:00Z");
	body = make_body(args, expires == NULL ? NULL : expires_at);
	status = api_call_json(ctl, "POST", "/api/v1/enroll/challenges", body, &answer);
	if (status == 0 && !answer_print_json(ctl, &answer)) {
		print_json_fact(ctl, answer.json, "challenge", "challenge");
		print_json_fact(ctl, answer.json, "url", "url");
		print_json_time(ctl, answer.json, "expires_at", "ends");
		fprintf(ctl->err, "give it to one device: it is shown this once and works once\n");
	}
	answer_fini(&answer);
	return status;
}

static int keep_profile(const struct ctl *ctl, const char *path, struct slice profile)
{
	struct err err = {.rc = RC_OK};

	if (slice_is_str(slice_of_str(path), "-"))
		return fwrite(profile.ptr, 1, profile.len, ctl->out) == profile.len
			? 0
			: ctl_fail(ctl, EX_IOERR, "the profile cannot be written");
	if (file_replace(path, profile, PROFILE_MODE, &err) != RC_OK)
		return ctl_fail(ctl, EX_CANTCREAT, "%s", err.text);
	fprintf(ctl->err, "%s: for one device, once; keep it as a password until then\n", path);
	return 0;
}

static int add_pkcs12(const struct ctl *ctl, const struct args *args, struct json_value *body)
{
	const char *file = args_get(args, "--password-file");
	struct json_value *pkcs12 = json_set_object(body, "pkcs12");
	struct buf password;
	int status;

	if (args_get(args, "--legacy") != NULL)
		json_set_bool(pkcs12, "legacy", true);
	if (file == NULL)
		return 0;
	status = ctl_read_password(ctl, file, &password);
	if (status == 0)
		json_set_slice(pkcs12, "password", buf_slice(&password));
	buf_fini_secret(&password);
	return status;
}

/* The certificates of the file alone: a key beside them stays here. */
static enum rc append_pem(void *ctx, struct slice der, struct err *err)
{
	(void)err;
	cert_write_pem(der, ctx);
	return RC_OK;
}

static int add_reader(const struct ctl *ctl, const char *path, struct json_value *body)
{
	struct err err = {.rc = RC_OK};
	struct buf text;
	struct buf pem;
	int status;

	buf_init(&text, FILE_BYTES_MAX);
	buf_init(&pem, FILE_BYTES_MAX);
	status = ctl_read_file(ctl, path, &text);
	if (status == 0 && cert_pem_each(buf_slice(&text), append_pem, &pem, &err) != RC_OK)
		status = ctl_fail(ctl, EX_DATAERR, "%s: %s", path, err.text);
	json_set_slice(body, "encrypt_to", buf_slice(&pem));
	buf_fini(&pem);
	buf_fini_secret(&text);
	return status;
}

static int add_identity(const struct ctl *ctl, const struct args *args, struct json_value *body)
{
	const char *identity = args_get(args, "--identity");
	const char *client = args_get(args, "--client-identifier");
	const bool is_pkcs12 =
		args_get(args, "--legacy") != NULL || args_get(args, "--password-file") != NULL;
	int status = 0;

	if (identity != NULL)
		json_set_str(body, "identity", identity);
	if (client != NULL)
		json_set_str(body, "client_identifier", client);
	if (args_get(args, "--encrypt-to") != NULL)
		status = add_reader(ctl, args_get(args, "--encrypt-to"), body);
	if (status != 0)
		return status;
	return is_pkcs12 ? add_pkcs12(ctl, args, body) : 0;
}

/* `route` makes a profile and answers with it. */
static int fetch_profile(struct ctl *ctl, const struct args *args, const char *route)
{
	const char *expires = args_get(args, "--expires");
	const char *path = args_get(args, "--out");
	char expires_at[TEXT_TIME_BYTES];
	struct json_value *body;
	struct answer answer;
	int status;

	if (path == NULL)
		return ctl_usage(ctl, "--out FILE is needed, or --out - for standard output");
	if (expires != NULL && !text_time_to_come(expires, ctl->now, expires_at))
		return ctl_usage(ctl, "--expires wants a time such as 1h, 7d or 2027-01-31T12:00:00Z");
	body = make_body(args, expires == NULL ? NULL : expires_at);
	status = add_identity(ctl, args, body);
	if (status != 0) {
		json_free(&body);
		return status;
	}
	status = api_call_json(ctl, "POST", route, body, &answer);
	if (status == 0)
		status = keep_profile(ctl, path, buf_slice(&answer.body));
	answer_fini(&answer);
	return status;
}

static size_t print_renewals(const struct ctl *ctl, const struct json_value *rows)
{
	static const char *const columns[] = {"ID", "OUTCOME", "WHY", NULL};
	struct table *table = table_new(columns);
	size_t refused = 0;

	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);

		table_add_json(table, row, "id");
		table_add_json(table, row, "outcome");
		table_add_json(table, row, "why");
		refused += !slice_is_str(json_string(json_get(row, "outcome")), "ordered");
	}
	if (!ctl->is_json)
		table_print(table, ctl->out);
	table_free(&table);
	return refused;
}

int cmd_enroll_renew(struct ctl *ctl, const struct args *args)
{
	struct json_value *body = json_new_object();
	struct json_value *ids = json_set_array(body, "ids");
	struct answer answer;
	size_t refused = 0;
	int status;

	for (size_t i = 0; i < args->word_count; i++)
		json_append_slice(ids, slice_of_str(args->words[i]));
	status = api_call_json(ctl, "POST", "/api/v1/enroll/renewals", body, &answer);
	if (status == 0) {
		(void)answer_print_json(ctl, &answer);
		refused = print_renewals(ctl, json_get(answer.json, "results"));
	}
	answer_fini(&answer);
	if (status == 0 && refused > 0)
		return ctl_fail(ctl, CTL_REFUSED, "%zu will not be renewed", refused);
	return status;
}

int cmd_enroll_profile(struct ctl *ctl, const struct args *args)
{
	return fetch_profile(ctl, args, "/api/v1/enroll/profiles");
}

int cmd_enroll_ota(struct ctl *ctl, const struct args *args)
{
	return fetch_profile(ctl, args, "/api/v1/enroll/ota");
}
