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

/* --- files that change */

static bool is_not_of_first_line(void *ctx, uint32_t key_id)
{
	(void)ctx;
	return key_id != 0x0a0b0c0d;
}

static bool is_of_nobody(void *ctx, uint32_t key_id)
{
	(void)ctx;
	(void)key_id;
	return false;
}

static void make(const char *text, mode_t mode)
{
	assert_int_equal(file_replace(path, slice_of_str(text), 0600, NULL), RC_OK);
	assert_int_equal(chmod(path, mode), 0);
}

static void a_key_is_added_as_the_last_line_and_owner_and_mode_stay(void **state)
{
	AUTO(keyring_free) struct keyring *keyring = NULL;
	AUTO(keyring_free) struct keyring *loaded = NULL;
	const bool is_root = geteuid() == 0;
	struct stat st;
	struct err err;

	(void)state;
	make(LINE("0a0b0c0d"), 0400);
	if (is_root)
		assert_int_equal(chown(path, 12, 34), 0);
	assert_int_equal(keyring_file_add(path, &keyring, &err), RC_OK);
	assert_int_equal(keyring_count(keyring), 2);
	assert_int_equal(keyring_id(keyring, 0), 0x0a0b0c0d);
	assert_int_not_equal(keyring_sealing_id(keyring), 0x0a0b0c0d);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	if (is_root)
		assert_true(st.st_uid == 12 && st.st_gid == 34);
	assert_int_equal(keyring_load(path, &loaded, &err), RC_OK);
	assert_true(keyring_is_same(keyring, loaded));
}

static void a_link_to_a_key_file_stays_one(void **state)
{
	AUTO(keyring_free) struct keyring *keyring = NULL;
	char link[128];
	struct stat st;
	struct err err;

	(void)state;
	make(LINE("0a0b0c0d"), 0600);
	(void)snprintf(link, sizeof(link), "%s/link", folder);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(keyring_file_add(link, &keyring, &err), RC_OK);
	keyring_free(&keyring);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(keyring_load(path, &keyring, &err), RC_OK);
	assert_int_equal(keyring_count(keyring), 2);
	assert_int_equal(unlink(link), 0);
}

static void a_key_is_added_up_to_the_limit_and_no_further(void **state)
{
	struct err err;

	(void)state;
	make(LINE("0a0b0c0d"), 0600);
	for (size_t i = 1; i <= SEAL_KEYS_MAX; i++) {
		AUTO(keyring_free) struct keyring *keyring = NULL;

		assert_int_equal(keyring_file_add(path, &keyring, &err), i < SEAL_KEYS_MAX ? RC_OK : RC_LIMIT);
		assert_int_equal(keyring == NULL ? 0 : keyring_count(keyring), i < SEAL_KEYS_MAX ? i + 1 : 0);
	}
}

static void keys_that_nobody_needs_go_but_never_the_last(void **state)
{
	AUTO(keyring_free) struct keyring *keyring = NULL;
	struct err err;

	(void)state;
	make(LINE("0a0b0c0d") LINE("00000002") LINE("00000003"), 0600);
	assert_int_equal(keyring_file_prune(path, is_not_of_first_line, NULL, &keyring, &err), RC_OK);
	assert_int_equal(keyring_count(keyring), 2);
	assert_int_equal(keyring_id(keyring, 0), 2);
	keyring_free(&keyring);
	assert_int_equal(keyring_file_prune(path, is_of_nobody, NULL, &keyring, &err), RC_OK);
	keyring_free(&keyring);
	assert_int_equal(keyring_load(path, &keyring, &err), RC_OK);
	assert_int_equal(keyring_count(keyring), 1);
	assert_int_equal(keyring_sealing_id(keyring), 3);
}

static void a_credential_is_not_written(void **state)
{
	AUTO(keyring_free) struct keyring *keyring = NULL;
	struct err err;

	(void)state;
	make(LINE("0a0b0c0d"), 0600);
	assert_false(keyring_file_is_credential(path));
	assert_true(keyring_file_is_credential("/run/credentials/pomonad.service/master.key"));
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
	assert_true(keyring_file_is_credential(path));
	assert_int_equal(keyring_file_add(path, &keyring, &err), RC_DENIED);
	assert_non_null(strstr(err.text, "credential"));
	assert_int_equal(keyring_file_prune(path, is_of_nobody, NULL, &keyring, &err), RC_DENIED);
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	assert_int_equal(keyring_load(path, &keyring, &err), RC_OK);
	assert_int_equal(keyring_count(keyring), 1);
}

static void keyrings_are_compared_by_id_and_bytes(void **state)
{
	static const uint8_t one[SEAL_KEY_BYTES] = {1};
	static const uint8_t two[SEAL_KEY_BYTES] = {2};
	AUTO(keyring_free) struct keyring *a = keyring_of_key(1, one);
	AUTO(keyring_free) struct keyring *same = keyring_of_key(1, one);
	AUTO(keyring_free) struct keyring *id = keyring_of_key(2, one);
	AUTO(keyring_free) struct keyring *bytes = keyring_of_key(1, two);
	AUTO(keyring_free) struct keyring *held = keyring_ref(a);

	(void)state;
	assert_true(keyring_is_same(a, same) && keyring_is_same(a, held));
	assert_false(keyring_is_same(a, id) || keyring_is_same(a, bytes));
	assert_true(keyring_shares(a, same, 1));
	assert_false(
		keyring_shares(a, id, 1) || keyring_shares(a, bytes, 1) || keyring_shares(a, same, 2));
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
		cmocka_unit_test_teardown(a_key_is_added_as_the_last_line_and_owner_and_mode_stay, remove_file),
		cmocka_unit_test_teardown(a_link_to_a_key_file_stays_one, remove_file),
		cmocka_unit_test_teardown(a_key_is_added_up_to_the_limit_and_no_further, remove_file),
		cmocka_unit_test_teardown(keys_that_nobody_needs_go_but_never_the_last, remove_file),
		cmocka_unit_test_teardown(a_credential_is_not_written, remove_file),
		cmocka_unit_test(keyrings_are_compared_by_id_and_bytes),
	};

	return cmocka_run_group_tests_name("pki/keyring", tests, make_folder, remove_folder);
}
