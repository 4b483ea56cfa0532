/* SPDX-License-Identifier: Apache-2.0 */
#include "pomona/store/keys.h"

#include "impl.h"
#include "pomona/store/escrow.h"

static const char *const state_names[STORE_KEYS_STATES] = {
	[STORE_KEYS_UNCOUNTED] = "uncounted",
	[STORE_KEYS_COUNTING] = "counting",
	[STORE_KEYS_RESEALING] = "resealing",
	[STORE_KEYS_SETTLED] = "settled",
	[STORE_KEYS_HALTED] = "halted",
};

const char *store_keys_state_name(enum store_keys_state state)
{
	return (unsigned)state < STORE_KEYS_STATES ? state_names[state] : "unknown";
}

void store_keys_status(struct store *store, struct store_keys_status *status_r)
{
	AUTO(keyring_free) struct keyring *keyring = keys_hold(&store->keys);
	struct store_keys_status seen;
	size_t count = keyring_count(keyring);

	(void)pthread_mutex_lock(&store->resealer.mutex);
	seen = store->resealer.status;
	(void)pthread_mutex_unlock(&store->resealer.mutex);
	*status_r = seen;
	for (size_t i = 0; i < count; i++)
		status_r->keys[i] = (struct store_key){.id = keyring_id(keyring, i), .is_there = true};
	for (size_t i = 0; i < seen.count; i++) {
		size_t at = 0;

		while (at < count && status_r->keys[at].id != seen.keys[i].id)
			at++;
		if (at == count && (seen.keys[i].blobs == 0 || count == STORE_KEYS_SHOWN_MAX))
			continue;
		if (at == count)
			status_r->keys[count++] = (struct store_key){.id = seen.keys[i].id};
		status_r->keys[at].blobs = seen.keys[i].blobs;
	}
	status_r->count = count;
}

static void want(struct resealer *resealer)
{
	(void)pthread_mutex_lock(&resealer->mutex);
	resealer->is_wanted = true;
	resealer->status.state = STORE_KEYS_COUNTING;
	(void)pthread_cond_signal(&resealer->wake);
	(void)pthread_mutex_unlock(&resealer->mutex);
}

void store_keys_count(struct store *store)
{
	want(&store->resealer);
}

bool store_keys_is_needed(struct store *store, uint32_t key_id)
{
	AUTO(keyring_free) struct keyring *keyring = keys_hold(&store->keys);
	struct store_keys_status status;

	store_keys_status(store, &status);
	if (status.state != STORE_KEYS_SETTLED || key_id == keyring_sealing_id(keyring))
		return true;
	for (size_t i = 0; i < status.count; i++)
		if (status.keys[i].id == key_id)
			return status.keys[i].blobs > 0;
	return false;
}

/* Every key of the present keyring that blobs may be under must be in the one to come. */
enum rc store_keys_may_take(struct store *store, struct keyring *keyring, struct err *err)
{
	AUTO(keyring_free) struct keyring *present = keys_hold(&store->keys);

	for (size_t i = 0; i < keyring_count(present); i++) {
		const uint32_t id = keyring_id(present, i);

		if (!keyring_has(keyring, id) && store_keys_is_needed(store, id))
			return err_set(err, RC_INVALID, "it lacks the key %08x, which blobs may be sealed under",
				(unsigned)id);
		if (keyring_has(keyring, id) && !keyring_shares(keyring, present, id))
			return err_set(err, RC_INVALID, "its key %08x is another one than before", (unsigned)id);
	}
	return RC_OK;
}

enum rc store_keys_take(struct txn *txn, struct keyring *keyring, struct err *err)
{
	AUTO(keyring_free) struct keyring *present = keys_hold(txn->keys);
	bool is_counting =
		keyring_count(keyring) > 1 || keyring_sealing_id(present) != keyring_sealing_id(keyring);
	enum rc rc;

	if (!txn->is_writer || txn->store == NULL)
		return err_set(err, RC_INTERNAL, "keys: not in a job of the writer");
	if (keyring_is_same(present, keyring))
		return RC_OK;
	rc = store_keys_may_take(txn->store, keyring, err);
	if (rc != RC_OK)
		return rc;
	keys_exchange(txn->keys, keyring);
	if (is_counting)
		want(&txn->store->resealer);
	return RC_OK;
}

/* --- whose it is */

static enum rc read_sealed(struct txn *txn, const char *name, struct buf *sealed, struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = QUERY(&query, txn, err, "SELECT sealed FROM vault WHERE name = ?1", V_STR(name));

	if (rc == RC_OK)
		rc = query_row(&query, "device CA", err);
	if (rc != RC_OK)
		return rc;
	buf_append(sealed, query_bytes(&query, 0));
	return buf_status(sealed, "device CA", err);
}

/* RC_OK, RC_NOT_FOUND: no such key, RC_CORRUPT: another key of that name, or the blob is damaged. */
static enum rc try_one(struct txn *txn, const char *name, uint32_t *key_id_r, struct err *err)
{
	AUTO(keyring_free) struct keyring *keyring = keys_hold(txn->keys);
	AUTO(buf_fini_secret) struct buf plain = {0};
	AUTO(buf_fini) struct buf sealed = {0};
	struct place place = place_of_vault(name);
	enum rc rc;

	buf_init(&sealed, ESCROW_BYTES_MAX + SEAL_OVERHEAD_BYTES);
	buf_init(&plain, ESCROW_BYTES_MAX);
	*key_id_r = 0;
	rc = read_sealed(txn, name, &sealed, err);
	if (rc == RC_NOT_FOUND)
		return err_set(err, RC_INTERNAL, "no such secret"); /* told apart from a key that is missing */
	if (rc != RC_OK)
		return rc;
	if (buf_reserve(&plain, ESCROW_BYTES_MAX) == NULL)
		return err_set(err, RC_NO_MEMORY, "device CA");
	*key_id_r = seal_key_id(buf_slice(&sealed));
	return unseal(keyring, slice_of_str(place.text), buf_slice(&sealed), &plain, err);
}

static enum rc tell_wrong_key(struct txn *txn, uint32_t key_id, bool is_there, struct err *err)
{
	AUTO(keyring_free) struct keyring *keyring = keys_hold(txn->keys);
	AUTO(buf_fini) struct buf ids = {0};

	buf_init(&ids, (size_t)16 * SEAL_KEYS_MAX);
	keyring_name_ids(keyring, &ids);
	if (is_there)
		return err_set(err, RC_INVALID,
			"its key %08x is not the one of that name that this database is sealed under", (unsigned)key_id);
	return err_set(err, RC_INVALID,
		"holds the key %.*s, but this database is sealed under the key %08x", SLICE_FMT(buf_slice(&ids)),
		(unsigned)key_id);
}

enum rc store_keys_check(struct txn *txn, struct err *err)
{
	uint32_t key_id;
	uint32_t cert_key_id;
	enum rc rc = try_one(txn, "device_ca.key", &key_id, err);

	if (rc == RC_OK)
		return RC_OK;
	if (rc == RC_INTERNAL)
		return err_set(err, RC_NOT_FOUND, "there is no device CA in the database");
	if (rc == RC_NOT_FOUND)
		return tell_wrong_key(txn, key_id, false, err);
	if (rc != RC_CORRUPT)
		return rc;
	/* Where another blob of the same start of life opens, the key is right and this one is damaged. */
	if (try_one(txn, "device_ca.cert", &cert_key_id, NULL) != RC_OK)
		return tell_wrong_key(txn, key_id, true, err);
	return err_set(err, RC_CORRUPT,
		"the device CA's key is damaged: restore the database from a backup");
}
