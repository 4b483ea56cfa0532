/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "pomona/store/admin.h"

#include "world.h"

#define TOPIC "com.apple.mgmt.External.1"

static enum rc raise_all(void *ctx, struct txn *txn, struct err *err)
{
	enum rc rc = alarm_raise(txn, "store", slice_of_str(""), "nearly full", err);

	(void)ctx;
	for (int i = 0; rc == RC_OK && i < 2; i++)
		rc = alarm_raise(txn, "push_stopped", slice_of_str(TOPIC), "BadCertificate", err);
	return rc;
}

static int open_world(void **state)
{
	(void)state;
	world_open(0, NULL);
	world_run(raise_all, NULL);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	world_close();
	return 0;
}

static size_t count_at(const char *path)
{
	assert_int_equal(world_call("GET", path, NULL), 200);
	return json_count(json_get(world.json, "alarms"));
}

/* NULL: there is none of this kind. */
static const struct json_value *alarm_of(const char *kind)
{
	const struct json_value *rows;

	(void)count_at("/api/v1/alarms");
	rows = json_get(world.json, "alarms");
	for (size_t i = 0; i < json_count(rows); i++)
		if (slice_is_str(json_string(json_get(json_at(rows, i), "kind")), kind))
			return json_at(rows, i);
	return NULL;
}

static bool is_text(const struct json_value *row, const char *key, const char *text)
{
	return slice_is_str(json_string(json_get(row, key)), text);
}

static void alarms_are_told_with_all_that_is_known(void **state)
{
	const struct json_value *row = alarm_of("push_stopped");

	(void)state;
	assert_non_null(row);
	assert_true(is_text(row, "subject", TOPIC));
	assert_true(is_text(row, "text", "BadCertificate"));
	assert_int_equal(json_integer(json_get(row, "count")), 2);
	assert_int_equal(json_kind(json_get(row, "first_at")), JSON_KIND_STRING);
	assert_int_equal(json_kind(json_get(row, "last_at")), JSON_KIND_STRING);
	row = alarm_of("store");
	assert_non_null(row);
	assert_true(is_text(row, "subject", ""));
}

static void a_limit_is_held_and_has_bounds(void **state)
{
	(void)state;
	assert_int_equal(count_at("/api/v1/alarms"), 2);
	assert_int_equal(count_at("/api/v1/alarms?limit=1"), 1);
	assert_int_equal(count_at("/api/v1/alarms?limit=1000"), 2);
	assert_int_equal(world_call("GET", "/api/v1/alarms?limit=0", NULL), 400);
	assert_string_equal(world_text("field"), "limit");
	assert_int_equal(world_call("GET", "/api/v1/alarms?limit=1001", NULL), 400);
}

static void an_alarm_is_struck_out_by_kind_and_subject(void **state)
{
	(void)state;
	assert_int_equal(world_call("DELETE", "/api/v1/alarms/push_stopped/other", NULL), 404);
	assert_int_equal(world_call("DELETE", "/api/v1/alarms/push_stopped/-", NULL), 404);
	assert_int_equal(count_at("/api/v1/alarms"), 2);
	assert_int_equal(world_call("DELETE", "/api/v1/alarms/push_stopped/" TOPIC, NULL), 204);
	assert_null(alarm_of("push_stopped"));
	assert_int_equal(world_call("DELETE", "/api/v1/alarms/push_stopped/" TOPIC, NULL), 404);
	assert_int_equal(world_call("DELETE", "/api/v1/alarms/store/-", NULL), 204);
	assert_int_equal(count_at("/api/v1/alarms"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(alarms_are_told_with_all_that_is_known),
		TEST(a_limit_is_held_and_has_bounds),
		TEST(an_alarm_is_struck_out_by_kind_and_subject),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
