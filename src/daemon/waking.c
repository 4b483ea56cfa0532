/* SPDX-License-Identifier: Apache-2.0 */
#include "waking.h"

#include <stdio.h>

#include "host.h"

static const int priorities[] = {
	[CONFIG_PUSH_PRIORITY_10] = 10,
	[CONFIG_PUSH_PRIORITY_5] = 5,
	[CONFIG_PUSH_PRIORITY_1] = 1,
};

struct push_settings waking_settings(const struct config *config)
{
	return (struct push_settings){
		.rate_per_s = config->push.rate_per_s,
		.expiration_s = config->push.expiration_s,
		.priority = priorities[config->push.priority],
		.retry_first_s = config->push.retry_first_s,
		.retry_max_s = config->push.retry_max_s,
		.probe_interval_s = config->push.probe_interval_s,
		.inactive_after_s = config->push.inactive_after_s,
	};
}

enum rc waking_open_loop(struct server *server, struct err *err)
{
	return net_loop_new(&server->loop, err);
}

void waking_close_loop(struct server *server)
{
	net_loop_free(&server->loop);
}

enum rc waking_open_push(struct server *server, struct err *err)
{
	AUTO(buf_fini) struct buf ca_pem = {0};
	const struct config *config = server->config;
	struct push_params params = {
		.loop = server->loop,
		.store = server->store,
		.clock = clock_system(),
		.proxy = config->net.proxy,
		.connections_max = (int)config->push.connections_max,
		.ping_interval_ms = config->push.ping_interval_s * 1000,
		.settings = waking_settings(config),
	};
	struct slice host;
	enum rc rc = host_push_ca_read(config, &ca_pem, err);

	if (rc != RC_OK)
		return rc;
	if (!config_address_split(config->push.server, &host, &params.port) ||
		host.len > PUSH_HOST_BYTES_MAX)
		return err_set(err, RC_INVALID, "[push] server: %s: want host:port", config->push.server);
	(void)snprintf(params.host, sizeof(params.host), "%.*s", SLICE_FMT(host));
	params.ca_pem = buf_slice(&ca_pem);
	return push_new(&params, &server->push, err);
}

void waking_close_push(struct server *server)
{
	push_free(&server->push);
}

static void *run_loop(void *ctx)
{
	net_loop_run(ctx);
	return NULL;
}

enum rc waking_start_loop(struct server *server, struct err *err)
{
	int fault = pthread_create(&server->loop_thread, NULL, run_loop, server->loop);

	if (fault != 0)
		return err_set_errno(err, fault, "the outbound loop's thread");
	(void)pthread_setname_np(server->loop_thread, "outbound");
	server->is_loop_running = true;
	return RC_OK;
}

void waking_stop_loop(struct server *server)
{
	if (!server->is_loop_running)
		return;
	net_loop_stop(server->loop);
	(void)pthread_join(server->loop_thread, NULL);
	server->is_loop_running = false;
}

enum rc waking_start_push(struct server *server, struct err *err)
{
	enum rc rc = push_start(server->push, err);

	server->is_push_running = rc == RC_OK;
	return rc;
}

void waking_stop_push(struct server *server)
{
	if (server->is_push_running)
		push_stop(server->push);
	server->is_push_running = false;
}
