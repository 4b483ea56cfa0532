/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "pomona/net/net.h"

enum { MARKS_MAX = 64, POSTS = 1000 };

/* What ran, in order, and the loop to end after the last. */
struct trace {
	struct net_loop *loop;
	char marks[MARKS_MAX];
	size_t count, stop_after;
	struct net_timer *timer;
};

struct mark {
	struct trace *trace;
	char letter;
	struct net_timer *timer;
};

static int loop_setup(void **state)
{
	static struct trace trace;

	memset(&trace, 0, sizeof(trace));
	*state = &trace;
	return net_loop_new(&trace.loop, NULL) == RC_OK ? 0 : -1;
}

static int loop_teardown(void **state)
{
	struct trace *trace = *state;

	net_loop_free(&trace->loop);
	return 0;
}

static void on_mark(void *ctx)
{
	struct mark *mark = ctx;
	struct trace *trace = mark->trace;

	trace->marks[trace->count++] = mark->letter;
	if (trace->count == trace->stop_after)
		net_loop_stop(trace->loop);
}

static void timers_fire_by_their_delay_and_not_by_the_order_of_setting(void **state)
{
	struct trace *trace = *state;
	struct mark marks[] = {{trace, 'c', NULL}, {trace, 'a', NULL}, {trace, 'b', NULL}};
	const int64_t delays_ms[] = {60, 0, 30};

	trace->stop_after = COUNT_OF(marks);
	for (size_t i = 0; i < COUNT_OF(marks); i++) {
		assert_int_equal(net_timer_new(trace->loop, on_mark, &marks[i], &marks[i].timer), RC_OK);
		net_timer_set(marks[i].timer, delays_ms[i]);
	}
	net_loop_run(trace->loop);
	assert_string_equal(trace->marks, "abc");
	for (size_t i = 0; i < COUNT_OF(marks); i++)
		net_timer_free(&marks[i].timer);
	net_timer_free(&marks[0].timer); /* twice is fine */
}

static void a_timer_that_is_set_again_moves_and_fires_once(void **state)
{
	struct trace *trace = *state;
	struct mark moved = {trace, 'm', NULL}, early = {trace, 'e', NULL}, last = {trace, 'l', NULL};

	trace->stop_after = 3;
	assert_int_equal(net_timer_new(trace->loop, on_mark, &moved, &moved.timer), RC_OK);
	assert_int_equal(net_timer_new(trace->loop, on_mark, &early, &early.timer), RC_OK);
	assert_int_equal(net_timer_new(trace->loop, on_mark, &last, &last.timer), RC_OK);
	net_timer_set(moved.timer, 0);
	net_timer_set(early.timer, 20);
	net_timer_set(last.timer, 60);
	net_timer_set(moved.timer, 40);
	net_loop_run(trace->loop);
	assert_string_equal(trace->marks, "eml");
	net_timer_free(&moved.timer);
	net_timer_free(&early.timer);
	net_timer_free(&last.timer);
}

static void free_own_timer(void *ctx)
{
	struct trace *trace = ctx;

	net_timer_free(&trace->timer);
	net_loop_stop(trace->loop);
}

static void a_timer_may_free_itself(void **state)
{
	struct trace *trace = *state;

	assert_int_equal(net_timer_new(trace->loop, free_own_timer, trace, &trace->timer), RC_OK);
	net_timer_set(trace->timer, 0);
	net_loop_run(trace->loop);
	assert_null(trace->timer);
}

static void a_freed_timer_does_not_fire(void **state)
{
	struct trace *trace = *state;
	struct mark freed = {trace, 'f', NULL}, last = {trace, 'l', NULL};

	trace->stop_after = 1;
	assert_int_equal(net_timer_new(trace->loop, on_mark, &freed, &freed.timer), RC_OK);
	assert_int_equal(net_timer_new(trace->loop, on_mark, &last, &last.timer), RC_OK);
	net_timer_set(freed.timer, 0);
	net_timer_set(last.timer, 20);
	net_timer_free(&freed.timer);
	net_loop_run(trace->loop);
	assert_string_equal(trace->marks, "l");
	net_timer_free(&last.timer);
}

static void a_stop_before_the_run_ends_it_and_the_loop_runs_again(void **state)
{
	struct trace *trace = *state;
	struct mark mark = {trace, 'x', NULL};

	net_loop_stop(trace->loop);
	net_loop_run(trace->loop);
	trace->stop_after = 1;
	assert_int_equal(net_loop_post(trace->loop, on_mark, &mark), RC_OK);
	net_loop_run(trace->loop);
	assert_string_equal(trace->marks, "x");
}

struct poster {
	struct net_loop *loop;
	pthread_t loop_thread;
	int next; /* the number that must run next */
	int numbers[POSTS];
	bool is_on_loop_thread;
};

static struct poster poster;

static void on_number(void *ctx)
{
	const int *number = ctx;

	poster.is_on_loop_thread =
		poster.is_on_loop_thread && pthread_equal(pthread_self(), poster.loop_thread) != 0;
	if (*number == poster.next)
		poster.next++;
	if (*number == POSTS - 1)
		net_loop_stop(poster.loop);
}

static void *post_numbers(void *ctx)
{
	(void)ctx;
	for (int i = 0; i < POSTS; i++) {
		poster.numbers[i] = i;
		if (net_loop_post(poster.loop, on_number, &poster.numbers[i]) != RC_OK)
			break;
	}
	return NULL;
}

static void what_another_thread_posts_runs_on_the_loops_thread_in_order(void **state)
{
	struct trace *trace = *state;
	pthread_t thread;

	poster =
		(struct poster){.loop = trace->loop, .loop_thread = pthread_self(), .is_on_loop_thread = true};
	assert_int_equal(pthread_create(&thread, NULL, post_numbers, NULL), 0);
	net_loop_run(trace->loop);
	(void)pthread_join(thread, NULL);
	assert_int_equal(poster.next, POSTS);
	assert_true(poster.is_on_loop_thread);
}

static void what_was_posted_and_never_ran_goes_with_the_loop(void **state)
{
	struct trace *trace = *state;
	struct mark mark = {trace, 'x', NULL};

	assert_int_equal(net_loop_post(trace->loop, on_mark, &mark), RC_OK);
	net_loop_free(&trace->loop); /* the leak checker watches */
	assert_int_equal(trace->count, 0);
}

static void raise_signal(void *ctx)
{
	const int *signal_number = ctx;

	(void)raise(*signal_number);
}

static void sigint_and_sigterm_stop_the_loop(void **state)
{
	struct trace *trace = *state;
	int signals[] = {SIGTERM, SIGINT};

	assert_int_equal(net_loop_stop_on_signals(trace->loop, NULL), RC_OK);
	for (size_t i = 0; i < COUNT_OF(signals); i++) {
		assert_int_equal(net_loop_post(trace->loop, raise_signal, &signals[i]), RC_OK);
		net_loop_run(trace->loop);
	}
}

static void sigpipe_is_ignored_once_a_loop_was_made(void **state)
{
	struct sigaction action;

	(void)state;
	assert_int_equal(sigaction(SIGPIPE, NULL, &action), 0);
	assert_true(action.sa_handler == SIG_IGN);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, loop_setup, loop_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(timers_fire_by_their_delay_and_not_by_the_order_of_setting),
		LOOP_TEST(a_timer_that_is_set_again_moves_and_fires_once),
		LOOP_TEST(a_timer_may_free_itself),
		LOOP_TEST(a_freed_timer_does_not_fire),
		LOOP_TEST(a_stop_before_the_run_ends_it_and_the_loop_runs_again),
		LOOP_TEST(what_another_thread_posts_runs_on_the_loops_thread_in_order),
		LOOP_TEST(what_was_posted_and_never_ran_goes_with_the_loop),
		LOOP_TEST(sigint_and_sigterm_stop_the_loop),
		LOOP_TEST(sigpipe_is_ignored_once_a_loop_was_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
