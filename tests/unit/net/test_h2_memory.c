/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "h2_talk.h"

enum { ASKS = 3, FAILURES_MAX = 2000 };

/* Calls until one fails, outside of the peer; below 0 none does. */
static int calls_left = -1;

static bool is_short(void)
{
	return peer_depth == 0 && calls_left >= 0 && calls_left-- == 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_malloc(size_t size)
{
	return is_short() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return is_short() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return is_short() ? NULL : __real_realloc(old, size);
}

static struct ask asks[ASKS];
static char large[H2_BODY_BYTES_MAX];

static void answer_large(struct peer_line *line, const struct peer_request *request)
{
	const nghttp2_nv fields[] = {PEER_NV(":status", "200"), PEER_NV("apns-id", "1")};

	peer_answer_fields(line, request->stream_id, fields, COUNT_OF(fields),
		slice_of(large, sizeof(large)));
}

static unsigned taken;

static void ask_all(struct talk *talk)
{
	struct err err;

	taken = 0;
	for (size_t i = 0; i < ASKS; i++) {
		enum rc rc;

		ask_init(&asks[i], talk, "/", slice_of(large, i == 1 ? sizeof(large) : 1));
		rc = h2_request(talk->h2, &asks[i].request, &err);
		if (rc != RC_OK)
			assert_int_equal(rc, RC_NO_MEMORY);
		taken += rc == RC_OK;
	}
}

static bool is_through(const struct talk *talk)
{
	return talk->ends > 0 || (talk->opens > 0 && talk->answers == taken);
}

static bool is_told;

static bool is_through_or_over(const struct talk *talk)
{
	bool was_told = is_told;

	is_told = is_through(talk);
	return talk->ends > 0 || (is_told && !was_told);
}

/* Fails where it is short, and then completely: every request is handed back, and the end is told. */
static void converse(struct talk *talk)
{
	struct err err;
	enum rc rc = h2_open(talk->loop, &talk->params, &talk->h2, &err);

	if (rc != RC_OK) {
		assert_int_equal(rc, RC_NO_MEMORY);
		assert_null(talk->h2);
		return;
	}
	is_told = false;
	talk->on_open = ask_all;
	talk->until = is_through_or_over;
	while (!is_through(talk))
		net_loop_run(talk->loop);
	if (talk->ends == 0)
		h2_retire(talk->h2);
	while (!talk_is_over(talk))
		net_loop_run(talk->loop);
	if (talk->end != H2_END_RETIRED && talk->end != H2_END_MEMORY &&
		strstr(talk->end_text, "memory") == NULL)
		fail_msg("ends by %s: %s", h2_end_name(talk->end), talk->end_text);
	assert_int_equal(talk->opens > 0 ? talk->answers : 0, talk->opens > 0 ? taken : 0);
	for (size_t i = 0; i < ASKS && talk->opens > 0; i++)
		assert_in_range(asks[i].done, 0, 1);
	h2_free(&talk->h2);
}

static void memory_that_is_short_is_told_and_nothing_is_lost(void **state)
{
	int failures = 0;
	bool has_failed = true;

	memset(large, 'l', sizeof(large));
	for (; has_failed && failures < FAILURES_MAX; failures++) {
		struct talk *talk = *state;

		talk_listen(talk, (struct peer_conf){.on_request = answer_large});
		calls_left = failures;
		converse(talk);
		has_failed = calls_left < 0;
		calls_left = -1;
		(void)talk_teardown(state);
		assert_int_equal(talk_setup(state), 0);
	}
	assert_in_range(failures, 30, FAILURES_MAX - 1);
}

#define TALK_TEST(name) cmocka_unit_test_setup_teardown(name, talk_setup, talk_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TALK_TEST(memory_that_is_short_is_told_and_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, talk_group_setup, NULL);
}
