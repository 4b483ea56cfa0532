/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "invite_page.h"
#include "invite_refusal.h"
#include "pomona/enroll/profile.h"

static struct invitation open_one;

static struct invite_page good(void)
{
	open_one = (struct invitation){.uses_max = 5, .uses = 1, .expires_at = 1800000000};
	return (struct invite_page){.organization = "Orchard",
		.host = "mdm.example.org",
		.action = "abc/profile",
		.access_rights = PROFILE_RIGHTS_ALL,
		.is_told_of_removal = true,
		.invitation = &open_one};
}

static bool has(const struct invite_page *params, const char *wanted)
{
	struct buf page;
	bool is_there;

	invite_page_write(params, &page);
	is_there = strstr(buf_cstr(&page), wanted) != NULL;
	buf_fini(&page);
	return is_there;
}

/* Of each right there is a word, and it is there where the right is, and nowhere else. */
static void each_right_is_told(void **state)
{
	static const struct {
		int64_t rights;
		const char *word;
	} cases[] = {{1, "its configuration profiles"}, {3, "install and remove settings"}, {4, "lock it"},
		{8, "erase it"}, {16, "serial number"}, {32, "phone number"}, {64, "its provisioning profiles"},
		{192, "install and remove provisioning profiles"}, {256, "which apps it has"},
		{512, "its restrictions"}, {1024, "is encrypted"}, {2048, "change some settings"},
		{4096, "install and remove apps"}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct invite_page params = good();

		for (size_t j = 0; j < COUNT_OF(cases); j++) {
			const bool is_in = (cases[i].rights & cases[j].rights) == cases[j].rights;

			params.access_rights = cases[i].rights;
			if (has(&params, cases[j].word) != is_in)
				fail_msg("%lld: %s", (long long)cases[i].rights, cases[j].word);
		}
	}
}

static void a_page_says_who_for_how_many_and_until_when(void **state)
{
	struct invite_page params = good();

	(void)state;
	assert_true(has(&params, "<dd>Orchard</dd>"));
	assert_true(has(&params, "<dd>mdm.example.org</dd>"));
	assert_true(has(&params, "<dd>4 devices</dd>"));
	assert_true(has(&params, "<dd>2027-01-15, 08:00 UTC</dd>"));
	assert_true(has(&params, "the organization is told"));
	assert_true(has(&params, "<form method=\"post\" action=\"abc/profile\">"));
	params.is_told_of_removal = false;
	params.organization = "";
	open_one.uses = 4;
	assert_true(has(&params, "<dd>one device</dd>"));
	assert_false(has(&params, "is told"));
	assert_false(has(&params, "Managed by"));
	assert_true(has(&params, "What mdm.example.org can do"));
}

static void a_login_is_asked_for_where_it_is_needed(void **state)
{
	struct invite_page params = good();

	(void)state;
	assert_false(has(&params, "<input"));
	open_one.needs_login = true;
	params.alert = "Wrong.";
	params.user_name = "a\"b";
	assert_true(has(&params, "role=\"alert\">Wrong.<"));
	assert_true(has(&params, "value=\"a&quot;b\""));
	assert_true(has(&params, "type=\"password\""));
}

static void each_refusal_has_its_words(void **state)
{
	(void)state;
	for (int i = INVITE_NOT_REFUSED + 1; i < INVITE_REFUSAL_COUNT; i++) {
		const struct invite_words *words = invite_words((enum invite_refusal)i);

		assert_non_null(words->name);
		assert_in_range(words->status, 400, 503);
		assert_int_not_equal(words->status, 401); /* it would want a challenge */
		assert_true(strlen(words->text) > 0);
	}
	assert_int_equal(invite_refusal_of_state(INVITATION_OPEN), INVITE_NOT_REFUSED);
	for (int i = INVITATION_OPEN + 1; i < INVITATION_STATE_COUNT; i++)
		assert_int_equal(invite_words(invite_refusal_of_state((enum invitation_state)i))->status, 410);
	assert_int_equal(invite_refusal_of_verdict(USER_GOOD), INVITE_NOT_REFUSED);
	for (int i = USER_GOOD + 1; i <= USER_UNAVAILABLE; i++)
		assert_int_not_equal(invite_refusal_of_verdict((enum user_verdict)i), INVITE_NOT_REFUSED);
	assert_string_equal(invite_words(INVITE_WRONG)->text, invite_words(INVITE_UNKNOWN_USER)->text);
	assert_string_equal(invite_words(INVITE_WRONG)->text, invite_words(INVITE_OTHER_USER)->text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_right_is_told),
		cmocka_unit_test(a_page_says_who_for_how_many_and_until_when),
		cmocka_unit_test(a_login_is_asked_for_where_it_is_needed),
		cmocka_unit_test(each_refusal_has_its_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
