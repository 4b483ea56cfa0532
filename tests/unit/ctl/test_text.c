/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ctl.h"

static void what_could_steer_a_terminal_is_made_visible(void **state)
{
	static const struct {
		const char *in, *for_people, *for_json;
	} cases[] = {
		{"plain", "plain", "plain"},
		{"Gr\xc3\xbc\xc3\x9f\xf0\x9f\x8d\x8f", "Gr\xc3\xbc\xc3\x9f\xf0\x9f\x8d\x8f",
			"Gr\xc3\xbc\xc3\x9f\xf0\x9f\x8d\x8f"},
		{"\x1b[31mred", "\\x1b[31mred", "\\u001b[31mred"},
		{"a\nb\rc\td", "a\\x0ab\\x0dc\\x09d", "a\nb\rc\\u0009d"},
		{"\x7f", "\\x7f", "\\u007f"},
		{"\xc2\x9b"
			"31m",
			"\\x9b31m", "\\u009b31m"},
		{"\xe2\x80\xae"
			"gpj.exe",
			"\\u202egpj.exe", "\\u202egpj.exe"},
		{"\xe2\x81\xa6x", "\\u2066x", "\\u2066x"},
		{"bad \xff\xc3", "bad \\xff\\xc3", "bad \\xff\\xc3"},
		{"\xe2\x80", "\\xe2\\x80", "\\xe2\\x80"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct buf people, json;

		buf_init(&people, 1024);
		buf_init(&json, 1024);
		text_clean(slice_of_str(cases[i].in), TEXT_FOR_PEOPLE, &people);
		text_clean(slice_of_str(cases[i].in), TEXT_FOR_JSON, &json);
		assert_string_equal(buf_cstr(&people), cases[i].for_people);
		assert_string_equal(buf_cstr(&json), cases[i].for_json);
		buf_fini(&people);
		buf_fini(&json);
	}
}

static void a_time_is_told_from_now(void **state)
{
	static const struct {
		int64_t then;
		const char *text;
	} cases[] = {
		{1000000, "now"},
		{999999, "1 s ago"},
		{999941, "59 s ago"},
		{999940, "1 min ago"},
		{1000000 - 3599, "59 min ago"},
		{1000000 - 3600, "1 h ago"},
		{1000000 - 47 * 3600, "47 h ago"},
		{1000000 - 48 * 3600, "2 days ago"},
		{1000000 + 397 * 86400, "in 397 days"},
		{1000000 + 730 * 86400, "in 2 years"},
		{1000000 + 5, "in 5 s"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char text[TEXT_RELATIVE_BYTES];

		text_relative(cases[i].then, 1000000, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void a_size_has_a_unit(void **state)
{
	char text[TEXT_RELATIVE_BYTES];

	(void)state;
	text_bytes(1023, text);
	assert_string_equal(text, "1023 bytes");
	text_bytes(1024, text);
	assert_string_equal(text, "1.0 KiB");
	text_bytes(3 * 1024 * 1024 / 2, text);
	assert_string_equal(text, "1.5 MiB");
}

static void a_time_to_come_is_a_span_or_a_time(void **state)
{
	static const struct {
		const char *text, *out; /* NULL: refused */
	} cases[] = {
		{"1h", "1970-01-12T14:46:40Z"},
		{"90d", "1970-04-12T13:46:40Z"},
		{"2w", "1970-01-26T13:46:40Z"},
		{"36500d", "2069-12-18T13:46:40Z"},
		{"36501d", NULL},
		{"876000h", "2069-12-18T13:46:40Z"},
		{"876001h", NULL},
		{"2027-01-31T12:00:00Z", "2027-01-31T12:00:00Z"},
		{"2027-01-31T12:00:00+01:00", "2027-01-31T12:00:00+01:00"},
		{"", NULL},
		{"d", NULL},
		{"0d", NULL},
		{"-1d", NULL},
		{"1.5d", NULL},
		{"90", NULL},
		{"90D", NULL},
		{"90m", NULL},
		{"9 d", NULL},
		{"99999999999999999999d", NULL},
		{"never", NULL},
		{"2027-01-31", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char out[TEXT_TIME_BYTES] = "";
		const bool is_one = text_time_to_come(cases[i].text, 1000000, out);

		if (is_one != (cases[i].out != NULL) || (is_one && strcmp(out, cases[i].out) != 0))
			fail_msg("%s gave \"%s\"", cases[i].text, out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_could_steer_a_terminal_is_made_visible),
		cmocka_unit_test(a_time_is_told_from_now),
		cmocka_unit_test(a_size_has_a_unit),
		cmocka_unit_test(a_time_to_come_is_a_span_or_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
