/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "push.h"

enum { WORDS_MAX = 8, LINE_BYTES = 256 };

/* The words of `line` are parted by blanks. */
static enum rc build(const char *line, struct json_value **body_r, struct err *err)
{
	static char name[] = "push";
	char *const command_words[] = {name};
	char text[LINE_BYTES];
	char *rest = text;
	char *words[WORDS_MAX];
	struct args args;
	int count = 0;
	int used;
	enum rc rc;

	(void)snprintf(text, sizeof(text), "%s", line);
	while (line[0] != '\0' && rest != NULL) {
		assert_true(count < WORDS_MAX);
		words[count++] = strsep(&rest, " ");
	}
	*body_r = json_new_object();
	assert_int_equal(args_parse(commands_find(1, command_words, &used), count, words, &args, err),
		RC_OK);
	rc = push_build_body(&args, *body_r, err);
	args_fini(&args);
	return rc;
}

static void what_is_asked_becomes_the_body(void **state)
{
	static const struct {
		const char *line, *body;
	} cases[] = {
		{"A B", "{\"ids\":[\"A\",\"B\"]}"},
		{"--all --urgent", "{\"urgent\":true,\"all\":true}"},
		{"--filter kind=user", "{\"filter\":{\"kind\":\"user\"}}"},
		{"--filter=serial=C=2 --filter=activity=inactive",
			"{\"filter\":{\"serial_number\":\"C=2\",\"activity\":\"inactive\"}}"},
		{"--filter=renewal=failed", "{\"filter\":{\"renewal\":\"failed\"}}"},
		{"--filter=state=", "{\"filter\":{\"state\":\"\"}}"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct json_value *body;
		struct buf text;

		buf_init(&text, 65536);
		assert_int_equal(build(cases[i].line, &body, NULL), RC_OK);
		assert_int_equal(json_write(body, false, &text, NULL), RC_OK);
		assert_string_equal(buf_cstr(&text), cases[i].body);
		buf_fini(&text);
		json_free(&body);
	}
}

static void what_cannot_be_meant_is_told(void **state)
{
	static const struct {
		const char *line, *word;
	} cases[] = {
		{"", "whom?"},
		{"A --all", "whom?"},
		{"--all --filter=kind=user", "whom?"},
		{"--filter=kind", "kind"},
		{"--filter=colour=red", "colour=red"},
		{"--filter==x", "=x"},
		{"--filter=serial=A --filter=serial_number=B", "twice"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct err err = {.rc = RC_OK};
		struct json_value *body;

		assert_int_equal(build(cases[i].line, &body, &err), RC_INVALID);
		if (strstr(err.text, cases[i].word) == NULL)
			fail_msg("%s: %s", cases[i].word, err.text);
		json_free(&body);
	}
}

static void only_sent_and_waiting_count_as_done(void **state)
{
	static const struct {
		const char *result;
		bool is_done;
	} cases[] = {
		{"{\"answer\": \"sent\"}", true},
		{"{\"answer\": \"waiting\"}", true},
		{"{\"answer\": \"refused\"}", false},
		{"{\"answer\": \"unknown\"}", false},
		{"{\"answer\": null}", false},
		{"{}", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct json_value *result = NULL;

		assert_int_equal(json_parse(slice_of_str(cases[i].result), &result, NULL), RC_OK);
		assert_int_equal(push_is_done(result), cases[i].is_done);
		json_free(&result);
	}
}

static void an_encrypted_key_is_told_from_its_marks(void **state)
{
	static const struct {
		const char *pem;
		bool is_encrypted;
	} cases[] = {
		{"", false},
		{"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", false},
		{"-----BEGIN PRIVATE KEY-----\nAAAA\n", false},
		{"-----BEGIN CERTIFICATE-----\nAAAA\n-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n", true},
		{"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(pushcert_is_encrypted(slice_of_str(cases[i].pem)), cases[i].is_encrypted);
	assert_false(pushcert_is_encrypted(slice_of(NULL, 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_asked_becomes_the_body),
		cmocka_unit_test(what_cannot_be_meant_is_told),
		cmocka_unit_test(only_sent_and_waiting_count_as_done),
		cmocka_unit_test(an_encrypted_key_is_told_from_its_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
