/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "keyset.h"

enum { KEYS = 20000 };

static struct slice key_of(int number, char text[static 32])
{
	return slice_of(text, (size_t)snprintf(text, 32, "key %d", number));
}

static void a_key_is_new_once_in_each_dictionary(void **state)
{
	struct keyset set;
	char text[32];

	(void)state;
	plist_keyset_init(&set);
	for (int i = 0; i < KEYS; i++)
		assert_int_equal(plist_keyset_add(&set, (uint32_t)i % 2, key_of(i, text)), RC_OK);
	for (int i = 0; i < KEYS; i++) {
		assert_int_equal(plist_keyset_add(&set, (uint32_t)i % 2, key_of(i, text)), RC_EXISTS);
		assert_int_equal(plist_keyset_add(&set, (uint32_t)i % 2 + 2, key_of(i, text)), RC_OK);
	}
	plist_keyset_fini(&set);
}

static void keys_of_every_length_differ_in_every_byte(void **state)
{
	struct keyset set;
	char text[40] = {0};

	(void)state;
	plist_keyset_init(&set);
	for (size_t len = 0; len <= sizeof(text); len++)
		assert_int_equal(plist_keyset_add(&set, 0, slice_of(text, len)), RC_OK);
	for (size_t at = 0; at < sizeof(text); at++) {
		text[at] = 1;
		assert_int_equal(plist_keyset_add(&set, 0, slice_of(text, sizeof(text))), RC_OK);
		assert_int_equal(plist_keyset_add(&set, 0, slice_of(text, sizeof(text))), RC_EXISTS);
		text[at] = 0;
	}
	plist_keyset_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_new_once_in_each_dictionary),
		cmocka_unit_test(keys_of_every_length_differ_in_every_byte),
	};

	return cmocka_run_group_tests_name("plist/keyset", tests, NULL, NULL);
}
