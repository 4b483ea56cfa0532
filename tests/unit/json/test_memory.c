/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pomona/json/json.h"

/* Calls until one fails; below 0 none does. */
static int calls_left = -1;

static bool is_short(void)
{
	return calls_left >= 0 && calls_left-- == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);

void *__wrap_malloc(size_t size)
{
	return is_short() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return is_short() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return is_short() ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
	return is_short() ? NULL : __real_reallocarray(old, count, size);
}

static enum rc build_and_write(struct buf *out)
{
	struct json_value *root = json_new_object();
	struct json_value *list = json_set_array(root, "list");
	struct json_value *own = json_new_array();
	enum rc rc;

	json_set_str(root, "text", "a\xff");
	json_set_str(root, "none", NULL);
	json_set_real(root, "real", 0.5);
	json_set_bool(root, "yes", true);
	for (int i = 0; i < 20; i++) {
		struct json_value *child = json_append_object(list);

		json_set_int(child, "n", i);
		json_append_int(own, i);
	}
	json_set_value(root, "own", own);
	rc = json_write(root, true, out, NULL);
	json_free(&root);
	return rc;
}

static void building_survives_each_failed_allocation_and_tells(void **state)
{
	enum rc rc = RC_NO_MEMORY;
	int calls = 0;

	(void)state;
	for (; rc != RC_OK; calls++) {
		AUTO(buf_fini) struct buf out = {.bound = 4096};

		calls_left = calls;
		rc = build_and_write(&out);
		assert_true(rc == RC_NO_MEMORY || calls_left >= 0);
		calls_left = -1;
	}
	assert_true(calls > 100);
}

static void parsing_survives_each_failed_allocation_and_tells(void **state)
{
	static const char text[] =
		"{\"a\": [1, 2, 3, 4, 5, 6, 7, 8, 9], \"b\": {\"c\": \"d\"}, \"e\": 0.5}";
	struct json_value *value = NULL;
	enum rc rc = RC_NO_MEMORY;
	int calls = 0;

	(void)state;
	for (; rc != RC_OK; calls++) {
		calls_left = calls;
		rc = json_parse(slice_of_str(text), &value, NULL);
		calls_left = -1;
		assert_true(rc == RC_OK || (rc == RC_NO_MEMORY && value == NULL));
	}
	assert_true(calls > 15);
	json_free(&value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(building_survives_each_failed_allocation_and_tells),
		cmocka_unit_test(parsing_survives_each_failed_allocation_and_tells),
	};

	return cmocka_run_group_tests_name("json/memory", tests, NULL, NULL);
}
