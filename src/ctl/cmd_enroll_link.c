/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "pomona/base/codec.h"
#include "pomona/base/file.h"
#include "qr.h"

/* Links by which people get their devices in, and their QR codes. */

enum { QR_FILE_MODE = 0600, USES_MAX = 100000, DIGITS_BYTES = 64 };

/* --- QR codes */

static bool has_end(const char *path, const char *end)
{
	const size_t len = strlen(path);

	return len > strlen(end) && strcmp(path + len - strlen(end), end) == 0;
}

static bool is_qr_path(const char *path)
{
	return strcmp(path, "-") == 0 || has_end(path, ".svg") || has_end(path, ".png");
}

static void write_qr(const struct ctl *ctl, const struct qr *qr, const char *path, struct buf *out)
{
	if (has_end(path, ".png"))
		qr_write_png(qr, out);
	else if (has_end(path, ".svg"))
		qr_write_svg(qr, out);
	else
		qr_write_text(qr, isatty(fileno(ctl->out)) == 1, out);
}

static int keep_qr(const struct ctl *ctl, const char *path, const struct buf *image)
{
	struct err err = {.rc = RC_OK};

	if (strcmp(path, "-") == 0)
		return fwrite(image->ptr, 1, image->len, ctl->out) == image->len
			? 0
			: ctl_fail(ctl, EX_IOERR, "the QR code cannot be written");
	if (file_replace(path, buf_slice(image), QR_FILE_MODE, &err) != RC_OK)
		return ctl_fail(ctl, EX_CANTCREAT, "%s", err.text);
	fprintf(ctl->err, "%s: who scans it has the link\n", path);
	return 0;
}

static int make_qr(const struct ctl *ctl, struct slice url, const char *path)
{
	struct err err = {.rc = RC_OK};
	struct buf image;
	struct qr qr;
	int status;

	if (qr_make(url, &qr, &err) != RC_OK)
		return ctl_fail(ctl, EX_DATAERR, "%s", err.text);
	buf_init(&image, QR_FILE_BYTES_MAX);
	write_qr(ctl, &qr, path, &image);
	if (buf_status(&image, "QR code", &err) != RC_OK)
		status = ctl_fail(ctl, EX_OSERR, "%s", err.text);
	else
		status = keep_qr(ctl, path, &image);
	buf_fini(&image);
	qr_fini(&qr);
	return status;
}

int cmd_enroll_qr(struct ctl *ctl, const struct args *args)
{
	const char *path = args_get(args, "--out");
	struct buf text;
	int status;

	if (path == NULL)
		path = "-";
	if (!is_qr_path(path))
		return ctl_usage(ctl, "--out wants a name that ends in .svg or .png, or -");
	if (strcmp(args->words[0], "-") != 0)
		return make_qr(ctl, slice_of_str(args->words[0]), path);
	buf_init(&text, FILE_BYTES_MAX);
	status = ctl_read_file(ctl, "-", &text);
	if (status == 0)
		status = make_qr(ctl, slice_trim(buf_slice(&text)), path);
	buf_fini_secret(&text);
	return status;
}

/* --- links */

static int make_body(const struct ctl *ctl, const struct args *args, struct json_value *body)
{
	const char *expires = args_get(args, "--expires");
	const char *uses = args_get(args, "--uses");
	char expires_at[TEXT_TIME_BYTES];
	int64_t number = 1;

	if (expires != NULL && !text_time_to_come(expires, ctl->now, expires_at))
		return ctl_usage(ctl, "--expires wants a time such as 12h, 7d, 26w or 2027-01-31T12:00:00Z");
	if (uses != NULL && int64_parse(slice_of_str(uses), 1, USES_MAX, &number, NULL) != RC_OK)
		return ctl_usage(ctl, "--uses wants a number from 1 to %d", USES_MAX);
	json_set_int(body, "uses_max", number);
	if (expires != NULL)
		json_set_str(body, "expires_at", expires_at);
	if (args_get(args, "--note") != NULL)
		json_set_str(body, "note", args_get(args, "--note"));
	if (args_get(args, "--user") != NULL)
		json_set_str(body, "user_name", args_get(args, "--user"));
	if (args_get(args, "--login") != NULL)
		json_set_bool(body, "needs_login", true);
	return 0;
}

static void print_link(const struct ctl *ctl, const struct answer *answer)
{
	if (answer_print_json(ctl, answer))
		return;
	print_json_fact(ctl, answer->json, "url", "link");
	print_json_fact(ctl, answer->json, "id", "id");
	print_json_fact(ctl, answer->json, "uses_max", "devices");
	print_json_time(ctl, answer->json, "expires_at", "ends");
	fprintf(ctl->err,
		"give it to whom it is for: it is shown this once and stored as a digest only\n");
}

int cmd_enroll_link(struct ctl *ctl, const struct args *args)
{
	const char *qr = args_get(args, "--qr");
	struct json_value *body;
	struct answer answer;
	int status;

	if (qr != NULL && !is_qr_path(qr))
		return ctl_usage(ctl, "--qr wants a name that ends in .svg or .png, or - for the terminal");
	if (qr != NULL && ctl->is_json && strcmp(qr, "-") == 0)
		return ctl_usage(ctl,
			"--qr - and --json both write to standard output: name a file for the code");
	body = json_new_object();
	status = make_body(ctl, args, body);
	if (status != 0) {
		json_free(&body);
		return status;
	}
	status = api_call_json(ctl, "POST", "/api/v1/enroll/invitations", body, &answer);
	if (status == 0)
		print_link(ctl, &answer);
	if (status == 0 && qr != NULL)
		status = make_qr(ctl, json_string(json_get(answer.json, "url")), qr);
	answer_fini(&answer);
	return status;
}

static void add_uses(struct table *table, const struct json_value *row)
{
	char text[DIGITS_BYTES];

	(void)snprintf(text, sizeof(text), "%lld of %lld", (long long)json_integer(json_get(row, "uses")),
		(long long)json_integer(json_get(row, "uses_max")));
	table_add(table, text);
}

/* Whom it is for. */
static const char *login_of(const struct json_value *row)
{
	if (!json_bool(json_get(row, "needs_login")))
		return "no";
	return json_text(row, "user_name")[0] != '\0' ? json_text(row, "user_name") : "yes";
}

static void print_links(const struct ctl *ctl, const struct json_value *json)
{
	static const char *const columns[] = {"ID", "STATE", "USED", "LOGIN", "MADE", "BY", "ENDS", "NOTE",
		NULL};
	const struct json_value *rows = json_get(json, "invitations");
	struct table *table = table_new(columns);

	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);

		table_add_json(table, row, "id");
		table_add_json(table, row, "state");
		add_uses(table, row);
		table_add(table, login_of(row));
		table_add_time(table, row, "created_at", ctl->now);
		table_add_json(table, row, "created_by");
		table_add_time(table, row, "expires_at", ctl->now);
		table_add_json(table, row, "note");
	}
	table_print(table, ctl->out);
	table_free(&table);
	print_more(ctl, json);
}

int cmd_enroll_links(struct ctl *ctl, const struct args *args)
{
	char path[API_PATH_BYTES_MAX] = "/api/v1/enroll/invitations";

	if (!api_path_add(path, "limit", args_get(args, "--limit")) ||
		!api_path_add(path, "cursor", args_get(args, "--cursor")))
		return ctl_usage(ctl, "too long");
	return api_show(ctl, "GET", path, print_links);
}

static void print_nothing(const struct ctl *ctl, const struct json_value *json)
{
	(void)ctl;
	(void)json;
}

int cmd_enroll_unlink(struct ctl *ctl, const struct args *args)
{
	char path[API_PATH_BYTES_MAX];

	if (!api_path(path, "/api/v1/enroll/invitations/", args->words[0], ""))
		return ctl_usage(ctl, "the id is too long");
	return api_show(ctl, "DELETE", path, print_nothing);
}
