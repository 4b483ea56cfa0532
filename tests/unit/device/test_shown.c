/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake_http.h"
#include "fake_rooms.h"
#include "pomona/base/log.h"
#include "pomona/device/device.h"

/* Who sends a message, by each of the three ways, and what is made of one that is wrong. */

#define CHECKIN "application/x-apple-aspen-mdm-checkin"
#define BODY "a message"
#define CERT "X-Cert"
#define SIGNED "Mdm-Signature"

enum { LARGE_MAX = 1000000 };

static struct device *device;
static struct fake_connection connection;
static struct http_request request;
static struct device_settings settings;

static int setup(void **state)
{
	struct device_params params = {.clock = &fake_clock,
		.users = fake_users,
		.trust = fake_trust('a')};

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	fake_rooms_reset();
	settings = (struct device_settings){
		.identity = {.is_tls = true, .is_signature = true, .header = CERT},
		.checkin_bytes_max = LARGE_MAX,
		.result_bytes_max = LARGE_MAX,
	};
	params.settings = settings;
	connection = (struct fake_connection){.cert_count = 0};
	return device_new(&params, &device, NULL) != RC_OK;
}

static int teardown(void **state)
{
	(void)state;
	device_free(&device);
	fake_request_fini(&request);
	fake_connection_fini(&connection);
	return fake_trust_refs() != 0 || rooms.reads_open != 0;
}

static void new_request(void)
{
	size_t count;

	fake_request_fini(&request);
	request = (struct http_request){
		.connection = &connection,
		.route = device_routes(&count),
		.content_type = CHECKIN,
		.body = SLICE_LITERAL(BODY),
		.peer = "10.0.0.1:5000",
		.is_from_proxy = true,
	};
}

static void add_header(const char *name, const char *value)
{
	size_t at = 0;

	while (request.headers[at].name != NULL)
		at++;
	assert_true(at + 1 < FAKE_HEADERS_MAX);
	request.headers[at].name = name;
	request.headers[at].value = value;
}

static struct refusal_entry latest(void)
{
	AUTO(arena_free) struct arena *arena = arena_new(1 << 20);
	struct refusal_entry *entries;
	size_t count;

	assert_int_equal(refusal_log_latest(device_refusals(device), 1, arena, &entries, &count, NULL),
		RC_OK);
	assert_int_equal(count, 1);
	return entries[0];
}

static void handle(void)
{
	request.route->handle(&request, device);
}

/* It is taken: the writer decides. */
static void assert_taken_from(const char *subject)
{
	handle();
	if (!request.is_deferred)
		fail_msg("%u %s", request.status, request.text);
	rooms.decision.refusal = REFUSAL_UNKNOWN_DEVICE;
	fake_turn(RC_OK);
	assert_string_equal(latest().cert_subject, subject);
}

static void assert_refused(enum refusal refusal, const char *text)
{
	handle();
	assert_false(request.is_deferred);
	assert_int_equal(request.status, refusal_http_status(refusal));
	assert_int_equal(latest().refusal, refusal);
	if (strstr(latest().text, text) == NULL)
		fail_msg("%s: %s", text, latest().text);
}

static void the_first_way_that_is_there_decides(void **state)
{
	(void)state;
	connection.certs[0] = SLICE_LITERAL("tls");
	connection.cert_count = 1;
	new_request();
	add_header(CERT, "(proxied)");
	add_header(SIGNED, "signer|" BODY "|");
	assert_taken_from("CN=tls");
	assert_int_equal(rooms.verified, 0);

	connection.cert_count = 0;
	fake_connection_fini(&connection);
	new_request();
	add_header(CERT, "(proxied)");
	add_header(SIGNED, "signer|" BODY "|");
	assert_taken_from("CN=signer");
	assert_int_equal(rooms.chain_count, 2);

	new_request();
	add_header(CERT, "(proxied)");
	assert_taken_from("CN=proxied");
	assert_int_equal(rooms.chain_count, 1);
}

static void a_bad_certificate_is_not_made_up_for_by_the_next_way(void **state)
{
	(void)state;
	connection.certs[0] = SLICE_LITERAL("tls");
	connection.cert_count = 1;
	rooms.verdict = CERT_NOT_CHAINED;
	new_request();
	add_header(CERT, "(proxied)");
	assert_refused(REFUSAL_NOT_CHAINED, "");
	assert_string_equal(latest().cert_subject, "CN=tls");
}

static void each_way_can_be_switched_off(void **state)
{
	(void)state;
	connection.certs[0] = SLICE_LITERAL("tls");
	connection.cert_count = 1;
	settings.identity.is_tls = false;
	device_set_settings(device, &settings);
	new_request();
	add_header(SIGNED, "signer|" BODY "|");
	assert_taken_from("CN=signer");

	settings.identity.is_signature = false;
	device_set_settings(device, &settings);
	new_request();
	add_header(SIGNED, "signer|" BODY "|");
	add_header(CERT, "(proxied)");
	assert_taken_from("CN=proxied");

	settings.identity.header[0] = '\0';
	device_set_settings(device, &settings);
	new_request();
	add_header(SIGNED, "signer|" BODY "|");
	add_header(CERT, "(proxied)");
	assert_refused(REFUSAL_NO_CERTIFICATE, "");
	assert_string_equal(latest().cert_subject, "");
}

static void a_header_of_somebody_else_is_not_believed(void **state)
{
	(void)state;
	new_request();
	request.is_from_proxy = false;
	add_header(CERT, "(proxied)");
	assert_refused(REFUSAL_NO_CERTIFICATE, "the header X-Cert was not believed");
	assert_string_equal(latest().cert_subject, "");
}

static void a_signature_needs_no_proxy(void **state)
{
	(void)state;
	new_request();
	request.is_from_proxy = false;
	add_header(SIGNED, "signer|" BODY "|");
	assert_taken_from("CN=signer");
}

static void a_wrong_signature_is_400_and_names_its_certificate(void **state)
{
	(void)state;
	new_request();
	add_header(SIGNED, "signer|another message|");
	assert_refused(REFUSAL_BAD_SIGNATURE, "header Mdm-Signature: other bytes");
	assert_string_equal(latest().cert_subject, "CN=signer");
	new_request();
	add_header(SIGNED, "garbage");
	assert_refused(REFUSAL_BAD_SIGNATURE, "header Mdm-Signature: no CMS message");
	assert_string_equal(latest().cert_subject, "");
}

static void a_strangers_key_is_not_worked_with(void **state)
{
	(void)state;
	rooms.verdict = CERT_NOT_CHAINED;
	new_request();
	add_header(SIGNED, "signer|another message|");
	assert_refused(REFUSAL_NOT_CHAINED, "");
	assert_int_equal(rooms.verified, 0);
	rooms.verdict = CERT_GOOD;
	rooms.now_s = 2001; /* its certificate ended */
	new_request();
	add_header(SIGNED, "signer|" BODY "|");
	assert_refused(REFUSAL_EXPIRED, "");
	assert_int_equal(rooms.verified, 0);
}

static void a_header_without_a_certificate_is_403(void **state)
{
	(void)state;
	new_request();
	add_header(CERT, "garbage");
	assert_refused(REFUSAL_CERTIFICATE_GARBLED, "header X-Cert: no certificate");
	assert_int_equal(request.status, 403);
}

static void a_header_that_comes_twice_is_refused(void **state)
{
	(void)state;
	new_request();
	add_header(CERT, "(forged)");
	add_header(CERT, "(proxied)");
	assert_refused(REFUSAL_CERTIFICATE_GARBLED, "header X-Cert: sent more than once");
	new_request();
	add_header(SIGNED, "signer|" BODY "|");
	add_header(SIGNED, "signer|" BODY "|");
	assert_refused(REFUSAL_BAD_SIGNATURE, "header Mdm-Signature: sent more than once");
}

static void the_time_of_signing_is_held_to_the_skew(void **state)
{
	static const struct {
		const char *value;
		int64_t skew_s;
		bool is_good;
	} rows[] = {
		{"signer|" BODY "|", 0, true},
		{"signer|" BODY "|1", 0, true},
		{"signer|" BODY "|1000", 10, true},
		{"signer|" BODY "|990", 10, true},
		{"signer|" BODY "|989", 10, false},
		{"signer|" BODY "|1010", 10, true},
		{"signer|" BODY "|1011", 10, false},
		{"signer|" BODY "|", 10, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		settings.identity.signing_skew_s = rows[i].skew_s;
		device_set_settings(device, &settings);
		new_request();
		add_header(SIGNED, rows[i].value);
		if (rows[i].is_good)
			assert_taken_from("CN=signer");
		else
			assert_refused(REFUSAL_BAD_SIGNATURE, "signing_skew_s");
	}
}

static void a_stored_pin_spares_the_judgement_on_each_way(void **state)
{
	(void)state;
	rooms.is_identity_known = true;
	rooms.identity = (struct identity){.not_before = 500, .not_after = 2000};
	memset(rooms.identity.chained_under, 'a', SHA256_BYTES);
	new_request();
	add_header(CERT, "(proxied)");
	assert_taken_from("CN=proxied");
	new_request();
	add_header(SIGNED, "signer|" BODY "|");
	assert_taken_from("CN=signer");
	assert_int_equal(rooms.judged, 0);
	assert_int_equal(rooms.verified, 1);
}

static void a_proxy_shows_a_new_device_with_each_request(void **state)
{
	(void)state;
	new_request();
	add_header(CERT, "(one)");
	assert_taken_from("CN=one");
	new_request();
	add_header(CERT, "(two)");
	assert_taken_from("CN=two");
	new_request();
	assert_refused(REFUSAL_NO_CERTIFICATE, "");
}

static void large_bodies_are_for_good_certificates_of_each_way(void **state)
{
	static const struct {
		const char *name, *value;
		enum cert_verdict verdict;
		enum refusal refusal;
	} rows[] = {
		{CERT, "(proxied)", CERT_GOOD, REFUSAL_NONE},
		{CERT, "(proxied)", CERT_NOT_CHAINED, REFUSAL_NOT_CHAINED},
		{CERT, "garbage", CERT_GOOD, REFUSAL_CERTIFICATE_GARBLED},
		{SIGNED, "signer|any|", CERT_GOOD, REFUSAL_NONE},
		{SIGNED, "signer|any|", CERT_NOT_CHAINED, REFUSAL_NOT_CHAINED},
		{SIGNED, "garbage", CERT_GOOD, REFUSAL_BAD_SIGNATURE},
		{"X-Nothing", "", CERT_GOOD, REFUSAL_NO_CERTIFICATE},
	};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
		size_t at = i / 2;
		bool is_good = rows[at].refusal == REFUSAL_NONE;

		rooms.verdict = rows[at].verdict;
		new_request();
		add_header(rows[at].name, rows[at].value);
		request.is_chunked = i % 2 == 1;
		request.content_length = request.is_chunked ? NULL : "65537";
		assert_int_equal(device_before(&request, device), request.is_chunked || is_good);
		if (request.is_replied)
			assert_int_equal(latest().refusal, rows[at].refusal);
		else
			assert_int_equal(request.route->body_max(&request, device), is_good ? LARGE_MAX : 65536);
	}
	assert_int_equal(rooms.verified, 0);
}

static void without_tls_only_a_proxy_sends_messages(void **state)
{
	(void)state;
	new_request();
	request.is_plain = true;
	add_header(CERT, "(proxied)");
	assert_true(device_before(&request, device));
	assert_taken_from("CN=proxied");

	new_request();
	request.is_plain = true;
	request.is_from_proxy = false;
	add_header(SIGNED, "signer|" BODY "|");
	assert_false(device_before(&request, device));
	assert_int_equal(request.status, 403);
	assert_int_equal(latest().refusal, REFUSAL_PLAIN);
}

static void a_proxy_says_who_asks(void **state)
{
	(void)state;
	new_request();
	handle();
	assert_string_equal(latest().peer, "10.0.0.1:5000");
	new_request();
	add_header("X-Forwarded-For", "192.0.2.7");
	handle();
	assert_string_equal(latest().peer, "192.0.2.7 via 10.0.0.1:5000");
	new_request();
	request.is_from_proxy = false;
	add_header("X-Forwarded-For", "192.0.2.7");
	handle();
	assert_string_equal(latest().peer, "10.0.0.1:5000");
}

static void assert_asked_from(const char *address)
{
	const int before = rooms.asked;

	handle();
	assert_true(request.is_deferred);
	assert_int_equal(rooms.asked, before + 1);
	assert_string_equal(rooms.asked_from, address);
	fake_turn(RC_OK);
	assert_int_equal(request.status, 200);
}

static void a_users_guesses_are_counted_for_who_is_behind_the_proxy(void **state)
{
	(void)state;
	rooms.checkin_type = CHECKIN_USER_AUTHENTICATE;
	rooms.has_question = rooms.may_ask = true;
	new_request();
	add_header(CERT, "(proxied)");
	add_header("X-Forwarded-For", "192.0.2.7");
	assert_asked_from("192.0.2.7");
	new_request();
	add_header(CERT, "(proxied)");
	assert_asked_from("10.0.0.1:5000");
	connection.certs[0] = SLICE_LITERAL("tls");
	connection.cert_count = 1;
	new_request();
	request.is_from_proxy = false;
	request.peer = "203.0.113.9:1";
	add_header("X-Forwarded-For", "192.0.2.7");
	assert_asked_from("203.0.113.9:1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_way_that_is_there_decides),
		TEST(a_bad_certificate_is_not_made_up_for_by_the_next_way),
		TEST(each_way_can_be_switched_off),
		TEST(a_header_of_somebody_else_is_not_believed),
		TEST(a_signature_needs_no_proxy),
		TEST(a_wrong_signature_is_400_and_names_its_certificate),
		TEST(a_strangers_key_is_not_worked_with),
		TEST(a_header_without_a_certificate_is_403),
		TEST(a_header_that_comes_twice_is_refused),
		TEST(the_time_of_signing_is_held_to_the_skew),
		TEST(a_stored_pin_spares_the_judgement_on_each_way),
		TEST(a_proxy_shows_a_new_device_with_each_request),
		TEST(large_bodies_are_for_good_certificates_of_each_way),
		TEST(without_tls_only_a_proxy_sends_messages),
		TEST(a_proxy_says_who_asks),
		TEST(a_users_guesses_are_counted_for_who_is_behind_the_proxy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
