/* SPDX-License-Identifier: Apache-2.0 */
#include "control.h"

#include <stdio.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/json/json.h"

struct question {
	struct slice verb, last_stream, reason, token;
	int64_t after, limit, status, timestamp_ms, retry_after_s;
	struct json_value *faults;
};

#define AT(field) offsetof(struct question, field)

static const struct json_field do_field = {"do", JSON_KIND_STRING, true, AT(verb), 32, 0, 0};

/* --- stats */

static void put_reasons(const struct apns_stats *stats, struct json_value *object)
{
	const struct apns_reason *reason;

	for (size_t i = 0; (reason = apns_reason_at(i)) != NULL; i++)
		if (stats->reasons[i] > 0)
			json_set_int(object, reason->name, (int64_t)stats->reasons[i]);
	if (stats->reasons[APNS_REASONS_MAX - 1] > 0)
		json_set_int(object, "other", (int64_t)stats->reasons[APNS_REASONS_MAX - 1]);
}

static enum rc answer_stats(const struct control *control, const struct question *question,
	struct json_value *answer, struct err *err)
{
	const struct apns_stats *stats = &control->apns->stats;
	const struct {
		const char *key;
		uint64_t number;
	} rows[] = {
		{"pushes", stats->pushes},
		{"accepted", stats->accepted},
		{"unanswered", stats->unanswered},
		{"refused", stats->refused},
		{"lost", stats->lost},
		{"woken", stats->woken},
		{"wrong_magic", stats->wrong_magic},
		{"connections", stats->connections},
		{"open", stats->open},
		{"handshakes_failed", stats->handshakes_failed},
		{"goaways", stats->goaways},
		{"resets", stats->resets},
		{"pings", stats->pings},
		{"last_seq", control->apns->ring.last_seq},
	};

	(void)question;
	(void)err;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		json_set_int(answer, rows[i].key, (int64_t)rows[i].number);
	put_reasons(stats, json_set_object(answer, "reasons"));
	return RC_OK;
}

/* --- pushes */

static void put_record(const struct apns_record *record, struct json_value *object)
{
	json_set_int(object, "seq", (int64_t)record->seq);
	json_set_str(object, "token", record->token);
	json_set_slice(object, "topic", slice_of_str(record->topic));
	json_set_slice(object, "magic", slice_of_str(record->magic));
	json_set_int(object, "priority", record->priority);
	json_set_int(object, "expiration", record->expiration);
	json_set_slice(object, "push_type", slice_of_str(record->push_type));
	json_set_int(object, "status", record->status);
	json_set_str(object, "reason", record->reason);
	json_set_str(object, "apns_id", record->apns_id);
	json_set_int(object, "at_ms", record->at_ms);
	json_set_int(object, "connection", (int64_t)record->connection);
	json_set_bool(object, "woken", record->is_woken);
}

static enum rc answer_pushes(const struct control *control, const struct question *question,
	struct json_value *answer, struct err *err)
{
	struct json_value *pushes = json_set_array(answer, "pushes");
	uint64_t after = (uint64_t)question->after;
	const struct apns_record *record;

	(void)err;
	for (int64_t i = 0; i < question->limit; i++) {
		record = apns_ring_after(&control->apns->ring, after);
		if (record == NULL)
			break;
		put_record(record, json_append_object(pushes));
		after = record->seq;
	}
	return RC_OK;
}

/* --- deeds */

static enum rc do_set(const struct control *control, const struct question *question,
	struct json_value *answer, struct err *err)
{
	struct apns_faults faults;
	enum rc rc = apns_faults_read(question->faults, &faults, err);

	if (rc != RC_OK)
		return err_context(err, "\"faults\"");
	fault_state_set(&control->apns->faults, &faults);
	if (control->deeds.settle != NULL)
		control->deeds.settle(control->deeds.ctx);
	json_set_bool(answer, "ok", true);
	return RC_OK;
}

static enum rc do_go_away(const struct control *control, const struct question *question,
	struct json_value *answer, struct err *err)
{
	bool is_none = slice_is_str(question->last_stream, "none");
	char reason[APNS_REASON_BYTES_MAX + 1];

	if (!is_none && question->last_stream.len > 0 && !slice_is_str(question->last_stream, "all"))
		return err_set(err, RC_INVALID, "\"last_stream\": want \"all\" or \"none\"");
	if (!apns_reason_is_word(question->reason))
		return err_set(err, RC_INVALID, "\"reason\": want letters and digits");
	(void)snprintf(reason, sizeof(reason), "%.*s", SLICE_FMT(question->reason));
	if (control->deeds.go_away != NULL)
		control->deeds.go_away(control->deeds.ctx, !is_none, reason);
	json_set_bool(answer, "ok", true);
	return RC_OK;
}

static enum rc do_reset(const struct control *control, const struct question *question,
	struct json_value *answer, struct err *err)
{
	(void)question;
	(void)err;
	if (control->deeds.reset != NULL)
		control->deeds.reset(control->deeds.ctx);
	json_set_bool(answer, "ok", true);
	return RC_OK;
}

/* A reason of Apple's has a status of its own. */
static enum rc do_token(const struct control *control, const struct question *question,
	struct json_value *answer, struct err *err)
{
	const struct apns_reason *known = apns_reason_find(question->reason);
	char reason[APNS_REASON_BYTES_MAX + 1];
	uint8_t token[APNS_TOKEN_BYTES_MAX];
	struct apns_rule rule = {.token = slice_of(token, question->token.len / 2),
		.status = (unsigned)question->status,
		.reason = reason,
		.timestamp_ms = question->timestamp_ms,
		.retry_after_s = question->retry_after_s};
	enum rc rc = hex_parse(question->token, token, rule.token.len, err);

	if (rc != RC_OK)
		return err_context(err, "\"token\"");
	if (!apns_reason_is_word(question->reason))
		return err_set(err, RC_INVALID, "\"reason\": want letters and digits");
	if (rule.status == 0 && known == NULL)
		return err_set(err, RC_INVALID, "\"status\": needed without a reason of Apple's");
	if (rule.status == 0)
		rule.status = known->status;
	(void)snprintf(reason, sizeof(reason), "%.*s", SLICE_FMT(question->reason));
	rc = apns_rule_set(control->apns, &rule, err);
	json_set_bool(answer, "ok", true);
	return rc;
}

/* --- the line */

static const struct json_field pushes_fields[] = {
	{"do", JSON_KIND_STRING, true, AT(verb), 32, 0, 0},
	{"after", JSON_KIND_INTEGER, false, AT(after), 0, 0, INT64_MAX},
	{"limit", JSON_KIND_INTEGER, false, AT(limit), 0, 1, CONTROL_PUSHES_MAX},
};

static const struct json_field set_fields[] = {
	{"do", JSON_KIND_STRING, true, AT(verb), 32, 0, 0},
	{"faults", JSON_KIND_OBJECT, true, AT(faults), 0, 0, 0},
};

static const struct json_field go_away_fields[] = {
	{"do", JSON_KIND_STRING, true, AT(verb), 32, 0, 0},
	{"last_stream", JSON_KIND_STRING, false, AT(last_stream), 8, 0, 0},
	{"reason", JSON_KIND_STRING, false, AT(reason), APNS_REASON_BYTES_MAX, 0, 0},
};

static const struct json_field token_fields[] = {
	{"do", JSON_KIND_STRING, true, AT(verb), 32, 0, 0},
	{"token", JSON_KIND_STRING, true, AT(token), (size_t)2 * APNS_TOKEN_BYTES_MAX, 0, 0},
	{"status", JSON_KIND_INTEGER, false, AT(status), 0, APNS_STATUS_MIN, APNS_STATUS_MAX},
	{"reason", JSON_KIND_STRING, false, AT(reason), APNS_REASON_BYTES_MAX, 0, 0},
	{"timestamp_ms", JSON_KIND_INTEGER, false, AT(timestamp_ms), 0, 0, INT64_MAX},
	{"retry_after_s", JSON_KIND_INTEGER, false, AT(retry_after_s), 0, 0, APNS_RETRY_AFTER_MAX_S},
};

static const struct {
	const char *name;
	const struct json_field *fields;
	size_t field_count;
	enum rc (*answer)(const struct control *control, const struct question *question,
		struct json_value *answer, struct err *err);
} verbs[] = {
	{"stats", &do_field, 1, answer_stats},
	{"pushes", pushes_fields, COUNT_OF(pushes_fields), answer_pushes},
	{"set", set_fields, COUNT_OF(set_fields), do_set},
	{"goaway", go_away_fields, COUNT_OF(go_away_fields), do_go_away},
	{"reset", &do_field, 1, do_reset},
	{"token", token_fields, COUNT_OF(token_fields), do_token},
};

static enum rc answer(const struct control *control, const struct json_value *line,
	struct json_value *answer_value, struct err *err)
{
	struct question question = {.limit = CONTROL_PUSHES_DEFAULT,
		.timestamp_ms = -1,
		.retry_after_s = -1};
	struct slice verb = json_string(json_get(line, "do"));

	for (size_t i = 0; i < COUNT_OF(verbs); i++) {
		enum rc rc;

		if (!slice_is_str(verb, verbs[i].name))
			continue;
		rc = json_read_fields(line, verbs[i].fields, verbs[i].field_count, &question, err);
		return rc == RC_OK ? verbs[i].answer(control, &question, answer_value, err) : rc;
	}
	return err_set(err, RC_INVALID, "\"do\": want stats, pushes, set, goaway, reset or token");
}

void control_answer(const struct control *control, struct slice line, struct buf *out)
{
	AUTO(json_free) struct json_value *question = NULL;
	AUTO(json_free) struct json_value *good = json_new_object();
	AUTO(json_free) struct json_value *bad = json_new_object();
	struct err err = {0};
	enum rc rc = json_parse(line, &question, &err);

	if (rc == RC_OK)
		rc = answer(control, question, good, &err);
	if (rc != RC_OK)
		json_set_str(bad, "error", err.text);
	if (json_write(rc == RC_OK ? good : bad, false, out, &err) != RC_OK)
		buf_append_str(out, "{\"error\":\"no memory\"}");
	buf_append_byte(out, '\n');
}
