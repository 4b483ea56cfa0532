/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "ctl.h"
#include "push.h"

enum { ADVICE_MAX = 16 };

/* --- what is asked */

static const struct {
	const char *word, *key;
} filter_keys[] = {
	{"state", "state"},
	{"kind", "kind"},
	{"serial", "serial_number"},
	{"serial_number", "serial_number"},
	{"activity", "activity"},
	{"renewal", "renewal"},
};

static const char *filter_key_of(struct slice word)
{
	for (size_t i = 0; i < COUNT_OF(filter_keys); i++)
		if (slice_is_str(word, filter_keys[i].word))
			return filter_keys[i].key;
	return NULL;
}

static enum rc add_filter(struct json_value *filter, const char *text, struct err *err)
{
	const size_t len = strcspn(text, "=");
	const char *key = filter_key_of(slice_of(text, len));

	if (key == NULL || text[len] == '\0')
		return err_set(err, RC_INVALID,
			"--filter wants state=, kind=, serial=, activity= or renewal=, not %s", text);
	if (json_get(filter, key) != NULL)
		return err_set(err, RC_INVALID, "--filter names %s twice", key);
	json_set_str(filter, key, text + len + 1);
	return RC_OK;
}

static size_t count_option(const struct args *args, const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < args->option_count; i++)
		count += strcmp(args->options[i].name, name) == 0;
	return count;
}

static enum rc add_filters(const struct args *args, struct json_value *body, struct err *err)
{
	struct json_value *filter = json_set_object(body, "filter");
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < args->option_count; i++)
		if (strcmp(args->options[i].name, "--filter") == 0)
			rc = add_filter(filter, args->options[i].value, err);
	return rc;
}

enum rc push_build_body(const struct args *args, struct json_value *body, struct err *err)
{
	const bool is_all = args_get(args, "--all") != NULL;
	const bool is_filter = count_option(args, "--filter") > 0;
	struct json_value *ids;

	if ((args->word_count > 0) + is_all + is_filter != 1)
		return err_set(err, RC_INVALID, "whom? give ids, or --all, or --filter KEY=VALUE");
	if (args_get(args, "--urgent") != NULL)
		json_set_bool(body, "urgent", true);
	if (is_filter)
		return add_filters(args, body, err);
	if (is_all) {
		json_set_bool(body, "all", true);
		return RC_OK;
	}
	ids = json_set_array(body, "ids");
	for (size_t i = 0; i < args->word_count; i++)
		json_append_slice(ids, slice_of_str(args->words[i]));
	return RC_OK;
}

/* --- what became of it */

bool push_is_done(const struct json_value *result)
{
	const struct slice answer = json_string(json_get(result, "answer"));

	return slice_is_str(answer, "sent") || slice_is_str(answer, "waiting");
}

static void print_results(const struct ctl *ctl, const struct json_value *rows)
{
	static const char *const columns[] = {"ID", "ANSWER", "STATUS", "REASON", "DETAIL", NULL};
	struct table *table = table_new(columns);

	for (size_t i = 0; i < json_count(rows); i++) {
		const struct json_value *row = json_at(rows, i);

		table_add_json(table, row, "id");
		table_add_json(table, row, "answer");
		table_add_json(table, row, "status");
		table_add_json(table, row, "reason");
		table_add_json(table, row, "detail");
	}
	table_print(table, ctl->out);
	table_free(&table);
}

static bool is_among(const char *const *texts, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(texts[i], text) == 0)
			return true;
	return false;
}

/* Each piece of advice once, however many rows it is for. */
static void print_advice(const struct ctl *ctl, const struct json_value *rows)
{
	const char *told[ADVICE_MAX];
	size_t count = 0;

	for (size_t i = 0; i < json_count(rows) && count < ADVICE_MAX; i++) {
		const struct json_value *row = json_at(rows, i);
		const char *reason = json_text(row, "reason");
		const char *advice = json_text(row, "advice");

		if (advice[0] == '\0' || is_among(told, count, advice))
			continue;
		told[count++] = advice;
		print_fact(ctl->out, reason[0] != '\0' ? reason : json_text(row, "answer"), "%s", advice);
	}
}

static int tell_failed(const struct ctl *ctl, const struct json_value *rows, bool is_ordered)
{
	size_t failed = 0;

	for (size_t i = 0; i < json_count(rows); i++)
		failed += !push_is_done(json_at(rows, i));
	if (failed > 0)
		return ctl_fail(ctl, CTL_REFUSED, "%zu%s not pushed", failed, failed == 1 ? " was" : " were");
	if (json_count(rows) == 0 && !is_ordered)
		return ctl_fail(ctl, CTL_REFUSED,
			"nobody fits: `pomonactl devices` with the same filter lists who does");
	return 0;
}

static int print_answer(const struct ctl *ctl, const struct answer *answer)
{
	const struct json_value *rows = json_get(answer->json, "results");
	const bool is_ordered = json_get(answer->json, "ordered") != NULL;

	if (!answer_print_json(ctl, answer)) {
		print_json_fact(ctl, answer->json, "ordered", "pushes ordered");
		if (json_count(rows) > 0) {
			print_results(ctl, rows);
			print_advice(ctl, rows);
		}
	}
	return tell_failed(ctl, rows, is_ordered);
}

int cmd_push(struct ctl *ctl, const struct args *args)
{
	struct json_value *body = json_new_object();
	struct err err = {.rc = RC_OK};
	struct answer answer;
	int status;

	if (push_build_body(args, body, &err) != RC_OK) {
		json_free(&body);
		return ctl_usage(ctl, "%s", err.text);
	}
	status = api_call_json(ctl, "POST", "/api/v1/push", body, &answer);
	if (status == 0)
		status = print_answer(ctl, &answer);
	answer_fini(&answer);
	return status;
}
