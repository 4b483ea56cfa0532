/* SPDX-License-Identifier: Apache-2.0 */
#include "h2_dial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "h2_race.h"
#include "h2_tunnel.h"

struct h2_dial {
	struct net_loop *loop;
	char host[RESOLVER_HOST_BYTES_MAX + 1], proxy_host[RESOLVER_HOST_BYTES_MAX + 1];
	uint16_t port, proxy_port;
	bool has_proxy;
	void (*done)(void *ctx, int fd, const char *why);
	void *ctx;
	/* One after the other. */
	struct resolver *resolver;
	struct h2_race *race;
	struct h2_tunnel *tunnel;
	int fd; /* while the proxy is asked; else -1 */
};

static void give_up(struct h2_dial *dial, const char *why)
{
	dial->done(dial->ctx, -1, why); /* may free the dial */
}

static void on_tunnel(void *ctx, const char *why)
{
	struct h2_dial *dial = ctx;
	int fd = dial->fd;

	if (why != NULL) {
		give_up(dial, why);
		return;
	}
	dial->fd = -1; /* moved to the callee */
	dial->done(dial->ctx, fd, "");
}

static void ask_proxy(struct h2_dial *dial)
{
	const struct h2_tunnel_params params = {.loop = dial->loop,
		.fd = dial->fd,
		.host = dial->host,
		.port = dial->port,
		.done = on_tunnel,
		.ctx = dial};
	struct err err;

	if (h2_tunnel_start(&params, &dial->tunnel, &err) != RC_OK)
		give_up(dial, err.text);
}

static void on_race(void *ctx, int fd, const char *why)
{
	struct h2_dial *dial = ctx;
	struct err err = {.text = ""};

	if (fd < 0) {
		(void)err_set(&err, RC_IO, "%s%s", dial->has_proxy ? "proxy: " : "", why);
		give_up(dial, err.text);
		return;
	}
	h2_race_free(&dial->race);
	if (!dial->has_proxy) {
		dial->done(dial->ctx, fd, "");
		return;
	}
	dial->fd = fd;
	ask_proxy(dial);
}

static void on_addresses(void *ctx, const struct net_addresses *addresses, const char *why)
{
	struct h2_dial *dial = ctx;
	struct err err = {.text = ""};

	if (addresses->count == 0)
		(void)err_set(&err, RC_IO, "%s%s", dial->has_proxy ? "proxy: " : "", why);
	else if (h2_race_start(dial->loop, addresses, on_race, dial, &dial->race, &err) == RC_OK) {
		resolver_free(&dial->resolver);
		return;
	}
	give_up(dial, err.text);
}

static enum rc check_host(const char *host, struct err *err)
{
	size_t len = host != NULL ? strlen(host) : 0;

	if (len == 0 || len > RESOLVER_HOST_BYTES_MAX)
		return err_set(err, RC_INVALID, "host: %zu bytes, want 1..%d", len, RESOLVER_HOST_BYTES_MAX);
	for (size_t i = 0; i < len; i++)
		if ((uint8_t)host[i] <= ' ' || (uint8_t)host[i] >= 0x7F)
			return err_set(err, RC_INVALID, "host: a character that no host name has");
	return RC_OK;
}

enum rc h2_dial_new(const struct h2_dial_params *params, struct h2_dial **dial_r, struct err *err)
{
	AUTO(h2_dial_free) struct h2_dial *dial = NULL;
	enum rc rc = check_host(params->host, err);

	*dial_r = NULL;
	if (rc != RC_OK)
		return rc;
	dial = calloc(1, sizeof(*dial));
	if (dial == NULL)
		return err_set(err, RC_NO_MEMORY, "connection");
	dial->loop = params->loop;
	dial->fd = -1;
	dial->done = params->done;
	dial->ctx = params->ctx;
	dial->port = params->port;
	(void)snprintf(dial->host, sizeof(dial->host), "%s", params->host);
	if (params->proxy != NULL && params->proxy[0] != '\0') {
		dial->has_proxy = true;
		rc = h2_tunnel_read_proxy(params->proxy, dial->proxy_host, &dial->proxy_port, err);
		if (rc != RC_OK)
			return rc;
	}
	*dial_r = dial;
	dial = NULL; /* moved to the caller */
	return RC_OK;
}

enum rc h2_dial_start(struct h2_dial *dial, struct err *err)
{
	const struct resolver_params params = {.loop = dial->loop,
		.host = dial->has_proxy ? dial->proxy_host : dial->host,
		.port = dial->has_proxy ? dial->proxy_port : dial->port,
		.done = on_addresses,
		.ctx = dial};
	struct net_addresses addresses;

	if (resolver_read_address(params.host, params.port, &addresses))
		return h2_race_start(dial->loop, &addresses, on_race, dial, &dial->race, err);
	return resolver_start(&params, &dial->resolver, err);
}

const char *h2_dial_step(const struct h2_dial *dial)
{
	if (dial->tunnel != NULL)
		return "asking the proxy";
	if (dial->race != NULL)
		return dial->has_proxy ? "connecting to the proxy" : "connecting";
	return dial->has_proxy ? "looking up the proxy's name" : "looking up its name";
}

void h2_dial_free(struct h2_dial **dial)
{
	struct h2_dial *gone = *dial;

	if (gone == NULL)
		return;
	*dial = NULL;
	resolver_free(&gone->resolver);
	h2_race_free(&gone->race);
	h2_tunnel_free(&gone->tunnel);
	if (gone->fd >= 0)
		(void)close(gone->fd);
	free(gone);
}
