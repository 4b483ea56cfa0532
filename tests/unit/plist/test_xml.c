/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *in;
	const char *out;
} good[] = {
	{XML("<dict/>"), "<dict>\n</dict>\n"},
	{XML("<dict></dict>"), "<dict>\n</dict>\n"},
	{XML("<array><true/><false/></array>"), "<array>\n<true/>\n<false/>\n</array>\n"},
	{XML("<true></true>"), "<true/>\n"},
	{XML("<true />"), "<true/>\n"},
	{XML("<string>a</string >"), "<string>a</string>\n"},
	{XML("<string/>"), "<string></string>\n"},
	{XML("<string></string>"), "<string></string>\n"},
	{XML("<string> a\n b </string>"), "<string> a\n b </string>\n"},
	{XML("<string>a&amp;b&lt;&gt;&quot;&apos;</string>"), "<string>a&amp;b&lt;&gt;\"'</string>\n"},
	{XML("<string>&#65;&#x42;&#xe9;&#x1F600;&#x10FFFF;</string>"),
		"<string>AB\u00e9\U0001F600\U0010FFFF</string>\n"},
	{XML("<string>&#38;amp;</string>"), "<string>&amp;amp;</string>\n"},
	{XML("<string>a<!-- <b> & --->c</string>"), "<string>ac</string>\n"},
	{XML("<string>a<![CDATA[<&amp;]]>b<![CDATA[]]></string>"), "<string>a&lt;&amp;amp;b</string>\n"},
	{XML("<string>a]]>b</string>"), "<string>a]]&gt;b</string>\n"},
	{XML("<string>a&#13;\tb</string>"), "<string>a&#13;\tb</string>\n"},
	{XML("<data/>"), "<data></data>\n"},
	{XML("<data> </data>"), "<data></data>\n"},
	{XML("<data>\n\tYWJj\n\tZGU=\n\t</data>"), "<data>YWJjZGU=</data>\n"},
	{XML("<date>2026-11-21T03:04:05Z</date>"), "<date>2026-11-21T03:04:05Z</date>\n"},
	{XML("<date>\n\t2026-11-21T03:04:05Z                       </date>"),
		"<date>2026-11-21T03:04:05Z</date>\n"},
	{XML("<date>0001-01-01T00:00:00Z</date>"), "<date>0001-01-01T00:00:00Z</date>\n"},
	{XML("<date>1931-01-01T00:00:00Z</date>"), "<date>1931-01-01T00:00:00Z</date>\n"},
	{XML("<date>2070-01-01T00:00:00Z</date>"), "<date>2070-01-01T00:00:00Z</date>\n"},
	{XML("<date>9999-12-31T23:59:59Z</date>"), "<date>9999-12-31T23:59:59Z</date>\n"},
	{XML("<integer>0</integer>"), "<integer>0</integer>\n"},
	{XML("<integer>-1</integer>"), "<integer>-1</integer>\n"},
	{XML("<integer>+7</integer>"), "<integer>7</integer>\n"},
	{XML("<integer>\n 12 </integer>"), "<integer>12</integer>\n"},
	{XML("<integer>-010</integer>"), "<integer>-10</integer>\n"},
	{XML("<integer>9223372036854775807</integer>"), "<integer>9223372036854775807</integer>\n"},
	{XML("<integer>9223372036854775808</integer>"), "<integer>9223372036854775808</integer>\n"},
	{XML("<integer>-9223372036854775808</integer>"), "<integer>-9223372036854775808</integer>\n"},
	{XML("<integer>18446744073709551615</integer>"), "<integer>18446744073709551615</integer>\n"},
	{XML("<real>1.1</real>"), "<real>1.1</real>\n"},
	{XML("<real> -.5e-3 </real>"), "<real>-0.0005</real>\n"},
	{XML("<real>3.</real>"), "<real>3</real>\n"},
	{XML("<real>nan</real>"), "<real>nan</real>\n"},
	{XML("<real>-infinity</real>"), "<real>-infinity</real>\n"},
	{XML("<real>0.30000000000000004</real>"), "<real>0.30000000000000004</real>\n"},
	{XML("<dict><key>k</key><integer>1</integer></dict>"),
		"<dict>\n<key>k</key>\n<integer>1</integer>\n</dict>\n"},
	{XML("<dict><key/><true/></dict>"), "<dict>\n<key></key>\n<true/>\n</dict>\n"},
	{XML("<dict><key>a&amp;<![CDATA[<]]></key><true/></dict>"),
		"<dict>\n<key>a&amp;&lt;</key>\n<true/>\n</dict>\n"},
	{XML("<dict><key>k</key><dict><key>k</key><true/></dict></dict>"),
		"<dict>\n<key>k</key>\n<dict>\n<key>k</key>\n<true/>\n</dict>\n</dict>\n"},
	{XML(" <!-- a --> <!----><dict> <!-- b --> </dict> <!-- c --> "), "<dict>\n</dict>\n"},
	{"<plist><true/></plist>", "<true/>\n"},
	{" \n<plist version='1.0' note='>'><true/></plist >\n", "<true/>\n"},
	{"\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?><plist><true/></plist>", "<true/>\n"},
	{"<?xml version='1.0' encoding = 'US-ASCII' standalone='yes'?>\n<!-- a -->\n"
		"<!DOCTYPE plist PUBLIC \"a'[>\" 'b\"'>\n<!-- b -->\n<plist><true/></plist><!-- c -->\n",
		"<true/>\n"},
};

static void what_a_device_may_send_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++)
		assert_writes(slice_of_str(good[i].in), good[i].out);
}

static const struct {
	const char *in;
	const char *words;
} wrong[] = {
	{"", "neither"},
	{"\xEF\xBB\xBF", "neither"},
	{"{\"a\": 1}", "neither"},
	{"{ a = 1; }", "neither"},
	{"bplist15", "binary"},
	{"<", "want the element plist"},
	{"<dict/>", "want the element plist"},
	{"<plistx><true/></plistx>", "want the element plist"},
	{"<plist", "want the element plist"},
	{"<plist/>", "want the element plist"},
	{"<plist></plist>", "property list, line 1"},
	{"<plist><true/>", "</plist>"},
	{"<plist><true/></plist", "</plist>"},
	{"<plist><true/><true/></plist>", "want one value"},
	{"<plist><true/></plist>x", "behind </plist>"},
	{"<plist><true/></plist><plist><true/></plist>", "behind </plist>"},
	{"<?xml version='1.0'", "declaration"},
	{"<?xml version='1.0' encoding='ISO-8859-1'?><plist><true/></plist>", "encoding"},
	{"<?xml version='1.0' encoding='UTF-16'?><plist><true/></plist>", "encoding"},
	{"<!DOCTYPE plist [<!ENTITY a 'b'>]><plist><true/></plist>", "DOCTYPE"},
	{"<!DOCTYPE plist", "DOCTYPE"},
	{"<!DOCTYPE plist \"><plist><true/></plist>", "DOCTYPE"},
	{"<!-- <plist><true/></plist>", "comment"},
	{"<!--->", "comment"},
	{"<?php a?><plist><true/></plist>", "want the element plist"},
	{XML("<?php a?><true/>"), "no element"},
	{XML("a<true/>"), "want <"},
	{XML("<dict>a</dict>"), "want <"},
	{XML("\n\n<array>\n<trve/></array>"), "line 4: no element of a property list: trve"},
	{XML("<string a=\"b\">c</string>"), "attributes"},
	{XML("<String>c</String>"), "no element"},
	{XML("<ns:string>c</ns:string>"), "no element"},
	{XML("<stringstringstringstring/>"), "no element"},
	{XML("<array></dict>"), "want </array>"},
	{XML("<dict></array>"), "want </dict>"},
	{XML("</dict>"), "no element"},
	{XML("<array>"), "want </array>"},
	{XML("<true>a</true>"), "true: must be empty"},
	{XML("<false><true/></false>"), "want </"},
	{XML("<string>a<b>c</b></string>"), "want </"},
	{XML("<string>a</key>"), "want </string>"},
	{XML("<string>a<!-- </string>"), "comment"},
	{XML("<string>a<![CDATA[ </string>"), "CDATA"},
	{XML("<string>a<![cdata[b]]></string>"), "want </"},
	{XML("<string>&nbsp;</string>"), "unknown reference"},
	{XML("<string>&ampere;</string>"), "unknown reference"},
	{XML("<string>&;</string>"), "unknown reference"},
	{XML("<string>&#;</string>"), "unknown reference"},
	{XML("<string>&#x;</string>"), "unknown reference"},
	{XML("<string>&#X41;</string>"), "unknown reference"},
	{XML("<string>&#xg;</string>"), "unknown reference"},
	{XML("<string>&#6a;</string>"), "unknown reference"},
	{XML("<string>a & b</string>"), "& without"},
	{XML("<string>&amp</string>"), "& without"},
	{XML("<string>&#000000065;</string>"), "& without"},
	{XML("<string>&#0;</string>"), "XML does not allow"},
	{XML("<string>&#11;</string>"), "XML does not allow"},
	{XML("<string>&#xD800;</string>"), "XML does not allow"},
	{XML("<string>&#xFFFE;</string>"), "XML does not allow"},
	{XML("<string>&#x110000;</string>"), "XML does not allow"},
	{XML("<string>&#x410000;</string>"), "XML does not allow"},
	{XML("<string>\x0b</string>"), "0x0b"},
	{XML("<string>\xff</string>"), "0xff"},
	{XML("<string>\xc3</string>"), "0xc3"},
	{XML("<string>\xed\xa0\x80</string>"), "0xed"},
	{XML("<string>\xef\xbf\xbf</string>"), "0xef"},
	{XML("<!-- \x01 --><true/>"), "0x01"},
	{XML("<key>a</key>"), "a key where"},
	{XML("<array><key>a</key></array>"), "a key where"},
	{XML("<dict><true/></dict>"), "without a key"},
	{XML("<dict><key>a</key></dict>"), "without a value"},
	{XML("<dict><key>a</key><key>b</key><true/></dict>"), "a key where"},
	{XML("<dict><key>a</key><true/><true/></dict>"), "without a key"},
	{XML("<dict><key>a</key><true/>\n<key>a</key><true/></dict>"), "line 2: key \"a\" twice"},
	{XML("<dict><key>a&lt;</key><true/><key>a<![CDATA[<]]></key><true/></dict>"), "key \"a<\" twice"},
	{XML("<dict><key/><true/><key></key><true/></dict>"), "key \"\" twice"},
	{XML("<dict><key>a\nb</key><true/><key>a\nb</key><true/></dict>"), "key \"a\" twice"},
	{XML("<integer/>"), "integer: want"},
	{XML("<integer></integer>"), "integer: want"},
	{XML("<integer>-</integer>"), "integer: want"},
	{XML("<integer>1a</integer>"), "integer: want"},
	{XML("<integer>1 2</integer>"), "integer: want"},
	{XML("<integer>1.5</integer>"), "integer: want"},
	{XML("<integer>0x10</integer>"), "integer: want"},
	{XML("<integer>1<!-- a -->2</integer>"), "want </"},
	{XML("<integer>18446744073709551616</integer>"), "out of range"},
	{XML("<integer>-9223372036854775809</integer>"), "out of range"},
	{XML("<integer>99999999999999999999999999</integer>"), "out of range"},
	{XML("<real></real>"), "real: want"},
	{XML("<real>.</real>"), "real: want"},
	{XML("<real>1e</real>"), "real: want"},
	{XML("<real>1e5x</real>"), "real: want"},
	{XML("<real>1,5</real>"), "real: want"},
	{XML("<real>0x1p3</real>"), "real: want"},
	{XML("<real>infinite</real>"), "real: want"},
	{XML("<date/>"), "date: want"},
	{XML("<date>yesterday</date>"), "date: want"},
	{XML("<date>2026-11-21</date>"), "date: want"},
	{XML("<date>2026-13-21T03:04:05Z</date>"), "date: want"},
	{XML("<date>2026-02-30T03:04:05Z</date>"), "date: want"},
	{XML("<date>2026-11-21T03:04:05z</date>"), "date: want"},
	{XML("<date>2026-11-21 03:04:05Z</date>"), "date: want"},
	{XML("<date>2026-11-21T03:04:05+01:00</date>"), "date: want"},
	{XML("<date>0000-01-01T00:00:00Z</date>"), "date: want"},
	{XML("<data>YWJ</data>"), "data: base64"},
	{XML("<data>Y===</data>"), "data: base64"},
	{XML("<data>YW=j</data>"), "data: not base64"},
	{XML("<data>YW*j</data>"), "data: not base64"},
	{XML("<data>YWJj<!-- a --></data>"), "want </"},
};

static void what_is_wrong_is_refused_and_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		assert_null(parse_as(slice_of_str(wrong[i].in), RC_INVALID, wrong[i].words));
}

static void a_document_in_utf_16_is_refused(void **state)
{
	(void)state;
	assert_null(parse_as(SLICE_LITERAL("\xFF\xFE<\0p\0"), RC_INVALID, "neither"));
	assert_null(parse_as(SLICE_LITERAL("<\0p\0l\0i\0s\0t\0>\0"), RC_INVALID, "0x00"));
	assert_null(parse_as(SLICE_LITERAL("\0<\0p\0l\0i\0s\0t\0>"), RC_INVALID, "neither"));
}

static void a_document_cut_short_anywhere_is_refused(void **state)
{
	static const char whole[] =
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?><!DOCTYPE plist PUBLIC \"a\" \"b\">"
		"<plist version=\"1.0\"><dict><key>a&amp;</key><array><string>b<![CDATA[c]]></string>"
		"<integer>1</integer><data>YWJj</data><true/></array></dict></plist>";

	(void)state;
	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		/* A copy without anything behind it, so that AddressSanitizer sees a step too far. */
		char *copy = strndup(whole, len);
		struct plist_doc *doc = NULL;

		assert_int_equal(plist_parse(slice_of(copy, len), &doc, NULL), RC_INVALID);
		assert_null(doc);
		free(copy);
	}
}

static void many_references_in_one_text_are_resolved(void **state)
{
	AUTO(buf_fini) struct buf in = {0};
	AUTO(buf_fini) struct buf out = {0};

	(void)state;
	for (unsigned count = 1; count < 30; count++) {
		buf_init(&in, 1 << 16);
		buf_init(&out, 1 << 16);
		buf_append_str(&in, "<plist><dict><key>");
		for (unsigned i = 0; i < count; i++)
			buf_append_str(&in, "&lt;");
		buf_append_str(&in, "</key><string>x");
		for (unsigned i = 0; i < count; i++)
			buf_append_str(&in, "]]&gt;&amp;lt;&#x1F600;");
		buf_append_str(&in, "y</string></dict></plist>");
		buf_append_str(&out, "<dict>\n<key>");
		for (unsigned i = 0; i < count; i++)
			buf_append_str(&out, "&lt;");
		buf_append_str(&out, "</key>\n<string>x");
		for (unsigned i = 0; i < count; i++)
			buf_append_str(&out, "]]&gt;&amp;lt;\U0001F600");
		buf_append_str(&out, "y</string>\n</dict>\n");
		assert_writes(buf_slice(&in), buf_cstr(&out));
		buf_fini(&in);
		buf_fini(&out);
	}
}

static void a_document_in_an_arena_dies_with_it(void **state)
{
	struct arena *arena = arena_new(4096);
	const struct plist_doc *doc = NULL;

	(void)state;
	assert_int_equal(plist_parse_in(arena, SLICE_LITERAL("<plist><string>a</string></plist>"), &doc,
																			NULL),
		RC_OK);
	assert_true(slice_is_str(plist_string(plist_root(doc)), "a"));
	assert_int_equal(plist_parse_in(arena, SLICE_LITERAL("<plist>"), &doc, NULL), RC_INVALID);
	assert_null(doc);
	arena_free(&arena);
}

static void an_arena_without_room_takes_no_document(void **state)
{
	struct arena *arena = arena_new(1);
	const struct plist_doc *doc = NULL;

	(void)state;
	assert_int_equal(plist_parse_in(arena, SLICE_LITERAL("<plist><true/></plist>"), &doc, NULL),
		RC_NO_MEMORY);
	assert_null(doc);
	arena_free(&arena);
}

/* The scan takes runs of plain bytes at once: what is none must show at every place of a run. */
static void a_forbidden_byte_is_found_wherever_it_stands(void **state)
{
	static const uint8_t bad[] = {0x00, 0x08, 0x0B, 0x1F, 0x80, 0xFF};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		for (size_t at = 0; at < 24; at++) {
			char text[] = XML("<string>abcdefghijklmnopqrstuvwx</string>");
			size_t from = sizeof("<plist version=\"1.0\"><string>") - 1;

			text[from + at] = (char)bad[i];
			assert_null(parse_as(slice_of(text, sizeof(text) - 1), RC_INVALID, "is not UTF-8 text"));
		}
	}
}

static void plain_and_long_characters_mix_at_every_place(void **state)
{
	(void)state;
	for (size_t at = 0; at < 24; at++) {
		char text[] = "<string>abcdefghijklmnopqrstuvwxyz</string>\n";
		struct buf document;

		memcpy(text + sizeof("<string>") - 1 + at, "\xC3\xA9", 2);
		buf_init(&document, 256);
		buf_printf(&document, XML("%s"), text);
		assert_writes(buf_slice(&document), text);
		buf_fini(&document);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_device_may_send_is_read),
		cmocka_unit_test(what_is_wrong_is_refused_and_named),
		cmocka_unit_test(a_document_in_utf_16_is_refused),
		cmocka_unit_test(a_document_cut_short_anywhere_is_refused),
		cmocka_unit_test(many_references_in_one_text_are_resolved),
		cmocka_unit_test(a_document_in_an_arena_dies_with_it),
		cmocka_unit_test(an_arena_without_room_takes_no_document),
		cmocka_unit_test(a_forbidden_byte_is_found_wherever_it_stands),
		cmocka_unit_test(plain_and_long_characters_mix_at_every_place),
	};

	return cmocka_run_group_tests_name("plist/xml", tests, NULL, NULL);
}
