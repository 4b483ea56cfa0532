/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES_MAX = 64 << 20 };

static void repeat(struct buf *out, const char *text, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_append_str(out, text);
}

/* Parses "<plist>" before, `count` times each, after "</plist>". */
static void check(const char *before, const char *each, size_t count, const char *after, enum rc rc)
{
	AUTO(buf_fini) struct buf text = {.bound = TEXT_BYTES_MAX};
	struct plist_doc *doc;

	buf_append_str(&text, "<plist>");
	buf_append_str(&text, before);
	repeat(&text, each, count);
	buf_append_str(&text, after);
	buf_append_str(&text, "</plist>");
	assert_int_equal(text.rc, RC_OK);
	doc = parse_as(buf_slice(&text), rc, "");
	plist_doc_free(&doc);
}

static void xml_of_the_most_nodes_is_read_and_one_more_is_refused(void **state)
{
	(void)state;
	check("<array>", "<true/>", PLIST_NODES_MAX - 1, "</array>", RC_OK);
	check("<array>", "<true/>", PLIST_NODES_MAX, "</array>", RC_LIMIT);
}

static void nested(bool is_binary, size_t depth, enum rc rc)
{
	AUTO(buf_fini) struct buf text = {.bound = 1 << 16};
	struct plist_doc *doc;

	buf_append_str(&text, is_binary ? "bplist00" : "<plist>");
	for (size_t i = 0; i < depth; i++) {
		if (is_binary)
			buf_append(&text, slice_of((const uint8_t[]){0xA1, (uint8_t)(i + 1)}, 2));
		else
			buf_append_str(&text, i % 2 == 0 ? "<array>" : "<dict><key>a</key>");
	}
	buf_append_str(&text, is_binary ? "\x09" : "<true/>");
	for (size_t i = depth; i > 0; i--)
		buf_append_str(&text, is_binary ? "" : i % 2 != 0 ? "</array>" : "</dict>");
	for (size_t i = 0; is_binary && i <= depth; i++)
		buf_append_byte(&text, (uint8_t)(8 + 2 * i));
	if (is_binary) {
		uint8_t trailer[32] = {[6] = 1, [7] = 1, [15] = (uint8_t)(depth + 1)};

		trailer[31] = (uint8_t)(8 + 2 * depth + 1);
		buf_append(&text, slice_of(trailer, sizeof(trailer)));
	} else {
		buf_append_str(&text, "</plist>");
	}
	doc = parse_as(buf_slice(&text), rc, "nested deeper");
	plist_doc_free(&doc);
}

static void the_deepest_document_is_read_and_one_deeper_is_refused(void **state)
{
	(void)state;
	nested(false, PLIST_DEPTH_MAX, RC_OK);
	nested(false, PLIST_DEPTH_MAX + 1, RC_LIMIT);
	nested(true, PLIST_DEPTH_MAX, RC_OK);
	nested(true, PLIST_DEPTH_MAX + 1, RC_LIMIT);
}

/* Known from a shallow place, an object must not slip in at a deep one. */
static void a_shared_object_is_measured_where_it_stands(void **state)
{
	struct binary binary;
	struct plist_doc *doc;

	(void)state;
	for (size_t depth = PLIST_DEPTH_MAX - 12; depth < PLIST_DEPTH_MAX - 8; depth++) {
		/* 0: [1, 11]; 1..10: a chain of ten; 11..: a chain that ends with the first. */
		binary_init(&binary);
		OBJECT(&binary, "\xA2\x01\x0B");
		for (uint8_t i = 2; i <= 10; i++)
			binary_object(&binary, slice_of((const uint8_t[]){0xA1, i}, 2));
		OBJECT(&binary, "\xA0");
		for (size_t i = 0; i < depth; i++)
			binary_object(&binary,
				slice_of((const uint8_t[]){0xA1, i + 1 == depth ? 1 : (uint8_t)(12 + i)}, 2));
		doc = parse_as(binary_finish(&binary, 0), 1 + depth + 10 <= PLIST_DEPTH_MAX ? RC_OK : RC_LIMIT,
			"nested deeper");
		plist_doc_free(&doc);
		binary_fini(&binary);
	}
}

static void binary_key(size_t len, enum rc rc)
{
	uint8_t head[4] = {0x5F, 0x11, (uint8_t)(len >> 8), (uint8_t)len};
	AUTO(buf_fini) struct buf key = {.bound = 1 << 16};
	struct plist_doc *doc;
	struct binary binary;

	buf_append(&key, slice_of(head, sizeof(head)));
	repeat(&key, "k", len);
	binary_init(&binary);
	OBJECT(&binary, "\xD1\x01\x02");
	binary_object(&binary, buf_slice(&key));
	OBJECT(&binary, "\x09");
	doc = parse_as(binary_finish(&binary, 0), rc, "a key of more bytes");
	plist_doc_free(&doc);
	binary_fini(&binary);
}

static void the_longest_key_is_read_and_one_byte_more_is_refused(void **state)
{
	(void)state;
	check("<dict><key>", "k", PLIST_KEY_BYTES_MAX, "</key><true/></dict>", RC_OK);
	check("<dict><key>", "k", PLIST_KEY_BYTES_MAX + 1, "</key><true/></dict>", RC_LIMIT);
	check("<dict><key>", "&amp;", PLIST_KEY_BYTES_MAX, "</key><true/></dict>", RC_OK);
	check("<dict><key>", "&amp;", PLIST_KEY_BYTES_MAX + 1, "</key><true/></dict>", RC_LIMIT);
	binary_key(PLIST_KEY_BYTES_MAX, RC_OK);
	binary_key(PLIST_KEY_BYTES_MAX + 1, RC_LIMIT);
}

static void entries(size_t count, enum rc rc)
{
	AUTO(buf_fini) struct buf text = {.bound = TEXT_BYTES_MAX};
	struct plist_doc *doc;

	buf_append_str(&text, "<plist><dict>");
	for (size_t i = 0; i < count; i++)
		buf_printf(&text, "<key>key %zu</key><true/>", i);
	buf_append_str(&text, "</dict></plist>");
	doc = parse_as(buf_slice(&text), rc, "a dictionary of more");
	if (doc != NULL) {
		assert_int_equal(plist_count(plist_root(doc)), count);
		assert_non_null(plist_dict_get(plist_root(doc), "key 0"));
	}
	plist_doc_free(&doc);
}

static void the_largest_dictionary_is_read_and_one_entry_more_is_refused(void **state)
{
	(void)state;
	entries(PLIST_DICT_ENTRIES_MAX, RC_OK);
	entries(PLIST_DICT_ENTRIES_MAX + 1, RC_LIMIT);
}

/* Object i is an array with object i + 1 twice; `width` times the last one: width * 2^levels nodes. */
static void few_bytes_that_expand_to_many_nodes_are_refused(void **state)
{
	struct binary binary;

	(void)state;
	binary_init(&binary);
	for (uint8_t i = 1; i <= 40; i++)
		binary_object(&binary, slice_of((const uint8_t[]){0xA2, i, i}, 3));
	OBJECT(&binary, "\x09");
	assert_null(parse_as(binary_finish(&binary, 0), RC_LIMIT, "expands to more nodes"));
	binary_fini(&binary);
}

static void shared_text(size_t text_bytes, uint8_t times, enum rc rc)
{
	uint8_t head[6] = {0x4F, 0x12, (uint8_t)(text_bytes >> 24), (uint8_t)(text_bytes >> 16),
		(uint8_t)(text_bytes >> 8), (uint8_t)text_bytes};
	AUTO(buf_fini) struct buf data = {.bound = TEXT_BYTES_MAX};
	AUTO(buf_fini) struct buf array = {.bound = 64};
	struct plist_doc *doc;
	struct binary binary;

	buf_append(&data, slice_of(head, sizeof(head)));
	assert_non_null(buf_reserve(&data, text_bytes));
	memset(data.ptr + data.len, 'x', text_bytes);
	data.len += text_bytes;
	buf_append_byte(&array, (uint8_t)(0xA0 | times));
	for (uint8_t i = 0; i < times; i++)
		buf_append_byte(&array, 2);
	binary_init(&binary);
	binary_object(&binary, buf_slice(&array));
	OBJECT(&binary, "\x09");
	binary_object(&binary, buf_slice(&data));
	doc = parse_as(binary_finish(&binary, 0), rc, "texts expand to more bytes");
	plist_doc_free(&doc);
	binary_fini(&binary);
}

static void a_shared_text_counts_each_time(void **state)
{
	(void)state;
	shared_text(PLIST_EXPANDED_BYTES_MAX / 8, 8, RC_OK);
	shared_text(PLIST_EXPANDED_BYTES_MAX / 8 + 1, 8, RC_LIMIT);
}

static void the_largest_document_is_looked_at_and_one_byte_more_is_not(void **state)
{
	uint8_t *bytes = calloc(1, PLIST_BYTES_MAX + 1);

	(void)state;
	assert_non_null(bytes);
	assert_null(parse_as(slice_of(bytes, PLIST_BYTES_MAX), RC_INVALID, "neither"));
	assert_null(parse_as(slice_of(bytes, PLIST_BYTES_MAX + 1), RC_LIMIT, "larger than"));
	free(bytes);
}

static void a_binary_list_of_more_objects_than_nodes_is_refused(void **state)
{
	enum { OBJECTS = PLIST_NODES_MAX + 1, TABLE_AT = 9 };
	size_t len = TABLE_AT + OBJECTS + 32;
	uint8_t *bytes = malloc(len);
	struct plist_doc *doc;

	(void)state;
	assert_non_null(bytes);
	memset(bytes, 8, len);
	memcpy(bytes, "bplist00\x09", TABLE_AT);
	memset(bytes + len - 32, 0, 32);
	bytes[len - 32 + 6] = 1;
	bytes[len - 32 + 7] = 1;
	bytes[len - 1] = TABLE_AT;
	for (uint32_t count = OBJECTS; count >= PLIST_NODES_MAX; count--) {
		for (size_t i = 0; i < 4; i++)
			bytes[len - 32 + 12 + i] = (uint8_t)(count >> 8 * (3 - i));
		doc =
			parse_as(slice_of(bytes, len), count > PLIST_NODES_MAX ? RC_LIMIT : RC_OK, "more objects than");
		plist_doc_free(&doc);
	}
	free(bytes);
}

static void a_real_of_most_characters_is_read_and_one_more_is_refused(void **state)
{
	(void)state;
	check("<real>", "1", 64, "</real>", RC_OK);
	check("<real>", "1", 65, "</real>", RC_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xml_of_the_most_nodes_is_read_and_one_more_is_refused),
		cmocka_unit_test(the_deepest_document_is_read_and_one_deeper_is_refused),
		cmocka_unit_test(a_shared_object_is_measured_where_it_stands),
		cmocka_unit_test(the_longest_key_is_read_and_one_byte_more_is_refused),
		cmocka_unit_test(the_largest_dictionary_is_read_and_one_entry_more_is_refused),
		cmocka_unit_test(few_bytes_that_expand_to_many_nodes_are_refused),
		cmocka_unit_test(a_shared_text_counts_each_time),
		cmocka_unit_test(the_largest_document_is_looked_at_and_one_byte_more_is_not),
		cmocka_unit_test(a_binary_list_of_more_objects_than_nodes_is_refused),
		cmocka_unit_test(a_real_of_most_characters_is_read_and_one_more_is_refused),
	};

	return cmocka_run_group_tests_name("plist/limits", tests, NULL, NULL);
}
