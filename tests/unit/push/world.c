/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pomona/base/log.h"
#include "pomona/store/identity.h"

static int64_t unix_ms(void *ctx)
{
	return atomic_load(&((struct world *)ctx)->unix_ms);
}

static int64_t monotonic_us(void *ctx)
{
	struct world *w = ctx;
	long long step_us = atomic_load(&w->step_us);

	if (step_us == 0)
		return atomic_load(&w->monotonic_us);
	return atomic_fetch_add(&w->monotonic_us, step_us) + step_us;
}

static void assert_ok(enum rc rc, const struct err *err)
{
	if (rc != RC_OK)
		fail_msg("%s: %s", rc_name(rc), err->text);
}

static void open_store(struct world *w)
{
	const struct store_params params = {
		.path = w->path,
		.keyring = w->keyring,
		.clock = &w->clock,
		.readers = 2,
		.is_create = true,
	};
	struct err err;

	assert_ok(store_open(&params, &w->store, &err), &err);
	assert_ok(store_start(w->store, &err), &err);
}

int world_setup(void **state)
{
	static const uint8_t key[SEAL_KEY_BYTES] = {1, 2, 3};
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->log_fd = open("/dev/null", O_WRONLY | O_CLOEXEC); /* failures are told to be */
	log_set_fd(w->log_fd);
	fake_reset();
	fake.is_auto = true;
	fake.answer = fake_taken;
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/pomona-push-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	(void)snprintf(w->path, sizeof(w->path), "%s/pomona.db", w->dir);
	w->clock = (struct clock){.unix_ms = unix_ms, .monotonic_us = monotonic_us, .ctx = w};
	atomic_store(&w->unix_ms, WORLD_T0 * 1000LL);
	atomic_store(&w->monotonic_us, 5000000);
	w->keyring = keyring_of_key(7, key);
	assert_non_null(w->keyring);
	open_store(w);
	w->params = (struct push_params){
		.store = w->store,
		.clock = &w->clock,
		.host = "localhost",
		.port = 443,
		.proxy = "",
		.connections_max = 1,
		.settings = {.retry_first_s = 60, .retry_max_s = 21600, .priority = 10},
	};
	w->seed = 42;
	*state = w;
	return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
	(void)status;
	(void)type;
	(void)at;
	return remove(path);
}

static enum rc nothing(void *ctx, struct txn *txn, struct err *err)
{
	(void)ctx;
	(void)txn;
	(void)err;
	return RC_OK;
}

void world_crash(struct world *w)
{
	if (w->push == NULL)
		return;
	while (outcomes_is_under_way(w->push->outcomes))
		world_write(w, nothing, NULL);
	push_free(&w->push);
	net_loop_free(&w->loop); /* with what was posted */
}

int world_teardown(void **state)
{
	struct world *w = *state;

	world_crash(w);
	store_stop(w->store);
	store_close(&w->store);
	keyring_free(&w->keyring);
	(void)nftw(w->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	log_set_fd(STDERR_FILENO);
	(void)close(w->log_fd);
	free(w);
	fake_reset();
	return 0;
}

void world_start(struct world *w)
{
	struct err err;

	world_crash(w);
	assert_ok(net_loop_new(&w->loop, &err), &err);
	w->params.loop = w->loop;
	assert_ok(push_new(&w->params, &w->push, &err), &err);
	w->push->jitter.state = w->seed++;
	assert_ok(push_start(w->push, &err), &err);
	world_settle(w);
}

static void *run_loop(void *ctx)
{
	net_loop_run(ctx);
	return NULL;
}

void world_stop(struct world *w)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, run_loop, w->loop), 0);
	push_stop(w->push);
	net_loop_stop(w->loop);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* What was posted runs, timers that are due too. */
static void run_once(struct world *w)
{
	net_loop_stop(w->loop);
	net_loop_run(w->loop);
}

void world_settle(struct world *w)
{
	bool is_quiet = false;

	for (int i = 0; !is_quiet; i++) {
		size_t answered = 0;

		assert_true(i < 100000);
		run_once(w);
		if (w->push->is_started)
			schedule_turn(w->push);
		if (fake.is_auto)
			answered = fake_answer_all(&fake.answer);
		while (outcomes_is_under_way(w->push->outcomes))
			world_write(w, nothing, NULL); /* the writer catches up */
		run_once(w);
		is_quiet = answered == 0 && !schedule_is_busy(w->push);
	}
}

static void move_clock(struct world *w, int64_t us)
{
	long long now_us = atomic_fetch_add(&w->monotonic_us, us);

	atomic_fetch_add(&w->unix_ms, (now_us + us) / 1000 - now_us / 1000);
}

void world_idle_s(struct world *w, int64_t seconds)
{
	move_clock(w, seconds * 1000000);
}

void world_pass_us(struct world *w, int64_t us)
{
	move_clock(w, us);
	world_settle(w);
}

void world_pass_s(struct world *w, int64_t seconds)
{
	world_pass_us(w, seconds * 1000000);
}

void world_write(struct world *w, enum rc (*fn)(void *ctx, struct txn *txn, struct err *err),
	void *ctx)
{
	struct err err;

	assert_ok(store_run(w->store, fn, ctx, &err), &err);
}

/* --- devices */

struct enrolling {
	const char *topic;
	size_t count;
	int64_t first_id;
};

static enum rc set_token(struct txn *txn, int64_t id, const char *topic, uint8_t mark,
	struct err *err)
{
	const uint8_t token[32] = {mark, (uint8_t)id, (uint8_t)(id >> 8), (uint8_t)(id >> 16)};
	char magic[32];
	struct token_facts facts = {
		.topic = slice_of_str(topic),
		.token = slice_of(token, sizeof(token)),
	};

	(void)snprintf(magic, sizeof(magic), "magic-%lld", (long long)id);
	facts.push_magic = slice_of_str(magic);
	return enrollment_set_token(txn, id, &facts, S("raw token update"), err);
}

static enum rc enroll_one(struct txn *txn, const struct enrolling *enrolling, int64_t *id_r,
	struct err *err)
{
	static const uint8_t anchors[SHA256_BYTES];
	static uint64_t serial;
	const struct device_facts facts = {.topic = slice_of_str(enrolling->topic)};
	struct cert_facts cert = {
		.subject = "CN=device",
		.issuer = "CN=ca",
		.serial = "0a",
		.not_after = WORLD_T0 * 2LL,
	};
	char udid[40];
	int64_t identity = 0;
	enum rc rc;

	serial++;
	memcpy(cert.sha256, &serial, sizeof(serial));
	memcpy(cert.tbs_sha256, &serial, sizeof(serial));
	(void)snprintf(udid, sizeof(udid), "UDID-%llu", (unsigned long long)serial);
	rc = enrollment_add_device(txn, ENROLLMENT_DEVICE, slice_of_str(udid), id_r, err);
	if (rc == RC_OK)
		rc = identity_record(txn, &cert, anchors, &identity, err);
	if (rc == RC_OK)
		rc = identity_set_owner(txn, identity, *id_r, err);
	if (rc == RC_OK)
		rc = enrollment_set_pending(txn, *id_r, identity, &facts, S("raw authenticate"), err);
	if (rc == RC_OK)
		rc = enrollment_promote(txn, *id_r, err);
	return rc == RC_OK ? set_token(txn, *id_r, enrolling->topic, 1, err) : rc;
}

static enum rc enroll(void *ctx, struct txn *txn, struct err *err)
{
	struct enrolling *enrolling = ctx;
	enum rc rc = RC_OK;
	int64_t id = 0;

	for (size_t i = 0; rc == RC_OK && i < enrolling->count; i++) {
		rc = enroll_one(txn, enrolling, &id, err);
		if (i == 0)
			enrolling->first_id = id;
	}
	if (rc == RC_OK)
		assert_int_equal(id, enrolling->first_id + (int64_t)enrolling->count - 1);
	return rc;
}

int64_t world_enroll_many(struct world *w, size_t count, const char *topic)
{
	struct enrolling enrolling = {.topic = topic, .count = count};

	world_write(w, enroll, &enrolling);
	return enrolling.first_id;
}

int64_t world_enroll(struct world *w, const char *topic)
{
	return world_enroll_many(w, 1, topic);
}

struct retoken {
	int64_t id;
	uint8_t mark;
};

static enum rc retoken(void *ctx, struct txn *txn, struct err *err)
{
	const struct retoken *order = ctx;

	return set_token(txn, order->id, WORLD_TOPIC, order->mark, err);
}

void world_set_token(struct world *w, int64_t id, uint8_t mark)
{
	world_write(w, retoken, &(struct retoken){id, mark});
}

/* --- work */

struct sending {
	int64_t name, first, not_after, seq;
	size_t count;
	int priority;
};

static enum rc add_all(struct txn *txn, const struct sending *sending, int64_t batch_id,
	struct err *err)
{
	enum rc rc = RC_OK;
	bool was_queued;

	for (size_t i = 0; rc == RC_OK && i < sending->count; i++)
		rc = batch_add(txn, batch_id, sending->first + (int64_t)i, &was_queued, err);
	return rc;
}

static enum rc send(void *ctx, struct txn *txn, struct err *err)
{
	struct sending *sending = ctx;
	char uuid[40];
	struct command_row row = {
		.request_type = S("DeviceInformation"),
		.priority = sending->priority,
	};
	int64_t command_id = 0;
	int64_t batch_id = 0;
	enum rc rc;

	(void)snprintf(uuid, sizeof(uuid), "command-%lld", (long long)sending->name);
	row.uuid = slice_of_str(uuid);
	row.body = slice_of_str(uuid);
	rc = command_put(txn, &row, &command_id, err);
	if (rc == RC_OK)
		rc = batch_begin(txn, command_id, sending->not_after, &batch_id, err);
	if (rc == RC_OK)
		rc = add_all(txn, sending, batch_id, err);
	if (rc == RC_OK)
		rc = batch_publish(txn, batch_id, err);
	return rc == RC_OK ? queue_last_seq(txn, &sending->seq, err) : rc;
}

int64_t world_send(struct world *w, int64_t first, size_t count, int priority, int64_t not_after)
{
	struct sending sending = {
		.name = ++w->last_command,
		.first = first,
		.count = count,
		.priority = priority,
		.not_after = not_after,
	};

	world_write(w, send, &sending);
	return sending.seq;
}

int64_t world_wake(struct world *w, int64_t id)
{
	int64_t seq = world_send(w, id, 1, COMMAND_PRIORITY_NORMAL, 0);

	push_poke(w->push);
	return seq;
}

struct seeing {
	int64_t id, at;
};

static enum rc see(void *ctx, struct txn *txn, struct err *err)
{
	const struct seeing *seeing = ctx;
	bool was_inactive;

	return enrollment_seen(txn, seeing->id, seeing->at, &was_inactive, err);
}

void world_see(struct world *w, int64_t id)
{
	world_write(w, see, &(struct seeing){id, clock_unix_s(&w->clock)});
}

static enum rc finish(void *ctx, struct txn *txn, struct err *err)
{
	const int64_t *id = ctx;
	const struct queue_answer answer = {
		.state = QUEUE_DONE,
		.status = S("Acknowledged"),
		.raw = S("raw result"),
	};
	struct queue_item item;
	enum rc rc;

	while ((rc = queue_first(txn, *id, false, &item, err)) == RC_OK) {
		rc = queue_finish(txn, &item, &answer, err);
		if (rc != RC_OK)
			return rc;
	}
	return rc == RC_NOT_FOUND ? RC_OK : rc;
}

void world_finish(struct world *w, int64_t id)
{
	world_write(w, finish, &id);
}

struct range {
	int64_t first;
	size_t count;
};

static enum rc cancel(void *ctx, struct txn *txn, struct err *err)
{
	const struct range *range = ctx;
	enum rc rc = RC_OK;
	int64_t count;

	for (size_t i = 0; rc == RC_OK && i < range->count; i++)
		rc = queue_cancel_all(txn, range->first + (int64_t)i, "test", &count, err);
	return rc;
}

void world_cancel(struct world *w, int64_t first, size_t count)
{
	world_write(w, cancel, &(struct range){first, count});
}

struct push_target world_target(struct world *w, int64_t id)
{
	struct push_target target;
	struct txn *txn = NULL;
	struct err err;

	assert_ok(store_read_begin(w->store, &txn, &err), &err);
	assert_ok(push_target_read(txn, id, &target, &err), &err);
	store_read_end(w->store, &txn);
	return target;
}

void world_contact(struct world *w, int64_t id, enum push_contact_kind kind, int64_t seen_seq)
{
	push_contact(w->push,
		&(struct push_contact){.enrollment_id = id, .kind = kind, .seen_seq = seen_seq});
}

struct push_stats world_stats(struct world *w)
{
	static struct push_stats stats;

	schedule_stats(w->push);
	push_stats(w->push, &stats);
	return stats;
}
