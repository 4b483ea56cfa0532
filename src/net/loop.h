/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_NET_LOOP_PRIVATE_H
#define POMONA_NET_LOOP_PRIVATE_H

/*
 * The loop as its timers and clients see it: a libevent base that drives one curl multi handle.
 * Threading: the loop's thread, but for what `lock` guards.
 */

#include <curl/curl.h>
#include <event2/event.h>
#include <pthread.h>

#include "pomona/net/net.h"

struct posted {
	struct posted *next;
	void (*fn)(void *ctx);
	void *ctx;
};

enum { LOOP_SIGNALS = 2 };

struct net_loop {
	struct event_base *base;
	CURLM *multi;
	struct event *curl_timer;
	struct event *wake; /* reads wake_fd */
	struct event *signals[LOOP_SIGNALS];
	int wake_fd; /* an eventfd: something was posted, or the loop shall stop */
	pthread_mutex_t lock;
	struct posted *posted; /* guarded by lock; first in, first run */
	struct posted **posted_end;
	bool is_stopping; /* guarded by lock */
};

/* What curl says of one finished call, handed to its client. Defined in call.c. */
void client_finish(CURL *easy, CURLcode code);

#endif
