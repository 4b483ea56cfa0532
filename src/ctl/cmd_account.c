/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl.h"

static void print_devices(const struct ctl *ctl, const struct json_value *json)
{
	static const char *const columns[] = {"USER", "ACCOUNT", "MODE", "DEVICE", "SINCE", "LOGGED IN",
		"UNTIL", NULL};
	const struct json_value *rows = json_get(json, "accounts");
	struct table *table = table_new(columns);

	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);

		table_add_json(table, row, "user");
		table_add_json(table, row, "managed_apple_account");
		table_add_json(table, row, "mode");
		table_add_json(table, row, "device_id");
		table_add_time(table, row, "created_at", ctl->now);
		table_add_json(table, row, "is_logged_in");
		table_add_time(table, row, "login_ends_at", ctl->now);
	}
	table_print(table, ctl->out);
	table_free(&table);
	print_more(ctl, json);
}

int cmd_user_devices(struct ctl *ctl, const struct args *args)
{
	char path[API_PATH_BYTES_MAX] = "/api/v1/accounts";

	if (!api_path_add(path, "user", args_get(args, "--user")) ||
		!api_path_add(path, "limit", args_get(args, "--limit")) ||
		!api_path_add(path, "cursor", args_get(args, "--cursor")))
		return ctl_usage(ctl, "too long");
	return api_show(ctl, "GET", path, print_devices);
}

int cmd_user_logout(struct ctl *ctl, const struct args *args)
{
	const char *device = args_get(args, "--device");
	struct json_value *body;
	struct answer answer;
	int status;

	if ((device != NULL) == (args->words[0] != NULL))
		return ctl_usage(ctl, "give either a NAME or --device ID");
	body = json_new_object();
	json_set_str(body, device != NULL ? "device_id" : "user",
		device != NULL ? device : args->words[0]);
	status = api_call_json(ctl, "POST", "/api/v1/accounts/logout", body, &answer);
	if (status == 0 && !answer_print_json(ctl, &answer))
		print_json_fact(ctl, answer.json, "ended", "ended");
	answer_fini(&answer);
	return status;
}
