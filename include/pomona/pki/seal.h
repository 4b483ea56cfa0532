/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_SEAL_H
#define POMONA_PKI_SEAL_H

/*
 * Sealing: AES-256-GCM under a master key that lives outside the database. A sealed blob names the
 * key it was sealed under and is bound to its place (`place`, authenticated but not stored), so
 * that a blob moved to another row does not open. Format: version 1 (1 byte), key id (4 bytes, big
 * endian), nonce (12), ciphertext, tag (16).
 * Threading: any thread; a keyring is immutable.
 */

#include <stdint.h>

#include "pomona/base/buf.h"
#include "pomona/base/err.h"

enum {
	SEAL_OVERHEAD_BYTES = 33,
	SEAL_KEY_BYTES = 32,
	SEAL_KEYS_MAX = 16,
	SEAL_PLAIN_BYTES_MAX = 1073741824, /* one blob */
};

struct keyring;

/* Makes a key file with one new key: lines "<key id, 8 hex digits> <64 hex digits>", mode 0600.
 * RC_EXISTS. */
enum rc keyring_create_file(const char *path, struct err *err) MUST_USE;
/*
 * The last line's key seals; all keys open. RC_DENIED where group or others have any access (but for mode 0440
 * of root:root, the form of a systemd credential); RC_INVALID names the line and the rule it breaks.
 */
enum rc keyring_load(const char *path, struct keyring **keyring_r, struct err *err) MUST_USE;
/* For tests: one key of the given bytes. NULL where memory is short. */
struct keyring *keyring_of_key(uint32_t key_id, const uint8_t key[static SEAL_KEY_BYTES]);
uint32_t keyring_sealing_id(const struct keyring *keyring);
/* Wipes the keys. */
void keyring_free(struct keyring **keyring);

/* Appends the sealed blob to `out`: `plain.len` + SEAL_OVERHEAD_BYTES. RC_LIMIT over SEAL_PLAIN_BYTES_MAX. */
enum rc seal(const struct keyring *keyring, struct slice place, struct slice plain, struct buf *out,
	struct err *err) MUST_USE;
/* Appends the plain bytes to `out`, or nothing. RC_CORRUPT: cut, changed, or of another place; RC_NOT_FOUND:
 * key unknown. */
enum rc unseal(const struct keyring *keyring, struct slice place, struct slice sealed,
	struct buf *out, struct err *err) MUST_USE;

#endif
