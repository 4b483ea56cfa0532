/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ctl.h"

static void a_token_goes_without_tls_to_this_machine_alone(void **state)
{
	static const struct {
		const char *url;
		bool is_in_clear;
	} cases[] = {
		{"https://mdm.example.com:8443", false},
		{"HTTPS://mdm.example.com", false},
		{"http://127.0.0.1:8080", false},
		{"http://127.0.0.1:8080/", false},
		{"http://127.0.0.1", false},
		{"http://localhost:8080", false},
		{"http://[::1]:8080", false},
		{"127.0.0.1:8080", false},
		{"http://mdm.example.com", true},
		{"HTTP://mdm.example.com", true},
		{"mdm.example.com", true},
		{"http://192.0.2.1:8080", true},
		{"http://[2001:db8::1]:8080", true},
		{"http://127.0.0.1@mdm.example.com", true},
		{"http://localhost:x@mdm.example.com/", true},
		{"http://mdm.example.com/127.0.0.1", true},
		{"http://mdm.example.com?://127.0.0.1", true},
		{"http://127.0.0.1.example.com", true},
		{"http://", true},
		{"", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (url_carries_in_clear(cases[i].url) != cases[i].is_in_clear)
			fail_msg("%s", cases[i].url);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_goes_without_tls_to_this_machine_alone),
	};

	return cmocka_run_group_tests_name("ctl/url", tests, NULL, NULL);
}
