/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "pomona/base/codec.h"

static void hex_goes_there_and_back(void **state)
{
	static const uint8_t bytes[] = {0x00, 0x7f, 0x80, 0xff};
	AUTO(buf_fini) struct buf out = {.bound = 8};
	uint8_t back[4];

	(void)state;
	hex_encode(slice_of(bytes, sizeof(bytes)), &out);
	assert_string_equal(buf_cstr(&out), "007f80ff");
	assert_int_equal(hex_parse(buf_slice(&out), back, sizeof(back), NULL), RC_OK);
	assert_memory_equal(back, bytes, sizeof(back));
	assert_int_equal(hex_parse(SLICE_LITERAL("007F80fF"), back, sizeof(back), NULL), RC_OK);
	assert_memory_equal(back, bytes, sizeof(back));
}

static void wrong_hex_is_refused(void **state)
{
	static const char *const cases[] = {"", "0", "000", "00000", "0g00", "00 0", "0x00", "-000"};
	uint8_t out[2];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(hex_parse(slice_of_str(cases[i]), out, sizeof(out), NULL), RC_INVALID);
}

/* RFC 4648, section 10, and the two last digits. */
static const struct {
	struct slice bytes;
	const char *text;
} base64_cases[] = {
	{SLICE_LITERAL(""), ""},
	{SLICE_LITERAL("f"), "Zg=="},
	{SLICE_LITERAL("fo"), "Zm8="},
	{SLICE_LITERAL("foo"), "Zm9v"},
	{SLICE_LITERAL("foob"), "Zm9vYg=="},
	{SLICE_LITERAL("fooba"), "Zm9vYmE="},
	{SLICE_LITERAL("foobar"), "Zm9vYmFy"},
	{SLICE_LITERAL("\xfb\xff\xbf\0"), "+/+/AA=="},
};

static void base64_goes_there_and_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(base64_cases); i++) {
		AUTO(buf_fini) struct buf text = {.bound = 100};
		AUTO(buf_fini) struct buf back = {.bound = 100};

		base64_encode(base64_cases[i].bytes, &text);
		assert_string_equal(buf_cstr(&text), base64_cases[i].text);
		assert_int_equal(base64_parse(buf_slice(&text), &back, NULL), RC_OK);
		assert_true(slice_is_equal(buf_slice(&back), base64_cases[i].bytes));
	}
}

static void white_space_in_base64_is_passed_over(void **state)
{
	AUTO(buf_fini) struct buf back = {.bound = 100};

	(void)state;
	assert_int_equal(base64_parse(SLICE_LITERAL("\n\tZm 9v\r\nYg = =\n"), &back, NULL), RC_OK);
	assert_string_equal(buf_cstr(&back), "foob");
}

static void wrong_base64_is_refused(void **state)
{
	static const char *const cases[] = {"Z", "Zg", "Zg=", "Zg===", "=",
		"====", "Zg==Zg==", "Zm9v=", "Zm9*", "Zm9-", "Zm9_", "Z=g="};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(buf_fini) struct buf back = {.bound = 100};

		assert_int_equal(base64_parse(slice_of_str(cases[i]), &back, NULL), RC_INVALID);
	}
}

static void base64_stops_at_the_bound(void **state)
{
	(void)state;
	for (size_t bound = 0; bound <= 4; bound++) {
		AUTO(buf_fini) struct buf back = {.bound = bound};

		assert_int_equal(base64_parse(SLICE_LITERAL("Zm9vYg=="), &back, NULL),
			bound < 4 ? RC_LIMIT : RC_OK);
	}
}

static void utf_8_is_judged_by_its_characters(void **state)
{
	static const struct {
		struct slice text;
		bool is_utf8;
		bool is_xml;
	} cases[] = {
		{SLICE_LITERAL(""), true, true},
		{SLICE_LITERAL("a\t\r\n\x7f"), true, true},
		{SLICE_LITERAL("a\0"), true, false},
		{SLICE_LITERAL("\x01"), true, false},
		{SLICE_LITERAL("\x0b"), true, false},
		{SLICE_LITERAL("\x1f"), true, false},
		{SLICE_LITERAL("\xc2\x80"), true, true},
		{SLICE_LITERAL("\xdf\xbf"), true, true},
		{SLICE_LITERAL("\xe0\xa0\x80"), true, true},
		{SLICE_LITERAL("\xed\x9f\xbf"), true, true},
		{SLICE_LITERAL("\xee\x80\x80"), true, true},
		{SLICE_LITERAL("\xef\xbf\xbd"), true, true},
		{SLICE_LITERAL("\xef\xbf\xbe"), true, false},
		{SLICE_LITERAL("\xef\xbf\xbf"), true, false},
		{SLICE_LITERAL("\xf0\x90\x80\x80"), true, true},
		{SLICE_LITERAL("\xf4\x8f\xbf\xbf"), true, true},
		{SLICE_LITERAL("\x80"), false, false}, /* no lead */
		{SLICE_LITERAL("\xc3"), false, false}, /* cut short */
		{SLICE_LITERAL("\xe2\x82"), false, false},
		{SLICE_LITERAL("\xf0\x9f\x98"), false, false},
		{SLICE_LITERAL("\xc3\x28"), false, false}, /* no continuation */
		{SLICE_LITERAL("\xc0\x80"), false, false}, /* too long a form */
		{SLICE_LITERAL("\xc1\xbf"), false, false},
		{SLICE_LITERAL("\xe0\x9f\xbf"), false, false},
		{SLICE_LITERAL("\xf0\x8f\xbf\xbf"), false, false},
		{SLICE_LITERAL("\xed\xa0\x80"), false, false}, /* surrogates */
		{SLICE_LITERAL("\xed\xbf\xbf"), false, false},
		{SLICE_LITERAL("\xf4\x90\x80\x80"), false, false}, /* past U+10FFFF */
		{SLICE_LITERAL("\xf8\x88\x80\x80\x80"), false, false},
		{SLICE_LITERAL("\xff"), false, false},
		{SLICE_LITERAL("ok\xc3\xa9\xff"), false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		if (utf8_is_valid(cases[i].text) != cases[i].is_utf8 ||
			utf8_is_xml_text(cases[i].text) != cases[i].is_xml)
			fail_msg("case %zu", i);
	}
}

static const struct {
	const char *text;
	int64_t unix_s;
} times[] = {
	{"1970-01-01T00:00:00Z", 0},
	{"2026-11-21T03:04:05Z", 1795230245},
	{"2000-02-29T23:59:59Z", 951868799},
	{"9999-12-31T23:59:59Z", 253402300799},
};

static void times_go_there_and_back(void **state)
{
	char text[TIME_TEXT_BYTES];
	int64_t unix_s;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(times); i++) {
		time_format(times[i].unix_s, text);
		assert_string_equal(text, times[i].text);
		assert_int_equal(time_parse(slice_of_str(text), &unix_s, NULL), RC_OK);
		assert_true(unix_s == times[i].unix_s);
	}
	time_format(-1, text);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	time_format(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59Z");
}

static void a_time_may_have_an_offset_and_a_fraction(void **state)
{
	static const char *const same[] = {"2026-11-21T03:04:05Z", "2026-11-21t03:04:05z",
		"2026-11-21 03:04:05.999Z", "2026-11-21T04:04:05+01:00", "2026-11-20T21:34:05.5-05:30"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(same); i++) {
		int64_t unix_s = 0;

		assert_int_equal(time_parse(slice_of_str(same[i]), &unix_s, NULL), RC_OK);
		assert_true(unix_s == 1795230245);
	}
}

static void a_wrong_time_is_refused(void **state)
{
	static const char *const cases[] = {"", "2026-11-21", "2026-11-21T03:04:05", "2026-11-21T03:04Z",
		"2026-11-21T03:04:05+1:00", "2026-11-21T03:04:05+0100", "2026-11-21T03:04:05+24:00",
		"2026-11-21T03:04:05+01:60", "2026-11-21T03:04:05Zx", "2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-11-31T00:00:00Z", "2026-11-21T24:00:00Z",
		"2026-11-21T00:60:00Z", "2026-11-21T00:00:60Z", "2026-11-2aT00:00:00Z", "-026-11-21T00:00:00Z",
		"2026/11/21T00:00:00Z", "2026-11-21T03:04:05123Z", "2026-11-21T03:04:05.Z",
		"2026-11-21T03:04:05.1.2Z"};
	int64_t unix_s;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (time_parse(slice_of_str(cases[i]), &unix_s, NULL) != RC_INVALID)
			fail_msg("%s", cases[i]);
}

static void whole_numbers_are_read_within_their_range(void **state)
{
	static const struct {
		const char *text;
		int64_t min;
		int64_t max;
		enum rc rc;
		int64_t value;
	} cases[] = {
		{"0", 0, 9, RC_OK, 0},
		{"-0", 0, 9, RC_OK, 0},
		{"9", 0, 9, RC_OK, 9},
		{"10", 0, 9, RC_INVALID, 0},
		{"-1", 0, 9, RC_INVALID, 0},
		{"-1", -1, 9, RC_OK, -1},
		{"9223372036854775807", INT64_MIN, INT64_MAX, RC_OK, INT64_MAX},
		{"9223372036854775808", INT64_MIN, INT64_MAX, RC_INVALID, 0},
		{"-9223372036854775808", INT64_MIN, INT64_MAX, RC_OK, INT64_MIN},
		{"-9223372036854775809", INT64_MIN, INT64_MAX, RC_INVALID, 0},
		{"99999999999999999999", INT64_MIN, INT64_MAX, RC_INVALID, 0},
		{"", 0, 9, RC_INVALID, 0},
		{"-", -9, 9, RC_INVALID, 0},
		{"--1", -9, 9, RC_INVALID, 0},
		{"+1", 0, 9, RC_INVALID, 0},
		{" 1", 0, 9, RC_INVALID, 0},
		{"1 ", 0, 9, RC_INVALID, 0},
		{"1.0", 0, 9, RC_INVALID, 0},
		{"0x1", 0, 9, RC_INVALID, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		int64_t value = 0;

		if (int64_parse(slice_of_str(cases[i].text), cases[i].min, cases[i].max, &value, NULL) !=
				cases[i].rc ||
			value != cases[i].value)
			fail_msg("\"%s\"", cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex_goes_there_and_back),
		cmocka_unit_test(wrong_hex_is_refused),
		cmocka_unit_test(base64_goes_there_and_back),
		cmocka_unit_test(white_space_in_base64_is_passed_over),
		cmocka_unit_test(wrong_base64_is_refused),
		cmocka_unit_test(base64_stops_at_the_bound),
		cmocka_unit_test(utf_8_is_judged_by_its_characters),
		cmocka_unit_test(times_go_there_and_back),
		cmocka_unit_test(a_time_may_have_an_offset_and_a_fraction),
		cmocka_unit_test(a_wrong_time_is_refused),
		cmocka_unit_test(whole_numbers_are_read_within_their_range),
	};

	return cmocka_run_group_tests_name("base/codec", tests, NULL, NULL);
}
