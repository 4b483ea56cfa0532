/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "internal.h"

enum { VALID_S = 1000 };

/* The rooms below, and the files beside: what crl.c asks them for. */
static struct {
	int64_t now, valid_s;
	struct crl_entry entries[2];
	size_t count;
	int signings, reads_open;
	bool is_signing_broken;
} fake;
static struct enroll enroll = {.crl.lock = PTHREAD_MUTEX_INITIALIZER};

enum rc store_read_begin(struct store *store, struct txn **txn_r, struct err *err)
{
	(void)store;
	(void)err;
	*txn_r = NULL;
	fake.reads_open++;
	return RC_OK;
}

void store_read_end(struct store *store, struct txn **txn)
{
	(void)store;
	(void)txn;
	fake.reads_open--;
}

int64_t txn_now(const struct txn *txn)
{
	(void)txn;
	return fake.now;
}

enum rc identity_list_revoked(struct txn *txn, struct arena *arena, struct crl_entry **entries_r,
	size_t *count_r, struct err *err)
{
	(void)txn;
	(void)arena;
	(void)err;
	*entries_r = fake.entries;
	*count_r = fake.count;
	return RC_OK;
}

enum rc authority_write_crl(const struct authority *authority, const struct crl_params *params,
	struct buf *out, struct err *err)
{
	(void)authority;
	if (fake.is_signing_broken)
		return err_set(err, RC_INTERNAL, "broken");
	fake.signings++;
	buf_printf(out, "%zu of %lld", params->count, (long long)params->now);
	return RC_OK;
}

struct enroll_settings enroll_settings(struct enroll *unused)
{
	(void)unused;
	return (struct enroll_settings){.crl_valid_s = fake.valid_s};
}

void settings_wipe(struct enroll_settings *settings)
{
	(void)settings;
}

void enroll_fail(struct http_request *request, const struct err *err)
{
	(void)request;
	(void)err;
}

void enroll_busy(struct http_request *request)
{
	(void)request;
}

static int setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.now = 1000000;
	fake.valid_s = VALID_S;
	fake.entries[0] = (struct crl_entry){"0a", 1};
	fake.entries[1] = (struct crl_entry){"0b", 2};
	fake.count = 1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_fini(&enroll.crl.der);
	return fake.reads_open;
}

static void assert_list(const char *text, int signings)
{
	AUTO(buf_fini) struct buf out = {.bound = 100};
	struct err err = {0};

	assert_int_equal(crl_make(&enroll, &out, &err), RC_OK);
	assert_string_equal(buf_cstr(&out), text);
	assert_int_equal(fake.signings, signings);
}

static void a_list_is_signed_once_for_a_quarter_of_its_time(void **state)
{
	(void)state;
	assert_list("1 of 1000000", 1);
	assert_list("1 of 1000000", 1);
	fake.now += VALID_S / CRL_LIFE_PARTS - 1;
	assert_list("1 of 1000000", 1);
	fake.now++;
	assert_list("1 of 1000250", 2);
	fake.now--; /* a clock that was set back */
	assert_list("1 of 1000249", 3);
}

static void a_list_that_has_changed_is_signed_at_once(void **state)
{
	(void)state;
	assert_list("1 of 1000000", 1);
	fake.now++;
	fake.count = 2;
	assert_list("2 of 1000001", 2);
	fake.count = 1;
	assert_list("1 of 1000001", 3);
	fake.entries[0].serial = "0c";
	assert_list("1 of 1000001", 4);
	fake.entries[0].revoked_at++;
	assert_list("1 of 1000001", 5);
	fake.valid_s++;
	assert_list("1 of 1000001", 6);
	assert_list("1 of 1000001", 6);
}

static void a_list_that_could_not_be_signed_is_not_kept(void **state)
{
	AUTO(buf_fini) struct buf out = {.bound = 100};
	struct err err = {0};

	(void)state;
	fake.is_signing_broken = true;
	assert_int_equal(crl_make(&enroll, &out, &err), RC_INTERNAL);
	assert_int_equal(out.len, 0);
	fake.is_signing_broken = false;
	assert_list("1 of 1000000", 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_list_is_signed_once_for_a_quarter_of_its_time),
		TEST(a_list_that_has_changed_is_signed_at_once),
		TEST(a_list_that_could_not_be_signed_is_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
