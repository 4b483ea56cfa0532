/* SPDX-License-Identifier: Apache-2.0 */
#include "inbox.h"

#include <stdlib.h>
#include <string.h>

enum { CONTACTS_FIRST = 256 };

static void lock(struct inbox *inbox)
{
	(void)pthread_mutex_lock(&inbox->lock);
}

/* Where posting fails the loop's next tick looks. */
static void unlock(struct inbox *inbox, bool is_wake)
{
	bool is_post = is_wake && !inbox->is_woken;

	if (is_post)
		inbox->is_woken = true;
	(void)pthread_mutex_unlock(&inbox->lock);
	if (is_post && net_loop_post(inbox->loop, inbox->wake, inbox->ctx) != RC_OK) {
		lock(inbox);
		inbox->is_woken = false;
		(void)pthread_mutex_unlock(&inbox->lock);
	}
}

void inbox_init(struct inbox *inbox, struct net_loop *loop, void (*wake)(void *ctx), void *ctx)
{
	*inbox = (struct inbox){.loop = loop, .wake = wake, .ctx = ctx};
	(void)pthread_mutex_init(&inbox->lock, NULL);
	inbox->orders_end = &inbox->letters.orders;
	inbox->asks_end = &inbox->letters.asks;
}

static bool has_room(struct inbox *inbox)
{
	size_t room = inbox->contact_room == 0 ? CONTACTS_FIRST : inbox->contact_room * 2;
	struct push_contact *contacts;

	if (inbox->letters.contact_count < inbox->contact_room)
		return true;
	if (room > INBOX_CONTACTS_MAX)
		return false;
	contacts = realloc(inbox->contacts, room * sizeof(*contacts));
	if (contacts == NULL)
		return false;
	inbox->contacts = contacts;
	inbox->contact_room = room;
	return true;
}

void inbox_contact(struct inbox *inbox, const struct push_contact *contact)
{
	struct inbox_letters *letters = &inbox->letters;
	bool is_wake = contact->kind != PUSH_CONTACT_MESSAGE && contact->kind != PUSH_CONTACT_DRAINED;

	lock(inbox);
	letters->contacts_total++;
	if (inbox->letters.is_closed) {
		is_wake = false;
	} else if (has_room(inbox)) {
		inbox->contacts[letters->contact_count++] = *contact;
		is_wake |= letters->contact_count >= INBOX_CONTACTS_MANY;
	} else {
		is_wake |= !letters->is_overflown;
		letters->is_overflown = true;
	}
	unlock(inbox, is_wake);
}

void inbox_poke(struct inbox *inbox)
{
	lock(inbox);
	inbox->letters.is_poked = true;
	unlock(inbox, true);
}

void inbox_certs_changed(struct inbox *inbox)
{
	lock(inbox);
	inbox->letters.is_certs_changed = true;
	unlock(inbox, true);
}

void inbox_settings(struct inbox *inbox, const struct push_settings *settings)
{
	lock(inbox);
	inbox->letters.is_settings_changed = true;
	inbox->letters.settings = *settings;
	unlock(inbox, true);
}

static enum rc stopping(struct err *err)
{
	return err_set(err, RC_BUSY, "push: it is stopping");
}

enum rc inbox_order(struct inbox *inbox, const int64_t *ids, size_t count, enum push_class class,
	struct err *err)
{
	struct inbox_order *order;
	enum rc rc = RC_OK;

	if (count > INBOX_ORDER_IDS_MAX)
		return err_set(err, RC_LIMIT, "push: %zu ids, at most %d at once", count, INBOX_ORDER_IDS_MAX);
	order = calloc(1, sizeof(*order) + count * sizeof(order->ids[0]));
	if (order == NULL)
		return err_set(err, RC_NO_MEMORY, "push: %zu ids", count);
	order->class = class;
	order->count = count;
	if (count > 0)
		memcpy(order->ids, ids, count * sizeof(ids[0]));
	lock(inbox);
	if (inbox->letters.is_closed) {
		rc = stopping(err);
	} else if (inbox->order_ids + count > INBOX_ORDER_IDS_MAX) {
		rc = err_set(err, RC_BUSY, "push: too many orders wait");
	} else {
		inbox->order_ids += count;
		*inbox->orders_end = order;
		inbox->orders_end = &order->next;
		order = NULL;
	}
	unlock(inbox, rc == RC_OK);
	free(order);
	return rc;
}

enum rc inbox_ask(struct inbox *inbox, struct push_ask *ask, struct err *err)
{
	enum rc rc = RC_OK;

	if (ask->count == 0 || ask->count > PUSH_ASK_IDS_MAX)
		return err_set(err, RC_INVALID, "push: %zu ids, want 1..%d", ask->count, PUSH_ASK_IDS_MAX);
	ask->next = NULL;
	lock(inbox);
	if (inbox->letters.is_closed) {
		rc = stopping(err);
	} else if (inbox->asks_open == INBOX_ASKS_MAX) {
		rc = err_set(err, RC_BUSY, "push: %d requests wait for their pushes", INBOX_ASKS_MAX);
	} else {
		inbox->asks_open++;
		*inbox->asks_end = ask;
		inbox->asks_end = &ask->next;
	}
	unlock(inbox, rc == RC_OK);
	return rc;
}

void inbox_ask_over(struct inbox *inbox)
{
	lock(inbox);
	inbox->asks_open--;
	unlock(inbox, false);
}

void inbox_order_over(struct inbox *inbox, struct inbox_order *order)
{
	lock(inbox);
	inbox->order_ids -= order->count;
	unlock(inbox, false);
	free(order);
}

void inbox_close(struct inbox *inbox)
{
	lock(inbox);
	inbox->letters.is_closed = true;
	unlock(inbox, true);
}

/* Two arrays take turns. */
static void swap_contacts(struct inbox *inbox)
{
	struct push_contact *filled = inbox->contacts;
	size_t room = inbox->contact_room;

	inbox->contacts = inbox->lent;
	inbox->contact_room = inbox->lent_room;
	inbox->lent = filled;
	inbox->lent_room = room;
}

void inbox_drain(struct inbox *inbox, struct inbox_letters *letters_r)
{
	struct inbox_letters *letters = &inbox->letters;

	lock(inbox);
	swap_contacts(inbox);
	*letters_r = *letters;
	*letters = (struct inbox_letters){
		.contacts_total = letters_r->contacts_total,
		.is_closed = letters_r->is_closed,
	};
	inbox->orders_end = &letters->orders;
	inbox->asks_end = &letters->asks;
	inbox->is_woken = false;
	unlock(inbox, false);
	letters_r->contacts = inbox->lent;
}

void inbox_fini(struct inbox *inbox)
{
	while (inbox->letters.orders != NULL) {
		struct inbox_order *order = inbox->letters.orders;

		inbox->letters.orders = order->next;
		free(order);
	}
	free(inbox->contacts);
	free(inbox->lent);
	(void)pthread_mutex_destroy(&inbox->lock);
}
