/* SPDX-License-Identifier: Apache-2.0 */
#include "renew_decide.h"

static const char *const names[RENEW_ACTION_COUNT] = {
	[RENEW_NOTHING] = "nothing",
	[RENEW_SEND] = "send",
	[RENEW_FAIL] = "fail",
	[RENEW_FINISH] = "finish",
	[RENEW_WARN] = "warn",
	[RENEW_GIVE_UP] = "give_up",
};

const char *renew_action_name(enum renew_action action)
{
	return (unsigned)action < RENEW_ACTION_COUNT ? names[action] : "unknown";
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* An identity of a short life must not be renewed all the time: so never before its middle. */
static int64_t window_of(const struct renew_policy *policy, const struct renewal_facts *facts)
{
	return least(policy->before_s, (facts->not_after - facts->not_before) / 2);
}

/* Devices that were enrolled on one day have their turns on different ones. */
static int64_t turn_of(const struct renewal_facts *facts, int64_t spread_s)
{
	return (int64_t)((double)spread_s * (facts->hash / 4294967296.0));
}

int64_t renew_due_at(const struct renew_policy *policy, const struct renewal_facts *facts)
{
	const int64_t window = window_of(policy, facts);

	return facts->not_after - window + turn_of(facts, window / 2);
}

const char *renew_obstacle(const struct renewal_facts *facts)
{
	if (facts->kind != ENROLLMENT_DEVICE && !facts->has_account)
		return "a user's own device, and no account is known: its user enrolls again";
	if (!facts->is_by_scep)
		return "its identity is not from this server's SCEP: renew it where it came from";
	return NULL;
}

/* A renewal that gains nothing would be repeated without end. */
static const char *find_obstacle(const struct renew_policy *policy,
	const struct renewal_facts *facts, int64_t now, bool is_for_identity)
{
	const char *obstacle = renew_obstacle(facts);

	if (obstacle != NULL || !is_for_identity)
		return obstacle;
	if (least(now + policy->valid_s, policy->ca_ends) - facts->not_after < RENEW_GAIN_MIN_S)
		return "a new identity would end no later: the device CA ends, or identity_days is short";
	return NULL;
}

static int64_t retry_at(const struct renewal_facts *facts, int64_t now)
{
	const int64_t doublings = least(facts->tries, 8);
	const int64_t gap = least((int64_t)RENEW_RETRY_FIRST_S << doublings, RENEW_RETRY_MAX_S);

	return now + most(least(gap, (facts->not_after - now) / 8), RENEW_RETRY_MIN_S);
}

void renew_fail(const struct renewal_facts *facts, int64_t now, const char *why,
	struct renew_decision *decision)
{
	decision->action = RENEW_FAIL;
	decision->next_at = retry_at(facts, now);
	decision->why = why;
}

/* The profile is on its way, or the device has said what became of it. */
static void judge_sent(const struct renewal_facts *facts, int64_t now,
	struct renew_decision *decision)
{
	static const char *const ends[QUEUE_STATE_END] = {
		[0] = "the command is gone",
		[QUEUE_DONE] = "the device took the profile, and has its old identity still",
		[QUEUE_FAILED] = "the device refused the profile",
		[QUEUE_CANCELLED] = "the command was cancelled",
		[QUEUE_EXPIRED] = "the command expired",
	};
	const unsigned state = facts->command_state;

	if (state >= QUEUE_STATE_END || ends[state] == NULL)
		return; /* open: it comes with the next poll */
	if (state == QUEUE_DONE && now < facts->command_finished_at + RENEW_SETTLE_S)
		return;
	renew_fail(facts, now, ends[state], decision);
}

/* In its window, without a try under way. */
static void judge_due(const struct renew_policy *policy, const struct renewal_facts *facts,
	int64_t now, struct renew_decision *decision)
{
	const int64_t window = window_of(policy, facts);
	const bool is_near = policy->before_s > 0 && now >= facts->not_after - window;
	const bool is_root_old = policy->before_s > 0 && facts->enrolled_at < policy->root_since;
	const char *obstacle;
	int64_t due_at;

	if (!is_near && !is_root_old)
		return;
	obstacle = find_obstacle(policy, facts, now, is_near);
	if (obstacle != NULL) {
		decision->why = obstacle;
		if (facts->state != RENEWAL_IMPOSSIBLE || facts->renewed_id != facts->identity_id)
			decision->action = RENEW_WARN;
		return;
	}
	due_at =
		is_near ? renew_due_at(policy, facts) : policy->root_since + turn_of(facts, policy->before_s / 2);
	decision->is_due_soon = now < due_at;
	if (now < due_at)
		return;
	decision->action = RENEW_SEND;
	decision->why = is_near ? "its identity nears its end" : "the server has another root";
}

static void judge_ordered(const struct renewal_facts *facts, struct renew_decision *decision)
{
	const char *obstacle = renew_obstacle(facts);

	decision->action = obstacle == NULL ? RENEW_SEND : RENEW_WARN;
	decision->why = obstacle == NULL ? "an administrator ordered it" : obstacle;
}

static bool is_under_way(enum renewal_state state)
{
	return state == RENEWAL_ORDERED || state == RENEWAL_SENT || state == RENEWAL_FAILED;
}

/* The new identity has spoken, and what the device says of the command is on its way. */
static bool is_answer_awaited(const struct renewal_facts *facts, int64_t now)
{
	return facts->command_state > QUEUE_QUEUED && facts->command_state < QUEUE_DONE &&
		now < facts->enrolled_at + RENEW_SETTLE_S;
}

void renew_decide(const struct renew_policy *policy, const struct renewal_facts *facts, int64_t now,
	struct renew_decision *decision_r)
{
	const bool is_of_this = facts->renewed_id == facts->identity_id;

	*decision_r = (struct renew_decision){.action = RENEW_NOTHING, .why = ""};
	if (is_under_way(facts->state) && !is_of_this) {
		if (!is_answer_awaited(facts, now))
			decision_r->action = RENEW_FINISH;
		return;
	}
	if (now >= facts->not_after) {
		if (facts->state != RENEWAL_OVER || !is_of_this)
			decision_r->action = RENEW_GIVE_UP;
		return;
	}
	if (facts->state == RENEWAL_ORDERED) {
		judge_ordered(facts, decision_r);
	} else if (facts->state == RENEWAL_SENT && is_of_this) {
		judge_sent(facts, now, decision_r);
	} else if (facts->state == RENEWAL_FAILED && is_of_this) {
		if (policy->before_s > 0 && now >= facts->next_at) {
			decision_r->action = RENEW_SEND;
			decision_r->why = "again";
		}
	} else {
		judge_due(policy, facts, now, decision_r);
	}
}
