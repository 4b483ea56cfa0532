/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"
#include "pomona/json/json.h"

static const uint8_t key[SHA256_BYTES] = {0xab, 0xcd};

static void targets_are_a_socket_or_https(void **state)
{
	static const struct {
		const char *url, *base, *socket, *path;
	} rows[] = {
		{"unix:/run/policy.sock", "http://localhost", "/run/policy.sock", "/"},
		{"https://policy.example", "https://policy.example", "", "/"},
		{"https://policy.example:8443/", "https://policy.example:8443", "", "/"},
		{"https://[2001:db8::1]:8443/scep/ask?from=mdm", "https://[2001:db8::1]:8443", "",
			"/scep/ask?from=mdm"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct policy_target target;

		assert_int_equal(policy_target_read(rows[i].url, &target, NULL), RC_OK);
		assert_string_equal(target.base_url, rows[i].base);
		assert_string_equal(target.unix_socket, rows[i].socket);
		assert_string_equal(target.path, rows[i].path);
	}
}

static void other_targets_are_refused(void **state)
{
	static const char *const rows[] = {"", "http://policy.example/", "unix:", "unix:run/x", "https://",
		"https:///x", "https://me:secret@policy.example/", "https://policy.example/a b",
		"https://policy.example/\n", "https://policy.example/#x", "https://policy.example?x",
		"/run/policy.sock", "HTTPS://policy.example/"};
	struct policy_target target;
	struct err err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(policy_target_read(rows[i], &target, &err), RC_INVALID);
}

static void a_target_has_a_bound(void **state)
{
	char url[ENROLL_POLICY_URL_BYTES_MAX + 2];
	char path[POLICY_SOCKET_BYTES_MAX + 7];
	struct policy_target target;

	(void)state;
	memset(url, 'x', sizeof(url) - 1);
	memcpy(url, "https://", 8);
	url[sizeof(url) - 1] = '\0';
	assert_int_equal(policy_target_read(url, &target, NULL), RC_INVALID);
	url[sizeof(url) - 2] = '\0';
	assert_int_equal(policy_target_read(url, &target, NULL), RC_OK);
	memset(path, 'x', sizeof(path) - 1);
	memcpy(path, "unix:/", 6);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(policy_target_read(path, &target, NULL), RC_INVALID);
	path[sizeof(path) - 2] = '\0';
	assert_int_equal(policy_target_read(path, &target, NULL), RC_OK);
}

static void a_question_tells_all_that_is_known(void **state)
{
	static const struct cert_facts signer = {.subject = "CN=old", .serial = "0a"};
	const struct policy_question question = {
		.message = "RenewalReq",
		.transaction = "47\"11",
		.is_renewal = true,
		.csr_der = SLICE_LITERAL("\x30\x00"),
		.subject = "CN=d\xc3\xa9",
		.key_sha256 = key,
		.device = "UDID-1",
		.serial_number = "C02",
		.user_name = "ann",
		.way = "challenge",
		.signer = &signer,
		.peer = SLICE_LITERAL("192.0.2.1"),
	};
	AUTO(buf_fini) struct buf out;

	(void)state;
	buf_init(&out, POLICY_QUESTION_BYTES_MAX);
	assert_int_equal(policy_question_write(&question, &out, NULL), RC_OK);
	assert_string_equal(buf_cstr(&out),
		"{\"version\":1,\"message\":\"RenewalReq\",\"transaction\":\"47\\\"11\",\"renewal\":true,"
		"\"subject\":\"CN=d\xc3\xa9\",\"key_sha256\":"
		"\"abcd000000000000000000000000000000000000000000000000000000000000\",\"way\":\"challenge\","
		"\"device\":\"UDID-1\",\"serial_number\":\"C02\",\"user\":\"ann\",\"peer\":\"192.0.2.1\","
		"\"renews\":{\"sha256\":"
		"\"0000000000000000000000000000000000000000000000000000000000000000\",\"serial\":\"0a\","
		"\"subject\":\"CN=old\"},\"csr\":\"MAA=\"}");
}

static void what_is_not_known_is_null(void **state)
{
	const struct policy_question question = {.message = "PKCSReq",
		.transaction = "1",
		.csr_der = SLICE_LITERAL("\x30\x00"),
		.subject = "",
		.key_sha256 = key,
		.device = "",
		.peer = SLICE_LITERAL("192.0.2.1")};
	static const char *const nulls[] = {"way", "device", "serial_number", "user", "renews"};
	AUTO(json_free) struct json_value *root = NULL;
	AUTO(buf_fini) struct buf out;

	(void)state;
	buf_init(&out, POLICY_QUESTION_BYTES_MAX);
	assert_int_equal(policy_question_write(&question, &out, NULL), RC_OK);
	assert_int_equal(json_parse(buf_slice(&out), &root, NULL), RC_OK);
	for (size_t i = 0; i < COUNT_OF(nulls); i++)
		assert_int_equal(json_kind(json_get(root, nulls[i])), JSON_KIND_NULL);
	assert_false(json_bool(json_get(root, "renewal")));
}

/* The largest CSR with the longest texts fits, though every character needs an escape. */
static void the_largest_question_fits(void **state)
{
	static uint8_t csr[CSR_BYTES_MAX];
	char text[CERT_NAME_BYTES];
	struct policy_question question = {.message = "RenewalReq",
		.transaction = text,
		.csr_der = slice_of(csr, sizeof(csr)),
		.subject = text,
		.key_sha256 = key,
		.device = text,
		.serial_number = text,
		.user_name = text,
		.way = "challenge"};
	struct cert_facts signer = {.serial = "0a"};
	AUTO(buf_fini) struct buf out;

	(void)state;
	memset(text, 1, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(signer.subject, text, sizeof(text));
	question.signer = &signer;
	question.peer = slice_of_str(text);
	buf_init(&out, POLICY_QUESTION_BYTES_MAX);
	assert_int_equal(policy_question_write(&question, &out, NULL), RC_OK);
}

static void clear_answers_are_read(void **state)
{
	static const struct {
		const char *body;
		bool is_allowed;
		const char *reason;
	} rows[] = {
		{"{\"decision\":\"allow\"}", true, ""},
		{" {\"decision\":\"allow\",\"reason\":\"fine\",\"more\":[1]}\n", true, ""},
		{"{\"decision\":\"deny\"}", false, ""},
		{"{\"decision\":\"deny\",\"reason\":\"not in the list\"}", false, "not in the list"},
		{"{\"decision\":\"deny\",\"reason\":\"\"}", false, ""},
		{"{\"decision\":\"deny\",\"reason\":null}", false, ""},
		{"{\"decision\":\"deny\",\"reason\":[\"no text\"]}", false, ""},
		{"{\"decision\":\"deny\",\"reason\":\"a\\nb\\u007f\\u0085c\\u00e9\"}", false, "a b   c\xc3\xa9"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct policy_answer answer;

		assert_int_equal(policy_answer_read(200, slice_of_str(rows[i].body), &answer, NULL), RC_OK);
		assert_int_equal(answer.is_allowed, rows[i].is_allowed);
		assert_string_equal(answer.reason, rows[i].reason);
	}
}

static void what_is_not_clear_is_no_answer(void **state)
{
	static const char *const rows[] = {"", "allow", "\"allow\"", "true", "[]", "{}", "null",
		"{\"decision\":true}", "{\"decision\":\"Allow\"}", "{\"decision\":\"allow \"}",
		"{\"decision\":\"\"}", "{\"decision\":null}", "{\"decision\":[\"allow\"]}",
		"{\"decision\":\"deny\",\"decision\":\"allow\"}", "{\"decision\":\"allow\"",
		"{\"Decision\":\"allow\"}", "{\"decision\":\"allow\"}{}", "{\"decision\":\"allow\\u0000\"}",
		"{\"answer\":{\"decision\":\"allow\"}}", "[{\"decision\":\"allow\"}]",
		"{\"decision\":\"allow\",\"x\":\"\xff\"}"};
	static const unsigned statuses[] = {0, 199, 201, 204, 302, 400, 401, 404, 500, 503};
	struct policy_answer answer;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(policy_answer_read(200, slice_of_str(rows[i]), &answer, NULL), RC_INVALID);
		assert_false(answer.is_allowed);
	}
	for (size_t i = 0; i < COUNT_OF(statuses); i++)
		assert_int_equal(policy_answer_read(statuses[i], slice_of_str("{\"decision\":\"allow\"}"),
																				&answer, NULL),
			RC_INVALID);
}

static void an_answer_has_a_bound(void **state)
{
	static char body[POLICY_ANSWER_BYTES_MAX + 1];
	struct policy_answer answer;

	(void)state;
	memset(body, ' ', sizeof(body));
	memcpy(body, "{\"decision\":\"allow\"}", 20);
	assert_int_equal(policy_answer_read(200, slice_of(body, sizeof(body) - 1), &answer, NULL), RC_OK);
	assert_int_equal(policy_answer_read(200, slice_of(body, sizeof(body)), &answer, NULL), RC_INVALID);
	memset(body, '[', sizeof(body));
	assert_int_equal(policy_answer_read(200, slice_of(body, sizeof(body) - 1), &answer, NULL),
		RC_INVALID);
}

/* Cut before a character that would not fit whole. */
static void a_long_reason_is_cut_and_still_refuses(void **state)
{
	char body[512];
	struct policy_answer answer;

	(void)state;
	for (size_t len = POLICY_REASON_BYTES_MAX - 2; len <= POLICY_REASON_BYTES_MAX + 1; len++) {
		const int fill = (int)len;

		snprintf(body, sizeof(body), "{\"decision\":\"deny\",\"reason\":\"%0*d\xe2\x82\xac\"}", fill, 0);
		assert_int_equal(policy_answer_read(200, slice_of_str(body), &answer, NULL), RC_OK);
		assert_false(answer.is_allowed);
		assert_int_equal(strlen(answer.reason),
			len < POLICY_REASON_BYTES_MAX ? len : POLICY_REASON_BYTES_MAX);
	}
	snprintf(body, sizeof(body), "{\"decision\":\"deny\",\"reason\":\"%0*d\xe2\x82\xac\"}",
		POLICY_REASON_BYTES_MAX - 3, 0);
	assert_int_equal(policy_answer_read(200, slice_of_str(body), &answer, NULL), RC_OK);
	assert_int_equal(strlen(answer.reason), POLICY_REASON_BYTES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_a_socket_or_https),
		cmocka_unit_test(other_targets_are_refused),
		cmocka_unit_test(a_target_has_a_bound),
		cmocka_unit_test(a_question_tells_all_that_is_known),
		cmocka_unit_test(what_is_not_known_is_null),
		cmocka_unit_test(the_largest_question_fits),
		cmocka_unit_test(clear_answers_are_read),
		cmocka_unit_test(what_is_not_clear_is_no_answer),
		cmocka_unit_test(an_answer_has_a_bound),
		cmocka_unit_test(a_long_reason_is_cut_and_still_refuses),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
