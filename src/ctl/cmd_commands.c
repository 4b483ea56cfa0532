/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "ctl.h"

/* The commands of a device, and one command over all devices. */

static void print_rows(const struct ctl *ctl, const struct json_value *rows, bool is_by_device)
{
	static const char *const of_device[] = {"UUID", "TYPE", "STATE", "QUEUED", "SENT", "ANSWERED",
		"STATUS", NULL};
	static const char *const of_command[] = {"DEVICE", "STATE", "QUEUED", "SENT", "ANSWERED", "STATUS",
		"LATE", NULL};
	struct table *table = table_new(is_by_device ? of_device : of_command);

	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);

		table_add_json(table, row, is_by_device ? "uuid" : "id");
		if (is_by_device)
			table_add_json(table, row, "request_type");
		table_add_json(table, row, "state");
		table_add_time(table, row, "queued_at", ctl->now);
		table_add_time(table, row, "sent_at", ctl->now);
		table_add_time(table, row, "finished_at", ctl->now);
		table_add_json(table, row, json_text(row, "status")[0] != '\0' ? "status" : "why");
		if (!is_by_device)
			table_add_json(table, row, "is_late");
	}
	table_print(table, ctl->out);
	table_free(&table);
}

static void print_commands(const struct ctl *ctl, const struct json_value *json)
{
	print_rows(ctl, json_get(json, "commands"), true);
	print_more(ctl, json);
}

int cmd_commands(struct ctl *ctl, const struct args *args)
{
	const char *id = args->word_count > 0 ? args->words[0] : args_get(args, "--device");
	char path[API_PATH_BYTES_MAX];

	if (id == NULL)
		return ctl_usage(ctl, "whose commands? give the id of a device or user channel");
	if (!api_path(path, "/api/v1/devices/", id, "/commands") ||
		!api_path_add(path, "limit", args_get(args, "--limit")) ||
		!api_path_add(path, "cursor", args_get(args, "--cursor")) ||
		!api_path_add(path, "open", args_get(args, "--open") != NULL ? "true" : NULL))
		return ctl_usage(ctl, "too long");
	return api_show(ctl, "GET", path, print_commands);
}

static void print_errors(const struct ctl *ctl, const struct json_value *errors)
{
	for (size_t i = 0; i < json_count(errors); i++) {
		const struct json_value *error = json_at(errors, i);

		print_fact(ctl->out, "error", "%s %lld: %s", json_text(error, "domain"),
			(long long)json_integer(json_get(error, "code")), json_text(error, "text"));
	}
}

static void print_pretty(const struct ctl *ctl, const struct json_value *value)
{
	struct buf text, clean;

	buf_init(&text, FILE_BYTES_MAX);
	buf_init(&clean, 6 * (size_t)FILE_BYTES_MAX);
	if (json_write(value, true, &text, NULL) == RC_OK) {
		text_clean(buf_slice(&text), TEXT_FOR_JSON, &clean);
		(void)fwrite(clean.ptr, 1, clean.len, ctl->out);
	}
	buf_fini(&text);
	buf_fini(&clean);
}

static void print_result(const struct ctl *ctl, const struct json_value *json)
{
	const struct json_value *result = json_get(json, "result");

	print_json_fact(ctl, json, "id", "device");
	print_json_fact(ctl, json, "uuid", "command");
	print_json_fact(ctl, json, "request_type", "type");
	print_json_fact(ctl, json, "state", "state");
	print_json_fact(ctl, json, "status", "status");
	print_json_fact(ctl, json, "why", "why");
	print_json_fact(ctl, json, "is_late", "late");
	print_json_time(ctl, json, "queued_at", "queued");
	print_json_time(ctl, json, "sent_at", "sent");
	print_json_time(ctl, json, "notnow_at", "not now");
	print_json_time(ctl, json, "finished_at", "answered");
	print_json_time(ctl, json, "not_after", "expires");
	print_errors(ctl, json_get(json, "errors"));
	if (result != NULL && json_kind(result) == JSON_KIND_OBJECT)
		print_pretty(ctl, result);
}

static int show_result(const struct ctl *ctl, const char *uuid, const char *device)
{
	char head[API_PATH_BYTES_MAX];
	char path[API_PATH_BYTES_MAX];

	if (!api_path(head, "/api/v1/commands/", uuid, "/results/") || !api_path(path, head, device, ""))
		return ctl_usage(ctl, "the id is too long");
	return api_show(ctl, "GET", path, print_result);
}

static void print_command(const struct ctl *ctl, const struct json_value *json)
{
	static const char *const states[] = {"queued", "sent", "notnow", "done", "failed", "cancelled",
		"expired"};
	const struct json_value *by_state = json_get(json, "by_state");

	print_json_fact(ctl, json, "uuid", "command");
	print_json_fact(ctl, json, "request_type", "type");
	print_json_time(ctl, json, "created_at", "made");
	print_json_time(ctl, json, "not_after", "expires");
	for (size_t i = 0; i < COUNT_OF(states); i++)
		if (json_integer(json_get(by_state, states[i])) != 0)
			print_json_fact(ctl, by_state, states[i], states[i]);
	fprintf(ctl->out, "\n");
}

static void print_results(const struct ctl *ctl, const struct json_value *json)
{
	print_rows(ctl, json_get(json, "results"), false);
	print_more(ctl, json);
}

int cmd_command(struct ctl *ctl, const struct args *args)
{
	const char *uuid = args->words[0];
	char path[API_PATH_BYTES_MAX];
	int status;

	if (args_get(args, "--device") != NULL)
		return show_result(ctl, uuid, args_get(args, "--device"));
	if (!api_path(path, "/api/v1/commands/", uuid, ""))
		return ctl_usage(ctl, "the UUID is too long");
	status = api_show(ctl, "GET", path, print_command);
	if (status != 0 || ctl->is_json)
		return status;
	if (!api_path(path, "/api/v1/commands/", uuid, "/results") ||
		!api_path_add(path, "limit", args_get(args, "--limit")) ||
		!api_path_add(path, "cursor", args_get(args, "--cursor")))
		return ctl_usage(ctl, "too long");
	return api_show(ctl, "GET", path, print_results);
}
