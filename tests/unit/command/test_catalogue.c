/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "pomona/base/compiler.h"
#include "pomona/command/catalogue.h"

static void the_table_is_sorted_without_doubles(void **state)
{
	size_t count;
	const struct catalogue_row *rows = catalogue_rows(&count);

	(void)state;
	assert_int_equal(count, 68);
	for (size_t i = 1; i < count; i++)
		assert_true(strcmp(rows[i - 1].request_type, rows[i].request_type) < 0);
}

static void every_row_is_found_and_nothing_else(void **state)
{
	static const char *const misses[] = {"", "A", "devicelock", "DeviceLockX", "DeviceLoc", "zz"};
	size_t count;
	const struct catalogue_row *rows = catalogue_rows(&count);

	(void)state;
	for (size_t i = 0; i < count; i++)
		assert_ptr_equal(catalogue_find(slice_of_str(rows[i].request_type)), &rows[i]);
	for (size_t i = 0; i < COUNT_OF(misses); i++)
		assert_null(catalogue_find(slice_of_str(misses[i])));
}

static void lock_and_erase_are_urgent_and_some_are_never_put_off(void **state)
{
	static const char *const never[] = {"ActivationLockBypassCode", "CertificateList",
		"ClearActivationLockBypassCode", "ClearPasscode", "DeleteUser", "DeviceInformation", "DeviceLock",
		"EraseDevice", "InstalledApplicationList", "ProfileList", "ProvisioningProfileList",
		"RestartDevice", "Restrictions", "ShutDownDevice", "UnlockUserAccount", "UserList"};
	size_t count;
	size_t never_count = 0;
	const struct catalogue_row *rows = catalogue_rows(&count);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		bool is_lock = strcmp(rows[i].request_type, "DeviceLock") == 0;
		bool is_erase = strcmp(rows[i].request_type, "EraseDevice") == 0;

		assert_int_equal(rows[i].is_urgent, is_lock || is_erase);
		never_count += rows[i].is_never_notnow ? 1 : 0;
	}
	assert_int_equal(never_count, COUNT_OF(never));
	for (size_t i = 0; i < COUNT_OF(never); i++)
		assert_true(catalogue_find(slice_of_str(never[i]))->is_never_notnow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_sorted_without_doubles),
		cmocka_unit_test(every_row_is_found_and_nothing_else),
		cmocka_unit_test(lock_and_erase_are_urgent_and_some_are_never_put_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
