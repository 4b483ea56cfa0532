/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <malloc.h>

#include "pomona/json/json.h"

/* Every piece of memory that is given back is looked at. */

#define SECRET "correct horse battery staple"

static unsigned frees, leaks;

void __real_free(void *bytes);
void __wrap_free(void *bytes);

void __wrap_free(void *bytes)
{
	const size_t len = bytes == NULL ? 0 : malloc_usable_size(bytes);

	frees++;
	if (len > 0 && memmem(bytes, len, SECRET, strlen(SECRET)) != NULL)
		leaks++;
	__real_free(bytes);
}

static void what_was_parsed_is_wiped_when_it_is_freed(void **state)
{
	static const struct {
		const char *text;
		enum rc rc;
	} cases[] = {
		{"{\"password\": \"" SECRET "\", \"ids\": [\"a\", \"" SECRET "\\n" SECRET "\"]}", RC_OK},
		{"[\"" SECRET "\"", RC_INVALID},
		{"\"" SECRET "\"", RC_OK},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct json_value *value = NULL;

		frees = 0;
		leaks = 0;
		assert_int_equal(json_parse(slice_of_str(cases[i].text), &value, NULL), cases[i].rc);
		json_free(&value);
		assert_true(frees > 0);
		assert_int_equal(leaks, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_parsed_is_wiped_when_it_is_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
