/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <stdio.h>
#include <string.h>

#include "reason.h"

enum { STATUS_OK = 200 };

struct verdict {
	struct link *link;
	struct carrier *carrier;
	const struct reason *reason;
	struct apns_reply reply;
	struct parcel_answer answer;
	int64_t now_ms;
};

static void good(struct link *link, struct carrier *carrier, const struct h2_reply *reply)
{
	struct topic *topic = carrier->topic;
	bool is_proof = carrier->is_trial || carrier->parcel->is_test;
	bool is_current = link->generation == topic->generation;
	char apns_id[PUSH_ID_BYTES_MAX + 1];
	const struct parcel_answer answer = {
		.action = PUSH_DONE,
		.answer = PUSH_ANSWER_SENT,
		.status = reply->status,
		.reason = "",
		.apns_id = apns_id,
		.detail = "",
	};

	apns_read_id(reply, apns_id);
	topic->sent++;
	guard_answer(&topic->guard, shared_now_ms(topic->shared));
	if ((is_current && topic->breaker.state == BREAKER_STOPPED && carrier->parcel->is_test) ||
		breaker_good(&topic->breaker, is_proof))
		topic_resume(topic);
	if (is_current && !topic->is_proven) {
		/* Of a process before this one. */
		topic->is_proven = true;
		topic_clear_alarms(topic);
	}
	topic_finish(carrier, &answer);
}

/* The last row takes what no other row has room for. */
static struct reason_count *find_count(struct shared *shared, const char *reason)
{
	struct reason_count *row;

	for (size_t i = 0; i < shared->reason_count; i++)
		if (strcmp(shared->reasons[i].reason, reason) == 0)
			return &shared->reasons[i];
	if (shared->reason_count == PUSH_REASONS_MAX)
		return &shared->reasons[PUSH_REASONS_MAX - 1];
	row = &shared->reasons[shared->reason_count++];
	*row = (struct reason_count){.count = 0};
	(void)snprintf(row->reason, sizeof(row->reason), "%s",
		shared->reason_count == PUSH_REASONS_MAX ? "other" : reason);
	return row;
}

static void count(const struct verdict *verdict)
{
	const char *name = verdict->reply.reason;
	char status[16];

	(void)snprintf(status, sizeof(status), "status %u", verdict->answer.status);
	find_count(verdict->carrier->topic->shared, name[0] == '\0' ? status : name)->count++;
}

static void describe(const struct verdict *verdict, char why[static TOPIC_WHY_BYTES])
{
	const char *name = verdict->reply.reason;

	(void)snprintf(why, TOPIC_WHY_BYTES, "APNs answers %u%s%s. %s", verdict->answer.status,
		name[0] == '\0' ? "" : " ", name, verdict->reason->advice);
}

/* APNs works, whatever it thinks of this push. */
static void alive(const struct verdict *verdict)
{
	struct topic *topic = verdict->carrier->topic;

	guard_answer(&topic->guard, verdict->now_ms);
	if (breaker_good(&topic->breaker, verdict->carrier->is_trial || verdict->carrier->parcel->is_test))
		topic_resume(topic);
}

static void end(const struct verdict *verdict)
{
	struct topic *topic = verdict->carrier->topic;

	topic->refused++;
	topic->shared->tokens_died_total += verdict->answer.action == PUSH_TOKEN_DEAD;
	topic_finish(verdict->carrier, &verdict->answer);
}

static void reconnect(const struct verdict *verdict)
{
	struct topic *topic = verdict->carrier->topic;

	if (verdict->now_ms - topic->reconnected_ms < TOPIC_RECONNECT_GAP_MS)
		return;
	topic->reconnected_ms = verdict->now_ms;
	link_retire(verdict->link);
}

static void take_nothing(struct verdict *verdict)
{
	alive(verdict);
	end(verdict);
}

static void take_overload(struct verdict *verdict)
{
	char why[TOPIC_WHY_BYTES];

	describe(verdict, why);
	guard_answer(&verdict->carrier->topic->guard, verdict->now_ms);
	topic_fault(verdict->carrier->topic, verdict->carrier->is_trial, why);
	end(verdict);
}

static void take_reconnect(struct verdict *verdict)
{
	reconnect(verdict);
	take_overload(verdict);
}

static void take_idle(struct verdict *verdict)
{
	alive(verdict);
	link_retire(verdict->link);
	if (verdict->carrier->resends == 0 && topic_resend(verdict->carrier))
		verdict->carrier->topic->refused++;
	else
		end(verdict);
}

/* What a former certificate was told does not count against this one: once more. */
static bool is_outdated(const struct verdict *verdict)
{
	return verdict->link->generation != verdict->carrier->topic->generation &&
		topic_resend(verdict->carrier);
}

static void take_stop(struct verdict *verdict)
{
	char why[TOPIC_WHY_BYTES];

	if (is_outdated(verdict))
		return;
	describe(verdict, why);
	guard_answer(&verdict->carrier->topic->guard, verdict->now_ms);
	if (verdict->link->generation == verdict->carrier->topic->generation)
		topic_halt(verdict->carrier->topic, why);
	end(verdict);
}

static void take_mass(struct verdict *verdict)
{
	static const char why[] =
		"APNs refuses the tokens of many devices at once: the push certificate or the push server is "
		"wrong. No token was marked as dead. Set the right one, or send a test push to go on.";

	topic_halt(verdict->carrier->topic, why);
	topic_alarm(verdict->carrier->topic, "push_tokens_bad", why, false);
	verdict->answer.action = PUSH_TOPIC_STOP;
	end(verdict);
}

static void take_suspect(struct verdict *verdict)
{
	struct carrier *carrier = verdict->carrier;
	struct topic *topic = carrier->topic;

	if (is_outdated(verdict))
		return;
	if (topic->breaker.state == BREAKER_STOPPED) {
		verdict->answer.action = PUSH_TOPIC_STOP;
		end(verdict);
		return;
	}
	if (breaker_good(&topic->breaker, carrier->is_trial || carrier->parcel->is_test))
		topic_resume(topic);
	if (guard_bad(&topic->guard, carrier->parcel->enrollment_id, verdict->now_ms)) {
		take_mass(verdict);
		return;
	}
	carrier->is_trial = false; /* it has proved what it was to prove */
	carrier->since_ms = verdict->now_ms;
	carrier->reason = verdict->reason;
	memcpy(carrier->apns_id, verdict->reply.apns_id, sizeof(carrier->apns_id));
	queue_push(&topic->held, carrier);
}

static void (*const takes[])(struct verdict *verdict) = {
	[REASON_NOTHING] = take_nothing,
	[REASON_GONE] = take_nothing,
	[REASON_SUSPECT] = take_suspect,
	[REASON_STOP] = take_stop,
	[REASON_OVERLOAD] = take_overload,
	[REASON_RECONNECT] = take_reconnect,
	[REASON_IDLE] = take_idle,
};

static void bad(struct link *link, struct carrier *carrier, const struct h2_reply *reply)
{
	struct verdict verdict = {
		.link = link,
		.carrier = carrier,
		.now_ms = shared_now_ms(carrier->topic->shared),
	};
	struct slice name;

	apns_read(reply, &verdict.reply);
	name = slice_of_str(verdict.reply.reason);
	verdict.reason = reason_find(reply->status, name);
	verdict.answer = (struct parcel_answer){
		.action = push_reason_action(reply->status, name, verdict.reply.timestamp_ms,
			carrier->parcel->token_updated_at),
		.answer = PUSH_ANSWER_REFUSED,
		.status = reply->status,
		.reason = verdict.reply.reason,
		.apns_id = verdict.reply.apns_id,
		.detail = "",
		.retry_after_s = verdict.reply.retry_after_s,
	};
	if (verdict.answer.action == PUSH_RETRY && verdict.answer.retry_after_s == 0)
		verdict.answer.retry_after_s = verdict.reason->retry_after_s;
	count(&verdict);
	takes[verdict.reason->effect](&verdict);
}

void answer_take(struct link *link, struct carrier *carrier, const struct h2_reply *reply)
{
	if (reply->status == STATUS_OK)
		good(link, carrier, reply);
	else
		bad(link, carrier, reply);
}

/* It was one of few: it is the token's own fault. */
static void release(struct topic *topic, struct carrier *carrier)
{
	const struct reason *reason = carrier->reason;
	char apns_id[PUSH_ID_BYTES_MAX + 1];
	const struct parcel_answer answer = {
		.action = reason->action,
		.answer = PUSH_ANSWER_REFUSED,
		.status = reason->status,
		.reason = reason->name,
		.apns_id = apns_id,
		.detail = "",
	};

	memcpy(apns_id, carrier->apns_id, sizeof(apns_id));
	topic->refused++;
	topic->shared->tokens_died_total += reason->action == PUSH_TOKEN_DEAD;
	if (reason->action == PUSH_DROP)
		topic_alarm(topic, "push_token_not_for_topic", reason->advice, false);
	topic_finish(carrier, &answer);
}

void answer_release_held(struct topic *topic)
{
	int64_t before_ms = shared_now_ms(topic->shared) - GUARD_HOLD_MS;

	while (topic->held.head != NULL && topic->held.head->since_ms <= before_ms)
		release(topic, queue_pop(&topic->held));
}
