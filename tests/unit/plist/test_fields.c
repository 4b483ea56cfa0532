/* SPDX-License-Identifier: Apache-2.0 */
#include "support.h"

#include <stdio.h>
#include <string.h>

struct message {
	struct slice name;
	struct slice token;
	bool is_supervised;
	int64_t size;
	struct plist_node *info;
	struct plist_node *list;
	bool has_size;
	struct slice nick;
};

#define AT(member) .offset = offsetof(struct message, member)

static const struct plist_field fields[] = {
	{.key = "Name", .kind = PLIST_KIND_STRING, .is_required = true, .max_bytes = 4, AT(name)},
	{.key = "Token", .kind = PLIST_KIND_DATA, .max_bytes = 4, AT(token)},
	{.key = "Supervised", .kind = PLIST_KIND_BOOL, AT(is_supervised)},
	{.key = "Size",
		.kind = PLIST_KIND_INTEGER,
		.has_offset = offsetof(struct message, has_size),
		AT(size)},
	{.key = "Info", .kind = PLIST_KIND_DICT, AT(info)},
	{.key = "List", .kind = PLIST_KIND_ARRAY, AT(list)},
	{.key = "Nick", .kind = PLIST_KIND_STRING, .max_bytes = 4, AT(nick)},
};

static enum rc read_body(const char *body, struct plist_doc **doc, struct message *message,
	struct err *err)
{
	char xml[1024];

	(void)snprintf(xml, sizeof(xml), "<plist><dict>%s</dict></plist>", body);
	*doc = parse_as(slice_of_str(xml), RC_OK, "");
	*message = (struct message){.size = -7};
	return plist_read_fields(plist_root(*doc), fields, COUNT_OF(fields), message, err);
}

static void a_whole_message_is_read_and_unknown_keys_are_passed_over(void **state)
{
	struct message message;
	struct plist_doc *doc;
	struct err err;

	(void)state;
	assert_int_equal(read_body("<key>Other</key><date>2026-11-21T03:04:05Z</date>"
																												"<key>Name</key><string>\u00e9ab</string>"
																												"<key>Token</key><data>YQBiYw==</data>"
																												"<key>Supervised</key><true/><key>Size</key><integer>-5</integer>"
																												"<key>Info</key><dict><key>a</key><true/></dict>"
																												"<key>List</key><array><true/></array><key>Nick</key><string/>",
																			&doc, &message, &err),
		RC_OK);
	assert_true(slice_is_str(message.name, "\u00e9ab"));
	assert_true(slice_is_equal(message.token, SLICE_LITERAL("a\0bc")));
	assert_true(message.is_supervised);
	assert_int_equal(message.size, -5);
	assert_true(message.has_size);
	assert_int_equal(plist_count(message.info), 1);
	assert_int_equal(plist_count(message.list), 1);
	assert_int_equal(message.nick.len, 0);
	plist_doc_free(&doc);
}

static void what_may_be_left_out_stays_as_it_was(void **state)
{
	struct message message;
	struct plist_doc *doc;
	struct err err;

	(void)state;
	assert_int_equal(read_body("<key>Name</key><string>a</string>", &doc, &message, &err), RC_OK);
	assert_int_equal(message.size, -7);
	assert_false(message.has_size);
	assert_null(message.info);
	plist_doc_free(&doc);
}

static void a_wrong_message_is_refused_by_the_name_of_the_key(void **state)
{
	static const struct {
		const char *body;
		const char *text;
	} cases[] = {
		{"", "key \"Name\": missing"},
		{"<key>Name</key><string/>", "key \"Name\": empty"},
		{"<key>Name</key><string>abcde</string>", "key \"Name\": 5 bytes, want at most 4"},
		{"<key>Name</key><integer>1</integer>", "key \"Name\": is of type integer, want string"},
		{"<key>Name</key><dict/>", "key \"Name\": is of type dictionary, want string"},
		{"<key>Name</key><string>a</string><key>Token</key><data>YWJjZGU=</data>",
			"key \"Token\": 5 bytes, want at most 4"},
		{"<key>Name</key><string>a</string><key>Token</key><string>a</string>",
			"key \"Token\": is of type string, want data"},
		{"<key>Name</key><string>a</string><key>Supervised</key><integer>1</integer>",
			"key \"Supervised\": is of type integer, want boolean"},
		{"<key>Name</key><string>a</string><key>Size</key><real>1</real>",
			"key \"Size\": is of type real, want integer"},
		{"<key>Name</key><string>a</string><key>Size</key>"
			"<integer>9223372036854775808</integer>",
			"key \"Size\": number out of range"},
		{"<key>Name</key><string>a</string><key>Info</key><array/>",
			"key \"Info\": is of type array, want dictionary"},
		{"<key>Name</key><string>a</string><key>List</key><dict/>",
			"key \"List\": is of type dictionary, want array"},
	};
	struct message message;
	struct plist_doc *doc;
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(read_body(cases[i].body, &doc, &message, &err), RC_INVALID);
		assert_string_equal(err.text, cases[i].text);
		plist_doc_free(&doc);
	}
}

static void text_that_xml_cannot_carry_is_refused_in_a_field_only(void **state)
{
	struct message message = {.size = 0};
	struct binary binary;
	struct plist_doc *doc;
	struct err err;

	(void)state;
	for (int is_field = 0; is_field < 2; is_field++) {
		binary_init(&binary);
		OBJECT(&binary, "\xd2\x01\x02\x03\x04");
		OBJECT(&binary, "\x54Name");
		if (is_field)
			OBJECT(&binary, "\x54Nick");
		else
			OBJECT(&binary, "\x54Rest");
		OBJECT(&binary, "\x51x");
		OBJECT(&binary, "\x51\x0b");
		doc = parse_as(binary_finish(&binary, 0), RC_OK, "");
		assert_int_equal(plist_read_fields(plist_root(doc), fields, COUNT_OF(fields), &message, &err),
			is_field ? RC_INVALID : RC_OK);
		if (is_field)
			assert_string_equal(err.text, "key \"Nick\": has characters that XML cannot carry");
		plist_doc_free(&doc);
		binary_fini(&binary);
	}
}

static void a_table_that_is_wrong_is_our_own_fault(void **state)
{
	static const struct plist_field wrong[] = {
		{.key = "Name", .kind = PLIST_KIND_STRING},
		{.key = "Name", .kind = PLIST_KIND_UID, .max_bytes = 1},
	};
	struct plist_doc *doc =
		parse_as(SLICE_LITERAL("<plist><dict><key>Name</key><string>a</string></dict></plist>"), RC_OK,
			"");
	struct message message;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		assert_int_equal(plist_read_fields(plist_root(doc), &wrong[i], 1, &message, NULL), RC_INTERNAL);
	plist_doc_free(&doc);
}

static void what_is_no_dictionary_has_no_fields(void **state)
{
	struct plist_doc *doc = parse_as(SLICE_LITERAL("<plist><array/></plist>"), RC_OK, "");
	struct message message;
	struct err err;

	(void)state;
	assert_int_equal(plist_read_fields(plist_root(doc), fields, COUNT_OF(fields), &message, &err),
		RC_INVALID);
	assert_string_equal(err.text, "is of type array, want dictionary");
	assert_int_equal(plist_read_fields(NULL, fields, COUNT_OF(fields), &message, &err), RC_INVALID);
	plist_doc_free(&doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_message_is_read_and_unknown_keys_are_passed_over),
		cmocka_unit_test(what_may_be_left_out_stays_as_it_was),
		cmocka_unit_test(a_wrong_message_is_refused_by_the_name_of_the_key),
		cmocka_unit_test(text_that_xml_cannot_carry_is_refused_in_a_field_only),
		cmocka_unit_test(a_table_that_is_wrong_is_our_own_fault),
		cmocka_unit_test(what_is_no_dictionary_has_no_fields),
	};

	return cmocka_run_group_tests_name("plist/fields", tests, NULL, NULL);
}
