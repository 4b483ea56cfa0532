/* SPDX-License-Identifier: Apache-2.0 */
#include "handshake.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pomona/base/clock.h"

enum { EVENTS_AT_ONCE = 64, LOOK_MS = 1000, LOOK_US = 1000 * LOOK_MS };

struct handshake_waiters {
	int epoll;
	int wake; /* an eventfd, the only one in the epoll set with a NULL pointer */
	pthread_t thread;
	pthread_mutex_t lock;
	bool is_stopping;
	struct turns *turns;
	struct handshake *first;
};

/* With the lock held. False: it was not waiting. */
static bool unlink_waiting(struct handshake_waiters *waiters, struct handshake *handshake)
{
	if (!handshake->is_waiting)
		return false;
	handshake->is_waiting = false;
	if (handshake->prev != NULL)
		handshake->prev->next = handshake->next;
	else
		waiters->first = handshake->next;
	if (handshake->next != NULL)
		handshake->next->prev = handshake->prev;
	return true;
}

/*
 * With the lock held, so that a connection cannot go on, end and be freed before this is done with it: whoever
 * frees one has taken the lock after its worker was resumed.
 */
static void resume(struct handshake_waiters *waiters, struct handshake *handshake)
{
	turns_leave(waiters->turns, &handshake->turn);
	if (unlink_waiting(waiters, handshake))
		MHD_resume_connection(handshake->mhd);
}

/* With the lock held, as all that follow but for the thread. */
static void let_next_go_on(struct handshake_waiters *waiters)
{
	struct turn *turn;

	while ((turn = turns_next(waiters->turns)) != NULL) {
		struct handshake *handshake =
			(struct handshake *)((char *)turn - offsetof(struct handshake, turn));

		handshake->has_turn = true;
		resume(waiters, handshake);
	}
}

static void give_back(struct handshake_waiters *waiters, struct handshake *handshake)
{
	if (handshake->has_turn)
		turns_give_back(waiters->turns);
	handshake->has_turn = false;
}

/* There is something to read. */
static void want_turn(struct handshake_waiters *waiters, struct handshake *handshake)
{
	if (handshake->is_waiting && !turns_wait(waiters->turns, &handshake->turn, &handshake->taker))
		resume(waiters, handshake); /* memory is short: it tries again */
}

/*
 * It cannot be waited for. Its worker then reads the end of the stream and closes. The hang-up must not be an
 * event of ours: it could be looked at when the connection is gone. (That of a deadline is: nobody but its event
 * resumes that connection.)
 */
static void cut_off(struct handshake_waiters *waiters, struct handshake *handshake)
{
	if (handshake->is_in_epoll)
		(void)epoll_ctl(waiters->epoll, EPOLL_CTL_DEL, handshake->fd, NULL);
	handshake->is_in_epoll = false;
	(void)shutdown(handshake->fd, SHUT_RDWR);
	resume(waiters, handshake);
}

static void *waiters_main(void *ctx)
{
	struct handshake_waiters *waiters = ctx;
	struct epoll_event events[EVENTS_AT_ONCE];
	int64_t looked_us = 0;
	bool is_stopping = false;

	while (!is_stopping) {
		int count = epoll_wait(waiters->epoll, events, EVENTS_AT_ONCE, LOOK_MS);

		(void)pthread_mutex_lock(&waiters->lock);
		for (int i = 0; i < count; i++)
			if (events[i].data.ptr != NULL)
				want_turn(waiters, events[i].data.ptr);
		if (clock_monotonic_us(clock_system()) - looked_us > LOOK_US) {
			turns_look(waiters->turns);
			looked_us = clock_monotonic_us(clock_system());
		}
		let_next_go_on(waiters);
		is_stopping = waiters->is_stopping;
		while (is_stopping && waiters->first != NULL)
			resume(waiters, waiters->first);
		(void)pthread_mutex_unlock(&waiters->lock);
	}
	return NULL;
}

static enum rc open_waiters(struct handshake_waiters *waiters, struct err *err)
{
	struct epoll_event event = {.events = EPOLLIN};
	int rc;

	waiters->epoll = epoll_create1(EPOLL_CLOEXEC);
	waiters->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (waiters->epoll < 0 || waiters->wake < 0 ||
		epoll_ctl(waiters->epoll, EPOLL_CTL_ADD, waiters->wake, &event) != 0)
		return err_set_errno(err, errno, "TLS handshakes: epoll");
	rc = pthread_create(&waiters->thread, NULL, waiters_main, waiters);
	if (rc != 0)
		return err_set_errno(err, rc, "TLS handshakes: thread");
	(void)pthread_setname_np(waiters->thread, "http-handshake");
	return RC_OK;
}

static void close_waiters(struct handshake_waiters **waiters)
{
	if ((*waiters)->epoll >= 0)
		(void)close((*waiters)->epoll);
	if ((*waiters)->wake >= 0)
		(void)close((*waiters)->wake);
	(void)pthread_mutex_destroy(&(*waiters)->lock);
	turns_free(&(*waiters)->turns);
	free(*waiters);
	*waiters = NULL;
}

enum rc handshake_waiters_start(unsigned at_a_time, struct handshake_waiters **waiters_r,
	struct err *err)
{
	struct handshake_waiters *waiters = calloc(1, sizeof(*waiters));
	enum rc rc;

	*waiters_r = NULL;
	if (waiters == NULL)
		return err_set(err, RC_NO_MEMORY, "TLS handshakes");
	(void)pthread_mutex_init(&waiters->lock, NULL);
	waiters->epoll = -1;
	waiters->wake = -1;
	rc = turns_new(at_a_time, &waiters->turns, err);
	if (rc == RC_OK)
		rc = open_waiters(waiters, err);
	if (rc == RC_OK)
		*waiters_r = waiters;
	else
		close_waiters(&waiters);
	return rc;
}

void handshake_waiters_stop(struct handshake_waiters *waiters)
{
	uint64_t one = 1;
	ssize_t put;

	if (waiters == NULL)
		return;
	(void)pthread_mutex_lock(&waiters->lock);
	waiters->is_stopping = true;
	(void)pthread_mutex_unlock(&waiters->lock);
	put = write(waiters->wake, &one, sizeof(one));
	(void)put; /* the thread looks once a second by itself */
	(void)pthread_join(waiters->thread, NULL);
}

void handshake_waiters_free(struct handshake_waiters **waiters)
{
	if (*waiters != NULL)
		close_waiters(waiters);
}

/* EPOLLONESHOT: one event for each time that we wait. With the lock held. */
static bool arm(struct handshake_waiters *waiters, struct handshake *handshake)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, .data.ptr = handshake};
	int op = handshake->is_in_epoll ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	handshake->is_in_epoll = epoll_ctl(waiters->epoll, op, handshake->fd, &event) == 0;
	return handshake->is_in_epoll;
}

static void suspend(struct handshake_waiters *waiters, struct handshake *handshake)
{
	MHD_suspend_connection(handshake->mhd);
	handshake->is_waiting = true;
	handshake->prev = NULL;
	handshake->next = waiters->first;
	if (waiters->first != NULL)
		waiters->first->prev = handshake;
	waiters->first = handshake;
}

/* Suspends first and arms then, so that no event can be missed or come too early. */
static void wait_for_peer(struct handshake *handshake)
{
	struct handshake_waiters *waiters = handshake->waiters;

	(void)pthread_mutex_lock(&waiters->lock);
	if (!waiters->is_stopping && !handshake->is_waiting) {
		suspend(waiters, handshake);
		give_back(waiters, handshake);
		if (!arm(waiters, handshake))
			cut_off(waiters, handshake);
		let_next_go_on(waiters);
	}
	(void)pthread_mutex_unlock(&waiters->lock);
}

/* False: it has to wait for its turn. */
static bool take_turn(struct handshake *handshake)
{
	struct handshake_waiters *waiters = handshake->waiters;
	bool may_go_on;

	(void)pthread_mutex_lock(&waiters->lock);
	handshake->has_turn = turns_take(waiters->turns, &handshake->taker);
	may_go_on = handshake->has_turn || waiters->is_stopping;
	if (!may_go_on && !handshake->is_waiting) {
		may_go_on = !turns_wait(waiters->turns, &handshake->turn, &handshake->taker);
		if (!may_go_on)
			suspend(waiters, handshake);
	}
	(void)pthread_mutex_unlock(&waiters->lock);
	return may_go_on;
}

/* gnutls_pull_func */
static ssize_t pull(gnutls_transport_ptr_t ptr, void *data, size_t len)
{
	struct handshake *handshake = ptr;
	ssize_t got;
	int fault;

	if (handshake->waiters != NULL && !handshake->has_turn && !take_turn(handshake)) {
		gnutls_transport_set_errno(handshake->session, EAGAIN);
		return -1;
	}
	got = recv(handshake->fd, data, len, 0);
	fault = got < 0 ? errno : 0;
	if (fault == EAGAIN && handshake->waiters != NULL)
		wait_for_peer(handshake);
	if (fault != 0)
		gnutls_transport_set_errno(handshake->session, fault);
	return got;
}

void handshake_watch(struct handshake *handshake, struct handshake_waiters *waiters,
	const struct handshake_params *params)
{
	gnutls_transport_ptr_t receive;
	gnutls_transport_ptr_t send;

	*handshake = (struct handshake){.waiters = waiters,
		.mhd = params->mhd,
		.session = params->session,
		.fd = params->fd,
		.taker = params->taker};
	/* What GnuTLS sends goes the way that libmicrohttpd gave it. */
	gnutls_transport_get_ptr2(params->session, &receive, &send);
	gnutls_transport_set_ptr2(params->session, handshake, send);
	gnutls_transport_set_pull_function(params->session, pull);
}

void handshake_over(struct handshake *handshake)
{
	struct handshake_waiters *waiters = handshake->waiters;

	if (waiters == NULL)
		return;
	handshake->waiters = NULL;
	/* The thread may just be resuming it: it is let go of when the lock is free. */
	(void)pthread_mutex_lock(&waiters->lock);
	if (handshake->is_in_epoll)
		(void)epoll_ctl(waiters->epoll, EPOLL_CTL_DEL, handshake->fd, NULL);
	turns_leave(waiters->turns, &handshake->turn);
	give_back(waiters, handshake);
	let_next_go_on(waiters);
	(void)pthread_mutex_unlock(&waiters->lock);
}
