/* SPDX-License-Identifier: Apache-2.0 */
#include "loop.h"

#include <stdlib.h>

struct net_watch {
	struct net_loop *loop;
	struct event *event; /* NULL: nothing is wished */
	int fd;
	unsigned what;
	void (*fn)(void *ctx, unsigned ready);
	void *ctx;
};

static void on_ready(evutil_socket_t fd, short what, void *ctx)
{
	struct net_watch *watch = ctx;

	(void)fd;
	watch->fn(watch->ctx,
		(what & EV_READ ? NET_READABLE : 0u) | (what & EV_WRITE ? NET_WRITABLE : 0u));
}

enum rc net_watch_new(struct net_loop *loop, int fd, void (*fn)(void *ctx, unsigned ready),
	void *ctx, struct net_watch **watch_r)
{
	struct net_watch *watch = calloc(1, sizeof(*watch));

	*watch_r = watch;
	if (watch == NULL)
		return RC_NO_MEMORY;
	*watch = (struct net_watch){.loop = loop, .fd = fd, .fn = fn, .ctx = ctx};
	return RC_OK;
}

enum rc net_watch_set(struct net_watch *watch, unsigned what)
{
	short events = EV_PERSIST;
	struct event *event = NULL;

	if (what == watch->what)
		return RC_OK;
	if (what & NET_READABLE)
		events |= EV_READ;
	if (what & NET_WRITABLE)
		events |= EV_WRITE;
	if (what != 0) {
		event = event_new(watch->loop->base, watch->fd, events, on_ready, watch);
		if (event == NULL)
			return RC_NO_MEMORY;
		if (event_add(event, NULL) != 0) {
			event_free(event);
			return RC_NO_MEMORY;
		}
	}
	if (watch->event != NULL)
		event_free(watch->event);
	watch->event = event;
	watch->what = what;
	return RC_OK;
}

void net_watch_free(struct net_watch **watch)
{
	if (*watch == NULL)
		return;
	if ((*watch)->event != NULL)
		event_free((*watch)->event);
	free(*watch);
	*watch = NULL;
}
