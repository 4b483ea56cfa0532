/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <string.h>

#include "conf_check.h"
#include "enrolling.h"
#include "host.h"
#include "notify.h"
#include "pomona/base/log.h"
#include "pomona/store/keys.h"
#include "waking.h"

static void log_lines(enum log_level level, const char *event, struct slice lines)
{
	size_t end;

	while (slice_find_byte(lines, '\n', &end)) {
		LOG_AT(level, event, LOG_SLICE("text", slice_sub(lines, 0, end)));
		lines = slice_sub(lines, end + 1, lines.len);
	}
}

/* What was read of the host for the fresh conf. */
struct fresh {
	struct host_tls tls;
	struct tls_in_force in_force;
	struct enroll_settings enroll;
	struct cms_signer *signer;
};

static void fresh_fini(struct fresh *fresh)
{
	host_tls_fini(&fresh->tls);
	tls_fini(&fresh->in_force);
	cms_signer_free(&fresh->signer);
	explicit_bzero(&fresh->enroll, sizeof(fresh->enroll));
}

static void apply(struct server *server, const struct config *config, struct fresh *fresh)
{
	const struct device_settings settings = server_device_settings(config);
	const struct push_settings push_settings = waking_settings(config);
	struct buf fixed;

	buf_init(&fixed, CONF_FAULTS_BYTES_MAX);
	log_set_level(config->server.log_level);
	device_set_settings(server->device, &settings);
	enroll_set_settings(server->enroll, &fresh->enroll);
	enroll_set_profile_signer(server->enroll, &fresh->signer);
	push_set_settings(server->push, &push_settings);
	history_set_keep(&server->history, config);
	api_set_socket_role(server->api, server_socket_role(config));
	server_put_tls(server, &fresh->in_force);
	config_diff_fixed(server->config, config, &fixed);
	log_lines(LOG_LEVEL_WARNING, "change_needs_restart", buf_slice(&fixed));
	buf_fini(&fixed);
}

/*
 * One that has ended is not taken over; where it is the one that is in force, for it ended meanwhile, it is no reason
 * to refuse the rest.
 */
static enum rc check_dates(const struct server *server, const struct config *fresh,
	const struct host_tls *tls, struct err *err)
{
	if (memcmp(tls->leaf.sha256, server->tls.leaf.sha256, SHA256_BYTES) == 0)
		return RC_OK;
	return host_tls_check_dates(fresh->device.tls_certificate, &tls->leaf,
		clock_unix_s(clock_system()), err);
}

static enum rc take_keys(void *ctx, struct txn *txn, struct err *err)
{
	return store_keys_take(txn, ctx, err);
}

/* The old keys stay in force where the new ones will not do. */
static void reload_keys(struct server *server)
{
	AUTO(keyring_free) struct keyring *keyring = NULL;
	const char *path = server->config->server.master_key;
	struct err err = {0};
	enum rc rc = keyring_load(path, &keyring, &err);

	if (rc == RC_OK) {
		rc = store_run(server->store, take_keys, keyring, &err);
		if (rc != RC_OK)
			(void)err_context(&err, "%s", path);
	}
	if (rc != RC_OK)
		log_error("master_key_not_taken", LOG_STR("error", err.text),
			LOG_STR("advice",
				"the former keys stay in force: put the key file right, or it will not start again"));
}

/* The listener takes the certificate or nothing is taken. */
static enum rc take_over(struct server *server, const struct config *config, struct err *err)
{
	AUTO(fresh_fini) struct fresh fresh = {.enroll = {.is_scep_on = false}};
	struct http_tls_params params;
	enum rc rc =
		host_tls_read(config->device.tls_certificate, config->device.tls_key, &fresh.tls, err);

	if (rc == RC_OK)
		rc = check_dates(server, config, &fresh.tls, err);
	if (rc == RC_OK)
		rc = tls_init(&fresh.in_force, config, &fresh.tls, server->store, err);
	if (rc == RC_OK)
		rc = enrolling_settings(config, &fresh.enroll, err);
	if (rc == RC_OK)
		rc = enrolling_signer(&fresh.tls, &fresh.signer, err);
	if (rc == RC_OK)
		rc = users_check(config, err);
	if (rc == RC_OK)
		rc = users_load(&server->users_file, err);
	if (rc != RC_OK)
		return rc;
	params = host_tls_params(&fresh.tls);
	rc = http_listener_set_tls(server->listeners[SERVER_LISTENER_DEVICE], &params, err);
	if (rc == RC_OK)
		apply(server, config, &fresh);
	if (rc == RC_OK)
		reload_keys(server);
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
	server_look_at_certificates(server);
	notify_ready();
}
