/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include <stdlib.h>
#include <string.h>

static void every_kind_of_object_is_read(void **state)
{
	static const struct {
		struct slice object;
		const char *out;
	} cases[] = {
		{SLICE_LITERAL("\x08"), "<false/>\n"},
		{SLICE_LITERAL("\x09"), "<true/>\n"},
		{SLICE_LITERAL("\x10\xff"), "<integer>255</integer>\n"},
		{SLICE_LITERAL("\x11\xff\xfe"), "<integer>65534</integer>\n"},
		{SLICE_LITERAL("\x12\xff\xff\xff\xff"), "<integer>4294967295</integer>\n"},
		{SLICE_LITERAL("\x13\xff\xff\xff\xff\xff\xff\xff\xff"), "<integer>-1</integer>\n"},
		{SLICE_LITERAL("\x13\x80\0\0\0\0\0\0\0"), "<integer>-9223372036854775808</integer>\n"},
		{SLICE_LITERAL("\x14\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"),
			"<integer>18446744073709551615</integer>\n"},
		{SLICE_LITERAL("\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05"), "<integer>5</integer>\n"},
		{SLICE_LITERAL("\x22\x3f\xc0\0\0"), "<real>1.5</real>\n"},
		{SLICE_LITERAL("\x23\x3f\xf8\0\0\0\0\0\0"), "<real>1.5</real>\n"},
		{SLICE_LITERAL("\x33\0\0\0\0\0\0\0\0"), "<date>2001-01-01T00:00:00Z</date>\n"},
		/* -63113904000.0 and 252423993599.0 */
		{SLICE_LITERAL("\x33\xc2\x2d\x63\xc3\x7f\0\0\0"), "<date>0001-01-01T00:00:00Z</date>\n"},
		{SLICE_LITERAL("\x33\x42\x4d\x62\xd2\x3c\x7f\x80\0"), "<date>9999-12-31T23:59:59Z</date>\n"},
		{SLICE_LITERAL("\x40"), "<data></data>\n"},
		{SLICE_LITERAL("\x43"
																	"abc"),
			"<data>YWJj</data>\n"},
		{SLICE_LITERAL("\x50"), "<string></string>\n"},
		{SLICE_LITERAL("\x53"
																	"a<b"),
			"<string>a&lt;b</string>\n"},
		{SLICE_LITERAL("\x5f\x10\x02"
																	"ab"),
			"<string>ab</string>\n"},
		{SLICE_LITERAL("\x5f\x13\0\0\0\0\0\0\0\x02"
																	"ab"),
			"<string>ab</string>\n"},
		{SLICE_LITERAL("\x63\0\xe9\xd8\x3d\xde\0"), "<string>\u00e9\U0001F600</string>\n"},
		{SLICE_LITERAL("\x80\x07"), "<dict>\n<key>CF$UID</key>\n<integer>7</integer>\n</dict>\n"},
		{SLICE_LITERAL("\xa0"), "<array>\n</array>\n"},
		{SLICE_LITERAL("\xd0"), "<dict>\n</dict>\n"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct binary binary;

		binary_init(&binary);
		binary_object(&binary, cases[i].object);
		assert_writes(binary_finish(&binary, 0), cases[i].out);
		binary_fini(&binary);
	}
}

static void an_object_that_is_wrong_is_refused(void **state)
{
	static const struct {
		struct slice object;
		const char *words;
	} cases[] = {
		{SLICE_LITERAL("\x00"), "offset 8: neither true nor false"},
		{SLICE_LITERAL("\x0f"), "neither true nor false"},
		{SLICE_LITERAL("\x14\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0"), "integer out of range"},
		{SLICE_LITERAL("\x14\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
			"integer out of range"},
		{SLICE_LITERAL("\x15"
																	"0123456789abcdef0123456789abcdef"),
			"integer out of range"},
		{SLICE_LITERAL("\x11\x01"), "reaches past"},
		{SLICE_LITERAL("\x1f\x01"), "reaches past"},
		{SLICE_LITERAL("\x20\x01"), "real of unknown size"},
		{SLICE_LITERAL("\x23\x01"), "reaches past"},
		{SLICE_LITERAL("\x32\0\0\0\0"), "date of unknown size"},
		{SLICE_LITERAL("\x33\x7f\xf8\0\0\0\0\0\0"), "date outside"},
		{SLICE_LITERAL("\x33\xff\xf0\0\0\0\0\0\0"), "date outside"},
		/* -63113904001.0 and 252423993600.0 */
		{SLICE_LITERAL("\x33\xc2\x2d\x63\xc3\x7f\x02\0\0"), "date outside"},
		{SLICE_LITERAL("\x33\x42\x4d\x62\xd2\x3c\x80\0\0"), "date outside"},
		{SLICE_LITERAL("\x42"
																	"a"),
			"reaches past"},
		{SLICE_LITERAL("\x4f"), "length is no integer"},
		{SLICE_LITERAL("\x4f\x50"), "length is no integer"},
		{SLICE_LITERAL("\x4f\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), "length is no integer"},
		{SLICE_LITERAL("\x4f\x11\x01"), "reaches past"},
		{SLICE_LITERAL("\x4f\x13\xff\xff\xff\xff\xff\xff\xff\xff"), "reaches past"},
		{SLICE_LITERAL("\x52"
																	"a"),
			"reaches past"},
		{SLICE_LITERAL("\x52"
																	"a\xe9"),
			"ASCII string"},
		{SLICE_LITERAL("\x52"
																	"a\0"),
			"ASCII string"},
		{SLICE_LITERAL("\x60"), "empty UTF-16"},
		{SLICE_LITERAL("\x61\0"), "reaches past"},
		{SLICE_LITERAL("\x61\0\0"), "surrogate pair or a zero"},
		{SLICE_LITERAL("\x61\xd8\x3d"), "surrogate pair or a zero"},
		{SLICE_LITERAL("\x62\xd8\x3d\0\x41"), "surrogate pair or a zero"},
		{SLICE_LITERAL("\x62\xde\0\xd8\x3d"), "surrogate pair or a zero"},
		{SLICE_LITERAL("\x84\0\0\0\0\x01"), "UID"},
		{SLICE_LITERAL("\x70"), "unknown kind"},
		{SLICE_LITERAL("\xc0"), "unknown kind"},
		{SLICE_LITERAL("\xa1"), "reaches past"},
		{SLICE_LITERAL("\xa1\x01"), "reference to no object"},
		{SLICE_LITERAL("\xa1\0"), "holds itself"},
		{SLICE_LITERAL("\xd1\0"), "reaches past"},
		{SLICE_LITERAL("\xd1\0\0"), "key that is no string"},
		{SLICE_LITERAL("\xd1\x01\0"), "reference to no object"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct binary binary;

		binary_init(&binary);
		binary_object(&binary, cases[i].object);
		assert_null(parse_as(binary_finish(&binary, 0), RC_INVALID, cases[i].words));
		binary_fini(&binary);
	}
}

static void containers_hold_what_they_refer_to(void **state)
{
	struct binary binary;

	(void)state;
	binary_init(&binary);
	OBJECT(&binary,
		"\x51"
		"v");
	OBJECT(&binary, "\xd2\x02\x03\x00\x04");
	OBJECT(&binary,
		"\x51"
		"a");
	OBJECT(&binary, "\x61\x00\xe9");
	OBJECT(&binary, "\xa2\x00\x00");
	assert_writes(binary_finish(&binary, 1),
		"<dict>\n<key>a</key>\n<string>v</string>\n<key>\u00e9</key>\n"
		"<array>\n<string>v</string>\n<string>v</string>\n</array>\n</dict>\n");
	binary_fini(&binary);
}

static void a_cycle_through_others_is_refused(void **state)
{
	struct binary binary;

	(void)state;
	binary_init(&binary);
	OBJECT(&binary, "\xa1\x01");
	OBJECT(&binary, "\xa1\x02");
	OBJECT(&binary, "\xa1\x01");
	assert_null(parse_as(binary_finish(&binary, 0), RC_INVALID, "holds itself"));
	binary_fini(&binary);
}

static void a_key_twice_is_refused_in_either_spelling(void **state)
{
	static const struct slice second[] = {
		SLICE_LITERAL("\x51"
																"a"),
		SLICE_LITERAL("\x61\0a"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(second); i++) {
		struct binary binary;

		binary_init(&binary);
		OBJECT(&binary, "\xd2\x01\x02\x03\x03");
		OBJECT(&binary,
			"\x51"
			"a");
		binary_object(&binary, second[i]);
		OBJECT(&binary, "\x08");
		assert_null(parse_as(binary_finish(&binary, 0), RC_INVALID, "key \"a\" twice"));
		binary_fini(&binary);
	}
}

/* The 32 bytes at the end, each of their fields wrong in turn. */
static void a_wrong_trailer_is_refused(void **state)
{
	static const struct {
		size_t at; /* from the trailer's beginning */
		uint8_t value;
	} cases[] = {
		{6, 0}, {6, 9},                                         /* size of offsets */
		{7, 0}, {7, 9},                                         /* size of references */
		{15, 0}, {15, 2}, {8, 1},                               /* count of objects */
		{23, 1}, {16, 1},                                       /* root */
		{31, 8}, {31, 7}, {31, 0}, {31, 11}, {31, 12}, {24, 1}, /* where the table is */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct binary binary;
		struct slice whole;

		binary_init(&binary);
		OBJECT(&binary, "\x09");
		whole = binary_finish(&binary, 0);
		binary.bytes.ptr[whole.len - 32 + cases[i].at] = cases[i].value;
		assert_null(parse_as(whole, RC_INVALID, "binary property list, offset"));
		binary_fini(&binary);
	}
}

static void an_offset_outside_of_the_objects_is_refused(void **state)
{
	static const uint8_t offsets[] = {0, 7, 9, 200};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(offsets); i++) {
		struct binary binary;

		binary_init(&binary);
		OBJECT(&binary, "\x09");
		binary.offsets[0] = offsets[i];
		assert_null(parse_as(binary_finish(&binary, 0), RC_INVALID, "offset outside"));
		binary_fini(&binary);
	}
}

static void a_list_cut_short_anywhere_is_refused(void **state)
{
	struct binary binary;
	struct slice whole;

	(void)state;
	binary_init(&binary);
	OBJECT(&binary, "\xa2\x01\x02");
	OBJECT(&binary,
		"\x51"
		"v");
	OBJECT(&binary, "\x61\x00\xe9");
	whole = binary_finish(&binary, 0);
	for (size_t len = 0; len < whole.len; len++) {
		uint8_t *copy = malloc(len == 0 ? 1 : len);
		struct plist_doc *doc = NULL;

		assert_non_null(copy);
		memcpy(copy, whole.ptr, len);
		assert_int_equal(plist_parse(slice_of(copy, len), &doc, NULL), RC_INVALID);
		free(copy);
	}
	binary_fini(&binary);
}

/* Such text parses, since most of a message is not ours to judge, but goes no further. */
static void text_that_xml_cannot_carry_is_read_but_not_written(void **state)
{
	AUTO(buf_fini) struct buf out = {.bound = 4096};
	struct plist_doc *doc;
	struct binary binary;
	struct err err = {.text = ""};

	(void)state;
	binary_init(&binary);
	OBJECT(&binary, "\xd1\x01\x02");
	OBJECT(&binary,
		"\x54"
		"Apps");
	OBJECT(&binary, "\xa2\x03\x04");
	OBJECT(&binary, "\x08");
	OBJECT(&binary, "\xd1\x05\x06");
	OBJECT(&binary,
		"\x54"
		"Name");
	OBJECT(&binary,
		"\x53"
		"a\x0b"
		"b");
	doc = parse_as(binary_finish(&binary, 0), RC_OK, "");
	assert_int_equal(plist_write_xml(doc, &out, &err), RC_INVALID);
	assert_string_equal(err.text,
		"property list: Apps: entry 2: Name: text has characters that XML cannot carry");
	plist_doc_free(&doc);
	binary_fini(&binary);
}

static void a_key_that_xml_cannot_carry_is_not_written(void **state)
{
	AUTO(buf_fini) struct buf out = {.bound = 4096};
	struct plist_doc *doc;
	struct binary binary;
	struct err err = {.text = ""};

	(void)state;
	binary_init(&binary);
	OBJECT(&binary, "\xd1\x01\x02");
	OBJECT(&binary, "\x51\x01");
	OBJECT(&binary, "\x08");
	doc = parse_as(binary_finish(&binary, 0), RC_OK, "");
	assert_int_equal(plist_write_xml(doc, &out, &err), RC_INVALID);
	assert_string_equal(err.text,
		"property list: entry 1: a key has characters that XML cannot carry");
	plist_doc_free(&doc);
	binary_fini(&binary);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_object_is_read),
		cmocka_unit_test(an_object_that_is_wrong_is_refused),
		cmocka_unit_test(containers_hold_what_they_refer_to),
		cmocka_unit_test(a_cycle_through_others_is_refused),
		cmocka_unit_test(a_key_twice_is_refused_in_either_spelling),
		cmocka_unit_test(a_wrong_trailer_is_refused),
		cmocka_unit_test(an_offset_outside_of_the_objects_is_refused),
		cmocka_unit_test(a_list_cut_short_anywhere_is_refused),
		cmocka_unit_test(text_that_xml_cannot_carry_is_read_but_not_written),
		cmocka_unit_test(a_key_that_xml_cannot_carry_is_not_written),
	};

	return cmocka_run_group_tests_name("plist/binary", tests, NULL, NULL);
}
