/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "options.h"
#include "pomona/base/compiler.h"

enum { WORDS_MAX = 5 };

static void each_command_line_has_its_verb(void **state)
{
	static const struct {
		const char *words[WORDS_MAX];
		enum options_verb verb;
		const char *conf_path; /* NULL: not looked at */
	} rows[] = {
		{{"pomonad"}, OPTIONS_RUN, NULL},
		{{"pomonad", "-c", "/x.conf"}, OPTIONS_RUN, "/x.conf"},
		{{"pomonad", "-t"}, OPTIONS_TEST, NULL},
		{{"pomonad", "-t", "-c", "/x.conf"}, OPTIONS_TEST, "/x.conf"},
		{{"pomonad", "-tc/x.conf"}, OPTIONS_TEST, "/x.conf"},
		{{"pomonad", "-V"}, OPTIONS_VERSION, NULL},
		{{"pomonad", "-h"}, OPTIONS_HELP, NULL},
		{{"pomonad", "-c"}, OPTIONS_WRONG, NULL},
		{{"pomonad", "-x"}, OPTIONS_WRONG, NULL},
		{{"pomonad", "start"}, OPTIONS_WRONG, NULL},
		{{"pomonad", "-t", "x"}, OPTIONS_WRONG, NULL},
	};

	(void)state;
	opterr = 0;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char copies[WORDS_MAX][32] = {{0}};
		char *argv[WORDS_MAX + 1] = {0};
		struct options options;
		int argc = 0;

		while (argc < WORDS_MAX && rows[i].words[argc] != NULL) {
			memcpy(copies[argc], rows[i].words[argc], strlen(rows[i].words[argc]));
			argv[argc] = copies[argc];
			argc++;
		}
		options = options_read(argc, argv);
		assert_int_equal(options.verb, rows[i].verb);
		if (rows[i].conf_path != NULL)
			assert_string_equal(options.conf_path, rows[i].conf_path);
	}
}

static void without_a_word_the_installed_conf_is_meant_and_the_usage_names_it(void **state)
{
	char name[] = "pomonad";
	char *argv[] = {name, NULL};
	struct options options = options_read(1, argv);

	(void)state;
	assert_non_null(strstr(options.conf_path, "/pomona/pomona.conf"));
	assert_non_null(strstr(options_usage(), options.conf_path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_command_line_has_its_verb),
		cmocka_unit_test(without_a_word_the_installed_conf_is_meant_and_the_usage_names_it),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
