/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "pomona/identity/outcome.h"
#include "pomona/identity/refusal.h"

static void every_reason_has_a_word_of_its_own_a_status_and_a_remedy(void **state)
{
	(void)state;
	for (int i = 0; i < REFUSAL_COUNT; i++) {
		const char *remedy = refusal_remedy((enum refusal)i);

		assert_non_null(refusal_name((enum refusal)i));
		assert_true(strlen(remedy) > 10 && remedy[strlen(remedy) - 1] == '.');
		assert_true(refusal_http_status((enum refusal)i) >= 200);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(refusal_name((enum refusal)i), refusal_name((enum refusal)j));
	}
}

static void only_an_ordered_and_an_automatic_removal_give_401(void **state)
{
	(void)state;
	for (int i = 0; i < REFUSAL_COUNT; i++) {
		bool is_removal = i == REFUSAL_REMOVAL_ORDERED || i == REFUSAL_UNKNOWN_UNENROLLED;
		bool is_login = i == REFUSAL_LOGIN_REQUIRED; /* with its challenge, which keeps the management */

		assert_int_equal(refusal_http_status((enum refusal)i) == 401, is_removal || is_login);
	}
}

static void statuses_are_those_of_the_protocol(void **state)
{
	static const struct {
		enum refusal refusal;
		unsigned status;
	} cases[] = {
		{REFUSAL_NONE, 200},
		{REFUSAL_BAD_MESSAGE, 400},
		{REFUSAL_NOT_OFFERED, 400},
		{REFUSAL_BAD_SIGNATURE, 400},
		{REFUSAL_NO_CERTIFICATE, 403},
		{REFUSAL_PLAIN, 403},
		{REFUSAL_CERTIFICATE_GARBLED, 403},
		{REFUSAL_NOT_CHAINED, 403},
		{REFUSAL_EXPIRED, 403},
		{REFUSAL_NOT_YET_VALID, 403},
		{REFUSAL_WRONG_PURPOSE, 403},
		{REFUSAL_REVOKED, 403},
		{REFUSAL_CERTIFICATE_TWIN, 403},
		{REFUSAL_INTERIM, 403},
		{REFUSAL_ISSUED_FOR_ANOTHER, 403},
		{REFUSAL_PINNED_TO_ANOTHER, 403},
		{REFUSAL_NOT_PINNED, 403},
		{REFUSAL_SUPERSEDED, 403},
		{REFUSAL_NOT_ENROLLED_YET, 403},
		{REFUSAL_CHECKED_OUT, 403},
		{REFUSAL_TOO_MANY_USERS, 403},
		{REFUSAL_USER_NOT_AUTHENTICATED, 403},
		{REFUSAL_ACCESS_TOKEN, 403},
		{REFUSAL_UNKNOWN_DEVICE, 403},
		{REFUSAL_FUSE_BLOWN, 403},
		{REFUSAL_REMOVAL_ORDERED, 401},
		{REFUSAL_UNKNOWN_UNENROLLED, 401},
		{REFUSAL_LOGIN_REQUIRED, 401},
		{REFUSAL_USER_NOT_MANAGED, 410},
		{REFUSAL_TOO_LARGE, 413},
		{REFUSAL_STORE, 503},
	};

	(void)state;
	assert_int_equal(COUNT_OF(cases), REFUSAL_COUNT);
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(refusal_http_status(cases[i].refusal), cases[i].status);
}

static void a_refused_outcome_has_no_body(void **state)
{
	struct outcome outcome;

	(void)state;
	outcome_init(&outcome);
	assert_int_equal(outcome.http_status, 200);
	buf_append_str(&outcome.body, "secret");
	outcome.content_type = OUTCOME_PLIST_TYPE;
	outcome_refuse(&outcome, REFUSAL_NOT_PINNED, "text");
	assert_int_equal(outcome.http_status, 403);
	assert_int_equal(outcome.body.len, 0);
	assert_null(outcome.content_type);
	assert_string_equal(outcome.text, "text");
	outcome_refuse(&outcome, REFUSAL_NOT_PINNED, NULL);
	assert_string_equal(outcome.text, "");
	outcome_fini(&outcome);
}

static void a_text_too_long_for_an_outcome_is_cut(void **state)
{
	char text[2 * REFUSAL_TEXT_BYTES];
	struct outcome outcome;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	outcome_init(&outcome);
	outcome_refuse(&outcome, REFUSAL_BAD_MESSAGE, text);
	assert_int_equal(strlen(outcome.text), REFUSAL_TEXT_BYTES - 1);
	outcome_fini(&outcome);
}

static void add(struct refusal_log *log, int number)
{
	struct refusal_entry entry = {.at = number, .refusal = REFUSAL_EXPIRED};

	snprintf(entry.claimed_id, sizeof(entry.claimed_id), "D%d", number);
	refusal_log_add(log, &entry);
}

static void check_latest(struct refusal_log *log, int limit, size_t want, int first)
{
	AUTO(arena_free) struct arena *arena = arena_new(4 << 20);
	struct refusal_entry *entries;
	size_t count;
	struct err err;

	assert_int_equal(refusal_log_latest(log, limit, arena, &entries, &count, &err), RC_OK);
	assert_int_equal(count, want);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(entries[i].at, first - (int)i);
}

static void the_log_keeps_the_latest_and_counts_all(void **state)
{
	struct refusal_log *log = refusal_log_new();

	(void)state;
	assert_non_null(log);
	check_latest(log, 10, 0, 0);
	for (int i = 1; i <= 3; i++)
		add(log, i);
	check_latest(log, 10, 3, 3);
	check_latest(log, 2, 2, 3);
	check_latest(log, 0, 0, 0);
	check_latest(log, -1, 0, 0);
	for (int i = 4; i <= REFUSAL_LOG_ROWS; i++)
		add(log, i);
	check_latest(log, REFUSAL_LOG_ROWS + 5, REFUSAL_LOG_ROWS, REFUSAL_LOG_ROWS);
	add(log, REFUSAL_LOG_ROWS + 1);
	check_latest(log, REFUSAL_LOG_ROWS, REFUSAL_LOG_ROWS, REFUSAL_LOG_ROWS + 1);
	assert_int_equal(refusal_log_count(log, REFUSAL_EXPIRED), REFUSAL_LOG_ROWS + 1);
	assert_int_equal(refusal_log_count(log, REFUSAL_REVOKED), 0);
	refusal_log_free(&log);
	assert_null(log);
}

static void an_arena_too_small_for_the_latest_is_said(void **state)
{
	AUTO(arena_free) struct arena *arena = arena_new(16);
	struct refusal_log *log = refusal_log_new();
	struct refusal_entry *entries;
	size_t count;
	struct err err;

	(void)state;
	add(log, 1);
	assert_int_equal(refusal_log_latest(log, 1, arena, &entries, &count, &err), RC_NO_MEMORY);
	refusal_log_free(&log);
}

enum { THREADS = 4, EACH = 2000 };

static void *add_many(void *log)
{
	for (int i = 0; i < EACH; i++)
		add(log, i);
	return NULL;
}

static void threads_add_and_read_at_once_and_nothing_goes_uncounted(void **state)
{
	struct refusal_log *log = refusal_log_new();
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_many, log), 0);
	for (int i = 0; i < 50; i++) {
		AUTO(arena_free) struct arena *arena = arena_new(4 << 20);
		struct refusal_entry *entries;
		size_t count;
		struct err err;

		assert_int_equal(refusal_log_latest(log, 100, arena, &entries, &count, &err), RC_OK);
		for (size_t j = 0; j < count; j++) {
			char want[32];

			snprintf(want, sizeof(want), "D%d", (int)entries[j].at);
			assert_string_equal(entries[j].claimed_id, want);
		}
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(refusal_log_count(log, REFUSAL_EXPIRED), THREADS * EACH);
	refusal_log_free(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_has_a_word_of_its_own_a_status_and_a_remedy),
		cmocka_unit_test(only_an_ordered_and_an_automatic_removal_give_401),
		cmocka_unit_test(statuses_are_those_of_the_protocol),
		cmocka_unit_test(a_refused_outcome_has_no_body),
		cmocka_unit_test(a_text_too_long_for_an_outcome_is_cut),
		cmocka_unit_test(the_log_keeps_the_latest_and_counts_all),
		cmocka_unit_test(an_arena_too_small_for_the_latest_is_said),
		cmocka_unit_test(threads_add_and_read_at_once_and_nothing_goes_uncounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
