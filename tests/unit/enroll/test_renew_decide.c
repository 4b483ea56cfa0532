/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "pomona/base/compiler.h"
#include "renew_decide.h"

enum { HOUR = 3600, DAY = 86400, T0 = 1800000000, LIFE = 365 * DAY, BEFORE = 60 * DAY };

static const struct renew_policy policy = {
	.before_s = BEFORE,
	.valid_s = LIFE,
	.ca_ends = T0 + 3650LL * DAY,
};

/* A device at T0, whose identity has `left` seconds to go. */
static struct renewal_facts device(int64_t left)
{
	return (struct renewal_facts){
		.enrollment_id = 1,
		.kind = ENROLLMENT_DEVICE,
		.enrolled_at = T0 - (LIFE - left),
		.identity_id = 7,
		.not_before = T0 - (LIFE - left),
		.not_after = T0 + left,
		.is_by_scep = true,
	};
}

static struct renew_decision decide_by(const struct renew_policy *rules,
	const struct renewal_facts *facts)
{
	struct renew_decision decision;

	renew_decide(rules, facts, T0, &decision);
	return decision;
}

static enum renew_action decide(const struct renewal_facts *facts)
{
	return decide_by(&policy, facts).action;
}

/* The same with a row of state `state` about this identity. */
static struct renewal_facts with_row(int64_t left, enum renewal_state state,
	enum queue_state command)
{
	struct renewal_facts facts = device(left);

	facts.state = state;
	facts.renewed_id = facts.identity_id;
	facts.command_id = 3;
	facts.command_state = command;
	return facts;
}

static void before_its_window_nothing_happens_and_in_it_each_has_its_turn(void **state)
{
	struct renewal_facts facts = device(BEFORE + 1);

	(void)state;
	assert_int_equal(decide(&facts), RENEW_NOTHING);
	facts = device(BEFORE);
	assert_int_equal(decide(&facts), RENEW_SEND);
	facts.hash = UINT32_MAX;
	assert_int_equal(decide(&facts), RENEW_NOTHING);
	assert_true(decide_by(&policy, &facts).is_due_soon);
	facts = device(BEFORE / 2 + 2); /* a turn ends a second before the next */
	facts.hash = UINT32_MAX;
	assert_int_equal(decide(&facts), RENEW_NOTHING);
	facts = device(BEFORE / 2 + 1);
	facts.hash = UINT32_MAX;
	assert_int_equal(decide(&facts), RENEW_SEND);
}

static void no_hour_of_the_window_has_more_than_its_share(void **state)
{
	enum { COUNT = 50000, HOURS = BEFORE / 2 / HOUR };
	static int hours[HOURS];
	int most = 0;

	(void)state;
	for (uint32_t i = 0; i < COUNT; i++) {
		struct renewal_facts facts = device(BEFORE);
		int64_t hour;

		facts.hash = i * (UINT32_MAX / COUNT);
		hour = (renew_due_at(&policy, &facts) - T0) / HOUR;
		assert_in_range(hour, 0, HOURS - 1);
		hours[hour]++;
	}
	for (int i = 0; i < HOURS; i++)
		most = hours[i] > most ? hours[i] : most;
	assert_in_range(most, COUNT / HOURS, COUNT / HOURS + 2);
}

static void an_identity_of_a_short_life_is_not_renewed_before_its_middle(void **state)
{
	struct renewal_facts facts = device(5 * DAY + 1);

	(void)state;
	facts.not_before = facts.not_after - 10 * DAY;
	assert_int_equal(decide(&facts), RENEW_NOTHING);
	facts.not_after--;
	facts.not_before--;
	assert_int_equal(decide(&facts), RENEW_SEND);
}

static void what_the_conf_switches_off_is_not_renewed_but_by_order(void **state)
{
	struct renew_policy off = policy;
	struct renewal_facts facts = device(DAY);

	(void)state;
	off.before_s = 0;
	assert_int_equal(decide_by(&off, &facts).action, RENEW_NOTHING);
	facts = with_row(300 * DAY, RENEWAL_ORDERED, 0);
	assert_int_equal(decide_by(&off, &facts).action, RENEW_SEND);
}

static void what_we_cannot_renew_is_told_once(void **state)
{
	struct renewal_facts facts = device(DAY);
	struct renew_policy ca_ends = policy;

	(void)state;
	facts.is_by_scep = false;
	assert_int_equal(decide(&facts), RENEW_WARN);
	facts.state = RENEWAL_IMPOSSIBLE;
	facts.renewed_id = facts.identity_id;
	assert_int_equal(decide(&facts), RENEW_NOTHING);
	facts.renewed_id--; /* it was told of another */
	assert_int_equal(decide(&facts), RENEW_WARN);
	facts = device(DAY);
	facts.kind = ENROLLMENT_BYOD_DEVICE;
	assert_int_equal(decide(&facts), RENEW_WARN);
	facts.has_account = true; /* the profile is made for that */
	assert_int_equal(decide(&facts), RENEW_SEND);
	facts = device(DAY);
	ca_ends.ca_ends = facts.not_after + RENEW_GAIN_MIN_S - 1;
	assert_int_equal(decide_by(&ca_ends, &facts).action, RENEW_WARN);
	ca_ends.ca_ends++;
	assert_int_equal(decide_by(&ca_ends, &facts).action, RENEW_SEND);
	facts = with_row(DAY, RENEWAL_ORDERED, 0);
	facts.is_by_scep = false;
	assert_int_equal(decide(&facts), RENEW_WARN);
}

static void what_was_sent_is_waited_for_and_what_came_of_it_noted(void **state)
{
	static const struct {
		enum queue_state command;
		int64_t finished_ago;
		enum renew_action action;
	} rows[] = {
		{QUEUE_QUEUED, 0, RENEW_NOTHING},
		{QUEUE_SENT, 0, RENEW_NOTHING},
		{QUEUE_NOTNOW, 0, RENEW_NOTHING},
		{QUEUE_DONE, RENEW_SETTLE_S - 1, RENEW_NOTHING},
		{QUEUE_DONE, RENEW_SETTLE_S, RENEW_FAIL},
		{QUEUE_FAILED, 0, RENEW_FAIL},
		{QUEUE_CANCELLED, 0, RENEW_FAIL},
		{QUEUE_EXPIRED, 0, RENEW_FAIL},
		{(enum queue_state)0, 0, RENEW_FAIL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct renewal_facts facts = with_row(20 * DAY, RENEWAL_SENT, rows[i].command);

		facts.command_finished_at = T0 - rows[i].finished_ago;
		assert_int_equal(decide(&facts), rows[i].action);
	}
}

static void failures_are_tried_again_in_growing_gaps_that_shrink_towards_the_end(void **state)
{
	static const struct {
		int64_t tries, left, gap;
	} rows[] = {
		{0, 40 * DAY, HOUR},
		{1, 40 * DAY, 2 * HOUR},
		{4, 40 * DAY, 16 * HOUR},
		{5, 40 * DAY, DAY},
		{1000000, 40 * DAY, DAY},
		{5, 4 * DAY, DAY / 2},
		{5, 480, RENEW_RETRY_MIN_S},
		{5, 1, RENEW_RETRY_MIN_S},
	};
	struct renewal_facts facts;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		facts = with_row(rows[i].left, RENEWAL_SENT, QUEUE_FAILED);
		facts.tries = rows[i].tries;
		assert_int_equal(decide_by(&policy, &facts).next_at, T0 + rows[i].gap);
	}
	facts = with_row(20 * DAY, RENEWAL_FAILED, QUEUE_FAILED);
	facts.next_at = T0 + 1;
	assert_int_equal(decide(&facts), RENEW_NOTHING);
	facts.next_at = T0;
	assert_int_equal(decide(&facts), RENEW_SEND);
}

static void the_new_identity_ends_it_when_the_answer_is_there_or_does_not_come(void **state)
{
	struct renewal_facts facts = with_row(300 * DAY, RENEWAL_SENT, QUEUE_DONE);

	(void)state;
	facts.renewed_id = 6;
	facts.enrolled_at = T0;
	assert_int_equal(decide(&facts), RENEW_FINISH);
	facts.command_state = QUEUE_SENT;
	assert_int_equal(decide(&facts), RENEW_NOTHING);
	facts.enrolled_at = T0 - RENEW_SETTLE_S;
	assert_int_equal(decide(&facts), RENEW_FINISH);
	facts.state = RENEWAL_FAILED;
	assert_int_equal(decide(&facts), RENEW_FINISH);
	facts.state = RENEWAL_ORDERED;
	assert_int_equal(decide(&facts), RENEW_FINISH);
	facts.state = RENEWAL_DONE;
	assert_int_equal(decide(&facts), RENEW_NOTHING);
}

static void what_has_ended_is_given_up_once(void **state)
{
	struct renewal_facts facts = with_row(0, RENEWAL_SENT, QUEUE_SENT);

	(void)state;
	assert_int_equal(decide(&facts), RENEW_GIVE_UP);
	facts.state = RENEWAL_OVER;
	assert_int_equal(decide(&facts), RENEW_NOTHING);
	facts = device(0);
	assert_int_equal(decide(&facts), RENEW_GIVE_UP);
	facts = with_row(DAY, RENEWAL_OVER, QUEUE_CANCELLED); /* the clock was put back */
	assert_int_equal(decide(&facts), RENEW_SEND);
}

static void a_profile_older_than_our_root_is_replaced_each_device_in_its_turn(void **state)
{
	struct renew_policy with_root = policy;
	struct renewal_facts facts = device(300 * DAY);

	(void)state;
	with_root.root_since = T0;
	assert_int_equal(decide_by(&with_root, &facts).action, RENEW_SEND);
	facts.hash = UINT32_MAX;
	assert_int_equal(decide_by(&with_root, &facts).action, RENEW_NOTHING);
	with_root.root_since = T0 - BEFORE / 2;
	assert_int_equal(decide_by(&with_root, &facts).action, RENEW_SEND);
	facts.enrolled_at = with_root.root_since;
	assert_int_equal(decide_by(&with_root, &facts).action, RENEW_NOTHING);
}

/* --- a life of a device, beside what must hold whatever happens */

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

struct life {
	uint64_t seed;
	struct renewal_facts facts;
	int64_t now, last_sent_at, lives;
	bool is_alive; /* the device comes and does what it is told */
	bool is_out;   /* a profile is out, that the device has not answered */
};

static void issue(struct life *life)
{
	life->facts.identity_id++;
	life->facts.not_before = life->now - 600;
	life->facts.not_after = life->now + policy.valid_s;
	life->facts.enrolled_at = life->now;
	life->lives++;
}

static void answer(struct life *life, enum queue_state state)
{
	life->facts.command_state = state;
	life->facts.command_finished_at = life->now;
	life->is_out = false;
}

/* What the store would keep. */
static void keep(struct life *life, const struct renew_decision *decision)
{
	static const enum renewal_state states[RENEW_ACTION_COUNT] = {
		[RENEW_SEND] = RENEWAL_SENT,
		[RENEW_FAIL] = RENEWAL_FAILED,
		[RENEW_FINISH] = RENEWAL_DONE,
		[RENEW_WARN] = RENEWAL_IMPOSSIBLE,
		[RENEW_GIVE_UP] = RENEWAL_OVER,
	};
	struct renewal_facts *facts = &life->facts;
	const enum renewal_state before = facts->state;

	if (decision->action == RENEW_NOTHING)
		return;
	if (before != RENEWAL_SENT && before != RENEWAL_FAILED)
		facts->tries = 0;
	if (decision->action == RENEW_FAIL)
		facts->tries++;
	if (decision->action != RENEW_FINISH)
		facts->renewed_id = facts->identity_id;
	facts->state = states[decision->action];
	facts->next_at = decision->next_at;
}

static void send(struct life *life)
{
	assert_false(life->is_out); /* never two at once */
	assert_true(life->now >= life->last_sent_at + RENEW_RETRY_MIN_S);
	assert_true(life->now < life->facts.not_after);
	assert_true(life->facts.not_after - life->now <= BEFORE);
	life->is_out = true;
	life->last_sent_at = life->now;
	life->facts.command_id++;
	life->facts.command_state = QUEUE_QUEUED;
}

static void device_acts(struct life *life)
{
	const uint64_t dice = next_random(&life->seed) % 16;

	if (!life->is_out)
		return;
	if (life->is_alive ? dice < 8 : false) {
		issue(life);
		answer(life, QUEUE_DONE);
	} else if (dice == 8) {
		answer(life, QUEUE_FAILED);
	} else if (dice == 9) {
		answer(life, QUEUE_CANCELLED);
	} else if (dice == 10) {
		answer(life, QUEUE_DONE); /* and nothing else */
	} else if (dice == 11 && life->is_alive) {
		issue(life); /* its answer is lost */
		life->is_out = false;
	} else if (dice == 12) {
		life->facts.command_state = QUEUE_NOTNOW;
	}
}

static void live(struct life *life, int64_t until)
{
	while (life->now < until) {
		struct renew_decision decision;

		life->now += 600 + (int64_t)(next_random(&life->seed) % (6 * HOUR));
		renew_decide(&policy, &life->facts, life->now, &decision);
		if (decision.action == RENEW_SEND)
			send(life);
		if (decision.action == RENEW_FINISH && life->facts.command_state < QUEUE_DONE)
			answer(life, QUEUE_CANCELLED);
		keep(life, &decision);
		assert_true(life->is_out || life->facts.state != RENEWAL_SENT ||
			life->facts.command_state >= QUEUE_DONE || life->facts.renewed_id != life->facts.identity_id);
		device_acts(life);
	}
}

static void whoever_comes_keeps_an_identity_and_who_fails_is_tried_to_the_end(void **state)
{
	(void)state;
	for (uint64_t i = 1; i <= 300; i++) {
		struct life life = {.seed = i * 2654435761U, .now = T0, .is_alive = i % 3 != 0};

		life.facts = device(LIFE);
		life.facts.hash = (uint32_t)next_random(&life.seed);
		issue(&life);
		live(&life, T0 + 4LL * LIFE);
		if (life.is_alive) {
			assert_true(life.facts.not_after > life.now);
			assert_in_range(life.lives, 4, 7);
		} else {
			assert_int_equal(life.facts.state, RENEWAL_OVER);
			assert_true(life.facts.not_after - life.last_sent_at < 8 * DAY || life.is_out);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(before_its_window_nothing_happens_and_in_it_each_has_its_turn),
		cmocka_unit_test(no_hour_of_the_window_has_more_than_its_share),
		cmocka_unit_test(an_identity_of_a_short_life_is_not_renewed_before_its_middle),
		cmocka_unit_test(what_the_conf_switches_off_is_not_renewed_but_by_order),
		cmocka_unit_test(what_we_cannot_renew_is_told_once),
		cmocka_unit_test(what_was_sent_is_waited_for_and_what_came_of_it_noted),
		cmocka_unit_test(failures_are_tried_again_in_growing_gaps_that_shrink_towards_the_end),
		cmocka_unit_test(the_new_identity_ends_it_when_the_answer_is_there_or_does_not_come),
		cmocka_unit_test(what_has_ended_is_given_up_once),
		cmocka_unit_test(a_profile_older_than_our_root_is_replaced_each_device_in_its_turn),
		cmocka_unit_test(whoever_comes_keeps_an_identity_and_who_fails_is_tried_to_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
