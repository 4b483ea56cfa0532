/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl.h"

static const struct {
	const char *key, *label;
	bool is_time;
} facts[] = {
	{"id", "id", false},
	{"kind", "kind", false},
	{"state", "state", false},
	{"device_id", "device", false},
	{"serial_number", "serial number", false},
	{"device_name", "name", false},
	{"model", "model", false},
	{"model_name", "model name", false},
	{"product_name", "product", false},
	{"os_version", "OS version", false},
	{"build_version", "build", false},
	{"imei", "IMEI", false},
	{"meid", "MEID", false},
	{"user_short_name", "user", false},
	{"user_long_name", "user's name", false},
	{"topic", "push topic", false},
	{"created_at", "known since", true},
	{"enrolled_at", "enrolled", true},
	{"last_seen_at", "last seen", true},
	{"inactive_at", "inactive", true},
	{"token_updated_at", "push token", true},
	{"ended_at", "ended", true},
	{"is_reenrolling", "enrolling anew", false},
	{"is_awaiting_configuration", "awaits configuration", false},
	{"has_unlock_token", "unlock token kept", false},
	{"has_bootstrap_token", "bootstrap token kept", false},
	{"open_commands", "open commands", false},
};

static void print_users(const struct ctl *ctl, const struct json_value *rows)
{
	static const char *const columns[] = {"USER CHANNEL", "STATE", "USER", "LAST SEEN", "OPEN", NULL};
	struct table *table;

	if (rows == NULL || json_count(rows) == 0)
		return;
	table = table_new(columns);
	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);

		table_add_json(table, row, "id");
		table_add_json(table, row, "state");
		table_add_json(table, row, "user_short_name");
		table_add_time(table, row, "last_seen_at", ctl->now);
		table_add_json(table, row, "open_commands");
	}
	fprintf(ctl->out, "\n");
	table_print(table, ctl->out);
	table_free(&table);
}

static void print_commands(const struct ctl *ctl, const struct json_value *rows)
{
	static const char *const columns[] = {"OPEN COMMAND", "TYPE", "STATE", "QUEUED", NULL};
	struct table *table;

	if (rows == NULL || json_count(rows) == 0)
		return;
	table = table_new(columns);
	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);

		table_add_json(table, row, "uuid");
		table_add_json(table, row, "request_type");
		table_add_json(table, row, "state");
		table_add_time(table, row, "queued_at", ctl->now);
	}
	fprintf(ctl->out, "\n");
	table_print(table, ctl->out);
	table_free(&table);
}

static void print_push(const struct ctl *ctl, const struct json_value *push)
{
	print_json_time(ctl, push, "token_dead_at", "push token dead");
	print_json_time(ctl, push, "last_push_at", "last push");
	if (json_text(push, "last_outcome_at")[0] == '\0')
		return;
	print_json_time(ctl, push, "last_outcome_at", "last push outcome");
	print_json_fact(ctl, push, "status", "APNs status");
	print_json_fact(ctl, push, "reason", "APNs reason");
	print_json_fact(ctl, push, "apns_id", "apns-id");
	print_json_fact(ctl, push, "tries", "pushes since contact");
	print_json_fact(ctl, push, "advice", "what it means");
}

static void print_renewal(const struct ctl *ctl, const struct json_value *renewal)
{
	if (renewal == NULL || json_kind(renewal) != JSON_KIND_OBJECT)
		return;
	print_json_fact(ctl, renewal, "state", "renewal");
	print_json_time(ctl, renewal, "due_at", "renewal due");
	print_json_fact(ctl, renewal, "why", "renewal because");
	print_json_time(ctl, renewal, "next_at", "renewal again");
}

static void print_device(const struct ctl *ctl, const struct json_value *json)
{
	const struct json_value *identity = json_get(json, "identity");

	for (size_t i = 0; i < COUNT_OF(facts); i++)
		(facts[i].is_time ? print_json_time : print_json_fact)(ctl, json, facts[i].key, facts[i].label);
	if (identity != NULL && json_kind(identity) == JSON_KIND_OBJECT) {
		print_json_fact(ctl, identity, "sha256", "certificate SHA-256");
		print_json_time(ctl, identity, "not_after", "certificate ends");
	}
	print_renewal(ctl, json_get(json, "renewal"));
	print_push(ctl, json_get(json, "push"));
	print_users(ctl, json_get(json, "users"));
	print_commands(ctl, json_get(json, "commands"));
}

static void print_order(const struct ctl *ctl, const struct json_value *json)
{
	print_json_fact(ctl, json, "id", "id");
	print_json_fact(ctl, json, "state", "state");
	print_json_fact(ctl, json, "message", "what follows");
}

static int show(const struct ctl *ctl, const struct args *args, const char *method,
	const char *tail, void (*print)(const struct ctl *ctl, const struct json_value *json))
{
	char path[API_PATH_BYTES_MAX];

	if (!api_path(path, "/api/v1/devices/", args->words[0], tail))
		return ctl_usage(ctl, "the id is too long");
	return api_show(ctl, method, path, print);
}

int cmd_device_show(struct ctl *ctl, const struct args *args)
{
	return show(ctl, args, "GET", "", print_device);
}

int cmd_device_unenroll(struct ctl *ctl, const struct args *args)
{
	return show(ctl, args, "POST", "/unenroll", print_order);
}

int cmd_device_keep(struct ctl *ctl, const struct args *args)
{
	return show(ctl, args, "DELETE", "/unenroll", print_order);
}

int cmd_device_forget(struct ctl *ctl, const struct args *args)
{
	return show(ctl, args, "DELETE", "", print_order);
}
