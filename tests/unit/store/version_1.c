/* SPDX-License-Identifier: Apache-2.0 */
#include "version_1.h"

#include <sqlite3.h>
#include <string.h>

#include "schema.h"

/* 1700000000 is T0. */
static const char rows[] =
	"INSERT INTO identity (id, sha256, tbs_sha256, owner_id, not_before, not_after, recorded_at,"
	" chained_under, subject, issuer, serial) VALUES (1, zeroblob(32), zeroblob(32), 1, 0, 2000000000,"
	" 1700000000, zeroblob(32), 'CN=device', 'CN=ca', '0a');"
	"INSERT INTO enrollment (id, ext_id, kind, state, identity_id, created_at, enrolled_at,"
	" token_updated_at, last_seen_at, push_token, push_magic, topic, serial_number) VALUES (1, 'UDID-1', 1,"
	" 2, 1, 1700000000, 1700000001, 1700000002, 1700000003, x'0102', 'magic', 'topic', 'SERIAL');"
	"INSERT INTO enrollment (id, ext_id, kind, state, device_id, created_at) VALUES (2, 'UDID-1:U', 2, 2,"
	" 1, 1700000000);"
	"INSERT INTO checkin_message VALUES (1, 'TokenUpdate', 1700000002,"
	" sealed('checkin/1/TokenUpdate', 'raw token update'));"
	"INSERT INTO command (id, uuid, request_type, priority, is_never_notnow, created_at, is_published)"
	" VALUES (1, 'done', 'DeviceInformation', 1, 0, 1700000000, 1), (2, 'open', 'DeviceLock', 0, 1, 1700000000,"
	" 1);"
	"INSERT INTO command_body VALUES (1, sealed('command/1', 'body of done')),"
	" (2, sealed('command/2', 'body of open'));"
	"INSERT INTO batch (id, command_id, seq, not_after, created_at) VALUES (1, 1, 1, 0, 1700000000),"
	" (2, 2, 2, 0, 1700000000);"
	"INSERT INTO result VALUES (1, 1700000003, sealed('result/1/1', 'raw result'));"
	"INSERT INTO queue (enrollment_id, command_id, batch_id, state, priority, is_never_notnow, result_id,"
	" status) VALUES (1, 1, 1, 4, 1, 0, 1, 'Acknowledged');"
	"INSERT INTO queue (enrollment_id, command_id, batch_id, state, priority, is_never_notnow) VALUES"
	" (1, 2, 2, 2, 0, 1), (2, 2, 2, 1, 0, 1);"
	"UPDATE counter SET value = 2 WHERE name = 'batch.seq';"
	"UPDATE counter SET value = 1 WHERE name = 'queue.done';"
	"INSERT INTO escrow (enrollment_id, kind, stored_at, sealed) VALUES (1, 1, 1700000000,"
	" sealed('escrow/1/1/1700000000', 'unlock token'));"
	"INSERT INTO vault VALUES ('device_ca.key', 1700000000, sealed('vault/device_ca.key', 'key of the CA'));"
	"INSERT INTO alarm VALUES ('kind', 'subject', 'text', 1700000000, 1700000000, 1);";

static struct slice text_of(sqlite3_value *value)
{
	return slice_of(sqlite3_value_text(value), (size_t)sqlite3_value_bytes(value));
}

/* sealed(place, plain): the format of sealed blobs has not changed since. */
static void sealed(sqlite3_context *context, int count, sqlite3_value **values)
{
	const struct fixture *f = sqlite3_user_data(context);
	AUTO(buf_fini) struct buf out = {0};
	struct err err;

	assert_int_equal(count, 2);
	buf_init(&out, 1000);
	assert_ok(seal(f->keyring, text_of(values[0]), text_of(values[1]), &out, &err), &err);
	sqlite3_result_blob(context, out.ptr, (int)out.len, SQLITE_TRANSIENT);
}

static void run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
}

void version_1_make(struct fixture *f)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_create_function(db, "sealed", 2, SQLITE_UTF8, f, sealed, NULL, NULL),
		SQLITE_OK);
	run(db, "PRAGMA journal_mode = WAL; BEGIN");
	run(db, schema_0001);
	run(db, rows);
	run(db, "PRAGMA application_id = 0x504F4D4F; PRAGMA user_version = 1; COMMIT");
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void assert_secrets(struct txn *txn)
{
	AUTO(buf_fini_secret) struct buf out = {0};
	struct err err;

	buf_init(&out, 1000);
	assert_ok(enrollment_raw_message(txn, 1, "TokenUpdate", &out, &err), &err);
	assert_text(&out, "raw token update");
	assert_ok(command_body(txn, 1, &out, &err), &err);
	assert_text(&out, "body of done");
	assert_ok(queue_result(txn, 1, 1, &out, &err), &err);
	assert_text(&out, "raw result");
	assert_ok(escrow_get(txn, 1, ESCROW_UNLOCK_TOKEN, &out, &err), &err);
	assert_text(&out, "unlock token");
	assert_ok(vault_get(txn, "device_ca.key", &out, &err), &err);
	assert_text(&out, "key of the CA");
}

static void assert_enrollments(struct txn *txn, struct arena *arena)
{
	struct enrollment_filter filter = {.limit = 10, .activity = ENROLLMENT_ACTIVE};
	struct enrollment_view *views;
	size_t count;
	struct err err;

	assert_ok(enrollment_list(txn, &filter, arena, &views, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_string_equal(views[0].enrollment.ext_id, "UDID-1");
	assert_string_equal(views[0].serial_number, "SERIAL");
	assert_int_equal(views[0].last_seen_at, T0 + 3);
	assert_int_equal(views[0].open_commands, 1);
	assert_int_equal(views[0].identity_not_after, 2000000000);
	assert_int_equal(views[0].push.outcome_at, 0);
	assert_string_equal(views[1].enrollment.ext_id, "UDID-1:U");
	assert_string_equal(views[1].device_ext_id, "UDID-1");
}

/* What was queued before there were pushes is pushed for. */
static void assert_work(struct txn *txn)
{
	struct push_cursor cursor = {0};
	struct push_target target;
	struct push_work work[3];
	size_t count;
	struct err err;

	assert_ok(push_target_read(txn, 1, &target, &err), &err);
	assert_int_equal(target.token_len, 2);
	assert_true(target.is_reachable);
	assert_int_equal(target.open_seq, 2);
	assert_int_equal(target.pushed_seq + target.token_dead_at, 0);
	assert_ok(push_work_open(txn, 0, work, 3, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_ok(push_work_since(txn, &cursor, work, 3, &count, &err), &err);
	assert_int_equal(count, 2);
	assert_int_equal(work[1].enrollment_id, 2);
	assert_int_equal(work[1].seq, 2);
	assert_int_equal(cursor.seq, 2);
}

void version_1_assert_whole(struct fixture *f)
{
	int64_t by_state[QUEUE_STATE_END];
	int64_t oldest;
	struct txn *txn;
	struct err err;

	fixture_open(f);
	assert_int_equal(look(f, "PRAGMA user_version"), STORE_SCHEMA_VERSION);
	assert_int_equal(look(f, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
	assert_int_equal(look(f, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
	assert_int_equal(look(f, "SELECT count(*) FROM alarm"), 1);
	txn = fixture_read(f);
	assert_ok(queue_census(txn, by_state, &oldest, &err), &err);
	assert_int_equal(by_state[QUEUE_DONE], 1);
	assert_int_equal(by_state[QUEUE_SENT] + by_state[QUEUE_QUEUED], 2);
	assert_enrollments(txn, f->arena);
	assert_secrets(txn);
	assert_work(txn);
}
