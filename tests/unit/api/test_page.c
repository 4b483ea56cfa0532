/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "private.h"

static void a_cursor_comes_back_as_the_id_it_was_made_of(void **state)
{
	static const int64_t ids[] = {0, 1, 255, 256, 1234567890123, INT64_MAX};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ids); i++) {
		char cursor[PAGE_CURSOR_BYTES];
		int64_t id = -1;

		api_page_cursor_format(ids[i], cursor);
		assert_int_equal(api_page_cursor_parse(slice_of_str(cursor), &id, NULL), RC_OK);
		assert_true(id == ids[i]);
	}
}

static void a_cursor_that_is_not_ours_is_refused(void **state)
{
	static const char *const cursors[] = {"", "0", "000000000000001", "00000000000000001",
		"000000000000000g", "-000000000000001", "8000000000000000", "ffffffffffffffff"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cursors); i++) {
		struct err err = {.rc = RC_OK};
		int64_t id = -1;

		assert_int_equal(api_page_cursor_parse(slice_of_str(cursors[i]), &id, &err), RC_INVALID);
		assert_true(id == -1);
	}
}

static void only_a_full_page_has_a_next_one(void **state)
{
	const struct page page = {.limit = 3};
	struct json_value *full = json_new_object();
	struct json_value *last = json_new_object();

	(void)state;
	api_page_end(&page, 3, 77, full);
	api_page_end(&page, 2, 77, last);
	assert_true(slice_is_str(json_string(json_get(full, "next_cursor")), "000000000000004d"));
	assert_int_equal(json_kind(json_get(last, "next_cursor")), JSON_KIND_NULL);
	json_free(&full);
	json_free(&last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cursor_comes_back_as_the_id_it_was_made_of),
		cmocka_unit_test(a_cursor_that_is_not_ours_is_refused),
		cmocka_unit_test(only_a_full_page_has_a_next_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
