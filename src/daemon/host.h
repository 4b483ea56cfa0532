/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_DAEMON_HOST_H
#define POMONA_DAEMON_HOST_H

/*
 * What the conf names that lies outside of it: the state directory, the TLS certificate and its key,
 * the push server's CAs, the socket's group; and the limits that the system sets us. Threading: any thread but
 * host_confine() and host_raise_limits(): main.
 */

#include <sys/types.h>

#include "pomona/base/buf.h"
#include "pomona/base/err.h"
#include "pomona/config/config.h"
#include "pomona/http/http.h"
#include "pomona/pki/cert.h"

enum { HOST_PEM_BYTES_MAX = 1048576 };

/* A certificate chain and its key as read from their files. */
struct host_tls {
	struct buf chain, key; /* `key` is a secret */
	struct cert_facts leaf;
};

/*
 * Reads both and sees that they belong together and that the key is not everybody's; the text names the key of the
 * conf. Dates are not judged. Call host_tls_fini() on failure too.
 */
enum rc host_tls_read(const char *certificate, const char *key, struct host_tls *tls,
	struct err *err) MUST_USE;
/* RC_INVALID where it has ended, or has not begun. */
enum rc host_tls_check_dates(const char *certificate, const struct cert_facts *leaf, int64_t now,
	struct err *err) MUST_USE;
struct http_tls_params host_tls_params(const struct host_tls *tls);
void host_tls_fini(struct host_tls *tls);

/*
 * RC_DENIED where others than its owner may write into the folder, and so exchange what is in it. *is_open_r: others
 * than owner and group may look into it.
 */
enum rc host_state_dir_check(const struct config *config, bool *is_open_r, struct err *err)
	MUST_USE;

/* The PEM of [push] ca_file; empty where the conf names none. RC_INVALID: no certificates in it. */
enum rc host_push_ca_read(const struct config *config, struct buf *pem, struct err *err) MUST_USE;

/* (gid_t)-1 where the conf names no group. RC_NOT_FOUND. */
enum rc host_socket_group(const struct config *config, gid_t *gid_r, struct err *err) MUST_USE;

/*
 * What no configuration of the service manager has to be trusted for: no new privileges, and, unless
 * the conf says otherwise, no core dumps and no other process of our user that reads our memory.
 */
void host_confine(const struct config *config);

/* As many descriptors as we may have; warns where the conf wants more connections than that. */
void host_raise_limits(const struct config *config);

#endif
