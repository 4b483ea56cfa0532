/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "enrolling.h"
#include "host.h"
#include "pomona/base/log.h"
#include "pomona/pki/scep.h"

enum {
	DEVICE_ARENA_BYTES_MAX = 1048576,
	ADMIN_THREADS = 2,
	ADMIN_IDLE_TIMEOUT_S = 60,
	ADMIN_HEADER_TIMEOUT_S = 30,
	ADMIN_BODY_TIMEOUT_S = 600,
	ADMIN_HEADER_BYTES_MAX = 32768,
	ADMIN_BODIES_MAX = 4,   /* bodies of the largest size that may be under way together */
	ADMIN_ARENA_FACTOR = 4, /* a command is parsed, normalised and kept in the arena */
	SOCKET_MODE = 0660,
	DRAIN_LOOK_MS = 20,
};

_Static_assert((int)SCEP_MESSAGE_BYTES_MAX <= (int)HTTP_STRANGER_BODY_BYTES_MAX,
	"a request for an identity finds room");

static const char *const names[SERVER_LISTENER_COUNT] = {
	[SERVER_LISTENER_DEVICE] = "device",
	[SERVER_LISTENER_PLAIN] = "device_plain",
	[SERVER_LISTENER_ADMIN] = "admin",
	[SERVER_LISTENER_SOCKET] = "admin_socket",
};

static void log_passed(const struct passed_socket *passed, enum server_listener which)
{
	log_info("listening", LOG_STR("name", names[which]), LOG_STR("address", passed->address),
		LOG_STR("socket", "passed"));
}

/* The conf's address with the port that it came to be. */
static void log_listening(const struct server *server, enum server_listener which,
	const char *address)
{
	const char *colon = strrchr(address, ':');
	char text[HTTP_ADDRESS_BYTES * 4];

	if (which == SERVER_LISTENER_SOCKET || colon == NULL)
		(void)snprintf(text, sizeof(text), "%s", address);
	else
		(void)snprintf(text, sizeof(text), "%.*s:%u", (int)(colon - address), address,
			(unsigned)http_listener_port(server->listeners[which]));
	log_info("listening", LOG_STR("name", names[which]), LOG_STR("address", text));
}

static struct http_room admin_room(const struct server *server)
{
	struct http_room room = {.before = api_before, .ctx = server->api};

	room.routes = api_routes(&room.route_count);
	return room;
}

static struct http_room device_room(const struct server *server)
{
	struct http_room room = {.before = device_before, .ctx = server->device};

	room.routes = device_routes(&room.route_count);
	return room;
}

static struct http_room enroll_room(const struct server *server)
{
	struct http_room room = {.ctx = server->enroll};

	room.routes = enroll_routes(&room.route_count);
	return room;
}

static struct http_listener_params admin_params(const struct server *server)
{
	const struct config *config = server->config;
	struct http_listener_params params = {
		.unix_gid = (gid_t)-1,
		.error_body = api_error_body,
		.threads = ADMIN_THREADS,
		.connections_max = (unsigned)config->admin.connections_max,
		.idle_timeout_s = ADMIN_IDLE_TIMEOUT_S,
		.header_timeout_s = ADMIN_HEADER_TIMEOUT_S,
		.body_timeout_s = ADMIN_BODY_TIMEOUT_S,
		.header_bytes_max = ADMIN_HEADER_BYTES_MAX,
		.body_bytes_total_max = (size_t)config->admin.body_bytes_max * ADMIN_BODIES_MAX,
		.arena_bytes_max = (size_t)config->admin.body_bytes_max * ADMIN_ARENA_FACTOR,
	};

	params.rooms[0] = admin_room(server);
	return params;
}

static enum rc start_one(struct server *server, enum server_listener which,
	struct http_listener_params *params, struct err *err)
{
	const char *address = params->unix_path != NULL ? params->unix_path : params->address;
	struct passed_socket *passed = &server->passed[which];
	enum rc rc;

	params->name = names[which];
	params->is_passed = passed->is_there;
	params->passed_fd = passed->fd;
	passed->is_there = false;
	rc = http_listener_start(params, &server->listeners[which], err);
	if (rc != RC_OK)
		return err_context(err, "the %s listener", names[which]);
	if (params->is_passed)
		log_passed(passed, which);
	else
		log_listening(server, which, address);
	return RC_OK;
}

static enum rc start_admin(struct server *server, struct err *err)
{
	struct http_listener_params params = admin_params(server);

	if (server->config->admin.listen[0] == '\0' && !server->passed[SERVER_LISTENER_ADMIN].is_there)
		return RC_OK;
	params.address = server->config->admin.listen;
	return start_one(server, SERVER_LISTENER_ADMIN, &params, err);
}

static enum rc start_socket(struct server *server, struct err *err)
{
	struct http_listener_params params = admin_params(server);

	if (server->config->admin.socket[0] == '\0' && !server->passed[SERVER_LISTENER_SOCKET].is_there)
		return RC_OK;
	params.unix_path = server->config->admin.socket;
	params.unix_mode = SOCKET_MODE;
	params.unix_gid = server->socket_gid;
	return start_one(server, SERVER_LISTENER_SOCKET, &params, err);
}

static struct http_listener_params device_params(const struct server *server)
{
	const struct config *config = server->config;
	struct http_listener_params params = {
		.threads = (unsigned)config->device.threads,
		.connections_max = (unsigned)config->device.connections_max,
		.connections_per_address = (unsigned)config->device.connections_per_address,
		.handshakes_per_s = (unsigned)config->device.handshakes_per_s,
		.handshakes_per_address_per_s = (unsigned)config->device.handshakes_per_address_per_s,
		.idle_timeout_s = (unsigned)config->device.idle_timeout_s,
		.header_timeout_s = (unsigned)config->device.header_timeout_s,
		.body_timeout_s = (unsigned)config->device.body_timeout_s,
		.header_bytes_max = (size_t)config->device.header_bytes_max,
		.body_bytes_total_max = (size_t)config->device.body_bytes_total_max,
		.has_strangers = true,
		.arena_bytes_max = DEVICE_ARENA_BYTES_MAX,
	};

	params.rooms[0] = device_room(server);
	params.rooms[1] = enroll_room(server);
	return params;
}

static enum rc start_device(struct server *server, struct err *err)
{
	AUTO(host_tls_fini) struct host_tls tls;
	AUTO(tls_fini) struct tls_in_force in_force = {.certificate = NULL};
	AUTO(cms_signer_free) struct cms_signer *signer = NULL;
	const struct config *config = server->config;
	enum rc rc = host_tls_read(config->device.tls_certificate, config->device.tls_key, &tls, err);
	const struct http_tls_params tls_params = host_tls_params(&tls);
	const struct networks proxies = server_proxies(config);
	struct http_listener_params params = device_params(server);

	if (rc == RC_OK)
		rc = tls_init(&in_force, config, &tls, server->store, err);
	if (rc == RC_OK)
		rc = enrolling_signer(&tls, &signer, err);
	if (rc != RC_OK)
		return rc;
	server_put_tls(server, &in_force);
	enroll_set_profile_signer(server->enroll, &signer);
	params.address = config->device.listen;
	params.tls = &tls_params;
	params.proxies = &proxies;
	rc = start_one(server, SERVER_LISTENER_DEVICE, &params, err);
	if (rc == RC_OK)
		enroll_set_port(server->enroll, http_listener_port(server->listeners[SERVER_LISTENER_DEVICE]));
	return rc;
}

static enum rc start_plain(struct server *server, struct err *err)
{
	const struct networks proxies = server_proxies(server->config);
	struct http_listener_params params = device_params(server);

	if (server->config->device.listen_plain[0] == '\0' &&
		!server->passed[SERVER_LISTENER_PLAIN].is_there)
		return RC_OK;
	params.address = server->config->device.listen_plain;
	params.proxies = &proxies;
	return start_one(server, SERVER_LISTENER_PLAIN, &params, err);
}

enum rc server_listeners_start(struct server *server, struct err *err)
{
	enum rc rc = start_device(server, err);

	if (rc == RC_OK)
		rc = start_plain(server, err);
	if (rc == RC_OK)
		rc = start_admin(server, err);
	if (rc == RC_OK)
		rc = start_socket(server, err);
	if (rc != RC_OK)
		return rc;
	api_set_listeners(server->api, server->listeners[SERVER_LISTENER_DEVICE],
		server->listeners[SERVER_LISTENER_PLAIN], server->listeners[SERVER_LISTENER_ADMIN],
		server->listeners[SERVER_LISTENER_SOCKET]);
	return RC_OK;
}

static size_t requests_now(const struct server *server)
{
	size_t count = 0;

	for (size_t i = 0; i < SERVER_LISTENER_COUNT; i++)
		if (server->listeners[i] != NULL)
			count += http_listener_requests_now(server->listeners[i]);
	return count;
}

/* A reload in a stop comes to nothing: no conf is read any more. */
static bool is_told_to_hurry(int signal)
{
	return signal == SIGTERM || signal == SIGINT;
}

void server_listeners_drain(struct server *server)
{
	const struct clock *clock = clock_system();
	int64_t until_us = clock_monotonic_us(clock) + server->config->server.drain_s * 1000000;
	bool is_hurried = false;

	for (size_t i = 0; i < SERVER_LISTENER_COUNT; i++)
		if (server->listeners[i] != NULL)
			http_listener_quiesce(server->listeners[i]);
	log_info("draining", LOG_INT("requests", requests_now(server)));
	while (requests_now(server) > 0 && clock_monotonic_us(clock) < until_us && !is_hurried)
		is_hurried = is_told_to_hurry(control_wait_signal(server->signal_fd, DRAIN_LOOK_MS));
	if (requests_now(server) > 0)
		log_warning("stopped_before_drained", LOG_INT("requests", requests_now(server)));
}

void server_listeners_stop(struct server *server)
{
	api_set_listeners(server->api, NULL, NULL, NULL, NULL);
	for (size_t i = 0; i < SERVER_LISTENER_COUNT; i++)
		if (server->listeners[i] != NULL)
			http_listener_stop(&server->listeners[i]);
}
