/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "apns_fault.h"
#include "fault.h"

enum { NOW_MS = 1700000000 };

static enum rc read_words(const char *const *words, size_t count, struct apns_faults *faults,
	struct err *err)
{
	AUTO(json_free) struct json_value *object = json_new_object();
	enum rc rc = fault_words_read(words, count, object, err);

	return rc == RC_OK ? apns_faults_read(object, faults, err) : rc;
}

static struct fault_state state_of(const char *const *words, size_t count)
{
	struct fault_state state = {.chance = chance_of(3, 4)};
	struct apns_faults faults;
	struct err err = {0};

	if (read_words(words, count, &faults, &err) != RC_OK)
		fail_msg("%s", err.text);
	fault_state_set(&state, &faults);
	return state;
}

#define STATE(...) \
	state_of((const char *const[]){__VA_ARGS__}, COUNT_OF(((const char *const[]){__VA_ARGS__})))

static void without_faults_each_push_is_taken(void **state)
{
	const struct apns_faults faults = apns_faults_none();
	struct fault_state fault = {0};

	(void)state;
	fault_state_set(&fault, &faults);
	for (int i = 0; i < 100; i++) {
		struct apns_decision decision = fault_decide(&fault, NOW_MS);

		assert_int_equal(decision.deed, APNS_ANSWER);
		assert_int_equal(decision.status, 200);
		assert_string_equal(decision.reason, "");
		assert_false(decision.is_lost || decision.is_goaway);
	}
}

static void words_are_numbers_truths_or_texts(void **state)
{
	static const char *const words[] = {"reason=Unregistered", "rate_percent=7", "mute=true",
		"silence=false", "settings_delay_ms=600000", "max_streams=0"};
	struct apns_faults faults;

	(void)state;
	assert_int_equal(read_words(words, COUNT_OF(words), &faults, NULL), RC_OK);
	assert_string_equal(faults.reason, "Unregistered");
	assert_int_equal(faults.status, 410);
	assert_int_equal(faults.rate_percent, 7);
	assert_true(faults.mute);
	assert_false(faults.silence);
	assert_int_equal(faults.settings_delay_ms, 600000);
	assert_int_equal(faults.max_streams, 0);
	assert_int_equal(faults.retry_after_s, -1);
}

static void each_wrong_word_is_named(void **state)
{
	static const struct {
		const char *words[2];
		const char *says; /* NULL: it is good */
	} cases[] = {
		{{"speed=9"}, "\"speed\": unknown key"},
		{{"mute"}, "mute: want key=value"},
		{{"=1"}, "=1: want key=value"},
		{{"a-key-that-is-longer-than-any-fault-has=1"}, "want key=value"},
		{{"mute=true", "mute=false"}, "mute: given twice"},
		{{"mute=1"}, "\"mute\": is"},
		{{"reason=7"}, "\"reason\": is"},
		{{"reason=Nonsense"}, "\"status\" must be given"},
		{{"reason=Nonsense", "status=418"}, NULL},
		{{"reason=a b", "status=418"}, "want letters and digits"},
		{{"status=399"}, "want 400 to 599"},
		{{"status=400"}, NULL},
		{{"status=599"}, NULL},
		{{"status=600"}, "want 400 to 599"},
		{{"rate_percent=0"}, "want 1 to 100"},
		{{"rate_percent=100"}, NULL},
		{{"rate_percent=101"}, "want 1 to 100"},
		{{"lose_percent=101"}, "want 0 to 100"},
		{{"settings_delay_ms=600001"}, "want 0 to 600000"},
		{{"max_streams=10000"}, NULL},
		{{"max_streams=10001"}, "want 0 to 10000"},
		{{"retry_after_s=86401"}, "want 0 to 86400"},
		{{"goaway_every=-1"}, "want 0 to"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		size_t count = cases[i].words[1] == NULL ? 1 : 2;
		struct apns_faults faults;
		struct err err = {0};
		enum rc rc = read_words(cases[i].words, count, &faults, &err);

		assert_int_equal(rc, cases[i].says == NULL ? RC_OK : RC_INVALID);
		if (cases[i].says != NULL && strstr(err.text, cases[i].says) == NULL)
			fail_msg("'%s' does not say '%s'", err.text, cases[i].says);
	}
}

static void the_reason_may_be_of_63_bytes(void **state)
{
	char word[7 + APNS_REASON_BYTES_MAX + 2] = "reason=";
	const char *const words[] = {word, "status=500"};
	struct apns_faults faults;

	(void)state;
	memset(word + 7, 'r', APNS_REASON_BYTES_MAX);
	assert_int_equal(read_words(words, 2, &faults, NULL), RC_OK);
	assert_int_equal(strlen(faults.reason), APNS_REASON_BYTES_MAX);
	word[7 + APNS_REASON_BYTES_MAX] = 'r';
	assert_int_equal(read_words(words, 2, &faults, NULL), RC_INVALID);
}

static void a_reason_comes_with_what_belongs_to_it(void **state)
{
	struct fault_state fault = STATE("reason=TooManyRequests", "retry_after_s=9");
	struct apns_decision decision = fault_decide(&fault, NOW_MS);

	(void)state;
	assert_int_equal(decision.status, 429);
	assert_string_equal(decision.reason, "TooManyRequests");
	assert_int_equal(decision.retry_after_s, 9);
	assert_int_equal(decision.timestamp_ms, -1);

	fault = STATE("reason=ExpiredToken");
	assert_int_equal(fault_decide(&fault, NOW_MS).timestamp_ms, NOW_MS);
	fault = STATE("reason=ExpiredToken", "timestamp_ms=5");
	assert_int_equal(fault_decide(&fault, NOW_MS).timestamp_ms, 5);
}

static unsigned hits_of(struct fault_state *fault, unsigned pushes)
{
	unsigned hits = 0;

	for (unsigned i = 0; i < pushes; i++)
		hits += fault_decide(fault, NOW_MS).status != 200;
	return hits;
}

static void a_rate_is_held_on_average_and_the_same_seed_hits_the_same(void **state)
{
	struct fault_state fault = STATE("status=500", "rate_percent=10");
	struct fault_state again = fault;
	unsigned hits = hits_of(&fault, 10000);

	(void)state;
	assert_in_range(hits, 800, 1200);
	assert_int_equal(hits_of(&again, 10000), hits);
}

static void a_count_ends_it(void **state)
{
	struct fault_state fault = STATE("status=500", "rate_percent=50", "count=3");

	(void)state;
	assert_int_equal(hits_of(&fault, 1000), 3);
}

static void every_nth_push_has_its_turn(void **state)
{
	struct fault_state fault = STATE("goaway_every=2", "reset_every=3", "refuse_every=5");

	(void)state;
	for (int n = 1; n <= 60; n++) {
		struct apns_decision decision = fault_decide(&fault, NOW_MS);
		enum apns_deed wanted = APNS_ANSWER;

		if (n % 5 == 0)
			wanted = APNS_REFUSE;
		if (n % 3 == 0)
			wanted = APNS_RESET;
		assert_int_equal(decision.deed, wanted);
		assert_int_equal(decision.is_goaway, n % 2 == 0);
	}
}

static void lost_pushes_are_answered_200(void **state)
{
	struct fault_state fault = STATE("lose_percent=100", "count=1");
	struct apns_decision decision = fault_decide(&fault, NOW_MS);

	(void)state;
	assert_int_equal(decision.status, 200);
	assert_true(decision.is_lost);
	assert_false(fault_decide(&fault, NOW_MS).is_lost);
}

static void mute_and_silent_pushes_are_not_answered(void **state)
{
	struct fault_state mute = STATE("mute=true");
	struct fault_state silence = STATE("silence=true", "reset_every=2");

	(void)state;
	assert_int_equal(fault_decide(&mute, NOW_MS).deed, APNS_QUIET);
	assert_int_equal(fault_decide(&silence, NOW_MS).deed, APNS_QUIET);
	assert_int_equal(fault_decide(&silence, NOW_MS).deed, APNS_RESET);
}

static void each_fault_is_explained_to_people(void **state)
{
	struct apns_fault_word word;
	size_t count = 0;

	(void)state;
	for (; apns_fault_word_at(count, &word); count++) {
		assert_non_null(word.help);
		assert_true(strlen(word.name) > 0 && strlen(word.help) > 0);
	}
	assert_int_equal(count, 16);
}

static void words_make_a_line_for_the_control_socket(void **state)
{
	static const struct {
		const char *words[3];
		const char *line; /* NULL: refused */
	} cases[] = {
		{{NULL}, "{\"do\":\"set\",\"faults\":{}}"},
		{{"mute=true", "count=2"}, "{\"do\":\"set\",\"faults\":{\"mute\":true,\"count\":2}}"},
		{{"set", "reason=Shutdown"}, "{\"do\":\"set\",\"faults\":{\"reason\":\"Shutdown\"}}"},
		{{"goaway", "last_stream=none"}, "{\"do\":\"goaway\",\"last_stream\":\"none\"}"},
		{{"token", "token=00ff", "status=410"}, "{\"do\":\"token\",\"token\":\"00ff\",\"status\":410}"},
		{{"stats"}, "{\"do\":\"stats\"}"},
		{{"mute=true", "stats"}, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		AUTO(buf_fini) struct buf line;
		size_t count = 0;
		enum rc rc;

		while (count < 3 && cases[i].words[count] != NULL)
			count++;
		buf_init(&line, 1000);
		rc = fault_line(cases[i].words, count, &line, NULL);
		assert_int_equal(rc, cases[i].line == NULL ? RC_INVALID : RC_OK);
		if (cases[i].line != NULL)
			assert_string_equal(buf_cstr(&line), cases[i].line);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_faults_each_push_is_taken),
		cmocka_unit_test(words_are_numbers_truths_or_texts),
		cmocka_unit_test(each_wrong_word_is_named),
		cmocka_unit_test(the_reason_may_be_of_63_bytes),
		cmocka_unit_test(a_reason_comes_with_what_belongs_to_it),
		cmocka_unit_test(a_rate_is_held_on_average_and_the_same_seed_hits_the_same),
		cmocka_unit_test(a_count_ends_it),
		cmocka_unit_test(every_nth_push_has_its_turn),
		cmocka_unit_test(lost_pushes_are_answered_200),
		cmocka_unit_test(mute_and_silent_pushes_are_not_answered),
		cmocka_unit_test(each_fault_is_explained_to_people),
		cmocka_unit_test(words_make_a_line_for_the_control_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
