/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/base/rand.h"
#include "pomona/command/command.h"
#include "pomona/plist/plist.h"

enum { ARENA_BYTES = 256 << 20 };

#define STR(key, value) "<key>" key "</key><string>" value "</string>"
#define DICT(inside) "<dict>" inside "</dict>"
#define PLIST(inside) "<plist version=\"1.0\">" inside "</plist>"
#define LOCK STR("RequestType", "DeviceLock")

static enum rc from_plist(const char *text, struct arena *arena, struct command_row *row,
	struct err *err)
{
	assert_non_null(arena);
	return command_from_plist(slice_of_str(text), arena, row, err);
}

static enum rc from_json(const char *text, const char *uuid, struct arena *arena,
	struct command_row *row, struct err *err)
{
	AUTO(json_free) struct json_value *value = NULL;

	assert_non_null(arena);
	if (json_parse(slice_of_str(text), &value, err) != RC_OK)
		fail_msg("%s: %s", text, err->text);
	return command_from_json(value, slice_of_str(uuid), arena, row, err);
}

static struct plist_doc *parse_body(const struct command_row *row)
{
	struct plist_doc *doc;
	struct err err;

	if (plist_parse(row->body, &doc, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_true(
		slice_is_equal(plist_string(plist_dict_get(plist_root(doc), "CommandUUID")), row->uuid));
	assert_true(slice_is_equal(plist_string(plist_dict_get(plist_dict_get(plist_root(doc), "Command"),
																													"RequestType")),
		row->request_type));
	return doc;
}

static void check_body(const struct command_row *row)
{
	struct plist_doc *doc = parse_body(row);

	plist_doc_free(&doc);
}

static void both_forms_of_a_plist_become_one_xml(void **state)
{
	static const struct {
		const char *text, *uuid; /* NULL: a made one */
	} cases[] = {
		{PLIST(DICT(LOCK STR("PIN", "1"))), NULL},
		{PLIST(DICT("<key>Command</key>" DICT(LOCK STR("PIN", "1")))), NULL},
		{PLIST(DICT("<key>Command</key>" DICT(LOCK STR("PIN", "1")) STR("CommandUUID", "U1"))), "U1"},
		{PLIST(DICT(
				STR("CommandUUID", "\xc3\xa9 &amp; &lt;") "<key>Command</key>" DICT(LOCK STR("PIN", "1")))),
			"\xc3\xa9 & <"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		AUTO(plist_doc_free) struct plist_doc *doc = NULL;
		struct command_row row;
		struct err err;

		if (from_plist(cases[i].text, arena, &row, &err) != RC_OK)
			fail_msg("%s", err.text);
		if (cases[i].uuid != NULL)
			assert_true(slice_is_str(row.uuid, cases[i].uuid));
		else
			assert_int_equal(row.uuid.len, UUID_TEXT_BYTES - 1);
		assert_int_equal(row.priority, COMMAND_PRIORITY_URGENT);
		assert_true(row.is_never_notnow);
		doc = parse_body(&row);
		assert_int_equal(plist_count(plist_root(doc)), 2);
		assert_true(
			slice_is_str(plist_string(plist_dict_get(plist_dict_get(plist_root(doc), "Command"), "PIN")),
				"1"));
	}
}

static void made_ids_differ(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct command_row one;
	struct command_row two;
	struct err err;

	(void)state;
	assert_int_equal(from_plist(PLIST(DICT(LOCK)), arena, &one, &err), RC_OK);
	assert_int_equal(from_plist(PLIST(DICT(LOCK)), arena, &two, &err), RC_OK);
	assert_false(slice_is_equal(one.uuid, two.uuid));
}

static void what_is_not_in_the_catalogue_is_an_ordinary_command(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct command_row row;
	struct err err;

	(void)state;
	assert_int_equal(from_plist(PLIST(DICT(STR("RequestType", "OfNextYear"))), arena, &row, &err),
		RC_OK);
	assert_int_equal(row.priority, COMMAND_PRIORITY_NORMAL);
	assert_false(row.is_never_notnow);
}

static void json_and_plist_of_the_same_command_give_the_same_bytes(void **state)
{
	static const char json[] =
		"{\"RequestType\":\"Settings\",\"Text\":\"a & \\u00e9\",\"Number\":-7,\"Yes\":true,"
		"\"Real\":1.5,\"Data\":{\"$data\":\"AAEC\"},"
		"\"Date\":{\"$date\":\"2026-11-21T03:04:05Z\"},\"List\":[1,{\"K\":false},[]],"
		"\"Empty\":{}}";
	static const char plist[] =
		PLIST(DICT("<key>Command</key>" DICT(STR("RequestType", "Settings") STR("Text",
			"a &amp; \xc3\xa9") "<key>Number</key><integer>-7</integer><key>Yes</key><true/>"
																							"<key>Real</key><real>1.5</real><key>Data</key><data>AAEC</data>"
																							"<key>Date</key><date>2026-11-21T03:04:05Z</date><key>List</key><array>"
																							"<integer>1</integer><dict><key>K</key><false/></dict><array/></array>"
																							"<key>Empty</key><dict/>") STR("CommandUUID", "U1")));
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct command_row from_j = {0};
	struct command_row from_p = {0};
	struct err err;

	(void)state;
	if (from_json(json, "U1", arena, &from_j, &err) != RC_OK ||
		from_plist(plist, arena, &from_p, &err) != RC_OK)
		fail_msg("%s", err.text);
	if (!slice_is_equal(from_j.body, from_p.body))
		fail_msg("%.*s\n%.*s", SLICE_FMT(from_j.body), SLICE_FMT(from_p.body));
}

static void a_command_goes_to_json_and_back(void **state)
{
	static const char text[] =
		"{\"Command\":{\"RequestType\":\"Settings\",\"Data\":{\"$data\":\"AAEC\"},"
		"\"Date\":{\"$date\":\"2026-11-21T03:04:05Z\"},"
		"\"List\":[1,true,false,1.5,\"x\",{\"$data\":\"\"},[],{}],\"R\":0.25},"
		"\"CommandUUID\":\"U1\"}";
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	AUTO(json_free) struct json_value *command = NULL;
	AUTO(json_free) struct json_value *back = NULL;
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	AUTO(buf_fini) struct buf out = {0};
	struct command_row row;
	struct err err;

	(void)state;
	assert_int_equal(json_parse(slice_of_str(text), &command, &err), RC_OK);
	assert_int_equal(command_from_json(json_get(command, "Command"), SLICE_LITERAL("U1"), arena, &row,
																			&err),
		RC_OK);
	doc = parse_body(&row);
	back = command_json_of_plist(plist_root(doc));
	buf_init(&out, 1 << 20);
	assert_int_equal(json_write(back, false, &out, &err), RC_OK);
	assert_string_equal(buf_cstr(&out), text);
	assert_null(
		command_json_of_plist(plist_dict_get(plist_dict_get(plist_root(doc), "Command"), "RequestType")));
}

static void what_json_has_no_word_for_is_shown_all_the_same(void **state)
{
	static const char text[] =
		PLIST("<array><integer>18446744073709551615</integer><real>0.1</real></array>");
	AUTO(plist_doc_free) struct plist_doc *doc = NULL;
	AUTO(json_free) struct json_value *value = NULL;
	AUTO(buf_fini) struct buf out = {0};
	struct err err;

	(void)state;
	assert_int_equal(plist_parse(slice_of_str(text), &doc, &err), RC_OK);
	value = command_json_of_plist(plist_root(doc));
	buf_init(&out, 1 << 20);
	assert_int_equal(json_write(value, false, &out, &err), RC_OK);
	if (strstr(buf_cstr(&out), "1.8446744073709552e+19") == NULL)
		fail_msg("%s", buf_cstr(&out));
	assert_non_null(strstr(buf_cstr(&out), "0.1"));
}

static void a_plist_that_breaks_a_rule_is_refused_by_its_place(void **state)
{
	static const struct {
		const char *text, *named;
	} cases[] = {
		{"hello", ""},
		{PLIST("<array><true/></array>"), "dictionary"},
		{PLIST(DICT("")), "RequestType"},
		{PLIST(DICT(STR("RequestType", ""))), "RequestType"},
		{PLIST(DICT("<key>RequestType</key><integer>1</integer>")), "RequestType"},
		{PLIST(DICT("<key>Command</key>" DICT(""))), "RequestType"},
		{PLIST(DICT("<key>Command</key><string>x</string>")), "Command"},
		{PLIST(DICT("<key>Command</key>" DICT(LOCK) STR("Comand", "x"))), "Comand"},
		{PLIST(DICT("<key>Command</key>" DICT(LOCK) "<key>CommandUUID</key><true/>")), "CommandUUID"},
		{PLIST(DICT("<key>Command</key>" DICT(LOCK) STR("CommandUUID", "a&#10;b"))), "CommandUUID"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		struct command_row row;
		struct err err = {0};

		assert_int_equal(from_plist(cases[i].text, arena, &row, &err), RC_INVALID);
		if (strstr(err.text, cases[i].named) == NULL)
			fail_msg("%s: %s", cases[i].text, err.text);
	}
}

static void json_that_breaks_a_rule_is_refused_by_its_place(void **state)
{
	static const struct {
		const char *text, *named;
	} cases[] = {
		{"[]", "Command"},
		{"{}", "RequestType"},
		{"{\"RequestType\":\"\"}", "RequestType"},
		{"{\"RequestType\":7}", "RequestType"},
		{"{\"$data\":\"AAEC\"}", "RequestType"},
		{"{\"RequestType\":\"X\",\"A\":{\"B\":[0,null]}}", "Command.A.B[1]: null"},
		{"{\"RequestType\":\"X\",\"A\":{\"$data\":7}}", "Command.A: $data"},
		{"{\"RequestType\":\"X\",\"A\":{\"$data\":\"!\"}}", "Command.A: $data"},
		{"{\"RequestType\":\"X\",\"A\":{\"$data\":\"\",\"B\":1}}", "Command.A: $data"},
		{"{\"RequestType\":\"X\",\"A\":{\"$date\":\"yesterday\"}}", "Command.A: $date"},
		{"{\"RequestType\":\"X\",\"A\":{\"$date\":1}}", "Command.A: $date"},
		{"{\"RequestType\":\"X\",\"A\":{\"$date\":\"\",\"$data\":\"\"}}", "Command.A: $data"},
		{"{\"RequestType\":\"X\",\"A\":\"\\u0001\"}", "Command.A: text"},
		{"{\"RequestType\":\"X\",\"A\":[\"\\uffff\"]}", "Command.A[0]: text"},
		{"{\"RequestType\":\"X\",\"A\\u0002\":1}", "key has characters"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		struct command_row row;
		struct err err = {0};

		assert_int_equal(from_json(cases[i].text, "", arena, &row, &err), RC_INVALID);
		if (strstr(err.text, cases[i].named) == NULL)
			fail_msg("%s: %s", cases[i].text, err.text);
	}
}

/* bplist00 {RequestType: "X", "B": "a\x01"}: binary text may have what XML cannot carry. */
static void binary_text_that_xml_cannot_carry_is_refused_by_its_place(void **state)
{
	static const uint8_t raw[] =
		"bplist00"
		"\xd2\x01\x02\x03\x04"
		"\x5bRequestType"
		"\x51"
		"B"
		"\x51"
		"X"
		"\x52"
		"a\x01"
		"\x08\x0d\x19\x1b\x1d"
		"\0\0\0\0\0\0\x01\x01\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x20";
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct command_row row;
	struct err err = {0};

	(void)state;
	assert_int_equal(command_from_plist(slice_of(raw, sizeof(raw) - 1), arena, &row, &err),
		RC_INVALID);
	if (strstr(err.text, "XML") == NULL)
		fail_msg("%s", err.text);
}

static void binary_plists_are_fine(void **state)
{
	static const uint8_t raw[] =
		"bplist00"
		"\xd1\x01\x02"
		"\x5bRequestType"
		"\x51"
		"X"
		"\x08\x0b\x17"
		"\0\0\0\0\0\0\x01\x01\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x19";
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct command_row row;
	struct err err = {0};

	(void)state;
	if (command_from_plist(slice_of(raw, sizeof(raw) - 1), arena, &row, &err) != RC_OK)
		fail_msg("%s", err.text);
	check_body(&row);
}

static enum rc json_of_sizes(size_t uuid_len, size_t type_len, struct arena *arena,
	struct command_row *row)
{
	AUTO(json_free) struct json_value *command = json_new_object();
	char text[512];
	struct err err;

	memset(text, 'x', sizeof(text));
	json_set_slice(command, "RequestType", slice_of(text, type_len));
	return command_from_json(command, slice_of(text, uuid_len), arena, row, &err);
}

static enum rc plist_of_sizes(size_t uuid_len, size_t type_len, struct arena *arena,
	struct command_row *row)
{
	char text[512];
	struct buf plist;
	struct err err;
	enum rc rc;

	memset(text, 'x', sizeof(text));
	buf_init(&plist, 4096);
	buf_printf(&plist,
		PLIST(DICT("<key>Command</key>" DICT(
			"<key>RequestType</key><string>%.*s</string>") "<key>CommandUUID</key><string>%.*s</"
																																																		"string>")),
		(int)type_len, text, (int)uuid_len, text);
	rc = from_plist(buf_cstr(&plist), arena, row, &err);
	buf_fini(&plist);
	return rc;
}

static void ids_and_types_are_taken_at_their_limit_and_refused_one_past_it(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct command_row row;

	(void)state;
	assert_int_equal(json_of_sizes(COMMAND_UUID_BYTES_MAX, COMMAND_TYPE_BYTES_MAX, arena, &row),
		RC_OK);
	assert_int_equal(plist_of_sizes(COMMAND_UUID_BYTES_MAX, COMMAND_TYPE_BYTES_MAX, arena, &row),
		RC_OK);
	assert_int_equal(json_of_sizes(COMMAND_UUID_BYTES_MAX + 1, 1, arena, &row), RC_LIMIT);
	assert_int_equal(plist_of_sizes(COMMAND_UUID_BYTES_MAX + 1, 1, arena, &row), RC_INVALID);
	assert_int_equal(json_of_sizes(1, COMMAND_TYPE_BYTES_MAX + 1, arena, &row), RC_INVALID);
	assert_int_equal(plist_of_sizes(1, COMMAND_TYPE_BYTES_MAX + 1, arena, &row), RC_INVALID);
}

static enum rc of_depth(bool is_json, int arrays, struct arena *arena, struct command_row *row)
{
	struct buf text;
	struct err err;
	enum rc rc;

	buf_init(&text, 1 << 16);
	buf_append_str(&text,
		is_json ? "{\"RequestType\":\"X\",\"A\":"
										: "<plist version=\"1.0\"><dict><key>RequestType</key>"
												"<string>X</string><key>A</key>");
	for (int i = 0; i < arrays; i++)
		buf_append_str(&text, is_json ? "[" : "<array>");
	for (int i = 0; i < arrays; i++)
		buf_append_str(&text, is_json ? "]" : "</array>");
	buf_append_str(&text, is_json ? "}" : "</dict></plist>");
	rc = is_json ? from_json(buf_cstr(&text), "", arena, row, &err)
														: from_plist(buf_cstr(&text), arena, row, &err);
	buf_fini(&text);
	return rc;
}

/* The wrapped command must be readable again, by devices and by us. */
static void depth_is_taken_at_its_limit_and_refused_one_past_it(void **state)
{
	enum { ARRAYS_MAX = PLIST_DEPTH_MAX - 2 }; /* under {Command = {A = ...}} */

	(void)state;
	for (int is_json = 0; is_json < 2; is_json++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		struct command_row row;

		assert_int_equal(of_depth(is_json, ARRAYS_MAX, arena, &row), RC_OK);
		check_body(&row);
		assert_int_equal(of_depth(is_json, ARRAYS_MAX + 1, arena, &row), RC_LIMIT);
	}
}

static enum rc of_data(size_t len, struct arena *arena, struct command_row *row)
{
	AUTO(plist_doc_free) struct plist_doc *doc = plist_doc_new_dict();
	AUTO(buf_fini) struct buf xml = {0};
	uint8_t *bytes = arena_alloc(arena, len);
	struct err err;

	assert_non_null(bytes);
	assert_int_equal(plist_dict_set(plist_root(doc), "RequestType",
																			plist_new_string(SLICE_LITERAL("X"))),
		RC_OK);
	assert_int_equal(plist_dict_set(plist_root(doc), "A", plist_new_data(slice_of(bytes, len))),
		RC_OK);
	buf_init(&xml, 4 * (size_t)COMMAND_BODY_BYTES_MAX);
	assert_int_equal(plist_write_xml(doc, &xml, &err), RC_OK);
	return command_from_plist(buf_slice(&xml), arena, row, &err);
}

static void a_body_past_its_limit_is_refused(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct command_row row;

	(void)state;
	assert_int_equal(of_data(COMMAND_BODY_BYTES_MAX / 2, arena, &row), RC_OK);
	assert_true(row.body.len <= COMMAND_BODY_BYTES_MAX);
	assert_int_equal(of_data(COMMAND_BODY_BYTES_MAX, arena, &row), RC_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_forms_of_a_plist_become_one_xml),
		cmocka_unit_test(made_ids_differ),
		cmocka_unit_test(what_is_not_in_the_catalogue_is_an_ordinary_command),
		cmocka_unit_test(json_and_plist_of_the_same_command_give_the_same_bytes),
		cmocka_unit_test(a_command_goes_to_json_and_back),
		cmocka_unit_test(what_json_has_no_word_for_is_shown_all_the_same),
		cmocka_unit_test(a_plist_that_breaks_a_rule_is_refused_by_its_place),
		cmocka_unit_test(json_that_breaks_a_rule_is_refused_by_its_place),
		cmocka_unit_test(binary_text_that_xml_cannot_carry_is_refused_by_its_place),
		cmocka_unit_test(binary_plists_are_fine),
		cmocka_unit_test(ids_and_types_are_taken_at_their_limit_and_refused_one_past_it),
		cmocka_unit_test(depth_is_taken_at_its_limit_and_refused_one_past_it),
		cmocka_unit_test(a_body_past_its_limit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
