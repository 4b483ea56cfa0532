/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pomona/base/log.h"

#include "fake_push.h"
#include "world.h"

enum {
	FEW = 3,
	MANY = 2300, /* three pages */
	LIST_BYTES = 1 << 18,
	LOG_BYTES = 1 << 16,
};

static int open_few(void **state)
{
	(void)state;
	world_open(FEW, fake_push_reset());
	return 0;
}

static int open_many(void **state)
{
	(void)state;
	world_open(MANY, fake_push_reset());
	return 0;
}

static int open_without_push(void **state)
{
	(void)state;
	world_open(FEW, NULL);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	world_close();
	return 0;
}

/* {"ids": ["D1", ..., "D<known>", "X1", ..., "X<unknown>"]} */
static const char *body_to(int known, int unknown)
{
	static char body[LIST_BYTES];
	size_t used = (size_t)snprintf(body, sizeof(body), "{\"ids\": [");

	for (int i = 0; i < known + unknown; i++)
		used += (size_t)snprintf(body + used, sizeof(body) - used, "%s\"%c%d\"", i > 0 ? "," : "",
			i < known ? 'D' : 'X', i < known ? i + 1 : i - known + 1);
	(void)snprintf(body + used, sizeof(body) - used, "]}");
	return body;
}

static const struct json_value *results(void)
{
	return json_get(world.json, "results");
}

static void assert_result(size_t index, const char *id, const char *answer)
{
	const struct json_value *row = json_at(results(), index);

	assert_true(slice_is_str(json_string(json_get(row, "id")), id));
	assert_true(slice_is_str(json_string(json_get(row, "answer")), answer));
}

static bool is_null(const struct json_value *row, const char *key)
{
	return json_kind(json_get(row, key)) == JSON_KIND_NULL;
}

static void a_push_to_some_waits_for_the_result_of_each(void **state)
{
	(void)state;
	assert_int_equal(world_call("POST", "/api/v1/push",
																			"{\"ids\": [\"D2\", \"nobody\", \"D1\", \"D2\"]}"),
		200);
	assert_int_equal(json_count(results()), 3);
	assert_result(0, "D2", "sent");
	assert_result(1, "nobody", "unknown");
	assert_result(2, "D1", "sent");
	assert_int_equal(fake_push.id_count, 2);
	assert_int_equal(fake_push.ids[0], 2);
	assert_int_equal(fake_push.ids[1], 1);
	assert_int_equal(fake_push.class, PUSH_CLASS_NORMAL);
	assert_false(fake_push.is_test);
	assert_null(json_get(world.json, "ordered"));
}

static void a_result_tells_what_apns_said_and_what_to_do(void **state)
{
	const struct json_value *row;

	(void)state;
	fake_push.result = (struct push_result){.answer = PUSH_ANSWER_REFUSED,
		.status = 410,
		.reason = "Unregistered",
		.apns_id = "an-id"};
	assert_int_equal(world_call("POST", "/api/v1/push", "{\"ids\": [\"D1\"]}"), 200);
	row = json_at(results(), 0);
	assert_int_equal(json_integer(json_get(row, "status")), 410);
	assert_true(slice_is_str(json_string(json_get(row, "reason")), "Unregistered"));
	assert_true(slice_is_str(json_string(json_get(row, "apns_id")), "an-id"));
	assert_true(slice_is_str(json_string(json_get(row, "advice")), "advice about the reason"));
	assert_true(is_null(row, "detail"));
}

static void each_answer_but_sent_has_advice(void **state)
{
	(void)state;
	for (int i = 0; i < PUSH_ANSWER_COUNT; i++) {
		const bool is_sent = i == PUSH_ANSWER_SENT;

		fake_push.result = (struct push_result){.answer = (enum push_answer)i,
			.status = i == PUSH_ANSWER_REFUSED ? 400 : 0,
			.detail = "a fault"};
		assert_int_equal(world_call("POST", "/api/v1/push", "{\"ids\": [\"D1\"]}"), 200);
		assert_int_equal(is_null(json_at(results(), 0), "advice"), is_sent);
		assert_int_equal(is_null(json_at(results(), 0), "status"), i != PUSH_ANSWER_REFUSED);
		assert_true(is_null(json_at(results(), 0), "reason"));
		assert_int_equal(world_call("POST", "/api/v1/pushcerts/test", "{\"id\": \"D1\"}"), 200);
		assert_false(is_null(world.json, "advice"));
	}
}

static void a_push_to_nobody_asks_for_nothing(void **state)
{
	(void)state;
	assert_int_equal(world_call("POST", "/api/v1/push", "{\"ids\": [\"nobody\"]}"), 200);
	assert_result(0, "nobody", "unknown");
	assert_int_equal(world_call("POST", "/api/v1/push", "{\"filter\": {\"kind\": \"byod_user\"}}"),
		200);
	assert_int_equal(json_count(results()), 0);
	assert_int_equal(atomic_load(&fake_push.asks), 0);
}

static enum rc add_others(void *ctx, struct txn *txn, struct err *err)
{
	int64_t id;
	enum rc rc = enrollment_add_user(txn, ENROLLMENT_USER, SLICE_LITERAL("D1:U"), 1, &id, err);

	(void)ctx;
	return rc == RC_OK ? enrollment_set_state(txn, 2, ENROLLMENT_REMOVED, err) : rc;
}

static void all_are_the_enrolled_devices_without_their_users(void **state)
{
	(void)state;
	world_run(add_others, NULL);
	assert_int_equal(world_call("POST", "/api/v1/push", "{\"all\": true, \"urgent\": true}"), 200);
	assert_int_equal(json_count(results()), 2);
	assert_result(0, "D1", "sent");
	assert_result(1, "D3", "sent");
	assert_int_equal(fake_push.class, PUSH_CLASS_URGENT);
}

static void a_filter_finds_users_and_those_that_left_too(void **state)
{
	(void)state;
	world_run(add_others, NULL);
	assert_int_equal(world_call("POST", "/api/v1/push", "{\"filter\": {\"kind\": \"user\"}}"), 200);
	assert_int_equal(json_count(results()), 1);
	assert_result(0, "D1:U", "sent");
	assert_int_equal(world_call("POST", "/api/v1/push", "{\"filter\": {\"state\": \"removed\"}}"),
		200);
	assert_int_equal(json_count(results()), 1);
	assert_result(0, "D2", "sent");
}

static void as_many_as_the_limit_are_asked_for_and_one_more_is_ordered(void **state)
{
	(void)state;
	assert_int_equal(world_call("POST", "/api/v1/push", body_to(PUSH_ASK_IDS_MAX, 0)), 200);
	assert_int_equal(json_count(results()), PUSH_ASK_IDS_MAX);
	assert_int_equal(atomic_load(&fake_push.orders), 0);
	assert_int_equal(world_call("POST", "/api/v1/push", body_to(PUSH_ASK_IDS_MAX + 1, 2)), 202);
	assert_int_equal(json_integer(json_get(world.json, "ordered")), PUSH_ASK_IDS_MAX + 1);
	assert_int_equal(json_count(results()), 2);
	assert_result(0, "X1", "unknown");
	assert_result(1, "X2", "unknown");
	assert_int_equal(atomic_load(&fake_push.asks), 1);
}

static void it_counts_how_many_are_found_not_how_many_are_named(void **state)
{
	(void)state;
	assert_int_equal(world_call("POST", "/api/v1/push", body_to(PUSH_ASK_IDS_MAX, 3000)), 200);
	assert_int_equal(json_count(results()), PUSH_ASK_IDS_MAX + 3000);
	assert_result(PUSH_ASK_IDS_MAX - 1, "D200", "sent");
	assert_result(PUSH_ASK_IDS_MAX + 2999, "X3000", "unknown");
}

static void assert_all_ordered_once(void)
{
	assert_int_equal(json_integer(json_get(world.json, "ordered")), MANY);
	assert_int_equal(fake_push.id_count, MANY);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(fake_push.ids[i], i + 1);
	assert_true(atomic_load(&fake_push.orders) > 1);
}

static void a_push_to_many_is_ordered_page_by_page(void **state)
{
	(void)state;
	assert_int_equal(world_call("POST", "/api/v1/push", "{\"all\": true}"), 202);
	assert_all_ordered_once();
	fake_push_reset();
	assert_int_equal(world_call("POST", "/api/v1/push", body_to(MANY, 0)), 202);
	assert_all_ordered_once();
	assert_int_equal(json_count(results()), 0);
}

static void an_order_that_is_refused_half_way_says_how_far_it_came(void **state)
{
	(void)state;
	atomic_store(&fake_push.refused_order, 1);
	assert_int_equal(world_call("POST", "/api/v1/push", "{\"all\": true}"), 503);
	assert_string_equal(world_text("detail"), "it is stopping");
	fake_push_reset();
	atomic_store(&fake_push.refused_order, 2);
	assert_int_equal(world_call("POST", "/api/v1/push", "{\"all\": true}"), 503);
	assert_string_equal(world_text("detail"), "after 1000 pushes were ordered: it is stopping");
	fake_push_reset();
	atomic_store(&fake_push.is_busy, true);
	assert_int_equal(world_call("POST", "/api/v1/push", "{\"ids\": [\"D1\"]}"), 503);
}

static void stop_store(void)
{
	store_stop(world.store);
}

static void what_was_ordered_before_a_fault_is_told_and_logged(void **state)
{
	char log_name[] = "/tmp/pomona-log-XXXXXX", log[LOG_BYTES] = "";
	const int log_fd = mkstemp(log_name);

	(void)state;
	assert_true(log_fd >= 0);
	log_set_fd(log_fd);
	fake_push.on_call = stop_store;
	assert_int_equal(world_call("POST", "/api/v1/push", "{\"all\": true}"), 503);
	log_set_fd(STDERR_FILENO);
	assert_non_null(strstr(world_text("detail"), "after 1000 pushes were ordered: "));
	assert_true(pread(log_fd, log, sizeof(log) - 1, 0) > 0);
	assert_non_null(strstr(log, "what=push id=\"1000 enrollments\""));
	assert_int_equal(close(log_fd), 0);
	assert_int_equal(unlink(log_name), 0);
}

static void a_test_pushes_in_any_case_and_to_one(void **state)
{
	(void)state;
	assert_int_equal(world_call("POST", "/api/v1/pushcerts/test", "{\"id\": \"D3\"}"), 200);
	assert_string_equal(world_text("id"), "D3");
	assert_string_equal(world_text("answer"), "sent");
	assert_true(fake_push.is_test);
	assert_int_equal(fake_push.ids[0], 3);
	assert_int_equal(world_call("POST", "/api/v1/pushcerts/test", "{\"id\": \"D4\"}"), 404);
	assert_string_equal(world_text("field"), "id");
	assert_int_equal(world_call("POST", "/api/v1/pushcerts/test", "{}"), 400);
	atomic_store(&fake_push.is_busy, true);
	assert_int_equal(world_call("POST", "/api/v1/pushcerts/test", "{\"id\": \"D3\"}"), 503);
}

static bool was_early;

static void look(void)
{
	was_early = !world_is_open(1);
}

static void a_command_is_told_of_when_it_is_durable(void **state)
{
	static const char body[] = "{\"ids\": [\"D1\"], \"command\": {\"RequestType\": \"ProfileList\"}}";

	(void)state;
	was_early = false;
	fake_push.on_call = look;
	assert_int_equal(world_call("POST", "/api/v1/commands", body), 200);
	assert_int_equal(atomic_load(&fake_push.pokes), 1);
	assert_false(was_early);
}

static void a_device_whose_removal_is_ordered_is_woken_once(void **state)
{
	(void)state;
	assert_int_equal(world_call("POST", "/api/v1/devices/D2/unenroll", NULL), 200);
	assert_int_equal(world_call("POST", "/api/v1/devices/D2/unenroll", NULL), 200);
	assert_int_equal(fake_push.id_count, 1);
	assert_int_equal(fake_push.ids[0], 2);
	assert_int_equal(fake_push.class, PUSH_CLASS_URGENT);
}

static void a_removal_is_ordered_although_nobody_can_be_woken(void **state)
{
	(void)state;
	atomic_store(&fake_push.refused_order, 1);
	assert_int_equal(world_call("POST", "/api/v1/devices/D2/unenroll", NULL), 200);
	assert_int_equal(atomic_load(&fake_push.orders), 1);
}

static void without_push_its_routes_say_so_and_the_others_work(void **state)
{
	static const struct {
		const char *method, *path, *body;
		int status;
	} cases[] = {
		{"POST", "/api/v1/push", "{\"all\": true}", 503},
		{"GET", "/api/v1/pushcerts", NULL, 503},
		{"PUT", "/api/v1/pushcerts", "{}", 503},
		{"POST", "/api/v1/pushcerts/test", "{\"id\": \"D1\"}", 503},
		{"DELETE", "/api/v1/pushcerts/x", NULL, 503},
		{"GET", "/api/v1/status", NULL, 200},
		{"GET", "/api/v1/devices/D1", NULL, 200},
		{"POST", "/api/v1/devices/D1/unenroll", NULL, 200},
		{"POST", "/api/v1/commands", "{\"all\": true, \"command\": {\"RequestType\": \"ProfileList\"}}",
			200},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (world_call(cases[i].method, cases[i].path, cases[i].body) != cases[i].status)
			fail_msg("%s: %s", cases[i].path, world.reply);
}

static void status_shows_what_push_tells(void **state)
{
	struct push_topic_stats *topic = &fake_push.stats.topics[0];
	const struct json_value *push, *row;

	(void)state;
	fake_push.stats.topic_count = 1;
	(void)snprintf(topic->topic, sizeof(topic->topic), "com.apple.mgmt.x");
	(void)snprintf(topic->why, sizeof(topic->why), "too many faults");
	topic->state = PUSH_TOPIC_WAITING;
	topic->sent = 7;
	fake_push.stats.tracked = 5;
	fake_push.stats.ready[PUSH_CLASS_NORMAL] = 4;
	fake_push.stats.pushes_total = 9;
	fake_push.stats.oldest_ready_s = 3;
	fake_push.stats.tokens_died_total = 2;
	fake_push.stats.reason_count = 1;
	(void)snprintf(fake_push.stats.reasons[0].reason, sizeof(fake_push.stats.reasons[0].reason),
		"Unregistered");
	fake_push.stats.reasons[0].count = 2;
	assert_int_equal(world_call("GET", "/api/v1/status", NULL), 200);
	push = json_get(world.json, "push");
	row = json_at(json_get(push, "topics"), 0);
	assert_true(slice_is_str(json_string(json_get(row, "state")), "waiting"));
	assert_true(slice_is_str(json_string(json_get(row, "why")), "too many faults"));
	assert_int_equal(json_integer(json_get(row, "sent")), 7);
	assert_int_equal(json_integer(json_get(push, "tracked")), 5);
	assert_int_equal(json_integer(json_get(json_get(push, "ready"), "normal")), 4);
	assert_int_equal(json_integer(json_get(push, "pushes")), 9);
	assert_int_equal(json_integer(json_get(push, "oldest_ready_s")), 3);
	assert_int_equal(json_integer(json_get(push, "tokens_died")), 2);
	assert_int_equal(json_integer(json_get(json_get(push, "reasons"), "Unregistered")), 2);
	assert_int_equal(json_integer(json_get(world.json, "inactive")), 0);
	assert_int_equal(json_integer(json_get(world.json, "dead_tokens")), 0);
}

static enum rc write_outcome(void *ctx, struct txn *txn, struct err *err)
{
	const struct token_facts facts = {.topic = SLICE_LITERAL("com.apple.mgmt.x"),
		.token = SLICE_LITERAL("0123456789abcdef0123456789abcdef"),
		.push_magic = SLICE_LITERAL("magic")};
	const struct push_outcome outcome = {.enrollment_id = 1,
		.at = 1800000100,
		.status = 410,
		.reason = "Unregistered",
		.apns_id = "an-id",
		.tries = 2,
		.is_dead = true,
		.token = facts.token};
	bool was_changed = false;
	enum rc rc = enrollment_set_token(txn, 1, &facts, SLICE_LITERAL("raw"), err);

	(void)ctx;
	if (rc == RC_OK)
		rc = push_outcome_write(txn, &outcome, err);
	if (rc == RC_OK)
		rc = enrollment_set_inactive(txn, 1, INT64_MAX, &was_changed, err);
	assert_true(rc != RC_OK || was_changed);
	return rc;
}

static void a_device_shows_what_became_of_its_pushes(void **state)
{
	const struct json_value *push;

	(void)state;
	world_run(write_outcome, NULL);
	assert_int_equal(world_call("GET", "/api/v1/devices/D1", NULL), 200);
	push = json_get(world.json, "push");
	assert_true(is_null(push, "last_push_at"));
	assert_true(slice_is_str(json_string(json_get(push, "last_outcome_at")), "2027-01-15T08:01:40Z"));
	assert_int_equal(json_integer(json_get(push, "status")), 410);
	assert_true(slice_is_str(json_string(json_get(push, "reason")), "Unregistered"));
	assert_true(slice_is_str(json_string(json_get(push, "apns_id")), "an-id"));
	assert_int_equal(json_integer(json_get(push, "tries")), 2);
	assert_false(is_null(push, "token_dead_at"));
	assert_false(is_null(push, "advice"));
	assert_true(world_text("inactive_at")[0] != '\0');
	assert_true(world_text("token_dead_at")[0] != '\0');
	assert_int_equal(world_call("GET", "/api/v1/devices?activity=inactive", NULL), 200);
	assert_int_equal(json_count(json_get(world.json, "devices")), 1);
	assert_int_equal(world_call("GET", "/api/v1/devices?activity=active", NULL), 200);
	assert_int_equal(json_count(json_get(world.json, "devices")), FEW - 1);
	assert_int_equal(world_call("GET", "/api/v1/devices?activity=lazy", NULL), 400);
	assert_string_equal(world_text("field"), "activity");
	assert_int_equal(world_call("GET", "/api/v1/devices/D2", NULL), 200);
	assert_true(is_null(json_get(world.json, "push"), "advice"));
	assert_true(is_null(json_get(world.json, "push"), "status"));
}

#define TEST(open, name) cmocka_unit_test_setup_teardown(name, open, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(open_few, a_push_to_some_waits_for_the_result_of_each),
		TEST(open_few, a_result_tells_what_apns_said_and_what_to_do),
		TEST(open_few, each_answer_but_sent_has_advice),
		TEST(open_few, a_push_to_nobody_asks_for_nothing),
		TEST(open_few, all_are_the_enrolled_devices_without_their_users),
		TEST(open_few, a_filter_finds_users_and_those_that_left_too),
		TEST(open_many, as_many_as_the_limit_are_asked_for_and_one_more_is_ordered),
		TEST(open_many, it_counts_how_many_are_found_not_how_many_are_named),
		TEST(open_many, a_push_to_many_is_ordered_page_by_page),
		TEST(open_many, an_order_that_is_refused_half_way_says_how_far_it_came),
		TEST(open_many, what_was_ordered_before_a_fault_is_told_and_logged),
		TEST(open_few, a_test_pushes_in_any_case_and_to_one),
		TEST(open_few, a_command_is_told_of_when_it_is_durable),
		TEST(open_few, a_device_whose_removal_is_ordered_is_woken_once),
		TEST(open_few, a_removal_is_ordered_although_nobody_can_be_woken),
		TEST(open_without_push, without_push_its_routes_say_so_and_the_others_work),
		TEST(open_few, status_shows_what_push_tells),
		TEST(open_few, a_device_shows_what_became_of_its_pushes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
