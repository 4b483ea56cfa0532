/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

#include <stdlib.h>

#include "pomona/base/log.h"

/* Lost, it costs an extra push after a restart. */
static void note_seen(struct push *push, const struct entry *entry, int64_t seen_before)
{
	struct note *note;

	if (entry->wake.seen_seq <= seen_before)
		return;
	note = outcomes_note(push->outcomes, NOTE_SEEN, entry->id);
	if (note != NULL)
		note->seq = entry->wake.seen_seq;
}

static void take_contact(struct push *push, const struct push_contact *contact,
	const struct wake_now *now)
{
	struct entry *entry = entries_find(push->entries, contact->enrollment_id);
	struct wake was;

	if (entry == NULL &&
		(contact->kind == PUSH_CONTACT_MESSAGE || contact->kind == PUSH_CONTACT_DRAINED))
		return;
	if (entry == NULL)
		entry = schedule_entry(push, contact->enrollment_id);
	if (entry == NULL)
		return;
	was = entry->wake;
	schedule_place(push, entry, &was, wake_contact(&entry->wake, now, contact));
	if (contact->kind == PUSH_CONTACT_RESTING || contact->kind == PUSH_CONTACT_HELD)
		note_seen(push, entry, was.seen_seq);
}

static void take_contacts(struct push *push, const struct inbox_letters *letters)
{
	const struct wake_now now = schedule_now(push);

	for (size_t i = 0; i < letters->contact_count; i++)
		take_contact(push, &letters->contacts[i], &now);
	if (!letters->is_overflown)
		return;
	log_warning("push_contacts_lost", LOG_INT("kept", letters->contact_count));
	letters_begin_sweep(push, SWEEP_CONTACTS);
	scan_again(push);
}

/* The classes come in from outside of the room. */
static enum push_class class_of(enum push_class class)
{
	return (unsigned)class < PUSH_CLASS_COUNT ? class : PUSH_CLASS_NORMAL;
}

/* False: memory is short. */
static bool order(struct push *push, int64_t enrollment_id, enum wake_order what,
	enum push_class class)
{
	struct entry *entry = schedule_entry(push, enrollment_id);
	struct wake was;

	if (entry == NULL)
		return false;
	was = entry->wake;
	schedule_place(push, entry, &was, wake_order(&entry->wake, what, class_of(class)));
	return true;
}

static void take_ask(struct push *push, struct push_ask *ask)
{
	static const struct ask_answer no_memory = {
		.answer = PUSH_ANSWER_UNREACHABLE,
		.reason = "",
		.apns_id = "",
		.detail = "out of memory",
	};

	asks_add(&push->asks, ask, push->now_us);
	for (size_t i = 0; i < ask->count; i++) {
		const int64_t id = ask->results[i].enrollment_id;

		if (order(push, id, ask->is_test ? WAKE_TEST : WAKE_ASK, ask->class))
			continue;
		asks_answer(&push->asks, id, &no_memory); /* may be the end of the ask */
		return;
	}
}

static void take_orders(struct push *push, struct inbox_order *orders)
{
	struct inbox_order **end = &push->orders;

	while (*end != NULL)
		end = &(*end)->next;
	*end = orders;
}

static void take_settings(struct push *push, const struct push_settings *settings)
{
	push->settings = *settings;
	rate_set(&push->rate, settings->rate_per_s, push->now_us);
	topics_set_settings(push->topics, settings);
}

void letters_take(struct push *push)
{
	struct inbox_letters letters;

	inbox_drain(&push->inbox, &letters);
	push->contacts_total = letters.contacts_total;
	if (letters.is_settings_changed)
		take_settings(push, &letters.settings);
	push->is_certs_changed |= letters.is_certs_changed;
	push->is_certs_failed &= !letters.is_certs_changed;
	push->scan.is_poked |= letters.is_poked;
	take_contacts(push, &letters);
	take_orders(push, letters.orders);
	while (letters.asks != NULL) {
		struct push_ask *ask = letters.asks;

		letters.asks = ask->next;
		take_ask(push, ask);
	}
	if (letters.is_closed && push->stop == STOP_NOT) {
		push->stop_us = push->now_us;
		push->stop = STOP_ASKED;
	}
}

void letters_orders(struct push *push)
{
	size_t left = push->now_us >= push->store_us ? TURN_ORDERS_MAX : 0;

	while (push->orders != NULL && left > 0) {
		struct inbox_order *first = push->orders;

		for (; first->at < first->count && left > 0; first->at++, left--)
			if (!order(push, first->ids[first->at], WAKE_ORDER, first->class))
				return;
		if (first->at < first->count)
			return;
		push->orders = first->next;
		inbox_order_over(&push->inbox, first);
	}
}

void letters_begin_sweep(struct push *push, enum sweep what)
{
	push->sweeping |= what;
	push->swept = 0;
}

static void sweep_one(struct push *push, struct entry *entry, const struct wake_now *now)
{
	struct wake was = entry->wake;

	if ((push->sweeping & SWEEP_CERTS) != 0)
		schedule_place(push, entry, &was, wake_certs(&entry->wake));
	was = entry->wake;
	if ((push->sweeping & SWEEP_CONTACTS) != 0)
		schedule_place(push, entry, &was, wake_maybe_contact(&entry->wake, now));
}

void letters_sweep(struct push *push)
{
	const struct wake_now now = schedule_now(push);

	for (size_t i = 0; push->sweeping != 0 && i < TURN_SWEEP_MAX; i++) {
		struct entry *entry = entries_next(push->entries, &push->swept);

		if (entry == NULL)
			push->sweeping = 0;
		else
			sweep_one(push, entry, &now);
	}
}
