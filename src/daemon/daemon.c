/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/daemon/daemon.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf_check.h"
#include "control.h"
#include "host.h"
#include "notify.h"
#include "options.h"
#include "pomona/base/log.h"
#include "server.h"

enum { STOP_EXTRA_S = 30 }; /* beyond drain_s: what the writer still has to do */

static void print_faults(struct slice faults)
{
	(void)fprintf(stderr, "%.*s", SLICE_FMT(faults));
}

static int test_conf(const char *conf_path)
{
	AUTO(buf_fini) struct buf faults = {0};
	enum rc rc;

	buf_init(&faults, CONF_FAULTS_BYTES_MAX);
	rc = conf_check(conf_path, &faults);
	print_faults(buf_slice(&faults));
	if (rc == RC_OK)
		(void)printf("%s: ok\n", conf_path);
	return rc == RC_OK ? EX_OK : EX_CONFIG;
}

static enum rc load_conf(const char *conf_path, struct config **config_r)
{
	AUTO(buf_fini) struct buf faults = {0};
	struct err err = {0};
	enum rc rc;

	buf_init(&faults, CONF_FAULTS_BYTES_MAX);
	rc = config_load(conf_path, config_r, &faults, &err);
	if (rc == RC_OK)
		return RC_OK;
	print_faults(buf_slice(&faults));
	log_error("start_failed", LOG_STR("stage", "conf"), LOG_STR("error", err.text),
		LOG_STR("advice", "correct the conf file, and check it with `pomonad -t`"));
	return rc;
}

static void stop(struct server *server, int signal)
{
	log_info("stopping", LOG_STR("signal", sigabbrev_np(signal)));
	notify_stopping(server->config->server.drain_s + STOP_EXTRA_S);
	server_stop(server);
	log_info("stopped");
}

static int serve(struct server *server)
{
	int status;

	log_set_level(server->config->server.log_level);
	log_info("starting", LOG_STR("version", POMONA_VERSION), LOG_INT("pid", getpid()),
		LOG_STR("conf", server->conf_path), LOG_STR("state_dir", server->config->server.state_dir));
	host_confine(server->config);
	host_raise_limits(server->config);
	status = server_start(server);
	if (status != EX_OK)
		return status;
	log_info("ready", LOG_STR("version", POMONA_VERSION));
	notify_ready();
	stop(server, control_run(server));
	return EX_OK;
}

static int run(const char *conf_path)
{
	struct server server = {.conf_path = conf_path, .socket_gid = (gid_t)-1};
	int status = EX_CONFIG;

	(void)umask(S_IRWXG | S_IRWXO);
	server.signal_fd = control_open_signals();
	if (server.signal_fd < 0) {
		log_error("start_failed", LOG_STR("stage", "signals"), LOG_STR("error", strerrordesc_np(errno)));
		return EX_OSERR;
	}
	if (load_conf(conf_path, &server.config) == RC_OK)
		status = serve(&server);
	config_free(&server.config);
	(void)close(server.signal_fd);
	return status;
}

int daemon_main(int argc, char **argv)
{
	const struct options options = options_read(argc, argv);

	switch (options.verb) {
	case OPTIONS_RUN:
		return run(options.conf_path);
	case OPTIONS_TEST:
		return test_conf(options.conf_path);
	case OPTIONS_VERSION:
		(void)printf("pomonad %s\n", POMONA_VERSION);
		return EX_OK;
	case OPTIONS_HELP:
		(void)printf("%s", options_usage());
		return EX_OK;
	case OPTIONS_WRONG:
		break;
	}
	(void)fprintf(stderr, "%s", options_usage());
	return EX_USAGE;
}
