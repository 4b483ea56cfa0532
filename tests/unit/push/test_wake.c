/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wake.h"

enum { T0 = 1700000000, FIRST_S = 60, MAX_S = 3600 };

static const struct push_settings settings = {.retry_first_s = FIRST_S, .retry_max_s = MAX_S};

struct case_ {
	struct wake wake;
	struct jitter jitter;
	struct wake_now now;
	struct push_target target;
	enum wake_next next;
};

static int setup(void **state)
{
	static struct case_ c;

	c = (struct case_){.wake = WAKE_NEW, .jitter = {.state = 3}};
	c.now = (struct wake_now){.settings = &settings, .jitter = &c.jitter, .now_s = 100, .unix_s = T0};
	c.target = (struct push_target){.is_reachable = true, .is_enrolled = true, .token_len = 32};
	*state = &c;
	return 0;
}

static void later(struct case_ *c, uint32_t seconds)
{
	c->now.now_s += seconds;
	c->now.unix_s += seconds;
}

static void work(struct case_ *c, int64_t seq)
{
	c->target.open_seq = seq;
	c->target.open_priority = 1;
	c->next = wake_work(&c->wake, &c->now, seq, PUSH_CLASS_NORMAL);
}

static void urgent_work(struct case_ *c, int64_t seq)
{
	c->target.open_seq = seq;
	c->target.open_priority = 0;
	c->next = wake_work(&c->wake, &c->now, seq, PUSH_CLASS_URGENT);
}

static enum wake_verdict look(struct case_ *c)
{
	assert_int_equal(c->wake.phase, WAKE_READY);
	return wake_look(&c->wake, &c->now, &c->target, &c->next);
}

static void answer_at(struct case_ *c, int64_t seq, enum push_action action, int64_t retry_after_s)
{
	const struct wake_answer answer = {.action = action, .seq = seq, .retry_after_s = retry_after_s};

	assert_int_equal(c->wake.phase, WAKE_FLIGHT);
	c->next = wake_answer(&c->wake, &c->now, &answer);
}

static void begin_push(struct case_ *c)
{
	assert_int_equal(look(c), WAKE_PUSH);
	wake_sent(&c->wake);
}

static void push(struct case_ *c)
{
	begin_push(c);
	answer_at(c, c->target.open_seq, PUSH_DONE, 0);
}

static void contact(struct case_ *c, enum push_contact_kind kind, int64_t seen_seq)
{
	const struct push_contact told = {.kind = kind, .seen_seq = seen_seq};

	c->next = wake_contact(&c->wake, &c->now, &told);
}

static void assert_waits(const struct case_ *c, int64_t low_s, int64_t high_s)
{
	assert_int_equal(c->wake.phase, WAKE_WAIT);
	assert_in_range(c->wake.when_s, c->now.now_s + low_s, c->now.now_s + high_s);
}
/* A gap, a quarter more or less, but not more than the most. */
static void assert_gap(const struct case_ *c, int64_t gap_s)
{
	int64_t high = gap_s + gap_s / 4 < MAX_S ? gap_s + gap_s / 4 : MAX_S;

	assert_waits(c, gap_s - gap_s / 4, high);
}

static void wait_over(struct case_ *c)
{
	assert_int_equal(c->wake.phase, WAKE_WAIT);
	later(c, c->wake.when_s - c->now.now_s);
	c->next = wake_due(&c->wake);
	assert_int_equal(c->next, WAKE_TO_READY);
}

/* --- work */

static void test_new_work_is_pushed_for_at_once(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	assert_int_equal(c->next, WAKE_TO_READY);
	push(c);
	assert_int_equal(c->next, WAKE_TO_WAIT);
	assert_int_equal(c->wake.pushed_seq, 5);
}

static void test_work_that_is_pushed_for_is_not_new(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	push(c);
	work(c, 5);
	assert_int_equal(c->next, WAKE_STAYS);
}

/* --- newer work, while a push is out that nobody has come for */

static void test_newer_work_adds_no_push_to_one_that_is_unanswered(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	push(c);
	for (int64_t seq = 6; seq <= 15; seq++) {
		later(c, 1);
		work(c, seq);
		assert_int_equal(c->next, WAKE_STAYS);
	}
	wait_over(c);
	push(c);
	assert_int_equal(c->wake.pushed_seq, 15);
	assert_gap(c, 2 * FIRST_S);
}

static void test_newer_work_waits_for_no_more_than_a_first_gap(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	for (int i = 0; i < 5; i++) {
		push(c);
		if (i < 4)
			wait_over(c);
	}
	work(c, 6);
	assert_int_equal(c->next, WAKE_TO_WAIT);
	assert_gap(c, FIRST_S);
	later(c, 5);
	work(c, 7);
	assert_int_equal(c->next, WAKE_STAYS); /* nor is it put off again */
}

static void test_urgent_work_does_not_wait_with_what_is_unanswered(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	push(c);
	urgent_work(c, 6);
	assert_int_equal(c->next, WAKE_TO_READY);
	push(c);
	urgent_work(c, 7);
	assert_int_equal(c->next, WAKE_TO_READY);
	begin_push(c);
	urgent_work(c, 8);
	answer_at(c, 7, PUSH_DONE, 0);
	assert_int_equal(c->next, WAKE_TO_READY);
}

static void test_newer_work_than_one_came_for_is_pushed_for_at_once(void **state)
{
	static const enum push_contact_kind kinds[] = {PUSH_CONTACT_MESSAGE, PUSH_CONTACT_DRAINED,
		PUSH_CONTACT_HELD, PUSH_CONTACT_RESTING};

	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		struct case_ *c = *state;

		(void)setup(state);
		work(c, 5);
		push(c);
		contact(c, kinds[i], 5);
		work(c, 6);
		assert_int_equal(c->next, WAKE_TO_READY);
	}
}

static void test_newer_work_is_left_to_a_conversation_that_goes_on(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	push(c);
	work(c, 6);
	contact(c, PUSH_CONTACT_MESSAGE, 0);
	assert_int_equal(c->next, WAKE_STAYS);
	assert_gap(c, FIRST_S);
	wait_over(c); /* it broke off */
	assert_int_equal(look(c), WAKE_PUSH);
}

static void test_newer_work_waits_for_a_flight_and_a_gap(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	begin_push(c);
	for (int64_t seq = 6; seq <= 15; seq++) {
		work(c, seq);
		assert_int_equal(c->next, WAKE_STAYS);
	}
	answer_at(c, 5, PUSH_DONE, 0);
	assert_int_equal(c->next, WAKE_TO_WAIT);
	assert_gap(c, FIRST_S);
	wait_over(c);
	push(c);
	assert_int_equal(c->wake.pushed_seq, 15);
}

static void test_newer_work_of_one_that_came_during_the_flight_is_pushed_for_after_it(void **state)
{
	static const bool is_work_first[] = {false, true};

	for (size_t i = 0; i < COUNT_OF(is_work_first); i++) {
		struct case_ *c = *state;

		(void)setup(state);
		work(c, 5);
		begin_push(c);
		if (is_work_first[i])
			work(c, 6);
		contact(c, PUSH_CONTACT_DRAINED, 0);
		if (!is_work_first[i])
			work(c, 6);
		answer_at(c, 5, PUSH_DONE, 0);
		assert_int_equal(c->next, WAKE_TO_READY);
	}
}

static void test_lost_contacts_end_the_wait_of_newer_work(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	push(c);
	work(c, 6);
	assert_int_equal(wake_maybe_contact(&c->wake, &c->now), WAKE_TO_READY);
}

static void test_newer_work_that_is_over_before_its_turn_repeats_nothing(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	push(c);
	urgent_work(c, 6);
	c->target.open_seq = 5; /* the newer one is cancelled */
	assert_int_equal(look(c), WAKE_NO_PUSH);
	assert_int_equal(c->next, WAKE_TO_WAIT);
	assert_gap(c, FIRST_S);
	wait_over(c);
	push(c);
	assert_gap(c, 2 * FIRST_S);
}

static void test_urgent_work_moves_ahead(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	urgent_work(c, 6);
	assert_int_equal(c->next, WAKE_TO_READY);
	assert_int_equal(c->wake.class, PUSH_CLASS_URGENT);
	work(c, 7);
	assert_int_equal(c->next, WAKE_STAYS);
	assert_int_equal(c->wake.class, PUSH_CLASS_URGENT);
}

static void test_no_push_for_work_that_is_over(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	c->target.open_seq = 0;
	assert_int_equal(look(c), WAKE_NO_PUSH);
	assert_int_equal(c->next, WAKE_TO_NOWHERE);
}

static void test_nobody_without_a_token_is_pushed_to(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	c->target.is_reachable = false;
	assert_int_equal(look(c), WAKE_NO_TOKEN);
	assert_int_equal(c->next, WAKE_TO_NOWHERE);
}

/* --- unanswered */

static void test_gaps_grow_while_work_stays_unanswered(void **state)
{
	struct case_ *c = *state;
	int64_t gap = FIRST_S;

	work(c, 5);
	for (int i = 0; i < 12; i++) {
		push(c);
		assert_gap(c, gap);
		gap = gap * 2 < MAX_S ? gap * 2 : MAX_S;
		wait_over(c);
	}
}

static void test_a_contact_begins_the_gaps_anew(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	for (int i = 0; i < 5; i++) {
		push(c);
		if (i < 4)
			wait_over(c);
	}
	contact(c, PUSH_CONTACT_MESSAGE, 0);
	assert_int_equal(c->next, WAKE_TO_WAIT);
	assert_gap(c, FIRST_S);
	wait_over(c);
	push(c);
	assert_gap(c, FIRST_S);
}

static void test_a_contact_while_a_repetition_waits_for_its_turn_takes_it_back(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	push(c);
	wait_over(c);
	contact(c, PUSH_CONTACT_MESSAGE, 0);
	assert_int_equal(c->next, WAKE_TO_WAIT);
	assert_gap(c, FIRST_S);
}

static void test_a_contact_does_not_take_back_a_first_push(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	contact(c, PUSH_CONTACT_MESSAGE, 0);
	assert_int_equal(c->next, WAKE_STAYS);
	assert_int_equal(look(c), WAKE_PUSH);
}

/* --- empty replies with held work */

static void test_rest_after_a_notnow_is_long(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	push(c);
	contact(c, PUSH_CONTACT_RESTING, 5);
	assert_int_equal(c->next, WAKE_TO_WAIT);
	assert_waits(c, MAX_S - MAX_S / 4, MAX_S);
	wait_over(c);
	assert_int_equal(look(c), WAKE_PUSH);
}

static void test_newer_work_ends_the_rest(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	push(c);
	contact(c, PUSH_CONTACT_RESTING, 5);
	work(c, 6);
	assert_int_equal(c->next, WAKE_TO_READY);
	assert_int_equal(look(c), WAKE_PUSH);
}

static void test_held_work_of_one_that_does_not_come_is_pushed_for_again(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	push(c);
	contact(c, PUSH_CONTACT_HELD, 5);
	assert_gap(c, FIRST_S);
	wait_over(c);
	assert_int_equal(look(c), WAKE_PUSH);
}

/*
 * The reply was decided on a snapshot that had seen 5. Work 6 was published before the contact is told, and even
 * before the reply was sent: by any clock the contact is later, and yet nobody has told the device of 6.
 */
static void test_what_the_snapshot_had_not_seen_is_pushed_for_though_the_contact_is_later(
	void **state)
{
	static const enum push_contact_kind kinds[] = {PUSH_CONTACT_RESTING, PUSH_CONTACT_HELD,
		PUSH_CONTACT_DRAINED};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct case_ *c = *state;

		(void)setup(state);
		work(c, 5);
		push(c);
		later(c, 10);
		work(c, 6);
		later(c, 10);
		contact(c, kinds[i], 5);
		assert_int_equal(c->next, WAKE_TO_READY);
		assert_int_equal(look(c), WAKE_PUSH);
	}
}

static void test_what_the_snapshot_had_seen_needs_no_first_push(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	contact(c, PUSH_CONTACT_RESTING, 5);
	assert_waits(c, MAX_S - MAX_S / 4, MAX_S);
}

static void test_an_empty_reply_makes_an_entry_of_its_own(void **state)
{
	struct case_ *c = *state;

	contact(c, PUSH_CONTACT_HELD, 5);
	assert_int_equal(c->next, WAKE_TO_WAIT);
	assert_gap(c, FIRST_S);
	work(c, 4);
	assert_int_equal(c->next, WAKE_STAYS);
	work(c, 6);
	assert_int_equal(c->next, WAKE_TO_READY);
}

static void test_a_rest_that_begins_during_a_flight_is_kept(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	begin_push(c);
	contact(c, PUSH_CONTACT_RESTING, 5);
	answer_at(c, 5, PUSH_DONE, 0);
	assert_waits(c, MAX_S - MAX_S / 4, MAX_S);
}

static void test_a_rest_that_ends_during_a_flight_is_over(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	begin_push(c);
	contact(c, PUSH_CONTACT_RESTING, 5);
	contact(c, PUSH_CONTACT_MESSAGE, 0);
	answer_at(c, 5, PUSH_DONE, 0);
	assert_gap(c, FIRST_S);
}

/* --- refusals */

static void test_refusals_are_tried_again_after_growing_gaps(void **state)
{
	struct case_ *c = *state;
	int64_t gap = WAKE_REFUSED_FIRST_S;

	work(c, 5);
	for (int i = 0; i < 12; i++) {
		begin_push(c);
		answer_at(c, 5, PUSH_RETRY, 0);
		assert_gap(c, gap);
		assert_int_equal(c->wake.pushed_seq, 0);
		gap = gap * 2 < MAX_S ? gap * 2 : MAX_S;
		wait_over(c);
	}
	push(c);
	assert_gap(c, FIRST_S);
	assert_int_equal(c->wake.fails, 0);
}

static void test_retry_after_is_honoured(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	begin_push(c);
	answer_at(c, 5, PUSH_RETRY, 1000);
	assert_waits(c, 1000, 1000);
	wait_over(c);
	begin_push(c);
	answer_at(c, 5, PUSH_RETRY, INT64_MAX);
	assert_waits(c, WAKE_RETRY_AFTER_MAX_S, WAKE_RETRY_AFTER_MAX_S);
}

static void test_nothing_but_a_new_token_ends_a_backoff(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	begin_push(c);
	answer_at(c, 5, PUSH_RETRY, 1000);
	work(c, 6);
	assert_int_equal(c->next, WAKE_STAYS);
	contact(c, PUSH_CONTACT_MESSAGE, 0);
	assert_int_equal(c->next, WAKE_STAYS);
	contact(c, PUSH_CONTACT_HELD, 5);
	assert_int_equal(c->next, WAKE_STAYS);
	assert_int_equal(wake_order(&c->wake, WAKE_ORDER, PUSH_CLASS_URGENT), WAKE_STAYS);
	assert_int_equal(wake_order(&c->wake, WAKE_PROBE, PUSH_CLASS_PROBE), WAKE_STAYS);
	assert_waits(c, 1000, 1000);
	contact(c, PUSH_CONTACT_TOKEN, 0);
	assert_int_equal(c->next, WAKE_TO_READY);
	assert_int_equal(look(c), WAKE_PUSH);
}

static void test_what_no_repetition_mends_is_not_repeated(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	begin_push(c);
	answer_at(c, 5, PUSH_DROP, 0);
	for (int i = 0; i < 3; i++) {
		contact(c, PUSH_CONTACT_MESSAGE, 0);
		assert_int_equal(c->next, WAKE_STAYS);
		wait_over(c); /* has the work ended? */
		assert_int_equal(look(c), WAKE_NO_PUSH);
		assert_int_equal(c->next, WAKE_TO_WAIT);
	}
	work(c, 6);
	assert_int_equal(c->next, WAKE_TO_READY);
	push(c);
	assert_gap(c, FIRST_S);
	wait_over(c);
	assert_int_equal(look(c), WAKE_PUSH);
}

static void test_other_certificates_make_dropped_work_worth_a_push(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	begin_push(c);
	assert_int_equal(wake_certs(&c->wake), WAKE_STAYS);
	answer_at(c, 5, PUSH_DROP, 0);
	assert_int_equal(wake_certs(&c->wake), WAKE_TO_READY);
	push(c);
	assert_gap(c, FIRST_S);
	assert_int_equal(wake_certs(&c->wake), WAKE_STAYS);
}

static void test_dropped_work_that_is_over_is_forgotten(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	begin_push(c);
	answer_at(c, 5, PUSH_DROP, 0);
	wait_over(c);
	c->target.open_seq = 0;
	assert_int_equal(look(c), WAKE_NO_PUSH);
	assert_int_equal(c->next, WAKE_TO_NOWHERE);
}

static void test_a_stopped_topic_keeps_the_turn(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	begin_push(c);
	answer_at(c, 5, PUSH_TOPIC_STOP, 0);
	assert_int_equal(c->next, WAKE_TO_READY);
	assert_int_equal(look(c), WAKE_PUSH);
	assert_int_equal(wake_blocked(&c->wake, &c->now, TOPICS_STOPPED), WAKE_TO_READY);
	assert_int_equal(look(c), WAKE_PUSH);
}

/* --- tokens */

static void test_a_dead_token_is_not_pushed_to(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	begin_push(c);
	answer_at(c, 5, PUSH_TOKEN_DEAD, 0);
	assert_int_equal(c->next, WAKE_TO_WAIT);
	work(c, 6);
	assert_int_equal(c->next, WAKE_STAYS);
	contact(c, PUSH_CONTACT_MESSAGE, 0);
	assert_int_equal(c->next, WAKE_STAYS);
	c->target.token_dead_at = T0;
	wait_over(c);
	assert_int_equal(look(c), WAKE_TOKEN_DEAD);
	assert_int_equal(c->next, WAKE_TO_WAIT);
}

static void test_a_dead_token_is_remembered_before_it_is_written(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	begin_push(c);
	answer_at(c, 5, PUSH_TOKEN_DEAD, 0);
	assert_int_equal(wake_order(&c->wake, WAKE_ASK, PUSH_CLASS_NORMAL), WAKE_TO_READY);
	assert_int_equal(look(c), WAKE_TOKEN_DEAD);
	assert_false(c->wake.is_asked);
}

static void test_a_token_update_revives(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	begin_push(c);
	answer_at(c, 5, PUSH_TOKEN_DEAD, 0);
	contact(c, PUSH_CONTACT_TOKEN, 0);
	assert_int_equal(c->next, WAKE_TO_READY);
	assert_int_equal(look(c), WAKE_PUSH);
}

static void test_a_token_update_makes_pushed_work_new(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	push(c);
	c->target.pushed_seq = 5; /* as it is stored */
	contact(c, PUSH_CONTACT_TOKEN, 0);
	assert_int_equal(c->next, WAKE_TO_READY);
	assert_int_equal(look(c), WAKE_PUSH);
}

static void test_a_token_update_without_work_pushes_nothing(void **state)
{
	struct case_ *c = *state;

	contact(c, PUSH_CONTACT_TOKEN, 0);
	assert_int_equal(look(c), WAKE_NO_PUSH);
	assert_int_equal(c->next, WAKE_TO_NOWHERE);
}

static void test_a_token_update_during_a_flight_is_pushed_for_after_it(void **state)
{
	static const enum push_action actions[] = {PUSH_DONE, PUSH_RETRY, PUSH_TOKEN_DEAD, PUSH_TOPIC_STOP,
		PUSH_DROP};

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		struct case_ *c = *state;

		(void)setup(state);
		work(c, 5);
		begin_push(c);
		contact(c, PUSH_CONTACT_TOKEN, 0);
		assert_int_equal(c->next, WAKE_STAYS);
		answer_at(c, 5, actions[i], 100);
		assert_int_equal(c->next, WAKE_TO_READY);
		assert_int_equal(look(c), WAKE_PUSH);
	}
}

/* --- after a start */

static void test_pushed_work_waits_for_the_rest_of_its_gap_after_a_start(void **state)
{
	static const struct {
		int64_t tries, ago_s, low_s, high_s;
	} rows[] = {
		{1, 10, 35, 65}, {2, 10, 80, 140}, {3, 100, 80, 200},
		{200, 100, MAX_S - MAX_S / 4 - 100, MAX_S - 100}, {1, -50, 45, 75}, /* the clock was set back */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct case_ *c = *state;

		(void)setup(state);
		c->target.pushed_seq = 5;
		c->target.pushed_at = T0 - rows[i].ago_s;
		c->target.tries = rows[i].tries;
		work(c, 5);
		assert_int_equal(look(c), WAKE_NO_PUSH);
		assert_int_equal(c->next, WAKE_TO_WAIT);
		assert_waits(c, rows[i].low_s, rows[i].high_s);
		wait_over(c);
		push(c);
		assert_true(c->wake.tries > rows[i].tries || c->wake.tries == UINT8_MAX || rows[i].tries == 200);
	}
}

static void test_a_gap_that_is_over_is_pushed_at_once_after_a_start(void **state)
{
	struct case_ *c = *state;

	c->target.pushed_seq = 5;
	c->target.pushed_at = T0 - 2 * FIRST_S;
	c->target.tries = 1;
	work(c, 5);
	push(c);
	assert_int_equal(c->wake.tries, 2);
}

static void test_newer_work_than_was_pushed_for_is_pushed_at_once_after_a_start(void **state)
{
	struct case_ *c = *state;

	c->target.pushed_seq = 5;
	c->target.pushed_at = T0;
	work(c, 6);
	assert_int_equal(look(c), WAKE_PUSH);
}

static void test_held_work_waits_after_a_start(void **state)
{
	struct case_ *c = *state;

	c->target.seen_seq = 5;
	work(c, 5);
	assert_int_equal(look(c), WAKE_NO_PUSH);
	assert_gap(c, FIRST_S);
}

/* --- orders */

static void test_an_order_pushes_without_work_and_once(void **state)
{
	static const enum wake_order orders[] = {WAKE_ORDER, WAKE_ASK, WAKE_TEST, WAKE_PROBE};

	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		struct case_ *c = *state;

		(void)setup(state);
		assert_int_equal(wake_order(&c->wake, orders[i], PUSH_CLASS_PROBE), WAKE_TO_READY);
		push(c);
		assert_int_equal(c->next, WAKE_TO_NOWHERE);
	}
}

static void test_an_order_does_not_wait_for_a_gap_or_a_rest(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	push(c);
	contact(c, PUSH_CONTACT_RESTING, 5);
	assert_int_equal(wake_order(&c->wake, WAKE_ORDER, PUSH_CLASS_URGENT), WAKE_TO_READY);
	assert_int_equal(c->wake.class, PUSH_CLASS_URGENT);
	push(c);
	assert_int_equal(c->next, WAKE_TO_WAIT);
}

static void test_an_order_during_a_flight_joins_it(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	begin_push(c);
	assert_int_equal(wake_order(&c->wake, WAKE_ORDER, PUSH_CLASS_NORMAL), WAKE_STAYS);
	assert_int_equal(wake_order(&c->wake, WAKE_ASK, PUSH_CLASS_NORMAL), WAKE_STAYS);
	answer_at(c, 5, PUSH_DONE, 0);
	assert_int_equal(c->next, WAKE_TO_WAIT);
	assert_false(c->wake.is_ordered || c->wake.is_asked);
}

static void test_a_refused_order_is_tried_again_for_a_while(void **state)
{
	struct case_ *c = *state;
	int tries = 0;

	(void)wake_order(&c->wake, WAKE_ORDER, PUSH_CLASS_NORMAL);
	do {
		begin_push(c);
		answer_at(c, 0, PUSH_RETRY, 0);
		tries++;
		if (c->next == WAKE_TO_WAIT)
			wait_over(c);
	} while (c->next == WAKE_TO_READY);
	assert_int_equal(c->next, WAKE_TO_NOWHERE);
	assert_int_equal(tries, WAKE_ORDER_TRIES_MAX);
}

static void test_a_refused_probe_comes_again_with_the_next_walk(void **state)
{
	struct case_ *c = *state;

	(void)wake_order(&c->wake, WAKE_PROBE, PUSH_CLASS_PROBE);
	begin_push(c);
	answer_at(c, 0, PUSH_RETRY, 0);
	assert_int_equal(c->next, WAKE_TO_NOWHERE);
}

static void test_who_asked_is_not_kept_where_nothing_is_taken(void **state)
{
	static const struct {
		enum wake_order order;
		enum topics_verdict verdict;
		enum wake_next next;
	} rows[] = {
		{WAKE_ASK, TOPICS_STOPPED, WAKE_TO_NOWHERE},
		{WAKE_ASK, TOPICS_NO_CERTIFICATE, WAKE_TO_NOWHERE},
		{WAKE_ASK, TOPICS_WAITING, WAKE_TO_NOWHERE},
		{WAKE_ASK, TOPICS_FULL, WAKE_TO_READY},
		{WAKE_TEST, TOPICS_WAITING, WAKE_TO_NOWHERE},
		{WAKE_TEST, TOPICS_FULL, WAKE_TO_WAIT},
		{WAKE_ORDER, TOPICS_STOPPED, WAKE_TO_READY},
		{WAKE_ORDER, TOPICS_NO_CERTIFICATE, WAKE_TO_READY},
		{WAKE_ORDER, TOPICS_WAITING, WAKE_TO_READY},
		{WAKE_ORDER, TOPICS_FULL, WAKE_TO_READY},
		{WAKE_PROBE, TOPICS_STOPPED, WAKE_TO_NOWHERE},
		{WAKE_PROBE, TOPICS_NO_CERTIFICATE, WAKE_TO_NOWHERE},
		{WAKE_PROBE, TOPICS_WAITING, WAKE_TO_READY},
		{WAKE_PROBE, TOPICS_FULL, WAKE_TO_READY},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct case_ *c = *state;

		(void)setup(state);
		(void)wake_order(&c->wake, rows[i].order, PUSH_CLASS_PROBE);
		assert_int_equal(look(c), WAKE_PUSH);
		assert_int_equal(wake_blocked(&c->wake, &c->now, rows[i].verdict), rows[i].next);
	}
}

static void test_a_test_is_pushed_to_a_dead_token(void **state)
{
	struct case_ *c = *state;

	c->target.token_dead_at = T0;
	(void)wake_order(&c->wake, WAKE_TEST, PUSH_CLASS_URGENT);
	assert_int_equal(look(c), WAKE_PUSH);
	assert_true(c->wake.is_test);
	wake_sent(&c->wake);
	answer_at(c, 0, PUSH_TOKEN_DEAD, 0);
	assert_int_equal(c->next, WAKE_TO_NOWHERE);
}

static void test_a_test_does_not_wait_for_a_backoff(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	begin_push(c);
	answer_at(c, 5, PUSH_RETRY, 1000);
	assert_int_equal(wake_order(&c->wake, WAKE_TEST, PUSH_CLASS_URGENT), WAKE_TO_READY);
}

static void test_a_probe_leaves_those_alone_who_are_looked_after(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	assert_int_equal(wake_order(&c->wake, WAKE_PROBE, PUSH_CLASS_PROBE), WAKE_STAYS);
	begin_push(c);
	assert_int_equal(wake_order(&c->wake, WAKE_PROBE, PUSH_CLASS_PROBE), WAKE_STAYS);
	answer_at(c, 5, PUSH_TOKEN_DEAD, 0);
	assert_int_equal(wake_order(&c->wake, WAKE_PROBE, PUSH_CLASS_PROBE), WAKE_STAYS);
	assert_false(c->wake.is_probe);
}

static void test_a_contact_before_the_probe_makes_it_needless(void **state)
{
	struct case_ *c = *state;

	(void)wake_order(&c->wake, WAKE_PROBE, PUSH_CLASS_PROBE);
	contact(c, PUSH_CONTACT_MESSAGE, 0);
	assert_int_equal(look(c), WAKE_NO_PUSH);
	assert_int_equal(c->next, WAKE_TO_NOWHERE);
	(void)setup(state);
	work(c, 5);
	push(c);
	(void)wake_order(&c->wake, WAKE_PROBE, PUSH_CLASS_PROBE);
	contact(c, PUSH_CONTACT_MESSAGE, 0);
	assert_int_equal(c->next, WAKE_TO_WAIT);
	assert_gap(c, FIRST_S);
}

static void test_work_that_is_due_after_a_probe_does_not_wait_with_the_probes(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	push(c);
	assert_int_equal(wake_order(&c->wake, WAKE_PROBE, PUSH_CLASS_PROBE), WAKE_TO_READY);
	assert_int_equal(c->wake.class, PUSH_CLASS_PROBE);
	push(c);
	wait_over(c);
	assert_int_equal(c->wake.class, PUSH_CLASS_NORMAL);
}

/* --- lost contacts, lost reads */

static void test_lost_contacts_make_everyone_wait_no_longer_than_a_first_gap(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	push(c);
	contact(c, PUSH_CONTACT_RESTING, 5);
	c->next = wake_maybe_contact(&c->wake, &c->now);
	assert_int_equal(c->next, WAKE_TO_WAIT);
	assert_gap(c, FIRST_S);
}

static void test_lost_contacts_make_a_dead_token_worth_a_look(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	begin_push(c);
	answer_at(c, 5, PUSH_TOKEN_DEAD, 0);
	assert_int_equal(wake_maybe_contact(&c->wake, &c->now), WAKE_TO_READY);
	assert_int_equal(look(c), WAKE_PUSH);
}

static void test_a_row_that_cannot_be_read_is_tried_later(void **state)
{
	struct case_ *c = *state;

	work(c, 5);
	assert_int_equal(wake_unread(&c->wake, &c->now), WAKE_TO_WAIT);
	assert_gap(c, WAKE_REFUSED_FIRST_S);
	wait_over(c);
	assert_int_equal(look(c), WAKE_PUSH);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new_work_is_pushed_for_at_once),
		TEST(test_work_that_is_pushed_for_is_not_new),
		TEST(test_newer_work_adds_no_push_to_one_that_is_unanswered),
		TEST(test_newer_work_waits_for_no_more_than_a_first_gap),
		TEST(test_urgent_work_does_not_wait_with_what_is_unanswered),
		TEST(test_newer_work_than_one_came_for_is_pushed_for_at_once),
		TEST(test_newer_work_is_left_to_a_conversation_that_goes_on),
		TEST(test_newer_work_waits_for_a_flight_and_a_gap),
		TEST(test_newer_work_of_one_that_came_during_the_flight_is_pushed_for_after_it),
		TEST(test_lost_contacts_end_the_wait_of_newer_work),
		TEST(test_newer_work_that_is_over_before_its_turn_repeats_nothing),
		TEST(test_urgent_work_moves_ahead),
		TEST(test_no_push_for_work_that_is_over),
		TEST(test_nobody_without_a_token_is_pushed_to),
		TEST(test_gaps_grow_while_work_stays_unanswered),
		TEST(test_a_contact_begins_the_gaps_anew),
		TEST(test_a_contact_while_a_repetition_waits_for_its_turn_takes_it_back),
		TEST(test_a_contact_does_not_take_back_a_first_push),
		TEST(test_rest_after_a_notnow_is_long),
		TEST(test_newer_work_ends_the_rest),
		TEST(test_held_work_of_one_that_does_not_come_is_pushed_for_again),
		TEST(test_what_the_snapshot_had_not_seen_is_pushed_for_though_the_contact_is_later),
		TEST(test_what_the_snapshot_had_seen_needs_no_first_push),
		TEST(test_an_empty_reply_makes_an_entry_of_its_own),
		TEST(test_a_rest_that_begins_during_a_flight_is_kept),
		TEST(test_a_rest_that_ends_during_a_flight_is_over),
		TEST(test_refusals_are_tried_again_after_growing_gaps),
		TEST(test_retry_after_is_honoured),
		TEST(test_nothing_but_a_new_token_ends_a_backoff),
		TEST(test_what_no_repetition_mends_is_not_repeated),
		TEST(test_other_certificates_make_dropped_work_worth_a_push),
		TEST(test_dropped_work_that_is_over_is_forgotten),
		TEST(test_a_stopped_topic_keeps_the_turn),
		TEST(test_a_dead_token_is_not_pushed_to),
		TEST(test_a_dead_token_is_remembered_before_it_is_written),
		TEST(test_a_token_update_revives),
		TEST(test_a_token_update_makes_pushed_work_new),
		TEST(test_a_token_update_without_work_pushes_nothing),
		TEST(test_a_token_update_during_a_flight_is_pushed_for_after_it),
		TEST(test_pushed_work_waits_for_the_rest_of_its_gap_after_a_start),
		TEST(test_a_gap_that_is_over_is_pushed_at_once_after_a_start),
		TEST(test_newer_work_than_was_pushed_for_is_pushed_at_once_after_a_start),
		TEST(test_held_work_waits_after_a_start),
		TEST(test_an_order_pushes_without_work_and_once),
		TEST(test_an_order_does_not_wait_for_a_gap_or_a_rest),
		TEST(test_an_order_during_a_flight_joins_it),
		TEST(test_a_refused_order_is_tried_again_for_a_while),
		TEST(test_a_refused_probe_comes_again_with_the_next_walk),
		TEST(test_who_asked_is_not_kept_where_nothing_is_taken),
		TEST(test_a_test_is_pushed_to_a_dead_token),
		TEST(test_a_test_does_not_wait_for_a_backoff),
		TEST(test_a_probe_leaves_those_alone_who_are_looked_after),
		TEST(test_a_contact_before_the_probe_makes_it_needless),
		TEST(test_work_that_is_due_after_a_probe_does_not_wait_with_the_probes),
		TEST(test_lost_contacts_make_everyone_wait_no_longer_than_a_first_gap),
		TEST(test_lost_contacts_make_a_dead_token_worth_a_look),
		TEST(test_a_row_that_cannot_be_read_is_tried_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
