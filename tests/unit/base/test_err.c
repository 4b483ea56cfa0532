/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "pomona/base/err.h"

static void a_fault_is_filled_and_its_code_returned(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set(&err, RC_LIMIT, "body: %d bytes", 7), RC_LIMIT);
	assert_int_equal(err.rc, RC_LIMIT);
	assert_string_equal(err.text, "body: 7 bytes");
	assert_int_equal(err_set(NULL, RC_LIMIT, "body"), RC_LIMIT);
}

static void a_fault_of_the_system_says_why(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set_errno(&err, ENOENT, "%s", "/x"), RC_IO);
	assert_string_equal(err.text, "/x: No such file or directory");
	assert_int_equal(err_set_errno(&err, ENOMEM, "x"), RC_NO_MEMORY);
	assert_int_equal(err_set_errno(NULL, ENOENT, "x"), RC_IO);
}

static void context_comes_in_front_and_keeps_the_code(void **state)
{
	struct err err;

	(void)state;
	(void)err_set(&err, RC_EXISTS, "inner");
	assert_int_equal(err_context(&err, "outer %d", 1), RC_EXISTS);
	assert_string_equal(err.text, "outer 1: inner");
	assert_int_equal(err.rc, RC_EXISTS);
}

static void a_long_text_is_cut_and_still_ends(void **state)
{
	char text[2 * ERR_TEXT_BYTES];
	struct err err;

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = 0;
	(void)err_set(&err, RC_INVALID, "%s", text);
	assert_int_equal(strlen(err.text), ERR_TEXT_BYTES - 1);
	(void)err_context(&err, "context");
	assert_int_equal(strlen(err.text), ERR_TEXT_BYTES - 1);
	assert_int_equal(strncmp(err.text, "context: aaa", 12), 0);
	(void)err_context(&err, "%s", text);
	assert_int_equal(strlen(err.text), ERR_TEXT_BYTES - 1);
	(void)err_set_errno(&err, ENOENT, "%s", text);
	assert_int_equal(strlen(err.text), ERR_TEXT_BYTES - 1);
}

static void every_code_has_a_word_of_its_own_and_a_status(void **state)
{
	(void)state;
	for (int rc = 0; rc < RC_COUNT; rc++) {
		unsigned status = rc_http_status((enum rc)rc);

		assert_non_null(rc_name((enum rc)rc));
		assert_true(status == 200 || (status >= 400 && status <= 503));
		assert_true((status == 200) == (rc == RC_OK));
		for (int other = 0; other < rc; other++)
			assert_string_not_equal(rc_name((enum rc)rc), rc_name((enum rc)other));
	}
	assert_string_equal(rc_name(RC_COUNT), "unknown");
	assert_int_equal(rc_http_status(RC_COUNT), 500);
}

/* A 401 makes a device remove its management: unenrolling alone may give it. */
static void no_code_is_a_401(void **state)
{
	(void)state;
	for (int rc = 0; rc <= RC_COUNT; rc++)
		assert_int_not_equal(rc_http_status((enum rc)rc), 401);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fault_is_filled_and_its_code_returned),
		cmocka_unit_test(a_fault_of_the_system_says_why),
		cmocka_unit_test(context_comes_in_front_and_keeps_the_code),
		cmocka_unit_test(a_long_text_is_cut_and_still_ends),
		cmocka_unit_test(every_code_has_a_word_of_its_own_and_a_status),
		cmocka_unit_test(no_code_is_a_401),
	};

	return cmocka_run_group_tests_name("base/err", tests, NULL, NULL);
}
