/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set(struct plist_doc *doc, const char *key, struct plist_node *child)
{
	assert_int_equal(plist_dict_set(plist_root(doc), key, child), RC_OK);
}

static void assert_built(const struct plist_doc *doc, const char *xml)
{
	char *got = written(doc);

	assert_string_equal(got, xml);
	free(got);
}

static void what_is_built_is_written_and_reads_back_the_same(void **state)
{
	struct plist_doc *doc = plist_doc_new_dict();
	struct plist_node *array = plist_new_array();
	char *first;

	(void)state;
	assert_int_equal(plist_array_append(array, plist_new_bool(true)), RC_OK);
	assert_int_equal(plist_array_append(array, plist_new_dict()), RC_OK);
	set(doc, "a", array);
	set(doc, "b <&>", plist_new_string(SLICE_LITERAL("x <&> \u00e9\r\n")));
	set(doc, "c", plist_new_data(SLICE_LITERAL("abc\0d")));
	set(doc, "d", plist_new_data(slice_of(NULL, 0)));
	set(doc, "e", plist_new_string(slice_of(NULL, 0)));
	set(doc, "f", plist_new_real(-1e300));
	set(doc, "g", plist_new_date(1795230245));
	assert_built(doc,
		"<dict>\n<key>a</key>\n<array>\n<true/>\n<dict>\n</dict>\n</array>\n"
		"<key>b &lt;&amp;&gt;</key>\n<string>x &lt;&amp;&gt; \u00e9&#13;\n</string>\n"
		"<key>c</key>\n<data>YWJjAGQ=</data>\n<key>d</key>\n<data></data>\n"
		"<key>e</key>\n<string></string>\n<key>f</key>\n<real>-1e+300</real>\n"
		"<key>g</key>\n<date>2026-11-21T03:04:05Z</date>\n</dict>\n");
	{
		AUTO(buf_fini) struct buf out = {.bound = 1 << 16};

		assert_int_equal(plist_write_xml(doc, &out, NULL), RC_OK);
		first = written(doc);
		assert_writes(buf_slice(&out), first);
		free(first);
	}
	plist_doc_free(&doc);
}

static void integers_keep_sign_and_size(void **state)
{
	static const struct {
		bool is_unsigned;
		uint64_t bits;
		const char *text;
	} cases[] = {
		{false, 0, "0"},
		{false, 1, "1"},
		{false, UINT64_MAX, "-1"},
		{false, INT64_MAX, "9223372036854775807"},
		{false, (uint64_t)INT64_MAX + 1, "-9223372036854775808"},
		{true, 5, "5"},
		{true, INT64_MAX, "9223372036854775807"},
		{true, (uint64_t)INT64_MAX + 1, "9223372036854775808"},
		{true, UINT64_MAX, "18446744073709551615"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct plist_doc *doc = plist_doc_new_dict();
		bool is_unsigned;
		char xml[128];

		set(doc, "n",
			cases[i].is_unsigned ? plist_new_unsigned(cases[i].bits)
																								: plist_new_integer((int64_t)cases[i].bits));
		(void)snprintf(xml, sizeof(xml), "<dict>\n<key>n</key>\n<integer>%s</integer>\n</dict>\n",
			cases[i].text);
		assert_built(doc, xml);
		assert_true(
			(uint64_t)plist_integer(plist_dict_get(plist_root(doc), "n"), &is_unsigned) == cases[i].bits);
		assert_int_equal(is_unsigned, cases[i].is_unsigned && cases[i].bits > INT64_MAX);
		plist_doc_free(&doc);
	}
}

static void dates_keep_their_second_over_ten_thousand_years(void **state)
{
	static const struct {
		int64_t given;
		int64_t kept;
	} cases[] = {
		{0, 0},
		{-1, -1},
		{978307200, 978307200},
		{4102444800, 4102444800},
		{-62135596800, -62135596800},
		{-62135596801, -62135596800},
		{253402300799, 253402300799},
		{253402300800, 253402300799},
		{INT64_MIN, -62135596800},
		{INT64_MAX, 253402300799},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct plist_node *node = plist_new_date(cases[i].given);

		assert_non_null(node);
		assert_int_equal(plist_kind(node), PLIST_KIND_DATE);
		assert_true(plist_date_unix_s(node) == cases[i].kept);
		plist_node_free(&node);
		assert_null(node);
	}
}

static void text_that_xml_cannot_carry_makes_no_string_and_no_key(void **state)
{
	static const struct slice texts[] = {SLICE_LITERAL("a\0b"), SLICE_LITERAL("\x01"),
		SLICE_LITERAL("\xff"), SLICE_LITERAL("\xef\xbf\xbe")};
	struct plist_doc *doc = plist_doc_new_dict();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		assert_null(plist_new_string(texts[i]));
	assert_int_equal(plist_dict_set(plist_root(doc), "\x01", plist_new_dict()), RC_INVALID);
	assert_int_equal(plist_count(plist_root(doc)), 0);
	plist_doc_free(&doc);
}

static void a_key_too_long_is_refused(void **state)
{
	struct plist_doc *doc = plist_doc_new_dict();
	char key[PLIST_KEY_BYTES_MAX + 2];

	(void)state;
	memset(key, 'k', sizeof(key));
	key[PLIST_KEY_BYTES_MAX + 1] = 0;
	assert_int_equal(plist_dict_set(plist_root(doc), key, plist_new_dict()), RC_LIMIT);
	key[PLIST_KEY_BYTES_MAX] = 0;
	assert_int_equal(plist_dict_set(plist_root(doc), key, plist_new_dict()), RC_OK);
	plist_doc_free(&doc);
}

static void a_child_of_the_wrong_parent_is_taken_all_the_same(void **state)
{
	struct plist_node *text = plist_new_string(SLICE_LITERAL("a"));
	struct plist_node *array = plist_new_array();

	(void)state;
	assert_int_equal(plist_dict_set(text, "k", plist_new_bool(true)), RC_INTERNAL);
	assert_int_equal(plist_array_append(text, plist_new_bool(true)), RC_INTERNAL);
	assert_int_equal(plist_dict_set(NULL, "k", plist_new_bool(true)), RC_NO_MEMORY);
	assert_int_equal(plist_array_append(NULL, plist_new_bool(true)), RC_NO_MEMORY);
	assert_int_equal(plist_array_append(array, NULL), RC_NO_MEMORY);
	plist_node_free(&text);
	plist_node_free(&array);
}

static void setting_a_key_again_replaces_its_value_in_its_place(void **state)
{
	struct plist_doc *doc = plist_doc_new_dict();

	(void)state;
	set(doc, "a", plist_new_bool(true));
	set(doc, "b", plist_new_bool(true));
	set(doc, "a", plist_new_bool(false));
	set(doc, "b", plist_new_bool(false));
	assert_built(doc, "<dict>\n<key>a</key>\n<false/>\n<key>b</key>\n<false/>\n</dict>\n");
	plist_doc_free(&doc);
}

static void a_copy_lives_on_its_own(void **state)
{
	struct plist_doc *from =
		parse_as(SLICE_LITERAL("<plist><dict><key>a</key><array><integer>18446744073709551615"
																									"</integer><data>YQ==</data><string/><data/></array></dict></plist>"),
			RC_OK, "");
	struct plist_doc *to = plist_doc_new_dict();

	(void)state;
	set(to, "Command", plist_copy(plist_root(from)));
	plist_doc_free(&from);
	assert_built(to,
		"<dict>\n<key>Command</key>\n<dict>\n<key>a</key>\n<array>\n"
		"<integer>18446744073709551615</integer>\n<data>YQ==</data>\n<string></string>\n"
		"<data></data>\n</array>\n</dict>\n</dict>\n");
	plist_doc_free(&to);
}

static struct plist_doc *nested(size_t depth)
{
	struct plist_doc *doc = plist_doc_new_dict();
	struct plist_node *inner = plist_root(doc);

	for (size_t i = 1; i < depth; i++) {
		struct plist_node *child = plist_new_dict();

		assert_int_equal(plist_dict_set(inner, "a", child), RC_OK);
		inner = child;
	}
	return doc;
}

static void what_is_built_too_deep_is_not_written(void **state)
{
	AUTO(buf_fini) struct buf out = {.bound = 1 << 16};
	struct plist_doc *deepest = nested(PLIST_DEPTH_MAX);
	struct plist_doc *deeper = nested(PLIST_DEPTH_MAX + 1);

	(void)state;
	assert_int_equal(plist_write_xml(deepest, &out, NULL), RC_OK);
	assert_int_equal(plist_write_xml(deeper, &out, NULL), RC_LIMIT);
	plist_doc_free(&deepest);
	plist_doc_free(&deeper);
}

static void writing_stops_at_the_bound_of_the_buffer(void **state)
{
	struct plist_doc *doc = plist_doc_new_dict();
	struct buf out;
	struct err err;
	size_t len;

	(void)state;
	set(doc, "a", plist_new_integer(1));
	buf_init(&out, 4096);
	assert_int_equal(plist_write_xml(doc, &out, &err), RC_OK);
	len = out.len;
	buf_fini(&out);
	for (size_t bound = 0; bound <= len; bound++) {
		buf_init(&out, bound);
		assert_int_equal(plist_write_xml(doc, &out, &err), bound < len ? RC_LIMIT : RC_OK);
		buf_fini(&out);
	}
	plist_doc_free(&doc);
}

struct seen {
	size_t count;
	size_t stop_at;
};

static enum rc see_entry(void *ctx, const char *key, struct plist_node *value)
{
	static const char *const keys[] = {"c", "a", "b"};
	struct seen *seen = ctx;

	assert_string_equal(key, keys[seen->count]);
	assert_int_equal(plist_kind(value), PLIST_KIND_INTEGER);
	return ++seen->count == seen->stop_at ? RC_BUSY : RC_OK;
}

static enum rc see_item(void *ctx, size_t index, struct plist_node *value)
{
	struct seen *seen = ctx;

	assert_int_equal(index, seen->count);
	assert_int_equal(plist_integer(value, NULL), (int64_t)index);
	return ++seen->count == seen->stop_at ? RC_BUSY : RC_OK;
}

static void a_walk_goes_in_the_order_of_the_document_until_it_is_stopped(void **state)
{
	struct plist_doc *doc = plist_doc_new_dict();
	struct plist_node *array = plist_new_array();
	struct seen seen = {.stop_at = 0};

	(void)state;
	set(doc, "c", plist_new_integer(1));
	set(doc, "a", plist_new_integer(1));
	set(doc, "b", plist_new_integer(1));
	assert_int_equal(plist_dict_each(plist_root(doc), see_entry, &seen), RC_OK);
	assert_int_equal(seen.count, 3);
	seen = (struct seen){.stop_at = 2};
	assert_int_equal(plist_dict_each(plist_root(doc), see_entry, &seen), RC_BUSY);
	assert_int_equal(seen.count, 2);
	for (int64_t i = 0; i < 300; i++)
		assert_int_equal(plist_array_append(array, plist_new_integer(i)), RC_OK);
	seen = (struct seen){.stop_at = 0};
	assert_int_equal(plist_array_each(array, see_item, &seen), RC_OK);
	assert_int_equal(seen.count, 300);
	seen = (struct seen){.stop_at = 2};
	assert_int_equal(plist_array_each(array, see_item, &seen), RC_BUSY);
	assert_int_equal(plist_integer(plist_array_at(array, 299), NULL), 299);
	assert_null(plist_array_at(array, 300));
	assert_null(plist_array_at(array, SIZE_MAX));
	plist_node_free(&array);
	plist_doc_free(&doc);
}

static void asking_for_another_kind_gives_nothing(void **state)
{
	struct plist_node *text = plist_new_string(SLICE_LITERAL("1"));
	struct plist_node *number = plist_new_integer(1);

	(void)state;
	assert_null(plist_dict_get(text, "a"));
	assert_null(plist_dict_get(NULL, "a"));
	assert_null(plist_array_at(text, 0));
	assert_int_equal(plist_count(text), 0);
	assert_int_equal(plist_count(NULL), 0);
	assert_int_equal(plist_dict_each(text, see_entry, NULL), RC_OK);
	assert_int_equal(plist_array_each(text, see_item, NULL), RC_OK);
	assert_int_equal(plist_string(number).len, 0);
	assert_int_equal(plist_data(text).len, 0);
	assert_int_equal(plist_integer(text, NULL), 0);
	assert_false(plist_bool(number));
	assert_true(plist_real(number) <= 0);
	assert_int_equal(plist_date_unix_s(number), 0);
	plist_node_free(&text);
	plist_node_free(&number);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_built_is_written_and_reads_back_the_same),
		cmocka_unit_test(integers_keep_sign_and_size),
		cmocka_unit_test(dates_keep_their_second_over_ten_thousand_years),
		cmocka_unit_test(text_that_xml_cannot_carry_makes_no_string_and_no_key),
		cmocka_unit_test(a_key_too_long_is_refused),
		cmocka_unit_test(a_child_of_the_wrong_parent_is_taken_all_the_same),
		cmocka_unit_test(setting_a_key_again_replaces_its_value_in_its_place),
		cmocka_unit_test(a_copy_lives_on_its_own),
		cmocka_unit_test(what_is_built_too_deep_is_not_written),
		cmocka_unit_test(writing_stops_at_the_bound_of_the_buffer),
		cmocka_unit_test(a_walk_goes_in_the_order_of_the_document_until_it_is_stopped),
		cmocka_unit_test(asking_for_another_kind_gives_nothing),
	};

	return cmocka_run_group_tests_name("plist/build", tests, NULL, NULL);
}
