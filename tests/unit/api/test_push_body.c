/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "pushing.h"

struct reading {
	struct json_value *json;
	struct push_body body;
	struct call call;
	struct err err;
	enum rc rc;
};

static void read_text(struct reading *reading, const char *text)
{
	memset(reading, 0, sizeof(*reading));
	if (json_parse(slice_of_str(text), &reading->json, &reading->err) != RC_OK)
		fail_msg("%s: %s", text, reading->err.text);
	reading->rc = api_push_body_read(&reading->call, reading->json, &reading->body, &reading->err);
}

static void ids_are_kept_as_they_stand(void **state)
{
	struct reading reading;

	(void)state;
	read_text(&reading, "{\"ids\": [\"A\", \"B\"]}");
	assert_int_equal(reading.rc, RC_OK);
	assert_int_equal(json_count(reading.body.ids), 2);
	assert_false(reading.body.is_all);
	assert_false(reading.body.is_urgent);
	json_free(&reading.json);
}

static void all_means_those_that_are_enrolled(void **state)
{
	struct reading reading;

	(void)state;
	read_text(&reading, "{\"all\": true, \"urgent\": true}");
	assert_int_equal(reading.rc, RC_OK);
	assert_null(reading.body.ids);
	assert_true(reading.body.is_all);
	assert_true(reading.body.is_urgent);
	assert_int_equal(reading.body.filter.state, ENROLLMENT_ENROLLED);
	json_free(&reading.json);
}

static void a_filter_chooses_by_all_of_its_words(void **state)
{
	struct reading reading;

	(void)state;
	read_text(&reading,
		"{\"filter\": {\"state\": \"removal_ordered\", \"kind\": \"user\", \"serial_number\": \"C02\", "
		"\"activity\": \"inactive\"}}");
	assert_int_equal(reading.rc, RC_OK);
	assert_int_equal(reading.body.filter.state, ENROLLMENT_REMOVAL_ORDERED);
	assert_int_equal(reading.body.filter.kind, ENROLLMENT_USER);
	assert_int_equal(reading.body.filter.activity, ENROLLMENT_INACTIVE);
	assert_true(slice_is_str(reading.body.filter.serial_number, "C02"));
	json_free(&reading.json);
	read_text(&reading, "{\"filter\": {\"activity\": \"active\"}}");
	assert_int_equal(reading.rc, RC_OK);
	assert_int_equal(reading.body.filter.state, ENROLLMENT_ENROLLED);
	assert_int_equal(reading.body.filter.activity, ENROLLMENT_ACTIVE);
	json_free(&reading.json);
}

static void a_body_that_breaks_a_rule_names_the_field(void **state)
{
	static const struct {
		const char *body, *field, *word;
	} cases[] = {
		{"{}", "ids", "exactly one"},
		{"{\"all\": false}", "ids", "exactly one"},
		{"{\"ids\": [\"A\"], \"all\": true}", "ids", "exactly one"},
		{"{\"filter\": {\"kind\": \"user\"}, \"all\": true}", "ids", "exactly one"},
		{"{\"ids\": []}", "ids", "1 to"},
		{"{\"ids\": [7]}", "ids", "number 1"},
		{"{\"ids\": \"A\"}", NULL, "ids"},
		{"{\"ids\": [\"A\"], \"urgent\": 1}", NULL, "urgent"},
		{"{\"ids\": [\"A\"], \"surprise\": 1}", NULL, "surprise"},
		{"{\"filter\": {}}", "filter", "at least one"},
		{"{\"filter\": {\"kind\": null}}", "filter", "at least one"},
		{"{\"filter\": {\"serial_number\": \"\"}}", "filter", "at least one"},
		{"{\"filter\": {\"state\": \"enrolled\", \"serial_number\": \"\"}}", "serial_number", "empty"},
		{"{\"filter\": {\"state\": \"\", \"kind\": \"user\"}}", "state", "must be"},
		{"{\"filter\": {\"surprise\": \"x\"}}", "filter", "surprise"},
		{"{\"filter\": {\"kind\": 7}}", "filter", "kind"},
		{"{\"filter\": {\"kind\": \"toaster\"}}", "kind", "byod_device"},
		{"{\"filter\": {\"state\": \"asleep\"}}", "state", "removal_ordered"},
		{"{\"filter\": {\"activity\": \"lazy\"}}", "activity", "inactive"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct reading reading;

		read_text(&reading, cases[i].body);
		if (reading.rc != RC_INVALID || strstr(reading.err.text, cases[i].word) == NULL)
			fail_msg("%s: rc %d, %s", cases[i].body, (int)reading.rc, reading.err.text);
		if (cases[i].field == NULL)
			assert_null(reading.call.field);
		else
			assert_string_equal(reading.call.field, cases[i].field);
		json_free(&reading.json);
	}
}

static void a_serial_number_may_be_as_long_as_the_limit_and_no_longer(void **state)
{
	char serial[ENROLLMENT_FACT_BYTES_MAX + 2];
	char text[2 * ENROLLMENT_FACT_BYTES_MAX];

	(void)state;
	for (int more = 0; more <= 1; more++) {
		struct reading reading;

		memset(serial, 's', sizeof(serial));
		serial[ENROLLMENT_FACT_BYTES_MAX + more] = '\0';
		(void)snprintf(text, sizeof(text), "{\"filter\": {\"serial_number\": \"%s\"}}", serial);
		read_text(&reading, text);
		assert_int_equal(reading.rc == RC_OK, more == 0);
		json_free(&reading.json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_are_kept_as_they_stand),
		cmocka_unit_test(all_means_those_that_are_enrolled),
		cmocka_unit_test(a_filter_chooses_by_all_of_its_words),
		cmocka_unit_test(a_body_that_breaks_a_rule_names_the_field),
		cmocka_unit_test(a_serial_number_may_be_as_long_as_the_limit_and_no_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
