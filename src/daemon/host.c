/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "pomona/base/codec.h"
#include "pomona/base/file.h"
#include "pomona/base/log.h"
#include "pomona/pki/authority.h"

enum {
	GROUP_BYTES_MAX = 65536,
	DESCRIPTORS_BESIDES = 128, /* database, listeners, epoll, log, ... */
};

static enum rc read_pem(const char *key, const char *path, struct buf *out, struct err *err)
{
	enum rc rc = file_read(path, out, err);

	return rc == RC_OK ? RC_OK : err_context(err, "[device] %s", key);
}

enum rc host_tls_read(const char *certificate, const char *key, struct host_tls *tls,
	struct err *err)
{
	enum rc rc;

	memset(tls, 0, sizeof(*tls));
	buf_init(&tls->chain, HOST_PEM_BYTES_MAX);
	buf_init(&tls->key, HOST_PEM_BYTES_MAX);
	if (buf_reserve(&tls->key, HOST_PEM_BYTES_MAX) == NULL) /* a secret is not moved in memory */
		return err_set(err, RC_NO_MEMORY, "[device] tls_key");
	rc = read_pem("tls_certificate", certificate, &tls->chain, err);
	if (rc == RC_OK)
		rc = read_pem("tls_key", key, &tls->key, err);
	if (rc != RC_OK)
		return rc;
	if (file_check_mode(key, CONFIG_TLS_KEY_FORBIDDEN, err) != RC_OK)
		return err_context(err, "[device] tls_key");
	rc = tls_pair_check(buf_slice(&tls->chain), buf_slice(&tls->key), &tls->leaf, err);
	if (rc == RC_OK)
		return RC_OK;
	return err_context(err, "[device] tls_certificate %s, tls_key %s", certificate, key);
}

enum rc host_tls_check_dates(const char *certificate, const struct cert_facts *leaf, int64_t now,
	struct err *err)
{
	char at[TIME_TEXT_BYTES];

	time_format(now > leaf->not_after ? leaf->not_after : leaf->not_before, at);
	if (now > leaf->not_after)
		return err_set(err, RC_INVALID, "[device] tls_certificate: %s ended on %s", certificate, at);
	if (now < leaf->not_before)
		return err_set(err, RC_INVALID, "[device] tls_certificate: %s begins on %s", certificate, at);
	return RC_OK;
}

enum rc host_state_dir_check(const struct config *config, bool *is_open_r, struct err *err)
{
	const char *path = config->server.state_dir;

	*is_open_r = file_check_mode(path, CONFIG_STATE_DIR_UNWANTED, NULL) == RC_DENIED;
	if (file_check_mode(path, CONFIG_STATE_DIR_FORBIDDEN, err) != RC_OK)
		return err_context(err, "[server] state_dir");
	return RC_OK;
}

struct http_tls_params host_tls_params(const struct host_tls *tls)
{
	return (struct http_tls_params){
		.chain_pem = buf_slice(&tls->chain),
		.key_pem = buf_slice(&tls->key),
	};
}

void host_tls_fini(struct host_tls *tls)
{
	buf_fini(&tls->chain);
	buf_fini_secret(&tls->key);
}

static enum rc see_certificate(void *ctx, struct slice der, struct err *err)
{
	struct cert_facts facts;

	(void)ctx;
	return cert_read_facts(der, &facts, err);
}

enum rc host_push_ca_read(const struct config *config, struct buf *pem, struct err *err)
{
	const char *path = config->push.ca_file;
	enum rc rc;

	buf_init(pem, HOST_PEM_BYTES_MAX);
	if (path[0] == '\0')
		return RC_OK;
	rc = file_read(path, pem, err);
	if (rc != RC_OK)
		return err_context(err, "[push] ca_file");
	rc = cert_pem_each(buf_slice(pem), see_certificate, NULL, err);
	return rc == RC_OK ? RC_OK : err_context(err, "[push] ca_file: %s", path);
}

enum rc host_socket_group(const struct config *config, gid_t *gid_r, struct err *err)
{
	const char *name = config->admin.socket_group;
	char strings[GROUP_BYTES_MAX];
	struct group group;
	struct group *found = NULL;
	int fault;

	*gid_r = (gid_t)-1;
	if (name[0] == '\0')
		return RC_OK;
	fault = getgrnam_r(name, &group, strings, sizeof(strings), &found);
	if (fault != 0)
		return err_set_errno(err, fault, "[admin] socket_group: looking up \"%s\"", name);
	if (found == NULL)
		return err_set(err, RC_NOT_FOUND, "[admin] socket_group: there is no group \"%s\"", name);
	*gid_r = group.gr_gid;
	return RC_OK;
}

void host_confine(const struct config *config)
{
	const struct rlimit none = {.rlim_cur = 0, .rlim_max = 0};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		log_warning("not_confined", LOG_STR("what", "no_new_privs"),
			LOG_STR("error", strerrordesc_np(errno)));
	if (config->server.core_dumps == CONFIG_YES)
		return;
	/* A core pattern that is a pipe heeds no limit, but does heed the flag. */
	if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		log_warning("not_confined", LOG_STR("what", "core_dumps"),
			LOG_STR("error", strerrordesc_np(errno)));
}

void host_raise_limits(const struct config *config)
{
	int64_t listeners = config->device.listen_plain[0] == '\0' ? 1 : 2;
	rlim_t wanted =
		(rlim_t)(listeners * config->device.connections_max + 2 * config->admin.connections_max) +
		DESCRIPTORS_BESIDES;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		log_warning("descriptors_not_raised", LOG_STR("error", strerrordesc_np(errno)));
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted)
		log_warning("descriptors_short", LOG_INT("limit", limit.rlim_cur), LOG_INT("wanted", wanted),
			LOG_STR("advice", "raise LimitNOFILE= of the unit, or lower connections_max"));
}
