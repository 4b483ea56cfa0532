/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TEST_API_FAKE_PUSH_H
#define POMONA_TEST_API_FAKE_PUSH_H

/*
 * In the place of push/: keeps what it is told, and answers asks from a thread of its own.
 * Threading: set before a call, read after its reply.
 */

#include <stdatomic.h>

#include "pomona/push/push.h"

enum { FAKE_ORDERS_MAX = 20000 };

struct fake_push {
	atomic_int pokes, certs_changes, asks, orders; /* calls */
	atomic_int refused_order;                      /* the call that is refused; 0: none */
	atomic_bool is_busy;                           /* asks are refused */
	void (*on_call)(void);        /* NULL: none; at each poke, order and change of certificates */
	int64_t ids[FAKE_ORDERS_MAX]; /* ordered or asked for */
	size_t id_count;
	enum push_class class;
	bool is_test;
	struct push_result result; /* of every ask; enrollment_id is kept */
	struct push_stats stats;
};
extern struct fake_push fake_push;

/* What to hand in as the struct push. */
struct push *fake_push_reset(void);

#endif
