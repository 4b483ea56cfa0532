/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_DB_H
#define POMONA_STORE_DB_H

/*
 * SQLite as the verbs see it: a connection that prepares each SQL literal once, values to bind, rows to read.
 * A verb is its SQL, its values and what it makes of the columns; all faults are told here, in one form.
 * Threading: a connection belongs to one thread at a time.
 */

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "pomona/base/arena.h"
#include "pomona/base/err.h"
#include "pomona/base/slice.h"

struct txn;

/* Of a connection. A test holds the SQL literals of this room well below: each may come to be a statement. */
enum {
	DB_SLOT_BITS = 10,
	DB_SLOTS = 1 << DB_SLOT_BITS,
	DB_STATEMENTS_MAX = DB_SLOTS / 4 * 3, /* so that a search soon meets a free slot */
};

struct db {
	sqlite3 *raw;
	struct db_statement {
		const char *sql; /* by address: it is a literal */
		sqlite3_stmt *stmt;
	} statements[DB_SLOTS];
	size_t statement_count;
	bool is_disk_failing;   /* SQLite has said so; nobody else puts it back but the writer */
	sqlite3_stmt *rollback; /* prepared by db_ready() */
};

/* `what` names the connection's path in errors. */
enum rc db_open(struct db *db, const char *path, int flags, struct err *err) MUST_USE;
void db_close(struct db *db);
/* Statements without rows that are run once: pragmas, migrations. */
enum rc db_script(struct db *db, const char *sql, struct err *err) MUST_USE;
/* The first column of the first row of a statement that is run once, such as a pragma's. */
enum rc db_read_int(struct db *db, const char *sql, int64_t *value_r, struct err *err) MUST_USE;
/* Runs an integrity check, whose only row must say "ok": else RC_CORRUPT with what it says. */
enum rc db_check(struct db *db, const char *sql, struct err *err) MUST_USE;
/* Runs a prepared statement without rows and values: BEGIN, COMMIT, SAVEPOINT. */
enum rc db_control(struct db *db, const char *sql, struct err *err) MUST_USE;
/* Ends what only read. */
void db_end_read(struct db *db);
/* Makes db_leave() need no memory; after all pragmas and migrations, which would undo that. */
enum rc db_ready(struct db *db, struct err *err) MUST_USE;
/* Ends a transaction, if one is open, and what it did. */
void db_leave(struct db *db);
/* The one table from SQLite's codes to ours. `verb` says who failed. Never shows values. */
enum rc db_fault(struct db *db, int sqlite_rc, const char *verb, struct err *err);

enum value_kind { VALUE_END, VALUE_INT, VALUE_ID, VALUE_TEXT, VALUE_BLOB };
struct value {
	enum value_kind kind;
	int64_t integer;
	struct slice bytes; /* borrowed until query_end() */
};
#define V_INT(x) ((struct value){.kind = VALUE_INT, .integer = (x)})
/* A reference: 0 is NULL. */
#define V_ID(x) ((struct value){.kind = VALUE_ID, .integer = (x)})
#define V_TEXT(s) ((struct value){.kind = VALUE_TEXT, .bytes = (s)})
#define V_STR(str) ((struct value){.kind = VALUE_TEXT, .bytes = slice_of_str(str)})
#define V_BLOB(s) ((struct value){.kind = VALUE_BLOB, .bytes = (s)})
#define V_SHA256(ptr) ((struct value){.kind = VALUE_BLOB, .bytes = slice_of((ptr), 32)})

/* A statement in use: AUTO(query_end) struct query query = {0}; */
struct query {
	struct txn *txn;
	sqlite3_stmt *stmt;
	const char *verb;
};

/* `values` ends with VALUE_END. RC_INTERNAL for a change in a read transaction. */
enum rc query_start(struct query *query, struct txn *txn, const char *verb, const char *sql,
	const struct value *values, struct err *err) MUST_USE;
enum rc query_next(struct query *query, bool *is_row_r, struct err *err) MUST_USE;
/* The one row that must be there, else RC_NOT_FOUND "no such <what>". */
enum rc query_row(struct query *query, const char *what, struct err *err) MUST_USE;
void query_end(struct query *query);
/* Runs to the end, passing over rows. */
enum rc query_do(struct txn *txn, const char *verb, const char *sql, const struct value *values,
	struct err *err) MUST_USE;
/* Rows that the last statement changed. */
int64_t txn_changes(const struct txn *txn);

/* QUERY(&query, txn, err, "SELECT ... ?1", V_INT(id)); the SQL must be a literal. */
#define QUERY(query, txn, err, ...) QUERY_(query, txn, err, __VA_ARGS__, {.kind = VALUE_END})
#define QUERY_(query, txn, err, sql, ...) \
	query_start(query, txn, __func__, sql, (const struct value[]){__VA_ARGS__}, err)
#define DO(txn, err, ...) DO_(txn, err, __VA_ARGS__, {.kind = VALUE_END})
#define DO_(txn, err, sql, ...) \
	query_do(txn, __func__, sql, (const struct value[]){__VA_ARGS__}, err)

/* Columns count from 0. Bytes are borrowed until the next query_next() or query_end(). */
int64_t query_int(const struct query *query, int column);
struct slice query_bytes(const struct query *query, int column);
/* A C string in the arena; *is_short is set, never cleared, where memory is short. */
const char *query_str(const struct query *query, int column, struct arena *arena, bool *is_short);
/* A digest of 32 bytes; anything else, which the schema forbids, leaves `out` as it was. */
void query_sha256(const struct query *query, int column, uint8_t out[static 32]);
/* Cut to size - 1 bytes and terminated. */
void query_copy(const struct query *query, int column, char *out, size_t size);

#endif
