/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "pomona/base/codec.h"

#include "private.h"

enum { NOW = 1800000000, ARENA_BYTES = 64 * 1024 * 1024 };

#define COMMAND "\"command\": {\"RequestType\": \"ProfileList\"}"
#define PLIST_INNER \
	"<plist version='1.0'><dict><key>RequestType</key><string>ProfileList</string></dict></plist>"
#define PLIST_WHOLE \
	"<plist version='1.0'><dict><key>CommandUUID</key><string>OWN</string><key>Command</key>" \
	"<dict><key>RequestType</key><string>ProfileList</string></dict></dict></plist>"

struct reading {
	struct arena *arena;
	struct json_value *body;
	struct send_body send;
	struct call call;
	struct err err;
	enum rc rc;
};

static void read_text(struct reading *reading, const char *text)
{
	memset(reading, 0, sizeof(*reading));
	reading->arena = arena_new(ARENA_BYTES);
	reading->call.arena = reading->arena;
	assert_int_equal(json_parse(slice_of_str(text), &reading->body, &reading->err), RC_OK);
	reading->rc =
		api_send_body_read(&reading->call, reading->body, NOW, &reading->send, &reading->err);
}

static void reading_fini(struct reading *reading)
{
	json_free(&reading->body);
	arena_free(&reading->arena);
}

static void a_command_comes_as_json_plist_or_base64(void **state)
{
	static const char *const bodies[] = {
		"{\"ids\": [\"A\"], " COMMAND ", \"uuid\": \"OWN\"}",
		"{\"ids\": [\"A\"], \"plist\": \"" PLIST_WHOLE "\"}",
		"{\"ids\": [\"A\"], \"plist\": \"" PLIST_INNER "\", \"uuid\": \"OWN\"}",
		"{\"ids\": [\"A\"], \"plist\": \"" PLIST_WHOLE "\", \"uuid\": \"OWN\"}",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bodies); i++) {
		struct reading reading;

		read_text(&reading, bodies[i]);
		if (reading.rc != RC_OK)
			fail_msg("body %zu: %s", i, reading.err.text);
		assert_true(slice_is_str(reading.send.row.uuid, "OWN"));
		assert_true(slice_is_str(reading.send.row.request_type, "ProfileList"));
		assert_null(reading.call.field);
		reading_fini(&reading);
	}
}

static void the_body_is_the_same_whichever_way_a_command_comes(void **state)
{
	struct reading json, plist;

	(void)state;
	read_text(&json, "{\"ids\": [\"A\"], " COMMAND ", \"uuid\": \"OWN\"}");
	read_text(&plist, "{\"all\": true, \"plist\": \"" PLIST_INNER "\", \"uuid\": \"OWN\"}");
	assert_int_equal(json.rc, RC_OK);
	assert_int_equal(plist.rc, RC_OK);
	assert_true(slice_is_equal(json.send.row.body, plist.send.row.body));
	assert_false(json.send.is_all);
	assert_int_equal(json_count(json.send.ids), 1);
	assert_true(plist.send.is_all);
	assert_null(plist.send.ids);
	reading_fini(&json);
	reading_fini(&plist);
}

static void base64_is_read_before_the_plist(void **state)
{
	char text[1024];
	struct reading reading;
	struct buf encoded;

	(void)state;
	buf_init(&encoded, 1024);
	base64_encode(SLICE_LITERAL(PLIST_WHOLE), &encoded);
	(void)snprintf(text, sizeof(text), "{\"ids\": [\"A\"], \"plist_base64\": \"%s\"}",
		buf_cstr(&encoded));
	read_text(&reading, text);
	assert_int_equal(reading.rc, RC_OK);
	assert_true(slice_is_str(reading.send.row.uuid, "OWN"));
	buf_fini(&encoded);
	reading_fini(&reading);
}

static void a_uuid_is_made_where_none_is_given(void **state)
{
	struct reading first, second;

	(void)state;
	read_text(&first, "{\"ids\": [\"A\"], " COMMAND "}");
	read_text(&second, "{\"ids\": [\"A\"], " COMMAND "}");
	assert_int_equal(first.send.row.uuid.len, 36);
	assert_false(slice_is_equal(first.send.row.uuid, second.send.row.uuid));
	reading_fini(&first);
	reading_fini(&second);
}

static void a_body_that_breaks_a_rule_names_the_field(void **state)
{
	static const struct {
		const char *body, *word;
	} cases[] = {
		{"{\"ids\": [\"A\"]}", "command"},
		{"{" COMMAND "}", "ids"},
		{"{\"ids\": [\"A\"], \"all\": true, " COMMAND "}", "ids"},
		{"{\"ids\": [], " COMMAND "}", "ids"},
		{"{\"ids\": \"A\", " COMMAND "}", "ids"},
		{"{\"ids\": [\"A\"], " COMMAND ", \"plist\": \"x\"}", "command"},
		{"{\"ids\": [\"A\"], \"plist\": \"x\"}", "plist"},
		{"{\"ids\": [\"A\"], \"plist\": \"" PLIST_WHOLE "\", \"uuid\": \"OTHER\"}", "CommandUUID"},
		{"{\"ids\": [\"A\"], \"plist_base64\": \"%%%\"}", "plist_base64"},
		{"{\"ids\": [\"A\"], \"command\": {}}", "RequestType"},
		{"{\"ids\": [\"A\"], " COMMAND ", \"not_after\": \"tomorrow\"}", "not_after"},
		{"{\"ids\": [\"A\"], " COMMAND ", \"not_after\": \"2027-01-15T08:00:00Z\"}", "not_after"},
		{"{\"ids\": [\"A\"], " COMMAND ", \"surprise\": 1}", "surprise"},
		{"{\"ids\": [\"A\"], " COMMAND ", \"uuid\": 7}", "uuid"},
		{"[]", "object"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct reading reading;

		read_text(&reading, cases[i].body);
		if (reading.rc != RC_INVALID || strstr(reading.err.text, cases[i].word) == NULL)
			fail_msg("%s: rc %d, %s", cases[i].body, (int)reading.rc, reading.err.text);
		reading_fini(&reading);
	}
}

static void a_uuid_may_be_as_long_as_the_limit_and_no_longer(void **state)
{
	char uuid[COMMAND_UUID_BYTES_MAX + 2];
	char text[1024];

	(void)state;
	for (int more = 0; more <= 1; more++) {
		struct reading reading;

		memset(uuid, 'u', sizeof(uuid));
		uuid[COMMAND_UUID_BYTES_MAX + more] = '\0';
		(void)snprintf(text, sizeof(text), "{\"ids\": [\"A\"], " COMMAND ", \"uuid\": \"%s\"}", uuid);
		read_text(&reading, text);
		assert_int_equal(reading.rc == RC_OK, more == 0);
		reading_fini(&reading);
	}
}

static void a_time_to_come_is_kept_and_the_present_has_passed(void **state)
{
	char time[TIME_TEXT_BYTES];
	char text[1024];

	(void)state;
	for (int later = 0; later <= 1; later++) {
		struct reading reading;

		time_format(NOW + later, time);
		(void)snprintf(text, sizeof(text), "{\"ids\": [\"A\"], " COMMAND ", \"not_after\": \"%s\"}",
			time);
		read_text(&reading, text);
		assert_int_equal(reading.rc == RC_OK, later == 1);
		if (later)
			assert_int_equal(reading.send.not_after, NOW + 1);
		reading_fini(&reading);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_comes_as_json_plist_or_base64),
		cmocka_unit_test(the_body_is_the_same_whichever_way_a_command_comes),
		cmocka_unit_test(base64_is_read_before_the_plist),
		cmocka_unit_test(a_uuid_is_made_where_none_is_given),
		cmocka_unit_test(a_body_that_breaks_a_rule_names_the_field),
		cmocka_unit_test(a_uuid_may_be_as_long_as_the_limit_and_no_longer),
		cmocka_unit_test(a_time_to_come_is_kept_and_the_present_has_passed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
