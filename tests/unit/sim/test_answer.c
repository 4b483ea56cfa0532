/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "answer.h"

enum { RESULT_BYTES_MAX = 1024 * 1024, COMMAND_BYTES_MAX = 65536, MANY = 1000 };

/* The devices of the fleet's pattern, by what they are for. */
enum { IPHONE = 0, MAC_WITH_USER = 1, IPAD = 2, TV = 3, BYOD = 4, SHARED_IPAD = 5 };

/* One command given to one channel, and what came of it. */
struct exchange {
	struct device device;
	struct answer answer;
	struct plist_doc *doc;
	const struct plist_node *result;
	enum rc rc;
	struct err err;
};

struct rates {
	int64_t notnow, error;
};

static void give(struct exchange *exchange, unsigned index, unsigned channel, struct rates rates,
	const char *command_xml)
{
	struct answer_params params = {.device = &exchange->device,
		.notnow_percent = rates.notnow,
		.error_percent = rates.error};
	struct chance chance = chance_of(1, 1);
	struct buf xml, result;

	memset(exchange, 0, sizeof(*exchange));
	device_init(&exchange->device, index, 1);
	params.channel = &exchange->device.channels[channel];
	buf_init(&xml, COMMAND_BYTES_MAX);
	buf_init(&result, RESULT_BYTES_MAX);
	buf_printf(&xml, "<plist version=\"1.0\">%s</plist>", command_xml);
	exchange->rc =
		answer_command(&params, &chance, buf_slice(&xml), &result, &exchange->answer, &exchange->err);
	if (exchange->rc == RC_OK) {
		assert_int_equal(plist_parse(buf_slice(&result), &exchange->doc, NULL), RC_OK);
		exchange->result = plist_root(exchange->doc);
	}
	buf_fini(&xml);
	buf_fini(&result);
}

static void give_command(struct exchange *exchange, unsigned index, unsigned channel,
	const char *request_type, const char *more)
{
	char xml[2048];

	(void)snprintf(xml, sizeof(xml),
		"<dict><key>CommandUUID</key><string>U-1</string><key>Command</key><dict>"
		"<key>RequestType</key><string>%s</string>%s</dict></dict>",
		request_type, more);
	give(exchange, index, channel, (struct rates){0}, xml);
	assert_int_equal(exchange->rc, RC_OK);
}

static void done(struct exchange *exchange)
{
	plist_doc_free(&exchange->doc);
	device_fini(&exchange->device);
}

static bool has_str(const struct plist_node *dict, const char *key, const char *want)
{
	const struct plist_node *value = plist_dict_get(dict, key);

	return value != NULL && slice_is_str(plist_string(value), want);
}

static int64_t error_code(const struct exchange *exchange)
{
	const struct plist_node *link = plist_array_at(plist_dict_get(exchange->result, "ErrorChain"), 0);
	const struct plist_node *code = plist_dict_get(link, "ErrorCode");

	return code == NULL ? -1 : plist_integer(code, NULL);
}

static void a_result_names_command_status_and_sender(void **state)
{
	static const struct {
		unsigned index, channel;
		const char *has[4], *has_not[4];
	} cases[] = {
		{IPHONE, 0, {"UDID"}, {"EnrollmentID", "UserID", "NotOnConsole"}},
		{BYOD, 0, {"EnrollmentID"}, {"UDID", "UserID"}},
		{MAC_WITH_USER, 1, {"UDID", "UserID", "UserShortName", "NotOnConsole"}, {"EnrollmentID"}},
		{SHARED_IPAD, 2, {"UDID", "UserID", "UserLongName"}, {"NotOnConsole", "AuthToken"}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct exchange exchange;

		give_command(&exchange, cases[i].index, cases[i].channel, "ProfileList", "");
		assert_true(has_str(exchange.result, "CommandUUID", "U-1"));
		assert_true(has_str(exchange.result, "Status", "Acknowledged"));
		assert_string_equal(exchange.answer.request_type, "ProfileList");
		for (size_t k = 0; k < 4 && cases[i].has[k] != NULL; k++)
			assert_non_null(plist_dict_get(exchange.result, cases[i].has[k]));
		for (size_t k = 0; k < 4 && cases[i].has_not[k] != NULL; k++)
			assert_null(plist_dict_get(exchange.result, cases[i].has_not[k]));
		done(&exchange);
	}
}

static void each_command_is_acknowledged_with_its_content_or_refused_by_who_has_none(void **state)
{
	static const struct {
		unsigned index, channel;
		const char *name, *more, *key; /* of the result; NULL: the status only */
		int64_t error;                 /* 0: acknowledged */
	} cases[] = {
		{IPHONE, 0, "SecurityInfo", "", "SecurityInfo", 0},
		{MAC_WITH_USER, 0, "SecurityInfo", "", "SecurityInfo", 0},
		{TV, 0, "InstalledApplicationList", "", "InstalledApplicationList", 0},
		{IPHONE, 0, "Restrictions", "", "GlobalRestrictions", 0},
		{MAC_WITH_USER, 0, "Restrictions", "", NULL, 12021},
		{SHARED_IPAD, 0, "UserList", "", "Users", 0},
		{IPHONE, 0, "UserList", "", NULL, 12021},
		{IPHONE, 0, "DeviceLock", "", NULL, 0},
		{TV, 0, "DeviceLock", "", NULL, 12021},
		{BYOD, 0, "DeviceLock", "", NULL, 0},
		{BYOD, 0, "EraseDevice", "", NULL, 12007},
		{BYOD, 0, "ClearPasscode", "<key>UnlockToken</key><data>AA==</data>", NULL, 12007},
		{MAC_WITH_USER, 1, "ProfileList", "", "ProfileList", 0},
		{MAC_WITH_USER, 1, "RestartDevice", "", NULL, 12021},
		{IPHONE, 0, "InstallProfile", "<key>Payload</key><data>AA==</data>", NULL, 0},
		{IPHONE, 0, "RemoveProfile", "<key>Identifier</key><string>x</string>", NULL, 0},
		{IPHONE, 0, "InstallApplication", "<key>Identifier</key><string>x.y</string>", "Identifier", 0},
		{MAC_WITH_USER, 0, "VerifyRecoveryLock", "<key>Password</key><string>x</string>",
			"PasswordVerified", 0},
		{MAC_WITH_USER, 0, "VerifyFirmwarePassword", "<key>Password</key><string>x</string>",
			"VerifyFirmwarePassword", 0},
		{IPHONE, 0, "AvailableOSUpdates", "", "AvailableOSUpdates", 0},
		{IPHONE, 0, "Settings",
			"<key>Settings</key><array><dict><key>Item</key><string>DeviceName</string></dict></array>",
			"Settings", 0},
		{IPHONE, 0, "deviceinformation", "", NULL, 12021},
		{IPHONE, 0, "", "", NULL, 12021},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct exchange exchange;

		give_command(&exchange, cases[i].index, cases[i].channel, cases[i].name, cases[i].more);
		if (exchange.answer.status != (cases[i].error == 0 ? ANSWER_ACKNOWLEDGED : ANSWER_ERROR))
			fail_msg("%zu %s: %s", i, cases[i].name, answer_status_name(exchange.answer.status));
		if (cases[i].error != 0)
			assert_int_equal(error_code(&exchange), cases[i].error);
		if (cases[i].key != NULL)
			assert_non_null(plist_dict_get(exchange.result, cases[i].key));
		done(&exchange);
	}
}

static void an_unknown_command_is_12021_of_the_mdm_domain(void **state)
{
	struct exchange exchange;
	const struct plist_node *link;

	(void)state;
	give_command(&exchange, IPHONE, 0, "MakeCoffee", "");
	assert_true(has_str(exchange.result, "Status", "Error"));
	link = plist_array_at(plist_dict_get(exchange.result, "ErrorChain"), 0);
	assert_true(has_str(link, "ErrorDomain", "MCMDMErrorDomain"));
	assert_true(has_str(link, "LocalizedDescription", "Unknown command"));
	assert_true(has_str(link, "USEnglishDescription", "Unknown command"));
	assert_int_equal(error_code(&exchange), 12021);
	done(&exchange);
}

static void a_broken_command_is_a_format_error(void **state)
{
	static const char *const broken[] = {
		"",
		"<key>Command</key><string>x</string>",
		"<key>Command</key><dict/>",
		"<key>Command</key><dict><key>RequestType</key><integer>1</integer></dict>",
		"<key>Command</key><dict><key>RequestType</key><string>DeviceInformation</string></dict>",
		"<key>Command</key><dict><key>RequestType</key><string>DeviceInformation</string>"
		"<key>Queries</key><string>UDID</string></dict>",
		"<key>Command</key><dict><key>RequestType</key><string>InstallProfile</string>"
		"<key>Payload</key><string>text</string></dict>",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(broken); i++) {
		struct exchange exchange;
		char xml[1024];

		(void)snprintf(xml, sizeof(xml), "<dict><key>CommandUUID</key><string>U-2</string>%s</dict>",
			broken[i]);
		/* Certain to be put off or to fail, were it whole. */
		give(&exchange, IPHONE, 0, (struct rates){100, 100}, xml);
		assert_int_equal(exchange.rc, RC_OK);
		assert_true(has_str(exchange.result, "Status", "CommandFormatError"));
		assert_true(has_str(exchange.result, "CommandUUID", "U-2"));
		assert_null(plist_dict_get(exchange.result, "ErrorChain"));
		done(&exchange);
	}
}

static void what_names_no_command_cannot_be_answered(void **state)
{
	static const char *const nameless[] = {
		"<dict/>",
		"<array/>",
		"<string>x</string>",
		"<dict><key>CommandUUID</key><string></string></dict>",
		"<dict><key>CommandUUID</key><integer>1</integer></dict>",
		"<dict>",
		"",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(nameless); i++) {
		struct exchange exchange;

		give(&exchange, IPHONE, 0, (struct rates){0}, nameless[i]);
		assert_int_equal(exchange.rc, RC_INVALID);
		done(&exchange);
	}
}

#define QUERY(name) "<string>" name "</string>"

static void device_information_holds_what_this_device_knows_and_nothing_else(void **state)
{
	static const char asked[] = "<key>Queries</key><array>" QUERY("UDID") QUERY("SerialNumber")
		QUERY("IMEI") QUERY("HostName") QUERY("ResidentUsers") QUERY("DeviceID") QUERY("BatteryLevel")
			QUERY("Nonsense") "<integer>1</integer></array>";
	static const struct {
		unsigned index;
		const char *has[5];
	} cases[] = {
		{IPHONE, {"UDID", "SerialNumber", "IMEI", "BatteryLevel"}},
		{MAC_WITH_USER, {"UDID", "SerialNumber", "HostName", "BatteryLevel"}},
		{IPAD, {"UDID", "SerialNumber", "BatteryLevel"}},
		{TV, {"UDID", "SerialNumber", "DeviceID"}},
		{BYOD, {"BatteryLevel"}},
		{SHARED_IPAD, {"UDID", "SerialNumber", "ResidentUsers", "BatteryLevel"}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct exchange exchange;
		const struct plist_node *responses;
		size_t count = 0;

		give_command(&exchange, cases[i].index, 0, "DeviceInformation", asked);
		responses = plist_dict_get(exchange.result, "QueryResponses");
		for (; count < 5 && cases[i].has[count] != NULL; count++)
			assert_non_null(plist_dict_get(responses, cases[i].has[count]));
		assert_int_equal(plist_count(responses), count);
		if (plist_dict_get(responses, "UDID") != NULL)
			assert_true(has_str(responses, "UDID", exchange.device.udid));
		done(&exchange);
	}
}

static void an_imei_has_fifteen_digits_and_the_right_last_one(void **state)
{
	struct exchange exchange;
	struct slice imei;
	int sum = 0, digits = 0;

	(void)state;
	give_command(&exchange, IPHONE, 0, "DeviceInformation",
		"<key>Queries</key><array>" QUERY("IMEI") "</array>");
	imei = plist_string(plist_dict_get(plist_dict_get(exchange.result, "QueryResponses"), "IMEI"));
	for (size_t i = 0; i < imei.len; i++) {
		int digit = (imei.ptr[i] - '0') * (1 + digits % 2);

		if (imei.ptr[i] == ' ')
			continue;
		sum += digit > 9 ? digit - 9 : digit;
		digits++;
	}
	assert_int_equal(digits, 15);
	assert_int_equal(sum % 10, 0);
	done(&exchange);
}

static void an_erase_is_told_to_the_caller_only_when_it_was_acknowledged(void **state)
{
	struct exchange exchange;

	(void)state;
	give_command(&exchange, IPHONE, 0, "EraseDevice", "");
	assert_true(exchange.answer.is_erase);
	done(&exchange);
	give_command(&exchange, BYOD, 0, "EraseDevice", "");
	assert_false(exchange.answer.is_erase);
	done(&exchange);
	give_command(&exchange, IPHONE, 0, "DeviceLock", "");
	assert_false(exchange.answer.is_erase);
	done(&exchange);
}

static void what_may_not_be_put_off_never_is(void **state)
{
	static const struct {
		unsigned index;
		const char *name, *more;
		enum answer_status status;
	} cases[] = {
		{IPHONE, "DeviceInformation", "<key>Queries</key><array/>", ANSWER_ACKNOWLEDGED},
		{IPHONE, "DeviceLock", "", ANSWER_ACKNOWLEDGED},
		{IPHONE, "EraseDevice", "", ANSWER_ACKNOWLEDGED},
		{IPHONE, "ClearPasscode", "<key>UnlockToken</key><data>AA==</data>", ANSWER_ACKNOWLEDGED},
		{IPHONE, "ProfileList", "", ANSWER_ACKNOWLEDGED},
		{IPHONE, "InstalledApplicationList", "", ANSWER_ACKNOWLEDGED},
		{IPHONE, "Restrictions", "", ANSWER_ACKNOWLEDGED},
		{IPHONE, "CertificateList", "", ANSWER_ACKNOWLEDGED},
		{IPHONE, "SecurityInfo", "", ANSWER_NOT_NOW},
		{IPHONE, "MakeCoffee", "", ANSWER_ERROR},
		{MAC_WITH_USER, "DeviceInformation", "<key>Queries</key><array/>", ANSWER_ACKNOWLEDGED},
		{MAC_WITH_USER, "EraseDevice", "", ANSWER_ACKNOWLEDGED},
		{MAC_WITH_USER, "ProfileList", "", ANSWER_NOT_NOW},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct exchange exchange;
		char xml[512];

		(void)snprintf(xml, sizeof(xml),
			"<dict><key>CommandUUID</key><string>U</string><key>Command</key><dict>"
			"<key>RequestType</key><string>%s</string>%s</dict></dict>",
			cases[i].name, cases[i].more);
		give(&exchange, cases[i].index, 0, (struct rates){.notnow = 100}, xml);
		if (exchange.answer.status != cases[i].status)
			fail_msg("%s: %s", cases[i].name, answer_status_name(exchange.answer.status));
		done(&exchange);
	}
}

static void a_simulated_failure_has_an_error_chain(void **state)
{
	struct exchange exchange;

	(void)state;
	give(&exchange, IPHONE, 0, (struct rates){.error = 100},
		"<dict><key>CommandUUID</key><string>U</string><key>Command</key><dict>"
		"<key>RequestType</key><string>ProfileList</string></dict></dict>");
	assert_int_equal(exchange.answer.status, ANSWER_ERROR);
	assert_int_equal(error_code(&exchange), 12010);
	assert_null(plist_dict_get(exchange.result, "ProfileList"));
	done(&exchange);
}

static void rates_are_met_within_a_few_percent(void **state)
{
	static const char command[] =
		"<plist version=\"1.0\"><dict><key>CommandUUID</key><string>U</string><key>Command</key>"
		"<dict><key>RequestType</key><string>SecurityInfo</string></dict></dict></plist>";
	struct device device;
	struct chance chance = chance_of(11, 0);
	unsigned counts[ANSWER_STATUS_COUNT] = {0};

	(void)state;
	device_init(&device, IPHONE, 1);
	for (int i = 0; i < MANY; i++) {
		const struct answer_params params = {.device = &device,
			.channel = &device.channels[0],
			.notnow_percent = 20,
			.error_percent = 25};
		struct answer answer;
		struct buf result;

		buf_init(&result, RESULT_BYTES_MAX);
		assert_int_equal(answer_command(&params, &chance, slice_of_str(command), &result, &answer, NULL),
			RC_OK);
		counts[answer.status]++;
		buf_fini(&result);
	}
	assert_in_range(counts[ANSWER_NOT_NOW], MANY * 16 / 100, MANY * 24 / 100);
	assert_in_range(counts[ANSWER_ERROR], MANY * 16 / 100, MANY * 24 / 100); /* 25 % of the other 80 */
	device_fini(&device);
}

static void each_status_name_reads_back_and_others_do_not(void **state)
{
	(void)state;
	for (int i = 0; i < ANSWER_STATUS_COUNT; i++)
		assert_int_equal(answer_status_of(slice_of_str(answer_status_name((enum answer_status)i))), i);
	assert_int_equal(answer_status_of(SLICE_LITERAL("Idle")), ANSWER_STATUS_COUNT);
	assert_int_equal(answer_status_of(SLICE_LITERAL("")), ANSWER_STATUS_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_result_names_command_status_and_sender),
		cmocka_unit_test(each_command_is_acknowledged_with_its_content_or_refused_by_who_has_none),
		cmocka_unit_test(an_unknown_command_is_12021_of_the_mdm_domain),
		cmocka_unit_test(a_broken_command_is_a_format_error),
		cmocka_unit_test(what_names_no_command_cannot_be_answered),
		cmocka_unit_test(device_information_holds_what_this_device_knows_and_nothing_else),
		cmocka_unit_test(an_imei_has_fifteen_digits_and_the_right_last_one),
		cmocka_unit_test(an_erase_is_told_to_the_caller_only_when_it_was_acknowledged),
		cmocka_unit_test(what_may_not_be_put_off_never_is),
		cmocka_unit_test(a_simulated_failure_has_an_error_chain),
		cmocka_unit_test(rates_are_met_within_a_few_percent),
		cmocka_unit_test(each_status_name_reads_back_and_others_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
