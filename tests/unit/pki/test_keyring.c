/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keyring.h"
#include "pomona/base/file.h"

#define HEX_64 "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define LINE(id) id " " HEX_64 "\n"

/* A folder of the test's own; files in it are named by index. */
static char folder[] = "/tmp/pomona-keyring-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/master.key", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

static int remove_file(void **state)
{
	(void)state;
	(void)unlink(path);
	return 0;
}

static enum rc load(struct slice text, mode_t mode, struct keyring **keyring, struct err *err)
{
	enum rc rc;

	assert_int_equal(file_create(path, text, 0600, err), RC_OK);
	assert_int_equal(chmod(path, mode), 0);
	rc = keyring_load(path, keyring, err);
	assert_int_equal(unlink(path), 0);
	return rc;
}

static void a_made_file_loads_and_is_private_and_never_replaced(void **state)
{
	AUTO(keyring_free) struct keyring *keyring = NULL;
	AUTO(buf_fini) struct buf sealed;
	struct stat st;
	struct err err;

	(void)state;
	buf_init(&sealed, 1000);
	assert_int_equal(keyring_create_file(path, &err), RC_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 8 + 1 + 64 + 1);
	assert_int_equal(keyring_create_file(path, &err), RC_EXISTS);
	assert_int_equal(keyring_load(path, &keyring, &err), RC_OK);
	assert_int_equal(keyring->count, 1);
	assert_int_equal(seal(keyring, SLICE_LITERAL("x"), SLICE_LITERAL("y"), &sealed, &err), RC_OK);
}

static void the_last_line_seals_and_the_others_are_kept(void **state)
{
	AUTO(keyring_free) struct keyring *keyring = NULL;
	struct err err;

	(void)state;
	assert_int_equal(load(SLICE_LITERAL(LINE("00000009") LINE("fffffffE")), 0400, &keyring, &err),
		RC_OK);
	assert_int_equal(keyring->count, 2);
	assert_int_equal(keyring_sealing_id(keyring), 0xFFFFFFFE);
	assert_non_null(keyring_find(keyring, 9));
	assert_memory_equal(keyring->keys[0].bytes, "\x00\x11\x22", 3);
	assert_int_equal(keyring->keys[0].bytes[31], 0xFF);
	assert_null(keyring_find(keyring, 8));
}

static void a_last_line_without_an_end_is_complete(void **state)
{
	AUTO(keyring_free) struct keyring *keyring = NULL;
	struct err err;

	(void)state;
	assert_int_equal(load(SLICE_LITERAL("00000009 " HEX_64), 0600, &keyring, &err), RC_OK);
}

static void each_broken_line_is_named_with_its_rule_and_without_its_bytes(void **state)
{
	static const struct {
		struct slice text;
		const char *want; /* behind the path */
	} cases[] = {
		{SLICE_LITERAL(""), ":1: no key in it"},
		{SLICE_LITERAL("\n"), ":1: want 8 hex digits, one space, 64 hex digits"},
		{SLICE_LITERAL("# key\n"), ":1: want 8 hex digits, one space, 64 hex digits"},
		{SLICE_LITERAL(LINE("00000001") "\n"), ":2: want 8 hex digits, one space, 64 hex digits"},
		{SLICE_LITERAL(" " LINE("00000001")), ":1: want 8 hex digits, one space, 64 hex digits"},
		{SLICE_LITERAL(LINE("0000001")), ":1: want 8 hex digits, one space, 64 hex digits"},
		{SLICE_LITERAL(LINE("000000001")), ":1: want 8 hex digits, one space, 64 hex digits"},
		{SLICE_LITERAL(LINE("0000000g")), ":1: want 8 hex digits, one space, 64 hex digits"},
		{SLICE_LITERAL("00000001\t" HEX_64 "\n"), ":1: want 8 hex digits, one space, 64 hex digits"},
		{SLICE_LITERAL("00000001 " HEX_64 "0\n"), ":1: want 8 hex digits, one space, 64 hex digits"},
		{SLICE_LITERAL("00000001 " HEX_64 "\r\n"), ":1: want 8 hex digits, one space, 64 hex digits"},
		{SLICE_LITERAL("00000001 0\0" HEX_64 "\n"), ":1: want 8 hex digits, one space, 64 hex digits"},
		{SLICE_LITERAL("00000001 0x" HEX_64), ":1: want 8 hex digits, one space, 64 hex digits"},
		{SLICE_LITERAL(LINE("00000001") LINE("00000001")), ":2: this key id stands above already"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct keyring *keyring = NULL;
		char want[128];
		struct err err;

		assert_int_equal(load(cases[i].text, 0600, &keyring, &err), RC_INVALID);
		assert_null(keyring);
		(void)snprintf(want, sizeof(want), "%s%s", path, cases[i].want);
		assert_string_equal(err.text, want);
	}
}

static void a_file_may_hold_as_many_keys_as_its_limit_and_no_more(void **state)
{
	(void)state;
	for (unsigned past = 0; past <= 1; past++) {
		AUTO(keyring_free) struct keyring *keyring = NULL;
		AUTO(buf_fini) struct buf text;
		struct err err;

		buf_init(&text, 4096);
		for (unsigned i = 0; i < SEAL_KEYS_MAX + past; i++)
			buf_printf(&text, "%08x " HEX_64 "\n", i);
		assert_int_equal(load(buf_slice(&text), 0600, &keyring, &err), past == 0 ? RC_OK : RC_INVALID);
		if (past == 1)
			assert_non_null(strstr(err.text, ":17: too many keys, at most 16"));
	}
}

static void a_file_that_group_or_others_can_reach_is_denied(void **state)
{
	static const struct {
		mode_t mode;
		enum rc rc;
	} cases[] = {
		{0600, RC_OK},
		{0400, RC_OK},
		{0700, RC_OK},
		{0640, RC_DENIED},
		{0604, RC_DENIED},
		{0620, RC_DENIED},
		{0601, RC_DENIED},
		{0460, RC_DENIED},
		{0444, RC_DENIED},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(keyring_free) struct keyring *keyring = NULL;
		struct err err;

		assert_int_equal(load(SLICE_LITERAL(LINE("00000001")), cases[i].mode, &keyring, &err),
			cases[i].rc);
		assert_int_equal(keyring != NULL, cases[i].rc == RC_OK);
	}
}

static void a_systemd_credential_of_root_is_taken_and_nobody_elses(void **state)
{
	AUTO(keyring_free) struct keyring *keyring = NULL;
	struct err err;
	bool is_roots = geteuid() == 0 && getegid() == 0;

	(void)state;
	assert_int_equal(load(SLICE_LITERAL(LINE("00000001")), 0440, &keyring, &err),
		is_roots ? RC_OK : RC_DENIED);
	if (!is_roots)
		return;
	assert_int_equal(file_create(path, SLICE_LITERAL(LINE("00000001")), 0600, &err), RC_OK);
	assert_int_equal(chown(path, 0, 1), 0);
	assert_int_equal(chmod(path, 0440), 0);
	keyring_free(&keyring);
	assert_int_equal(keyring_load(path, &keyring, &err), RC_DENIED);
}

static void what_is_no_file_is_refused(void **state)
{
	struct keyring *keyring = NULL;
	struct err err;

	(void)state;
	assert_int_equal(keyring_load(path, &keyring, &err), RC_NOT_FOUND);
	assert_int_equal(keyring_load(folder, &keyring, &err), RC_INVALID);
	assert_null(keyring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_made_file_loads_and_is_private_and_never_replaced, remove_file),
		cmocka_unit_test(the_last_line_seals_and_the_others_are_kept),
		cmocka_unit_test(a_last_line_without_an_end_is_complete),
		cmocka_unit_test(each_broken_line_is_named_with_its_rule_and_without_its_bytes),
		cmocka_unit_test(a_file_may_hold_as_many_keys_as_its_limit_and_no_more),
		cmocka_unit_test(a_file_that_group_or_others_can_reach_is_denied),
		cmocka_unit_test_teardown(a_systemd_credential_of_root_is_taken_and_nobody_elses, remove_file),
		cmocka_unit_test(what_is_no_file_is_refused),
	};

	return cmocka_run_group_tests_name("pki/keyring", tests, make_folder, remove_folder);
}
