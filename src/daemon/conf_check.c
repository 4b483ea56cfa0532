/* SPDX-License-Identifier: Apache-2.0 */
#include "conf_check.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enrolling.h"
#include "host.h"
#include "pomona/base/clock.h"
#include "pomona/pki/seal.h"
#include "users.h"

static enum rc check_state_dir(const struct config *config, struct err *err)
{
	const char *path = config->server.state_dir;
	struct stat stat_buf;
	bool is_open;

	if (stat(path, &stat_buf) != 0)
		return err_set_errno(err, errno, "[server] state_dir: %s (`pomonactl init` makes one)", path);
	if (!S_ISDIR(stat_buf.st_mode))
		return err_set(err, RC_INVALID, "[server] state_dir: %s is no folder", path);
	if (access(path, R_OK | W_OK | X_OK) != 0)
		return err_set_errno(err, errno, "[server] state_dir: %s", path);
	return host_state_dir_check(config, &is_open, err);
}

static enum rc check_database(const struct config *config, struct err *err)
{
	const char *path = config->server.database;

	if (access(path, R_OK | W_OK) != 0)
		return err_set_errno(err, errno, "[server] database: %s (`pomonactl init` makes one)", path);
	return RC_OK;
}

static enum rc check_master_key(const struct config *config, struct err *err)
{
	AUTO(keyring_free) struct keyring *keyring = NULL;
	enum rc rc = keyring_load(config->server.master_key, &keyring, err);

	return rc == RC_OK ? RC_OK : err_context(err, "[server] master_key");
}

static enum rc check_tls(const struct config *config, struct err *err)
{
	AUTO(host_tls_fini) struct host_tls tls;

	return host_tls_read(config->device.tls_certificate, config->device.tls_key, &tls, err);
}

static enum rc check_enrolling(const struct config *config, struct err *err)
{
	struct enroll_settings settings;
	enum rc rc = enrolling_settings(config, &settings, err);

	explicit_bzero(&settings, sizeof(settings));
	return rc;
}

static enum rc check_policy(const struct config *config, struct err *err)
{
	AUTO(buf_fini) struct buf ca_pem = {0};
	struct enroll_policy policy;

	return enrolling_policy(config, &ca_pem, &policy, err);
}

static enum rc check_group(const struct config *config, struct err *err)
{
	gid_t gid;

	return host_socket_group(config, &gid, err);
}

static enum rc check_push_ca(const struct config *config, struct err *err)
{
	AUTO(buf_fini) struct buf pem = {0};

	return host_push_ca_read(config, &pem, err);
}

static enum rc (*const checks[])(const struct config *config, struct err *err) = {
	check_state_dir,
	check_database,
	check_master_key,
	check_tls,
	check_enrolling,
	check_policy,
	users_check,
	check_group,
	check_push_ca,
};

/* What is no reason not to start: pomonad renews a certificate of its own root, and raises alarms. */
static void warn(const char *path, const struct config *config, struct buf *faults)
{
	AUTO(host_tls_fini) struct host_tls tls;
	const char *certificate = config->device.tls_certificate;
	struct err err = {0};
	bool is_open = false;

	if (host_tls_read(certificate, config->device.tls_key, &tls, &err) == RC_OK &&
		host_tls_check_dates(certificate, &tls.leaf, clock_unix_s(clock_system()), &err) != RC_OK)
		buf_printf(faults, "%s: warning: %s\n", path, err.text);
	if (host_state_dir_check(config, &is_open, &err) == RC_OK && is_open)
		buf_printf(faults, "%s: warning: [server] state_dir: others may look into %s: `chmod o= %s`\n",
			path, config->server.state_dir, config->server.state_dir);
}

enum rc conf_check(const char *path, struct buf *faults)
{
	AUTO(config_free) struct config *config = NULL;
	struct err err = {0};
	enum rc first = config_load(path, &config, faults, &err);

	if (first != RC_OK) {
		if (faults->len == 0)
			buf_printf(faults, "%s\n", err.text);
		return first;
	}
	for (size_t i = 0; i < COUNT_OF(checks); i++) {
		enum rc rc = checks[i](config, &err);

		if (rc == RC_OK)
			continue;
		buf_printf(faults, "%s: %s\n", path, err.text);
		if (first == RC_OK)
			first = rc;
	}
	warn(path, config, faults);
	return first;
}
