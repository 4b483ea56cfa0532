/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "impl.h"
#include "pomona/base/log.h"

const char *fixture_root = "/tmp";

void fixture_root_in_memory(void)
{
	if (access("/dev/shm", W_OK) == 0)
		fixture_root = "/dev/shm";
}

static int64_t fixture_unix_ms(void *ctx)
{
	const struct fixture *f = ctx;

	return f->now_s * 1000;
}

static int64_t fixture_monotonic_us(void *ctx)
{
	struct fixture *f = ctx;

	f->monotonic_us += f->monotonic_step_us;
	return f->monotonic_us;
}

int fixture_setup_closed(void **state)
{
	static const uint8_t key[SEAL_KEY_BYTES] = {1, 2, 3};
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	log_set_level(LOG_LEVEL_ERROR);
	(void)snprintf(f->dir, sizeof(f->dir), "%s/pomona-store-XXXXXX", fixture_root);
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof(f->path), "%s/pomona.db", f->dir);
	f->now_s = T0;
	f->clock =
		(struct clock){.unix_ms = fixture_unix_ms, .monotonic_us = fixture_monotonic_us, .ctx = f};
	f->keyring = keyring_of_key(7, key);
	f->arena = arena_new((size_t)16 * 1024 * 1024);
	assert_non_null(f->keyring);
	assert_non_null(f->arena);
	*state = f;
	return 0;
}

enum rc fixture_try_open(struct fixture *f, struct err *err)
{
	struct store_params params = {.path = f->path,
		.keyring = f->keyring,
		.clock = &f->clock,
		.readers = 2,
		.is_create = true};

	return store_open(&params, &f->store, err);
}

void fixture_open(struct fixture *f)
{
	struct err err;

	assert_ok(fixture_try_open(f, &err), &err);
}

int fixture_setup(void **state)
{
	(void)fixture_setup_closed(state);
	fixture_open(*state);
	return 0;
}

void fixture_close(struct fixture *f)
{
	fixture_commit(f);
	if (f->read != NULL)
		store_read_end(f->store, &f->read);
	store_close(&f->store);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *at)
{
	(void)status;
	(void)type;
	(void)at;
	return remove(path);
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	fixture_close(f);
	(void)nftw(f->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	arena_free(&f->arena);
	keyring_free(&f->keyring);
	free(f);
	return 0;
}

void assert_rc_at(enum rc rc, enum rc want, const struct err *err, const char *file, int line)
{
	if (rc == want)
		return;
	print_error("got %s, want %s: %s\n", rc_name(rc), rc_name(want), rc == RC_OK ? "" : err->text);
	_fail(file, line);
}

struct txn *fixture_write(struct fixture *f)
{
	struct txn *txn = &f->store->writer.txn;
	struct err err;

	if (!f->is_writing) {
		assert_ok(db_control(&txn->db, "BEGIN IMMEDIATE", &err), &err);
		memset(txn->finished, 0, sizeof(txn->finished));
		txn->staging = (struct staging){0};
		txn->now = f->now_s;
		f->is_writing = true;
	}
	return txn;
}

void fixture_commit(struct fixture *f)
{
	struct txn *txn;
	struct err err;

	if (!f->is_writing)
		return;
	txn = fixture_write(f);
	assert_ok(totals_write(txn, txn->finished, &err), &err);
	assert_ok(db_control(&txn->db, "COMMIT", &err), &err);
	f->is_writing = false;
}

void fixture_rollback(struct fixture *f)
{
	struct err err;

	assert_ok(db_control(&fixture_write(f)->db, "ROLLBACK", &err), &err);
	f->is_writing = false;
}

struct txn *fixture_read(struct fixture *f)
{
	struct err err;

	fixture_commit(f);
	if (f->read != NULL)
		store_read_end(f->store, &f->read);
	assert_ok(store_read_begin(f->store, &f->read, &err), &err);
	return f->read;
}

struct cert_facts facts_of(uint8_t mark)
{
	struct cert_facts facts = {
		.subject = "CN=device",
		.issuer = "CN=ca",
		.serial = "0a",
		.not_before = T0 - 10,
		.not_after = T0 + 1000,
	};

	memset(facts.sha256, mark, sizeof(facts.sha256));
	memset(facts.tbs_sha256, mark, sizeof(facts.tbs_sha256));
	return facts;
}

enum rc enroll_device(struct txn *txn, const char *ext_id, uint8_t mark, int64_t *id_r,
	struct err *err)
{
	static const uint8_t anchors[SHA256_BYTES];
	const struct device_facts facts = {.topic = S("com.example.mdm"), .serial_number = S("SERIAL")};
	struct cert_facts cert = facts_of(mark);
	int64_t identity_id = 0;
	enum rc rc = enrollment_add_device(txn, ENROLLMENT_DEVICE, slice_of_str(ext_id), id_r, err);

	if (rc == RC_OK)
		rc = identity_record(txn, &cert, anchors, &identity_id, err);
	if (rc == RC_OK)
		rc = identity_set_owner(txn, identity_id, *id_r, err);
	if (rc == RC_OK)
		rc = enrollment_set_pending(txn, *id_r, identity_id, &facts, S("raw authenticate"), err);
	return rc == RC_OK ? enrollment_promote(txn, *id_r, err) : rc;
}

enum rc give_token(struct txn *txn, int64_t id, const char *push_token, struct err *err)
{
	const struct token_facts facts = {.topic = S("com.example.mdm"),
		.token = slice_of_str(push_token),
		.push_magic = S("magic")};

	return enrollment_set_token(txn, id, &facts, S("raw token"), err);
}

enum rc send_command(struct txn *txn, const char *uuid, int priority, int64_t enrollment_id,
	int64_t not_after, struct err *err)
{
	const struct command_row row = {
		.uuid = slice_of_str(uuid),
		.request_type = S("DeviceInformation"),
		.body = slice_of_str(uuid), /* bodies differ as their ids do */
		.priority = priority,
		.is_never_notnow = priority == COMMAND_PRIORITY_URGENT,
	};
	bool was_queued = false;
	int64_t command_id = 0;
	int64_t batch_id = 0;
	enum rc rc = command_put(txn, &row, &command_id, err);

	if (rc == RC_OK)
		rc = batch_begin(txn, command_id, not_after, &batch_id, err);
	if (rc == RC_OK)
		rc = batch_add(txn, batch_id, enrollment_id, &was_queued, err);
	return rc == RC_OK ? batch_publish(txn, batch_id, err) : rc;
}

enum rc put_push_cert(struct txn *txn, const char *topic, uint8_t mark, struct slice cert_pem,
	struct slice key_pem, struct err *err)
{
	struct push_cert cert = {.facts = facts_of(mark)};
	enum rc rc;

	assert_true(strlen(topic) < sizeof(cert.topic));
	memcpy(cert.topic, topic, strlen(topic));
	buf_init(&cert.cert_pem, cert_pem.len);
	buf_init(&cert.key_pem, key_pem.len);
	buf_append(&cert.cert_pem, cert_pem);
	buf_append(&cert.key_pem, key_pem);
	rc = push_cert_put(txn, &cert, err);
	buf_fini(&cert.cert_pem);
	buf_fini_secret(&cert.key_pem);
	return rc;
}

void assert_slice(struct slice got, const char *want)
{
	assert_int_equal(got.len, strlen(want));
	assert_memory_equal(got.ptr, want, got.len);
}

void assert_text(struct buf *buf, const char *want)
{
	assert_slice(buf_slice(buf), want);
	buf_clear(buf);
}

static sqlite3 *open_beside(const struct fixture *f)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	return db;
}

int64_t look(const struct fixture *f, const char *sql)
{
	sqlite3 *db = open_beside(f);
	sqlite3_stmt *stmt;
	int64_t value;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	value = sqlite3_column_int64(stmt, 0);
	(void)sqlite3_finalize(stmt);
	(void)sqlite3_close(db);
	return value;
}

void tamper(const struct fixture *f, const char *sql)
{
	sqlite3 *db = open_beside(f);

	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
}

void fixture_path(const struct fixture *f, const char *name, char path[static FIXTURE_PATH_BYTES])
{
	(void)snprintf(path, FIXTURE_PATH_BYTES, "%s/%s", f->dir, name);
}

size_t fixture_count_files(const struct fixture *f, const char *pattern)
{
	char path[FIXTURE_PATH_BYTES];
	glob_t found;
	size_t count;

	fixture_path(f, pattern, path);
	count = glob(path, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
	globfree(&found);
	return count;
}
