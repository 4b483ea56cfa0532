/* SPDX-License-Identifier: Apache-2.0 */
#include "loop.h"

#include <stdlib.h>

struct net_timer {
	struct event *event;
	void (*fn)(void *ctx);
	void *ctx;
};

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct net_timer *timer = ctx;

	(void)fd;
	(void)what;
	timer->fn(timer->ctx); /* may free the timer */
}

enum rc net_timer_new(struct net_loop *loop, void (*fn)(void *ctx), void *ctx,
	struct net_timer **timer_r)
{
	struct net_timer *timer = calloc(1, sizeof(*timer));

	*timer_r = NULL;
	if (timer == NULL)
		return RC_NO_MEMORY;
	*timer = (struct net_timer){.fn = fn, .ctx = ctx};
	timer->event = evtimer_new(loop->base, on_timer, timer);
	if (timer->event == NULL) {
		free(timer);
		return RC_NO_MEMORY;
	}
	*timer_r = timer;
	return RC_OK;
}

void net_timer_set(struct net_timer *timer, int64_t delay_ms)
{
	struct timeval delay = {.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};

	(void)evtimer_add(timer->event, &delay); /* moves a pending one */
}

void net_timer_free(struct net_timer **timer)
{
	if (*timer == NULL)
		return;
	event_free((*timer)->event);
	free(*timer);
	*timer = NULL;
}
