/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "pushing.h"

/* How it stands with waking: of one device, and of all. */

static void set_or_null(struct json_value *object, const char *key, const char *text)
{
	json_set_str(object, key, text != NULL && text[0] != '\0' ? text : NULL);
}

static const char *advice_for(const struct push_view *view)
{
	if (view->status == 0 || view->status == 200)
		return NULL;
	return push_reason_advice((unsigned)view->status, view->reason != NULL ? view->reason : "");
}

void api_push_view_write(const struct push_view *view, struct json_value *object)
{
	json_set_time(object, "last_push_at", view->pushed_at);
	json_set_time(object, "last_outcome_at", view->outcome_at);
	if (view->status != 0)
		json_set_int(object, "status", view->status);
	else
		json_set_str(object, "status", NULL);
	set_or_null(object, "reason", view->reason);
	set_or_null(object, "apns_id", view->apns_id);
	json_set_int(object, "tries", view->tries);
	json_set_time(object, "token_dead_at", view->token_dead_at);
	json_set_str(object, "advice", advice_for(view));
}

static void write_topic(const struct push_topic_stats *topic, struct json_value *row)
{
	json_set_str(row, "topic", topic->topic);
	json_set_str(row, "state", push_topic_state_name(topic->state));
	set_or_null(row, "why", topic->why);
	json_set_time(row, "not_after", topic->not_after);
	json_set_int(row, "connections", topic->connections);
	json_set_int(row, "in_flight", topic->in_flight);
	json_set_int(row, "sent", (int64_t)topic->sent);
	json_set_int(row, "refused", (int64_t)topic->refused);
	json_set_int(row, "lost", (int64_t)topic->lost);
}

static void write_stats(const struct push_stats *stats, struct json_value *object)
{
	static const char *const classes[PUSH_CLASS_COUNT] = {
		[PUSH_CLASS_URGENT] = "urgent",
		[PUSH_CLASS_NORMAL] = "normal",
		[PUSH_CLASS_PROBE] = "probe",
	};
	struct json_value *topics = json_set_array(object, "topics");
	struct json_value *ready = json_set_object(object, "ready");
	struct json_value *reasons = json_set_object(object, "reasons");

	for (size_t i = 0; i < stats->topic_count; i++)
		write_topic(&stats->topics[i], json_append_object(topics));
	for (size_t i = 0; i < PUSH_CLASS_COUNT; i++)
		json_set_int(ready, classes[i], (int64_t)stats->ready[i]);
	for (size_t i = 0; i < stats->reason_count; i++)
		json_set_int(reasons, stats->reasons[i].reason, (int64_t)stats->reasons[i].count);
	json_set_int(object, "tracked", (int64_t)stats->tracked);
	json_set_int(object, "oldest_ready_s", stats->oldest_ready_s);
	json_set_int(object, "pushes", (int64_t)stats->pushes_total);
	json_set_int(object, "tokens_died", (int64_t)stats->tokens_died_total);
}

enum rc api_push_status_write(struct call *call, struct txn *txn, struct json_value *root,
	struct err *err)
{
	struct push_stats *stats = arena_alloc(call->arena, sizeof(*stats));
	struct push_counts counts;
	enum rc rc = push_counts(txn, &counts, err);

	if (rc != RC_OK)
		return rc;
	if (stats == NULL)
		return api_call_no_memory(err);
	json_set_int(root, "inactive", counts.inactive);
	json_set_int(root, "dead_tokens", counts.dead_tokens);
	if (call->api->push == NULL) {
		json_set_str(root, "push", NULL);
		return RC_OK;
	}
	push_stats(call->api->push, stats);
	write_stats(stats, json_set_object(root, "push"));
	return RC_OK;
}
