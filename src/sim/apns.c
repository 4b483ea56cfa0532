/* SPDX-License-Identifier: Apache-2.0 */
#include "apns.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rule {
	struct token_key key; /* first: see token_map.h */
	unsigned status;
	char reason[APNS_REASON_BYTES_MAX + 1];
	int64_t timestamp_ms, retry_after_s;
};

enum rc apns_init(struct apns *apns, size_t keep, uint64_t seed, struct err *err)
{
	const struct apns_faults none = apns_faults_none();

	*apns = (struct apns){.chance = chance_of(seed, 1), .faults.chance = chance_of(seed, 2)};
	fault_state_set(&apns->faults, &none);
	return apns_ring_init(&apns->ring, keep, err);
}

void apns_fini(struct apns *apns)
{
	token_map_clear(&apns->rules);
	apns_ring_fini(&apns->ring);
}

/* --- rules */

static struct rule *rule_find(const struct apns *apns, struct slice token)
{
	return (struct rule *)(void *)token_map_find(&apns->rules, token);
}

static struct rule *rule_new(struct apns *apns, struct slice token)
{
	struct rule *rule = calloc(1, sizeof(*rule));

	if (rule != NULL && token_key_set(&rule->key, token) &&
		token_map_add(&apns->rules, &rule->key) == RC_OK)
		return rule;
	free(rule);
	return NULL;
}

enum rc apns_rule_set(struct apns *apns, const struct apns_rule *wanted, struct err *err)
{
	struct rule *rule = rule_find(apns, wanted->token);

	if (wanted->status == 200) {
		free(token_map_remove(&apns->rules, wanted->token));
		return RC_OK;
	}
	if (rule == NULL && apns->rules.count >= APNS_RULES_MAX)
		return err_set(err, RC_LIMIT, "more than %d tokens with rules", APNS_RULES_MAX);
	if (rule == NULL)
		rule = rule_new(apns, wanted->token);
	if (rule == NULL)
		return err_set(err, RC_NO_MEMORY, "rule of a token");
	rule->status = wanted->status;
	rule->timestamp_ms = wanted->timestamp_ms;
	rule->retry_after_s = wanted->retry_after_s;
	(void)snprintf(rule->reason, sizeof(rule->reason), "%s", wanted->reason);
	return RC_OK;
}

/* --- what becomes of a push */

static struct apns_decision verdict(unsigned status, const char *reason, int64_t timestamp_ms)
{
	return (struct apns_decision){.status = status,
		.reason = reason,
		.timestamp_ms = timestamp_ms,
		.retry_after_s = -1};
}

/* False: nothing is known against the token. */
static bool judge_token(const struct apns *apns, const struct apns_push *push, int64_t now_ms,
	struct apns_decision *decision)
{
	static const struct {
		unsigned status;
		const char *reason;
	} verdicts[] = {
		[WAKE_KNOWN] = {200, ""},
		[WAKE_UNKNOWN] = {400, "BadDeviceToken"},
		[WAKE_OTHER_TOPIC] = {400, "DeviceTokenNotForTopic"},
		[WAKE_GONE] = {410, "Unregistered"},
	};
	const struct rule *rule = rule_find(apns, slice_of(push->token, push->token_len));
	enum wake_verdict known;
	int64_t gone_ms = 0;

	if (rule != NULL) {
		*decision = verdict(rule->status, rule->reason, rule->timestamp_ms);
		decision->retry_after_s = rule->retry_after_s;
		if (rule->timestamp_ms < 0 && rule->status == 410)
			decision->timestamp_ms = now_ms;
		return true;
	}
	if (apns->wake == NULL)
		return false;
	known = wake_judge(apns->wake, push, &gone_ms);
	if (known == WAKE_KNOWN)
		return false;
	*decision = verdict(verdicts[known].status, verdicts[known].reason, gone_ms != 0 ? gone_ms : -1);
	return true;
}

static struct apns_decision decide(struct apns *apns, const struct apns_reason *wrong,
	const struct apns_push *push, int64_t now_ms)
{
	struct apns_decision decision;
	bool is_quiet = apns->faults.faults.silence || apns->faults.faults.mute;

	if (wrong != NULL)
		decision = verdict(wrong->status, wrong->name, -1);
	else if (!judge_token(apns, push, now_ms, &decision))
		return fault_decide(&apns->faults, now_ms);
	if (is_quiet)
		decision.deed = APNS_QUIET;
	return decision;
}

/* --- the answer */

/* Version 4 (RFC 9562), of the two numbers' digits. */
static void make_id(struct chance *chance, char id[static APNS_ID_TEXT_BYTES])
{
	static const char digits[] = "0123456789ABCDEF";
	uint64_t halves[2] = {chance_u64(chance), chance_u64(chance)};
	char *to = id;

	for (unsigned i = 0; i < 32; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			*to++ = '-';
		*to++ = digits[halves[i / 16] & 15];
		halves[i / 16] >>= 4;
	}
	*to = '\0';
	id[14] = '4';
	id[19] = "89AB"[chance_below(chance, 4)];
}

static void copy_text(char *out, size_t size, struct slice text)
{
	size_t len = text.len < size ? text.len : size - 1;

	if (len > 0)
		memcpy(out, text.ptr, len);
	out[len] = '\0';
}

static void make_answer(struct apns *apns, const struct apns_push *push,
	const struct apns_decision *decision, struct apns_taken *taken)
{
	taken->deed = decision->deed;
	taken->status = decision->status;
	taken->retry_after_s = decision->retry_after_s;
	taken->is_goaway = decision->is_goaway;
	taken->body[0] = '\0';
	if (push->id.len > 0)
		copy_text(taken->id, sizeof(taken->id), push->id);
	else
		make_id(&apns->chance, taken->id);
	if (decision->reason[0] == '\0')
		return;
	if (decision->timestamp_ms >= 0)
		(void)snprintf(taken->body, sizeof(taken->body), "{\"reason\":\"%s\",\"timestamp\":%" PRId64 "}",
			decision->reason, decision->timestamp_ms);
	else
		(void)snprintf(taken->body, sizeof(taken->body), "{\"reason\":\"%s\"}", decision->reason);
}

/* --- remembering */

static void count_answer(struct apns_stats *stats, const struct apns_decision *decision)
{
	const struct apns_reason *first = apns_reason_at(0);
	const struct apns_reason *known = apns_reason_find(slice_of_str(decision->reason));

	stats->reasons[known == NULL ? APNS_REASONS_MAX - 1 : known - first]++;
}

static void count(struct apns_stats *stats, const struct apns_decision *decision)
{
	stats->pushes++;
	stats->lost += decision->is_lost;
	if (decision->deed != APNS_ANSWER)
		stats->unanswered++;
	else if (decision->status == 200)
		stats->accepted++;
	else
		count_answer(stats, decision);
}

static struct apns_record *record(struct apns *apns, const struct apns_push *push,
	const struct apns_decision *decision)
{
	struct apns_record *record = apns_ring_next(&apns->ring);

	copy_text(record->token, sizeof(record->token), push->token_text);
	copy_text(record->topic, sizeof(record->topic), push->topic);
	copy_text(record->magic, sizeof(record->magic), slice_of_str(push->magic));
	copy_text(record->push_type, sizeof(record->push_type), push->push_type);
	copy_text(record->reason, sizeof(record->reason), slice_of_str(decision->reason));
	record->priority = push->priority;
	record->expiration = push->expiration;
	record->status = decision->deed == APNS_ANSWER ? decision->status : 0;
	record->is_woken = false;
	return record;
}

/* A push that is never answered is lost on its way to the device, too. */
static bool rouse(struct apns *apns, const struct apns_push *push,
	const struct apns_decision *decision)
{
	bool is_woken;

	if (apns->wake == NULL || decision->deed != APNS_ANSWER || decision->status != 200 ||
		decision->is_lost)
		return false;
	is_woken = wake_push(apns->wake, push);
	apns->stats.woken += is_woken;
	apns->stats.wrong_magic += !is_woken;
	return is_woken;
}

void apns_take(struct apns *apns, const struct apns_request *request, const struct apns_peer *peer,
	uint64_t connection, int64_t now_ms, struct apns_taken *taken_r)
{
	struct apns_push push;
	const struct apns_reason *wrong = apns_check(request, peer, &push);
	struct apns_decision decision = decide(apns, wrong, &push, now_ms);
	struct apns_record *kept;

	make_answer(apns, &push, &decision, taken_r);
	if (decision.deed == APNS_REFUSE) {
		apns->stats.refused++;
		return;
	}
	count(&apns->stats, &decision);
	kept = record(apns, &push, &decision);
	memcpy(kept->apns_id, taken_r->id, sizeof(kept->apns_id));
	kept->at_ms = now_ms;
	kept->connection = connection;
	kept->is_woken = rouse(apns, &push, &decision);
}
