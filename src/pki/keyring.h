/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_PKI_KEYRING_H
#define POMONA_PKI_KEYRING_H

/*
 * What a keyring is made of, for sealing alone.
 * Threading: any thread; immutable once loaded, but for the count of its holders.
 */

#include <stdatomic.h>

#include "pomona/pki/seal.h"

struct sealing_key {
	uint32_t id;
	uint8_t bytes[SEAL_KEY_BYTES];
};

struct keyring {
	atomic_uint holders;
	size_t count; /* 1 to SEAL_KEYS_MAX; the last one seals */
	struct sealing_key keys[SEAL_KEYS_MAX];
};

/* NULL: not in it. */
const struct sealing_key *keyring_find(const struct keyring *keyring, uint32_t key_id);

#endif
