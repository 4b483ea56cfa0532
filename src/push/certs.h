/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PUSH_CERTS_H
#define POMONA_PUSH_CERTS_H

/*
 * Push certificates as they are stored, with their keys. Threading: one thread at a time.
 */

#include "pomona/push/push.h"

struct certificate {
	char topic[PUSH_TOPIC_BYTES_MAX + 1];
	uint8_t sha256[SHA256_BYTES];
	int64_t not_after, stored_at;
	struct buf cert_pem;
	struct buf key_pem; /* a secret */
	bool is_unreadable; /* it is there, but cannot be opened */
};
/* Leaves a certificate that holds nothing. */
void certificate_fini(struct certificate *cert);
/* The same certificate and key, stored once. */
bool certificate_is_same(const struct certificate *a, const struct certificate *b);

struct certificates {
	struct certificate *list; /* PUSH_TOPICS_MAX */
	size_t count;
};
/*
 * Reads them all; one that cannot be opened is logged, those past PUSH_TOPICS_MAX are logged and left out. Blocks on a
 * read. On RC_OK the caller owns certificates_fini(certs_r), from which it may take.
 */
enum rc certificates_read(struct store *store, struct certificates *certs_r, struct err *err)
	MUST_USE;
void certificates_fini(struct certificates *certs);

#endif
