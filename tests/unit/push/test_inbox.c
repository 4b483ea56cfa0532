/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <string.h>

#include "world.h"

/* What other threads tell, and many of them at once. */

/* --- when the loop is woken */

struct bell {
	struct net_loop *loop;
	struct inbox inbox;
	struct inbox_letters letters;
	int rung;
};

static void ring(void *ctx)
{
	struct bell *bell = ctx;

	bell->rung++;
}

static int bell_setup(void **state)
{
	static struct bell bell;
	struct err err;

	memset(&bell, 0, sizeof(bell));
	assert_int_equal(net_loop_new(&bell.loop, &err), RC_OK);
	inbox_init(&bell.inbox, bell.loop, ring, &bell);
	*state = &bell;
	return 0;
}

static int bell_teardown(void **state)
{
	struct bell *bell = *state;

	inbox_fini(&bell->inbox);
	net_loop_free(&bell->loop);
	return 0;
}

static int rung(struct bell *bell)
{
	net_loop_stop(bell->loop);
	net_loop_run(bell->loop);
	return bell->rung;
}

static void tell(struct bell *bell, int64_t id, enum push_contact_kind kind)
{
	inbox_contact(&bell->inbox, &(struct push_contact){.enrollment_id = id, .kind = kind});
}

static void test_mere_contacts_do_not_wake_the_loop_until_many_have_gathered(void **state)
{
	struct bell *bell = *state;

	for (int64_t id = 1; id < INBOX_CONTACTS_MANY; id++)
		tell(bell, id, PUSH_CONTACT_MESSAGE);
	assert_int_equal(rung(bell), 0);
	tell(bell, INBOX_CONTACTS_MANY, PUSH_CONTACT_MESSAGE);
	assert_int_equal(rung(bell), 1);
	tell(bell, INBOX_CONTACTS_MANY + 1, PUSH_CONTACT_MESSAGE);
	assert_int_equal(rung(bell), 1);
	inbox_drain(&bell->inbox, &bell->letters);
	assert_int_equal(bell->letters.contact_count, INBOX_CONTACTS_MANY + 1);
	for (int64_t id = 1; id <= INBOX_CONTACTS_MANY + 1; id++)
		assert_int_equal(bell->letters.contacts[id - 1].enrollment_id, id);
	inbox_drain(&bell->inbox, &bell->letters);
	assert_int_equal(bell->letters.contact_count, 0);
	assert_int_equal(bell->letters.contacts_total, INBOX_CONTACTS_MANY + 1);
}

static void test_all_others_wake_the_loop_once_until_it_has_looked(void **state)
{
	static const enum push_contact_kind kinds[] = {PUSH_CONTACT_RESTING, PUSH_CONTACT_HELD,
		PUSH_CONTACT_TOKEN};
	struct bell *bell = *state;
	struct push_settings settings = {.priority = 5};
	int64_t id = 1;
	struct err err;

	for (int round = 1; round <= 3; round++) {
		tell(bell, 1, kinds[round - 1]);
		inbox_poke(&bell->inbox);
		inbox_poke(&bell->inbox);
		inbox_certs_changed(&bell->inbox);
		inbox_settings(&bell->inbox, &settings);
		assert_int_equal(inbox_order(&bell->inbox, &id, 1, PUSH_CLASS_NORMAL, &err), RC_OK);
		assert_int_equal(rung(bell), round);
		inbox_drain(&bell->inbox, &bell->letters);
		assert_true(bell->letters.is_poked);
		assert_true(bell->letters.is_certs_changed);
		assert_true(bell->letters.is_settings_changed);
		assert_int_equal(bell->letters.settings.priority, 5);
		assert_int_equal(bell->letters.orders->ids[0], 1);
		inbox_order_over(&bell->inbox, bell->letters.orders);
	}
	inbox_drain(&bell->inbox, &bell->letters);
	assert_false(bell->letters.is_poked);
	assert_null(bell->letters.orders);
}

static void test_contacts_beyond_the_bound_are_told_to_be_lost(void **state)
{
	struct bell *bell = *state;

	for (int64_t id = 1; id <= INBOX_CONTACTS_MAX; id++)
		tell(bell, id, PUSH_CONTACT_MESSAGE);
	inbox_drain(&bell->inbox, &bell->letters);
	assert_int_equal(bell->letters.contact_count, INBOX_CONTACTS_MAX);
	assert_false(bell->letters.is_overflown);
	(void)rung(bell);
	for (int64_t id = 1; id <= INBOX_CONTACTS_MAX + 1; id++)
		tell(bell, id, PUSH_CONTACT_MESSAGE);
	inbox_drain(&bell->inbox, &bell->letters);
	assert_int_equal(bell->letters.contact_count, INBOX_CONTACTS_MAX);
	assert_true(bell->letters.is_overflown);
	inbox_drain(&bell->inbox, &bell->letters);
	assert_false(bell->letters.is_overflown);
}

static void test_a_closed_inbox_takes_nothing(void **state)
{
	struct bell *bell = *state;
	struct push_result result = {.enrollment_id = 1};
	struct push_ask ask = {.results = &result, .count = 1};
	int64_t id = 1;
	struct err err;

	inbox_close(&bell->inbox);
	assert_int_equal(rung(bell), 1);
	tell(bell, 1, PUSH_CONTACT_TOKEN);
	assert_int_equal(inbox_order(&bell->inbox, &id, 1, PUSH_CLASS_NORMAL, &err), RC_BUSY);
	assert_int_equal(inbox_ask(&bell->inbox, &ask, &err), RC_BUSY);
	inbox_drain(&bell->inbox, &bell->letters);
	assert_true(bell->letters.is_closed);
	assert_int_equal(bell->letters.contact_count, 0);
	assert_null(bell->letters.asks);
}

/* --- what a loss does */

static void overflow(struct world *w)
{
	for (int64_t i = 0; i <= INBOX_CONTACTS_MAX; i++)
		world_contact(w, 1000000 + i, PUSH_CONTACT_MESSAGE, 0);
}

static void test_no_wake_up_is_lost_with_a_contact(void **state)
{
	struct world *w = *state;
	int64_t tired = world_enroll(w, WORLD_TOPIC);
	int64_t dead = world_enroll(w, WORLD_TOPIC);
	int64_t newcomer = world_enroll(w, WORLD_TOPIC);

	world_start(w);
	(void)world_wake(w, tired);
	world_settle(w);
	for (int i = 0; i < 400; i++)
		world_pass_s(w, 60); /* it is pushed to every six hours by now */
	fake.answer = fake_dead;
	(void)world_wake(w, dead);
	world_settle(w);
	fake.answer = fake_taken;
	world_pass_s(w, 2);
	fake.log_count = 0;
	world_set_token(w, dead, 2);
	(void)newcomer;
	overflow(w);
	world_contact(w, tired, PUSH_CONTACT_MESSAGE, 0); /* these two do not fit */
	world_contact(w, dead, PUSH_CONTACT_TOKEN, 0);
	world_settle(w);
	assert_int_equal(fake_pushes_to(dead), 1);
	world_pass_s(w, 75);
	assert_int_equal(fake_pushes_to(tired), 1);
}

static enum rc drop_token(void *ctx, struct txn *txn, struct err *err)
{
	return enrollment_drop_token(txn, *(const int64_t *)ctx, err);
}

/* It had no token when its work was found, so there is no entry of it; the contact that tells of one is lost. */
static void test_one_that_was_forgotten_for_want_of_a_token_is_found_again(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);

	world_write(w, drop_token, &id);
	world_start(w);
	(void)world_wake(w, id);
	world_settle(w);
	assert_int_equal(world_stats(w).tracked, 0);
	world_set_token(w, id, 3);
	overflow(w);
	world_contact(w, id, PUSH_CONTACT_TOKEN, 0);
	world_settle(w);
	assert_int_equal(fake_pushes_to(id), 1);
}

/* --- stopping, and many threads */

static void test_a_stop_waits_until_outcomes_are_written(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 20, WORLD_TOPIC);

	world_start(w);
	(void)world_send(w, first, 20, COMMAND_PRIORITY_NORMAL, 0);
	push_poke(w->push);
	world_settle(w);
	assert_int_equal(world_target(w, first).pushed_seq, 0);
	world_stop(w);
	for (int64_t id = first; id < first + 20; id++)
		assert_int_equal(world_target(w, id).pushed_seq, 1);
}

static void test_a_stop_before_the_start_is_one(void **state)
{
	struct world *w = *state;
	struct err err;

	assert_int_equal(net_loop_new(&w->loop, &err), RC_OK);
	w->params.loop = w->loop;
	assert_int_equal(push_new(&w->params, &w->push, &err), RC_OK);
	push_stop(w->push);
}

struct waiting {
	struct push_ask ask;
	struct push_result result;
	atomic_int done;
};

static void waited(struct push_ask *ask)
{
	struct waiting *waiting = ask->ctx;

	(void)atomic_fetch_add(&waiting->done, 1);
}

static void wait_for(struct world *w, struct waiting *waiting, int64_t id)
{
	struct err err;

	*waiting = (struct waiting){.result = {.enrollment_id = id}};
	waiting->ask = (struct push_ask){
		.results = &waiting->result,
		.count = 1,
		.wait_ms = 1000000,
		.done = waited,
		.ctx = waiting,
	};
	assert_int_equal(push_ask(w->push, &waiting->ask, &err), RC_OK);
}

struct stopping {
	struct world *w;
	atomic_int is_stopped;
};

static void *stop(void *ctx)
{
	struct stopping *stopping = ctx;

	push_stop(stopping->w->push);
	atomic_store(&stopping->is_stopped, 1);
	return NULL;
}

static void test_a_stop_waits_for_answers_and_begins_nothing(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 40, WORLD_TOPIC);
	struct stopping stopping = {.w = w};
	struct waiting waiting;
	pthread_t thread;

	fake.is_auto = false;
	fake_window(WORLD_TOPIC, 20);
	world_start(w);
	(void)world_send(w, first, 40, COMMAND_PRIORITY_NORMAL, 0);
	push_poke(w->push);
	world_settle(w);
	wait_for(w, &waiting, first + 19);
	world_settle(w);
	assert_int_equal(fake.held_count, 20);
	assert_int_equal(pthread_create(&thread, NULL, stop, &stopping), 0);
	while (w->push->stop == STOP_NOT)
		world_settle(w);
	(void)world_send(w, first, 40, COMMAND_PRIORITY_NORMAL, 0);
	for (int64_t id = first; id < first + 10; id++)
		fake_answer(id, &fake_taken);
	world_pass_us(w, STOP_WAIT_US - 1);
	assert_int_equal(atomic_load(&stopping.is_stopped), 0);
	assert_false(fake.is_stopped);
	assert_int_equal(waiting.done, 0);
	world_pass_us(w, 1); /* the wait is over */
	while (atomic_load(&stopping.is_stopped) == 0)
		world_settle(w);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(fake.is_stopped);
	assert_int_equal(fake.log_count, 20);
	assert_int_equal(waiting.done, 1);
	for (int64_t id = first; id < first + 20; id++)
		assert_int_equal(world_target(w, id).pushed_seq, id < first + 10 ? 1 : 0);
	/* what was handed back is pushed for after the next start, and what was answered for the newer work */
	fake.is_auto = true;
	fake_window(WORLD_TOPIC, 0);
	world_start(w);
	for (int64_t id = first; id < first + 40; id++)
		assert_int_equal(fake_pushes_to(id), id < first + 20 ? 2 : 1);
}

static void test_whoever_waits_at_the_end_is_told(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	struct waiting taken;
	struct waiting fresh;

	fake.is_auto = false;
	world_start(w);
	wait_for(w, &taken, id);
	world_settle(w);
	wait_for(w, &fresh, id);
	world_crash(w);
	assert_int_equal(taken.done, 1);
	assert_int_equal(fresh.done, 1);
	assert_int_equal(fresh.result.answer, PUSH_ANSWER_WAITING);
}

enum { HAMMERS = 3, BLOWS = 20000 };

struct hammer {
	struct world *w;
	int64_t first;
	unsigned mark;
	struct waiting waiting[40];
};

static void *hammer(void *ctx)
{
	struct hammer *h = ctx;
	struct push *push = h->w->push;
	static struct push_stats stats[HAMMERS];
	struct err err;

	for (int i = 0; i < BLOWS; i++) {
		int64_t id = h->first + i % 50;
		struct push_contact contact = {
			.enrollment_id = id,
			.kind = i % 97 == 0 ? PUSH_CONTACT_HELD : PUSH_CONTACT_MESSAGE,
		};

		push_contact(push, &contact);
		if (i % 50 == 0)
			push_poke(push);
		if (i % 1000 == 0)
			push_set_settings(push, &h->w->params.settings);
		if (i % 500 == 0)
			(void)!push_order(push, &id, 1, PUSH_CLASS_NORMAL, &err);
		if (i % 700 == 0)
			push_stats(push, &stats[h->mark]);
		if (i % 3000 == 0)
			push_certs_changed(push);
		if (i % 1000 == 500)
			wait_for(h->w, &h->waiting[i / 1000], id);
	}
	return NULL;
}

/* Its own loop runs on a thread, answers come from it too: ThreadSanitizer watches. */
static void test_threads_may_tell_at_any_time(void **state)
{
	struct world *w = *state;
	static struct hammer hammers[HAMMERS];
	pthread_t threads[HAMMERS];

	memset(hammers, 0, sizeof(hammers));
	for (unsigned i = 0; i < HAMMERS; i++)
		hammers[i] = (struct hammer){.w = w, .mark = i};
	hammers[0].first = world_enroll_many(w, 50, WORLD_TOPIC);
	world_start(w);
	(void)world_send(w, hammers[0].first, 50, COMMAND_PRIORITY_NORMAL, 0);
	for (unsigned i = 0; i < HAMMERS; i++) {
		hammers[i].first = hammers[0].first;
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, &hammers[i]), 0);
	}
	for (int i = 0; i < 50; i++)
		world_pass_us(w, 100000);
	for (unsigned i = 0; i < HAMMERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	world_pass_s(w, 1);
	assert_int_equal(world_stats(w).contacts_total, HAMMERS * BLOWS);
	for (unsigned i = 0; i < HAMMERS; i++)
		for (int k = 0; k < BLOWS / 1000; k++)
			assert_int_equal(hammers[i].waiting[k].done, 1);
	for (int64_t id = hammers[0].first; id < hammers[0].first + 50; id++)
		assert_int_not_equal(fake_pushes_to(id), 0);
	world_stop(w);
}

#define BELL(name) cmocka_unit_test_setup_teardown(name, bell_setup, bell_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BELL(test_mere_contacts_do_not_wake_the_loop_until_many_have_gathered),
		BELL(test_all_others_wake_the_loop_once_until_it_has_looked),
		BELL(test_contacts_beyond_the_bound_are_told_to_be_lost),
		BELL(test_a_closed_inbox_takes_nothing),
		TEST(test_no_wake_up_is_lost_with_a_contact),
		TEST(test_one_that_was_forgotten_for_want_of_a_token_is_found_again),
		TEST(test_a_stop_waits_until_outcomes_are_written),
		TEST(test_a_stop_before_the_start_is_one),
		TEST(test_a_stop_waits_for_answers_and_begins_nothing),
		TEST(test_whoever_waits_at_the_end_is_told),
		TEST(test_threads_may_tell_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
