/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "apns_check.h"
#include "pomona/base/compiler.h"

#define TOPIC "com.apple.mgmt.External.x"
#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN
#define HUNDRED FIFTY FIFTY

/* A good push; what a case changes is not NULL. NONE leaves a field out. */
static const char none[] = "";
#define NONE none

struct sample {
	const char *method, *path, *id, *topic, *push_type, *priority, *expiration, *collapse_id;
	const char *body;
	const struct apns_peer *peer;
};

static const struct apns_peer owner = {.has_cert = true, .uid = TOPIC};
static const struct apns_peer nameless = {.has_cert = true, .uid = ""};
static const struct apns_peer stranger = {.uid = ""};
static const struct apns_peer anyone = {.is_anyone = true, .uid = ""};

static void put(struct apns_request *request, enum apns_field field, const char *changed,
	const char *usual)
{
	const char *value = changed != NULL ? changed : usual;

	if (value == NONE || value == NULL)
		return;
	request->present |= 1u << field;
	request->fields[field] = slice_of_str(value);
}

static struct apns_request request_of(const struct sample *sample)
{
	struct apns_request request = {0};

	put(&request, APNS_FIELD_METHOD, sample->method, "POST");
	put(&request, APNS_FIELD_PATH, sample->path, "/3/device/00ff");
	put(&request, APNS_FIELD_ID, sample->id, NULL);
	put(&request, APNS_FIELD_TOPIC, sample->topic, TOPIC);
	put(&request, APNS_FIELD_PUSH_TYPE, sample->push_type, "mdm");
	put(&request, APNS_FIELD_PRIORITY, sample->priority, "10");
	put(&request, APNS_FIELD_EXPIRATION, sample->expiration, "0");
	put(&request, APNS_FIELD_COLLAPSE_ID, sample->collapse_id, NULL);
	request.body = slice_of_str(sample->body != NULL ? sample->body : "{\"mdm\":\"m\"}");
	request.body_bytes = request.body.len;
	return request;
}

static const char *reason_for(const struct sample *sample, struct apns_push *push)
{
	const struct apns_request request = request_of(sample);
	const struct apns_reason *reason =
		apns_check(&request, sample->peer != NULL ? sample->peer : &owner, push);

	return reason == NULL ? "" : reason->name;
}

static void each_fault_of_a_request_has_its_reason(void **state)
{
	static const struct {
		struct sample sample;
		const char *reason; /* "": it is good */
	} cases[] = {
		{{0}, ""},
		{{.method = "GET"}, "MethodNotAllowed"},
		{{.method = NONE}, "MethodNotAllowed"},
		{{.path = "/"}, "BadPath"},
		{{.path = "/3/devices/00ff"}, "BadPath"},
		{{.path = "/2/device/00ff"}, "BadPath"},
		{{.path = "/3/device"}, "MissingDeviceToken"},
		{{.path = "/3/device/"}, "MissingDeviceToken"},
		{{.path = "/3/device/0"}, "BadDeviceToken"},
		{{.path = "/3/device/00fg"}, "BadDeviceToken"},
		{{.path = "/3/device/00FF"}, "BadDeviceToken"},
		{{.path = "/3/device/00:f"}, "BadDeviceToken"},
		{{.path = "/3/device/00ff?x"}, "BadDeviceToken"},
		{{.path = "/3/device/" HUNDRED HUNDRED}, ""},
		{{.path = "/3/device/" HUNDRED HUNDRED "0"}, "BadDeviceToken"},
		{{.path = "/3/device/" HUNDRED HUNDRED "00"}, "BadDeviceToken"},
		{{.peer = &stranger}, "MissingProviderToken"},
		{{.id = "123e4567-e89b-12d3-a456-426614174000"}, ""},
		{{.id = "123E4567-E89B-12D3-A456-426614174000"}, ""},
		{{.id = "123e4567-e89b-12d3-a456-42661417400"}, "BadMessageId"},
		{{.id = "123e4567-e89b-12d3-a456-4266141740000"}, "BadMessageId"},
		{{.id = "123e4567-e89b-12d3-a456x426614174000"}, "BadMessageId"},
		{{.id = "123e4567-e89b-12d3-a456-42661417400g"}, "BadMessageId"},
		{{.expiration = NONE}, ""},
		{{.expiration = "9223372036854775807"}, ""},
		{{.expiration = "9223372036854775808"}, "BadExpirationDate"},
		{{.expiration = "-1"}, "BadExpirationDate"},
		{{.expiration = "1.5"}, "BadExpirationDate"},
		{{.expiration = "x"}, "BadExpirationDate"},
		{{.priority = NONE}, ""},
		{{.priority = "5"}, ""},
		{{.priority = "1"}, ""},
		{{.priority = "2"}, "BadPriority"},
		{{.priority = "010"}, "BadPriority"},
		{{.priority = "high"}, "BadPriority"},
		{{.collapse_id = FIFTY TEN "0123"}, ""},
		{{.collapse_id = FIFTY TEN "01234"}, "BadCollapseId"},
		{{.push_type = NONE}, ""},
		{{.push_type = "alert"}, "InvalidPushType"},
		{{.push_type = "MDM"}, "InvalidPushType"},
		{{.topic = NONE}, ""},
		{{.topic = NONE, .peer = &nameless}, "MissingTopic"},
		{{.topic = NONE, .peer = &anyone}, "MissingTopic"},
		{{.topic = "com.example.app"}, "BadTopic"},
		{{.topic = "com.apple.mgmt."}, "BadTopic"},
		{{.topic = "com.apple.mgmt.a b"}, "BadTopic"},
		{{.topic = "com.apple.mgmt." HUNDRED HUNDRED TEN TEN TEN TEN, .peer = &anyone}, ""},
		{{.topic = "com.apple.mgmt." HUNDRED HUNDRED TEN TEN TEN TEN "1", .peer = &anyone}, "BadTopic"},
		{{.topic = TOPIC "y"}, "TopicDisallowed"},
		{{.topic = TOPIC, .peer = &nameless}, "TopicDisallowed"},
		{{.topic = TOPIC "y", .peer = &anyone}, ""},
		{{.body = ""}, "PayloadEmpty"},
		{{.body = "{}"}, "PayloadEmpty"},
		{{.body = "{\"aps\":{}}"}, "PayloadEmpty"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct apns_push push;
		const char *reason = reason_for(&cases[i].sample, &push);

		if (strcmp(reason, cases[i].reason) != 0)
			fail_msg("case %zu: '%s', want '%s'", i, reason, cases[i].reason);
	}
}

static void a_field_that_came_twice_is_refused(void **state)
{
	struct apns_request request = request_of(&(struct sample){0});
	const struct apns_reason *reason;
	struct apns_push push;

	(void)state;
	request.twice = 1u << APNS_FIELD_TOPIC;
	reason = apns_check(&request, &owner, &push);
	assert_non_null(reason);
	assert_string_equal(reason->name, "DuplicateHeaders");
}

static void a_payload_may_have_4096_bytes_and_no_more(void **state)
{
	static char body[APNS_PAYLOAD_BYTES_MAX + 1];
	struct apns_request request = request_of(&(struct sample){0});
	struct apns_push push;

	(void)state;
	memset(body, ' ', sizeof(body));
	memcpy(body, "{\"mdm\":\"m\"}", 11);
	request.body = slice_of(body, APNS_PAYLOAD_BYTES_MAX);
	request.body_bytes = APNS_PAYLOAD_BYTES_MAX;
	assert_null(apns_check(&request, &owner, &push));
	request.body_bytes++; /* the rest is not kept */
	assert_string_equal(apns_check(&request, &owner, &push)->name, "PayloadTooLarge");
}

static void a_good_push_is_read_out(void **state)
{
	const struct sample sample = {.id = "123e4567-e89b-12d3-a456-426614174000",
		.priority = "5",
		.expiration = "77",
		.body = "{\"mdm\":\"magic\"}"};
	const struct apns_request request = request_of(&sample);
	struct apns_push push;

	(void)state;
	assert_null(apns_check(&request, &owner, &push));
	assert_int_equal(push.token_len, 2);
	assert_memory_equal(push.token, "\x00\xff", 2);
	assert_true(slice_is_str(push.token_text, "00ff"));
	assert_true(slice_is_str(push.topic, TOPIC));
	assert_true(slice_is_str(push.push_type, "mdm"));
	assert_true(slice_is_str(push.id, sample.id));
	assert_int_equal(push.priority, 5);
	assert_int_equal(push.expiration, 77);
	assert_string_equal(push.magic, "magic");
}

static void what_is_left_out_has_its_default(void **state)
{
	const struct sample sample = {.topic = NONE,
		.priority = NONE,
		.expiration = NONE,
		.push_type = NONE};
	const struct apns_request request = request_of(&sample);
	struct apns_push push;

	(void)state;
	assert_null(apns_check(&request, &owner, &push));
	assert_true(slice_is_str(push.topic, TOPIC));
	assert_int_equal(push.priority, 10);
	assert_int_equal(push.expiration, -1);
	assert_int_equal(push.push_type.len, 0);
	assert_int_equal(push.id.len, 0);
}

static void only_the_one_form_of_payload_is_read(void **state)
{
	static const struct {
		const char *body;
		const char *magic; /* NULL: another payload */
	} cases[] = {
		{"{\"mdm\":\"x\"}", "x"},
		{"{\"mdm\":\"\"}", ""},
		{" \t\r\n{ \"mdm\" : \"x\" } \n", "x"},
		{"{\"mdm\":\"a\\\"b\\\\c\\/d\\b\\f\\n\\r\\t\"}", "a\"b\\c/d\b\f\n\r\t"},
		{"{\"mdm\":\"\\u0041\\u00e9\\u20AC\\ud83c\\udf4e\"}", "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x8d\x8e"},
		{"{\"mdm\":\"\xc3\xa9\"}", "\xc3\xa9"},
		{"{\"\\u006ddm\":\"x\"}", "x"},
		{"{\"mdm\":\"\xff\"}", NULL},
		{"{\"mdm\":\"\\ud83c\"}", NULL},
		{"{\"mdm\":\"\\ud83c\\u0041\"}", NULL},
		{"{\"mdm\":\"\\udf4e\"}", NULL},
		{"{\"mdm\":\"\\u0000\"}", NULL},
		{"{\"mdm\":\"\\u12\"}", NULL},
		{"{\"mdm\":\"\\x\"}", NULL},
		{"{\"mdm\":\"\\", NULL},
		{"{\"mdm\":\"\n\"}", NULL},
		{"{\"mdm\":\"x", NULL},
		{"{\"mdm\":\"x\"", NULL},
		{"{\"mdm\":\"x\"}}", NULL},
		{"{\"mdm\":\"x\",}", NULL},
		{"{\"mdm\":\"x\",\"mdm\":\"x\"}", NULL},
		{"{\"mdm\":7}", NULL},
		{"{\"mdm\":null}", NULL},
		{"{\"MDM\":\"x\"}", NULL},
		{"{\"mdmdmdmdm\":\"x\"}", NULL},
		{"{\"mdm\" \"x\"}", NULL},
		{"[\"mdm\"]", NULL},
		{"", NULL},
		{"{", NULL},
	};
	char magic[APNS_MAGIC_BYTES_MAX + 1];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		bool is_read = apns_payload_read(slice_of_str(cases[i].body), magic);

		if (is_read != (cases[i].magic != NULL))
			fail_msg("%s", cases[i].body);
		if (is_read)
			assert_string_equal(magic, cases[i].magic);
	}
}

static void every_cut_of_a_payload_is_refused(void **state)
{
	static const char body[] = "{\"mdm\":\"a\\u00e9\\n\"}";
	char magic[APNS_MAGIC_BYTES_MAX + 1];

	(void)state;
	assert_true(apns_payload_read(slice_of(body, sizeof(body) - 1), magic));
	for (size_t len = 0; len < sizeof(body) - 1; len++) {
		char cut[sizeof(body)]; /* so that a byte too far is out of bounds */

		memcpy(cut, body, len);
		assert_false(apns_payload_read(slice_of(cut, len), magic));
	}
}

static void a_long_magic_is_cut_to_its_bound(void **state)
{
	char body[APNS_MAGIC_BYTES_MAX + 32], magic[APNS_MAGIC_BYTES_MAX + 1];

	(void)state;
	for (int len = APNS_MAGIC_BYTES_MAX; len <= APNS_MAGIC_BYTES_MAX + 1; len++) {
		(void)snprintf(body, sizeof(body), "{\"mdm\":\"%0*d\"}", len, 0);
		assert_true(apns_payload_read(slice_of_str(body), magic));
		assert_int_equal(strlen(magic), APNS_MAGIC_BYTES_MAX);
	}
}

static void each_reason_of_apples_is_found_by_its_name(void **state)
{
	size_t count = 0;

	(void)state;
	for (const struct apns_reason *reason; (reason = apns_reason_at(count)) != NULL; count++) {
		assert_ptr_equal(apns_reason_find(slice_of_str(reason->name)), reason);
		assert_in_range(reason->status, 400, 503);
		assert_true(apns_reason_is_word(slice_of_str(reason->name)));
	}
	assert_int_equal(count, 33);
	assert_null(apns_reason_find(slice_of_str("unregistered")));
	assert_false(apns_reason_is_word(slice_of_str("a\"b")));
	assert_true(apns_reason_is_word(slice_of_str(FIFTY TEN "012")));
	assert_false(apns_reason_is_word(slice_of_str(FIFTY TEN "0123")));
}

static void fields_are_known_by_their_names(void **state)
{
	(void)state;
	for (enum apns_field field = APNS_FIELD_METHOD; field < APNS_FIELD_COUNT; field++)
		assert_int_equal(apns_field_of(slice_of_str(apns_field_name(field))), field);
	assert_int_equal(apns_field_of(slice_of_str("apns-topics")), APNS_FIELD_COUNT);
	assert_int_equal(apns_field_of(slice_of_str("apns-tobic")), APNS_FIELD_COUNT);
	assert_int_equal(apns_field_of(slice_of_str("")), APNS_FIELD_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_of_a_request_has_its_reason),
		cmocka_unit_test(a_field_that_came_twice_is_refused),
		cmocka_unit_test(a_payload_may_have_4096_bytes_and_no_more),
		cmocka_unit_test(a_good_push_is_read_out),
		cmocka_unit_test(what_is_left_out_has_its_default),
		cmocka_unit_test(only_the_one_form_of_payload_is_read),
		cmocka_unit_test(every_cut_of_a_payload_is_refused),
		cmocka_unit_test(a_long_magic_is_cut_to_its_bound),
		cmocka_unit_test(each_reason_of_apples_is_found_by_its_name),
		cmocka_unit_test(fields_are_known_by_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
