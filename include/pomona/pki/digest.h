/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_DIGEST_H
#define POMONA_PKI_DIGEST_H

/*
 * Digests as logins need them: those of HTTP Digest (RFC 7616), a MAC for what we hand out and take back, and the
 * slow hash of a password (scrypt, RFC 7914).
 * Threading: any thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/err.h"
#include "pomona/base/slice.h"

enum digest_kind { DIGEST_MD5, DIGEST_SHA256, DIGEST_KIND_COUNT };
enum {
	DIGEST_HEX_BYTES = 65,
	MAC_BYTES = 32,
	PASSWORD_HASH_BYTES = 160,
	PASSWORD_TEXT_BYTES_MAX = 1024
};

/* How many hex digits it gives. */
size_t digest_hex_len(enum digest_kind kind);
/* The digest of the parts with a colon between each two, in lower-case hex. */
enum rc digest_hex(enum digest_kind kind, const struct slice *parts, size_t count,
	char out[static DIGEST_HEX_BYTES], struct err *err) MUST_USE;
/* HMAC-SHA-256. */
enum rc mac_of(const uint8_t key[static MAC_BYTES], struct slice text,
	uint8_t mac[static MAC_BYTES], struct err *err) MUST_USE;

/* "scrypt$15$8$1$<salt>$<hash>", both in hex: takes tens of milliseconds and 32 MiB. RC_LIMIT. */
enum rc password_hash(struct slice password, char out[static PASSWORD_HASH_BYTES], struct err *err)
	MUST_USE;
/* Is the text one that password_hash() could have made? */
bool password_hash_is_sound(struct slice hash);
/* As slow. RC_INVALID: the hash is none. */
enum rc password_check(struct slice password, struct slice hash, bool *is_right_r, struct err *err)
	MUST_USE;

#endif
