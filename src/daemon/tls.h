/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_DAEMON_TLS_H
#define POMONA_DAEMON_TLS_H

/*
 * The TLS certificate that devices see: which is in force, and its renewal where it is of our own root, whose key is
 * in the vault. The key of the certificate stays: so one file alone changes, by one rename, and a crash leaves the old
 * certificate or the new one, each of which belongs to the key. Threading: main.
 */

#include "host.h"
#include "pomona/store/store.h"

struct tls_in_force {
	char *certificate, *key; /* paths; owned */
	int64_t renew_days;      /* before its end; 0: never */
	struct cert_facts leaf;
	bool is_own; /* of our own root */
};

/* Of what the conf names and `tls` holds. Call tls_fini() on failure too. */
enum rc tls_init(struct tls_in_force *in_force, const struct config *config,
	const struct host_tls *tls, struct store *store, struct err *err) MUST_USE;
/* Pure: is a new one to be made now? */
bool tls_is_due(const struct tls_in_force *in_force, int64_t now);
/*
 * Makes the new certificate and puts its file in the place of the old one; *tls_r is what the listener is to show then.
 * Call host_tls_fini(tls_r) on failure too.
 */
enum rc tls_renew(const struct tls_in_force *in_force, struct store *store, int64_t now,
	struct host_tls *tls_r, struct err *err) MUST_USE;
void tls_fini(struct tls_in_force *in_force);

#endif
