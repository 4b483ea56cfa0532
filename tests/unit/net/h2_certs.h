/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_TESTS_NET_H2_CERTS_H
#define POMONA_TESTS_NET_H2_CERTS_H

/*
 * Keys and certificates for tests of TLS, made anew by each test program. Threading: one thread.
 */

enum { PEM_BYTES_MAX = 4096 };

struct pem {
	char text[PEM_BYTES_MAX]; /* a certificate, perhaps others behind it, or a key */
};

struct identity {
	struct pem cert, key;
};

struct certs {
	struct pem ca, other_ca;
	struct identity server;       /* localhost, 127.0.0.1, ::1 */
	struct identity elsewhere;    /* of another name */
	struct identity expired;      /* localhost, since yesterday no more */
	struct identity of_other_ca;  /* localhost, of other_ca */
	struct identity client;       /* of an intermediate CA, which is behind the certificate */
	struct identity other_client; /* of other_ca */
};

/* Aborts where it cannot. */
void certs_make(struct certs *certs);

#endif
