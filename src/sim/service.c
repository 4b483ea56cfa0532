/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include <inttypes.h>

#include "apns_server.h"
#include "control_socket.h"
#include "pomona/base/rand.h"

/* --- what the control socket does to the connections */

static void go_away(void *ctx, bool is_all, const char *reason)
{
	const struct service *service = ctx;

	apns_server_go_away(service->server, is_all, reason);
}

static void reset(void *ctx)
{
	const struct service *service = ctx;

	apns_server_reset(service->server);
}

static void settle(void *ctx)
{
	const struct service *service = ctx;

	apns_server_settle(service->server);
}

/* --- life */

static enum rc set_first_faults(struct service *service, const struct options *options,
	struct err *err)
{
	AUTO(json_free) struct json_value *object = json_new_object();
	struct apns_faults faults;
	enum rc rc = fault_words_read(options->words, options->word_count, object, err);

	if (rc == RC_OK)
		rc = apns_faults_read(object, &faults, err);
	if (rc != RC_OK)
		return err_context(err, "--fault");
	fault_state_set(&service->apns.faults, &faults);
	return RC_OK;
}

static enum rc open_control(struct service *service, struct net_loop *loop, const char *path,
	struct err *err)
{
	const struct control control = {.apns = &service->apns,
		.deeds = {.go_away = go_away, .reset = reset, .settle = settle, .ctx = service}};

	return control_socket_open(loop, &control, path, &service->control, err);
}

enum rc service_open(struct service *service, struct net_loop *loop, const struct options *options,
	const char *address, struct wake *wake, struct err *err)
{
	const struct apns_server_params params = {.dir = options->dir,
		.address = address,
		.is_anyone = options->is_anyone};
	uint64_t seed = (uint64_t)options->seed;
	enum rc rc;

	if (options->seed < 0)
		rand_bytes(&seed, sizeof(seed));
	rc = apns_init(&service->apns, (size_t)options->keep, seed, err);
	service->apns.wake = wake;
	if (rc == RC_OK)
		rc = set_first_faults(service, options, err);
	if (rc == RC_OK && options->control != NULL)
		rc = open_control(service, loop, options->control, err);
	if (rc == RC_OK)
		rc = apns_server_start(loop, &service->apns, &params, &service->server, err);
	return rc;
}

void service_close(struct service *service)
{
	control_socket_close(&service->control);
	apns_server_stop(&service->server);
	apns_fini(&service->apns);
}

enum rc serve_apns(const struct options *options, struct err *err)
{
	struct service service = {0};
	struct net_loop *loop = NULL;
	enum rc rc = net_loop_new(&loop, err);

	if (rc == RC_OK)
		rc = net_loop_stop_on_signals(loop, err);
	if (rc == RC_OK)
		rc = service_open(&service, loop, options, options->listen, NULL, err);
	if (rc == RC_OK) {
		net_loop_run(loop);
		(void)printf("%" PRIu64 " pushes, %" PRIu64 " of them answered 200, on %" PRIu64 " connections\n",
			service.apns.stats.pushes, service.apns.stats.accepted, service.apns.stats.connections);
	}
	service_close(&service);
	net_loop_free(&loop);
	return rc;
}
