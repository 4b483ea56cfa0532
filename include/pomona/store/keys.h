/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_KEYS_H
#define POMONA_STORE_KEYS_H

/*
 * Which keys the sealed blobs of the database are under, and bringing all of them under the newest one while it
 * serves. How far that has come is not noted anywhere: each blob names its key, and they are counted. The device
 * CA's key goes last, so that who takes an older key away too early is told so at the next start.
 * Threading: any thread, where nothing else is said.
 */

#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/err.h"
#include "pomona/pki/seal.h"
#include "pomona/store/store.h"

enum { STORE_KEYS_SHOWN_MAX = 2 * SEAL_KEYS_MAX };

enum store_keys_state {
	STORE_KEYS_UNCOUNTED, /* one key, and nobody has asked */
	STORE_KEYS_COUNTING,
	STORE_KEYS_RESEALING,
	STORE_KEYS_SETTLED, /* counted; `left` ones cannot be brought under the newest key */
	STORE_KEYS_HALTED,  /* `fault`; tried again within a minute */
	STORE_KEYS_STATES
};
/* "uncounted", ...; a stable word. */
const char *store_keys_state_name(enum store_keys_state state);

struct store_key {
	uint32_t id;
	bool is_there; /* in the keyring */
	int64_t blobs; /* as far as they have been counted */
};
struct store_keys_status {
	enum store_keys_state state;
	size_t count;
	struct store_key keys[STORE_KEYS_SHOWN_MAX]; /* those of the keyring first, in its order */
	int64_t blobs, left; /* counted; of these under another key than the newest, or under none */
	char fault[ERR_TEXT_BYTES];
};
void store_keys_status(struct store *store, struct store_keys_status *status_r);
/* Counts anew, and re-seals what is under another key than the newest. Returns at once. */
void store_keys_count(struct store *store);

/*
 * From here on seals with the last key of `keyring`, in this very transaction, and re-seals the rest in the
 * background. The keyring must be on the disk. RC_INVALID: it lacks a key that blobs may be under, or has it with
 * other bytes; then nothing changes. In a job of the writer. Holds `keyring`.
 */
enum rc store_keys_take(struct txn *txn, struct keyring *keyring, struct err *err) MUST_USE;
/* What store_keys_take() would say. */
enum rc store_keys_may_take(struct store *store, struct keyring *keyring, struct err *err) MUST_USE;
/* May a blob be under this key? Only a count that found none says no. The newest is needed always. */
bool store_keys_is_needed(struct store *store, uint32_t key_id);

/*
 * Is the keyring this database's? RC_INVALID names the keys of both; RC_CORRUPT: the database is damaged;
 * RC_NOT_FOUND: there is no device CA in it.
 */
enum rc store_keys_check(struct txn *txn, struct err *err) MUST_USE;

#endif
