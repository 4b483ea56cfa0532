/* SPDX-License-Identifier: Apache-2.0 */
#include "conf_check.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "enrolling.h"
#include "host.h"
#include "pomona/base/clock.h"
#include "pomona/base/codec.h"
#include "pomona/pki/seal.h"

static enum rc check_state_dir(const struct config *config, struct err *err)
{
	const char *path = config->server.state_dir;
	struct stat stat_buf;

	if (stat(path, &stat_buf) != 0)
		return err_set_errno(err, errno, "[server] state_dir: %s (`pomonactl init` makes one)", path);
	if (!S_ISDIR(stat_buf.st_mode))
		return err_set(err, RC_INVALID, "[server] state_dir: %s is no folder", path);
	if (access(path, R_OK | W_OK | X_OK) != 0)
		return err_set_errno(err, errno, "[server] state_dir: %s", path);
	return RC_OK;
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
	int64_t now = clock_unix_s(clock_system());
	char ends[TIME_TEXT_BYTES];
	enum rc rc = host_tls_read(config, &tls, err);

	if (rc != RC_OK || now <= tls.leaf.not_after)
		return rc;
	time_format(tls.leaf.not_after, ends);
	return err_set(err, RC_INVALID, "[device] tls_certificate: %s ended on %s",
		config->device.tls_certificate, ends);
}

static enum rc check_enrolling(const struct config *config, struct err *err)
{
	struct enroll_settings settings;
	enum rc rc = enrolling_settings(config, &settings, err);

	explicit_bzero(&settings, sizeof(settings));
	return rc;
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
	check_group,
	check_push_ca,
};

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
	return first;
}
