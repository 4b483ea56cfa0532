/* SPDX-License-Identifier: Apache-2.0 */
#include "wake.h"

#include "pomona/store/queue.h"

static bool is_wanted(const struct wake *wake)
{
	return wake->open_seq > wake->seen_seq && wake->open_seq > wake->pushed_seq;
}

static bool has_order(const struct wake *wake)
{
	return wake->is_ordered || wake->is_asked || wake->is_test || wake->is_probe;
}

static void forget_orders(struct wake *wake)
{
	wake->is_ordered = false;
	wake->is_asked = false;
	wake->is_test = false;
	wake->is_probe = false;
}

static void raise(int64_t *seq, int64_t to)
{
	if (*seq < to)
		*seq = to;
}

static uint8_t one_more(uint8_t count)
{
	return count < UINT8_MAX ? (uint8_t)(count + 1) : count;
}

static enum wake_next to_ready(struct wake *wake)
{
	wake->phase = WAKE_READY;
	return WAKE_TO_READY;
}

static enum wake_next to_wait(struct wake *wake, const struct wake_now *now, int64_t gap)
{
	wake->phase = WAKE_WAIT;
	wake->is_due = false;
	wake->when_s = now->now_s + (uint32_t)gap;
	return WAKE_TO_WAIT;
}

/* The gap after a push that is the `tries`-th since the last contact, counted from 0. */
static int64_t retry_gap(const struct wake_now *now, unsigned tries)
{
	return gap_s(now->jitter, now->settings->retry_first_s, now->settings->retry_max_s, tries);
}

static int64_t rest_gap(const struct wake_now *now)
{
	return gap_s(now->jitter, now->settings->retry_max_s, now->settings->retry_max_s, 0);
}

static int64_t refused_gap(const struct wake_now *now, unsigned fails)
{
	const int64_t max = now->settings->retry_max_s;

	return gap_s(now->jitter, max < WAKE_REFUSED_FIRST_S ? max : WAKE_REFUSED_FIRST_S, max, fails);
}

/* WAIT that new work or a contact does not end. */
static bool is_held_back(const struct wake *wake)
{
	return wake->is_dead || wake->fails > 0;
}

/* At the end of a gap, but no later than a first one from now. */
static enum wake_next wait_no_longer(struct wake *wake, const struct wake_now *now)
{
	const int64_t longest_s = GAP_LONGEST_S(now->settings->retry_first_s);

	if (wake->when_s <= now->now_s + longest_s)
		return WAKE_STAYS;
	return to_wait(wake, now, retry_gap(now, 0));
}

static enum wake_next work_while_waiting(struct wake *wake, const struct wake_now *now,
	enum push_class class)
{
	const bool is_unanswered = wake->tries > 0 && !wake->is_dropped;

	if (!is_wanted(wake))
		return WAKE_STAYS;
	wake->is_dropped = false;
	wake->class = (uint8_t) class;
	if (is_held_back(wake))
		return WAKE_STAYS;
	if (is_unanswered && class != PUSH_CLASS_URGENT)
		return wait_no_longer(wake, now);
	return to_ready(wake);
}

enum wake_next wake_work(struct wake *wake, const struct wake_now *now, int64_t seq,
	enum push_class class)
{
	const bool is_better = class < wake->class;
	const bool is_newer = seq > wake->open_seq; /* than what flies, too */

	raise(&wake->open_seq, seq);
	if (wake->phase == WAKE_WAIT)
		return work_while_waiting(wake, now, class);
	wake->is_urgent |= is_newer && class == PUSH_CLASS_URGENT;
	if (is_better)
		wake->class = (uint8_t) class;
	return is_better && wake->phase == WAKE_READY ? WAKE_TO_READY : WAKE_STAYS;
}

/* READY for what the contact has made needless: a repetition, or work that it has seen. */
static bool is_ready_needlessly(const struct wake *wake)
{
	return wake->phase == WAKE_READY && !wake->is_fresh && !wake->is_forced && !has_order(wake) &&
		!is_wanted(wake);
}

/* Newer work that waited with what it has come for: is it to be handed out now, or did the reply just miss it? */
static enum wake_next contact_message(struct wake *wake, const struct wake_now *now,
	bool is_drained)
{
	if (wake->phase == WAKE_FLIGHT)
		wake->is_resting = false;
	if (is_ready_needlessly(wake))
		return to_wait(wake, now, retry_gap(now, 0));
	if (wake->phase != WAKE_WAIT || is_held_back(wake) || wake->is_dropped)
		return WAKE_STAYS;
	if (!is_wanted(wake))
		return to_wait(wake, now, retry_gap(now, 0));
	return is_drained ? to_ready(wake) : wait_no_longer(wake, now);
}

/* An empty reply with held work: what was published up to seen_seq had its chance. */
static enum wake_next contact_empty(struct wake *wake, const struct wake_now *now,
	const struct push_contact *contact)
{
	const bool is_resting = contact->kind == PUSH_CONTACT_RESTING;
	const int64_t gap = is_resting ? rest_gap(now) : retry_gap(now, 0);

	raise(&wake->seen_seq, contact->seen_seq);
	if (!is_wanted(wake))
		wake->is_fresh = false; /* this tells more than what is stored */
	if (wake->phase == WAKE_FLIGHT)
		wake->is_resting = is_resting;
	if (is_ready_needlessly(wake))
		return to_wait(wake, now, gap);
	if (wake->phase != WAKE_WAIT || wake->is_dead || wake->is_dropped)
		return WAKE_STAYS;
	if (wake->fails > 0 && (is_wanted(wake) || wake->when_s >= now->now_s + gap))
		return WAKE_STAYS;
	return is_wanted(wake) ? to_ready(wake) : to_wait(wake, now, gap);
}

static enum wake_next contact_token(struct wake *wake)
{
	wake->pushed_seq = 0;
	wake->fails = 0;
	wake->is_dead = false;
	wake->is_dropped = false;
	wake->is_forced = true;
	if (!has_order(wake) && wake->class > PUSH_CLASS_NORMAL)
		wake->class = PUSH_CLASS_NORMAL;
	return wake->phase == WAKE_FLIGHT ? WAKE_STAYS : to_ready(wake);
}

enum wake_next wake_contact(struct wake *wake, const struct wake_now *now,
	const struct push_contact *contact)
{
	wake->tries = 0;
	wake->is_met = true;
	if (wake->phase != WAKE_FLIGHT)
		wake->is_probe = false; /* it lives */
	switch (contact->kind) {
	case PUSH_CONTACT_TOKEN:
		return contact_token(wake);
	case PUSH_CONTACT_RESTING:
	case PUSH_CONTACT_HELD:
		return contact_empty(wake, now, contact);
	case PUSH_CONTACT_MESSAGE:
	case PUSH_CONTACT_DRAINED:
	default:
		return contact_message(wake, now, contact->kind == PUSH_CONTACT_DRAINED);
	}
}

enum wake_next wake_maybe_contact(struct wake *wake, const struct wake_now *now)
{
	wake->tries = 0;
	wake->is_met = true;
	if (wake->phase != WAKE_WAIT || wake->is_dropped)
		return WAKE_STAYS;
	if (wake->is_dead)
		return wake_due(wake);
	if (wake->fails > 0)
		return WAKE_STAYS;
	return is_wanted(wake) ? to_ready(wake) : wait_no_longer(wake, now);
}

/* A new entry, or one that does nothing but wait. */
static bool can_be_probed(const struct wake *wake)
{
	if (wake->phase == WAKE_WAIT)
		return !is_held_back(wake);
	return wake->phase == WAKE_READY && wake->is_fresh && wake->open_seq == 0 && !wake->is_forced &&
		!has_order(wake);
}

/* What was refused a moment ago waits for its time, but for a test. */
enum wake_next wake_order(struct wake *wake, enum wake_order order, enum push_class class)
{
	const bool is_busy = wake->phase == WAKE_FLIGHT;

	if (order == WAKE_PROBE && !can_be_probed(wake))
		return WAKE_STAYS;
	wake->is_ordered |= order == WAKE_ORDER;
	wake->is_asked |= order == WAKE_ASK || order == WAKE_TEST;
	wake->is_test |= order == WAKE_TEST && !is_busy;
	wake->is_probe |= order == WAKE_PROBE;
	if (is_busy)
		return WAKE_STAYS;
	if (wake->phase == WAKE_WAIT || class < wake->class)
		wake->class = (uint8_t) class;
	if (wake->phase == WAKE_WAIT && wake->fails > 0 && order != WAKE_TEST)
		return WAKE_STAYS;
	return to_ready(wake);
}

enum wake_next wake_due(struct wake *wake)
{
	wake->is_dead = false; /* the store knows */
	wake->is_due = true;
	if (wake->open_seq != 0 && wake->class > PUSH_CLASS_NORMAL)
		wake->class = PUSH_CLASS_NORMAL; /* it was probed before */
	return to_ready(wake);
}

enum wake_next wake_certs(struct wake *wake)
{
	if (!wake->is_dropped || wake->phase != WAKE_WAIT)
		return WAKE_STAYS;
	wake->is_dropped = false;
	return wake_due(wake);
}

/* --- its turn */

static enum wake_next park_dead(struct wake *wake, const struct wake_now *now, bool has_work)
{
	forget_orders(wake);
	wake->is_dead = true;
	wake->is_fresh = false;
	return has_work ? to_wait(wake, now, now->settings->retry_max_s) : WAKE_TO_NOWHERE;
}

static void learn(struct wake *wake, const struct push_target *target)
{
	wake->open_seq = target->open_seq;
	raise(&wake->seen_seq, target->seen_seq);
	if (!wake->is_forced)
		raise(&wake->pushed_seq, target->pushed_seq);
	if (!wake->is_fresh)
		return;
	wake->tries = target->tries < UINT8_MAX ? (uint8_t)target->tries : UINT8_MAX;
}

/* How long a push from before the start has still to be waited for; 0: no longer. */
static int64_t restored_gap(const struct wake *wake, const struct wake_now *now,
	const struct push_target *target)
{
	int64_t passed = now->unix_s - target->pushed_at;

	if (wake->pushed_seq < wake->open_seq || target->pushed_at == 0)
		return retry_gap(now, 0); /* it was not pushed for, but seen */
	if (passed < 0)
		passed = 0; /* the clock was set back */
	int64_t gap = retry_gap(now, wake->tries > 0 ? wake->tries - 1u : 0u);
	return passed < gap ? gap - passed : 0;
}

/* Nobody has ordered a push: is it time for one, for the sake of the work? */
static bool is_time(struct wake *wake, const struct wake_now *now, const struct push_target *target,
	enum wake_next *next_r)
{
	int64_t gap = 0;

	if (wake->is_dropped && !is_wanted(wake))
		gap = now->settings->retry_max_s;
	else if (wake->is_fresh && !wake->is_forced && !is_wanted(wake))
		gap = restored_gap(wake, now, target);
	else if (!wake->is_due && !wake->is_forced && !is_wanted(wake))
		gap = retry_gap(now, wake->tries > 0 ? wake->tries - 1u : 0u); /* the new work is over */
	if (gap == 0)
		return true;
	wake->is_fresh = false;
	*next_r = to_wait(wake, now, gap);
	return false;
}

enum wake_verdict wake_look(struct wake *wake, const struct wake_now *now,
	const struct push_target *target, enum wake_next *next_r)
{
	const bool is_urgent = target->open_priority == COMMAND_PRIORITY_URGENT;

	*next_r = WAKE_TO_NOWHERE;
	if (!target->is_reachable)
		return WAKE_NO_TOKEN;
	learn(wake, target);
	if ((wake->is_dead || target->token_dead_at != 0) && !wake->is_test) {
		*next_r = park_dead(wake, now, wake->open_seq != 0);
		return WAKE_TOKEN_DEAD;
	}
	if (!has_order(wake)) {
		if (wake->open_seq == 0)
			return WAKE_NO_PUSH;
		wake->class = is_urgent ? PUSH_CLASS_URGENT : PUSH_CLASS_NORMAL;
		if (!is_time(wake, now, target, next_r))
			return WAKE_NO_PUSH;
	}
	wake->is_fresh = false;
	return WAKE_PUSH;
}

void wake_sent(struct wake *wake)
{
	wake->phase = WAKE_FLIGHT;
	wake->is_forced = false;
	wake->is_dropped = false;
	wake->is_resting = false;
	wake->is_met = false;
	wake->is_urgent = false;
}

enum wake_next wake_blocked(struct wake *wake, const struct wake_now *now,
	enum topics_verdict verdict)
{
	if (wake->is_test && verdict == TOPICS_FULL)
		return to_wait(wake, now, 1); /* tests are first in line: it would be the next again */
	if (verdict != TOPICS_FULL) {  /* who asked is told */
		wake->is_asked = false;
		wake->is_test = false;
	}
	if (verdict == TOPICS_STOPPED || verdict == TOPICS_NO_CERTIFICATE)
		wake->is_probe = false; /* it comes again with the next walk */
	if (wake->open_seq == 0 && !has_order(wake))
		return WAKE_TO_NOWHERE;
	return to_ready(wake);
}

static enum wake_next back_off(struct wake *wake, const struct wake_now *now, int64_t at_least)
{
	int64_t gap = refused_gap(now, wake->fails);

	wake->fails = one_more(wake->fails);
	if (at_least > WAKE_RETRY_AFTER_MAX_S)
		at_least = WAKE_RETRY_AFTER_MAX_S;
	return to_wait(wake, now, gap > at_least ? gap : at_least);
}

enum wake_next wake_unread(struct wake *wake, const struct wake_now *now)
{
	return back_off(wake, now, 0);
}

/* --- what came of it */

static enum wake_next answer_taken(struct wake *wake, const struct wake_now *now,
	const struct wake_answer *answer)
{
	const bool is_rest = wake->is_resting && wake->open_seq <= wake->seen_seq;
	int64_t gap = is_rest ? rest_gap(now) : retry_gap(now, wake->tries);

	forget_orders(wake);
	wake->is_due = false;
	wake->fails = 0;
	wake->tries = wake->is_met ? 0 : one_more(wake->tries);
	if (!wake->is_forced)
		raise(&wake->pushed_seq, answer->seq);
	if (wake->is_forced || (is_wanted(wake) && (wake->is_met || wake->is_urgent)))
		return to_ready(wake);
	if (is_wanted(wake))
		gap = retry_gap(now, 0);
	return wake->open_seq == 0 ? WAKE_TO_NOWHERE : to_wait(wake, now, gap);
}

static enum wake_next answer_retry(struct wake *wake, const struct wake_now *now,
	const struct wake_answer *answer)
{
	const bool is_ordered = wake->is_ordered && wake->fails + 1 < WAKE_ORDER_TRIES_MAX;

	forget_orders(wake);
	wake->is_ordered = is_ordered;
	if (wake->is_forced)
		return to_ready(wake);
	if (wake->open_seq == 0 && !is_ordered)
		return WAKE_TO_NOWHERE;
	return back_off(wake, now, answer->retry_after_s);
}

static enum wake_next answer_dead(struct wake *wake, const struct wake_now *now,
	const struct wake_answer *answer)
{
	(void)answer;
	if (wake->is_forced) {
		forget_orders(wake);
		return to_ready(wake);
	}
	return park_dead(wake, now, wake->open_seq != 0);
}

static enum wake_next answer_stopped(struct wake *wake, const struct wake_now *now,
	const struct wake_answer *answer)
{
	(void)answer;
	return wake_blocked(wake, now, TOPICS_STOPPED);
}

static enum wake_next answer_dropped(struct wake *wake, const struct wake_now *now,
	const struct wake_answer *answer)
{
	forget_orders(wake);
	if (wake->is_forced)
		return to_ready(wake);
	raise(&wake->pushed_seq, answer->seq);
	if (is_wanted(wake))
		return to_ready(wake);
	wake->is_dropped = true;
	return wake->open_seq == 0 ? WAKE_TO_NOWHERE : to_wait(wake, now, now->settings->retry_max_s);
}

enum wake_next wake_answer(struct wake *wake, const struct wake_now *now,
	const struct wake_answer *answer)
{
	static enum wake_next (*const answers[PUSH_ACTION_COUNT])(struct wake *, const struct wake_now *,
		const struct wake_answer *) = {
		[PUSH_DONE] = answer_taken,
		[PUSH_RETRY] = answer_retry,
		[PUSH_TOKEN_DEAD] = answer_dead,
		[PUSH_TOPIC_STOP] = answer_stopped,
		[PUSH_DROP] = answer_dropped,
	};

	return answers[answer->action](wake, now, answer);
}
