/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_INBOX_H
#define POMONA_PUSH_INBOX_H

/*
 * What other threads tell the scheduler. Contacts come with every message of a device, so they are only noted; the
 * mere ones wait for the loop's next look, unless many have gathered. Everything else wakes the loop, once until it
 * has looked. What does not fit is never just lost: the loop is told that it was, and then treats everyone as
 * perhaps in contact, and reads all open work anew.
 * Threading: any thread; inbox_drain() and inbox_is_stopping(): the loop's.
 */

#include <pthread.h>

#include "pomona/push/push.h"

enum {
	INBOX_CONTACTS_MAX = 65536,
	INBOX_CONTACTS_MANY = 4096,        /* these wake the loop though none of them is urgent */
	INBOX_ORDER_IDS_MAX = 1024 * 1024, /* of orders that are not done */
	INBOX_ASKS_MAX = 64,               /* that are not over */
};

struct inbox_order { /* owned by who has it: inbox_order_over() */
	struct inbox_order *next;
	enum push_class class;
	size_t count, at; /* `at` is the loop's */
	int64_t ids[];
};

/* All that was told since the last look. */
struct inbox_letters {
	struct push_contact *contacts; /* lent until the next drain */
	size_t contact_count;
	uint64_t contacts_total; /* since the start */
	bool is_closed;
	bool is_overflown;
	bool is_poked;
	bool is_certs_changed;
	bool is_settings_changed;
	struct push_settings settings;
	struct inbox_order *orders; /* the loop's from now on */
	struct push_ask *asks;      /* linked by next, the first first */
};

struct inbox {
	pthread_mutex_t lock; /* guards all but the last line */
	struct net_loop *loop;
	void (*wake)(void *ctx); /* runs on the loop */
	void *ctx;
	struct push_contact *contacts;
	size_t contact_room;
	size_t order_ids, asks_open;
	struct inbox_order **orders_end;
	struct push_ask **asks_end;
	bool is_woken;
	struct inbox_letters letters;
	struct push_contact *lent; /* the loop's: the array that was drained last */
	size_t lent_room;
};

void inbox_init(struct inbox *inbox, struct net_loop *loop, void (*wake)(void *ctx), void *ctx);
void inbox_contact(struct inbox *inbox, const struct push_contact *contact);
void inbox_poke(struct inbox *inbox);
void inbox_certs_changed(struct inbox *inbox);
void inbox_settings(struct inbox *inbox, const struct push_settings *settings);
enum rc inbox_order(struct inbox *inbox, const int64_t *ids, size_t count, enum push_class class,
	struct err *err) MUST_USE;
enum rc inbox_ask(struct inbox *inbox, struct push_ask *ask, struct err *err) MUST_USE;
/* An order that was drained is done, and freed. */
void inbox_order_over(struct inbox *inbox, struct inbox_order *order);
/* An ask that was drained is over. */
void inbox_ask_over(struct inbox *inbox);
/* No orders and asks any more; contacts are passed over. Wakes the loop. */
void inbox_close(struct inbox *inbox);

void inbox_drain(struct inbox *inbox, struct inbox_letters *letters_r);
/* Nobody uses it any more. Orders are freed; asks are nobody's business. */
void inbox_fini(struct inbox *inbox);

#endif
