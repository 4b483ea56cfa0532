/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "impl.h"
#include "pomona/base/log.h"
#include "sealed_table.h"

/*
 * A turn counts what is under each key, re-seals a table's older ones, and counts again, until nothing is left or
 * nothing moves any more. Blobs are opened and sealed on this thread, from a snapshot; the writer only exchanges
 * one for the other where the row still has the one that was read, in jobs of a slice. What was written meanwhile
 * is under the newest key by itself.
 */

enum {
	COUNT_ROWS = 4096,
	CHUNK_ROWS = 256,
	CHUNK_BYTES = 1048576, /* and one blob more */
	STUCK_LOGGED_MAX = 8,  /* in one turn */
	RETRY_MS = 5000,
	KEY_BYTES = 4,
};

struct exchange {
	int64_t row;
	uint8_t mark[SEAL_MARK_BYTES]; /* of the blob that was read */
	struct buf sealed;             /* what comes in its place */
};

struct turn {
	struct store *store;
	struct keyring *keyring; /* held */
	int64_t left[SEALED_TABLES_MAX];
	int64_t moved, stuck;
	/* A chunk of one table: */
	const struct sealed_table *table;
	struct exchange exchanges[CHUNK_ROWS];
	size_t count, written, next;
	size_t bytes;
};

static struct turn *turn_new(struct store *store)
{
	struct turn *turn = calloc(1, sizeof(*turn));

	if (turn == NULL)
		return NULL;
	turn->store = store;
	turn->keyring = keys_hold(&store->keys);
	return turn;
}

static void chunk_clear(struct turn *turn)
{
	for (size_t i = 0; i < turn->count; i++)
		buf_fini(&turn->exchanges[i].sealed);
	turn->count = 0;
	turn->written = 0;
	turn->bytes = 0;
}

static void turn_free(struct turn **turn)
{
	if (*turn == NULL)
		return;
	chunk_clear(*turn);
	keyring_free(&(*turn)->keyring);
	free(*turn);
	*turn = NULL;
}

/* The store stops, or another key has come: this turn is of no use any more. */
static bool is_over(struct store *store)
{
	struct resealer *resealer = &store->resealer;
	bool is;

	(void)pthread_mutex_lock(&resealer->mutex);
	is = resealer->is_stopping || resealer->is_wanted;
	(void)pthread_mutex_unlock(&resealer->mutex);
	return is;
}

/* Until then, or until something else is wanted of it. */
static void rest_us(struct resealer *resealer, int64_t us)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += us / 1000000;
	until.tv_nsec += us % 1000000 * 1000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	(void)pthread_mutex_lock(&resealer->mutex);
	while (!resealer->is_stopping && !resealer->is_wanted)
		if (pthread_cond_clockwait(&resealer->wake, &resealer->mutex, CLOCK_MONOTONIC, &until) != 0)
			break;
	(void)pthread_mutex_unlock(&resealer->mutex);
}

/* Half of the time is the daemon's alone. */
static void rest_as_long_as_since(struct store *store, int64_t began_us)
{
	rest_us(&store->resealer, clock_monotonic_us(clock_system()) - began_us);
}

static void set_state(struct store *store, enum store_keys_state state)
{
	struct resealer *resealer = &store->resealer;

	(void)pthread_mutex_lock(&resealer->mutex);
	if (!resealer->is_wanted) /* else it is that of the turn to come */
		resealer->status.state = state;
	if (state == STORE_KEYS_SETTLED)
		resealer->status.fault[0] = '\0';
	(void)pthread_mutex_unlock(&resealer->mutex);
}

/* --- counting */

static void count_some(struct store *store, uint32_t key_id, int64_t blobs, bool is_newest)
{
	struct store_keys_status *status = &store->resealer.status;
	size_t at = 0;

	(void)pthread_mutex_lock(&store->resealer.mutex);
	while (at < status->count && status->keys[at].id != key_id)
		at++;
	if (at == status->count && at < STORE_KEYS_SHOWN_MAX)
		status->keys[status->count++] = (struct store_key){.id = key_id};
	if (at < STORE_KEYS_SHOWN_MAX)
		status->keys[at].blobs += blobs;
	status->blobs += blobs;
	status->left += is_newest ? 0 : blobs;
	(void)pthread_mutex_unlock(&store->resealer.mutex);
}

static void forget_counts(struct store *store)
{
	struct store_keys_status *status = &store->resealer.status;

	(void)pthread_mutex_lock(&store->resealer.mutex);
	status->count = 0;
	status->blobs = 0;
	status->left = 0;
	(void)pthread_mutex_unlock(&store->resealer.mutex);
}

static uint32_t key_id_of(struct slice key)
{
	if (key.len != KEY_BYTES)
		return 0;
	return (uint32_t)key.ptr[0] << 24 | (uint32_t)key.ptr[1] << 16 | (uint32_t)key.ptr[2] << 8 |
		key.ptr[3];
}

struct counting {
	int64_t after, rows, left;
};

static enum rc count_rows(struct turn *turn, struct txn *txn, const struct sealed_table *table,
	struct counting *counting, struct err *err)
{
	const uint32_t newest = keyring_sealing_id(turn->keyring);
	AUTO(query_end) struct query query = {0};
	bool is_row = true;
	enum rc rc = QUERY(&query, txn, err, table->count_sql, V_INT(counting->after), V_INT(COUNT_ROWS));

	counting->rows = 0;
	while (rc == RC_OK && (rc = query_next(&query, &is_row, err)) == RC_OK && is_row) {
		const uint32_t key_id = key_id_of(query_bytes(&query, 1));
		const int64_t blobs = query_int(&query, 2);

		if (query_int(&query, 0) > counting->after)
			counting->after = query_int(&query, 0);
		counting->rows += blobs;
		counting->left += key_id == newest ? 0 : blobs;
		count_some(turn->store, key_id, blobs, key_id == newest);
	}
	return rc;
}

static enum rc count_table(struct turn *turn, const struct sealed_table *table, int64_t *left_r,
	struct err *err)
{
	struct counting counting = {.rows = COUNT_ROWS};
	enum rc rc = RC_OK;

	while (rc == RC_OK && counting.rows == COUNT_ROWS && !is_over(turn->store)) {
		const int64_t began_us = clock_monotonic_us(clock_system());
		struct txn *txn = NULL;

		rc = store_read_begin(turn->store, &txn, err);
		if (rc == RC_OK)
			rc = count_rows(turn, txn, table, &counting, err);
		store_read_end(turn->store, &txn);
		if (counting.rows == COUNT_ROWS)
			rest_as_long_as_since(turn->store, began_us);
	}
	*left_r = counting.left;
	return rc;
}

static enum rc count_all(struct turn *turn, struct err *err)
{
	size_t count;
	const struct sealed_table *tables = sealed_tables(&count);
	enum rc rc = RC_OK;

	set_state(turn->store, STORE_KEYS_COUNTING);
	forget_counts(turn->store);
	for (size_t i = 0; rc == RC_OK && i < count; i++)
		rc = count_table(turn, &tables[i], &turn->left[i], err);
	return rc;
}

/* --- re-sealing */

static enum rc tell_stuck(struct turn *turn, const struct place *place, enum rc rc,
	const struct err *fault, struct err *err)
{
	if (rc != RC_CORRUPT && rc != RC_NOT_FOUND)
		return err_set(err, rc, "%s: %s", place->text, fault->text);
	if (turn->stuck++ < STUCK_LOGGED_MAX)
		log_warning("blob_not_resealed", LOG_STR("place", place->text), LOG_STR("error", fault->text));
	return RC_OK;
}

static enum rc reseal_blob(struct turn *turn, const struct place *place, struct slice blob,
	struct buf *out, struct err *err)
{
	AUTO(buf_fini_secret) struct buf plain = {0};
	enum rc rc;

	buf_init(&plain, blob.len);
	if (buf_reserve(&plain, blob.len) == NULL) /* a secret is not moved in memory */
		return err_set(err, RC_NO_MEMORY, "re-sealing");
	rc = unseal(turn->keyring, slice_of_str(place->text), blob, &plain, err);
	if (rc != RC_OK)
		return rc;
	buf_init(out, plain.len + SEAL_OVERHEAD_BYTES);
	return seal(turn->keyring, slice_of_str(place->text), buf_slice(&plain), out, err);
}

static enum rc take_row(struct turn *turn, const struct query *row, struct err *err)
{
	const struct slice blob = query_bytes(row, 3);
	struct exchange *exchange = &turn->exchanges[turn->count];
	struct err fault = {.rc = RC_OK};
	struct place place;
	enum rc rc;

	if (blob.len == 0 || seal_key_id(blob) == keyring_sealing_id(turn->keyring))
		return RC_OK;
	place = turn->table->place(row);
	*exchange = (struct exchange){.row = query_int(row, 2)};
	rc = reseal_blob(turn, &place, blob, &exchange->sealed, &fault);
	if (rc != RC_OK) {
		buf_fini(&exchange->sealed);
		return tell_stuck(turn, &place, rc, &fault, err);
	}
	memcpy(exchange->mark, blob.ptr, SEAL_MARK_BYTES);
	turn->bytes += blob.len;
	turn->count++;
	return RC_OK;
}

struct cursor {
	int64_t first, second;
	bool is_end;
};

static enum rc read_chunk(struct turn *turn, struct txn *txn, struct cursor *cursor,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	int rows = 0;
	bool is_row = true;
	enum rc rc = QUERY(&query, txn, err, turn->table->walk_sql, V_INT(cursor->first),
		V_INT(cursor->second), V_INT(CHUNK_ROWS));

	while (rc == RC_OK && turn->bytes < CHUNK_BYTES &&
		(rc = query_next(&query, &is_row, err)) == RC_OK && is_row) {
		cursor->first = query_int(&query, 0);
		cursor->second = query_int(&query, 1);
		rows++;
		rc = take_row(turn, &query, err);
	}
	cursor->is_end = !is_row && rows < CHUNK_ROWS;
	return rc;
}

/* As many as the slice allows. Where the job fails, it has done nothing. */
static enum rc write_chunk(void *ctx, struct txn *txn, struct err *err)
{
	struct turn *turn = ctx;
	enum rc rc = RC_OK;

	turn->next = turn->written;
	do {
		const struct exchange *exchange = &turn->exchanges[turn->next++];

		rc = DO(txn, err, turn->table->put_sql, V_INT(exchange->row),
			V_BLOB(buf_slice(&exchange->sealed)), V_BLOB(slice_of(exchange->mark, sizeof(exchange->mark))));
	} while (rc == RC_OK && turn->next < turn->count && !txn_is_slice_over(txn));
	return rc;
}

static void note_written(struct turn *turn, size_t to)
{
	for (; turn->written < to; turn->written++) {
		const uint8_t *mark = turn->exchanges[turn->written].mark;

		turn->moved++;
		count_some(turn->store, key_id_of(slice_of(mark + 1, KEY_BYTES)), -1, false);
		count_some(turn->store, keyring_sealing_id(turn->keyring), 1, true);
	}
}

/* Where too much waits for the writer, devices come first. */
static enum rc run_patiently(struct turn *turn,
	enum rc (*fn)(void *ctx, struct txn *txn, struct err *err), struct err *err)
{
	enum { BUSY_US = 100000 };
	enum rc rc = store_run(turn->store, fn, turn, err);

	while (rc == RC_BUSY && !is_over(turn->store)) {
		rest_us(&turn->store->resealer, BUSY_US);
		rc = store_run(turn->store, fn, turn, err);
	}
	return rc;
}

static enum rc write_all(struct turn *turn, struct err *err)
{
	enum rc rc = RC_OK;

	while (rc == RC_OK && turn->written < turn->count && !is_over(turn->store)) {
		const int64_t began_us = clock_monotonic_us(clock_system());

		rc = run_patiently(turn, write_chunk, err);
		if (rc == RC_OK) {
			note_written(turn, turn->next);
			rest_as_long_as_since(turn->store, began_us);
		}
	}
	return rc;
}

static enum rc reseal_table(struct turn *turn, const struct sealed_table *table, struct err *err)
{
	struct cursor cursor = {0};
	enum rc rc = RC_OK;

	turn->table = table;
	while (rc == RC_OK && !cursor.is_end && !is_over(turn->store)) {
		struct txn *txn = NULL;

		rc = store_read_begin(turn->store, &txn, err);
		if (rc == RC_OK)
			rc = read_chunk(turn, txn, &cursor, err);
		store_read_end(turn->store, &txn);
		if (rc == RC_OK)
			rc = write_all(turn, err);
		chunk_clear(turn);
	}
	return rc;
}

/* Those before the last table; the last alone where nothing else moves any more. */
static enum rc reseal_all(struct turn *turn, bool is_last, struct err *err)
{
	size_t count;
	const struct sealed_table *tables = sealed_tables(&count);
	enum rc rc = RC_OK;

	set_state(turn->store, STORE_KEYS_RESEALING);
	turn->moved = 0;
	for (size_t i = is_last ? count - 1 : 0; rc == RC_OK && i < count - (is_last ? 0 : 1); i++)
		if (turn->left[i] > 0)
			rc = reseal_table(turn, &tables[i], err);
	return rc;
}

static int64_t left_before_last(const struct turn *turn, int64_t *last_r)
{
	size_t count;
	int64_t left = 0;

	(void)sealed_tables(&count);
	for (size_t i = 0; i < count - 1; i++)
		left += turn->left[i];
	*last_r = turn->left[count - 1];
	return left;
}

static void tell_settled(struct turn *turn, int64_t moved, int64_t left)
{
	char id[16];

	(void)snprintf(id, sizeof(id), "%08x", (unsigned)keyring_sealing_id(turn->keyring));
	set_state(turn->store, STORE_KEYS_SETTLED);
	if (moved > 0)
		log_info("blobs_resealed", LOG_STR("key", id), LOG_INT("count", moved));
	if (left > 0)
		log_warning("blobs_not_resealed", LOG_STR("key", id), LOG_INT("count", left),
			LOG_STR("advice", "see `pomonactl key status`; the keys that they are under stay needed"));
}

/* What was sealed in the batch in which the keyring was exchanged is committed after this. */
static enum rc nothing(void *ctx, struct txn *txn, struct err *err)
{
	(void)ctx;
	(void)txn;
	(void)err;
	return RC_OK;
}

static enum rc run_turn(struct turn *turn, struct err *err)
{
	bool is_moving = true;
	bool is_last_tried = false;
	int64_t moved = 0;
	enum rc rc = run_patiently(turn, nothing, err);

	while (rc == RC_OK && !is_over(turn->store)) {
		int64_t last;
		int64_t left;

		rc = count_all(turn, err);
		if (rc != RC_OK || is_over(turn->store))
			return rc;
		left = left_before_last(turn, &last);
		if (left + last == 0 || is_last_tried) {
			tell_settled(turn, moved, left + last);
			return RC_OK;
		}
		is_last_tried = left == 0 || !is_moving;
		rc = reseal_all(turn, is_last_tried, err);
		is_moving = turn->moved > 0;
		moved += turn->moved;
	}
	return rc;
}

enum rc resealer_turn(struct store *store, struct err *err)
{
	AUTO(turn_free) struct turn *turn = turn_new(store);

	if (turn == NULL)
		return err_set(err, RC_NO_MEMORY, "re-sealing");
	return run_turn(turn, err);
}

/* --- the thread */

static void halt(struct store *store, const struct err *err)
{
	struct resealer *resealer = &store->resealer;
	bool is_new;

	(void)pthread_mutex_lock(&resealer->mutex);
	is_new = strcmp(resealer->status.fault, err->text) != 0 && !resealer->is_stopping;
	(void)snprintf(resealer->status.fault, sizeof(resealer->status.fault), "%s", err->text);
	if (!resealer->is_wanted)
		resealer->status.state = STORE_KEYS_HALTED;
	(void)pthread_mutex_unlock(&resealer->mutex);
	if (is_new)
		log_error("resealing_halted", LOG_STR("error", err->text),
			LOG_STR("advice", "nothing is lost: it goes on by itself when the cause is gone"));
	rest_us(resealer, (int64_t)RETRY_MS * 1000);
}

/* False: the store stops. */
static bool wait_until_wanted(struct resealer *resealer)
{
	bool is_stopping;

	(void)pthread_mutex_lock(&resealer->mutex);
	while (!resealer->is_wanted && !resealer->is_stopping)
		(void)pthread_cond_wait(&resealer->wake, &resealer->mutex);
	resealer->is_wanted = false;
	is_stopping = resealer->is_stopping;
	(void)pthread_mutex_unlock(&resealer->mutex);
	return !is_stopping;
}

static void *resealer_main(void *ctx)
{
	struct store *store = ctx;

	while (wait_until_wanted(&store->resealer)) {
		struct err err = {.rc = RC_OK};

		while (!is_over(store) && resealer_turn(store, &err) != RC_OK)
			halt(store, &err);
	}
	return NULL;
}

void resealer_init(struct resealer *resealer)
{
	(void)pthread_mutex_init(&resealer->mutex, NULL);
	(void)pthread_cond_init(&resealer->wake, NULL);
}

enum rc resealer_start(struct store *store, struct err *err)
{
	struct resealer *resealer = &store->resealer;
	AUTO(keyring_free) struct keyring *keyring = keys_hold(&store->keys);
	enum rc rc;

	if (keyring_count(keyring) > 1)
		store_keys_count(store);
	rc = thread_start(&resealer->thread, "store-reseal", resealer_main, store, err);
	resealer->is_running = rc == RC_OK;
	return rc;
}

void resealer_end(struct store *store)
{
	struct resealer *resealer = &store->resealer;

	(void)pthread_mutex_lock(&resealer->mutex);
	resealer->is_stopping = true;
	(void)pthread_cond_signal(&resealer->wake);
	(void)pthread_mutex_unlock(&resealer->mutex);
}

void resealer_join(struct store *store)
{
	if (store->resealer.is_running)
		(void)pthread_join(store->resealer.thread, NULL);
	store->resealer.is_running = false;
}

void resealer_fini(struct resealer *resealer)
{
	(void)pthread_cond_destroy(&resealer->wake);
	(void)pthread_mutex_destroy(&resealer->mutex);
}
