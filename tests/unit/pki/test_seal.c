/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

#include "keyring.h"
#include "pomona/pki/seal.h"

enum { BOUND = 1 << 20 };

static const uint8_t key_1[SEAL_KEY_BYTES] = "thirty-two bytes, and not one le";
static const struct slice place = SLICE_LITERAL("escrow/17/unlock_token");

static void what_was_sealed_opens_to_the_same_bytes(void **state)
{
	static const size_t lengths[] = {0, 1, 15, 16, 17, 1024, 100000};
	AUTO(keyring_free) struct keyring *keyring = keyring_of_key(0x01020304, key_1);
	static uint8_t plain[100000];
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		AUTO(buf_fini) struct buf sealed;
		AUTO(buf_fini) struct buf open;

		buf_init(&sealed, BOUND);
		buf_init(&open, BOUND);
		buf_append_str(&sealed, "head");
		buf_append_str(&open, "head");
		assert_int_equal(seal(keyring, place, slice_of(plain, lengths[i]), &sealed, &err), RC_OK);
		assert_int_equal(sealed.len, 4 + lengths[i] + SEAL_OVERHEAD_BYTES);
		assert_memory_equal(sealed.ptr, "head\x01\x01\x02\x03\x04", 9);
		assert_int_equal(unseal(keyring, place, slice_sub(buf_slice(&sealed), 4, sealed.len), &open,
																				&err),
			RC_OK);
		assert_int_equal(open.len, 4 + lengths[i]);
		assert_memory_equal(open.ptr + 4, plain, lengths[i]);
	}
}

/* The format, opened by hand, so that it stays what is in databases. */
static void the_format_is_aes_256_gcm_over_head_and_place(void **state)
{
	AUTO(keyring_free) struct keyring *keyring = keyring_of_key(0xA1B2C3D4, key_1);
	AUTO(buf_fini) struct buf sealed;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t plain[6];
	uint8_t tag[16];
	struct err err;
	int len;

	(void)state;
	buf_init(&sealed, BOUND);
	assert_int_equal(seal(keyring, place, SLICE_LITERAL("secret"), &sealed, &err), RC_OK);
	memcpy(tag, sealed.ptr + 23, sizeof(tag));
	assert_int_equal(EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key_1, sealed.ptr + 5), 1);
	assert_int_equal(EVP_DecryptUpdate(ctx, NULL, &len, sealed.ptr, 5), 1);
	assert_int_equal(EVP_DecryptUpdate(ctx, NULL, &len, place.ptr, (int)place.len), 1);
	assert_int_equal(EVP_DecryptUpdate(ctx, plain, &len, sealed.ptr + 17, 6), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag), 1);
	assert_int_equal(EVP_DecryptFinal_ex(ctx, plain, &len), 1);
	assert_memory_equal(plain, "secret", 6);
	EVP_CIPHER_CTX_free(ctx);
}

static void the_same_bytes_are_never_sealed_to_the_same_blob(void **state)
{
	AUTO(keyring_free) struct keyring *keyring = keyring_of_key(1, key_1);
	AUTO(buf_fini) struct buf sealed;
	struct err err;

	(void)state;
	buf_init(&sealed, BOUND);
	assert_int_equal(seal(keyring, place, SLICE_LITERAL("secret"), &sealed, &err), RC_OK);
	assert_int_equal(seal(keyring, place, SLICE_LITERAL("secret"), &sealed, &err), RC_OK);
	assert_memory_not_equal(sealed.ptr + 5, sealed.ptr + sealed.len / 2 + 5, 12);
	assert_memory_not_equal(sealed.ptr + 17, sealed.ptr + sealed.len / 2 + 17, 6);
}

static void a_blob_changed_in_any_bit_does_not_open(void **state)
{
	AUTO(keyring_free) struct keyring *keyring = keyring_of_key(1, key_1);
	AUTO(buf_fini) struct buf sealed;
	AUTO(buf_fini) struct buf open;
	struct err err;

	(void)state;
	buf_init(&sealed, BOUND);
	buf_init(&open, BOUND);
	assert_int_equal(seal(keyring, place, SLICE_LITERAL("secret"), &sealed, &err), RC_OK);
	for (size_t bit = 0; bit < sealed.len * 8; bit++) {
		bool is_key_id = bit / 8 >= 1 && bit / 8 <= 4;
		enum rc rc;

		sealed.ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
		rc = unseal(keyring, place, buf_slice(&sealed), &open, &err);
		assert_int_equal(rc, is_key_id ? RC_NOT_FOUND : RC_CORRUPT);
		assert_int_equal(open.len, 0);
		sealed.ptr[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(unseal(keyring, place, buf_slice(&sealed), &open, &err), RC_OK);
}

static void a_blob_cut_or_lengthened_anywhere_does_not_open(void **state)
{
	AUTO(keyring_free) struct keyring *keyring = keyring_of_key(1, key_1);
	AUTO(buf_fini) struct buf sealed;
	AUTO(buf_fini) struct buf open;
	struct err err;

	(void)state;
	buf_init(&sealed, BOUND);
	buf_init(&open, BOUND);
	assert_int_equal(seal(keyring, place, SLICE_LITERAL("secret"), &sealed, &err), RC_OK);
	for (size_t len = 0; len < sealed.len; len++)
		assert_int_equal(unseal(keyring, place, slice_of(sealed.ptr, len), &open, &err), RC_CORRUPT);
	buf_append_byte(&sealed, 0);
	assert_int_equal(unseal(keyring, place, buf_slice(&sealed), &open, &err), RC_CORRUPT);
	assert_int_equal(open.len, 0);
}

static void a_blob_opens_in_its_own_place_only(void **state)
{
	static const struct slice others[] = {
		SLICE_LITERAL(""),
		SLICE_LITERAL("escrow/18/unlock_token"),
		SLICE_LITERAL("escrow/17/unlock_toke"),
		SLICE_LITERAL("escrow/17/unlock_tokenx"),
	};
	AUTO(keyring_free) struct keyring *keyring = keyring_of_key(1, key_1);
	AUTO(buf_fini) struct buf sealed;
	AUTO(buf_fini) struct buf open;
	struct err err;

	(void)state;
	buf_init(&sealed, BOUND);
	buf_init(&open, BOUND);
	assert_int_equal(seal(keyring, place, SLICE_LITERAL("secret"), &sealed, &err), RC_OK);
	for (size_t i = 0; i < COUNT_OF(others); i++)
		assert_int_equal(unseal(keyring, others[i], buf_slice(&sealed), &open, &err), RC_CORRUPT);
}

/* Nothing of a blob that does not open may stay in the caller's memory. */
static void a_blob_that_does_not_open_leaves_no_plain_bytes_behind(void **state)
{
	AUTO(keyring_free) struct keyring *keyring = keyring_of_key(1, key_1);
	AUTO(buf_fini) struct buf sealed;
	AUTO(buf_fini) struct buf open;
	struct err err;

	(void)state;
	buf_init(&sealed, BOUND);
	buf_init(&open, BOUND);
	assert_int_equal(seal(keyring, place, SLICE_LITERAL("secret"), &sealed, &err), RC_OK);
	memset(buf_reserve(&open, 64), 'x', 64);
	sealed.ptr[sealed.len - 1] ^= 1;
	assert_int_equal(unseal(keyring, place, buf_slice(&sealed), &open, &err), RC_CORRUPT);
	assert_memory_equal(open.ptr, "\0\0\0\0\0\0xxxx", 10);
}

static void every_key_opens_and_the_last_one_seals(void **state)
{
	struct keyring two = {.count = 2, .keys = {{.id = 1}, {.id = 2}}};
	AUTO(keyring_free) struct keyring *old = keyring_of_key(1, key_1);
	AUTO(buf_fini) struct buf sealed;
	AUTO(buf_fini) struct buf open;
	struct err err;

	(void)state;
	memcpy(two.keys[0].bytes, key_1, SEAL_KEY_BYTES);
	buf_init(&sealed, BOUND);
	buf_init(&open, BOUND);
	assert_int_equal(keyring_sealing_id(&two), 2);
	assert_int_equal(seal(old, place, SLICE_LITERAL("secret"), &sealed, &err), RC_OK);
	assert_int_equal(unseal(&two, place, buf_slice(&sealed), &open, &err), RC_OK);
	buf_clear(&sealed);
	assert_int_equal(seal(&two, place, SLICE_LITERAL("secret"), &sealed, &err), RC_OK);
	assert_int_equal(unseal(old, place, buf_slice(&sealed), &open, &err), RC_NOT_FOUND);
	assert_string_equal(err.text,
		"unseal: sealed under the key 00000002, which is not in the keyring");
}

static void a_blob_may_be_as_large_as_the_buffer_and_never_larger_than_the_limit(void **state)
{
	AUTO(keyring_free) struct keyring *keyring = keyring_of_key(1, key_1);
	struct slice past = slice_of(key_1, (size_t)SEAL_PLAIN_BYTES_MAX + 1); /* never touched */
	AUTO(buf_fini) struct buf huge;
	struct err err;

	(void)state;
	for (size_t lack = 0; lack <= 1; lack++) {
		AUTO(buf_fini) struct buf sealed;
		AUTO(buf_fini) struct buf open;

		buf_init(&sealed, 32 + SEAL_OVERHEAD_BYTES - lack);
		assert_int_equal(seal(keyring, place, slice_of(key_1, 32), &sealed, &err),
			lack == 0 ? RC_OK : RC_LIMIT);
		buf_init(&open, 31);
		if (lack == 0)
			assert_int_equal(unseal(keyring, place, buf_slice(&sealed), &open, &err), RC_LIMIT);
	}
	buf_init(&huge, SIZE_MAX);
	assert_int_equal(seal(keyring, place, past, &huge, &err), RC_LIMIT);
}

static void *seal_many(void *arg)
{
	const struct keyring *keyring = arg;
	bool is_good = true;

	for (int i = 0; i < 500; i++) {
		AUTO(buf_fini) struct buf sealed;
		AUTO(buf_fini) struct buf open;

		buf_init(&sealed, BOUND);
		buf_init(&open, BOUND);
		is_good &= seal(keyring, place, SLICE_LITERAL("secret"), &sealed, NULL) == RC_OK &&
			unseal(keyring, place, buf_slice(&sealed), &open, NULL) == RC_OK &&
			slice_is_str(buf_slice(&open), "secret");
	}
	return is_good ? arg : NULL;
}

static void threads_seal_side_by_side(void **state)
{
	AUTO(keyring_free) struct keyring *keyring = keyring_of_key(1, key_1);
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, seal_many, keyring), 0);
	for (size_t i = 0; i < COUNT_OF(threads); i++) {
		void *result = NULL;

		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_non_null(result);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_sealed_opens_to_the_same_bytes),
		cmocka_unit_test(the_format_is_aes_256_gcm_over_head_and_place),
		cmocka_unit_test(the_same_bytes_are_never_sealed_to_the_same_blob),
		cmocka_unit_test(a_blob_changed_in_any_bit_does_not_open),
		cmocka_unit_test(a_blob_cut_or_lengthened_anywhere_does_not_open),
		cmocka_unit_test(a_blob_opens_in_its_own_place_only),
		cmocka_unit_test(a_blob_that_does_not_open_leaves_no_plain_bytes_behind),
		cmocka_unit_test(every_key_opens_and_the_last_one_seals),
		cmocka_unit_test(a_blob_may_be_as_large_as_the_buffer_and_never_larger_than_the_limit),
		cmocka_unit_test(threads_seal_side_by_side),
	};

	return cmocka_run_group_tests_name("pki/seal", tests, NULL, NULL);
}
