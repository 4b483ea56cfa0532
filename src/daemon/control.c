/* SPDX-License-Identifier: Apache-2.0 */
#include "control.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "notify.h"
#include "pomona/base/log.h"
#include "pomona/enroll/renew.h"
#include "server.h"

enum {
	EXPIRY_EVERY_MS = 60000,
	CERTIFICATES_EVERY_MS = 60000,
	USERS_EVERY_MS = 2000,
	WATCHDOG_DIVISOR = 4
};

int control_open_signals(void)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaction(SIGPIPE, &ignore, NULL);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int control_wait_signal(int signal_fd, int64_t timeout_ms)
{
	struct pollfd pollfd = {.fd = signal_fd, .events = POLLIN};
	struct signalfd_siginfo info;

	(void)poll(&pollfd, 1, timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms);
	if (read(signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	return (int)info.ssi_signo;
}

static void flush_seen(struct server *server)
{
	device_flush_seen(server->device);
	enroll_report_hidden(server->enroll);
}

static void expire(struct server *server)
{
	expiry_begin(&server->expiry, server->store);
}

static int64_t turn_history(struct server *server)
{
	return history_turn(&server->history, server->store);
}

static int64_t turn_renewals(struct server *server)
{
	return enroll_renew_turn(server->enroll);
}

static void look_at_users(struct server *server)
{
	users_look(&server->users_file);
}

static void beat(struct server *server)
{
	if (heartbeat_is_well(&server->heartbeat, server->store))
		notify_watchdog();
	else
		log_error("writer_does_not_answer");
}

struct timer {
	int64_t every_ms; /* 0: never, or as turn() says */
	void (*fn)(struct server *server);
	int64_t (*turn)(struct server *server); /* in place of fn: gives how long until the next */
	int64_t due_ms;
};

static int64_t now_ms(void)
{
	return clock_monotonic_us(clock_system()) / 1000;
}

static int64_t run_timer(struct server *server, const struct timer *timer)
{
	if (timer->turn != NULL)
		return timer->turn(server);
	timer->fn(server);
	return timer->every_ms;
}

/* Runs what is due. Gives how long until the next is. */
static int64_t run_timers(struct server *server, struct timer *timers, size_t count)
{
	int64_t next_ms = INT64_MAX;
	int64_t now = now_ms();

	for (size_t i = 0; i < count; i++) {
		struct timer *timer = &timers[i];

		if (timer->every_ms == 0 && timer->turn == NULL)
			continue;
		if (timer->due_ms <= now)
			timer->due_ms = now + run_timer(server, timer);
		if (timer->due_ms - now < next_ms)
			next_ms = timer->due_ms - now;
	}
	return next_ms;
}

int control_run(struct server *server)
{
	/* A beat is answered by the next one at the latest: twice within the watchdog's time. */
	enum { HISTORY_TIMER = 2, RENEWALS_TIMER };
	struct timer timers[] = {
		{.every_ms = server->config->server.last_seen_flush_s * 1000, .fn = flush_seen},
		{.every_ms = EXPIRY_EVERY_MS, .fn = expire},
		[HISTORY_TIMER] = {.turn = turn_history},
		[RENEWALS_TIMER] = {.turn = turn_renewals},
		{.every_ms = CERTIFICATES_EVERY_MS, .fn = server_look_at_certificates},
		{.every_ms = USERS_EVERY_MS, .fn = look_at_users},
		{.every_ms = (int64_t)(notify_watchdog_us() / 1000 / WATCHDOG_DIVISOR), .fn = beat},
	};

	history_set_keep(&server->history, server->config);
	for (;;) {
		int64_t wait_ms = run_timers(server, timers, COUNT_OF(timers));
		int signal = control_wait_signal(server->signal_fd, wait_ms);

		if (signal == SIGHUP) {
			server_reload(server);
			timers[HISTORY_TIMER].due_ms = 0;
			enroll_renew_walk_anew(server->enroll);
			timers[RENEWALS_TIMER].due_ms = 0;
		} else if (signal != 0) {
			return signal;
		}
	}
}
