/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake_push.h"
#include "pomona/base/codec.h"
#include "pomona/base/log.h"
#include "world.h"

#define TOPIC "com.apple.mgmt.External.one"
#define OTHER "com.apple.mgmt.External.other"

enum {
	DEVICES = 3,
	DAY = 86400,
	PEM_BYTES_MAX = 1 << 18,
	LOG_BYTES_MAX = 1 << 20,
};

static struct {
	struct authority *ca;
	int64_t now;
	int log_fd;
} test;

struct pair {
	struct buf cert, key; /* PEM */
};

static int open_world(void **state)
{
	char name[] = "/tmp/pomona-log-XXXXXX";
	struct authority_params params = {.key = KEY_P256, .common_name = "Push CA"};

	(void)state;
	test.now = clock_unix_s(clock_system());
	params.now = test.now - (int64_t)400 * DAY;
	params.valid_s = (int64_t)4000 * DAY;
	assert_int_equal(authority_new(&params, &test.ca, NULL), RC_OK);
	test.log_fd = mkstemp(name);
	assert_true(test.log_fd >= 0);
	(void)unlink(name);
	log_set_fd(test.log_fd);
	world_open(DEVICES, fake_push_reset());
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	world_close();
	log_set_fd(STDERR_FILENO);
	(void)close(test.log_fd);
	authority_free(&test.ca);
	return 0;
}

static void pair_fini(struct pair *pair)
{
	buf_fini(&pair->cert);
	buf_fini(&pair->key);
}

/* Valid from `from_days` to `to_days`, counted from now. */
static void make_pair(struct pair *pair, const char *topic, int from_days, int to_days)
{
	const struct issue_params params = {.common_name = "APSP:test",
		.user_id = topic,
		.now = test.now + (int64_t)from_days * DAY,
		.valid_s = (int64_t)(to_days - from_days) * DAY};
	struct err err = {.rc = RC_OK};
	struct buf der;

	buf_init(&der, PEM_BYTES_MAX);
	buf_init(&pair->cert, PEM_BYTES_MAX);
	buf_init(&pair->key, PEM_BYTES_MAX);
	if (authority_issue_key(test.ca, KEY_P256, &params, &der, &pair->key, &err) != RC_OK)
		fail_msg("%s", err.text);
	cert_write_pem(buf_slice(&der), &pair->cert);
	buf_fini(&der);
}

struct upload {
	struct slice certificate, key;
	const char *password;
	bool is_forced;
};

static int put(const struct upload *upload)
{
	struct json_value *body = json_new_object();
	struct buf text;
	int status;

	json_set_slice(body, "certificate", upload->certificate);
	if (upload->key.len > 0)
		json_set_slice(body, "key", upload->key);
	if (upload->password != NULL)
		json_set_str(body, "password", upload->password);
	if (upload->is_forced)
		json_set_bool(body, "force", true);
	buf_init(&text, BODY_BYTES);
	assert_int_equal(json_write(body, false, &text, NULL), RC_OK);
	status = world_call("PUT", "/api/v1/pushcerts", buf_cstr(&text));
	buf_fini(&text);
	json_free(&body);
	return status;
}

static int put_new(const char *topic, int from_days, int to_days, bool is_forced)
{
	struct pair pair;
	int status;

	make_pair(&pair, topic, from_days, to_days);
	status = put(&(struct upload){.certificate = buf_slice(&pair.cert),
		.key = buf_slice(&pair.key),
		.is_forced = is_forced});
	pair_fini(&pair);
	return status;
}

static enum rc set_topic(struct txn *txn, int64_t id, struct slice topic, struct err *err)
{
	const struct token_facts facts = {.topic = topic,
		.token = SLICE_LITERAL("0123456789abcdef0123456789abcdef"),
		.push_magic = SLICE_LITERAL("magic")};

	return enrollment_set_token(txn, id, &facts, SLICE_LITERAL("raw"), err);
}

/* Two use `ctx`, one uses OTHER. */
static enum rc set_topics(void *ctx, struct txn *txn, struct err *err)
{
	enum rc rc = set_topic(txn, 1, slice_of_str(ctx), err);

	if (rc == RC_OK)
		rc = set_topic(txn, 2, slice_of_str(ctx), err);
	return rc == RC_OK ? set_topic(txn, 3, SLICE_LITERAL(OTHER), err) : rc;
}

static const struct json_value *listed(size_t index)
{
	assert_int_equal(world_call("GET", "/api/v1/pushcerts", NULL), 200);
	return json_at(json_get(world.json, "pushcerts"), index);
}

static const char *text_of(const struct json_value *row, const char *key)
{
	const struct slice text = json_string(json_get(row, key));

	return text.ptr != NULL ? (const char *)text.ptr : "";
}

static size_t count_stored(void)
{
	(void)listed(0);
	return json_count(json_get(world.json, "pushcerts"));
}

static bool was_early;

static void look(void)
{
	AUTO(arena_free) struct arena *arena = arena_new(PEM_BYTES_MAX);
	struct push_cert_view *views;
	struct txn *txn = NULL;
	size_t count = 0;

	was_early = store_read_begin(world.store, &txn, NULL) != RC_OK ||
		push_cert_list(txn, arena, &views, &count, NULL) != RC_OK || count == 0;
	store_read_end(world.store, &txn);
}

static void a_certificate_is_stored_and_push_told_when_it_is_durable(void **state)
{
	char sha256[2 * SHA256_BYTES + 1];

	(void)state;
	was_early = true;
	fake_push.on_call = look;
	assert_int_equal(put_new(TOPIC, -1, 100, false), 200);
	assert_string_equal(world_text("topic"), TOPIC);
	assert_string_equal(world_text("state"), "idle");
	assert_in_range(json_integer(json_get(world.json, "days_left")), 99, 100);
	assert_int_equal(strlen(world_text("sha256")), 2 * SHA256_BYTES);
	(void)snprintf(sha256, sizeof(sha256), "%s", world_text("sha256"));
	assert_int_equal(atomic_load(&fake_push.certs_changes), 1);
	assert_false(was_early);
	assert_string_equal(text_of(listed(0), "sha256"), sha256);
	assert_int_equal(world_call("GET", "/api/v1/status", NULL), 200);
	assert_non_null(strstr(world.reply, "{\"what\":\"push\""));
	assert_non_null(strstr(world.reply, sha256));
}

static void certificate_and_key_may_stand_in_one_text(void **state)
{
	struct pair pair;

	(void)state;
	make_pair(&pair, TOPIC, -1, 100);
	buf_append(&pair.cert, buf_slice(&pair.key));
	assert_int_equal(put(&(struct upload){.certificate = buf_slice(&pair.cert)}), 200);
	pair_fini(&pair);
}

static void what_is_wrong_names_the_field_and_changes_nothing(void **state)
{
	struct pair pair, second;
	struct buf junk;

	(void)state;
	make_pair(&pair, TOPIC, -1, 100);
	make_pair(&second, TOPIC, -1, 100);
	buf_init(&junk, 64);
	buf_append_str(&junk, "no PEM");
	assert_int_equal(put(&(struct upload){.certificate = buf_slice(&junk)}), 400);
	assert_string_equal(world_text("field"), "certificate");
	assert_int_equal(put(&(struct upload){.certificate = buf_slice(&pair.cert)}), 400);
	assert_string_equal(world_text("field"), "key");
	assert_int_equal(put(&(struct upload){.certificate = buf_slice(&pair.cert),
																			.key = buf_slice(&second.key)}),
		400);
	assert_string_equal(world_text("field"), "key");
	assert_int_equal(world_call("PUT", "/api/v1/pushcerts", "{}"), 400);
	assert_int_equal(world_call("PUT", "/api/v1/pushcerts", "nothing"), 400);
	assert_int_equal(put_new("com.example.other", -1, 100, false), 400);
	assert_string_equal(world_text("field"), "certificate");
	assert_int_equal(count_stored(), 0);
	assert_int_equal(atomic_load(&fake_push.certs_changes), 0);
	buf_fini(&junk);
	pair_fini(&pair);
	pair_fini(&second);
}

static void only_what_is_valid_now_is_taken_forced_or_not(void **state)
{
	(void)state;
	for (int is_forced = 0; is_forced <= 1; is_forced++) {
		assert_int_equal(put_new(TOPIC, -10, -1, is_forced), 400);
		assert_string_equal(world_text("field"), "certificate");
		assert_non_null(strstr(world_text("detail"), "expired"));
		assert_int_equal(put_new(TOPIC, 2, 10, is_forced), 400);
		assert_string_equal(world_text("field"), "certificate");
		assert_non_null(strstr(world_text("detail"), "not valid before"));
	}
	assert_int_equal(count_stored(), 0);
}

static void another_topic_than_the_devices_use_must_be_forced(void **state)
{
	static char devices_topic[] = TOPIC;

	(void)state;
	world_run(set_topics, devices_topic);
	assert_int_equal(put_new("com.apple.mgmt.External.new", -1, 100, false), 409);
	assert_string_equal(world_text("field"), "certificate");
	assert_non_null(strstr(world_text("detail"), "not reach 3 enrollments"));
	assert_non_null(strstr(world_text("detail"), "2 use the topic " TOPIC));
	assert_non_null(strstr(world_text("detail"), "force"));
	assert_int_equal(count_stored(), 0);
	assert_int_equal(put_new(OTHER, -1, 100, false), 200);
	assert_int_equal(put_new(TOPIC, -1, 100, false), 200);
	assert_int_equal(json_integer(json_get(world.json, "enrollments")), 2);
	assert_int_equal(put_new("com.apple.mgmt.External.new", -1, 100, true), 200);
	assert_int_equal(count_stored(), 3);
}

static void topics_without_a_certificate_are_listed(void **state)
{
	static char devices_topic[] = TOPIC;
	const struct json_value *without;

	(void)state;
	world_run(set_topics, devices_topic);
	assert_int_equal(put_new(OTHER, -1, 100, false), 200);
	(void)listed(0);
	without = json_get(world.json, "topics_without");
	assert_int_equal(json_count(without), 1);
	assert_string_equal(text_of(json_at(without, 0), "topic"), TOPIC);
	assert_int_equal(json_integer(json_get(json_at(without, 0), "enrollments")), 2);
}

static void the_list_shows_the_state_that_push_tells_of_the_same_certificate(void **state)
{
	struct push_topic_stats *topic = &fake_push.stats.topics[0];

	(void)state;
	assert_int_equal(put_new(TOPIC, -1, 100, false), 200);
	fake_push.stats.topic_count = 1;
	(void)snprintf(topic->topic, sizeof(topic->topic), "%s", TOPIC);
	(void)snprintf(topic->why, sizeof(topic->why), "BadCertificate");
	topic->state = PUSH_TOPIC_STOPPED;
	topic->not_after = 1;
	assert_string_equal(text_of(listed(0), "state"), "idle");
	assert_string_equal(text_of(listed(0), "why"), "");
	assert_int_equal(time_parse(slice_of_str(text_of(listed(0), "not_after")), &topic->not_after,
																			NULL),
		RC_OK);
	assert_string_equal(text_of(listed(0), "state"), "stopped");
	assert_string_equal(text_of(listed(0), "why"), "BadCertificate");
	topic->state = PUSH_TOPIC_NO_CERTIFICATE;
	assert_string_equal(text_of(listed(0), "state"), "idle");
}

static void a_certificate_is_removed_by_its_topic(void **state)
{
	(void)state;
	assert_int_equal(put_new(TOPIC, -1, 100, false), 200);
	assert_int_equal(world_call("DELETE", "/api/v1/pushcerts/" OTHER, NULL), 404);
	assert_int_equal(atomic_load(&fake_push.certs_changes), 1);
	assert_int_equal(world_call("DELETE", "/api/v1/pushcerts/" TOPIC, NULL), 204);
	assert_int_equal(atomic_load(&fake_push.certs_changes), 2);
	assert_int_equal(count_stored(), 0);
}

/* PEM takes text between its blocks. */
static void pad(struct buf *pem, size_t len)
{
	while (pem->len < len)
		buf_append_byte(pem, '\n');
}

static void a_pem_may_be_as_large_as_the_limit_and_no_larger(void **state)
{
	for (int more = 0; more <= 1; more++) {
		struct pair pair;

		(void)state;
		make_pair(&pair, TOPIC, -1, 100);
		buf_append(&pair.cert, buf_slice(&pair.key));
		pad(&pair.cert, PUSH_CERT_PEM_BYTES_MAX + (size_t)more);
		assert_int_equal(put(&(struct upload){.certificate = buf_slice(&pair.cert)}),
			more == 0 ? 200 : 400);
		pair_fini(&pair);
	}
	assert_non_null(strstr(world_text("detail"), "certificate"));
}

static void certificate_and_key_together_are_bounded_too(void **state)
{
	for (int more = 0; more <= 1; more++) {
		struct pair pair;

		(void)state;
		make_pair(&pair, TOPIC, -1, 100);
		pad(&pair.cert, PUSH_CERT_PEM_BYTES_MAX - pair.key.len + (size_t)more);
		assert_int_equal(put(&(struct upload){.certificate = buf_slice(&pair.cert),
																				.key = buf_slice(&pair.key)}),
			more == 0 ? 200 : 400);
		pair_fini(&pair);
	}
	assert_string_equal(world_text("field"), "key");
}

static void a_password_may_be_as_long_as_the_limit_and_no_longer(void **state)
{
	char password[PUSH_PASSWORD_BYTES_MAX + 2];

	for (int more = 0; more <= 1; more++) {
		struct pair pair;

		(void)state;
		memset(password, 1, sizeof(password)); /* each is escaped as \u0001 */
		password[PUSH_PASSWORD_BYTES_MAX + more] = '\0';
		make_pair(&pair, TOPIC, -1, 100);
		pad(&pair.cert, PUSH_CERT_PEM_BYTES_MAX - pair.key.len);
		assert_int_equal(put(&(struct upload){.certificate = buf_slice(&pair.cert),
																				.key = buf_slice(&pair.key),
																				.password = password}),
			more == 0 ? 200 : 400);
		pair_fini(&pair);
	}
	assert_non_null(strstr(world_text("detail"), "password"));
}

static void a_body_may_be_as_large_as_the_limit_and_no_larger(void **state)
{
	static char body[API_PUSHCERT_BODY_BYTES_MAX + 2];

	(void)state;
	for (int more = 0; more <= 1; more++) {
		memset(body, ' ', sizeof(body));
		memcpy(body, "{}", 2);
		body[API_PUSHCERT_BODY_BYTES_MAX + more] = '\0';
		assert_int_equal(world_call("PUT", "/api/v1/pushcerts", body), more == 0 ? 400 : 413);
	}
}

/* All that was logged. */
static const char *logged(void)
{
	static char text[LOG_BYTES_MAX];
	const ssize_t got = pread(test.log_fd, text, sizeof(text) - 1, 0);

	assert_true(got >= 0);
	text[got] = '\0';
	return text;
}

static void no_secret_reaches_the_log_or_a_problem(void **state)
{
	static const char password[] = "correct horse battery staple";
	char line[65] = "";
	struct pair pair;
	struct upload upload;

	(void)state;
	make_pair(&pair, TOPIC, -1, 100);
	upload = (struct upload){.certificate = buf_slice(&pair.cert),
		.key = buf_slice(&pair.key),
		.password = password};
	memcpy(line, pair.key.ptr + strlen("-----BEGIN PRIVATE KEY-----\n"), sizeof(line) - 1);
	assert_int_equal(put(&upload), 200);
	assert_null(strstr(world.reply, line));
	upload.certificate = buf_slice(&pair.key);
	assert_int_equal(put(&upload), 400);
	assert_null(strstr(world.reply, line));
	upload.key = slice_sub(upload.key, 0, upload.key.len - 80);
	assert_int_equal(put(&upload), 400);
	assert_null(strstr(world.reply, line));
	assert_null(strstr(world.reply, password));
	assert_non_null(strstr(logged(), "what=set_push_certificate id=" TOPIC));
	assert_null(strstr(logged(), line));
	assert_null(strstr(logged(), password));
	pair_fini(&pair);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_certificate_is_stored_and_push_told_when_it_is_durable),
		TEST(certificate_and_key_may_stand_in_one_text),
		TEST(what_is_wrong_names_the_field_and_changes_nothing),
		TEST(only_what_is_valid_now_is_taken_forced_or_not),
		TEST(another_topic_than_the_devices_use_must_be_forced),
		TEST(topics_without_a_certificate_are_listed),
		TEST(the_list_shows_the_state_that_push_tells_of_the_same_certificate),
		TEST(a_certificate_is_removed_by_its_topic),
		TEST(a_pem_may_be_as_large_as_the_limit_and_no_larger),
		TEST(certificate_and_key_together_are_bounded_too),
		TEST(a_password_may_be_as_long_as_the_limit_and_no_longer),
		TEST(a_body_may_be_as_large_as_the_limit_and_no_larger),
		TEST(no_secret_reaches_the_log_or_a_problem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
