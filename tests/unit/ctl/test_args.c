/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ctl.h"

static const struct option options[] = {{"--device", true}, {"--all", false}};
static const struct command plain = {.name = "x",
	.options = options,
	.option_count = 2,
	.words_max = 2};
static const struct command keyed = {.name = "x",
	.options = options,
	.option_count = 2,
	.words_max = 2,
	.has_keys = true};

enum { WORDS = 8, LINE_BYTES = 256 };

/* A line whose words are parted by blanks. */
struct line {
	char text[LINE_BYTES];
	char *words[WORDS];
	int count;
};

static void split(struct line *line, const char *text)
{
	char *rest = line->text;

	(void)snprintf(line->text, sizeof(line->text), "%s", text);
	for (line->count = 0; rest != NULL; line->count++) {
		assert_true(line->count < WORDS);
		line->words[line->count] = strsep(&rest, " ");
	}
}

static enum rc parse(const struct command *command, const char *text, struct line *line,
	struct args *args, struct err *err)
{
	split(line, text);
	return args_parse(command, line->count, line->words, args, err);
}

static void options_and_words_come_in_any_order(void **state)
{
	static const char *const lines[] = {
		"one --device D two --json",
		"--json --device=D one two",
		"--device C --device D --json one two",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct line line;
		struct args args;

		assert_int_equal(parse(&plain, lines[i], &line, &args, NULL), RC_OK);
		assert_int_equal(args.word_count, 2);
		assert_string_equal(args.words[0], "one");
		assert_string_equal(args.words[1], "two");
		assert_string_equal(args_get(&args, "--device"), "D");
		assert_string_equal(args_get(&args, "--json"), "");
		assert_null(args_get(&args, "--all"));
		args_fini(&args);
	}
}

static void what_is_behind_two_dashes_is_a_word(void **state)
{
	static const char text[] = "-- --device -";
	struct line line;
	struct args args;

	(void)state;
	assert_int_equal(parse(&plain, text, &line, &args, NULL), RC_OK);
	assert_int_equal(args.word_count, 2);
	assert_string_equal(args.words[0], "--device");
	assert_string_equal(args.words[1], "-");
	args_fini(&args);
}

static void a_wrong_line_is_told(void **state)
{
	static const struct {
		const char *line, *text;
	} cases[] = {
		{"--nonsense", "--nonsense"},
		{"--device", "--device wants a value"},
		{"--all=yes", "--all takes no value"},
		{"-x", "-x"},
		{"--Key v", "--Key"},
		{"a b c", "too many"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err err = {.rc = RC_OK};
		struct line line;
		struct args args;

		assert_int_equal(parse(&plain, cases[i].line, &line, &args, &err), RC_INVALID);
		assert_non_null(strstr(err.text, cases[i].text));
		args_fini(&args);
	}
}

static void keys_are_kept_by_their_own_names(void **state)
{
	static const char text[] = "--PIN 123456 --Message=hi --all";
	struct line line;
	struct args args;

	(void)state;
	assert_int_equal(parse(&keyed, text, &line, &args, NULL), RC_OK);
	assert_int_equal(args.option_count, 3);
	assert_string_equal(args.options[0].name, "--PIN");
	assert_string_equal(args.options[0].value, "123456");
	assert_string_equal(args.options[1].value, "hi");
	assert_string_equal(args_get(&args, "--all"), "");
	args_fini(&args);
}

static void every_command_is_found_by_its_name(void **state)
{
	size_t rows;
	const struct command *table = commands_table(&rows);

	(void)state;
	for (size_t i = 0; i < rows; i++) {
		char *argv[2];
		char name[32], verb[32];
		int used = 0;

		(void)snprintf(name, sizeof(name), "%s", table[i].name);
		(void)snprintf(verb, sizeof(verb), "%s", table[i].verb != NULL ? table[i].verb : "else");
		argv[0] = name;
		argv[1] = verb;
		assert_ptr_equal(commands_find(2, argv, &used), &table[i]);
		assert_int_equal(used, table[i].verb != NULL ? 2 : 1);
		assert_int_equal(commands_is_group(name), table[i].verb != NULL);
		assert_non_null(table[i].run);
		assert_true(table[i].words_min <= table[i].words_max);
	}
}

static void an_unknown_command_is_none(void **state)
{
	static const char *const lines[] = {"device", "device explode", "explode"};
	struct line line;
	int used;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		split(&line, lines[i]);
		assert_null(commands_find(line.count, line.words, &used));
	}
	assert_null(commands_find(0, line.words, &used));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_and_words_come_in_any_order),
		cmocka_unit_test(what_is_behind_two_dashes_is_a_word),
		cmocka_unit_test(a_wrong_line_is_told),
		cmocka_unit_test(keys_are_kept_by_their_own_names),
		cmocka_unit_test(every_command_is_found_by_its_name),
		cmocka_unit_test(an_unknown_command_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
