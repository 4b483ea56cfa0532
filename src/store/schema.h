/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_SCHEMA_H
#define POMONA_STORE_SCHEMA_H

/*
 * The migrations, compiled in from schema/NNNN.sql, and the one that brings a database up to date.
 * Threading: the thread that opens the store.
 */

#include "db.h"

extern const char schema_0001[];
extern const char schema_0002[];
extern const char schema_0003[];
extern const char schema_0004[];
extern const char schema_0005[];
extern const char schema_0006[];
extern const char schema_0007[];
extern const char schema_0008[];
extern const char schema_0009[];
extern const char schema_0010[];
extern const char schema_0011[];
extern const char schema_0012[];
extern const char schema_0013[];
extern const char schema_0014[];
extern const char schema_0015[];
extern const char schema_0016[];

/* Reads only. RC_UNSUPPORTED: newer than this program; RC_CORRUPT: not a database of ours. */
enum rc schema_check(struct db *db, const char *path, int64_t *version_r, struct err *err) MUST_USE;
/* From `version` to STORE_SCHEMA_VERSION: all migrations in one transaction, or none. */
enum rc schema_migrate(struct db *db, int64_t version, struct err *err) MUST_USE;

#endif
