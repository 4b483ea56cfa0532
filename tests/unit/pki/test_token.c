/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/pki/token.h"

static void a_token_is_the_prefix_and_64_hex_digits(void **state)
{
	char text[TOKEN_TEXT_BYTES];

	(void)state;
	memset(text, 'x', sizeof(text));
	token_make(text);
	assert_int_equal(strlen(text), 68);
	assert_int_equal(strncmp(text, "pom_", 4), 0);
	assert_int_equal(strspn(text + 4, "0123456789abcdef"), 64);
}

static void two_tokens_differ(void **state)
{
	char one[TOKEN_TEXT_BYTES];
	char other[TOKEN_TEXT_BYTES];

	(void)state;
	token_make(one);
	token_make(other);
	assert_string_not_equal(one, other);
}

/* The digest of FIPS 180-4's example "abc": what is stored must be found again by every later version. */
static void the_hash_is_sha_256_of_the_whole_text(void **state)
{
	static const char want[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	uint8_t digest[SHA256_BYTES];
	AUTO(buf_fini) struct buf hex;

	(void)state;
	buf_init(&hex, 64);
	token_hash(SLICE_LITERAL("abc"), digest);
	hex_encode(slice_of(digest, sizeof(digest)), &hex);
	assert_string_equal(buf_cstr(&hex), want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_the_prefix_and_64_hex_digits),
		cmocka_unit_test(two_tokens_differ),
		cmocka_unit_test(the_hash_is_sha_256_of_the_whole_text),
	};

	return cmocka_run_group_tests_name("pki/token", tests, NULL, NULL);
}
