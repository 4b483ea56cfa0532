/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_NET_H2_TLS_H
#define POMONA_NET_H2_TLS_H

/*
 * TLS of one connection: made of PEM, then a socket is attached, then bytes go through. Never blocks.
 * Threading: the loop's thread.
 */

#include <stdbool.h>

#include "pomona/net/h2.h"

struct h2_tls;

enum h2_tls_result {
	H2_TLS_DONE,
	H2_TLS_AGAIN,  /* when the socket is ready for h2_tls_wish() */
	H2_TLS_CLOSED, /* by the peer, properly or not */
	H2_TLS_BROKEN, /* the socket failed */
	H2_TLS_REFUSED /* by either side: certificate, version, ALPN, a record that makes no sense */
};

enum { H2_TLS_RECORD_BYTES = 16384 };

/* Keeps nothing of the params. RC_INVALID, RC_NO_MEMORY. */
enum rc h2_tls_new(const struct h2_params *params, struct h2_tls **tls_r, struct err *err) MUST_USE;
/* The socket stays the caller's, open until h2_tls_free(). */
enum rc h2_tls_attach(struct h2_tls *tls, int fd, struct err *err) MUST_USE;
/* Anything but DONE and AGAIN fills `err`. */
enum h2_tls_result h2_tls_handshake(struct h2_tls *tls, struct err *err);
enum h2_tls_result h2_tls_read(struct h2_tls *tls, uint8_t *to, size_t room, size_t *got_r,
	struct err *err);
/* After AGAIN the same bytes come again. */
enum h2_tls_result h2_tls_write(struct h2_tls *tls, struct slice from, size_t *put_r,
	struct err *err);
/* There is more to read that no poll(2) would tell of. */
bool h2_tls_has_pending(const struct h2_tls *tls);
/* What the last AGAIN waits for, of NET_READABLE and NET_WRITABLE. */
unsigned h2_tls_wish(const struct h2_tls *tls);
/* Tells the peer that nothing comes any more, if that can be done at once. */
void h2_tls_bye(struct h2_tls *tls);
void h2_tls_free(struct h2_tls **tls);

#endif
