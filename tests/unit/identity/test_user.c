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

#include "pomona/base/file.h"
#include "pomona/identity/user.h"

enum { US_A_SECOND = 1000000 };

static char folder[] = "/tmp/pomona-users-XXXXXX";
static char path[64];
static int64_t now_us;

static int64_t the_time(void *ctx)
{
	(void)ctx;
	return now_us;
}

static const struct clock test_clock = {.unix_ms = the_time, .monotonic_us = the_time};

static int make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/users", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

static struct user_row row_of(const char *name, const char *password)
{
	struct user_row row;
	struct err err = {0};

	if (user_row_make(name, "Somebody", "realm", slice_of_str(password), &row, &err) != RC_OK)
		fail_msg("%s", err.text);
	return row;
}

static void a_file_is_kept_and_read_again(void **state)
{
	static const char *const names[] = {"mia", "ada", "zoe", "bob", "ada"};
	AUTO(user_file_free) struct user_file *file = user_file_new();
	AUTO(user_file_free) struct user_file *again = NULL;
	struct stat st;
	struct err err = {0};

	(void)state;
	assert_int_equal(user_file_load("/nowhere/users", &again, &err), RC_NOT_FOUND);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		const struct user_row row = row_of(names[i], i == 4 ? "new" : "old");

		assert_int_equal(user_file_put(file, &row, &err), RC_OK);
	}
	assert_int_equal(user_file_save(file, path, &err), RC_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	if (user_file_load(path, &again, &err) != RC_OK)
		fail_msg("%s", err.text);
	assert_int_equal(user_file_count(again), 4);
	for (size_t i = 0; i < user_file_count(again); i++)
		assert_memory_equal(user_file_at(again, i), user_file_at(file, i), sizeof(struct user_row));
	assert_string_equal(user_file_at(again, 0)->name, "ada");
	assert_true(user_file_remove(again, SLICE_LITERAL("bob")));
	assert_false(user_file_remove(again, SLICE_LITERAL("bob")));
	assert_null(user_file_find(again, SLICE_LITERAL("bob")));
	assert_non_null(user_file_find(again, SLICE_LITERAL("zoe")));
}

static void a_file_that_others_can_read_is_refused(void **state)
{
	AUTO(user_file_free) struct user_file *file = user_file_new();
	static const mode_t bad[] = {0640, 0604, 0620, 0666};
	struct err err = {0};

	(void)state;
	assert_int_equal(user_file_save(file, path, &err), RC_OK);
	user_file_free(&file);
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(chmod(path, bad[i]), 0);
		assert_int_equal(user_file_load(path, &file, &err), RC_DENIED);
		assert_null(file);
	}
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(user_file_load(path, &file, &err), RC_OK);
}

#define HASH \
	"scrypt$15$8$1$30313233343536373839616263646566$" \
	"0000000000000000000000000000000000000000000000000000000000000000"
#define MD5 "00000000000000000000000000000000"
#define SHA MD5 MD5

static void a_broken_line_is_named_and_shows_no_secret(void **state)
{
	static const struct {
		const char *text, *fault;
	} bad[] = {
		{"ada\n", ":1: want 6 fields"},
		{"# x\n\nada\tA\t" HASH "\tr\t" MD5 "\n", ":3: want 6 fields"},
		{"ada\tA\t" HASH "\tr\t" MD5 "\t" SHA "\tmore\n", ":1: want 6 fields"},
		{"\tA\t" HASH "\tr\t" MD5 "\t" SHA "\n", ":1: name"},
		{"a:b\tA\t" HASH "\tr\t" MD5 "\t" SHA "\n", ":1: name"},
		{" a\tA\t" HASH "\tr\t" MD5 "\t" SHA "\n", ":1: name"},
		{"ada\tA\x01\t" HASH "\tr\t" MD5 "\t" SHA "\n", ":1: display name"},
		{"ada\tA\tsecret\tr\t" MD5 "\t" SHA "\n", ":1: the third field"},
		{"ada\tA\t" HASH "\t\t" MD5 "\t" SHA "\n", ":1: realm"},
		{"ada\tA\t" HASH "\tr\"\t" MD5 "\t" SHA "\n", ":1: realm"},
		{"ada\tA\t" HASH "\tr\tsecret\t" SHA "\n", ":1: the last two"},
		{"ada\tA\t" HASH "\tr\t" MD5 "\t" MD5 "\n", ":1: the last two"},
		{"ada\tA\t" HASH "\tr\t" MD5 "\t" SHA "\nada\tB\t" HASH "\tr\t" MD5 "\t" SHA "\n",
			":2: this name"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		AUTO(user_file_free) struct user_file *file = NULL;
		struct err err = {0};

		assert_int_equal(file_replace(path, slice_of_str(bad[i].text), 0600, &err), RC_OK);
		assert_int_equal(user_file_load(path, &file, &err), RC_INVALID);
		if (strstr(err.text, bad[i].fault) == NULL)
			fail_msg("%zu: %s", i, err.text);
		assert_null(strstr(err.text, "secret"));
	}
}

static void names_and_passwords_have_their_limits(void **state)
{
	char name[USER_NAME_BYTES_MAX + 2];
	struct user_row row;
	struct err err = {0};

	(void)state;
	memset(name, 'n', sizeof(name));
	name[USER_NAME_BYTES_MAX] = '\0';
	assert_int_equal(user_row_make(name, name, "r", SLICE_LITERAL("p"), &row, &err), RC_OK);
	name[USER_NAME_BYTES_MAX] = 'n';
	name[USER_NAME_BYTES_MAX + 1] = '\0';
	assert_int_equal(user_row_make(name, "", "r", SLICE_LITERAL("p"), &row, &err), RC_LIMIT);
	assert_int_equal(user_row_make("n", name, "r", SLICE_LITERAL("p"), &row, &err), RC_LIMIT);
	assert_int_equal(user_row_make("n", "", "r", SLICE_LITERAL(""), &row, &err), RC_INVALID);
	assert_int_equal(user_row_make("", "", "r", SLICE_LITERAL("p"), &row, &err), RC_INVALID);
	assert_int_equal(user_row_make("n", "", "", SLICE_LITERAL("p"), &row, &err), RC_INVALID);
	assert_int_equal(user_row_make("n\n", "", "r", SLICE_LITERAL("p"), &row, &err), RC_INVALID);
	assert_int_equal(user_row_make("#n", "", "r", SLICE_LITERAL("p"), &row, &err), RC_INVALID);
}

/* --- the directory */

struct asking {
	struct user_directory *directory;
	struct user_query query;
	int answers;
};

static void answered(struct user_query *query)
{
	((struct asking *)query->ctx)->answers++;
}

static void open_directory(struct asking *asking)
{
	struct user_file *file = user_file_new();
	const struct user_row row = row_of("ada", "right");
	struct err err = {0};

	memset(asking, 0, sizeof(*asking));
	assert_int_equal(user_file_put(file, &row, &err), RC_OK);
	assert_int_equal(user_directory_new(&test_clock, &asking->directory, &err), RC_OK);
	user_directory_set(asking->directory, &file);
	assert_null(file);
}

static enum user_verdict check_password(struct asking *asking, const char *name,
	const char *password, const char *address)
{
	asking->answers = 0;
	asking->query = (struct user_query){
		.name = slice_of_str(name),
		.password = slice_of_str(password),
		.address = slice_of_str(address),
		.done = answered,
		.ctx = asking,
	};
	user_check_password(asking->directory, &asking->query);
	assert_int_equal(asking->answers, 1);
	return asking->query.verdict;
}

static enum user_verdict check_digest(struct asking *asking, const char *name, const char *password,
	const char *address, const char *realm)
{
	static const char *const methods[] = {"PUT"};
	const struct slice a2[] = {SLICE_LITERAL("PUT"), SLICE_LITERAL("/")};
	char ha2[DIGEST_HEX_BYTES];
	char response[DIGEST_HEX_BYTES];
	struct digest_ha1 ha1;
	struct digest_answer answer = {.algorithm = DIGEST_SHA256,
		.username = slice_of_str(name),
		.realm = slice_of_str(realm),
		.nonce = SLICE_LITERAL("n"),
		.uri = SLICE_LITERAL("/")};
	struct slice parts[3];

	assert_int_equal(digest_ha1_make(answer.username, answer.realm, slice_of_str(password), &ha1,
																			NULL),
		RC_OK);
	assert_int_equal(digest_hex(DIGEST_SHA256, a2, 2, ha2, NULL), RC_OK);
	parts[0] = slice_of_str(ha1.hex[DIGEST_SHA256]);
	parts[1] = answer.nonce;
	parts[2] = slice_of_str(ha2);
	assert_int_equal(digest_hex(DIGEST_SHA256, parts, 3, response, NULL), RC_OK);
	answer.response = slice_of_str(response);
	asking->answers = 0;
	asking->query = (struct user_query){
		.name = slice_of_str(name),
		.digest = &answer,
		.realm = slice_of_str(realm),
		.methods = methods,
		.method_count = 1,
		.address = slice_of_str(address),
		.done = answered,
		.ctx = asking,
	};
	user_check_digest(asking->directory, &asking->query);
	assert_int_equal(asking->answers, 1);
	return asking->query.verdict;
}

static void who_is_asked_for_is_found_and_proved(void **state)
{
	struct asking asking;

	(void)state;
	open_directory(&asking);
	assert_int_equal(check_password(&asking, "ada", "right", "192.0.2.1:1"), USER_GOOD);
	assert_string_equal(asking.query.display_name, "Somebody");
	assert_int_equal(check_password(&asking, "ada", "wrong", "192.0.2.1:1"), USER_WRONG);
	assert_string_equal(asking.query.display_name, "");
	assert_int_equal(check_password(&asking, "bob", "right", "192.0.2.1:1"), USER_UNKNOWN);
	assert_int_equal(check_digest(&asking, "ada", "right", "192.0.2.1:1", "realm"), USER_GOOD);
	assert_int_equal(check_digest(&asking, "ada", "wrong", "192.0.2.1:1", "realm"), USER_WRONG);
	assert_int_equal(check_digest(&asking, "bob", "right", "192.0.2.1:1", "realm"), USER_UNKNOWN);
	assert_int_equal(check_digest(&asking, "ada", "right", "192.0.2.1:1", "new realm"),
		USER_OTHER_REALM);
	user_find(asking.directory, &asking.query);
	assert_int_equal(asking.query.verdict, USER_GOOD);
	asking.query.name = SLICE_LITERAL("bob");
	user_find(asking.directory, &asking.query);
	assert_int_equal(asking.query.verdict, USER_UNKNOWN);
	user_directory_free(&asking.directory);
}

static void a_name_may_be_wrong_so_often_and_is_free_after_a_while(void **state)
{
	struct asking asking;

	(void)state;
	open_directory(&asking);
	for (int i = 0; i < 3 * USER_WRONG_PER_NAME; i++)
		assert_int_equal(check_digest(&asking, "ada", "right", "192.0.2.1:1", "realm"), USER_GOOD);
	for (int i = 0; i < USER_WRONG_PER_NAME; i++)
		assert_int_equal(check_digest(&asking, "ada", "wrong", "192.0.2.1:1", "realm"), USER_WRONG);
	assert_int_equal(check_digest(&asking, "ada", "right", "192.0.2.2:1", "realm"), USER_LIMITED);
	assert_int_equal(check_digest(&asking, "bob", "right", "192.0.2.1:1", "realm"), USER_UNKNOWN);
	now_us += (int64_t)USER_WRONG_WINDOW_S * US_A_SECOND - 1;
	assert_int_equal(check_digest(&asking, "ada", "right", "192.0.2.1:1", "realm"), USER_LIMITED);
	now_us += 1;
	assert_int_equal(check_digest(&asking, "ada", "right", "192.0.2.1:1", "realm"), USER_GOOD);
	user_directory_free(&asking.directory);
}

static void an_address_may_be_wrong_so_often_whatever_its_port_and_its_last_bits(void **state)
{
	struct asking asking;

	(void)state;
	open_directory(&asking);
	for (int i = 0; i < USER_WRONG_PER_ADDRESS; i++) {
		char name[32];
		char address[64];

		snprintf(name, sizeof(name), "name%d", i);
		snprintf(address, sizeof(address), "[2001:db8::%d]:%d", 1 + i % 7, 1000 + i);
		assert_int_equal(check_digest(&asking, name, "x", address, "realm"), USER_UNKNOWN);
	}
	assert_int_equal(check_digest(&asking, "ada", "right", "[2001:db8::1]:1", "realm"), USER_LIMITED);
	assert_int_equal(check_digest(&asking, "ada", "right", "2001:db8::ffff:0:0:1", "realm"),
		USER_LIMITED);
	assert_int_equal(check_digest(&asking, "ada", "right", "[2001:db8:0:1::1]:1", "realm"), USER_GOOD);
	for (int i = 0; i < USER_WRONG_PER_ADDRESS; i++) {
		char name[32];

		snprintf(name, sizeof(name), "other%d", i);
		assert_int_equal(check_digest(&asking, name, "x", "192.0.2.1:1", "realm"), USER_UNKNOWN);
	}
	assert_int_equal(check_digest(&asking, "ada", "right", "192.0.2.1", "realm"), USER_LIMITED);
	assert_int_equal(check_digest(&asking, "ada", "right", "192.0.2.2:1", "realm"), USER_GOOD);
	assert_int_equal(check_digest(&asking, "ada", "right", "unix", "realm"), USER_GOOD);
	user_directory_free(&asking.directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_kept_and_read_again),
		cmocka_unit_test(a_file_that_others_can_read_is_refused),
		cmocka_unit_test(a_broken_line_is_named_and_shows_no_secret),
		cmocka_unit_test(names_and_passwords_have_their_limits),
		cmocka_unit_test(who_is_asked_for_is_found_and_proved),
		cmocka_unit_test(a_name_may_be_wrong_so_often_and_is_free_after_a_while),
		cmocka_unit_test(an_address_may_be_wrong_so_often_whatever_its_port_and_its_last_bits),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
