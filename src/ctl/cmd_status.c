/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "ctl.h"
#include "pomona/base/codec.h"

enum { SOON_DAYS = 30 };

static int64_t number(const struct json_value *object, const char *key)
{
	const struct json_value *value = json_get(object, key);

	return value != NULL && json_kind(value) == JSON_KIND_INTEGER ? json_integer(value) : 0;
}

static void print_head(const struct ctl *ctl, const struct json_value *json)
{
	char text[TEXT_RELATIVE_BYTES];

	print_json_fact(ctl, json, "version", "version");
	print_json_fact(ctl, json, "ready", "ready");
	print_json_time(ctl, json, "started_at", "started");
	text_bytes(number(json, "database_bytes"), text);
	print_fact(ctl->out, "database", "%s", text);
}

static void print_enrollments(const struct ctl *ctl, const struct json_value *rows)
{
	static const char *const columns[] = {"ENROLLMENTS", "STATE", "COUNT", NULL};
	struct table *table = table_new(columns);

	for (size_t i = 0; i < json_count(rows); i++) {
		table_add_json(table, json_at(rows, i), "kind");
		table_add_json(table, json_at(rows, i), "state");
		table_add_json(table, json_at(rows, i), "count");
	}
	fprintf(ctl->out, "\n");
	table_print(table, ctl->out);
	table_free(&table);
}

static enum rc add_count(void *ctx, const char *key, struct json_value *value)
{
	struct table *table = ctx;
	char text[TEXT_RELATIVE_BYTES];

	(void)snprintf(text, sizeof(text), "%" PRId64, json_integer(value));
	table_add(table, key);
	table_add(table, text);
	return RC_OK;
}

static void print_counts(const struct ctl *ctl, const struct json_value *counts,
	const char *const *columns)
{
	struct table *table;

	if (json_count(counts) == 0)
		return;
	table = table_new(columns);
	print_each(counts, add_count, table);
	fprintf(ctl->out, "\n");
	table_print(table, ctl->out);
	table_free(&table);
}

static void print_trouble(const struct ctl *ctl, const struct json_value *trouble)
{
	if (trouble == NULL || json_kind(trouble) != JSON_KIND_OBJECT)
		return;
	print_json_time(ctl, trouble, "since", "NO CHANGES KEPT since");
	print_fact(ctl->out, "", "%s", json_text(trouble, "text"));
}

static void print_writer(const struct ctl *ctl, const struct json_value *writer)
{
	fprintf(ctl->out, "\n");
	print_fact(ctl->out, "writer",
		"%" PRId64 " jobs, %" PRId64 " waiting, %" PRId64 " failed, %" PRId64 " turned away",
		number(writer, "jobs_total"), number(writer, "jobs_waiting"), number(writer, "jobs_failed"),
		number(writer, "jobs_refused"));
	print_fact(ctl->out, "commits", "%" PRId64 ", mean %" PRId64 " us, longest %" PRId64 " us",
		number(writer, "commits_total"), number(writer, "commit_us_mean"),
		number(writer, "commit_us_max"));
}

static void print_history(const struct ctl *ctl, const struct json_value *history)
{
	const struct json_value *dropped = json_get(history, "dropped");
	const int64_t commands = number(dropped, "done") + number(dropped, "failed") +
		number(dropped, "cancelled") + number(dropped, "expired") + number(dropped, "queries");

	if (history == NULL)
		return;
	fprintf(ctl->out, "\n");
	print_json_time(ctl, history, "walked_at", "history looked through");
	print_fact(ctl->out, "history dropped",
		"%" PRId64 " commands of devices, %" PRId64 " bodies; %" PRId64 " MiB of the database are free",
		commands, number(history, "bodies_dropped"), number(history, "free_bytes") >> 20);
}

static void print_renewals(const struct ctl *ctl, const struct json_value *renewals)
{
	if (renewals == NULL)
		return;
	print_fact(ctl->out, "renewals",
		"%" PRId64 " wait for their turn, %" PRId64 " sent, %" PRId64 " failed, %" PRId64
		" not possible, %" PRId64 " too late; %" PRId64 " renewed until now",
		number(renewals, "waiting") + number(renewals, "ordered"), number(renewals, "sent"),
		number(renewals, "failed"), number(renewals, "impossible"), number(renewals, "over"),
		number(renewals, "renewed_total"));
}

static void print_listener(const struct ctl *ctl, const struct json_value *listeners,
	const char *name, const char *label)
{
	const struct json_value *listener = json_get(listeners, name);
	const struct json_value *replies = json_get(listener, "replies");

	if (listener == NULL || json_kind(listener) != JSON_KIND_OBJECT)
		return;
	print_fact(ctl->out, label,
		"%" PRId64 " connections now, %" PRId64 " requests (2xx %" PRId64 ", 4xx %" PRId64
		", 5xx %" PRId64 ")",
		number(listener, "connections"), number(listener, "requests"), number(replies, "2xx"),
		number(replies, "4xx"), number(replies, "5xx"));
}

static const char *advice_on(const struct json_value *certificate, int64_t now)
{
	int64_t end;

	if (time_parse(slice_of_str(json_text(certificate, "not_after")), &end, NULL) == RC_OK &&
		end <= now)
		return "has ended: renew it";
	return number(certificate, "days_left") < SOON_DAYS ? "renew it soon" : "ok";
}

static void print_certificates(const struct ctl *ctl, const struct json_value *rows)
{
	static const char *const columns[] = {"CERTIFICATE", "ENDS", "SUBJECT", "", NULL};
	struct table *table = table_new(columns);

	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);

		table_add_json(table, row, "what");
		table_add_time(table, row, "not_after", ctl->now);
		table_add_json(table, row, "subject");
		table_add(table, advice_on(row, ctl->now));
	}
	fprintf(ctl->out, "\n");
	table_print(table, ctl->out);
	table_free(&table);
}

static void print_topics(const struct ctl *ctl, const struct json_value *rows)
{
	static const char *const columns[] = {"PUSH TOPIC", "STATE", "CONNECTIONS", "IN FLIGHT", "SENT",
		"REFUSED", "LOST", "WHY", NULL};
	static const char *const keys[] = {"topic", "state", "connections", "in_flight", "sent", "refused",
		"lost", "why"};
	struct table *table;

	if (json_count(rows) == 0)
		return;
	table = table_new(columns);
	for (size_t i = 0; i < json_count(rows); i++)
		for (size_t k = 0; k < COUNT_OF(keys); k++)
			table_add_json(table, json_at(rows, i), keys[k]);
	fprintf(ctl->out, "\n");
	table_print(table, ctl->out);
	table_free(&table);
}

static bool has_push_certificate(const struct json_value *rows)
{
	for (size_t i = 0; i < json_count(rows); i++)
		if (slice_is_str(json_string(json_get(json_at(rows, i), "what")), "push"))
			return true;
	return false;
}

static void print_push(const struct ctl *ctl, const struct json_value *json)
{
	static const char *const reason_columns[] = {"APNS REFUSED", "COUNT", NULL};
	const struct json_value *push = json_get(json, "push");
	const struct json_value *ready = json_get(push, "ready");

	if (push == NULL || json_kind(push) != JSON_KIND_OBJECT)
		return;
	print_topics(ctl, json_get(push, "topics"));
	print_counts(ctl, json_get(push, "reasons"), reason_columns);
	fprintf(ctl->out, "\n");
	if (!has_push_certificate(json_get(json, "certificates")))
		print_fact(ctl->out, "push certificate",
			"none: no device is woken; `pomonactl pushcert set FILE`");
	print_fact(ctl->out, "waking", "%" PRId64 " looked after; %" PRId64 " pushes sent",
		number(push, "tracked"), number(push, "pushes"));
	print_fact(ctl->out, "ready to push",
		"%" PRId64 " urgent, %" PRId64 " normal, %" PRId64 " probes; the oldest waits %" PRId64 " s",
		number(ready, "urgent"), number(ready, "normal"), number(ready, "probe"),
		number(push, "oldest_ready_s"));
	print_fact(ctl->out, "out of reach", "%" PRId64 " inactive, %" PRId64 " with a dead push token",
		number(json, "inactive"), number(json, "dead_tokens"));
}

static void print_alarms(const struct ctl *ctl, const struct json_value *rows)
{
	for (size_t i = 0; i < json_count(rows); i++)
		print_fact(ctl->out, i == 0 ? "alarms" : "", "%s %s: %s", json_text(json_at(rows, i), "kind"),
			json_text(json_at(rows, i), "subject"), json_text(json_at(rows, i), "text"));
}

static void print(const struct ctl *ctl, const struct json_value *json)
{
	static const char *const queue_columns[] = {"COMMANDS", "COUNT", NULL};
	static const char *const refusal_columns[] = {"REFUSED", "COUNT", NULL};
	const struct json_value *queue = json_get(json, "queue");

	print_head(ctl, json);
	print_trouble(ctl, json_get(json_get(json, "writer"), "trouble"));
	print_json_time(ctl, queue, "oldest_queued_at", "oldest open command");
	print_alarms(ctl, json_get(json, "alarms"));
	print_enrollments(ctl, json_get(json, "enrollments"));
	print_counts(ctl, json_get(queue, "by_state"), queue_columns);
	print_counts(ctl, json_get(json, "refusals"), refusal_columns);
	print_certificates(ctl, json_get(json, "certificates"));
	print_push(ctl, json);
	print_renewals(ctl, json_get(json, "renewals"));
	print_history(ctl, json_get(json, "history"));
	print_writer(ctl, json_get(json, "writer"));
	print_listener(ctl, json_get(json, "listeners"), "device", "device listener");
	print_listener(ctl, json_get(json, "listeners"), "device_plain", "plain listener");
	print_listener(ctl, json_get(json, "listeners"), "admin", "admin listener");
	print_listener(ctl, json_get(json, "listeners"), "admin_socket", "admin socket");
}

int cmd_status(struct ctl *ctl, const struct args *args)
{
	(void)args;
	return api_show(ctl, "GET", "/api/v1/status", print);
}
