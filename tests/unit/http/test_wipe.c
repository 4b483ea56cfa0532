/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <malloc.h>

#include "private.h"

#define SECRET "correct horse battery staple"

static unsigned frees, leaks;

void __real_free(void *bytes);
void __wrap_free(void *bytes);

void __wrap_free(void *bytes)
{
	const size_t len = bytes == NULL ? 0 : malloc_usable_size(bytes);

	frees++;
	if (len > 0 && memmem(bytes, len, SECRET, strlen(SECRET)) != NULL)
		leaks++;
	__real_free(bytes);
}

static void a_body_that_is_a_secret_is_wiped_and_counted_out(void **state)
{
	static struct http_listener listener;
	static struct connection connection = {.listener = &listener};
	struct http_request request = {.connection = &connection};

	(void)state;
	buf_init(&request.body, 1000);
	buf_append_str(&request.body, SECRET);
	bodies_init(&listener.bodies, 1000);
	(void)bodies_take(&listener.bodies, SENDER_DEVICE, 5 + strlen(SECRET));
	http_request_wipe_body(&request);
	assert_int_equal(http_request_body(&request).len, 0);
	assert_true(atomic_load(&listener.bodies.bytes_now[0]) == 5);
	assert_int_equal(frees, 1);
	assert_int_equal(leaks, 0);
	http_request_wipe_body(&request);
	assert_true(atomic_load(&listener.bodies.bytes_now[0]) == 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_body_that_is_a_secret_is_wiped_and_counted_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
