/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl.h"

/* What stands in the way of waking it. */
static const char *waking_of(const struct json_value *row)
{
	if (json_text(row, "token_dead_at")[0] != '\0')
		return json_text(row, "inactive_at")[0] != '\0' ? "dead token, inactive" : "dead token";
	if (json_text(row, "inactive_at")[0] != '\0')
		return "inactive";
	return json_bool(json_get(row, "has_push_token")) ? "ok" : NULL;
}

static void print(const struct ctl *ctl, const struct json_value *json)
{
	static const char *const columns[] = {"ID", "KIND", "STATE", "SERIAL", "NAME", "OS", "LAST SEEN",
		"OPEN", "WAKING", NULL};
	const struct json_value *rows = json_get(json, "devices");
	struct table *table;

	if (json_count(rows) == 0) {
		fprintf(ctl->out, "no such device; one that was turned away is in `pomonactl refusals`\n");
		return;
	}
	table = table_new(columns);
	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);

		table_add_json(table, row, "id");
		table_add_json(table, row, "kind");
		table_add_json(table, row, "state");
		table_add_json(table, row, "serial_number");
		table_add_json(table, row,
			json_text(row, "device_name")[0] != '\0' ? "device_name" : "user_short_name");
		table_add_json(table, row, "os_version");
		table_add_time(table, row, "last_seen_at", ctl->now);
		table_add_json(table, row, "open_commands");
		table_add(table, waking_of(row));
	}
	table_print(table, ctl->out);
	table_free(&table);
	print_more(ctl, json);
}

int cmd_devices(struct ctl *ctl, const struct args *args)
{
	static const char *const filters[][2] = {{"--state", "state"}, {"--kind", "kind"},
		{"--serial", "serial"}, {"--activity", "activity"}, {"--renewal", "renewal"},
		{"--limit", "limit"}, {"--cursor", "cursor"}};
	char path[API_PATH_BYTES_MAX] = "/api/v1/devices";

	if (args_get(args, "--limit") == NULL && !api_path_add(path, "limit", "1000"))
		return EX_SOFTWARE;
	for (size_t i = 0; i < COUNT_OF(filters); i++)
		if (!api_path_add(path, filters[i][1], args_get(args, filters[i][0])))
			return ctl_usage(ctl, "%s is too long", filters[i][0]);
	return api_show(ctl, "GET", path, print);
}
