/* SPDX-License-Identifier: Apache-2.0 */
#include "h2_race.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	/* Sent data that the peer's machine does not acknowledge for so long ends the connection. */
	UNACKNOWLEDGED_MS_MAX = 30000,
	ADDRESS_TEXT_BYTES = 80,
	PORT_TEXT_BYTES = 8,
};

struct attempt {
	struct h2_race *race;
	int fd; /* -1: not begun, or failed */
	struct net_watch *watch;
};

struct h2_race {
	struct net_loop *loop;
	struct net_addresses addresses;
	struct attempt attempts[RESOLVER_ADDRESSES_MAX];
	size_t begun, alive;
	struct net_timer *next; /* when the next address starts */
	struct err last;        /* of the attempts that failed */
	void (*done)(void *ctx, int fd, const char *why);
	void *ctx;
};

static void address_text(const struct net_address *address, char text[static ADDRESS_TEXT_BYTES])
{
	char host[ADDRESS_TEXT_BYTES / 2 + 8], port[PORT_TEXT_BYTES];

	if (getnameinfo((const struct sockaddr *)&address->storage, address->len, host, sizeof(host), port,
						sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		(void)snprintf(text, ADDRESS_TEXT_BYTES, "?");
	else if (address->storage.ss_family == AF_INET6)
		(void)snprintf(text, ADDRESS_TEXT_BYTES, "[%s]:%s", host, port);
	else
		(void)snprintf(text, ADDRESS_TEXT_BYTES, "%s:%s", host, port);
}

static void attempt_close(struct attempt *attempt)
{
	if (attempt->fd < 0)
		return;
	net_watch_free(&attempt->watch);
	(void)close(attempt->fd);
	attempt->fd = -1;
	attempt->race->alive--;
}

static void attempt_fail(struct attempt *attempt, int saved_errno)
{
	struct h2_race *race = attempt->race;
	char text[ADDRESS_TEXT_BYTES];

	address_text(&race->addresses.list[attempt - race->attempts], text);
	(void)err_set_errno(&race->last, saved_errno, "connect to %s", text);
	attempt_close(attempt);
}

static void go_on(struct h2_race *race);

static void on_connected(void *ctx, unsigned ready)
{
	struct attempt *attempt = ctx;
	struct h2_race *race = attempt->race;
	int fd = attempt->fd, code = 0;
	socklen_t len = sizeof(code);

	(void)ready;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) != 0)
		code = errno;
	if (code != 0) {
		attempt_fail(attempt, code);
		go_on(race);
		return;
	}
	net_watch_free(&attempt->watch);
	attempt->fd = -1; /* moved to the callee */
	race->alive--;
	race->done(race->ctx, fd, ""); /* may free the race */
}

static void set_habits(int fd)
{
	const int yes = 1;
	const unsigned ms = UNACKNOWLEDGED_MS_MAX;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

static void attempt_begin(struct h2_race *race)
{
	struct attempt *attempt = &race->attempts[race->begun];
	const struct net_address *address = &race->addresses.list[race->begun++];

	attempt->fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (attempt->fd < 0) {
		(void)err_set_errno(&race->last, errno, "socket");
		return;
	}
	race->alive++;
	set_habits(attempt->fd);
	if (connect(attempt->fd, (const struct sockaddr *)&address->storage, address->len) != 0 &&
		errno != EINPROGRESS)
		attempt_fail(attempt, errno);
	else if (net_watch_new(race->loop, attempt->fd, on_connected, attempt, &attempt->watch) != RC_OK ||
		net_watch_set(attempt->watch, NET_WRITABLE) != RC_OK)
		attempt_fail(attempt, ENOMEM);
}

/* The next address, and those behind it that fail at once. False: nothing is under way any more. */
static bool begin_next(struct h2_race *race)
{
	size_t alive = race->alive;

	while (race->alive == alive && race->begun < race->addresses.count)
		attempt_begin(race);
	if (race->begun < race->addresses.count)
		net_timer_set(race->next, H2_RACE_HEAD_START_MS);
	return race->alive > 0;
}

static void go_on(struct h2_race *race)
{
	if (!begin_next(race))
		race->done(race->ctx, -1, race->last.text); /* may free the race */
}

static void on_next(void *ctx)
{
	go_on(ctx);
}

enum rc h2_race_start(struct net_loop *loop, const struct net_addresses *addresses,
	void (*done)(void *ctx, int fd, const char *why), void *ctx, struct h2_race **race_r,
	struct err *err)
{
	AUTO(h2_race_free) struct h2_race *race = calloc(1, sizeof(*race));

	*race_r = NULL;
	if (race == NULL)
		return err_set(err, RC_NO_MEMORY, "connect: out of memory");
	race->loop = loop;
	race->addresses = *addresses;
	race->done = done;
	race->ctx = ctx;
	for (size_t i = 0; i < RESOLVER_ADDRESSES_MAX; i++)
		race->attempts[i] = (struct attempt){.race = race, .fd = -1};
	if (net_timer_new(loop, on_next, race, &race->next) != RC_OK)
		return err_set(err, RC_NO_MEMORY, "connect: out of memory");
	if (!begin_next(race))
		return err_set(err, RC_IO, "%s", race->last.text);
	*race_r = race;
	race = NULL; /* moved to the caller */
	return RC_OK;
}

void h2_race_free(struct h2_race **race)
{
	struct h2_race *gone = *race;

	if (gone == NULL)
		return;
	*race = NULL;
	for (size_t i = 0; i < RESOLVER_ADDRESSES_MAX; i++)
		attempt_close(&gone->attempts[i]);
	net_timer_free(&gone->next);
	free(gone);
}
