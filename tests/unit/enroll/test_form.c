/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "form.h"

enum { OUT_BYTES = 16 };

static enum rc get(const char *body, const char *name, char out[static OUT_BYTES])
{
	struct err err = {.rc = RC_OK};
	enum rc rc = form_field(slice_of_str(body), name, out, OUT_BYTES, &err);

	if (rc != RC_OK)
		assert_non_null(strstr(err.text, name)); /* which field it is */
	return rc;
}

static void a_field_is_found_and_decoded(void **state)
{
	static const struct {
		const char *body, *wanted;
	} cases[] = {
		{"name=ada", "ada"},
		{"a=b&name=ada&c=d", "ada"},
		{"name=ada&name=bob", "ada"},
		{"name=ada+l%2Bx", "ada l+x"},
		{"name=%C3%A4%26%3d", "\xc3\xa4&="},
		{"name=a=b", "a=b"},
		{"name=", ""},
		{"name", ""},
		{"&&name=ada&&", "ada"},
		{"name=123456789012345", "123456789012345"},
	};
	char out[OUT_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		if (get(cases[i].body, "name", out) != RC_OK || strcmp(out, cases[i].wanted) != 0)
			fail_msg("%s: %s", cases[i].body, out);
	}
}

static void what_is_no_field_is_told_apart(void **state)
{
	static const struct {
		const char *body;
		enum rc wanted;
	} cases[] = {
		{"", RC_NOT_FOUND},
		{"names=ada&nam=e", RC_NOT_FOUND},
		{"na%6De=ada", RC_NOT_FOUND}, /* no browser writes our names so */
		{"name=%4", RC_INVALID},
		{"name=%", RC_INVALID},
		{"name=%zz", RC_INVALID},
		{"name=%00", RC_INVALID},
		{"name=a%0Ab", RC_INVALID},
		{"name=%ff", RC_INVALID},
		{"name=1234567890123456", RC_LIMIT},
	};
	char out[OUT_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		memset(out, 'x', sizeof(out));
		if (get(cases[i].body, "name", out) != cases[i].wanted || out[0] != '\0')
			fail_msg("%s: %s", cases[i].body, out);
	}
}

static void a_form_has_a_bound(void **state)
{
	static char body[FORM_BYTES_MAX + 1];
	char out[OUT_BYTES];

	(void)state;
	memset(body, 'a', sizeof(body));
	memcpy(body, "name=ada&", 9);
	assert_int_equal(form_field(slice_of(body, FORM_BYTES_MAX), "name", out, sizeof(out), NULL),
		RC_OK);
	assert_int_equal(form_field(slice_of(body, FORM_BYTES_MAX + 1), "name", out, sizeof(out), NULL),
		RC_LIMIT);
	assert_string_equal(out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_field_is_found_and_decoded),
		cmocka_unit_test(what_is_no_field_is_told_apart),
		cmocka_unit_test(a_form_has_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
