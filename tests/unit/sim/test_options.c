/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "options.h"

enum { WORDS_MAX = 48 };

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
	assert_false(options.is_signing);
	assert_int_equal(options.restore_percent, 0);
	assert_int_equal(options.token_percent, 0);
	assert_int_equal(options.logout_percent, 0);
	assert_int_equal(options.away_ms, options.interval_ms);
	assert_int_equal(options.clones, 0);
}

static void what_happens_to_devices_by_itself_has_options(void **state)
{
	const char *const words[] = {RUN, "--devices", "3", "--restore", "1", "--token-change", "2",
		"--logout", "3", "--away", "0.5", "--clones", "2", NULL};
	const char *const too_many[] = {RUN, "--devices", "3", "--clones", "3", NULL};
	const char *const longer[] = {RUN, "--interval", "60", NULL};
	struct options options;
	struct err err = {0};

	(void)state;
	assert_int_equal(parse(words, &options, NULL), RC_OK);
	assert_int_equal(options.restore_percent, 1);
	assert_int_equal(options.token_percent, 2);
	assert_int_equal(options.logout_percent, 3);
	assert_int_equal(options.away_ms, 500);
	assert_int_equal(options.clones, 2);
	assert_int_equal(parse(too_many, &options, &err), RC_INVALID);
	assert_non_null(strstr(err.text, "--clones 3: not less than --devices (3)"));
	assert_int_equal(parse(longer, &options, NULL), RC_OK);
	assert_int_equal(options.away_ms, 60000);
}

static void each_option_goes_to_its_place_behind_a_space_or_an_equals_sign(void **state)
{
	const char *const words[] = {RUN, "--devices", "7", "--interval=2.5", "--notnow", "30",
		"--error=100", "--seed", "0", "--for", "1.25", "--once", "--json", "--reenroll", "--sign", NULL};
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
	assert_true(options.is_signing);
}

static void apns_alone_has_defaults_and_options_of_its_own(void **state)
{
	const char *const plain[] = {"apns", "--dir", "d", NULL};
	const char *const words[] = {"apns", "--dir", "d", "--listen", "[::1]:0", "--control", "c",
		"--fault", "mute=true", "--fault=count=2", "--keep", "9", "--no-client-cert", NULL};
	struct options options;

	(void)state;
	assert_int_equal(parse(plain, &options, NULL), RC_OK);
	assert_int_equal(options.verb, VERB_APNS);
	assert_string_equal(options.listen, "127.0.0.1:2197");
	assert_int_equal(options.keep, 4096);
	assert_null(options.control);
	assert_int_equal(options.word_count, 0);
	assert_false(options.is_anyone);
	assert_int_equal(parse(words, &options, NULL), RC_OK);
	assert_string_equal(options.listen, "[::1]:0");
	assert_string_equal(options.control, "c");
	assert_int_equal(options.word_count, 2);
	assert_string_equal(options.words[0], "mute=true");
	assert_string_equal(options.words[1], "count=2");
	assert_int_equal(options.keep, 9);
	assert_true(options.is_anyone);
}

static void devices_may_have_their_apns_with_them(void **state)
{
	const char *const words[] = {RUN, "--apns", "127.0.0.1:0", "--control", "c", "--fault",
		"mute=true", "--notnow-poll", "0.5", NULL};
	const char *const faults[] = {RUN, "--fault", "mute=true", NULL};
	const char *const control[] = {RUN, "--control", "c", NULL};
	struct options options;
	struct err err = {0};

	(void)state;
	assert_int_equal(parse(words, &options, NULL), RC_OK);
	assert_string_equal(options.apns, "127.0.0.1:0");
	assert_int_equal(options.notnow_poll_ms, 500);
	assert_int_equal(parse(faults, &options, &err), RC_INVALID);
	assert_non_null(strstr(err.text, "need --apns"));
	assert_int_equal(parse(control, &options, NULL), RC_INVALID);
}

static void a_push_certificate_has_options_of_its_own(void **state)
{
	const char *const plain[] = {"pushcert", "--dir", "d", "--out", "o", NULL};
	const char *const words[] = {"pushcert", "--dir", "d", "--out", "o", "--topic", "t", "--days",
		"36500", "--expired", NULL};
	struct options options;

	(void)state;
	assert_int_equal(parse(plain, &options, NULL), RC_OK);
	assert_int_equal(options.verb, VERB_PUSHCERT);
	assert_null(options.topic);
	assert_int_equal(options.days, 365);
	assert_false(options.is_expired);
	assert_int_equal(parse(words, &options, NULL), RC_OK);
	assert_string_equal(options.topic, "t");
	assert_int_equal(options.days, 36500);
	assert_true(options.is_expired);
}

static void a_fault_is_said_in_words(void **state)
{
	const char *const words[] = {"fault", "goaway", "--control", "c", "last_stream=none", NULL};
	const char *many[4 + OPTION_WORDS_MAX + 1] = {"fault", "--control", "c"};
	struct options options;

	(void)state;
	assert_int_equal(parse(words, &options, NULL), RC_OK);
	assert_int_equal(options.verb, VERB_FAULT);
	assert_int_equal(options.word_count, 2);
	assert_string_equal(options.words[0], "goaway");
	assert_string_equal(options.words[1], "last_stream=none");
	for (size_t i = 0; i < OPTION_WORDS_MAX; i++)
		many[3 + i] = "a=1";
	assert_int_equal(parse(many, &options, NULL), RC_OK);
	many[3 + OPTION_WORDS_MAX] = "a=1";
	assert_int_equal(parse(many, &options, NULL), RC_LIMIT);
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
		{"--keys", "1", true},
		{"--keys", "0", false},
		{"--keys", "10000", true},
		{"--keys", "10001", false},
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
		{"--apns", "h:0", true},
		{"--apns", "h:65535", true},
		{"--apns", "h:65536", false},
		{"--apns", ":1", false},
		{"--apns", "h:", false},
		{"--apns", "h", false},
		{"--keep", "1", true},
		{"--keep", "1000000", true},
		{"--keep", "1000001", false},
		{"--keep", "0", false},
		{"--restore", "100", true},
		{"--restore", "101", false},
		{"--token-change", "100", true},
		{"--token-change", "101", false},
		{"--logout", "100", true},
		{"--logout", "101", false},
		{"--away", "0.01", true},
		{"--away", "0.009", false},
		{"--away", "86400", true},
		{"--away", "86401", false},
		{"--clones", "24", true},
		{"--clones", "25", false}, /* as many as there are devices */
		{"--notnow-poll", "0.01", true},
		{"--notnow-poll", "0.009", false},
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
		{{"pushcert", "--dir", "d"}, "--out FILE: required"},
		{{"fault", "mute=true"}, "--control SOCKET: required"},
		{{"fault", "--speed"}, "--speed: no such option"},
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

static void each_way_of_enrolling_has_what_it_needs_and_no_more(void **state)
{
	static const struct {
		const char *words[8];
		const char *says; /* NULL: fine */
	} cases[] = {
		{{"--enroll", "direct", "--url", "https://h"}, NULL},
		{{"--enroll", "scep=f", "--url", "https://h"}, NULL},
		{{"--enroll=scep=f"}, "--url URL: required"},
		{{"--enroll", "profile=f"}, NULL},
		{{"--enroll", "profile=f", "--clones", "1"}, "--clones: not with --enroll profile"},
		{{"--enroll", "profile"}, "--enroll profile: needs =FILE"},
		{{"--enroll", "profile="}, "--enroll profile: needs =FILE"},
		{{"--enroll", "direct=x", "--url", "https://h"}, "takes nothing"},
		{{"--enroll", "nonsense=x"}, "--enroll nonsense: no such way"},
		{{"--enroll", "ade=https://h", "--user", "u"}, "--user: needs --password-file"},
		{{"--enroll", "ade=https://h", "--user", "u", "--password-file", "p"}, NULL},
		{{"--enroll", "byod=a@b", "--password-file", "p", "--url", "https://h"}, NULL},
		{{"--user", "u"}, "--user: needs"},
		{{NULL}, "--url URL: required"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *words[16] = {"run", "--dir", "d", "--ca", "f"};
		struct options options;
		struct err err = {0};
		enum rc rc;

		memcpy(&words[5], cases[i].words, sizeof(cases[i].words));
		rc = parse(words, &options, &err);
		if (cases[i].says == NULL ? rc != RC_OK : strstr(err.text, cases[i].says) == NULL)
			fail_msg("%zu: %s", i, err.text);
		if (rc == RC_OK)
			assert_non_null(options.way);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_with_the_required_options_has_the_defaults_that_help_tells),
		cmocka_unit_test(what_happens_to_devices_by_itself_has_options),
		cmocka_unit_test(each_way_of_enrolling_has_what_it_needs_and_no_more),
		cmocka_unit_test(each_option_goes_to_its_place_behind_a_space_or_an_equals_sign),
		cmocka_unit_test(apns_alone_has_defaults_and_options_of_its_own),
		cmocka_unit_test(devices_may_have_their_apns_with_them),
		cmocka_unit_test(a_push_certificate_has_options_of_its_own),
		cmocka_unit_test(a_fault_is_said_in_words),
		cmocka_unit_test(help_has_three_names_and_needs_nothing_else),
		cmocka_unit_test(a_limit_is_allowed_and_one_past_it_is_not),
		cmocka_unit_test(wrong_words_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
