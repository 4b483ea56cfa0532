/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

static struct finding findings[FINDINGS_MAX];

/* What is printed of so many findings that are well, and one fault behind them. Freed by the caller. */
static char *printed(bool is_json, size_t well, struct doctor *doctor_r)
{
	char *text = NULL;
	size_t len = 0;
	struct ctl ctl = {.is_json = is_json, .out = open_memstream(&text, &len)};

	assert_non_null(ctl.out);
	*doctor_r = (struct doctor){.ctl = &ctl, .findings = findings};
	for (size_t i = 0; i < well; i++)
		doctor_find(doctor_r, FINDING_OK, "disk", "unused", "number %zu", i);
	doctor_find(doctor_r, FINDING_FAULT, "alarm", "mend it", "the last");
	doctor_print(doctor_r);
	assert_int_equal(fclose(ctl.out), 0);
	doctor_r->ctl = NULL;
	return text;
}

static void findings_are_printed_up_to_the_bound(void **state)
{
	struct doctor doctor;
	char *text = printed(false, FINDINGS_MAX - 1, &doctor);

	(void)state;
	assert_int_equal(doctor.count, FINDINGS_MAX);
	assert_int_equal(doctor.left_out, 0);
	assert_int_equal(doctor.worst, FINDING_FAULT);
	assert_non_null(strstr(text, "the last\n         -> mend it\n"));
	assert_null(strstr(text, "unused"));
	assert_null(strstr(text, "more findings"));
	free(text);
}

static void what_has_no_room_still_counts_and_is_told(void **state)
{
	struct doctor doctor;
	char *text = printed(false, FINDINGS_MAX + 1, &doctor);

	(void)state;
	assert_int_equal(doctor.count, FINDINGS_MAX);
	assert_int_equal(doctor.left_out, 2);
	assert_int_equal(doctor.worst, FINDING_FAULT);
	assert_non_null(strstr(text, "\nfault    findings             2 more findings have no room here"));
	free(text);
	text = printed(true, FINDINGS_MAX + 1, &doctor);
	assert_non_null(strstr(text, "\"left_out\":2,\"worst\":\"fault\""));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(findings_are_printed_up_to_the_bound),
		cmocka_unit_test(what_has_no_room_still_counts_and_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
