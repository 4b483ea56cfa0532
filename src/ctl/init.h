/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_CTL_INIT_H
#define POMONA_CTL_INIT_H

/*
 * `pomonactl init`: sets a server up without a daemon. Each step looks whether its work is done, so
 * that an interrupted run can be completed; the conf is written last and says that all is done.
 * Threading: one thread.
 */

#include "ctl.h"
#include "pomona/pki/authority.h"
#include "pomona/pki/seal.h"
#include "pomona/pki/token.h"
#include "pomona/store/store.h"

enum { INIT_PATH_BYTES_MAX = 4096 };

struct init_paths {
	char dir[INIT_PATH_BYTES_MAX]; /* absolute, as all */
	char conf[INIT_PATH_BYTES_MAX];
	char tls_dir[INIT_PATH_BYTES_MAX];
	char master_key[INIT_PATH_BYTES_MAX];
	char database[INIT_PATH_BYTES_MAX];
	char root_cert[INIT_PATH_BYTES_MAX];
	char tls_cert[INIT_PATH_BYTES_MAX]; /* the server's own, or as given */
	char tls_key[INIT_PATH_BYTES_MAX];
};

struct init {
	const char *hostname;
	const char *socket_group; /* NULL: none is written */
	bool is_tls_given;
	struct init_paths paths;
	int64_t now;
	struct keyring *keyring; /* owned */
	struct store *store;     /* owned */
	struct cert_facts device_ca, tls_leaf;
	char token[TOKEN_TEXT_BYTES]; /* "" where an earlier run made one already */
};

/* Fills paths; makes nothing. `conf`, `tls_cert`, `tls_key` may be NULL. */
enum rc init_paths_set(struct init *init, const char *dir, const char *conf, const char *tls_cert,
	const char *tls_key, struct err *err) MUST_USE;
/* Is it the conf that the service starts with, rather than one in a folder of somebody's own? */
bool init_is_service(const struct init *init);
/* Appends the conf: every key, with its help, the required ones set. */
void init_conf_write(const struct init *init, struct buf *out);
/* Would the conf be loaded? Tells before anything is made. */
enum rc init_conf_check(const struct init *init, struct err *err) MUST_USE;
enum rc init_conf_install(const struct init *init, struct err *err) MUST_USE;
/* The device CA in the vault and among the anchors. */
enum rc init_make_device_ca(struct init *init, struct err *err) MUST_USE;
/* The server's root in the vault and its TLS certificate in files, unless one was given. */
enum rc init_make_tls(struct init *init, struct err *err) MUST_USE;
enum rc init_make_token(struct init *init, struct err *err) MUST_USE;

#endif
