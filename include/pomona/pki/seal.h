/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_SEAL_H
#define POMONA_PKI_SEAL_H

/*
 * Sealing: AES-256-GCM under a master key that lives outside the database. A sealed blob names the
 * key it was sealed under and is bound to its place (`place`, authenticated but not stored), so
 * that a blob moved to another row does not open. Format: version 1 (1 byte), key id (4 bytes, big
 * endian), nonce (12), ciphertext, tag (16).
 * Threading: any thread; a keyring is immutable and counted.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/buf.h"
#include "pomona/base/err.h"

enum {
	SEAL_OVERHEAD_BYTES = 33,
	SEAL_KEY_BYTES = 32,
	SEAL_KEYS_MAX = 16,
	SEAL_PLAIN_BYTES_MAX = 1073741824, /* one blob */
	SEAL_MARK_BYTES = 17,              /* version, key id, nonce: no two blobs begin with the same */
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
size_t keyring_count(const struct keyring *keyring);
/* In the order of the file; `at` counts from 0. */
uint32_t keyring_id(const struct keyring *keyring, size_t at);
bool keyring_has(const struct keyring *keyring, uint32_t key_id);
/* Have both this key, with the same bytes? */
bool keyring_shares(const struct keyring *a, const struct keyring *b, uint32_t key_id);
/* The same keys in the same order? */
bool keyring_is_same(const struct keyring *a, const struct keyring *b);
/* Appends "0a1b2c3d, 11223344". */
void keyring_name_ids(const struct keyring *keyring, struct buf *out);
/* One holder more; keyring_free() ends each. */
struct keyring *keyring_ref(struct keyring *keyring);
/* The last holder's wipes the keys. */
void keyring_free(struct keyring **keyring);

/*
 * Changes of a key file: the old one or the new one is there whatever happens, and RC_OK says that the new one is on
 * the disk. Owner and mode stay. They give the keyring as it is after them. RC_DENIED: it cannot be written, such as
 * a credential of systemd, which is a copy.
 */
/* A new key in its last line, which seals. RC_LIMIT: SEAL_KEYS_MAX are there. */
enum rc keyring_file_add(const char *path, struct keyring **keyring_r, struct err *err) MUST_USE;
/* Takes out the lines of the keys for which `is_needed` is false; never the last line. */
enum rc keyring_file_prune(const char *path, bool (*is_needed)(void *ctx, uint32_t key_id),
	void *ctx, struct keyring **keyring_r, struct err *err) MUST_USE;
/* Is it a credential that systemd gave to a service? */
bool keyring_file_is_credential(const char *path);

/* Appends the sealed blob to `out`: `plain.len` + SEAL_OVERHEAD_BYTES. RC_LIMIT over SEAL_PLAIN_BYTES_MAX. */
enum rc seal(const struct keyring *keyring, struct slice place, struct slice plain, struct buf *out,
	struct err *err) MUST_USE;
/* Appends the plain bytes to `out`, or nothing. RC_CORRUPT: cut, changed, or of another place; RC_NOT_FOUND:
 * key unknown. */
enum rc unseal(const struct keyring *keyring, struct slice place, struct slice sealed,
	struct buf *out, struct err *err) MUST_USE;
/* The id of the key that a blob was sealed under; 0 where it is none. */
uint32_t seal_key_id(struct slice sealed);

#endif
