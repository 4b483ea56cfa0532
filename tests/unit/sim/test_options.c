/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "options.h"

enum { WORDS_MAX = 24 };

static enum rc parse(const char *const *words, struct options *options, struct err *err)
{
	char *argv[WORDS_MAX + 2] = {NULL};
	static char storage[WORDS_MAX + 1][64];
	int argc = 1;

	argv[0] = storage[0];
	for (; words[argc - 1] != NULL; argc++) {
		(void)snprintf(storage[argc], sizeof(storage[argc]), "%s", words[argc - 1]);
		argv[argc] = storage[argc];
	}
	return options_parse(argc, argv, options, err);
}

#define RUN "run", "--dir", "d", "--ca", "f", "--url", "https://h:1"

static void a_run_with_the_required_options_has_the_defaults_that_help_tells(void **state)
{
	const char *const words[] = {RUN, NULL};
	struct options options;

	(void)state;
	assert_int_equal(parse(words, &options, NULL), RC_OK);
	assert_int_equal(options.verb, VERB_RUN);
	assert_string_equal(options.dir, "d");
	assert_string_equal(options.ca, "f");
	assert_string_equal(options.url, "https://h:1");
	assert_int_equal(options.devices, 25);
	assert_int_equal(options.interval_ms, 10000);
	assert_int_equal(options.notnow_percent, 0);
	assert_int_equal(options.error_percent, 0);
	assert_int_equal(options.seed, -1);
	assert_int_equal(options.for_ms, 0);
	assert_false(options.is_once);
	assert_false(options.is_json);
	assert_false(options.is_reenrolling);
}

static void each_option_goes_to_its_place_behind_a_space_or_an_equals_sign(void **state)
{
	const char *const words[] = {RUN, "--devices", "7", "--interval=2.5", "--notnow", "30",
		"--error=100", "--seed", "0", "--for", "1.25", "--once", "--json", "--reenroll", NULL};
	struct options options;

	(void)state;
	assert_int_equal(parse(words, &options, NULL), RC_OK);
	assert_int_equal(options.devices, 7);
	assert_int_equal(options.interval_ms, 2500);
	assert_int_equal(options.notnow_percent, 30);
	assert_int_equal(options.error_percent, 100);
	assert_int_equal(options.seed, 0);
	assert_int_equal(options.for_ms, 1250);
	assert_true(options.is_once);
	assert_true(options.is_json);
	assert_true(options.is_reenrolling);
}

static void help_has_three_names_and_needs_nothing_else(void **state)
{
	static const char *const names[] = {"help", "--help", "-h"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		const char *const words[] = {names[i], NULL};
		struct options options;

		assert_int_equal(parse(words, &options, NULL), RC_OK);
		assert_int_equal(options.verb, VERB_HELP);
	}
}

static void a_limit_is_allowed_and_one_past_it_is_not(void **state)
{
	static const struct {
		const char *option, *value;
		bool is_fine;
	} cases[] = {
		{"--devices", "1", true},
		{"--devices", "0", false},
		{"--devices", "1000000", true},
		{"--devices", "1000001", false},
		{"--devices", "x", false},
		{"--devices", "", false},
		{"--devices", "99999999999999999999", false},
		{"--interval", "0.01", true},
		{"--interval", "0.009", false},
		{"--interval", "86400", true},
		{"--interval", "86400.001", false},
		{"--interval", "1.", false},
		{"--interval", ".5", false},
		{"--interval", "1.2345", false},
		{"--interval", "-1", false},
		{"--interval", "1.-5", false},
		{"--interval", "1e3", false},
		{"--notnow", "100", true},
		{"--notnow", "101", false},
		{"--notnow", "-1", false},
		{"--error", "100", true},
		{"--error", "101", false},
		{"--seed", "9223372036854775807", true},
		{"--seed", "-1", false},
		{"--for", "0.001", true},
		{"--for", "0", false},
		{"--for", "31536000", true},
		{"--for", "31536000.001", false},
		{"--url", "https://[::1]:8443/", true},
		{"--url", "https://", false},
		{"--url", "https:///", false},
		{"--url", "https://h/mdm", false},
		{"--url", "https://h?x", false},
		{"--url", "https://u@h", false},
		{"--url", "http://h", false},
		{"--dir", "", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *const words[] = {RUN, cases[i].option, cases[i].value, NULL};
		struct options options;
		struct err err = {0};
		enum rc rc = parse(words, &options, &err);

		if ((rc == RC_OK) != cases[i].is_fine)
			fail_msg("%s '%s': %d %s", cases[i].option, cases[i].value, rc, err.text);
		if (rc != RC_OK)
			assert_non_null(strstr(err.text, cases[i].option));
	}
}

static void wrong_words_are_named(void **state)
{
	static const struct {
		const char *words[4];
		const char *says;
	} cases[] = {
		{{NULL}, "no verb"},
		{{"jump"}, "jump: no such verb (ca, pushcert, apns, run, fault, help)"},
		{{"ca"}, "--dir DIR: required"},
		{{"ca", "--dir"}, "--dir: needs DIR"},
		{{"ca", "--devices", "3"}, "--devices: no such option"},
		{{"run", "--dir", "d"}, "required"},
		{{"run", "--dirs", "d"}, "--dirs: no such option"},
		{{"run", "--di", "d"}, "--di: no such option"},
		{{"run", "stray"}, "stray: no such option"},
		{{"run", "--json=1"}, "--json: takes no value"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct options options;
		struct err err = {0};

		assert_int_equal(parse(cases[i].words, &options, &err), RC_INVALID);
		if (strstr(err.text, cases[i].says) == NULL)
			fail_msg("'%s' does not say '%s'", err.text, cases[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_with_the_required_options_has_the_defaults_that_help_tells),
		cmocka_unit_test(each_option_goes_to_its_place_behind_a_space_or_an_equals_sign),
		cmocka_unit_test(help_has_three_names_and_needs_nothing_else),
		cmocka_unit_test(a_limit_is_allowed_and_one_past_it_is_not),
		cmocka_unit_test(wrong_words_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
