/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_TXN_H
#define POMONA_STORE_TXN_H

/*
 * A transaction is a connection in use: the writer's, or one of the readers'.
 * Threading: the thread that has it.
 */

#include <pthread.h>

#include "db.h"
#include "pomona/base/clock.h"
#include "pomona/pki/seal.h"
#include "pomona/store/enrollment.h"
#include "pomona/store/queue.h"
#include "pomona/store/store.h"

/* The keyring of the day: another takes its place while the store is open. Threading: any thread. */
struct keys {
	pthread_mutex_t mutex;
	struct keyring *now; /* held; NULL: nothing can be opened */
};
void keys_init(struct keys *keys, struct keyring *keyring);
/* The caller's to free. */
struct keyring *keys_hold(struct keys *keys);
void keys_exchange(struct keys *keys, struct keyring *keyring);
void keys_fini(struct keys *keys);

struct txn {
	struct db db;
	struct keys *keys;   /* borrowed */
	struct store *store; /* NULL: there is none behind it */
	const struct clock *clock;
	bool is_writer;
	int64_t now;
	int64_t slice_ends_us;
	/* What the running job changed in the totals of finished rows, by state; open states stay 0. */
	int64_t finished[QUEUE_STATE_END];
	struct staging {
		int64_t batch_id, command_id, priority, is_never_notnow, only_id;
	} staging; /* the batch that the running job adds to; batch_id 0: none */
	uint8_t lent[2 * ENROLLMENT_FACT_BYTES_MAX]; /* push_target_read()'s: texts until the next verb */
	struct txn *next_free;                       /* the pool's */
};

/* Adds to the totals in `counter`. */
enum rc totals_write(struct txn *txn, const int64_t finished[static QUEUE_STATE_END],
	struct err *err) MUST_USE;
/* Deletes what a crash left unpublished. */
enum rc staged_delete(struct txn *txn, struct err *err) MUST_USE;

/* Places that sealed blobs are bound to, "result/7/12". */
enum { PLACE_BYTES = 288 };
struct place {
	char text[PLACE_BYTES];
};
struct place place_of_message(int64_t enrollment_id, const char *message_type);
struct place place_of_command(int64_t command_id);
struct place place_of_result(int64_t enrollment_id, int64_t command_id);
struct place place_of_escrow(int64_t enrollment_id, int64_t kind, int64_t stored_at);
struct place place_of_vault(const char *name);
struct place place_of_push_cert(const char *topic);
/* `out` is initialised here and holds the blob. */
enum rc txn_seal(struct txn *txn, const struct place *place, struct slice plain, struct buf *out,
	struct err *err) MUST_USE;
/* Appends the plain bytes. RC_CORRUPT: they are lost; RC_IO: their key is missing. */
enum rc txn_unseal(struct txn *txn, const struct place *place, struct slice sealed, struct buf *out,
	struct err *err) MUST_USE;

/* Room for one more element of an array in the arena; NULL when memory is short. */
void *list_next(struct arena *arena, void **list, size_t *count, size_t element_bytes);
/* RC_INVALID outside 1..1000. */
enum rc limit_check(int limit, struct err *err) MUST_USE;
/* RC_LIMIT where `s` is longer than `max`. */
enum rc bytes_check(const char *what, struct slice s, size_t max, struct err *err) MUST_USE;

#endif
