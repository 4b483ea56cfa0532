/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_PUSH_WORLD_H
#define POMONA_TESTS_PUSH_WORLD_H

/*
 * The scheduler over a real store and a lower half of the test's, with a clock that stands still until it is moved.
 * The test's thread is the loop's: world_settle() runs it until all that can be done now is done.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_topics.h"
#include "internal.h"
#include "pomona/store/queue.h"

enum { WORLD_T0 = 1700000000 };

struct world {
	char dir[64], path[96];
	int log_fd;
	atomic_llong monotonic_us, unix_ms;
	atomic_llong step_us; /* each look at the monotonic clock takes so long */
	struct clock clock;
	struct keyring *keyring;
	struct store *store;
	struct net_loop *loop;
	struct push_params params;
	struct push *push;
	int64_t last_command; /* names for UUIDs */
	uint64_t seed;
};

#define WORLD_TOPIC "com.apple.mgmt.External.1"

int world_setup(void **state);
int world_teardown(void **state);

/* A push room, with the settings of params; the one before is gone without a stop. */
void world_start(struct world *w);
void world_crash(struct world *w);
/* The orderly end, on a loop of its own thread. */
void world_stop(struct world *w);

void world_settle(struct world *w);
void world_pass_s(struct world *w, int64_t seconds); /* and settles */
void world_pass_us(struct world *w, int64_t us);
void world_idle_s(struct world *w, int64_t seconds); /* the scheduler has no turn */

/* Runs `fn` as the writer's job. */
void world_write(struct world *w, enum rc (*fn)(void *ctx, struct txn *txn, struct err *err),
	void *ctx);
/* A device that is enrolled, with a token, the topic, and the magic "magic-<id>". */
int64_t world_enroll(struct world *w, const char *topic);
/* The first of `count` devices with ids in a row. */
int64_t world_enroll_many(struct world *w, size_t count, const char *topic);
/* The token begins with `mark`. */
void world_set_token(struct world *w, int64_t id, uint8_t mark);
/* A new command to `count` enrollments from `first` on, published; the sequence. */
int64_t world_send(struct world *w, int64_t first, size_t count, int priority, int64_t not_after);
/* The same to one, and a poke. */
int64_t world_wake(struct world *w, int64_t id);
/* It was in touch now: durable. */
void world_see(struct world *w, int64_t id);
/* All of its open work is answered. */
void world_finish(struct world *w, int64_t id);
void world_cancel(struct world *w, int64_t first, size_t count);
struct push_target world_target(struct world *w, int64_t id);

void world_contact(struct world *w, int64_t id, enum push_contact_kind kind, int64_t seen_seq);
struct push_stats world_stats(struct world *w);

#define S(text) SLICE_LITERAL(text)
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

#endif
