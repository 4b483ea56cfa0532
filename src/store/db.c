/* SPDX-License-Identifier: Apache-2.0 */
#include "db.h"

#include <string.h>

#include "txn.h"

/* By SQLite's primary code; what is missing here is our own fault. */
static const struct {
	int sqlite_rc;
	enum rc rc;
	const char *advice;
} faults[] = {
	{SQLITE_FULL, RC_IO, " (disk full)"},
	{SQLITE_IOERR, RC_IO, ""},
	{SQLITE_CANTOPEN, RC_IO, ""},
	{SQLITE_PERM, RC_IO, ""},
	{SQLITE_READONLY, RC_IO, ""},
	{SQLITE_PROTOCOL, RC_IO, ""},
	{SQLITE_NOMEM, RC_NO_MEMORY, ""},
	{SQLITE_BUSY, RC_BUSY, " (another program uses the database)"},
	{SQLITE_LOCKED, RC_BUSY, ""},
	{SQLITE_TOOBIG, RC_LIMIT, ""},
	{SQLITE_CORRUPT, RC_CORRUPT, ": stop pomonad and restore a backup"},
	{SQLITE_NOTADB, RC_CORRUPT, ": stop pomonad and restore a backup"},
};

enum rc db_fault(struct db *db, int sqlite_rc, const char *verb, struct err *err)
{
	const char *text = db->raw == NULL ? sqlite3_errstr(sqlite_rc) : sqlite3_errmsg(db->raw);

	for (size_t i = 0; i < COUNT_OF(faults); i++) {
		if (faults[i].sqlite_rc != (sqlite_rc & 0xff))
			continue;
		db->is_disk_failing = db->is_disk_failing || faults[i].rc == RC_IO;
		return err_set(err, faults[i].rc, "%s: %s%s [sqlite %d]", verb, text, faults[i].advice,
			sqlite_rc);
	}
	return err_set(err, RC_INTERNAL, "%s: %s [sqlite %d]", verb, text, sqlite_rc);
}

/*
 * One process owns the database (lock.c): the index of the log lies on its heap, and no transaction asks the
 * kernel for locks. A default VFS that is not SQLite's own is a test's, and chooses for itself.
 */
static const char *vfs_name(void)
{
	const sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

	return vfs != NULL && strcmp(vfs->zName, "unix") == 0 ? "unix-excl" : NULL;
}

enum rc db_open(struct db *db, const char *path, int flags, struct err *err)
{
	enum { BUSY_TIMEOUT_MS = 2000 };
	int rc;

	*db = (struct db){0};
	rc =
		sqlite3_open_v2(path, &db->raw, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, vfs_name());
	if (rc != SQLITE_OK)
		return db_fault(db, rc, path, err);
	(void)sqlite3_busy_timeout(db->raw, BUSY_TIMEOUT_MS);
	/* A plan depends on no value: else each new value has statements prepared again, for partial indexes. */
	(void)sqlite3_db_config(db->raw, SQLITE_DBCONFIG_ENABLE_QPSG, 1, NULL);
	return RC_OK;
}

void db_close(struct db *db)
{
	for (size_t i = 0; i < DB_SLOTS; i++)
		(void)sqlite3_finalize(db->statements[i].stmt);
	(void)sqlite3_finalize(db->rollback);
	(void)sqlite3_close(db->raw);
	*db = (struct db){0};
}

enum rc db_script(struct db *db, const char *sql, struct err *err)
{
	int rc = sqlite3_exec(db->raw, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? RC_OK : db_fault(db, rc, "database", err);
}

enum rc db_read_int(struct db *db, const char *sql, int64_t *value_r, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	enum rc result = RC_OK;
	int rc = sqlite3_prepare_v2(db->raw, sql, -1, &stmt, NULL);

	*value_r = 0;
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*value_r = sqlite3_column_int64(stmt, 0);
	else
		result = db_fault(db, rc, "database", err);
	(void)sqlite3_finalize(stmt);
	return result;
}

enum rc db_check(struct db *db, const char *sql, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	const char *said = NULL;
	enum rc result = RC_OK;
	int rc = sqlite3_prepare_v2(db->raw, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		said = (const char *)sqlite3_column_text(stmt, 0);
	if (rc != SQLITE_ROW)
		result = db_fault(db, rc, "database", err);
	else if (said == NULL || strcmp(said, "ok") != 0)
		result = err_set(err, RC_CORRUPT, "the database is damaged: %.200s", said == NULL ? "" : said);
	(void)sqlite3_finalize(stmt);
	return result;
}

static size_t slot_of(const char *sql)
{
	/* Fibonacci hashing: the high bits of the product are the well-mixed ones. */
	return (size_t)(((uint64_t)(uintptr_t)sql * 0x9E3779B97F4A7C15u) >> (64 - DB_SLOT_BITS));
}

static enum rc prepare(struct db *db, struct db_statement *slot, const char *sql, const char *verb,
	struct err *err)
{
	int rc;

	if (db->statement_count >= DB_STATEMENTS_MAX)
		return err_set(err, RC_INTERNAL, "%s: more than %d statements", verb, DB_STATEMENTS_MAX);
	rc = sqlite3_prepare_v3(db->raw, sql, -1, SQLITE_PREPARE_PERSISTENT, &slot->stmt, NULL);
	if (rc != SQLITE_OK)
		return db_fault(db, rc, verb, err);
	slot->sql = sql;
	db->statement_count++;
	return RC_OK;
}

static enum rc find_statement(struct db *db, const char *sql, const char *verb,
	sqlite3_stmt **stmt_r, struct err *err)
{
	size_t at = slot_of(sql);
	struct db_statement *slot = &db->statements[at];
	enum rc rc = RC_OK;

	while (slot->sql != NULL && slot->sql != sql) {
		at = (at + 1) % DB_SLOTS;
		slot = &db->statements[at];
	}
	if (slot->sql == NULL)
		rc = prepare(db, slot, sql, verb, err);
	*stmt_r = slot->stmt;
	return rc;
}

enum rc db_control(struct db *db, const char *sql, struct err *err)
{
	sqlite3_stmt *stmt;
	enum rc rc = find_statement(db, sql, sql, &stmt, err);
	int step;

	if (rc != RC_OK)
		return rc;
	step = sqlite3_step(stmt);
	if (step != SQLITE_DONE)
		rc = db_fault(db, step, sql, err);
	(void)sqlite3_reset(stmt);
	return rc;
}

enum rc db_ready(struct db *db, struct err *err)
{
	int rc =
		sqlite3_prepare_v3(db->raw, "ROLLBACK", -1, SQLITE_PREPARE_PERSISTENT, &db->rollback, NULL);

	return rc == SQLITE_OK ? RC_OK : db_fault(db, rc, "ROLLBACK", err);
}

void db_leave(struct db *db)
{
	if (sqlite3_get_autocommit(db->raw))
		return;
	if (db->rollback == NULL) {
		(void)sqlite3_exec(db->raw, "ROLLBACK", NULL, NULL, NULL);
		return;
	}
	(void)sqlite3_step(db->rollback);
	(void)sqlite3_reset(db->rollback);
}

/* Where memory is short for the statement's first use, the snapshot must not be held for ever. */
void db_end_read(struct db *db)
{
	if (db_control(db, "COMMIT", NULL) != RC_OK)
		db_leave(db);
}

static int bind(sqlite3_stmt *stmt, int at, const struct value *value)
{
	const void *ptr = value->bytes.ptr == NULL ? "" : (const void *)value->bytes.ptr;

	switch (value->kind) {
	case VALUE_INT:
		return sqlite3_bind_int64(stmt, at, value->integer);
	case VALUE_ID:
		if (value->integer == 0)
			return sqlite3_bind_null(stmt, at);
		return sqlite3_bind_int64(stmt, at, value->integer);
	case VALUE_TEXT:
		return sqlite3_bind_text64(stmt, at, ptr, value->bytes.len, SQLITE_STATIC, SQLITE_UTF8);
	case VALUE_BLOB:
		return sqlite3_bind_blob64(stmt, at, ptr, value->bytes.len, SQLITE_STATIC);
	case VALUE_END:
		break;
	}
	return SQLITE_MISUSE;
}

enum rc query_start(struct query *query, struct txn *txn, const char *verb, const char *sql,
	const struct value *values, struct err *err)
{
	sqlite3_stmt *stmt;
	enum rc rc = find_statement(&txn->db, sql, verb, &stmt, err);
	int at = 0;

	*query = (struct query){.txn = txn, .verb = verb};
	if (rc != RC_OK)
		return rc;
	if (!txn->is_writer && !sqlite3_stmt_readonly(stmt))
		return err_set(err, RC_INTERNAL, "%s: a change in a read transaction", verb);
	if (sqlite3_stmt_busy(stmt))
		return err_set(err, RC_INTERNAL, "%s: its statement is in use", verb);
	query->stmt = stmt;
	for (; values[at].kind != VALUE_END; at++) {
		int bound = bind(stmt, at + 1, &values[at]);

		if (bound != SQLITE_OK)
			return db_fault(&txn->db, bound, verb, err);
	}
	if (at != sqlite3_bind_parameter_count(stmt))
		return err_set(err, RC_INTERNAL, "%s: %d values, want %d", verb, at,
			sqlite3_bind_parameter_count(stmt));
	return RC_OK;
}

enum rc query_next(struct query *query, bool *is_row_r, struct err *err)
{
	int rc = sqlite3_step(query->stmt);

	*is_row_r = rc == SQLITE_ROW;
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		return RC_OK;
	return db_fault(&query->txn->db, rc, query->verb, err);
}

enum rc query_row(struct query *query, const char *what, struct err *err)
{
	bool is_row;
	enum rc rc = query_next(query, &is_row, err);

	if (rc == RC_OK && !is_row)
		return err_set(err, RC_NOT_FOUND, "no such %s", what);
	return rc;
}

void query_end(struct query *query)
{
	if (query->stmt == NULL)
		return;
	(void)sqlite3_reset(query->stmt); /* repeats the fault that query_next() told */
	(void)sqlite3_clear_bindings(query->stmt);
	query->stmt = NULL;
}

enum rc query_do(struct txn *txn, const char *verb, const char *sql, const struct value *values,
	struct err *err)
{
	AUTO(query_end) struct query query = {0};
	enum rc rc = query_start(&query, txn, verb, sql, values, err);
	bool is_row = true;

	while (rc == RC_OK && is_row)
		rc = query_next(&query, &is_row, err);
	return rc;
}

int64_t txn_changes(const struct txn *txn)
{
	return sqlite3_changes64(txn->db.raw);
}

int64_t query_int(const struct query *query, int column)
{
	return sqlite3_column_int64(query->stmt, column);
}

struct slice query_bytes(const struct query *query, int column)
{
	const void *ptr = sqlite3_column_blob(query->stmt, column);

	return slice_of(ptr, ptr == NULL ? 0 : (size_t)sqlite3_column_bytes(query->stmt, column));
}

const char *query_str(const struct query *query, int column, struct arena *arena, bool *is_short)
{
	const char *str = arena_str(arena, query_bytes(query, column));

	if (str == NULL)
		*is_short = true;
	return str;
}

void query_sha256(const struct query *query, int column, uint8_t out[static 32])
{
	struct slice bytes = query_bytes(query, column);

	if (bytes.len == 32)
		memcpy(out, bytes.ptr, bytes.len);
}

void query_copy(const struct query *query, int column, char *out, size_t size)
{
	struct slice bytes = slice_sub(query_bytes(query, column), 0, size - 1);

	if (bytes.len > 0)
		memcpy(out, bytes.ptr, bytes.len);
	out[bytes.len] = 0;
}
