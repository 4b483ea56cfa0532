/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POMONA_STORE_SEALED_TABLE_H
#define POMONA_STORE_SEALED_TABLE_H

/*
 * Where all sealed blobs of the database are; a test holds the list against the schema. What is not here would stay
 * under an old key for ever.
 * Threading: any thread; constant.
 */

#include "txn.h"

struct sealed_table {
	const char *table, *column;
	/* ?1: after this row, ?2: so many rows. Gives the last row, a key id's four bytes, how many are under it. */
	const char *count_sql;
	/* ?1, ?2: after this place, ?3: so many rows. Gives the place (two columns), rowid and blob, what `place` needs. */
	const char *walk_sql;
	/* Puts the blob ?2 into the row ?1 whose blob still begins with ?3. */
	const char *put_sql;
	struct place (*place)(const struct query *row);
};
enum { SEALED_TABLES_MAX = 32 };
enum { SEALED_TABLE_PLACE = 4 }; /* the first column of walk_sql that `place` looks at */

/*
 * In the order of re-sealing. A pending message may become one of checkin_message with the blob it has, so these
 * stand in this order. The last one is the device CA's key alone.
 */
const struct sealed_table *sealed_tables(size_t *count_r);

#endif
