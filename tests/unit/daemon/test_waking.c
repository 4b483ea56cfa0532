/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <pthread.h>

#include <cmocka.h>

#include "waking.h"

enum { CALLS_BYTES = 256 };

/* The rooms below, as the test wants them. What they were asked is told in `calls`. */
static struct {
	enum rc new_rc, start_rc;
	struct push_params params; /* as push_new() had them; pointers are not to be followed */
	char proxy[64], ca_pem[64];
	char calls[CALLS_BYTES];
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_loop_running, is_loop_stopped;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static char stand_in; /* for a loop and a push that are never looked into */

static void call(const char *name)
{
	size_t len = strlen(fake.calls);

	assert_true(len + strlen(name) + 2 < sizeof(fake.calls));
	(void)snprintf(fake.calls + len, sizeof(fake.calls) - len, "%s ", name);
}

enum rc net_loop_new(struct net_loop **loop_r, struct err *err)
{
	(void)err;
	call("loop_new");
	*loop_r = (struct net_loop *)&stand_in;
	return RC_OK;
}

void net_loop_run(struct net_loop *loop)
{
	(void)loop;
	(void)pthread_mutex_lock(&fake.lock);
	fake.is_loop_running = true;
	(void)pthread_cond_signal(&fake.changed);
	while (!fake.is_loop_stopped)
		(void)pthread_cond_wait(&fake.changed, &fake.lock);
	fake.is_loop_running = false;
	(void)pthread_mutex_unlock(&fake.lock);
}

void net_loop_stop(struct net_loop *loop)
{
	(void)loop;
	call("loop_stop");
	(void)pthread_mutex_lock(&fake.lock);
	fake.is_loop_stopped = true;
	(void)pthread_cond_signal(&fake.changed);
	(void)pthread_mutex_unlock(&fake.lock);
}

void net_loop_free(struct net_loop **loop)
{
	if (*loop == NULL)
		return;
	assert_false(fake.is_loop_running);
	call("loop_free");
	*loop = NULL;
}

enum rc push_new(const struct push_params *params, struct push **push_r, struct err *err)
{
	call("push_new");
	*push_r = NULL;
	fake.params = *params;
	(void)snprintf(fake.proxy, sizeof(fake.proxy), "%s", params->proxy);
	(void)snprintf(fake.ca_pem, sizeof(fake.ca_pem), "%.*s", SLICE_FMT(params->ca_pem));
	if (fake.new_rc != RC_OK)
		return err_set(err, fake.new_rc, "push");
	*push_r = (struct push *)&stand_in;
	return RC_OK;
}

enum rc push_start(struct push *push, struct err *err)
{
	(void)push;
	call("push_start");
	return fake.start_rc == RC_OK ? RC_OK : err_set(err, fake.start_rc, "push");
}

void push_stop(struct push *push)
{
	assert_non_null(push);
	assert_true(fake.is_loop_running);
	call("push_stop");
}

void push_free(struct push **push)
{
	if (*push == NULL)
		return;
	assert_false(fake.is_loop_running);
	call("push_free");
	*push = NULL;
}

static char text_server[64], text_proxy[64], text_ca[64];
static struct config config;
static struct server server;

static int setup(void **state)
{
	(void)state;
	fake.new_rc = fake.start_rc = RC_OK;
	fake.calls[0] = '\0';
	fake.is_loop_running = fake.is_loop_stopped = false;
	(void)snprintf(text_server, sizeof(text_server), "apns.example:2197");
	(void)snprintf(text_proxy, sizeof(text_proxy), "proxy.example:3128");
	text_ca[0] = '\0';
	config = (struct config){
		.net = {.proxy = text_proxy},
		.push =
			{
				.server = text_server,
				.ca_file = text_ca,
				.connections_max = 3,
				.rate_per_s = 4,
				.expiration_s = 5,
				.priority = CONFIG_PUSH_PRIORITY_5,
				.retry_first_s = 6,
				.retry_max_s = 7,
				.probe_interval_s = 8,
				.inactive_after_s = 9,
				.ping_interval_s = 10,
			},
	};
	server = (struct server){.config = &config};
	return 0;
}

static void wait_for_the_loop(void)
{
	(void)pthread_mutex_lock(&fake.lock);
	while (!fake.is_loop_running)
		(void)pthread_cond_wait(&fake.changed, &fake.lock);
	(void)pthread_mutex_unlock(&fake.lock);
}

static void stop_all(void)
{
	waking_stop_push(&server);
	waking_stop_loop(&server);
	waking_close_push(&server);
	waking_close_loop(&server);
}

static void the_conf_is_handed_on(void **state)
{
	static const int priorities[] = {
		[CONFIG_PUSH_PRIORITY_10] = 10,
		[CONFIG_PUSH_PRIORITY_5] = 5,
		[CONFIG_PUSH_PRIORITY_1] = 1,
	};
	struct err err = {0};

	(void)state;
	assert_int_equal(waking_open_push(&server, &err), RC_OK);
	assert_string_equal(fake.params.host, "apns.example");
	assert_int_equal(fake.params.port, 2197);
	assert_string_equal(fake.proxy, "proxy.example:3128");
	assert_string_equal(fake.ca_pem, "");
	assert_int_equal(fake.params.connections_max, 3);
	assert_int_equal(fake.params.ping_interval_ms, 10000);
	assert_int_equal(fake.params.settings.rate_per_s, 4);
	assert_int_equal(fake.params.settings.expiration_s, 5);
	assert_int_equal(fake.params.settings.retry_first_s, 6);
	assert_int_equal(fake.params.settings.retry_max_s, 7);
	assert_int_equal(fake.params.settings.probe_interval_s, 8);
	assert_int_equal(fake.params.settings.inactive_after_s, 9);
	for (size_t i = 0; i < COUNT_OF(priorities); i++) {
		config.push.priority = (enum config_push_priority)i;
		assert_int_equal(waking_settings(&config).priority, priorities[i]);
	}
	stop_all();
}

static void an_address_of_ipv6_loses_its_brackets(void **state)
{
	struct err err = {0};

	(void)state;
	(void)snprintf(text_server, sizeof(text_server), "[2001:db8::1]:443");
	assert_int_equal(waking_open_push(&server, &err), RC_OK);
	assert_string_equal(fake.params.host, "2001:db8::1");
	assert_int_equal(fake.params.port, 443);
	stop_all();
}

static void a_ca_file_that_cannot_be_read_is_named_and_nothing_is_made(void **state)
{
	struct err err = {0};

	(void)state;
	(void)snprintf(text_ca, sizeof(text_ca), "/nonexistent/ca.pem");
	assert_int_equal(waking_open_push(&server, &err), RC_NOT_FOUND);
	assert_non_null(strstr(err.text, "[push] ca_file"));
	stop_all();
	assert_string_equal(fake.calls, "");
}

/* push.h: nothing is made or freed while the loop runs, and a stop needs it to run. */
static void the_stages_stop_in_the_reverse_order(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(waking_open_loop(&server, &err), RC_OK);
	assert_int_equal(waking_open_push(&server, &err), RC_OK);
	assert_int_equal(waking_start_loop(&server, &err), RC_OK);
	wait_for_the_loop();
	assert_int_equal(waking_start_push(&server, &err), RC_OK);
	waking_stop_push(&server); /* before the writer stops, and once more in its turn */
	stop_all();
	assert_string_equal(fake.calls,
		"loop_new push_new push_start push_stop loop_stop push_free loop_free ");
}

static void a_start_that_failed_is_undone_as_far_as_it_came(void **state)
{
	struct err err = {0};

	(void)state;
	fake.new_rc = RC_NO_MEMORY;
	assert_int_equal(waking_open_loop(&server, &err), RC_OK);
	assert_int_equal(waking_open_push(&server, &err), RC_NO_MEMORY);
	stop_all();
	assert_string_equal(fake.calls, "loop_new push_new loop_free ");
	(void)setup(NULL);
	fake.start_rc = RC_IO;
	assert_int_equal(waking_open_loop(&server, &err), RC_OK);
	assert_int_equal(waking_open_push(&server, &err), RC_OK);
	assert_int_equal(waking_start_loop(&server, &err), RC_OK);
	wait_for_the_loop();
	assert_int_equal(waking_start_push(&server, &err), RC_IO);
	stop_all();
	assert_string_equal(fake.calls, "loop_new push_new push_start loop_stop push_free loop_free ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_conf_is_handed_on, setup),
		cmocka_unit_test_setup(an_address_of_ipv6_loses_its_brackets, setup),
		cmocka_unit_test_setup(a_ca_file_that_cannot_be_read_is_named_and_nothing_is_made, setup),
		cmocka_unit_test_setup(the_stages_stop_in_the_reverse_order, setup),
		cmocka_unit_test_setup(a_start_that_failed_is_undone_as_far_as_it_came, setup),
	};

	return cmocka_run_group_tests_name("waking", tests, NULL, NULL);
}
