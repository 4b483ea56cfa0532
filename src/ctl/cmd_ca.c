/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl.h"

static void print(const struct ctl *ctl, const struct json_value *json)
{
	static const char *const columns[] = {"SUBJECT", "ENDS", "OWN", "SHA-256", NULL};
	const struct json_value *rows = json_get(json, "cas");
	struct table *table = table_new(columns);

	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);

		table_add_json(table, row, "subject");
		table_add_time(table, row, "not_after", ctl->now);
		table_add_json(table, row, "is_own");
		table_add_json(table, row, "sha256");
	}
	table_print(table, ctl->out);
	table_free(&table);
}

int cmd_ca_list(struct ctl *ctl, const struct args *args)
{
	(void)args;
	return api_show(ctl, "GET", "/api/v1/cas", print);
}

int cmd_ca_add(struct ctl *ctl, const struct args *args)
{
	struct json_value *body = json_new_object();
	struct answer answer;
	struct buf pem;
	int status;

	buf_init(&pem, FILE_BYTES_MAX);
	status = ctl_read_file(ctl, args->words[0], &pem);
	json_set_slice(body, "pem", buf_slice(&pem));
	buf_fini(&pem);
	if (status != 0) {
		json_free(&body);
		return status;
	}
	status = api_call_json(ctl, "POST", "/api/v1/cas", body, &answer);
	if (status == 0 && !answer_print_json(ctl, &answer))
		print(ctl, answer.json);
	answer_fini(&answer);
	return status;
}

int cmd_ca_remove(struct ctl *ctl, const struct args *args)
{
	char path[API_PATH_BYTES_MAX];

	if (!api_path(path, "/api/v1/cas/", args->words[0], ""))
		return ctl_usage(ctl, "the SHA-256 is too long");
	return api_show(ctl, "DELETE", path, print);
}
