/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "apns.h"
#include "pomona/json/json.h"

#define TOPIC "com.apple.mgmt.External.1"

enum { NOW_S = 1800000000, DAY_S = 86400 };

static struct apns_frame frame;
static struct parcel parcel;

static int set_up(void **state)
{
	(void)state;
	apns_frame_init(&frame, "api.push.apple.com", 443);
	apns_frame_set_priority(&frame, 10);
	memset(&parcel, 0, sizeof(parcel));
	for (size_t i = 0; i < 32; i++)
		parcel.token[i] = (uint8_t)(i * 8 + 3);
	parcel.token_len = 32;
	parcel.magic_len = 36;
	memcpy(parcel.magic, "0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0", 36);
	return 0;
}

static enum rc write_at(int64_t now_s, int64_t expiration_s, struct err *err)
{
	return apns_write(&frame, SLICE_LITERAL(TOPIC), &parcel, now_s, expiration_s, err);
}

static struct slice field(const char *name)
{
	for (size_t i = 0; i < APNS_FIELD_COUNT; i++)
		if (slice_is_str(frame.fields[i].name, name))
			return frame.fields[i].value;
	fail_msg("no field %s", name);
	return (struct slice){NULL, 0};
}

static void assert_slice(struct slice have, const char *want)
{
	if (!slice_is_str(have, want))
		fail_msg("\"%.*s\", want \"%s\"", SLICE_FMT(have), want);
}

static void a_request_has_the_fields_that_apns_asks_for(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(write_at(NOW_S, 7 * DAY_S, &err), RC_OK);
	assert_slice(field(":method"), "POST");
	assert_slice(field(":scheme"), "https");
	assert_slice(field(":authority"), "api.push.apple.com");
	assert_slice(field(":path"),
		"/3/device/030b131b232b333b434b535b636b737b838b939ba3abb3bbc3cbd3dbe3ebf3fb");
	assert_slice(field("apns-topic"), TOPIC);
	assert_slice(field("apns-push-type"), "mdm");
	assert_slice(field("apns-priority"), "10");
	assert_slice(field("apns-expiration"), "1800604800");
	assert_slice(frame.body, "{\"mdm\":\"0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0\"}");
	for (size_t i = 0; i < APNS_FIELD_COUNT; i++)
		assert_int_equal(frame.fields[i].is_unique, slice_is_str(frame.fields[i].name, ":path"));
	/* Pseudo-headers first. */
	for (size_t i = 0; i < APNS_FIELD_COUNT; i++)
		assert_int_equal(frame.fields[i].name.ptr[0] == ':', i < 4);
}

static void the_authority_names_a_port_that_is_not_https_own(void **state)
{
	struct err err;

	(void)state;
	apns_frame_init(&frame, "127.0.0.1", 2197);
	assert_int_equal(write_at(NOW_S, 0, &err), RC_OK);
	assert_slice(field(":authority"), "127.0.0.1:2197");
	apns_frame_init(&frame, "::1", 2197);
	assert_slice(field(":authority"), "[::1]:2197");
	apns_frame_init(&frame, "::1", 443);
	assert_slice(field(":authority"), "[::1]");
}

static void the_longest_host_name_fits(void **state)
{
	char host[PUSH_HOST_BYTES_MAX + 1];
	char want[PUSH_HOST_BYTES_MAX + 8];

	(void)state;
	memset(host, 'a', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	(void)snprintf(want, sizeof(want), "%s:65535", host);
	apns_frame_init(&frame, host, 65535);
	assert_slice(field(":authority"), want);
}

/* So that HPACK has it in its table for a minute. */
static void the_expiration_changes_once_a_minute_and_is_never_too_early(void **state)
{
	struct err err;

	(void)state;
	for (int64_t now_s = NOW_S; now_s < NOW_S + 200; now_s++) {
		char want[32];
		int64_t exact = now_s + 90;

		(void)snprintf(want, sizeof(want), "%lld", (long long)((exact + 59) / 60 * 60));
		assert_int_equal(write_at(now_s, 90, &err), RC_OK);
		assert_slice(field("apns-expiration"), want);
	}
	assert_int_equal(write_at(NOW_S, 0, &err), RC_OK);
	assert_slice(field("apns-expiration"), "0");
}

static void priorities_are_said_as_they_are_set(void **state)
{
	struct err err;

	(void)state;
	apns_frame_set_priority(&frame, 5);
	assert_int_equal(write_at(NOW_S, 0, &err), RC_OK);
	assert_slice(field("apns-priority"), "5");
}

static void the_magic_arrives_as_it_is_whatever_characters_it_has(void **state)
{
	static const char *const texts[] = {"plain", "\"", "\\", "a\"b\\c", "\n\t\b\f\r\x01\x1F", "\x7F",
		"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x8D\x8E", "</script>", "\"},\"aps\":{\"x\":\"", " "};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		AUTO(json_free) struct json_value *root = NULL;
		struct err err;

		parcel.magic_len = strlen(texts[i]);
		memcpy(parcel.magic, texts[i], parcel.magic_len);
		assert_int_equal(write_at(NOW_S, 0, &err), RC_OK);
		assert_int_equal(json_parse(frame.body, &root, &err), RC_OK);
		assert_int_equal(json_count(root), 1);
		assert_slice(json_string(json_get(root, "mdm")), texts[i]);
	}
}

static void a_payload_may_have_as_many_bytes_as_apns_takes_and_no_more(void **state)
{
	/* {"mdm":"..."} is 10 bytes; of 4086, 680 times six are 4080. */
	enum { ESCAPED = 680, PLAIN = 6 };
	struct err err = {.rc = RC_OK};

	(void)state;
	memset(parcel.magic, 1, ESCAPED);
	memset(parcel.magic + ESCAPED, 'x', PLAIN + 1);
	parcel.magic_len = ESCAPED + PLAIN;
	assert_int_equal(write_at(NOW_S, 0, &err), RC_OK);
	assert_int_equal(frame.body.len, APNS_BODY_BYTES_MAX);
	parcel.magic_len++;
	assert_int_equal(write_at(NOW_S, 0, &err), RC_LIMIT);
	assert_string_equal(err.text, "the push magic makes a payload of more than 4096 bytes");
}

static void what_cannot_be_sent_is_said(void **state)
{
	struct err err;

	(void)state;
	parcel.magic_len = PARCEL_MAGIC_BYTES_MAX;
	memset(parcel.magic, 'x', sizeof(parcel.magic));
	parcel.token_len = PUSH_TOKEN_BYTES_MAX;
	assert_int_equal(write_at(NOW_S, 0, &err), RC_OK);
	assert_int_equal(field(":path").len, APNS_PATH_BYTES_MAX);
	parcel.token_len = 0;
	assert_int_equal(write_at(NOW_S, 0, &err), RC_INVALID);
	parcel.token_len = PUSH_TOKEN_BYTES_MAX + 1;
	assert_int_equal(write_at(NOW_S, 0, &err), RC_INVALID);
	parcel.token_len = 1;
	parcel.magic_len = 0;
	assert_int_equal(write_at(NOW_S, 0, &err), RC_INVALID);
	parcel.magic_len = PARCEL_MAGIC_BYTES_MAX + 1;
	assert_int_equal(write_at(NOW_S, 0, &err), RC_INVALID);
	parcel.magic_len = 1;
	parcel.magic[0] = '\xFF';
	assert_int_equal(write_at(NOW_S, 0, &err), RC_INVALID);
}

static struct apns_reply read_reply(const char *body, const char *id, const char *retry_after)
{
	const struct h2_reply reply = {
		.status = 400,
		.kept = {[APNS_KEPT_ID] = slice_of_str(id), [APNS_KEPT_RETRY_AFTER] = slice_of_str(retry_after)},
		.body = slice_of_str(body),
	};
	struct apns_reply out;

	memset(&out, 0x55, sizeof(out));
	apns_read(&reply, &out);
	return out;
}

static void a_reply_tells_reason_and_timestamp(void **state)
{
	static const struct {
		const char *body, *reason;
		int64_t timestamp_ms;
	} cases[] = {
		{"", "", 0},
		{"{\"reason\":\"BadDeviceToken\"}", "BadDeviceToken", 0},
		{"{\"reason\":\"Unregistered\",\"timestamp\":1800000000123}", "Unregistered", 1800000000123},
		{"{\"timestamp\":1800000000123.0,\"reason\":\"Unregistered\",\"x\":[1]}", "Unregistered",
			1800000000123},
		{"{\"reason\":\"Unregistered\",\"timestamp\":\"1800000000123\"}", "Unregistered", 0},
		{"{\"reason\":\"Unregistered\",\"timestamp\":1e300}", "Unregistered", 0},
		{"{\"reason\":\"Unregistered\",\"timestamp\":-5.5}", "Unregistered", 0},
		{"{\"reason\":17}", "", 0},
		{"{\"reason\":null}", "", 0},
		{"[\"reason\"]", "", 0},
		{"\"reason\"", "", 0},
		{"<html>Not Found</html>", "", 0},
		{"{\"reason\":\"cut", "", 0},
		{"{\"reason\":\"a b\\nlevel=info\\u00e4\"}", "a?b?level=info??", 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct apns_reply reply = read_reply(cases[i].body, "", "");

		assert_string_equal(reply.reason, cases[i].reason);
		assert_int_equal(reply.timestamp_ms, cases[i].timestamp_ms);
	}
}

static void a_reason_is_cut_and_a_body_over_its_bound_is_not_read(void **state)
{
	static char body[H2_BODY_BYTES_MAX + 2];
	struct apns_reply reply;
	char name[PUSH_REASON_BYTES_MAX + 2];

	(void)state;
	memset(name, 'R', sizeof(name));
	for (size_t past = 0; past <= 1; past++) {
		name[PUSH_REASON_BYTES_MAX + past] = '\0';
		(void)snprintf(body, sizeof(body), "{\"reason\":\"%s\"}", name);
		reply = read_reply(body, "", "");
		assert_int_equal(strlen(reply.reason), PUSH_REASON_BYTES_MAX);
		name[PUSH_REASON_BYTES_MAX + past] = 'R';
	}
	for (size_t past = 0; past <= 1; past++) {
		memset(body, ' ', sizeof(body));
		memcpy(body, "{\"reason\":\"Shutdown\"}", 21);
		body[H2_BODY_BYTES_MAX + past] = '\0';
		reply = read_reply(body, "", "");
		assert_string_equal(reply.reason, past == 0 ? "Shutdown" : "");
	}
}

static void an_id_is_hexadecimal_or_not_taken(void **state)
{
	(void)state;
	assert_string_equal(read_reply("", "eabeae54-14a8-11e5-b60b-1697f925ec7b", "").apns_id,
		"eabeae54-14a8-11e5-b60b-1697f925ec7b");
	assert_string_equal(read_reply("", "eabeae54-14a8-11e5-b60b-1697f925ec7bb", "").apns_id, "");
	assert_string_equal(read_reply("", "<script>", "").apns_id, "");
	assert_string_equal(read_reply("", "", "").apns_id, "");
}

static void retry_after_is_a_number_of_seconds_with_a_bound(void **state)
{
	(void)state;
	assert_int_equal(read_reply("", "", "").retry_after_s, 0);
	assert_int_equal(read_reply("", "", "17").retry_after_s, 17);
	assert_int_equal(read_reply("", "", "86400").retry_after_s, APNS_RETRY_AFTER_MAX_S);
	assert_int_equal(read_reply("", "", "86401").retry_after_s, APNS_RETRY_AFTER_MAX_S);
	assert_int_equal(read_reply("", "", "-1").retry_after_s, 0);
	assert_int_equal(read_reply("", "", "Fri, 31 Dec 1999 23:59:59 GMT").retry_after_s, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_request_has_the_fields_that_apns_asks_for, set_up),
		cmocka_unit_test_setup(the_authority_names_a_port_that_is_not_https_own, set_up),
		cmocka_unit_test_setup(the_longest_host_name_fits, set_up),
		cmocka_unit_test_setup(the_expiration_changes_once_a_minute_and_is_never_too_early, set_up),
		cmocka_unit_test_setup(priorities_are_said_as_they_are_set, set_up),
		cmocka_unit_test_setup(the_magic_arrives_as_it_is_whatever_characters_it_has, set_up),
		cmocka_unit_test_setup(a_payload_may_have_as_many_bytes_as_apns_takes_and_no_more, set_up),
		cmocka_unit_test_setup(what_cannot_be_sent_is_said, set_up),
		cmocka_unit_test(a_reply_tells_reason_and_timestamp),
		cmocka_unit_test(a_reason_is_cut_and_a_body_over_its_bound_is_not_read),
		cmocka_unit_test(an_id_is_hexadecimal_or_not_taken),
		cmocka_unit_test(retry_after_is_a_number_of_seconds_with_a_bound),
	};

	return cmocka_run_group_tests_name("push/apns", tests, NULL, NULL);
}
