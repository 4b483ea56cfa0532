/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

void *__wrap_calloc(size_t count, size_t size);
void *__real_calloc(size_t count, size_t size);
char *__wrap_strndup(const char *text, size_t len);
char *__real_strndup(const char *text, size_t len);
int __wrap_asprintf(char **text, const char *format, ...) PRINTF_LIKE(2, 3);

static int until_failure; /* the call that fails, counted from 1; 0: none */

static bool must_fail(void)
{
	return until_failure > 0 && --until_failure == 0;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return must_fail() ? NULL : __real_calloc(count, size);
}

char *__wrap_strndup(const char *text, size_t len)
{
	return must_fail() ? NULL : __real_strndup(text, len);
}

int __wrap_asprintf(char **text, const char *format, ...)
{
	va_list args;
	int len;

	if (must_fail())
		return -1;
	va_start(args, format);
	len = vasprintf(text, format, args);
	va_end(args);
	return len;
}

static void short_memory_fails_cleanly_wherever_it_strikes(void **state)
{
	static const struct config_source source = {
		.text = SLICE_LITERAL("[server]\nhostname = a\nstate_dir = b\n"
																								"[device]\ntls_certificate = c\ntls_key = d\n"),
		.name = "x.conf",
		.folder = "/etc",
	};
	struct config *config = NULL;
	struct err err;
	enum rc rc = RC_NO_MEMORY;
	int calls = 0;

	(void)state;
	while (rc != RC_OK) {
		until_failure = ++calls;
		rc = config_parse(&source, &config, NULL, &err);
		assert_true(rc == RC_OK || rc == RC_NO_MEMORY);
		assert_true((rc == RC_OK) == (config != NULL));
	}
	until_failure = 0;
	assert_true(calls > 10);
	config_free(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(short_memory_fails_cleanly_wherever_it_strikes),
	};

	return cmocka_run_group_tests_name("config/memory", tests, NULL, NULL);
}
