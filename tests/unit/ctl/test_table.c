/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "ctl.h"

static const char *const columns[] = {"ID", "NAME", "N", NULL};

static char *print(const struct table *table)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	table_print(table, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void columns_are_aligned_by_characters(void **state)
{
	struct table *table = table_new(columns);
	char *text;

	(void)state;
	table_add(table, "A");
	table_add(table, "J\xc3\xbcrgen");
	table_add(table, "1");
	table_add(table, "LONGER");
	table_add(table, NULL);
	table_add(table, "22");
	text = print(table);
	assert_string_equal(text,
		"ID      NAME    N\n"
		"A       J\xc3\xbcrgen  1\n"
		"LONGER  -       22\n");
	free(text);
	table_free(&table);
}

static char *print_within(const struct table *table, size_t columns_max)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	table_print_within(table, columns_max, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void what_a_terminal_is_too_narrow_for_is_shown_as_facts(void **state)
{
	static const char wide[] =
		"ID  NAME    N\n"
		"A   J\xc3\xbcrgen  1\n"
		"B   -       22\n";
	static const char narrow[] =
		"ID                        A\n"
		"NAME                      J\xc3\xbcrgen\n"
		"N                         1\n"
		"\n"
		"ID                        B\n"
		"N                         22\n";
	static const struct {
		size_t columns;
		const char *text;
	} cases[] = {{0, wide}, {14, wide}, {13, narrow}, {1, narrow}};
	struct table *table = table_new(columns);

	(void)state;
	table_add(table, "A");
	table_add(table, "J\xc3\xbcrgen");
	table_add(table, "1");
	table_add(table, "B");
	table_add(table, NULL);
	table_add(table, "22");
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char *text = print_within(table, cases[i].columns);

		assert_string_equal(text, cases[i].text);
		free(text);
	}
	table_free(&table);
}

static void a_table_without_rows_shows_its_columns(void **state)
{
	struct table *table = table_new(columns);
	char *text = print(table);

	(void)state;
	assert_string_equal(text, "ID  NAME  N\n");
	free(text);
	table_free(&table);
}

static void a_cell_cannot_reach_the_terminal_raw(void **state)
{
	struct table *table = table_new(columns);
	char *text;

	(void)state;
	table_add(table, "\x1b]0;owned\x07");
	table_add(table, "two\nlines");
	table_add(table, "");
	text = print(table);
	assert_null(strchr(text, '\x1b'));
	assert_non_null(strstr(text, "\\x1b]0;owned\\x07  two\\x0alines  -\n"));
	free(text);
	table_free(&table);
}

static void a_table_grows_with_its_rows(void **state)
{
	struct table *table = table_new(columns);
	size_t lines = 0;
	char *text;

	(void)state;
	for (int i = 0; i < 3 * 1000; i++)
		table_add(table, "x");
	text = print(table);
	for (const char *at = text; *at != '\0'; at++)
		lines += *at == '\n';
	assert_int_equal(lines, 1001);
	free(text);
	table_free(&table);
}

static void values_of_json_are_shown_by_kind(void **state)
{
	struct json_value *object = json_new_object();
	struct table *table = table_new(columns);
	char *text;

	(void)state;
	json_set_int(object, "n", -5);
	json_set_bool(object, "b", true);
	json_set_str(object, "null", NULL);
	table_add_json(table, object, "n");
	table_add_json(table, object, "b");
	table_add_json(table, object, "null");
	text = print(table);
	assert_non_null(strstr(text, "-5  yes   -\n"));
	free(text);
	table_free(&table);
	json_free(&object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_aligned_by_characters),
		cmocka_unit_test(what_a_terminal_is_too_narrow_for_is_shown_as_facts),
		cmocka_unit_test(a_table_without_rows_shows_its_columns),
		cmocka_unit_test(a_cell_cannot_reach_the_terminal_raw),
		cmocka_unit_test(a_table_grows_with_its_rows),
		cmocka_unit_test(values_of_json_are_shown_by_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
