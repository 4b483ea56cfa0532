/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "control.h"
#include "pomona/base/codec.h"
#include "pomona/json/json.h"

enum { KEPT = 4, NOW_MS = 1700000000 };

#define TOPIC "com.apple.mgmt.External.x"
#define TOKEN "00ff"

/* What the connections were told. */
struct told {
	unsigned resets, settles;
	char go_away[64]; /* "all Shutdown" */
};

static void go_away(void *ctx, bool is_all, const char *reason)
{
	struct told *told = ctx;

	(void)snprintf(told->go_away, sizeof(told->go_away), "%s %s", is_all ? "all" : "none", reason);
}

static void reset(void *ctx)
{
	struct told *told = ctx;

	told->resets++;
}

static void settle(void *ctx)
{
	struct told *told = ctx;

	told->settles++;
}

struct fixture {
	struct apns apns;
	struct told told;
	struct control control;
};

static int setup(void **state)
{
	static struct fixture fixture;

	fixture = (struct fixture){
		.control = {.apns = &fixture.apns, .deeds = {go_away, reset, settle, &fixture.told}}};
	*state = &fixture;
	return apns_init(&fixture.apns, KEPT, 1, NULL) == RC_OK ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	apns_fini(&fixture->apns);
	return 0;
}

/* A good push, or one without a body. */
static struct apns_taken push(struct fixture *fixture, const char *path, const char *body)
{
	const struct apns_peer peer = {.has_cert = true, .uid = TOPIC};
	const struct apns_request request = {
		.fields = {[APNS_FIELD_METHOD] = SLICE_LITERAL("POST"), [APNS_FIELD_PATH] = slice_of_str(path)},
		.present = 1u << APNS_FIELD_METHOD | 1u << APNS_FIELD_PATH,
		.body = slice_of_str(body),
		.body_bytes = strlen(body)};
	struct apns_taken taken;

	apns_take(&fixture->apns, &request, &peer, 7, NOW_MS, &taken);
	return taken;
}

static struct apns_taken push_good(struct fixture *fixture)
{
	return push(fixture, "/3/device/" TOKEN, "{\"mdm\":\"m\"}");
}

static struct json_value *ask(const struct fixture *fixture, const char *line)
{
	struct json_value *answer = NULL;
	struct buf out;

	buf_init(&out, 1 << 20);
	control_answer(&fixture->control, slice_of_str(line), &out);
	assert_true(out.len > 0 && out.ptr[out.len - 1] == '\n');
	assert_null(memchr(out.ptr, '\n', out.len - 1));
	assert_int_equal(json_parse(buf_slice(&out), &answer, NULL), RC_OK);
	buf_fini(&out);
	return answer;
}

static bool is_ok(const struct fixture *fixture, const char *line)
{
	AUTO(json_free) struct json_value *answer = ask(fixture, line);

	return json_get(answer, "error") == NULL && json_bool(json_get(answer, "ok"));
}

static int64_t stat_of(const struct fixture *fixture, const char *key)
{
	AUTO(json_free) struct json_value *answer = ask(fixture, "{\"do\":\"stats\"}");

	return json_integer(json_get(answer, key));
}

static void stats_count_what_became_of_the_pushes(void **state)
{
	struct fixture *fixture = *state;
	AUTO(json_free) struct json_value *answer = NULL;

	(void)push_good(fixture);
	(void)push(fixture, "/3/device/" TOKEN, "");
	assert_true(is_ok(fixture, "{\"do\":\"set\",\"faults\":{\"status\":500}}"));
	(void)push_good(fixture);
	assert_true(is_ok(fixture, "{\"do\":\"set\",\"faults\":{\"mute\":true}}"));
	(void)push_good(fixture);
	answer = ask(fixture, "{\"do\":\"stats\"}");
	assert_int_equal(json_integer(json_get(answer, "pushes")), 4);
	assert_int_equal(json_integer(json_get(answer, "accepted")), 1);
	assert_int_equal(json_integer(json_get(answer, "unanswered")), 1);
	assert_int_equal(json_integer(json_get(json_get(answer, "reasons"), "PayloadEmpty")), 1);
	assert_int_equal(json_integer(json_get(json_get(answer, "reasons"), "other")), 1);
}

static void pushes_are_told_with_all_that_is_known_of_them(void **state)
{
	struct fixture *fixture = *state;
	struct apns_taken taken = push_good(fixture);
	AUTO(json_free) struct json_value *answer = ask(fixture, "{\"do\":\"pushes\"}");
	const struct json_value *first = json_at(json_get(answer, "pushes"), 0);

	assert_int_equal(json_count(json_get(answer, "pushes")), 1);
	assert_int_equal(json_integer(json_get(first, "seq")), 1);
	assert_true(slice_is_str(json_string(json_get(first, "token")), TOKEN));
	assert_true(slice_is_str(json_string(json_get(first, "topic")), TOPIC));
	assert_true(slice_is_str(json_string(json_get(first, "magic")), "m"));
	assert_true(slice_is_str(json_string(json_get(first, "apns_id")), taken.id));
	assert_int_equal(json_integer(json_get(first, "status")), 200);
	assert_int_equal(json_integer(json_get(first, "priority")), 10);
	assert_int_equal(json_integer(json_get(first, "expiration")), -1);
	assert_int_equal(json_integer(json_get(first, "at_ms")), NOW_MS);
	assert_int_equal(json_integer(json_get(first, "connection")), 7);
	assert_false(json_bool(json_get(first, "woken")));
}

static void pushes_are_paged_and_the_oldest_are_forgotten(void **state)
{
	static const struct {
		const char *line;
		int64_t first, count; /* by seq */
	} cases[] = {
		{"{\"do\":\"pushes\"}", 3, 4},
		{"{\"do\":\"pushes\",\"after\":2}", 3, 4},
		{"{\"do\":\"pushes\",\"after\":4}", 5, 2},
		{"{\"do\":\"pushes\",\"after\":4,\"limit\":1}", 5, 1},
		{"{\"do\":\"pushes\",\"after\":6}", 0, 0},
		{"{\"do\":\"pushes\",\"after\":7}", 0, 0},
	};
	struct fixture *fixture = *state;

	for (int i = 0; i < KEPT + 2; i++)
		(void)push_good(fixture);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(json_free) struct json_value *answer = ask(fixture, cases[i].line);
		const struct json_value *pushes = json_get(answer, "pushes");

		assert_int_equal(json_count(pushes), cases[i].count);
		if (cases[i].count > 0)
			assert_int_equal(json_integer(json_get(json_at(pushes, 0), "seq")), cases[i].first);
	}
	assert_int_equal(stat_of(fixture, "last_seq"), KEPT + 2);
}

static void set_replaces_all_faults_and_tells_the_connections(void **state)
{
	struct fixture *fixture = *state;

	assert_true(is_ok(fixture, "{\"do\":\"set\",\"faults\":{\"reason\":\"Shutdown\"}}"));
	assert_int_equal(push_good(fixture).status, 503);
	assert_true(is_ok(fixture, "{\"do\":\"set\",\"faults\":{\"max_streams\":1}}"));
	assert_int_equal(push_good(fixture).status, 200);
	assert_int_equal(fixture->apns.faults.faults.max_streams, 1);
	assert_true(is_ok(fixture, "{\"do\":\"set\",\"faults\":{}}"));
	assert_int_equal(fixture->apns.faults.faults.max_streams, APNS_STREAMS_DEFAULT);
	assert_int_equal(fixture->told.settles, 3);
}

static void connections_are_told_to_go(void **state)
{
	struct fixture *fixture = *state;

	assert_true(is_ok(fixture, "{\"do\":\"goaway\"}"));
	assert_string_equal(fixture->told.go_away, "all ");
	assert_true(
		is_ok(fixture, "{\"do\":\"goaway\",\"last_stream\":\"none\",\"reason\":\"Shutdown\"}"));
	assert_string_equal(fixture->told.go_away, "none Shutdown");
	assert_true(is_ok(fixture, "{\"do\":\"reset\"}"));
	assert_int_equal(fixture->told.resets, 1);
}

static void a_token_has_an_answer_of_its_own_until_it_is_taken_back(void **state)
{
	struct fixture *fixture = *state;

	assert_true(is_ok(fixture,
		"{\"do\":\"token\",\"token\":\"00ff\",\"reason\":\"Unregistered\",\"timestamp_ms\":9}"));
	assert_string_equal(push_good(fixture).body, "{\"reason\":\"Unregistered\",\"timestamp\":9}");
	assert_int_equal(push(fixture, "/3/device/00", "{\"mdm\":\"m\"}").status, 200);
	assert_true(is_ok(fixture, "{\"do\":\"token\",\"token\":\"00ff\",\"reason\":\"BadDeviceToken\"}"));
	assert_string_equal(push_good(fixture).body, "{\"reason\":\"BadDeviceToken\"}");
	assert_true(is_ok(fixture, "{\"do\":\"token\",\"token\":\"00ff\",\"status\":410}"));
	assert_string_equal(push_good(fixture).body, "");
	assert_true(is_ok(fixture, "{\"do\":\"token\",\"token\":\"00ff\",\"status\":200}"));
	assert_int_equal(push_good(fixture).status, 200);
	assert_int_equal(fixture->apns.rules.count, 0);
}

static void a_410_without_a_time_has_the_present_one(void **state)
{
	struct fixture *fixture = *state;

	assert_true(is_ok(fixture, "{\"do\":\"token\",\"token\":\"00ff\",\"reason\":\"ExpiredToken\"}"));
	assert_string_equal(push_good(fixture).body,
		"{\"reason\":\"ExpiredToken\",\"timestamp\":1700000000}");
}

static void a_refused_push_is_not_remembered(void **state)
{
	struct fixture *fixture = *state;

	assert_true(is_ok(fixture, "{\"do\":\"set\",\"faults\":{\"refuse_every\":1}}"));
	assert_int_equal(push_good(fixture).deed, APNS_REFUSE);
	assert_int_equal(stat_of(fixture, "pushes"), 0);
	assert_int_equal(stat_of(fixture, "refused"), 1);
	assert_int_equal(stat_of(fixture, "last_seq"), 0);
}

static void ids_are_echoed_or_made_and_never_twice_the_same(void **state)
{
	struct apns_taken one = push_good(*state), two = push_good(*state);

	assert_int_equal(strlen(one.id), APNS_ID_TEXT_BYTES - 1);
	assert_int_equal(strspn(one.id, "0123456789ABCDEF-"), APNS_ID_TEXT_BYTES - 1);
	assert_true(one.id[14] == '4' && strchr("89AB", one.id[19]) != NULL);
	assert_string_not_equal(one.id, two.id);
}

static void each_wrong_line_is_told_and_changes_nothing(void **state)
{
	static const struct {
		const char *line, *says;
	} cases[] = {
		{"", ""},
		{"nonsense", ""},
		{"[]", "\"do\""},
		{"{}", "\"do\""},
		{"{\"do\":\"dance\"}", "\"do\": want"},
		{"{\"do\":7}", "\"do\": want"},
		{"{\"do\":\"stats\",\"x\":1}", "\"x\": unknown key"},
		{"{\"do\":\"pushes\",\"limit\":0}", "\"limit\": want 1 to 10000"},
		{"{\"do\":\"pushes\",\"limit\":10001}", "\"limit\": want 1 to 10000"},
		{"{\"do\":\"pushes\",\"after\":-1}", "\"after\""},
		{"{\"do\":\"set\"}", "\"faults\""},
		{"{\"do\":\"set\",\"faults\":{\"x\":1}}", "\"faults\": \"x\": unknown key"},
		{"{\"do\":\"goaway\",\"last_stream\":\"some\"}", "\"last_stream\""},
		{"{\"do\":\"goaway\",\"reason\":\"a\\\"b\"}", "\"reason\""},
		{"{\"do\":\"token\"}", "\"token\""},
		{"{\"do\":\"token\",\"token\":\"0\",\"status\":400}", "\"token\""},
		{"{\"do\":\"token\",\"token\":\"xy\",\"status\":400}", "\"token\""},
		{"{\"do\":\"token\",\"token\":\"00\"}", "\"status\": needed"},
		{"{\"do\":\"token\",\"token\":\"00\",\"reason\":\"Odd\"}", "\"status\": needed"},
		{"{\"do\":\"token\",\"token\":\"00\",\"status\":199}", "\"status\": want 200 to 599"},
		{"{\"do\":\"token\",\"token\":\"00\",\"status\":600}", "\"status\": want 200 to 599"},
		{"{\"do\":\"token\",\"token\":\"00\",\"status\":400,\"reason\":\"a b\"}", "\"reason\""},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(json_free) struct json_value *answer = ask(fixture, cases[i].line);
		char text[ERR_TEXT_BYTES];

		assert_non_null(json_get(answer, "error"));
		(void)snprintf(text, sizeof(text), "%.*s", SLICE_FMT(json_string(json_get(answer, "error"))));
		if (strstr(text, cases[i].says) == NULL)
			fail_msg("%s: '%s' does not say '%s'", cases[i].line, text, cases[i].says);
	}
	assert_int_equal(fixture->told.settles + fixture->told.resets, 0);
	assert_string_equal(fixture->told.go_away, "");
	assert_int_equal(fixture->apns.rules.count, 0);
	assert_int_equal(push_good(fixture).status, 200);
}

static void what_was_pushed_is_told_in_utf8_whatever_it_was(void **state)
{
	static char topic[300];
	const struct apns_peer peer = {.has_cert = true, .uid = TOPIC};
	struct fixture *fixture = *state;
	AUTO(json_free) struct json_value *answer = NULL;
	struct apns_request request = {.fields = {[APNS_FIELD_METHOD] = SLICE_LITERAL("POST"),
																																	[APNS_FIELD_PATH] = SLICE_LITERAL("/3/device/" TOKEN),
																																	[APNS_FIELD_TOPIC] = slice_of(topic, sizeof(topic))},
		.present = 1u << APNS_FIELD_METHOD | 1u << APNS_FIELD_PATH | 1u << APNS_FIELD_TOPIC};
	struct apns_taken taken;
	const struct json_value *row;

	memset(topic, 0xff, sizeof(topic));
	apns_take(&fixture->apns, &request, &peer, 7, NOW_MS, &taken);
	assert_int_equal(taken.status, 400);
	answer = ask(fixture, "{\"do\":\"pushes\"}");
	row = json_at(json_get(answer, "pushes"), 0);
	assert_true(utf8_is_valid(json_string(json_get(row, "topic"))));
	assert_true(slice_is_str(json_string(json_get(row, "reason")), "BadTopic"));
}

static enum rc set_rule(struct fixture *fixture, uint32_t number, unsigned status)
{
	const struct apns_rule rule = {.token = slice_of(&number, sizeof(number)),
		.status = status,
		.reason = "Unregistered",
		.timestamp_ms = -1,
		.retry_after_s = -1};

	return apns_rule_set(&fixture->apns, &rule, NULL);
}

static void rules_are_bounded(void **state)
{
	struct fixture *fixture = *state;

	for (uint32_t i = 0; i < APNS_RULES_MAX; i++)
		assert_int_equal(set_rule(fixture, i, 410), RC_OK);
	assert_int_equal(set_rule(fixture, APNS_RULES_MAX, 410), RC_LIMIT);
	assert_int_equal(set_rule(fixture, 7, 400), RC_OK);
	assert_int_equal(set_rule(fixture, 8, 200), RC_OK);
	assert_int_equal(set_rule(fixture, APNS_RULES_MAX, 410), RC_OK);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH(stats_count_what_became_of_the_pushes),
		WITH(pushes_are_told_with_all_that_is_known_of_them),
		WITH(pushes_are_paged_and_the_oldest_are_forgotten),
		WITH(set_replaces_all_faults_and_tells_the_connections),
		WITH(connections_are_told_to_go),
		WITH(a_token_has_an_answer_of_its_own_until_it_is_taken_back),
		WITH(a_410_without_a_time_has_the_present_one),
		WITH(a_refused_push_is_not_remembered),
		WITH(ids_are_echoed_or_made_and_never_twice_the_same),
		WITH(each_wrong_line_is_told_and_changes_nothing),
		WITH(what_was_pushed_is_told_in_utf8_whatever_it_was),
		WITH(rules_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
