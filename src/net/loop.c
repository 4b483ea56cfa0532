/* SPDX-License-Identifier: Apache-2.0 */
#include "loop.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const int stop_signals[LOOP_SIGNALS] = {SIGINT, SIGTERM};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;

static void curl_start(void)
{
	curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* A peer that goes away while we write is an error of that call, not the end of the program. */
static void ignore_sigpipe(void)
{
	struct sigaction action;

	if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
		action.sa_handler = SIG_IGN;
		(void)sigaction(SIGPIPE, &action, NULL);
	}
}

/* --- what curl wants to be told */

static void take_finished(struct net_loop *loop)
{
	int left;
	CURLMsg *message;

	while ((message = curl_multi_info_read(loop->multi, &left)) != NULL)
		if (message->msg == CURLMSG_DONE)
			client_finish(message->easy_handle, message->data.result);
}

static void on_socket(evutil_socket_t fd, short what, void *ctx)
{
	struct net_loop *loop = ctx;
	int running;
	int action = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

	(void)curl_multi_socket_action(loop->multi, fd, action, &running);
	take_finished(loop);
}

static void on_curl_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct net_loop *loop = ctx;
	int running;

	(void)fd;
	(void)what;
	(void)curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	take_finished(loop);
}

/*
 * CURLMOPT_SOCKETFUNCTION. A failure here would kill the multi handle with all of its calls; where
 * memory is short this one call is left to its timeout instead.
 */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *event)
{
	struct net_loop *loop = ctx;
	short events = EV_PERSIST;

	(void)easy;
	if (event != NULL)
		event_free(event);
	(void)curl_multi_assign(loop->multi, fd, NULL);
	if (what == CURL_POLL_REMOVE)
		return 0;
	if (what & CURL_POLL_IN)
		events |= EV_READ;
	if (what & CURL_POLL_OUT)
		events |= EV_WRITE;
	event = event_new(loop->base, fd, events, on_socket, loop);
	if (event != NULL && event_add(event, NULL) == 0)
		(void)curl_multi_assign(loop->multi, fd, event);
	else if (event != NULL)
		event_free(event);
	return 0;
}

/* CURLMOPT_TIMERFUNCTION; -1 takes the timer back. */
static int set_curl_timer(CURLM *multi, long timeout_ms, void *ctx)
{
	struct net_loop *loop = ctx;
	struct timeval delay = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};

	(void)multi;
	if (timeout_ms < 0)
		(void)evtimer_del(loop->curl_timer);
	else
		(void)evtimer_add(loop->curl_timer, &delay);
	return 0;
}

/* --- what other threads post */

static void wake_up(struct net_loop *loop)
{
	uint64_t one = 1;
	ssize_t written = write(loop->wake_fd, &one, sizeof(one));

	(void)written; /* a full counter wakes as well */
}

static void on_wake(evutil_socket_t fd, short what, void *ctx)
{
	struct net_loop *loop = ctx;
	struct posted *todo;
	uint64_t count;
	ssize_t got = read(fd, &count, sizeof(count));
	bool is_stopping;

	(void)got;
	(void)what;
	(void)pthread_mutex_lock(&loop->lock);
	todo = loop->posted;
	loop->posted = NULL;
	loop->posted_end = &loop->posted;
	is_stopping = loop->is_stopping;
	(void)pthread_mutex_unlock(&loop->lock);
	while (todo != NULL) {
		struct posted *next = todo->next;

		todo->fn(todo->ctx);
		free(todo);
		todo = next;
	}
	if (is_stopping)
		(void)event_base_loopbreak(loop->base);
}

enum rc net_loop_post(struct net_loop *loop, void (*fn)(void *ctx), void *ctx)
{
	struct posted *posted = malloc(sizeof(*posted));

	if (posted == NULL)
		return RC_NO_MEMORY;
	*posted = (struct posted){.fn = fn, .ctx = ctx};
	(void)pthread_mutex_lock(&loop->lock);
	*loop->posted_end = posted;
	loop->posted_end = &posted->next;
	wake_up(loop); /* under the lock, so that no post reaches a loop that was freed in between */
	(void)pthread_mutex_unlock(&loop->lock);
	return RC_OK;
}

void net_loop_stop(struct net_loop *loop)
{
	(void)pthread_mutex_lock(&loop->lock);
	loop->is_stopping = true;
	wake_up(loop);
	(void)pthread_mutex_unlock(&loop->lock);
}

void net_loop_run(struct net_loop *loop)
{
	(void)event_base_dispatch(loop->base);
	(void)pthread_mutex_lock(&loop->lock);
	loop->is_stopping = false;
	(void)pthread_mutex_unlock(&loop->lock);
}

static void on_signal(evutil_socket_t signal_number, short what, void *ctx)
{
	(void)signal_number;
	(void)what;
	net_loop_stop(ctx);
}

enum rc net_loop_stop_on_signals(struct net_loop *loop, struct err *err)
{
	for (int i = 0; i < LOOP_SIGNALS; i++) {
		if (loop->signals[i] != NULL)
			continue;
		loop->signals[i] = evsignal_new(loop->base, stop_signals[i], on_signal, loop);
		if (loop->signals[i] == NULL || evsignal_add(loop->signals[i], NULL) != 0)
			return err_set(err, RC_NO_MEMORY, "loop: cannot watch signal %d", stop_signals[i]);
	}
	return RC_OK;
}

/* --- birth and death */

static enum rc multi_start(struct net_loop *loop, struct err *err)
{
	(void)pthread_once(&curl_once, curl_start);
	if (curl_ready != CURLE_OK)
		return err_set(err, RC_INTERNAL, "curl: %s", curl_easy_strerror(curl_ready));
	loop->multi = curl_multi_init();
	if (loop->multi == NULL)
		return err_set(err, RC_NO_MEMORY, "loop");
	(void)curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	(void)curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop);
	(void)curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, set_curl_timer);
	(void)curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop);
	/* Each client has a cache of connections of its own (client.c); this bounds each of them. */
	(void)curl_multi_setopt(loop->multi, CURLMOPT_MAXCONNECTS, 1L);
	return RC_OK;
}

static enum rc wake_start(struct net_loop *loop, struct err *err)
{
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0)
		return err_set(err, RC_IO, "loop: no eventfd");
	loop->wake = event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
	loop->curl_timer = evtimer_new(loop->base, on_curl_timer, loop);
	if (loop->wake == NULL || loop->curl_timer == NULL || event_add(loop->wake, NULL) != 0)
		return err_set(err, RC_NO_MEMORY, "loop");
	return RC_OK;
}

enum rc net_loop_new(struct net_loop **loop_r, struct err *err)
{
	AUTO(net_loop_free) struct net_loop *loop = calloc(1, sizeof(*loop));
	enum rc rc;

	*loop_r = NULL;
	if (loop == NULL)
		return err_set(err, RC_NO_MEMORY, "loop");
	loop->wake_fd = -1;
	loop->posted_end = &loop->posted;
	(void)pthread_mutex_init(&loop->lock, NULL);
	ignore_sigpipe();
	loop->base = event_base_new();
	if (loop->base == NULL)
		return err_set(err, RC_NO_MEMORY, "loop");
	rc = wake_start(loop, err);
	if (rc == RC_OK)
		rc = multi_start(loop, err);
	if (rc != RC_OK)
		return rc;
	*loop_r = loop;
	loop = NULL; /* moved to the caller */
	return RC_OK;
}

static void event_drop(struct event *event)
{
	if (event != NULL)
		event_free(event);
}

static void posted_drop(struct posted *posted)
{
	while (posted != NULL) {
		struct posted *next = posted->next;

		free(posted);
		posted = next;
	}
}

void net_loop_free(struct net_loop **loop)
{
	struct net_loop *gone = *loop;

	if (gone == NULL)
		return;
	*loop = NULL;
	if (gone->multi != NULL)
		(void)curl_multi_cleanup(gone->multi);
	event_drop(gone->curl_timer);
	event_drop(gone->wake);
	for (int i = 0; i < LOOP_SIGNALS; i++)
		event_drop(gone->signals[i]);
	if (gone->base != NULL)
		event_base_free(gone->base);
	if (gone->wake_fd >= 0)
		(void)close(gone->wake_fd);
	posted_drop(gone->posted);
	(void)pthread_mutex_destroy(&gone->lock);
	free(gone);
}
