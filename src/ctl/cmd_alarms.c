/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl.h"

enum { SHOWN = 1000 }; /* as many as the API gives */

static void print(const struct ctl *ctl, const struct json_value *json)
{
	static const char *const columns[] = {"KIND", "SUBJECT", "COUNT", "LAST", "TEXT", NULL};
	const struct json_value *rows = json_get(json, "alarms");
	struct table *table;

	if (json_count(rows) == 0) {
		fprintf(ctl->out, "no alarms\n");
		return;
	}
	table = table_new(columns);
	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);

		table_add_json(table, row, "kind");
		table_add_json(table, row, "subject");
		table_add_json(table, row, "count");
		table_add_time(table, row, "last_at", ctl->now);
		table_add_json(table, row, "text");
	}
	table_print(table, ctl->out);
	table_free(&table);
	if (json_count(rows) == SHOWN)
		fprintf(ctl->out, "(the latest %d; there may be more)\n", SHOWN);
}

int cmd_alarms(struct ctl *ctl, const struct args *args)
{
	char path[API_PATH_BYTES_MAX];

	(void)args;
	(void)snprintf(path, sizeof(path), "/api/v1/alarms?limit=%d", SHOWN);
	return api_show(ctl, "GET", path, print);
}

static void print_nothing(const struct ctl *ctl, const struct json_value *json)
{
	(void)ctl;
	(void)json;
}

int cmd_alarm_clear(struct ctl *ctl, const struct args *args)
{
	char head[API_PATH_BYTES_MAX];
	char path[API_PATH_BYTES_MAX];

	if (!api_path(head, "/api/v1/alarms/", args->words[0], "/") ||
		!api_path(path, head, args->words[1], ""))
		return ctl_usage(ctl, "too long");
	return api_show(ctl, "DELETE", path, print_nothing);
}
