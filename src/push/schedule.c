/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include "pomona/base/log.h"

/* --- entries and where they stand */

static uint32_t now_s(const struct push *push)
{
	return (uint32_t)((push->now_us - push->start_us) / 1000000);
}

struct wake_now schedule_now(struct push *push)
{
	return (struct wake_now){
		.settings = &push->settings,
		.jitter = &push->jitter,
		.now_s = now_s(push),
		.unix_s = clock_unix_s(push->clock),
	};
}

struct entry *schedule_entry(struct push *push, int64_t enrollment_id)
{
	struct entry *entry = entries_find(push->entries, enrollment_id);

	if (entry != NULL)
		return entry;
	entry = entries_add(push->entries, enrollment_id);
	if (entry != NULL) {
		entry->wake.when_s = now_s(push);
		return entry;
	}
	scan_again(push);
	push->store_us = push->now_us + STORE_AGAIN_US;
	return NULL;
}

static void place_ready(struct push *push, struct entry *entry, const struct wake *was)
{
	struct wake *wake = &entry->wake;
	const bool is_asked_now = wake->is_asked && !was->is_asked;

	if (was->phase != WAKE_READY)
		wake->when_s = now_s(push);
	/* Who asks is told of a blocked topic too, and a new token may be of another topic. */
	if (is_asked_now || (wake->is_forced && !was->is_forced))
		wake->topic = READY_SLOT_NEW;
	ready_put(&push->ready, entry, false);
}

void schedule_place(struct push *push, struct entry *entry, const struct wake *was,
	enum wake_next next)
{
	if (next == WAKE_STAYS)
		return;
	if (was->phase == WAKE_READY && entry_is_listed(entry))
		ready_take(&push->ready, entry, was);
	if (next == WAKE_TO_NOWHERE)
		entries_remove(push->entries, entry);
	else if (next == WAKE_TO_READY)
		place_ready(push, entry, was);
	else if (was->phase == WAKE_WAIT)
		wheel_move(&push->wheel, entry, was->when_s);
	else
		wheel_put(&push->wheel, entry);
}

static void entry_due(void *ctx, struct entry *entry)
{
	struct push *push = ctx;
	const struct wake was = entry->wake;

	schedule_place(push, entry, &was, wake_due(&entry->wake));
}

/* --- what comes by the second */

static enum topics_verdict look_at_topic(void *ctx, struct slice topic)
{
	struct push *push = ctx;

	return topics_look(push->topics, topic, false);
}

static void reopen(struct push *push, bool is_tick)
{
	push->is_room = false;
	ready_reopen(&push->ready, look_at_topic, push, is_tick);
}

static void load_certs(struct push *push)
{
	struct err err = {.rc = RC_OK};

	push->is_certs_failed = topics_load(push->topics, &err) != RC_OK;
	push->is_certs_changed = push->is_certs_failed;
	push->is_room = true;
	if (push->is_certs_failed)
		log_error("push_certificates_not_loaded", LOG_STR("error", err.text));
	else
		letters_begin_sweep(push, SWEEP_CERTS);
}

void schedule_stats(struct push *push)
{
	struct push_stats *drawn = &push->drawn;

	*drawn = (struct push_stats){
		.tracked = entries_count(push->entries),
		.pushes_total = push->pushes_total,
		.contacts_total = push->contacts_total,
		.outcomes_waiting = outcomes_waiting(push->outcomes),
		.oldest_ready_s = now_s(push) - ready_oldest_s(&push->ready, now_s(push)),
	};
	for (size_t i = 0; i < PUSH_CLASS_COUNT; i++)
		drawn->ready[i] = push->ready.count[i];
	drawn->ready[PUSH_CLASS_URGENT] += push->ready.tests;
	topics_stats(push->topics, drawn);
	(void)pthread_mutex_lock(&push->lock);
	push->stats = *drawn;
	(void)pthread_mutex_unlock(&push->lock);
}

static void tick(struct push *push)
{
	if (push->now_us < push->tick_us)
		return;
	push->tick_us = push->now_us + TICK_US;
	wheel_advance(&push->wheel, now_s(push), entry_due, push);
	push->scan.is_poked = true;
	push->is_walk_due = true;
	push->is_certs_failed = false; /* another try */
	topics_tick(push->topics);
	reopen(push, true);
	failures_tick(&push->failures, push->now_us);
	schedule_stats(push);
}

/* --- the walk */

static void probe(struct push *push, int64_t enrollment_id)
{
	struct entry *entry = schedule_entry(push, enrollment_id);
	struct wake was;

	if (entry == NULL)
		return;
	was = entry->wake;
	schedule_place(push, entry, &was, wake_order(&entry->wake, WAKE_PROBE, PUSH_CLASS_PROBE));
}

static void visit(void *ctx, const struct push_walk_row *row, struct walk_verdict verdict)
{
	struct push *push = ctx;
	struct note *note;

	if (verdict.is_probe)
		probe(push, row->enrollment_id);
	if (!verdict.is_silent)
		return;
	note = outcomes_note(push->outcomes, NOTE_INACTIVE, row->enrollment_id);
	if (note != NULL) /* else the next pass finds it */
		note->seq = clock_unix_s(push->clock) - push->settings.inactive_after_s + 1;
}

static void save_walk(struct push *push, bool is_last)
{
	struct note *note;

	if (!walk_is_to_save(&push->walk, push->now_us, is_last))
		return;
	note = outcomes_note(push->outcomes, NOTE_WALK, push->walk.after_id);
	if (note != NULL)
		walk_saved(&push->walk, push->now_us);
}

static enum rc walk(struct push *push, struct txn *txn, struct err *err)
{
	const struct walk_steps steps = {
		.settings = &push->settings,
		.now_us = push->now_us,
		.unix_s = clock_unix_s(push->clock),
		.visit = visit,
		.ctx = push,
	};
	enum rc rc = walk_step(&push->walk, &steps, txn, &push->is_walk_due, err);

	save_walk(push, false);
	return rc;
}

/* --- turns */

static bool needs_store(struct push *push)
{
	return push->now_us >= push->store_us &&
		(scan_has_more(push) || push->is_walk_due ||
			(serve_can(push) && rate_is_ready(&push->rate, push->now_us)));
}

static void use_store(struct push *push)
{
	struct txn *txn = NULL;
	struct err err = {.rc = RC_OK};
	enum rc rc = store_read_begin(push->store, &txn, &err);

	if (rc == RC_OK && scan_has_more(push))
		rc = scan_slice(push, txn, &err);
	if (rc == RC_OK)
		rc = serve_slice(push, txn, &err);
	if (rc == RC_OK && push->is_walk_due)
		rc = walk(push, txn, &err); /* the last, so that work does not wait for what fails here */
	store_read_end(push->store, &txn);
	if (rc == RC_OK)
		return;
	push->store_us = push->now_us + STORE_AGAIN_US;
	log_error("push_cannot_read", LOG_STR("error", err.text));
}

static void work(struct push *push)
{
	tick(push);
	if (push->is_certs_changed && !push->is_certs_failed)
		load_certs(push);
	letters_orders(push);
	letters_sweep(push);
	if (push->is_room)
		reopen(push, false);
	if (needs_store(push))
		use_store(push);
	outcomes_write(push->outcomes, push->now_us, false);
}

/* What is in flight may land; then what remains is written. */
static void wind_up(struct push *push)
{
	const bool is_over = push->now_us - push->stop_us >= STOP_WAIT_US;

	if (push->stop == STOP_ASKED && (push->flight_count == 0 || is_over)) {
		push->stop = STOP_LANDED;
		topics_stop(push->topics);
		asks_end_all(&push->asks);
		save_walk(push, true);
	}
	outcomes_write(push->outcomes, push->now_us, true);
	if (push->stop != STOP_LANDED || !outcomes_is_settled(push->outcomes, STOP_FAILURES_MAX))
		return;
	schedule_stats(push);
	push->stop = STOP_DONE;
	(void)pthread_mutex_lock(&push->lock);
	push->is_stopped = true;
	(void)pthread_cond_broadcast(&push->stopped);
	(void)pthread_mutex_unlock(&push->lock);
}

bool schedule_is_busy(struct push *push)
{
	if (push->stop != STOP_NOT)
		return false;
	return push->is_turn_soon || push->is_room || push->sweeping != 0 ||
		(push->orders != NULL && push->now_us >= push->store_us) ||
		(push->is_certs_changed && !push->is_certs_failed) || needs_store(push);
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t next_us(struct push *push)
{
	int64_t next = push->tick_us;

	if (push->stop != STOP_NOT)
		return push->now_us + STOP_LOOK_US;
	if (schedule_is_busy(push))
		return push->now_us;
	if (serve_can(push))
		next = sooner(next, push->now_us + rate_wait_us(&push->rate, push->now_us));
	next = sooner(next, outcomes_next_us(push->outcomes));
	return sooner(next, asks_next_us(&push->asks));
}

static void arm(struct push *push)
{
	int64_t wait_us = next_us(push) - push->now_us;

	if (push->stop != STOP_DONE)
		net_timer_set(push->timer, wait_us > 0 ? (wait_us + 999) / 1000 : 0);
}

void schedule_turn(struct push *push)
{
	push->is_turn_soon = false;
	push->now_us = clock_monotonic_us(push->clock);
	if (push->stop == STOP_DONE)
		return;
	letters_take(push);
	if (push->stop == STOP_NOT)
		work(push);
	else
		wind_up(push);
	asks_expire(&push->asks, push->now_us);
	arm(push);
}

void schedule_turn_soon(struct push *push)
{
	if (push->is_turn_soon || push->stop == STOP_DONE)
		return;
	push->is_turn_soon = true;
	net_timer_set(push->timer, 0);
}
