/* SPDX-License-Identifier: Apache-2.0 */
#include "txn.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct place place_of(const char *format, ...) PRINTF_LIKE(1, 2);

static struct place place_of(const char *format, ...)
{
	struct place place;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(place.text, sizeof(place.text), format, args);
	va_end(args);
	return place;
}

struct place place_of_message(int64_t enrollment_id, const char *message_type)
{
	return place_of("checkin/%lld/%s", (long long)enrollment_id, message_type);
}

struct place place_of_command(int64_t command_id)
{
	return place_of("command/%lld", (long long)command_id);
}

struct place place_of_result(int64_t enrollment_id, int64_t command_id)
{
	return place_of("result/%lld/%lld", (long long)enrollment_id, (long long)command_id);
}

struct place place_of_escrow(int64_t enrollment_id, int64_t kind, int64_t stored_at)
{
	return place_of("escrow/%lld/%lld/%lld", (long long)enrollment_id, (long long)kind,
		(long long)stored_at);
}

struct place place_of_vault(const char *name)
{
	return place_of("vault/%s", name);
}

struct place place_of_push_cert(const char *topic)
{
	return place_of("push_cert/%s", topic);
}

void keys_init(struct keys *keys, struct keyring *keyring)
{
	(void)pthread_mutex_init(&keys->mutex, NULL);
	keys->now = keyring == NULL ? NULL : keyring_ref(keyring);
}

struct keyring *keys_hold(struct keys *keys)
{
	struct keyring *held;

	(void)pthread_mutex_lock(&keys->mutex);
	held = keyring_ref(keys->now);
	(void)pthread_mutex_unlock(&keys->mutex);
	return held;
}

void keys_exchange(struct keys *keys, struct keyring *keyring)
{
	struct keyring *former;

	(void)pthread_mutex_lock(&keys->mutex);
	former = keys->now;
	keys->now = keyring_ref(keyring);
	(void)pthread_mutex_unlock(&keys->mutex);
	keyring_free(&former);
}

void keys_fini(struct keys *keys)
{
	keyring_free(&keys->now);
	(void)pthread_mutex_destroy(&keys->mutex);
}

enum rc txn_seal(struct txn *txn, const struct place *place, struct slice plain, struct buf *out,
	struct err *err)
{
	AUTO(keyring_free) struct keyring *keyring = keys_hold(txn->keys);

	buf_init(out, plain.len + SEAL_OVERHEAD_BYTES);
	return seal(keyring, slice_of_str(place->text), plain, out, err);
}

enum rc txn_unseal(struct txn *txn, const struct place *place, struct slice sealed, struct buf *out,
	struct err *err)
{
	/* After the blob was read: who sealed it had this keyring, or one before it. */
	AUTO(keyring_free) struct keyring *keyring = keys_hold(txn->keys);
	struct err fault = {.rc = RC_OK, .text = ""};
	enum rc rc = unseal(keyring, slice_of_str(place->text), sealed, out, &fault);

	if (rc == RC_NOT_FOUND) /* neither a missing row nor a lost one: the key may come back */
		return err_set(err, RC_IO, "%s: %s: put its line back into the key file", place->text,
			fault.text);
	return rc == RC_OK ? RC_OK : err_set(err, rc, "%s: %s", place->text, fault.text);
}

void *list_next(struct arena *arena, void **list, size_t *count, size_t element_bytes)
{
	enum { FIRST = 16 };
	bool is_full = *count >= FIRST ? (*count & (*count - 1)) == 0 : *count == 0;

	if (is_full) {
		void *grown = arena_alloc(arena, element_bytes * (*count == 0 ? FIRST : *count * 2));

		if (grown == NULL)
			return NULL;
		if (*count > 0)
			memcpy(grown, *list, element_bytes * *count);
		*list = grown;
	}
	return (char *)*list + element_bytes * (*count)++;
}

enum rc limit_check(int limit, struct err *err)
{
	enum { LIST_MAX = 1000 };

	if (limit < 1 || limit > LIST_MAX)
		return err_set(err, RC_INVALID, "limit: %d, want 1..%d", limit, LIST_MAX);
	return RC_OK;
}

enum rc bytes_check(const char *what, struct slice s, size_t max, struct err *err)
{
	if (s.len > max)
		return err_set(err, RC_LIMIT, "%s: %zu bytes, want at most %zu", what, s.len, max);
	return RC_OK;
}
