/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "world.h"

/*
 * Histories that nobody has thought of: whatever happens to a few devices, the store and APNs, those who have work
 * are woken, at once where it is new, and nobody is pushed to without a reason. The same seed gives the same history.
 */

enum {
	DEVICES = 5,
	HISTORIES = 40,
	STEPS = 120,
	FIRST_S = 60,
	MAX_S = 3600,
	MARKS = 200, /* tokens that a device has one after the other */
};

/* What a device, and those who look at it from outside, know. */
struct device {
	int64_t id;
	uint8_t mark;    /* its token */
	bool is_dead;    /* APNs knows it no more */
	int64_t pushed;  /* the highest open work that a push to the present token was taken for */
	int64_t seen;    /* what its last empty reply had seen */
	int64_t flown;   /* of the push that is in flight: the open work ... */
	uint8_t to_mark; /* ... and its token */
	bool is_flying, is_resting, is_backed_off;
	bool is_excused;       /* one push needs no reason: something was forgotten, or refused */
	bool is_held;          /* newer work may wait, with what it has not come for yet */
	bool is_vague;         /* what is known of its tries was forgotten */
	bool is_urgent;        /* since its last push */
	bool is_met;           /* in touch while a push flew */
	unsigned tries;        /* pushes since it was in touch */
	int64_t not_before_us; /* a push without new work */
};

static struct history {
	struct world *w;
	uint64_t seed;
	unsigned step;
	struct jitter dice;
	struct device devices[DEVICES];
	size_t log_at;
	enum rc read_rc, scan_rc, submit_rc;
	unsigned pushes, reasons_new, reasons_again;
} h;

/* --- a store that fails */

enum rc __real_push_target_read(struct txn *txn, int64_t id, struct push_target *target_r,
	struct err *err);
enum rc __wrap_push_target_read(struct txn *txn, int64_t id, struct push_target *target_r,
	struct err *err);
enum rc __real_push_work_since(struct txn *txn, struct push_cursor *cursor, struct push_work *rows,
	size_t max, size_t *count_r, struct err *err);
enum rc __wrap_push_work_since(struct txn *txn, struct push_cursor *cursor, struct push_work *rows,
	size_t max, size_t *count_r, struct err *err);
enum rc __real_store_submit(struct store *store, struct store_job *job, struct err *err);
enum rc __wrap_store_submit(struct store *store, struct store_job *job, struct err *err);

enum rc __wrap_push_target_read(struct txn *txn, int64_t id, struct push_target *target_r,
	struct err *err)
{
	if (h.read_rc != RC_OK)
		return err_set(err, h.read_rc, "told to fail");
	return __real_push_target_read(txn, id, target_r, err);
}

enum rc __wrap_push_work_since(struct txn *txn, struct push_cursor *cursor, struct push_work *rows,
	size_t max, size_t *count_r, struct err *err)
{
	if (h.scan_rc != RC_OK)
		return err_set(err, h.scan_rc, "told to fail");
	return __real_push_work_since(txn, cursor, rows, max, count_r, err);
}

enum rc __wrap_store_submit(struct store *store, struct store_job *job, struct err *err)
{
	if (h.submit_rc != RC_OK)
		return err_set(err, h.submit_rc, "told to fail");
	return __real_store_submit(store, job, err);
}

/* --- dice */

static unsigned roll(unsigned sides)
{
	return jitter_next(&h.dice) % sides;
}

static struct device *any_device(void)
{
	return &h.devices[roll(DEVICES)];
}

static int64_t now_us(void)
{
	return clock_monotonic_us(&h.w->clock);
}

#define MUST(what, device) \
	do { \
		if (!(what)) \
			fail_msg("history %llu, step %u, device %d: not %s", (unsigned long long)h.seed, h.step, \
				(int)((device)-h.devices), #what); \
	} while (0)

/* --- what is expected of pushes */

static struct push_target target_of(const struct device *device)
{
	const enum rc read_rc = h.read_rc;
	struct push_target target;

	h.read_rc = RC_OK;
	target = world_target(h.w, device->id);
	h.read_rc = read_rc;
	return target;
}

static bool is_new(const struct device *device, int64_t open_seq)
{
	return open_seq > device->pushed && open_seq > device->seen;
}

/* Jitter takes a quarter at most; the scheduler counts whole seconds. */
static void wait_from_now(struct device *device, int64_t gap_s)
{
	device->not_before_us = now_us() + (gap_s * 3 / 4 - 2) * 1000000;
}

static int64_t gap_after(unsigned tries)
{
	int64_t gap_s = FIRST_S;

	while (tries-- > 0 && gap_s < MAX_S)
		gap_s *= 2;
	return gap_s < MAX_S ? gap_s : MAX_S;
}

static struct device *find_device(int64_t id)
{
	for (size_t i = 0; i < DEVICES; i++)
		if (h.devices[i].id == id)
			return &h.devices[i];
	return NULL;
}

static void expect_reason(struct device *device, uint8_t mark)
{
	const struct push_target target = target_of(device);

	h.pushes++;
	MUST(!device->is_flying, device);
	MUST(mark == device->mark, device);
	MUST(target.open_seq > 0, device);
	h.reasons_new += is_new(device, target.open_seq);
	h.reasons_again += !is_new(device, target.open_seq);
	MUST((is_new(device, target.open_seq) && !device->is_held) || device->is_excused ||
			now_us() >= device->not_before_us,
		device);
	device->is_excused = false;
	device->is_held = false;
	device->is_urgent = false;
	device->is_met = false;
	device->is_flying = true;
	device->is_resting = false;
	device->flown = target.open_seq;
	device->to_mark = mark;
}

static void look_at_pushes(void)
{
	for (; h.log_at < fake.log_count; h.log_at++) {
		struct device *device = find_device(fake.log[h.log_at].enrollment_id);

		if (device != NULL) /* else of an earlier history */
			expect_reason(device, fake.log[h.log_at].token_mark);
	}
}

static void settle(void)
{
	world_settle(h.w);
	look_at_pushes();
}

static void pass_s(int64_t seconds)
{
	world_pass_s(h.w, seconds);
	look_at_pushes();
}

/* --- what may happen */

static void answer_taken(struct device *device)
{
	const bool is_rest = device->is_resting && target_of(device).open_seq <= device->seen;

	device->is_flying = false;
	device->is_backed_off = false;
	if (device->to_mark == device->mark && device->pushed < device->flown)
		device->pushed = device->flown;
	if (is_rest)
		wait_from_now(device, MAX_S);
	else
		wait_from_now(device,
			is_new(device, target_of(device).open_seq) ? FIRST_S : gap_after(device->tries));
	device->tries = device->is_met || device->is_vague ? 0 : device->tries + 1;
	device->is_held &= !device->is_met;
	fake_answer(device->id, &fake_taken);
}

static void answer_refused(struct device *device, const struct parcel_answer *answer)
{
	device->is_flying = false;
	device->is_excused = true;
	device->is_backed_off = answer == &fake_retry;
	fake_answer(device->id, answer);
}

static void answer(struct device *device)
{
	if (!device->is_flying)
		return;
	settle(); /* what it has told comes first, else its tries were counted otherwise */
	if (device->is_dead && device->to_mark == device->mark)
		answer_refused(device, &fake_dead);
	else if (roll(8) == 0)
		answer_refused(device, &fake_retry);
	else if (roll(16) == 0)
		answer_refused(device, &fake_stopped);
	else
		answer_taken(device);
}

static void do_answer(void)
{
	answer(any_device());
}

static void poke(void)
{
	if (roll(4) != 0)
		push_poke(h.w->push);
}

/* Newer work of one that is not in touch waits for a first gap at most, unless it is urgent. */
static void hold(struct device *device, int priority)
{
	const int64_t before_us = device->not_before_us;

	device->is_urgent |= priority == COMMAND_PRIORITY_URGENT;
	if (priority == COMMAND_PRIORITY_URGENT || (device->is_flying && device->is_urgent)) {
		device->is_held = false;
	} else if (device->tries > 0 || device->is_vague || (device->is_flying && !device->is_met)) {
		device->is_held = true;
		device->is_excused |= device->is_vague || device->is_urgent;
		wait_from_now(device, FIRST_S);
		if (before_us < device->not_before_us)
			device->not_before_us = before_us;
	}
}

static void do_enqueue(void)
{
	const size_t first = roll(DEVICES);
	const size_t count = 1 + roll((unsigned)(DEVICES - first));
	const int priority = roll(3) == 0 ? COMMAND_PRIORITY_URGENT : COMMAND_PRIORITY_NORMAL;
	const bool is_expiring = priority != COMMAND_PRIORITY_URGENT && roll(3) == 0;
	const int64_t not_after = is_expiring ? clock_unix_s(&h.w->clock) + 1 + roll(100) : 0;

	(void)world_send(h.w, h.devices[first].id, count, priority, not_after);
	for (size_t i = first; i < first + count; i++)
		hold(&h.devices[i], priority);
	poke();
}

static void do_cancel(void)
{
	struct device *device = any_device();

	world_cancel(h.w, device->id, 1);
	if (device->is_urgent) { /* is it known already? */
		device->is_held = true;
		device->is_excused = true;
	}
}

static void tell(struct device *device, enum push_contact_kind kind, int64_t seen)
{
	const bool is_rest = kind == PUSH_CONTACT_RESTING;

	world_contact(h.w, device->id, kind, seen);
	device->tries = 0;
	device->is_vague = false;
	device->is_met = true;
	if (kind != PUSH_CONTACT_MESSAGE && kind != PUSH_CONTACT_DRAINED && device->seen < seen)
		device->seen = seen;
	if (kind != PUSH_CONTACT_MESSAGE)
		device->is_held = false;
	if (device->is_flying)
		device->is_resting = is_rest;
	wait_from_now(device, is_rest ? MAX_S : FIRST_S);
	if (device->is_held)
		device->is_excused = true; /* it is pushed for at once where it was not known yet */
}

static int64_t last_seq(void)
{
	struct txn *txn = NULL;
	struct err err;
	int64_t seq;

	assert_int_equal(store_read_begin(h.w->store, &txn, &err), RC_OK);
	assert_int_equal(queue_last_seq(txn, &seq, &err), RC_OK);
	store_read_end(h.w->store, &txn);
	return seq;
}

/* The device polls. Between the decision behind its last, empty reply and the contact anything may be published. */
static void do_poll(void)
{
	static const enum push_contact_kind held[] = {PUSH_CONTACT_RESTING, PUSH_CONTACT_HELD};
	struct device *device = any_device();
	const bool is_put_off = roll(2) == 0;
	int64_t seen;

	if (roll(2) == 0)
		tell(device, PUSH_CONTACT_MESSAGE, 0);
	if (!is_put_off)
		world_finish(h.w, device->id);
	seen = last_seq();
	if (roll(2) == 0)
		do_enqueue();
	if (roll(3) == 0)
		world_idle_s(h.w, 1 + roll(3));
	if (roll(3) == 0)
		settle();
	tell(device, is_put_off ? held[roll(2)] : PUSH_CONTACT_DRAINED, seen);
}

/* The connection broke: nobody knows whether the command came. */
static void do_message(void)
{
	tell(any_device(), PUSH_CONTACT_MESSAGE, 0);
}

static void do_token(void)
{
	struct device *device = any_device();

	if (device->mark == MARKS)
		return;
	world_set_token(h.w, device->id, ++device->mark);
	if (roll(3) == 0)
		settle();
	device->is_dead = false;
	device->is_backed_off = false;
	device->pushed = 0;
	tell(device, PUSH_CONTACT_TOKEN, 0);
	device->is_excused = true;
}

static void do_die(void)
{
	any_device()->is_dead = true;
}

static void excuse_all(void)
{
	for (size_t i = 0; i < DEVICES; i++) {
		h.devices[i].is_excused = true;
		h.devices[i].not_before_us = 0;
		h.devices[i].tries = 0;
		h.devices[i].is_held = true;
		h.devices[i].is_vague = true;
		h.devices[i].is_met = false;
	}
}

static void restart(void)
{
	excuse_all();
	for (size_t i = 0; i < DEVICES; i++) {
		h.devices[i].is_flying = false;
		h.devices[i].is_resting = false;
		h.devices[i].is_backed_off = false;
	}
	h.w->params.settings.retry_first_s = FIRST_S;
	world_start(h.w);
	look_at_pushes();
}

static void do_crash(void)
{
	restart();
}

static void heal(void)
{
	h.read_rc = RC_OK;
	h.scan_rc = RC_OK;
	h.submit_rc = RC_OK;
	fake_verdict(WORLD_TOPIC, TOPICS_TAKEN); /* and nobody says so */
}

static void answer_all(void)
{
	for (size_t i = 0; i < DEVICES; i++)
		if (h.devices[i].is_flying && !h.devices[i].is_dead)
			answer_taken(&h.devices[i]);
		else if (h.devices[i].is_flying)
			answer(&h.devices[i]);
}

/* Its clock stands still: nothing may be left that waits for time. */
static void do_stop(void)
{
	heal();
	pass_s(2);
	for (int i = 0; i < 4; i++) {
		answer_all();
		settle();
	}
	if (fake.held_count > 0)
		return;
	world_stop(h.w);
	restart();
}

/* So many contacts at once that some are lost. */
static void do_overflow(void)
{
	excuse_all();
	h.w->push->inbox.letters.is_overflown = true;
	settle();
	excuse_all(); /* whose push began before or after their turn of it */
}

static void do_topic(void)
{
	static const enum topics_verdict verdicts[] = {TOPICS_TAKEN, TOPICS_TAKEN, TOPICS_STOPPED,
		TOPICS_WAITING, TOPICS_FULL, TOPICS_NO_CERTIFICATE};

	fake_verdict(WORLD_TOPIC, verdicts[roll(6)]);
	if (roll(2) == 0)
		fake_room();
}

static void do_certs(void)
{
	push_certs_changed(h.w->push);
}

static void do_faults(void)
{
	static const enum rc rcs[] = {RC_OK, RC_OK, RC_IO, RC_BUSY, RC_NO_MEMORY};

	h.read_rc = rcs[roll(5)];
	h.scan_rc = rcs[roll(5)];
	h.submit_rc = rcs[roll(5)];
}

static void do_pass(void)
{
	static const int64_t spans_s[] = {1, 1, 2, 5, FIRST_S, 3 * FIRST_S, MAX_S, 3 * MAX_S};

	pass_s(spans_s[roll(8)]);
}

/* --- what must be true in the end */

/* New work is pushed for as soon as nothing is in the way. */
static void do_check(void)
{
	heal();
	for (int i = 0; i < 4; i++) {
		pass_s(1);
		answer_all();
		settle();
		answer_all();
	}
	for (size_t i = 0; i < DEVICES; i++) {
		struct device *device = &h.devices[i];

		if (device->is_dead || device->is_backed_off)
			continue;
		MUST(!is_new(device, target_of(device).open_seq) || device->is_held, device);
	}
}

/* And all other work before the longest gap is over, once tokens live. */
static void check_the_end(void)
{
	unsigned before[DEVICES];

	do_check();
	for (size_t i = 0; i < DEVICES; i++) {
		if (h.devices[i].is_dead) {
			h.devices[i].is_dead = false;
			h.devices[i].is_excused = true;
			world_set_token(h.w, h.devices[i].id, ++h.devices[i].mark);
			h.devices[i].pushed = 0;
			tell(&h.devices[i], PUSH_CONTACT_TOKEN, 0);
		}
		before[i] = (unsigned)fake_pushes_to(h.devices[i].id);
	}
	for (int i = 0; i <= MAX_S / FIRST_S; i++) {
		pass_s(FIRST_S + 1);
		answer_all();
	}
	for (size_t i = 0; i < DEVICES; i++) {
		struct device *device = &h.devices[i];

		if (target_of(device).open_seq != 0)
			MUST(fake_pushes_to(device->id) > before[i], device);
	}
}

/* Finished work leaves nothing behind. */
static void check_the_memory(void)
{
	for (size_t i = 0; i < DEVICES; i++)
		world_finish(h.w, h.devices[i].id);
	for (int i = 0; i < 4; i++) {
		pass_s(MAX_S + 1);
		answer_all();
	}
	assert_int_equal(world_stats(h.w).tracked, 0);
}

static void run_history(struct world *w, uint64_t seed)
{
	static void (*const steps[])(void) = {do_answer, do_answer, do_answer, do_answer, do_answer,
		do_enqueue, do_enqueue, do_enqueue, do_poll, do_poll, do_poll, do_message, do_cancel, do_pass,
		do_pass, do_pass, do_token, do_die, do_crash, do_stop, do_overflow, do_topic, do_topic, do_certs,
		do_faults, do_check};
	int64_t first = world_enroll_many(w, DEVICES, WORLD_TOPIC);

	h = (struct history){.w = w, .seed = seed, .dice.state = seed, .log_at = fake.log_count};
	for (int64_t i = 0; i < DEVICES; i++)
		h.devices[i] = (struct device){.id = first + i, .mark = 1};
	w->seed = seed;
	w->params.settings.retry_first_s = FIRST_S;
	w->params.settings.retry_max_s = MAX_S;
	fake.is_auto = false;
	world_start(w);
	for (h.step = 0; h.step < STEPS; h.step++) {
		steps[roll(COUNT_OF(steps))]();
		if (roll(2) == 0)
			settle();
	}
	check_the_end();
	check_the_memory();
}

static void test_whatever_happens_those_who_have_work_are_woken_and_nobody_else(void **state)
{
	unsigned reasons_new = 0;
	unsigned reasons_again = 0;

	for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
		run_history(*state, seed);
		reasons_new += h.reasons_new;
		reasons_again += h.reasons_again;
	}
	assert_true(reasons_new > 10 * HISTORIES); /* they are not histories of nothing */
	assert_true(reasons_again > HISTORIES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_whatever_happens_those_who_have_work_are_woken_and_nobody_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
