/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_http.h"
#include "fake_rooms.h"
#include "pomona/base/log.h"
#include "pomona/device/device.h"

#define CHECKIN "application/x-apple-aspen-mdm-checkin"
#define COMMAND "application/x-apple-aspen-mdm"

enum { CHECKIN_MAX = 100, RESULT_MAX = 200, LARGE_MAX = 1000000, CHANNEL = 7 };

static struct device *device;
static struct fake_connection connection;
static struct http_request request;

static const struct http_route *route(const char *path)
{
	size_t count;
	const struct http_route *routes = device_routes(&count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(routes[i].path, path) == 0)
			return &routes[i];
	fail_msg("no route %s", path);
	return NULL;
}

static void new_request(const char *path, const char *content_type)
{
	fake_request_fini(&request);
	request = (struct http_request){
		.connection = &connection,
		.route = route(path),
		.content_type = content_type,
		.body = SLICE_LITERAL("a message"),
	};
}

static void put(const char *path, const char *content_type)
{
	new_request(path, content_type);
	request.route->handle(&request, device);
}

/* A message that the writer decides, in one turn. */
static void put_and_turn(const char *content_type, enum rc commit)
{
	put("/mdm", content_type);
	assert_true(request.is_deferred);
	assert_false(request.is_replied);
	fake_turn(commit);
	assert_true(request.is_resumed);
}

static struct device_stats stats(void)
{
	struct device_stats result;

	device_stats(device, &result);
	return result;
}

static uint64_t refused(enum refusal refusal)
{
	return refusal_log_count(device_refusals(device), refusal);
}

static void show_certificate(const char *text)
{
	fake_connection_fini(&connection);
	connection = (struct fake_connection){.certs = {slice_of_str(text)}, .cert_count = 1};
}

static struct push *next_push; /* what setup() gives the device */

static bool is_login_wired;
static void write_challenge(void *ctx, char out[static DEVICE_CHALLENGE_BYTES]);
static const char *next_challenge; /* what the device room is given */

static int setup(void **state)
{
	struct device_params params = {
		.login_challenge = is_login_wired ? write_challenge : NULL,
		.login_ctx = &next_challenge,
		.clock = &fake_clock,
		.push = next_push,
		.users = fake_users,
		.trust = fake_trust('a'),
		.settings = {.identity.is_tls = true,
			.checkin_bytes_max = CHECKIN_MAX,
			.result_bytes_max = RESULT_MAX},
	};
	struct err err = {0};

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	fake_rooms_reset();
	show_certificate("leaf");
	return device_new(&params, &device, &err) != RC_OK;
}

static int setup_without_push(void **state)
{
	int rc;

	next_push = NULL;
	rc = setup(state);
	next_push = fake_push;
	return rc;
}

static int teardown(void **state)
{
	(void)state;
	device_free(&device);
	fake_request_fini(&request);
	fake_connection_fini(&connection);
	return fake_trust_refs() != 0 || rooms.reads_open != 0;
}

static void the_content_type_tells_what_a_message_is(void **state)
{
	static const struct {
		const char *path, *content_type;
		int kind; /* -1: refused */
	} rows[] = {
		{"/mdm", CHECKIN, 0},
		{"/mdm", CHECKIN ";charset=UTF-8", 0},
		{"/mdm", " Application/X-Apple-Aspen-MDM-CheckIn ; x=y; z", 0},
		{"/mdm", COMMAND, 1},
		{"/mdm", COMMAND " ;charset=UTF-8", 1},
		{"/checkin", CHECKIN, 0},
		{"/checkin", COMMAND, -1},
		{"/mdm", NULL, -1},
		{"/mdm", "", -1},
		{"/mdm", ";" COMMAND, -1},
		{"/mdm", "text/xml", -1},
		{"/mdm", COMMAND "-checkins", -1},
		{"/mdm", "application/x-apple-aspen-md", -1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct device_stats before = stats();
		struct device_stats after;

		rooms.status = RESULT_ACKNOWLEDGED;
		put(rows[i].path, rows[i].content_type);
		after = stats();
		for (int kind = 0; kind < 2; kind++)
			assert_int_equal(after.messages_by_kind[kind] - before.messages_by_kind[kind],
				kind == rows[i].kind);
		if (rows[i].kind >= 0) {
			fake_turn(RC_OK);
			continue;
		}
		assert_int_equal(request.status, 400);
		assert_non_null(strstr(request.text, "Content-Type"));
		assert_string_equal(request.type, "text/plain; charset=UTF-8");
	}
}

static void the_content_type_tells_how_long_a_body_may_be(void **state)
{
	static const struct {
		const char *path, *content_type;
		size_t bytes_max;
	} rows[] = {
		{"/mdm", CHECKIN, CHECKIN_MAX},
		{"/mdm", COMMAND "; a=b", RESULT_MAX},
		{"/checkin", CHECKIN, CHECKIN_MAX},
		{"/checkin", COMMAND, CHECKIN_MAX},
		{"/mdm", "text/plain", CHECKIN_MAX},
		{"/mdm", NULL, CHECKIN_MAX},
	};
	struct device_settings settings = {.identity.is_tls = true,
		.checkin_bytes_max = 5,
		.result_bytes_max = 6};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		new_request(rows[i].path, rows[i].content_type);
		assert_int_equal(request.route->body_max(&request, device), rows[i].bytes_max);
	}
	device_set_settings(device, &settings);
	new_request("/mdm", COMMAND);
	assert_int_equal(request.route->body_max(&request, device), 6);
}

static void a_declared_length_past_the_limit_is_counted(void **state)
{
	static const struct {
		const char *content_length;
		uint64_t count;
	} rows[] = {{NULL, 0}, {"200", 0}, {"201", 1}, {"99999999999999999999", 0}, {"x", 0}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t before = refused(REFUSAL_TOO_LARGE);

		new_request("/mdm", COMMAND);
		request.content_length = rows[i].content_length;
		(void)request.route->body_max(&request, device);
		assert_int_equal(refused(REFUSAL_TOO_LARGE) - before, rows[i].count);
	}
}

static void a_stranger_is_refused_before_a_large_body(void **state)
{
	static const struct {
		const char *content_length; /* NULL: chunked */
		enum cert_verdict verdict;
		bool is_refused;
		size_t body_max;
	} rows[] = {
		{"65536", CERT_NOT_CHAINED, false, LARGE_MAX},
		{"65537", CERT_NOT_CHAINED, true, 0},
		{"65537", CERT_EXPIRED, true, 0},
		{"65537", CERT_GOOD, false, LARGE_MAX},
		{"99999999999999999999", CERT_NOT_CHAINED, false, LARGE_MAX}, /* http/ refuses it */
		{NULL, CERT_NOT_CHAINED, false, 65536},
		{NULL, CERT_GOOD, false, LARGE_MAX},
	};
	const struct device_settings settings = {.identity.is_tls = true,
		.checkin_bytes_max = LARGE_MAX,
		.result_bytes_max = LARGE_MAX};

	(void)state;
	device_set_settings(device, &settings);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t before = refused(REFUSAL_NOT_CHAINED);

		show_certificate("leaf");
		rooms.verdict = rows[i].verdict;
		new_request("/mdm", COMMAND);
		request.content_length = rows[i].content_length;
		request.is_chunked = rows[i].content_length == NULL;
		assert_int_equal(device_before(&request, device), !rows[i].is_refused);
		assert_int_equal(request.is_replied, rows[i].is_refused);
		assert_int_equal(refused(REFUSAL_NOT_CHAINED) - before, rows[i].is_refused);
		if (rows[i].is_refused)
			assert_int_equal(request.status, 403);
		else
			assert_int_equal(request.route->body_max(&request, device), rows[i].body_max);
	}
}

/* A small one is for the handler, whoever sends it; but its room and its time are a device's where it shows one. */
static void who_shows_a_good_certificate_is_no_stranger(void **state)
{
	static const struct {
		enum cert_verdict verdict;
		bool is_from_stranger, is_read_refused;
		bool shows_device;
	} rows[] = {
		{CERT_GOOD, true, false, true}, {CERT_NOT_CHAINED, true, false, false},
		{CERT_EXPIRED, true, false, false},
		{CERT_GOOD, true, true, false},   /* nobody can tell, and the handler will say so */
		{CERT_GOOD, false, false, false}, /* it is known who asks: nothing is judged beforehand */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		show_certificate("leaf");
		rooms.verdict = rows[i].verdict;
		rooms.is_read_refused = rows[i].is_read_refused;
		new_request("/mdm", COMMAND);
		request.content_length = "100";
		request.is_from_stranger = rows[i].is_from_stranger;
		assert_true(device_before(&request, device));
		assert_false(request.is_replied);
		assert_int_equal(request.shows_device, rows[i].shows_device);
	}
}

static void a_store_that_fails_makes_nobody_a_stranger(void **state)
{
	(void)state;
	rooms.is_read_refused = true;
	new_request("/mdm", COMMAND);
	request.content_length = "65537";
	assert_false(device_before(&request, device));
	assert_int_equal(request.status, 503);
	assert_non_null(request.retry_after);
	assert_int_equal(refused(REFUSAL_STORE), 1);
}

static void a_fault_in_the_message_is_told_with_its_key(void **state)
{
	static const struct {
		enum rc rc;
		unsigned status;
		const char *text;
		enum refusal refusal;
	} rows[] = {
		{RC_INVALID, 400, "bad_message: key \"UDID\": missing\n", REFUSAL_BAD_MESSAGE},
		{RC_UNSUPPORTED, 400, "not_offered: key \"UDID\": missing\n", REFUSAL_NOT_OFFERED},
		{RC_LIMIT, 400, "bad_message: key \"UDID\": missing\n", REFUSAL_BAD_MESSAGE},
		{RC_NO_MEMORY, 503, "store: try again later\n", REFUSAL_STORE},
		{RC_INTERNAL, 503, "store: try again later\n", REFUSAL_STORE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t before = refused(rows[i].refusal);

		rooms.read_rc = rows[i].rc;
		put("/mdm", i % 2 == 0 ? CHECKIN : COMMAND);
		assert_false(request.is_deferred);
		assert_int_equal(request.status, rows[i].status);
		assert_string_equal(request.text, rows[i].text);
		assert_int_equal(refused(rows[i].refusal) - before, 1);
		assert_int_equal(request.retry_after != NULL, rows[i].status == 503);
	}
}

static void an_idle_with_nothing_queued_is_answered_without_the_writer(void **state)
{
	(void)state;
	rooms.is_idle_answered = true;
	put("/mdm", COMMAND);
	assert_false(request.is_deferred);
	assert_int_equal(request.status, 200);
	assert_string_equal(request.text, "");
	assert_int_equal(stats().polls_idle, 1);
	assert_int_equal(device_seen_at(device, CHANNEL), 1000);
}

static void an_idle_that_has_something_to_come_is_decided_by_the_writer(void **state)
{
	(void)state;
	rooms.decision_body = "<plist/>";
	rooms.decision.content_type = "application/xml; charset=UTF-8";
	put_and_turn(COMMAND, RC_OK);
	assert_int_equal(stats().polls_idle, 0);
	assert_string_equal(request.text, "<plist/>");
	assert_string_equal(request.type, "application/xml; charset=UTF-8");
}

static void an_idle_of_somebody_refused_is_no_poll(void **state)
{
	(void)state;
	rooms.is_idle_answered = true;
	rooms.idle_refusal = REFUSAL_REVOKED;
	put("/mdm", COMMAND);
	assert_int_equal(request.status, 403);
	assert_int_equal(stats().polls_idle, 0);
	assert_int_equal(refused(REFUSAL_REVOKED), 1);
	assert_int_equal(device_seen_at(device, CHANNEL), 0);
}

static void the_user_directory_is_asked_where_there_is_a_question_that_may_be_asked(void **state)
{
	static const struct {
		enum checkin_type type;
		bool has_question, may_ask;
		int asked;
	} rows[] = {
		{CHECKIN_USER_AUTHENTICATE, true, true, 1},
		{CHECKIN_USER_AUTHENTICATE, true, false, 0},
		{CHECKIN_USER_AUTHENTICATE, false, true, 0},
		{CHECKIN_TOKEN_UPDATE, true, true, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		rooms.asked = 0;
		rooms.checkin_type = rows[i].type;
		rooms.has_question = rows[i].has_question;
		rooms.may_ask = rows[i].may_ask;
		put_and_turn(CHECKIN, RC_OK);
		assert_int_equal(request.status, 200);
		assert_int_equal(rooms.asked, rows[i].asked);
	}
	rooms.checkin_type = CHECKIN_USER_AUTHENTICATE;
	rooms.has_question = true;
	rooms.is_read_refused = true;
	put("/mdm", CHECKIN);
	assert_int_equal(request.status, 503);
}

static void nothing_is_answered_or_noted_before_it_is_durable(void **state)
{
	(void)state;
	rooms.status = RESULT_ACKNOWLEDGED;
	rooms.decision.channel_id = CHANNEL;
	put("/mdm", COMMAND);
	assert_true(request.is_deferred);
	assert_false(request.is_replied);
	assert_int_equal(device_seen_at(device, CHANNEL), 0);
	fake_turn(RC_OK);
	assert_int_equal(request.status, 200);
	assert_true(request.is_resumed);
	assert_int_equal(device_seen_at(device, CHANNEL), 1000);
}

static void a_contact_is_told_once_it_is_durable_and_before_the_reply(void **state)
{
	static const struct {
		enum outcome_contact contact;
		enum push_contact_kind kind;
		int64_t seen_seq;
	} rows[] = {
		{OUTCOME_CONTACT_MESSAGE, PUSH_CONTACT_MESSAGE, 0},
		{OUTCOME_CONTACT_DRAINED, PUSH_CONTACT_DRAINED, 0},
		{OUTCOME_CONTACT_RESTING, PUSH_CONTACT_RESTING, 11},
		{OUTCOME_CONTACT_HELD, PUSH_CONTACT_HELD, 12},
		{OUTCOME_CONTACT_TOKEN, PUSH_CONTACT_TOKEN, 0},
	};

	(void)state;
	rooms.status = RESULT_ACKNOWLEDGED;
	rooms.decision.channel_id = CHANNEL;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		rooms.contact_count = 0;
		rooms.decision.contact = rows[i].contact;
		rooms.decision.seen_seq = rows[i].seen_seq;
		put("/mdm", COMMAND);
		assert_int_equal(rooms.contact_count, 0);
		rooms.replied_to = &request.is_replied;
		fake_turn(RC_OK);
		rooms.replied_to = NULL;
		assert_int_equal(rooms.contact_count, 1);
		assert_int_equal(rooms.contacts[0].enrollment_id, CHANNEL);
		assert_int_equal(rooms.contacts[0].kind, rows[i].kind);
		assert_int_equal(rooms.contacts[0].seen_seq, rows[i].seen_seq);
	}
}

static void an_idle_that_the_snapshot_answers_is_a_contact_too(void **state)
{
	(void)state;
	rooms.is_idle_answered = true;
	put("/mdm", COMMAND);
	assert_int_equal(rooms.contact_count, 1);
	assert_int_equal(rooms.contacts[0].enrollment_id, CHANNEL);
	assert_int_equal(rooms.contacts[0].kind, PUSH_CONTACT_MESSAGE);
}

static void what_is_refused_or_not_durable_is_no_contact(void **state)
{
	(void)state;
	rooms.status = RESULT_ACKNOWLEDGED;
	rooms.decision.channel_id = CHANNEL;
	put_and_turn(COMMAND, RC_OK); /* OUTCOME_CONTACT_NONE */
	rooms.decision.contact = OUTCOME_CONTACT_MESSAGE;
	put_and_turn(COMMAND, RC_IO);
	rooms.decision.refusal = REFUSAL_SUPERSEDED;
	rooms.decision.http_status = 403;
	put_and_turn(COMMAND, RC_OK);
	rooms.read_rc = RC_INVALID;
	put("/mdm", COMMAND);
	assert_int_equal(rooms.contact_count, 0);
}

static void without_anybody_to_wake_contacts_are_told_to_nobody(void **state)
{
	(void)state;
	rooms.is_idle_answered = true;
	put("/mdm", COMMAND);
	assert_int_equal(request.status, 200);
	assert_int_equal(rooms.contact_count, 0);
}

static void a_commit_that_fails_is_503_and_leaves_nothing_behind(void **state)
{
	static const enum rc faults[] = {RC_IO, RC_NO_MEMORY, RC_CORRUPT, RC_BUSY, RC_NOT_FOUND};

	(void)state;
	rooms.status = RESULT_ACKNOWLEDGED;
	rooms.decision.channel_id = CHANNEL;
	rooms.decision_body = "<plist/>";
	for (size_t i = 0; i < COUNT_OF(faults); i++) {
		put_and_turn(COMMAND, faults[i]);
		assert_int_equal(request.status, 503);
		assert_string_equal(request.retry_after, "5");
		assert_null(strstr(request.text, "secret"));
		assert_int_equal(device_seen_at(device, CHANNEL), 0);
		assert_int_equal(refused(REFUSAL_STORE), i + 1);
	}
}

static void a_decision_that_fails_is_503(void **state)
{
	(void)state;
	rooms.decide_rc = RC_IO;
	rooms.decision_body = "half a reply";
	put_and_turn(CHECKIN, RC_OK);
	assert_int_equal(request.status, 503);
	assert_string_equal(request.text, "store: try again later\n");
}

static void a_decision_that_runs_twice_starts_from_nothing(void **state)
{
	struct err err = {0};

	(void)state;
	rooms.decision_body = "once";
	put("/mdm", CHECKIN);
	assert_int_equal(rooms.waiting->run(rooms.waiting, NULL, &err), RC_OK);
	fake_turn(RC_OK);
	assert_int_equal(rooms.decided, 2);
	assert_string_equal(request.text, "once");
}

static void a_full_writer_is_503_at_once(void **state)
{
	(void)state;
	rooms.is_store_full = true;
	put("/mdm", CHECKIN);
	assert_int_equal(request.status, 503);
	assert_string_equal(request.retry_after, "5");
	assert_null(strstr(request.text, "secret"));
	assert_true(request.is_resumed);
	assert_int_equal(refused(REFUSAL_STORE), 1);
}

static void a_store_that_cannot_be_read_is_503(void **state)
{
	(void)state;
	rooms.is_read_refused = true;
	put("/mdm", COMMAND);
	assert_int_equal(request.status, 503);
	assert_false(request.is_deferred);
	rooms.is_read_refused = false; /* what was not judged then is judged now */
	rooms.is_idle_answered = true;
	put("/mdm", COMMAND);
	assert_int_equal(request.status, 200);
	assert_int_equal(rooms.judged, 1);
}

static void each_refusal_has_its_status_and_says_why(void **state)
{
	(void)state;
	for (unsigned refusal = 1; refusal < REFUSAL_COUNT; refusal++) {
		char expected[64];

		if (refusal == REFUSAL_LOGIN_REQUIRED)
			continue; /* see below */
		(void)snprintf(expected, sizeof(expected), "%s: it is so\n", refusal_name((enum refusal)refusal));
		rooms.decision.refusal = (enum refusal)refusal;
		rooms.decision.http_status = refusal_http_status((enum refusal)refusal);
		(void)snprintf(rooms.decision.text, sizeof(rooms.decision.text), "it is so");
		put_and_turn(CHECKIN, RC_OK);
		assert_int_equal(request.status, refusal_http_status((enum refusal)refusal));
		assert_string_equal(request.text, expected);
		assert_int_equal(refused((enum refusal)refusal), 1);
	}
}

static void write_challenge(void *ctx, char out[static DEVICE_CHALLENGE_BYTES])
{
	(void)snprintf(out, DEVICE_CHALLENGE_BYTES, "%s", *(const char **)ctx);
}

static int setup_with_logins(void **state)
{
	is_login_wired = true;
	next_challenge = "Bearer method=\"apple-as-web\"";
	return setup(state);
}

static void a_login_is_asked_for_with_its_challenge_and_never_without(void **state)
{
	(void)state;
	outcome_refuse(&rooms.decision, REFUSAL_LOGIN_REQUIRED, "no access token came with it");
	put_and_turn(COMMAND, RC_OK);
	assert_int_equal(request.status, 401);
	assert_string_equal(request.challenge, next_challenge);
	assert_int_equal(refused(REFUSAL_LOGIN_REQUIRED), 1);
	next_challenge = "";
	put_and_turn(COMMAND, RC_OK);
	assert_int_equal(request.status, 503);
	assert_string_equal(request.challenge, "");
	assert_non_null(request.retry_after);
}

static void without_anybody_to_ask_a_login_is_503(void **state)
{
	(void)state;
	outcome_refuse(&rooms.decision, REFUSAL_LOGIN_REQUIRED, "no access token came with it");
	put_and_turn(COMMAND, RC_OK);
	assert_int_equal(request.status, 503);
}

static void a_removal_has_no_challenge(void **state)
{
	(void)state;
	outcome_refuse(&rooms.decision, REFUSAL_REMOVAL_ORDERED, NULL);
	put_and_turn(COMMAND, RC_OK);
	assert_int_equal(request.status, 401);
	assert_string_equal(request.challenge, "");
}

static void the_access_token_of_a_message_is_what_its_header_says(void **state)
{
	static const char *const values[] = {"Bearer abc", "Basic abc", NULL};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(values); i++) {
		new_request("/mdm", COMMAND);
		if (values[i] != NULL) {
			request.headers[0].name = "Authorization";
			request.headers[0].value = values[i];
		}
		request.route->handle(&request, device);
		fake_turn(RC_OK);
		assert_string_equal(rooms.access_token, i == 0 ? "abc" : "");
	}
}

static void a_refusal_that_is_not_durable_is_503(void **state)
{
	(void)state;
	rooms.decision.refusal = REFUSAL_REMOVAL_ORDERED;
	rooms.decision.http_status = 401;
	put_and_turn(COMMAND, RC_IO);
	assert_int_equal(request.status, 503);
	assert_int_equal(refused(REFUSAL_REMOVAL_ORDERED), 0);
}

static void a_bad_certificate_never_reaches_the_writer(void **state)
{
	(void)state;
	rooms.verdict = CERT_NOT_CHAINED;
	rooms.status = RESULT_ACKNOWLEDGED;
	put("/mdm", COMMAND);
	assert_int_equal(request.status, 403);
	assert_string_equal(request.text, "not_chained\n");
	put("/checkin", CHECKIN);
	assert_int_equal(request.status, 403);
	fake_connection_fini(&connection);
	connection.cert_count = 0;
	put("/mdm", COMMAND);
	assert_string_equal(request.text, "no_certificate\n");
	assert_null(rooms.waiting);
	assert_int_equal(rooms.judged, 1);
}

static void what_was_refused_can_be_looked_up(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(1 << 20);
	struct refusal_entry *entries;
	size_t count;
	struct err err = {0};

	(void)state;
	rooms.verdict = CERT_NOT_CHAINED;
	put("/checkin", CHECKIN);
	assert_int_equal(refusal_log_latest(device_refusals(device), 10, arena, &entries, &count, &err),
		RC_OK);
	assert_int_equal(count, 1);
	assert_int_equal(entries[0].at, 1000);
	assert_int_equal(entries[0].refusal, REFUSAL_NOT_CHAINED);
	assert_int_equal(entries[0].cert_sha256[0], 'l');
	assert_string_equal(entries[0].cert_subject, "CN=leaf");
	assert_string_equal(entries[0].claimed_id, "UDID-1");
	assert_string_equal(entries[0].message, "Authenticate");
	assert_string_equal(entries[0].peer, "192.0.2.1:5000");
}

static void a_certificate_is_judged_once_a_connection(void **state)
{
	(void)state;
	rooms.is_idle_answered = true;
	for (int i = 0; i < 3; i++)
		put("/mdm", COMMAND);
	assert_int_equal(rooms.judged, 1);
	assert_int_equal(stats().judged, 1);
	show_certificate("another");
	put("/mdm", COMMAND);
	assert_int_equal(rooms.judged, 2);
}

static void new_trust_anchors_judge_open_connections_again(void **state)
{
	(void)state;
	rooms.is_idle_answered = true;
	put("/mdm", COMMAND);
	device_set_trust(device, fake_trust('b'));
	rooms.verdict = CERT_NOT_CHAINED;
	put("/mdm", COMMAND);
	assert_int_equal(request.status, 403);
	assert_int_equal(rooms.judged, 2);
	put("/mdm", COMMAND);
	assert_int_equal(rooms.judged, 2);
}

/* An identity that was judged good before, under the anchors of `letter`. */
static void know_identity(char letter)
{
	rooms.is_identity_known = true;
	rooms.identity = (struct identity){.not_before = 500, .not_after = 2000};
	memset(rooms.identity.chained_under, letter, SHA256_BYTES);
}

static void a_known_identity_is_judged_anew_only_where_it_must_be(void **state)
{
	static const struct {
		char letter;
		int64_t not_before, not_after, revoked_at;
		bool is_judged;
	} rows[] = {
		{'a', 500, 2000, 0, false},
		{'a', 1000, 1000, 0, false},
		{'b', 500, 2000, 0, true},
		{'a', 1001, 2000, 0, true},
		{'a', 500, 999, 0, true},
		{'a', 500, 2000, 900, true},
	};

	(void)state;
	rooms.is_idle_answered = true;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct device_stats before = stats();

		know_identity(rows[i].letter);
		rooms.identity.not_before = rows[i].not_before;
		rooms.identity.not_after = rows[i].not_after;
		rooms.identity.revoked_at = rows[i].revoked_at;
		show_certificate("leaf");
		put("/mdm", COMMAND);
		assert_int_equal(request.status, 200);
		assert_int_equal(stats().judged - before.judged, rows[i].is_judged);
		assert_int_equal(stats().judged_by_pin - before.judged_by_pin, !rows[i].is_judged);
	}
}

static void names_are_read_only_where_they_are_used(void **state)
{
	(void)state;
	know_identity('a');
	rooms.is_idle_answered = true;
	put("/mdm", COMMAND);
	put("/mdm", COMMAND);
	assert_int_equal(rooms.named, 0);
	put_and_turn(CHECKIN, RC_OK); /* checkin_decide() sees that the subject is there */
	put_and_turn(CHECKIN, RC_OK);
	assert_int_equal(rooms.named, 1);
}

static void a_refusal_names_the_certificate_of_a_pinned_identity_too(void **state)
{
	(void)state;
	know_identity('a');
	rooms.status = RESULT_ACKNOWLEDGED;
	rooms.decision.refusal = REFUSAL_SUPERSEDED;
	rooms.decision.http_status = 403;
	put_and_turn(COMMAND, RC_OK);
	assert_int_equal(rooms.named, 1);
}

static void a_new_verdict_is_put_on_record_with_the_next_write(void **state)
{
	(void)state;
	know_identity('b');
	rooms.status = RESULT_ACKNOWLEDGED;
	put_and_turn(COMMAND, RC_IO);
	put_and_turn(COMMAND, RC_OK);
	assert_int_equal(rooms.recorded, 2);
	put_and_turn(COMMAND, RC_OK);
	assert_int_equal(rooms.recorded, 2);
	show_certificate("leaf");
	put_and_turn(COMMAND, RC_OK);
	assert_int_equal(stats().judged, 1);
	assert_int_equal(stats().judged_by_pin, 1);
}

static void an_unknown_or_refused_identity_is_not_put_on_record(void **state)
{
	(void)state;
	rooms.status = RESULT_ACKNOWLEDGED;
	put_and_turn(COMMAND, RC_OK);
	know_identity('b');
	show_certificate("leaf");
	rooms.decision.refusal = REFUSAL_NOT_PINNED;
	rooms.decision.http_status = 403;
	put_and_turn(COMMAND, RC_OK);
	assert_int_equal(rooms.recorded, 0);
}

static void results_of_unknown_commands_are_counted(void **state)
{
	(void)state;
	rooms.status = RESULT_ACKNOWLEDGED;
	rooms.decision.event = "result_unknown";
	put_and_turn(COMMAND, RC_OK);
	rooms.decision.event = "command_answered";
	put_and_turn(COMMAND, RC_OK);
	assert_int_equal(stats().results_unknown, 1);
}

static size_t lines_in(int fd, const char *word)
{
	char text[65536];
	ssize_t got = read(fd, text, sizeof(text) - 1);
	size_t count = 0;

	text[got < 0 ? 0 : got] = '\0';
	for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
		count++;
	return count;
}

static void a_hostile_client_cannot_fill_the_log(void **state)
{
	int pipe_fds[2];

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	log_set_fd(pipe_fds[1]);
	log_set_level(LOG_LEVEL_WARNING);
	rooms.read_rc = RC_INVALID;
	for (int i = 0; i < 50; i++)
		put("/mdm", COMMAND);
	assert_int_equal(lines_in(pipe_fds[0], "event=refused"), 20);
	assert_int_equal(refused(REFUSAL_BAD_MESSAGE), 50);
	rooms.now_us = INT64_C(60000000);
	device_flush_seen(device);
	device_flush_seen(device);
	assert_int_equal(lines_in(pipe_fds[0], "event=refusals_not_logged reason=bad_message count=30"),
		1);
	log_set_fd(STDERR_FILENO);
	(void)close(pipe_fds[0]);
	(void)close(pipe_fds[1]);
}

#define WITH_DEVICE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DEVICE(the_content_type_tells_what_a_message_is),
		WITH_DEVICE(the_content_type_tells_how_long_a_body_may_be),
		WITH_DEVICE(a_declared_length_past_the_limit_is_counted),
		WITH_DEVICE(a_stranger_is_refused_before_a_large_body),
		WITH_DEVICE(who_shows_a_good_certificate_is_no_stranger),
		WITH_DEVICE(a_store_that_fails_makes_nobody_a_stranger),
		WITH_DEVICE(a_fault_in_the_message_is_told_with_its_key),
		WITH_DEVICE(an_idle_with_nothing_queued_is_answered_without_the_writer),
		WITH_DEVICE(an_idle_that_has_something_to_come_is_decided_by_the_writer),
		WITH_DEVICE(an_idle_of_somebody_refused_is_no_poll),
		WITH_DEVICE(the_user_directory_is_asked_where_there_is_a_question_that_may_be_asked),
		WITH_DEVICE(nothing_is_answered_or_noted_before_it_is_durable),
		WITH_DEVICE(a_contact_is_told_once_it_is_durable_and_before_the_reply),
		WITH_DEVICE(an_idle_that_the_snapshot_answers_is_a_contact_too),
		WITH_DEVICE(what_is_refused_or_not_durable_is_no_contact),
		cmocka_unit_test_setup_teardown(without_anybody_to_wake_contacts_are_told_to_nobody,
			setup_without_push, teardown),
		WITH_DEVICE(a_commit_that_fails_is_503_and_leaves_nothing_behind),
		WITH_DEVICE(a_decision_that_fails_is_503),
		WITH_DEVICE(a_decision_that_runs_twice_starts_from_nothing),
		WITH_DEVICE(a_full_writer_is_503_at_once),
		WITH_DEVICE(a_store_that_cannot_be_read_is_503),
		WITH_DEVICE(each_refusal_has_its_status_and_says_why),
		WITH_DEVICE(a_refusal_that_is_not_durable_is_503),
		WITH_DEVICE(without_anybody_to_ask_a_login_is_503),
		WITH_DEVICE(a_removal_has_no_challenge),
		WITH_DEVICE(the_access_token_of_a_message_is_what_its_header_says),
		cmocka_unit_test_setup_teardown(a_login_is_asked_for_with_its_challenge_and_never_without,
			setup_with_logins, teardown),
		WITH_DEVICE(a_bad_certificate_never_reaches_the_writer),
		WITH_DEVICE(what_was_refused_can_be_looked_up),
		WITH_DEVICE(a_certificate_is_judged_once_a_connection),
		WITH_DEVICE(new_trust_anchors_judge_open_connections_again),
		WITH_DEVICE(a_known_identity_is_judged_anew_only_where_it_must_be),
		WITH_DEVICE(names_are_read_only_where_they_are_used),
		WITH_DEVICE(a_refusal_names_the_certificate_of_a_pinned_identity_too),
		WITH_DEVICE(a_new_verdict_is_put_on_record_with_the_next_write),
		WITH_DEVICE(an_unknown_or_refused_identity_is_not_put_on_record),
		WITH_DEVICE(results_of_unknown_commands_are_counted),
		WITH_DEVICE(a_hostile_client_cannot_fill_the_log),
	};

	next_push = fake_push;
	return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
