/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "init.h"
#include "pomona/base/clock.h"
#include "pomona/base/file.h"
#include "pomona/config/config.h"

enum { DIR_MODE = 0700, KEY_FILE_BYTES_MAX = 1024 * 1024 };

#define SERVICE_GROUP "pomona" /* as conf/pomona.sysusers makes it */

/* --- paths */

static enum rc join(char out[static INIT_PATH_BYTES_MAX], const char *folder, const char *name,
	struct err *err)
{
	const int len = snprintf(out, INIT_PATH_BYTES_MAX, "%s/%s", folder, name);

	if (len < 0 || len >= INIT_PATH_BYTES_MAX)
		return err_set(err, RC_LIMIT, "%.100s...: the path is too long", folder);
	return RC_OK;
}

static enum rc make_absolute(char out[static INIT_PATH_BYTES_MAX], const char *path,
	struct err *err)
{
	char here[INIT_PATH_BYTES_MAX];
	size_t len;
	enum rc rc;

	if (path[0] == '/')
		rc = join(out, "", path + 1, err);
	else if (getcwd(here, sizeof(here)) == NULL)
		rc = err_set_errno(err, errno, "the current folder");
	else
		rc = join(out, here, path, err);
	for (len = strlen(out); rc == RC_OK && len > 1 && out[len - 1] == '/'; len--)
		out[len - 1] = '\0';
	return rc;
}

/* The path as given, or else `name` in `dir`. */
static enum rc given_or(char *path, const char *given, const char *dir, const char *name,
	struct err *err)
{
	return given != NULL ? make_absolute(path, given, err) : join(path, dir, name, err);
}

enum rc init_paths_set(struct init *init, const char *dir, const char *conf, const char *tls_cert,
	const char *tls_key, struct err *err)
{
	struct init_paths *paths = &init->paths;
	enum rc rc = make_absolute(paths->dir, dir, err);

	init->is_tls_given = tls_cert != NULL;
	if (rc == RC_OK)
		rc = join(paths->tls_dir, paths->dir, "tls", err);
	if (rc == RC_OK)
		rc = join(paths->master_key, paths->dir, "master.key", err);
	if (rc == RC_OK)
		rc = join(paths->database, paths->dir, "pomona.db", err);
	if (rc == RC_OK)
		rc = join(paths->root_cert, paths->tls_dir, "root.pem", err);
	if (rc == RC_OK)
		rc = given_or(paths->conf, conf, paths->dir, "pomona.conf", err);
	if (rc == RC_OK)
		rc = given_or(paths->tls_cert, tls_cert, paths->tls_dir, "server.pem", err);
	if (rc == RC_OK)
		rc = given_or(paths->tls_key, tls_key, paths->tls_dir, "server.key", err);
	return rc;
}

/* --- steps */

static enum rc check_given_tls(struct init *init, struct err *err)
{
	struct buf cert, key;
	enum rc rc;

	if (!init->is_tls_given)
		return RC_OK;
	buf_init(&cert, FILE_BYTES_MAX);
	buf_init(&key, KEY_FILE_BYTES_MAX);
	rc = file_read(init->paths.tls_cert, &cert, err);
	if (rc == RC_OK)
		rc = file_read(init->paths.tls_key, &key, err);
	if (rc == RC_OK)
		rc = file_check_mode(init->paths.tls_key, CONFIG_TLS_KEY_FORBIDDEN, err);
	if (rc == RC_OK)
		rc = tls_pair_check(buf_slice(&cert), buf_slice(&key), &init->tls_leaf, err);
	buf_fini(&cert);
	buf_fini_secret(&key);
	return rc;
}

static enum rc make_dirs(struct init *init, struct err *err)
{
	enum rc rc = file_make_dir(init->paths.dir, DIR_MODE, err);

	if (rc == RC_OK && chmod(init->paths.dir, DIR_MODE) != 0)
		rc = err_set_errno(err, errno, "%s", init->paths.dir);
	if (rc == RC_OK)
		rc = file_make_dir(init->paths.tls_dir, DIR_MODE, err);
	return rc;
}

static enum rc make_master_key(struct init *init, struct err *err)
{
	enum rc rc = RC_OK;

	if (!file_is_there(init->paths.master_key) && file_is_there(init->paths.database))
		return err_set(err, RC_CORRUPT,
			"%s is gone, and %s is sealed with it: restore it, or remove the database to begin anew",
			init->paths.master_key, init->paths.database);
	if (!file_is_there(init->paths.master_key))
		rc = keyring_create_file(init->paths.master_key, err);
	return rc == RC_OK ? keyring_load(init->paths.master_key, &init->keyring, err) : rc;
}

static enum rc open_store(struct init *init, struct err *err)
{
	const struct store_params params = {
		.path = init->paths.database,
		.keyring = init->keyring,
		.clock = clock_system(),
		.is_create = true,
	};
	enum rc rc = store_open(&params, &init->store, err);

	return rc == RC_OK ? store_start(init->store, err) : rc;
}

static enum rc finish(struct init *init, struct err *err)
{
	store_stop(init->store);
	store_close(&init->store);
	return init_conf_install(init, err);
}

/* In this order; each can be run again. The first makes nothing. */
static enum rc (*const steps[])(struct init *init, struct err *err) = {
	check_given_tls,
	make_dirs,
	make_master_key,
	open_store,
	init_make_device_ca,
	init_make_tls,
	init_make_token,
	finish,
};

static void fini(struct init *init)
{
	if (init->store != NULL)
		store_stop(init->store);
	store_close(&init->store);
	keyring_free(&init->keyring);
	explicit_bzero(init->token, sizeof(init->token));
}

/* --- what is told */

static void tell_done(const struct ctl *ctl, const struct init *init)
{
	char ends[TEXT_RELATIVE_BYTES];

	text_relative(init->tls_leaf.not_after, ctl->now, ends);
	fprintf(ctl->out, "pomona is set up in %s\n\n", init->paths.dir);
	print_fact(ctl->out, "conf", "%s", init->paths.conf);
	print_fact(ctl->out, "master key", "%s (back it up, apart from the database)",
		init->paths.master_key);
	print_fact(ctl->out, "device CA", "%s, serial %s", init->device_ca.subject,
		init->device_ca.serial);
	print_fact(ctl->out, "TLS certificate", "%s, ends %s", init->paths.tls_cert, ends);
	if (!init->is_tls_given)
		print_fact(ctl->out, "its root", "%s (devices must trust it)", init->paths.root_cert);
	fprintf(ctl->out, "\nstart it: pomonad -c %s\n\n", init->paths.conf);
	if (init->token[0] != '\0')
		fprintf(ctl->out, "admin token: %s\n(shown this once; only a digest is stored)\n", init->token);
	else
		fprintf(ctl->out,
			"(an earlier run that was interrupted made the first admin token; if it is\n"
			"lost, `pomonactl token add NAME --role admin` over the Unix socket makes another)\n");
}

/* The conf is there: is what it names? */
static int tell_already(const struct ctl *ctl, const struct init *init)
{
	AUTO(config_free) struct config *config = NULL;
	struct err err = {.rc = RC_OK};

	if (config_load(init->paths.conf, &config, NULL, &err) != RC_OK)
		return ctl_fail(ctl, CTL_REFUSED,
			"%s: the conf is there already, but is not sound; nothing was changed", err.text);
	if (!file_is_there(config->server.database) || !file_is_there(config->server.master_key))
		return ctl_fail(ctl, CTL_REFUSED,
			"%s is there already, but %s or %s is not: restore them, or move the conf away to begin "
			"anew; nothing was changed",
			init->paths.conf, config->server.database, config->server.master_key);
	fprintf(ctl->out, "pomona is set up already for %s by %s: nothing was changed\n",
		config->server.hostname, init->paths.conf);
	if (strcmp(config->server.hostname, init->hostname) != 0)
		fprintf(ctl->out, "to serve as %s, edit the conf and give it a TLS certificate of that name\n",
			init->hostname);
	return 0;
}

static int run_steps(const struct ctl *ctl, struct init *init)
{
	struct err err = {.rc = RC_OK};
	enum rc rc = init_conf_check(init, &err);

	for (size_t i = 0; rc == RC_OK && i < COUNT_OF(steps); i++)
		rc = steps[i](init, &err);
	if (rc == RC_OK)
		tell_done(ctl, init);
	fini(init);
	return rc == RC_OK
		? 0
		: ctl_fail(ctl, CTL_REFUSED, "%s (when that is mended, the same command goes on)", err.text);
}

int cmd_init(struct ctl *ctl, const struct args *args)
{
	const char *dir = args_get(args, "--dir");
	const char *tls_cert = args_get(args, "--tls-cert");
	const char *tls_key = args_get(args, "--tls-key");
	struct init init = {.hostname = args_get(args, "--hostname"), .now = ctl->now};
	struct err err = {.rc = RC_OK};

	if (dir == NULL || init.hostname == NULL)
		return ctl_usage(ctl, "init wants --dir and --hostname");
	if ((tls_cert == NULL) != (tls_key == NULL))
		return ctl_usage(ctl, "--tls-cert and --tls-key go together");
	if (init_paths_set(&init, dir, args_get(args, "--conf"), tls_cert, tls_key, &err) != RC_OK)
		return ctl_usage(ctl, "%s", err.text);
	if (init_is_service(&init) && getgrnam(SERVICE_GROUP) != NULL)
		init.socket_group = SERVICE_GROUP;
	if (file_is_there(init.paths.conf))
		return tell_already(ctl, &init);
	return run_steps(ctl, &init);
}
