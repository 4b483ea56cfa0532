/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_PUSH_CERT_H
#define POMONA_PKI_PUSH_CERT_H

/*
 * MDM push certificates, as Apple's portal issues them: the topic is the subject's UID. Threading: any thread.
 */

#include "pomona/base/buf.h"
#include "pomona/base/err.h"
#include "pomona/pki/cert.h"

#define PUSH_TOPIC_PREFIX "com.apple.mgmt."
enum {
	PUSH_TOPIC_BYTES_MAX = 255,
	PUSH_CERT_PEM_BYTES_MAX = 65536, /* certificate, chain and key together */
	PUSH_PASSWORD_BYTES_MAX = 1024,
	PUSH_KEY_ITERATIONS_MAX = 2000000, /* of an encrypted key's password hash: a second of CPU */
};

struct push_cert {
	struct cert_facts facts; /* of the leaf */
	char topic[PUSH_TOPIC_BYTES_MAX + 1];
	struct buf cert_pem; /* the leaf, then the chain as given; owned */
	struct buf key_pem;  /* PKCS#8, not encrypted; owned, a secret */
};

/* Which of the two inputs a fault is about. */
enum push_cert_part { PUSH_CERT_PART_CERTIFICATE, PUSH_CERT_PART_KEY, PUSH_CERT_PART_PASSWORD };

/*
 * Reads PEM: the certificate (leaf first, or the one that the key belongs to) and, in the same text or in
 * `key_pem`, its key (PKCS#8, also encrypted, PKCS#1, SEC 1, also with the older PEM encryption). `password` may
 * be NULL, and is not looked at where the key is not encrypted. Checks that the key matches, that it is RSA of
 * 2048 bits or more or P-256/P-384, that the subject has one UID that begins with PUSH_TOPIC_PREFIX. Dates are
 * not judged. RC_INVALID (or RC_LIMIT) says what is wrong and *part_r where. On RC_OK the caller owns
 * push_cert_fini(cert_r); otherwise there is nothing to free.
 */
enum rc push_cert_read(struct slice cert_pem, struct slice key_pem, const char *password,
	struct push_cert *cert_r, enum push_cert_part *part_r, struct err *err) MUST_USE;
void push_cert_fini(struct push_cert *cert);

#endif
