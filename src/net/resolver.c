/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { PORT_BYTES = 6 };

/* Shared by the resolver and the lookup's thread; the last to leave frees it. */
struct lookup {
	atomic_int holders;
	atomic_bool is_done; /* what is below `fd` may be read */
	int fd;              /* an eventfd: readable when it is done */
	char host[RESOLVER_HOST_BYTES_MAX + 1];
	char port[PORT_BYTES];
	int code, saved_errno; /* of getaddrinfo() */
	struct net_addresses addresses;
};

struct resolver {
	struct lookup *lookup;
	struct net_watch *watch;
	void (*done)(void *ctx, const struct net_addresses *addresses, const char *why);
	void *ctx;
};

static atomic_int lookups_under_way;

/* --- addresses */

static const struct addrinfo *next_of(const struct addrinfo *from, int family)
{
	while (from != NULL && from->ai_family != family)
		from = from->ai_next;
	return from;
}

void resolver_take(const struct addrinfo *found, struct net_addresses *addresses_r)
{
	int family = found != NULL ? found->ai_family : AF_INET;
	const struct addrinfo *own = next_of(found, family);
	const struct addrinfo *other = next_of(found, family == AF_INET ? AF_INET6 : AF_INET);

	addresses_r->count = 0;
	while ((own != NULL || other != NULL) && addresses_r->count < RESOLVER_ADDRESSES_MAX) {
		bool is_own_turn = other == NULL || (own != NULL && addresses_r->count % 2 == 0);
		const struct addrinfo **from = is_own_turn ? &own : &other;
		const struct addrinfo *chosen = *from;

		if (chosen->ai_addrlen <= sizeof(struct sockaddr_storage)) {
			struct net_address *to = &addresses_r->list[addresses_r->count++];

			memcpy(&to->storage, chosen->ai_addr, chosen->ai_addrlen);
			to->len = chosen->ai_addrlen;
		}
		*from = next_of(chosen->ai_next, chosen->ai_family);
	}
}

static int ask(const char *host, const char *port, int flags, struct net_addresses *addresses_r)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = flags | AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	int code = getaddrinfo(host, port, &hints, &found);

	if (code != 0)
		return code;
	resolver_take(found, addresses_r);
	freeaddrinfo(found);
	return 0;
}

static void port_text(uint16_t port, char text[static PORT_BYTES])
{
	(void)snprintf(text, PORT_BYTES, "%u", port);
}

bool resolver_read_address(const char *host, uint16_t port, struct net_addresses *addresses_r)
{
	char text[PORT_BYTES];

	port_text(port, text);
	addresses_r->count = 0;
	return ask(host, text, AI_NUMERICHOST, addresses_r) == 0 && addresses_r->count > 0;
}

/* --- the lookup and its thread */

static void lookup_leave(struct lookup *lookup)
{
	if (atomic_fetch_sub(&lookup->holders, 1) != 1)
		return;
	if (lookup->fd >= 0)
		(void)close(lookup->fd);
	free(lookup);
}

static void *look_up(void *ctx)
{
	struct lookup *lookup = ctx;
	uint64_t one = 1;
	ssize_t written;

	lookup->code = ask(lookup->host, lookup->port, 0, &lookup->addresses);
	lookup->saved_errno = errno;
	(void)atomic_fetch_sub(&lookups_under_way, 1);
	atomic_store(&lookup->is_done, true);
	written = write(lookup->fd, &one, sizeof(one));
	(void)written; /* its counter was 0 */
	lookup_leave(lookup);
	return NULL;
}

/* Detached, and deaf to signals: those are for threads that know what to do with them. */
static int thread_start(struct lookup *lookup)
{
	pthread_attr_t detached;
	pthread_t thread;
	sigset_t all, before;
	int code;

	(void)sigfillset(&all);
	(void)pthread_attr_init(&detached);
	(void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&thread, &detached, look_up, lookup);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&detached);
	return code;
}

static enum rc lookup_start(struct lookup *lookup, struct err *err)
{
	int code;

	if (atomic_fetch_add(&lookups_under_way, 1) >= RESOLVER_LOOKUPS_MAX) {
		(void)atomic_fetch_sub(&lookups_under_way, 1);
		return err_set(err, RC_BUSY, "name %s: %d lookups hang already", lookup->host,
			RESOLVER_LOOKUPS_MAX);
	}
	(void)atomic_fetch_add(&lookup->holders, 1);
	code = thread_start(lookup);
	if (code == 0)
		return RC_OK;
	(void)atomic_fetch_sub(&lookup->holders, 1);
	(void)atomic_fetch_sub(&lookups_under_way, 1);
	return err_set_errno(err, code, "name %s: no thread", lookup->host);
}

static struct lookup *lookup_new(const char *host, uint16_t port)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));

	if (lookup == NULL)
		return NULL;
	atomic_init(&lookup->holders, 1);
	(void)snprintf(lookup->host, sizeof(lookup->host), "%s", host);
	port_text(port, lookup->port);
	lookup->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (lookup->fd < 0) {
		free(lookup);
		return NULL;
	}
	return lookup;
}

/* --- the resolver */

static void on_looked_up(void *ctx, unsigned ready)
{
	struct resolver *resolver = ctx;
	struct lookup *lookup = resolver->lookup;
	struct err why = {.text = ""};

	(void)ready;
	if (!atomic_load(&lookup->is_done) || net_watch_set(resolver->watch, 0) != RC_OK)
		return;
	if (lookup->code == EAI_SYSTEM)
		(void)err_set_errno(&why, lookup->saved_errno, "name %s", lookup->host);
	else if (lookup->code != 0)
		(void)err_set(&why, RC_IO, "name %s: %s", lookup->host, gai_strerror(lookup->code));
	else if (lookup->addresses.count == 0)
		(void)err_set(&why, RC_IO, "name %s: no address", lookup->host);
	resolver->done(resolver->ctx, &lookup->addresses, why.text); /* may free the resolver */
}

static enum rc start(struct resolver *resolver, const struct resolver_params *params,
	struct err *err)
{
	resolver->done = params->done;
	resolver->ctx = params->ctx;
	resolver->lookup = lookup_new(params->host, params->port);
	if (resolver->lookup == NULL ||
		net_watch_new(params->loop, resolver->lookup->fd, on_looked_up, resolver, &resolver->watch) !=
			RC_OK ||
		net_watch_set(resolver->watch, NET_READABLE) != RC_OK)
		return err_set(err, RC_NO_MEMORY, "name %s: out of memory", params->host);
	return lookup_start(resolver->lookup, err);
}

enum rc resolver_start(const struct resolver_params *params, struct resolver **resolver_r,
	struct err *err)
{
	struct resolver *resolver;
	enum rc rc;

	*resolver_r = NULL;
	if (strlen(params->host) > RESOLVER_HOST_BYTES_MAX)
		return err_set(err, RC_LIMIT, "name: longer than %d bytes", RESOLVER_HOST_BYTES_MAX);
	resolver = calloc(1, sizeof(*resolver));
	if (resolver == NULL)
		return err_set(err, RC_NO_MEMORY, "name %s: out of memory", params->host);
	rc = start(resolver, params, err);
	if (rc != RC_OK)
		resolver_free(&resolver);
	*resolver_r = resolver;
	return rc;
}

void resolver_free(struct resolver **resolver)
{
	struct resolver *gone = *resolver;

	if (gone == NULL)
		return;
	*resolver = NULL;
	net_watch_free(&gone->watch);
	if (gone->lookup != NULL)
		lookup_leave(gone->lookup);
	free(gone);
}
