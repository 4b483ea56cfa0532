/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pomona/net/net.h"

static void a_segment_keeps_the_unreserved_and_encodes_every_other_byte(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"", ""},
		{"AZaz09-._~", "AZaz09-._~"},
		{"a b", "a%20b"},
		{"../x?y=z&#%", "..%2Fx%3Fy%3Dz%26%23%25"},
		{"u@example.com:1", "u%40example.com%3A1"},
		{"\xc3\xa9\x01\x7f", "%C3%A9%01%7F"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct buf url;

		buf_init(&url, 100);
		net_url_append(&url, slice_of_str(cases[i].text));
		assert_string_equal(buf_cstr(&url), cases[i].want);
		buf_fini(&url);
	}
}

static void a_url_past_its_bound_fails_in_the_buffer(void **state)
{
	struct buf url;

	(void)state;
	buf_init(&url, 5);
	net_url_append(&url, SLICE_LITERAL("ab/"));
	assert_int_equal(url.rc, RC_OK);
	net_url_append(&url, SLICE_LITERAL("c"));
	assert_int_equal(url.rc, RC_LIMIT);
	buf_fini(&url);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_keeps_the_unreserved_and_encodes_every_other_byte),
		cmocka_unit_test(a_url_past_its_bound_fails_in_the_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
