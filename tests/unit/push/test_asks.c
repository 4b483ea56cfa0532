/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "world.h"

/* Pushes that people ask for. */

enum { WAIT_MS = 10000 };

struct question {
	struct push_ask ask;
	struct push_result results[PUSH_ASK_IDS_MAX];
	int done;
};

static void on_done(struct push_ask *ask)
{
	struct question *question = ask->ctx;

	question->done++;
}

static enum rc try_ask(struct world *w, struct question *question, const int64_t *ids, size_t count,
	bool is_test)
{
	struct err err;

	memset(question, 0x5A, sizeof(*question)); /* what is not set is not looked at */
	question->done = 0;
	question->ask.results = question->results;
	question->ask.count = count;
	question->ask.class = PUSH_CLASS_NORMAL;
	question->ask.is_test = is_test;
	question->ask.wait_ms = WAIT_MS;
	question->ask.done = on_done;
	question->ask.ctx = question;
	for (size_t i = 0; i < count && i < PUSH_ASK_IDS_MAX; i++)
		question->results[i].enrollment_id = ids[i];
	return push_ask(w->push, &question->ask, &err);
}

static void ask(struct world *w, struct question *question, const int64_t *ids, size_t count)
{
	assert_int_equal(try_ask(w, question, ids, count, false), RC_OK);
	world_settle(w);
}

static void ask_one(struct world *w, struct question *question, int64_t id)
{
	ask(w, question, &id, 1);
}

static void test_one_push(struct world *w, struct question *question, int64_t id)
{
	assert_int_equal(try_ask(w, question, &id, 1, true), RC_OK);
	world_settle(w);
}

static void assert_answer(const struct question *question, size_t index, enum push_answer want)
{
	assert_int_equal(question->done, 1);
	assert_string_equal(push_answer_name(question->results[index].answer), push_answer_name(want));
}

static void test_an_ask_pushes_without_work_and_tells_the_result(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	struct question q;

	world_start(w);
	ask_one(w, &q, id);
	assert_answer(&q, 0, PUSH_ANSWER_SENT);
	assert_int_equal(q.results[0].enrollment_id, id);
	assert_int_equal(q.results[0].status, 200);
	assert_string_equal(q.results[0].apns_id, fake_taken.apns_id);
	assert_string_equal(q.results[0].reason, "");
	assert_int_equal(fake.log_count, 1);
	assert_int_equal(world_stats(w).tracked, 0);
	world_pass_s(w, 100);
	assert_int_equal(fake.log_count, 1);
}

static void test_what_apns_refuses_is_told_with_its_reason(void **state)
{
	static const struct parcel_answer *const answers[] = {&fake_retry, &fake_dead, &fake_stopped,
		&fake_dropped};

	for (size_t i = 0; i < 4; i++) {
		struct world *w = *state;
		int64_t id = world_enroll(w, WORLD_TOPIC);
		struct question q;

		world_start(w);
		fake.answer = *answers[i];
		ask_one(w, &q, id);
		assert_answer(&q, 0, PUSH_ANSWER_REFUSED);
		assert_int_equal(q.results[0].status, answers[i]->status);
		assert_string_equal(q.results[0].reason, answers[i]->reason);
		assert_int_equal(world_stats(w).tracked, 0);
	}
}

static void test_unknown_unenrolled_and_dead_ones_are_told(void **state)
{
	struct world *w = *state;
	int64_t dead = world_enroll(w, WORLD_TOPIC);
	int64_t ids[] = {dead, dead + 1000, 0, -5, INT64_MAX};
	struct question q;

	world_start(w);
	fake.answer = fake_dead;
	ask_one(w, &q, dead);
	world_pass_s(w, 3);
	ask(w, &q, ids, 5);
	assert_answer(&q, 0, PUSH_ANSWER_TOKEN_DEAD);
	for (size_t i = 1; i < 5; i++)
		assert_answer(&q, i, PUSH_ANSWER_NO_TOKEN);
	assert_int_equal(fake.log_count, 1);
	assert_int_equal(world_stats(w).tracked, 0);
}

static void test_a_blocked_topic_is_told_at_once(void **state)
{
	static const struct {
		enum topics_verdict verdict;
		enum push_answer answer;
	} rows[] = {
		{TOPICS_NO_CERTIFICATE, PUSH_ANSWER_NO_CERTIFICATE},
		{TOPICS_STOPPED, PUSH_ANSWER_STOPPED},
		{TOPICS_WAITING, PUSH_ANSWER_UNREACHABLE},
	};
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	struct question q;

	world_start(w);
	for (int has_work = 0; has_work < 2; has_work++)
		for (size_t i = 0; i < 3; i++) {
			fake_verdict(WORLD_TOPIC, rows[i].verdict);
			if (has_work)
				(void)world_wake(w, id);
			world_settle(w);
			ask_one(w, &q, id);
			assert_answer(&q, 0, rows[i].answer);
			assert_true(q.results[0].detail[0] != '\0');
			assert_int_equal(world_stats(w).tracked, has_work);
			ask_one(w, &q, id); /* the topic is known to be blocked now */
			assert_answer(&q, 0, rows[i].answer);
		}
	assert_int_equal(fake.log_count, 0);
}

static void test_duplicates_are_one_push_and_all_told(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	int64_t ids[] = {id, id, id};
	struct question q;

	world_start(w);
	ask(w, &q, ids, 3);
	for (size_t i = 0; i < 3; i++)
		assert_answer(&q, i, PUSH_ANSWER_SENT);
	assert_int_equal(fake.log_count, 1);
}

static void test_asks_join_a_push_in_flight(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	struct question a;
	struct question b;

	fake.is_auto = false;
	world_start(w);
	(void)world_wake(w, id);
	world_settle(w);
	ask_one(w, &a, id);
	ask_one(w, &b, id);
	assert_int_equal(a.done + b.done, 0);
	fake_answer(id, &fake_taken);
	world_settle(w);
	assert_answer(&a, 0, PUSH_ANSWER_SENT);
	assert_answer(&b, 0, PUSH_ANSWER_SENT);
	assert_int_equal(fake.log_count, 1);
}

static void test_a_wait_that_is_over_is_told_so_and_the_push_goes_on(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 2, WORLD_TOPIC);
	int64_t ids[] = {first, first + 1};
	struct question q;

	fake.is_auto = false;
	world_start(w);
	ask(w, &q, ids, 2);
	fake_answer(first, &fake_taken);
	world_pass_us(w, WAIT_MS * 1000 - 1);
	assert_int_equal(q.done, 0);
	world_pass_us(w, 1);
	assert_answer(&q, 0, PUSH_ANSWER_SENT);
	assert_answer(&q, 1, PUSH_ANSWER_WAITING);
	fake_answer(first + 1, &fake_taken);
	world_settle(w);
	assert_int_equal(q.done, 1);
	assert_int_equal(fake.log_count, 2);
}

static void test_an_ask_of_one_that_is_backed_off_waits(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	struct parcel_answer answer = fake_retry;
	struct question q;

	answer.retry_after_s = 5;
	fake.answer = answer;
	world_start(w);
	(void)world_wake(w, id);
	world_settle(w);
	fake.answer = fake_taken;
	ask_one(w, &q, id);
	world_pass_s(w, 4);
	assert_int_equal(q.done, 0);
	world_pass_s(w, 3);
	assert_answer(&q, 0, PUSH_ANSWER_SENT);
}

static void test_a_test_is_pushed_whatever_speaks_against_it(void **state)
{
	static const enum topics_verdict verdicts[] = {TOPICS_STOPPED, TOPICS_WAITING};
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	struct question q;

	world_start(w);
	fake.answer = fake_dead;
	ask_one(w, &q, id);
	world_pass_s(w, 3);
	assert_int_not_equal(world_target(w, id).token_dead_at, 0);
	fake.answer = fake_taken;
	for (size_t i = 0; i < 2; i++) {
		fake_verdict(WORLD_TOPIC, verdicts[i]);
		test_one_push(w, &q, id);
		assert_answer(&q, 0, PUSH_ANSWER_SENT);
		assert_true(fake.log[fake.log_count - 1].is_test);
	}
	fake_verdict(WORLD_TOPIC, TOPICS_NO_CERTIFICATE);
	test_one_push(w, &q, id);
	assert_answer(&q, 0, PUSH_ANSWER_NO_CERTIFICATE);
	assert_int_equal(world_stats(w).tracked, 0);
}

static void test_a_test_waits_for_room_and_is_the_first_then(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, 30, WORLD_TOPIC);
	struct question q;

	fake.is_auto = false;
	fake_window(WORLD_TOPIC, 1);
	world_start(w);
	(void)world_send(w, first, 29, COMMAND_PRIORITY_URGENT, 0);
	push_poke(w->push);
	world_settle(w);
	test_one_push(w, &q, first + 29);
	assert_int_equal(q.done, 0);
	fake_window(WORLD_TOPIC, 2);
	world_pass_s(w, 1);
	world_pass_s(w, 1);
	assert_true(fake_holds(first + 29) || fake.log[1].enrollment_id != first + 29);
	(void)fake_answer_all(&fake_taken);
	world_pass_s(w, 1);
	(void)fake_answer_all(&fake_taken);
	world_pass_s(w, 1);
	(void)fake_answer_all(&fake_taken);
	world_settle(w);
	assert_answer(&q, 0, PUSH_ANSWER_SENT);
}

static void test_the_number_of_ids_has_bounds(void **state)
{
	struct world *w = *state;
	int64_t first = world_enroll_many(w, PUSH_ASK_IDS_MAX + 1, WORLD_TOPIC);
	int64_t ids[PUSH_ASK_IDS_MAX + 1];
	struct question q;

	for (int i = 0; i <= PUSH_ASK_IDS_MAX; i++)
		ids[i] = first + i;
	world_start(w);
	assert_int_equal(try_ask(w, &q, ids, 0, false), RC_INVALID);
	assert_int_equal(try_ask(w, &q, ids, PUSH_ASK_IDS_MAX + 1, false), RC_INVALID);
	ask(w, &q, ids, PUSH_ASK_IDS_MAX);
	for (size_t i = 0; i < PUSH_ASK_IDS_MAX; i++)
		assert_answer(&q, i, PUSH_ANSWER_SENT);
	assert_int_equal(fake.log_count, PUSH_ASK_IDS_MAX);
}

static void test_the_number_of_asks_has_a_bound(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	struct question *q = calloc(INBOX_ASKS_MAX + 1, sizeof(*q));

	assert_non_null(q);
	fake.is_auto = false;
	world_start(w);
	for (size_t i = 0; i < INBOX_ASKS_MAX; i++)
		assert_int_equal(try_ask(w, &q[i], &id, 1, false), RC_OK);
	assert_int_equal(try_ask(w, &q[INBOX_ASKS_MAX], &id, 1, false), RC_BUSY);
	world_settle(w);
	assert_int_equal(try_ask(w, &q[INBOX_ASKS_MAX], &id, 1, false), RC_BUSY);
	fake_answer(id, &fake_taken);
	for (size_t i = 0; i < INBOX_ASKS_MAX; i++)
		assert_answer(&q[i], 0, PUSH_ANSWER_SENT);
	assert_int_equal(try_ask(w, &q[0], &id, 1, false), RC_OK);
	world_settle(w);
	(void)fake_answer_all(&fake_taken);
	assert_answer(&q[0], 0, PUSH_ANSWER_SENT);
	free(q);
}

/* --- orders */

static void test_an_order_pushes_to_all_with_and_without_work(void **state)
{
	struct world *w = *state;
	enum { COUNT = 5000 };
	int64_t first = world_enroll_many(w, COUNT, WORLD_TOPIC);
	int64_t *ids = calloc(COUNT + 2, sizeof(*ids));
	struct err err;

	assert_non_null(ids);
	for (int i = 0; i < COUNT; i++)
		ids[i] = first + i;
	ids[COUNT] = first; /* twice */
	ids[COUNT + 1] = first + COUNT + 77;
	world_start(w);
	(void)world_send(w, first, 10, COMMAND_PRIORITY_NORMAL, 0);
	push_poke(w->push);
	assert_int_equal(push_order(w->push, ids, COUNT + 2, PUSH_CLASS_NORMAL, &err), RC_OK);
	world_settle(w);
	assert_in_range(fake.log_count, COUNT, COUNT + 1);
	assert_int_equal(world_stats(w).tracked, 10);
	assert_int_equal(push_order(w->push, NULL, 0, PUSH_CLASS_NORMAL, &err), RC_OK);
	world_settle(w);
	free(ids);
}

static void test_an_order_is_parked_while_its_topic_is(void **state)
{
	struct world *w = *state;
	int64_t id = world_enroll(w, WORLD_TOPIC);
	struct err err;

	fake_verdict(WORLD_TOPIC, TOPICS_NO_CERTIFICATE);
	world_start(w);
	assert_int_equal(push_order(w->push, &id, 1, PUSH_CLASS_URGENT, &err), RC_OK);
	world_pass_s(w, 100);
	assert_int_equal(fake.log_count, 0);
	fake_verdict(WORLD_TOPIC, TOPICS_TAKEN);
	push_certs_changed(w->push);
	world_settle(w);
	assert_int_equal(fake.log_count, 1);
	assert_int_equal(world_stats(w).tracked, 0);
}

static void test_the_number_of_ordered_ids_has_a_bound(void **state)
{
	struct world *w = *state;
	int64_t *ids = calloc(INBOX_ORDER_IDS_MAX + 1, sizeof(*ids));
	struct err err;

	assert_non_null(ids);
	world_start(w);
	for (int64_t i = 0; i <= INBOX_ORDER_IDS_MAX; i++)
		ids[i] = 1000000 + i % 100;
	assert_int_equal(push_order(w->push, ids, INBOX_ORDER_IDS_MAX + 1, PUSH_CLASS_NORMAL, &err),
		RC_LIMIT);
	assert_int_equal(push_order(w->push, ids, INBOX_ORDER_IDS_MAX, PUSH_CLASS_NORMAL, &err), RC_OK);
	assert_int_equal(push_order(w->push, ids, 1, PUSH_CLASS_NORMAL, &err), RC_BUSY);
	world_settle(w);
	assert_int_equal(push_order(w->push, ids, 1, PUSH_CLASS_NORMAL, &err), RC_OK);
	world_settle(w);
	assert_int_equal(world_stats(w).tracked, 0);
	free(ids);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_ask_pushes_without_work_and_tells_the_result),
		TEST(test_what_apns_refuses_is_told_with_its_reason),
		TEST(test_unknown_unenrolled_and_dead_ones_are_told),
		TEST(test_a_blocked_topic_is_told_at_once),
		TEST(test_duplicates_are_one_push_and_all_told),
		TEST(test_asks_join_a_push_in_flight),
		TEST(test_a_wait_that_is_over_is_told_so_and_the_push_goes_on),
		TEST(test_an_ask_of_one_that_is_backed_off_waits),
		TEST(test_a_test_is_pushed_whatever_speaks_against_it),
		TEST(test_a_test_waits_for_room_and_is_the_first_then),
		TEST(test_the_number_of_ids_has_bounds),
		TEST(test_the_number_of_asks_has_a_bound),
		TEST(test_an_order_pushes_to_all_with_and_without_work),
		TEST(test_an_order_is_parked_while_its_topic_is),
		TEST(test_the_number_of_ordered_ids_has_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
