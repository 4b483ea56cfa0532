/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl.h"

int cmd_token_add(struct ctl *ctl, const struct args *args)
{
	const char *role = args_get(args, "--role");
	const char *expires = args_get(args, "--expires");
	char expires_at[TEXT_TIME_BYTES];
	struct json_value *body;
	struct answer answer;
	int status;

	if (role == NULL)
		return ctl_usage(ctl, "token add wants --role viewer, operator or admin");
	if (expires != NULL && !text_time_to_come(expires, ctl->now, expires_at))
		return ctl_usage(ctl, "--expires wants a time such as 12h, 90d, 26w or 2027-01-31T12:00:00Z");
	body = json_new_object();
	json_set_str(body, "name", args->words[0]);
	json_set_str(body, "role", role);
	if (expires != NULL)
		json_set_str(body, "expires_at", expires_at);
	status = api_call_json(ctl, "POST", "/api/v1/tokens", body, &answer);
	if (status == 0 && !answer_print_json(ctl, &answer)) {
		print_json_fact(ctl, answer.json, "token", "token");
		print_json_fact(ctl, answer.json, "role", "role");
		print_json_time(ctl, answer.json, "expires_at", "ends");
		fprintf(ctl->err, "keep it: it is shown this once and stored as a digest only\n");
	}
	answer_fini(&answer);
	return status;
}

static void print(const struct ctl *ctl, const struct json_value *json)
{
	static const char *const columns[] = {"NAME", "ROLE", "MADE", "BY", "ENDS", "LAST USED", "REVOKED",
		NULL};
	const struct json_value *rows = json_get(json, "tokens");
	struct table *table = table_new(columns);

	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);

		table_add_json(table, row, "name");
		table_add_json(table, row, "role");
		table_add_time(table, row, "created_at", ctl->now);
		table_add_json(table, row, "created_by");
		table_add_time(table, row, "expires_at", ctl->now);
		table_add_time(table, row, "used_at", ctl->now);
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
