/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_FACTORY_H
#define POMONA_SIM_FACTORY_H

/*
 * What a device has from its factory: a certificate of the simulated Apple, by which it shows a server that it is a
 * device. As Apple's own, the CA of these has an RSA key of 1024 bits, signs with SHA-1 and ended in 2014.
 * Threading: any thread; these block.
 */

#include "pomona/base/buf.h"
#include "pomona/base/err.h"

enum { FACTORY_MESSAGE_BYTES_MAX = 65536, FACTORY_PEM_BYTES_MAX = 65536 };

/* Appends the chain, root last, as PEM, and the key of its first. */
enum rc factory_make(struct buf *chain_pem, struct buf *key_pem, struct err *err) MUST_USE;

/* `dir` is the simulator's. Appends the certificate of a device with this key, as PEM. */
enum rc factory_issue(const char *dir, const char *name, struct slice key_pem, struct buf *cert_pem,
	struct err *err) MUST_USE;

/* Appends `content` as SignedData in DER, with the certificates of `chain_pem` after the signer's. */
struct factory_signing {
	struct slice cert_pem, key_pem, chain_pem; /* the last may be empty */
};
enum rc factory_sign(const struct factory_signing *signing, struct slice content, struct buf *out,
	struct err *err) MUST_USE;

#endif
