/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "pomona/json/json.h"
#include "report.h"

static const struct report_fleet fleet = {.elapsed_s = 3, .devices = 25, .enrolled = 24};

static struct report some_report(void)
{
	struct report report = {.polls = 50, .unenrolled = 1, .failed = 2};

	report.answers[ANSWER_ACKNOWLEDGED] = 10;
	report.answers[ANSWER_NOT_NOW] = 4;
	report.answers[ANSWER_ERROR] = 3;
	report.answers[ANSWER_FORMAT_ERROR] = 2;
	report_status(&report, 200);
	report_status(&report, 200);
	report_status(&report, 399);
	report_status(&report, 400);
	report_status(&report, 499);
	report_status(&report, 500);
	report_status(&report, 600); /* past the table: not counted, not written anywhere */
	return report;
}

static void the_text_line_tells_every_count_and_only_the_statuses_that_came(void **state)
{
	struct report report = some_report();
	struct buf line;

	(void)state;
	buf_init(&line, REPORT_BYTES_MAX);
	report_write_text(&report, &fleet, &line);
	assert_string_equal(buf_cstr(&line),
		"3 s: 24 of 25 enrolled, 50 polls, answers: 10 acknowledged, 4 not now, 5 errors; "
		"2 refused, 1 unenrolled, 2 failed; HTTP 200: 2 399: 1 400: 1 499: 1 500: 1");
	buf_fini(&line);
}

static void the_json_line_is_one_line_with_the_same_counts(void **state)
{
	struct report report = some_report();
	AUTO(json_free) struct json_value *root = NULL;
	struct buf line;

	(void)state;
	buf_init(&line, REPORT_BYTES_MAX);
	assert_int_equal(report_write_json(&report, &fleet, &line, NULL), RC_OK);
	assert_null(strchr(buf_cstr(&line), '\n'));
	assert_int_equal(json_parse(buf_slice(&line), &root, NULL), RC_OK);
	assert_int_equal(json_integer(json_get(root, "enrolled")), 24);
	assert_int_equal(json_integer(json_get(root, "errors")), 5);
	assert_int_equal(json_integer(json_get(root, "refused")), 2);
	assert_int_equal(json_integer(json_get(json_get(root, "status"), "200")), 2);
	assert_null(json_get(json_get(root, "status"), "201"));
	buf_fini(&line);
}

static void pushes_are_told_where_there_is_an_apns(void **state)
{
	const struct apns_stats pushes = {.pushes = 9,
		.accepted = 5,
		.unanswered = 1,
		.woken = 4,
		.wrong_magic = 1};
	const struct report_fleet with_apns = {.elapsed_s = 3,
		.devices = 25,
		.enrolled = 24,
		.pushes = &pushes};
	struct report report = some_report();
	AUTO(json_free) struct json_value *root = NULL;
	struct buf line;

	(void)state;
	buf_init(&line, REPORT_BYTES_MAX);
	report_write_text(&report, &with_apns, &line);
	assert_non_null(strstr(buf_cstr(&line),
		"50 polls, 9 pushes (4 woke a device, 1 of a wrong magic, 3 refused), answers: 10"));
	buf_clear(&line);
	assert_int_equal(report_write_json(&report, &with_apns, &line, NULL), RC_OK);
	assert_int_equal(json_parse(buf_slice(&line), &root, NULL), RC_OK);
	assert_int_equal(json_integer(json_get(json_get(root, "pushes"), "taken")), 9);
	assert_int_equal(json_integer(json_get(json_get(root, "pushes"), "woke")), 4);
	assert_int_equal(json_integer(json_get(json_get(root, "pushes"), "wrong_magic")), 1);
	assert_int_equal(json_integer(json_get(json_get(root, "pushes"), "refused")), 3);
	buf_fini(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_line_tells_every_count_and_only_the_statuses_that_came),
		cmocka_unit_test(the_json_line_is_one_line_with_the_same_counts),
		cmocka_unit_test(pushes_are_told_where_there_is_an_apns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
