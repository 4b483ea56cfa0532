/* SPDX-License-Identifier: Apache-2.0 */
#include "presence.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "pomona/base/log.h"
#include "pomona/store/enrollment.h"

struct sighting {
	int64_t enrollment_id; /* 0: the place is free */
	int64_t seen_at;
};

/* A table with linear probing, at most three quarters full. */
struct shard {
	pthread_mutex_t lock;
	struct sighting *places;
	size_t place_count; /* a power of two, or 0 */
	size_t count;
};

/* Those that were inactive and came again: so many are named in the log in one flush, the others counted. */
enum { RETURNED_LINES_MAX = 20 };
struct returned {
	size_t count, told; /* in all; in commits that are durable */
	char ext_ids[RETURNED_LINES_MAX][ENROLLMENT_ID_BYTES_MAX + 1];
};

/* One flush: a copy of what was gathered when it began. */
struct flush {
	struct store_job job;
	struct store *store;
	struct presence *presence;
	struct sighting *sightings;
	size_t count;
	size_t done;      /* durable */
	size_t slice_end; /* where the slice that runs has come to */
	struct returned returned;
};

struct presence {
	struct shard shards[PRESENCE_SHARDS];
	atomic_bool is_flushing;
};

/* Ids count up: the multiplier (2^64 / golden ratio) spreads neighbours; its high bits are best. */
static uint64_t hash(int64_t enrollment_id)
{
	return ((uint64_t)enrollment_id * UINT64_C(0x9E3779B97F4A7C15)) >> 16;
}

static struct shard *shard_of(struct presence *presence, int64_t enrollment_id)
{
	return &presence->shards[hash(enrollment_id) % PRESENCE_SHARDS];
}

static size_t home_of(const struct shard *shard, int64_t enrollment_id)
{
	return (hash(enrollment_id) / PRESENCE_SHARDS) & (shard->place_count - 1);
}

/* The place of the id, or the free one where it would go. The table has a free place. */
static size_t find(const struct shard *shard, int64_t enrollment_id)
{
	size_t at = home_of(shard, enrollment_id);

	while (shard->places[at].enrollment_id != 0 && shard->places[at].enrollment_id != enrollment_id)
		at = (at + 1) & (shard->place_count - 1);
	return at;
}

struct presence *presence_new(void)
{
	struct presence *presence = calloc(1, sizeof(*presence));

	if (presence == NULL)
		return NULL;
	for (size_t i = 0; i < PRESENCE_SHARDS; i++)
		(void)pthread_mutex_init(&presence->shards[i].lock, NULL);
	return presence;
}

static bool grow(struct shard *shard)
{
	struct shard larger = {
		.place_count = shard->place_count == 0 ? PRESENCE_SHARD_ENTRIES_FIRST : shard->place_count * 2,
	};

	larger.places = calloc(larger.place_count, sizeof(larger.places[0]));
	if (larger.places == NULL)
		return false;
	for (size_t i = 0; i < shard->place_count; i++)
		if (shard->places[i].enrollment_id != 0)
			larger.places[find(&larger, shard->places[i].enrollment_id)] = shard->places[i];
	free(shard->places);
	shard->places = larger.places;
	shard->place_count = larger.place_count;
	return true;
}

static bool has_room(struct shard *shard)
{
	if (shard->count >= PRESENCE_SHARD_ENTRIES_MAX)
		return false;
	return (shard->count + 1) * 4 <= shard->place_count * 3 || grow(shard);
}

static bool note(struct shard *shard, int64_t enrollment_id, int64_t seen_at)
{
	struct sighting *place;

	if (shard->count > 0) {
		place = &shard->places[find(shard, enrollment_id)];
		if (place->enrollment_id == enrollment_id) {
			place->seen_at = seen_at; /* the clock may have been put back */
			return true;
		}
	}
	if (!has_room(shard))
		return false;
	shard->places[find(shard, enrollment_id)] = (struct sighting){enrollment_id, seen_at};
	shard->count++;
	return true;
}

bool presence_note(struct presence *presence, int64_t enrollment_id, int64_t seen_at)
{
	struct shard *shard = shard_of(presence, enrollment_id);
	bool is_kept;

	(void)pthread_mutex_lock(&shard->lock);
	is_kept = note(shard, enrollment_id, seen_at);
	(void)pthread_mutex_unlock(&shard->lock);
	return is_kept;
}

int64_t presence_seen_at(struct presence *presence, int64_t enrollment_id)
{
	struct shard *shard = shard_of(presence, enrollment_id);
	int64_t seen_at = 0;

	(void)pthread_mutex_lock(&shard->lock);
	if (shard->count > 0)
		seen_at = shard->places[find(shard, enrollment_id)].seen_at;
	(void)pthread_mutex_unlock(&shard->lock);
	return seen_at;
}

size_t presence_count(struct presence *presence)
{
	size_t count = 0;

	for (size_t i = 0; i < PRESENCE_SHARDS; i++) {
		(void)pthread_mutex_lock(&presence->shards[i].lock);
		count += presence->shards[i].count;
		(void)pthread_mutex_unlock(&presence->shards[i].lock);
	}
	return count;
}

/* Closes the gap at `at`: those that had to move past it when they came are moved back. */
static void remove_at(struct shard *shard, size_t at)
{
	size_t mask = shard->place_count - 1;

	for (size_t next = (at + 1) & mask; shard->places[next].enrollment_id != 0;
						next = (next + 1) & mask) {
		size_t home = home_of(shard, shard->places[next].enrollment_id);

		if (((next - home) & mask) < ((next - at) & mask))
			continue; /* its home lies behind the gap */
		shard->places[at] = shard->places[next];
		at = next;
	}
	shard->places[at] = (struct sighting){0};
	shard->count--;
}

/* Forgets what is durable now, unless a later sighting came meanwhile. */
static void forget(struct presence *presence, const struct sighting *written)
{
	struct shard *shard = shard_of(presence, written->enrollment_id);

	(void)pthread_mutex_lock(&shard->lock);
	if (shard->count > 0) {
		size_t at = find(shard, written->enrollment_id);

		if (shard->places[at].enrollment_id != 0 && shard->places[at].seen_at == written->seen_at)
			remove_at(shard, at);
	}
	(void)pthread_mutex_unlock(&shard->lock);
}

/* Room for `count`, and then some that may come before the copy is made. */
static bool copy_shards(struct presence *presence, struct flush *flush, size_t room)
{
	flush->sightings = calloc(room, sizeof(flush->sightings[0]));
	if (flush->sightings == NULL)
		return false;
	for (size_t i = 0; i < PRESENCE_SHARDS; i++) {
		struct shard *shard = &presence->shards[i];

		(void)pthread_mutex_lock(&shard->lock);
		for (size_t at = 0; at < shard->place_count && flush->count < room; at++)
			if (shard->places[at].enrollment_id != 0)
				flush->sightings[flush->count++] = shard->places[at];
		(void)pthread_mutex_unlock(&shard->lock);
	}
	return true;
}

static void flush_free(struct flush **flush)
{
	if (*flush == NULL)
		return;
	if ((*flush)->returned.told > RETURNED_LINES_MAX)
		log_info("enrollments_active", LOG_INT("count", (*flush)->returned.told),
			LOG_INT("not_logged", (*flush)->returned.told - RETURNED_LINES_MAX));
	free((*flush)->sightings);
	free(*flush);
	*flush = NULL;
}

/* NULL when memory is short. */
static struct flush *flush_new(struct presence *presence, struct store *store, size_t count)
{
	struct flush *flush = calloc(1, sizeof(*flush));

	if (flush == NULL)
		return NULL;
	flush->store = store;
	flush->presence = presence;
	if (!copy_shards(presence, flush, count))
		flush_free(&flush);
	return flush;
}

static enum rc no_copy(size_t count, struct err *err)
{
	return err_set(err, RC_NO_MEMORY, "last-seen times: a copy of %zu", count);
}

static enum rc note_returned(struct returned *returned, struct txn *txn, int64_t enrollment_id,
	struct err *err)
{
	struct enrollment enrollment;
	enum rc rc = RC_OK;

	if (returned->count < RETURNED_LINES_MAX) {
		rc = enrollment_by_id(txn, enrollment_id, &enrollment, err);
		if (rc == RC_OK)
			memcpy(returned->ext_ids[returned->count], enrollment.ext_id, sizeof(enrollment.ext_id));
	}
	returned->count++;
	return rc;
}

static enum rc write_sighting(struct flush *flush, struct txn *txn, const struct sighting *sighting,
	struct err *err)
{
	bool was_inactive = false;
	enum rc rc = enrollment_seen(txn, sighting->enrollment_id, sighting->seen_at, &was_inactive, err);

	if (rc != RC_OK || !was_inactive)
		return rc;
	return note_returned(&flush->returned, txn, sighting->enrollment_id, err);
}

/* An enrollment that was forgotten meanwhile is no fault. */
static enum rc flush_slice(void *ctx, struct txn *txn, struct err *err)
{
	struct flush *flush = ctx;

	flush->slice_end = flush->done;
	flush->returned.count = flush->returned.told;
	while (flush->slice_end < flush->count) {
		enum rc rc = write_sighting(flush, txn, &flush->sightings[flush->slice_end], err);

		if (rc != RC_OK && rc != RC_NOT_FOUND)
			return rc;
		flush->slice_end++;
		if (txn_is_slice_over(txn))
			break;
	}
	return RC_OK;
}

static void tell_returned(struct returned *returned)
{
	for (; returned->told < returned->count; returned->told++)
		if (returned->told < RETURNED_LINES_MAX)
			log_info("enrollment_active", LOG_STR("device", returned->ext_ids[returned->told]));
}

static void flush_slice_is_durable(struct flush *flush)
{
	for (; flush->done < flush->slice_end; flush->done++)
		forget(flush->presence, &flush->sightings[flush->done]);
	tell_returned(&flush->returned);
}

static enum rc flush_run(struct store_job *job, struct txn *txn, struct err *err)
{
	return flush_slice(job, txn, err); /* the job is the first member */
}
_Static_assert(offsetof(struct flush, job) == 0, "a job is its flush");

static void flush_end(struct flush *flush)
{
	atomic_store(&flush->presence->is_flushing, false);
	flush_free(&flush);
}

static void flush_done(struct store_job *job, enum rc rc, const struct err *err)
{
	struct flush *flush = (struct flush *)job;
	struct err submit_err = {0};

	if (rc == RC_OK) {
		flush_slice_is_durable(flush);
		if (flush->done < flush->count) {
			rc = store_submit(flush->store, &flush->job, &submit_err);
			if (rc == RC_OK)
				return;
			err = &submit_err;
		}
	}
	if (rc != RC_OK)
		log_warning("last_seen_not_written", LOG_STR("error", err->text),
			LOG_INT("left", flush->count - flush->done));
	flush_end(flush);
}

enum rc presence_flush(struct presence *presence, struct store *store, struct err *err)
{
	size_t count = presence_count(presence);
	struct flush *flush;
	enum rc rc;

	if (count == 0 || atomic_exchange(&presence->is_flushing, true))
		return RC_OK;
	flush = flush_new(presence, store, count);
	if (flush == NULL) {
		atomic_store(&presence->is_flushing, false);
		return no_copy(count, err);
	}
	flush->job.run = flush_run;
	flush->job.done = flush_done;
	rc = store_submit(store, &flush->job, err);
	if (rc != RC_OK)
		flush_end(flush);
	return rc;
}

enum rc presence_flush_wait(struct presence *presence, struct store *store, struct err *err)
{
	size_t count = presence_count(presence);
	struct flush *flush = count == 0 ? NULL : flush_new(presence, store, count);
	enum rc rc = RC_OK;

	if (flush == NULL)
		return count == 0 ? RC_OK : no_copy(count, err);
	while (rc == RC_OK && flush->done < flush->count) {
		rc = store_run(store, flush_slice, flush, err);
		if (rc == RC_OK)
			flush_slice_is_durable(flush);
	}
	flush_free(&flush);
	return rc;
}

void presence_free(struct presence **presence)
{
	if (*presence == NULL)
		return;
	for (size_t i = 0; i < PRESENCE_SHARDS; i++) {
		(void)pthread_mutex_destroy(&(*presence)->shards[i].lock);
		free((*presence)->shards[i].places);
	}
	free(*presence);
	*presence = NULL;
}
