/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "pomona/base/codec.h"
#include "pomona/base/file.h"
#include "pomona/checkin/checkin.h"
#include "pomona/store/escrow.h"

enum { ARENA_BYTES = 4 << 20 };

#define STR(key, value) "<key>" key "</key><string>" value "</string>"
#define DATA(key, value) "<key>" key "</key><data>" value "</data>"
#define TYPE(word) STR("MessageType", word)
#define D STR("UDID", "D")
#define U D STR("UserID", "U")
#define TOPIC STR("Topic", "t")
#define TOKENS TOPIC STR("PushMagic", "m") DATA("Token", "AAEC")

static enum rc read_keys(const char *keys, struct arena *arena, struct checkin_message *message,
	struct err *err)
{
	struct buf text;
	struct slice raw;

	assert_non_null(arena);
	buf_init(&text, ARENA_BYTES);
	buf_printf(&text, "<plist version=\"1.0\"><dict>%s</dict></plist>", keys);
	raw = arena_copy(arena, buf_slice(&text));
	buf_fini(&text);
	assert_non_null(raw.ptr);
	return checkin_read(raw, arena, message, err);
}

static void every_message_is_read_by_its_type(void **state)
{
	static const struct {
		const char *keys;
		enum checkin_type type;
	} cases[] = {
		{TYPE("Authenticate") D TOPIC, CHECKIN_AUTHENTICATE},
		{TYPE("Authenticate") STR("EnrollmentID", "E") TOPIC, CHECKIN_AUTHENTICATE},
		{TYPE("TokenUpdate") D TOKENS, CHECKIN_TOKEN_UPDATE},
		{TYPE("TokenUpdate") U TOKENS, CHECKIN_TOKEN_UPDATE},
		{TYPE("CheckOut") D TOPIC, CHECKIN_CHECK_OUT},
		{TYPE("CheckOut") D, CHECKIN_CHECK_OUT},
		{TYPE("CheckOut") U, CHECKIN_CHECK_OUT},
		{TYPE("UserAuthenticate") U, CHECKIN_USER_AUTHENTICATE},
		{TYPE("SetBootstrapToken") D, CHECKIN_SET_BOOTSTRAP_TOKEN},
		{TYPE("GetBootstrapToken") D, CHECKIN_GET_BOOTSTRAP_TOKEN},
		{TYPE("GetBootstrapToken") D STR("Unknown", "x"), CHECKIN_GET_BOOTSTRAP_TOKEN},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		struct checkin_message message;
		struct err err = {0};

		if (read_keys(cases[i].keys, arena, &message, &err) != RC_OK)
			fail_msg("%zu: %s", i, err.text);
		assert_int_equal(message.type, cases[i].type);
	}
}

static void a_message_that_breaks_a_rule_is_refused_by_the_name_of_its_key(void **state)
{
	static const struct {
		const char *keys, *named;
	} cases[] = {
		{D, "MessageType"},
		{TYPE("") D, "MessageType"},
		{TYPE("authenticate") D TOPIC, "MessageType"},
		{TYPE("Check\nOut") D, "MessageType: unknown word"},
		{TYPE("CheckOut\t") D, "MessageType: unknown word"},
		{TYPE("Nonsense") D, "Nonsense"},
		{"<key>MessageType</key><array/>" D, "MessageType"},
		{TYPE("Authenticate") D, "Topic"},
		{TYPE("Authenticate") D STR("Topic", ""), "Topic"},
		{TYPE("Authenticate") TOPIC, "UDID"},
		{TYPE("Authenticate") U TOPIC, "UserID"},
		{TYPE("Authenticate") STR("EnrollmentID", "E") STR("EnrollmentUserID", "V") TOPIC,
			"EnrollmentUserID"},
		{TYPE("Authenticate") D TOPIC "<key>SerialNumber</key><integer>1</integer>", "SerialNumber"},
		{TYPE("TokenUpdate") D STR("PushMagic", "m") DATA("Token", "AAEC"), "Topic"},
		{TYPE("TokenUpdate") D TOPIC DATA("Token", "AAEC"), "PushMagic"},
		{TYPE("TokenUpdate") D TOPIC STR("PushMagic", "m"), "Token"},
		{TYPE("TokenUpdate") D TOPIC STR("PushMagic", "m") DATA("Token", ""), "Token"},
		{TYPE("TokenUpdate") D TOPIC STR("PushMagic", "m") STR("Token", "AAEC"), "Token"},
		{TYPE("TokenUpdate") D TOKENS STR("UnlockToken", "x"), "UnlockToken"},
		{TYPE("TokenUpdate") D TOKENS STR("AwaitingConfiguration", "x"), "AwaitingConfiguration"},
		{TYPE("CheckOut"), "UDID"},
		{TYPE("UserAuthenticate") D, "UserID"},
		{TYPE("SetBootstrapToken") U, "UserID"},
		{TYPE("SetBootstrapToken") D STR("BootstrapToken", "x"), "BootstrapToken"},
		{TYPE("GetBootstrapToken") U, "UserID"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		struct checkin_message message;
		struct err err = {0};

		assert_int_equal(read_keys(cases[i].keys, arena, &message, &err), RC_INVALID);
		assert_null(strpbrk(err.text, "\r\n\t"));
		if (strstr(err.text, cases[i].named) == NULL)
			fail_msg("%zu: %s", i, err.text);
	}
}

static void what_is_no_dictionary_is_refused(void **state)
{
	static const char *const cases[] = {"", "hello", "<plist version=\"1.0\"><array/></plist>",
		"<plist><dict>", "{}"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		struct checkin_message message;
		struct err err = {0};

		assert_int_equal(checkin_read(slice_of_str(cases[i]), arena, &message, &err), RC_INVALID);
		assert_int_equal(message.type, CHECKIN_TYPE_COUNT);
	}
}

static void what_is_not_offered_is_recognised_and_its_sender_told(void **state)
{
	static const struct {
		const char *keys;
		enum checkin_type type;
	} cases[] = {
		{TYPE("DeclarativeManagement") D STR("Endpoint", "tokens"), CHECKIN_DECLARATIVE_MANAGEMENT},
		{TYPE("GetToken") D STR("TokenServiceType", "com.apple.maid"), CHECKIN_GET_TOKEN},
		{TYPE("ReturnToService") D, CHECKIN_RETURN_TO_SERVICE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		struct checkin_message message;
		struct err err = {0};

		assert_int_equal(read_keys(cases[i].keys, arena, &message, &err), RC_UNSUPPORTED);
		assert_int_equal(message.type, cases[i].type);
		assert_true(slice_is_str(message.claim.ext_id, "D"));
		assert_non_null(strstr(err.text, checkin_type_name(cases[i].type)));
	}
}

static void sizes_are_taken_at_their_limit_and_refused_one_past_it(void **state)
{
	static const struct {
		const char *keys, *key, *kind;
		size_t max;
	} cases[] = {
		{TYPE("Authenticate") D, "Topic", "string", ENROLLMENT_FACT_BYTES_MAX},
		{TYPE("Authenticate") D TOPIC, "DeviceName", "string", ENROLLMENT_FACT_BYTES_MAX},
		{TYPE("Authenticate") D TOPIC, "Model", "string", ENROLLMENT_FACT_BYTES_MAX},
		{TYPE("Authenticate") D TOPIC, "ModelName", "string", ENROLLMENT_FACT_BYTES_MAX},
		{TYPE("Authenticate") D TOPIC, "ProductName", "string", ENROLLMENT_FACT_BYTES_MAX},
		{TYPE("Authenticate") D TOPIC, "OSVersion", "string", ENROLLMENT_FACT_BYTES_MAX},
		{TYPE("Authenticate") D TOPIC, "BuildVersion", "string", ENROLLMENT_FACT_BYTES_MAX},
		{TYPE("Authenticate") D TOPIC, "SerialNumber", "string", ENROLLMENT_FACT_BYTES_MAX},
		{TYPE("Authenticate") D TOPIC, "IMEI", "string", ENROLLMENT_FACT_BYTES_MAX},
		{TYPE("Authenticate") D TOPIC, "MEID", "string", ENROLLMENT_FACT_BYTES_MAX},
		{TYPE("TokenUpdate") D TOPIC STR("PushMagic", "m"), "Token", "data", PUSH_TOKEN_BYTES_MAX},
		{TYPE("TokenUpdate") D TOPIC DATA("Token", "AAEC"), "PushMagic", "string",
			ENROLLMENT_FACT_BYTES_MAX},
		{TYPE("TokenUpdate") D TOKENS, "UnlockToken", "data", ESCROW_BYTES_MAX},
		{TYPE("SetBootstrapToken") D, "BootstrapToken", "data", ESCROW_BYTES_MAX},
		{TYPE("UserAuthenticate") U, "DigestResponse", "string", 4096},
	};
	static uint8_t raw[ESCROW_BYTES_MAX + 1];

	(void)state;
	memset(raw, 'x', sizeof(raw));
	for (size_t i = 0; i < COUNT_OF(cases) * 2; i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		bool is_past = i % 2 == 1;
		struct slice value = slice_of(raw, cases[i / 2].max + (is_past ? 1 : 0));
		struct checkin_message message;
		struct err err = {0};
		struct buf keys;
		enum rc rc;

		buf_init(&keys, ARENA_BYTES);
		buf_printf(&keys, "%s<key>%s</key><%s>", cases[i / 2].keys, cases[i / 2].key, cases[i / 2].kind);
		if (strcmp(cases[i / 2].kind, "data") == 0)
			base64_encode(value, &keys);
		else
			buf_append(&keys, value);
		buf_printf(&keys, "</%s>", cases[i / 2].kind);
		rc = read_keys(buf_cstr(&keys), arena, &message, &err);
		buf_fini(&keys);
		if (rc != (is_past ? RC_INVALID : RC_OK))
			fail_msg("%s: %s", cases[i / 2].key, err.text);
		if (is_past)
			assert_non_null(strstr(err.text, cases[i / 2].key));
	}
}

static void an_authenticate_tells_what_the_device_is(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct checkin_message message;
	struct err err;

	(void)state;
	assert_int_equal(read_keys(TYPE("Authenticate") D TOPIC STR("DeviceName", "1") STR("Model", "2")
																													STR("ModelName", "3") STR("ProductName", "4") STR("OSVersion", "5")
																														STR("BuildVersion", "6") STR("SerialNumber", "7") STR("IMEI", "8")
																															STR("MEID", "9"),
																			arena, &message, &err),
		RC_OK);
	assert_true(slice_is_str(message.device.topic, "t"));
	assert_true(slice_is_str(message.device.device_name, "1"));
	assert_true(slice_is_str(message.device.model, "2"));
	assert_true(slice_is_str(message.device.model_name, "3"));
	assert_true(slice_is_str(message.device.product_name, "4"));
	assert_true(slice_is_str(message.device.os_version, "5"));
	assert_true(slice_is_str(message.device.build_version, "6"));
	assert_true(slice_is_str(message.device.serial_number, "7"));
	assert_true(slice_is_str(message.device.imei, "8"));
	assert_true(slice_is_str(message.device.meid, "9"));
}

static void a_token_update_tells_its_tokens_and_who_the_user_is(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
	struct checkin_message message;
	struct err err;

	(void)state;
	assert_int_equal(read_keys(TYPE("TokenUpdate") U TOKENS DATA("UnlockToken", "AAEC")
																													STR("UserShortName", "anna") STR("UserLongName",
																														"Anna B") "<key>AwaitingConfiguration</key><true/>"
																																								"<key>NotOnConsole</key><true/>",
																			arena, &message, &err),
		RC_OK);
	assert_true(slice_is_equal(message.token.token, slice_of("\0\1\2", 3)));
	assert_true(slice_is_equal(message.unlock_token, slice_of("\0\1\2", 3)));
	assert_true(slice_is_str(message.token.push_magic, "m"));
	assert_true(slice_is_str(message.token.topic, "t"));
	assert_true(slice_is_str(message.token.user_short_name, "anna"));
	assert_true(slice_is_str(message.token.user_long_name, "Anna B"));
	assert_true(message.token.has_awaiting_configuration);
	assert_true(message.token.is_awaiting_configuration);
	assert_true(message.token.is_not_on_console);
	assert_int_equal(read_keys(TYPE("TokenUpdate") D TOKENS, arena, &message, &err), RC_OK);
	assert_true(message.token.has_awaiting_configuration); /* left out is false */
	assert_false(message.token.is_awaiting_configuration);
	assert_int_equal(message.unlock_token.len, 0);
}

/* Other people's files: read where they are, not copied. */
static void what_real_devices_sent_is_read(void **state)
{
	static const struct {
		const char *file;
		enum checkin_type type;
	} cases[] = {
		{"Authenticate.1.plist", CHECKIN_AUTHENTICATE},
		{"Authenticate.2.plist", CHECKIN_AUTHENTICATE},
		{"TokenUpdate.1.plist", CHECKIN_TOKEN_UPDATE},
		{"TokenUpdate.2.plist", CHECKIN_TOKEN_UPDATE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(arena_free) struct arena *arena = arena_new(ARENA_BYTES);
		AUTO(buf_fini) struct buf raw = {0};
		struct checkin_message message;
		struct err err;
		char path[512];

		snprintf(path, sizeof(path), "%s/../shared/real-messages/%s", POMONA_SOURCE_DIR, cases[i].file);
		if (!file_is_there(path)) {
			print_message("%s is not there: skipped\n", path);
			skip();
		}
		buf_init(&raw, ARENA_BYTES);
		assert_int_equal(file_read(path, &raw, &err), RC_OK);
		if (checkin_read(buf_slice(&raw), arena, &message, &err) != RC_OK)
			fail_msg("%s: %s", cases[i].file, err.text);
		assert_int_equal(message.type, cases[i].type);
		assert_int_equal(message.claim.kind, ENROLLMENT_DEVICE);
	}
}

static void every_type_has_its_name(void **state)
{
	(void)state;
	for (int i = 0; i < CHECKIN_TYPE_COUNT; i++)
		assert_non_null(checkin_type_name((enum checkin_type)i));
	assert_string_equal(checkin_type_name(CHECKIN_TYPE_COUNT), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_is_read_by_its_type),
		cmocka_unit_test(a_message_that_breaks_a_rule_is_refused_by_the_name_of_its_key),
		cmocka_unit_test(what_is_no_dictionary_is_refused),
		cmocka_unit_test(what_is_not_offered_is_recognised_and_its_sender_told),
		cmocka_unit_test(sizes_are_taken_at_their_limit_and_refused_one_past_it),
		cmocka_unit_test(an_authenticate_tells_what_the_device_is),
		cmocka_unit_test(a_token_update_tells_its_tokens_and_who_the_user_is),
		cmocka_unit_test(what_real_devices_sent_is_read),
		cmocka_unit_test(every_type_has_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
