/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include "conf_check.h"
#include "host.h"
#include "notify.h"
#include "pomona/base/log.h"
#include "waking.h"

static void log_lines(enum log_level level, const char *event, struct slice lines)
{
	size_t end;

	while (slice_find_byte(lines, '\n', &end)) {
		LOG_AT(level, event, LOG_SLICE("text", slice_sub(lines, 0, end)));
		lines = slice_sub(lines, end + 1, lines.len);
	}
}

static void apply(struct server *server, const struct config *fresh, const struct host_tls *tls)
{
	const struct device_settings settings = server_device_settings(fresh);
	const struct push_settings push_settings = waking_settings(fresh);
	struct buf fixed;

	buf_init(&fixed, CONF_FAULTS_BYTES_MAX);
	log_set_level(fresh->server.log_level);
	device_set_settings(server->device, &settings);
	push_set_settings(server->push, &push_settings);
	api_set_socket_role(server->api, server_socket_role(fresh));
	api_set_tls_facts(server->api, &tls->leaf);
	config_diff_fixed(server->config, fresh, &fixed);
	log_lines(LOG_LEVEL_WARNING, "change_needs_restart", buf_slice(&fixed));
	buf_fini(&fixed);
}

/* The listener takes the certificate or nothing is taken. */
static enum rc take_over(struct server *server, const struct config *fresh, struct err *err)
{
	AUTO(host_tls_fini) struct host_tls tls;
	struct http_tls_params params;
	enum rc rc = host_tls_read(fresh, &tls, err);

	if (rc != RC_OK)
		return rc;
	params = host_tls_params(&tls);
	rc = http_listener_set_tls(server->listeners[SERVER_LISTENER_DEVICE], &params, err);
	if (rc == RC_OK)
		apply(server, fresh, &tls);
	return rc;
}

void server_reload(struct server *server)
{
	AUTO(config_free) struct config *fresh = NULL;
	AUTO(buf_fini) struct buf faults = {0};
	struct err err = {0};
	enum rc rc;

	notify_reloading();
	buf_init(&faults, CONF_FAULTS_BYTES_MAX);
	rc = config_load(server->conf_path, &fresh, &faults, &err);
	log_lines(LOG_LEVEL_ERROR, "conf_fault", buf_slice(&faults));
	if (rc == RC_OK)
		rc = take_over(server, fresh, &err);
	if (rc == RC_OK)
		log_info("reloaded", LOG_STR("conf", server->conf_path));
	else
		log_error("reload_failed", LOG_STR("error", err.text),
			LOG_STR("advice", "the old conf and certificate stay in force: check with `pomonad -t`"));
	notify_ready();
}
