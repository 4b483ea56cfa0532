/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pomona/base/log.h"
#include "pomona/pki/seal.h"
#include "pomona/store/admin.h"

static int64_t unix_ms(void *ctx)
{
	const struct world *world = ctx;

	return world->now * 1000;
}

static int64_t monotonic_us(void *ctx)
{
	(void)ctx;
	return clock_monotonic_us(clock_system());
}

/* In memory where that is, so that thousands of commits do not wait for a disk. */
static void make_dir(struct world *world)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	snprintf(world->dir, sizeof(world->dir), "%s/pomona-world-XXXXXX", base);
	assert_non_null(mkdtemp(world->dir));
}

static void open_store(struct world *world, uint32_t key_id)
{
	static const uint8_t key[SEAL_KEY_BYTES] = {1, 2, 3};
	char path[128];
	struct store_params params;
	struct err err;

	world->keyring = keyring_of_key(key_id, key);
	assert_non_null(world->keyring);
	snprintf(path, sizeof(path), "%s/pomona.db", world->dir);
	params = (struct store_params){.path = path,
		.keyring = world->keyring,
		.clock = &world->clock,
		.is_create = true};
	if (store_open(&params, &world->store, &err) != RC_OK || store_start(world->store, &err) != RC_OK)
		fail_msg("%s", err.text);
}

void world_open(struct world *world)
{
	log_set_level(LOG_LEVEL_WARNING);
	memset(world, 0, sizeof(*world));
	make_dir(world);
	world->now = WORLD_BEGINS;
	world->clock = (struct clock){.unix_ms = unix_ms, .monotonic_us = monotonic_us, .ctx = world};
	open_store(world, 1);
}

static void close_store(struct world *world)
{
	store_stop(world->store);
	store_close(&world->store);
	keyring_free(&world->keyring);
}

void world_lose_key(struct world *world)
{
	close_store(world);
	open_store(world, 2);
}

void world_close(struct world *world)
{
	char command[128];

	close_store(world);
	snprintf(command, sizeof(command), "rm -rf '%s'", world->dir);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): the name is ours */
}

void world_write(struct world *world, world_fn fn, void *ctx)
{
	struct err err = {0};

	if (store_run(world->store, fn, ctx, &err) != RC_OK)
		fail_msg("%s", err.text);
}

struct credential world_credential(const char *name)
{
	struct credential credential = {.verdict = CERT_GOOD};

	sha256(slice_of_str(name), credential.facts.sha256);
	memcpy(credential.facts.tbs_sha256, credential.facts.sha256, SHA256_BYTES);
	snprintf(credential.facts.subject, sizeof(credential.facts.subject), "CN=%s", name);
	snprintf(credential.facts.issuer, sizeof(credential.facts.issuer), "CN=Test CA");
	snprintf(credential.facts.serial, sizeof(credential.facts.serial), "01");
	credential.facts.not_before = WORLD_BEGINS - 5LL * WORLD_YEAR_S;
	credential.facts.not_after = WORLD_BEGINS + 5LL * WORLD_YEAR_S;
	return credential;
}

struct credential world_twin(const char *name)
{
	struct credential twin = world_credential(name);

	twin.facts.sha256[0] ^= 1;
	return twin;
}

struct issue {
	const struct credential *credential;
	const char *issued_for, *renewal_of;
};

static enum rc issue(void *ctx, struct txn *txn, struct err *err)
{
	const struct issue *issue = ctx;
	struct enrollment enrollment = {0};
	struct identity_issued issued = {
		.facts = &issue->credential->facts,
		.der = slice_of_str("der"),
		.issued_for = slice_of_str(issue->issued_for),
	};
	enum rc rc = RC_OK;

	if (issue->renewal_of[0] != '\0')
		rc = enrollment_find(txn, slice_of_str(issue->renewal_of), &enrollment, err);
	if (rc != RC_OK)
		return rc;
	issued.renewal_of = enrollment.id;
	return identity_issued(txn, &issued, err);
}

void world_issue(struct world *world, const struct credential *credential, const char *issued_for,
	const char *renewal_of)
{
	struct issue ctx = {credential, issued_for, renewal_of};

	world_write(world, issue, &ctx);
}

static enum rc revoke_identity(void *ctx, struct txn *txn, struct err *err)
{
	const struct credential *credential = ctx;
	struct identity_revoked revoked;

	return identity_revoke(txn, credential->facts.sha256, &revoked, err);
}

void world_revoke(struct world *world, const struct credential *credential)
{
	struct credential copy = *credential;

	world_write(world, revoke_identity, &copy);
}

bool world_find(struct world *world, const char *ext_id, struct enrollment *enrollment_r)
{
	struct txn *txn;
	struct err err;
	enum rc rc;

	assert_int_equal(store_read_begin(world->store, &txn, &err), RC_OK);
	rc = enrollment_find(txn, slice_of_str(ext_id), enrollment_r, &err);
	store_read_end(world->store, &txn);
	assert_true(rc == RC_OK || rc == RC_NOT_FOUND);
	return rc == RC_OK;
}

enum enrollment_state world_state(struct world *world, const char *ext_id)
{
	struct enrollment enrollment;

	assert_true(world_find(world, ext_id, &enrollment));
	return enrollment.state;
}

struct set_state {
	int64_t id;
	enum enrollment_state state;
};

static enum rc set_state(void *ctx, struct txn *txn, struct err *err)
{
	const struct set_state *set = ctx;

	return enrollment_set_state(txn, set->id, set->state, err);
}

void world_set_state(struct world *world, const char *ext_id, enum enrollment_state state)
{
	struct enrollment enrollment;
	struct set_state ctx;

	assert_true(world_find(world, ext_id, &enrollment));
	ctx = (struct set_state){enrollment.id, state};
	world_write(world, set_state, &ctx);
}

struct alarms {
	const char *kind, *subject;
	int64_t count;
};

static enum rc count_alarms(void *ctx, struct txn *txn, struct err *err)
{
	AUTO(arena_free) struct arena *arena = arena_new(1 << 20);
	struct alarms *alarms = ctx;
	struct alarm_view *views;
	size_t count;
	enum rc rc;

	assert_non_null(arena);
	alarms->count = 0;
	rc = alarm_list(txn, 1000, arena, &views, &count, err);
	for (size_t i = 0; rc == RC_OK && i < count; i++)
		if (strcmp(views[i].kind, alarms->kind) == 0 && strcmp(views[i].subject, alarms->subject) == 0)
			alarms->count = views[i].count;
	return rc;
}

int64_t world_alarms(struct world *world, const char *kind, const char *subject)
{
	struct alarms ctx = {kind, subject, 0};

	world_write(world, count_alarms, &ctx);
	return ctx.count;
}

int64_t world_look(struct world *world, const char *sql)
{
	char path[128];
	sqlite3 *db;
	sqlite3_stmt *stmt;
	int64_t number;

	snprintf(path, sizeof(path), "%s/pomona.db", world->dir);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	number = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return number;
}

static enum rc count_automatic(void *ctx, struct txn *txn, struct err *err)
{
	return unenrollment_count_automatic(txn, 0, ctx, err);
}

int64_t world_automatic_unenrollments(struct world *world)
{
	int64_t count = 0;

	world_write(world, count_automatic, &count);
	return count;
}
