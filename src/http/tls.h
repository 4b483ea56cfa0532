/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_HTTP_TLS_H
#define POMONA_HTTP_TLS_H

/*
 * What a TLS listener shows its peers: certificate and key, replaceable while it runs, and the key of its
 * session tickets. Threading: any thread.
 */

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "pomona/http/http.h"

enum {
	TLS_CHAIN_MAX = 8,
	TLS_PEM_BYTES_MAX = 256 * 1024,
	TLS_RSA_BITS_MIN = 2048,
	/* An old ticket just costs its device a full handshake. */
	TLS_TICKET_KEY_S = 12 * 60 * 60,
};

/* App Transport Security's rules: TLS 1.2 or later, ECDHE, AEAD, extended master secret, SHA-256. */
extern const char TLS_PRIORITY[];

struct tls;
struct tls_material; /* one certificate chain and its key, counted */

enum rc tls_new(const struct http_tls_params *params, const struct clock *clock, struct tls **tls_r,
	struct err *err) MUST_USE;
enum rc tls_set(struct tls *tls, const struct http_tls_params *params, struct err *err) MUST_USE;
/* Readies a session of the peer. The material returned is the caller's to put; NULL on failure. */
struct tls_material *tls_session_begin(struct tls *tls, gnutls_session_t session);
/* The session's handshake is to fail: there is no memory to begin it. */
void tls_session_refuse(gnutls_session_t session);
void tls_material_put(struct tls_material **material);
/* GnuTLS asks for the certificate; the session's pointer is its struct tls_material; NULL: it was refused. */
gnutls_certificate_retrieve_function3 tls_retrieve;
size_t tls_peer_certs(gnutls_session_t session, struct slice certs[static HTTP_PEER_CERTS_MAX]);
void tls_free(struct tls **tls);

#endif
