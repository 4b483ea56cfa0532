/* SPDX-License-Identifier: Apache-2.0 */
/* Push certificates, and the topics that are in use. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

static struct push_cert_view *list_certs(struct fixture *f, size_t want)
{
	struct push_cert_view *views = NULL;
	size_t count = 0;
	struct err err;

	assert_ok(push_cert_list(fixture_read(f), f->arena, &views, &count, &err), &err);
	assert_int_equal(count, want);
	return views;
}

static void put(struct fixture *f, const char *topic, uint8_t mark, const char *cert,
	const char *key)
{
	struct err err;

	assert_ok(put_push_cert(fixture_write(f), topic, mark, slice_of_str(cert), slice_of_str(key),
												&err),
		&err);
}

static void assert_key(struct fixture *f, const char *topic, const char *want)
{
	AUTO(buf_fini_secret) struct buf key = {0};
	struct err err;

	buf_init(&key, PUSH_CERT_PEM_BYTES_MAX);
	assert_ok(push_cert_key(fixture_read(f), topic, &key, &err), &err);
	assert_text(&key, want);
}

static void enroll(struct fixture *f, int n, const char *topic, enum enrollment_state state)
{
	const struct token_facts token = {.topic = slice_of_str(topic),
		.token = S("token"),
		.push_magic = S("magic")};
	char ext_id[32];
	int64_t id = 0;
	struct err err;

	(void)snprintf(ext_id, sizeof(ext_id), "UDID-%d", n);
	assert_ok(enroll_device(fixture_write(f), ext_id, (uint8_t)n, &id, &err), &err);
	assert_ok(enrollment_set_token(fixture_write(f), id, &token, S("raw"), &err), &err);
	assert_ok(enrollment_set_state(fixture_write(f), id, state, &err), &err);
}

static void test_a_certificate_is_kept_with_its_key(void **state)
{
	struct fixture *f = *state;
	struct cert_facts facts = facts_of(7);
	const struct push_cert_view *view;

	(void)list_certs(f, 0);
	put(f, "com.apple.mgmt.one", 7, "certificate", "key");
	view = list_certs(f, 1);
	assert_string_equal(view->topic, "com.apple.mgmt.one");
	assert_string_equal(view->subject, facts.subject);
	assert_memory_equal(view->sha256, facts.sha256, SHA256_BYTES);
	assert_int_equal(view->not_before, facts.not_before);
	assert_int_equal(view->not_after, facts.not_after);
	assert_int_equal(view->stored_at, T0);
	assert_slice(view->cert_pem, "certificate");
	assert_int_equal(view->enrollments, 0);
	assert_key(f, "com.apple.mgmt.one", "key");
}

static void test_another_one_of_the_topic_replaces_it(void **state)
{
	struct fixture *f = *state;
	const struct push_cert_view *views;

	put(f, "topic b", 1, "old", "old key");
	put(f, "topic a", 2, "other", "other key");
	fixture_commit(f);
	f->now_s = T0 + 5;
	put(f, "topic b", 3, "new", "new key");
	views = list_certs(f, 2);
	assert_string_equal(views[0].topic, "topic a");
	assert_string_equal(views[1].topic, "topic b");
	assert_slice(views[1].cert_pem, "new");
	assert_int_equal(views[1].sha256[0], 3);
	assert_int_equal(views[1].stored_at, T0 + 5);
	assert_key(f, "topic a", "other key");
	assert_key(f, "topic b", "new key");
}

static void test_a_removed_one_is_gone_with_its_key(void **state)
{
	AUTO(buf_fini_secret) struct buf key = {0};
	struct fixture *f = *state;
	struct err err;

	buf_init(&key, 100);
	put(f, "topic", 1, "certificate", "key");
	assert_ok(push_cert_remove(fixture_write(f), "topic", &err), &err);
	assert_rc(push_cert_remove(fixture_write(f), "topic", &err), RC_NOT_FOUND, &err);
	assert_rc(push_cert_key(fixture_write(f), "topic", &key, &err), RC_NOT_FOUND, &err);
	(void)list_certs(f, 0);
}

static void test_certificates_are_bounded(void **state)
{
	static uint8_t large[PUSH_CERT_PEM_BYTES_MAX + 1];
	struct slice over = slice_of(large, sizeof(large));
	struct slice most = slice_of(large, sizeof(large) - 1);
	struct fixture *f = *state;
	struct err err;

	assert_rc(put_push_cert(fixture_write(f), "t", 1, over, S("k"), &err), RC_LIMIT, &err);
	assert_rc(put_push_cert(fixture_write(f), "t", 1, S("c"), over, &err), RC_LIMIT, &err);
	assert_rc(put_push_cert(fixture_write(f), "", 1, S("c"), S("k"), &err), RC_INVALID, &err);
	(void)list_certs(f, 0);
	assert_ok(put_push_cert(fixture_write(f), "t", 1, most, most, &err), &err);
	(void)list_certs(f, 1);
}

/* What a key is bound to has room for all of it. */
static void test_the_longest_topics_do_not_share_a_key(void **state)
{
	char topic[PUSH_TOPIC_BYTES_MAX + 1];
	char other[PUSH_TOPIC_BYTES_MAX + 1];
	AUTO(buf_fini_secret) struct buf key = {0};
	struct fixture *f = *state;
	struct err err;

	memset(topic, 't', sizeof(topic) - 1);
	topic[sizeof(topic) - 1] = '\0';
	memcpy(other, topic, sizeof(topic));
	other[sizeof(other) - 2] = 'o';
	put(f, topic, 1, "certificate", "key");
	put(f, other, 2, "certificate", "other key");
	fixture_commit(f);
	assert_key(f, topic, "key");
	tamper(f, "UPDATE push_cert SET sealed = (SELECT sealed FROM push_cert ORDER BY topic LIMIT 1)");
	assert_key(f, other, "other key");
	buf_init(&key, 100);
	assert_rc(push_cert_key(fixture_read(f), topic, &key, &err), RC_CORRUPT, &err);
}

static void test_topics_in_use_are_counted_the_most_used_first(void **state)
{
	struct fixture *f = *state;
	struct push_topic_view *views;
	size_t count;
	struct err err;

	assert_ok(push_topic_list(fixture_read(f), 10, f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 0);
	enroll(f, 1, "rare b", ENROLLMENT_ENROLLED);
	for (int i = 2; i <= 4; i++)
		enroll(f, i, "used", ENROLLMENT_ENROLLED);
	enroll(f, 5, "rare a", ENROLLMENT_ENROLLED);
	enroll(f, 6, "used", ENROLLMENT_REMOVED);
	enroll(f, 7, "left", ENROLLMENT_CHECKED_OUT);
	enroll(f, 8, "", ENROLLMENT_ENROLLED);
	put(f, "used", 1, "certificate", "key");
	put(f, "left", 2, "certificate", "key");
	assert_ok(push_topic_list(fixture_read(f), 10, f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 3);
	assert_string_equal(views[0].topic, "used");
	assert_int_equal(views[0].enrollments, 3);
	assert_true(views[0].has_cert);
	assert_string_equal(views[1].topic, "rare a");
	assert_int_equal(views[1].enrollments, 1);
	assert_false(views[1].has_cert);
	assert_string_equal(views[2].topic, "rare b");
	assert_ok(push_topic_list(fixture_read(f), 1, f->arena, &views, &count, &err), &err);
	assert_int_equal(count, 1);
	assert_string_equal(views[0].topic, "used");
	assert_rc(push_topic_list(fixture_read(f), 0, f->arena, &views, &count, &err), RC_INVALID, &err);
	assert_int_equal(list_certs(f, 2)[0].enrollments, 0); /* left */
	assert_int_equal(list_certs(f, 2)[1].enrollments, 3); /* used */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		TEST(test_a_certificate_is_kept_with_its_key),
		TEST(test_another_one_of_the_topic_replaces_it),
		TEST(test_a_removed_one_is_gone_with_its_key),
		TEST(test_certificates_are_bounded),
		TEST(test_the_longest_topics_do_not_share_a_key),
		TEST(test_topics_in_use_are_counted_the_most_used_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
