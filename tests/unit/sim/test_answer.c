/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "answer.h"
#include "pomona/base/codec.h"

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

/* To the device that the exchange has. */
static void give_more(struct exchange *exchange, unsigned channel, struct rates rates,
	const char *command_xml)
{
	struct answer_params params = {.device = &exchange->device,
		.notnow_percent = rates.notnow,
		.error_percent = rates.error};
	struct chance chance = chance_of(1, 1);
	struct buf xml, result;

	plist_doc_free(&exchange->doc);
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

static void give(struct exchange *exchange, unsigned index, unsigned channel, struct rates rates,
	const char *command_xml)
{
	memset(exchange, 0, sizeof(*exchange));
	device_init(&exchange->device, index, 1);
	give_more(exchange, channel, rates, command_xml);
}

static void give_next_command(struct exchange *exchange, unsigned channel, const char *request_type,
	const char *more)
{
	char xml[8192];

	(void)snprintf(xml, sizeof(xml),
		"<dict><key>CommandUUID</key><string>U-1</string><key>Command</key><dict>"
		"<key>RequestType</key><string>%s</string>%s</dict></dict>",
		request_type, more);
	give_more(exchange, channel, (struct rates){0}, xml);
	assert_int_equal(exchange->rc, RC_OK);
}

static void give_command(struct exchange *exchange, unsigned index, unsigned channel,
	const char *request_type, const char *more)
{
	memset(exchange, 0, sizeof(*exchange));
	device_init(&exchange->device, index, 1);
	give_next_command(exchange, channel, request_type, more);
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
		{MAC_WITH_USER, 0, "UserList", "", "Users", 0},
		{IPAD, 0, "UserList", "", NULL, 12021},
		{TV, 0, "UserList", "", NULL, 12021},
		{MAC_WITH_USER, 1, "UserList", "", NULL, 12021},
		{MAC_WITH_USER, 1, "SecurityInfo", "", "SecurityInfo", 0},
		{SHARED_IPAD, 1, "SecurityInfo", "", NULL, 12021},
		{BYOD, 0, "SecurityInfo", "", "SecurityInfo", 0},
		{TV, 0, "Restrictions", "", "GlobalRestrictions", 0},
		{SHARED_IPAD, 1, "Restrictions", "", "GlobalRestrictions", 0},
		{BYOD, 0, "Restrictions", "", NULL, 12007},
		{MAC_WITH_USER, 1, "CertificateList", "", "CertificateList", 0},
		{SHARED_IPAD, 1, "CertificateList", "", NULL, 12021},
		{MAC_WITH_USER, 1, "InstalledApplicationList", "", "InstalledApplicationList", 0},
		{SHARED_IPAD, 1, "InstalledApplicationList", "", NULL, 12021},
		{MAC_WITH_USER, 1, "ManagedApplicationList", "", "ManagedApplicationList", 0},
		{SHARED_IPAD, 1, "ManagedApplicationList", "", NULL, 12021},
		{SHARED_IPAD, 1, "ProfileList", "", "ProfileList", 0},
		{SHARED_IPAD, 0, "LogOutUser", "", NULL, 0},
		{IPAD, 0, "LogOutUser", "", NULL, 12021},
		{IPHONE, 0, "UserList", "", NULL, 12021},
		{IPHONE, 0, "DeviceLock", "", NULL, 0},
		{TV, 0, "DeviceLock", "", NULL, 12021},
		{BYOD, 0, "DeviceLock", "", NULL, 0},
		{BYOD, 0, "EraseDevice", "", NULL, 12007},
		{BYOD, 0, "ClearPasscode", "<key>UnlockToken</key><data>AA==</data>", NULL, 12007},
		{MAC_WITH_USER, 1, "ProfileList", "", "ProfileList", 0},
		{MAC_WITH_USER, 1, "RestartDevice", "", NULL, 12021},
		{IPHONE, 0, "InstallProfile", "<key>Payload</key><data>AA==</data>", NULL, 1000},
		{IPHONE, 0, "RemoveProfile", "<key>Identifier</key><string>x</string>", NULL, 12013},
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

static const struct plist_node *at_path(const struct plist_node *node, const char *first,
	const char *second, const char *third)
{
	node = plist_dict_get(node, first);
	if (second != NULL)
		node = plist_dict_get(node, second);
	return third == NULL ? node : plist_dict_get(node, third);
}

static void security_info_holds_what_the_kind_of_device_and_channel_knows(void **state)
{
	static const struct {
		unsigned index, channel;
		const char *has[4], *has_not[4];
	} cases[] = {
		{IPHONE, 0, {"HardwareEncryptionCaps", "PasscodePresent", "ManagementStatus"},
			{"FDE_Enabled", "AutoLockTime", "SecureBoot"}},
		{BYOD, 0, {"HardwareEncryptionCaps", "PasscodeCompliant", "ManagementStatus"},
			{"PasscodePresent", "PasscodeCompliantWithProfiles"}},
		{SHARED_IPAD, 0, {"PasscodeLockGracePeriod", "AutoLockTime"}, {"FDE_Enabled"}},
		{TV, 0, {"HardwareEncryptionCaps", "PasscodePresent"}, {"ManagementStatus", "FDE_Enabled"}},
		{MAC_WITH_USER, 0, {"FDE_Enabled", "FirewallSettings", "SecureBoot", "ManagementStatus"},
			{"HardwareEncryptionCaps", "PasscodePresent"}},
		{MAC_WITH_USER, 1, {"ManagementStatus"}, {"FDE_Enabled", "FirewallSettings", "SecureBoot"}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct exchange exchange;
		const struct plist_node *info;

		give_command(&exchange, cases[i].index, cases[i].channel, "SecurityInfo", "");
		info = plist_dict_get(exchange.result, "SecurityInfo");
		for (size_t k = 0; k < 4 && cases[i].has[k] != NULL; k++)
			if (plist_dict_get(info, cases[i].has[k]) == NULL)
				fail_msg("%zu: no %s", i, cases[i].has[k]);
		for (size_t k = 0; k < 4 && cases[i].has_not[k] != NULL; k++)
			if (plist_dict_get(info, cases[i].has_not[k]) != NULL)
				fail_msg("%zu: %s", i, cases[i].has_not[k]);
		if (cases[i].index == BYOD || cases[i].index == IPHONE)
			assert_int_equal(plist_bool(at_path(info, "ManagementStatus", "IsUserEnrollment", NULL)),
				cases[i].index == BYOD);
		done(&exchange);
	}
}

static void a_user_list_tells_who_is_logged_in_with_the_keys_of_its_platform(void **state)
{
	struct exchange exchange;
	const struct plist_node *user;

	(void)state;
	give_command(&exchange, MAC_WITH_USER, 0, "UserList", "");
	assert_int_equal(plist_count(plist_dict_get(exchange.result, "Users")), 2);
	exchange.device.channels[1].is_enrolled = true;
	give_next_command(&exchange, 0, "UserList", "");
	user = plist_array_at(plist_dict_get(exchange.result, "Users"), 1);
	assert_true(plist_bool(plist_dict_get(user, "IsLoggedIn")));
	assert_true(has_str(user, "UserGUID", exchange.device.channels[1].user_id));
	assert_int_equal(plist_integer(plist_dict_get(user, "UID"), NULL), 502);
	assert_null(plist_dict_get(user, "DataQuota"));
	exchange.device.channels[1].is_logged_out = true;
	give_next_command(&exchange, 0, "UserList", "");
	user = plist_array_at(plist_dict_get(exchange.result, "Users"), 1);
	assert_false(plist_bool(plist_dict_get(user, "IsLoggedIn")));
	done(&exchange);

	give_command(&exchange, SHARED_IPAD, 0, "UserList", "");
	exchange.device.channels[1].is_enrolled = exchange.device.channels[2].is_enrolled = true;
	give_next_command(&exchange, 0, "LogOutUser", "");
	assert_true(exchange.answer.is_change);
	give_next_command(&exchange, 0, "UserList", "");
	for (size_t i = 0; i < 2; i++) {
		user = plist_array_at(plist_dict_get(exchange.result, "Users"), i);
		assert_false(plist_bool(plist_dict_get(user, "IsLoggedIn")));
		assert_non_null(plist_dict_get(user, "DataQuota"));
		assert_null(plist_dict_get(user, "UID"));
	}
	done(&exchange);
}

static void application_lists_hold_what_was_asked_for(void **state)
{
	static const struct {
		unsigned index;
		const char *more;
		size_t count;
	} cases[] = {
		{IPHONE, "", 3},
		{MAC_WITH_USER, "", 6},
		{TV, "", 2},
		{BYOD, "", 1}, /* managed ones only */
		{IPAD, "<key>ManagedAppsOnly</key><true/>", 2},
		{IPAD, "<key>ManagedAppsOnly</key><false/>", 3},
		{IPAD, "<key>Identifiers</key><array><string>com.example.pomona.press</string></array>", 1},
		{IPAD, "<key>Identifiers</key><array><string>com.example.none</string></array>", 0},
		{IPAD, "<key>Identifiers</key><array/>", 0},
	};
	struct exchange exchange;
	const struct plist_node *app;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		size_t count;

		give_command(&exchange, cases[i].index, 0, "InstalledApplicationList", cases[i].more);
		count = plist_count(plist_dict_get(exchange.result, "InstalledApplicationList"));
		if (count != cases[i].count)
			fail_msg("%zu: %zu", i, count);
		done(&exchange);
	}
	give_command(&exchange, IPHONE, 0, "InstalledApplicationList",
		"<key>Items</key><array><string>Name</string></array>");
	app = plist_array_at(plist_dict_get(exchange.result, "InstalledApplicationList"), 0);
	assert_int_equal(plist_count(app), 2); /* and the identifier, always */
	assert_true(has_str(app, "Name", "Orchard"));
	done(&exchange);
	give_command(&exchange, IPAD, 0, "ManagedApplicationList", "");
	assert_int_equal(plist_count(plist_dict_get(exchange.result, "ManagedApplicationList")), 2);
	app = at_path(exchange.result, "ManagedApplicationList", "com.example.pomona.orchard", NULL);
	assert_true(has_str(app, "Status", "Managed"));
	assert_non_null(plist_dict_get(app, "IsValidated"));
	done(&exchange);
	give_command(&exchange, MAC_WITH_USER, 0, "ManagedApplicationList", "");
	app = at_path(exchange.result, "ManagedApplicationList", "com.example.pomona.orchard", NULL);
	assert_null(plist_dict_get(app, "IsValidated"));
	done(&exchange);
}

/* InstallProfile for a profile with one payload of that type with these keys. */
static void install(struct exchange *exchange, unsigned channel, const char *identifier,
	const char *type, const char *keys)
{
	struct buf profile, more;

	buf_init(&profile, COMMAND_BYTES_MAX);
	buf_init(&more, COMMAND_BYTES_MAX);
	buf_printf(&profile,
		"<plist version=\"1.0\"><dict><key>PayloadType</key><string>Configuration</string>"
		"<key>PayloadIdentifier</key><string>%s</string><key>PayloadUUID</key><string>U</string>"
		"<key>PayloadVersion</key><integer>1</integer><key>PayloadContent</key><array><dict>"
		"<key>PayloadType</key><string>%s</string><key>PayloadIdentifier</key><string>p</string>"
		"<key>PayloadUUID</key><string>V</string><key>PayloadVersion</key><integer>1</integer>%s"
		"</dict></array></dict></plist>",
		identifier, type, keys);
	buf_append_str(&more, "<key>Payload</key><data>");
	base64_encode(buf_slice(&profile), &more);
	buf_append_str(&more, "</data>");
	give_next_command(exchange, channel, "InstallProfile", buf_cstr(&more));
	buf_fini(&profile);
	buf_fini(&more);
}

static size_t profiles_of(struct exchange *exchange, unsigned channel)
{
	give_next_command(exchange, channel, "ProfileList", "");
	return plist_count(plist_dict_get(exchange->result, "ProfileList"));
}

static void an_installed_profile_is_listed_on_its_channel_until_it_is_removed(void **state)
{
	struct exchange exchange;
	const struct plist_node *entry;

	(void)state;
	give_command(&exchange, MAC_WITH_USER, 0, "ProfileList", "");
	assert_int_equal(profiles_of(&exchange, 0), 1); /* the enrollment */
	assert_int_equal(profiles_of(&exchange, 1), 0);
	install(&exchange, 0, "com.example.wifi", "com.apple.wifi.managed", "");
	assert_int_equal(exchange.answer.status, ANSWER_ACKNOWLEDGED);
	assert_true(exchange.answer.is_change);
	assert_int_equal(profiles_of(&exchange, 0), 2);
	entry = plist_array_at(plist_dict_get(exchange.result, "ProfileList"), 1);
	assert_true(has_str(entry, "PayloadIdentifier", "com.example.wifi"));
	assert_null(plist_dict_get(entry, "IsManaged"));
	entry = plist_array_at(plist_dict_get(entry, "PayloadContent"), 0);
	assert_true(has_str(entry, "PayloadType", "com.apple.wifi.managed"));
	assert_int_equal(profiles_of(&exchange, 1), 0);
	give_next_command(&exchange, 1, "RemoveProfile",
		"<key>Identifier</key><string>com.example.wifi</string>");
	assert_int_equal(error_code(&exchange), 12013);
	assert_false(exchange.answer.is_change);
	give_next_command(&exchange, 0, "RemoveProfile",
		"<key>Identifier</key><string>com.example.wifi</string>");
	assert_int_equal(exchange.answer.status, ANSWER_ACKNOWLEDGED);
	assert_int_equal(profiles_of(&exchange, 0), 1);
	done(&exchange);
}

static void a_refused_profile_has_its_cause_in_the_error_chain_and_is_not_listed(void **state)
{
	struct exchange exchange;
	const struct plist_node *link;

	(void)state;
	give_command(&exchange, IPHONE, 0, "ProfileList", "");
	install(&exchange, 0, "com.example.root", "com.apple.security.root",
		"<key>PayloadContent</key><data>AAAA</data>");
	assert_true(has_str(exchange.result, "Status", "Error"));
	assert_int_equal(error_code(&exchange), 4001);
	link = plist_array_at(plist_dict_get(exchange.result, "ErrorChain"), 1);
	assert_true(has_str(link, "ErrorDomain", "MCCertificateErrorDomain"));
	assert_int_equal(profiles_of(&exchange, 0), 1);
	done(&exchange);
}

static const struct plist_node *restriction(const struct exchange *exchange, const char *kind,
	const char *name)
{
	return plist_dict_get(at_path(exchange->result, "GlobalRestrictions", kind, name), "value");
}

static void restrictions_are_the_strictest_of_all_profiles(void **state)
{
	static const char ask[] = "<key>ProfileRestrictions</key><true/>";
	struct exchange exchange;
	const struct plist_node *own;

	(void)state;
	give_command(&exchange, IPHONE, 0, "Restrictions", "");
	assert_true(plist_bool(restriction(&exchange, "restrictedBool", "allowCamera")));
	assert_false(plist_bool(restriction(&exchange, "restrictedBool", "forcePIN")));
	assert_null(plist_dict_get(exchange.result, "ProfileRestrictions"));
	install(&exchange, 0, "a", "com.apple.applicationaccess",
		"<key>allowCamera</key><false/><key>allowChat</key><true/>");
	install(&exchange, 0, "b", "com.apple.applicationaccess", "<key>allowCamera</key><true/>");
	install(&exchange, 0, "c", "com.apple.mobiledevice.passwordpolicy",
		"<key>forcePIN</key><true/><key>minLength</key><integer>6</integer>"
		"<key>maxFailedAttempts</key><integer>4</integer>");
	install(&exchange, 0, "d", "com.apple.mobiledevice.passwordpolicy",
		"<key>forcePIN</key><false/><key>minLength</key><integer>4</integer>"
		"<key>maxFailedAttempts</key><integer>8</integer>");
	install(&exchange, 0, "e", "com.example.other", "<key>allowAirDrop</key><false/>");
	give_next_command(&exchange, 0, "Restrictions", ask);
	assert_false(plist_bool(restriction(&exchange, "restrictedBool", "allowCamera")));
	assert_true(plist_bool(restriction(&exchange, "restrictedBool", "allowChat")));
	assert_true(plist_bool(restriction(&exchange, "restrictedBool", "allowAirDrop")));
	assert_true(plist_bool(restriction(&exchange, "restrictedBool", "forcePIN")));
	assert_int_equal(plist_integer(restriction(&exchange, "restrictedValue", "minLength"), NULL), 6);
	assert_int_equal(plist_integer(restriction(&exchange, "restrictedValue", "maxFailedAttempts"),
																			NULL),
		4);
	own = at_path(exchange.result, "ProfileRestrictions", "b", "restrictedBool");
	assert_int_equal(plist_count(own), 1);
	assert_true(plist_bool(at_path(own, "allowCamera", "value", NULL)));
	done(&exchange);
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
		cmocka_unit_test(security_info_holds_what_the_kind_of_device_and_channel_knows),
		cmocka_unit_test(a_user_list_tells_who_is_logged_in_with_the_keys_of_its_platform),
		cmocka_unit_test(application_lists_hold_what_was_asked_for),
		cmocka_unit_test(an_installed_profile_is_listed_on_its_channel_until_it_is_removed),
		cmocka_unit_test(a_refused_profile_has_its_cause_in_the_error_chain_and_is_not_listed),
		cmocka_unit_test(restrictions_are_the_strictest_of_all_profiles),
		cmocka_unit_test(each_status_name_reads_back_and_others_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
