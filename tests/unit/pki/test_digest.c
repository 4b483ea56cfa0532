/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/pki/digest.h"

/* RFC 1321, A.5 and FIPS 180-4's examples. */
static void digests_are_those_of_the_standards(void **state)
{
	const struct slice abc[] = {SLICE_LITERAL("abc")};
	const struct slice parts[] = {SLICE_LITERAL("a"), SLICE_LITERAL(""), SLICE_LITERAL("c")};
	const struct slice joined[] = {SLICE_LITERAL("a::c")};
	char hex[DIGEST_HEX_BYTES];
	char same[DIGEST_HEX_BYTES];

	(void)state;
	assert_int_equal(digest_hex(DIGEST_MD5, abc, 1, hex, NULL), RC_OK);
	assert_string_equal(hex, "900150983cd24fb0d6963f7d28e17f72");
	assert_int_equal(digest_hex(DIGEST_SHA256, abc, 1, hex, NULL), RC_OK);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(digest_hex(DIGEST_MD5, parts, 3, hex, NULL), RC_OK);
	assert_int_equal(digest_hex(DIGEST_MD5, joined, 1, same, NULL), RC_OK);
	assert_string_equal(hex, same);
}

/* RFC 4231, 4.2 has a key of 20 bytes; HMAC pads with zeros, so it is this one. */
static void the_mac_is_that_of_the_standard(void **state)
{
	uint8_t key[MAC_BYTES] = {0};
	uint8_t mac[MAC_BYTES];
	uint8_t want[MAC_BYTES];

	(void)state;
	memset(key, 0x0b, 20);
	assert_int_equal(mac_of(key, SLICE_LITERAL("Hi There"), mac, NULL), RC_OK);
	assert_int_equal(hex_parse(SLICE_LITERAL(
																													"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
																			want, sizeof(want), NULL),
		RC_OK);
	assert_memory_equal(mac, want, sizeof(mac));
}

static void a_password_is_known_again_by_its_hash_and_no_other_is(void **state)
{
	char one[PASSWORD_HASH_BYTES];
	char two[PASSWORD_HASH_BYTES];
	bool is_right;

	(void)state;
	assert_int_equal(password_hash(SLICE_LITERAL("s3cret"), one, NULL), RC_OK);
	assert_int_equal(password_hash(SLICE_LITERAL("s3cret"), two, NULL), RC_OK);
	assert_string_not_equal(one, two);
	assert_null(strstr(one, "s3cret"));
	assert_true(password_hash_is_sound(slice_of_str(one)));
	assert_int_equal(password_check(SLICE_LITERAL("s3cret"), slice_of_str(one), &is_right, NULL),
		RC_OK);
	assert_true(is_right);
	assert_int_equal(password_check(SLICE_LITERAL("s3creT"), slice_of_str(one), &is_right, NULL),
		RC_OK);
	assert_false(is_right);
	assert_int_equal(password_check(SLICE_LITERAL(""), slice_of_str(one), &is_right, NULL), RC_OK);
	assert_false(is_right);
}

/* hashlib.scrypt(b"pleaseletmein", salt=b"0123456789abcdef", n=1024, r=8, p=1, dklen=32), as Python has it. */
static void a_hash_of_another_program_is_known(void **state)
{
	bool is_right = false;

	(void)state;
	assert_int_equal(password_check(SLICE_LITERAL("pleaseletmein"),
																			SLICE_LITERAL(
																				"scrypt$10$8$1$30313233343536373839616263646566$"
																				"a37cc18a53dcf3aaf468dba68afc43a8625bb350959156322df1b35522054b45"),
																			&is_right, NULL),
		RC_OK);
	assert_true(is_right);
}

static void what_is_no_hash_is_told(void **state)
{
#define SALT "$30313233343536373839616263646566$"
#define HASH "0000000000000000000000000000000000000000000000000000000000000000"
	static const char *const bad[] = {
		"",
		"$$$$$",
		"scrypt$15$8$1" SALT,
		"scrypt$17$8$1" SALT HASH,
		"scrypt$9$8$1" SALT HASH,
		"scrypt$15$9$1" SALT HASH,
		"scrypt$15$8$2" SALT HASH,
		"scrypt$15$8$1" SALT HASH "0",
		"scrypt$15$8$1" SALT HASH "$",
		"bcrypt$15$8$1" SALT HASH,
		"scrypt$15$8$1$zz" SALT HASH,
	};
	bool is_right = true;

	(void)state;
	assert_true(password_hash_is_sound(SLICE_LITERAL("scrypt$16$8$1" SALT HASH)));
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		assert_false(password_hash_is_sound(slice_of_str(bad[i])));
		assert_int_equal(password_check(SLICE_LITERAL("x"), slice_of_str(bad[i]), &is_right, NULL),
			RC_INVALID);
		assert_false(is_right);
	}
}

static void a_password_has_its_limit(void **state)
{
	static uint8_t bytes[PASSWORD_TEXT_BYTES_MAX + 1];
	char hash[PASSWORD_HASH_BYTES];

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(password_hash(slice_of(bytes, PASSWORD_TEXT_BYTES_MAX), hash, NULL), RC_OK);
	assert_int_equal(password_hash(slice_of(bytes, PASSWORD_TEXT_BYTES_MAX + 1), hash, NULL),
		RC_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_those_of_the_standards),
		cmocka_unit_test(the_mac_is_that_of_the_standard),
		cmocka_unit_test(a_password_is_known_again_by_its_hash_and_no_other_is),
		cmocka_unit_test(a_hash_of_another_program_is_known),
		cmocka_unit_test(what_is_no_hash_is_told),
		cmocka_unit_test(a_password_has_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
