/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl.h"
#include "pomona/base/codec.h"
#include "pomona/base/file.h"
#include "pomona/pki/cert.h"

enum { PKCS12_BYTES_MAX = 1024 * 1024, DAYS_MAX = 3650 };

/* --- issue */

static int add_csr(const struct ctl *ctl, const char *path, struct json_value *body)
{
	struct buf csr;
	int status;

	buf_init(&csr, FILE_BYTES_MAX);
	status = ctl_read_file(ctl, path, &csr);
	json_set_slice(body, "csr", buf_slice(&csr));
	buf_fini(&csr);
	return status;
}

static int add_pkcs12(const struct ctl *ctl, const struct args *args, struct json_value *body)
{
	struct buf password;
	int status = ctl_read_password(ctl, args_get(args, "--password-file"), &password);

	if (status == 0) {
		struct json_value *pkcs12 = json_set_object(body, "pkcs12");

		json_set_slice(pkcs12, "password", buf_slice(&password));
		if (args_get(args, "--legacy") != NULL)
			json_set_bool(pkcs12, "legacy", true);
	}
	buf_fini_secret(&password);
	return status;
}

static int add_options(const struct ctl *ctl, const struct args *args, struct json_value *body)
{
	const char *days = args_get(args, "--days");
	int64_t number;

	if (args_get(args, "--device") != NULL)
		json_set_str(body, "device_id", args_get(args, "--device"));
	if (args_get(args, "--cn") != NULL)
		json_set_str(body, "common_name", args_get(args, "--cn"));
	if (args_get(args, "--renewal") != NULL)
		json_set_bool(body, "renewal", true);
	if (days == NULL)
		return 0;
	if (int64_parse(slice_of_str(days), 1, DAYS_MAX, &number, NULL) != RC_OK)
		return ctl_usage(ctl, "--days wants a number from 1 to %d", DAYS_MAX);
	json_set_int(body, "days", number);
	return 0;
}

static int write_file(const struct ctl *ctl, const char *path, struct slice content)
{
	struct err err = {.rc = RC_OK};

	if (file_replace(path, content, 0600, &err) != RC_OK)
		return ctl_fail(ctl, EX_CANTCREAT, "%s", err.text);
	return 0;
}

static int write_pkcs12(const struct ctl *ctl, const char *path, const struct json_value *json)
{
	struct err err = {.rc = RC_OK};
	struct buf pkcs12;
	int status;

	buf_init(&pkcs12, PKCS12_BYTES_MAX);
	if (base64_parse(json_string(json_get(json, "pkcs12")), &pkcs12, &err) == RC_OK)
		status = write_file(ctl, path, buf_slice(&pkcs12));
	else
		status = ctl_fail(ctl, CTL_REFUSED, "the answer holds no PKCS#12: %s", err.text);
	buf_fini_secret(&pkcs12);
	return status;
}

static int take_answer(const struct ctl *ctl, const struct args *args, const struct answer *answer)
{
	const char *p12 = args_get(args, "--p12");
	const char *out = args_get(args, "--out");
	const struct slice certificate = json_string(json_get(answer->json, "certificate"));
	int status = 0;

	if (p12 != NULL)
		status = write_pkcs12(ctl, p12, answer->json);
	if (status == 0 && out != NULL)
		status = write_file(ctl, out, certificate);
	if (status != 0 || answer_print_json(ctl, answer))
		return status;
	if (p12 == NULL && out == NULL) {
		(void)fwrite(certificate.ptr, 1, certificate.len, ctl->out);
		return 0;
	}
	print_fact(ctl->out, "written", "%s", p12 != NULL ? p12 : out);
	print_json_fact(ctl, answer->json, "subject", "subject");
	print_json_time(ctl, answer->json, "not_after", "ends");
	print_json_fact(ctl, answer->json, "sha256", "SHA-256");
	return 0;
}

static int check_options(const struct ctl *ctl, const struct args *args)
{
	const bool is_p12 = args_get(args, "--p12") != NULL;

	if (is_p12 == (args_get(args, "--csr") != NULL))
		return ctl_usage(ctl, "give either --csr or --p12");
	if (is_p12 != (args_get(args, "--password-file") != NULL))
		return ctl_usage(ctl, "--p12 and --password-file go together");
	if (!is_p12 && args_get(args, "--legacy") != NULL)
		return ctl_usage(ctl, "--legacy is for --p12");
	return 0;
}

int cmd_identity_issue(struct ctl *ctl, const struct args *args)
{
	const char *csr = args_get(args, "--csr");
	int status = check_options(ctl, args);
	struct json_value *body;
	struct answer answer;

	if (status != 0)
		return status;
	body = json_new_object();
	if (csr != NULL)
		status = add_csr(ctl, csr, body);
	else
		status = add_pkcs12(ctl, args, body);
	if (status == 0)
		status = add_options(ctl, args, body);
	if (status != 0) {
		json_free(&body);
		return status;
	}
	status = api_call_json(ctl, "POST", "/api/v1/identities", body, &answer);
	if (status == 0)
		status = take_answer(ctl, args, &answer);
	answer_fini(&answer);
	return status;
}

/* --- list and revoke */

static void print_list(const struct ctl *ctl, const struct json_value *json)
{
	static const char *const columns[] = {"SUBJECT", "DEVICE", "ISSUED FOR", "OURS", "ENDS", "REVOKED",
		"SHA-256", NULL};
	const struct json_value *rows = json_get(json, "identities");
	struct table *table = table_new(columns);

	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);

		table_add_json(table, row, "subject");
		table_add_json(table, row, "owner");
		table_add_json(table, row, "issued_for");
		table_add_json(table, row, "is_ours");
		table_add_time(table, row, "not_after", ctl->now);
		table_add_time(table, row, "revoked_at", ctl->now);
		table_add_json(table, row, "sha256");
	}
	table_print(table, ctl->out);
	table_free(&table);
	print_more(ctl, json);
}

int cmd_identity_list(struct ctl *ctl, const struct args *args)
{
	char path[API_PATH_BYTES_MAX] = "/api/v1/identities";

	if (!api_path_add(path, "limit", args_get(args, "--limit")) ||
		!api_path_add(path, "cursor", args_get(args, "--cursor")))
		return ctl_usage(ctl, "too long");
	return api_show(ctl, "GET", path, print_list);
}

static void print_revoked(const struct ctl *ctl, const struct json_value *json)
{
	print_json_fact(ctl, json, "sha256", "revoked");
	print_json_fact(ctl, json, "message", "what follows");
	print_json_fact(ctl, json, "others_revoked", "others that came of it, revoked too");
	print_json_fact(ctl, json, "renewed_by", "the one that took its place");
}

/* --- the certificate of a file, which the server need not know yet */

struct file_cert {
	struct cert_facts facts;
	struct buf pem; /* it alone: a key beside it stays here */
	size_t count;
};

static enum rc take_cert(void *ctx, struct slice der, struct err *err)
{
	struct file_cert *cert = ctx;

	if (cert->count++ > 0)
		return err_set(err, RC_INVALID, "more than one certificate");
	cert_write_pem(der, &cert->pem);
	return cert_read_facts(der, &cert->facts, err);
}

static int read_cert(const struct ctl *ctl, const char *path, struct json_value *body,
	char digest[static SHA256_TEXT_BYTES])
{
	struct file_cert cert = {.count = 0};
	struct err err = {.rc = RC_OK};
	struct buf text;
	int status;

	buf_init(&cert.pem, FILE_BYTES_MAX);
	buf_init(&text, FILE_BYTES_MAX);
	status = ctl_read_file(ctl, path, &text);
	if (status == 0 && cert_pem_each(buf_slice(&text), take_cert, &cert, &err) != RC_OK)
		status = ctl_fail(ctl, EX_DATAERR, "%s: %s", path, err.text);
	if (status == 0) {
		sha256_text(cert.facts.sha256, digest);
		json_set_slice(body, "certificate", buf_slice(&cert.pem));
	}
	buf_fini(&cert.pem);
	buf_fini_secret(&text);
	return status;
}

static int revoke_file(struct ctl *ctl, const char *file)
{
	struct json_value *body = json_new_object();
	char path[API_PATH_BYTES_MAX];
	char digest[SHA256_TEXT_BYTES];
	struct answer answer;
	int status = read_cert(ctl, file, body, digest);

	if (status != 0 || !api_path(path, "/api/v1/identities/", digest, "/revoke")) {
		json_free(&body);
		return status;
	}
	status = api_call_json(ctl, "POST", path, body, &answer);
	if (status == 0 && !answer_print_json(ctl, &answer))
		print_revoked(ctl, answer.json);
	answer_fini(&answer);
	return status;
}

int cmd_identity_revoke(struct ctl *ctl, const struct args *args)
{
	const char *file = args_get(args, "--cert");
	char path[API_PATH_BYTES_MAX];

	if ((file != NULL) == (args->words[0] != NULL))
		return ctl_usage(ctl, "give either a SHA-256 or --cert");
	if (file != NULL)
		return revoke_file(ctl, file);
	if (!api_path(path, "/api/v1/identities/", args->words[0], "/revoke"))
		return ctl_usage(ctl, "the SHA-256 is too long");
	return api_show(ctl, "POST", path, print_revoked);
}
