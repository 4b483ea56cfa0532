/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_SIM_APNS_TLS_H
#define POMONA_SIM_APNS_TLS_H

/*
 * TLS as APNs speaks it: 1.2 or later, ALPN h2, client certificates of one CA.
 * Threading: one thread at a time.
 */

#include <openssl/ssl.h>

#include "apns_check.h"
#include "pomona/base/err.h"

struct apns_tls_params {
	struct slice cert_pem, key_pem;
	struct slice ca_pem; /* of client certificates; empty: none is asked for */
};
enum rc apns_tls_new(const struct apns_tls_params *params, SSL_CTX **tls_r, struct err *err)
	MUST_USE;
void apns_tls_free(SSL_CTX **tls);

/* After the handshake: was h2 agreed upon? */
bool apns_tls_is_h2(const SSL *ssl);
/* False where there was no certificate; else the UID of its subject, "" where it has none or one too long. */
bool apns_tls_uid(const SSL *ssl, char uid[static APNS_TOPIC_BYTES_MAX + 1]);
/* OpenSSL's latest complaint, for people; empties its queue. */
const char *apns_tls_complaint(void);

#endif
