/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "ade_decide.h"

#define TEXT(text) ((struct slice){(const uint8_t *)(text), sizeof(text) - 1})
#define IDS .udid = TEXT("U-1"), .serial = TEXT("C02")

static const struct ade_settings all = {
	.devices = ADE_DEVICES_ALL,
	.minimum_os = {[ADE_OS_IOS] = "17.5.1", [ADE_OS_MACOS] = "14.4"},
	.sso_profile_url = "https://sso.example/profile",
	.sso_auth_url = "https://sso.example/auth",
	.sso_manifest_url = "https://sso.example/manifest",
};
static const struct ade_settings listed = {.devices = ADE_DEVICES_LISTED, .minimum_os = {"99"}};
static const struct ade_settings plain = {.devices = ADE_DEVICES_ALL};

static const struct {
	const struct ade_settings *settings;
	struct machine_info info;
	bool is_listed;
	enum ade_reason reason;
} rows[] = {
	{&plain, {IDS, .product = TEXT("iPhone15,2")}, false, ADE_GOOD},
	{&plain, {.udid = TEXT("U-1")}, false, ADE_BAD_INFO},
	{&plain, {.serial = TEXT("C02")}, false, ADE_BAD_INFO},
	/* who may */
	{&listed, {IDS}, true, ADE_GOOD}, {&listed, {IDS}, false, ADE_NOT_LISTED},
	{&listed,
		{IDS, .product = TEXT("iPhone15,2"), .os_version = TEXT("1"),
			.can_request_software_update = true},
		false, ADE_NOT_LISTED}, /* a stranger is told nothing else */
	/* watches */
	{&plain, {IDS, .product = TEXT("Watch6,1")}, false, ADE_PAIRING_TOKEN},
	{&plain, {IDS, .product = TEXT("Watch6,1"), .pairing_token = TEXT("t")}, false, ADE_GOOD},
	/* versions */
	{&all,
		{IDS, .product = TEXT("iPhone15,2"), .os_version = TEXT("17.5"),
			.can_request_software_update = true},
		false, ADE_OLD_OS},
	{&all,
		{IDS, .product = TEXT("iPhone15,2"), .os_version = TEXT("17.5.1"),
			.can_request_software_update = true},
		false, ADE_GOOD},
	{&all, {IDS, .product = TEXT("iPhone15,2"), .os_version = TEXT("17.5")}, false,
		ADE_GOOD}, /* it cannot be told to update, and would be stuck */
	{&all, {IDS, .product = TEXT("iPhone15,2"), .can_request_software_update = true}, false,
		ADE_GOOD}, /* it does not say which */
	{&all,
		{IDS, .product = TEXT("iPad13,1"), .os_version = TEXT("15.0"),
			.can_request_software_update = true},
		false, ADE_GOOD}, /* no bound for these */
	{&all,
		{IDS, .product = TEXT("AppleTV11,1"), .os_version = TEXT("1.0"),
			.can_request_software_update = true},
		false, ADE_GOOD},
	/* Platform SSO */
	{&all,
		{IDS, .product = TEXT("Mac14,2"), .os_version = TEXT("14.4"), .can_request_platform_sso = true},
		false, ADE_PLATFORM_SSO},
	{&all, {IDS, .product = TEXT("Mac14,2"), .os_version = TEXT("14.4")}, false, ADE_GOOD},
	{&plain, {IDS, .product = TEXT("Mac14,2"), .can_request_platform_sso = true}, false, ADE_GOOD},
	{&all,
		{IDS, .product = TEXT("Mac14,2"), .os_version = TEXT("14.3"), .can_request_platform_sso = true,
			.can_request_software_update = true},
		false, ADE_OLD_OS}, /* first things first */
};

static void each_device_gets_its_profile_or_the_reason_why_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		enum ade_reason reason = ade_decide(rows[i].settings, &rows[i].info, rows[i].is_listed);

		if (reason != rows[i].reason)
			fail_msg("row %zu: %s", i, ade_reason_name(reason));
	}
}

static void every_reason_has_its_word_a_status_and_a_sentence_and_none_is_a_bare_401(void **state)
{
	(void)state;
	for (int i = 1; i < ADE_REASON_COUNT; i++) {
		enum ade_reason reason = (enum ade_reason)i;
		unsigned status = ade_reason_status(reason);

		assert_true(strlen(ade_reason_name(reason)) > 0 && strlen(ade_reason_text(reason)) > 0);
		assert_true(status >= 400 && status < 600);
		assert_true(status != 401 || reason == ADE_LOGIN_WRONG); /* which carries a challenge */
		for (int k = 0; k < i; k++)
			assert_string_not_equal(ade_reason_name(reason), ade_reason_name((enum ade_reason)k));
	}
}

static void what_is_typed_says_what_to_do(void **state)
{
	static const struct machine_info iphone = {.product = TEXT("iPhone15,2")};
	char token[UUID_TEXT_BYTES];
	struct enroll_refusal_says says;

	(void)state;
	assert_true(ade_says(ADE_OLD_OS, &all, &iphone, token, &says));
	assert_int_equal(says.refusal, ENROLL_REFUSAL_SOFTWARE_UPDATE);
	assert_string_equal(says.os_version, "17.5.1");
	assert_true(ade_says(ADE_NOT_LISTED, &all, &iphone, token, &says));
	assert_int_equal(says.refusal, ENROLL_REFUSAL_UNRECOGNIZED);
	assert_true(ade_says(ADE_PLATFORM_SSO, &all, &iphone, token, &says));
	assert_int_equal(says.refusal, ENROLL_REFUSAL_PLATFORM_SSO);
	assert_string_equal(says.auth_url, "https://sso.example/auth");
	for (int i = 0; i < ADE_REASON_COUNT; i++) {
		AUTO(buf_fini) struct buf out;

		buf_init(&out, ENROLL_REFUSAL_BYTES_MAX);
		if (ade_says((enum ade_reason)i, &all, &iphone, token, &says)) {
			assert_int_equal(ade_reason_status((enum ade_reason)i), 403);
			assert_non_null(says.message);
			assert_int_equal(enroll_refusal_write(&says, ENROLL_REFUSAL_JSON, &out, NULL), RC_OK);
		}
	}
}

static void a_watch_gets_another_security_token_each_time(void **state)
{
	static const struct machine_info watch = {.product = TEXT("Watch6,1")};
	char tokens[2][UUID_TEXT_BYTES];
	struct enroll_refusal_says says;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_true(ade_says(ADE_PAIRING_TOKEN, &plain, &watch, tokens[i], &says));
		assert_ptr_equal(says.security_token, tokens[i]);
		assert_int_equal(strlen(tokens[i]), UUID_TEXT_BYTES - 1);
	}
	assert_string_not_equal(tokens[0], tokens[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_device_gets_its_profile_or_the_reason_why_not),
		cmocka_unit_test(every_reason_has_its_word_a_status_and_a_sentence_and_none_is_a_bare_401),
		cmocka_unit_test(what_is_typed_says_what_to_do),
		cmocka_unit_test(a_watch_gets_another_security_token_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
