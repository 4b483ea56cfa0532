/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/push/push.h"

#include <stdio.h>
#include <stdlib.h>

#include "internal.h"
#include "pomona/base/log.h"
#include "pomona/base/rand.h"

enum { LISTS = WHEEL_LISTS + READY_LISTS };

static void turn(void *ctx)
{
	struct push *push = ctx;

	if (push->is_started)
		schedule_turn(push);
}

static void on_room(void *ctx)
{
	struct push *push = ctx;

	push->is_room = true;
	schedule_turn_soon(push);
}

static void on_alarm(void *ctx, const struct push_alarm *alarm)
{
	struct push *push = ctx;

	outcomes_alarm(push->outcomes, alarm);
	schedule_turn_soon(push);
}

static void init(struct push *push, const struct push_params *params)
{
	push->loop = params->loop;
	push->store = params->store;
	push->clock = params->clock;
	push->settings = params->settings;
	(void)snprintf(push->server, sizeof(push->server), "%s:%u", params->host, params->port);
	push->asks.inbox = &push->inbox;
	rand_bytes(&push->jitter.state, sizeof(push->jitter.state));
	(void)pthread_mutex_init(&push->lock, NULL);
	(void)pthread_cond_init(&push->stopped, NULL);
	inbox_init(&push->inbox, params->loop, turn, push);
}

static enum rc make_parts(struct push *push, const struct push_params *params, struct err *err)
{
	const struct topics_params topics_params = {
		.loop = params->loop,
		.store = params->store,
		.clock = params->clock,
		.push = params,
		.on_room = on_room,
		.on_alarm = on_alarm,
		.ctx = push,
	};

	push->entries = entries_new(LISTS);
	push->outcomes = outcomes_new(params->loop, params->store, turn, push);
	if (push->entries == NULL || push->outcomes == NULL ||
		net_timer_new(params->loop, turn, push, &push->timer) != RC_OK)
		return err_set(err, RC_NO_MEMORY, "push");
	wheel_init(&push->wheel, push->entries, 0);
	ready_init(&push->ready, push->entries, WHEEL_LISTS);
	return topics_new(&topics_params, &push->topics, err);
}

enum rc push_new(const struct push_params *params, struct push **push_r, struct err *err)
{
	AUTO(push_free) struct push *push = calloc(1, sizeof(*push));
	enum rc rc;

	*push_r = NULL;
	if (push == NULL)
		return err_set(err, RC_NO_MEMORY, "push");
	init(push, params);
	rc = make_parts(push, params, err);
	if (rc != RC_OK)
		return rc;
	*push_r = push;
	push = NULL; /* moved to the caller */
	return RC_OK;
}

static void start(void *ctx)
{
	struct push *push = ctx;

	push->start_us = clock_monotonic_us(push->clock);
	push->now_us = push->start_us;
	push->tick_us = push->start_us;
	rate_init(&push->rate, push->settings.rate_per_s, push->start_us);
	push->is_certs_changed = true;
	push->is_started = true;
	schedule_turn(push);
}

enum rc push_start(struct push *push, struct err *err)
{
	if (net_loop_post(push->loop, start, push) != RC_OK)
		return err_set(err, RC_NO_MEMORY, "push");
	push->is_start_posted = true;
	log_info("push_started", LOG_STR("server", push->server),
		LOG_INT("rate_per_s", push->settings.rate_per_s));
	return RC_OK;
}

void push_stop(struct push *push)
{
	inbox_close(&push->inbox);
	if (!push->is_start_posted)
		return;
	(void)pthread_mutex_lock(&push->lock);
	while (!push->is_stopped)
		(void)pthread_cond_wait(&push->stopped, &push->lock);
	(void)pthread_mutex_unlock(&push->lock);
}

/* Who has waited without a start or a stop is told at the end. */
static void end_asks(struct push *push)
{
	struct inbox_letters letters;

	inbox_drain(&push->inbox, &letters);
	while (letters.orders != NULL) {
		struct inbox_order *order = letters.orders;

		letters.orders = order->next;
		inbox_order_over(&push->inbox, order);
	}
	while (letters.asks != NULL) {
		struct push_ask *ask = letters.asks;

		letters.asks = ask->next;
		asks_add(&push->asks, ask, 0);
	}
	asks_end_all(&push->asks);
}

void push_free(struct push **push_ptr)
{
	struct push *push = *push_ptr;

	if (push == NULL)
		return;
	*push_ptr = NULL;
	if (push->topics != NULL && push->stop < STOP_LANDED) {
		push->stop = STOP_LANDED;
		topics_stop(push->topics);
	}
	topics_free(&push->topics);
	end_asks(push);
	while (push->orders != NULL) {
		struct inbox_order *order = push->orders;

		push->orders = order->next;
		inbox_order_over(&push->inbox, order);
	}
	net_timer_free(&push->timer);
	outcomes_free(&push->outcomes);
	entries_free(&push->entries);
	inbox_fini(&push->inbox);
	(void)pthread_cond_destroy(&push->stopped);
	(void)pthread_mutex_destroy(&push->lock);
	free(push);
}

/* --- what others tell and ask */

void push_set_settings(struct push *push, const struct push_settings *settings)
{
	inbox_settings(&push->inbox, settings);
}

void push_certs_changed(struct push *push)
{
	inbox_certs_changed(&push->inbox);
}

void push_poke(struct push *push)
{
	inbox_poke(&push->inbox);
}

void push_contact(struct push *push, const struct push_contact *contact)
{
	inbox_contact(&push->inbox, contact);
}

enum rc push_order(struct push *push, const int64_t *ids, size_t count, enum push_class class,
	struct err *err)
{
	return inbox_order(&push->inbox, ids, count, class, err);
}

enum rc push_ask(struct push *push, struct push_ask *ask, struct err *err)
{
	return inbox_ask(&push->inbox, ask, err);
}

void push_stats(struct push *push, struct push_stats *stats_r)
{
	(void)pthread_mutex_lock(&push->lock);
	*stats_r = push->stats;
	(void)pthread_mutex_unlock(&push->lock);
}
