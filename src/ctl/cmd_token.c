/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl.h"

int cmd_token_add(struct ctl *ctl, const struct args *args)
{
	struct json_value *body = json_new_object();
	struct answer answer;
	int status;

	json_set_str(body, "name", args->words[0]);
	status = api_call_json(ctl, "POST", "/api/v1/tokens", body, &answer);
	if (status == 0 && !answer_print_json(ctl, &answer)) {
		print_json_fact(ctl, answer.json, "token", "token");
		fprintf(ctl->err, "keep it: it is shown this once and stored as a digest only\n");
	}
	answer_fini(&answer);
	return status;
}

static void print(const struct ctl *ctl, const struct json_value *json)
{
	static const char *const columns[] = {"NAME", "MADE", "REVOKED", NULL};
	const struct json_value *rows = json_get(json, "tokens");
	struct table *table = table_new(columns);

	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);

		table_add_json(table, row, "name");
		table_add_time(table, row, "created_at", ctl->now);
		table_add_time(table, row, "revoked_at", ctl->now);
	}
	table_print(table, ctl->out);
	table_free(&table);
}

int cmd_token_list(struct ctl *ctl, const struct args *args)
{
	(void)args;
	return api_show(ctl, "GET", "/api/v1/tokens", print);
}

int cmd_token_revoke(struct ctl *ctl, const struct args *args)
{
	char path[API_PATH_BYTES_MAX];

	if (!api_path(path, "/api/v1/tokens/", args->words[0], ""))
		return ctl_usage(ctl, "the name is too long");
	return api_show(ctl, "DELETE", path, print);
}
